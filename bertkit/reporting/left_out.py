"""The words of a row's texts, and the texts written without some of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

# White space parts words. Ideographs and kana are written without it: each is a word, as BERT cuts them.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


class Stretch(NamedTuple):
    """A word, or neighbouring words: characters `start` to `end` of the row's text number `text`."""

    text: int
    start: int
    end: int


def find_words(text: str) -> list[tuple[int, int]]:
    """Return the places of words; the punctuation before and after one is a word of its own."""
    return [place for piece in _PIECE.finditer(text) for place in _parted(text, *piece.span())]


def find_stretches(texts: Sequence[str], *, of: Iterable[int], characters: int, most: int) -> list[Stretch]:
    """Part texts into words, or into stretches of as many words as it takes.

    A text of one word keeps it: what is left would be no text.

    Args:
        texts: of a row.
        of: numbers of the texts that are parted.
        characters: how much of each text is parted, from its beginning.
        most: about how many stretches come out at most.
    """
    words = {i: [place for place in find_words(texts[i]) if place[1] <= characters] for i in of}
    size = max(1, -(-sum(map(len, words.values())) // most))
    found = []
    for i, places in words.items():
        cut = [places[at : at + size] for at in range(0, len(places), size)]
        if len(cut) > 1:
            found += [Stretch(i, together[0][0], together[-1][1]) for together in cut]
    return found


def without(texts: Sequence[str], stretches: Iterable[Stretch]) -> tuple[str, ...]:
    """Write texts without stretches, and with one gap where there were two."""
    shorter = list(texts)
    for i, start, end in _cuts(texts, stretches):
        shorter[i] = shorter[i][:start] + shorter[i][end:]
    return tuple(shorter)


def moved(place: int, texts: Sequence[str], stretches: Iterable[Stretch], *, text: int = 0) -> int | None:
    """Return where a character of a text stands in what `without` makes of it; None where it is left out."""
    for i, start, end in _cuts(texts, stretches):
        if i == text and start <= place < end:
            return None
        if i == text and end <= place:
            place -= end - start
    return place


def _cuts(texts: Sequence[str], stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Iterate what is cut away, gaps included: the last stretch first, each out of what the others left."""
    left = list(texts)
    for i, start, end in sorted(stretches, reverse=True):
        head, tail = left[i][:start], left[i][end:]
        if not tail.strip():
            head, tail = head.rstrip(), ""
        elif not head or head[-1].isspace():
            tail = tail.lstrip()
        yield Stretch(i, len(head), len(left[i]) - len(tail))
        left[i] = head + tail


def _parted(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Part punctuation off both ends of a piece."""
    first, last = start, end
    while first < end and _is_punctuation(text[first]):
        first += 1
    while last > first and _is_punctuation(text[last - 1]):
        last -= 1
    for place in ((start, first), (first, last), (last, end)):
        if place[0] < place[1]:
            yield place


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
