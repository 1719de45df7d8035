"""Turn examples into the feature rows of the TF-IDF baseline: texts as such, pairs by comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import Example
from bertkit.evaluation.overlap import compared_words, overlap_features
from bertkit.evaluation.tfidf import TokenRows, Vocabulary, fit_tfidf, tfidf_rows, tokenize_rows
from bertkit.evaluation.word_vectors import NEARNESSES, WordVectors, nearnesses

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Standardised overlap features are of size 1, TF-IDF values of about 0.1: this keeps the
# penalty on both comparable (MRPC and STS score the same within 0.3 points from 0.1 to 0.5).
_OVERLAP_SCALE = 0.3

OVERLAPS = len(overlap_features("", "", {}, 1.0)) + 2
"""How many figures compare a pair: the overlap features, and the cosines in words and in n-grams."""


@dataclass(frozen=True)
class FeatureMap:
    """What was learned from the training texts: the vocabulary, and the standard deviations of overlap features.

    `overlap_mean` and `overlap_std` are float32, empty where the examples are no
    pairs; a standard deviation of 0 marks a feature that was the same in every row. With `vectors`,
    words of pairs are also compared by what they mean.
    """

    vocabulary: Vocabulary
    overlap_mean: NDArray[np.float32]
    overlap_std: NDArray[np.float32]
    vectors: WordVectors | None = None

    @property
    def overlaps(self) -> int:
        """How many figures compare a pair."""
        return OVERLAPS + (NEARNESSES if self.vectors is not None else 0)

    @property
    def width(self) -> int:
        """How many features a row has."""
        vocabulary, overlaps = self.vocabulary, len(self.overlap_mean)
        if overlaps:
            return overlaps + 3 * len(vocabulary.words)
        return vocabulary.width

    def rows(self, examples: Sequence[Example]) -> csr_matrix:
        """Return the feature rows of `examples`, float32, (examples, features)."""
        if not len(self.overlap_mean):
            return tfidf_rows(tokenize_rows(_joined(examples)), self.vocabulary)
        tfidf = tfidf_rows(_tokenize_pairs(examples), self.vocabulary)
        overlaps = _overlaps(examples, tfidf, self.vocabulary, self.vectors)
        return _pair_rows(tfidf, overlaps, self)


def fit_features(
    examples: Sequence[Example], *, pair: bool, vectors: WordVectors | None = None
) -> tuple[FeatureMap, csr_matrix]:
    """Learn the features of `examples`; return them with the examples' own rows.

    Args:
        examples: training rows.
        pair: whether the last text of an example is compared with those before it.
        vectors: used for pairs, where given.
    """
    none = np.zeros(0, np.float32)
    if not pair:
        vocabulary, rows = fit_tfidf(tokenize_rows(_joined(examples)))
        return FeatureMap(vocabulary, none, none), rows
    vocabulary, tfidf = fit_tfidf(_tokenize_pairs(examples))
    overlaps = _overlaps(examples, tfidf, vocabulary, vectors)
    mean, std = overlaps.mean(axis=0), overlaps.std(axis=0)
    std[std < 1e-6] = 0.0
    features = FeatureMap(vocabulary, mean.astype(np.float32), std.astype(np.float32), vectors)
    return features, _pair_rows(tfidf, overlaps, features)


def _joined(examples: Sequence[Example]) -> list[str]:
    return [" ".join(example.texts) for example in examples]


def _first(example: Example) -> str:
    return " ".join(example.texts[:-1])


def _tokenize_pairs(examples: Sequence[Example]) -> TokenRows:
    """Tokenize all first sentences, then all second ones, as rows of their own."""
    return tokenize_rows([_first(example) for example in examples] + [e.texts[-1] for e in examples])


def _overlaps(
    examples: Sequence[Example], tfidf: csr_matrix, vocabulary: Vocabulary, vectors: WordVectors | None
) -> NDArray[np.float64]:
    """Return the overlap features, the two TF-IDF cosines, and what vectors see; not yet standardised."""
    idf = dict(zip(vocabulary.words, vocabulary.word_idf.tolist(), strict=True))
    unseen = max(idf.values(), default=1.0)
    compared = [overlap_features(_first(example), example.texts[-1], idf, unseen) for example in examples]
    products = tfidf[: len(examples)].multiply(tfidf[len(examples) :]).tocsr()
    in_words = len(vocabulary.words) + len(vocabulary.pairs)
    cosines = [products[:, :in_words].sum(axis=1), products[:, in_words:].sum(axis=1)]
    found = [np.asarray(compared, np.float64), *(np.asarray(c).reshape(-1, 1) for c in cosines)]
    if vectors is not None:
        sides = [(compared_words(_first(example)), compared_words(example.texts[-1])) for example in examples]
        found.append(nearnesses(sides, vectors, idf, unseen))
    return np.hstack(found)


def _pair_rows(tfidf: csr_matrix, overlaps: NDArray[np.float64], features: FeatureMap) -> csr_matrix:
    """Put together what is shared, what differs, what only the second sentence says, and the overlaps."""
    from scipy.sparse import csr_matrix, hstack

    words = tfidf[:, : len(features.vocabulary.words)]
    first, second = words[: len(overlaps)], words[len(overlaps) :]
    shared = first.minimum(second)
    # a constant feature divides by infinity: it says nothing, whatever it is in new rows
    std = np.where(features.overlap_std > 0, features.overlap_std, np.inf)
    standard = (overlaps - features.overlap_mean) / std * _OVERLAP_SCALE
    blocks = [csr_matrix(standard.astype(np.float32)), shared, abs(first - second), second - shared]
    return csr_matrix(hstack(blocks), dtype=np.float32)
