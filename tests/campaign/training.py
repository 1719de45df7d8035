"""Trainings in real processes, and how a run must look afterwards."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.campaign.processes import STOPPING, Ended, run_process
from tests.campaign.runs import Runs
from tests.campaign.stopping import CHANGES

DATA = "rows.jsonl"
OUTPUT = "run"
TINY = ("--layers", "1", "--hidden", "32", "--heads", "2", "--vocab-size", "300", "--threads", "1", "--epochs", "2")
# What a training is told here: the same every time, so that its weights are the same bytes.
COMMAND = ("train", DATA, *TINY, "--seed", "5", "--output", OUTPUT)
# The run that is there before, in trials of --force.
OLD_COMMAND = ("train", DATA, *TINY, "--seed", "6", "--output", OUTPUT)
RESUME = ("train", "--resume", "--output", OUTPUT)


class Reference:
    """What the command gives where nothing disturbs it: made once, in real processes."""

    def __init__(self, runs: Runs) -> None:
        self.folder = runs.folder / "undisturbed"
        with (runs.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.folder / "changes").is_file():
                self._make(runs)
        self.changes = int((self.folder / "changes").read_text(encoding="ascii"))
        self.seconds = float((self.folder / "seconds").read_text(encoding="ascii"))
        self.weights = (self.new / "model.safetensors").read_bytes()
        self.old_files = contents(self.old)

    @property
    def new(self) -> Path:
        """The undisturbed run."""
        return self.folder / OUTPUT

    @property
    def old(self) -> Path:
        """The run that trials of --force replace."""
        return self.folder / "old"

    def lay_out(self, folder: Path, *, old_run: bool) -> None:
        """Put the data, and maybe the old run, into the folder of a trial."""
        shutil.copy(self.folder / DATA, folder / DATA)
        if old_run:
            shutil.copytree(self.old, folder / OUTPUT)

    def _make(self, runs: Runs) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        shutil.copy(runs.folder / "classify.jsonl", self.folder / DATA)
        ended = run_process(OLD_COMMAND, self.folder)
        assert ended.code == 0, ended.err
        (self.folder / OUTPUT).rename(self.old)
        ended = run_process(("0", str(self.folder), *COMMAND), self.folder, program=STOPPING)
        assert ended.code == 0, ended.err
        (self.folder / "seconds").write_text(str(ended.cpu_s), encoding="ascii")
        assert (self.folder / CHANGES).is_file()


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _names(folder: Path) -> set[str]:
    """Name the files of a run, but for TensorBoard's, whose names tell the time."""
    return {name for name in contents(folder) if not name.startswith("events/")}


def half_runs(folder: Path, reference: Reference) -> Iterator[str]:
    """Name folders that look like runs and are not whole."""
    for manifest in folder.rglob("bertkit.json"):
        run, there = manifest.parent, _names(manifest.parent)
        try:
            json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError:
            yield "a bertkit.json that is not whole"
        if not _names(reference.new) <= there:
            yield f"a run with bertkit.json lacks {sorted(_names(reference.new) - there)[0]}"
        weights = run / "model.safetensors"
        if weights.is_file() and len(weights.read_bytes()) != len(reference.weights):
            yield "a run with bertkit.json has weights of another size"


def is_whole_old(folder: Path, reference: Reference) -> bool:
    """Tell whether the old run is there, byte for byte."""
    return (folder / OUTPUT).is_dir() and reference.old_files.items() <= contents(folder / OUTPUT).items()


def is_new(folder: Path, reference: Reference) -> bool:
    """Tell whether the run that was asked for is there, weights byte for byte."""
    weights = folder / OUTPUT / "model.safetensors"
    return weights.is_file() and weights.read_bytes() == reference.weights


def end_faults(folder: Path, reference: Reference) -> Iterator[str]:
    """Name what is wrong when all is done."""
    if not is_new(folder, reference):
        yield "other weights than those of an undisturbed training"
        return
    yield from half_runs(folder, reference)
    extra = _names(folder / OUTPUT) - _names(reference.new)
    if extra:
        yield f"left over in the run: {sorted(extra)[0]}"
    beside = {path.name for path in folder.iterdir()} - {DATA, OUTPUT}
    if beside:
        yield f"left over beside the run: {sorted(beside)[0]}"


def sentence_faults(ended: Ended, *, codes: tuple[int, ...] = (3,)) -> Iterator[str]:
    """Name what is wrong with the end of a command that was refused something."""
    if ended.timed_out:
        yield "hang"
    elif "Traceback (most recent call last)" in ended.err:
        yield f"traceback: {ended.last.split(':')[0][:60]}"
    elif ended.code not in codes:
        yield f"exit {ended.code}: {ended.last[:60]}"
    elif ended.code == 3 and not ended.last.startswith("bertkit: "):
        yield "exit 3 without a sentence"
