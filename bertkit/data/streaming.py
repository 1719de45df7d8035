"""Rows by split, and the texts of any file, read when they are asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from bertkit.data.columns import ColumnChoice, Keep, UnnamedColumnsError, Wanted, kept_columns, parse_columns
from bertkit.data.contents import ROWS_LOOKED_AT, told_or_refused
from bertkit.data.faults import GroupColumns, Unread
from bertkit.data.formats.opened import open_input
from bertkit.data.formats.readers import read_opened
from bertkit.data.formats.telling import tell
from bertkit.data.label_kinds import LabelKinds, Spelling, how_read, mark_of, part_row, respelt
from bertkit.data.open import Opener, SeenIds, Table, expected_header, header_of_bare, usable_rows
from bertkit.data.records import (
    AUTO,
    CLASSES,
    LABEL_SETS,
    RELATIONS,
    SCORES,
    TEXTS,
    BadRow,
    ColumnMap,
    Example,
    LeftOut,
    Row,
    Tasks,
    shape_asked,
    word_of,
)
from bertkit.data.shapes.labelled import why_label_sets
from bertkit.data.shapes.questions import find_choice_columns
from bertkit.data.shapes.table import guess_shape, shape_of
from bertkit.data.sources import find_source
from bertkit.data.tagged.column_files import read_tagged_opened
from bertkit.data.values import is_lost_score, score_fault
from bertkit.errors import DataError

# --- Rows by split, read when they are asked for: what `inspect-data` looks through ---------------
#
# `loading` keeps every row and stops at the first that cannot be used, for training on the
# rest would hide the fault. Here nothing is kept, and a row that cannot be used is counted
# and left out, for faults are what an inspection is after. Columns and labels are read the
# same way by both.

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
        UnknownNameError: DATA is neither a known name nor a path.
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
    return how_read((part_row(row, mark) for row in first), cells, mark)


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
        self._read = Unread()
        self._columns: GroupColumns | None = None
        self._of_scores = False
        self._spelling: Spelling = "as written"

    def expect(self, shape: str, spelling: Spelling = "as written") -> None:
        """Leave out rows whose label no model can learn, where scores are learnt."""
        self._of_scores, self._spelling = shape == SCORES, spelling

    def __iter__(self) -> Iterator[Example]:
        """Read the files one after the other."""
        self._read, self._columns = Unread(), self._group_columns()
        watch = None if self._columns is None else self._columns.watch
        for example in usable_rows(self._tables, self._read, watch):
            row = self._respelt(example)
            if self._of_scores and row.label is not None and is_lost_score(row.label):
                self._read.unusable.note(row.source, [BadRow(row.line, score_fault(row.label))])
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
            kept = kept_columns(Keep())
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
        return replace(self._read, group_column=None if self._columns is None else self._columns.proposal())


# --- The texts of any file, as they come: lines of prose, or the text columns of a table ----------
#
# Ids, labels and scores are never texts: a column is read if its name says that it holds text,
# or if `--columns` names it.

Record = TypeVar("Record")


@dataclass(frozen=True)
class Texts:
    """The texts of one file, read as they are iterated.

    `columns` are the columns they are from, empty where the file is not a table; `notes` say
    how it is read otherwise than it might seem.
    """

    texts: Iterator[str]
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def open_texts(name: str, *, columns: str | None = None) -> Texts:
    """Open a file (plain or gzipped; txt, csv, tsv, jsonl, parquet, tagged text) as texts.

    Args:
        name: a path, or - for standard input, which is told from its first lines as a file is.
        columns: the value of --columns.

    Raises:
        DataError: the file is missing, binary or empty, its columns cannot be told, or (while
            the texts are iterated) a row cannot be read.
    """
    choice = None if columns is None else parse_columns(columns)
    opened = open_input(name)
    # An absolute path, for a bare word could be the name of a data set.
    spec = None if opened.path is None else find_source([str(opened.path.absolute())]).spec
    told = tell(opened, header=expected_header(spec), knows=partial(_knows, choice), text_will_do=choice is None)
    table, notes = told.table.parted(entities=True, classes=False), (*told.notes, *told.doubts)
    notes = notes if table.marks_note is None else (*notes, f"{opened.name}: {table.marks_note}")
    if table.kind == "conll":
        tagged = read_tagged_opened(opened, table, need_tags=False)
        return Texts(_texts(_peeked(tagged, opened.name), opened.name), notes=notes)
    is_headerless = table.kind in ("csv", "tsv") and not table.has_header
    rows = read_opened(opened, table, header=header_of_bare(spec) if is_headerless else None)
    found = _of_rows(rows, opened.name, table.kind, choice)
    return replace(found, notes=(*notes, *found.notes))


def _knows(choice: ColumnChoice | None, names: Sequence[str]) -> bool:
    """Tell whether columns of texts are among names."""
    try:
        wanted = Wanted(choice, need_label=False)
        if find_choice_columns(names, wanted) is None:
            shape_of(CLASSES).resolve(names, wanted)
    except DataError:
        return False
    return True


def _of_rows(rows: Iterator[Row | BadRow], name: str, kind: str, choice: ColumnChoice | None) -> Texts:
    rows = _peeked(rows, name)
    if kind == "txt":
        return Texts(_lines(rows, name))
    told, rows = guess_shape(rows, choice)
    told = None if told == RELATIONS else told  # its text is read without markers
    first = next((row for row in rows if not isinstance(row, LeftOut)), None)
    if first is None:
        raise DataError(f"{name}: there is no text in it (empty, or only a header line).")
    if isinstance(first, BadRow):
        raise DataError.at(name, first.line, f"{first.message}.")
    notes: tuple[str, ...] = ()
    shape = shape_of(told or CLASSES)
    rows = itertools.chain([first], rows)
    try:
        found = shape.resolve(list(first.fields), Wanted(choice, need_label=False))
    except UnnamedColumnsError as error:
        rows, found, notes = _told(rows, name, choice, error)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    examples = shape.examples(rows, replace(found, label=None, labels=()), name, need_label=False)
    return Texts(_texts(examples, name), (*found.inputs, *found.choices), notes)


def _told(
    rows: Iterator[Row | BadRow], name: str, choice: ColumnChoice | None, error: UnnamedColumnsError
) -> tuple[Iterator[Row | BadRow], ColumnMap, tuple[str, ...]]:
    """Tell the column of texts by what is in it.

    Raises:
        DataError: it cannot be told; the message proposes the likeliest.
    """
    ahead = list(itertools.islice(rows, ROWS_LOOKED_AT))
    told, said = told_or_refused(name, [row for row in ahead if isinstance(row, Row)], TEXTS, choice, error)
    return itertools.chain(ahead, rows), ColumnMap(told.choice.text, told.choice.pair), (said,)


def _peeked(rows: Iterator[Record], name: str) -> Iterator[Record]:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{name}: there is no text in it (empty, or only a header line).")
    return itertools.chain([first], rows)


def _lines(rows: Iterable[Row | BadRow], name: str) -> Iterator[str]:
    for row in _usable(rows, name):
        yield from row.fields.values()


def _texts(examples: Iterable[Example | BadRow], name: str) -> Iterator[str]:
    for example in _usable(examples, name):
        yield from example.all_texts


def _usable(records: Iterable[Record | BadRow], name: str) -> Iterator[Record]:
    """Leave out what is not meant to be read; of what cannot be, the first ends the reading."""
    for record in records:
        if not isinstance(record, BadRow):
            yield record
        elif not isinstance(record, LeftOut):
            raise DataError.at(name, record.line, f"{record.message}.")
