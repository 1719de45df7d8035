"""The vocabulary of the package: what a row of text is before any tokenizer sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Kept = tuple[tuple[str, Any], ...]
"""Names and JSON-ready values that go through to an answer."""


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
    """A record that could not be read.

    `message` says why, in one clause; `kept` are names and values that go through to the answer.
    """

    line: int
    message: str
    kept: Kept = field(default=(), kw_only=True, compare=False)


@dataclass(frozen=True, slots=True)
class LeftOut(BadRow):
    """A record that is not meant to be a row, such as a second header line: no fault, but it is said."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which columns play which part.

    `text` holds one column, or several that are joined into one text with the
    tokenizer's separator; `pair` is the second sentence of a pair; `choices` are the
    columns of a question's choices (one column that holds a list, or one each); `label`
    may be absent where only predictions are wanted. `labels` are columns of 0 and 1, one for
    each label that a row may have; `spans` say where two stretches of the text are.
    """

    text: tuple[str, ...]
    pair: str | None = None
    label: str | None = None
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that are read as text, in the order of `Example.texts`."""
        return (*self.text, self.pair) if self.pair is not None else self.text


@dataclass(frozen=True, slots=True)
class Example:
    """One row as a task sees it: its texts in the order of `ColumnMap.inputs`, and a label.

    Rows with the same `group` stay on one side of a split; empty: the row is of none. `kept`
    are names and values that go through to the answer.
    """

    texts: tuple[str, ...]
    label: str | None
    line: int
    source: str
    group: str = field(default="", kw_only=True)
    kept: Kept = field(default=(), kw_only=True, compare=False)

    @property
    def all_texts(self) -> tuple[str, ...]:
        """Every text of the row that a model may read."""
        return self.texts

    @property
    def answer(self) -> object:
        """The gold answer as JSON-ready values; None where the row has none."""
        return self.label


CharSpan = tuple[int, int]
"""Where something lies in its text: `text[start:end]`, in characters."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row starts: a file and its 1-based line."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A named stretch of a text: `text[start:end]`, in characters."""

    start: int
    end: int
    label: str

    @classmethod
    def trimmed(cls, text: str, span: CharSpan, label: str) -> Entity | None:
        """Make an entity that neither begins nor ends with a space; None where it would hold spaces alone."""
        start, end = span
        found = text[start:end]
        if not found.strip():
            return None
        return cls(start + len(found) - len(found.lstrip()), end - len(found) + len(found.rstrip()), label)


@dataclass(frozen=True, slots=True)
class TaggedText(Example):
    """One text with its entities; `texts` is the text alone and `label` is not used.

    `entities` stand in the order of their places and do not overlap; None: not known.
    `repaired` tells whether the row's tags broke their scheme and were read leniently,
    `trimmed` whether an entity came with spaces at its edges.
    """

    entities: tuple[Entity, ...] | None = None
    repaired: bool = False
    trimmed: bool = False

    @property
    def answer(self) -> object:
        """The entities as [start, end, label]; None where they are not known."""
        return None if self.entities is None else [[e.start, e.end, e.label] for e in self.entities]


@dataclass(frozen=True, slots=True)
class Question(Example):
    """A question with two or more choices.

    `texts` are the question, or context and question; `names` are what the file calls the
    choices (letters or numbers), and `label` is the name of the right one; `unread` says in a
    clause why there is none, where one was looked for.
    """

    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    unread: str = field(default="", compare=False)

    @property
    def all_texts(self) -> tuple[str, ...]:
        """Question and choices."""
        return (*self.texts, *self.choices)


@dataclass(frozen=True, slots=True)
class LabelSet(Example):
    """A row with any number of labels, none included; `labels` is None where they are not known.

    `label` is the cell as the file has it until all cells were seen and it is known where they
    are parted (`data.label_sets`); then it is None.
    """

    labels: tuple[str, ...] | None = None

    @property
    def answer(self) -> object:
        """The labels as a list; None where they are not known."""
        return self.label if self.labels is None else list(self.labels)


@dataclass(frozen=True, slots=True)
class ReadingQuestion(Example):
    """A question whose answer is a stretch of a text; `texts` are the question and that text.

    `places` are where right answers stand in the text, in characters; none: the text has no
    answer; None: it is not known. `answers` are all right answers as the file writes them, and `key`
    is what the file calls the question. `label` is not used.
    """

    places: tuple[CharSpan, ...] | None = None
    answers: tuple[str, ...] = ()
    key: str = ""

    @property
    def answer(self) -> object:
        """The right answers as texts; None where they are not known."""
        return None if self.places is None else list(self.answers)


@dataclass(frozen=True, slots=True)
class Document(Example):
    """A long text with what is to be said of it; `texts` is the text alone and `label` is not used.

    `summary` is the reference, as the file writes it; None: not known. `sentences` are those
    of a file that comes split, in the order in which `texts` joins them with line breaks.
    """

    summary: str | None = None
    sentences: tuple[str, ...] = ()

    @property
    def answer(self) -> object:
        """The reference summary; None where it is not known."""
        return self.summary


@dataclass(frozen=True)
class DataSet:
    """Examples by split, and where they came from.

    `notes` say how the rows were read; `warnings` what of them could not be.
    """

    name: str
    task: str
    columns: ColumnMap
    splits: Mapping[str, Sequence[Example]]
    fingerprint: str
    is_sample: bool = False
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    def labels(self, split: str) -> Iterator[str]:
        """Iterate the labels of a split, in row order, rows without one left out."""
        return (e.label for e in self.splits[split] if e.label is not None)
