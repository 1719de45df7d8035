"""The standard streams of this process, so that whatever becomes of them ends in a word and a right exit code.

Python's own streams raise where rich, Typer or the interpreter's last flush catch it first,
and each has an exit code of its own (1, 1 and 120). Those made here raise what none of them
knows: `ReaderGone` where a pipe is closed, `OutputError` where standard output refuses in
another way. What is said on stderr is a courtesy: it never ends a command.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any

from bertkit.errors import OutputError


class ReaderGone(Exception):  # noqa: N818 - it is an end, not a fault
    """Whoever read standard output has gone: there is nobody left to work for."""


def guard_standard_streams() -> None:
    """Put guarded streams in place of Python's, once, before anything is written.

    A stream that the caller has closed has no number of its own any more, and the next file
    that is opened, a user's perhaps, would get it and all that libraries write there. So the
    numbers are taken: 0 by what cannot be read, 1 and 2 by what cannot be written.
    """
    for number, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        _take(number, mode)
    sys.stdout = _guarded(1, sys.stdout, must_arrive=True)
    sys.stderr = _guarded(2, sys.stderr, must_arrive=False)
    sys.__stderr__ = sys.stderr  # type: ignore[misc]  # the one of several processes that is heard uses it


def _take(number: int, mode: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        with suppress(OSError):  # the lowest free number is taken, and those below have been
            os.set_inheritable(os.open(os.devnull, mode), True)


def _guarded(number: int, old: Any, *, must_arrive: bool) -> io.TextIOWrapper:
    """Make a stream like the old one; UTF-8 whatever the locale says, but on a terminal."""
    buffer = io.BufferedWriter(_Output(number, must_arrive=must_arrive))
    # What an encoding has no characters for is written as an escape; a name may hold any bytes.
    return io.TextIOWrapper(
        buffer,
        encoding=old.encoding if old is not None and old.isatty() else "utf-8",
        errors="backslashreplace",
        line_buffering=not must_arrive or (old is not None and (old.line_buffering or old.write_through)),
    )


class _Output(io.RawIOBase):
    """A descriptor to write to; after its first refusal all that follows is dropped."""

    def __init__(self, number: int, *, must_arrive: bool) -> None:
        self._number = number
        self._must_arrive = must_arrive
        self._has_refused = False
        self.name = "<stdout>" if must_arrive else "<stderr>"

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Write what is taken of the bytes.

        Raises:
            ReaderGone: it is a pipe that nobody reads any more, and what is written matters.
            OutputError: it refuses in another way, and what is written matters.
        """
        while not self._has_refused:
            try:
                return os.write(self._number, data)
            except BlockingIOError:
                self._wait()
            except OSError as error:
                self._has_refused = True
                if self._must_arrive:
                    raise _refusal(error) from error
        return len(data)

    def _wait(self) -> None:
        """Wait for room in a pipe that somebody else has set not to wait."""
        import select

        select.select([], [self._number], [])


def _refusal(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError | ConnectionResetError):
        return ReaderGone()
    reason = "it is closed" if error.errno == errno.EBADF else error.strerror
    return OutputError(f"standard output cannot be written ({reason}); send it elsewhere.")
