"""Documents that are plain text: texts, stories of CNN and Daily Mail, and subtitles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import unescape
from itertools import groupby, pairwise

from bertkit.documents.readers.passage import (
    Builder,
    Kind,
    Passage,
    ReadDocument,
    Turn,
    find_turns,
    is_notice,
    is_particular,
    is_time,
    slice_of,
)
from bertkit.documents.sentence_ends import FINAL_ENDING
from bertkit.documents.sentences import blocks, has_words

# --- Plain text: what its lines are, told by how they stand ---------------------------------------
#
# A title stands alone above prose; a letter begins with a greeting and ends with names;
# tables are parted by bars, tabs or columns; the rest is prose, lists and dialogue.

_LINE_END = re.compile(r"[.!?…。！？:;,~ㅋㅎㅠㅜ^♥♡][\"'”’」』»)\]*_]*$|\.\"?\s*\)$")
_ENDED = re.compile(r"[.!?…。！？~ㅋㅎㅠㅜ^♥♡][\"'”’」』»)\]*_]*$")
_KOREAN_END = re.compile(rf"(?:{FINAL_ENDING}|[요죠음함임됨])$")
_HASHES = re.compile(r"(?:^|\n)[ \t]*(#{1,6})[ \t]+$")
_UNDERLINE = re.compile(r"[ \t]*\r?\n[ \t]*(={3,}|-{3,})[ \t]*(?:\r?\n|$)")
_BULLET_BEFORE = re.compile(r"(?:^|\n)[ \t]*(?:[-*+•·‣▪◦○●◎□■◆◇▶▷▲△※]|ㅇ)[ \t]+$")
_SOUND = re.compile(r"[\[(][^\[\]().!?]{1,40}[\])]$")
_SQUARE_BEFORE = re.compile(r"(?:^|\n)[ \t]*[□■◆◇▣][ \t]+$")
_NUMBERED = re.compile(r"(?:\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)]|\d+(?:\.\d+)+\.?|[①-⑳]|[가-하][.)])\s")
# 1   INTRODUCTION, 2.1 Costs; no date and no amount.
_SECTION = re.compile(
    r"(?P<number>\d{1,2}(?:\.\d{1,2}){0,3})\.?\s+(?=[A-Z가-힣])(?P<title>"
    r"(?!(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|[월일년명개원시분번째])[^.!?;:]{2,70})$",
    re.IGNORECASE,
)
_GAP = re.compile(r"(?<=\S)(?:\t+| {3,})(?=\S)")
_LEAD_IN = re.compile(r"(?:[^\s.!?。]+\s+){0,5}[^\s.!?。]+\s*[:：]$")
_CAPITALS = re.compile(r"(?=.*[A-Z]{2})[^a-z가-힣]+$")
_SHARE_OF_PROSE = 0.25
"""Of the blocks those that end as sentences do, from which a line that does not is a title."""
_LONGEST_TITLE, _MOST_WORDS, _FEW_WORDS = 90, 12, 6


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of a text, and whether blank lines (or the edge of the text) stand above and below it."""

    text: str
    start: int
    end: int
    above: bool
    below: bool


def read_plain(text: str) -> list[ReadDocument]:
    """Read a text; places are those in it."""
    return [ReadDocument(text, tuple(plain_passages(text, 0, len(text))))]


def plain_passages(text: str, start: int, end: int) -> list[Passage]:
    """Return the passages of text[start:end]."""
    found = list(_blocks(text, start, end))
    ended = sum(bool(_ENDED.search(block.text) or _KOREAN_END.search(block.text)) for block in found)
    has_prose = ended >= _SHARE_OF_PROSE * len(found)
    passages = []
    for block, following in zip(found, [*found[1:], None], strict=False):
        kind, level = _kind(text, block, following, has_prose=has_prose)
        made = slice_of(text, block.start, block.end, kind)
        passages.append(replace(made, level=level, follows=not block.above))
    return passages


def _blocks(text: str, start: int, end: int) -> Iterator[_Block]:
    spans = [(start + b, start + e) for b, e in blocks(text[start:end])]
    above = True
    for (begin, behind), (following, _) in zip(spans, [*spans[1:], (end, end)], strict=False):
        below = following == end or text.count("\n", behind, following) > 1
        yield _Block(text[begin:behind], begin, behind, above, below)
        above = below


def _kind(text: str, block: _Block, following: _Block | None, *, has_prose: bool) -> tuple[Kind, int]:
    """Tell what a block is, and of a heading its level."""
    before = text[max(0, text.rfind("\n", 0, block.start)) : block.start]
    level = _marked_level(text, block, before)
    if level:
        return Kind.HEADING, level
    if is_time(block.text) or is_particular(block.text) or _LEAD_IN.match(block.text) or _SOUND.match(block.text):
        return Kind.LABEL, 0
    is_short = len(block.text) <= _LONGEST_TITLE and "\n" not in block.text
    if _SQUARE_BEFORE.search(before) and is_short and following and not _LINE_END.search(block.text):
        return (Kind.ITEM, 0) if _KOREAN_END.search(block.text) else (Kind.HEADING, 3)
    is_section = following is not None and "\n" not in block.text and _opens_section(block.text, following.text)
    if is_section and has_prose:
        return Kind.HEADING, 2
    gaps = len(_GAP.findall(block.text))
    if block.text.count("|") > 1 or gaps > 1 or (gaps and not _LINE_END.search(block.text)):
        return Kind.CELL, 0
    is_item = _BULLET_BEFORE.search(before) is not None
    if not is_item and has_prose and following is not None and _is_title(block, following):
        return Kind.HEADING, 1 if not text[: block.start].strip() else 2
    if is_item or _NUMBERED.match(block.text):
        return Kind.ITEM, 0
    return Kind.PROSE, 0


