"""Where an export is made and put: whole or not at all, and nothing of others is deleted."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bertkit.errors import OutputError
from bertkit.files import exists, hidden_beside, is_dir, sync, sync_tree, write_errors
from bertkit.plain import listed
from bertkit.run_folder import MANIFEST, lasting

_WAY_ON = "choose another folder"
# What an export holds, by the path in it.
_OURS = re.compile(
    r"(config|bertkit|onnx|tokenizer|tokenizer_config)\.json|README\.md|dropped_pieces\.safetensors|model\.(safetensors|onnx)"
    r"|baseline/(overlap/)?(baselines\.(json|safetensors)|training_rows\.safetensors)"
)


def check_place(place: Path, run: Path, *, force: bool) -> None:
    """Refuse a folder whose content forbids an export.

    Args:
        place: --output.
        run: what is exported.
        force: whether an older export there may be replaced.

    Raises:
        OutputError: something is there, and --force is not given; or it is no export of bertkit,
            or the run itself.
    """
    if not exists(place) or _is_empty(place):
        return
    if lasting(place) == lasting(run):
        raise OutputError(f"--output {place}: is what is exported; {_WAY_ON}.")
    if not force:
        raise OutputError(f"--output {place}: exists; add --force to replace it, or {_WAY_ON}.")
    if not is_dir(place):
        raise OutputError(f"--output {place}: is a file, not a folder; choose another name.")
    names = list(_names(place))
    foreign = [name for name in names if not _OURS.fullmatch(name)]
    if MANIFEST not in names or foreign:
        example = f" ({listed(foreign[:3])})" if foreign else ""
        raise OutputError(f"--output {place}: is no export of bertkit{example}; --force leaves it alone: {_WAY_ON}.")


@contextmanager
def made_beside(place: Path) -> Iterator[Path]:
    """Give a folder to work in, which gets its name at the end; where that is not reached it is gone.

    Args:
        place: the folder's name; what is there (see `check_place`) makes way when the new one is ready.

    Raises:
        OutputError: it cannot be written.
    """
    lasting_place = lasting(place)
    beside = hidden_beside(lasting_place, f"{os.getpid()}.tmp")
    with write_errors(place, "--output", way_on=_WAY_ON):
        made = _make(beside)
        try:
            yield beside
            for folder in (*(path for path in sorted(beside.rglob("*"), reverse=True) if path.is_dir()), beside):
                sync_tree(folder)
            _put(beside, lasting_place)
            made = []
        finally:
            shutil.rmtree(beside, ignore_errors=True)
            for folder in reversed(made[:-1]):
                if _is_empty(folder):
                    folder.rmdir()


def _make(folder: Path) -> list[Path]:
    """Make a folder and those above it; returns the ones that were not there, from above."""
    missing = [path for path in (*reversed(folder.parents), folder) if not exists(path)]
    shutil.rmtree(folder, ignore_errors=True)  # of a killed process of the same number
    folder.mkdir(parents=True)
    return missing


def _put(beside: Path, place: Path) -> None:
    """Give the finished folder its name; if that fails, what was there has it back."""
    if not exists(place) or _is_empty(place):
        beside.replace(place)
        sync(place.parent)
        return
    old = hidden_beside(place, f"{os.getpid()}.old")
    place.rename(old)
    try:
        beside.rename(place)
    except BaseException:
        old.rename(place)
        raise
    sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _is_empty(place: Path) -> bool:
    return is_dir(place) and not any(place.iterdir())


def _names(place: Path) -> Iterator[str]:
    """Iterate the files in a folder, and the empty or linked folders, relative to it."""
    for path in sorted(place.rglob("*")):
        if path.is_symlink() or not path.is_dir() or _is_empty(path):
            yield path.relative_to(place).as_posix()
