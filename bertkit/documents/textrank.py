"""What is known of sentences without a model: TextRank (Mihalcea & Tarau 2004), and what can be seen of them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bertkit.documents.words import sentence_words

# --- TextRank for sentences (Mihalcea & Tarau 2004, "TextRank: Bringing Order into Texts") --------
#
# Two sentences are as similar as they share words, for their length:
#
#     w(i, j) = |words of both| / (log |S_i| + log |S_j|)
#
# and a sentence is worth what similar sentences are worth:
#
#     score(i) = (1 - d) + d * sum_j  w(j, i) / sum_k w(j, k) * score(j)
#
# A sentence without words, or two sentences of one word each (whose logarithms add up to
# zero), share no edge. A sentence without edges scores 1 - d.
#
# Scores are the solution of these equations. Up to some hundred sentences they are solved
# as such; for more, the formula is repeated until no score changes. There the matrix of
# similarities (10^8 numbers for a book) is never written out: with B the sentence x word
# incidence matrix, the counts of shared words are B B^T, and 1 / (log |S_i| + log |S_j|)
# takes only as many values of j as there are lengths, so that the weights times a vector
# are one sparse product for all lengths at once.

DAMPING = 0.85
TOLERANCE = 1e-6  # greatest change of a score at which to stop; the paper's 1e-4 leaves close ranks undecided
MAX_ROUNDS = 200
_SOLVED_UP_TO = 600  # sentences; beyond, repeating is faster and needs less memory
_SPARSE_FROM = 150  # sentences; below, scipy's import and its overhead cost more than zeros multiplied
_DECIMALS = 10  # so that equal sentences have equal scores, whatever the order of the sums

Vector = NDArray[np.float64]


def textrank_scores(token_lists: Sequence[Sequence[str]], damping: float = DAMPING) -> Vector:
    """Return the TextRank score of each sentence, given its words; shape (sentences).

    The scores add up to the number of sentences where every sentence has an edge.
    """
    if not token_lists:
        return np.zeros(0)
    incidence = _find_words(token_lists)
    logs = np.log(np.maximum(np.fromiter(map(len, token_lists), np.float64, len(token_lists)), 1))
    rank = _solve if len(token_lists) <= _SOLVED_UP_TO else _repeat
    return np.round(rank(incidence, logs, damping), _DECIMALS)


@dataclass(frozen=True, slots=True)
class _Incidence:
    """Which sentence (row) has which word (column), as often as it has it; `words` is how many there are."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    words: int


def _find_words(token_lists: Sequence[Sequence[str]]) -> _Incidence:
    ids: defaultdict[str, int] = defaultdict()
    ids.default_factory = ids.__len__  # a new word gets the next number
    rows = np.repeat(np.arange(len(token_lists)), list(map(len, token_lists)))
    columns = np.fromiter(map(ids.__getitem__, chain.from_iterable(token_lists)), np.intp, len(rows))
    return _Incidence(rows, columns, len(ids))


def _solve(incidence: _Incidence, logs: Vector, damping: float) -> Vector:
    """Return the solution of the paper's equations, the matrix of similarities written out."""
    count = len(logs)
    weights = _shared_words(incidence, count) * _reciprocal(logs, logs)
    diagonal = weights.reshape(-1)[:: count + 1]
    diagonal[:] = 0.0
    weights *= -_shares(weights.sum(axis=0), damping)
    diagonal[:] = 1.0  # now they are the equations
    return np.linalg.solve(weights, np.full(count, 1 - damping))


def _shared_words(incidence: _Incidence, count: int) -> NDArray[np.float32]:
    """Return how many words each two sentences share, (sentences, sentences); counts below 2**24 are exact."""
    if count < _SPARSE_FROM:
        has_word = np.zeros((count, incidence.words), dtype=np.float32)
        has_word[incidence.rows, incidence.columns] = 1.0
        return has_word @ has_word.T
    from scipy import sparse

    ones = np.ones(len(incidence.rows), dtype=np.float32)
    known = sparse.csr_array((ones, (incidence.rows, incidence.columns)), shape=(count, incidence.words))
    known.data[:] = 1.0  # words that a sentence repeats were added up
    shared: NDArray[np.float32] = (known @ known.T).toarray()
    return shared


