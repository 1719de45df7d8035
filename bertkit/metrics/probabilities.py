"""Are probabilities what they say? Calibration and temperature, perplexity, and the order of two sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.cache import ROWS_AT_ONCE, row_by_row, scratch_array
from bertkit.metrics.intervals import (
    MOST_DRAWN,
    Draws,
    Interval,
    bootstrap_cells,
    bootstrap_chunks,
    mean_intervals,
    normal_means,
    percentiles,
)

# --- Is a probability what it says? Expected calibration error, and the temperature that corrects it
#
# Guo et al. 2017, "On Calibration of Modern Neural Networks": bins of equal width over the
# probability of the answer; one number, fitted on rows that were not trained on, divides the logits.

Array = NDArray[np.float64]
BINS = 15
_LEAST = 1e-12  # what a probability of 0 counts as
# Temperatures beyond these are not a calibration any more: the model has learnt nothing, or all by heart.
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
    place = row_by_row(_places, confidence, kind="int8")
    bins = []
    for i in range(BINS):
        chosen = place == i
        rows = int(chosen.sum())
        if rows:
            own = confidence[chosen] if rows <= ROWS_AT_ONCE else _chosen_of_many(confidence, chosen, rows)
            right = float(is_right[chosen].mean())
            bins.append(CalibrationBin(i / BINS, (i + 1) / BINS, rows, float(own.mean()), right))
    error = sum(found.rows * abs(found.confidence - found.accuracy) for found in bins) / max(1, len(confidence))
    return tuple(bins), error


def _chosen_of_many(values: Array, chosen: NDArray[np.bool_], count: int) -> Array:
    found, start = scratch_array((count,), "float64"), 0
    for place in range(0, len(values), ROWS_AT_ONCE):
        own = values[place : place + ROWS_AT_ONCE][chosen[place : place + ROWS_AT_ONCE]]
        found[start : start + len(own)] = own
        start += len(own)
    return found


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
        return _errors_of_many(np.asarray(confidence), np.asarray(is_right), seed)
    sure = np.asarray(confidence, np.float64).reshape(n, -1)
    off = sure - np.asarray(is_right, bool).reshape(n, -1)
    held = np.zeros((n, BINS))  # what each row adds to each bin
    np.add.at(held, (np.arange(n)[:, None], _places(sure)), off / max(1, sure.shape[1]))

    def score(draws: NDArray[np.intp]) -> dict[str, Array]:
        times = np.stack([np.bincount(draw, minlength=n) for draw in draws])  # (draws, N)
        return {"ece": np.asarray(np.abs(times @ held).sum(axis=1) / n)}

    return bootstrap_chunks(score, n, seed=seed)


def _errors_of_many(sure: Array, is_right: NDArray[np.bool_], seed: int) -> dict[str, Interval]:
    """Return the interval of the error of very many rows; rows that are off alike are drawn together."""
    levels = 256
    counts, sums = np.zeros(BINS * levels, np.int64), np.zeros(BINS * levels)
    for start in range(0, len(sure), MOST_DRAWN):
        part = sure[start : start + MOST_DRAWN]
        off = part - is_right[start : start + MOST_DRAWN]
        cells = _places(part) * levels + np.clip((off + 1) / 2 * levels, 0, levels - 1).astype(np.int64)
        counts += np.bincount(cells, minlength=len(counts))
        sums += np.bincount(cells, off, minlength=len(sums))
    there = np.flatnonzero(counts)
    held = np.zeros((len(there), BINS))
    held[np.arange(len(there)), there // levels] = sums[there] / counts[there]
    n = len(sure)
    return bootstrap_cells(lambda times: {"ece": np.abs(times @ held).sum(axis=1) / n}, counts[there], seed)


def class_temperature(gold: Sequence[int] | NDArray[np.int32], probabilities: Sequence[Array] | Array) -> float:
    """Fit the temperature of probabilities that sum to 1 in each row, which may differ in length.

    Args:
        gold: the place of the right one of N rows; -1: it is not one of them, and the row is left out.
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


# --- How well masked tokens are guessed, and how far that could have come out otherwise -----------
#
# A row is an array of (log-probability of the true token, 1.0 if it was the likeliest), one
# line for each masked token.

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
    if len(sums) > MOST_DRAWN:
        return percentiles(_of_sums(len(rows) * normal_means(sums.__getitem__, len(sums), seed)))
    return bootstrap_chunks(lambda draws: _drawn(sums, draws), len(sums), seed=seed)


def perplexity_difference(model: Sequence[Row], baseline: Sequence[Row], seed: int = 0) -> dict[str, Interval]:
    """Return the interval of model minus baseline, both on the same drawn rows."""
    mine, others = _sums(model), _sums(baseline)

    def score(draws: Draws) -> dict[str, NDArray[np.float64]]:
        return _less(_drawn(mine, draws), _drawn(others, draws))

    if len(mine) > MOST_DRAWN:
        sums = np.concatenate([mine, others], axis=1)
        both = len(sums) * normal_means(sums.__getitem__, len(sums), seed)
        return percentiles(_less(*map(_of_sums, np.split(both, 2, axis=1))))
    return bootstrap_chunks(score, len(mine), seed=seed)


def _sums(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Return for each row the sum of its logs, of its hits, and its number of tokens, (rows, 3)."""
    return np.asarray([(row[:, 0].sum(), row[:, 1].sum(), len(row)) if len(row) else (0, 0, 0) for row in rows])


def _drawn(sums: NDArray[np.float64], draws: Draws) -> dict[str, NDArray[np.float64]]:
    return _of_sums(np.stack([sums[draws, i].sum(axis=1) for i in range(3)], axis=1))


def _of_sums(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics of draws from their sums, (draws, 3)."""
    logs, right, count = sums.T
    count = np.maximum(count, 1.0)
    return {"perplexity": np.exp(np.minimum(-logs / count, 700.0)), "loss": -logs / count, "accuracy": right / count}


def _less(model: dict[str, Array], baseline: dict[str, Array]) -> dict[str, Array]:
    return {name: model[name] - baseline[name] for name in model}


# --- How often a pair of sentences is rightly told from a false one, and how far that is chance ---
#
# Half of the pairs are false, so that guessing scores 0.5.

PAIR_ACCURACY = "pair_accuracy"


def pair_accuracy(right: Sequence[bool | None]) -> dict[str, float]:
    """Return the share of right answers, by its name; rows without a pair are None, and no pairs have no share."""
    answered = [answer for answer in right if answer is not None]
    return {PAIR_ACCURACY: sum(answered) / len(answered)} if answered else {}


def pair_accuracy_interval(right: Sequence[bool | None], seed: int = 0) -> dict[str, Interval]:
    """Return its interval, pairs drawn anew."""
    return mean_intervals({PAIR_ACCURACY: _hits(right)}, seed)


def pair_accuracy_difference(
    model: Sequence[bool | None], other: Sequence[bool | None], seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of model minus other on the same pairs; nothing where one of them answers none."""
    both = [(a, b) for a, b in zip(model, other, strict=True) if a is not None and b is not None]
    gain = _hits([a for a, _ in both]) - _hits([b for _, b in both])
    return mean_intervals({PAIR_ACCURACY: gain}, seed)


def _hits(right: Sequence[bool | None]) -> NDArray[np.float64]:
    return np.asarray([answer for answer in right if answer is not None], np.float64)
