"""What the validation rows decide: the metric, the temperature, the thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.labels import STRONG_IMBALANCE, imbalance
from bertkit.baselines.sequence import SequenceBaselines
from bertkit.baselines.table import Baselines, tuned_baselines
from bertkit.config import TrainConfig
from bertkit.data.records import Example
from bertkit.data.store import labels_of
from bertkit.errors import UsageError
from bertkit.metrics.classification import Tallies, ratio, tally_metrics
from bertkit.plain import quoted
from bertkit.tasks.base import Outputs, Probable, Task, TaskSettings, Tuned
from bertkit.tasks.objectives import gathered
from bertkit.tasks.registry import TaskSpec
from bertkit.tasks.sequence import SequenceTask

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

# --------------------------------------------------------------------------------------------------
# What is chosen on the validation rows once a training is over: a temperature, and by which score labels are taken.

FLAG = "--tune-threshold"
_BEST = ("f1", "macro_f1", "mcc", "accuracy")
_AT_LEAST = ("precision", "recall")


def calibrate(
    task: Task, model: TaskModel, examples: Sequence[Example], outputs: Outputs
) -> tuple[Outputs, dict[str, Any], str]:
    """Fit a temperature, and divide the last layer by it.

    Args:
        task: its answers stay what they are, only their probabilities change.
        model: its last layer is changed.
        examples: rows that were not trained on.
        outputs: what the model gave for them.

    Returns:
        What it gives now, the figures for the run's record, and a sentence; nothing where there is
        nothing to calibrate.
    """
    if not isinstance(task, Probable) or not len(examples):
        return outputs, {}, ""
    temperature = task.temperature(examples, outputs)
    if temperature == 1.0:
        return outputs, {}, ""
    before = task.score(examples, outputs).metrics["ece"]
    cooled = task.cooled(outputs, temperature)
    after = task.score(examples, cooled).metrics["ece"]
    _divide(model, temperature)
    found = {"temperature": temperature, "ece_before": round(before, 6), "ece": round(after, 6)}
    return cooled, found, (
        f"probabilities are calibrated on the validation rows: temperature {temperature:.3f}, expected calibration "
        f"error {before:.4f} before and {after:.4f} after; no predicted label changes (--no-calibrate turns it off)"
    )  # fmt: skip


def _divide(model: TaskModel, temperature: float) -> None:
    import torch

    layer: Any = model.classifier
    with torch.no_grad():
        layer.weight.div_(temperature)
        if layer.bias is not None:
            layer.bias.div_(temperature)


def tune(
    task: Task, baselines: Baselines, examples: Sequence[Example], outputs: Outputs, word: str | None
) -> tuple[Baselines, str]:
    """Choose thresholds, of the model and of its baselines alike, and let the task decide by them.

    Args:
        task: of which the thresholds are.
        baselines: fitted on the same rows as the model.
        examples: rows that were not trained on.
        outputs: what the model gave for them.
        word: the value of --tune-threshold; None: nobody asked.

    Returns:
        The baselines, and a sentence; empty where nothing is chosen.
    """
    if isinstance(task, Tuned):
        said = task.tune(examples, outputs)
        return tuned_baselines(baselines, examples), said
    if word is None or not isinstance(task, SequenceTask):
        return baselines, ""
    labels, positive = task.settings.labels, task.settings.positive or task.settings.labels[1]
    place, gold = labels.index(positive), np.asarray([e.label == positive for e in examples])
    threshold, said = _chosen(gold, gathered(outputs)[:, place], word, positive)
    task.decide_by(tuple(threshold if label == positive else 0.0 for label in labels))
    if isinstance(baselines, SequenceBaselines):
        others = gathered(baselines.predict(examples)["tfidf"])[:, place]
        baselines = replace(baselines, threshold=_chosen(gold, others, word, positive)[0])
    return baselines, said


def check_tuning(word: str | None, settings: TaskSettings) -> None:
    """Refuse --tune-threshold where it cannot be followed, before anything is trained.

    Raises:
        UsageError: it asks for something else than a metric, or there are not two labels.
    """
    if word is None:
        return
    _parsed(word)
    if len(settings.labels) != 2:
        raise UsageError(f"{FLAG}: is for two labels, and there are {len(settings.labels):,}; leave it out.")


def _parsed(word: str) -> tuple[str, float]:
    """Return the metric, and the least value that it must have; 0 where the best is wanted."""
    name, equals, value = word.partition("=")
    if not equals and name in _BEST:
        return name, 0.0
    try:
        least = float(value)
    except ValueError:
        least = -1.0
    if name in _AT_LEAST and 0.0 < least <= 1.0:
        return name, least
    wanted = ", ".join((*_BEST, *(f"{metric}=P" for metric in _AT_LEAST)))
    raise UsageError(f"{FLAG} {quoted(word)}: must be one of {wanted}, P being from 0 to 1.")


def _chosen(gold: NDArray[np.bool_], scores: NDArray[np.float64], word: str, positive: str) -> tuple[float, str]:
    """Choose a threshold half way between two scores, and say what it gives on these rows."""
    metric, least = _parsed(word)
    order = np.argsort(-scores, kind="stable")
    falling, right = scores[order], np.cumsum(gold[order]).astype(np.float64)
    ends = np.flatnonzero(np.append(falling[:-1] != falling[1:], True))
    taken, found, all_gold = np.asarray(ends + 1.0, np.float64), right[ends], float(gold.sum())
    precision, recall = ratio(found, taken), found / max(1.0, all_gold)
    if least:
        met = (precision if metric == "precision" else recall) >= least
        # Of those that keep the promise the one that gives most of the other.
        figures = np.where(met, recall if metric == "precision" else precision, -1.0)
        if not met.any():
            figures = precision if metric == "precision" else recall
    else:
        figures = _figures(metric, found, taken, all_gold, len(gold))
        met = np.ones(len(ends), bool)
    best = int(np.argmax(figures))
    below = np.append(falling, 0.0)[ends[best] + 1]
    threshold = max(float((falling[ends[best]] + below) / 2.0), 1e-9)
    reached = "" if met.any() else f"; no threshold has {word} there"
    return threshold, (
        f"{quoted(positive)} is predicted from probability {threshold:.4f} on, chosen by {word} on the {len(gold):,} "
        f"validation rows (precision {precision[best]:.4f}, recall {recall[best]:.4f}{reached}; predict and eval "
        "--threshold override it)"
    )


def _figures(
    metric: str, found: NDArray[np.float64], taken: NDArray[np.float64], all_gold: float, n: int
) -> NDArray[np.float64]:
    """Return a metric at each threshold, (thresholds)."""
    correct = np.stack([n - all_gold - (taken - found), found], axis=1)
    gold = np.broadcast_to([n - all_gold, all_gold], correct.shape).astype(np.float64)
    predicted = np.stack([n - taken, taken], axis=1)
    return tally_metrics(Tallies(correct, gold, predicted), 1)[metric]


# --- Which metric decides: of the best epoch, of --patience, and of whether a baseline is beaten --

UNEVEN = "macro_f1"  # every class counts alike, however few rows it has


def choose_metric(config: TrainConfig, task: TaskSpec, examples: Sequence[Example]) -> tuple[str, str]:
    """Return the metric that decides, and a sentence where that is not what the task usually takes.

    Args:
        config: the request; --metric goes before everything.
        task: knows its metrics.
        examples: the training rows, whose labels may be uneven.

    Raises:
        UsageError: the task does not have the metric that was asked for.
    """
    if config.metric is not None:
        _refuse_foreign(config, task)
        return config.metric, ""
    own = task.metrics[0]
    reason = _why_uneven(config, examples) if UNEVEN in task.metrics else ""
    if not reason:
        return own, ""
    return (
        UNEVEN,
        f"{UNEVEN} chooses the best epoch and decides the verdict, because {reason} (--metric {own} uses {own} "
        f"instead)",
    )


def _refuse_foreign(config: TrainConfig, task: TaskSpec) -> None:
    metrics = [name for name in task.metrics if name != "pair_accuracy" or config.sentence_pairs != "none"]
    if config.metric not in metrics:
        raise UsageError(
            f"--metric {quoted(config.metric)}: {task.name} does not compute it; choose from {', '.join(metrics)}."
        )


def _why_uneven(config: TrainConfig, examples: Sequence[Example]) -> str:
    if config.class_weights != "none":
        return "--class-weights is given"
    counts = Counter(label for label in labels_of(examples) if label)
    if len(counts) < 2 or imbalance(counts) <= STRONG_IMBALANCE:
        return ""
    (most, n_most), *_, (least, n_least) = counts.most_common()
    return (
        f"{n_most:,} training rows have the label {quoted(most)} and {n_least:,} have {quoted(least)}, "
        f"more than {STRONG_IMBALANCE:g} to 1"
    )
