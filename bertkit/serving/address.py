"""Where `predict --listen` answers: a port of this machine, or a socket in the file system.

An address that other machines reach is a decision, not a slip of the fingers: whoever reaches
the port has all the run can say, and nobody is asked for a password.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bertkit.errors import OutputError, UsageError
from bertkit.plain import brief

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
            f"{FLAG} {brief(word)}: is an address that other machines reach, and nobody is asked for a password; "
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
        reason = (error.strerror or error) if isinstance(error, OSError) else "no host is called so"
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
