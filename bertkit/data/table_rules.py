"""What the catalog and a user's choice say of a table, however its rows are read.

Names under which its columns stand, ids that came before, whether its labels are those of the
catalog, and what files of one split must share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice, there_are
from bertkit.data.records import BadRow, ColumnMap, Row
from bertkit.data.values import RowError
from bertkit.errors import DataError
from bertkit.plain import quoted


@dataclass
class SeenIds:
    """Leaves out rows whose id came before, and counts them."""

    repeated: int = 0
    _seen: set[str] = field(default_factory=set)

    def filter(self, rows: Iterable[Row | BadRow], column: str) -> Iterator[Row | BadRow]:
        """Hand on rows with a new id in their `column`, and those without one."""
        for row in rows:
            name = None if isinstance(row, BadRow) else _readable(row, column)
            if name is not None and name in self._seen:
                self.repeated += 1
                continue
            if name is not None:
                self._seen.add(name)
            yield row


def expected_header(spec: DatasetSpec | None) -> tuple[str, ...]:
    """Return the names a first line must hold to be the header of the data set; none: any may."""
    return (*spec.header, *spec.renames.values()) if spec is not None and spec.header else ()


def header_of_bare(spec: DatasetSpec | None) -> tuple[str, ...] | None:
    """Return the names of the columns of a file without a header, where the catalog knows them."""
    return spec.header or None if spec is not None else None


def find_renames(row: Row, spec: DatasetSpec | None) -> dict[str, str]:
    """Return which names of a row to write as the hub's; a name that is there already stays."""
    if spec is None:
        return {}
    return {old: new for old, new in spec.renames.items() if old in row.fields and new not in row.fields}


def rename(rows: Iterable[Row | BadRow], renames: Mapping[str, str]) -> Iterator[Row | BadRow]:
    """Hand on rows with their columns renamed."""
    for row in rows:
        if isinstance(row, BadRow) or not renames:
            yield row
        elif isinstance(row.fields, dict):
            yield Row(row.line, {renames.get(name, name): text for name, text in row.fields.items()})
        else:
            yield Row(row.line, _Renamed(row.fields, renames))


def check_shared(columns: ColumnMap, names: Sequence[str], place: str) -> None:
    """Check that a file has the columns of the first one of its split.

    Raises:
        DataError: it lacks one.
    """
    wanted = (*columns.inputs, *columns.choices, *columns.spans, columns.label)
    missing = next((name for name in wanted if name is not None and name not in names), None)
    if missing is not None:
        raise DataError(f"{place}: no column {quoted(missing)} as in the first file: {there_are(names)}.")


def lacks_labels(spec: DatasetSpec | None, split: str) -> bool:
    """Whether a split may have no label column at all, as GLUE's test.tsv."""
    return split == "test" and spec is not None and bool(spec.withheld)


def spec_for_labels(spec: DatasetSpec | None, choice: ColumnChoice | None) -> DatasetSpec | None:
    """Return the data set whose labels hold: a label column of the user's own choice does not have them."""
    return None if choice is not None and choice.label is not None else spec


def _readable(row: Row, column: str) -> str | None:
    try:
        return row.fields.get(column)
    except RowError:
        return None


class _Renamed(Mapping[str, str]):
    """Fields under other names; as with those of an Arrow table, none is read that is not looked at."""

    def __init__(self, fields: Mapping[str, str], renames: Mapping[str, str]) -> None:
        self._fields = fields
        self._names = {renames.get(name, name): name for name in fields}

    def __getitem__(self, name: str) -> str:
        return self._fields[self._names[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
