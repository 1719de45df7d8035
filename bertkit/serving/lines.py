"""Bare JSON lines over a connection: a line in, a record out, in order, for as long as the client stays."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Sequence

from bertkit.data.records import BadRow
from bertkit.evaluation.answers import Item, Record
from bertkit.plain import brief
from bertkit.serving.batcher import JOINED_ROWS, Busy, FailedError, TooLateError
from bertkit.serving.bodies import as_lines
from bertkit.serving.service import Service

_READ_BYTES = 1 << 18
# Seconds until lines are offered again for which there was no room.
_AGAIN_S = 0.05


class LineConversation:
    """Answers the lines of one connection; those that have come are answered together.

    A line that is longer than a body may be is an error record in its place, and is thrown
    away as it comes. A client that sends and never reads is not read on either.

    Args:
        connection: from its first byte on.
        service: answers.
    """

    def __init__(self, connection: socket.socket, service: Service) -> None:
        self._connection, self._service = connection, service
        self._lines: deque[bytes | None] = deque()  # None: one that was too long
        self._held = bytearray()
        self._skips = False
        self._is_at_end = False
        self._number = 0

    def handle(self) -> None:
        """Answer until the client has sent all.

        Raises:
            TimeoutError: a line has not come whole in time, or the client does not read.
            OSError: the client has gone.
        """
        while lines := self._next_lines():
            items = self._items(lines)
            records = self._records(items, sum(len(line or b"") for line in lines))
            self._connection.settimeout(self._service.limits.seconds)
            self._connection.sendall(as_lines(records))

    def _items(self, lines: Sequence[bytes | None]) -> list[Item]:
        items: list[Item] = []
        for line in lines:
            self._number += 1
            if line is None:
                most = self._service.limits.body_bytes
                items.append(BadRow(self._number, f"the line is longer than {most:,} bytes"))
            else:
                items += self._service.reader.of_each_line([line], self._number)
        return items

    def _records(self, items: Sequence[Item], size: int) -> list[Record]:
        """Answer rows; where there is no room for them yet, wait, and so let the client wait."""
        while True:
            try:
                return self._service.answer(items, size)
            except Busy:
                time.sleep(_AGAIN_S)
            except TooLateError:
                why = f"the answer has taken longer than {self._service.limits.seconds:g} seconds"
                return [{"line": item.line, "error": why} for item in items]
            except FailedError as error:
                return [{"line": item.line, "error": f"computing has failed: {brief(error)}"} for item in items]

    def _next_lines(self) -> list[bytes | None]:
        """Wait for a line, and return it with those that have come with it; none at the end."""
        limits = self._service.limits
        until = time.monotonic() + limits.idle_seconds
        while not (self._lines or self._is_at_end):
            was_empty = not (self._held or self._skips)
            self._receive(max(0.0, until - time.monotonic()))
            if was_empty and (self._held or self._skips):
                until = time.monotonic() + limits.seconds
        while len(self._lines) < JOINED_ROWS and not self._is_at_end:
            try:
                self._receive(0.0)
            except (BlockingIOError, TimeoutError):
                break
        return [self._lines.popleft() for _ in range(min(JOINED_ROWS, len(self._lines)))]

    def _receive(self, seconds: float) -> None:
        """Take what has come, and wait for it so long."""
        self._connection.settimeout(seconds)
        came = self._connection.recv(_READ_BYTES)
        if not came:
            self._is_at_end = True
            if self._held and not self._service.is_stopping:  # the last line of a file may lack its end
                self._lines.append(bytes(self._held))
            return
        *whole, rest = came.split(b"\n")
        for part in whole:
            self._hold(part)
            self._lines.append(None if self._skips else bytes(self._held))
            self._held.clear()
            self._skips = False
        self._hold(rest)

    def _hold(self, part: bytes) -> None:
        """Add to the line that has begun, as far as it may be held."""
        self._held += part
        if len(self._held) > self._service.limits.body_bytes:
            self._held.clear()
            self._skips = True
