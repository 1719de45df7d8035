"""What of the rows could not be read: counted by its reasons, with a few places, and not worded."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bertkit.data.group_columns import GroupColumn
from bertkit.data.records import BadRow, Place
from bertkit.errors import DataError

# Places that are kept of any kind of fault.
MAX_PLACES = 6
_MAX_REASONS = 1000
_SHOWN_REASONS = 3
# Kinds of fault that an error lists, and lines of each.
_MOST_KINDS, _FIRST_LINES = 8, 3
_WAY_ON = "Fix them; `train --on-error skip` leaves such rows out, and `inspect-data --write FILE` writes the others."


@dataclass
class Faults:
    """Counts rows by what is wrong with them, and remembers where the first of them stand."""

    count: int = 0
    places: list[Place] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    first: str = ""
    _lines: dict[str, list[Place]] = field(default_factory=dict)

    def summary(self) -> str:
        """List the commonest reasons, each with its number."""
        shown = [f"{reason} ({number:,})" for reason, number in self.reasons.most_common(_SHOWN_REASONS)]
        return "; ".join([*shown, *(["and other faults"] if len(self.reasons) > _SHOWN_REASONS else [])])

    def error(self) -> DataError:
        """Build the error for rows that end a loading: the first of them, and all kinds of fault with their places."""
        first = self.places[0]
        if self.count == 1:
            return DataError.at(first.file, first.line, f"{self.first}.")
        if len(self.reasons) == 1:
            so_are = f"so are {self.count:,} rows in all ({self._places_of(self.first)})"
            return DataError.at(first.file, first.line, f"{self.first}; {so_are}. {_WAY_ON}")
        kinds = [self._kind(reason) for reason in itertools.islice(self.reasons, _MOST_KINDS)]
        more = len(self.reasons) - len(kinds)
        if more:
            kinds.append(f"and {more:,} more kinds of fault")
        return DataError.at(
            first.file,
            first.line,
            f"{self.first}; in all {self.count:,} rows cannot be used: {'; '.join(kinds)}. {_WAY_ON}",
        )

    def _kind(self, reason: str) -> str:
        return f"{reason} ({self.reasons[reason]:,}: {self._places_of(reason)})"

    def _places_of(self, reason: str) -> str:
        number, places = self.reasons[reason], self._lines[reason]
        here = self.places[0].file
        shown = [str(place.line) if place.file == here else f"{place.file}:{place.line}" for place in places]
        return f"line{'s' if number > 1 else ''} {', '.join(shown)}{', …' if number > len(places) else ''}"

    def note(self, file: str, rows: Sequence[BadRow]) -> None:
        """Count some rows of a file."""
        for row in rows:
            self.count += 1
            self.first = self.first or row.message
            if row.message in self.reasons or len(self.reasons) < _MAX_REASONS:
                self.reasons[row.message] += 1
                places = self._lines.setdefault(row.message, [])
                if len(places) < _FIRST_LINES:
                    places.append(Place(file, row.line))
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
