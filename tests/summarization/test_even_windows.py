"""Windows of whole sentences."""

from __future__ import annotations

import random

from bertkit.summarization.abstractive import even_windows, fitting


def lengths(texts):
    return [len(text) for text in texts]


def test_windows_are_as_few_as_can_be_and_even():
    assert even_windows([], 10) == []
    assert even_windows([3, 3, 3], 10) == [range(3)]
    assert even_windows([2] * 6, 10) == [range(3), range(3, 6)]  # not 5 and 1
    assert even_windows([9, 9], 10) == [range(1), range(1, 2)]


def test_windows_hold_every_sentence_once_and_never_too_much():
    rng = random.Random(0)
    for _ in range(50):
        sizes = [rng.randint(1, 20) for _ in range(rng.randint(1, 60))]
        windows = even_windows(sizes, 20)
        assert [i for window in windows for i in window] == list(range(len(sizes)))
        assert max(sum(sizes[i] for i in window) for window in windows) <= 20


def test_a_long_sentence_is_cut_between_words():
    pieces = fitting(["short", "four words of text here"], lengths, 12)
    assert pieces[0] == "short"
    assert " ".join(pieces[1:]) == "four words of text here"
    assert all(len(piece) <= 12 for piece in pieces)


def test_a_word_longer_than_a_window_is_cut_too():
    pieces = fitting(["x" * 100], lengths, 9)
    assert "".join(pieces) == "x" * 100
    assert max(map(len, pieces)) <= 9
    assert fitting(["x"], lambda texts: [99] * len(texts), 9) == ["x"]  # what cannot be cut stays
