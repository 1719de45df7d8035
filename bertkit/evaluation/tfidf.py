"""Turn texts into TF-IDF rows of words, word pairs and character n-grams, for any language.

Made for baselines that are fitted in seconds: every distinct word is cut into its
n-grams once, and the n-gram counts of the rows follow by a sparse product. Cutting
inside words asks for no morphological analyser, so that Korean particles (`영화는`,
`영화가`) share the n-grams of their stem just as English endings do.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.evaluation.baseline_files import words_in

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# On held training rows of NSMC, twice as many of each score the same within 0.2 points.
MAX_WORDS = 65_536
MAX_PAIRS = 32_768
MAX_GRAMS = 65_536

_TOKEN = re.compile(r"\w+|[^\w\s]")
_GRAM_LENGTHS = range(2, 6)
_MAX_WORD = 40  # characters of a word that are cut into n-grams: a URL is not worth more
# n-grams in more rows than this tell rows apart no better than words do, and fill the matrix
_COMMON_SHARE = 0.05
_COMMON_ROWS = 50
_TENSORS = ("pairs", "word_idf", "pair_idf", "gram_idf")


@dataclass(frozen=True)
class TokenRows:
    """Rows of tokens as numbers: `ids[i]` is a place in `words`, `rows[i]` the row it stands in."""

    words: tuple[str, ...]
    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    count: int


@dataclass(frozen=True)
class Vocabulary:
    """What a fitted baseline knows: sorted words, pairs of them, character n-grams, and their idf.

    `pairs` holds `first * len(words) + second` in ascending order, the words being
    numbered by their place in `words`; the three idf arrays are float32.
    """

    words: tuple[str, ...]
    pairs: NDArray[np.int64]
    grams: tuple[str, ...]
    word_idf: NDArray[np.float32]
    pair_idf: NDArray[np.float32]
    gram_idf: NDArray[np.float32]

    @classmethod
    def from_files(cls, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Vocabulary:
        """Put `facts` and `tensors` together again.

        Raises:
            KeyError: a part is missing.
            MisfitError: a part is of another kind.
        """
        words, grams = words_in(facts, "words"), words_in(facts, "grams")
        return cls(words, grams=grams, **{name: tensors[name] for name in _TENSORS})

    @property
    def facts(self) -> dict[str, list[str]]:
        """What of it a baseline stores as JSON."""
        return {"words": list(self.words), "grams": list(self.grams)}

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """What of it a baseline stores as arrays."""
        return {name: getattr(self, name) for name in _TENSORS}

    @property
    def width(self) -> int:
        """Columns of `tfidf_rows`."""
        return len(self.words) + len(self.pairs) + len(self.grams)

    @property
    def sizes(self) -> list[tuple[NDArray[Any], tuple[int, ...]]]:
        """Its arrays, each with the shape that it must have."""
        return [
            (self.pairs, (len(self.pair_idf),)),
            (self.word_idf, (len(self.words),)),
            (self.gram_idf, (len(self.grams),)),
        ]


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words and single punctuation marks (Unicode NFC)."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def tokenize_rows(texts: Iterable[str]) -> TokenRows:
    """Split the texts into words, numbered in the order in which they first appear."""
    index: dict[str, int] = {}
    ids, lengths = array("q"), array("q")
    for text in texts:
        words = split_words(text)
        ids.extend([index.setdefault(word, len(index)) for word in words])
        lengths.append(len(words))
    rows = np.repeat(np.arange(len(lengths)), np.asarray(lengths, np.int64))
    return TokenRows(tuple(index), np.asarray(ids, np.int64), rows, len(lengths))


def fit_tfidf(tokens: TokenRows) -> tuple[Vocabulary, csr_matrix]:
    """Choose the most frequent words, word pairs and n-grams of `tokens`; return their rows as well.

    The rows are those of `tfidf_rows`; they come along because the counts are made
    for the idf anyway.
    """
    words = _frequent_words(tokens)
    codes, frequency = np.unique(_pair_codes(tokens, words)[1], return_counts=True)
    pairs = np.sort(codes[np.argsort(-frequency, kind="stable")[:MAX_PAIRS]])
    none = np.zeros(0, np.float32)
    chosen = Vocabulary(words, pairs, _frequent_grams(tokens, words), none, none, none)
    word_counts, pair_counts, gram_counts = _count_blocks(tokens, chosen)
    kept = _rows_with(gram_counts) <= max(_COMMON_ROWS, _COMMON_SHARE * tokens.count)
    gram_counts = gram_counts[:, kept]
    vocabulary = replace(
        chosen,
        grams=tuple(gram for gram, keep in zip(chosen.grams, kept, strict=True) if keep),
        word_idf=_idf(word_counts),
        pair_idf=_idf(pair_counts),
        gram_idf=_idf(gram_counts),
    )
    return vocabulary, _weigh((word_counts, pair_counts, gram_counts), vocabulary)


def tfidf_rows(tokens: TokenRows, vocabulary: Vocabulary) -> csr_matrix:
    """Return the TF-IDF rows of `tokens`, float32, (rows, words + pairs + n-grams).

    Counts are dampened to 1 + ln(count). Words with pairs have Euclidean length 1, and
    so have n-grams, so that neither half drowns the other; a row that shares nothing
    with the vocabulary is empty.
    """
    return _weigh(_count_blocks(tokens, vocabulary), vocabulary)


def _weigh(counts: Sequence[csr_matrix], vocabulary: Vocabulary) -> csr_matrix:
    from scipy.sparse import csr_matrix, hstack

    idfs = (vocabulary.word_idf, vocabulary.pair_idf, vocabulary.gram_idf)
    words, pairs, grams = (_dampen(block, idf) for block, idf in zip(counts, idfs, strict=True))
    halves = [_unit_rows(csr_matrix(hstack([words, pairs]))), _unit_rows(grams)]
    return csr_matrix(hstack(halves), dtype=np.float32)


def _dampen(counts: csr_matrix, idf: NDArray[np.float32]) -> csr_matrix:
    weighted = counts.copy()
    # sorted, so that a row's sums do not depend on the rows it was tokenized with
    weighted.sort_indices()
    weighted.data = (1.0 + np.log(weighted.data)) * idf[weighted.indices]
    return weighted


def _unit_rows(matrix: csr_matrix) -> csr_matrix:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    squares = np.bincount(rows, matrix.data.astype(np.float64) ** 2, minlength=matrix.shape[0])
    matrix.data = (matrix.data / np.sqrt(squares)[rows]).astype(np.float32)
    return matrix


def _count_blocks(tokens: TokenRows, vocabulary: Vocabulary) -> tuple[csr_matrix, csr_matrix, csr_matrix]:
    """Count words, word pairs and n-grams of the vocabulary in each row."""
    every_word = _counts(tokens.rows, tokens.ids, (tokens.count, len(tokens.words)))
    ids = _renumber(tokens, vocabulary.words)
    known = ids >= 0
    words = _counts(tokens.rows[known], ids[known], (tokens.count, len(vocabulary.words)))
    rows, codes = _pair_codes(tokens, vocabulary.words)
    place = np.searchsorted(vocabulary.pairs, codes)
    hit = place < len(vocabulary.pairs)
    hit[hit] = vocabulary.pairs[place[hit]] == codes[hit]
    pairs = _counts(rows[hit], place[hit], (tokens.count, len(vocabulary.pairs)))
    index = {gram: i for i, gram in enumerate(vocabulary.grams)}
    cut = _cut_matrix([[index[g] for g in _grams(w) if g in index] for w in tokens.words], len(index))
    return words, pairs, (every_word @ cut).tocsr()


def _frequent_words(tokens: TokenRows) -> tuple[str, ...]:
    counts = np.bincount(tokens.ids, minlength=len(tokens.words))
    return _most_frequent(tokens.words, counts, MAX_WORDS)


def _frequent_grams(tokens: TokenRows, words: Sequence[str]) -> tuple[str, ...]:
    ids = _renumber(tokens, words)
    counts = np.bincount(ids[ids >= 0], minlength=len(words)).astype(np.float64)
    index: dict[str, int] = {}
    cut = _cut_matrix([[index.setdefault(g, len(index)) for g in _grams(w)] for w in words], 0)
    return _most_frequent(tuple(index), cut.T @ counts, MAX_GRAMS)


def _most_frequent(names: Sequence[str], counts: NDArray[Any], limit: int) -> tuple[str, ...]:
    """Return the names of the highest counts, sorted; of equal counts the first by code point stay."""
    if len(names) <= limit:
        return tuple(sorted(names))
    ranked = sorted(zip((-counts).tolist(), names, strict=True))
    return tuple(sorted(name for _, name in ranked[:limit]))


def _renumber(tokens: TokenRows, words: Sequence[str]) -> NDArray[np.int64]:
    """Return the tokens as places in `words`, -1 where a token is not among them."""
    index = {word: i for i, word in enumerate(words)}
    places = np.asarray([index.get(word, -1) for word in tokens.words], np.int64)
    return places[tokens.ids]


def _pair_codes(tokens: TokenRows, words: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and code of each two neighbouring words that both stand in `words`."""
    ids, rows = _renumber(tokens, words), tokens.rows
    whole = (ids[:-1] >= 0) & (ids[1:] >= 0) & (rows[:-1] == rows[1:])
    return rows[:-1][whole], (ids[:-1] * len(words) + ids[1:])[whole]


def _grams(word: str) -> list[str]:
    padded = f" {word[:_MAX_WORD]} "
    return [padded[i : i + n] for n in _GRAM_LENGTHS for i in range(len(padded) - n + 1)]


def _cut_matrix(cut: Sequence[Sequence[int]], width: int) -> csr_matrix:
    """Return the n-gram counts of each word, (words, n-grams); a width of 0 is found from `cut`."""
    columns = np.asarray([column for word in cut for column in word], np.int64)
    rows = np.repeat(np.arange(len(cut)), [len(word) for word in cut])
    return _counts(rows, columns, (len(cut), width or int(columns.max(initial=-1)) + 1))


def _counts(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> csr_matrix:
    from scipy.sparse import csr_matrix

    return csr_matrix((np.ones(len(columns), np.float32), (rows, columns)), shape=shape)


def _rows_with(counts: csr_matrix) -> NDArray[np.int64]:
    return np.bincount(counts.indices, minlength=counts.shape[1])


def _idf(counts: csr_matrix) -> NDArray[np.float32]:
    idf = np.log((1 + counts.shape[0]) / (1 + _rows_with(counts))) + 1
    return np.asarray(idf, np.float32)
