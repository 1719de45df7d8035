"""Score a model honestly: metrics with intervals, beside baselines on the same rows, and a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.data.records import Example, TaggedText
from bertkit.data.store import MANY
from bertkit.evaluation.blend import ENCODER
from bertkit.evaluation.blend import TASKS as LINEAR_TASKS
from bertkit.files import write_bytes
from bertkit.metrics.names import greater_is_better, in_words
from bertkit.metrics.spans import klue_entities, klue_macro_f1, klue_relations, klue_similarity
from bertkit.models.table import TFIDF
from bertkit.plain import see, to_json
from bertkit.tasks.base import Interval, Outputs, Task
from bertkit.tasks.multilabel import Decided, MultiLabelTask
from bertkit.tasks.objectives import MANY_LABELS, Classification, gathered
from bertkit.tasks.sequence import RelationTask, SequenceTask

# --- KLUE's own figures beside the usual ones, where a data set is one of KLUE's ------------------

_NAME = re.compile(r"klue[-_. ]?(?:v1\.1[-_. ])?(ynat|tc|sts|nli|ner|re)(?![a-z])", re.IGNORECASE)


def klue_figures(task: Task, data: str, examples: Sequence[Example], outputs: Outputs) -> dict[str, float]:
    """Compute what KLUE's code would say of answers; nothing where a data set is not one of KLUE's.

    Args:
        task: whose answers they are.
        data: what the data set is called: a name of the catalog, or of a file as KLUE publishes it.
        examples: N rows with labels.
        outputs: what was said of each, by the model or by a baseline.
    """
    found = _NAME.search(data)
    if found is None or not examples:
        return {}
    name, word = found[1].lower(), task.settings.task
    if name == "sts" and word == "regression":
        return klue_similarity([float(e.label or 0) for e in examples], np.asarray(outputs)[:, 0].tolist())
    if name in ("ynat", "tc", "nli") and isinstance(task, SequenceTask) and isinstance(task.objective, Classification):
        gold, predicted = [e.label or "" for e in examples], task.objective.predicted(outputs)
        if name == "nli":
            return {"klue_accuracy": float(np.mean([a == b for a, b in zip(gold, predicted, strict=True)]))}
        return {"klue_macro_f1": klue_macro_f1(gold, predicted)}
    if name == "re" and isinstance(task, RelationTask) and len(task.settings.labels) <= MANY_LABELS:
        gold, predicted = [e.label or "" for e in examples], task.objective.predicted(outputs)  # type: ignore[attr-defined]
        return klue_relations(gold, predicted, gathered(outputs), task.settings.labels)
    if name == "ner" and word == "ner":
        gold_places = [_places(e.entities or ()) for e in examples if isinstance(e, TaggedText)]
        texts, types = [e.texts[0] for e in examples], task.settings.labels
        return klue_entities(texts, gold_places, [_places(output.entities) for output in outputs], types)
    return {}


def _places(entities: Sequence[Any]) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.label) for entity in entities]


# --- Is the model better than a baseline? One metric decides, on the same resampled rows ----------

_NAMES: Mapping[str, str] = {"tfidf": "TF-IDF", "textrank": "TextRank"}


@dataclass(frozen=True)
class Verdict:
    """How a model stands to a baseline.

    `difference` is the 95 % interval of the model's figure minus the baseline's.
    """

    who: str
    baseline: str
    metric: str
    figure: float
    other: float
    difference: Interval

    @property
    def sentence(self) -> str:
        """Say so where the model is not shown to be better; empty where it is.

        >>> Verdict("the model", "tfidf", "accuracy", 0.8, 0.79, (-0.02, 0.04)).sentence
        'the model shows no significant difference from the TF-IDF baseline in accuracy (95 % CI of the difference includes 0: -0.0200 to +0.0400; 0.8000 against 0.7900)'
        """  # noqa: E501 - the sentence is whole
        low, high = self.difference
        # How much better the model is, whichever way its metric goes.
        worst, best = (low, high) if greater_is_better(self.metric) else (-high, -low)
        if worst > 0:
            return ""
        than = f"the {_NAMES.get(self.baseline, self.baseline)} baseline in {in_words(self.metric)}"
        figures = f"{low:+.4f} to {high:+.4f}; {self.figure:.4f} against {self.other:.4f}"
        if best < 0:
            return f"{self.who} is significantly worse than {than} (95 % CI of the difference: {figures})"
        return (
            f"{self.who} shows no significant difference from {than} (95 % CI of the difference includes 0: {figures})"
        )


# --- Score a model honestly: metrics with intervals, beside baselines on the same rows ------------

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


@dataclass(frozen=True)
class About:
    """What a report says of the rows beside their scores.

    Args:
        data: name of the data.
        split: name of the split.
        warnings: what is already known to be wrong.
        seconds: time of reading, tokenizing and the forward pass.
        coverage: the share of all rows that these are; None: these are all.
    """

    data: str
    split: str
    warnings: Sequence[str] = ()
    seconds: float = 0.0
    coverage: float | None = None


def evaluate(
    task: Task,
    examples: Sequence[Example],
    outputs: Outputs,
    baselines: Mapping[str, Outputs],
    rivals: Mapping[str, Outputs] | None = None,
    *,
    alone: Outputs | None = None,
    about: About,
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
        about: what else the report says of these rows.
    """
    scores = task.score(examples, outputs)
    simple, difference = _compare(task, examples, outputs, baselines)
    learnt_nothing, no_better = list(scores.warnings), _no_better(task, scores.metrics, simple, difference)
    rivals = rivals or {}
    if alone is not None:
        rivals = {ENCODER: alone, **rivals}
        nothing, worse = _doubts_of_encoder(task, examples, alone, baselines)
        learnt_nothing, no_better = learnt_nothing + nothing, no_better + worse
    models, differences = _compare(task, examples, outputs, rivals)
    others, figures = {**baselines, **rivals}, {**simple, **models}
    data, seconds = about.data, about.seconds
    return Evaluation(
        data=data,
        split=about.split,
        n=len(examples),
        metrics={**scores.metrics, **klue_figures(task, data, examples, outputs)},
        intervals=dict(task.intervals(examples, outputs)),
        baselines={name: {**own, **klue_figures(task, data, examples, others[name])} for name, own in figures.items()},
        difference={**difference, **differences},
        warnings=(*about.warnings, *_pointing(learnt_nothing, "one-answer"), *_pointing(no_better, "no-better")),
        per_label=scores.per_label,
        seconds=round(seconds, 3),
        rows_per_second=round(len(examples) / seconds, 1) if seconds else 0.0,
        signature=scores.signature,
        metric=task.settings.deciding_metric,
        positive=task.settings.positive,
        coverage=about.coverage,
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


# --------------------------------------------------------------------------------------------------
# What a run says of each validation row, kept in the run: two runs can be compared row by row without being opened.
#
# No text is kept: a row is told by the name of its file and its line. Classes, numbers and sets of labels
# only; of what has other answers, `eval --against` compares.

FILE = "validation.jsonl"
TASKS = ("classify", "multilabel", "regression")


def save_answers(task: Task, rows: Sequence[Example], outputs: Outputs, folder: Path) -> None:
    """Write the answers beside the gold labels; nothing where rows are too many, or the task has no single figure.

    Raises:
        OSError: the folder cannot be written.
    """
    if task.settings.task in TASKS and len(rows) < MANY:
        content = "".join(to_json(line) + "\n" for line in _lines(task, rows, outputs))
        write_bytes(folder / FILE, content.encode())


def _lines(task: Task, rows: Sequence[Example], outputs: Outputs) -> Iterator[Mapping[str, Any]]:
    for row, predicted in zip(rows, _predicted(task, outputs), strict=True):
        gold = row.answer if task.settings.labels else float(row.label or 0)
        yield {"file": Path(row.source).name, "line": row.line, "gold": gold, "predicted": predicted}


def _predicted(task: Task, outputs: Outputs) -> Sequence[Any]:
    assert isinstance(task, SequenceTask)
    if isinstance(task, MultiLabelTask):
        return [_set(task.settings.labels, output, task.settings.thresholds) for output in outputs]
    if isinstance(task.objective, Classification):
        return list(task.objective.predicted(outputs))
    return [round(float(output[0]), 6) for output in outputs]


def _set(labels: Sequence[str], output: Any, thresholds: Sequence[float]) -> list[str]:
    chosen = output.chosen if isinstance(output, Decided) else np.asarray(output) >= np.asarray(thresholds or 0.5)
    return [label for label, is_chosen in zip(labels, chosen, strict=True) if is_chosen]
