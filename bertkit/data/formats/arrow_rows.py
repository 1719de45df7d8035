"""Rows of an Arrow table: a column becomes text only where one is looked at.

What nobody reads must not be able to stop the reading: a date of the year 10000, or a text in
another encoding. Where a cell that is read cannot be written as text, only its row is bad.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bertkit.data.column_names import column_name
from bertkit.data.formats.lines import decoding_fault
from bertkit.data.values import JsonText, RowError, value_text
from bertkit.plain import quoted, shortened, visible

Load = Callable[[str], Sequence[Any]]
"""Returns the Arrow arrays that a column of a batch consists of."""


class ArrowBatch:
    """Some rows, column by column.

    Args:
        columns: the names of columns as they are compared, each with that of the table.
        load: gives the arrays of a column by its name in the table.
    """

    def __init__(self, columns: Mapping[str, str], load: Load) -> None:
        self.columns = columns
        self._load = load
        self._texts: dict[str, list[str | RowError]] = {}

    def text(self, name: str, row: int) -> str:
        """Return a cell as text.

        Raises:
            KeyError: there is no such column.
            RowError: the cell cannot be written as text.
        """
        texts = self._texts.get(name)
        if texts is None:
            arrays = self._load(self.columns[name])
            texts = self._texts[name] = [text for array in arrays for text in _texts(array, name)]
        found = texts[row]
        if isinstance(found, RowError):
            raise found
        return found


class ArrowFields(Mapping[str, str]):
    """The fields of one row of a batch."""

    __slots__ = ("_batch", "_row")

    def __init__(self, batch: ArrowBatch, row: int) -> None:
        self._batch = batch
        self._row = row

    def __getitem__(self, name: str) -> str:
        return self._batch.text(name, self._row)

    def __contains__(self, name: object) -> bool:
        return name in self._batch.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch.columns)

    def __len__(self) -> int:
        return len(self._batch.columns)


def compared_names(names: Sequence[str]) -> dict[str, str]:
    """Return the names of a table's columns by the form in which names are compared."""
    return {column_name(name): name for name in names}


def _texts(array: Any, name: str) -> list[str | RowError]:
    try:
        return [value if type(value) is str else _text_of(value) for value in array.to_pylist()]
    except Exception:  # Arrow raises whatever its parts raise; one cell must not cost the others
        return [_text_or_fault(cell, name) for cell in array]


def _text_of(value: Any) -> str:
    """Write a value as text; what is a list or an object is known to be one."""
    text = value_text(value)
    return JsonText(text) if isinstance(value, list | dict) else text


def _text_or_fault(cell: Any, name: str) -> str | RowError:
    column = f"(column {quoted(name)})"
    try:
        return _text_of(cell.as_py())
    except UnicodeDecodeError as error:
        raw = error.object
        return RowError(f"{decoding_fault(raw, error, 'utf-8').replace(' of the line', '')} {column}")
    except Exception as error:
        text = _as_arrow_writes(cell)
        reason = visible(shortened(str(error)))
        return RowError(f"the value cannot be written as text: {reason} {column}") if text is None else text


def _as_arrow_writes(cell: Any) -> str | None:
    """Write a point in time that Python's types cannot hold, if it is one."""
    import pyarrow as pa

    if not pa.types.is_temporal(cell.type):
        return None
    try:
        text = str(cell.cast(pa.string()).as_py())
    except pa.ArrowException:
        return None
    return None if text.startswith("<") else text
