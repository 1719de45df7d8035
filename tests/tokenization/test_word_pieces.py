"""A tokenizer that cuts words into letters says so, and names one that does not."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import pytest
from tokenizers import normalizers

from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import check_fit, too_many_pieces
from bertkit.tokenization.vocab import bert_tokenizer, train_wordpiece

KOREAN = ["영화가 정말 재미있었다", "배우들의 연기가 훌륭했다", "음악은 조금 지루했지만 장면은 좋았다"] * 10
ENGLISH = ["the actors were splendid in every single scene", "a wonderful story about musicians"] * 10


@pytest.fixture(scope="module")
def letters() -> Tokenizer:
    """Korean letters and English ones, as the vocabulary of an English BERT has them, and a few English words."""
    jamo = [chr(i) for i in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3))]
    latin = [chr(i) for i in range(ord("a"), ord("z") + 1)]
    single = [*jamo, *latin]
    words = sorted({word for text in ENGLISH for word in text.split()} - {"a"})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *single, *(f"##{c}" for c in single), *words]
    found = bert_tokenizer({piece: i for i, piece in enumerate(pieces)}, lowercase=True)
    found.backend.normalizer = normalizers.BertNormalizer(strip_accents=True)  # as BERT's own: it takes syllables apart
    return found


def test_syllables_cut_into_letters_are_told(letters: Tokenizer) -> None:
    (doubt,) = check_fit(letters, KOREAN)
    assert "cuts Korean words into" in doubt
    assert "(syllables are cut into letters)" in doubt
    assert "take --model multilingual-e5-small" in doubt


def test_english_words_in_letters_are_told(letters: Tokenizer) -> None:
    spelt = ["quick brown foxes jump over lazy dogs"] * 10
    (doubt,) = too_many_pieces(letters, spelt)
    assert "cuts English words into" in doubt
    assert "take --model minilm" in doubt
    assert list(too_many_pieces(letters, ENGLISH)) == []


def test_a_language_that_is_a_small_part_is_left_alone(letters: Tokenizer) -> None:
    assert list(too_many_pieces(letters, [*ENGLISH * 5, *KOREAN[:3]])) == []
    assert list(too_many_pieces(letters, KOREAN[:3])) == []  # too few words to tell
    assert list(too_many_pieces(letters, [])) == []


@pytest.mark.parametrize("texts", [KOREAN, ENGLISH])
def test_a_vocabulary_of_the_texts_own_says_nothing(texts: list[str]) -> None:
    own = train_wordpiece(texts, size=200, lowercase=True)
    assert check_fit(own, texts) == ()


def test_syllables_are_told_however_they_were_typed(letters: Tokenizer) -> None:
    (doubt,) = too_many_pieces(letters, [unicodedata.normalize("NFD", text) for text in KOREAN])
    assert "cuts Korean words into" in doubt


def test_what_is_no_word_of_english_is_not_held_against_a_tokenizer(letters: Tokenizer) -> None:
    assert list(too_many_pieces(letters, ["return getUserName XKCDQZ aGVsbG8"] * 30)) == []


def of_letters(alphabet: str, words: Sequence[str] = ()) -> Tokenizer:
    """A vocabulary of single letters and some words, which tells capitals from small letters."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *alphabet, *(f"##{c}" for c in alphabet), *words]
    return bert_tokenizer({piece: i for i, piece in enumerate(pieces)}, lowercase=False)


def test_words_in_capitals_are_told_where_small_ones_are_known() -> None:
    text = "wonderful actors splendid scenes"
    own = of_letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ", text.split())
    (doubt,) = too_many_pieces(own, [text.upper()] * 15)
    assert "words in capital letters into 7.2 pieces each, and in lower case into 1.0" in doubt
    assert list(too_many_pieces(own, [text] * 15)) == []


def test_other_scripts_cut_letter_by_letter_are_told() -> None:
    russian = "хорошая погода сегодня"
    (doubt,) = too_many_pieces(of_letters("".join(sorted(set(russian) - {" "}))), [russian] * 20)
    assert "letter by letter (1.0 pieces for each)" in doubt
    assert list(too_many_pieces(of_letters("х", russian.split()), [russian] * 20)) == []
