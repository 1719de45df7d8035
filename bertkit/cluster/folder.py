"""The folder that parts are written to: what they are parts of, and which of them are there.

`manifest.json` is written before the first part and says what every answer depends on: the
bytes of the run and of the inputs, where they are cut, and the options. A part gets its name
when all of it is on the disk. So a part that is there is whole, and belongs to the manifest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit import __version__
from bertkit.cluster.parts import FilePlan, Part
from bertkit.errors import DataError, OutputError
from bertkit.evaluation.answers import Record
from bertkit.evaluation.going_on import Written, read_written
from bertkit.files import entries, exists, is_dir, is_file, temporary, write_errors, write_json, writing
from bertkit.kinds import MisfitError, read_object
from bertkit.locks import LOCK, held
from bertkit.ours import RUN
from bertkit.plain import brief, listed, to_json

MANIFEST = "manifest.json"
FORMAT = 1
_PART = re.compile(r"\.?part-\d{6,}\.jsonl(\.tmp)?")
# What of a run answers depend on: its files by name, and those of its baselines.
_NO_ANSWERS = ("README.md", "metrics.json", "folds.json", "folds.jsonl", LOCK)


@dataclass(frozen=True)
class Wanted:
    """What the answers of a folder are of."""

    run: str
    files: tuple[FilePlan, ...]
    options: dict[str, Any]

    @property
    def parts(self) -> list[Part]:
        """All parts in the order of the rows."""
        return [part for file in self.files for part in file.parts]

    def to_json(self) -> dict[str, Any]:
        """Write it as the manifest has it."""
        return {
            "format": FORMAT,
            "bertkit": __version__,
            "run": self.run,
            "options": self.options,
            "inputs": [file.to_json() for file in self.files],
        }


def part_name(number: int) -> str:
    """Name a part by its place, from 0: names in their order are the rows in theirs."""
    return f"part-{number:06d}.jsonl"


def run_digest(run: Path) -> str:
    """Hash all that a run answers by."""
    found = hashlib.blake2b(digest_size=16)
    for path in _files_of(run):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        found.update(f"{path.relative_to(run)} {digest}\n".encode())
    return found.hexdigest()


def _files_of(run: Path) -> Iterator[Path]:
    for path in entries(run):
        known = any(re.fullmatch(name, path.name) for name in (*RUN, r".*\.(onnx|json|data)"))
        if is_file(path) and known and path.name not in _NO_ANSWERS:
            yield path
    if is_dir(run / "baseline"):
        yield from (path for path in sorted((run / "baseline").rglob("*")) if is_file(path))


@contextmanager
def taken(folder: Path, *, force: bool, resume: bool) -> Iterator[None]:
    """Hold a folder for the body; nobody else writes there meanwhile.

    Raises:
        OutputError: it is a file, or holds something, and neither --force nor --resume is given;
            or --force would delete what bertkit has not written.
    """
    shown = f"--output {brief(folder, 300)}"
    if exists(folder) and not is_dir(folder):
        raise OutputError(f"{shown}: is a file; --ray writes a folder of parts.")
    with write_errors(folder, "--output"), held(folder, folder):
        there = [path for path in entries(folder) if path.name != LOCK]
        if there and not (force or resume):
            raise OutputError(f"{shown}: is not empty; add --resume to go on with it, or --force to begin anew.")
        ours = [path for path in there if path.name == MANIFEST or _PART.fullmatch(path.name)]
        if others := [path.name for path in there if path not in ours]:
            raise OutputError(f"{shown}: holds what is no part of an answer ({listed(others)}); choose another folder.")
        if force and not resume:
            for path in sorted(ours, key=lambda each: each.name != MANIFEST):
                path.unlink()
        yield


def begin(folder: Path, wanted: Wanted) -> None:
    """Write the manifest, or hold what is wanted against the one that is there.

    Raises:
        DataError: it is of another run, other inputs or options.
        OutputError: it cannot be written.
    """
    path, now = folder / MANIFEST, wanted.to_json()
    if not is_file(path):
        if any(_PART.fullmatch(each.name) for each in entries(folder)):
            raise DataError(f"{folder}: has parts and no {MANIFEST}, so nobody knows of what; start over with --force.")
        with write_errors(path, "--output"):
            write_json(path, now, indent=None)
        return
    try:
        then = read_object(path)
    except MisfitError as error:
        raise DataError(f"{path}: {error}; start over with --force.") from error
    changed = [name for name in now if to_json(now[name]) != to_json(then.get(name))]
    if changed:
        raise DataError(
            f"--resume: {folder} was begun with {_said(changed, now, then)}, so its parts and new ones would not "
            "belong together; nothing was changed. Start over with --force, or choose another folder."
        )


def _said(changed: Sequence[str], now: dict[str, Any], then: dict[str, Any]) -> str:
    if "options" in changed and isinstance(before := then.get("options"), dict):
        names = [f"--{name.replace('_', '-')}" for name, value in now["options"].items() if value != before.get(name)]
        return f"another {listed(names, quotes=False)}"
    words = {"inputs": "other inputs", "run": "another run (or it has changed)", "bertkit": "another bertkit"}
    return listed([words.get(name, f"another {name}") for name in changed], quotes=False)


def written(folder: Path, number: int) -> Written | None:
    """Look at a part that is there, whole; None where it is not.

    Raises:
        DataError: it is no part.
    """
    path = folder / part_name(number)
    if not is_file(path):
        return None
    temporary(path).unlink(missing_ok=True)
    return read_written(path, "jsonl") or Written(path, 0, 0)


def write_part(folder: Path, number: int, blocks: Iterator[list[Record]]) -> None:
    """Write a part, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with writing(folder / part_name(number), "--output") as stream:
        for records in blocks:
            stream.write("".join(f"{to_json(record)}\n" for record in records))
