"""What carries a tag: a word, or a token where entities begin inside words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bertkit.data.records import Entity
from bertkit.tokenization.segments import Span
from bertkit.tokenization.spans import whole_characters

# A word keeps the accents of decomposed text, which are no letters to \w.
WORD = re.compile(r"\w[\w\u0300-\u036f]*|[^\w\s]")

_INSIDE_WORD = re.compile(r"\w[\w\u0300-\u036f]")
_NO_UNIT = Span(-1, 0, 0)


def units(spans: Sequence[Span], text: str, *, by_word: bool) -> tuple[Span, ...]:
    """Give the places that carry tags, one for each token; a side of -1 where there is none.

    Of tokens that stand for one character, as bytes of it do, the first carries the tag;
    units do not overlap.

    Args:
        spans: the tokens' places in the text.
        text: the text.
        by_word: whether the first token of a word stands for all of it.
    """
    word_ends = {match.start(): match.end() for match in WORD.finditer(text)} if by_word else {}
    found, taken = [], 0
    for side, start, end in whole_characters(spans, (text,)):
        # A token may hold the beginnings of several words, and stands for all of them.
        begun = [place for place in range(max(start, taken), end) if not by_word or place in word_ends]
        if side < 0 or not begun:
            found.append(_NO_UNIT)
            continue
        taken = word_ends[begun[-1]] if by_word else end
        found.append(Span(side, begun[0], taken))
    return tuple(found)


def is_whole_words(text: str, entity: Entity) -> bool:
    """Tell whether an entity begins and ends where words do."""
    edges = (text[max(0, place - 1) : place + 1] for place in (entity.start, entity.end))
    return not any(_INSIDE_WORD.fullmatch(edge) for edge in edges)
