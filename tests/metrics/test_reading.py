"""Scores of answers: worked out by hand as the programs of SQuAD, KorQuAD and KLUE-MRC compute them."""

from __future__ import annotations

import pytest

from bertkit.metrics.spans import (
    best,
    character_f1,
    klue_exact,
    klue_form,
    klue_rouge_w,
    korquad_exact,
    korquad_form,
    squad_exact,
    squad_f1,
    squad_form,
)


@pytest.mark.parametrize(
    ("given", "right", "exact", "f1"),
    [
        ("The Denver Broncos!", "denver broncos", 1, 1),
        ("an apple a day", "apple day", 1, 1),
        ("Denver", "Denver Broncos", 0, 2 / 3),
        ("24–10", "24-10", 0, 0),  # a dash that is not ASCII is not punctuation there
        ("in 1990 in May", "in May 1990", 0, 6 / 7),
        ("", "", 1, 1),
        ("", "x", 0, 0),
        ("the", "", 1, 1),
        ("x", "y", 0, 0),
    ],
)
def test_english_answers_are_compared_as_squad_does(given: str, right: str, exact: float, f1: float) -> None:
    assert squad_exact(given, right) == exact
    assert squad_f1(given, right) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("given", "right", "exact", "f1"),
    [
        ("《한국사》", "한국사", 1, 1),
        ("서울 대학교", "서울대학교", 0, 1),  # words differ, characters do not
        ("서울", "서울시", 0, 4 / 5),
        ("'3월'", "3월", 1, 1),
        ("부산", "대전", 0, 0),
        ("바그너의", "바그너", 0, 6 / 7),
    ],
)
def test_korean_answers_are_compared_as_korquad_does(given: str, right: str, exact: float, f1: float) -> None:
    assert korquad_exact(given, right) == exact
    assert character_f1(given, right) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("given", "right", "exact", "rouge"),
    [
        ("서울시", "서울시", 1, 1),
        ("서울특별시", "서울시", 0, 2 * 2 / 8),  # the longest common stretch is 서울, not 서울…시
        ("《토지》", "토지", 0, 2 * 2 / 6),  # the brackets stay
        ("(토지)", "토지", 1, 1),  # these are ASCII
        ("'토지'", "토지", 1, 1),
        ("‘토지’", "토지", 0, 2 * 2 / 6),
        ("《()‘’토지", "토지", 1, 1),  # what the pattern does find
        ("", "", 1, 1),
        ("토지", "", 0, 0),
        ("", "토지", 0, 0),
        ("가", "나", 0, 0),
        ("ABC", "abc", 1, 1),
        ("대한 민국", "대한민국", 0, 2 * 2 / 9),
    ],
)
def test_klues_figures_are_those_of_its_own_code(given: str, right: str, exact: float, rouge: float) -> None:
    assert klue_exact(given, right) == exact
    assert klue_rouge_w(given, right) == pytest.approx(rouge)


def test_forms() -> None:
    assert squad_form(" A  (Great) Answer, the end.") == "great answer end"
    assert korquad_form("〈봄〉 (春)") == "봄 春"
    assert klue_form("〈봄〉 (春)") == "〈봄〉 春"


def test_the_nearest_of_several_right_answers_counts() -> None:
    assert best(squad_f1, "Denver", ["Broncos", "Denver Broncos"]) == pytest.approx(2 / 3)
    assert best(squad_exact, "", []) == 1.0
    assert best(squad_exact, "x", []) == 0.0
    assert best(klue_rouge_w, "x", []) == 0.0
