"""What of the rows could not be read: counted by its reasons, with a few places, and not worded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bertkit.data.group_columns import GroupColumn
from bertkit.data.records import BadRow, Place

# Places that are kept of any kind of fault.
MAX_PLACES = 6
_MAX_REASONS = 1000
_SHOWN_REASONS = 3


@dataclass
class Faults:
    """Counts rows by what is wrong with them, and remembers where the first of them stand."""

    count: int = 0
    places: list[Place] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def summary(self) -> str:
        """List the commonest reasons, each with its number."""
        shown = [f"{reason} ({number:,})" for reason, number in self.reasons.most_common(_SHOWN_REASONS)]
        return "; ".join([*shown, *(["and other faults"] if len(self.reasons) > _SHOWN_REASONS else [])])

    def note(self, file: str, rows: Sequence[BadRow]) -> None:
        """Count some rows of a file."""
        for row in rows:
            self.count += 1
            if row.message in self.reasons or len(self.reasons) < _MAX_REASONS:
                self.reasons[row.message] += 1
            if len(self.places) < MAX_PLACES:
                self.places.append(Place(file, row.line))


@dataclass(frozen=True)
class Unread:
    """What of a split could not be read the last time.

    Attributes:
        unusable: rows that were left out.
        left_out: records that are not meant to be rows.
        lost: entities that are not in their texts.
        repeated: rows whose id an earlier file has; None where ids are not looked at.
        group_column: a column that might name groups of rows.
    """

    unusable: Faults = field(default_factory=Faults)
    left_out: Faults = field(default_factory=Faults)
    lost: Faults = field(default_factory=Faults)
    repeated: int = 0
    group_column: GroupColumn | None = None
