"""What an inspection found, for the terminal, the pictures and the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bertkit.audit import Audit, Finding
from bertkit.data.records import ColumnMap

# Places that are written for people; labels that are probably wrong may be hundreds.
_MOST_PLACES = 40


@dataclass(frozen=True)
class Inspection:
    """An audit with what it was made of.

    `numbers` are the labels of a sample of the rows of each split, for a regression.
    """

    audit: Audit
    task: str
    columns: ColumnMap
    numbers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as `inspect-data` prints it."""
        return self.audit.to_json()


def written_places(finding: Finding) -> list[str]:
    """Write a finding's places as file:line, line, …; one text for each file."""
    lines: dict[str, list[str]] = {}
    for place in finding.places[:_MOST_PLACES]:
        lines.setdefault(place.file, []).append(str(place.line))
    found = [f"{file}:{', '.join(numbers)}" for file, numbers in lines.items()]
    more = len(finding.places) - _MOST_PLACES
    return [*found, f"and {more:,} more (--format json lists them all)"] if more > 0 else found
