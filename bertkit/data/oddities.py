"""What a user should hear of rows that were read: what was left out, and what was read otherwise than written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bertkit.data.faults import Faults
from bertkit.data.records import Example, TaggedText
from bertkit.data.tagged.edges import Edges


@dataclass
class Oddities:
    """Counts what was odd about rows.

    Attributes:
        problems: entities that are not in their texts, each with its place.
        left_out: records that are not meant to be rows.
        skipped: rows that could not be used, where such are left out.
    """

    problems: list[str] = field(default_factory=list)
    left_out: Faults = field(default_factory=Faults)
    skipped: Faults = field(default_factory=Faults)
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
        if self.skipped.count:
            first = self.skipped.places[0]
            yield (
                f"rows that cannot be used are left out, {self.skipped.count:,} in all: {self.skipped.summary()}, "
                f"the first at {first.file}:{first.line}"
            )
        if self.repaired:
            yield f"{self.repaired:,} rows have tags that break their scheme (I- after O); they were read leniently"
        if self.trimmed:
            yield f"{self.trimmed:,} rows have entities with spaces at their edges; they were read without"
        if (sentence := self.edges.sentence()) is not None:
            yield sentence
        if self.problems:
            count = len(self.problems)
            left_out = "1 entity was left out" if count == 1 else f"{count:,} entities were left out; the first"
            yield f"{left_out}: {self.problems[0]}"

    def notes(self) -> Iterator[str]:
        """Say what is no row of the data."""
        if self.left_out.count:
            first = self.left_out.places[0]
            yield f"left out: {self.left_out.summary()}, the first at {first.file}:{first.line}"
