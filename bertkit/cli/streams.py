"""Lines in and out of a command that is a part of a pipeline."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import typer

from bertkit.cli.terminal import spoken
from bertkit.compute.processes import this_world
from bertkit.errors import UsageError
from bertkit.plain import brief, quoted


def lines_of(arguments: Sequence[str] | None, file: Path | None, *, what: str) -> Iterator[list[str]]:
    """Iterate batches of texts: the arguments, or the lines of a file or of standard input.

    Args:
        arguments: the words of the command line; a single "-" is standard input.
        file: a text file (plain or gzipped), instead of arguments.
        what: what an argument is called.

    Raises:
        UsageError: there is nothing to read, or both are given, or an argument is no text.
        DataError: the file cannot be read, or standard input is closed.
    """
    if file is not None and arguments:
        raise UsageError(f"give {what} or --file {brief(file)}, not both.")
    if file is not None and str(file) != "-":
        return _input_lines(file)
    if arguments and arguments != ["-"]:
        return iter([[checked_text(argument, what) for argument in arguments]])
    if not arguments and file is None and is_typed_at():
        raise UsageError(f"there is nothing to read: give {what}, --file FILE, or - for standard input.")
    return _input_lines("-")


def _input_lines(name: str | Path) -> Iterator[list[str]]:
    """Iterate batches of the lines of a file, or of standard input for "-"; gzip is unpacked."""
    from bertkit.data.formats.line_batches import read_line_batches
    from bertkit.data.formats.opened import open_input
    from bertkit.data.formats.telling import tell

    opened = open_input(name)
    told = tell(opened, kind="txt")
    for note in told.notes:
        say(note)
    with opened.stream() as stream:
        yield from read_line_batches(stream, opened.name, encoding=told.table.encoding)


def is_typed_at() -> bool:
    """Tell whether standard input is a terminal, where nobody expects a command to wait for text."""
    return sys.stdin is not None and sys.stdin.isatty()


def checked_text(argument: str, what: str) -> str:
    """Return a word of the command line, which may hold bytes that are no text.

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
