"""What an audit says: findings, each with a count, a few places to look at, and one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from bertkit.data.faults import MAX_PLACES
from bertkit.data.records import Example, Place

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of thing that was found.

    `count` says how many rows (or labels, where the message speaks of labels) it concerns;
    `places` are a few of them. An error spoils training or its score, a warning is worth
    fixing, an info is worth knowing.
    """

    kind: str
    severity: Severity
    count: int
    message: str
    places: tuple[Place, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the finding as `inspect-data` prints it."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "count": self.count,
            "lines": [{"file": place.file, "line": place.line} for place in self.places],
            "message": self.message,
        }


@dataclass(slots=True)
class Tally:
    """Counts rows and remembers where the first of them stand."""

    count: int = 0
    places: list[Place] = field(default_factory=list)

    def add(self, row: Example) -> None:
        """Count one row."""
        self.count += 1
        if len(self.places) < MAX_PLACES:
            self.places.append(Place(row.source, row.line))


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Order findings by severity; findings of the same severity keep their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def counted(number: int, noun: str, verb: str = "") -> str:
    """Write a number with its noun, and a verb given in the plural: "1 row has", "2,753 rows have"."""
    if number != 1:
        return f"{number:,} {noun}s {verb}".rstrip()
    singular = {"have": "has", "are": "is"}.get(verb, f"{verb}s" if verb else "")
    return f"1 {noun} {singular}".rstrip()
