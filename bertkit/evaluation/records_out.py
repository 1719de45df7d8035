"""Where the records of `predict` go: to standard output or a file, all of them or those of a span."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bertkit.errors import DataError, UsageError
from bertkit.evaluation.answers import kept_of
from bertkit.evaluation.going_on import TABLES, Written, bytes_from, read_written
from bertkit.evaluation.span import Span
from bertkit.evaluation.writers import Record, open_writer
from bertkit.files import is_file, temporary, writing, writing_on
from bertkit.tasks.base import TaskSettings


def written_before(output: Path | None, output_format: str, *, is_part: bool) -> Written | None:
    """Look at what an interrupted command has left, to go on with it.

    Args:
        output: the file of --output.
        output_format: what is written.
        is_part: whether --skip or --shard leave rows out.

    Raises:
        UsageError: there is no file, or records of the format cannot be told from its lines.
        DataError: what is there is no such output.
    """
    if output is None or (output.exists() and not is_file(output)):
        raise UsageError("--resume: needs the file that was written, --output FILE.")
    if is_part and output_format in TABLES:
        raise UsageError("--resume: a part of a table (--skip, --shard) has no header to go on by; take jsonl.")
    return read_written(output, output_format)


def has_partial(output: Path | None) -> bool:
    """Tell whether an interrupted command has left something beside an output."""
    return output is not None and is_file(temporary(output))


@contextmanager
def opened(output: Path | None, written: Written | None) -> Iterator[TextIO]:
    """Give standard output, or a file that gets its name only when all is written.

    Args:
        output: the file; None: standard output.
        written: what is there of it and is gone on with.
    """
    if output is None:
        yield _standard_output()
    elif written is None:
        with writing(output, "--output", keep_interrupted=True) as stream:
            yield stream
    else:
        with writing_on(output, "--output", written.place, written.size) as stream:
            yield stream


def _standard_output() -> TextIO:
    """Return stdout as UTF-8, whatever the locale says."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    return sys.stdout


class Records:
    """Writes the records of a span; those that were written before are compared and not written again.

    Args:
        stream: where they go.
        output_format: a word of `OUTPUT_FORMATS`.
        settings: of the run.
        own: the columns of a table that the task's answers fill.
        span: which rows they are of.
        written: what is there already; None: nothing.
    """

    def __init__(
        self,
        stream: TextIO,
        output_format: str,
        settings: TaskSettings,
        own: Sequence[str],
        span: Span,
        written: Written | None,
    ) -> None:
        self._format, self._settings, self._own = output_format, settings, own
        self._span, self._written, self._next = span, written, -1
        self._writer = open_writer(stream, output_format, settings, own, names=written.names if written else ())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is to be said of them at the end."""
        return self._writer.warnings

    def write(self, records: list[Record]) -> list[Record]:
        """Write those of the records that are wanted and not there; returns them.

        Raises:
            DataError: what is there is not what the run answers.
        """
        span = self._span
        if self._next < 0:
            self._next = span.begins
            if span.first and self._written is None and self._format in TABLES and span.head is not None:
                self._writer.go_on({"line": span.head.line, **kept_of(span.head, self._own)})
        over = min(len(records), max(0, span.first - self._next))
        if self._written is not None and over:
            self._compare(records[:over])
        self._next += len(records)
        if new := records[over:]:
            self._writer.write(new)
        return new

    def finish(self) -> None:
        """Write what stands behind the last one.

        Raises:
            DataError: more is there than the inputs have rows.
        """
        if self._written is not None and max(self._next, self._span.begins) < self._span.first:
            raise DataError(
                f"--resume: {self._written.place} holds {self._written.rows:,} records, and the input has fewer rows; "
                "nothing was changed. Start over with --force."
            )
        if self._span.first == 0 or self._written is not None:
            self._writer.finish()

    def _compare(self, records: list[Record]) -> None:
        """Hold records against the bytes that are there."""
        assert self._written is not None
        before = self._span.first - self._written.rows  # rows that --skip or --shard leave out
        again = records[max(0, before - self._next) :]
        buffer = io.StringIO()
        writer = open_writer(buffer, self._format, self._settings, self._own, names=self._written.names)
        writer.write(again)
        found = bytes_from(self._written, self._written.rows - len(again), self._format)
        if found != buffer.getvalue().encode("utf-8", "backslashreplace"):
            raise DataError(
                f"--resume: the last {len(again):,} records of {self._written.place} are not what this command writes "
                "for these rows (another run, input or option?); nothing was changed. Start over with --force."
            )
