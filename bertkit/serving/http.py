"""The two protocols of the server, HTTP and JSON lines, told apart by the first line of a connection."""

from __future__ import annotations

import io
import re
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast

from bertkit import __version__
from bertkit.data.records import BadRow
from bertkit.evaluation.answers import Item, Record
from bertkit.plain import brief, to_json
from bertkit.serving.service import (
    JOINED_ROWS,
    BadBodyError,
    Busy,
    FailedError,
    Service,
    TooLateError,
    as_json,
    as_lines,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# --------------------------------------------------------------------------------------------------
# The bytes of one connection: read in time, told apart (HTTP or bare JSON lines), closed so that answers arrive.

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


# --------------------------------------------------------------------------------------------------
# Bare JSON lines over a connection: a line in, a record out, in order, for as long as the client stays.

_READ_BYTES = 1 << 18
# Seconds until lines are offered again for which there was no room.
_LINES_AGAIN_S = 0.05


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
                time.sleep(_LINES_AGAIN_S)
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


# --- HTTP: POST rows to /predict, ask /health; everything else is refused in a sentence -----------
#
# Python's own parser reads request line and headers. A page in somebody's browser cannot ask: its
# scripts may send no JSON to another origin without being allowed to, which nobody is here, and
# a name that has been bent to this machine's address is not a name of the server's.

PREDICT, HEALTH = "/predict", "/health"
LINES = ("application/x-ndjson", "application/jsonl", "application/jsonlines", "application/json-lines")
JSON = "application/json"
_PATHS = {PREDICT: "POST", HEALTH: "GET"}
_LONGEST_REQUEST_LINE = 65_536
# Seconds after which who was refused for want of room may ask again.
_HTTP_AGAIN_S = 1


class RefusedError(Exception):
    """A request that is not answered: with which status, and why."""

    def __init__(self, status: HTTPStatus, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.headers = status, why, headers or {}


class HttpConversation(BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"

    def __init__(self, connection: socket.socket, service: Service) -> None:
        self.service = service
        self._timed = TimedReader(connection)
        super().__init__(connection, ("", 0), cast("Any", None))

    def version_string(self) -> str:
        """Name the server, and nothing of what it runs on."""
        return f"bertkit/{__version__}"

    def setup(self) -> None:
        """Read in time, and write at once."""
        self.connection = self.request
        self.rfile = io.BufferedReader(self._timed, 1 << 16)
        self.wfile = cast("Any", io.BytesIO())

    def finish(self) -> None:
        """Leave the connection to whoever gave it."""

    def handle_one_request(self) -> None:
        """Wait for a request, and answer it."""
        limits = self.service.limits
        self.close_connection = True
        self.requestline, self.request_version, self.command = "", self.protocol_version, ""
        self._timed.within(limits.idle_seconds)
        if not self.rfile.peek(1):  # type: ignore[attr-defined]
            return
        self._timed.within(limits.seconds)
        try:
            self.raw_requestline = self.rfile.readline(_LONGEST_REQUEST_LINE + 1)
            if len(self.raw_requestline) > _LONGEST_REQUEST_LINE:
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
            elif self.raw_requestline and self.parse_request():
                self._answer()
        except TimeoutError:
            self.close_connection = True
            self.send_error(HTTPStatus.REQUEST_TIMEOUT, f"the request has not come within {limits.seconds:g} seconds")
        self._flush()

    def handle_expect_100(self) -> bool:
        """Ask for a body only where it will be read: `_body` does."""
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse in JSON; what the parser of the library says is of the request's own words."""
        status = HTTPStatus(code)
        self.close_connection = True
        self._send(status, to_json({"error": brief(message or status.phrase, 300)}).encode() + b"\n", JSON)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing: a line for each request would be read by nobody."""

    def _answer(self) -> None:
        try:
            content, kind = self._reply()
        except RefusedError as error:
            if error.status.value >= 400 and self.command == "POST":
                self.close_connection = True  # of its body nothing, or not all, has been read
            content = to_json({"error": error.why}).encode() + b"\n"
            self._send(error.status, content, JSON, error.headers)
        else:
            self._send(HTTPStatus.OK, content, kind)

    def _reply(self) -> tuple[bytes, str]:
        """Return what answers the request, and of which type it is.

        Raises:
            RefusedError: nothing does.
        """
        path, has_query, _ = self.path.partition("?")
        self._check_host()
        if path not in _PATHS:
            known = " and ".join(f"{method} {name}" for name, method in _PATHS.items())
            raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no {brief(path)} here; there are {known}")
        if self.command != _PATHS[path] and (self.command, path) != ("HEAD", HEALTH):
            why = f"{path} is for {_PATHS[path]}"
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, why, {"Allow": _PATHS[path]})
        if has_query:
            why = "options are given where the server is started, not in the address"
            raise RefusedError(HTTPStatus.BAD_REQUEST, why)
        if path == HEALTH:
            if self.service.is_stopping:
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is stopping")
            return to_json(self.service.health()).encode() + b"\n", JSON
        return self._predicted()

    def _predicted(self) -> tuple[bytes, str]:
        kind = self._content_type()
        body = self._body()
        reader = self.service.reader
        try:
            if kind in LINES:
                return as_lines(self._records(reader.of_lines(body), len(body))), LINES[0]
            items, is_list = reader.of_json(body)
            return as_json(self._records(items, len(body)), is_list=is_list), JSON
        except BadBodyError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from None

    def _records(self, items: list[Item], size: int) -> list[dict[str, Any]]:
        again = {"Retry-After": str(_HTTP_AGAIN_S)}
        try:
            return self.service.answer(items, size)
        except Busy:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many rows are waiting; ask again", again) from None
        except TooLateError:
            why = f"the answer has taken longer than {self.service.limits.seconds:g} seconds; send fewer rows"
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, why, again) from None
        except FailedError as error:
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, f"computing has failed: {brief(error, 300)}") from None

    def _check_host(self) -> None:
        hosts = self.service.hosts
        name = self.headers.get("Host", "").rpartition("]")
        host = name[0].strip("[") if name[0] else name[2].partition(":")[0]
        if hosts is not None and host and host.casefold() not in hosts:
            why = f"{brief(host)} is not a name of this server, which answers to {' and '.join(sorted(hosts))}"
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, why)

    def _content_type(self) -> str:
        kind = self.headers.get_content_type() if "Content-Type" in self.headers else ""
        charset = str(self.headers.get_content_charset("utf-8"))
        if kind not in (*LINES, JSON) or charset.replace("_", "-") not in ("utf-8", "utf8"):
            why = f"the content type must be {LINES[0]} (JSON lines) or {JSON} (an object, or a list of them), in UTF-8"
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, why)
        if self.headers.get("Content-Encoding", "identity") != "identity":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a packed body is not read; send it as it is")
        return kind

    def _body(self) -> bytes:
        """Read the body, which says its length."""
        most = self.service.limits.body_bytes
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or not lengths:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "the request must have a Content-Length")
        if len(set(lengths)) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Content-Length is not a number")
        if len(lengths[0]) > 18 or int(lengths[0]) > most:
            why = f"the body is longer than {most:,} bytes; send several requests"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)
        if self.headers.get("Expect", "").casefold() == "100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is shorter than its Content-Length")
        return body

    def _send(self, status: HTTPStatus, content: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.close_connection = self.close_connection or self.service.is_stopping
        self.send_response(status)
        more = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(content)), **(headers or {})}
        for name, value in more.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self._flush()

    def _flush(self) -> None:
        """Send what has been written."""
        written = cast("io.BytesIO", self.wfile)
        if content := written.getvalue():
            written.seek(0)
            written.truncate()
            self._write(content)

    def _write(self, content: bytes) -> None:
        self.connection.settimeout(self.service.limits.seconds)
        self.connection.sendall(content)
