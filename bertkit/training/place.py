"""Where a training works: its folder, locked against other processes.

A training holds the lock of its folder from before it reads a row until its end. What it was
asked is stored there first of all, so that `--resume --output R` needs nothing else whenever
it is stopped. Where it replaces a run (`--force`), it works beside that (`run_folder.py`).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from bertkit.compute.processes import ended_by_signals
from bertkit.config import TrainConfig
from bertkit.data.sources import DATA_ROOT_VARIABLE
from bertkit.errors import Interrupted, OutputError
from bertkit.files import exists, is_dir, is_file, sync, write_errors, write_json
from bertkit.locks import LOCK, Occupied, held, holder_of, occupied
from bertkit.plain import quoted, to_json
from bertkit.run_folder import (
    CHECKPOINTS,
    GONE,
    REQUEST,
    SETUP,
    is_bare,
    is_run,
    is_unfinished,
    is_whole,
    lasting,
    named,
    next_of,
    old_of,
    put_back,
    read_marked,
    remove,
    remove_checkpoints,
    remove_temporaries,
    resume_command,
    strangers,
)
from bertkit.training.checkpoint import request_to_store

# --- Which folder a run goes to, and what must not be there ---------------------------------------

# Bytes of a name that bertkit makes up.
_LONGEST = 200


def planned_place(config: TrainConfig) -> Path:
    """Return the run directory of a request; nothing is written.

    Raises:
        OutputError: what is there forbids it; see `check_place`.
    """
    shown = next(candidates(config))
    with looking(shown):
        check_place(config, shown, lasting(shown))
    return shown


def candidates(config: TrainConfig) -> Iterator[Path]:
    """Yield the folders that may be meant, best first."""
    if config.output:
        yield Path(config.output)
        return
    first = config.data[0] if config.data else "run"
    words = [Path(first.replace("sample:", "")).name or first, Path(config.model).name]
    name = re.sub(r"[^\w.-]+", "-", "-".join(words)).strip("-").encode()[:_LONGEST].decode(errors="ignore")
    base = Path("runs") / name
    numbered = (base if n == 1 else base.with_name(f"{name}-{n}") for n in range(1, 10_000))
    if config.resume:
        yield next((c for c in numbered if _waits(c)), base)
    elif config.force:
        yield base
    else:
        yield from (c for c in numbered if _is_free(c))


def check_place(config: TrainConfig, shown: Path, run: Path) -> None:
    """Refuse a folder whose content forbids the training.

    Raises:
        OutputError: it is not empty and neither --force nor --resume is given; it is none of
            bertkit's; or --force would delete what others have put there or the training reads.
    """
    if not exists(run):
        return
    if not is_dir(run):
        raise OutputError(f"--output {shown}: is a file, not a folder; choose another name.")
    if is_bare(run):
        return
    if not (config.force or config.resume):
        raise OutputError(f"--output {shown}: is not empty; add --force to replace it or --resume to continue it.")
    word, foreign = ("--resume" if config.resume else "--force"), strangers(run)
    if not is_run(run):
        example = f" ({named(foreign)})" if foreign else ""
        raise OutputError(
            f"--output {shown}: holds files that are not a run of bertkit{example}; {word} does not replace "
            f"them: choose another folder."
        )
    if config.resume:
        return
    if foreign:
        raise OutputError(
            f"--output {shown}: holds {named(foreign)} that bertkit has not written; --force does not delete "
            f"such files: move them, or choose another folder."
        )
    if os.path.ismount(run):
        raise OutputError(f"--output {shown}: is a mount point, which cannot be replaced; name a folder in it.")
    refuse_inputs(config, shown, run)


def refuse_inputs(config: TrainConfig, shown: Path, run: Path) -> None:
    """Refuse to replace a run in whose folder something lies that the training itself needs."""
    folders = {run, next_of(run), old_of(run)}
    for what, path in _inputs(config):
        place = lasting(path)
        if exists(path) and folders & {place, *place.parents}:
            raise OutputError(f"--output {shown}: {what} is there, and --force would delete it; choose another folder.")


def looking(shown: Path) -> AbstractContextManager[None]:
    """Turn what the machine refuses while the folder is looked at and made into one sentence."""
    return write_errors(shown, "--output", way_on="choose another folder")


def _inputs(config: TrainConfig) -> Iterator[tuple[str, Path]]:
    with suppress(OSError):  # a folder that is gone is in nobody's way
        yield "the working directory", Path.cwd()
    root = os.environ.get(DATA_ROOT_VARIABLE)
    for what, name in (("--data-dir", config.data_dir), (DATA_ROOT_VARIABLE, root), ("--model", config.model),
                       ("--tokenizer", config.tokenizer)):  # fmt: skip
        if name:
            yield f"{what} {quoted(name)}", Path(name)
    for name in config.data:
        for path in (Path(config.data_dir or "", name), Path(name)):
            yield f"DATA {quoted(name)}", path


def _waits(place: Path) -> bool:
    """Tell whether a training can be gone on with here."""
    new = next_of(place)
    return (exists(place) and is_unfinished(place)) or (exists(new) and is_run(new))


def _is_free(place: Path) -> bool:
    try:
        return not exists(place) or (is_dir(place) and is_bare(place))
    except OSError:  # somebody else's
        return False


# --- Put a run in the place of another: at every moment one of the two has the name, or gets it back

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


# --- A launcher that starts all processes again when one has died (`torchrun --max-restarts`) -----
#
# It gives the same command, which would find its own folder there and refuse it. So the training
# of that very request that waits in its folder is gone on with, as with --resume.

_VARIABLE = "TORCHELASTIC_RESTART_COUNT"


def restarts() -> int:
    """Return how often the launcher has started the processes again."""
    said = os.environ.get(_VARIABLE, "")
    return int(said) if said.isdecimal() else 0


def after_restart(config: TrainConfig) -> TrainConfig:
    """Return a request as it is to be done: where it was begun before a restart, it is gone on with.

    Args:
        config: the request as it was given.
    """
    if config.resume or not restarts():
        return config
    asked = to_json(config.saved())
    found = [place for place in _places(config) if any(_asked(work) == asked for work in _works(place))]
    # Numbers are taken in their order: the last one that waits is the newest.
    return replace(config, output=str(found[-1]), resume=True) if found else config


def _places(config: TrainConfig) -> Iterator[Path]:
    """Yield the folders that the request may have been given."""
    if config.output:
        return iter([Path(config.output)])
    base = next(candidates(replace(config, resume=False, force=True)))
    numbered = (base if n == 1 else base.with_name(f"{base.name}-{n}") for n in range(1, 10_000))
    return takewhile(lambda place: any(map(exists, _works(place))), numbered)


def _works(place: Path) -> tuple[Path, Path]:
    """Return where a training works whose run will be in a place."""
    return next_of(lasting(place)), lasting(place)


def _asked(work: Path) -> str:
    """Return what the training that waits in a folder was asked; nothing where none does."""
    return to_json(read_marked(work, REQUEST).get("config"))


_TRIES = 5


@dataclass(frozen=True)
class Place:
    """Where a training works.

    Attributes:
        shown: the run directory as the user wrote it; what is said and stored speaks of this one.
        run: the same with all links followed.
        work: the folder that is written to: `run`, or one beside it that will replace it.
        request: what the training that is gone on with was asked; empty where one begins.
    """

    shown: Path
    run: Path
    work: Path
    request: dict[str, Any] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to be trained."""
        return is_whole(self.work)

    def complete(self, *, keep_checkpoints: bool) -> None:
        """Clear away what a whole run has no use for, and put it in its place.

        Raises:
            OutputError: it cannot be put there; it is whole where it is.
        """
        with write_errors(self.shown, way_on=f"continue with {resume_command(self.shown)}"):
            request, folder = self.work / REQUEST, self.work / CHECKPOINTS
            if is_file(request):  # else this has been done
                if not (keep_checkpoints or self.request.get("keep_checkpoints")):
                    remove_checkpoints(folder, keep=[REQUEST.name])
                remove_temporaries(self.work)
                request.unlink()
                with suppress(OSError):
                    folder.rmdir()
            if self.work != self.run:
                swap_in(self.work, self.run, self.shown)


