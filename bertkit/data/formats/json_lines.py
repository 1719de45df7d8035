"""JSON lines as rows: an object on each line, its keys the columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bertkit.data.column_names import column_name
from bertkit.data.formats.lines import CARRIAGE_RETURN, Lines
from bertkit.data.records import BadRow, Row
from bertkit.data.values import (
    JsonText,
    NoJsonError,
    RowError,
    likely_categories,
    parse_json,
    parse_list,
    twice,
    value_text,
)

# How a line begins that may be an object, or a text with its annotations, in Python's spelling.
_OF_PYTHON = ("{'", "('", '("', "['")


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
        return Row(number, fields_of(_record(line)))
    except NoJsonError as error:
        return BadRow(number, CARRIAGE_RETURN if "\r" in line.strip() else str(error))
    except RowError as error:
        return BadRow(number, str(error))


def _record(line: str) -> Any:
    """Parse a line as JSON, or as Python writes an object."""
    try:
        return parse_json(line)
    except NoJsonError:
        bare = line.strip().rstrip(",")
        found = parse_list(bare) if bare.startswith(_OF_PYTHON) else None
        if isinstance(found, dict | list):
            return found
        raise


def fields_of(record: Any) -> dict[str, str]:
    """Return the fields of a record: an object, a text with its annotations as spaCy pairs them, or values in order.

    Raises:
        RowError: it is neither, or names a column twice.
    """
    if isinstance(record, list) and len(record) == 2 and isinstance(record[0], str) and isinstance(record[1], dict):
        record = _annotated(*record)
    elif isinstance(record, list) and len(record) == 2 and isinstance(record[0], str) and _are_spans(record[1]):
        record = _annotated(record[0], {"entities": record[1]})
    elif isinstance(record, list) and len(record) > 1 and not any(isinstance(item, list | dict) for item in record):
        record = {str(place): item for place, item in enumerate(record, start=1)}
    if not isinstance(record, dict):
        raise RowError(f"the line is JSON but not an object ({_json_type(record)})")
    fields = {column_name(name): _text_of(value) for name, value in record.items()}
    if len(fields) < len(record):
        raise RowError(twice(map(column_name, record)))
    return fields


def _text_of(value: Any) -> str:
    text = value_text(value)
    return text if type(value) is str else JsonText(text)


def _annotated(text: str, annotations: dict[str, Any]) -> dict[str, Any]:
    """Read [text, {"entities": …, "cats": …}]; of several categories those count that are likely."""
    record: dict[str, Any] = {"text": text}
    if "entities" in annotations:
        record["entities"] = annotations["entities"]
    if isinstance(cats := annotations.get("cats"), dict):
        record["label"] = likely_categories(cats)
    return record


def _are_spans(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, list) and len(item) == 3 for item in value)


def _json_type(value: Any) -> str:
    if isinstance(value, str):  # a number with a point comes as it is written
        return "a text" if type(value) is str else "a number"
    return {bool: "a boolean", int: "a number", list: "a list"}.get(type(value), "null")
