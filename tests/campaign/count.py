"""The count at the end: by part and kind, how many were tried, how many failed, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.campaign.outcome import Outcome

_SHOWN_CASES = 5


@dataclass
class Line:
    """A line of the table."""

    part: str
    kind: str
    tried: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: set[str] = field(default_factory=set)
    faults: Counter[str] = field(default_factory=Counter)
    cases: dict[str, list[int]] = field(default_factory=dict)

    def see(self, number: int, outcome: Outcome) -> None:
        """Count a case."""
        if outcome.skipped:
            self.skipped += 1
            self.reasons.add(outcome.skipped)
            return
        self.tried += 1
        self.failed += bool(outcome.faults)
        for fault in outcome.faults:
            self.faults[fault] += 1
            self.cases.setdefault(fault, []).append(number)

    @property
    def what(self) -> str:
        """Say what failed, or why nothing was tried."""
        failed = [f"{fault} ({count}: {self._numbers(fault)})" for fault, count in self.faults.most_common()]
        return "; ".join([*failed, *(f"skipped: {reason}" for reason in sorted(self.reasons))])

    def _numbers(self, fault: str) -> str:
        numbers = self.cases[fault]
        more = ", …" if len(numbers) > _SHOWN_CASES else ""
        return ", ".join(map(str, numbers[:_SHOWN_CASES])) + more

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "part": self.part,
            "kind": self.kind,
            "tried": self.tried,
            "failed": self.failed,
            "skipped": self.skipped,
            "what": self.what,
        }


def count(outcomes: Iterable[tuple[str, int, Outcome]]) -> list[Line]:
    """Count (part, number, outcome)."""
    lines: dict[tuple[str, str], Line] = {}
    for part, number, outcome in outcomes:
        lines.setdefault((part, outcome.kind), Line(part, outcome.kind)).see(number, outcome)
    return sorted(lines.values(), key=lambda line: (line.part, line.kind))


def as_table(lines: Iterable[Line]) -> str:
    """Write the count as a table of markdown."""
    rows = [(line.part, line.kind, f"{line.tried:,}", f"{line.failed:,}", line.what) for line in lines]
    head = ("part", "kind", "tried", "failed", "what failed")
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * 5, *rows))
