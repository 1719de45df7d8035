"""JSON that is not one object a line, as rows: an array, a list within an object, objects over several lines.

Rows come one by one as they are read, so that memory does not grow with their number; only a
table that is written column by column (pandas' `to_json`) must be read whole.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from bertkit.data.formats.json_lines import fields_of
from bertkit.data.formats.json_telling import WRAPPERS, is_row, rows_within, tables_within
from bertkit.data.formats.lines import BOM, READ_ERRORS, decoding_fault
from bertkit.data.records import BadRow, Row
from bertkit.data.values import DECODER, RowError
from bertkit.errors import DataError
from bertkit.plain import listed

_CHUNK_BYTES = 1 << 16
LONGEST_VALUE = 1 << 26
# An error this near to the end of what has been read may be of what has not.
_NEAR_END = 16
_BLANKS = " \t\r\n"


def read_json_document(stream: BinaryIO, source: str, encoding: str) -> Iterator[Row | BadRow]:
    """Iterate the rows of a JSON document, or of several that stand one behind the other.

    `line` of a row is the line where it begins.

    Raises:
        DataError: the JSON is broken, which leaves no telling where the next row begins.
    """
    text = _Text(stream, source, encoding)
    while first := text.next_char(","):
        if first == "[":
            yield from _items(text, None)
        elif first == "{":
            yield from _object(text)
        else:
            raise text.error("a JSON object or array is expected")


def _items(text: _Text, columns: Sequence[Any] | None) -> Iterator[Row | BadRow]:
    """Read the items of an array, of which the bracket comes next."""
    text.take()
    while (first := text.next_char(",")) != "]":
        if not first:
            raise text.error("the JSON ends in the middle of an array")
        line = text.line
        try:
            value = text.value()
        except RowError as error:
            yield BadRow(line, str(error))
            continue
        if columns is not None and isinstance(value, list):
            value = dict(zip(map(str, columns), value, strict=False))
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield from (_row(item, line) for item in value)
            continue
        yield _row(value, line)
    text.take()


def _object(text: _Text) -> Iterator[Row | BadRow]:
    """Read an object: a row, or a table whose rows are in one of its values."""
    line, fault = text.line, ""
    text.take()
    fields: dict[str, Any] = {}
    while (first := text.next_char(",")) != "}":
        if first != '"':
            raise text.error("a name in double quotes is expected, or the end of the object")
        name = str(text.value())
        if text.next_char() != ":":
            raise text.error(f"a colon is expected behind the name {name!r}")
        text.take()
        is_table = name.casefold() in WRAPPERS and not is_row(fields)
        if is_table and text.next_char() == "[" and text.second_char() in ("{", "[", "]"):
            yield from _items(text, fields.get("columns"))
            _skip_rest(text)
            return
        try:
            fields[name] = text.value()
        except RowError as error:
            fault = fault or str(error)
    text.take()
    if len(tables := tables_within(fields)) > 1:
        raise text.error(
            f"the object holds several tables, {listed(tables, joint=' and ')}; write each to a file of its own, "
            f"as with jq -c '.{tables[0]}[]'",
            kind="",
        )
    rows = None if fault else rows_within(fields)
    if fault:
        yield BadRow(line, fault)
    elif rows is None:
        yield _row(fields, line)
    else:
        for row in rows:
            yield _row(row, line)


def _skip_rest(text: _Text) -> None:
    """Read to the end of an object whose rows have been read."""
    while (first := text.next_char(",:")) != "}":
        if not first:
            raise text.error("the JSON ends in the middle of an object")
        try:
            text.value()
        except RowError:
            continue
    text.take()


def _row(value: Any, line: int) -> Row | BadRow:
    if type(value) is str:  # an array of texts
        return Row(line, {"text": value})
    try:
        return Row(line, fields_of(value))
    except RowError as error:
        return BadRow(line, str(error))


class _Text:
    """The text of a stream, of which no more is held than the value that is being read."""

    def __init__(self, stream: BinaryIO, source: str, encoding: str) -> None:
        self.line = 1
        self._stream = stream
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._text = ""
        self._at = 0
        self._ended = False
        self._began = False

    def next_char(self, skipped: str = "") -> str:
        """Go to the next character that is neither blank nor one of `skipped`, and return it; "" at the end."""
        while True:
            start = self._at
            while self._at < len(self._text) and self._text[self._at] in _BLANKS + skipped:
                self._at += 1
            self.line += self._text.count("\n", start, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def second_char(self) -> str:
        """Return the character behind the next one, blanks aside."""
        while True:
            rest = self._text[self._at + 1 :].lstrip(_BLANKS)
            if rest or not self._more():
                return rest[:1]

    def take(self) -> None:
        """Step over the next character."""
        self._at += 1

    def value(self) -> Any:
        """Read a value.

        Raises:
            RowError: it can be read, but not used.
            DataError: it is broken.
        """
        self.next_char()
        while True:
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                self._expect_more(error)
                continue
            except RecursionError:
                raise self.error("it is nested too deeply") from None
            except RowError:
                end = self._end_of_value()
                self._go(end)
                raise
            if end == len(self._text) and self._more():  # a number may go on
                continue
            self._go(end)
            return found

    def error(self, message: str, kind: str = "invalid JSON: ") -> DataError:
        """Build the error for what stands here."""
        return DataError.at(self._source, self.line, f"{kind}{message}.")

    def _go(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def _end_of_value(self) -> int:
        try:
            return json.JSONDecoder().raw_decode(self._text, self._at)[1]
        except ValueError as error:
            raise self.error(str(error)) from None

    def _expect_more(self, error: json.JSONDecodeError) -> None:
        """Read on where the value may only be cut off; else it is broken."""
        is_cut = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _NEAR_END
        held = len(self._text) - self._at
        if is_cut and held <= LONGEST_VALUE and self._more(held):
            return
        self.line += self._text.count("\n", self._at, error.pos)
        if self._text[error.pos : error.pos + 1] == "'":
            raise self.error("names and texts stand in single quotes, as Python writes them; json.dump() writes JSON")
        if is_cut and self._ended:
            raise self.error("it ends in the middle of a value")
        raise self.error(error.msg if held <= LONGEST_VALUE else f"a value is longer than {LONGEST_VALUE >> 20} MB")

    def _more(self, least: int = 0) -> bool:
        """Read on, at least as much as is held, so that a long value is not tried too often; False at the end."""
        self._text, self._at = self._text[self._at :], 0
        parts, size = [self._text], 0
        while not self._ended and (not size or size < least):
            try:
                # What has arrived is enough: a pipe is not waited for.
                raw: bytes = self._stream.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]
                self._ended = not raw
                part = self._decoder.decode(raw if self._began else raw.removeprefix(BOM), final=not raw)
            except UnicodeDecodeError as error:
                raise self.error(decoding_fault(error.object, error, self._encoding)) from None
            except READ_ERRORS as error:
                raise DataError.at(self._source, self.line, f"cannot be read on ({error}).") from error
            self._began = self._began or bool(raw)
            parts.append(part)
            size += len(part)
        self._text = "".join(parts)
        return size > 0
