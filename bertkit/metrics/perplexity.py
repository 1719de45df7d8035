"""How well masked tokens are guessed, and how far that could have come out otherwise.

A row is an array of (log-probability of the true token, 1.0 if it was the likeliest), one
line for each masked token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.intervals import Draws, Interval, bootstrap_chunks

Row = NDArray[np.float64]


def perplexity_metrics(rows: Sequence[Row]) -> dict[str, float]:
    """Return perplexity, the mean loss in nats a token, and the share of tokens found.

    Perplexity is the exponential of the mean loss over all masked tokens.
    """
    sums = _sums(rows)
    logs, right, count = sums.sum(axis=0) if len(sums) else (0.0, 0.0, 0.0)
    loss = -logs / count if count else 0.0
    return {
        "perplexity": math.exp(min(loss, 700.0)),
        "loss": float(loss),
        "accuracy": float(right / count) if count else 0.0,
    }


def perplexity_intervals(rows: Sequence[Row], seed: int = 0) -> dict[str, Interval]:
    """Return the interval of each metric of `perplexity_metrics`, rows drawn anew."""
    sums = _sums(rows)
    return bootstrap_chunks(lambda draws: _drawn(sums, draws), len(sums), seed=seed)


def perplexity_difference(model: Sequence[Row], baseline: Sequence[Row], seed: int = 0) -> dict[str, Interval]:
    """Return the interval of model minus baseline, both on the same drawn rows."""
    mine, others = _sums(model), _sums(baseline)

    def score(draws: Draws) -> dict[str, NDArray[np.float64]]:
        first, second = _drawn(mine, draws), _drawn(others, draws)
        return {name: first[name] - second[name] for name in first}

    return bootstrap_chunks(score, len(mine), seed=seed)


def _sums(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Return for each row the sum of its logs, of its hits, and its number of tokens, (rows, 3)."""
    return np.asarray([(row[:, 0].sum(), row[:, 1].sum(), len(row)) if len(row) else (0, 0, 0) for row in rows])


def _drawn(sums: NDArray[np.float64], draws: Draws) -> dict[str, NDArray[np.float64]]:
    logs, right, count = (sums[draws, i].sum(axis=1) for i in range(3))  # (draws) each
    count = np.maximum(count, 1.0)
    return {"perplexity": np.exp(np.minimum(-logs / count, 700.0)), "loss": -logs / count, "accuracy": right / count}
