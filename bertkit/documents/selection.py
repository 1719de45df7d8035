"""Which sentences of a document make its summary: by scores, beside a reference (oracle labels), and as sets."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

# --- Choose the best sentences by score, without saying the same thing twice ----------------------

Trigram = tuple[str, str, str]


def select(
    scores: Sequence[float],
    sentence_tokens: Sequence[Sequence[str]],
    count: int,
    *,
    block_trigrams: bool = True,
    lengths: Sequence[int] = (),
    room: int | None = None,
) -> list[int]:
    """Return the indices of the best sentences, in document order; of equal scores the earlier come first.

    With trigram blocking (Paulus et al. 2018, "A Deep Reinforced Model for Abstractive
    Summarization") a sentence that shares three words in a row with one already chosen is
    passed over. Fewer than `count` come back where all others repeat what is chosen. With
    `room` a sentence is passed over that is longer (by `lengths`) than what is left of it;
    where none fits, the shortest comes back.

    Raises:
        ValueError: there is not one score to each sentence.
    """
    if len(scores) != len(sentence_tokens):
        raise ValueError(f"{len(scores)} scores do not fit {len(sentence_tokens)} sentences")
    chosen: list[int] = []
    said: set[Trigram] = set()
    for index in sorted(range(len(scores)), key=scores.__getitem__, reverse=True):  # which keeps equals in order
        if len(chosen) >= count:
            break
        if room is not None and lengths[index] > room:
            continue
        trigrams = _trigrams(sentence_tokens[index])
        if not (block_trigrams and trigrams & said):
            chosen.append(index)
            said |= trigrams
            room = None if room is None else room - lengths[index]
    if lengths and count and not chosen:
        return [min(range(len(lengths)), key=lengths.__getitem__)]
    return sorted(chosen)


def _trigrams(tokens: Sequence[str]) -> set[Trigram]:
    return set(zip(tokens, tokens[1:], tokens[2:], strict=False))


# --- Which sentences of a document say best what its reference says: the labels of extractive models
#
# Sentences are added one at a time, each time the one that raises ROUGE-1 F1 + ROUGE-2 F1
# most, until none does (the greedy search of Nallapati et al. 2017, "SummaRuNNer", with the
# objective of Liu & Lapata 2019, "Text Summarization with Pretrained Encoders").
#
# N-grams are counted as rouge-score counts them: with their multiplicity, and two-grams
# across the seams of the selection, which stands in document order. So the picks are those
# of scoring every step with that package; only that a step adds up what a sentence would
# change and never looks at words the reference does not have.

Pair = tuple[str, str]
Gram = TypeVar("Gram", str, Pair)


class _Sentence(NamedTuple):
    """The n-grams of a sentence that the reference has too, with its size and its two ends."""

    words: Mapping[str, int]
    pairs: Mapping[Pair, int]
    length: int
    first: str
    last: str


def oracle_sentences(
    sentence_tokens: Sequence[Sequence[str]], reference_tokens: Sequence[str], size: int = 3
) -> list[int]:
    """Return the indices, in document order, of up to `size` sentences that match the reference best.

    Args:
        sentence_tokens: the tokens of each sentence, as the tokenization that ROUGE will use cuts them.
        reference_tokens: the tokens of the whole reference, likewise.
        size: how many sentences at most; fewer come where one more would lower the score.
    """
    search = _Search(sentence_tokens, reference_tokens)
    best = 0.0
    while len(search.chosen) < size:
        score, index = max(search.scores(), default=(0.0, 0))
        if score <= best:
            break
        best = score
        search.choose(-index)
    return search.chosen


class _Search:
    """A growing selection of sentences and how much of the reference it covers."""

    def __init__(self, sentence_tokens: Sequence[Sequence[str]], reference_tokens: Sequence[str]) -> None:
        self.chosen: list[int] = []  # in document order
        self._words = _Overlap(reference_tokens)
        self._pairs = _Overlap(pairwise(reference_tokens))
        self._length = 0
        self._sentences = [self._read(tokens) for tokens in sentence_tokens]

    def scores(self) -> Iterable[tuple[float, int]]:
        """Yield ROUGE-1 + ROUGE-2 F1 with each sentence added, and minus its index, so that the earlier is greater."""
        chosen = set(self.chosen)
        for index, sentence in enumerate(self._sentences):
            if index in chosen or not sentence.words:  # without a word of the reference nothing is gained
                continue
            length = self._length + sentence.length
            words = self._words.f1_with(sentence.words, length)
            yield words + self._pairs.f1_with(self._changed_pairs(index), length - 1), -index

    def choose(self, index: int) -> None:
        """Add a sentence to the selection."""
        self._words.add(self._sentences[index].words)
        self._pairs.add(self._changed_pairs(index))
        self._length += self._sentences[index].length
        self.chosen.insert(bisect(self.chosen, index), index)

    def _read(self, tokens: Sequence[str]) -> _Sentence:
        ends = (tokens[0], tokens[-1]) if tokens else ("", "")
        return _Sentence(self._words.shared(tokens), self._pairs.shared(pairwise(tokens)), len(tokens), *ends)

    def _changed_pairs(self, index: int) -> Mapping[Pair, int]:
        """Return how the counts of pairs change where a sentence is set between its neighbours in the selection."""
        sentence = self._sentences[index]
        at = bisect(self.chosen, index)
        before = self._sentences[self.chosen[at - 1]] if at else None
        after = self._sentences[self.chosen[at]] if at < len(self.chosen) else None
        seams: list[tuple[Pair, int]] = []
        if before:
            seams.append(((before.last, sentence.first), 1))
        if after:
            seams.append(((sentence.last, after.first), 1))
        if before and after:
            seams.append(((before.last, after.first), -1))
        return self._pairs.merged(sentence.pairs, seams)


class _Overlap(Generic[Gram]):
    """The n-grams of the reference, and how many of each the selection still lacks."""

    def __init__(self, reference: Iterable[Gram]) -> None:
        self._missing: Counter[Gram] = Counter(reference)  # below zero: the selection has more than the reference
        self._total: int = self._missing.total()
        self._hits = 0

    def shared(self, grams: Iterable[Gram]) -> dict[Gram, int]:
        """Count the n-grams that the reference has."""
        return Counter(gram for gram in grams if gram in self._missing)

    def merged(self, counts: Mapping[Gram, int], changes: Iterable[tuple[Gram, int]]) -> Mapping[Gram, int]:
        """Return counts with changes added, of which those that do not touch the reference are dropped."""
        relevant = [(gram, change) for gram, change in changes if gram in self._missing]
        if not relevant:
            return counts
        total = dict(counts)
        for gram, change in relevant:
            total[gram] = total.get(gram, 0) + change
        return total

    def f1_with(self, counts: Mapping[Gram, int], size: int) -> float:
        """Return the F1 after the selection's counts change so, when it has `size` n-grams then."""
        hits = self._hits + self._gain(counts)
        if hits == 0:
            return 0.0
        precision, recall = hits / size, hits / self._total
        return 2 * precision * recall / (precision + recall)

    def add(self, counts: Mapping[Gram, int]) -> None:
        """Change the selection's counts."""
        self._hits += self._gain(counts)
        self._missing.subtract(counts)

    def _gain(self, counts: Mapping[Gram, int]) -> int:
        missing = self._missing
        return sum(min(missing[gram], change) - min(missing[gram], 0) for gram, change in counts.items())


# --- Sets of sentences compared as summaries: which of a document's best sentences go together ----
#
# The best sentences taken one by one say the same thing twice, and are longer or shorter than
# a summary should be. So small sets of them are looked at as wholes, as MatchSum does (Zhong
# et al. 2020, "Extractive Summarization as Text Matching"), but by a few figures of each set
# instead of a second reading of it: how good its sentences are, how long it is, how much it
# repeats, where it stands. A small network that learnt from ROUGE weighs them. No torch.

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
