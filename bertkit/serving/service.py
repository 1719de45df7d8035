"""How a listening predictor answers requests: one worker batches those that are waiting, and counts."""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from bertkit.data.columns import ColumnChoice, Keep, parse_columns, parse_keep
from bertkit.data.formats.json_rows import fields_of, read_json_lines
from bertkit.data.formats.lines import Lines
from bertkit.data.records import BadRow, Row
from bertkit.data.values import NoJsonError, RowError, parse_json
from bertkit.errors import BertkitError
from bertkit.evaluation.answers import Answerer, Chunk, Item, Record
from bertkit.evaluation.inputs import json_examples
from bertkit.plain import to_json
from bertkit.tasks.base import TaskSettings

# --- What clients send, as rows, and what they get: JSON lines, a JSON object, or a list of objects

# What a request's rows are called in sentences; a record names no file.
_NAME = "<request>"


class BadBodyError(Exception):
    """A body of which no row can be read; the message is for who sent it."""


@dataclass(frozen=True)
class RowReader:
    """Makes the rows of requests what the run answers, as `predict` does with those of JSON lines.

    Attributes:
        settings: the run's.
        choice: the columns of --columns.
        keep: what goes through to the answers.
    """

    settings: TaskSettings
    choice: ColumnChoice | None = None
    keep: Keep | None = None

    @classmethod
    def of(cls, settings: TaskSettings, columns: str | None, keep: str | None) -> RowReader:
        """Read the values of --columns and --keep.

        Raises:
            UsageError: they are malformed.
        """
        return cls(
            settings,
            None if columns is None else parse_columns(columns),
            None if keep is None else parse_keep(keep),
        )

    def of_lines(self, body: bytes) -> list[Item]:
        """Read JSON lines, as of a file: one row for each line, the columns those of the first.

        Raises:
            BadBodyError: what the lines hold cannot be told apart into rows.
        """
        return self._items(read_json_lines(Lines(cast("Any", io.BytesIO(body)), _NAME), keep_blank=True))

    def of_each_line(self, lines: Sequence[bytes], first: int) -> list[Item]:
        """Read lines that come one by one, each by itself; the first has the number `first`."""
        items: list[Item] = []
        for number, line in enumerate(lines, start=first):
            try:
                found = self.of_lines(line if line.endswith(b"\n") else line + b"\n")
            except BadBodyError as error:
                found = [BadRow(number, str(error))]
            items += [replace(item, line=number) for item in found]
        return items

    def of_json(self, body: bytes) -> tuple[list[Item], bool]:
        """Read a JSON object, or a list of them, whose rows are counted from 1.

        Returns:
            The rows, and whether it was a list.

        Raises:
            BadBodyError: it is no JSON.
        """
        try:
            value = parse_json(body.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise BadBodyError(f"not valid UTF-8 at byte {error.start + 1}") from None
        except (NoJsonError, RowError) as error:
            raise BadBodyError(str(error)) from None
        if isinstance(value, list):
            return self._items(_row(item, number) for number, item in enumerate(value, start=1)), True
        return self._items(iter([_row(value, 1)])), False

    def _items(self, rows: Iterator[Row | BadRow]) -> list[Item]:
        try:
            return list(json_examples(rows, _NAME, self.settings, choice=self.choice, keep=self.keep))
        except BertkitError as error:
            raise BadBodyError(str(error).removeprefix(f"{_NAME}: ").rstrip(".")) from None


def _row(value: Any, number: int) -> Row | BadRow:
    if not isinstance(value, dict):
        return BadRow(number, "this is JSON but not an object")
    try:
        return Row(number, fields_of(value))
    except RowError as error:
        return BadRow(number, str(error))


def as_lines(records: Sequence[Record]) -> bytes:
    """Write records as `predict` writes them."""
    return "".join(f"{to_json(record)}\n" for record in records).encode("utf-8", "backslashreplace")


def as_json(records: Sequence[Record], *, is_list: bool) -> bytes:
    """Write the records of a JSON body: a list for a list, else the one there is."""
    value: Any = records if is_list or len(records) != 1 else records[0]
    return f"{to_json(value)}\n".encode("utf-8", "backslashreplace")


# --- One worker computes; requests that wait while it does are answered together ------------------
#
# Nothing is waited for: a request that comes alone is computed alone, and what has come in the
# meantime is joined into the next block. So one client sees the shortest time, and many see
# batches as large as those of `predict`.

# Rows that are joined, unless one request has more: enough for batches of like length.
JOINED_ROWS = 1024


class Busy(Exception):  # noqa: N818 - it is a state, not a fault
    """More rows wait than may."""


class TooLateError(Exception):
    """The answer has not come in time."""


class FailedError(Exception):
    """Computing the answer has failed."""


@dataclass(eq=False)
class _Job:
    """A request's rows on their way; `records` are there, or `failure` is, when `done` is set."""

    chunk: Chunk
    size: int
    done: threading.Event = field(default_factory=threading.Event)
    records: list[Record] = field(default_factory=list)
    failure: BaseException | None = None
    is_given_up: bool = False


class Batcher:
    """Answers rows for many threads.

    Args:
        answerer: encodes and computes.
        most_waiting: bytes of requests that may wait to be computed.
        failed: is told of what computing has raised.
        seen: is shown every chunk that was computed.
    """

    def __init__(
        self,
        answerer: Answerer,
        *,
        most_waiting: int,
        failed: Callable[[BaseException], None] = lambda _: None,
        seen: Callable[[Chunk], None] = lambda _: None,
    ) -> None:
        self._answerer, self._most, self._failed, self._seen = answerer, most_waiting, failed, seen
        self._encoding = threading.Lock()
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._bytes = 0
        self._is_closed = False
        self._worker = threading.Thread(target=self._work, name="bertkit-batcher", daemon=True)
        self._worker.start()

    @property
    def waiting(self) -> int:
        """How many requests wait or are being computed."""
        with self._changed:
            return len(self._jobs)

    def answer(self, items: Sequence[Item], *, size: int, seconds: float) -> list[Record]:
        """Answer rows; the calling thread waits.

        Args:
            items: the rows.
            size: bytes they came in.
            seconds: how long the answer may take.

        Raises:
            Busy: too much is waiting.
            TooLateError: it has taken longer.
            FailedError: computing has failed.
        """
        with self._changed:
            if self._jobs and self._bytes + size > self._most:
                raise Busy
            self._bytes += size
        try:
            with self._encoding:  # while the model computes what came before
                chunk = self._answerer.encode(items)
            job = _Job(chunk, size)
            with self._changed:
                self._jobs.append(job)
                self._changed.notify_all()
            if not job.done.wait(seconds):
                job.is_given_up = True
                raise TooLateError
        finally:
            with self._changed:
                self._bytes -= size
        if job.failure is not None:
            raise FailedError(str(job.failure)) from job.failure
        return job.records

    def close(self) -> None:
        """Compute what waits, and end the worker."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._worker.join()

    def _work(self) -> None:
        while (jobs := self._next()) is not None:
            self._compute(jobs)
            with self._changed:
                for job in jobs:
                    self._jobs.remove(job)
            for job in jobs:
                job.done.set()

    def _next(self) -> list[_Job] | None:
        """Wait for requests, and take as many as are computed together; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._is_closed)
            if not self._jobs:
                return None
            taken: list[_Job] = []
            rows = 0
            for job in self._jobs:
                rows += len(job.chunk.items)
                if taken and rows > JOINED_ROWS:
                    break
                taken.append(job)
            return taken

    def _compute(self, jobs: Sequence[_Job]) -> None:
        wanted = [job for job in jobs if not job.is_given_up]
        if not wanted:
            return
        joined = _joined([job.chunk for job in wanted])
        try:
            records = iter(self._answerer.records(joined))
        except Exception as error:  # whatever a library raises: the others' rows may be well
            if len(wanted) > 1:
                for job in wanted:
                    self._compute([job])
                return
            wanted[0].failure = error
            self._failed(error)
            return
        for job in wanted:
            job.records = list(itertools.islice(records, len(job.chunk.items)))
        self._seen(joined)


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    return Chunk(
        [item for chunk in chunks for item in chunk.items],
        [row for chunk in chunks for row in chunk.encoded],
        [answer for chunk in chunks for answer in chunk.others],
    )


