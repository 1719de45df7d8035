"""Where the layout of a text ends a sentence, before any word is looked at.

Blank lines, HTML block tags, comments, scripts, Markdown's pictures, code fences, headings,
list items and table rows end it. A single line end may just be where an editor wrapped the
line: it is one if the next word would not have fitted into the width of the paragraph, or,
where lines were broken by hand, if it stops in the middle of a sentence and the next goes on.
Everything is found by place, nothing is removed, so that what comes out are slices of the
text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from bertkit.documents.language import HANGUL
from bertkit.documents.quotes import Span
from bertkit.documents.readers.dialogue import begins_turn, names_speaker
from bertkit.documents.sentences_korean import FINAL_ENDING

_BLOCK_TAG = re.compile(
    r"</?(?:address|article|aside|blockquote|body|br|dd|div|dl|dt|figcaption|figure|footer|form|h[1-6]|head|header|hr"
    r"|html|li|main|nav|ol|option|p|pre|section|table|tbody|td|tfoot|th|thead|title|tr|ul)\b[^<>]*>|<!doctype[^<>]*>",
    re.IGNORECASE,
)
_HIDDEN = (  # opening and closing of what no reader sees
    (re.compile(r"<!--"), re.compile(r"-->")),
    (re.compile(r"<script\b", re.IGNORECASE), re.compile(r"</script\s*>", re.IGNORECASE)),
    (re.compile(r"<style\b", re.IGNORECASE), re.compile(r"</style\s*>", re.IGNORECASE)),
)
# Markdown's pictures where they have a line to themselves, badges with a link round them included.
_PICTURES = re.compile(r"^[ \t>]*(?:\[?!\[[^\[\]\n]*\]\([^()\n]*\)(?:\]\([^()\n]*\))?[ \t]*)+\r?$", re.MULTILINE)
_LINE = re.compile(r"[^\r\n\v\f\x85\u2028\u2029]+")
_WIDE = re.compile(f"[{HANGUL}一-鿿぀-ヿ　-〿＀-｠]")

# What a line may begin with that is not part of its sentence. Numbers of a list stay: they say something.
_BULLET = re.compile(r"(?:(?:[-*+•·‣▪◦○●◎□■◆◇▶▷▲△※]|#{1,6}|>+|ㅇ|\|)(?:\s+|$))+|>+")
_NUMBERED = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[가-하])[.)]\s|[①-⑳]")
_ALONE = re.compile(r"#{1,6}\s|\||```|~~~|[^\w]*$")  # headings, table rows, fences, rules
_FENCE = re.compile(r"(?:```|~~~)\S*$")
_STOP = re.compile(r"[.!?…。！？]")
_CLOSED = re.compile(r"[.!?…。！？:;][\"'”’」』»)\]*_]*$")
_FINAL_ENDING = re.compile(FINAL_ENDING + "$")

_FIRST = re.compile(r"[^\W_]")
# Words that a sentence does not stop at.
_UNFINISHED = re.compile(
    r"\b(?:a|an|the|of|to|with|and|or|but|in|on|for|by|at|from|that|which|is|are|was|were|be|been|has|have|had|will|would"
    r"|can|could|not|its|their|our|his|her|my|your|as|than|into|between|about|because|if|when|while|mr\.|mrs\.|ms\.|dr\.)$"
    r"|[가-힣](?:[은는을를의와과며면]|에서|으로|에게|하고|지만|해서|하여|려고|부터|까지|[에]는)$",
    re.IGNORECASE,
)

_NARROWEST, _WIDEST = 40, 130  # columns between which a paragraph may be wrapped by hand or editor
_MARKUP = re.compile(r"</?[a-zA-Z!][^<>]*>|!\[[^\[\]\n]*\]\([^()\n]*\)|&#?\w{1,10};|^\s*\[[^\[\]\n]*\]:.*")
_WORD = re.compile(r"[^\W_]")
_TABLE_ROW = re.compile(r"\s\|\s.*(?:\s\|\s|\|$)")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line without its outer white space; `text` is a copy, for looking at."""

    start: int
    end: int
    text: str

    @property
    def columns(self) -> int:
        """The width on a screen, where a Hangul syllable takes two columns."""
        return _columns(self.text)


def blocks(text: str) -> Iterator[Span]:
    """Yield, in order, the stretches of a text that no sentence crosses; bare markup is left out."""
    has_stops = _STOP.search(text) is not None
    place = 0
    for start, end in [*_cuts(text), (len(text), len(text))]:
        if place < start:
            yield from _blocks_of_segment(text, place, start, has_stops)
        place = max(place, end)


