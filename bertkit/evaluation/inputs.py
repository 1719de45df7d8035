"""The rows of `predict`: a file or standard input, read as what they are, one at a time."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bertkit.data.columns import parse_columns
from bertkit.data.formats import encoding_note, sniff_format
from bertkit.data.lines import open_stdin
from bertkit.data.readers import read_rows, read_stream
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.shapes import shape_of
from bertkit.data.tagged_files import read_tagged_file, read_tagged_stream
from bertkit.errors import DataError
from bertkit.files import is_file
from bertkit.tasks.base import TaskSettings

FORMATS = ("auto", "txt", "csv", "tsv", "jsonl", "conll", "parquet")


@dataclass(frozen=True)
class Inputs:
    """Rows to predict, whether they may come slowly, and what was noticed about the file."""

    rows: Iterator[Example | BadRow]
    slow_source: bool
    note: str | None = None


def open_inputs(name: str, settings: TaskSettings, *, input_format: str, columns: str | None) -> Inputs:
    """Open INPUT of `predict`.

    Args:
        name: a path, or - for standard input.
        settings: the run's; its columns are looked for first.
        input_format: auto, or what the input is.
        columns: the value of --columns, or None.

    Raises:
        DataError: the file is missing, or what it is cannot be told.
    """
    if name == "-":
        stream = open_stdin()
        kind = _kind_of_stream(stream, settings) if input_format == "auto" else input_format
        if kind == "conll":
            _refuse_tagged(settings, "<stdin>")
            return Inputs(read_tagged_stream(stream, "<stdin>", need_tags=False), slow_source=True)
        rows = read_stream(stream, "<stdin>", kind, keep_blank=True)
        return Inputs(_examples(rows, settings, columns, "<stdin>", kind), slow_source=True)
    path = Path(name)
    if not is_file(path):
        raise DataError(f"{name}: no such file; give a path, or - for standard input.")
    table = sniff_format(path) if input_format == "auto" else sniff_format(path, kind=input_format)
    if table.kind == "conll":
        _refuse_tagged(settings, name)
        return Inputs(read_tagged_file(path, table_format=table, need_tags=False), False, encoding_note(path, table))
    if table.kind == "txt":
        _refuse_plain_text(settings, name)
    rows = read_rows(path, table_format=table, keep_blank=True)
    return Inputs(_examples(rows, settings, columns, name, table.kind), False, encoding_note(path, table))


def _kind_of_stream(stream: io.BufferedReader, settings: TaskSettings) -> str:
    if stream.peek(1)[:1] == b"{":
        return "jsonl"
    _refuse_plain_text(settings, "<stdin>")
    return "txt"


def _refuse_tagged(settings: TaskSettings, source: str) -> None:
    if settings.task != "ner":
        raise DataError(f"{source}: this is tagged text (a token a line), and the run's task is {settings.task}.")


def _refuse_plain_text(settings: TaskSettings, source: str) -> None:
    if settings.task == "choice":
        raise DataError(
            f"{source}: the run reads questions with choices and plain text has none; "
            "say what the input is with --input-format csv, tsv or jsonl."
        )
    if settings.task != "mlm" and len(settings.columns.inputs) > 1:
        names = ", ".join(settings.columns.inputs)
        raise DataError(
            f"{source}: the run reads {len(settings.columns.inputs)} columns ({names}) and plain text has one; "
            "say what the input is with --input-format tsv, csv or jsonl."
        )


def _examples(
    rows: Iterable[Row | BadRow], settings: TaskSettings, columns: str | None, source: str, kind: str
) -> Iterator[Example | BadRow]:
    """Find the columns at the first row that has them, and make examples of all rows.

    A table has one header, so a column it lacks ends the command; JSON lines speak each for
    themselves, so there only the row is bad.
    """
    remaining, shape = iter(rows), shape_of(settings.task)
    for row in remaining:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            found = _columns(row, settings, columns, kind)
        except DataError as error:
            if kind != "jsonl":
                raise
            yield BadRow(row.line, str(error).rstrip("."))
            continue
        yield from shape.examples(itertools.chain([row], remaining), found, source, need_label=False)
        return


def _columns(row: Row, settings: TaskSettings, columns: str | None, kind: str) -> ColumnMap:
    if kind == "txt":
        return ColumnMap(text=tuple(row.fields))
    found = shape_of(settings.task).resolve(
        list(row.fields),
        mapping=None if columns is None else parse_columns(columns),
        spec=None,
        stored=replace(settings.columns, label=None),
        need_label=False,
    )
    return replace(found, label=None)
