"""Run, model and vocabulary folders, damaged field by field, in every command that opens them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.campaign.answers import NotJsonError, parsed
from tests.campaign.inprocess import WALL_SECONDS, Ran, run_here
from tests.campaign.oracle import LONGEST_SENTENCE, STEERING, crash
from tests.campaign.outcome import Outcome, Part, one_line
from tests.campaign.processes import STOPPING, run_process
from tests.campaign.runs import Runs
from tests.campaign.strange import Change, file_changes, json_changes, tensor_changes
from tests.campaign.training import COMMAND, DATA, OUTPUT, RESUME, Reference
from tests.campaign.vocabularies import vocabulary_changes

# A damaged folder and what it is given to.
RUN = "damaged"
PLAN = ("--layers", "1", "--hidden", "32", "--heads", "2", "--dry-run")
COMMANDS = {
    "predict": ("predict", RUN, DATA),
    "eval": ("eval", RUN, DATA),
    "train --model": ("train", DATA, "--model", RUN, "--dry-run", "--output", "new"),
    "train --tokenizer": ("train", DATA, "--tokenizer", RUN, *PLAN, "--output", "new"),
    "tokenize": ("tokenize", "the shop opens", "--model", RUN),
    "vocab show": ("vocab", "show", RUN),
    "train --resume": RESUME,
}
_READERS = {
    "bertkit.json": ("predict", "eval"),
    "config.json": ("predict", "eval", "train --model"),
    "tokenizer.json": ("predict", "eval", "tokenize", "vocab show", "train --tokenizer"),
    "tokenizer_config.json": ("predict", "tokenize", "train --tokenizer"),
    "model.safetensors": ("predict", "eval", "train --model"),
    "baseline/baselines.json": ("eval",),
    "baseline/baselines.safetensors": ("eval",),
    "baseline/training_rows.safetensors": ("eval",),
}
_UNFINISHED = ("setup.json", "state.json", "optimizer.safetensors", "model.safetensors", "tokenizer.json")
# The run that is damaged in all its files; of the others the manifest, the weights and the baselines.
_FIRST, _OTHERS = "classify", ("ner", "choice")
# What a manifest only tells.
_TOLD = ("training", "versions", "config")
_MOST_TENSORS, _MOST_UNFINISHED = 40, 3


@dataclass(frozen=True)
class Trial:
    """A damage and the command that meets it."""

    base: str
    change: Change
    command: str


@lru_cache(maxsize=1)
def trials(folder: Path) -> Sequence[Trial]:
    """List all trials, in an order that depends on nothing but the runs."""
    first = [change for file in _READERS for change in _changes_of(file, folder / _FIRST / file)]
    found = [
        Trial(_FIRST, change, command) for change in [*first, *vocabulary_changes()] for command in _readers(change)
    ]
    for task in _OTHERS:
        for file in ("bertkit.json", "model.safetensors", "baseline/baselines.safetensors"):
            changes = list(_changes_of(file, folder / task / file))[:: 1 if file != "bertkit.json" else 3]
            found += [Trial(task, change, _READERS[file][-1]) for change in changes]
    base = _unfinished(Runs(folder))
    for path in sorted(base.rglob("*")):
        if path.name in _UNFINISHED:
            file = str(path.relative_to(base))
            changes = list(_changes_of(file, path, _MOST_UNFINISHED))
            found += [Trial(base.name, change, "train --resume") for change in changes]
    return found


def _readers(change: Change) -> Sequence[str]:
    """Name the commands that meet a change; where a field is only told of, one is enough."""
    readers = _READERS[change.file]
    return readers[:1] if change.name.startswith(_TOLD) else readers


def _changes_of(file: str, path: Path, most: int = _MOST_TENSORS) -> Iterator[Change]:
    yield from file_changes(file)
    if file.endswith(".safetensors"):
        yield from tensor_changes(file, path, most)
    elif not file.endswith("tokenizer.json"):
        yield from json_changes(file, path.read_bytes(), _TOLD)


def _unfinished(runs: Runs) -> Path:
    """Return a folder with a training that was killed halfway."""
    reference, folder = Reference(runs), runs.folder / "unfinished"
    with (runs.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            beside = runs.folder / "unfinished.tmp"
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            reference.lay_out(beside, old_run=False)
            half = str(reference.changes * 6 // 10)
            ended = run_process((half, str(beside), *COMMAND), beside, program=STOPPING)
            assert ended.code < 0, ended.err
            beside.rename(folder)
    return folder


def case(number: int, runs: Runs) -> Outcome:
    """Damage a folder and open it."""
    trial = trials(runs.folder)[number]
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        folder = Path(name)
        if trial.command == "train --resume":
            damaged = folder / "trial"
            _copy(runs.folder / trial.base, damaged)
            ran = _opened(trial, damaged, damaged)
        else:
            _copy(runs.folder / trial.base, folder / RUN)
            shutil.copy(runs.folder / f"{trial.base}.jsonl", folder / DATA)
            ran = _opened(trial, folder / RUN, folder)
    kind = f"{Path(trial.change.file).name}, {trial.command}"
    story = (
        f"{trial.base}/{trial.change.file}: {trial.change.name}; {' '.join(COMMANDS[trial.command])}; {ran.err[-300:]}"
    )
    return Outcome(kind, one_line(_faults(trial, ran)), story, spent=ran.stopped)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder by links: a file that is changed is made anew."""
    shutil.copytree(source, target, copy_function=os.link)


def _opened(trial: Trial, damaged: Path, folder: Path) -> Ran:
    path = damaged / trial.change.file
    new = trial.change.apply(path.read_bytes())
    path.unlink()
    if new is not None:
        path.write_bytes(new)
    return run_here(COMMANDS[trial.command], folder)


def _is_unread(trial: Trial) -> bool:
    """Tell whether the command does without what was changed: a head, a pooler, what a newer checkpoint replaces."""
    is_learnt = trial.command == "train --model" and trial.change.name.startswith(("classifier", "bert.pooler"))
    return is_learnt or trial.command == "train --resume"


def _faults(trial: Trial, ran: Ran) -> Iterator[str]:
    lines = [line for line in ran.err.splitlines() if line.strip()]
    if ran.stopped:
        yield "hang"
    elif ran.code == 1 or "Traceback (most recent call last)" in ran.err:
        yield f"traceback: {crash(ran.err)}"
    elif ran.code not in (0, 3):
        yield f"exit {ran.code}"
    elif ran.code == 0 and trial.change.refused and not _is_unread(trial):
        yield "opened as if nothing had happened"
    elif ran.code == 3:
        if not lines or not lines[-1].startswith("bertkit: "):
            yield "exit 3 without a sentence at the end"
        elif not any(place in lines[-1] for place in (RUN, OUTPUT, DATA, "--data-dir")):
            yield "a sentence without a place"
        elif len(lines[-1]) > LONGEST_SENTENCE:
            yield "a sentence is too long"
    if STEERING.search(ran.err):
        yield "control characters on stderr"
    try:
        for line in ran.out.decode("utf-8").split("\n")[:-1]:
            parsed(line)
    except (NotJsonError, UnicodeDecodeError):
        yield "output is no JSON"


PART = Part("folders", lambda runs: len(trials(runs.folder)), case, patience_s=WALL_SECONDS + 60)
