"""Groups of rows that belong together: how they lie in the splits, and which column might name them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Finding, counted
from bertkit.plain import quoted


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
