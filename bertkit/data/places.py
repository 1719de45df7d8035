"""Where a text stands in another one that may be composed otherwise (NFC, NFD)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from bertkit.data.records import CharSpan

# Vowels and final consonants of Korean letters that are written one by one.
_VOWELS_AND_FINALS = range(0x1160, 0x1200)


def find_place(text: str, wanted: str, near: int | None = None) -> CharSpan | None:
    """Find a text in another, where there are several the one nearest to a place.

    Where it is not there as it is written, it is looked for in the composed forms of both, and the
    place is that in the text as it is.

    Args:
        text: in which to look.
        wanted: what to look for; blanks at its edges do not count.
        near: about where it begins, in characters; None: the first one is taken.

    Returns:
        The place in `text`; None where it is not there.
    """
    bare = wanted.strip()
    if not bare:
        return None
    found = _nearest(text, bare, None if near is None else near + len(wanted) - len(wanted.lstrip()))
    if found is not None:
        return found, found + len(bare)
    composed, starts = _composed(text)
    target = unicodedata.normalize("NFC", bare)
    if composed == text and target == bare:
        return None
    before = None if near is None else len(unicodedata.normalize("NFC", text[:near]))
    at = _nearest(composed, target, before)
    return None if at is None else (starts[at], starts[at + len(target)])


def _nearest(text: str, wanted: str, near: int | None) -> int | None:
    if near is not None and text.startswith(wanted, max(0, near)):
        return max(0, near)
    places = list(_occurrences(text, wanted)) if near is not None else [text.find(wanted)]
    there = [place for place in places if place >= 0]
    return min(there, key=lambda place: abs(place - (near or 0)), default=None)


def _occurrences(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _composed(text: str) -> tuple[str, list[int]]:
    """Return the composed form, and where each of its characters begins in the text; its end is one more."""
    parts, starts = [], list[int]()
    for start, end in _clusters(text):
        part = unicodedata.normalize("NFC", text[start:end])
        parts.append(part)
        starts += [start] * len(part)
    return "".join(parts), [*starts, len(text)]


def _clusters(text: str) -> Iterator[CharSpan]:
    """Part a text where nothing on one side can compose with the other."""
    start = 0
    for i, char in enumerate(text):
        joins = unicodedata.combining(char) or ord(char) in _VOWELS_AND_FINALS
        if i > start and not joins:
            yield start, i
            start = i
    if start < len(text):
        yield start, len(text)
