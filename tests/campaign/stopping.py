"""bertkit, killed before the k-th change that it makes to the file system.

    python -m tests.campaign.stopping K FOLDER COMMAND…

Python tells a hook of every file that is opened for writing, renamed, made or removed; those
in FOLDER are counted. With K = 0 nothing is killed and the count goes to FOLDER/changes.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

CHANGES = "changes"
_EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Counter:
    """Counts changes below a folder and ends the process before one of them."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        self.folder, self.kill_at, self.changes = os.fsencode(folder), kill_at, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hear of an event."""
        is_change = event in _EVENTS or (event == "open" and (arguments[2] or 0) & _WRITING)
        if not is_change or not self._is_inside(arguments[0]):
            return
        self.changes += 1
        if self.changes == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_inside(self, path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return os.path.join(os.fsencode(os.getcwd()), os.fsencode(path)).startswith(self.folder)  # noqa: PTH109, PTH118 - a hook stays simple


def main() -> None:
    """Install the hook and become bertkit."""
    kill_at, folder = int(sys.argv[1]), Path(sys.argv[2]).resolve()
    sys.argv = ["bertkit", *sys.argv[3:]]
    from bertkit.cli.app import main as bertkit

    counter = Counter(folder, kill_at)
    sys.addaudithook(counter)
    try:
        bertkit()
    finally:
        if not kill_at:
            (folder / CHANGES).write_text(str(counter.changes), encoding="ascii")


if __name__ == "__main__":
    main()