def has_words(piece: str) -> bool:
    """Tell whether anything but markup, punctuation and cells of a table is in a piece of text."""
    if "|" in piece and _TABLE_ROW.search(piece):
        return False
    if "<" in piece or "&" in piece or "](" in piece or "]:" in piece:
        piece = _MARKUP.sub(" ", piece)
    return _WORD.search(piece) is not None


def _cuts(text: str) -> list[Span]:
    """Return the places of block tags, of hidden text and of pictures, sorted."""
    cuts: list[Span] = []
    if "![" in text:
        cuts.extend(match.span() for match in _PICTURES.finditer(text))
    if "<" in text:
        cuts.extend(match.span() for match in _BLOCK_TAG.finditer(text))
        for opening, closing in _HIDDEN:
            cuts.extend(_enclosed(text, opening, closing))
    return sorted(cuts)


def _enclosed(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> Iterator[Span]:
    """Yield what lies between two marks; an opening that is never closed is only text."""
    place = 0
    while (begun := opening.search(text, place)) and (ended := closing.search(text, begun.end())):
        place = ended.end()
        yield begun.start(), place


def _blocks_of_segment(text: str, start: int, end: int, has_stops: bool) -> Iterator[Span]:
    for paragraph in _paragraphs(text, start, end):
        width = max(line.columns for line in paragraph) if len(paragraph) > 1 else 0
        items = next((n for n, line in enumerate(paragraph) if n and _is_item(line.text)), len(paragraph))
        is_prose = _is_prose(paragraph, has_stops)
        leads = is_prose or _is_prose(paragraph[:items], has_stops)  # prose, and a list right below it
        first = paragraph[0]
        for number, (line, following) in enumerate(zip(paragraph, [*paragraph[1:], None], strict=True), start=1):
            if following and _is_wrapped(line, following, width, leads if number < items else is_prose):
                continue
            begin = first.start + _marker_length(first.text)
            if begin < line.end and not (first is line and _FENCE.match(line.text)):
                yield begin, line.end
            first = following or first


def _is_prose(lines: list[_Line], has_stops: bool) -> bool:
    return len(lines) > 1 and has_stops and _CLOSED.search(lines[-1].text[-9:]) is not None


def _is_item(line: str) -> bool:
    return _BULLET.match(line) is not None or _NUMBERED.match(line) is not None


def _paragraphs(text: str, start: int, end: int) -> Iterator[list[_Line]]:
    """Yield the lines between blank lines."""
    paragraph: list[_Line] = []
    behind = start
    for match in _LINE.finditer(text, start, end):
        line = _stripped(text, match.start(), match.end())
        gap = text[behind : match.start()]
        blank = line is None or gap.count("\n") > 1 or gap.count("\r") > 1 or "\u2029" in gap or "\f" in gap
        if blank and paragraph:
            yield paragraph
            paragraph = []
        if line is not None:
            paragraph.append(line)
        behind = match.end()
    if paragraph:
        yield paragraph


def _stripped(text: str, start: int, end: int) -> _Line | None:
    raw = text[start:end]
    line = raw.strip()
    if not line:
        return None
    begin = start + raw.index(line[0])
    return _Line(begin, begin + len(line), line)


def _is_wrapped(line: _Line, following: _Line, width: int, is_prose: bool) -> bool:
    """Tell whether the line goes on in the following one, which an editor broke off."""
    if _FINAL_ENDING.search(_composed(line.text[-40:])) or _ALONE.match(line.text) or _ALONE.match(following.text):
        return False
    if _is_item(following.text):
        return False
    is_closed = _CLOSED.search(line.text[-9:]) is not None
    if names_speaker(line.text) or begins_turn(following.text, is_closed=is_closed):
        return False
    if not is_closed and _goes_on(line.text, following.text, is_prose=is_prose):
        return True
    if not _NARROWEST <= width <= _WIDEST:
        return False
    if not (is_prose or following.text[0].islower()):  # headings, addresses, verse
        return False
    next_word = following.text.split(maxsplit=1)[0]
    return line.columns + 1 + _columns(next_word) > width


def _goes_on(line: str, following: str, *, is_prose: bool) -> bool:
    """Tell whether a line stops in the middle of a sentence that the following one goes on with."""
    first = _FIRST.search(following)
    if first is None:
        return False
    if line.endswith(","):
        return first[0].islower() or is_prose
    if not is_prose:
        return False
    return first[0].islower() or _UNFINISHED.search(_composed(line[-40:])) is not None


def _composed(text: str) -> str:
    """Return a text in NFC: endings are looked for in whole syllables."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _marker_length(line: str) -> int:
    marker = _BULLET.match(line)
    return marker.end() if marker else 0


def _columns(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))
