"""Where a run goes: the output folder, and what may happen to what is there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from bertkit.bundle import MANIFEST
from bertkit.config import TrainConfig
from bertkit.errors import OutputError
from bertkit.training.checkpoint import FOLDER


def choose_output(config: TrainConfig) -> Path:
    """Return the run directory of a request; nothing is written.

    Without --output it is runs/<data>-<model>, with a number if that is taken; with
    --resume, the one that holds an unfinished run.

    Raises:
        OutputError: the folder is not empty and neither --force nor --resume is given, or
            it is no folder.
    """
    place = Path(config.output) if config.output else _default(config)
    if place.exists() and not place.is_dir():
        raise OutputError(f"--output {place}: is a file, not a folder; choose another name.")
    if place.is_dir() and any(place.iterdir()) and not (config.force or config.resume):
        raise OutputError(f"--output {place}: is not empty; add --force to replace it or --resume to go on with it.")
    if config.force and place.is_dir() and not _is_ours(place):
        raise OutputError(f"--output {place}: holds files that are no run of bertkit; --force does not delete them.")
    return place


def open_output(place: Path, *, replace_old: bool) -> None:
    """Make the run directory; an old run in it is deleted if `replace_old`.

    Raises:
        OutputError: it cannot be made or written.
    """
    try:
        if replace_old and place.is_dir():
            # The manifest goes first: a half-deleted run must not look whole.
            (place / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(place)
        place.mkdir(parents=True, exist_ok=True)
        probe = place / ".write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"--output {place}: cannot be written ({error.strerror}); choose another folder.") from error


def is_finished(place: Path) -> bool:
    """Whether the folder holds a whole run."""
    return (place / MANIFEST).is_file()


def _is_ours(place: Path) -> bool:
    entries = {entry.name for entry in place.iterdir()}
    return not entries or MANIFEST in entries or FOLDER in entries


def _default(config: TrainConfig) -> Path:
    first = config.data[0] if config.data else "run"
    words = [Path(first.replace("sample:", "")).name or first, Path(config.model).name]
    name = re.sub(r"[^\w.-]+", "-", "-".join(words)).strip("-")
    base = Path("runs") / name
    candidates = [base, *(base.with_name(f"{name}-{n}") for n in range(2, 10_000))]
    if config.resume:
        unfinished = [c for c in candidates if (c / FOLDER).is_dir() and not is_finished(c)]
        return unfinished[0] if unfinished else base
    if config.force:
        return base
    return next(c for c in candidates if not c.exists() or not any(c.iterdir()))
