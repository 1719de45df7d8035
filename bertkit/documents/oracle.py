"""Which sentences of a document say best what its reference says: the labels of extractive models.

Sentences are added one at a time, each time the one that raises ROUGE-1 F1 + ROUGE-2 F1
most, until none does (the greedy search of Nallapati et al. 2017, "SummaRuNNer", with the
objective of Liu & Lapata 2019, "Text Summarization with Pretrained Encoders").

N-grams are counted as rouge-score counts them: with their multiplicity, and two-grams
across the seams of the selection, which stands in document order. So the picks are those
of scoring every step with that package; only that a step adds up what a sentence would
change and never looks at words the reference does not have.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

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