@contextmanager
def opened(config: TrainConfig) -> Iterator[Place]:
    """Hold the run directory of a request for the body, with the request stored in it.

    Without --output it is runs/<data>-<model>, with a number if that is taken; with --resume,
    the one that holds an unfinished run. A body that fails before anything was trained leaves
    nothing behind; where it was interrupted, or could not write, it can be resumed.

    Raises:
        OutputError: the folder cannot be written, is not empty and neither --force nor
            --resume is given, or holds what is not bertkit's to delete.
        Occupied: another process trains there.
        Interrupted: Ctrl-C or a termination signal came.
    """
    with ExitStack() as stack:
        place = _first_free(config, stack)
        request, is_new = place.work / REQUEST, not is_run(place.work)
        try:
            with ended_by_signals(f"interrupted; continue with {resume_command(place.shown)}."):
                with looking(place.shown):
                    if not (place.is_finished or is_file(request)):
                        request.parent.mkdir(exist_ok=True)
                        write_json(request, request_to_store(config))
                yield place
        except BaseException as error:
            can_be_resumed = isinstance(error, Interrupted | OutputError) and is_file(request)
            if is_new and not can_be_resumed and not is_file(place.work / SETUP):
                _forget(place)
                if isinstance(error, Interrupted):
                    raise Interrupted("interrupted before anything was done; nothing is left behind.") from None
            raise


