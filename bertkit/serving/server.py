"""`predict --listen`: open the run once, answer at an address until a signal comes, and report."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import select
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertkit import bundle
from bertkit.compute.processes import interrupts, this_world
from bertkit.engines.opening import LARGE_INPUT
from bertkit.errors import OutputError, UsageError
from bertkit.evaluation.answers import Answerer, Chunk
from bertkit.evaluation.inputs import Note
from bertkit.evaluation.predict import PredictRequest, open_with
from bertkit.plain import brief
from bertkit.serving.http import HttpConversation, LineConversation, close, speaks_http
from bertkit.serving.service import Batcher, Limits, RowReader, Service
from bertkit.tokenization.health import FitWatch

# --- Where `predict --listen` answers: a port of this machine, or a socket in the file system -----
#
# An address that other machines reach is a decision, not a slip of the fingers: whoever reaches
# the port has all the run can say, and nobody is asked for a password.

FLAG = "--listen"
ANYWHERE = "--allow-remote"
# Bytes that the system has for the path of a socket (108 on Linux, 104 on macOS), its end included.
_LONGEST_PATH = 103
# Connections that may wait to be taken.
_BACKLOG = 128
_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:/]*):(?P<port>\d{1,5})")


@dataclass(frozen=True)
class Address:
    """A port of a host, or the path of a socket."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        """Write it as --listen takes it."""
        if self.path is not None:
            return str(self.path)
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name, which anybody's resolver may turn into anything
            return False


def parse_address(word: str, *, anywhere: bool = False) -> Address:
    """Read a value of --listen.

    Args:
        word: HOST:PORT (no host: this machine), or a path, which has a slash in it.
        anywhere: whether an address may be one that other machines reach.

    Raises:
        UsageError: it is neither, or it is reached by others and nobody said that it may be.
    """
    if "/" in word:
        if len(os.fsencode(word)) > _LONGEST_PATH:
            raise UsageError(f"{FLAG} {brief(word)}: the path of a socket has at most {_LONGEST_PATH} bytes.")
        return Address(path=Path(word))
    found = _PORT.fullmatch(word)
    if found is None or int(found["port"]) > 65_535:
        raise UsageError(
            f"{FLAG} {brief(word)}: must be HOST:PORT, as 127.0.0.1:8765 (port 0 takes a free one), "
            "or the path of a socket with a slash in it, as ./bertkit.sock."
        )
    address = Address(found["host"].strip("[]") or "127.0.0.1", int(found["port"]))
    if not (address.is_local or anywhere):
        raise UsageError(
            f"{FLAG} {brief(word)}: is an address that other machines reach, and no password is asked for; "
            f"take 127.0.0.1:{address.port}, or add {ANYWHERE}."
        )
    return address


@contextmanager
def listening(address: Address) -> Iterator[tuple[socket.socket, Address]]:
    """Give a socket that takes connections for the body, and its address with the port it has got.

    Raises:
        OutputError: the port is taken, the host is not this machine's, or something else lies
            at the path.
    """
    family, place = _resolved(address)
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        if address.path is None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _clear(address.path)
        _bind(found, place, address)
        if address.path is None:
            address = Address(address.host, found.getsockname()[1])
        yield found, address
    finally:
        found.close()
        if address.path is not None:
            with suppress(OSError):
                if stat.S_ISSOCK(address.path.lstat().st_mode):
                    address.path.unlink()


def _resolved(address: Address) -> tuple[int, str | tuple[str, int]]:
    if address.path is not None:
        return socket.AF_UNIX, str(address.path)
    host = "127.0.0.1" if address.host == "localhost" else address.host
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, address.port)


def _bind(found: socket.socket, place: str | tuple[str, int], address: Address) -> None:
    try:
        # Whoever may write to a socket may ask: its owner alone.
        old = os.umask(0o177) if address.path is not None else None
        try:
            found.bind(place)
        finally:
            if old is not None:
                os.umask(old)
        found.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror or error) if isinstance(error, OSError) else "there is no such host"
        way_on = "choose another path" if address.path else "choose another port, or 0 for a free one"
        raise OutputError(f"{FLAG} {brief(address)}: cannot be listened at ({reason}); {way_on}.") from error


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens at any more.

    Raises:
        OutputError: somebody does, or what is there is no socket.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:  # nothing is there; whatever else is wrong, binding will say
        return
    if not stat.S_ISSOCK(mode):
        raise OutputError(f"{FLAG} {brief(path)}: something else is there; choose another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(1)
        try:
            asked.connect(str(path))
        except OSError as error:
            if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
                with suppress(FileNotFoundError):
                    path.unlink()
                return
    raise OutputError(f"{FLAG} {brief(path)}: another process listens there; choose another path, or end it.")


# --- Takes connections, gives each a thread, and ends so that what has come is answered -----------

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


# --- `predict --listen`: open the run once, answer until a signal comes, and say what was done ----

# How many times a longest body may wait to be computed.
_WAITING_BODIES = 4


@dataclass(frozen=True)
class ListenRequest:
    """What `predict --listen` is asked beside what `predict` is.

    Raises:
        UsageError: an address or a limit that is none.
    """

    predict: PredictRequest
    listen: str
    anywhere: bool = False
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Check the words."""
        _ = self.address
        if self.limits.seconds <= 0:
            raise UsageError(f"--request-timeout {self.limits.seconds:g}: must be above 0.")

    @property
    def address(self) -> Address:
        """Where it listens."""
        return parse_address(self.listen, anywhere=self.anywhere)


