"""Is a probability what it says? Expected calibration error, and the temperature that corrects it.

Guo et al. 2017, "On Calibration of Modern Neural Networks": bins of equal width over the
probability of the answer; one number, fitted on rows that were not trained on, divides the logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.intervals import MOST_DRAWN, RESAMPLES, Interval, bootstrap_chunks, percentiles

Array = NDArray[np.float64]
BINS = 15
_LEAST = 1e-12  # what a probability of 0 counts as
# Temperatures beyond these are no calibration any more: the model has learnt nothing, or all by heart.
COLDEST, HOTTEST = 0.05, 20.0
_PRIOR_SD = 0.5  # of log T, before any row is seen


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of like confidence: how many, how sure the model was on average, and how often right."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def calibration(confidence: Array, is_right: NDArray[np.bool_]) -> tuple[tuple[CalibrationBin, ...], float]:
    """Compare how sure a model is with how often it is right.

    Args:
        confidence: probability of the answer given, (N).
        is_right: whether the answer was right, (N).

    Returns:
        The bins that hold rows, and the expected calibration error: the mean distance of
        confidence and accuracy over the bins, weighted by their rows (Naeini et al. 2015).
    """
    place = _places(confidence)
    bins = []
    for i in range(BINS):
        chosen = place == i
        if chosen.any():
            sure, right = float(confidence[chosen].mean()), float(is_right[chosen].mean())
            bins.append(CalibrationBin(i / BINS, (i + 1) / BINS, int(chosen.sum()), sure, right))
    error = sum(found.rows * abs(found.confidence - found.accuracy) for found in bins) / max(1, len(confidence))
    return tuple(bins), error


def calibration_error(confidence: Array, is_right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error; 0.0 for no rows."""
    return calibration(np.asarray(confidence, np.float64), np.asarray(is_right, bool))[1]


def calibration_interval(confidence: Array, is_right: NDArray[np.bool_], seed: int = 0) -> dict[str, Interval]:
    """Return the bootstrap interval of the expected calibration error.

    Of a small error it lies too high, for the rows of a draw are off by chance, too.

    Args:
        confidence: of N rows, or of the same number of answers in each of N rows, (N) or (N, A).
        is_right: likewise.
        seed: sets which rows are drawn.
    """
    n = len(confidence)
    if n > MOST_DRAWN and np.ndim(confidence) == 1:
        return percentiles({"ece": _errors_of_many(np.asarray(confidence), np.asarray(is_right), seed)})
    sure = np.asarray(confidence, np.float64).reshape(n, -1)
    off = sure - np.asarray(is_right, bool).reshape(n, -1)
    held = np.zeros((n, BINS))  # what each row adds to each bin
    np.add.at(held, (np.arange(n)[:, None], _places(sure)), off / max(1, sure.shape[1]))

    def score(draws: NDArray[np.intp]) -> dict[str, Array]:
        times = np.stack([np.bincount(draw, minlength=n) for draw in draws])  # (draws, N)
        return {"ece": np.asarray(np.abs(times @ held).sum(axis=1) / n)}

    return bootstrap_chunks(score, n, seed=seed)


