"""Words compared by an encoder's embeddings: like words share something, unknown ones only with themselves."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.baselines.pairs import NEARNESSES, WordVectors, nearnesses
from bertkit.tokenization.base import Tokenizer

IDF = {"the": 1.0, "cat": 3.0, "dog": 3.0, "river": 4.0, "sees": 2.0, "finds": 2.0}


@pytest.fixture(scope="module")
def vectors(tokenizer: Tokenizer) -> WordVectors:
    """Random vectors, but for "dog", which is nearly "cat", and for a bias that all share."""
    table = np.random.default_rng(0).normal(size=(tokenizer.vocab_size, 64)).astype(np.float32)
    (cat,), (dog,) = (tokenizer.backend.encode(word, add_special_tokens=False).ids for word in ("cat", "dog"))
    table[dog] = table[cat] + 0.1 * table[dog]
    return WordVectors(tokenizer, table + 5.0)


def compare(first: str, second: str, vectors: WordVectors) -> list[float]:
    return list(nearnesses([(first.split(), second.split())], vectors, IDF, 5.0)[0])


def test_vectors_have_length_one_and_no_common_part(vectors: WordVectors) -> None:
    found = vectors.of(["the", "cat", "river"])
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert abs(found[0] @ found[2]) < 0.5  # the bias is gone: with it they would be near 1
    assert vectors.of([]).shape == (0, 64)


def test_a_word_of_several_tokens_is_their_mean(vectors: WordVectors, tokenizer: Tokenizer) -> None:
    ids = tokenizer.backend.encode("catriver", add_special_tokens=False).ids
    assert len(ids) > 1
    mean = vectors.table[ids].mean(axis=0) - vectors.table.mean(axis=0)
    assert vectors.of(["catriver"])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_equal_sentences_are_as_near_as_can_be(vectors: WordVectors) -> None:
    assert compare("the cat sees", "the cat sees", vectors)[:3] == pytest.approx([1, 1, 1], abs=1e-5)


def test_figures_follow_their_formula(vectors: WordVectors) -> None:
    first, second = ["the", "cat"], ["the", "river", "finds"]
    left, right = vectors.of(first), vectors.of(second)
    similar = left @ right.T
    weights, others = np.array([1.0, 3.0]), np.array([1.0, 4.0, 2.0])
    forth = (weights * similar.max(axis=1)).sum() / 4
    back = (others * similar.max(axis=0)).sum() / 7
    u, v = weights @ left, others @ right
    a = ((1 - similar.max(axis=1)) * weights) @ left
    b = ((1 - similar.max(axis=0)) * others) @ right
    cosines = [float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)) for x, y in ((u, v), (a, b))]
    assert compare("the cat", "the river finds", vectors) == pytest.approx([forth, back, *cosines], abs=1e-4)


def test_a_word_of_like_meaning_counts_nearly_as_shared(vectors: WordVectors) -> None:
    like, unlike = compare("the cat", "the dog", vectors), compare("the cat", "the river", vectors)
    assert like[0] > 0.9
    assert unlike[0] < 0.6
    assert like[2] > unlike[2]


def test_order_of_sides_turns_the_first_two_figures_only(vectors: WordVectors) -> None:
    forth, back = compare("the cat sees", "a river", vectors), compare("a river", "the cat sees", vectors)
    assert (forth[0], forth[1], *forth[2:]) == pytest.approx((back[1], back[0], *back[2:]))


def test_a_word_without_a_vector_is_like_itself_alone(vectors: WordVectors) -> None:
    assert not vectors.of(["漢"]).any()
    assert compare("漢", "漢", vectors)[:2] == [1.0, 1.0]
    assert compare("漢", "cat", vectors) == [0.0] * NEARNESSES


def test_a_side_without_words_shares_nothing(vectors: WordVectors) -> None:
    assert compare("", "the cat", vectors) == [0.0] * NEARNESSES
    assert nearnesses([], vectors, IDF, 1.0).shape == (0, NEARNESSES)
