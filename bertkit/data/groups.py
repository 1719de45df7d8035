"""Groups of rows that belong together: of one author, one document, one conversation.

The column that names them (`--group`) need not be one that a task reads, so that it goes
round the shapes of the tasks: what it holds is noted as rows pass, and given to the examples
that are made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bertkit.data.column_names import column_name
from bertkit.data.columns import did_you_mean, has_column, there_are
from bertkit.data.records import BadRow, DataSet, Example, Row
from bertkit.data.values import field_of
from bertkit.errors import DataError
from bertkit.plain import quoted


@dataclass
class Groups:
    """The groups of the rows of one table.

    Args:
        column: the column that names them.
    """

    column: str
    _of_line: dict[int, str] = field(default_factory=dict)

    def note(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Hand rows on, and remember their groups."""
        for row in rows:
            if isinstance(row, Row):
                self._of_line[row.line] = (field_of(row.fields, self.column) or "").strip()
            yield row

    def give(self, examples: Iterable[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Hand examples on, each with the group of its row."""
        for example in examples:
            group = self._of_line.pop(example.line, "")
            yield example if isinstance(example, BadRow) or not group else replace(example, group=group)


def find_groups(
    column: str | None, names: Sequence[str], place: str, renames: Mapping[str, str] | None = None
) -> Groups | None:
    """Find the column of `--group` in a table; None where none was asked for.

    Args:
        column: what `--group` said.
        names: the columns that are there.
        place: the table, for the error.
        renames: names of an original release, and those its rows go by.

    Raises:
        DataError: there is no such column.
    """
    if column is None:
        return None
    wanted = column_name(column)
    wanted = (renames or {}).get(wanted, wanted)
    if not has_column(names, wanted):
        raise DataError(
            f"{place}: --group: no column {quoted(wanted)}{did_you_mean(wanted, names)}: {there_are(names)}."
        )
    return Groups(wanted)


def shared_groups(dataset: DataSet, column: str) -> Iterator[str]:
    """Say which splits hold rows of the training rows' groups: official ones, for held-out ones hold none."""
    own = {row.group for row in dataset.splits.get("train", ()) if row.group}
    for split, rows in dataset.splits.items():
        shared = sum(row.group in own for row in rows) if split != "train" else 0
        if shared:
            yield (
                f"{split}: {shared:,} of {len(rows):,} rows have a value of {quoted(column)} that training rows have "
                "too; its scores are inflated"
            )


def refuse_groups(column: str | None, place: str) -> None:
    """Refuse `--group` where a file has no columns.

    Raises:
        DataError: it was given.
    """
    if column is not None:
        raise DataError(f"{place}: --group {quoted(column)}: the file has no columns but its tags; leave --group out.")
