"""What bertkit writes into a run directory, by name: all else in it belongs to somebody, and stays.

Nothing is deleted here but what the table names, at whatever depth. Links are not followed.
The same table says what no other output may be written over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.locks import LOCK
from bertkit.plain import quoted
from bertkit.run_folder import CHECKPOINTS, GONE, MANIFEST, REQUEST, is_run

# Patterns of names, each with what such a folder holds; None: it is a file.
Table = Mapping[str, Any]

_TOKENIZER: Table = {r"tokenizer(_config)?\.json": None}
_BASELINES: Table = {r"baselines\.(json|safetensors)": None}
_WEIGHTS: Table = {r"(model|optimizer)\.safetensors": None, r"state\.json": None}
_CHECKPOINTS: Table = {
    "setup": {r"setup\.json": None, **_TOKENIZER},
    r"(best|epoch|step)-\d+": _WEIGHTS,
    re.escape(REQUEST.name): None,
}
RUN: Table = {
    re.escape(MANIFEST): None,
    re.escape(LOCK): None,
    re.escape(GONE): None,
    r"(config|metrics)\.json": None,
    r"model\.safetensors": None,
    r"README\.md": None,
    r"dropped_pieces\.safetensors": None,
    r"folds\.jsonl?": None,
    r"validation\.jsonl": None,
    r"\.write-test": None,  # of earlier versions
    **_TOKENIZER,
    "baseline": {r"training_rows\.safetensors": None, "overlap": _BASELINES, **_BASELINES},
    "events": {
        r"events\.out\.tfevents\..*": None,
        r"projector_config\.pbtxt": None,
        r"\d+": {"validation|words": {r"(tensors|metadata)\.tsv": None}},
    },
    CHECKPOINTS: _CHECKPOINTS,
}
_NAMED = 3
_TEMPORARY = re.compile(r"\.(.+)\.tmp")


@dataclass(frozen=True)
class _Found:
    """Something in a folder: its path from there, and whether bertkit writes such a thing."""

    parts: tuple[str, ...]
    is_folder: bool
    is_ours: bool

    def __str__(self) -> str:
        return "/".join(self.parts) + "/" * self.is_folder

    @property
    def is_temporary(self) -> bool:
        """Whether a process that was killed had not yet given it its name."""
        return any(_TEMPORARY.fullmatch(part) for part in self.parts)


def strangers(folder: Path) -> list[str]:
    """List what is in a run directory and not bertkit's, relative to it, at any depth.

    Raises:
        OSError: it cannot be looked into.
    """
    return [str(found) for found in _walk(folder, RUN) if not found.is_ours]


def run_around(path: Path) -> Path | None:
    """Return the run directory that a file is a part of, or None; its last links are followed.

    Raises:
        PlaceError: a folder above it may not be looked into.
    """
    path = Path(os.path.realpath(path))
    for depth, folder in enumerate(path.parents, start=1):
        parts, table = path.parts[-depth:], RUN
        for part in parts:
            inner = next((inner for pattern, inner in table.items() if re.fullmatch(pattern, part)), table)
            if inner is table:
                break
            table = inner or {}
        else:
            if is_run(folder):
                return folder
    return None


def named(names: list[str]) -> str:
    """Name a few files, and say how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(quoted(name) for name in names[:_NAMED]) + f" and {more:,} more" * (more > 0)


def is_bare(folder: Path) -> bool:
    """Tell whether a folder is empty, or has been left so by a process of bertkit that did nothing in it.

    Raises:
        OSError: it cannot be looked into.
    """
    there = list(_walk(folder, RUN))
    work = [found for found in there if not (found.is_ours and (found.is_folder or found.is_temporary))]
    return not there or [found.parts for found in work] == [(LOCK,)]


def remove(folder: Path) -> None:
    """Delete what bertkit has written into a run directory, and the directory if nothing else is in it.

    Before anything else the lock's file becomes the mark of a run that is given up, and what makes
    a run whole goes, so that half of one is never taken for a run; the mark goes last. What cannot
    be deleted stays.
    """
    with suppress(OSError):
        (folder / LOCK).replace(folder / GONE)
    with suppress(OSError):
        (folder / MANIFEST).unlink()
    _remove(folder, RUN, lambda found: found.parts != (GONE,))
    with suppress(OSError):
        if not any(path.name != GONE for path in folder.iterdir()):
            (folder / GONE).unlink(missing_ok=True)
    _rmdir(folder)


def remove_checkpoints(folder: Path, *, keep: Collection[str] = ()) -> None:
    """Delete checkpoints, all but some; the folder too, if nothing is left in it."""
    _remove(folder, _CHECKPOINTS, lambda found: found.parts[0] not in keep)
    _rmdir(folder)


def remove_temporaries(folder: Path) -> None:
    """Delete what a process that was killed had not yet given its name."""
    _remove(folder, RUN, lambda found: found.is_temporary)


def _walk(folder: Path, table: Table, above: tuple[str, ...] = ()) -> Iterator[_Found]:
    """Yield what is in a folder and in those of its folders that are ours, a folder before what it holds."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        is_ours, inner = _look_up(entry, table)
        found = _Found((*above, entry.name), entry.is_dir(follow_symlinks=False), is_ours)
        yield found
        if is_ours and found.is_folder:
            yield from _walk(folder / entry.name, inner, found.parts)


def _look_up(entry: os.DirEntry[str], table: Table) -> tuple[bool, Table]:
    """Tell whether a table names an entry, and what it says of the inside."""
    temporary = _TEMPORARY.fullmatch(entry.name)
    for name in (entry.name, *((temporary[1],) if temporary else ())):
        for pattern, inner in table.items():
            if re.fullmatch(pattern, name):
                is_folder = entry.is_dir(follow_symlinks=False)
                return entry.is_symlink() or is_folder == (inner is not None), inner or {}
    return False, {}


def _remove(folder: Path, table: Table, wanted: Callable[[_Found], bool]) -> None:
    with suppress(OSError):
        for found in reversed(list(_walk(folder, table))):
            if found.is_ours and wanted(found):
                place = folder.joinpath(*found.parts)
                if found.is_folder:
                    _rmdir(place)
                else:
                    with suppress(OSError):
                        place.unlink()


def _rmdir(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
