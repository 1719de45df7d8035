"""The runs below a folder: as a table that is filtered and sorted, and two of them side by side."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.bundle import Manifest, load_manifest
from bertkit.config import TrainConfig, options
from bertkit.errors import BertkitError, RunError, UsageError
from bertkit.evaluation.evaluate import FILE
from bertkit.files import entries, exists, is_dir, is_file, read_bytes
from bertkit.kinds import MisfitError, read_object, value_of
from bertkit.metrics.classification import classification_metrics, regression_metrics
from bertkit.metrics.intervals import classification_difference, regression_difference
from bertkit.metrics.multilabel import AnsweredSets, multilabel_difference, multilabel_metrics
from bertkit.plain import quoted
from bertkit.run_folder import REQUEST, SETUP, is_whole, why_no_run
from bertkit.tasks.base import Interval, TaskSettings
from bertkit.tasks.registry import TASKS

# --------------------------------------------------------------------------------------------------
# The runs below a folder: what each learnt from, by which options, how well, how long and how large it is.

# The file by which the folder of a search (`bertkit tune`) is known.
SEARCH = "tune.json"
# All that a vocabulary of `bertkit vocab build` holds.
_VOCABULARY = frozenset({"tokenizer.json", "tokenizer_config.json"})
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
        note: told of every folder that is not a run, or a broken one, in one sentence each.

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
    if {path.name for path in inside} == _VOCABULARY:
        note(f"left out: {folder}: is a vocabulary of `bertkit vocab build`.")
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


# --- Which runs, and in which order: `--filter` and `--sort` of `bertkit runs` --------------------
#
# A filter is a name, a sign and a value: `model=minilm`, `lr>=1e-4`, `accuracy>0.8`, `run~mrpc`. Names are
# columns (run, data, task, model, metric, value, rows, seconds, bytes), options as `train` has them, and figures.
# `=` and `!=` take * and ? in words; `~` looks for a part of a word. A run without the value is left out.

_FORM = re.compile(r"([\w@.-]+)\s*(>=|<=|!=|=|>|<|~)\s*(.*)", re.DOTALL)
_COLUMNS = ("run", "data", "task", "model", "metric", "value", "rows", "seconds", "bytes")
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True)
class Filter:
    """One condition on a run."""

    name: str
    sign: str
    value: str

    def keeps(self, run: FoundRun) -> bool:
        """Tell whether a run meets it."""
        found = run.values().get(self.name)
        if found is None:
            # An option that says nothing is none: `freeze=none`.
            return self.sign == "=" and self.value.lower() == "none" and self.name in run.options
        number = _number(self.value)
        if self.sign in _ORDER:
            return _is_number(found) and number is not None and _ORDER[self.sign](float(found), number)
        if self.sign == "~":
            return self.value.lower() in _word(found).lower()
        if _is_number(found) and number is not None:
            is_equal = math.isclose(float(found), number, rel_tol=1e-9)
        else:
            is_equal = fnmatchcase(_word(found).lower(), self.value.lower())
        return is_equal == (self.sign == "=")


def read_filter(text: str, runs: Sequence[FoundRun]) -> Filter:
    """Read a condition.

    Args:
        text: as it was typed.
        runs: what is to be filtered; figures that they have may be named.

    Raises:
        UsageError: it is not a condition, names nothing that runs have, or orders what is not a number.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"--filter {quoted(text)}: is not a condition; write one as model=minilm, lr>=1e-4 or run~mrpc."
        )
    name, sign, value = found[1], found[2], found[3].strip()
    if sign in _ORDER and _number(value) is None:
        raise UsageError(f"--filter {quoted(text)}: {sign} compares numbers, and {quoted(value)} is not a number.")
    return Filter(known_name(name, runs, "--filter"), sign, value)


