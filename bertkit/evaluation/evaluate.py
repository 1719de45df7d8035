"""Score a model honestly: metrics with intervals, beside baselines on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import Example
from bertkit.evaluation.baselines import BaselinePrediction, Baselines
from bertkit.tasks.base import Interval, Task


@dataclass(frozen=True)
class Evaluation:
    """What `eval` reports.

    `intervals` are 95 % percentile bootstrap intervals over rows; `difference` is the
    model minus a baseline on the same resampled rows.
    """

    data: str
    split: str
    n: int
    metrics: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    difference: dict[str, dict[str, Interval]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    per_label: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    rows_per_second: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, figures to six digits after the point."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded


def evaluate(
    task: Task,
    examples: Sequence[Example],
    outputs: NDArray[np.float64],
    baselines: Baselines,
    *,
    data: str,
    split: str,
    warnings: Sequence[str] = (),
    seconds: float = 0.0,
) -> Evaluation:
    """Compare a model's outputs with the labels, and with the baselines' answers.

    Args:
        task: knows the metrics.
        examples: N labelled rows.
        outputs: the model's outputs, (N, C).
        baselines: fitted on the model's own training rows.
        data: name of the data, for the report.
        split: name of the split, for the report.
        warnings: what is already known to be wrong.
        seconds: time of reading, tokenizing and the forward pass.
    """
    scores = task.score(examples, outputs)
    answers = baselines.predict(examples)
    theirs = {name: _as_outputs(answer) for name, answer in answers.items()}
    others = {name: task.score(examples, their).metrics for name, their in theirs.items()}
    difference = {name: task.difference(examples, outputs, their) for name, their in theirs.items()}
    return Evaluation(
        data=data,
        split=split,
        n=len(examples),
        metrics=scores.metrics,
        intervals=task.intervals(examples, outputs),
        baselines=others,
        difference=difference,
        warnings=(*warnings, *scores.warnings, *_no_better(task, scores.metrics, others, difference)),
        per_label=scores.per_label,
        seconds=round(seconds, 3),
        rows_per_second=round(len(examples) / seconds, 1) if seconds else 0.0,
    )


def _as_outputs(answer: BaselinePrediction) -> NDArray[np.float64]:
    """Give a baseline's answers the shape of a model's outputs, (N, C)."""
    if answer.probabilities is not None:
        return answer.probabilities
    return np.zeros((0, 1)) if answer.scores is None else answer.scores[:, None]


def _no_better(
    task: Task,
    metrics: Mapping[str, float],
    baselines: Mapping[str, Mapping[str, float]],
    difference: Mapping[str, Mapping[str, Interval]],
) -> list[str]:
    """Say so where a baseline does as well: the interval of the difference reaches 0."""
    found = []
    for name, figures in baselines.items():
        metric = task.headline_metric
        low, high = difference[name][metric]
        if metric in figures and low <= 0:
            relation = "is worse than" if high < 0 else "is not shown to be better than"
            found.append(
                f"the model {relation} the {name} baseline: {metric} {metrics[metric]:.4f} against "
                f"{figures[metric]:.4f} (difference {low:+.4f} to {high:+.4f})"
            )
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
