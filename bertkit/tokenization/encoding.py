"""Rows as ids: what a tokenizer returns, and how a part is cut from a whole."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.tokenization.cutting import Kept, kept
from bertkit.tokenization.segments import Span
from bertkit.tokenization.spans import PackedSpans, whole_characters

Texts = tuple[str, ...]
"""What a row is made of: a text, or the two of a pair."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One row as ids.

    `n_tokens` is the row's full length, special tokens included, before it was cut. Of a
    very long text only a part may have been looked at; then it counts that, and `is_part` is
    true. `spans` are the tokens' places in the row's texts, where asked for; `hidden` are
    (place, true id) of tokens that a task has masked. `begins` marks the windows of a very
    long text that share nothing with the one before.
    """

    ids: Sequence[int]
    type_ids: list[int]
    n_tokens: int
    spans: Sequence[Span] = ()
    masked: tuple[tuple[int, int], ...] = ()
    is_part: bool = False
    begins: bool = False

    @property
    def truncated(self) -> bool:
        """Whether tokens were cut away."""
        return self.is_part or self.n_tokens > len(self.ids)


@dataclass(frozen=True, slots=True)
class EncodedColumns:
    """Many rows of one text as ids, N in T tokens, without an object for each.

    Attributes:
        ids: of all rows, one after the other, (T).
        starts: where each row begins in `ids`, and where the last one ends, (N + 1).
        n_tokens: the rows' full lengths, special tokens included, before they were cut, (N).
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int32]
    n_tokens: NDArray[np.int32]

    @property
    def cut(self) -> tuple[int, int]:
        """How many rows were cut, and how many tokens were lost."""
        lost = self.n_tokens - np.diff(self.starts)
        return int(np.count_nonzero(lost)), int(lost.sum())


@dataclass(slots=True)
class LaidRow:
    """A row as the library encoded it, brought into Python once; its parts are cut from this.

    `skipped` are, of each text, the characters that stand before `texts`.
    """

    ids: list[int]
    type_ids: list[int]
    spans: list[Span]
    texts: Texts
    skipped: tuple[int, int] = (0, 0)

    def part(self, places: Kept | None, *, n_tokens: int = 0, is_part: bool = False) -> Encoding:
        """Take the tokens at some places, or all of them, as an encoding.

        Args:
            places: what stays; None: everything.
            n_tokens: the row's length; 0: that of the part.
            is_part: whether characters were left out before.
        """
        ids, types, spans = self.ids, self.type_ids, self.spans
        if places is not None:
            ids, types, spans = kept(ids, places), kept(types, places), kept(spans, places)
        found: Sequence[Span] = whole_characters(spans, self.texts) if spans else ()
        if found and (places is not None or any(self.skipped)):
            found = PackedSpans(found, self.skipped)
        return Encoding(ids, types, n_tokens or len(ids), found, is_part=is_part)


def packed(encoding: Encoding) -> Encoding:
    """Hold ids in four bytes each, for there are many."""
    return replace(encoding, ids=array("i", encoding.ids))


def spans_of(row: Any) -> list[Span]:
    """Return the places of a row's tokens as the library gives them."""
    sides = [-1 if side is None else side for side in row.sequence_ids]
    places = ((side, *place) for side, place in zip(sides, row.offsets, strict=True))
    # As `Span._make` does, without a call of Python for each of so many.
    return list(map(tuple.__new__, repeat(Span), places))
