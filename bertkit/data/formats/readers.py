"""Rows of csv, tsv, jsonl, parquet and txt, one at a time, from files and from stdin.

Every reader has the same two promises: memory does not grow with the number of rows, and
a record that cannot be read becomes a `BadRow` with the line it starts at while the rows
after it still come. Texts are handed on as they are (NFD Korean stays NFD); only column
names are brought to NFC and stripped, so that `--columns text=문서` finds its column
whichever way the file spells it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from bertkit.data.formats.delimited import COMMENTS, read_records, read_table
from bertkit.data.formats.json_rows import read_json_document, read_json_lines
from bertkit.data.formats.lines import Lines
from bertkit.data.formats.opened import Opened, open_bytes
from bertkit.data.formats.parquet import read_arrow, read_parquet
from bertkit.data.formats.published import usual_rows
from bertkit.data.formats.telling import KINDS, PARTING, SEPARATOR, TableFormat, marked_rows, sniff_format
from bertkit.data.records import BadRow, LeftOut, Row
from bertkit.errors import DataError, UsageError

# Rows of a file that are looked at for their columns.
_AHEAD = 20
# The column of a text file, in which every line is one text.
TEXT_COLUMN = "text"


def read_rows(
    path: str | Path,
    *,
    table_format: TableFormat | None = None,
    header: Sequence[str] | None = None,
    keep_blank: bool = False,
) -> Iterator[Row | BadRow]:
    """Iterate the records of a plain or gzipped file.

    Args:
        path: the file; its format is sniffed if `table_format` is not given.
        table_format: the format, where it is known.
        header: names of the columns of a headerless csv or tsv; fields beyond them are
            dropped. Without it a headerless file's columns are called "1", "2", ….
        keep_blank: whether a blank line is a record (prediction) or is skipped (training).

    Raises:
        DataError: the file cannot be read, is binary, or is tagged text.
    """
    known = table_format or sniff_format(path)
    with open_bytes(Path(path)) as stream:
        yield from usual_rows(
            _read(stream, str(path), known, header, keep_blank=keep_blank, path=Path(path)), str(path), ahead=_AHEAD
        )


def read_opened(
    opened: Opened, table_format: TableFormat, *, header: Sequence[str] | None = None, keep_blank: bool = False
) -> Iterator[Row | BadRow]:
    """Iterate the records of a file or of standard input, as `read_rows` does."""
    with opened.stream() as stream:
        rows = _read(stream, opened.name, table_format, header, keep_blank=keep_blank, path=opened.path)
        yield from usual_rows(rows, opened.name)


def read_stream(
    stream: BinaryIO,
    source: str,
    kind: str,
    *,
    header: Sequence[str] | None = None,
    keep_blank: bool = True,
) -> Iterator[Row | BadRow]:
    """Iterate the records of a stream such as stdin, reading only the line it needs.

    A csv or tsv without `header` begins with one. Parquet keeps its index at the end, so
    such a stream is read whole first.

    Raises:
        UsageError: `kind` is not a kind of table.
        DataError: the header repeats a name, or the stream is not parquet as said.
    """
    if kind not in KINDS:
        raise UsageError(f"--input-format {kind!r}: choose one of {', '.join(KINDS)}.")
    known = TableFormat(kind, has_header=kind in ("csv", "tsv") and header is None)
    return _read(stream, source, known, header, keep_blank=keep_blank)


def read_stream_as(stream: BinaryIO, source: str, table_format: TableFormat) -> Iterator[Row | BadRow]:
    """Iterate the records of a stream of a known format as they stand, blank lines too."""
    return _read(stream, source, table_format, None, keep_blank=True)


def _read(
    stream: BinaryIO,
    source: str,
    known: TableFormat,
    header: Sequence[str] | None,
    *,
    keep_blank: bool,
    path: Path | None = None,
) -> Iterator[Row | BadRow]:
    if known.kind == "parquet":
        return read_parquet(stream, source, path)
    if known.kind == "arrow":
        return read_arrow(stream, source, path)
    if known.kind == "conll":
        raise DataError(
            f"{source}: this is tagged text (a token and its tag a line), with entities, which another --task reads."
        )
    if known.kind == "json":
        return read_json_document(stream, source, known.encoding)
    lines = Lines(stream, source, known.encoding)
    above: list[Row | BadRow] = []
    for line in itertools.islice(lines, known.skip):
        above += _left_above(line, lines.number)
        lines.begin_record()
    if known.kind == "jsonl":
        return read_json_lines(lines, keep_blank=keep_blank)
    if known.kind == "txt":
        return _read_txt(lines, keep_blank=keep_blank)
    if known.kind == "marked":
        return marked_rows(_read_txt(lines, keep_blank=keep_blank), known.marks, TEXT_COLUMN)
    records = read_records(lines, known.kind, known.delimiter, at_once=path is not None)
    rows = read_table(records, source, has_header=known.has_header, header=header, keep_blank=keep_blank)
    return itertools.chain(above, rows) if above else rows


def _left_above(line: str, number: int) -> list[Row | BadRow]:
    """Say what stands above a table; blank lines and what says how fields are parted need no word."""
    if not line.strip(PARTING) or SEPARATOR.fullmatch(line.strip(" \r\n")):
        return []
    is_comment = line.startswith(COMMENTS)
    why = (
        "the line is a comment above the table" if is_comment else "the line is a title above the names of the columns"
    )
    return [LeftOut(number, why)]


def _read_txt(lines: Lines, *, keep_blank: bool) -> Iterator[Row | BadRow]:
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        if lines.fault is not None:
            yield BadRow(lines.number, lines.fault)
        elif keep_blank or text.strip():
            yield Row(lines.number, {TEXT_COLUMN: text})
        lines.begin_record()
