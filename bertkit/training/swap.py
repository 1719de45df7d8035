"""Put a run in the place of another: at every moment one of the two has the name, or gets it back."""

from __future__ import annotations

import errno
import time
from pathlib import Path

from bertkit.errors import OutputError
from bertkit.files import exists, sync
from bertkit.ours import named, remove, strangers
from bertkit.run_folder import old_of, resume_command

# Another process that starts in the instant when nothing has the name makes a folder of that
# name, sees its mistake, and takes it away.
_PATIENCE_S, _PAUSE_S = 5.0, 0.02


def swap_in(new: Path, place: Path, shown: Path) -> None:
    """Give a finished run the name of the one it replaces, and delete that.

    Both must be locked by this process.

    Args:
        new: the finished run, beside its place.
        place: the run it replaces.
        shown: the same as the user wrote it.

    Raises:
        OutputError: somebody has put files there that are not bertkit's; nothing is changed.
        OSError: a folder cannot be renamed; nothing is changed.
    """
    if foreign := strangers(place):
        raise OutputError(
            f"{shown}: holds {named(foreign)} that bertkit has not written, so the new run, which is whole, "
            f"stays in {new}; move them away, then {resume_command(shown)}."
        )
    old = old_of(place)
    place.rename(old)  # nothing between this and the next that could take time
    try:
        _rename(new, place)
    except BaseException:
        if not exists(place):
            old.rename(place)
        raise
    sync(place.parent)
    remove(old)


def _rename(new: Path, place: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            new.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