def _errors_of_many(sure: Array, is_right: NDArray[np.bool_], seed: int) -> Array:
    """Return the error of each draw of very many rows; rows that are off alike are drawn together."""
    levels = 256
    counts, sums = np.zeros(BINS * levels, np.int64), np.zeros(BINS * levels)
    for start in range(0, len(sure), MOST_DRAWN):
        part = sure[start : start + MOST_DRAWN]
        off = part - is_right[start : start + MOST_DRAWN]
        cells = _places(part) * levels + np.clip((off + 1) / 2 * levels, 0, levels - 1).astype(np.int64)
        counts += np.bincount(cells, minlength=len(counts))
        sums += np.bincount(cells, off, minlength=len(sums))
    there = np.flatnonzero(counts)
    drawn = np.random.default_rng(seed).multinomial(len(sure), counts[there] / len(sure), RESAMPLES)
    held = np.zeros((len(there), BINS))
    held[np.arange(len(there)), there // levels] = sums[there] / counts[there]
    return np.asarray(np.abs(drawn @ held).sum(axis=1) / len(sure))


def class_temperature(gold: Sequence[int] | NDArray[np.int32], probabilities: Sequence[Array] | Array) -> float:
    """Fit the temperature of probabilities that sum to 1 in each row, which may differ in length.

    Args:
        gold: the place of the right one of N rows; -1: it is none of them, and the row is left out.
        probabilities: of each row.
    """
    if isinstance(gold, np.ndarray) and isinstance(probabilities, np.ndarray):
        known = np.flatnonzero(gold >= 0)
        laid = [(np.log(np.maximum(probabilities[known], _LEAST)), gold[known])]
        return _temperature(_slope_of(laid)) if len(known) else 1.0
    rows = [(place, np.log(np.maximum(row, _LEAST))) for place, row in zip(gold, probabilities, strict=True)]
    groups: dict[int, list[tuple[int, Array]]] = {}
    for place, logs in rows:
        if place >= 0:
            groups.setdefault(len(logs), []).append((place, logs))
    laid = [(np.stack([logs for _, logs in own]), np.asarray([place for place, _ in own])) for own in groups.values()]
    return _temperature(_slope_of(laid)) if laid else 1.0


def _slope_of(laid: Sequence[tuple[Array, NDArray[Any]]]) -> Callable[[float], float]:
    """Make the function that says how the likelihood rises with the logits' factor."""

    def slope(sharpness: float) -> float:
        rise = 0.0
        for logs, places in laid:  # (rows, C)
            raised = np.exp(sharpness * (logs - logs.max(axis=1, keepdims=True)))
            expected = (raised * logs).sum(axis=1) / raised.sum(axis=1)
            rise += float((logs[np.arange(len(places)), places] - expected).sum())
        return rise

    return slope


def label_temperature(gold: NDArray[np.bool_], probabilities: Array) -> float:
    """Fit the temperature of probabilities that are each of a label of its own, (N, C)."""
    clipped = np.clip(probabilities, _LEAST, 1.0 - _LEAST)
    logits = np.log(clipped) - np.log1p(-clipped)

    def slope(sharpness: float) -> float:
        given = 0.5 * (1.0 + np.tanh(0.5 * sharpness * logits))
        return float(((gold - given) * logits).sum())

    return _temperature(slope) if gold.size else 1.0


def tempered(probabilities: Array, temperature: float) -> Array:
    """Divide the logits behind probabilities that sum to 1, (C) or (N, C)."""
    logs = np.log(np.maximum(probabilities, 1e-300)) / temperature
    raised = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))


def tempered_labels(probabilities: Array, temperature: float) -> Array:
    """Divide the logits behind probabilities that are each of a label of its own."""
    clipped = np.clip(probabilities, 1e-300, 1.0 - 1e-16)
    logits = (np.log(clipped) - np.log1p(-clipped)) / temperature
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))


def _places(confidence: Array) -> NDArray[np.int64]:
    return np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)


def _temperature(slope: Callable[[float], float]) -> float:
    """Find where likelihood and prior are highest, by halving: there their slope in 1 / T changes its sign.

    The prior says that T is about 1: few rows that are all right, which likelihood alone would make
    ever surer, do not show that the model is never wrong. Of hundreds of rows it is not felt.
    """
    low, high = 1.0 / HOTTEST, 1.0 / COLDEST
    for _ in range(60):
        middle = (low + high) / 2.0
        rise = slope(middle) - math.log(middle) / (_PRIOR_SD**2 * middle)
        low, high = (middle, high) if rise > 0.0 else (low, middle)
    return round(2.0 / (low + high), 6)
