"""Sets of sentences compared as summaries: which of a document's best sentences go together.

The best sentences taken one by one say the same thing twice, and are longer or shorter than
a summary should be. So small sets of them are looked at as wholes, as MatchSum does (Zhong
et al. 2020, "Extractive Summarization as Text Matching"), but by a few figures of each set
instead of a second reading of it: how good its sentences are, how long it is, how much it
repeats, where it stands. A small network that learnt from ROUGE weighs them. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BEST = 6
SIZES = (1, 2, 3, 4)
FIGURES = 19

Set = tuple[int, ...]
Array = NDArray[np.float32]
_ALMOST = 1e-6


@dataclass(frozen=True)
class SetScorer:
    """A network of two hidden layers over the figures of a set.

    Attributes:
        mean: of the figures where it learnt, (FIGURES).
        scale: their standard deviations, (FIGURES).
        layers: weight (out, in) and bias (out) of each layer.
    """

    mean: Array
    scale: Array
    layers: tuple[tuple[Array, Array], ...]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> SetScorer:
        """Build a scorer from what `to_arrays` returned."""
        numbers = range(sum(name.startswith("weight") for name in arrays))
        layers = tuple((arrays[f"weight{i}"], arrays[f"bias{i}"]) for i in numbers)
        return cls(arrays["mean"], arrays["scale"], layers)

    def to_arrays(self) -> dict[str, Array]:
        """Return named arrays."""
        weights = {f"weight{i}": weight for i, (weight, _) in enumerate(self.layers)}
        biases = {f"bias{i}": bias for i, (_, bias) in enumerate(self.layers)}
        return {"mean": self.mean, "scale": self.scale, **weights, **biases}

    def __call__(self, figures: Array) -> Array:
        """Score sets; only the scores of one document's sets compare.

        Args:
            figures: (sets, FIGURES).

        Returns:
            (sets).
        """
        values: Array = (figures - self.mean) / self.scale
        for weight, bias in self.layers[:-1]:
            values = np.maximum(values @ weight.T + bias, np.float32(0))
        weight, bias = self.layers[-1]
        scores: Array = (values @ weight.T + bias)[:, 0]
        return scores


def summary_sets(scores: Sequence[float]) -> list[Set]:
    """Return all sets of one to four of the best six sentences, each in document order."""
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    best = sorted(order[:BEST])
    return [chosen for size in SIZES for chosen in combinations(best, size)]


def set_figures(sets: Sequence[Set], scores: Sequence[float], tokens: Sequence[Sequence[str]]) -> Array:
    """Return what is known of each set, (sets, FIGURES).

    Args:
        sets: indices of sentences, in document order; none is empty.
        scores: of all sentences, 0 to 1.
        tokens: the words of all sentences.
    """
    document = _Document(scores, tokens)
    return np.array([document.figures(chosen) for chosen in sets], np.float32).reshape(len(sets), FIGURES)


class _Document:
    """What the sets of a document share."""

    def __init__(self, scores: Sequence[float], tokens: Sequence[Sequence[str]]) -> None:
        self.scores = np.clip(np.asarray(scores, np.float64), _ALMOST, 1 - _ALMOST)
        self.logits = np.log(self.scores / (1 - self.scores))
        self.lengths = np.array([len(words) for words in tokens])
        self.tokens = tokens
        self.kinds: dict[int, set[str]] = {}
        self.trigrams: dict[int, set[tuple[str, ...]]] = {}

    def figures(self, chosen: Set) -> tuple[float, ...]:
        """Return the figures of a set, in a fixed order."""
        places = list(chosen)
        for place in places:
            self._read(place)
        scores, length = self.scores[places], float(self.lengths[places].sum())
        return (
            len(places),
            np.log1p(length),
            np.log1p(length) ** 2,
            scores.sum(),
            scores.mean(),
            scores.min(),
            scores.max(),
            scores.sum() / self.scores.sum(),
            self.logits[places].mean(),
            self.logits[places].min(),
            (scores * self.lengths[places]).sum() / (length + 1),
            *self._repetition(places),
            np.log1p(places[0]),
            np.log1p(places[-1]),
            sum(place < 3 for place in places),
            sum(1 / (1 + place) for place in places),
            np.log(len(self.scores)),
            np.log1p(self.lengths.sum()),
        )

    def _read(self, place: int) -> None:
        if place not in self.kinds:
            words = self.tokens[place]
            self.kinds[place] = set(words)
            self.trigrams[place] = set(zip(words, words[1:], words[2:], strict=False))

    def _repetition(self, places: Sequence[int]) -> tuple[float, float]:
        """Return how many of the words are there only once, and how many pairs share three words in a row."""
        kinds = [self.kinds[place] for place in places]
        once = len(set().union(*kinds)) / (1 + sum(map(len, kinds)))
        repeating = sum(not self.trigrams[a].isdisjoint(self.trigrams[b]) for a, b in combinations(places, 2))
        return once, float(repeating)
