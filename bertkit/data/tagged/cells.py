"""What the cells of a row say of entities: a text or tokens, and tags, class ids or a list of entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bertkit.data.column_names import TOKEN_NAMES
from bertkit.data.records import ColumnMap, Row
from bertkit.data.values import LISTED, NotMeantError, RowError, field_of, missing_column, parse_list
from bertkit.errors import DataError
from bertkit.plain import listed, quoted


class Content(NamedTuple):
    """What a row says: a text or tokens, and tags or a list of entities (both None: not read)."""

    text: str
    tokens: list[str] | None
    tags: list[str] | None
    items: list[Any] | None


def content_of(row: Row, columns: ColumnMap, tag_names: Sequence[str], *, need_tags: bool) -> Content:
    """Read the cells of a row.

    Raises:
        RowError: text or entities are missing, or are nothing that can be read.
        DataError: `columns` names several columns of text.
    """
    text, tokens = text_or_tokens(row.fields, columns)
    if not need_tags:
        return Content(text, tokens, None, None)
    raw = None if columns.label is None else field_of(row.fields, columns.label)
    if (raw is None or not raw.strip()) and _is_annotated(row.fields):
        return Content(text, tokens, None, [])
    if (raw is None or not raw.strip()) and "annotation_id" in row.fields:
        raise NotMeantError("nobody has annotated it")
    if raw is None or not raw.strip():
        missing = "missing" if raw is None else "empty"
        raise RowError(f"the entities are {missing} (column {quoted(columns.label)}); a text without any has []")
    if not raw.lstrip().startswith((*LISTED, "{")):
        return Content(text, tokens, cut_tags(raw), None)
    values = _json_list(raw, columns.label)
    if values and all(isinstance(value, list | dict) for value in values):
        return Content(text, tokens, None, values)
    if not values and not tokens:
        return Content(text, tokens, None, [])
    return Content(text, tokens, _tags(values, tag_names), None)


def cut_tags(written: str) -> list[str]:
    """Cut the tags of a cell at spaces, or at commas where there are no spaces."""
    return written.split() if len(written.split()) > 1 else [tag for tag in written.strip().split(",") if tag]


def _is_annotated(fields: Mapping[str, str]) -> bool:
    """Tell whether somebody has looked at a row of Label Studio's: it then has no column for entities it has not."""
    return bool(fields.get("annotation_id", "").strip())


def text_or_tokens(fields: Mapping[str, str], columns: ColumnMap) -> tuple[str, list[str] | None]:
    """Read the text of a row, and its tokens where it holds a list of them.

    Raises:
        RowError: the column is missing.
        DataError: `columns` names several columns of text.
    """
    if len(columns.text) != 1:
        raise DataError(
            f"entities are of one column of text, not of {listed(columns.text, joint=' and ')}; fix --columns."
        )
    text = field_of(fields, columns.text[0])
    if text is None:
        raise RowError(missing_column(columns.text[0]))
    tokens = parse_list(text) if text.startswith(LISTED) else None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        return text, None
    is_list = bool(tokens) or columns.text[0].casefold() in TOKEN_NAMES
    return text, (tokens if is_list else None)


def _json_list(raw: str, column: str | None) -> list[Any]:
    values = parse_list(raw)
    if isinstance(values, dict) and isinstance(values.get("entities"), list):  # spaCy's
        values = values["entities"]
    if not isinstance(values, list):
        raise RowError(f"the entities are no JSON list (column {quoted(column)})")
    return values


def _tags(values: Sequence[Any], tag_names: Sequence[str]) -> list[str]:
    if all(isinstance(value, str) for value in values):
        return [value.strip() for value in values]
    if not all(type(value) is int for value in values):
        raise RowError("the list holds neither tags nor entities alone")
    if not tag_names:
        raise RowError("the tags are class ids whose names are not known; write them as words")
    strange = next((value for value in values if not 0 <= value < len(tag_names)), None)
    if strange is not None:
        raise RowError(f"the class id {strange} names no tag: there are {len(tag_names)}")
    return [tag_names[value] for value in values]
