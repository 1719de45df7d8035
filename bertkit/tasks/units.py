"""What carries a tag: a word, or a token where entities begin inside words."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from bertkit.data.records import Entity
from bertkit.tokenization.segments import Span
from bertkit.tokenization.spans import whole_characters

# A word keeps the accents of decomposed text, which are no letters to \w.
WORD = re.compile(r"\w[\w\u0300-\u036f]*|[^\w\s]")

_INSIDE_WORD = re.compile(r"\w[\w\u0300-\u036f]")
_NO_UNIT = Span(-1, 0, 0)


class Words:
    """Where the words of a text begin and end, in a few bytes each.

    Args:
        text: the text.
        until: words that begin here, or after it, are left out; None: all are wanted.
    """

    def __init__(self, text: str, until: int | None = None) -> None:
        self.starts, self.ends = array("i"), array("i")
        for match in WORD.finditer(text):
            start, end = match.span()
            if until is not None and start >= until:
                break
            self.starts.append(start)
            self.ends.append(end)

    def begun(self, start: int, end: int) -> range:
        """Return the numbers of the words that begin in a stretch of the text."""
        return range(bisect_left(self.starts, start), bisect_left(self.starts, end))


def units(spans: Iterable[Span], text: str, words: Words | None) -> Iterator[Span]:
    """Give the places that carry tags, one for each token; a side of -1 where there is none.

    Of tokens that stand for one character, as bytes of it do, the first carries the tag;
    units do not overlap.

    Args:
        spans: the tokens' places in the text.
        text: the text.
        words: those of the text, where the first token of a word stands for all of it; None:
            every token stands for itself.
    """
    taken = 0
    for side, start, end in whole_characters(tuple(spans), (text,)):
        first = max(start, taken)
        if side < 0 or first >= end:
            yield _NO_UNIT
        elif words is None:
            taken = end
            yield Span(side, first, end)
        # A token may hold the beginnings of several words, and stands for all of them.
        elif begun := words.begun(first, end):
            taken = words.ends[begun[-1]]
            yield Span(side, words.starts[begun[0]], taken)
        else:
            yield _NO_UNIT


def is_whole_words(text: str, entity: Entity) -> bool:
    """Tell whether an entity begins and ends where words do."""
    edges = (text[max(0, place - 1) : place + 1] for place in (entity.start, entity.end))
    return not any(_INSIDE_WORD.fullmatch(edge) for edge in edges)
