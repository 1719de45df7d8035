"""What was found in a text, and what several windows say of its units put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertkit.tokenization.segments import Span


@dataclass(frozen=True, slots=True)
class ScoredEntity:
    """An entity that was found: `text[start:end]`, with the mean probability of its tags."""

    start: int
    end: int
    label: str
    score: float

    @property
    def key(self) -> tuple[int, int, str]:
        """What must agree for the entity to be right."""
        return self.start, self.end, self.label


@dataclass(frozen=True, slots=True)
class Tagging:
    """What was found in one text.

    `entities` follow the tag scheme; `raw` are those of the likeliest tags read leniently,
    an I- after O opening an entity; `repaired` tells whether the likeliest tags broke the
    scheme.
    """

    entities: tuple[ScoredEntity, ...] = ()
    raw: tuple[ScoredEntity, ...] = ()
    repaired: bool = False


def joined(taggings: Sequence[Tagging]) -> Tagging:
    """Put what was found in the stretches of a text, one after the other, into one."""
    return Tagging(
        entities=tuple(entity for tagging in taggings for entity in tagging.entities),
        raw=tuple(entity for tagging in taggings for entity in tagging.raw),
        repaired=any(tagging.repaired for tagging in taggings),
    )


class Tagged(NamedTuple):
    """What a window says: the places of its units, (U, 2), how many tokens it shows around each, (U), and their tags.

    `probabilities` are those of each unit's tags, (U, C).
    """

    places: NDArray[np.int64]
    around: NDArray[np.int64]
    probabilities: NDArray[np.float64]


def tagged(spans: Iterable[Span], probabilities: NDArray[np.float64]) -> Tagged:
    """Take what was said of units from what was said of all tokens.

    Args:
        spans: the unit of each token; one of side -1 is none.
        probabilities: of each token's tags, (L, C).
    """
    sides = np.asarray(list(spans), np.int64).reshape(-1, 3)
    numbers = np.flatnonzero(sides[:, 0] >= 0)
    around = np.minimum(numbers, len(sides) - 1 - numbers)
    return Tagged(sides[numbers, 1:], around, probabilities[numbers])


def best_seen(windows: Sequence[Tagged]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Choose for every unit the window that shows most around it.

    Returns:
        The units' places in order, (U, 2), and the probabilities of their tags, (U, C).
    """
    if len(windows) == 1:
        return windows[0].places, windows[0].probabilities
    places = np.concatenate([window.places for window in windows])
    around = np.concatenate([window.around for window in windows])
    order = np.lexsort((-around, places[:, 1], places[:, 0]))
    ordered = places[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    chosen = order[is_first]
    return places[chosen], np.concatenate([window.probabilities for window in windows])[chosen]
