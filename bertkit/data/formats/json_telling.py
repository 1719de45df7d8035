"""Whether lines are JSON, and whether each is a record or all of them are one document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from bertkit.data.column_names import (
    HEADER_NAMES,
    LABEL_NAMES,
    SPEAKER_NAMES,
    SUMMARY_NAMES,
    TAG_NAMES,
    TEXT_NAMES,
    first_named,
    folded,
)
from bertkit.data.values import RowError, parse_list

# How an object of JSON begins, and how an array of them does.
_OBJECT = re.compile(r"\{\s*(?:[\"'}]|$)")
_ARRAY = re.compile(r"\[\s*\{\s*(?:[\"}]|$)")
# Names of the list of rows within an object.
WRAPPERS = frozenset(
    {"data", "rows", "examples", "documents", "document", "items", "instances", "records", "results", "dataset"}
    | {"reviews", "comments", "articles", "entries", "hits", "list", "samples", "tasks"}
)
# What hardly stands beside a list of rows.
_OF_ROWS = HEADER_NAMES - {"id", "idx", "index", "title", *WRAPPERS}
# Where an object goes on in the next line.
_OPEN_ENDS = ("{", "[", ",", ":")
# How an object begins that holds the rows of a table.
_WRAPPED = re.compile(
    rf"""\{{.{{0,2000}}?"(?:{"|".join(sorted(WRAPPERS))})"\s*:\s*\[\s*[\[{{]""", re.DOTALL | re.IGNORECASE
)

JsonKind = Literal["jsonl", "json"]
"""Records on a line each, or one document (or several) that goes over lines as it likes."""


def json_kind(full: Sequence[str], hint: str | None, *, is_named: bool, is_whole: bool) -> JsonKind | None:
    """Tell JSON by its first line that is not blank; None where it is none.

    Prose may begin with a brace or a bracket; only where no name says that it is text, a
    brace is enough.

    Args:
        full: the first lines that are not blank.
        hint: the kind that the name says.
        is_named: whether the input has a name that says anything.
        is_whole: whether these are all lines.
    """
    if not full:
        return None
    first = full[0].lstrip()
    if first.startswith("(") and _is_annotated(first):
        return "jsonl"
    if first.startswith("{"):
        is_object = not is_named or hint == "jsonl" or _OBJECT.match(first) or any(map(_is_json_object, full))
        return _object_kind(full, is_whole=is_whole) if is_object else None
    if not first.startswith("["):
        return "jsonl" if hint == "jsonl" else None
    following = full[1].lstrip()[:1] if len(full) > 1 else ""
    if _ARRAY.match(first) or (first.rstrip() == "[" and following in ("", "{", "[", '"')):
        return "json"
    if hint == "jsonl" or (not is_named and _is_json_list(first)):
        return "jsonl" if following == "[" or _is_annotated(first) else "json"
    return None


def rows_within(value: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return the rows that an object holds, where it is a table rather than a row; None where it is a row."""
    lists = [name for name, items in value.items() if _is_list_of_rows(items) and not are_turns(items)]
    if any(name.casefold() in WRAPPERS and items == [] for name, items in value.items()) and not is_row(value):
        return []
    named = [name for name in lists if name.casefold() in WRAPPERS]
    if len(named) == 1 and not is_row(value):
        return _with_columns(value[named[0]], value)
    others = [other for name, other in value.items() if name not in lists]
    if len(lists) == 1 and len(value[lists[0]]) > 1 and (not others or _is_told_of(value, lists[0])):
        items: Sequence[Any] = value[lists[0]]
        return items
    if set(value) == {"classes", "annotations"} and lists == ["annotations"]:  # spaCy's pairs, as an annotator has them
        return [item for item in value["annotations"] if item is not None]
    own = [name for name, item in value.items() if not (isinstance(item, dict) and first_named([name], TEXT_NAMES))]
    if (found := _rows_by_place(value) or _rows_by_column(value)) is not None or is_row(own):
        return found
    inner = [rows for other in value.values() if isinstance(other, dict) and (rows := rows_within(other)) is not None]
    return inner[0] if len(inner) == 1 else None


def are_turns(items: Iterable[Any]) -> bool:
    """Tell turns of a conversation without labels, which are one text: somebody says each of them."""
    answers = (*LABEL_NAMES, *TAG_NAMES, *SUMMARY_NAMES)
    return all(
        isinstance(item, dict) and first_named(item, SPEAKER_NAMES) and not first_named(item, answers) for item in items
    )


def tables_within(value: Mapping[str, Any]) -> list[str]:
    """Return the names of the tables that an object holds, where there are several: {"train": […], "test": […]}."""
    found = [name for name, items in value.items() if _is_list_of_rows(items) and _are_rows(items)]
    return found if len(found) > 1 and not is_row(value) else []


def _rows_by_place(value: Mapping[str, Any]) -> Sequence[Any] | None:
    """Read objects in an object, as to_json() and to_json(orient="index") write a table."""
    if len(value) < 1 or not all(isinstance(column, dict) and column for column in value.values()):
        return None
    if all(name.isdigit() for name in value) or (len(value) > 1 and not is_row(value) and _are_rows(value.values())):
        return list(value.values())
    places = [list(column) for column in value.values()]
    numbered = all(name.lstrip("-").isdigit() for name in places[0])
    named = len(value) > 1 and len(places[0]) > 1 and is_row(value)
    if any(place != places[0] for place in places) or not (numbered or named):
        return None
    return [{name: column[place] for name, column in value.items()} for place in places[0]]


def _rows_by_column(value: Mapping[str, Any]) -> Sequence[Any] | None:
    """Read a list of texts and one of labels, as to_dict("list") writes a table; one of tokens is a row."""
    columns = list(value.values())
    if not all(isinstance(column, list) and len(column) > 1 for column in columns):
        return None
    alike = len({len(column) for column in columns}) == 1
    scalars = not any(isinstance(item, list | dict) for column in columns for item in column)
    if not (alike and scalars and first_named(value, TEXT_NAMES) and first_named(value, LABEL_NAMES)):
        return None
    return [dict(zip(value, items, strict=True)) for items in zip(*columns, strict=True)]


def _is_told_of(value: Mapping[str, Any], name: str) -> bool:
    """Tell whether all else in an object is said of the rows in one list: a version, a licence."""
    others = [key for key in value if key != name]
    scalars = not any(isinstance(value[key], list | dict) for key in others)
    own = is_row(others) or folded(name) in _OF_ROWS or first_named(others, SUMMARY_NAMES) is not None
    return scalars and not own and _are_rows(value[name])


def _are_rows(items: Iterable[Any]) -> bool:
    return all(isinstance(item, dict) and is_row(item) for item in items)


def _is_list_of_rows(items: Any) -> bool:
    return isinstance(items, list) and bool(items) and isinstance(items[0], dict | list)


def _with_columns(items: Sequence[Any], value: Mapping[str, Any]) -> Sequence[Any]:
    """Name the fields of rows that are lists, as to_json(orient="split") writes them."""
    columns = value.get("columns")
    if not isinstance(columns, list):
        return items
    return [dict(zip(map(str, columns), item, strict=False)) if isinstance(item, list) else item for item in items]


def is_row(names: Iterable[str]) -> bool:
    """Tell whether an object with such keys is a row, whatever lists it has: it has a text, a question or a label."""
    return any(folded(name) in _OF_ROWS for name in names)


def _object_kind(full: Sequence[str], *, is_whole: bool) -> JsonKind:
    found = _parsed(full[0])
    if isinstance(found, dict):
        is_table = len(full) == 1 and (rows_within(found) is not None or tables_within(found))
        return "json" if is_table and (is_whole or _is_wrapped(found)) else "jsonl"
    is_cut = len(full) == 1 and not is_whole
    goes_on = (len(full) > 1 and full[0].rstrip().endswith(_OPEN_ENDS)) or _are_several(full[0])
    return "json" if goes_on or (is_cut and _WRAPPED.match(full[0].lstrip())) else "jsonl"


def _are_several(line: str) -> bool:
    """Tell objects that stand one behind the other in a line."""
    try:
        _, end = json.JSONDecoder().raw_decode(line.lstrip())
    except (ValueError, RecursionError):
        return False
    return line.lstrip()[end:].lstrip()[:1] == "{"


def _is_wrapped(found: dict[str, object]) -> bool:
    """Tell a table by the name of its list, where nobody knows whether more lines come."""
    return any(name.casefold() in WRAPPERS and isinstance(found[name], list) for name in found)


def _is_annotated(line: str) -> bool:
    """Tell a text with its annotations, as spaCy pairs them."""
    try:
        found = parse_list(line.strip().rstrip(","))
    except RowError:
        return False
    return isinstance(found, list) and len(found) == 2 and isinstance(found[0], str) and isinstance(found[1], dict)


def _is_json_object(line: str) -> bool:
    return line.lstrip().startswith("{") and isinstance(_parsed(line), dict)


def _is_json_list(line: str) -> bool:
    found = _parsed(line)
    return isinstance(found, list) and any(isinstance(item, str | list | dict) for item in found)


def _parsed(line: str) -> object:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found