@dataclass(frozen=True)
class Ready:
    """What a server says once it answers: where, which run, and which process it is."""

    listening: str
    run: str
    task: str
    process: int


@dataclass(frozen=True)
class Served:
    """What a server has done."""

    requests: int
    rows: int
    errors: int


def listen(request: ListenRequest, *, ready: Callable[[Ready], None], note: Note = lambda _: None) -> Served:
    """Answer requests until Ctrl-C or a termination signal comes; what has come by then is answered.

    Args:
        request: the run, the address and the limits.
        ready: is told once, when connections are taken.
        note: is told in a sentence what answers, and what goes wrong.

    Raises:
        UsageError: several processes are to share the work, or see `predict`.
        OutputError: the address cannot be had.
        RunError: no run is there, or it is damaged or newer.
    """
    if this_world().size > 1:
        raise UsageError("--listen: one process answers; start it without a launcher.")
    asked, settings = request.predict, bundle.load_manifest(request.predict.run).settings
    reader = RowReader.of(settings, asked.columns, asked.keep)
    with listening(request.address) as (listener, address):
        # What will be asked in all is as good as a large input, however small each request is.
        loaded, placement = open_with(asked, replace(asked.way, input_bytes=LARGE_INPUT), note)
        answerer = Answerer(
            loaded, placement, top_k=asked.top_k, batch_size=asked.batch_size, decisions=asked.decisions
        )
        batcher = Batcher(
            answerer,
            most_waiting=_WAITING_BODIES * request.limits.body_bytes,
            failed=lambda error: note(f"warning: computing an answer has failed ({brief(error)})"),
            seen=_Watch(FitWatch(loaded.tokenizer), note),
        )
        facts: dict[str, Any] = {
            "run": str(asked.run),
            "task": settings.task,
            "columns": list(settings.columns.inputs),
            "device": placement.device,
            "precision": placement.precision,
        }
        hosts = None if request.anywhere or address.path else frozenset({"localhost", "127.0.0.1", "::1", address.host})
        service = Service(reader, batcher, request.limits, facts, hosts)
        with interrupts() as interrupted, taking(listener, service):
            ready(Ready(str(address), str(asked.run), settings.task, os.getpid()))
            interrupted.wait()
        batcher.close()
    return Served(service.requests, service.rows, service.errors)


@dataclass
class _Watch:
    """Says once that the run's tokenizer does not fit what is asked."""

    fit: FitWatch
    note: Note
    has_said: bool = False

    def __call__(self, chunk: Chunk) -> None:
        """See rows that were answered."""
        if self.has_said:
            return
        self.fit.see([part for row in chunk.encoded for part in row.parts])
        if self.fit.misfit is not None:
            self.has_said = True
            self.note(f"warning: {self.fit.misfit}")
