"""Takes connections, gives each a thread, and ends so that what has come is answered."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bertkit.serving.connections import close, speaks_http
from bertkit.serving.http import HttpConversation
from bertkit.serving.lines import LineConversation
from bertkit.serving.service import Service

_WHY = b'{"error": "too many connections are open"}\n'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_WHY), _WHY)
)


@contextmanager
def taking(listener: socket.socket, service: Service) -> Iterator[None]:
    """Take and answer connections while the body runs, and afterwards answer what has come by then."""
    taker = _Taker(listener, service)
    taker.start()
    try:
        yield
    finally:
        taker.stop()


class _Taker:
    """Takes connections in a thread of its own."""

    def __init__(self, listener: socket.socket, service: Service) -> None:
        self._listener, self._service = listener, service
        self._wake, self._woken = socket.socketpair()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._take, name="bertkit-listener", daemon=True)

    def start(self) -> None:
        """Begin to take connections."""
        self._listener.setblocking(False)
        self._thread.start()

    def stop(self) -> None:
        """Take no more, read no more than has come, answer it, and wait until that is done."""
        self._service.is_stopping = True
        self._wake.close()
        self._thread.join()
        self._woken.close()
        self._listener.close()
        with self._lock:
            still = dict(self._open)
        for connection in still.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        for thread in still:
            thread.join(2 * self._service.limits.seconds)

    def _take(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, self._woken], [], [])
            if self._woken in ready:
                return
            with suppress(OSError):  # whoever knocked has gone again
                connection, _ = self._listener.accept()
                self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        with self._lock:
            is_full = len(self._open) >= self._service.limits.connections
        if is_full:
            connection.settimeout(1.0)
            with suppress(OSError):
                connection.sendall(_FULL)
            connection.close()
            return
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=self._answer, args=(connection,), name="bertkit-client", daemon=True)
        with self._lock:
            self._open[thread] = connection
        thread.start()

    def _answer(self, connection: socket.socket) -> None:
        """Answer one client; however it goes away, nobody else hears of it."""
        service = self._service
        try:
            with suppress(OSError):  # it has gone, or does nothing; TimeoutError is one, too
                is_http = speaks_http(connection, idle_seconds=service.limits.idle_seconds)
                if is_http:
                    HttpConversation(connection, service)
                elif is_http is not None:
                    LineConversation(connection, service).handle()
        finally:
            close(connection)
            with self._lock:
                self._open.pop(threading.current_thread(), None)
