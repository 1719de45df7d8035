"""Which column that no task reads might name groups of rows that belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bertkit.data.records import BadRow, Row

MAX_ROWS = 200_000  # of a split that are looked at for a column of groups
# What a column of groups is called: an id of some kind, or who or what rows are of.
_NAMES = re.compile(
    r"(?:^|[\W_\d])(?i:id|ids|uid|guid|idx|key|no|nr|user|username|author|writer|speaker|reviewer|customer|client"
    r"|patient|subject|doc|document|article|thread|conversation|session|dialog|dialogue|topic|movie|product|item"
    r"|source|url|passage|context)$|(?<=[a-z])(?:Id|ID|Key)$"
    r"|(?:아이디|번호)$|^(?:작성자|사용자|고객|환자|화자|문서|기사|대화|영화|상품)$"
)
_MAX_COLUMNS = 8
_LEAST_VALUES = 20  # fewer are rather classes than groups
_LEAST_SHARE = 0.05  # of the rows that share their value with another row


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """A column with `values` different values; `shared` rows have theirs in common with another row."""

    name: str
    shared: int
    values: int


class GroupColumns:
    """Watches the columns of a table that no task reads, for one whose values repeat.

    Args:
        taken: columns that are read as texts, labels or choices.
    """

    def __init__(self, taken: Iterable[str | None]) -> None:
        self._taken = set(taken)
        self._rows = 0
        self._counts: dict[str, Counter[int]] = {}

    def watch(self, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
        """Hand rows on, and count the values of the columns that are called like groups."""
        for row in rows:
            if isinstance(row, Row) and self._rows < MAX_ROWS:
                self._see(row)
            yield row

    def proposal(self) -> GroupColumn | None:
        """Return the column whose values are shared by most rows; None where none has enough of them."""
        shared = {name: self._shared(counts) for name, counts in self._counts.items()}
        name = max(shared, key=lambda name: shared[name], default=None)
        if name is None:
            return None
        values = len(self._counts[name])
        if values < _LEAST_VALUES or shared[name] < _LEAST_SHARE * self._rows:
            return None
        return GroupColumn(name, shared[name], values)

    def _see(self, row: Row) -> None:
        if not self._rows:
            names = [name for name in row.fields if name not in self._taken and _NAMES.search(name)]
            self._counts = {name: Counter() for name in names[:_MAX_COLUMNS]}
        self._rows += 1
        for name, counts in self._counts.items():
            value = row.fields.get(name, "").strip()
            if value:
                counts[hash(value)] += 1  # the number of values is all that is told

    def _shared(self, counts: Counter[int]) -> int:
        return sum(count for count in counts.values() if count > 1)
