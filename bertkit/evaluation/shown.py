"""How far a prediction has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bertkit.data.formats.metering import Meter
from bertkit.data.records import BadRow, Example
from bertkit.progress import Progress


class Shown:
    """Tells how many rows have been answered, and by the bytes that were read for them how many there may be."""

    def __init__(self, progress: Progress, meter: Meter) -> None:
        self._progress, self._meter = progress, meter
        self._answered = 0.0
        self._read = 0

    def expect(self, names: Sequence[str]) -> None:
        """Hear which inputs will be read."""
        self._meter.expect(names)

    def reading(self, rows: Iterator[Example | BadRow]) -> Iterator[Example | BadRow]:
        """Count rows as they are read."""
        for row in rows:
            self._read += 1
            yield row

    def computed(self, rows: float) -> None:
        """Hear that more rows have been computed."""
        self._answered += rows
        self._progress(self._answered, self._meter.expected(self._read))

    def written(self, rows: int) -> None:
        """Hear how many rows have been answered in all."""
        self._answered = rows
        self.computed(0)
