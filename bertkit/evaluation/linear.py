"""Linear models for the baselines: logistic regression for labels, ridge regression for scores."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Chosen on rows that are no test rows: MRPC by cross-validation, NSMC and 20 Newsgroups by
# held training rows (_C from 4 to 16: within 0.5 points of accuracy), STS-B and KorSTS on
# their validation splits (_ALPHA from 3 to 10: within 0.005 of Pearson's correlation).
_C = 8.0
_ALPHA = 4.0


@dataclass(frozen=True)
class LinearModel:
    """Weights (outputs, features) and intercept (outputs), both float32.

    One output is a score, or the log odds of the second of two classes; more are one
    class each against the rest.
    """

    weights: NDArray[np.float32]
    intercept: NDArray[np.float32]

    def outputs(self, features: csr_matrix) -> NDArray[np.float64]:
        """Return the linear outputs, (rows, outputs)."""
        product = features @ np.ascontiguousarray(self.weights.T)
        return np.asarray(product, np.float64) + self.intercept

    def probabilities(self, features: csr_matrix) -> NDArray[np.float64]:
        """Return the probabilities of the classes that `fit_logistic` saw, (rows, classes)."""
        return class_probabilities(self, features)

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """What a file holds of it."""
        return {"weights": self.weights, "intercept": self.intercept}


def output_count(classes: int) -> int:
    """Return how many outputs tell so many classes apart: none for one, one for two, else one each."""
    return {1: 0, 2: 1}.get(classes, classes)


def fit_logistic(
    features: csr_matrix,
    classes: NDArray[np.int64],
    count: int,
    *,
    seed: int,
    row_weights: NDArray[np.float64] | None = None,
) -> LinearModel:
    """Fit logistic regression of class numbers 0 to count - 1, each of which has a row.

    Args:
        features: one row of numbers for each row of text.
        classes: the class number of each row.
        count: how many classes there are.
        seed: sets the order in which the solver visits the rows.
        row_weights: what each row counts; None: all alike.
    """
    targets = [1] if count == 2 else range(output_count(count))
    fitted = [_fit_binary(features, classes == target, seed, row_weights) for target in targets]
    weights = np.asarray([weights for weights, _ in fitted], np.float32)
    intercept = np.asarray([intercept for _, intercept in fitted], np.float32)
    return LinearModel(weights.reshape(len(targets), features.shape[1]), intercept)


def fit_against_rest(
    features: csr_matrix, flags: NDArray[np.bool_], weights: NDArray[np.float64], *, seed: int
) -> LinearModel:
    """Fit a logistic regression for each label, against the rows that have it not.

    Args:
        features: one row of numbers for each row of text.
        flags: which labels each row has, (rows, labels).
        weights: what a row that has a label counts, (labels).
        seed: sets the order in which the solver visits the rows.
    """
    fitted = []
    for own, weight in zip(flags.T, weights, strict=True):
        if own.all() or not own.any():  # nothing to tell apart; the odds are those of one row more of the other kind
            odds = np.log(len(own) + 1.0)
            fitted.append((np.zeros(features.shape[1]), odds if own.any() else -odds))
        else:
            rows = None if weight == 1.0 else np.where(own, weight, 1.0)
            fitted.append(_fit_binary(features, own, seed, rows))
    matrix = np.asarray([coefficients for coefficients, _ in fitted], np.float32)
    intercept = np.asarray([value for _, value in fitted], np.float32)
    return LinearModel(matrix.reshape(len(fitted), features.shape[1]), intercept)


def class_probabilities(model: LinearModel, features: csr_matrix) -> NDArray[np.float64]:
    """Return the probabilities of the classes that `fit_logistic` saw, (rows, classes)."""
    outputs = model.outputs(features)
    if outputs.shape[1] == 0:
        return np.ones((outputs.shape[0], 1))
    odds = 0.5 * (1.0 + np.tanh(0.5 * outputs))  # the logistic function, without overflow
    if outputs.shape[1] == 1:
        return np.hstack([1.0 - odds, odds])
    # a row that every class disowns would divide by zero
    odds = np.maximum(odds, np.finfo(np.float64).tiny)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def fit_ridge(features: csr_matrix, scores: NDArray[np.float64]) -> LinearModel:
    """Fit ridge regression of `scores`; the intercept is not penalised."""
    from sklearn.linear_model import Ridge

    if features.shape[1] == 0:
        return LinearModel(np.zeros((1, 0), np.float32), np.asarray([scores.mean()], np.float32))
    model = Ridge(alpha=_ALPHA, solver="sparse_cg").fit(features, scores)
    return LinearModel(np.asarray(model.coef_, np.float32).reshape(1, -1), np.asarray([model.intercept_], np.float32))


def _fit_binary(
    features: csr_matrix, is_class: NDArray[np.bool_], seed: int, row_weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], float]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if features.shape[1] == 0:
        counts = np.ones(len(is_class)) if row_weights is None else row_weights
        return np.zeros(0), float(np.log(counts[is_class].sum() / counts[~is_class].sum()))
    model = LogisticRegression(C=_C, solver="liblinear", dual=True, tol=0.1, random_state=seed)
    with warnings.catch_warnings():
        # an early stop costs a baseline nothing that its score would not show
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, is_class, sample_weight=row_weights)
    return model.coef_[0], float(model.intercept_[0])
