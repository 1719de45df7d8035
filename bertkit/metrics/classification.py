"""Scores of predicted labels and numbers: accuracy, F1, Matthews correlation, cross entropy, errors, correlations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from bertkit.cache import ROWS_AT_ONCE, row_by_row, scratch_array

# --- Scores of predicted labels: accuracy, F1, Matthews correlation, cross entropy ----------------
#
# All scores follow from three counts per label (`Tallies`), so that one row set and a
# thousand resampled ones go through the same arithmetic. A ratio without a denominator
# is 0.0, never NaN. A gold label that training never saw counts as wrong like any other
# miss; `unseen_labels` names them.

LEAST_PROBABILITY = 1e-12
"""What a probability of 0 counts as in the loss: certain and wrong costs 27.6, not infinity."""
# What roots and products of sums are rounded by, at most, near 1.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Tallies:
    """Rows per label: rightly predicted, gold, predicted; float64, labels on the last axis."""

    correct: NDArray[np.float64]
    gold: NDArray[np.float64]
    predicted: NDArray[np.float64]


class Coded(Sequence[str]):
    """Labels of very many rows, as numbers: each a place in `names`.

    Args:
        codes: of the rows, (N).
        names: the labels.
    """

    def __init__(self, codes: NDArray[np.int32], names: Sequence[str]) -> None:
        self.codes, self.names = codes, tuple(names)

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Coded: ...

    def __getitem__(self, index: int | slice) -> str | Coded:
        if isinstance(index, slice):
            return Coded(self.codes[index], self.names)
        return self.names[int(self.codes[index])]

    @property
    def present(self) -> set[str]:
        """The labels that rows have."""
        return {self.names[code] for code in counted(self.codes)[0].tolist()}


def classification_metrics(
    gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str], *, positive: str | None
) -> dict[str, float]:
    """Compute accuracy, f1, macro_f1, mcc, precision and recall.

    Args:
        gold: the true labels.
        predicted: the predicted labels, as many.
        labels: the labels of the task.
        positive: of a binary task, the label that f1, precision and recall are of;
            None makes them macro averages, over the labels that stand in `gold` or
            `predicted` (as scikit-learn averages).

    Raises:
        ValueError: the sequences differ in length, or no label is `positive`.
    """
    order = label_order(gold, predicted, labels)
    tallies = _tallies(gold, predicted, order)
    scores = tally_metrics(tallies, None if positive is None else order.index(positive))
    return {name: float(value) for name, value in scores.items()}


def tally_metrics(tallies: Tallies, positive: int | None) -> dict[str, NDArray[np.float64]]:
    """Compute the metrics of `classification_metrics`, each of the shape of `tallies` less its last axis.

    The Matthews correlation of more than two labels is R_K (Gorodkin 2004, "Comparing
    two K-category assignments by a K-category correlation coefficient").
    """
    correct, gold, predicted = tallies.correct, tallies.gold, tallies.predicted
    precision = ratio(correct, predicted)
    recall = ratio(correct, gold)
    f1 = ratio(2.0 * correct, gold + predicted)
    present = (gold + predicted) > 0

    def macro(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return ratio((values * present).sum(axis=-1), present.sum(axis=-1))

    def chosen(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return macro(values) if positive is None else values[..., positive]

    return {
        "accuracy": ratio(correct.sum(axis=-1), gold.sum(axis=-1)),
        "f1": chosen(f1),
        "macro_f1": macro(f1),
        "mcc": _matthews(tallies),
        "precision": chosen(precision),
        "recall": chosen(recall),
    }


def cross_entropy(gold_probabilities: Sequence[float] | NDArray[np.float64]) -> float:
    """Average -ln(p) over the probabilities given to the rows' own labels; 0.0 for no rows.

    A probability under `LEAST_PROBABILITY` counts as that; a label never seen in
    training has probability 0.
    """
    probabilities = np.asarray(gold_probabilities, np.float64)
    if not len(probabilities):
        return 0.0
    logs = row_by_row(lambda p: np.log(np.maximum(p, LEAST_PROBABILITY)), probabilities, kind="float64")
    return float(-logs.mean())


def per_label(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Compute precision, recall, f1, support (gold rows) and predicted (rows) of each label.

    The order is that of `label_order`.
    """
    order = label_order(gold, predicted, labels)
    tallies = _tallies(gold, predicted, order)
    correct, support, given = tallies.correct, tallies.gold, tallies.predicted
    columns = {
        "precision": ratio(correct, given),
        "recall": ratio(correct, support),
        "f1": ratio(2.0 * correct, support + given),
    }
    return {
        label: {
            **{name: float(values[i]) for name, values in columns.items()},
            "support": int(support[i]),
            "predicted": int(given[i]),
        }
        for i, label in enumerate(order)
    }


def confusion(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> list[list[int]]:
    """Count rows by gold label (outer list) and predicted label (inner), in the order of `label_order`.

    For few labels: there are as many counts as pairs of labels.
    """
    order = label_order(gold, predicted, labels)
    size = len(order)
    cells = label_numbers(gold, order) * size + label_numbers(predicted, order)
    counts: list[list[int]] = np.bincount(cells, minlength=size * size).reshape(size, size).tolist()
    return counts


def label_order(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """Return `labels`, then the others that stand in the rows, by code point.

    Raises:
        ValueError: `gold` and `predicted` differ in length.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold labels and {len(predicted)} predicted ones")
    return (*labels, *sorted((_present(gold) | _present(predicted)) - set(labels)))


def label_numbers(rows: Sequence[str], order: Sequence[str]) -> NDArray[np.integer[Any]]:
    """Return the place in `order` of each row's label."""
    place = {label: i for i, label in enumerate(order)}
    if isinstance(rows, Coded):
        places = np.asarray([place.get(name, -1) for name in rows.names], np.int32)
        return row_by_row(lambda codes: places[codes], rows.codes, kind="int32")
    return np.asarray([place[label] for label in rows], np.int64)


def unseen_labels(gold: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """Count the rows of each gold label that is not among `labels`, by code point."""
    known = set(labels)
    return dict(sorted(Counter(label for label in gold if label not in known).items()))


def collapsed(predicted: Sequence[str]) -> str | None:
    """Return the one label that every row was given; None for several labels or fewer than two rows."""
    return predicted[0] if len(predicted) > 1 and len(_present(predicted)) == 1 else None


def _present(rows: Sequence[str]) -> set[str]:
    return rows.present if isinstance(rows, Coded) else set(rows)


def _tallies(gold: Sequence[str], predicted: Sequence[str], order: Sequence[str]) -> Tallies:
    """Count the rows of each label; a table of all pairs of labels would grow with their square."""
    of_gold, given = label_numbers(gold, order), label_numbers(predicted, order)
    correct = row_by_row(lambda own, their: np.where(own == their, own, -1), of_gold, given, kind="int32")
    found = [np.zeros(len(order)) for _ in range(3)]
    for rows, counts in zip((correct, of_gold, given), found, strict=True):
        numbers, times = counted(rows)
        counts[numbers[numbers >= 0]] = times[numbers >= 0]
    return Tallies(*found)


def counted(numbers: NDArray[np.integer[Any]]) -> tuple[NDArray[np.integer[Any]], NDArray[np.int64]]:
    """Return the different ones of N numbers, ascending, and how often each stands there."""
    parts = [
        np.unique(numbers[start : start + ROWS_AT_ONCE], return_counts=True)
        for start in range(0, len(numbers), ROWS_AT_ONCE)
    ]
    if len(parts) <= 1:
        return parts[0] if parts else (numbers, np.zeros(0, np.int64))
    different, place = np.unique(np.concatenate([found for found, _ in parts]), return_inverse=True)
    times = np.zeros(len(different), np.int64)
    np.add.at(times, place, np.concatenate([count for _, count in parts]))
    return different, times


def ratio(part: NDArray[np.float64], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Divide element by element; 0.0 where `whole` is 0."""
    quotient: NDArray[np.float64] = np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)
    return quotient


def _matthews(tallies: Tallies) -> NDArray[np.float64]:
    rows = tallies.gold.sum(axis=-1)
    covariance = tallies.correct.sum(axis=-1) * rows - (tallies.gold * tallies.predicted).sum(axis=-1)
    of_gold = rows**2 - (tallies.gold**2).sum(axis=-1)
    of_predicted = rows**2 - (tallies.predicted**2).sum(axis=-1)
    # the roots apart: their product overflows nothing and stays exact for counts
    return bounded(ratio(covariance, np.sqrt(of_gold) * np.sqrt(of_predicted)))


def bounded(correlations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return correlations, from -1 to 1; those that only rounding parts from a bound are at it."""
    found: NDArray[np.float64] = np.where(np.abs(correlations) > 1.0 - _ROUNDING, np.sign(correlations), correlations)
    return found


# --- Scores of predicted numbers: squared and absolute error, Pearson and Spearman correlation ----

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
    columns = as_columns(gold, predicted)
    return _mean_of(lambda true, given: np.square(true - given), *columns)


def mae(gold: Numbers, predicted: Numbers) -> float:
    """Average the absolute errors."""
    columns = as_columns(gold, predicted)
    return _mean_of(lambda true, given: np.abs(true - given), *columns)


def _mean_of(error: Callable[..., NDArray[np.float64]], *columns: NDArray[np.float64]) -> float:
    return float(row_by_row(error, *columns, kind="float64").mean()) if len(columns[0]) else 0.0


def pearson(gold: Numbers, predicted: Numbers) -> float:
    """Compute the linear correlation; 0.0 where one side is the same number in every row."""
    true, given = (centred(column) for column in as_columns(gold, predicted))
    norms = np.sqrt(true @ true) * np.sqrt(given @ given)
    return float(bounded(true @ given / norms)) if norms else 0.0


def spearman(gold: Numbers, predicted: Numbers) -> float:
    """Compute the correlation of ranks, ties sharing their average; 0.0 where one side is constant."""
    true, given = as_columns(gold, predicted)
    return pearson(average_ranks(true), average_ranks(given))


def average_ranks(values: Numbers) -> NDArray[np.float64]:
    """Rank the values from 1; equal values share the average of their ranks."""
    column = np.asarray(values, np.float64)
    if len(column) > ROWS_AT_ONCE:
        every = ascending(column)
        return row_by_row(
            lambda own: (every.searchsorted(own) + every.searchsorted(own, "right") + 1) / 2.0, column, kind="float64"
        )
    _, group, counts = np.unique(column, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((ends - counts + ends + 1) / 2.0)[group]
    return ranks


def ascending(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a column in order, which is not held in memory."""
    found = scratch_array((len(column),), "float64")
    found[:] = column
    found.sort()
    return found


def as_columns(gold: Numbers, predicted: Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as float64 arrays.

    Raises:
        ValueError: they differ in length.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold values and {len(predicted)} predicted ones")
    return np.asarray(gold, np.float64), np.asarray(predicted, np.float64)


def centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values less their mean, the largest of size 1; a constant becomes exact zeros."""
    if not len(values) or np.ptp(values) == 0.0:
        return np.zeros(len(values))
    mean = values.mean()
    found = row_by_row(lambda own: own - mean, values, kind="float64")
    most = max(float(found.max()), -float(found.min()))
    return row_by_row(lambda own: own / most, found, kind="float64")
