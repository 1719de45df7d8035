"""Two sentences as features of a baseline: word overlap, and similarity in meaning."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bertkit.baselines.tfidf import TokenRows, Vocabulary, fit_tfidf, split_words, tfidf_rows, tokenize_rows
from bertkit.data.records import Example
from bertkit.tokenization.base import Tokenizer

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# --- Describe how much two sentences share: the features of the pair baseline ---------------------
#
# All of them are ratios or dampened counts that hold for any language: words, runs of
# words, character n-grams, numbers and rare words that one sentence has and the other
# has not. The ideas are those of the classic paraphrase systems on MRPC: word and
# n-gram precision (Wan et al. 2006, "Using dependency-based features to take the
# 'para-farce' out of paraphrase"), information-weighted overlap (Corley and Mihalcea
# 2005, "Measuring the semantic similarity of texts") and machine-translation metrics
# (Madnani et al. 2012, "Re-examining machine translation metrics for paraphrase
# identification").

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_MAX_CHARACTERS = 600  # of each sentence, in the character comparison


def overlap_features(first: str, second: str, idf: Mapping[str, float], unseen_idf: float) -> list[float]:
    """Return the overlap features of one pair, always the same number of them.

    Args:
        first: the first text.
        second: the second text.
        idf: inverse document frequency of the words of the training rows.
        unseen_idf: the weight of a word that is not in `idf`.
    """
    words, others = compared_words(first), compared_words(second)
    return [
        *_shared_runs(words, others),
        *_shared_order(words, others, first, second),
        *_shared_information(words, others, idf, unseen_idf),
        *_lengths(len(words), len(others)),
        *_only_in_one(_NUMBER.findall(first), _NUMBER.findall(second)),
        *_only_in_one(_capitalised(first), _capitalised(second)),
    ]


def compared_words(text: str) -> list[str]:
    """Return the words of a text that can be shared, lower case; punctuation cannot."""
    return [word for word in split_words(text) if word.isalnum()]


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Count the items of the longest common subsequence, bit-parallel (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for i, item in enumerate(first):
        places[item] = places.get(item, 0) | 1 << i
    mask = (1 << len(first)) - 1
    row = mask
    for item in second:
        matched = row & places.get(item, 0)
        row = ((row + matched) | (row - matched)) & mask
    return len(first) - row.bit_count()


def _shared_runs(first: Sequence[str], second: Sequence[str]) -> list[float]:
    found = []
    for n in (1, 2, 3, 4):
        runs, others = _runs(first, n), _runs(second, n)
        shared = (runs & others).total()
        found += [_share(shared, runs.total()), _share(shared, others.total())]
        found.append(_share(shared, (runs | others).total()))
    return found


def _shared_order(words: Sequence[str], others: Sequence[str], first: str, second: str) -> list[float]:
    common = longest_common_subsequence(words, others)
    left, right = first.lower()[:_MAX_CHARACTERS], second.lower()[:_MAX_CHARACTERS]
    characters = longest_common_subsequence(left, right)
    return [
        _share(common, len(words)),
        _share(common, len(others)),
        _share(2 * characters, len(left) + len(right)),
        float(words[:1] == others[:1]),
        float(words[-1:] == others[-1:]),
    ]


def _shared_information(
    words: Sequence[str], others: Sequence[str], idf: Mapping[str, float], unseen_idf: float
) -> list[float]:
    left, right = set(words), set(others)
    mass = {word: idf.get(word, unseen_idf) for word in left | right}
    # fsum: the same sum whatever order the sets are in
    shared = math.fsum(mass[word] for word in left & right)
    found = []
    for alone in (left - right, right - left):
        missing = math.fsum(mass[word] for word in alone)
        rarest = max((mass[word] for word in alone), default=0.0)
        found += [_share(missing, missing + shared), math.log1p(missing), rarest]
    return found


def _lengths(first: int, second: int) -> list[float]:
    return [
        _share(min(first, second), max(first, second)),
        math.log1p(first) - math.log1p(second),
        abs(math.log1p(first) - math.log1p(second)),
        math.log1p(first + second),
    ]


def _only_in_one(first: Sequence[str], second: Sequence[str]) -> list[float]:
    left, right = set(first), set(second)
    return [
        math.log1p(len(left - right)),
        math.log1p(len(right - left)),
        math.log1p(len(left & right)),
        float(bool(left ^ right)),
        float(bool(left - right) and bool(right - left)),
    ]


def _capitalised(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text)[1:] if word[0].isupper()]


def _runs(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


# --- Compare two sentences by their words' vectors, so that synonyms count as partial overlap -----
#
# The vectors are rows of an encoder's table of word embeddings; nothing is run. Each word is
# compared with the nearest one on the other side, weighed by how rare it is (Corley and
# Mihalcea 2005, "Measuring the semantic similarity of texts"; with vectors: Zhang et al. 2020,
# "BERTScore").

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


# --- Turn examples into the feature rows of the TF-IDF baseline: texts as such, pairs by comparison

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
    idf = vocabulary.word_weights
    unseen = float(vocabulary.word_idf.max(initial=0.0)) if len(vocabulary.word_idf) else 1.0
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
