"""Folders of figures: never half-written, never replaced unasked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from bertkit.errors import OutputError
from bertkit.files import exists, is_dir, replacing, write_errors
from bertkit.plain import brief

PLOTS = "--plots"


def refuse_figures(folder: Path | None, names: Iterable[str], *, force: bool) -> None:
    """Refuse to replace figures, and to write into what is no folder.

    Raises:
        OutputError: `folder` is a file, or holds one of the names and --force is not given.
    """
    if folder is None:
        return
    if exists(folder) and not is_dir(folder):
        raise OutputError(f"{PLOTS} {brief(folder, 300)}: is a file; name a folder.")
    there = next((name for name in names if exists(folder / name)), None)
    if there is not None and not force:
        raise OutputError(f"{PLOTS} {brief(folder, 300)}: {there} exists; add --force to replace it.")


def write_figures(folder: Path, figures: Mapping[str, bytes]) -> None:
    """Write pictures into a folder, which is made where it is missing: all of them, or none.

    Raises:
        OutputError: it cannot be written.
    """
    is_new = not exists(folder)
    with write_errors(folder, PLOTS, way_on="choose another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            # They get their names when the last one is written.
            with ExitStack() as written:
                for name, picture in figures.items():
                    written.enter_context(replacing(folder / name)).write_bytes(picture)
        except OSError:
            if is_new:
                with suppress(OSError):
                    folder.rmdir()
            raise