# --- What a listening predictor does for a request, whatever brought it, and what it counts -------


@dataclass(frozen=True)
class Limits:
    """What one client may take of the server.

    Attributes:
        body_bytes: longest body of a request, and longest line.
        seconds: within which a request must have come, and within which it must be answered.
        connections: open at a time.
        idle_seconds: after which a connection on which nothing comes is closed.
    """

    body_bytes: int = 16 << 20
    seconds: float = 60.0
    connections: int = 128
    idle_seconds: float = 600.0


@dataclass
class Service:
    """The run as connections see it.

    Attributes:
        reader: makes rows of what comes.
        batcher: answers them.
        limits: of each client.
        facts: what /health says of the run.
        hosts: what the Host of a request may be; None: anything.
    """

    reader: RowReader
    batcher: Batcher
    limits: Limits
    facts: dict[str, Any]
    hosts: frozenset[str] | None = None
    is_stopping: bool = False
    requests: int = 0
    rows: int = 0
    errors: int = 0
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, items: Sequence[Item], size: int) -> list[Record]:
        """Answer the rows of a request that came in `size` bytes.

        Raises:
            Busy, TooLateError, FailedError: see `Batcher.answer`.
        """
        records = self.batcher.answer(items, size=size, seconds=self.limits.seconds) if items else []
        with self._lock:
            self.requests += 1
            self.rows += len(records)
            self.errors += sum("error" in record for record in records)
        return records

    def health(self) -> dict[str, Any]:
        """Return what /health says."""
        with self._lock:
            counts = {"requests": self.requests, "rows": self.rows, "errors": self.errors}
        return {
            "status": "stopping" if self.is_stopping else "ok",
            **self.facts,
            **counts,
            "waiting": self.batcher.waiting,
            "seconds": round(time.monotonic() - self._began, 1),
        }
