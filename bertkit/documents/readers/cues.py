"""What subtitles say: cues become running text, speaker by speaker, without numbers, times and marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape
from itertools import groupby, pairwise

from bertkit.documents.readers.dialogue import Turn, find_turns
from bertkit.documents.readers.notices import is_notice
from bertkit.documents.readers.passage import Builder, Kind, Passage
from bertkit.documents.sentences_korean import FINAL_ENDING

TIMES = re.compile(
    r"[ \t]*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}[ \t]*(?:-->|,)[ \t]*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}(?:[ \t].*)?$"
)
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]*)>", re.IGNORECASE)
# What is in a line and is not said: tags, places on the screen, sounds.
_UNSAID = re.compile(
    r"<rt>[^<>\n]*</rt>|<[^<>\n]*>|\{\\?[^{}\n]*\}|\[[^\[\]\n]*\]|[♪♫#](?=\s|$)[^♪♫#\n]*[♪♫#]?|[♪♫]|&#?\w{1,10};"
)
_WORD = re.compile(r"\S+")
_SOUND = re.compile(r"\s*\([^()]*\)\s*$")
_BREAK = re.compile(r"(?:<br\s*/?>|\[br\]|\\N)$", re.IGNORECASE)
_NEXT_VOICE = re.compile(r"(?:>{2,3}\s*|[-–—]\s+(?=\S)|[-–—](?=[^\W\d_]|\d[\d,.]*[가-힣]))")
_STOP = re.compile(r"[.!?…。！？][\"'”’)\]]*(?:\s|$)")
_OPENS = re.compile(r"(?:so|okay|ok|now|well|but|alright|anyway|however|then|next|first|finally)\b", re.IGNORECASE)
_KOREAN_END = re.compile(rf"(?:{FINAL_ENDING}|[요죠까])\W*$")
_WORDS_WITHOUT_STOP = 40
"""Words for each end mark from which captions have none to speak of; then cues are put together up to a length."""
_LONGEST, _LONG = 20, 8  # words of what is put together: at most, and before a word that opens a sentence
_SHOWN_TWICE = 15  # letters from which what two cues have in common is shown twice, and not said twice
_ROLLS, _SHARE = 3, 0.3  # cues, and their share, that show the one before again, from which all that do roll
_OVERLAP = 60  # words in which two cues are compared


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
    return list(_passages(said, is_unmarked=words > _WORDS_WITHOUT_STOP * stops))


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
            if _BREAK.match(mark[0]):
                pieces.append((" ", line.start + mark.start(), line.start + mark.end()))
            elif mark[0].startswith("&"):
                pieces.append((unescape(mark[0]), line.start + mark.start(), line.start + mark.end()))
            place = mark.end()
        pieces.append((line.text[place:behind], line.start + place, line.start + behind))
        found = _Said(tuple(piece for piece in pieces if piece[0]), voice, line.cue, dash is not None)
        if found.text.strip() and not _SOUND.match(found.text) and not is_notice(found.text.strip()):
            yield found


def _without_repetition(said: Sequence[_Said]) -> Iterator[_Said]:
    """Leave out what is shown twice: captions that roll up, or grow word by word."""
    cues = [list(lines) for _, lines in groupby(said, key=lambda line: line.cue)]
    words = [[word for line in lines for word in line.text.split()] for lines in cues]
    common = [0, *(_in_common(*pair) for pair in pairwise(words))]
    rolls = sum(map(bool, common)) >= max(_ROLLS, _SHARE * len(cues))
    over = 0  # words of a cue that are left out of it
    for place, lines in enumerate(cues):
        shared = words[place][: common[place]]
        is_shown = rolls or (len(shared) > 1 and len("".join(shared)) > _SHOWN_TWICE)
        has_grown = is_shown and place > 0 and common[place] == len(words[place - 1])
        over = over if has_grown else common[place] if is_shown else 0
        ahead = common[place + 1] if place + 1 < len(cues) else 0
        next_shared = words[place][:ahead]
        grows = 0 < ahead == len(words[place]) and (rolls or len("".join(next_shared)) > _SHOWN_TWICE)
        if not grows:  # else the next cue shows all of it again
            yield from _behind(lines, over)


def _in_common(before: Sequence[str], after: Sequence[str]) -> int:
    """Return how many words end one cue and begin the next."""
    longest = min(len(before), len(after), _OVERLAP)
    return next((n for n in range(longest, 0, -1) if before[-n:] == after[:n]), 0)


def _behind(lines: Sequence[_Said], over: int) -> Iterator[_Said]:
    """Leave out the first words of a cue."""
    for line in lines:
        count = len(line.text.split())
        if over < count:
            place = [match.end() for match in _WORD.finditer(line.text)][over - 1] if over else 0
            yield replace(line, pieces=_cut(line.pieces, place)) if over else line
        over = max(0, over - count)


def _labelled(said: Sequence[_Said]) -> list[_Said]:
    """Take names before colons for voices, where they are a dialogue's."""
    if any(line.voice for line in said):
        return list(said)
    turns = find_turns([line.text for line in said])
    return [line if turn is None else _of_turn(line, turn) for line, turn in zip(said, turns, strict=True)]


def _of_turn(line: _Said, turn: Turn) -> _Said:
    return replace(line, pieces=_cut(line.pieces, turn.said), voice=turn.speaker)


def _cut(pieces: Iterable[tuple[str, int, int]], over: int) -> tuple[tuple[str, int, int], ...]:
    """Leave out the first characters of a line."""
    kept = []
    for piece, start, end in pieces:
        cut = min(over, len(piece))
        over -= cut
        if cut < len(piece):
            kept.append((piece[cut:], start + cut * (end - start == len(piece)), end))
    return tuple(kept)


def _passages(said: Sequence[_Said], *, is_unmarked: bool) -> Iterator[Passage]:
    builder, speaker, cue = Builder(), "", -1
    for line in said:
        changes = line.is_new or (line.voice is not None and line.voice != speaker)
        is_over = line.cue != cue and _is_over(builder.text, line.text, is_unmarked=is_unmarked)
        if (changes or is_over) and (made := builder.passage()):
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


def _is_over(before: str, following: str, *, is_unmarked: bool) -> bool:
    """Tell whether a sentence is over between two cues, where no end mark says so."""
    if _KOREAN_END.search(before[-9:]):
        return True
    words = len(before.split()) if is_unmarked else 0
    return words >= _LONGEST or (words >= _LONG and _OPENS.match(following.strip()) is not None)
