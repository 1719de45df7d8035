"""What an output must not be written over, said before any work: --force replaces results, not what is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bertkit.errors import OutputError
from bertkit.files import exists, is_dir, is_file, is_standard_output
from bertkit.ours import run_around
from bertkit.plain import brief
from bertkit.run_folder import is_run

_STDIN = 0


def check_outputs(
    outputs: Mapping[str, Path | None],
    reads: Iterable[str | Path],
    *,
    force: bool,
    folders: Mapping[str, Path | None] | None = None,
) -> None:
    """Refuse outputs that cannot be written, or that would be written over what must stay.

    Args:
        outputs: files to write, by the flags that name them; None: not asked for.
        reads: what the command reads: files, folders of models, - for standard input.
        force: whether files that are there may be replaced.
        folders: folders to write into, by flag; looked at only for being a file's place, too.

    Raises:
        OutputError: a file is there and `force` is not given, is a folder, or is in none; two
            flags name one place; the command reads the file, or it is a part of a run.
        PlaceError: a folder on the way may not be looked into.
    """
    files = {flag: path for flag, path in outputs.items() if path is not None}
    _refuse_twins({**files, **{flag: path for flag, path in (folders or {}).items() if path is not None}})
    read = list(reads)
    for flag, path in files.items():
        shown = f"{flag} {brief(path, 300)}"
        if is_dir(path):
            raise OutputError(f"{shown}: is a folder; name a file in it.")
        if not exists(path):
            _refuse_place(path, shown)
        elif is_file(path) and not is_standard_output(path.stat()):  # a device or a pipe is written to as it is
            if not force:
                raise OutputError(f"{shown}: exists; add --force to replace it.")
            _refuse_read(path, shown, read)


def _refuse_twins(places: Mapping[str, Path]) -> None:
    seen: dict[str, str] = {}
    for flag, path in places.items():
        place = os.path.realpath(path)
        if place in seen and not (exists(path) and not is_file(path) and not is_dir(path)):
            raise OutputError(f"{flag} {brief(path, 300)}: is what {seen[place]} names, too; name another.")
        seen[place] = flag


def _refuse_place(path: Path, shown: str) -> None:
    """Say now that there is no such folder, and not when all is computed."""
    folder = Path(os.path.realpath(path)).parent
    if not is_dir(folder):
        what = "is no folder" if exists(folder) else "is not there; make it"
        raise OutputError(f"{shown}: cannot be written (the folder {brief(folder, 300)} {what}).")


def _refuse_read(path: Path, shown: str, reads: Iterable[str | Path]) -> None:
    for name in reads:
        if any(os.path.samestat(path.stat(), found) for found in _stats(name)):
            what = "standard input" if str(name) == "-" else brief(name, 300)
            raise OutputError(f"{shown}: the command reads {what}, and --force would replace it; name another file.")
        if is_dir(Path(name)) and not is_run(Path(name)) and _is_in(path, Path(name)):
            raise OutputError(f"{shown}: is in {brief(name, 300)}, which the command reads; name another file.")
    run = run_around(path)
    if run is not None:
        raise OutputError(f"{shown}: is a part of the run {brief(run, 300)}; name another file.")


def _stats(name: str | Path) -> Iterator[os.stat_result]:
    try:
        found = os.fstat(_STDIN) if str(name) == "-" else Path(name).stat()
    except (OSError, ValueError):  # whoever reads it will say so
        return
    if stat.S_ISREG(found.st_mode):
        yield found


def _is_in(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents
