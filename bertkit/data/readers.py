"""Rows of csv, tsv, jsonl, parquet and txt, one at a time, from files and from stdin.

Every reader has the same two promises: memory does not grow with the number of rows, and
a record that cannot be read becomes a `BadRow` with the line it starts at while the rows
after it still come. Texts are handed on as they are (NFD Korean stays NFD); only column
names are brought to NFC and stripped, so that `--columns text=문서` finds its column
whichever way the file spells it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from bertkit.data.columns import column_name
from bertkit.data.formats import KINDS, TableFormat, sniff_format
from bertkit.data.lines import Lines, open_bytes
from bertkit.data.records import BadRow, Row
from bertkit.errors import DataError, UsageError

# Longer than any text; without a limit an unclosed quote would pull a whole file into memory.
_MAX_FIELD_CHARACTERS = 1 << 24
_PARQUET_BATCH_ROWS = 1024
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89abAB]", re.ASCII)
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
    path = Path(path)
    known = table_format or sniff_format(path)
    with open_bytes(path) as stream:
        yield from _read(stream, str(path), known, header, keep_blank=keep_blank)


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
        UsageError: `kind` is no kind of table.
        DataError: the header repeats a name, or the stream is not parquet as said.
    """
    if kind not in KINDS:
        raise UsageError(f"--input-format {kind!r}: choose one of {', '.join(KINDS)}.")
    known = TableFormat(kind, has_header=kind in ("csv", "tsv") and header is None)
    return _read(stream, source, known, header, keep_blank=keep_blank)


def value_text(value: Any) -> str:
    """Write a JSON or parquet value as the text of a field; null is the empty text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _read(
    stream: BinaryIO, source: str, known: TableFormat, header: Sequence[str] | None, *, keep_blank: bool
) -> Iterator[Row | BadRow]:
    if known.kind == "parquet":
        return _read_parquet(stream, source)
    if known.kind == "conll":
        raise DataError(f"{source}: this is tagged text (one token and its tag a line), which the task ner reads.")
    lines = Lines(stream, source, known.encoding)
    if known.kind == "jsonl":
        return _read_jsonl(lines, keep_blank=keep_blank)
    if known.kind == "txt":
        return _read_txt(lines, keep_blank=keep_blank)
    records = _csv_records(lines, known.delimiter) if known.kind == "csv" else _tsv_records(lines)
    return _read_table(records, source, has_header=known.has_header, header=header, keep_blank=keep_blank)


def _read_txt(lines: Lines, *, keep_blank: bool) -> Iterator[Row | BadRow]:
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        if lines.fault is not None:
            yield BadRow(lines.number, lines.fault)
        elif keep_blank or text.strip():
            yield Row(lines.number, {TEXT_COLUMN: text})
        lines.begin_record()


def _read_jsonl(lines: Lines, *, keep_blank: bool) -> Iterator[Row | BadRow]:
    for line in lines:
        if lines.fault is not None:
            yield BadRow(lines.number, lines.fault)
        elif line.strip():
            yield _json_row(line, lines.number)
        elif keep_blank:
            yield BadRow(lines.number, "the line is blank; a JSON object is expected")
        lines.begin_record()


def _json_row(line: str, number: int) -> Row | BadRow:
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return BadRow(number, f"invalid JSON: {error.msg} at character {error.pos + 1}")
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"invalid JSON: {error}")
    if not isinstance(record, dict):
        return BadRow(number, f"the line is JSON but not an object ({_json_type(record)})")
    fields = {column_name(name): value_text(value) for name, value in record.items()}
    if _SURROGATE_ESCAPE.search(line) and not all(_is_encodable(text) for text in fields.values()):
        return BadRow(number, "half a surrogate pair (\\ud800 to \\udfff) is no character")
    return Row(number, fields)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _json_type(value: Any) -> str:
    names = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "null")


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_Record = tuple[int, "list[str] | str"]
"""The line a record starts at, and its fields, or what is wrong with it."""


def _tsv_records(lines: Lines) -> Iterator[_Record]:
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        yield lines.number, lines.fault or text.split("\t")
        lines.begin_record()


def _csv_records(lines: Lines, delimiter: str) -> Iterator[_Record]:
    # A limit of the whole process; raised, never lowered, so that a caller's own is kept.
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_FIELD_CHARACTERS))
    parser = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.number + 1
        try:
            fields = next(parser)
        except StopIteration:
            return
        except csv.Error as error:
            # What an open quote has swallowed is given back and read again.
            lines.rewind_to_second_line()
            yield start, _csv_fault(str(error))
        else:
            yield start, lines.fault or fields
        lines.begin_record()


def _csv_fault(message: str) -> str:
    if "unexpected end of data" in message or "field larger" in message:
        return "a quote is opened here and never closed"
    if "expected after" in message:
        return "a quote inside a quoted field is not doubled"
    if "new-line character" in message:
        return "a lone carriage return stands outside quotes"
    return message


def _read_table(
    records: Iterator[_Record],
    source: str,
    *,
    has_header: bool,
    header: Sequence[str] | None,
    keep_blank: bool,
) -> Iterator[Row | BadRow]:
    names = None if header is None else [column_name(name) for name in header]
    drop_extra = names is not None
    if has_header:
        found = _read_header(records, source)
        names = names or found
        if names is None:
            return
    for line, fields in records:
        if isinstance(fields, str):
            yield BadRow(line, fields)
            continue
        if names is None:
            names = [str(position) for position in range(1, len(fields) + 1)]
        if _is_blank(fields):
            if keep_blank:
                yield Row(line, {names[0]: ""}) if len(names) == 1 else BadRow(line, "the line is blank")
        else:
            yield _table_row(line, fields, names, drop_extra=drop_extra)


def _table_row(line: int, fields: list[str], names: Sequence[str], *, drop_extra: bool) -> Row | BadRow:
    if len(fields) == len(names) or (drop_extra and len(fields) > len(names)):
        return Row(line, dict(zip(names, fields, strict=False)))
    return BadRow(line, f"{len(fields)} {_plural('field', len(fields))} where {len(names)} are expected")


def _read_header(records: Iterator[_Record], source: str) -> list[str] | None:
    """Read up to the first line that is not blank; None if there is none."""
    for line, fields in records:
        if isinstance(fields, str):
            raise DataError.at(source, line, f"the header cannot be read: {fields}.")
        if not _is_blank(fields):
            names = [column_name(name) for name in fields]
            repeated = next((name for name in names if names.count(name) > 1), None)
            if repeated is not None:
                raise DataError.at(source, line, f"the header names the column {repeated!r} twice; rename one.")
            return names
    return None


def _is_blank(fields: Sequence[str]) -> bool:
    return len(fields) == 0 or (len(fields) == 1 and not fields[0].strip())


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _read_parquet(stream: BinaryIO, source: str) -> Iterator[Row | BadRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not stream.seekable():
        stream = io.BytesIO(stream.read())
    try:
        table = pq.ParquetFile(stream)
        number = 0
        for batch in table.iter_batches(batch_size=_PARQUET_BATCH_ROWS):
            for record in batch.to_pylist():
                number += 1
                yield Row(number, _parquet_fields(record))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source}: this is no readable parquet file ({error}).") from error


def _parquet_fields(record: Mapping[str, Any]) -> dict[str, str]:
    return {column_name(name): value_text(value) for name, value in record.items()}
