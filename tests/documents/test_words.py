"""The words by which sentences are compared."""

import random
import re

import pytest

from bertkit.documents.words import as_newswire, english_words, is_laughter, sentence_words, syllable_pairs


def test_english_words_are_lower_case_without_function_words():
    assert sentence_words(["The GDP of Korea rose 3.1%, didn't it?"]) == [["gdp", "korea", "rose", "3", "1", "didn"]]


def test_words_of_any_characters_are_runs_of_letters_and_digits():
    rng = random.Random(4)
    plain = "".join(map(chr, range(128)))
    for characters in (plain, plain + "éŁ’“–한ß½²ª_"):
        for _ in range(300):
            text = "".join(rng.choices(characters, k=40))
            runs = re.findall(r"\w+", text.lower())
            assert english_words(text) == [run for run in runs if english_words(run)]


def test_korean_words_without_an_analyser_are_pairs_of_syllables(without_kiwi):
    assert syllable_pairs("날씨가 GDP 3% 올랐습니다.") == ["날씨", "씨가", "gdp", "3", "올랐", "랐습"]
    first, second = sentence_words(["오늘 날씨가 좋다", "어제 날씨는 나빴다"])
    assert "날씨" in set(first) & set(second)


LAUGHTER = "ㅋㅋㅋㅋ ㅋㅋㅋㅋㅋㅋ ㅎㅎㅎ ㅠㅠㅠㅠ ㅋㅋㅎㅎ 앜ㅋㅋㅋ 큐ㅠㅠ 하하하 크크 ㅇㅇ".split()
LAUGHTER += "hahaha Hahahah haha hehe LOL loool jajaja aaaaah".split()


def test_laughter_of_any_length_is_no_word(without_kiwi):
    assert [word for word in LAUGHTER if not is_laughter(word)] == ["aaaaah"]
    assert is_laughter("ㅋㅋㅋㅋ~~ ㅎㅎ!! ^^")
    for text in (
        "mama",
        "papa",
        "빨리빨리",
        "반짝반짝",
        "각각",
        "ㅋㅋ 네",
        "재밌다ㅋㅋㅋ",
        "banana",
        "www.mill.org",
        "!!!",
        "",
    ):
        assert not is_laughter(text), text
    assert syllable_pairs("재밌다ㅋㅋㅋㅋ ㅎㅎㅎ 또 가요ㅠㅠ") == ["재밌", "밌다", "가요"]


def test_decomposed_hangul_is_the_same_word(without_kiwi):
    import unicodedata

    assert sentence_words([unicodedata.normalize("NFD", "날씨가")], "ko") == sentence_words(["날씨가"], "ko")


def test_korean_words_by_kiwi_are_stems_of_content_words():
    pytest.importorskip("kiwipiepy")
    first, second = sentence_words(["오늘 날씨가 좋았습니다.", "어제는 날씨도 GDP도 좋다"])
    assert {"날씨", "좋"} <= set(first) & set(second)
    assert "gdp" in second
    assert "습니다" not in first


def test_sentences_are_written_as_newswire_is():
    written = "(CNN)The U.S. officer's car, “worth $1,000.50”, won't reach O'Brien at 5 p.m. -- says AT&T."
    wanted = "( cnn ) the u.s. officer 's car , \" worth $ 1,000.50 \" , wo n't reach o'brien at 5 p.m. -- says at&t ."
    assert as_newswire(written) == wanted
    assert as_newswire(wanted) == wanted
    assert as_newswire("공장이 불탔다.") == "공장이 불탔다 ."
