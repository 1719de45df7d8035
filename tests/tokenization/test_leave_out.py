"""Words left out before encoding."""

from __future__ import annotations

import unicodedata

import pytest

from bertkit.tokenization.encoding import leave_words_out


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The cat is on the mat.", "cat mat."),
        ("HE saw IT", "saw"),
        ("theory, island, ofa", "theory, island, ofa"),
        ("the  cat\tand   dog", "cat dog"),
        ("the cat\nand the dog", "cat\n dog"),
        ("i7 A4 ça là", "i7 A4 ça là"),
    ],
)
def test_stop_words(text: str, wanted: str) -> None:
    assert leave_words_out(text, "stop-words") == wanted


@pytest.mark.parametrize("word", ["not", "no", "nor", "never", "don't", "isn't", "can't", "can’t", "couldn’t", "NOT"])
def test_negation_stays(word: str) -> None:
    assert word in leave_words_out(f"it was {word} good", "stop-words").split()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("영화가 정말 좋다", "영화 정말 좋다"),
        ("친구에게서 선물을 받았다", "친구 선물 받았다"),
        ("학교에서는 조용하다", "학교 조용하다"),
        ("영화가, 음악은!", "영화, 음악!"),
        ("나이 도로", "나이 도로"),
        ("the 영화가", "the 영화"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_particles(text: str, wanted: str, form: str) -> None:
    assert leave_words_out(unicodedata.normalize(form, text), "particles") == wanted


def test_both() -> None:
    assert leave_words_out("the 영화가 is 좋다", "both") == "영화 좋다"
    assert leave_words_out("the 영화가 is 좋다", "stop-words") == "영화가 좋다"


@pytest.mark.parametrize("what", ["none", "stop-words", "particles", "both"])
@pytest.mark.parametrize("text", ["", "to be or to be", "The.", " the  of ", "?!", "은 는"])
def test_where_nothing_would_be_left_the_text_stays(text: str, what: str) -> None:
    shorter = leave_words_out(text, what)
    assert shorter == text or any(c.isalnum() for c in shorter)
    if what in ("stop-words", "both"):
        assert shorter == text


def test_none_changes_nothing() -> None:
    text = "  the   cafe\u0301 "
    assert leave_words_out(text, "none") == text
