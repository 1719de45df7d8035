"""Words of texts, and texts without some of them."""

from __future__ import annotations

import unicodedata

import pytest

from bertkit.reporting.attribution import Stretch, find_stretches, find_words, moved, without


def words_of(text: str) -> list[str]:
    return [text[start:end] for start, end in find_words(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The well-known  dog's (3.5) owner said: no!", "The|well-known|dog's|(|3.5|)|owner|said|:|no|!"),
        ("영화가 정말 재밌었다.. ㅋㅋ", "영화가|정말|재밌었다|..|ㅋㅋ"),
        (unicodedata.normalize("NFD", "각 나라"), unicodedata.normalize("NFD", "각|나라")),
        ("हिन्दी में", "हिन्दी|में"),
        ("今日は good", "今|日|は|good"),
        ("  \n", ""),
        ("?!", "?!"),
    ],
)
def test_words_are_parted_by_white_space_and_outer_punctuation(text: str, words: str) -> None:
    assert words_of(text) == [word for word in words.split("|") if word]


def test_every_word_can_be_left_out() -> None:
    text = " One, two  three\nfour."
    assert [without((text,), [Stretch(0, *place)])[0] for place in find_words(text)] == [
        " , two  three\nfour.",
        " One two  three\nfour.",
        " One, three\nfour.",
        " One, two  four.",
        " One, two  three\n.",
        " One, two  three\nfour",
    ]


def test_neighbours_are_left_out_together_with_all_gaps_but_one() -> None:
    texts = ("a b c d", "e f")
    words = find_stretches(texts, of=(0, 1), characters=99, most=99)
    assert [texts[i][start:end] for i, start, end in words] == ["a", "b", "c", "d", "e", "f"]
    assert without(texts, words[1:3]) == ("a d", "e f")
    assert without(texts, words[2:4]) == ("a b", "e f")
    assert without(texts, (words[0], words[3], words[5])) == ("b c", "e")
    assert without(texts, words) == ("", "")


def test_a_character_is_found_again() -> None:
    texts = ("x x", "one two  three four")
    words = find_stretches(texts, of=(1,), characters=99, most=99)
    for left_out in ([words[0]], [words[1]], [words[3]], [words[1], words[2]], [words[0], words[3]]):
        shorter = without(texts, left_out)[1]
        for word in words:
            now = moved(word.start, texts, left_out, text=1)
            if word in left_out:
                assert now is None
            else:
                assert now is not None
                assert shorter[now:].startswith(texts[1][word.start : word.end])
    assert moved(1, texts, [words[0]]) == 1  # of another text


def test_stretches_are_as_few_as_asked_and_where_asked() -> None:
    texts = ("w " * 100, "alone", "p q r")
    found = find_stretches(texts, of=(0, 1, 2), characters=120, most=20)
    assert [s.text for s in found].count(1) == 0
    assert len(found) <= 22
    assert max(s.end for s in found) <= 120
    assert " ".join(texts[0][s.start : s.end] for s in found if s.text == 0) == " ".join("w" * 60)
    assert {s.text for s in find_stretches(texts, of=(2,), characters=120, most=20)} == {2}
