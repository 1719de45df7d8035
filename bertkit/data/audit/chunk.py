"""A few thousand rows on their way past every part of the audit, normalised once for all of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

from bertkit.data.records import Example

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
        return [_texts(row) for row in self.rows]

    @cached_property
    def normal(self) -> list[tuple[str, ...]]:
        """`texts`, normalised."""
        return [tuple(map(normalise, texts)) for texts in self.texts]


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


def normalise(text: str) -> str:
    """Reduce a text to what a reader would call the same text.

    Unicode composition (NFC), letter case, white space, punctuation and invisible
    characters do not count. A text of punctuation alone keeps it: ":)" is not ":(".
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    plain = " ".join(folded.translate(_ignored()).split())
    return plain or " ".join("".join(char for char in folded if unicodedata.category(char) != "Cf").split())


@cache
def _ignored() -> dict[int, str | None]:
    """Punctuation becomes a space; format characters (zero-width, byte order mark) vanish."""
    table: dict[int, str | None] = {}
    for code in range(0x20000):  # no punctuation above, as of Unicode 16
        category = unicodedata.category(chr(code))
        if category[0] == "P":
            table[code] = " "
        elif category == "Cf":
            table[code] = None
    return table


def _texts(row: Example) -> tuple[str, ...]:
    every = row.all_texts
    own = len(row.texts)
    return row.texts if len(every) == own else (*row.texts, "\x1f".join(every[own:]))
