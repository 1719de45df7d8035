"""Cut texts into sentences that know where they stand: first by layout, then by words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from bertkit.documents.readers.passage import (
    Passage,
    begins_turn,
    is_line_of_site,
    is_page_number,
    is_particular,
    is_time,
    names_speaker,
)
from bertkit.documents.sentence_ends import FINAL_ENDING, Habits, Span, english_ends, korean_ends, read_habits
from bertkit.documents.words import HANGUL, detect_language, resolve_language

# --- Where the layout of a text ends a sentence, before any word is looked at ---------------------
#
# Blank lines, HTML block tags, comments, scripts, Markdown's pictures, code fences, headings,
# list items and table rows end it. A single line end may just be where an editor wrapped the
# line: it is one if the next word would not have fitted into the width of the paragraph, or,
# where lines were broken by hand, if it stops in the middle of a sentence and the next goes on.
# Everything is found by place, nothing is removed, so that what comes out are slices of the
# text.

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
# Multi-News parts articles and lines so; tables that were written twice hold \n as two characters.
_WRITTEN_BREAK = re.compile(r"\|{4,}|\bNEWLINE_CHAR\b|(?<=[\s.!?…。\"'”’)])(?:\\r)?(?:\\n)+")
_LINE = re.compile(r"[^\r\n\v\f\x85\u2028\u2029]+")
_WIDE = re.compile(f"[{HANGUL}一-鿿぀-ヿ　-〿＀-｠]")

# What a line may begin with that is not part of its sentence. Numbers of a list stay: they say something.
_BULLET = re.compile(r"(?:(?:[-*+•·‣▪◦○●◎□■◆◇▶▷▲△※]|#{1,6}|>+|ㅇ|\|)(?:\s+|$))+|>+")
_NUMBERED = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]\d{0,3}|[가-하]|[문답]\d{0,3})[.)]\s|[①-⑳]")
_ALONE = re.compile(r"#{1,6}\s|\||```|~~~|[^\w]*$")  # headings, table rows, fences, rules
_FENCE = re.compile(r"(?:```|~~~)\S*$")
_ASIDE = re.compile(r"\([^()]{1,60}\)$")
_STOP = re.compile(r"[.!?…。！？]")
_CLOSED = re.compile(r"[.!?…。！？:;][\"'”’」』»)\]*_]*$")
_HALF_CLOSED = re.compile(
    r"(?:;|\b(?:Mr|Mrs|Ms|Messrs|Dr|Prof|St|No|Nos|vs|cf|e\.g|i\.e|Figs?|Eqs?|Sec|Sch|cl|cls|Art|Vol|Ch|para|Refs?|pp?)\.)$"
)
# What a number follows that begins the next line, and is no counter there: see Fig. | 2) …, weighs about | 50. Then …
_NUMBER = re.compile(r"\d{1,3}[.)]\s")
_BEFORE_NUMBER = re.compile(
    r"\b(?:(?:Nos?|Figs?|Eqs?|Sec|Sch|cls?|Art|Vol|Ch|para|Refs?|Tab|pp?)\.|Table|Figure|Section|Chapter|Equation|the|of|to|with"
    r"|in|on|for|by|at|from|than|about|between|see)$"
)
_FINAL_ENDING = re.compile(FINAL_ENDING + "$")

_HANGUL = re.compile(f"[{HANGUL}]")
_FEW_WORDS = 3
_FIRST = re.compile(r"[^\W_]")
# Words that a sentence does not stop at.
# What no Korean line begins with, unless a word was broken before it.
_PARTICLE_FIRST = re.compile(
    r"(?:[을를은는의에서로와과도]|에서|으로|에게|까지|부터|하여|하였|되었|한다|된다|했다)(?=\s|으며|으나|다[.\s])"
)
_UNFINISHED = re.compile(
    r"\b(?:a|an|the|of|to|with|and|or|but|in|on|for|by|at|from|that|which|is|are|was|were|be|been|has|have|had|will|would"
    r"|can|could|not|its|their|our|his|her|my|your|as|than|into|between|about|because|if|when|while|mr\.|mrs\.|ms\.|dr\.)$"
    r"|[가-힣](?:[은는을를의와과며면]|에서|으로|에게|하고|지만|해서|하여|려고|부터|까지|[에]는)$",
    re.IGNORECASE,
)
# Ends of Korean words that sentences go on behind more often than they stop: one by one they say little.
_LEANING = re.compile(
    r"[가-힣](?:[이가도로고서해게만한할된될며]|따라|때문에|라도|더라도|는데|은데|[을를] 때|동안|만큼)$"
)

_GOES_ON, _LEANS, _MEAN = 0.5, 0.35, 12
"""Shares of the lines that stop nowhere and are seen to go on, from which all of them do (English; Korean); the
columns that they have at least in the mean."""
_SHORT = 0.6  # of the width of a paragraph: a shorter line above it may be its title
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
    """Return the places of block tags, hidden text, pictures, and line ends as data sets write them; sorted."""
    cuts: list[Span] = []
    if "||||" in text or "NEWLINE_CHAR" in text or "\\n" in text:
        cuts.extend(match.span() for match in _WRITTEN_BREAK.finditer(text))
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
        is_broken = len(paragraph) > 1 and has_stops and _is_broken(paragraph)
        is_prose = is_broken or _is_prose(paragraph, has_stops)
        leads = is_prose or _is_prose(paragraph[:items], has_stops)  # prose, and a list right below it
        first = paragraph[0]
        for number, (line, following) in enumerate(zip(paragraph, [*paragraph[1:], None], strict=True), start=1):
            if following and not _is_apart(paragraph, number, width):
                layout = _Layout(width, is_broken, leads if number < items else is_prose, line is first)
                if _is_wrapped(line, following, layout):
                    continue
            begin = first.start + _marker_length(first.text)
            if begin < line.end and not (first is line and _FENCE.match(line.text)):
                yield begin, line.end
            first = following or first


class _Layout(NamedTuple):
    """What is known of a line: the columns of its paragraph, whether that is broken by hand, whether it is prose.

    `opens` where nothing was joined to the line from above.
    """

    width: int
    is_broken: bool
    is_prose: bool
    opens: bool


def _is_apart(paragraph: Sequence[_Line], number: int, width: int) -> bool:
    """Tell whether a line stands apart from the one above: a time, a name above a time, a title within a page."""
    line = paragraph[number]
    above, below = paragraph[number - 1].text, paragraph[number + 1].text if number + 1 < len(paragraph) else ""
    if any(is_time(text) or is_page_number(text) or is_line_of_site(text) for text in (above, line.text)):
        return True
    if _ASIDE.match(line.text) and _is_closed(above):
        return True
    if _is_closed(line.text):
        return False
    is_title = line.columns < _SHORT * width and _is_closed(above) and not line.text[0].islower()
    return is_time(below) or (is_title and (not below or below[0].isupper() or below[0] in "[("))


def _is_prose(lines: list[_Line], has_stops: bool) -> bool:
    return len(lines) > 1 and has_stops and _CLOSED.search(lines[-1].text[-9:]) is not None


def _is_broken(lines: Sequence[_Line]) -> bool:
    """Tell whether lines were broken with no regard to sentences: most of those that stop nowhere go on."""
    pairs = [
        (a.text, b.text)
        for a, b in pairwise(lines)
        if not _is_closed(a.text) and not _is_item(b.text) and not _is_heading_like(a, b)
    ]
    if sum(_columns(line) for line, _ in pairs) < max(1, _MEAN * len(pairs)):
        return False
    sure = sum(_is_seen_to_go_on(*pair) for pair in pairs)
    is_closed = _is_closed(lines[-1].text)
    if sum(_HANGUL.search(line) is not None for line, _ in pairs) > len(pairs) / 2:
        leaning = sure + sum(_LEANING.search(_composed(line[-12:])) is not None for line, _ in pairs)
        return is_closed and leaning >= max(1, _LEANS * len(pairs)) and not any(":" in line for line, _ in pairs)
    return (
        sure >= _GOES_ON * len(pairs)
        and (len(pairs) > 2 or (is_closed and len(pairs) > 1))
        and (is_closed or any(_STOP.search(line.text[:-1]) for line in lines))
    )


def _is_heading_like(line: _Line, following: _Line) -> bool:
    """Tell whether a line has a number and is so short that nobody broke it off there: `3. Speed limit`."""
    return _NUMBERED.match(line.text) is not None and 2 * line.columns < following.columns


def _is_seen_to_go_on(line: str, following: str) -> bool:
    first = _FIRST.search(following)
    return first is not None and (
        first[0].islower()
        or _PARTICLE_FIRST.match(_composed(following[:8])) is not None
        or line.endswith(",")
        or _UNFINISHED.search(_composed(line[-40:])) is not None
    )


def _is_closed(line: str) -> bool:
    """Tell whether a line ends as a sentence does."""
    tail = _composed(line[-40:])
    if _FINAL_ENDING.search(tail):
        return True
    return _CLOSED.search(line[-9:]) is not None and _HALF_CLOSED.search(line[-9:]) is None


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


def _is_wrapped(line: _Line, following: _Line, layout: _Layout) -> bool:
    """Tell whether the line goes on in the following one, which an editor broke off."""
    if _FINAL_ENDING.search(_composed(line.text[-40:])) or _ALONE.match(line.text) or _ALONE.match(following.text):
        return False
    if _is_item(following.text):
        return _NUMBER.match(following.text) is not None and _BEFORE_NUMBER.search(line.text[-20:]) is not None
    is_closed = _is_closed(line.text)
    if names_speaker(line.text) or begins_turn(following.text, is_closed=is_closed) or is_particular(following.text):
        return False
    if not is_closed and _goes_on(line, following.text, layout):
        return True
    if not _NARROWEST <= layout.width <= _WIDEST:
        return False
    if not (layout.is_prose or following.text[0].islower()):  # headings, addresses, verse
        return False
    next_word = following.text.split(maxsplit=1)[0]
    return line.columns + 1 + _columns(next_word) > layout.width


def _goes_on(line: _Line, following: str, layout: _Layout) -> bool:
    """Tell whether a line stops in the middle of a sentence that the following one goes on with."""
    first = _FIRST.search(following)
    if first is None:
        return False
    if line.text.endswith(","):
        return first[0].islower() or layout.is_prose
    if not layout.is_prose:
        return False
    is_broken = _PARTICLE_FIRST.match(_composed(following[:8])) is not None
    if (
        first[0].islower()
        or is_broken
        or _UNFINISHED.search(_composed(line.text[-40:]))
        or _HALF_CLOSED.search(line.text[-9:])
    ):
        return True
    names = [word for word in line.text.split() if len(word) > _FEW_WORDS and word.isalpha()]
    is_short = line.columns < _SHORT * layout.width or len(line.text.split()) < _FEW_WORDS
    is_short = is_short or (len(names) > 1 and all(word[0].isupper() for word in names))
    may_be_title = layout.opens and is_short and not _LEANING.search(_composed(line.text[-12:]))
    return layout.is_broken and not may_be_title


def _composed(text: str) -> str:
    """Return a text in NFC: endings are looked for in whole syllables."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _marker_length(line: str) -> int:
    marker = _BULLET.match(line)
    return marker.end() if marker else 0


