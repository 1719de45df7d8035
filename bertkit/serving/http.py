"""HTTP: POST rows to /predict, ask /health; everything else is refused in a sentence.

Python's own parser reads request line and headers. A page in somebody's browser cannot ask: its
scripts may send no JSON to another origin without being allowed to, which nobody is here, and
a name that has been bent to this machine's address is no name of the server's.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from bertkit import __version__
from bertkit.evaluation.answers import Item
from bertkit.plain import brief, to_json
from bertkit.serving.batcher import Busy, FailedError, TooLateError
from bertkit.serving.bodies import BadBodyError, as_json, as_lines
from bertkit.serving.connections import TimedReader
from bertkit.serving.service import Service

PREDICT, HEALTH = "/predict", "/health"
LINES = ("application/x-ndjson", "application/jsonl", "application/jsonlines", "application/json-lines")
JSON = "application/json"
_PATHS = {PREDICT: "POST", HEALTH: "GET"}
_LONGEST_REQUEST_LINE = 65_536
# Seconds after which who was refused for want of room may ask again.
_AGAIN_S = 1


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
        again = {"Retry-After": str(_AGAIN_S)}
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
            why = f"{brief(host)} is no name of this server, which answers to {' and '.join(sorted(hosts))}"
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
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
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
