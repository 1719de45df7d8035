"""JSON lines as rows: an object on each line, its keys the columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bertkit.data.column_names import column_name
from bertkit.data.formats.lines import CARRIAGE_RETURN, Lines
from bertkit.data.records import BadRow, Row
from bertkit.data.values import NoJsonError, RowError, parse_json, twice, value_text


def read_json_lines(lines: Lines, *, keep_blank: bool) -> Iterator[Row | BadRow]:
    """Turn lines into rows; one that is no object becomes a `BadRow`."""
    for line in lines:
        if lines.fault is not None:
            yield BadRow(lines.number, lines.fault)
        elif line.strip():
            yield _row(line, lines.number)
        elif keep_blank:
            yield BadRow(lines.number, "the line is blank; a JSON object is expected")
        lines.begin_record()


def _row(line: str, number: int) -> Row | BadRow:
    try:
        return Row(number, _fields(parse_json(line)))
    except NoJsonError as error:
        return BadRow(number, CARRIAGE_RETURN if "\r" in line.strip() else str(error))
    except RowError as error:
        return BadRow(number, str(error))


def _fields(record: Any) -> dict[str, str]:
    if not isinstance(record, dict):
        raise RowError(f"the line is JSON but not an object ({_json_type(record)})")
    fields = {column_name(name): value_text(value) for name, value in record.items()}
    if len(fields) < len(record):
        raise RowError(twice(map(column_name, record)))
    return fields


def _json_type(value: Any) -> str:
    if isinstance(value, str):  # a number with a point comes as it is written
        return "a text" if type(value) is str else "a number"
    return {bool: "a boolean", int: "a number", list: "a list"}.get(type(value), "null")
