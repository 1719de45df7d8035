"""What the cells of a row hold once it is known which column is what: its texts, and why a row cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from bertkit.data.records import BadRow, ColumnMap, Example, LeftOut, Row
from bertkit.data.values import JsonText, NotMeantError, RowError, field_of, missing_column
from bertkit.plain import listed, quoted, shell_words

_PRODIGY = ("_task_hash", "_input_hash", "spans", "_session_id", "_annotator_id", "_view_id")


def texts_of(row: Row, columns: ColumnMap) -> tuple[str, ...]:
    """Return the texts of a row, in the order of `columns.inputs`.

    Raises:
        RowError: a column is missing, or cannot be read as text.
    """
    return tuple([text_of(row.fields, name) for name in columns.inputs])


def text_of(fields: Mapping[str, str], name: str) -> str:
    """Return the text that a column holds; the texts of a JSON list are joined with spaces.

    Raises:
        RowError: the column is missing, or holds an object or a list of other things.
    """
    found = fields.get(name)
    if type(found) is str:
        return found
    if not isinstance(found, JsonText) or not found.startswith(("[", "{")):
        text = field_of(fields, name)
        if text is None:
            raise RowError(missing_column(name))
        return text
    value = found.value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    what = f"an object of {listed(value)}" if isinstance(value, dict) else "a list that is not of texts alone"
    inner = (
        next((key for key, text in value.items() if isinstance(text, str)), None) if isinstance(value, dict) else None
    )
    way_on = (
        "" if inner is None else f"; name the one that counts, as in --columns text={shell_words([f'{name}.{inner}'])}"
    )
    raise RowError(f"the column {quoted(name)} holds {what} and no text{way_on}")


def refuse_rejected(fields: Mapping[str, str]) -> None:
    """Refuse a row that whoever annotated it with Prodigy rejected or passed over.

    Raises:
        NotMeantError: it is one.
    """
    answer = fields.get("answer")
    if answer in ("reject", "ignore") and any(name in fields for name in _PRODIGY):
        raise NotMeantError(f"the answer is {answer} (Prodigy)")


def unusable(row: Row, error: RowError) -> BadRow:
    """Make a record of a row that was refused: it is left out where it is not meant to be one."""
    return (LeftOut if isinstance(error, NotMeantError) else BadRow)(row.line, str(error))


def examples_of(rows: Iterable[Row | BadRow], make: Callable[[Row], Example]) -> Iterator[Example | BadRow]:
    """Make a record of each row; one that is refused stays as what could not be used, in its place."""
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield make(row)
        except RowError as error:
            yield unusable(row, error)


def missing_label(raw: str | None, column: str | None) -> str:
    """Say in a clause that a row has no label."""
    return f"label is {'missing' if raw is None else 'empty'} (column {quoted(column)})"
