"""The texts of any file, as they come: lines of prose, or the text columns of a table.

Ids, labels and scores are never texts: a column is read if its name says that it holds text,
or if `--columns` names it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bertkit.data.columns import ColumnChoice, parse_columns
from bertkit.data.formats import encoding_note, sniff_format
from bertkit.data.lines import open_stdin
from bertkit.data.readers import read_rows, read_stream
from bertkit.data.records import BadRow, Example, Row
from bertkit.data.shapes import guess_task, shape_of
from bertkit.data.sources import find_source
from bertkit.data.tagged_files import read_tagged_file
from bertkit.errors import DataError
from bertkit.files import is_file

STDIN = "<stdin>"
Record = TypeVar("Record")


@dataclass(frozen=True)
class Texts:
    """The texts of one file, read as they are iterated.

    `columns` are the columns they are from, empty where the file is no table; `note` says
    that the file is not UTF-8.
    """

    texts: Iterator[str]
    columns: tuple[str, ...] = ()
    note: str | None = None


def open_texts(name: str, *, columns: str | None = None) -> Texts:
    """Open a file (plain or gzipped; txt, csv, tsv, jsonl, parquet, tagged text) as texts.

    Args:
        name: a path, or - for standard input: text, one a line, or JSON lines.
        columns: the value of --columns.

    Raises:
        DataError: the file is missing, binary or empty, its columns cannot be told, or (while
            the texts are iterated) a row cannot be read.
    """
    choice = None if columns is None else parse_columns(columns)
    if name == "-":
        stream = open_stdin()
        kind = "jsonl" if stream.peek(1)[:1] == b"{" else "txt"
        return _of_rows(read_stream(stream, STDIN, kind), STDIN, kind, choice)
    path = Path(name)
    # An absolute path, for a bare word could be the name of a data set.
    spec = find_source([str(path.absolute())]).spec if is_file(path) else None
    header = spec.header if spec is not None else ()
    table = sniff_format(path, header=(*header, *spec.renames.values()) if spec is not None and header else ())
    note = encoding_note(path, table)
    if table.kind == "conll":
        tagged = read_tagged_file(path, table_format=table, need_tags=False)
        return Texts(_texts(_peeked(tagged, name), name), note=note)
    is_headerless = table.kind in ("csv", "tsv") and not table.has_header
    rows = read_rows(path, table_format=table, header=header if header and is_headerless else None)
    found = _of_rows(rows, name, table.kind, choice)
    return Texts(found.texts, found.columns, note)


def _of_rows(rows: Iterator[Row | BadRow], name: str, kind: str, choice: ColumnChoice | None) -> Texts:
    rows = _peeked(rows, name)
    if kind == "txt":
        return Texts(_lines(rows, name))
    task, rows = guess_task(rows, choice)
    first = next(rows)
    if isinstance(first, BadRow):
        raise DataError.at(name, first.line, f"{first.message}.")
    shape = shape_of(task or "classify")
    try:
        found = shape.resolve(list(first.fields), mapping=choice, spec=None, stored=None, need_label=False)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    examples = shape.examples(itertools.chain([first], rows), found, name, need_label=False)
    return Texts(_texts(examples, name), (*found.inputs, *found.choices))


def _peeked(rows: Iterator[Record], name: str) -> Iterator[Record]:
    first = next(rows, None)
    if first is None:
        raise DataError(f"{name}: there is no text in it (empty, or only a header line).")
    return itertools.chain([first], rows)


def _lines(rows: Iterable[Row | BadRow], name: str) -> Iterator[str]:
    for row in rows:
        if isinstance(row, BadRow):
            raise DataError.at(name, row.line, f"{row.message}.")
        yield from row.fields.values()


def _texts(examples: Iterable[Example | BadRow], name: str) -> Iterator[str]:
    for example in examples:
        if isinstance(example, BadRow):
            raise DataError.at(name, example.line, f"{example.message}.")
        yield from example.all_texts
