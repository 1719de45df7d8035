"""What is noticed while rows are read: what is left out, what is read otherwise, and which column might name groups."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bertkit.data.column_names import MadeColumn
from bertkit.data.records import BadRow, Example, Place, Row, TaggedText
from bertkit.data.tagged.places import Edges
from bertkit.errors import DataError

# --- Which column that no task reads might name groups of rows that belong together ---------------

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
    """A column with `values` different values; `shared` rows have a value that another row has, too."""

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
        shared = {name: sum(n for n in counts.values() if n > 1) for name, counts in self._counts.items()}
        name = max(shared, key=lambda name: shared[name], default=None)
        if name is None:
            return None
        values = len(self._counts[name])
        if values < _LEAST_VALUES or shared[name] < _LEAST_SHARE * self._rows:
            return None
        return GroupColumn(name, shared[name], values)

    def _see(self, row: Row) -> None:
        if not self._rows:
            own = (name for name in row.fields if name not in self._taken and not isinstance(name, MadeColumn))
            names = list(filter(_NAMES.search, own))
            self._counts = {name: Counter() for name in names[:_MAX_COLUMNS]}
        self._rows += 1
        for name, counts in self._counts.items():
            value = row.fields.get(name, "").strip()
            if value:
                counts[hash(value)] += 1  # the number of values is all that is told


# --- What of the rows could not be read: counted by its reasons, with a few places, and not worded

# Places that are kept of any kind of fault.
MAX_PLACES = 6
_MAX_REASONS = 1000
_PLACE_OF_BYTE = re.compile(r": byte 0x[0-9a-f]{2} at byte \d+ of the line")
_SHOWN_REASONS = 3
# Kinds of fault that an error lists, and lines of each.
_MOST_KINDS, _FIRST_LINES = 8, 3
_WAY_ON = "Fix them; `--on-error skip` leaves such rows out, and `inspect-data --write FILE` writes the others."
_WAY_ON_OF_ONE = "Fix it, or leave it out with `--on-error skip`."
_NONE_LEFT = "No row can be used; fix them, or name the right columns (--columns)."


@dataclass
class Faults:
    """Counts rows by what is wrong with them, and remembers where the first of them stand."""

    count: int = 0
    places: list[Place] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    first: str = ""
    _lines: dict[str, list[Place]] = field(default_factory=dict)
    _alike: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """List the commonest reasons, each with its number."""
        shown = [f"{reason} ({number:,})" for reason, number in self.reasons.most_common(_SHOWN_REASONS)]
        return "; ".join([*shown, *(["and other faults"] if len(self.reasons) > _SHOWN_REASONS else [])])

    def error(self, *, are_all: bool = False) -> DataError:
        """Build the error for rows that end a loading: the first of them, and all kinds of fault with their places.

        Args:
            are_all: whether no other row is there, so that nothing is left without them.
        """
        first, way_on = self.places[0], _NONE_LEFT if are_all else _WAY_ON
        if self.count == 1:
            return DataError.at(first.file, first.line, f"{self.first}. {_NONE_LEFT if are_all else _WAY_ON_OF_ONE}")
        if len(self.reasons) == 1:
            places = self._places_of(self.first)
            said = f"{self.first}; {self.count:,} rows have this fault ({places}). {way_on}"
            return DataError.at(first.file, first.line, said)
        kinds = [self._kind(reason) for reason in itertools.islice(self.reasons, _MOST_KINDS)]
        more = len(self.reasons) - len(kinds)
        if more:
            kinds.append(f"and {more:,} more kinds of fault")
        return DataError.at(
            first.file,
            first.line,
            f"{self.first}; in all {self.count:,} rows cannot be used: {'; '.join(kinds)}. {way_on}",
        )

    def _kind(self, reason: str) -> str:
        return f"{reason} ({self.reasons[reason]:,}: {self._places_of(reason)})"

    def _places_of(self, reason: str) -> str:
        number, places = self.reasons[reason], self._lines[reason]
        here = self.places[0].file
        shown = [str(place.line) if place.file == here else f"{place.file}:{place.line}" for place in places]
        listed = ", ".join([*shown, *(["…"] if number > len(places) else [])])
        return f"lines {listed}" if number > 1 else f"line {listed}"

    def note(self, file: str, rows: Sequence[BadRow]) -> None:
        """Count some rows of a file."""
        for row in rows:
            self.count += 1
            self.first = self.first or row.message
            reason = row.message
            if _PLACE_OF_BYTE.search(reason):  # it stands at another place in each line, and is one kind of fault
                reason = self._alike.setdefault(_PLACE_OF_BYTE.sub("", reason), reason)
            if reason in self.reasons or len(self.reasons) < _MAX_REASONS:
                self.reasons[reason] += 1
                places = self._lines.setdefault(reason, [])
                if len(places) < _FIRST_LINES:
                    places.append(Place(file, row.line))
            if len(self.places) < MAX_PLACES:
                self.places.append(Place(file, row.line))


@dataclass
class Unread:
    """What of some rows could not be read.

    Attributes:
        unusable: rows that were left out.
        left_out: records that are not meant to be rows.
        lost: entities that are not in their texts.
        repeated: rows of the last split whose id an earlier file has.
        group_column: a column that might name groups of rows.
    """

    unusable: Faults = field(default_factory=Faults)
    left_out: Faults = field(default_factory=Faults)
    lost: Faults = field(default_factory=Faults)
    repeated: int = 0
    group_column: GroupColumn | None = None

    def see(self, example: Example) -> None:
        """Look at a row, unless it is one of which there is nothing odd."""


@dataclass
class Oddities(Unread):
    """What a user should hear of rows: what of them could not be read, and what was read otherwise than written."""

    repaired: int = 0
    trimmed: int = 0
    edges: Edges = field(default_factory=Edges)

    def see(self, example: Example) -> None:
        """Look at a row."""
        if isinstance(example, TaggedText):
            self.repaired += example.repaired
            self.trimmed += example.trimmed
            self.edges.see(example)

    def warnings(self) -> Iterator[str]:
        """Say what was read otherwise than it was written, or could not be."""
        if self.unusable.count:
            first = self.unusable.places[0]
            yield (
                f"rows that cannot be used are left out, {self.unusable.count:,} in all: {self.unusable.summary()}, "
                f"the first at {first.file}:{first.line}"
            )
        if self.repaired:
            yield f"{self.repaired:,} rows have tags that break their scheme (I- after O); they were read leniently"
        if self.trimmed:
            yield f"{self.trimmed:,} rows have entities with spaces at their edges; they were read without"
        yield from filter(None, (self.edges.said(), self.edges.sentence()))
        if self.lost.count:
            count, first = self.lost.count, self.lost.places[0]
            left_out = "1 entity was left out" if count == 1 else f"{count:,} entities were left out; the first"
            yield f"{left_out}: {f'{first.file}:{first.line}: {self.lost.first}'}"

    def notes(self) -> Iterator[str]:
        """Say what is not a row of the data."""
        if self.left_out.count:
            first = self.left_out.places[0]
            yield f"left out: {self.left_out.summary()}, the first at {first.file}:{first.line}"
