"""Plain text: what its lines are, told by how they stand.

A title stands alone above prose; a letter begins with a greeting and ends with names;
tables are parted by bars, tabs or columns; the rest is prose, lists and dialogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bertkit.documents.layout import blocks, has_words
from bertkit.documents.readers.dialogue import is_time
from bertkit.documents.readers.notices import is_particular
from bertkit.documents.readers.passage import Kind, Passage, ReadDocument, slice_of
from bertkit.documents.sentences_korean import FINAL_ENDING

_STOP = re.compile(r"[.!?…。！？:;,~ㅋㅎㅠㅜ^♥♡][\"'”’」』»)\]*_]*$|\.\"?\s*\)$")
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
    if _SQUARE_BEFORE.search(before) and is_short and following and not _STOP.search(block.text):
        return (Kind.ITEM, 0) if _KOREAN_END.search(block.text) else (Kind.HEADING, 3)
    is_section = following is not None and "\n" not in block.text and _opens_section(block.text, following.text)
    if is_section and has_prose:
        return Kind.HEADING, 2
    gaps = len(_GAP.findall(block.text))
    if block.text.count("|") > 1 or gaps > 1 or (gaps and not _STOP.search(block.text)):
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
    if _STOP.search(line) or _KOREAN_END.search(line) or not has_words(line) or line[0].islower():
        return False
    if _NUMBERED.match(line):
        return not _NUMBERED.match(following.text) and (block.below or len(line.split()) <= _FEW_WORDS)
    is_first = block.start == 0 or block.below
    return is_first or _CAPITALS.match(line) is not None
