"""The places of a run on disk: its folder, and the hidden ones beside it while it is replaced.

A run that replaces another (`train --force`) is made in `.NAME.next`. At the end the old one
becomes `.NAME.old`, the new one gets the name, and the old one is deleted. A process that is
killed between the two renames leaves no NAME: whoever looks for the run next puts the old
one back, and `train --resume` puts the new one in its place.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bertkit.errors import BertkitError, RunError
from bertkit.files import exists, hidden_beside, is_file, read_bytes, sync
from bertkit.locks import LOCK, holder_of, kept_out

T = TypeVar("T")

MANIFEST = "bertkit.json"
CHECKPOINTS = "checkpoints"
SETUP = Path(CHECKPOINTS, "setup", "setup.json")
REQUEST = Path(CHECKPOINTS, "request.json")
# The lock of a run that is being deleted gets this name.
GONE = ".bertkit.gone"
# What each says that only bertkit would say.
_MARKS = {
    Path(MANIFEST): {"format_version", "task", "settings"},
    SETUP: {"config", "fingerprint", "placement"},
    REQUEST: {"format_version", "config", "lasting"},
}
# A living process is between the two renames for an instant only.
_PATIENCE_S, _PAUSE_S = 1.0, 0.02


def lasting(folder: Path) -> Path:
    """Return a folder's own place, with all links followed; it need not be there."""
    try:
        return Path(os.path.realpath(folder))
    except ValueError:  # a name that no folder can have
        return folder.absolute()


def next_of(folder: Path) -> Path:
    """Return where the run is made that will replace the one in a folder."""
    return hidden_beside(folder, "next")


def old_of(folder: Path) -> Path:
    """Return where a run lies that is being replaced."""
    return hidden_beside(folder, "old")


def is_whole(folder: Path) -> bool:
    """Tell whether a folder holds a whole run, damaged or not."""
    return is_file(folder / MANIFEST)


def is_there(folder: Path) -> bool:
    """Tell whether a whole run is there, put back if need be; for what may be a run or something else."""
    put_back(folder)
    return is_whole(folder)


def is_unfinished(folder: Path) -> bool:
    """Tell whether a folder holds a training that can be gone on with."""
    return not is_whole(folder) and any(read_marked(folder, name) for name in (SETUP, REQUEST))


def is_run(folder: Path) -> bool:
    """Tell whether bertkit has made a folder: one of its own files is there and says so."""
    return any(read_marked(folder, name) for name in _MARKS)


def read_marked(folder: Path, name: Path) -> dict[str, Any]:
    """Return what one of the files holds by which a run is known; nothing where it is not bertkit's.

    Raises:
        PlaceError: this user may not read it.
    """
    if not is_file(folder / name):  # a named pipe would be waited for
        return {}
    try:
        values = json.loads(read_bytes(folder / name))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) and _MARKS[name] <= values.keys() else {}


def resume_command(shown: Path) -> str:
    """Return the command that goes on with the training in a folder, ready for a shell."""
    return f"`bertkit train --resume --output {shlex.quote(str(shown))}`"


def put_back(folder: Path) -> None:
    """Give a run its name back that lost it when its training was killed in the middle of a swap.

    Where a living process is just swapping, that is waited for, for an instant. Nothing is done
    where something else has the name.

    Raises:
        RunError: the run lies beside its place, and this user may not move it.
    """
    place = lasting(folder)
    old, until = old_of(place), time.monotonic() + _PATIENCE_S
    while is_file(old / LOCK) and time.monotonic() < until:
        with kept_out(old) as is_free:
            if is_free:
                if not exists(place):
                    _rename(old, place, folder)
                return
        time.sleep(_PAUSE_S)


def read_steadily(folder: Path, read: Callable[[], T]) -> T:
    """Read a run that may lose its place to another at any moment: then that one is read instead.

    Args:
        folder: the run directory.
        read: reads it.

    Raises:
        BertkitError: what `read` raises of a run that stays where it is.
    """
    put_back(folder)
    before = _identity(folder)
    try:
        return read()
    except BertkitError:
        put_back(folder)
        if _identity(folder) == before:
            raise
    return read()


Identity = tuple[int, int] | None
"""What tells a folder from another of the same name; None where there is none."""


@contextmanager
def unchanged(folder: Path) -> Iterator[Identity]:
    """Read a run's files in the body, which belong together; gives what `refuse_replaced` asks for later on.

    Raises:
        RunError: another run took its place meanwhile.
    """
    before = _identity(folder)
    yield before
    refuse_replaced(folder, before)


def refuse_replaced(folder: Path, before: Identity) -> None:
    """Refuse to read on in a run that is no longer the one that was opened.

    Raises:
        RunError: another run has taken its place.
    """
    if before is not None and _identity(folder) != before:
        raise RunError(f"{folder}: was replaced by another run while it was read; run the command again.")


def why_no_run(folder: Path) -> str:
    """Say what is in a folder that holds no whole run, and what to do."""
    if not exists(folder):
        return f"{folder}: no such run directory; `bertkit train` makes one."
    if (holder := holder_of(folder)) is not None:
        return f"{folder}: is being trained by {holder} and has not finished; wait for it to end."
    place = lasting(folder)
    if is_unfinished(place) or is_run(next_of(place)):
        return f"{folder}: its training has not finished; go on with {resume_command(folder)}."
    return f"{folder}: is not a run directory (no {MANIFEST}); give one that `bertkit train` made."


def _rename(old: Path, place: Path, shown: Path) -> None:
    try:
        old.rename(place)
        sync(place.parent)
    except OSError as error:
        raise RunError(
            f"{shown}: its training was killed while it was put in place, and the run lies in {old} "
            f"({os.strerror(error.errno or 0)}); whoever may write there: {resume_command(shown)}."
        ) from error


def _identity(folder: Path) -> Identity:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
