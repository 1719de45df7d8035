"""Compare two sentences by their words' vectors, so that synonyms count as partial overlap.

The vectors are rows of an encoder's table of word embeddings; nothing is run. Each word is
compared with the nearest one on the other side, weighed by how rare it is (Corley and
Mihalcea 2005, "Measuring the semantic similarity of texts"; with vectors: Zhang et al. 2020,
"BERTScore").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bertkit.tokenization.base import Tokenizer

NEARNESSES = 4
"""How many figures `nearness` gives."""

_TINY = 1e-9


class WordVectors:
    """Vectors of length 1 for words, each the mean over its tokens; a word of unknown tokens has none (zeros).

    Args:
        tokenizer: cuts words into tokens.
        table: word embeddings, (V, H), read and not copied.
    """

    def __init__(self, tokenizer: Tokenizer, table: NDArray[np.float32]) -> None:
        self.tokenizer, self.table = tokenizer, table
        # What all tokens have in common says nothing of any (Mu and Viswanath 2018).
        self._common = table.mean(axis=0)

    def of(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of words, (words, H)."""
        # The blank is what byte-level vocabularies know the beginning of a word by.
        encodings = self.tokenizer.encode([f" {word}" for word in words]) if words else []
        special = self.tokenizer.special_ids
        vectors = np.zeros((len(words), self.table.shape[1]), np.float32)
        for vector, encoding in zip(vectors, encodings, strict=True):
            tokens = [i for i in encoding.ids if i not in special]
            if tokens:
                vector[:] = self.table[tokens].mean(axis=0) - self._common
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, _TINY), np.float32)


def nearnesses(
    pairs: Sequence[tuple[Sequence[str], Sequence[str]]], vectors: WordVectors, idf: Mapping[str, float], unseen: float
) -> NDArray[np.float64]:
    """Compare pairs of sentences.

    Args:
        pairs: words of the two sentences, N times.
        vectors: knows the words.
        idf: inverse document frequency of the words of the training rows.
        unseen: the weight of a word that is not in `idf`.

    Returns:
        (N, NEARNESSES): how near the words of the first come to those of the second, and the
        other way round; the cosine of the sentences' mean vectors; the cosine of what is left
        of them where each word counts as far as nothing is near it. All 0 where a side has no words.
    """
    words = sorted({word for pair in pairs for side in pair for word in side})
    place = {word: i for i, word in enumerate(words)}
    table = vectors.of(words)
    weights = np.asarray([idf.get(word, unseen) for word in words])
    found = np.zeros((len(pairs), NEARNESSES))
    for row, sides in zip(found, pairs, strict=True):
        if all(sides):
            first, second = ([place[word] for word in side] for side in sides)
            row[:] = _nearness(first, second, table, weights)
    return found


def _nearness(
    first: list[int], second: list[int], table: NDArray[np.float32], weights: NDArray[np.float64]
) -> tuple[float, ...]:
    similar = table[first] @ table[second].T  # (first, second)
    similar[np.equal.outer(first, second)] = 1.0  # without a vector, too, a word is like itself
    means, rests, near = [], [], []
    for side, best in ((first, similar.max(axis=1)), (second, similar.max(axis=0))):
        weight = weights[side]
        near.append(float(best @ weight / max(float(weight.sum()), _TINY)))
        means.append(weight @ table[side])
        rests.append(((1 - best) * weight) @ table[side])
    return *near, _cosine(*means), _cosine(*rests)


def _cosine(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / max(lengths, _TINY)
