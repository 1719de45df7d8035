"""From how likely each label is to which a row gets: a threshold for each, chosen on rows with known labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertkit.data.numerals import is_number
from bertkit.errors import UsageError
from bertkit.metrics.classification import ratio
from bertkit.metrics.multilabel import Flags
from bertkit.plain import listed, quoted
from bertkit.tasks.labels import named_numbers

USUAL = 0.5
# Rows with a label below which its own best threshold is noise, and that of all labels is taken.
FEW_ROWS = 10


def best_thresholds(gold: Flags, scores: NDArray[np.float64]) -> tuple[float, ...]:
    """Choose the threshold of each label by its F1; of labels in few rows, the one of all by micro F1.

    Args:
        gold: the labels of rows that were not trained on, (N, C).
        scores: how likely each label is, (N, C).
    """
    shared = best_threshold(gold, scores)
    return tuple(
        _best(gold[:, i], scores[:, i], shared) if gold[:, i].sum() >= FEW_ROWS else shared
        for i in range(gold.shape[1])
    )


def best_threshold(gold: Flags, scores: NDArray[np.float64]) -> float:
    """Choose one threshold for all labels, by micro F1; the arguments are those of `best_thresholds`."""
    return _best(gold.ravel(), scores.ravel(), USUAL)


def _best(gold: Flags, scores: NDArray[np.float64], otherwise: float) -> float:
    """Return the threshold with the best F1, half way between two scores; of equal ones the nearest to `otherwise`."""
    if not gold.any():
        return otherwise
    order = np.argsort(-scores, kind="stable")
    falling, right = scores[order], np.cumsum(gold[order])
    taken = np.arange(1, len(falling) + 1)
    # A threshold lies between two different scores; the last one takes all rows.
    ends = np.flatnonzero(np.append(falling[:-1] != falling[1:], True))
    f1 = ratio(np.asarray(2.0 * right[ends], np.float64), (taken[ends] + gold.sum()).astype(np.float64))
    below = np.append(falling, 0.0)[ends + 1]
    cuts = (falling[ends] + below) / 2.0
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(cuts[best[np.abs(cuts[best] - otherwise).argmin()]])


def parse_thresholds(word: str, labels: Sequence[str]) -> dict[str, float]:
    """Read --threshold: one number for all labels, or label=P,label=P.

    Returns:
        The thresholds that were named, by label.

    Raises:
        UsageError: it is neither, a number is not from 0 to 1, or no label is called so.
    """
    if is_number(word.strip()):
        return dict.fromkeys(labels, _probability(word.strip(), word))
    found: dict[str, float] = {}
    for label, value in named_numbers(word):
        if not label or label in found:
            raise UsageError(f"--threshold {quoted(word)}: must be a number from 0 to 1, or label=P,label=P.")
        if label not in labels:
            raise UsageError(
                f"--threshold: no label is called {quoted(label)}; there are {listed(labels, quotes=False)}."
            )
        found[label] = _probability(value, word)
    return found


def _probability(value: str, word: str) -> float:
    if not is_number(value) or not 0.0 <= float(value) <= 1.0:
        raise UsageError(f"--threshold {quoted(word)}: a threshold is a number from 0 to 1.")
    return float(value)
