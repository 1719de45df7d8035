"""One process at a time in a folder: a lock that the operating system takes back when a process dies.

The lock is held on a file in the folder, so it goes where the folder goes, whatever name or
link leads there. A file that a dead process has left is not a lock. Where the file system
knows no locks, nobody is kept out.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bertkit.errors import OutputError
from bertkit.files import exists

LOCK = ".bertkit.lock"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF})
# Whoever asks who holds a lock holds it for a moment: a few tries, so far apart, tell that from work.
_TRIES, _PAUSE_S = 5, 0.05
_FOLDER_TRIES = 100


class Occupied(OutputError):  # noqa: N818 - it is a state, not a fault
    """Another process works in the folder."""


@dataclass(frozen=True)
class Lock:
    """A lock that is held until it is released, or until this process ends."""

    path: Path
    descriptor: int

    def release(self, *renamed: Path) -> None:
        """Give the lock back and remove its file; `renamed` are names that its folder may have got."""
        for path in (self.path, *(folder / LOCK for folder in renamed)):
            with suppress(OSError):
                if _is_at(self.descriptor, path):
                    path.unlink()
        os.close(self.descriptor)


def take(folder: Path, shown: Path) -> Lock:
    """Lock a folder for this process.

    Args:
        folder: where the lock lies.
        shown: the folder as the user wrote it.

    Raises:
        Occupied: another process holds the lock; the message names it.
        OSError: there is no such folder, or it cannot be written.
    """
    path, tries = folder / LOCK, _TRIES
    while True:
        descriptor = _opened(path)
        try:
            is_held = _try(descriptor)
            if is_held and _is_at(descriptor, path):
                _sign(descriptor)
                return Lock(path, descriptor)
            holder = _name(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if is_held:  # its last holder has removed it meanwhile
            continue
        tries -= 1
        if not tries:
            raise occupied(shown, holder)
        time.sleep(_PAUSE_S)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait until no other process is in the body; the file that is locked stays.

    Args:
        path: a file, made where it is missing.

    Raises:
        OSError: it cannot be made.
    """
    descriptor = _opened(path)
    try:
        with suppress(OSError):  # a file system without locks keeps nobody out
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def held(folder: Path, shown: Path, *, renamed: Path | None = None) -> Iterator[None]:
    """Make a folder, and those above it, and lock it for the body; what was made and is left empty goes again.

    Args:
        folder: where the lock lies.
        shown: the folder as the user wrote it.
        renamed: a name that the body may give the folder.

    Raises:
        Occupied: another process holds the lock.
        OSError: the folder cannot be made or written.
    """
    with ExitStack() as stack:
        for _ in range(_FOLDER_TRIES):
            made = _make_folders(folder)
            stack.callback(_remove_folders, made)
            with suppress(FileNotFoundError):  # its last holder took the folder away
                lock = take(folder, shown)
                break
        else:
            raise OutputError(
                f"{shown}: appears and disappears while it is read; check which other processes work there."
            )
        stack.callback(lock.release, *([renamed] if renamed else []))
        yield


def occupied(shown: Path, holder: str) -> Occupied:
    """Build the error for a folder that another process works in."""
    return Occupied(f"{shown}: is being trained by {holder}; wait for it to end, or choose another --output.")


def holder_of(folder: Path) -> str | None:
    """Name the process that holds the lock of a folder; None where no living one does."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except (OSError, ValueError):  # nothing is there, or no folder can have the name
        return None
    try:
        return None if _try(descriptor, shared=True) else _name(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


@contextmanager
def kept_out(folder: Path) -> Iterator[bool]:
    """Keep others out of a folder for the body, if nobody is in it; tells whether that is so.

    A folder without the file of a lock counts as one that somebody is in.
    """
    try:
        descriptor = _opened(folder / LOCK, make=False)
    except OSError:
        yield False
        return
    try:
        yield _try(descriptor) and _is_at(descriptor, folder / LOCK)
    finally:
        os.close(descriptor)


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; returns those that were not there, from above."""
    missing: list[Path] = []
    while not exists(folder):
        missing.insert(0, folder)
        folder = folder.parent
    made: list[Path] = []
    try:
        for path in missing:
            with suppress(FileExistsError):
                path.mkdir()
                made.append(path)
    except BaseException:
        _remove_folders(made)
        raise
    return made


def _remove_folders(made: list[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):  # somebody has put something there
            path.rmdir()


def _opened(path: Path, *, make: bool = True) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if make else 0), 0o666)
    except PermissionError as error:  # the file of a colleague's process that has died: it can be held all the same
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:  # there is none, and the folder is a colleague's
            raise error from None


def _try(descriptor: int, *, shared: bool = False) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether an open file is still the one of that name: its holder removes it at the end."""
    mine = os.fstat(descriptor)
    try:
        there = path.stat(follow_symlinks=False)
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _sign(descriptor: int) -> None:
    with suppress(OSError):  # on a full disk the lock holds, and nobody knows whose it is
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {platform.node()}\n".encode(errors="replace"), 0)


def _name(descriptor: int) -> str:
    number, _, machine = os.pread(descriptor, 300, 0).decode("utf-8", errors="replace").strip().partition(" ")
    if not number.isdecimal():
        return "another process"
    return f"process {number}" + f" on {machine}" * (machine != platform.node())
