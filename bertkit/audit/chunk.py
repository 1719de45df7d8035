"""A few thousand rows on their way past every part of the audit, normalised once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from bertkit.data.records import Example
from bertkit.data.same_row import columns_of, plain_rows

ROWS = 2048
CHARACTERS = 1 << 20


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of one split."""

    split: str
    rows: Sequence[Example]

    @cached_property
    def texts(self) -> list[tuple[str, ...]]:
        """The texts of each row by column; a question's choices count as one more column."""
        return [columns_of(row) for row in self.rows]

    @cached_property
    def normal(self) -> list[tuple[str, ...]]:
        """`texts` in the form in which rows are compared."""
        return plain_rows(self.texts)


class Observer(Protocol):
    """A part of the audit: it sees every row once and keeps counts, hashes or a bounded sample."""

    def see(self, chunk: Chunk) -> None:
        """Take note of some rows."""
        ...


def chunks(split: str, rows: Iterable[Example]) -> Iterator[Chunk]:
    """Cut the rows of a split into chunks, of fewer rows where texts are long."""
    part: list[Example] = []
    characters = 0
    for row in rows:
        part.append(row)
        characters += sum(map(len, row.all_texts))
        if len(part) == ROWS or characters >= CHARACTERS:
            yield Chunk(split, part)
            part, characters = [], 0
    if part:
        yield Chunk(split, part)
