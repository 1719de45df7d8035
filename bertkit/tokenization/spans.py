"""Places of tokens as a reader would mark them: no white space, no half characters.

The Rust library gives a token the space its "▁" stands for. Of characters that its normalizer
composed, such as decomposed Hangul, it gives the first code point only.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import overload

from bertkit.tokenization.segments import Span


class PackedSpans(Sequence[Span]):
    """Spans in a tenth of their memory; each is made when it is asked for.

    Args:
        spans: some spans.
        skipped: is added to the places, of side 0 and of side 1.

    Attributes:
        flat: side, start and end of one after the other.
    """

    __slots__ = ("flat",)

    def __init__(self, spans: Iterable[Span], skipped: tuple[int, int] = (0, 0)) -> None:
        before = (*skipped, 0)  # side -1 has no place in a text
        self.flat = array("i", chain.from_iterable((i, a + before[i], b + before[i]) for i, a, b in spans))

    def __len__(self) -> int:
        return len(self.flat) // 3

    @overload
    def __getitem__(self, index: int) -> Span: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Span, ...]: ...

    def __getitem__(self, index: int | slice) -> Span | tuple[Span, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        start = 3 * range(len(self))[index]
        return Span._make(self.flat[start : start + 3])

    def __iter__(self) -> Iterator[Span]:
        places = iter(self.flat)
        return map(Span, places, places, places)


def whole_characters(spans: Sequence[Span], texts: Sequence[str]) -> tuple[Span, ...]:
    """Cut white space off the ends of spans, and let them end where their characters do.

    Args:
        spans: the tokens' places, in order; special tokens have side -1.
        texts: the text of each side.

    Returns:
        One span per token; that of a token which stands for white space only is empty.
    """
    if all(map(str.isascii, texts)) and not any(map(_begins_or_ends_blank, spans, repeat(texts))):
        return tuple(spans)
    found = []
    for i, span in enumerate(spans):
        if span.side < 0:
            found.append(span)
            continue
        text = texts[span.side]
        follower = spans[i + 1] if i + 1 < len(spans) else None
        limit = follower.start if follower and follower.side == span.side else len(text)
        found.append(_whole(span, text, max(limit, span.end)))
    return tuple(found)


def _begins_or_ends_blank(span: Span, texts: Sequence[str]) -> bool:
    side, start, end = span
    return side >= 0 and end > start and (texts[side][start].isspace() or texts[side][end - 1].isspace())


def _whole(span: Span, text: str, limit: int) -> Span:
    side, start, end = span
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    while start < end < limit and _belongs(text, start, end):
        end += 1
    return Span(side, start, end)


def _belongs(text: str, start: int, end: int) -> bool:
    """Tell whether the character at `end` is a part of the one before it."""
    follower = text[end]
    if follower.isascii() or follower.isspace():
        return False
    if unicodedata.category(follower).startswith("M"):
        return True
    return _composed_length(text[start : end + 1]) == _composed_length(text[start:end])


def _composed_length(text: str) -> int:
    return len(unicodedata.normalize("NFKC", text))