def _first_free(config: TrainConfig, stack: ExitStack) -> Place:
    """Take the first of the folders that may be meant in which no other process works."""
    for shown in candidates(config):
        with ExitStack() as attempt:
            try:
                place = _taken(config, shown, attempt)
            except Occupied as error:
                refusal = error
                continue
            stack.push(attempt.pop_all())
            return place
    raise refusal


def _taken(config: TrainConfig, shown: Path, stack: ExitStack) -> Place:
    run = lasting(shown)
    with looking(shown):
        put_back(shown)
        if (holder := holder_of(run) or holder_of(old_of(run))) is not None:
            raise occupied(shown, holder)
        check_place(config, shown, run)
        if config.resume and is_whole(run) and not _is_in_hand(run):
            return Place(shown, run, run)
        _lock(run, shown, stack)
        check_place(config, shown, run)  # another process may have been here meanwhile
        new = next_of(run)
        _clear(new, config, shown)
        if is_run(new) or not (config.resume or is_bare(run)):
            refuse_inputs(config, shown, run)
            _lock_beside(new, run, shown, stack)
            place = Place(shown, run, new, read_marked(new, REQUEST))
        else:
            place = Place(shown, run, run, read_marked(run, REQUEST))
    if place.is_finished:
        place.complete(keep_checkpoints=config.keep_checkpoints)
        return Place(shown, run, run)
    return place


def _is_in_hand(run: Path) -> bool:
    """Tell whether a training works at a whole run, or was killed when it did."""
    return any(exists(path) for path in (run / LOCK, run / REQUEST, next_of(run), old_of(run)))


def _lock(run: Path, shown: Path, stack: ExitStack) -> None:
    """Make the run directory and lock it; what is left of a swap beside it is put right.

    Raises:
        Occupied: another process has the lock.
    """
    old = old_of(run)
    for _ in range(_TRIES):
        with ExitStack() as attempt:
            attempt.enter_context(held(run, shown))
            if (holder := holder_of(old)) is not None:
                raise occupied(shown, holder)
            if not (is_file(old / LOCK) and is_bare(run)):
                if is_file(old / LOCK) or is_file(old / GONE):
                    remove(old)
                stack.push(attempt.pop_all())
                return
        # In place of the run that was being replaced there was an empty folder.
        with suppress(FileNotFoundError):
            run.rmdir()
        put_back(shown)
    raise OutputError(f"{shown}: appears and disappears while it is read; check which other processes work there.")


def _lock_beside(new: Path, run: Path, shown: Path, stack: ExitStack) -> None:
    """Make and lock the folder beside the run; it will have the run's name."""
    with write_errors(shown, "--output", way_on="the new run is made beside the old one, so choose another folder"):
        if exists(old := old_of(run)):  # what is bertkit's has been cleared away
            raise OutputError(f"{shown}: {old} is where the old run would be put aside; rename what is there.")
        if exists(new) and not is_run(new):
            raise OutputError(f"{shown}: {new} is where the new run would be made; rename what is there.")
        stack.enter_context(held(new, shown, renamed=run))


def _clear(new: Path, config: TrainConfig, shown: Path) -> None:
    """Remove what is left of an earlier training that was to replace the run.

    Raises:
        OutputError: it can be gone on with, and --force is not given; or it holds others' files.
    """
    is_given_up = is_file(new / GONE)
    if is_run(new) and not is_given_up:
        if config.resume:
            return
        if not config.force:
            raise OutputError(
                f"--output {shown}: a training that is to replace it has not finished; "
                "add --force to begin anew or --resume to continue it."
            )
        if foreign := strangers(new):
            raise OutputError(
                f"--output {shown}: {new} holds {named(foreign)} that bertkit has not written; move them."
            )
    elif not (is_given_up or (is_dir(new) and is_bare(new))):
        return
    remove(new)


def _forget(place: Place) -> None:
    """Take back that a training was asked for; its folder goes with its lock."""
    with suppress(OSError):
        (place.work / REQUEST).unlink(missing_ok=True)
        (place.work / CHECKPOINTS).rmdir()
