"""Segment ids of pairs: each kind, in both directions, in two scripts."""

from __future__ import annotations

import random
import unicodedata

import pytest

from bertkit.tokenization import segments
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.segments import KINDS, OVERLAP_SEGMENTS, Span, overlap_segments, word_kinds

ONLY, NUMBER, PUNCTUATION, LIKE, SHARED, RUN_OF_2, RUN_OF_3, RUN_OF_4 = range(1, 9)


def kinds(text: str, other: str) -> list[int]:
    """The kind of each space-separated word of `text`, by its first character."""
    of_characters = word_kinds(text, other)
    starts = [i for i, c in enumerate(text) if c != " " and (i == 0 or text[i - 1] == " ")]
    return [of_characters[i] for i in starts]


@pytest.mark.parametrize(
    ("text", "other", "wanted"),
    [
        pytest.param("cat", "dog", [ONLY], id="a word of its own"),
        pytest.param("1999", "dog", [NUMBER], id="a number"),
        pytest.param("b2b", "dog", [NUMBER], id="a word with a digit"),
        pytest.param("1999", "1998", [NUMBER], id="numbers have no stem"),
        pytest.param("!", "?", [PUNCTUATION], id="punctuation"),
        pytest.param("painted", "painter", [LIKE], id="four letters in common"),
        pytest.param("pain", "paint", [LIKE], id="a word that is the stem"),
        pytest.param("car", "cart", [ONLY], id="three letters are too few"),
        pytest.param("cat", "cat", [SHARED], id="a shared word"),
        pytest.param("1999", "1999", [SHARED], id="a shared number"),
        pytest.param("!", "!", [SHARED], id="shared punctuation"),
        pytest.param("Straße", "STRASSE", [SHARED], id="case is folded"),
        pytest.param("cat", "", [ONLY], id="nothing there"),
        pytest.param("", "cat", [], id="nothing here"),
    ],
)
def test_each_kind(text: str, other: str, wanted: list[int]) -> None:
    assert kinds(text, other) == wanted


@pytest.mark.parametrize(
    ("run", "kind"), [(1, SHARED), (2, RUN_OF_2), (3, RUN_OF_3), (4, RUN_OF_4), (5, RUN_OF_4), (9, RUN_OF_4)]
)
def test_runs(run: int, kind: int) -> None:
    words = [f"w{chr(97 + i)}" for i in range(run)]
    assert kinds(" ".join(["x", *words, "y"]), " ".join(["p", "q", *words])) == [ONLY, *[kind] * run, ONLY]


def test_a_word_counts_for_its_longest_run() -> None:
    assert kinds("a b c d", "b c x c d e") == [ONLY, RUN_OF_2, RUN_OF_2, RUN_OF_2]
    assert kinds("a b c", "a b x a b c") == [RUN_OF_3] * 3


def test_the_same_words_in_another_order_are_no_run() -> None:
    assert kinds("a b c", "c b a") == [SHARED] * 3


def test_a_shared_word_is_shared_at_each_place() -> None:
    assert kinds("go x go", "go") == [SHARED, ONLY, SHARED]


