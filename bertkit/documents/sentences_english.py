"""Where English sentences end, in text as it is written and as corpora tokenize it.

A run of end marks followed by white space is a candidate; the words on its two sides
decide. Tokenized text (`the u.s. army said . he went .`) sets its full stops apart, so a
full stop that is attached belongs to an abbreviation there. In text without capitals the
next word's case says nothing and is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bertkit.documents.quotes import quotations

# Only the first mark of a run is a start, and nothing is given back: time stays linear on a megabyte of dots.
_STOP = re.compile(r"[.!?…。！？](?<![.!?…。！？]{2})[.!?…。！？]*+[\"'”’»)\]*_]*+(?=\s|[A-Z][a-z])")
_SPACED_CLOSER = re.compile(r"\s+(''|[\"”'’)\]])(?=\s)")
_NEXT = re.compile(r"\s*[\"'“‘«(\[*_`#]*\s*(\w+|.)")
_REPORTING = re.compile(
    r"\s+(?:[\w.'’-]+\s+){0,2}(?:said|says|say|asked|asks|added|adds|told|tells|replied|explained|shouted|cried|wrote"
    r"|writes|warned|insisted|joked|recalled|whispered|yelled|answered|wondered|tweeted)\b"
)
_NOT_CAPITALS = bytes(code for code in range(128) if not chr(code).isupper())
_DOTTED = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]$")
_COUNTER = re.compile(r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{2,4})$")

# Never the last word of a sentence.
_LEADING = frozenset(
    "mr mrs ms messrs dr prof rev hon gen col maj capt cmdr lt sgt cpl sen rep gov pres supt det insp adm st mt ft vs "
    "viz e.g i.e cf approx ca".split()
)
# An abbreviation only before a number.
_BEFORE_NUMBER = frozenset(
    "no nos fig figs eq sec vol vols ch chap pp art arts op jan feb mar apr jun jul aug sep sept oct nov dec".split()
)
# May or may not be the last word: the next one decides.
_AMBIGUOUS = frozenset("inc co corp ltd bros jr sr etc al est dept univ assn ave blvd rd u.s u.k a.m p.m ph.d".split())
# Words that open sentences, and hardly ever follow an abbreviation or an initial.
_OPENERS = frozenset(
    "the a an this that these those he she it they we i you his her its their our my your in on at for from with by as "
    "after before when while if but and so or yet however there here what who why how where one some many most all no "
    "not now then also both each even just only since although though because during under according meanwhile".split()
)

# Those of them that seldom go on with a sentence either: for text without capitals.
_SUBJECTS = frozenset("the he she it they we i you this these those but".split())


@dataclass(frozen=True, slots=True)
class Habits:
    """How a text is written: full stops set apart by white space; no capitals."""

    spaced_stops: bool
    no_capitals: bool


def read_habits(text: str) -> Habits:
    """Tell how a text is written, by what most of it does."""
    spaced, stops = text.count(" . ") + text.count(" .\n"), text.count(". ") + text.count(".\n")
    if text.endswith("."):
        spaced, stops = spaced + text.endswith(" ."), stops + 1
    capitals = len(text.encode("ascii", "ignore").translate(None, _NOT_CAPITALS))
    small = text.count("e")
    return Habits(spaced_stops=3 * spaced > stops, no_capitals=small > 30 * capitals)


def english_ends(text: str, start: int, end: int, habits: Habits) -> Iterator[int]:
    """Yield the places in text[start:end] behind which a new sentence begins."""
    closing = {behind for _, behind in quotations(text, start, end)} if habits.spaced_stops else set[int]()
    sentence = start
    for match in _STOP.finditer(text, start, end):
        place, behind = match.span()
        if place < sentence:
            continue
        is_apart = text[place - 1 : place].isspace()
        if is_apart:
            behind = _behind_closers(text, behind, end, closing)
        elif habits.spaced_stops:
            continue
        following = _NEXT.match(text, behind, end)
        if following and _ends(text, _Stop(sentence, place, behind, match.group(), is_apart), following[1], habits):
            yield behind
            sentence = behind


class _Stop(NamedTuple):
    """End marks at a place in a text, in the sentence that begins at `sentence`."""

    sentence: int
    place: int
    behind: int
    marks: str
    is_apart: bool


def _behind_closers(text: str, behind: int, end: int, closing: set[int]) -> int:
    """Return the place behind the quotation marks and brackets that stand apart but belong to the sentence."""
    while (closer := _SPACED_CLOSER.match(text, behind, end)) and (closer.end() in closing or closer[1] in ")]”"):
        behind = closer.end()
    return behind


def _ends(text: str, stop: _Stop, following: str, habits: Habits) -> bool:
    could_open = habits.no_capitals or not (following[0].islower() and following.islower())
    if not could_open:
        return False
    if not text[stop.behind].isspace():  # "home.He": the space was forgotten
        return len(following) > 1 and following.lower() in _OPENERS and text[stop.place - 1].islower()
    if "!" in stop.marks or "?" in stop.marks:
        is_quoted = text[stop.behind - 1] in "\"'”’"
        return not (is_quoted and _REPORTING.match(text, stop.behind))
    if stop.marks.startswith(("..", "…")):
        return not following[0].islower()
    if stop.is_apart or not stop.marks.startswith("."):
        return True
    return not _is_abbreviation(text, stop, following, habits)


def _is_abbreviation(text: str, stop: _Stop, following: str, habits: Habits) -> bool:
    """Tell whether the full stop at a place belongs to the word before it, and ends nothing."""
    words = text[max(stop.sentence, stop.place - 40) : stop.place].split()
    if not words:
        return True
    if len(words) == 1 and _COUNTER.match(words[0]):
        return True
    word = words[-1].lstrip("\"'“‘([*_")
    lowered = word.lower()
    if lowered in _BEFORE_NUMBER:
        return following[0].isdigit()
    if lowered in _AMBIGUOUS or _DOTTED.match(word):
        return following.lower() not in (_SUBJECTS if habits.no_capitals else _OPENERS)
    return lowered in _LEADING
