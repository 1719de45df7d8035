"""Blend the answers of two models that err on different rows.

Of classes the answer is p^a * q^b, normalised: the logarithmic opinion pool (Genest and Zidek 1986,
"Combining probability distributions"). a and b are fitted on rows from which neither has
learnt (stacking, Wolpert 1992), so that a model that is too sure of itself is toned down
too (temperature scaling, Guo et al. 2017). Of scores it is a weighted mean (the linear opinion pool,
Stone 1961), its weights fitted on such rows too (stacked regressions, Breiman 1996).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.cache import scratch_array
from bertkit.data.store import MANY
from bertkit.tasks.base import Outputs

# Rows that are blended at once.
_BLOCK = MANY
# Smallest probability that is believed; a label the baseline has never seen has none at all.
_FLOOR = 1e-6
# What the weights are before any row is seen: half and half, give or take as much. It counts
# where there are few rows, and keeps weights finite where the two are never wrong.
_PRIOR, _PRIOR_SD = 0.5, 0.5


@dataclass(frozen=True)
class Blend:
    """The exponents of the probabilities of an encoder and of the other member; at least 0."""

    encoder: float
    member: float

    def mix(self, own: Outputs, others: Outputs) -> list[NDArray[np.float64]]:
        """Blend probabilities (N, C) of the encoder and of the other member; N rows of (C) come out."""
        from scipy.special import softmax

        if not len(own):
            return []
        if len(own) > _BLOCK:
            found: list[NDArray[np.float64]] = _mixed_in_parts(self, own, others)
            return found
        logits = np.tensordot([self.encoder, self.member], _logs(own, others), axes=1)  # (N, C)
        return list(softmax(logits, axis=1))


class SetBlend(Blend):
    """The same where each label is a question of its own, so that a row may have several."""

    def mix(self, own: Outputs, others: Outputs) -> list[NDArray[np.float64]]:
        """Blend probabilities of labels, N rows of (C); as many come out."""
        if len(own) > _BLOCK:
            found: list[NDArray[np.float64]] = _mixed_in_parts(self, own, others)
            return found
        if not len(own):
            return []
        odds = np.tensordot([self.encoder, self.member], _odds(own, others), axes=1)  # (N, C)
        return list(0.5 * (1.0 + np.tanh(0.5 * odds)))  # the logistic function, without overflow


class ScoreBlend(Blend):
    """The shares of an encoder and of the other member in a score; together they are 1."""

    def mix(self, own: Outputs, others: Outputs) -> list[NDArray[np.float64]]:
        """Average scores of the encoder and of the other member, N rows of (1) each; as many come out."""
        if len(own) > _BLOCK:
            found: list[NDArray[np.float64]] = _mixed_in_parts(self, own, others)
            return found
        both = np.asarray([own, others], np.float64)  # (2, N, 1)
        return list(np.tensordot([self.encoder, self.member], both, axes=1)) if len(own) else []


def blend_of(task: str, encoder: float, member: float) -> Blend:
    """Return weights as those of the task's kind of answer: classes, sets of labels, or scores."""
    kinds: Mapping[str, type[Blend]] = {"regression": ScoreBlend, "multilabel": SetBlend}
    return kinds.get(task, Blend)(encoder, member)


def fit_blend(gold: Sequence[str | None], labels: Sequence[str], own: Outputs, others: Outputs) -> Blend:
    """Fit the exponents by likelihood.

    Args:
        gold: labels of N rows that neither model learnt from; rows whose label is none of
            `labels` are left out.
        labels: C labels in the order of the probabilities.
        own: probabilities of the encoder, N rows of (C).
        others: probabilities of the other member, likewise.
    """
    from scipy.optimize import minimize
    from scipy.special import logsumexp, softmax

    place = {label: i for i, label in enumerate(labels)}
    known = [i for i, label in enumerate(gold) if label in place]
    classes = np.asarray([place[gold[i] or ""] for i in known], np.int64)
    logs = _logs(own, others)[:, known]  # (2, rows, C)
    hit = np.take_along_axis(logs, classes[None, :, None], axis=2)[:, :, 0]  # (2, rows)

    def cost(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = np.tensordot(weights, logs, axes=1)  # (rows, C)
        off = (weights - _PRIOR) / _PRIOR_SD
        loss = (logsumexp(logits, axis=1) - weights @ hit).sum() + (off**2).sum() / 2
        slope = (softmax(logits, axis=1) * logs).sum(axis=(1, 2)) - hit.sum(axis=1) + off / _PRIOR_SD
        return float(loss), slope

    found = minimize(cost, np.full(2, _PRIOR), jac=True, bounds=[(0.0, None)] * 2, method="L-BFGS-B")
    encoder, member = np.round(found.x, 4).tolist()
    return Blend(encoder, member)


def fit_score_blend(gold: Sequence[float], own: Outputs, others: Outputs) -> Blend:
    """Fit the shares of scores by least squares.

    Args:
        gold: scores of N rows that neither model learnt from.
        own: scores of the encoder, N rows of (1).
        others: scores of the other member, likewise.
    """
    right, mine, other = (np.asarray(values, np.float64).reshape(-1) for values in (gold, own, others))
    apart = other - mine
    size = float(apart @ apart)
    share = float(np.clip((right - mine) @ apart / size, 0.0, 1.0)) if size else 0.0
    return ScoreBlend(round(1 - share, 4), round(share, 4))


def fit_set_blend(gold: NDArray[np.bool_], own: Outputs, others: Outputs) -> Blend:
    """Fit the exponents for sets of labels by likelihood: of each label of each row, is it one of the row's?

    Args:
        gold: the labels of N rows that neither model learnt from, (N, C).
        own: probabilities of the encoder, N rows of (C).
        others: probabilities of the other member, likewise.
    """
    from scipy.optimize import minimize

    odds = _odds(own, others).reshape(2, -1)  # (2, N * C)
    is_own = gold.ravel().astype(np.float64)

    def cost(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        both = weights @ odds
        off = (weights - _PRIOR) / _PRIOR_SD
        loss = (np.logaddexp(0.0, both) - is_own * both).sum() + (off**2).sum() / 2
        slope = odds @ (0.5 * (1.0 + np.tanh(0.5 * both)) - is_own) + off / _PRIOR_SD
        return float(loss), slope

    found = minimize(cost, np.full(2, _PRIOR), jac=True, bounds=[(0.0, None)] * 2, method="L-BFGS-B")
    encoder, member = np.round(found.x, 4).tolist()
    return SetBlend(encoder, member)


def _mixed_in_parts(blend: Blend, own: Outputs, others: Outputs) -> Any:
    """Blend many rows, some at a time."""
    table: NDArray[np.float64] = scratch_array((len(own), len(own[0])), "float64")
    for start in range(0, len(own), _BLOCK):
        part = slice(start, start + _BLOCK)
        table[part] = blend.mix(own[part], others[part])
    return table


def _odds(own: Outputs, others: Outputs) -> NDArray[np.float64]:
    """Return log-odds, (2, N, C)."""
    both = np.clip(np.asarray([own, others], np.float64), _FLOOR, 1.0 - _FLOOR)
    return np.asarray(np.log(both) - np.log1p(-both))


def _logs(own: Outputs, others: Outputs) -> NDArray[np.float64]:
    """Return log-probabilities, (2, N, C)."""
    both = np.asarray([own, others], np.float64)
    return np.asarray(np.log(np.clip(both, _FLOOR, 1.0)))
