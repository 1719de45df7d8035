"""Rows by split, read when they are asked for: what `inspect-data` looks through.

`loading` keeps every row and stops at the first that cannot be used, for training on the
rest would hide the fault. Here nothing is kept, and a row that cannot be used is counted
and left out, for faults are what an inspection is after. Columns and labels are read the
same way by both.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bertkit.data.columns import parse_columns
from bertkit.data.faults import Faults, Unread
from bertkit.data.group_columns import GroupColumns
from bertkit.data.kept import Keep, KeptColumns
from bertkit.data.label_kinds import LabelKinds, Spelling, respelt
from bertkit.data.label_sets import how_read, is_listed, mark_of, part_row
from bertkit.data.numerals import is_lost_score, score_fault
from bertkit.data.open import Opener, Table
from bertkit.data.records import BadRow, ColumnMap, Example, LabelSet, LeftOut
from bertkit.data.shape_names import AUTO, LABEL_SETS, SCORES, Tasks, shape_asked, word_of
from bertkit.data.shapes.label_sets import why_label_sets
from bertkit.data.sources import find_source
from bertkit.data.table_rules import SeenIds

# Rows looked at for the kind of the labels; `LabelKinds` tells afterwards whether the rest agree.
_ROWS_AHEAD = 1000
# Rows whose cells tell where labels are parted.
_CELLS_AHEAD = 10_000


class Reading(Protocol):
    """The rows of one split; they can be read more than once, from the start each time."""

    def __iter__(self) -> Iterator[Example]:
        """Read the rows."""
        ...

    def expect(self, shape: str, spelling: Spelling = "as written") -> None:
        """Say what the rows are for and how their labels are spelt.

        Those that nobody can learn from are left out and counted.
        """
        ...

    def unread(self) -> Unread:
        """Return what could not be read the last time."""
        ...


@dataclass(frozen=True)
class StreamedData:
    """A data set whose rows are read as they are asked for.

    `task` is a task word; where nobody said one, the first rows did (`is_guessed`).
    """

    name: str
    task: str
    is_guessed: bool
    columns: ColumnMap
    splits: Mapping[str, Reading]
    is_sample: bool = False
    notes: tuple[str, ...] = ()


def stream_data(
    names: Sequence[str],
    *,
    tasks: Tasks,
    data_dir: Path | None = None,
    columns: str | None = None,
    task: str = "auto",
    group: str | None = None,
) -> StreamedData:
    """Open DATA, find the columns of every split, and get ready to read the rows.

    Args:
        names: the words of DATA; several files are more rows of the same table.
        tasks: the shape that each task reads.
        data_dir: where the files of a catalog name lie.
        columns: the value of `--columns`.
        task: a task word, or "auto" to let the data say.
        group: the column that names the rows' groups; None: one that might is looked for.

    Raises:
        UsageError: DATA or `--columns` is malformed.
        UnknownNameError: DATA is no known name and no path.
        DataError: a file cannot be read, has no rows, or lacks a column.
        HubError: the hub cannot be reached and nothing is cached.
    """
    source = find_source(names, data_dir=data_dir)
    choice = parse_columns(columns) if columns is not None else None
    asked = shape_asked(task, tasks, None if source.spec is None else source.spec.shape)
    opener = Opener(source, choice, asked, group)
    splits = {split: SplitStream(split, tables) for split, tables in opener.splits()}
    is_guessed = opener.shape == AUTO
    shape = _guess(next(iter(splits.values()))) if is_guessed else opener.shape
    if shape == LABEL_SETS:
        opener.notes += [why_label_sets(opener.columns, tasks)] if asked == AUTO else []
        opener.notes += [how] if (how := _part(splits)) else []
    return StreamedData(
        name=source.name,
        task=word_of(shape, tasks, task),
        is_guessed=is_guessed,
        columns=opener.columns,
        splits=splits,
        is_sample=source.is_sample,
        notes=tuple(opener.notes),
    )


def _part(splits: Mapping[str, SplitStream]) -> str:
    """Tell by the first rows where cells of several labels are parted, and say so."""
    first = list(itertools.islice(next(iter(splits.values())), _CELLS_AHEAD))
    cells = [row.label for row in first if row.label is not None]
    mark = mark_of(cells)
    for split in splits.values():
        split.mark = mark
    parted = (part_row(row, mark) for row in first)
    sets = [row.labels for row in parted if isinstance(row, LabelSet) and row.labels is not None]
    return how_read(sets, mark if cells else None, any(map(is_listed, cells)))


def _guess(first: Iterable[Example]) -> str:
    kinds = LabelKinds()
    kinds.see(row.label for row in itertools.islice(iter(first), _ROWS_AHEAD))
    return kinds.shape


class SplitStream:
    """The rows of the files of one split.

    Args:
        split: its name.
        tables: its files.

    Attributes:
        mark: where a cell is parted into labels; None: cells are not parted.
    """

    mark: str | None = None

    def __init__(self, split: str, tables: Sequence[Table]) -> None:
        self._split = split
        self._tables = tables
        self._unusable = Faults()
        self._left_out = Faults()
        self._lost = Faults()
        self._seen: SeenIds | None = None
        self._columns: GroupColumns | None = None
        self._of_scores = False
        self._spelling: Spelling = "as written"

    def expect(self, shape: str, spelling: Spelling = "as written") -> None:
        """Leave out rows whose label no model can learn, where scores are learnt."""
        self._of_scores, self._spelling = shape == SCORES, spelling

    def __iter__(self) -> Iterator[Example]:
        """Read the files one after the other."""
        self._unusable, self._left_out, self._lost = Faults(), Faults(), Faults()
        self._seen = SeenIds() if len(self._tables) > 1 else None
        self._columns = self._group_columns()
        for table in self._tables:
            problems: list[BadRow] = []
            place = table.place
            watch = None if self._columns is None else self._columns.watch
            for example in table.examples(problems, self._seen, watch):
                if problems:
                    self._lost.note(place, problems)
                    problems.clear()
                if isinstance(example, BadRow):
                    (self._left_out if isinstance(example, LeftOut) else self._unusable).note(place, [example])
                    continue
                row = self._respelt(example)
                if self._of_scores and row.label is not None and is_lost_score(row.label):
                    self._unusable.note(place, [BadRow(row.line, score_fault(row.label))])
                else:
                    yield row

    def _respelt(self, example: Example) -> Example:
        if self.mark is not None:
            return part_row(example, self.mark)
        if self._spelling == "as written" or example.label is None:
            return example
        return replace(example, label=respelt(example.label, self._spelling))

    def records(self) -> Iterator[tuple[str, Example | BadRow]]:
        """Read all records with their files, those too that cannot be used; their columns are `kept`.

        Of tokens and tags a line these are the text and its entities.
        """
        seen = SeenIds() if len(self._tables) > 1 else None
        for table in self._tables:
            kept = KeptColumns(Keep())
            for record in kept.give(table.examples([], seen, kept.note)):
                if table.read_tagged is not None and isinstance(record, Example):
                    record = replace(record, kept=(("text", record.texts[0]), ("entities", record.answer)))  # noqa: PLW2901
                yield table.place, record if isinstance(record, BadRow) else self._respelt(record)

    def _group_columns(self) -> GroupColumns | None:
        """Look for a column of groups among those of the training rows, where none was named."""
        first = self._tables[0]
        if self._split != "train" or first.group is not None:
            return None
        columns = first.columns
        return GroupColumns((*columns.inputs, *columns.choices, *columns.spans, columns.label, first.id_column))

    def unread(self) -> Unread:
        """Return what could not be read the last time."""
        return Unread(
            self._unusable,
            self._left_out,
            self._lost,
            0 if self._seen is None else self._seen.repeated,
            None if self._columns is None else self._columns.proposal(),
        )
