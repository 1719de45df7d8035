"""What bertkit keeps on disk to spare itself work: one folder, made again by whoever finds it gone.

A part of it is a folder that is written beside its place and then renamed, so that what has a
name is whole. What a killed process has left beside it is thrown away, never read.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bertkit.files import is_dir, put_in_place, sync_tree, temporary, write_errors

VARIABLE = "BERTKIT_CACHE"


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
    with write_errors(folder, way_on=f"check space and rights, or name another folder with {VARIABLE}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process writes the part; where a file system knows no locks, nobody is waited for."""
    with (folder.parent / f".{folder.name}.lock").open("ab") as held:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
