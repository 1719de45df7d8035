"""The folder of a run on disk: which files are bertkit's own, and which must not be overwritten."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bertkit.errors import BertkitError, OutputError, RunError
from bertkit.files import exists, hidden_beside, is_dir, is_file, is_standard_output, read_bytes, sync
from bertkit.locks import LOCK, holder_of, kept_out
from bertkit.plain import brief, quoted, shell_words, stdin_is_kept

# --------------------------------------------------------------------------------------------------
# The `model_type` of a run's config.json: an architecture, or a sentence where transformers must not open the run.
#
# transformers chooses its class by this word and prints it where it does not know it. A run that
# it would answer otherwise than bertkit therefore carries a sentence there, and keeps its own
# word under another key.

MODEL_TYPE, OWN_MODEL_TYPE = "model_type", "bertkit_model_type"


def with_sentence(config: Mapping[str, Any], sentence: str) -> dict[str, Any]:
    """Put a sentence in the place of a config's architecture, which is kept under a key of ours."""
    return {**config, MODEL_TYPE: sentence, OWN_MODEL_TYPE: config[MODEL_TYPE]}


def restored(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config.json with its architecture in its own place, whether a sentence stood there or not."""
    values = dict(config)
    if OWN_MODEL_TYPE in values:
        values[MODEL_TYPE] = values.pop(OWN_MODEL_TYPE)
    return values


# --- The places of a run on disk: its folder, and the hidden ones beside it while it is replaced --
#
# A run that replaces another (`train --force`) is made in `.NAME.next`. At the end the old one
# becomes `.NAME.old`, the new one gets the name, and the old one is deleted. A process that is
# killed between the two renames leaves no NAME: whoever looks for the run next puts the old
# one back, and `train --resume` puts the new one in its place.

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
    # What came on standard input has to be sent once more.
    train = "cat ROWS | bertkit train -" if stdin_is_kept() else "bertkit train"
    return f"`{train} --resume --output {shlex.quote(str(shown))}`"


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
        return f"{folder}: its training has not finished; continue with {resume_command(folder)}."
    if inside := _runs_in(folder):
        return f"{folder}: is a folder of runs and not one of them; name one, such as {shell_words([inside[0]])}."
    return f"{folder}: is not a run directory (no {MANIFEST}); give one that `bertkit train` made."


def _runs_in(folder: Path) -> list[str]:
    """Return the runs that stand right in a folder, by their names."""
    try:
        return sorted(str(path) for path in folder.iterdir() if is_whole(path)) if is_dir(folder) else []
    except OSError:
        return []


def _rename(old: Path, place: Path, shown: Path) -> None:
    try:
        old.rename(place)
        sync(place.parent)
    except OSError as error:
        raise RunError(
            f"{shown}: its training was killed while it was put in place, and the run is in {old} "
            f"({os.strerror(error.errno or 0)}); someone with write access should run: {resume_command(shown)}."
        ) from error


def _identity(folder: Path) -> Identity:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


# --- What bertkit writes into a run directory, by name: all else in it belongs to somebody, and stays
#
# Nothing is deleted here but what the table names, at whatever depth. Links are not followed.
# The same table says what no other output may be written over.

# Patterns of names, each with what such a folder holds; None: it is a file.
Table = Mapping[str, Any]

_TOKENIZER: Table = {r"tokenizer(_config)?\.json": None}
_BASELINES: Table = {r"baselines\.(json|safetensors)": None}
_WEIGHTS: Table = {r"(model|optimizer)\.safetensors": None, r"state\.json": None}
_CHECKPOINTS: Table = {
    "setup": {r"setup\.json": None, **_TOKENIZER},
    r"(best|epoch|step|soup)-\d+": _WEIGHTS,
    r"member-\d+": {CHECKPOINTS: {r"(best|epoch|step)-\d+": _WEIGHTS}},
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


# --------------------------------------------------------------------------------------------------
# What an output must not be written over, said before any work: --force replaces results, not what is read.

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
        what = "is not a folder" if exists(folder) else "is not there; make it"
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
