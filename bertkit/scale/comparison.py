"""Two runs side by side: options, data and figures in which they differ, and the same rows answered by both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.bundle import load_manifest
from bertkit.errors import RunError
from bertkit.evaluation.answers_file import FILE
from bertkit.files import is_file, read_bytes
from bertkit.kinds import MisfitError, value_of
from bertkit.metrics.classification import classification_metrics
from bertkit.metrics.intervals import classification_difference, regression_difference
from bertkit.metrics.multilabel import AnsweredSets, multilabel_difference, multilabel_metrics
from bertkit.metrics.regression import regression_metrics
from bertkit.scale.found_runs import FoundRun, differing, open_run
from bertkit.tasks.base import Interval, TaskSettings

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
    reason = f"one of them keeps no answers to held-out rows ({FILE})"
    for name in (FOLDS, FILE):
        if not (is_file(one.path / name) and is_file(other.path / name)):
            continue
        mine, yours = _answers(one.path / name), _answers(other.path / name)
        if {place: gold for place, (gold, _) in mine.items()} == {place: gold for place, (gold, _) in yours.items()}:
            difference = _difference(settings, list(mine.values()), [yours[place][1] for place in mine])
            return replace(found, rows=len(mine), source=name, difference=difference)
        reason = "they have held out other rows"
    return replace(found, reason=reason)


Place = tuple[str, int, int]
"""File, line, and how often that place has been met before: rows of data from the hub may share one."""


def _answers(path: Path) -> dict[Place, tuple[Any, Any]]:
    """Read gold and predicted by place.

    Raises:
        RunError: the file is damaged.
    """
    answers: dict[Place, tuple[Any, Any]] = {}
    met: dict[tuple[str, int], int] = {}
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        try:
            row = value_of(dict[str, Any], json.loads(line), "it")
            place = (value_of(str, row.get("file"), "file"), value_of(int, row.get("line"), "line"))
            gold, predicted = row["gold"], row["predicted"]
        except (ValueError, KeyError, RecursionError, MisfitError) as error:
            raise RunError(f"{path}:{number}: is no answer to a row; the run is damaged, copy it again.") from error
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
