"""Figures of relations between entities: micro F1 without those that are none, and areas under precision and recall.

The area of a label is that under the curve of precision over recall, by trapezoids from precision 1 at recall 0 on,
as KLUE's code computes it (scikit-learn's `auc` of its `precision_recall_curve`); of a label that no row has, recall
counts as 1 throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.classification import ratio
from bertkit.metrics.intervals import Interval, bootstrap_chunks

Figures = NDArray[np.float64]
Answers = tuple[Sequence[str], Any]
"""The labels that N rows were given, and the probabilities of all labels, (N, C), or None where these are not kept."""
# Figures (rows times labels) up to which areas have intervals: more would take longer than all else.
MOST_DRAWN = 500_000


def relation_metrics(
    gold: Sequence[str], predicted: Sequence[str], scores: Any, labels: Sequence[str], related: AbstractSet[str]
) -> dict[str, float]:
    """Compute micro_f1, micro_precision and micro_recall over the labels that are relations, and auprc over all.

    Args:
        gold: the labels of N rows.
        predicted: those that were given.
        scores: probabilities, (N, C); None: there is no area.
        labels: C labels, in the order of the probabilities.
        related: those that are relations.
    """
    everything = np.arange(len(gold))[None, :]
    drawn = _scorer(gold, (predicted, scores), labels, related)(everything)
    return {name: float(values[0]) for name, values in drawn.items()}


def relation_intervals(
    gold: Sequence[str], predicted: Sequence[str], scores: Any, labels: Sequence[str], related: AbstractSet[str]
) -> dict[str, Interval]:
    """Return the bootstrap interval of each figure; of areas only where rows and labels are not too many."""
    return bootstrap_chunks(_scorer(gold, (predicted, _few(scores)), labels, related), len(gold))


def relation_difference(
    gold: Sequence[str], mine: Answers, other: Answers, labels: Sequence[str], related: AbstractSet[str]
) -> dict[str, Interval]:
    """Return the interval of each figure's difference, rows paired."""
    ours = _scorer(gold, (mine[0], _few(mine[1])), labels, related)
    others = _scorer(gold, (other[0], _few(other[1])), labels, related)

    def difference(draws: NDArray[np.intp]) -> dict[str, Figures]:
        found = others(draws)
        return {name: values - found[name] for name, values in ours(draws).items() if name in found}

    return bootstrap_chunks(difference, len(gold))


def area_of(is_label: NDArray[np.bool_], scores: Figures, weights: Figures | None = None) -> Figures:
    """Return the area under precision and recall of one label, for each drawing of the rows.

    Args:
        is_label: which of N rows have it.
        scores: its probability, (N).
        weights: how often each row was drawn, (draws, N); None: each once.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores are one step
    drawn = np.ones((1, len(order))) if weights is None else weights[:, order]
    right, given = ((drawn * is_label[order]).cumsum(axis=1)[:, ends], drawn.cumsum(axis=1)[:, ends])
    precision = np.where(given > 0, ratio(right, given), 1.0)
    total = right[:, -1:]
    recall = np.where(total > 0, ratio(right, np.broadcast_to(total, right.shape)), 1.0)
    start = np.ones((len(drawn), 1))
    heights = np.concatenate([start, precision], axis=1)
    steps = np.diff(np.concatenate([0.0 * start, recall], axis=1), axis=1)
    return np.asarray((steps * (heights[:, 1:] + heights[:, :-1]) / 2.0).sum(axis=1))


def _scorer(
    gold: Sequence[str], answers: Answers, labels: Sequence[str], related: AbstractSet[str]
) -> Callable[[NDArray[np.intp]], Mapping[str, Figures]]:
    """Make what scores drawn rows, (draws, rows)."""
    predicted, scores = answers
    right = np.asarray([a == b and a in related for a, b in zip(gold, predicted, strict=True)], np.float64)
    given, wanted = (np.asarray([label in related for label in own], np.float64) for own in (predicted, gold))
    table = None if scores is None or not len(gold) else np.asarray(scores, np.float64)
    own = [np.asarray([label == row for row in gold], bool) for label in labels] if table is not None else []

    def score(draws: NDArray[np.intp]) -> dict[str, Figures]:
        hits, answered, due = (flags[draws].sum(axis=1) for flags in (right, given, wanted))
        found = {
            "micro_f1": ratio(2.0 * hits, answered + due),
            "micro_precision": ratio(hits, answered),
            "micro_recall": ratio(hits, due),
        }
        if table is not None:
            weights = np.stack([np.bincount(draw, minlength=len(gold)) for draw in draws]).astype(np.float64)
            areas = [area_of(is_label, table[:, i], weights) for i, is_label in enumerate(own)]
            found["auprc"] = np.mean(areas, axis=0)
        return found

    return score


def _few(scores: Any) -> Any:
    return None if scores is None or np.size(scores) > MOST_DRAWN else scores
