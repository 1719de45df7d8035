"""Scores of predicted numbers: squared and absolute error, Pearson and Spearman correlation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = Sequence[float] | NDArray[np.float64]


def regression_metrics(gold: Numbers, predicted: Numbers) -> dict[str, float]:
    """Compute mse, mae, pearson and spearman; all 0.0 for no rows.

    Raises:
        ValueError: the sequences differ in length.
    """
    return {
        "mse": mse(gold, predicted),
        "mae": mae(gold, predicted),
        "pearson": pearson(gold, predicted),
        "spearman": spearman(gold, predicted),
    }


def mse(gold: Numbers, predicted: Numbers) -> float:
    """Average the squared errors."""
    true, given = as_columns(gold, predicted)
    return float(np.square(true - given).mean()) if len(true) else 0.0


def mae(gold: Numbers, predicted: Numbers) -> float:
    """Average the absolute errors."""
    true, given = as_columns(gold, predicted)
    return float(np.abs(true - given).mean()) if len(true) else 0.0


def pearson(gold: Numbers, predicted: Numbers) -> float:
    """Compute the linear correlation; 0.0 where one side is the same number in every row."""
    true, given = (_centred(column) for column in as_columns(gold, predicted))
    norms = np.sqrt(true @ true) * np.sqrt(given @ given)
    return float(np.clip(true @ given / norms, -1.0, 1.0)) if norms else 0.0


def spearman(gold: Numbers, predicted: Numbers) -> float:
    """Compute the correlation of ranks, ties sharing their average; 0.0 where one side is constant."""
    true, given = as_columns(gold, predicted)
    return pearson(average_ranks(true), average_ranks(given))


def average_ranks(values: Numbers) -> NDArray[np.float64]:
    """Rank the values from 1; equal values share the average of their ranks."""
    _, group, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((ends - counts + ends + 1) / 2.0)[group]
    return ranks


def as_columns(gold: Numbers, predicted: Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as float64 arrays.

    Raises:
        ValueError: they differ in length.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold values and {len(predicted)} predicted ones")
    return np.asarray(gold, np.float64), np.asarray(predicted, np.float64)


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values less their mean, the largest of size 1; a constant becomes exact zeros."""
    if not len(values) or np.ptp(values) == 0.0:
        return np.zeros_like(values)
    centred = values - values.mean()
    return np.asarray(centred / np.abs(centred).max())
