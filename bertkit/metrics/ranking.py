"""Scores of ranked choices: where the right one stands among those of its row.

Rows may differ in how many choices they have. A row's choices are ranked by probability;
equal ones keep the order in which they stand, so that probabilities which are all the
same would score the order of the file and not the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.classification import LEAST_PROBABILITY
from bertkit.metrics.intervals import Draws, Interval, bootstrap_chunks

Probabilities = Sequence[NDArray[np.float64]]
"""The probability of each choice, one array for each row."""

_CUTOFF = 3


def ranking_metrics(gold: Sequence[int], probabilities: Probabilities) -> dict[str, float]:
    """Compute accuracy, hit@1, map@3, mrr and loss; all 0.0 for no rows.

    With one right choice a row, hit@1 is the accuracy, mrr is the mean of 1 / rank, and
    map@3 the same with 0 where the right choice is not among the first three. The loss
    is the cross entropy, in nats.

    Args:
        gold: the place of the right choice of each row, from 0.
        probabilities: the probabilities of each row's choices.

    Raises:
        ValueError: the two differ in length, a row has no such choice, or a probability
            is not finite.
    """
    values = _values_of_rows(gold, probabilities)
    return {name: float(value.mean()) if len(value) else 0.0 for name, value in values.items()}


def ranking_intervals(gold: Sequence[int], probabilities: Probabilities, seed: int = 0) -> dict[str, Interval]:
    """Return the bootstrap interval of each metric of `ranking_metrics`."""
    return _mean_intervals(_values_of_rows(gold, probabilities), len(gold), seed)


def ranking_difference(
    gold: Sequence[int], model: Probabilities, baseline: Probabilities, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of model minus baseline for each metric of `ranking_metrics`, on the same draws."""
    mine, others = (_values_of_rows(gold, probabilities) for probabilities in (model, baseline))
    return _mean_intervals({name: mine[name] - others[name] for name in mine}, len(gold), seed)


def gold_ranks(gold: Sequence[int], probabilities: Probabilities) -> NDArray[np.int64]:
    """Return the rank of the right choice of each row, from 1; of equal choices the first ranks higher.

    Raises:
        ValueError: as `ranking_metrics`.
    """
    return _ranks_and_gold(gold, probabilities)[0]


def _values_of_rows(gold: Sequence[int], probabilities: Probabilities) -> dict[str, NDArray[np.float64]]:
    """Return what each row adds to the mean that a metric is, (rows) each."""
    ranks, right = _ranks_and_gold(gold, probabilities)
    first = (ranks == 1).astype(np.float64)
    reciprocal = 1.0 / ranks
    return {
        "accuracy": first,
        "hit@1": first,
        "map@3": np.where(ranks <= _CUTOFF, reciprocal, 0.0),
        "mrr": reciprocal,
        "loss": -np.log(np.maximum(right, LEAST_PROBABILITY)),
    }


def _ranks_and_gold(gold: Sequence[int], probabilities: Probabilities) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rank and the probability of each row's right choice."""
    if len(gold) != len(probabilities):
        raise ValueError(f"{len(gold)} gold choices and {len(probabilities)} rows of probabilities")
    if not len(gold):
        return np.zeros(0, np.int64), np.zeros(0)
    sizes = np.asarray([len(row) for row in probabilities], np.int64)
    places = np.asarray(gold, np.int64)
    outside = np.flatnonzero((places < 0) | (places >= sizes))
    if len(outside):
        row = outside[0]
        raise ValueError(f"row {row} has {sizes[row]} choices, and its gold choice is {places[row]}")
    flat = np.concatenate(probabilities).astype(np.float64)
    if not np.isfinite(flat).all():
        raise ValueError("a probability is not finite")
    starts = np.cumsum(sizes) - sizes
    right = flat[starts + places]
    right_of_choice, is_earlier = np.repeat(right, sizes), np.arange(len(flat)) < np.repeat(starts + places, sizes)
    ahead = (flat > right_of_choice) | ((flat == right_of_choice) & is_earlier)
    return 1 + np.add.reduceat(ahead.astype(np.int64), starts), right


def _mean_intervals(values: Mapping[str, NDArray[np.float64]], n: int, seed: int) -> dict[str, Interval]:
    def score(draws: Draws) -> dict[str, NDArray[np.float64]]:
        return {name: value[draws].mean(axis=1) for name, value in values.items()}

    return bootstrap_chunks(score, n, seed=seed)
