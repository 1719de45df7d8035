"""The bytes of one connection: read in time, told apart (HTTP or bare JSON lines), closed so that answers arrive."""

from __future__ import annotations

import io
import re
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Bytes of a first line that are looked at.
_LOOKED_AT = 8192
_HTTP = re.compile(rb"[A-Z]+ \S+ HTTP/\d")
# Seconds between two looks at a first line, and until it is told by what there is of it.
_LOOK_S, _WHOLE_S = 0.005, 1.0
# Seconds that a client is given to stop sending.
_LINGER_S = 2.0


class TimedReader(io.RawIOBase):
    """Reads from a socket until a moment that is set for each request."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until = 0.0

    def within(self, seconds: float) -> None:
        """Let what comes next come within so many seconds."""
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what has come, at least a byte unless there will be none.

        Raises:
            TimeoutError: nothing has come in time.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def speaks_http(connection: socket.socket, *, idle_seconds: float) -> bool | None:
    """Tell by the first line, which is left unread, whether a client speaks HTTP; None where it says nothing.

    Raises:
        TimeoutError: nothing has come.
    """
    connection.settimeout(idle_seconds)
    until = None
    while begin := connection.recv(_LOOKED_AT, socket.MSG_PEEK):
        first, has_ended, _ = begin.partition(b"\n")
        is_word = first[:1].isupper()  # as a method is, and as no JSON is
        until = until or time.monotonic() + _WHOLE_S
        if has_ended or not is_word or len(begin) >= _LOOKED_AT or time.monotonic() > until:
            return is_word and _HTTP.search(first) is not None
        time.sleep(_LOOK_S)
    return None


def close(connection: socket.socket) -> None:
    """Close a connection; what the client still sends is thrown away for a moment, so that it hears the answer."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_LINGER_S)
        until = time.monotonic() + _LINGER_S
        while connection.recv(1 << 16) and time.monotonic() < until:
            pass
    with suppress(OSError):
        connection.close()
