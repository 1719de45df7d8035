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
from itertools import pairwise
from typing import NamedTuple

from bertkit.documents.quotes import quotations

# Only the first mark of a run is a start, and nothing is given back: time stays linear on a megabyte of dots.
_STOP = re.compile(r"[.!?…。！？](?<![.!?…。！？]{2})[.!?…。！？]*+[\"'”’»)\]*_]*+(?:\[\d{1,3}\])*+(?=\s|[A-Z][a-z])")
_SPACED_CLOSER = re.compile(r"\s+(''|[\"”'’)\]])(?=\s)")
_NEXT = re.compile(r"\s*[\"'“‘«(\[*_`#]*\s*(\w+|.)")
_REPORTING = re.compile(
    r"\s+(?:[\w.'’-]+\s+){0,2}(?:said|says|say|asked|asks|added|adds|told|tells|replied|explained|shouted|cried|wrote"
    r"|writes|warned|insisted|joked|recalled|whispered|yelled|answered|wondered|tweeted)\b"
)
_NOT_CAPITALS = bytes(code for code in range(128) if not chr(code).isupper())
_DOTTED = re.compile(r"(?:[A-Za-z]\.)*[A-Za-z]$")
_TITLES = frozenset("mr mrs ms messrs dr prof rev hon sir lord lady sen rep gov".split())
_HOURS = frozenset(("a.m", "p.m"))
# What goes on behind an hour: 5 p.m. Monday, 5 p.m. Eastern Time.
_AFTER_HOURS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun january "
    "february march april may june july august september october november december jan feb mar apr jun jul aug sep "
    "sept oct nov dec et est edt ct cst cdt mt mst mdt pt pst pdt gmt bst utc cet cest kst jst local eastern central "
    "pacific mountain greenwich".split()
)
_BEFORE_NAMES = frozenset("at on by from around about before after since until till between near towards".split())
# What follows the word I where a question or another sentence begins.
_QUESTIONS = frozenset(
    "did do does are is was were am have has had can could will would shall should may might must please let".split()
)
# . . . as typists set it; a full stop that stands before it, or is its first, is seen by what is before it.
_SPACED_DOTS = re.compile(r"\.(?:[ \t]\.){2,}+")
_SHORTENED = re.compile(r"\s*[A-Z][A-Za-z']{0,4}\.")
_CITATION = re.compile(r"\s*\([^()\n]{1,80}\)\s*[.,;:]")
_NUMBER_GOES_ON = re.compile(r"\s*[\d.]+\s*;")
# Counters within a line: 1. … 2. …, 1.) …, b) …, • 10. …
_ENUMERATED = re.compile(r"(?:(?<=\s)|^)(?:[•⁃▪‣·]\s*)?(\d{1,3}|[a-z])(\.\)|\)|\.)(?=\s+[^\s\d])", re.MULTILINE)
_OPENS_LIST = re.compile(r"(?:^|[.!?:;\n])\s*[\"'“(]?$")
# (a) The …
_CLAUSE = re.compile(r"\s*\((?:[a-z]|[ivx]{1,4}|\d{1,2})\)\s+[\"“]?[A-Z]")
_COUNTER = re.compile(r"[•⁃▪‣]?\s*\(?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[ivxIVX]{2,4})$")

# Never the last word of a sentence.
_LEADING = frozenset(
    "mr mrs ms messrs dr prof rev hon gen col maj capt cmdr lt sgt cpl sen rep gov pres supt det insp adm st mt ft vs "
    "viz e.g i.e cf approx ca med".split()
)
# An abbreviation only before a number.
_BEFORE_NUMBER = frozenset(
    "no nos n° nº fig figs eq eqs sec secs sect vol vols ch chap pp art arts op jan feb mar apr jun jul aug sep sept "
    "oct nov dec sch scheds cl cls para paras reg regs ann annex app appx ex exh pt pts tab ref refs ser tel ext "
    "temp blk pg bk cir stat supp ver".split()
)
# Of them those that letters number, too: Exh. A.
_BEFORE_LETTER = frozenset("app appx annex ex exh fig figs sch sec pt tab ann".split())
# Words of citations, which go on where another abbreviation follows: Fed. R. Civ. P. 12.
_CITED = frozenset(
    "fed civ crim evid proc ct dist supp cir app rev stat const code bankr super sup ass'n dep't gov't int'l nat'l "
    "univ ins mfg natl assn r p l".split()
)
# An abbreviation before the letter of a scale.
_SCALES = {"deg": frozenset("CFK")}
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
    text = text.replace(". . .", "")
    spaced, stops = text.count(" . ") + text.count(" .\n"), text.count(". ") + text.count(".\n")
    if text.endswith("."):
        spaced, stops = spaced + text.endswith(" ."), stops + 1
    capitals = len(text.encode("ascii", "ignore").translate(None, _NOT_CAPITALS))
    small = text.count("e")
    return Habits(spaced_stops=3 * spaced > stops, no_capitals=small > 30 * capitals)


