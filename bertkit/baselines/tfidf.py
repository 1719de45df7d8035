"""TF-IDF rows of texts and the linear models on them: what most baselines are made of, and how they are stored."""

from __future__ import annotations

import json
import re
import unicodedata
import warnings
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.bundle import sound
from bertkit.errors import RunError
from bertkit.files import save_arrays, write_text
from bertkit.kinds import MisfitError, read_object, shown, value_of
from bertkit.models.weights import read_shapes
from bertkit.tasks.objectives import MANY_LABELS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# --- Store fitted baselines as one JSON and one safetensors file: no pickle, the same bytes each time

# Kinds of arrays that are numbers: floats, whole ones and those without a sign.
_NUMBERS = "fiu"
FACTS_NAME = "baselines.json"
TENSORS_NAME = "baselines.safetensors"
FORMAT_VERSION = 1


def write_baseline_files(directory: Path, facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write facts and arrays into `directory`, which is made if it is missing.

    Raises:
        OSError: it cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # ASCII, because words may hold what UTF-8 has no bytes for (lone surrogates)
    text = json.dumps({"format": FORMAT_VERSION, **facts}, sort_keys=True)
    write_text(directory / FACTS_NAME, text + "\n")
    save_arrays(directory / TENSORS_NAME, {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})


def read_baseline_files(directory: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `write_baseline_files` wrote.

    Raises:
        RunError: a file is missing or damaged, or a newer bertkit wrote it.
        PlaceError: a file may not be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    facts_path, tensors_path = directory / FACTS_NAME, directory / TENSORS_NAME
    with sound(facts_path):
        facts = read_object(facts_path)
        version = value_of(int, facts.get("format"), "format")
    if version > FORMAT_VERSION:
        raise RunError(
            f"{directory}: these baselines have format {version}, this bertkit reads up to "
            f"{FORMAT_VERSION}; update bertkit."
        )
    with sound(tensors_path):
        read_shapes(tensors_path)
        try:
            tensors = load(tensors_path.read_bytes())
        except SafetensorError as error:
            raise MisfitError(f"holds no tensors ({error})") from error
        for name, tensor in tensors.items():
            if tensor.dtype.kind not in _NUMBERS or not np.isfinite(tensor).all():
                raise MisfitError(f"holds values that are not numbers (NaN or infinity), in {shown(name)}")
    return facts, tensors


def words_in(facts: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of words, which may hold what UTF-8 has no bytes for.

    Raises:
        MisfitError: it is missing or no list of texts.
    """
    words = facts.get(name)
    if not isinstance(words, list) or any(type(word) is not str for word in words):
        raise MisfitError(f"{name} is {shown(words)} and should be a list of texts")
    return tuple(words)


def damaged(directory: Path) -> RunError:
    """Build the error for baselines that are there and make no sense."""
    return RunError(
        f"{directory}: the baselines of this run are damaged; copy the run directory again or train it again."
    )


# --- Turn texts into TF-IDF rows of words, word pairs and character n-grams, for any language -----
#
# Made for baselines that are fitted in seconds: every distinct word is cut into its
# n-grams once, and the n-gram counts of the rows follow by a sparse product. Cutting
# inside words asks for no morphological analyser, so that Korean particles (`영화는`,
# `영화가`) share the n-grams of their stem just as English endings do.

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

    # Looked up for each row that comes alone through a pipe, to which making them anew took longer than its answer.

    @cached_property
    def word_places(self) -> dict[str, int]:
        """The place of each word."""
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def gram_places(self) -> dict[str, int]:
        """The place of each n-gram."""
        return {gram: i for i, gram in enumerate(self.grams)}

    @cached_property
    def word_weights(self) -> dict[str, float]:
        """The idf of each word."""
        return dict(zip(self.words, self.word_idf.tolist(), strict=True))

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
    ids = _renumber(tokens, {word: i for i, word in enumerate(words)})
    codes, frequency = np.unique(_pair_codes(ids, tokens.rows, len(words))[1], return_counts=True)
    pairs = np.sort(codes[np.argsort(-frequency, kind="stable")[:MAX_PAIRS]])
    none = np.zeros(0, np.float32)
    chosen = Vocabulary(words, pairs, _frequent_grams(ids, words), none, none, none)
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
    ids = _renumber(tokens, vocabulary.word_places)
    known = ids >= 0
    words = _counts(tokens.rows[known], ids[known], (tokens.count, len(vocabulary.words)))
    rows, codes = _pair_codes(ids, tokens.rows, len(vocabulary.words))
    place = np.searchsorted(vocabulary.pairs, codes)
    hit = place < len(vocabulary.pairs)
    hit[hit] = vocabulary.pairs[place[hit]] == codes[hit]
    pairs = _counts(rows[hit], place[hit], (tokens.count, len(vocabulary.pairs)))
    index = vocabulary.gram_places
    cut = _cut_matrix([[index[g] for g in _grams(w) if g in index] for w in tokens.words], len(index))
    return words, pairs, (every_word @ cut).tocsr()


def _frequent_words(tokens: TokenRows) -> tuple[str, ...]:
    counts = np.bincount(tokens.ids, minlength=len(tokens.words))
    return _most_frequent(tokens.words, counts, MAX_WORDS)


def _frequent_grams(ids: NDArray[np.int64], words: Sequence[str]) -> tuple[str, ...]:
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


def _renumber(tokens: TokenRows, index: Mapping[str, int]) -> NDArray[np.int64]:
    """Return the tokens as places of words, -1 where a token is none of them."""
    places = np.asarray([index.get(word, -1) for word in tokens.words], np.int64)
    return places[tokens.ids]


def _pair_codes(
    ids: NDArray[np.int64], rows: NDArray[np.int64], words: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and code of each two neighbouring tokens that are both among the words."""
    whole = (ids[:-1] >= 0) & (ids[1:] >= 0) & (rows[:-1] == rows[1:])
    return rows[:-1][whole], (ids[:-1] * words + ids[1:])[whole]


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


# --- Linear models for the baselines: logistic regression for labels, ridge regression for scores -

# Chosen on rows that are not test rows: MRPC by cross-validation, NSMC and 20 Newsgroups by
# held training rows (_C from 4 to 16: within 0.5 points of accuracy), STS-B and KorSTS on
# their validation splits (_ALPHA from 3 to 10: within 0.005 of Pearson's correlation).
_C = 8.0
_ALPHA = 4.0


@dataclass(frozen=True)
class LinearModel:
    """Weights (outputs, features) and intercept (outputs), both float32.

    One output is a score, or the log odds of the second of two classes; more are one
    class each against the rest.
    """

    weights: NDArray[np.float32]
    intercept: NDArray[np.float32]

    def outputs(self, features: csr_matrix) -> NDArray[np.float64]:
        """Return the linear outputs, (rows, outputs)."""
        product = features @ np.ascontiguousarray(self.weights.T)
        return np.asarray(product, np.float64) + self.intercept

    def probabilities(self, features: csr_matrix) -> NDArray[np.float64]:
        """Return the probabilities of the classes that `fit_logistic` saw, (rows, classes)."""
        return class_probabilities(self, features)

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """What a file holds of it."""
        return {"weights": self.weights, "intercept": self.intercept}


def output_count(classes: int) -> int:
    """Return how many outputs tell so many classes apart: none for one, one for two, else one each."""
    return {1: 0, 2: 1}.get(classes, classes)


def fit_logistic(
    features: csr_matrix,
    classes: NDArray[np.int64],
    count: int,
    *,
    seed: int,
    row_weights: NDArray[np.float64] | None = None,
) -> LinearModel:
    """Fit logistic regression of class numbers 0 to count - 1, each of which has a row.

    Args:
        features: one row of numbers for each row of text.
        classes: the class number of each row.
        count: how many classes there are.
        seed: sets the order in which the solver visits the rows.
        row_weights: what each row counts; None: all alike.
    """
    targets = [1] if count == 2 else range(output_count(count))
    fitted = [_fit_binary(features, classes == target, seed, row_weights) for target in targets]
    weights = np.asarray([weights for weights, _ in fitted], np.float32)
    intercept = np.asarray([intercept for _, intercept in fitted], np.float32)
    return LinearModel(weights.reshape(len(targets), features.shape[1]), intercept)


def fit_against_rest(
    features: csr_matrix, flags: NDArray[np.bool_], weights: NDArray[np.float64], *, seed: int
) -> LinearModel:
    """Fit a logistic regression for each label, against the rows that have it not.

    Args:
        features: one row of numbers for each row of text.
        flags: which labels each row has, (rows, labels).
        weights: what a row that has a label counts, (labels).
        seed: sets the order in which the solver visits the rows.
    """
    fitted = []
    for own, weight in zip(flags.T, weights, strict=True):
        if own.all() or not own.any():  # nothing to tell apart; the odds are those of one row more of the other kind
            odds = np.log(len(own) + 1.0)
            fitted.append((np.zeros(features.shape[1]), odds if own.any() else -odds))
        else:
            rows = None if weight == 1.0 else np.where(own, weight, 1.0)
            fitted.append(_fit_binary(features, own, seed, rows))
    matrix = np.asarray([coefficients for coefficients, _ in fitted], np.float32)
    intercept = np.asarray([value for _, value in fitted], np.float32)
    return LinearModel(matrix.reshape(len(fitted), features.shape[1]), intercept)


def class_probabilities(model: LinearModel, features: csr_matrix) -> NDArray[np.float64]:
    """Return the probabilities of the classes that `fit_logistic` saw, (rows, classes)."""
    outputs = model.outputs(features)
    if outputs.shape[1] == 0:
        return np.ones((outputs.shape[0], 1))
    odds = 0.5 * (1.0 + np.tanh(0.5 * outputs))  # the logistic function, without overflow
    if outputs.shape[1] == 1:
        return np.hstack([1.0 - odds, odds])
    # a row that every class disowns would divide by zero
    odds = np.maximum(odds, np.finfo(np.float64).tiny)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def fit_ridge(features: csr_matrix, scores: NDArray[np.float64]) -> LinearModel:
    """Fit ridge regression of `scores`; the intercept is not penalised."""
    from sklearn.linear_model import Ridge

    if features.shape[1] == 0:
        return LinearModel(np.zeros((1, 0), np.float32), np.asarray([scores.mean()], np.float32))
    model = Ridge(alpha=_ALPHA, solver="sparse_cg").fit(features, scores)
    return LinearModel(np.asarray(model.coef_, np.float32).reshape(1, -1), np.asarray([model.intercept_], np.float32))


def _fit_binary(
    features: csr_matrix, is_class: NDArray[np.bool_], seed: int, row_weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], float]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if features.shape[1] == 0:
        counts = np.ones(len(is_class)) if row_weights is None else row_weights
        return np.zeros(0), float(np.log(counts[is_class].sum() / counts[~is_class].sum()))
    model = LogisticRegression(C=_C, solver="liblinear", dual=True, tol=0.1, random_state=seed)
    with warnings.catch_warnings():
        # an early stop costs a baseline nothing that its score would not show
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, is_class, sample_weight=row_weights)
    return model.coef_[0], float(model.intercept_[0])


# --- The TF-IDF baseline of very many classes: the class whose mean row is nearest ----------------
#
# Logistic regression fits each class against all others, with a weight for every feature: with
# 10,000 classes that is hours and gigabytes. Means of rows cost as much as the rows themselves.
# Source: Rocchio 1971; Han and Karypis 2000 (centroids of TF-IDF rows, compared by cosine).

# Of more classes than these the nearest mean row is the baseline. Below, results of earlier runs stand.
MANY_CLASSES = MANY_LABELS
# Cosines are turned into probabilities by a softmax of so many times their value.
_SHARPNESS = 16.0
_NAMES = ("centroid_values", "centroid_places", "centroid_starts")


@dataclass(frozen=True)
class CentroidModel:
    """The direction of each class's mean row, (classes, features), float32, sparse."""

    centroids: csr_matrix

    def probabilities(self, features: csr_matrix) -> NDArray[np.float64]:
        """Return the probability of each class, (rows, classes); rows without a known feature have no favourite."""
        cosines = np.asarray((_directions(features) @ self.centroids.T).todense(), np.float64)
        cosines -= cosines.max(axis=1, keepdims=True)
        np.exp(_SHARPNESS * cosines, out=cosines)
        cosines /= cosines.sum(axis=1, keepdims=True)
        return cosines

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """What a file holds of it."""
        parts = (self.centroids.data, self.centroids.indices, self.centroids.indptr)
        kinds = (np.float32, np.int32, np.int64)
        return {name: np.asarray(part, kind) for name, part, kind in zip(_NAMES, parts, kinds, strict=True)}

    @property
    def shape(self) -> tuple[int, int]:
        """How many classes and features it is of."""
        classes, features = self.centroids.shape
        return int(classes), int(features)


def fit_centroids(features: csr_matrix, classes: NDArray[np.int64], count: int) -> CentroidModel:
    """Average the directions of each class's rows.

    Args:
        features: one row for each text.
        classes: its class number, 0 to count - 1, of which each has a row.
        count: how many classes there are.
    """
    from scipy.sparse import csr_matrix

    rows = len(classes)
    member = csr_matrix((np.ones(rows, np.float32), (classes, np.arange(rows))), shape=(count, rows))
    return CentroidModel(_directions(csr_matrix(member @ _directions(features))))


def holds_centroids(tensors: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether a file of baselines holds centroids, and not the weights of a linear model."""
    return _NAMES[0] in tensors


def centroids_from(tensors: Mapping[str, NDArray[Any]], width: int) -> CentroidModel:
    """Build the model that `CentroidModel.tensors` came from.

    Args:
        tensors: what the file holds.
        width: how many features a row has.

    Raises:
        KeyError: a tensor is missing.
        ValueError: they do not belong together.
    """
    from scipy.sparse import csr_matrix

    values, places, starts = (tensors[name] for name in _NAMES)
    if any(part.ndim != 1 for part in (values, places, starts)) or len(starts) < 1:
        raise ValueError("centroids are lists")
    found = csr_matrix((values.astype(np.float32), places, starts), shape=(len(starts) - 1, width))
    found.check_format(full_check=True)
    return CentroidModel(found)


def _directions(rows: csr_matrix) -> csr_matrix:
    """Scale rows to length 1; a row of zeros stays one."""
    from scipy.sparse import csr_matrix, diags

    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths, dtype=np.float64), where=lengths > 0)
    return csr_matrix(diags(scale.astype(np.float32)) @ rows, dtype=np.float32)
