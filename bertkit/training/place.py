"""Where a training works: its folder, held against all others.

A training holds the lock of its folder from before it reads a row until its end. What it was
asked is stored there first of all, so that `--resume --output R` needs nothing else whenever
it is stopped. Where it replaces a run (`--force`), it works beside that (`run_folder.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertkit.config import TrainConfig
from bertkit.errors import Interrupted, OutputError
from bertkit.files import exists, is_dir, is_file, write_errors, write_json
from bertkit.locks import LOCK, Occupied, held, holder_of, occupied
from bertkit.ours import is_bare, named, remove, remove_checkpoints, remove_temporaries, strangers
from bertkit.run_folder import (
    CHECKPOINTS,
    GONE,
    REQUEST,
    SETUP,
    is_run,
    is_whole,
    lasting,
    next_of,
    old_of,
    put_back,
    read_marked,
    resume_command,
)
from bertkit.training.interrupts import ended_by_signals
from bertkit.training.output import candidates, check_place, looking, refuse_inputs
from bertkit.training.resume import request_to_store
from bertkit.training.swap import swap_in

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
        with write_errors(self.shown, way_on=f"go on with {resume_command(self.shown)}"):
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
            with ended_by_signals(f"interrupted; go on with {resume_command(place.shown)}."):
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
    raise OutputError(f"{shown}: comes and goes; see which other processes work there.")


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
                "add --force to begin anew or --resume to go on with it."
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
