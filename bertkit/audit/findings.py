"""What an audit says, and what its parts share: findings, chunks of rows, samples of a stream."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, Protocol, TypeVar

from bertkit.data.faults import MAX_PLACES
from bertkit.data.records import Example, Place, columns_of, plain_rows
from bertkit.plain import as_shown

# --- What an audit says: findings, each with a count, a few places to look at, and one sentence ---

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
            "lines": [{"file": as_shown(place.file), "line": place.line} for place in self.places],
            "message": as_shown(self.message),
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

    def finding(self, kind: str, severity: Severity, message: str) -> Iterator[Finding]:
        """Report the rows, where there are any."""
        if self.count:
            yield Finding(kind, severity, self.count, message, tuple(self.places))


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Order findings by severity; findings of the same severity keep their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def counted(number: int, noun: str, verb: str = "") -> str:
    """Write a number with its noun, and a verb given in the plural: "1 row has", "2,753 rows have"."""
    if number != 1:
        return f"{number:,} {noun}s {verb}".rstrip()
    singular = {"have": "has", "are": "is"}.get(verb, f"{verb}s" if verb else "")
    return f"1 {noun} {singular}".rstrip()


# --- A few thousand rows on their way past every part of the audit, normalised once for all of them

ROWS = 2048
CHARACTERS = 1 << 20


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of one split."""

    split: str
    rows: Sequence[Example]

    @cached_property
    def texts(self) -> list[tuple[str, ...]]:
        """The texts of each row by column; a question's choices count as one more column."""
        return [columns_of(row) for row in self.rows]

    @cached_property
    def normal(self) -> list[tuple[str, ...]]:
        """`texts` in the form in which rows are compared."""
        return plain_rows(self.texts)


class Observer(Protocol):
    """A part of the audit: it sees every row once and keeps counts, hashes or a bounded sample."""

    def see(self, chunk: Chunk) -> None:
        """Take note of some rows."""
        ...


def chunks(split: str, rows: Iterable[Example]) -> Iterator[Chunk]:
    """Cut the rows of a split into chunks, of fewer rows where texts are long."""
    part: list[Example] = []
    characters = 0
    for row in rows:
        part.append(row)
        characters += sum(map(len, row.all_texts))
        if len(part) == ROWS or characters >= CHARACTERS:
            yield Chunk(split, part)
            part, characters = [], 0
    if part:
        yield Chunk(split, part)


# --- A uniform sample of a stream of unknown length, the same on every machine --------------------

S = TypeVar("S")
T = TypeVar("T")


class Reservoir(Generic[S, T]):
    """Keeps `size` of the items that pass, each with the same chance.

    Algorithm L of Li 1994, "Reservoir-sampling algorithms of time complexity
    O(n(1+log(N/n)))": it draws how many items to skip, so most items cost nothing.

    Args:
        size: the most items kept.
        keep: makes what is kept of an item.
    """

    def __init__(self, size: int, keep: Callable[[S], T]) -> None:
        self.items: list[T] = []
        self.seen = 0
        self._size = size
        self._keep = keep
        self._random = random.Random(0)
        self._threshold = 1.0
        self._next = size - 1
        self._skip()

    @property
    def is_complete(self) -> bool:
        """Whether everything that passed is still here."""
        return self.seen == len(self.items)

    def offer(self, items: Sequence[S]) -> None:
        """Let some items pass."""
        room = self._size - len(self.items)
        self.items += map(self._keep, items[:room])
        while self._next < self.seen + len(items):
            self.items[self._random.randrange(self._size)] = self._keep(items[self._next - self.seen])
            self._skip()
        self.seen += len(items)

    def _skip(self) -> None:
        """Draw the next item to keep."""
        self._threshold *= math.exp(math.log(1 - self._random.random()) / self._size)
        skipped = math.log(1 - self._random.random()) / math.log1p(-self._threshold)
        self._next += math.floor(skipped) + 1