def english_ends(text: str, start: int, end: int, habits: Habits) -> Iterator[int]:
    """Yield the places in text[start:end] behind which a new sentence begins."""
    items = _enumerated(text, start, end)
    for begin, behind in pairwise([start, *items, end]):
        if begin > start:
            yield begin
        yield from _ends_between(text, begin, behind, habits)


def _enumerated(text: str, start: int, end: int) -> list[int]:
    """Return where the items of enumerations begin that stand within a line, the first of each not counted in."""
    found: list[int] = []
    last: dict[str, tuple[int, int]] = {}  # the kind of counter, and its number and place
    for match in _ENUMERATED.finditer(text, start, end):
        kind = match[2] + ("n" if match[1].isdigit() else "a")
        number = int(match[1]) if match[1].isdigit() else ord(match[1]) - 96
        before = last.get(kind)
        if before is not None and number == before[0] + 1:
            if not found or found[-1] < before[1]:
                found += [before[1]] if before[1] > start else []
            found.append(match.start())
            last[kind] = number, match.start()
        elif _OPENS_LIST.search(text[max(start, match.start() - 4) : match.start()]):
            last[kind] = number, match.start()
    return sorted(set(found))


def _ends_between(text: str, start: int, end: int, habits: Habits) -> Iterator[int]:
    closing = {behind for _, behind in quotations(text, start, end)} if habits.spaced_stops else set[int]()
    sentence = start
    dots = {match.start(): match.end() for match in _SPACED_DOTS.finditer(text, start, end)}
    over = start
    for match in _STOP.finditer(text, start, end):
        place, behind = match.span()
        if place < max(sentence, over):
            continue
        if place in dots:
            over = dots[place]
            cut = _end_at_dots(text, place, over, end)
            if cut is not None:
                yield cut
                sentence = cut
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


def _end_at_dots(text: str, place: int, behind: int, end: int) -> int | None:
    """Return where a sentence ends at spaced dots: before an ellipsis that a full stop precedes, behind four dots."""
    following = _NEXT.match(text, behind, end)
    if following is None or not following[1][0].isalnum() or following[1][0].islower():
        return None
    if not text[place - 1 : place].isspace():  # a full stop, and the ellipsis opens what follows
        return place + 1
    return behind if text.count(".", place, behind) > 3 else None


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
    if not (could_open or _CLAUSE.match(text, stop.behind)) or following[0] in "&;,":
        return False
    if text[stop.behind - 1] in "\"'”’" and _CITATION.match(text, stop.behind):
        return False
    if following[0].isdigit() and _NUMBER_GOES_ON.match(text, stop.behind):
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


def _hour_goes_on(before: str, following: str) -> bool:
    """Tell whether a sentence goes on behind a.m. or p.m., by the word that follows and by how the sentence began."""
    if following in _TITLES:
        return before.split(maxsplit=1)[0].lower() in _BEFORE_NAMES
    return following in _AFTER_HOURS


def _is_abbreviation(text: str, stop: _Stop, following: str, habits: Habits) -> bool:
    """Tell whether the full stop at a place belongs to the word before it, and ends nothing."""
    words = text[max(stop.sentence, stop.place - 40) : stop.place].split()
    if not words:
        return True
    if _COUNTER.match("".join(words)) and len(words) < 3:
        return True
    word = words[-1].lstrip("\"'“‘([*_")
    lowered = word.lower()
    is_cited = lowered in _CITED and following[0].isupper() and _SHORTENED.match(text, stop.behind) is not None
    if is_cited or following in _SCALES.get(lowered, ()):
        return True
    if lowered in _BEFORE_NUMBER:
        return following[0].isdigit() or (lowered in _BEFORE_LETTER and len(following) == 1 and following.isupper())
    if lowered in _HOURS and following[0].isalpha() and not habits.no_capitals:
        return _hour_goes_on(text[stop.sentence : stop.place], following.lower())
    if word == "I" and len(words) > 1 and words[-2].islower() and following.lower() in _QUESTIONS | _OPENERS:
        return False
    if lowered in _AMBIGUOUS or _DOTTED.match(word):
        return following.lower() not in (_SUBJECTS if habits.no_capitals else _OPENERS)
    return lowered in _LEADING
