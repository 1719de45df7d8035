"""What clients send, as rows, and what they get: JSON lines, a JSON object, or a list of objects."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from bertkit.data.columns import ColumnChoice, parse_columns
from bertkit.data.formats.json_lines import fields_of, read_json_lines
from bertkit.data.formats.lines import Lines
from bertkit.data.kept import Keep, parse_keep
from bertkit.data.records import BadRow, Row
from bertkit.data.values import NoJsonError, RowError, parse_json
from bertkit.errors import BertkitError
from bertkit.evaluation.answers import Item, Record
from bertkit.evaluation.inputs import json_examples
from bertkit.plain import to_json
from bertkit.tasks.base import TaskSettings

# What a request's rows are called in sentences; a record names no file.
_NAME = "<request>"


class BadBodyError(Exception):
    """A body of which no row can be read; the message is for who sent it."""


@dataclass(frozen=True)
class RowReader:
    """Makes the rows of requests what the run answers, as `predict` does with those of JSON lines.

    Attributes:
        settings: the run's.
        choice: the columns of --columns.
        keep: what goes through to the answers.
    """

    settings: TaskSettings
    choice: ColumnChoice | None = None
    keep: Keep | None = None

    @classmethod
    def of(cls, settings: TaskSettings, columns: str | None, keep: str | None) -> RowReader:
        """Read the values of --columns and --keep.

        Raises:
            UsageError: they are malformed.
        """
        return cls(
            settings,
            None if columns is None else parse_columns(columns),
            None if keep is None else parse_keep(keep),
        )

    def of_lines(self, body: bytes) -> list[Item]:
        """Read JSON lines, as of a file: one row for each line, the columns those of the first.

        Raises:
            BadBodyError: what the lines hold cannot be told apart into rows.
        """
        return self._items(read_json_lines(Lines(cast("Any", io.BytesIO(body)), _NAME), keep_blank=True))

    def of_each_line(self, lines: Sequence[bytes], first: int) -> list[Item]:
        """Read lines that come one by one, each by itself; the first has the number `first`."""
        items: list[Item] = []
        for number, line in enumerate(lines, start=first):
            try:
                found = self.of_lines(line if line.endswith(b"\n") else line + b"\n")
            except BadBodyError as error:
                found = [BadRow(number, str(error))]
            items += [replace(item, line=number) for item in found]
        return items

    def of_json(self, body: bytes) -> tuple[list[Item], bool]:
        """Read a JSON object, or a list of them, whose rows are counted from 1.

        Returns:
            The rows, and whether it was a list.

        Raises:
            BadBodyError: it is no JSON.
        """
        try:
            value = parse_json(body.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise BadBodyError(f"not valid UTF-8 at byte {error.start + 1}") from None
        except (NoJsonError, RowError) as error:
            raise BadBodyError(str(error)) from None
        if isinstance(value, list):
            return self._items(_row(item, number) for number, item in enumerate(value, start=1)), True
        return self._items(iter([_row(value, 1)])), False

    def _items(self, rows: Iterator[Row | BadRow]) -> list[Item]:
        try:
            return list(json_examples(rows, _NAME, self.settings, choice=self.choice, keep=self.keep))
        except BertkitError as error:
            raise BadBodyError(str(error).removeprefix(f"{_NAME}: ").rstrip(".")) from None


def _row(value: Any, number: int) -> Row | BadRow:
    if not isinstance(value, dict):
        return BadRow(number, "this is JSON but not an object")
    try:
        return Row(number, fields_of(value))
    except RowError as error:
        return BadRow(number, str(error))


def as_lines(records: Sequence[Record]) -> bytes:
    """Write records as `predict` writes them."""
    return "".join(f"{to_json(record)}\n" for record in records).encode("utf-8", "backslashreplace")


def as_json(records: Sequence[Record], *, is_list: bool) -> bytes:
    """Write the records of a JSON body: a list for a list, else the one there is."""
    value: Any = records if is_list or len(records) != 1 else records[0]
    return f"{to_json(value)}\n".encode("utf-8", "backslashreplace")
