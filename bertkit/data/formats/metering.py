"""How much of its inputs a command has read, in bytes as they lie on disk: what is left can be told from it.

Whoever wants to know opens a meter, and every input that is opened meanwhile is watched: a
file may be read through several layers (gzip, decoding, csv), of which only the lowest knows
how far it has come.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STDIN_NAME = "-"

_active: list[Meter] = []


class Meter:
    """Bytes that are to be read, and those that have been."""

    def __init__(self) -> None:
        self._sizes: dict[str, int | None] = {}
        self._files: dict[str, Watched] = {}

    def expect(self, names: Iterable[str | Path]) -> None:
        """Hear which inputs will be opened: paths, or - for standard input."""
        self._sizes |= {_key(name): size_of(name) for name in names}

    def restart(self) -> None:
        """Begin again: the same inputs are read once more."""
        self._files.clear()

    def share(self) -> float | None:
        """Return which share of the bytes has been read, 0 to 1; None where it is not known how many there are."""
        sizes = self._sizes.values()
        total = sum(size for size in sizes if size is not None)
        if None in sizes or not total:
            return None
        return min(1.0, sum(self._position(key) for key in self._sizes) / total)

    def expected(self, done: int) -> float | None:
        """Return how many rows there will be, when so many have been read; None: not to be told."""
        share = self.share()
        return done / share if share else None

    def watch(self, name: str | Path, file: Watched) -> None:
        """Look at a file of the inputs; what was opened of it before was to tell what it is."""
        if (key := _key(name)) in self._sizes:
            self._files[key] = file

    def _position(self, key: str) -> int:
        return self._files[key].position() if key in self._files else 0


class Watched(io.FileIO):
    """A file that says how far it has been read, also when it is closed."""

    def __init__(self, file: str | Path | int) -> None:
        self._end = 0
        super().__init__(file, "rb")

    def position(self) -> int:
        """Return how many bytes have been read."""
        with suppress(OSError, ValueError):  # it is closed, perhaps just now, or a pipe
            return self.tell()
        return self._end

    def close(self) -> None:
        """Close the file."""
        self._end = self.position()
        super().close()


@contextmanager
def metered() -> Iterator[Meter]:
    """Watch inputs that are opened in the body, once the meter is told of them."""
    meter = Meter()
    _active.append(meter)
    try:
        yield meter
    finally:
        _active.remove(meter)


def watched(name: str | Path, file: str | Path | int) -> io.FileIO:
    """Open a file for reading bytes, seen by all meters of now.

    Args:
        name: of the input; - for standard input.
        file: its path, or its descriptor, which is closed with it.
    """
    opened = Watched(file)
    for meter in _active:
        meter.watch(name, opened)
    return opened


def _key(name: str | Path) -> str:
    return STDIN_NAME if str(name) == STDIN_NAME else str(Path(name).absolute())


def size_of(name: str | Path) -> int | None:
    """Return the size of a regular file; None of anything else, of which it is not known."""
    try:
        found = os.fstat(sys.stdin.fileno()) if str(name) == STDIN_NAME else Path(name).stat()
    except (OSError, ValueError, AttributeError):  # AttributeError: the caller has closed standard input
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