def _repeat(incidence: _Incidence, logs: Vector, damping: float) -> Vector:
    """Repeat the paper's formula until no score changes by more than `TOLERANCE`."""
    multiply = _sparse_weights(incidence, logs)
    scores = np.ones(len(logs))
    shares = _shares(multiply(scores), damping)
    for _ in range(MAX_ROUNDS):
        before, scores = scores, (1 - damping) + multiply(shares * scores)
        if np.abs(scores - before).max() < TOLERANCE:
            break
    return scores


def _sparse_weights(incidence: _Incidence, logs: Vector) -> Callable[[Vector], Vector]:
    """Return a function that multiplies the matrix of similarities by a vector."""
    from scipy import sparse

    count = len(logs)
    ones = np.ones(len(incidence.rows))
    has_word = sparse.csr_array((ones, (incidence.rows, incidence.columns)), shape=(count, incidence.words))
    has_word.data[:] = 1.0  # words that a sentence repeats were added up
    word_in = has_word.T.tocsr()
    lengths, length_of = np.unique(logs, return_inverse=True)
    by_length = _reciprocal(logs, lengths)  # (sentences, lengths)
    own = np.arange(count), length_of
    with_itself = has_word.sum(axis=1) * by_length[own]

    def multiply(vector: Vector) -> Vector:
        scattered = np.zeros((count, len(lengths)))
        scattered[own] = vector
        shared = has_word @ (word_in @ scattered)  # (sentences, lengths)
        product: Vector = (shared * by_length).sum(axis=1) - with_itself * vector
        return product

    return multiply


def _shares(degrees: Vector, damping: float) -> Vector:
    """Return what a sentence passes on per unit of weight; nothing where it has no edges but rounding errors."""
    return np.divide(damping, degrees, out=np.zeros_like(degrees), where=degrees > 1e-9)


def _reciprocal(left: Vector, right: Vector) -> Vector:
    """Return 1 / (left + right) for all pairs, and 0 where the sum is 0."""
    sums = left[:, None] + right[None, :]
    sums[sums == 0] = np.inf
    reciprocals: Vector = 1.0 / sums
    return reciprocals


# --- What can be seen of a sentence without a model: where it stands, how long it is, what it repeats
#
# These figures are what sentence extraction was built on before neural encoders (Luhn 1958;
# Edmundson 1969; Mihalcea & Tarau 2004), and a small encoder's vectors do not hold them: no
# sentence by itself knows how often its document comes back to its words. No torch.

FEATURES = (
    "place",
    "place_share",
    "place_inverse",
    "places_left",
    "words_before",
    "document_length",
    "length",
    "content_share",
    "mean_count",
    "mass",
    "mass_log",
    "once_share",
    "recurring",
    "often_recurring",
    "textrank",
    "textrank_place",
    "textrank_best",
    "shared_with_first",
    "said_before",
    "newly_recurring",
    "digit",
    "digit_share",
    "quote",
    "question",
    "colon",
    "bracket",
    "commas",
    "word_length",
    "stopped",
)
"""The columns of `surface_features`; a stored model names those that it learnt from."""

# Counts and their like, which are taken as logarithms: so all features are of about the same size.
_UNBOUNDED = [
    FEATURES.index(name)
    for name in (
        "place",
        "places_left",
        "words_before",
        "length",
        "mean_count",
        "mass_log",
        "recurring",
        "often_recurring",
        "textrank",
        "newly_recurring",
        "commas",
        "word_length",
    )
]
_QUOTES = frozenset("'\"`‘’“”「」『』«»")
_STOPS = tuple(".!?。！？…\"'”’)」")

Column = Sequence[float]


