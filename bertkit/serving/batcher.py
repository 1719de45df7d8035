"""One worker computes; requests that wait while it does are answered together.

Nothing is waited for: a request that comes alone is computed alone, and what has come in the
meantime is joined into the next block. So one client sees the shortest time, and many see
batches as large as those of `predict`.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bertkit.evaluation.answers import Answerer, Chunk, Item, Record

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
