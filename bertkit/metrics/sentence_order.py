"""How often a pair of sentences is rightly told from a false one, and how far that is chance.

Half of the pairs are false, so that guessing scores 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.intervals import Interval, bootstrap_chunks

PAIR_ACCURACY = "pair_accuracy"


def pair_accuracy(right: Sequence[bool | None]) -> dict[str, float]:
    """Return the share of right answers, by its name; rows without a pair are None, and no pairs have no share."""
    answered = [answer for answer in right if answer is not None]
    return {PAIR_ACCURACY: sum(answered) / len(answered)} if answered else {}


def pair_accuracy_interval(right: Sequence[bool | None], seed: int = 0) -> dict[str, Interval]:
    """Return its interval, pairs drawn anew."""
    hits = _hits(right)
    return bootstrap_chunks(lambda draws: {PAIR_ACCURACY: hits[draws].mean(axis=1)}, len(hits), seed=seed)


def pair_accuracy_difference(
    model: Sequence[bool | None], other: Sequence[bool | None], seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of model minus other on the same pairs; nothing where one of them answers none."""
    both = [(a, b) for a, b in zip(model, other, strict=True) if a is not None and b is not None]
    gain = _hits([a for a, _ in both]) - _hits([b for _, b in both])
    return bootstrap_chunks(lambda draws: {PAIR_ACCURACY: gain[draws].mean(axis=1)}, len(gain), seed=seed)


def _hits(right: Sequence[bool | None]) -> NDArray[np.float64]:
    return np.asarray([answer for answer in right if answer is not None], np.float64)