def surface_features(sentences: Sequence[str], language: str = "auto") -> NDArray[np.float32]:
    """Return the features of each sentence of a document, (sentences, features).

    Args:
        sentences: the whole document's, in order.
        language: decides what a word is; see `sentence_words`.

    Raises:
        UnknownNameError: the language is not one of "auto", "en" and "ko".
    """
    words = sentence_words(sentences, language)
    lengths = [len(sentence.split()) for sentence in sentences]
    figures = [
        *_places(lengths),
        *_lengths(lengths, words),
        *_repetitions(words),
        *_centrality(words),
        *_novelty(words),
        *_marks(sentences),
    ]
    table = np.array(figures, np.float32).T.reshape(len(sentences), len(FEATURES))
    table[:, _UNBOUNDED] = np.log1p(table[:, _UNBOUNDED])
    return table


def _places(lengths: Sequence[int]) -> list[Column]:
    n = len(lengths)
    before: list[float] = np.cumsum([0, *lengths])[:n].tolist()
    places = range(n)
    return [
        list(places),
        [i / n for i in places],
        [1 / (i + 1) for i in places],
        [n - i for i in places],
        before,
        [math.log(max(1, n))] * n,
    ]


def _lengths(lengths: Sequence[int], words: Sequence[Sequence[str]]) -> list[Column]:
    content = [len(found) / (1 + length) for found, length in zip(words, lengths, strict=True)]
    return [lengths, content]


def _repetitions(words: Sequence[Sequence[str]]) -> list[Column]:
    """Tell how often the document has the words of each sentence."""
    counts = Counter(word for found in words for word in found)
    sentences_with = Counter(word for found in words for word in set(found))
    total = max(1, counts.total())
    rows = []
    for found in words:
        kinds = set(found)
        rows.append(
            (
                sum(counts[word] for word in found) / (1 + len(found)),
                sum(counts[word] for word in kinds) / total,
                sum(math.log(counts[word]) for word in kinds),
                sum(counts[word] == 1 for word in kinds) / (1 + len(kinds)),
                sum(sentences_with[word] > 1 for word in kinds),
                sum(sentences_with[word] > 2 for word in kinds),
            )
        )
    return [*zip(*rows, strict=True)] if rows else [()] * 6


def _centrality(words: Sequence[Sequence[str]]) -> list[Column]:
    """Return TextRank's scores over their mean, the share of sentences that are better, and whether under three are."""
    scores = textrank_scores(words)
    better = np.argsort(np.argsort(-scores, kind="stable"), kind="stable")
    mean = float(scores.mean()) if len(scores) else 1.0
    return [list(scores / (mean or 1.0)), list(better / max(1, len(scores))), list(better < 3)]


def _novelty(words: Sequence[Sequence[str]]) -> list[Column]:
    """Compare each sentence with the first one and with all before it."""
    sentences_with = Counter(word for found in words for word in set(found))
    first = set(words[0]) if words else set()
    seen: set[str] = set()
    rows = []
    for found in words:
        kinds = set(found)
        size = 1 + len(kinds)
        newly = sum(sentences_with[word] > 1 for word in kinds - seen)
        rows.append((len(kinds & first) / size, len(kinds & seen) / size, newly))
        seen |= kinds
    return [*zip(*rows, strict=True)] if rows else [()] * 3


def _marks(sentences: Sequence[str]) -> list[Column]:
    digits = [sum(map(str.isdigit, sentence)) for sentence in sentences]
    tokens = [sentence.split() for sentence in sentences]
    return [
        [n > 0 for n in digits],
        [n / (1 + len(sentence)) for n, sentence in zip(digits, sentences, strict=True)],
        [any(mark in _QUOTES for mark in sentence) for sentence in sentences],
        ["?" in sentence for sentence in sentences],
        [":" in sentence for sentence in sentences],
        [any(mark in sentence for mark in ("(", "[", "-lrb-")) for sentence in sentences],
        [sentence.count(",") for sentence in sentences],
        [sum(map(len, found)) / (1 + len(found)) for found in tokens],
        [sentence.rstrip().endswith(_STOPS) for sentence in sentences],
    ]
