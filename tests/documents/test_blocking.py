"""Choosing sentences by score, with and without trigram blocking."""

import pytest

from bertkit.documents.selection import select

TOKENS = [s.split() for s in ("a b c d", "x a b c", "e f", "e f", "b c d e")]


def test_the_best_come_back_in_document_order():
    assert select([0.1, 0.9, 0.5, 0.4, 0.3], TOKENS, 2, block_trigrams=False) == [1, 2]


def test_of_equal_scores_the_earlier_come_first():
    assert select([0.5] * 5, TOKENS, 2, block_trigrams=False) == [0, 1]


def test_a_sentence_that_repeats_three_words_is_passed_over():
    assert select([0.9, 0.8, 0.1, 0.2, 0.7], TOKENS, 3) == [0, 2, 3]
    assert select([0.9, 0.8, 0.1, 0.2, 0.7], TOKENS, 3, block_trigrams=False) == [0, 1, 4]


def test_fewer_come_back_where_all_others_repeat():
    assert select([1, 2, 3], [["a", "b", "c"]] * 3, 3) == [2]


@pytest.mark.parametrize("count", [0, -1])
def test_none_asked_for(count):
    assert select([1.0], [["a"]], count) == []


def test_scores_and_sentences_must_fit():
    with pytest.raises(ValueError, match="2 scores do not fit 1 sentences"):
        select([1.0, 2.0], [["a"]], 1)
