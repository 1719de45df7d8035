"""What subtitles say: cues become running text, speaker by speaker, without numbers, times and marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape
from itertools import pairwise

from bertkit.documents.readers.dialogue import Turn, find_turns
from bertkit.documents.readers.passage import Builder, Kind, Passage

TIMES = re.compile(
    r"[ \t]*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}[ \t]*(?:-->|,)[ \t]*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}(?:[ \t].*)?$"
)
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]*)>", re.IGNORECASE)
# What is in a line and is not said: tags, places on the screen, sounds.
_UNSAID = re.compile(r"<[^<>\n]*>|\{\\?[^{}\n]*\}|\[[^\[\]\n]*\]|[♪♫#](?=\s|$)[^♪♫#\n]*[♪♫#]?|[♪♫]|&#?\w{1,10};")
_SOUND = re.compile(r"\s*\([^()]*\)\s*$")
_NEXT_VOICE = re.compile(r"(?:>{2,3}\s*|[-–—]\s+(?=\S)|[-–—](?=[^\W\d_]))")
_STOP = re.compile(r"[.!?…。！？][\"'”’)\]]*(?:\s|$)")
_WORDS_WITHOUT_STOP = 40
"""Words for each end mark from which captions have none to speak of, and each cue is a sentence."""
_OWN_WORDS = 15  # letters of a line from which it is not said twice in a row, but shown twice


@dataclass(frozen=True, slots=True)
class CueLine:
    """A line of a cue: text[start:end] of the document, in the `cue`-th cue."""

    text: str
    start: int
    cue: int


@dataclass(frozen=True, slots=True)
class _Said:
    """What of a line is said, in pieces with their places, and by whom; `voice` is None where nothing tells."""

    pieces: tuple[tuple[str, int, int], ...]
    voice: str | None
    cue: int
    is_new: bool

    @property
    def text(self) -> str:
        return "".join(piece for piece, _, _ in self.pieces)


def passages_of_cues(lines: Iterable[CueLine]) -> list[Passage]:
    """Return the passages of subtitles: what one speaker says without another is one."""
    said = list(_without_repetition([found for line in lines for found in _said(line)]))
    said = _labelled(said)
    words = sum(len(line.text.split()) for line in said)
    stops = sum(len(_STOP.findall(line.text)) for line in said)
    return list(_passages(said, by_cue=words > _WORDS_WITHOUT_STOP * stops))


def _said(line: CueLine) -> Iterator[_Said]:
    """Cut a line where another voice begins, and take out what is not said."""
    voices = list(_VOICE.finditer(line.text))
    cuts = [0, *(match.start() for match in voices), len(line.text)]
    for number, (begin, behind) in enumerate(pairwise(cuts)):
        voice = unescape(voices[number - 1][1]).strip() if number else None
        pieces, place = list[tuple[str, int, int]](), begin
        dash = _NEXT_VOICE.match(line.text, begin, behind)
        place = dash.end() if dash else begin
        for mark in _UNSAID.finditer(line.text, place, behind):
            pieces.append((line.text[place : mark.start()], line.start + place, line.start + mark.start()))
            if mark[0].startswith("&"):
                pieces.append((unescape(mark[0]), line.start + mark.start(), line.start + mark.end()))
            place = mark.end()
        pieces.append((line.text[place:behind], line.start + place, line.start + behind))
        found = _Said(tuple(piece for piece in pieces if piece[0]), voice, line.cue, dash is not None)
        if found.text.strip() and not _SOUND.match(found.text):
            yield found


def _without_repetition(said: Sequence[_Said]) -> Iterator[_Said]:
    """Leave out lines that roll up: those that show the end of the cue before once more."""
    last: list[str] = []
    before: list[str] = []
    cue = -1
    for line in said:
        if line.cue != cue:
            before, last, cue = last, [], line.cue
        text = line.text.strip()
        last.append(text)
        if not (text in before and len(text) > _OWN_WORDS):
            yield line


def _labelled(said: Sequence[_Said]) -> list[_Said]:
    """Take names before colons for voices, where they are a dialogue's."""
    if any(line.voice for line in said):
        return list(said)
    turns = find_turns([line.text for line in said])
    return [line if turn is None else _of_turn(line, turn) for line, turn in zip(said, turns, strict=True)]


def _of_turn(line: _Said, turn: Turn) -> _Said:
    pieces, over = [], turn.said
    for piece, start, end in line.pieces:
        cut = min(over, len(piece))
        over -= cut
        if cut < len(piece):
            pieces.append((piece[cut:], start + cut * (end - start == len(piece)), end))
    return replace(line, pieces=tuple(pieces), voice=turn.speaker)


def _passages(said: Sequence[_Said], *, by_cue: bool) -> Iterator[Passage]:
    builder, speaker, cue = Builder(), "", -1
    for line in said:
        changes = line.is_new or (line.voice is not None and line.voice != speaker) or (by_cue and line.cue != cue)
        if changes and (made := builder.passage()):
            yield replace(made, speaker=speaker)
        speaker = "" if line.is_new and line.voice is None else speaker if line.voice is None else line.voice
        cue = line.cue
        if line.pieces:
            builder.space(line.pieces[0][1], line.pieces[0][1])
        for piece, start, end in line.pieces:
            if end - start == len(piece):
                builder.add(piece, start)
            else:
                builder.add_read(piece, start, end)
    if made := builder.passage(Kind.PROSE):
        yield replace(made, speaker=speaker)
