"""Documents from files and standard input: a text file is one, a table holds one on each row."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from bertkit.data.documents_shape import DOCUMENT_NAMES, SUMMARY_NAMES, document_row
from bertkit.data.formats import TableFormat, encoding_note, sniff_format
from bertkit.data.lines import BOM, GZIP_MAGIC, Lines, open_bytes, open_stdin, readable
from bertkit.data.readers import read_rows, read_stream
from bertkit.data.records import BadRow, ColumnMap, Row
from bertkit.errors import DataError, UsageError
from bertkit.files import exists
from bertkit.plain import brief
from bertkit.summarization.records import Item, SourceText, Unreadable

INPUT_FORMATS = ("auto", "txt", "jsonl", "csv", "tsv", "parquet")
STDIN = "<stdin>"
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


def read_documents(
    names: Sequence[str],
    *,
    input_format: str = "auto",
    columns: Sequence[str] = DOCUMENT_NAMES,
    note: Note = lambda _: None,
) -> Iterator[Item]:
    """Iterate the documents of files, as they are read.

    A file that cannot be read is an item like others where there are several, and ends the
    reading where it is the only one.

    Args:
        names: paths, plain or gzipped; "-" is standard input.
        input_format: auto, or what all of them are.
        columns: where a table's documents are looked for.
        note: is told of encodings other than UTF-8.

    Raises:
        UsageError: there is no such input format, or "-" is given twice.
        DataError: a file does not exist, or the only one cannot be read.
    """
    if input_format not in INPUT_FORMATS:
        raise UsageError(f"--input-format {brief(input_format)}: must be one of {', '.join(INPUT_FORMATS)}.")
    if list(names).count("-") > 1:
        raise UsageError("-: standard input can be read only once.")
    missing = next((name for name in names if name != "-" and not exists(Path(name))), None)
    if missing is not None:
        raise DataError(f"{missing}: no such file.")
    return _read_all([_Source(name, columns, input_format, note) for name in names])


def holds_many(names: Sequence[str], input_format: str = "auto") -> bool:
    """Tell, without reading them, whether inputs may hold several documents."""
    return len(names) != 1 or names[0] == "-" or (input_format != "txt" and _kind_by_name(Path(names[0])) != "txt")


def _read_all(sources: Sequence[_Source]) -> Iterator[Item]:
    for source in sources:
        try:
            yield from _read_stdin(source) if source.name == "-" else _read_file(source)
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


def _read_file(source: _Source) -> Iterator[Item]:
    path = Path(source.name)
    known = _format_of(path, source.asked)
    if (said := encoding_note(path, known)) is not None:
        source.note(said)
    if known.kind == "txt":
        with open_bytes(path) as stream:
            yield SourceText(_whole_text(stream, source.name, known.encoding), source.name)
        return
    yield from _documents(read_rows(path, table_format=known, keep_blank=True), source.name, source.columns)


def _format_of(path: Path, asked: str) -> TableFormat:
    """Tell what a file is; commas and tabs make a table only of a file that is called one."""
    if asked != "auto":
        return sniff_format(path, kind=asked)
    known = sniff_format(path)
    is_table = known.kind in ("jsonl", "parquet") or (
        known.kind in ("csv", "tsv") and known.kind == _kind_by_name(path)
    )
    return known if is_table else replace(known, kind="txt")


def _kind_by_name(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    kinds = {".ndjson": "jsonl", ".json": "jsonl", **{f".{kind}": kind for kind in INPUT_FORMATS[2:]}}
    return kinds.get(suffixes[-1], "txt") if suffixes else "txt"


def _read_stdin(source: _Source) -> Iterator[Item]:
    with open_stdin() as raw:
        with readable(Path(STDIN)):
            stream = _unpacked(raw)
            begins = stream.peek(1).removeprefix(BOM).lstrip()[:1]
        kind = source.asked if source.asked != "auto" else "jsonl" if begins == b"{" else "txt"
        if kind == "txt":
            yield SourceText(_whole_text(cast("BinaryIO", stream), STDIN, "utf-8"), STDIN)
            return
        yield from _documents(read_stream(cast("BinaryIO", stream), STDIN, kind), STDIN, source.columns)


def _unpacked(stream: io.BufferedReader) -> io.BufferedReader | gzip.GzipFile:
    return gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == GZIP_MAGIC else stream


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


def _documents(rows: Iterable[Row | BadRow], name: str, columns: Sequence[str]) -> Iterator[Item]:
    index = -1
    for index, row in enumerate(rows):
        found = row if isinstance(row, BadRow) else _of_row(row, name, columns)
        if isinstance(found, BadRow):
            yield Unreadable(found.message, name, index, found.line)
        else:
            yield SourceText(found, name, index, row.line)
    if index < 0:
        raise DataError(f"{name}: there is no document in it.")


def _of_row(row: Row, name: str, columns: Sequence[str]) -> str | BadRow:
    """Return the text of a row; a list of sentences becomes lines."""
    column = _column(row.fields, columns)
    if column is None:
        there = ", ".join(row.fields) or "none"
        return BadRow(row.line, f"there is no column {columns[0]!r} (there: {there})")
    found = document_row(row, ColumnMap((column,)), name, need_summary=False)
    return found if isinstance(found, BadRow) else found.texts[0]


def _column(fields: Mapping[str, str], columns: Sequence[str]) -> str | None:
    if len(fields) == 1 and "1" in fields:  # a table without a header
        return "1"
    by_name = {name.casefold(): name for name in reversed(list(fields))}
    return next((by_name[column] for column in columns if column in by_name), None)