def _marked_level(text: str, block: _Block, before: str) -> int:
    """Return the level of a heading that hashes or a line below it mark; 0 where nothing does."""
    hashes = _HASHES.search(before)
    if hashes:
        return len(hashes[1])
    underline = _UNDERLINE.match(text, block.end)
    if underline is None or "\n" in block.text:
        return 0
    return 1 if underline[1].startswith("=") else 2


def _opens_section(line: str, following: str) -> bool:
    """Tell whether a numbered line is a heading: prose stands below it, or a number that goes on from its own."""
    section = _SECTION.match(line)
    if section is None or len(line.split()) > _MOST_WORDS or section["title"][0].islower():
        return False
    if following.startswith(f"{section['number']}."):
        return True
    is_prose = len(following.split()) >= _FEW_WORDS and (_ENDED.search(following) is not None or ". " in following)
    return is_prose and not _NUMBERED.match(following) and not _SECTION.match(following)


def _is_title(block: _Block, following: _Block) -> bool:
    """Tell whether a block stands above what follows as its title."""
    line = block.text
    if len(line) > _LONGEST_TITLE or len(line.split()) > _MOST_WORDS or not block.above or "\n" in line:
        return False
    if _LINE_END.search(line) or _KOREAN_END.search(line) or not has_words(line) or line[0].islower():
        return False
    if _NUMBERED.match(line):
        return not _NUMBERED.match(following.text) and (block.below or len(line.split()) <= _FEW_WORDS)
    is_first = block.start == 0 or block.below
    return is_first or _CAPITALS.match(line) is not None


# --- The .story files of CNN and Daily Mail: an article, and its highlights, which are its reference

HIGHLIGHT = re.compile(r"^[ \t]*@highlight[ \t]*\r?$", re.MULTILINE)


def read_story(text: str) -> list[ReadDocument]:
    """Read an article; what follows the first @highlight is not a part of it."""
    article, *highlights = HIGHLIGHT.split(text)
    reference = "\n".join(" ".join(line.split()) for line in highlights if line.strip())
    return [ReadDocument(text, tuple(plain_passages(text, 0, len(article))), reference=reference)]


# --- What subtitles say: cues become running text, speaker by speaker, without numbers, times and marks

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
_CUE_SOUND = re.compile(r"\s*\([^()]*\)\s*$")
_BREAK = re.compile(r"(?:<br\s*/?>|\[br\]|\\N)$", re.IGNORECASE)
_NEXT_VOICE = re.compile(r"(?:>{2,3}\s*|[-–—]\s+(?=\S)|[-–—](?=[^\W\d_]|\d[\d,.]*[가-힣]))")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*(?:\s|$)")
_OPENS = re.compile(r"(?:so|okay|ok|now|well|but|alright|anyway|however|then|next|first|finally)\b", re.IGNORECASE)
_KOREAN_CUE_END = re.compile(rf"(?:{FINAL_ENDING}|[요죠까])\W*$")
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
    stops = sum(len(_SENTENCE_END.findall(line.text)) for line in said)
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
        if found.text.strip() and not _CUE_SOUND.match(found.text) and not is_notice(found.text.strip()):
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
    if _KOREAN_CUE_END.search(before[-9:]):
        return True
    words = len(before.split()) if is_unmarked else 0
    return words >= _LONGEST or (words >= _LONG and _OPENS.match(following.strip()) is not None)


# --- WebVTT, as browsers, Zoom, Teams and YouTube write it ----------------------------------------
#
# Read by ourselves: the form is five rules long, and packages for it keep times and no places.

_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


def read_vtt(text: str) -> list[ReadDocument]:
    """Read subtitles; places are those in `text`."""
    return [ReadDocument(text, tuple(passages_of_cues(cue_lines(text))))]


def cue_lines(text: str) -> Iterator[CueLine]:
    """Yield the lines that follow a line of times, up to a blank one."""
    cue, in_cue = -1, False
    for match in LINE.finditer(text):
        line = match.group().rstrip("\r\n")
        if TIMES.match(line):
            cue, in_cue = cue + 1, True
        elif not line.strip() or (not in_cue and _NO_CUE.match(line)):
            in_cue = False
        elif in_cue:
            yield CueLine(line, match.start(), cue)


# --- SubRip subtitles: numbered cues, a comma in their times, and now and then no blank line between them


def read_srt(text: str) -> list[ReadDocument]:
    """Read subtitles; places are those in `text`."""
    return [ReadDocument(text, tuple(passages_of_cues(_without_numbers(list(cue_lines(text))))))]


def _without_numbers(lines: list[CueLine]) -> Iterator[CueLine]:
    """Leave out the number of the next cue where no blank line is above it."""
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        is_last = following is not None and following.cue != line.cue
        if not (is_last and line.text.strip() == str(line.cue + 2)):
            yield line
