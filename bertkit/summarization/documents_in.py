"""Documents from files and standard input: a text file is one, a table holds one on each row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from bertkit.data.columns import there_are
from bertkit.data.formats.lines import Lines
from bertkit.data.formats.opened import STDIN, Opened, open_input
from bertkit.data.formats.readers import read_opened
from bertkit.data.formats.telling import TableFormat, column_names, kind_by_suffix, tell
from bertkit.data.kept import Keep
from bertkit.data.records import BadRow, ColumnMap, LeftOut, Row
from bertkit.data.shapes.documents import DOCUMENT_NAMES, SUMMARY_NAMES, document_row
from bertkit.data.sources import input_files
from bertkit.errors import DataError, UsageError
from bertkit.files import is_dir
from bertkit.plain import brief, quoted
from bertkit.summarization.records import Item, SourceText, Unreadable

INPUT_FORMATS = ("auto", "txt", "jsonl", "json", "csv", "tsv", "parquet")
# The columns of a table in which references are looked for, in this order.
REFERENCE_NAMES = (*SUMMARY_NAMES, "text")

Note = Callable[[str], None]


@dataclass(frozen=True)
class _Source:
    """How one input is read."""

    name: str
    columns: Sequence[str]
    asked: str
    note: Note
    keep: Keep | None = None


def read_documents(
    names: Sequence[str],
    *,
    input_format: str = "auto",
    columns: Sequence[str] = DOCUMENT_NAMES,
    note: Note = lambda _: None,
    keep: Keep | None = None,
) -> Iterator[Item]:
    """Iterate the documents of files, as they are read.

    A file that cannot be read is an item like others where there are several, and ends the
    reading where it is the only one.

    Args:
        names: paths, plain or gzipped, and folders of such; "-" is standard input.
        input_format: auto, or what all of them are.
        columns: where a table's documents are looked for.
        note: is told of encodings other than UTF-8.
        keep: columns of a table that go through to the answers; None: none do.

    Raises:
        UsageError: there is no such input format, or "-" is given twice.
        DataError: a file does not exist, or the only one cannot be read.
    """
    if input_format not in INPUT_FORMATS:
        raise UsageError(f"--input-format {brief(input_format)}: must be one of {', '.join(INPUT_FORMATS)}.")
    files = input_files(names)
    return _read_all([_Source(name, columns, input_format, note, keep) for name in files])


def holds_many(names: Sequence[str], input_format: str = "auto") -> bool:
    """Tell, without reading them, whether inputs may hold several documents."""
    return (
        len(names) != 1
        or names[0] == "-"
        or is_dir(Path(names[0]))
        or (input_format != "txt" and _kind_by_name(Path(names[0])) != "txt")
    )


def _read_all(sources: Sequence[_Source]) -> Iterator[Item]:
    for source in sources:
        try:
            yield from _read(source)
        except DataError as error:
            if len(sources) == 1:
                raise
            yield _unreadable(error, STDIN if source.name == "-" else source.name)


def _unreadable(error: DataError, name: str) -> Unreadable:
    """Take the place out of an error's sentence, for an item has its own."""
    said = re.fullmatch(rf"{re.escape(name)}(?::(\d+))?: (.*?)\.?", str(error), re.DOTALL)
    if said is None:
        return Unreadable(str(error), name)
    return Unreadable(said[2], name, line=int(said[1]) if said[1] else None)


def _read(source: _Source) -> Iterator[Item]:
    opened = open_input(source.name)
    table = _format_of(opened, source)
    if table.kind == "txt":
        with opened.stream() as stream:
            yield SourceText(_whole_text(stream, opened.name, table.encoding), opened.name)
        return
    yield from _documents(read_opened(opened, table, keep_blank=True), opened.name, source)


def _format_of(opened: Opened, source: _Source) -> TableFormat:
    """Tell what an input is, and say what is to be said of that.

    Commas and tabs make a table only of a file that is called one, or of one without any
    such name whose first line names a column of documents.
    """
    kind = None if source.asked == "auto" else source.asked
    told = tell(opened, kind=kind, knows=lambda names: _column(names, source.columns) is not None, one_text=True)
    for sentence in (*told.notes, *(f"warning: {doubt}" for doubt in told.doubts)):
        source.note(sentence)
    table = told.table
    if kind is not None or table.kind in ("jsonl", "json", "parquet", "txt"):
        return table
    if opened.path is None or not opened.path.suffix:
        is_table = table.kind != "conll" and _column(column_names(opened, table), source.columns) is not None
    else:
        is_table = table.kind == _kind_by_name(opened.path)
    return table if is_table else replace(table, kind="txt")


def _kind_by_name(path: Path) -> str:
    kind = kind_by_suffix(path)
    return kind if kind in INPUT_FORMATS else "txt"


def _whole_text(stream: BinaryIO, name: str, encoding: str) -> str:
    """Decode a stream to its end, line ends kept, so that places in the text are places in the file.

    Raises:
        DataError: a line is no text in this encoding.
    """
    lines, parts = Lines(stream, name, encoding), []
    for line in lines:
        if lines.fault is not None:
            raise DataError.at(name, lines.number, f"{lines.fault}; only text can be summarized.")
        parts.append(line)
        lines.begin_record()
    return "".join(parts)


def _documents(rows: Iterable[Row | BadRow], name: str, source: _Source) -> Iterator[Item]:
    index = -1
    for index, row in enumerate(row for row in rows if not isinstance(row, LeftOut)):
        found = row if isinstance(row, BadRow) else _of_row(row, name, source.columns)
        kept = tuple(source.keep.of(row.fields)) if source.keep is not None and isinstance(row, Row) else ()
        if isinstance(found, BadRow):
            yield Unreadable(found.message, name, index, found.line, kept)
        else:
            yield SourceText(found, name, index, row.line, kept)
    if index < 0:
        raise DataError(f"{name}: there is no document in it.")


def _of_row(row: Row, name: str, columns: Sequence[str]) -> str | BadRow:
    """Return the text of a row; a list of sentences becomes lines."""
    column = _column(list(row.fields), columns)
    if column is None:
        return BadRow(row.line, f"there is no column {quoted(columns[0])}: {there_are(list(row.fields))}")
    found = document_row(row, ColumnMap((column,)), name, need_summary=False)
    return found if isinstance(found, BadRow) else found.texts[0]


def _column(names: Sequence[str], columns: Sequence[str]) -> str | None:
    if list(names) == ["1"]:  # a table without a header
        return "1"
    by_name = {name.casefold(): name for name in reversed(names)}
    return next((by_name[column] for column in columns if column in by_name), None)