@pytest.mark.parametrize(
    ("text", "other", "wanted"),
    [
        pytest.param("영화가", "영화는", [LIKE], id="a stem of two syllables"),
        pytest.param("먹었다", "먹는다", [ONLY], id="one syllable is too few"),
        pytest.param("영화가 좋다", "영화가 싫다", [SHARED, ONLY], id="a shared word"),
        pytest.param("그 영화가", "저 영화를", [ONLY, LIKE], id="words of one syllable"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_korean(text: str, other: str, wanted: list[int], form: str) -> None:
    assert kinds(unicodedata.normalize(form, text), other) == wanted
    assert kinds(text, unicodedata.normalize(form, other)) == wanted


def test_decomposed_accents_belong_to_their_word() -> None:
    assert kinds("un cafe\u0301 noir", "le caf\u00e9 noir") == [ONLY, RUN_OF_2, RUN_OF_2]
    assert set(word_kinds("cafe\u0301", "caf\u00e9")) == {SHARED}


def test_letters_without_case_and_without_a_list_of_words() -> None:
    assert kinds("кошка видит", "кошка спит") == [SHARED, ONLY]


def test_spaces_have_no_kind_and_a_word_has_one() -> None:
    assert list(word_kinds("ab, c", "c")) == [ONLY, ONLY, PUNCTUATION, 0, SHARED]


# --- tokens -------------------------------------------------------------------------------


def test_tokens_take_the_kind_of_their_word_and_their_side() -> None:
    spans = [Span(-1, 0, 0), Span(0, 0, 2), Span(0, 2, 5), Span(-1, 0, 0), Span(1, 0, 3), Span(1, 4, 7), Span(-1, 0, 0)]
    assert overlap_segments(spans, "river", "the dog") == [0, ONLY, ONLY, 0, ONLY + KINDS, ONLY + KINDS, 0]


def test_a_token_may_start_at_the_space_before_its_word() -> None:
    spans = [Span(0, 0, 3), Span(0, 3, 7), Span(1, 0, 1), Span(1, 1, 5)]
    wanted = [ONLY, SHARED, ONLY + KINDS, SHARED + KINDS]
    assert overlap_segments(spans, "the cat", "a cat") == wanted


def test_a_token_without_characters_is_as_a_special_one() -> None:
    assert overlap_segments([Span(0, 0, 0), Span(1, 3, 3)], "cat", "cat") == [0, 0]


def words_of_all_kinds(rng: random.Random) -> str:
    return " ".join(
        rng.choice(("cat", "cats", "river", "rivers", "7", "8", "!", ",", "영화가", "영화를")) for _ in range(9)
    )


def test_swapping_the_sentences_swaps_the_sides_and_nothing_else(tokenizer: Tokenizer) -> None:
    rng = random.Random(3)
    for _ in range(30):
        first, second = words_of_all_kinds(rng), words_of_all_kinds(rng)
        there, back = (tokenizer.encode([a], [b], with_spans=True)[0] for a, b in ((first, second), (second, first)))
        forth = by_side(overlap_segments(there.spans, first, second), there.spans)
        swapped = by_side(overlap_segments(back.spans, second, first), back.spans)
        assert forth == swapped[::-1]


def by_side(ids: list[int], spans: tuple[Span, ...]) -> tuple[list[int], list[int]]:
    first = [i for i, span in zip(ids, spans, strict=True) if span.side == 0]
    second = [i - KINDS for i, span in zip(ids, spans, strict=True) if span.side == 1]
    return first, second


def test_real_rows_stay_in_bounds_with_zeros_at_special_tokens(tokenizer: Tokenizer) -> None:
    first, second = "The cat, the dog & 17 birds.", "the cats 17 음악?"
    (row,) = tokenizer.encode([first], [second], with_spans=True)
    ids = overlap_segments(row.spans, first, second)
    assert all(0 <= i < OVERLAP_SEGMENTS for i in ids)
    assert [i == 0 for i in ids] == [token in (2, 3) for token in row.ids]


def test_a_cut_row_keeps_the_kinds_of_the_whole_texts(tokenizer: Tokenizer) -> None:
    first, second = "the cat sees a red ball", "music music music a red ball"
    (full,) = tokenizer.encode([first], [second], with_spans=True)
    (cut,) = tokenizer.encode([first], [second], max_length=9, with_spans=True)
    assert cut.truncated
    kept = dict(zip(full.spans, overlap_segments(full.spans, first, second), strict=True))
    assert overlap_segments(cut.spans, first, second) == [kept[span] for span in cut.spans]


def test_ascii_words_are_those_of_the_cutter() -> None:
    rng = random.Random(4)
    characters = [chr(i) for i in range(128)]
    for _ in range(300):
        text = "".join(rng.choices([*characters, *"ab c'.-"], k=rng.randint(0, 40)))
        found = [(word, start, end) for word, start, end in segments.words_at(text)]
        expected = [(word.casefold(), *place) for word, place in segments._CUTTER.pre_tokenize_str(text)]
        assert found == expected, repr(text)
