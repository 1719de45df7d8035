"""One command of bertkit in this process, through its real entry, with real descriptors.

Standard input is a pipe, standard output and error are files, so that what compiled code
reads and writes is caught as well. A command that takes too long is stopped.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

# No input of the campaign may take longer than this.
CPU_SECONDS = 10.0
WALL_SECONDS = 90.0
_PIPE_BYTES = 1 << 15
# What Python itself does not show outside of `__main__`.
_QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


class TooLongError(BaseException):
    """The command was stopped; this process may still be busy with it."""


@dataclass(frozen=True)
class Ran:
    """What a command did: exit code, standard output and error, seconds of CPU."""

    code: int
    out: bytes
    err: str
    cpu_s: float
    stopped: bool = False


def run_here(arguments: Sequence[str], folder: Path, stdin: bytes = b"") -> Ran:
    """Run `bertkit` with these arguments in a folder."""
    from bertkit.cli.app import main

    before, began = Path.cwd(), time.process_time()
    code, stopped = 0, False
    with _redirected(stdin) as streams:
        os.chdir(folder)
        old, sys.argv = sys.argv, ["bertkit", *arguments]
        try:
            with warnings.catch_warnings(), _time_limit():
                warnings.simplefilter("always")
                for category in _QUIET:
                    warnings.simplefilter("ignore", category)
                main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except TooLongError:
            code, stopped = -1, True
        except BaseException:
            code = 1
            traceback.print_exc()
        finally:
            sys.argv = old
            os.chdir(before)
    return Ran(code, *streams.read(), time.process_time() - began, stopped)


class _Streams:
    """Where standard output and error go meanwhile."""

    def __init__(self) -> None:
        self.files = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115 - closed when read

    def read(self) -> tuple[bytes, str]:
        """Return what was written, and close."""
        found = []
        for file in self.files:
            file.seek(0)
            found.append(file.read())
            file.close()
        return found[0], found[1].decode("utf-8", "replace")


@contextlib.contextmanager
def _redirected(stdin: bytes) -> Iterator[_Streams]:
    streams, saved = _Streams(), [os.dup(number) for number in range(3)]
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    for number, file in enumerate(streams.files, start=1):
        os.dup2(file.fileno(), number)
    names = ("stdin", "stdout", "stderr", "__stdout__", "__stderr__")
    before = {name: getattr(sys, name) for name in names}
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False)), encoding="utf-8")
    sys.stdout = sys.__stdout__ = _writer(1, "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, "backslashreplace")  # type: ignore[misc]
    try:
        _feed(writing, stdin)
        yield streams
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        for name, value in before.items():
            setattr(sys, name, value)
        for number, descriptor in enumerate(saved):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _writer(number: int, errors: str) -> io.TextIOWrapper:
    raw = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding="utf-8", errors=errors, line_buffering=number == 2)


def _feed(descriptor: int, data: bytes) -> None:
    """Fill the pipe: at once where it fits, else from a thread, for nobody reads yet."""

    def write() -> None:
        with contextlib.suppress(OSError), open(descriptor, "wb", buffering=0) as pipe:
            view = memoryview(data)
            while view:
                view = view[pipe.write(view) or 0 :]

    if len(data) <= _PIPE_BYTES:
        write()
    else:
        threading.Thread(target=write, daemon=True).start()


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLongError

    old = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in old.items():
            signal.signal(number, handler)
