"""Columns that nobody reads and that go through to the answers (`--keep`), so that these can be joined."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bertkit.data.column_names import column_name
from bertkit.data.columns import did_you_mean, there_are
from bertkit.data.records import BadRow, Example, Kept, Row
from bertkit.data.values import JsonText, RowError, parse_cell
from bertkit.errors import DataError, UsageError
from bertkit.plain import listed, quoted

ALL = "all"
# Where a record says which of several files it is of.
FILE = "file"


@dataclass(frozen=True, slots=True)
class Keep:
    """What `--keep` said: names of columns, or none of them for all; notes which of them rows have had."""

    names: tuple[str, ...] = ()
    _met: set[str] = field(default_factory=set, compare=False)

    @property
    def is_all(self) -> bool:
        """Whether every column is kept."""
        return not self.names

    def of(self, fields: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        """Take what is kept out of a row, JSON values as what they were; a column that it lacks is empty."""
        for name in fields if self.is_all else self.names:
            if name in fields or name.partition(".")[0] in fields:
                self._met.add(name)
            try:
                yield name, _value(fields, name)
            except RowError:
                yield name, ""

    def doubts(self) -> tuple[str, ...]:
        """Say which columns no row had, once all have passed: of JSON each row speaks for itself."""
        strange = [name for name in self.names if name not in self._met]
        return (f"--keep: no row has {listed(strange)}; the answers have nothing there",) if strange else ()

    def check(self, names: Sequence[str]) -> None:
        """Refuse a column that a table does not have.

        Raises:
            DataError: it lacks one.
        """
        for name in self.names:
            if name not in names and name.partition(".")[0] not in names:
                raise DataError(f"--keep: no column {quoted(name)}{did_you_mean(name, names)}: {there_are(names)}.")


def parse_keep(said: str) -> Keep:
    """Parse the value of `--keep`: names with commas between them, or "all".

    Raises:
        UsageError: a name is empty or stands there twice.
    """
    names = tuple(column_name(name) for name in said.split(","))
    if names == (ALL,):
        return Keep()
    if not all(names) or len(set(names)) < len(names):
        raise UsageError(f"--keep {quoted(said)}: write the columns like id,author (each once), or all.")
    return Keep(names)


@dataclass
class KeptColumns:
    """Notes the kept columns of rows as they pass, and gives them to what is made of the rows."""

    keep: Keep
    _of_line: dict[int, deque[Kept]] = field(default_factory=lambda: defaultdict(deque))

    def note(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Hand rows on, and remember what is kept of them."""
        for row in rows:
            if isinstance(row, Row):
                self._of_line[row.line].append(tuple(self.keep.of(row.fields)))
            yield row

    def give(self, examples: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Hand examples on, each with what is kept of its row; of those that could not be read there is nothing."""
        for example in examples:
            waiting = self._of_line.get(example.line)
            if not waiting:
                yield example
                continue
            kept = waiting.popleft()
            if not waiting:
                del self._of_line[example.line]
            yield replace(example, kept=kept)


def _value(fields: Mapping[str, str], name: str) -> Any:
    if name in fields:
        found = fields[name]
        return found.value if isinstance(found, JsonText) else found
    outer, _, inner = name.partition(".")
    found = fields.get(outer, "")
    whole = found.value if isinstance(found, JsonText) else parse_cell(found)
    return whole[inner] if isinstance(whole, dict) and inner in whole else ""
