"""The runs below a folder: what each learnt from, by which options, how well, how long and how large it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertkit.bundle import Manifest, load_manifest
from bertkit.config import TrainConfig, options
from bertkit.errors import BertkitError, RunError
from bertkit.files import entries, exists, is_dir, is_file
from bertkit.kinds import MisfitError, read_object, value_of
from bertkit.run_folder import REQUEST, SETUP, is_whole, why_no_run
from bertkit.tasks.base import Interval

# The file by which the folder of a search (`bertkit tune`) is known.
SEARCH = "tune.json"
# Options that say nothing of what was learnt, or stand in columns of their own.
_ELSEWHERE = frozenset({"data", "data_dir", "task", "model", "log_every", "tensorboard", "metric"})
SCORES = "metrics.json"


@dataclass(frozen=True)
class FoundRun:
    """A run on disk.

    Attributes:
        path: its folder, as it was found.
        data: name of the data.
        task: what is learnt.
        model: name of the model.
        metric: the one that decides; `value` and `interval` (95 %) are of the validation rows.
        rows: how many of these there are.
        seconds: how long the training took, as the clock has it.
        bytes: of all its files.
        options: every option, as it was resolved.
        metrics: all figures of the validation rows.
        fingerprint: tells data from other data.
    """

    path: Path
    data: str
    task: str
    model: str
    metric: str
    value: float | None
    interval: Interval | None
    rows: int
    seconds: float | None
    bytes: int
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    fingerprint: str = ""

    def values(self) -> dict[str, Any]:
        """Return what a run may be sorted and filtered by: columns, options and figures, by name."""
        own = {
            "run": str(self.path),
            "data": self.data,
            "task": self.task,
            "model": self.model,
            "metric": self.metric,
            "value": self.value,
            "rows": self.rows,
            "seconds": self.seconds,
            "bytes": self.bytes,
        }
        return {**self.options, **self.metrics, **own}


def find_runs(folder: Path, note: Callable[[str], None]) -> list[FoundRun]:
    """Find the runs in a folder and in those below it, in the order of their names.

    Args:
        folder: where to look; it may be a run itself.
        note: told of every folder that is no run, or a broken one, in one sentence each.

    Raises:
        RunError: there is no such folder.
    """
    if not is_dir(folder):
        what = "is a file, not a folder" if exists(folder) else "no such folder; `bertkit train` makes runs in runs"
        raise RunError(f"{folder}: {what}.")
    return list(_found(folder, note, is_top=True))


def _found(folder: Path, note: Callable[[str], None], *, is_top: bool = False) -> Iterator[FoundRun]:
    try:
        if is_whole(folder):
            yield open_run(folder)
            return
        inside = entries(folder)
    except BertkitError as error:
        note(f"left out: {error}")
        return
    if is_file(folder / SEARCH):
        note(f"left out: {folder}: is a search of `bertkit tune`, whose table is trials.csv in it.")
        return
    folders = [path for path in inside if is_dir(path) and not path.is_symlink() and not path.name.startswith(".")]
    if any(is_file(folder / name) for name in (SETUP, REQUEST)) or not (folders or is_top):
        note(f"left out: {why_no_run(folder)}")
        return
    for path in folders:
        yield from _found(path, note)


def open_run(folder: Path) -> FoundRun:
    """Read what a run says of itself.

    Raises:
        RunError: no run is there, or it is unfinished, damaged, newer, or an export.
    """
    manifest = load_manifest(folder)
    if manifest.export:
        raise RunError(f"{folder}: is an export of a run, not a run.")
    try:
        scores = read_object(folder / SCORES)
        metrics = value_of(dict[str, float | None], scores.get("metrics"), "metrics")
        intervals = value_of(dict[str, tuple[float | None, ...]], scores.get("intervals", {}), "intervals")
        seconds = value_of(float | None, manifest.training.get("seconds"), "training.seconds")
    except MisfitError as error:
        raise RunError(f"{folder / SCORES}: {error}; the run is damaged, copy or train it again.") from error
    metric = manifest.settings.deciding_metric
    return FoundRun(
        path=folder,
        data=manifest.data["name"],
        task=manifest.settings.task,
        model=manifest.model,
        metric=metric,
        value=metrics.get(metric),
        interval=_interval(intervals.get(metric, ())),
        rows=manifest.data["rows"].get("validation", 0),
        seconds=seconds,
        bytes=_size(folder),
        options=_options(manifest),
        metrics={name: value for name, value in metrics.items() if value is not None},
        fingerprint=manifest.data["fingerprint"],
    )


def _interval(ends: tuple[float | None, ...]) -> Interval | None:
    """Return an interval whose ends are numbers; what was not finite is null in JSON."""
    match ends:
        case (float(low), float(high)):
            return low, high
    return None


def differing(runs: Sequence[FoundRun]) -> list[str]:
    """Name the options in which runs differ, in the order of `train --help`."""
    return [
        spec.name
        for spec in options(TrainConfig)
        if spec.name not in _ELSEWHERE
        and any(run.options.get(spec.name) != runs[0].options.get(spec.name) for run in runs)
    ]


def telling(runs: Sequence[FoundRun]) -> list[str]:
    """Name of these options those that a short table needs.

    What one model has and another has not comes with the model, and the model is named; within runs of one
    model it counts.
    """

    def differs(name: str) -> bool:
        there = {repr(value) for run in runs if (value := run.options.get(name)) is not None}
        by_model: dict[str, set[str]] = {}
        for run in runs:
            by_model.setdefault(run.model, set()).add(repr(run.options.get(name)))
        return len(there) > 1 or any(len(values) > 1 for values in by_model.values())

    return [name for name in differing(runs) if differs(name)]


def _options(manifest: Manifest) -> dict[str, Any]:
    """Return every option of a run; one that came later than the run has its default."""
    return {
        spec.name: manifest.config.get(spec.name, spec.default)
        for spec in options(TrainConfig)
        if spec.metadata["saved"]
    }


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # gone meanwhile
                total += Path(place, name).stat(follow_symlinks=False).st_size
    return total
