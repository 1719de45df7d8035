"""Groups of rows that belong together: how they lie in the splits, and which column might name them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from bertkit.data.audit.chunk import Chunk
from bertkit.data.audit.findings import Finding, counted
from bertkit.data.records import BadRow, Row
from bertkit.plain import quoted

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


class Groups:
    """Counts the groups of every split, where rows have any.

    Args:
        column: what --group said; None: there are no groups.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._rows: dict[str, Counter[str]] = defaultdict(Counter)

    def see(self, chunk: Chunk) -> None:
        """Count the groups of some rows."""
        if self._column is not None:
            self._rows[chunk.split].update(row.group for row in chunk.rows if row.group)

    def findings(self, order: Sequence[str]) -> Iterator[Finding]:
        """Report how many groups there are, and which splits share some."""
        if self._column is None:
            return
        own = self._rows[order[0]]
        number, rows = counted(len(own), "group"), counted(own.total(), "row")
        largest = max(own.values(), default=0)
        what = f"the largest has {largest:,}" if largest > 1 else "none has two rows, so --group changes nothing"
        yield Finding("groups", "info", len(own), f"{order[0]}: {number} of {quoted(self._column)} in {rows}; {what}.")
        for name, held in combinations(order, 2):
            shared = self._rows[held].keys() & self._rows[name].keys()
            if shared:
                rows = counted(sum(self._rows[held][group] for group in shared), "row", "are")
                message = (
                    f"{held}: {rows} of {counted(len(shared), 'group')} that {name} has too; its score is inflated."
                )
                yield Finding("groups_in_two_splits", "warning", len(shared), message)


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

    def findings(self, split: str) -> Iterator[Finding]:
        """Propose the column whose values are shared by most rows."""
        shared = {name: self._shared(counts) for name, counts in self._counts.items()}
        for name in sorted(shared, key=lambda name: -shared[name])[:1]:
            values = len(self._counts[name])
            if values >= _LEAST_VALUES and shared[name] >= _LEAST_SHARE * self._rows:
                message = (
                    f"{split}: {counted(shared[name], 'row', 'share')} the value of {quoted(name)} with another row "
                    f"({values:,} values); if such rows belong together, --group {quoted(name)} keeps them on one side."
                )
                yield Finding("group_column", "info", shared[name], message)

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
