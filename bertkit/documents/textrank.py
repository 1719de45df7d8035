"""TextRank for sentences (Mihalcea & Tarau 2004, "TextRank: Bringing Order into Texts").

Two sentences are as similar as they share words, for their length:

    w(i, j) = |words of both| / (log |S_i| + log |S_j|)

and a sentence is worth what similar sentences are worth:

    score(i) = (1 - d) + d * sum_j  w(j, i) / sum_k w(j, k) * score(j)

A sentence without words, or two sentences of one word each (whose logarithms add up to
zero), share no edge. A sentence without edges scores 1 - d.

Scores are the solution of these equations. Up to some hundred sentences they are solved
as such; for more, the formula is repeated until no score changes. There the matrix of
similarities (10^8 numbers for a book) is never written out: with B the sentence x word
incidence matrix, the counts of shared words are B B^T, and 1 / (log |S_i| + log |S_j|)
takes only as many values of j as there are lengths, so that the weights times a vector
are one sparse product for all lengths at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

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