def sorted_runs(runs: Sequence[FoundRun], by: str | None) -> list[FoundRun]:
    """Put runs in order: by a name, upwards, or downwards behind a minus; those without the value come last.

    Raises:
        UsageError: runs have no such thing.
    """
    if by is None:
        return list(runs)
    is_falling = by.startswith("-")
    name = known_name(by.removeprefix("-"), runs, "--sort")
    there = [run for run in runs if run.values().get(name) is not None]
    numbers = all(_is_number(run.values()[name]) for run in there)

    def key(run: FoundRun) -> Any:
        value = run.values()[name]
        return value if numbers else _word(value)

    ordered = sorted(there, key=key, reverse=is_falling)
    return [*ordered, *(run for run in runs if run.values().get(name) is None)]


def known_name(name: str, runs: Sequence[FoundRun], flag: str) -> str:
    """Return what a name means, spelt with - or _.

    Raises:
        UsageError: runs have no such thing.
    """
    known: Collection[str] = {
        *_COLUMNS,
        *(spec.name for spec in options(TrainConfig) if spec.metadata["saved"]),
        *(metric for task in TASKS for metric in task.metrics),
        *(metric for run in runs for metric in run.metrics),
    }
    for spelt in (name, name.replace("-", "_")):
        if spelt in known:
            return spelt
    raise UsageError(
        f"{flag}: runs have nothing called {quoted(name)}; take {', '.join(_COLUMNS)}, an option of `bertkit train`, "
        "or a metric."
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


# --------------------------------------------------------------------------------------------------
# Two runs side by side: options, data and figures in which they differ, and the same rows answered by both.

# Every row answered by a model without it, where both runs have that: many more rows than a validation split.
FOLDS = "folds.jsonl"
# What needs probabilities, of which a run keeps none.
_OF_SCORES = ("lrap", "loss")
Difference = dict[str, tuple[float, Interval]]
"""By metric: how much more the first run has, and the 95 % interval of that."""


@dataclass(frozen=True)
class Comparison:
    """How two runs differ.

    Attributes:
        runs: their folders.
        options: by name, those of the first and of the second.
        data: names, and whether the fingerprints are equal.
        metrics: by name, figures of the validation rows; None: it has none.
        rows: how many held-out rows both have answered; 0: there are none, and `reason` says why.
        source: the file these are from.
        difference: of the answers to these rows.
        reason: why the answers were not compared.
    """

    runs: tuple[str, str]
    options: Mapping[str, tuple[Any, Any]]
    data: Mapping[str, Any]
    metric: str
    metrics: Mapping[str, tuple[float | None, float | None]]
    rows: int = 0
    source: str = ""
    difference: Difference = field(default_factory=dict)
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, figures to six digits."""
        rows: dict[str, Any] | None = None
        if self.rows:
            figures = {
                name: {"difference": round(value, 6), "interval": [round(end, 6) for end in ends]}
                for name, (value, ends) in self.difference.items()
            }
            rows = {"file": self.source, "rows": self.rows, "metrics": figures}
        return {
            "runs": list(self.runs),
            "data": dict(self.data),
            "options": {name: list(values) for name, values in self.options.items()},
            "metric": self.metric,
            "metrics": {name: list(values) for name, values in self.metrics.items()},
            "held_out": rows,
            **({"reason": self.reason} if self.reason else {}),
        }


def compare_runs(first: Path, second: Path) -> Comparison:
    """Compare two runs by what they hold; no model is opened, and no row is read again.

    Raises:
        RunError: one of them is none, or is damaged.
    """
    one, other = open_run(first), open_run(second)
    names = differing([one, other])
    extra = {"model": (one.model, other.model), "task": (one.task, other.task)}
    pairs = {
        **{name: values for name, values in extra.items() if values[0] != values[1]},
        **{name: (one.options[name], other.options[name]) for name in names},
    }
    found = Comparison(
        runs=(str(first), str(second)),
        options=pairs,
        data={
            "names": [one.data, other.data],
            "fingerprints": [one.fingerprint, other.fingerprint],
            "same": one.fingerprint == other.fingerprint,
            "validation_rows": [one.rows, other.rows],
        },
        metric=one.metric,
        metrics={
            name: (one.metrics.get(name), other.metrics.get(name))
            for name in dict.fromkeys((*one.metrics, *other.metrics))
        },
    )
    return _with_rows(found, one, other)


def _with_rows(found: Comparison, one: FoundRun, other: FoundRun) -> Comparison:
    """Add the paired difference, or why there is none."""
    settings, others = load_manifest(one.path).settings, load_manifest(other.path).settings
    if (settings.task, settings.labels) != (others.task, others.labels):
        return replace(found, reason="they learnt other tasks or other labels")
    reason = f"one of them has no stored predictions of held-out rows ({FILE})"
    for name in (FOLDS, FILE):
        if not (is_file(one.path / name) and is_file(other.path / name)):
            continue
        # The same rows are called otherwise where their file lies elsewhere, or came on standard input.
        same = one.fingerprint == other.fingerprint
        mine, yours = (_answers(run.path / name, by_name=not same) for run in (one, other))
        if {place: gold for place, (gold, _) in mine.items()} == {place: gold for place, (gold, _) in yours.items()}:
            difference = _difference(settings, list(mine.values()), [yours[place][1] for place in mine])
            return replace(found, rows=len(mine), source=name, difference=difference)
        reason = "they held out different rows"
    return replace(found, reason=reason)


Place = tuple[str, int, int]
"""File, line, and how often that place has been met before: rows of data from the hub may share one."""


def _answers(path: Path, *, by_name: bool) -> dict[Place, tuple[Any, Any]]:
    """Read gold and predicted by place.

    Args:
        path: the file of answers.
        by_name: whether files go by their names; else by the order in which they are met.

    Raises:
        RunError: the file is damaged.
    """
    answers: dict[Place, tuple[Any, Any]] = {}
    met: dict[tuple[str, int], int] = {}
    files: dict[str, str] = {}
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        try:
            row = value_of(dict[str, Any], json.loads(line), "it")
            place = (value_of(str, row.get("file"), "file"), value_of(int, row.get("line"), "line"))
            gold, predicted = row["gold"], row["predicted"]
        except (ValueError, KeyError, RecursionError, MisfitError) as error:
            raise RunError(
                f"{path}:{number}: is not a record of an answer; the run is damaged, copy it again."
            ) from error
        file = place[0] if by_name else files.setdefault(place[0], str(len(files)))
        place = (file, place[1])
        met[place] = met.get(place, -1) + 1
        answers[*place, met[place]] = (_hashable(gold), _hashable(predicted))
    return answers


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _difference(settings: TaskSettings, mine: Sequence[tuple[Any, Any]], others: Sequence[Any]) -> Difference:
    gold, ours = [row[0] for row in mine], [row[1] for row in mine]
    if not gold:
        return {}
    if settings.task == "regression":
        figures = [regression_metrics(gold, given) for given in (ours, others)]
        ends: Mapping[str, Interval] = regression_difference(gold, ours, others)
    elif settings.task == "multilabel":
        labels = sorted({label for row in (*gold, *ours, *others) for label in row} | set(settings.labels))
        flags = [np.array([[label in row for label in labels] for row in rows]) for rows in (gold, ours, others)]
        sets = [AnsweredSets(chosen.astype(np.float64), chosen) for chosen in flags[1:]]
        figures = [multilabel_metrics(flags[0], answered) for answered in sets]
        ends = multilabel_difference(flags[0], sets[0], sets[1])
    else:
        figures = [
            classification_metrics(gold, given, settings.labels, positive=settings.positive) for given in (ours, others)
        ]
        ends = classification_difference(gold, ours, others, settings.labels, settings.positive)
    return {name: (figures[0][name] - figures[1][name], ends[name]) for name in ends if name not in _OF_SCORES}
