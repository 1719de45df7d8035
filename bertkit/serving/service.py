"""What a listening predictor does for a request, whatever brought it, and what it counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.evaluation.answers import Item, Record
from bertkit.serving.batcher import Batcher
from bertkit.serving.bodies import RowReader


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
