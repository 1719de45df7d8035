"""The numbers behind figures: curves over thresholds, calibration, and errors by length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Points of a curve that are drawn: more than a page has dots.
MOST_POINTS = 4000
_Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class ThresholdCurves:
    """What happens as ever more rows are called positive; one point for each distinct score.

    All are shares from 0 to 1: of the positives that are found (`recall`), of the negatives
    that are called positive (`false_positives`), and of those called positive that are
    (`precision`). `roc_area` and `average_precision` sum the curves up.
    """

    recall: Array
    false_positives: Array
    precision: Array
    roc_area: float
    average_precision: float

    def thinned(self, most: int = MOST_POINTS) -> ThresholdCurves:
        """Return the curves with at most about as many points as can be seen; both ends stay."""
        points = len(self.recall)
        if points <= most:
            return self
        chosen = np.unique(np.linspace(0, points - 1, most).astype(int))
        recall, false_positives, precision = (
            values[chosen] for values in (self.recall, self.false_positives, self.precision)
        )
        return replace(self, recall=recall, false_positives=false_positives, precision=precision)


def threshold_curves(is_positive: NDArray[np.bool_], scores: Array) -> ThresholdCurves | None:
    """Compute the points of ROC and precision-recall curves; None where one of the classes has no rows.

    Args:
        is_positive: whether each row is of the class, (N).
        scores: its probability of the class, (N); equal ones are one point.
    """
    positives = int(is_positive.sum())
    negatives = len(is_positive) - positives
    if not positives or not negatives:
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(is_positive[order])[ends]
    called = ends + 1.0
    recall = np.concatenate([[0.0], found / positives])
    false_positives = np.concatenate([[0.0], (called - found) / negatives])
    precision = np.concatenate([[1.0], found / called])
    steps = np.diff(recall)
    return ThresholdCurves(
        recall=recall,
        false_positives=false_positives,
        precision=precision,
        roc_area=float((np.diff(false_positives) * (recall[1:] + recall[:-1]) / 2).sum()),
        average_precision=float((steps * precision[1:]).sum()),
    )


@dataclass(frozen=True)
class LengthGroup:
    """Rows of like length: from `low` to `high` tokens, how many, and their mean with its 95 % interval."""

    low: int
    high: int
    rows: int
    mean: float
    interval: tuple[float, float]


def by_length(
    lengths: Sequence[int], values: Sequence[float], *, is_share: bool, groups: int = 8
) -> tuple[LengthGroup, ...]:
    """Average what each row scored, over rows of like length, about as many in each group.

    Args:
        lengths: tokens of each row.
        values: one figure a row.
        is_share: whether the values are 0 or 1; the interval is then Wilson's (1927), else
            the usual one of a mean.
        groups: the most groups.
    """
    sizes, figures = np.asarray(lengths), np.asarray(values, np.float64)
    if not len(sizes):
        return ()
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, groups + 1)[1:], method="inverted_cdf"))
    place = np.searchsorted(edges, sizes)
    found = []
    for i in range(len(edges)):
        own = figures[place == i]
        if len(own):
            interval = wilson(own.sum(), len(own)) if is_share else _mean_interval(own)
            found.append(
                LengthGroup(int(sizes[place == i].min()), int(edges[i]), len(own), float(own.mean()), interval)
            )
    return tuple(found)


def wilson(hits: float, rows: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927)."""
    share, square = hits / rows, _Z * _Z / rows
    middle = (share + square / 2) / (1 + square)
    reach = _Z * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _mean_interval(values: Array) -> tuple[float, float]:
    mean = float(values.mean())
    reach = _Z * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return mean - reach, mean + reach
