"""Lines in and out of a command that is a part of a pipeline, also where the streams are closed or full."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import typer

from bertkit.cli.render import spoken
from bertkit.compute.processes import this_world
from bertkit.errors import OutputError, UsageError
from bertkit.plain import brief, quoted, shell_words

# --------------------------------------------------------------------------------------------------
# The standard streams of this process, so that whatever becomes of them ends in a word and a right exit code.
#
# Python's own streams raise where rich, Typer or the interpreter's last flush catch it first,
# and each has an exit code of its own (1, 1 and 120). Those made here raise what none of them
# knows: `ReaderGone` where a pipe is closed, `OutputError` where standard output refuses in
# another way. What is said on stderr is a courtesy: it never ends a command.


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


# --- Lines in and out of a command that is a part of a pipeline -----------------------------------


def lines_of(arguments: Sequence[str] | None, file: Path | None, *, what: str) -> Iterator[list[str]]:
    """Iterate batches of texts: the arguments, or the lines of a file or of standard input.

    Args:
        arguments: the words of the command line; a single "-" is standard input.
        file: a text file (plain or gzipped), instead of arguments.
        what: what an argument is called.

    Raises:
        UsageError: there is nothing to read, or both are given, or an argument is not text.
        DataError: the file cannot be read, or standard input is closed.
    """
    if file is not None and arguments:
        raise UsageError(f"give {what} or --file {brief(file)}, not both.")
    if file is not None and str(file) != "-":
        return _input_lines(file)
    if arguments and arguments != ["-"]:
        for name in filter(_is_file, arguments if what == "TEXT" else ()):  # a command with --file
            say(f"{name} is read as a text; --file {shell_words([name])} reads the file")
        return iter([[checked_text(argument, what) for argument in arguments]])
    if not arguments and file is None and is_typed_at():
        raise UsageError(f"there is nothing to read: give {what}, --file FILE, or - for standard input.")
    return _input_lines("-")


def _input_lines(name: str | Path) -> Iterator[list[str]]:
    """Iterate batches of the lines of a file, or of standard input for "-"; gzip is unpacked."""
    from bertkit.data.formats.lines import read_line_batches
    from bertkit.data.formats.opened import open_input
    from bertkit.data.formats.telling import tell

    opened = open_input(name)
    told = tell(opened, kind="txt")
    for note in told.notes:
        say(note)
    with opened.stream() as stream:
        yield from read_line_batches(stream, opened.name, encoding=told.table.encoding)


def _is_file(name: str) -> bool:
    """Tell whether a word of the command line is the name of a file rather than a text."""
    from bertkit.files import is_file

    return " " not in name and ("." in name or "/" in name) and is_file(Path(name))


def is_typed_at() -> bool:
    """Tell whether standard input is a terminal, where nobody expects a command to wait for text."""
    return sys.stdin is not None and sys.stdin.isatty()


def checked_text(argument: str, what: str) -> str:
    """Return a word of the command line, which may hold bytes that are not text.

    Raises:
        UsageError: it does; `what` is what it is called.
    """
    try:
        argument.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{what} {quoted(argument)}: is not valid UTF-8.") from None
    return argument


def write_lines(lines: Sequence[str]) -> None:
    """Write lines to standard output, at once."""
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def say(text: str) -> None:
    """Say something on stderr beside the results: one line, harmless, and of bounded length."""
    typer.echo(spoken(text), err=True)


def say_files(*, report: Path | None = None, plots: Path | None = None, errors: Path | None = None) -> None:
    """Say which files a command has written beside its result."""
    if errors is not None:
        say(f"wrong rows: {errors}")
    if plots is not None:
        say(f"charts: {plots}")
    if report is not None:
        say(f"report: {report}")


@contextmanager
def one_voice() -> Iterator[None]:
    """Silence this process for the body if it is one of several and not the first."""
    if this_world().is_main:
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def end_early(code: int, said: str = "") -> int:
    """Say why the command ends before its work is done, and return the exit code.

    Of several processes the first to end speaks, silenced or not, and the others take its exit
    code. They do not return: a thread that waits for one that has gone would keep them here.
    """
    world = this_world()
    first = world.end_first(code)
    if said and first is None:
        typer.echo(said, file=sys.stderr if world.is_main else sys.__stderr__)
    if world.size > 1:
        for stream in (sys.stdout, sys.__stderr__):
            if stream is not None:
                with suppress(Exception):  # it may be what has ended the command
                    stream.flush()
        os._exit(code if first is None else first)
    return code
