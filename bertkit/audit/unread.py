"""The findings about what could not be read, and so is not among the rows that an audit sees."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.audit.findings import Finding, Severity, counted
from bertkit.data.faults import Faults, Unread
from bertkit.plain import quoted


def unread_findings(split: str, unread: Unread) -> Iterator[Finding]:
    """Report rows that cannot be used, entities that are not in their texts, rows of two files, and groups."""
    if unread.unusable.count:
        message = f"{split}: {counted(unread.unusable.count, 'row', 'are')} unusable and left out"
        yield _finding(unread.unusable, "unusable_row", "error", message)
    if unread.left_out.count:
        yield _finding(unread.left_out, "left_out_row", "info", f"{split}: left out, being no rows of the data")
    if unread.lost.count:
        number = "1 entity" if unread.lost.count == 1 else f"{unread.lost.count:,} entities"
        yield _finding(unread.lost, "lost_entity", "warning", f"{split}: {number} left out")
    if unread.repeated:
        message = f"{split}: {counted(unread.repeated, 'row')} left out, for an earlier file has their id."
        yield Finding("repeated_id", "info", unread.repeated, message)
    if unread.group_column is not None:
        found = unread.group_column
        message = (
            f"{split}: {counted(found.shared, 'row', 'share')} the value of {quoted(found.name)} with another row "
            f"({found.values:,} values); if such rows belong together, --group {quoted(found.name)} keeps them on one "
            "side."
        )
        yield Finding("group_column", "info", found.shared, message)


def _finding(faults: Faults, kind: str, severity: Severity, what: str) -> Finding:
    return Finding(kind, severity, faults.count, f"{what}: {faults.summary()}.", tuple(faults.places))
