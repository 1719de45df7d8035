"""The texts of any file, as they come: lines of prose, or the text columns of a table.

Ids, labels and scores are never texts: a column is read if its name says that it holds text,
or if `--columns` names it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from bertkit.data.columns import ColumnChoice, UnnamedColumnsError, Wanted, parse_columns
from bertkit.data.contents import ROWS_LOOKED_AT, told_or_refused
from bertkit.data.formats.opened import open_input
from bertkit.data.formats.readers import read_opened
from bertkit.data.formats.telling import tell
from bertkit.data.records import BadRow, ColumnMap, Example, LeftOut, Row
from bertkit.data.shape_names import CLASSES, RELATIONS, TEXTS
from bertkit.data.shapes.question_columns import find_choice_columns
from bertkit.data.shapes.table import guess_shape, shape_of
from bertkit.data.sources import find_source
from bertkit.data.tagged.column_files import read_tagged_opened
from bertkit.errors import DataError

Record = TypeVar("Record")


@dataclass(frozen=True)
class Texts:
    """The texts of one file, read as they are iterated.

    `columns` are the columns they are from, empty where the file is no table; `notes` say
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
    header = spec.header if spec is not None else ()
    names = (*header, *spec.renames.values()) if spec is not None and header else ()
    told = tell(opened, header=names, knows=partial(_knows, choice), text_will_do=choice is None)
    table, notes = told.table, (*told.notes, *told.doubts)
    notes = notes if table.marks_note is None else (*notes, f"{opened.name}: {table.marks_note}")
    if table.kind == "conll":
        tagged = read_tagged_opened(opened, table, need_tags=False)
        return Texts(_texts(_peeked(tagged, opened.name), opened.name), notes=notes)
    is_headerless = table.kind in ("csv", "tsv") and not table.has_header
    rows = read_opened(opened, table, header=header if header and is_headerless else None)
    found = _of_rows(rows, opened.name, table.kind, choice)
    return replace(found, notes=(*notes, *found.notes))


def _knows(choice: ColumnChoice | None, names: Sequence[str]) -> bool:
    """Tell whether columns of texts are among names."""
    try:
        if find_choice_columns(names, choice=choice) is None:
            shape_of(CLASSES).resolve(names, Wanted(choice, need_label=False))
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
