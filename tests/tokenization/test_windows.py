"""Long rows in windows: nothing lost, an overlap, places in the text; and pairs cut on one side."""

from __future__ import annotations

import itertools
import random

import pytest

from bertkit.errors import TokenizerError
from bertkit.tokenization.base import Encoding, Tokenizer
from tests.conftest import OBJECTS, SUBJECTS, VERBS


def words(n: int, seed: int = 0) -> str:
    """A text of n words, each of which is one token."""
    rng = random.Random(seed)
    pool = " ".join((*SUBJECTS, *VERBS, *OBJECTS)).split()
    return " ".join(rng.choice(pool) for _ in range(n))


def tokens(tokenizer: Tokenizer, encoding: Encoding) -> list[str]:
    return [str(tokenizer.backend.id_to_token(i)) for i in encoding.ids]


def windows(tokenizer: Tokenizer, text: str, pair: str | None = None, *, max_length: int = 16) -> tuple[Encoding, ...]:
    pairs = None if pair is None else [pair]
    ((n_tokens, found),) = tokenizer.encode_windows([text], pairs, max_length=max_length, with_spans=True)
    assert n_tokens == len(tokenizer.encode([text], pairs)[0].ids)
    assert all(len(window.ids) <= max_length for window in found)
    assert not any(window.truncated for window in found)
    return found


@pytest.mark.parametrize("pair", [None, "a dog"])
@pytest.mark.parametrize("with_spans", [False, True])
def test_a_row_that_fits_is_one_window(tokenizer: Tokenizer, pair: str | None, with_spans: bool) -> None:
    pairs = None if pair is None else [pair]
    (row,) = tokenizer.encode(["the cat sees music"], pairs, with_spans=with_spans)
    found = tokenizer.encode_windows(["the cat sees music"], pairs, max_length=len(row.ids), with_spans=with_spans)
    assert found == [(len(row.ids), (row,))]


def test_windows_hold_every_word_and_overlap_by_a_quarter(tokenizer: Tokenizer) -> None:
    text = words(100)
    places = [span for span in tokenizer.encode([text], with_spans=True)[0].spans if span.side == 0]
    found = windows(tokenizer, text)
    seen = [[span for span in window.spans if span.side == 0] for window in found]
    assert sorted({span for spans in seen for span in spans}) == places
    for one, other in itertools.pairwise(seen):
        assert one[-3:] == other[:3]  # a quarter of the 14 tokens between [CLS] and [SEP]
        assert not set(one[:-3]) & set(other)


def test_every_window_has_its_special_tokens_and_places_in_the_whole_text(tokenizer: Tokenizer) -> None:
    text = words(60)
    for window in windows(tokenizer, text):
        shown = tokens(tokenizer, window)
        assert (shown[0], shown[-1]) == ("[CLS]", "[SEP]")
        assert [span.side for span in window.spans] == [-1, *[0] * (len(shown) - 2), -1]
        assert [text[start:end] for _, start, end in window.spans[1:-1]] == shown[1:-1]


@pytest.mark.parametrize("long_first", [True, False])
def test_the_longer_side_of_a_pair_is_cut_and_the_other_is_in_each_window(
    tokenizer: Tokenizer, long_first: bool
) -> None:
    long, short = words(40), "a small bird"
    found = windows(tokenizer, *((long, short) if long_first else (short, long)))
    whole, part = (1, 0) if long_first else (0, 1)
    seen = set()
    for window in found:
        sides = [[span for span in window.spans if span.side == side] for side in (0, 1)]
        assert [short[start:end] for _, start, end in sides[whole]] == ["a", "small", "bird"]
        assert window.type_ids == [0] * (len(sides[0]) + 2) + [1] * (len(sides[1]) + 1)
        seen |= {long[start:end] for _, start, end in sides[part]}
    assert len(found) > 3
    assert seen == set(long.split())


def test_both_sides_too_long_are_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match="both texts of a row are too long for windows of 16 tokens"):
        windows(tokenizer, words(30), words(30, seed=1))


def test_windows_leave_the_tokenizer_as_it_was(tokenizer: Tokenizer) -> None:
    windows(tokenizer, words(30))
    with pytest.raises(TokenizerError):
        windows(tokenizer, words(30), words(30))
    assert len(tokenizer.encode([words(30)])[0].ids) == 32


# --- pairs of which only the first text is cut --------------------------------------------


def kept(tokenizer: Tokenizer, first: str, second: str, max_length: int = 16) -> tuple[list[str], list[str]]:
    """The words of both sides that are left."""
    (row,) = tokenizer.encode([first], [second], max_length=max_length, with_spans=True, keep_pairs=True)
    assert len(row.ids) == max_length
    assert row.truncated
    sides = [[(start, end) for side, start, end in row.spans if side == wanted] for wanted in (0, 1)]
    return [first[a:b] for a, b in sides[0]], [second[a:b] for a, b in sides[1]]


def test_the_longer_first_text_loses_its_beginning(tokenizer: Tokenizer) -> None:
    first, second = words(40), words(8, seed=1)
    assert kept(tokenizer, first, second) == (first.split()[-5:], second.split())


def test_a_second_text_that_leaves_no_room_is_cut_too(tokenizer: Tokenizer) -> None:
    first, second = words(40), words(10, seed=1)
    left, right = kept(tokenizer, first, second)
    assert (len(left), len(right)) == (7, 6)
    assert right == second.split()[:6]


def test_a_longer_second_text_is_cut_as_usual(tokenizer: Tokenizer) -> None:
    first, second = words(5), words(40, seed=1)
    assert kept(tokenizer, first, second) == (first.split(), second.split()[:8])


def test_rows_keep_their_order_whichever_way_they_are_cut(tokenizer: Tokenizer) -> None:
    firsts, seconds = [words(n, seed=n) for n in (40, 3, 5, 30)], [words(n, seed=50 + n) for n in (8, 2, 40, 30)]
    together = tokenizer.encode(firsts, seconds, max_length=16, keep_pairs=True)
    alone = [
        tokenizer.encode([a], [b], max_length=16, keep_pairs=True)[0] for a, b in zip(firsts, seconds, strict=True)
    ]
    assert together == alone
    assert [row.n_tokens for row in together] == [51, 8, 48, 63]


def test_rows_that_fit_are_not_cut(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode(["the cat"], ["a"], max_length=6, keep_pairs=True) == tokenizer.encode(["the cat"], ["a"])
