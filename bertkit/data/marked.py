"""Two stretches of a text, marked in it: how the rows of relations are written from file to model.

The markers stand in the row's own text, so that the same sentence with other entities is another row
for whoever compares, counts or shows rows. Where the kind of an entity is known its word stands behind
the opening marker, as in the typed markers of Zhou and Chen 2021 ("An Improved Baseline for
Sentence-level Relation Extraction"); markers themselves are those of Baldini Soares et al. 2019
("Matching the Blanks: Distributional Similarity for Relation Learning").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bertkit.data.records import CharSpan

OPENING = ("<subj>", "<obj>")
CLOSING = ("</subj>", "</obj>")
MARKERS = (*OPENING, *CLOSING)
# Stands between the kind of an entity and the entity.
_BAR = "|"
# Goes for the first character of a marker that somebody has typed.
_STAND_IN = "("
_TYPED = re.compile("|".join(map(re.escape, MARKERS)))
_MARKED = tuple(
    re.compile(rf"{re.escape(opening)} (?:(?P<kind>[^|<>]*) \| )?(?P<words>.*?) {re.escape(closing)}", re.DOTALL)
    for opening, closing in zip(OPENING, CLOSING, strict=True)
)


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """A stretch of a text, `text[start:end]` in characters, and of what kind it is; empty: not known."""

    start: int
    end: int
    kind: str = ""


def mark(text: str, subject: MarkedSpan, object_: MarkedSpan) -> str:
    """Write the markers into a text; what it spells like one is respelt, and stays as long as it was.

    >>> mark("Mill founded Arl.", MarkedSpan(0, 4, "ORG"), MarkedSpan(13, 16))
    '<subj> ORG | Mill </subj> founded <obj> Arl </obj>.'
    """
    text = _TYPED.sub(lambda found: _STAND_IN + found[0][1:], text)
    at: list[tuple[int, int, int, str]] = []
    for number, span in enumerate((subject, object_)):
        kind = " ".join(span.kind.replace(_BAR, " ").replace("<", " ").replace(">", " ").split())
        opening = f"{OPENING[number]} {kind} {_BAR} " if kind else f"{OPENING[number]} "
        # Of two that begin at one place the longer is opened first, and closed last.
        at += [(span.start, 1, -span.end, opening), (span.end, 0, -span.start, f" {CLOSING[number]}")]
    for place, _, _, word in sorted(at, reverse=True):
        text = text[:place] + word + text[place:]
    return text


@dataclass(frozen=True, slots=True)
class Marked:
    """What a marked text holds: the text without markers, and of each entity its kind and its words."""

    text: str
    kinds: tuple[str, str]
    words: tuple[str, str]


def unmark(marked: str) -> Marked:
    """Take a text apart again; what is not marked is empty."""
    found = [pattern.search(marked) for pattern in _MARKED]
    kinds = tuple("" if match is None else match["kind"] or "" for match in found)
    words = tuple("" if match is None else bare(match["words"]) for match in found)
    return Marked(bare(marked), (kinds[0], kinds[1]), (words[0], words[1]))


def bare(marked: str) -> str:
    """Return a text without its markers and the kinds behind them."""
    for opening in OPENING:
        marked = re.sub(rf"{re.escape(opening)} (?:[^|<>]* \| )?", "", marked)
    for closing in CLOSING:
        marked = marked.replace(f" {closing}", "")
    return marked


def around(marked: str, room: int) -> str:
    """Cut a marked text to its entities, what is between them, and some characters on either side."""
    places = marked_places(marked)
    if places is None:
        return marked[: 2 * room]
    return marked[max(0, places[0] - room) : places[1] + room]


def marked_places(marked: str) -> CharSpan | None:
    """Return from where to where the entities reach, with their markers; None where none are marked."""
    firsts = [marked.find(opening) for opening in OPENING]
    lasts = [marked.rfind(closing) for closing in CLOSING]
    if min(*firsts, *lasts) < 0:
        return None
    return min(firsts), max(last + len(closing) for last, closing in zip(lasts, CLOSING, strict=True))
