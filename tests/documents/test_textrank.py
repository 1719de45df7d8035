"""TextRank: the formula of the paper, against the formula written out, and at any size."""

import random
from math import log

import numpy as np
import pytest

from bertkit.documents import textrank
from bertkit.documents.textrank import textrank_scores


def reference_scores(sentences, damping=0.85):
    """Write the paper's two formulas down as they stand, with loops."""
    n = len(sentences)
    weights = np.zeros((n, n))
    for i, one in enumerate(sentences):
        for j, other in enumerate(sentences):
            if i != j and one and other and len(one) * len(other) > 1:
                weights[i, j] = len(set(one) & set(other)) / (log(len(one)) + log(len(other)))
    degrees = weights.sum(axis=1)
    scores = [1.0] * n
    for _ in range(120):
        passed_on = [score / degree if degree else 0.0 for score, degree in zip(scores, degrees, strict=True)]
        scores = [(1 - damping) + damping * sum(weights[:, i] * passed_on) for i in range(n)]
    return np.array(scores)


def random_document(rng, sentences, words=40):
    return [
        [f"w{int(rng.paretovariate(0.7)) % words}" for _ in range(rng.choice([0, 1, 1, 2, 5, 9, 14]))]
        for _ in range(sentences)
    ]


@pytest.fixture(params=["solved", "repeated"])
def way(request, monkeypatch):
    """Both ways of computing, whatever the size."""
    monkeypatch.setattr(textrank, "_SOLVED_UP_TO", 10**9 if request.param == "solved" else 0)
    return request.param


def test_scores_and_ranking_are_those_of_the_formula_written_out(way):
    rng = random.Random(3)
    for size in (2, 3, 8, 29):
        for _ in range(3):
            document = random_document(rng, size)
            expected = reference_scores(document)
            scores = textrank_scores(document)
            np.testing.assert_allclose(scores, expected, atol=2e-5)
            if way == "solved":
                ranking = np.argsort(-scores, kind="stable")
                assert ranking.tolist() == np.argsort(-expected.round(9), kind="stable").tolist()


def test_both_ways_agree_on_a_long_document(monkeypatch):
    document = random_document(random.Random(5), 400, words=900)
    solved = textrank_scores(document)
    monkeypatch.setattr(textrank, "_SOLVED_UP_TO", 0)
    repeated = textrank_scores(document)
    np.testing.assert_allclose(repeated, solved, atol=2e-5)
    assert set(np.argsort(-repeated)[:3]) == set(np.argsort(-solved)[:3])


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        ([], []),
        ([["a", "b"]], [0.15]),
        ([[]], [0.15]),
        ([["a", "b"], ["c", "d"]], [0.15, 0.15]),  # no word in common
        ([["yes"], ["yes"]], [0.15, 0.15]),  # log 1 + log 1 = 0
        ([["a", "b"], ["b", "a"]], [1, 1]),
        ([["a", "b"], [], ["b", "a"]], [1, 0.15, 1]),
    ],
)
def test_small_and_empty_documents(way, sentences, expected):
    np.testing.assert_allclose(textrank_scores(sentences), expected, atol=1e-5)


def test_equal_sentences_have_equal_scores():
    document = [["a", "b", "c"], ["x", "b", "d"], ["a", "b", "c"], ["c", "q", "a"], ["x", "b", "d"]]
    scores = textrank_scores(document)
    assert scores[0] == scores[2]
    assert scores[1] == scores[4]


def test_a_book_needs_no_matrix_of_all_pairs():
    rng = random.Random(1)
    document = [[f"w{int(rng.paretovariate(0.5)) % 9000}" for _ in range(12)] for _ in range(4000)]
    scores = textrank_scores(document)  # all pairs would be 128 MB
    assert scores.shape == (4000,)
    assert scores.sum() == pytest.approx(4000, rel=1e-3)
