"""bertkit's cache: one folder of files that can be made again.

A part of it is a folder that is written beside its place and then renamed, so that what has a
name is whole. What a killed process has left beside it is thrown away, never read.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bertkit.files import is_dir, put_in_place, sync_tree, temporary, write_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

VARIABLE = "BERTKIT_CACHE"
# What lies in which room, and how parts are called there: by digests.
_HOLDS = {"rows": "rows of a table", "encoded": "encoded rows", "engines": "the graph of a run"}
_ROOM, _ENTRY = re.compile(r"(rows|encoded)-\d+|engines"), re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_MODEL = re.compile(r"[\w.-]+-[0-9a-f]{12}-\d+")
# Rows of which a figure is computed at once.
ROWS_AT_ONCE = 1 << 16
_DAY_S, _FORGOTTEN_DAYS = 24 * 3600, 30
_WAY_ON = f"check disk space and permissions, or name another folder with {VARIABLE}"


def cache_folder() -> Path:
    """Return where the cache lies: BERTKIT_CACHE, or else bertkit/ among the user's caches."""
    if own := os.environ.get(VARIABLE):
        return Path(os.path.expandvars(own)).expanduser()
    usual = os.environ.get("XDG_CACHE_HOME")
    return (Path(usual) if usual else Path.home() / ".cache") / "bertkit"


def cached_already(name: str, is_sound: Callable[[Path], bool]) -> Path | None:
    """Return a part of the cache that is there and sound, else None."""
    folder = cache_folder() / name
    if not (is_dir(folder) and is_sound(folder)):
        return None
    with suppress(OSError):
        os.utime(folder)  # used
    return folder


def cached(name: str, write: Callable[[Path], None], is_sound: Callable[[Path], bool]) -> Path:
    """Return a part of the cache, written first where it is missing or not sound.

    Processes that want the same part wait for each other.

    Args:
        name: of the part; what it depends on (a digest, a version) is in it.
        write: fills an empty folder.
        is_sound: tells whether a folder holds what `write` would have written.

    Raises:
        OutputError: the cache cannot be written.
    """
    folder = cache_folder() / name
    if (found := cached_already(name, is_sound)) is not None:
        return found
    with write_errors(folder, way_on=_WAY_ON):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _drop_versions(folder.parent)
        _sweep(folder.parent)
        with _alone(folder):
            if is_dir(folder) and is_sound(folder):  # another process has written it meanwhile
                return folder
            beside = temporary(folder)
            try:
                for left in (beside, folder):
                    if is_dir(left):
                        shutil.rmtree(left)
                beside.mkdir()
                write(beside)
                sync_tree(beside)
                put_in_place(beside, folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    return folder


def scratch_array(shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    """Make an array whose pages the operating system can put away: its file has no name and is gone with it.

    Args:
        shape: of the array.
        kind: of its figures, as "float64".

    Raises:
        OutputError: the cache cannot be written, or there is no room.
    """
    import numpy as np

    folder = cache_folder()
    size = max(1, math.prod(shape) * np.dtype(kind).itemsize)
    with write_errors(folder, way_on=_WAY_ON), scratch_file() as stream:
        os.posix_fallocate(stream.fileno(), 0, size)  # a mapped page without room would end the process
        found: NDArray[Any] = np.asarray(np.memmap(stream, kind, "r+", shape=shape))
    return found


def row_by_row(make: Callable[..., Any], *columns: NDArray[Any], kind: str) -> NDArray[Any]:
    """Compute a figure of each row of columns; of many rows some at a time, into an array of `scratch_array`.

    Args:
        make: computes the figures of some rows, of which each depends on its own row alone.
        columns: of N rows each.
        kind: of the figures, as "float64".

    Returns:
        The figures, (N).

    Raises:
        OutputError: rows are many, and the cache cannot be written.
    """
    import numpy as np

    rows = len(columns[0])
    if rows <= ROWS_AT_ONCE:
        return np.asarray(make(*columns), kind)
    found = scratch_array((rows,), kind)
    for start in range(0, rows, ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        found[some] = make(*(column[some] for column in columns))
    return found


def scratch_file() -> IO[bytes]:
    """Open a file without a name, for what is written once and then looked at; it is gone when it is closed.

    Raises:
        OutputError: the cache cannot be written.
    """
    folder = cache_folder()
    with write_errors(folder, way_on=_WAY_ON):
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)


@dataclass(frozen=True)
class Part:
    """A part of the cache: its name, what it holds, its size in bytes, and the days since it was used."""

    name: str
    holds: str
    bytes: int
    days: int


def parts() -> Iterator[Part]:
    """List what is in the cache."""
    for path, holds in _parts():
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        days = int((time.time() - path.stat().st_mtime) / _DAY_S)
        yield Part(str(path.relative_to(cache_folder())), holds, size, days)


def clear() -> list[Part]:
    """Delete what is in the cache, but what a process is writing; return what it was.

    What a running command has opened stays there for it until it ends.

    Raises:
        OutputError: it cannot be deleted.
    """
    gone = []
    with write_errors(cache_folder(), way_on="check rights"):
        for part in list(parts()):
            with _alone(cache_folder() / part.name, wait=False) as is_alone:
                if is_alone:
                    shutil.rmtree(cache_folder() / part.name)
                    gone.append(part)
        for room in _rooms():
            _sweep(room)
            with suppress(OSError):
                room.rmdir()
    return gone


def _rooms() -> list[Path]:
    folder = cache_folder()
    return [path for path in sorted(folder.iterdir()) if _ROOM.fullmatch(path.name)] if is_dir(folder) else []


def _parts() -> Iterator[tuple[Path, str]]:
    """Find what is bertkit's own: the folder may be one that holds other things, too."""
    for room in _rooms():
        holds = _HOLDS[room.name.partition("-")[0]]
        yield from ((path, holds) for path in sorted(room.iterdir()) if _ENTRY.fullmatch(path.name))
    if is_dir(cache_folder()):
        models = (path for path in sorted(cache_folder().iterdir()) if _MODEL.fullmatch(path.name))
        yield from ((path, "an unpacked model") for path in models)


def _drop_versions(room: Path) -> None:
    """Delete what other versions have laid out otherwise."""
    kind = room.name.partition("-")[0]
    for other in _rooms():
        if other != room and kind in _HOLDS and other.name.partition("-")[0] == kind:
            shutil.rmtree(other, ignore_errors=True)


def _sweep(room: Path) -> None:
    """Delete half of what a killed process wrote, and what nobody has used for long."""
    for path in sorted(room.iterdir()) if _ROOM.fullmatch(room.name) else ():
        name = path.name.removeprefix(".").removesuffix(".tmp")
        is_half = path == temporary(room / name)
        is_part = _ENTRY.fullmatch(path.name) is not None
        with suppress(OSError):
            is_forgotten = is_part and time.time() - path.stat().st_mtime > _FORGOTTEN_DAYS * _DAY_S
            if is_half or is_forgotten:
                with _alone(room / name, wait=False) as is_alone:
                    if is_alone:
                        shutil.rmtree(path)


@contextmanager
def _alone(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Keep other processes from writing a part; where a file system knows no locks, nobody is waited for.

    The file that is locked is gone afterwards, so that nothing is left beside the parts.

    Args:
        folder: the part.
        wait: whether to wait for another process; else the body is told that there is one (False).
    """
    path = folder.parent / f".{folder.name}.lock"
    while True:
        with path.open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError:
                yield True
                return
            if not _is_at(path, held.fileno()):  # whoever had it has deleted it: another file is locked now
                continue
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)
            return


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
