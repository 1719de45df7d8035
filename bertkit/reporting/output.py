"""Folders of figures: never half-written, never replaced unasked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from bertkit.errors import OutputError
from bertkit.files import exists, is_dir, write_bytes, write_errors

PLOTS = "--plots"


def refuse_figures(folder: Path | None, names: Iterable[str], *, force: bool) -> None:
    """Refuse to replace figures, and to write into what is no folder.

    Raises:
        OutputError: `folder` is a file, or holds one of the names and --force is not given.
    """
    if folder is None:
        return
    if exists(folder) and not is_dir(folder):
        raise OutputError(f"{PLOTS} {folder}: is a file; name a folder.")
    there = next((name for name in names if exists(folder / name)), None)
    if there is not None and not force:
        raise OutputError(f"{PLOTS} {folder}: {there} exists; add --force to replace it.")


def write_figures(folder: Path, figures: Mapping[str, bytes]) -> None:
    """Write pictures into a folder, which is made where it is missing.

    Raises:
        OutputError: it cannot be written.
    """
    with write_errors(folder, PLOTS, way_on="choose another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in figures.items():
            write_bytes(folder / name, picture)
