"""Tags of the IOB2 scheme: their numbers, the best sequence that keeps the scheme, its entities.

Tag 0 is O; the kind k has the tags 1 + 2k (B-) and 2 + 2k (I-).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Path = NDArray[np.int64]
_IMPOSSIBLE = -1e9


@dataclass(frozen=True, slots=True)
class Paths:
    """The best tags that keep the scheme, and the likeliest tag of each unit by itself."""

    tags: Path
    raw: Path

    @property
    def repaired(self) -> bool:
        """Whether the likeliest tags broke the scheme."""
        return not np.array_equal(self.tags, self.raw)


def tag_names(labels: Sequence[str]) -> tuple[str, ...]:
    """List the tags of kinds of entities: O, then B- and I- of each."""
    return ("O", *(f"{mark}-{label}" for label in labels for mark in "BI"))


def best_path(probabilities: NDArray[np.float64]) -> Paths:
    """Find the likeliest sequence of tags in which no I- stands without its beginning.

    Args:
        probabilities: of each unit's tags, (U, C).

    Source: Viterbi 1967; transitions that break the scheme have no probability, all others
    are alike.
    """
    raw = probabilities.argmax(axis=1)
    allowed = _allowed(probabilities.shape[1])
    # The best of all sequences, if it keeps the scheme, is the best of those that do.
    if raw[0] not in _inside(probabilities.shape[1]) and (allowed[raw[:-1], raw[1:]] == 0).all():
        return Paths(raw, raw)
    logs = np.log(np.maximum(probabilities, 1e-12))
    scores = logs[0].copy()
    scores[_inside(len(scores))] = _IMPOSSIBLE
    back = np.zeros(probabilities.shape, dtype=np.int64)
    for i in range(1, len(logs)):
        candidates = scores[:, None] + allowed  # (from, to)
        back[i] = candidates.argmax(axis=0)
        scores = candidates[back[i], np.arange(len(scores))] + logs[i]
    path = np.empty(len(logs), dtype=np.int64)
    path[-1] = scores.argmax()
    for i in range(len(logs) - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return Paths(path, raw)


def entity_runs(path: Path) -> Iterator[tuple[int, int, int]]:
    """Iterate the entities of a sequence of tags as (first unit, unit after the last, kind).

    An I- that continues nothing opens an entity, as conlleval reads it.
    """
    begin, kind = 0, -1
    for i, tag in enumerate(path.tolist()):
        this = (tag - 1) // 2 if tag else -1
        goes_on = tag and tag % 2 == 0 and this == kind
        if goes_on:
            continue
        if kind >= 0:
            yield begin, i, kind
        begin, kind = i, this
    if kind >= 0:
        yield begin, len(path), kind


@lru_cache(maxsize=16)
def _allowed(n_tags: int) -> NDArray[np.float64]:
    """Return 0 for a transition that keeps the scheme and a huge cost for one that breaks it, (from, to)."""
    table = np.zeros((n_tags, n_tags))
    for inside in _inside(n_tags):
        table[:, inside] = _IMPOSSIBLE
        table[[inside - 1, inside], inside] = 0.0
    return table


def _inside(n_tags: int) -> list[int]:
    return list(range(2, n_tags, 2))
