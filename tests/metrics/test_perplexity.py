"""Perplexity by hand, its intervals, and rows without a masked token."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from bertkit.metrics.probabilities import perplexity_difference, perplexity_intervals, perplexity_metrics

Row = NDArray[np.float64]
NOTHING: Row = np.zeros((0, 2))


def row(*probabilities: float, hits: int = 0) -> Row:
    """A row of masked tokens: the true one's probability, and whether it was the likeliest."""
    return np.array([(math.log(p), float(i < hits)) for i, p in enumerate(probabilities)])


def random_rows(n: int, seed: int, *, sharpness: float = 1.0) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [row(*rng.uniform(0.01, 1, rng.integers(1, 5)) ** (1 / sharpness), hits=1) for _ in range(n)]


def test_perplexity_is_over_tokens_and_not_over_rows() -> None:
    metrics = perplexity_metrics([row(0.5, hits=1), row(0.25, 0.125)])
    # loss: the mean of ln 2, ln 4, ln 8; perplexity: the third root of 64
    assert metrics == {
        "perplexity": pytest.approx(4.0),
        "loss": pytest.approx(2 * math.log(2)),
        "accuracy": pytest.approx(1 / 3),
    }


def test_a_model_that_knows_every_token_has_perplexity_1() -> None:
    metrics = perplexity_metrics([row(1.0, 1.0, hits=2)])
    assert (metrics["perplexity"], metrics["loss"], metrics["accuracy"]) == (1.0, 0.0, 1.0)


def test_rows_without_hidden_tokens_count_for_nothing() -> None:
    rows = [row(0.5, 0.25, hits=1), row(0.1)]
    assert perplexity_metrics([NOTHING, *rows, NOTHING]) == perplexity_metrics(rows)


@pytest.mark.parametrize("rows", [[], [NOTHING], [NOTHING, NOTHING]])
def test_nothing_to_guess(rows: list[Row]) -> None:
    assert perplexity_metrics(rows) == {"perplexity": 1.0, "loss": 0.0, "accuracy": 0.0}
    assert all(low == high for low, high in perplexity_intervals(rows).values())


def test_a_hopeless_model_has_a_large_finite_perplexity() -> None:
    metrics = perplexity_metrics([np.array([(-1e6, 0.0)])])
    assert 1e300 < metrics["perplexity"] < math.inf
    assert metrics["loss"] == 1e6


def test_intervals_hold_the_score_and_repeat() -> None:
    rows = random_rows(60, seed=1)
    metrics, intervals = perplexity_metrics(rows), perplexity_intervals(rows)
    assert intervals.keys() == metrics.keys()
    assert all(low < metrics[name] < high for name, (low, high) in intervals.items())
    assert intervals == perplexity_intervals(rows)
    assert intervals != perplexity_intervals(rows, seed=1)


def test_differences_are_of_the_same_rows() -> None:
    rows = random_rows(60, seed=1)
    assert set(perplexity_difference(rows, rows).values()) == {(0.0, 0.0)}
    better = [np.stack([r[:, 0] / 2, r[:, 1]], axis=1) for r in rows]
    low, high = perplexity_difference(better, rows)["perplexity"]
    assert low < high < 0
    turned = perplexity_difference(rows, better)["perplexity"]
    assert turned == pytest.approx((-high, -low))