def _columns(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))


# --- Cut texts into sentences that know where they stand ------------------------------------------

__all__ = ["Sentence", "detect_language", "sentences_of", "split_sentences"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a document, which stands at document[start:end].

    Attributes:
        start: where it begins.
        end: where it ends.
        text: as a person reads it. In plain text that is exactly document[start:end], broken
            lines as they are; elsewhere markup is left out, and it is on one line.
        section: the heading that it stands under; empty where there is none.
        speaker: who says it, in a dialogue.
        said_from: where in `text` the speaker's name is over.
        page: of a PDF, from 1.
        paragraph: of a Word document, from 1.
    """

    start: int
    end: int
    text: str
    section: str = ""
    speaker: str = ""
    said_from: int = 0
    page: int | None = None
    paragraph: int | None = None

    @property
    def said(self) -> str:
        """The text without the speaker's name."""
        return self.text[self.said_from :]


def split_sentences(text: str, language: str = "auto") -> list[Sentence]:
    """Return the sentences of a document in order, in time linear in its length.

    Markup that stands alone, rules, bullets and heading marks are between the sentences,
    not in them.

    Args:
        text: the document.
        language: "en", "ko", or "auto" to look at each paragraph.

    Raises:
        UnknownNameError: the language is not one of these.
    """
    habits = read_habits(text)
    sentences: list[Sentence] = []
    for start, end in blocks(text):
        begin = start
        for behind in [*_ends(text, start, end, language, habits), end]:
            piece = text[begin:behind].strip()
            if has_words(piece):
                at = text.index(piece[0], begin)
                sentences.append(Sentence(at, at + len(piece), piece))
            begin = behind
    return sentences


def sentences_of(passages: Sequence[Passage], language: str = "auto") -> list[Sentence]:
    """Return the sentences of what a reader made of a document, in order; see `split_sentences`.

    Raises:
        UnknownNameError: the language is not one of these.
    """
    habits = read_habits("\n".join(passage.text for passage in passages))
    return [sentence for passage in passages for sentence in _of_passage(passage, language, habits)]


def _of_passage(passage: Passage, language: str, habits: Habits) -> Iterator[Sentence]:
    text, begin = passage.text, 0
    for behind in [*_ends(text, passage.said_from, len(text), language, habits), len(text)]:
        piece = text[begin:behind].strip()
        if has_words(piece):
            at = text.index(piece[0], begin)
            said_from = max(0, passage.said_from - at)
            start, end = passage.place(at, at + len(piece))
            yield Sentence(
                start,
                end,
                piece,
                passage.section,
                passage.speaker,
                said_from,
                passage.page_at(start),
                passage.paragraph,
            )
        begin = behind


def _ends(text: str, start: int, end: int, language: str, habits: Habits) -> Iterator[int]:
    if resolve_language(language, text[start:end]) == "en":
        return english_ends(text, start, end, habits)
    return korean_ends(text, start, end)
