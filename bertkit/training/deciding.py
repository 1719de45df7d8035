"""Which metric decides: of the best epoch, of --patience, and of whether a baseline is beaten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bertkit.audit.labels import STRONG_IMBALANCE, imbalance
from bertkit.config import TrainConfig
from bertkit.data.records import Example
from bertkit.data.store import labels_of
from bertkit.errors import UsageError
from bertkit.plain import quoted
from bertkit.tasks.registry import TaskSpec

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
    return UNEVEN, f"{UNEVEN} chooses the best epoch and gives the verdict, for {reason} (--metric {own} goes by {own})"


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
