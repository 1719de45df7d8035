"""The vocabulary of the package: what a row of text is before any tokenizer sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One physical record of a file, columns by name, values still text.

    `line` is the 1-based physical line where the record starts, the header counted
    (parquet and hub data: the 1-based row).
    """

    line: int
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that could not be read; `message` says why, in one clause."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which columns play which part.

    `text` holds one column, or several that are joined into one text with the
    tokenizer's separator; `pair` is the second sentence of a pair; `label` may be
    absent where only predictions are wanted.
    """

    text: tuple[str, ...]
    pair: str | None = None
    label: str | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that are read as text, in the order of `Example.texts`."""
        return (*self.text, self.pair) if self.pair is not None else self.text


@dataclass(frozen=True, slots=True)
class Example:
    """One row as a task sees it: its texts in the order of `ColumnMap.inputs`, and a label."""

    texts: tuple[str, ...]
    label: str | None
    line: int
    source: str


@dataclass(frozen=True)
class DataSet:
    """Examples by split, and where they came from."""

    name: str
    task: str
    columns: ColumnMap
    splits: Mapping[str, tuple[Example, ...]]
    fingerprint: str
    is_sample: bool = False
    notes: tuple[str, ...] = field(default=())

    def labels(self, split: str) -> Iterator[str]:
        """Iterate the labels of a split, in row order, rows without one left out."""
        return (e.label for e in self.splits[split] if e.label is not None)
