"""Score a model honestly: metrics with intervals, beside baselines on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bertkit.data.records import Example
from bertkit.evaluation.ensemble import ENCODER
from bertkit.evaluation.klue import klue_figures
from bertkit.evaluation.linear_run import TASKS as LINEAR_TASKS
from bertkit.evaluation.verdict import Verdict
from bertkit.metrics.names import greater_is_better
from bertkit.models.table import TFIDF
from bertkit.tasks.base import Interval, Outputs, Task
from bertkit.troubleshooting import see

# What stands beside the scores as the best that can be reached: it knows the answers.
BOUNDS = ("oracle",)
MODEL = "the model"


@dataclass(frozen=True)
class Evaluation:
    """What `eval` reports.

    `intervals` are 95 % percentile bootstrap intervals over rows; `difference` is the
    model minus a baseline on the same resampled rows. `signature` says how the metrics were
    computed, where there are ways whose figures do not compare. `metric` is the one that the
    verdicts go by. Of classes, `positive` is the one that f1, precision and recall are of; None:
    they are means over all (macro). `coverage` is the share of the rows that were answered, of which
    alone the figures are; None: all were to be answered.
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
    signature: str = ""
    metric: str = ""
    positive: str | None = None
    coverage: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, figures to six digits after the point."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        if not self.signature:
            del rounded["signature"]
        if self.coverage is None:
            del rounded["coverage"]
        if "macro_f1" not in self.metrics:
            del rounded["positive"]
        return rounded


def evaluate(
    task: Task,
    examples: Sequence[Example],
    outputs: Outputs,
    baselines: Mapping[str, Outputs],
    rivals: Mapping[str, Outputs] | None = None,
    *,
    alone: Outputs | None = None,
    data: str,
    split: str,
    warnings: Sequence[str] = (),
    seconds: float = 0.0,
    coverage: float | None = None,
) -> Evaluation:
    """Compare a model's outputs with the labels, and with the baselines' answers.

    Args:
        task: knows the metrics.
        examples: N labelled rows.
        outputs: what the task made of each row.
        baselines: what baselines that were fitted on the model's own training rows give, by name.
        rivals: outputs of other models on the same rows, by name; they are compared too.
        alone: what the encoder gave before it was ensembled in `outputs`; compared
            as `encoder`. None: nothing was blended.
        data: name of the data, for the report.
        split: name of the split, for the report.
        warnings: what is already known to be wrong.
        seconds: time of reading, tokenizing and the forward pass.
        coverage: the share of all rows that these are; None: these are all.
    """
    scores = task.score(examples, outputs)
    others, difference = _compare(task, examples, outputs, baselines)
    learnt_nothing, no_better = list(scores.warnings), _no_better(task, scores.metrics, others, difference)
    rivals = dict(rivals or {})
    if alone is not None:
        nothing, worse = _doubts_of_encoder(task, examples, alone, baselines)
        learnt_nothing, no_better = learnt_nothing + nothing, no_better + worse
        rivals = {ENCODER: alone, **rivals}
    figures, differences = _compare(task, examples, outputs, rivals)
    every = {**baselines, **rivals}
    beside = {
        name: {**own, **klue_figures(task, data, examples, every[name])} for name, own in {**others, **figures}.items()
    }
    return Evaluation(
        data=data,
        split=split,
        n=len(examples),
        metrics={**scores.metrics, **klue_figures(task, data, examples, outputs)},
        intervals=dict(task.intervals(examples, outputs)),
        baselines=beside,
        difference={**difference, **differences},
        warnings=(*warnings, *_pointing(learnt_nothing, "one-answer"), *_pointing(no_better, "no-better")),
        per_label=scores.per_label,
        seconds=round(seconds, 3),
        rows_per_second=round(len(examples) / seconds, 1) if seconds else 0.0,
        signature=scores.signature,
        metric=task.settings.deciding_metric,
        positive=task.settings.positive,
        coverage=coverage,
    )


def _compare(
    task: Task, examples: Sequence[Example], outputs: Outputs, others: Mapping[str, Outputs]
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Interval]]]:
    """Return the metrics of others on the same rows, and the intervals of what `outputs` have more."""
    metrics = {name: task.score(examples, their).metrics for name, their in others.items()}
    return metrics, {name: dict(task.difference(examples, outputs, their)) for name, their in others.items()}


def _doubts_of_encoder(
    task: Task,
    examples: Sequence[Example],
    alone: Outputs,
    baselines: Mapping[str, Outputs],
) -> tuple[list[str], list[str]]:
    """Say what is wrong with an encoder by itself, which a baseline that helps it must not hide.

    Returns:
        That it has learnt nothing; that it is no better than a baseline.
    """
    scores = task.score(examples, alone)
    worse = _no_better(task, scores.metrics, *_compare(task, examples, alone, baselines), who="the encoder alone")
    return [f"of the encoder alone: {warning}" for warning in scores.warnings], worse


def _pointing(sentences: Sequence[str], section: str) -> list[str]:
    """Let the last of several sentences of one kind say where the documents say more."""
    return [*sentences[:-1], *(f"{last}; {see(section)}" for last in sentences[-1:])]


def _no_better(
    task: Task,
    metrics: Mapping[str, float],
    baselines: Mapping[str, Mapping[str, float]],
    difference: Mapping[str, Mapping[str, Interval]],
    who: str = MODEL,
) -> list[str]:
    """Say so where a baseline does as well by the metric that decides."""
    metric, found = task.settings.deciding_metric, []
    for name, figures in baselines.items():
        if name in BOUNDS:
            continue
        if metric in figures and metric in difference[name]:
            verdict = Verdict(who, name, metric, metrics[metric], figures[metric], difference[name][metric])
            found.append(verdict.sentence + to_have_it(verdict, task.settings.task) if verdict.sentence else "")
    return [sentence for sentence in found if sentence]


def to_have_it(verdict: Verdict, task: str) -> str:
    """Say how to take the baseline itself, where that is possible and a model's figure is below its own."""
    gain = verdict.other - verdict.figure
    is_better = gain > 0 if greater_is_better(verdict.metric) else gain < 0
    if task in LINEAR_TASKS and (verdict.who, verdict.baseline) == (MODEL, TFIDF) and is_better:
        return f", which --model {TFIDF} trains by itself"
    return ""


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value
