"""Lines that follow each other, and lines that do not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertkit.data.records import Example
from bertkit.errors import DataError
from bertkit.tasks.masked_lm import SentencePair, pair_up


def lines(*numbers: int, source: str = "a.txt") -> list[Example]:
    return [Example((f"line {n} of {source}",), None, n, source) for n in numbers]


@pytest.mark.parametrize("kind", ["nsp", "sop"])
def test_only_lines_without_a_gap_follow_each_other(kind: str) -> None:
    examples = [*lines(1, 2, 3, 5, 6, 9), *lines(10, 11, source="b.txt")]
    pairs = pair_up(examples, kind=kind)
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (1, 2), (3, 4), (6, 7)]


def test_sentence_order_turns_the_pair_round() -> None:
    assert pair_up(lines(1, 2, 3), kind="sop") == [SentencePair(0, 1, 1, 0), SentencePair(1, 2, 2, 1)]


def test_the_false_sentence_comes_from_elsewhere() -> None:
    examples = lines(*range(1, 200))
    pairs = pair_up(examples, kind="nsp")
    assert all(pair.false_first == pair.first for pair in pairs)
    assert all(pair.false_second not in (pair.first, pair.second) for pair in pairs)
    # from all over the lines, not taken from one place
    assert len({pair.false_second for pair in pairs}) > 100


def test_three_lines_are_enough_for_a_false_sentence() -> None:
    assert [pair.false_second for pair in pair_up(lines(1, 2, 3), kind="nsp")] == [2, 0]


def test_of_two_lines_the_false_pair_is_still_not_the_true_one() -> None:
    (pair,) = pair_up(lines(1, 2), kind="nsp")
    assert (pair.false_first, pair.false_second) != (pair.first, pair.second)


def test_the_same_lines_give_the_same_pairs_in_every_process() -> None:
    code = (
        "from tests.tasks.test_sentence_pairs import lines, pair_up;"
        "print([p.false_second for p in pair_up(lines(*range(1, 30)), kind='nsp')])"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        ).stdout
        for seed in "12"
    }
    assert shown == {f"{[p.false_second for p in pair_up(lines(*range(1, 30)), kind='nsp')]}\n"}


@pytest.mark.parametrize(
    ("examples", "place"), [([], "the training rows"), (lines(1, 3, 5), r"a\.txt"), (lines(7), r"a\.txt")]
)
def test_lines_that_all_stand_alone_are_refused(examples: list[Example], place: str) -> None:
    with pytest.raises(DataError, match=f"^{place}: no two lines follow each other; --sentence-pairs needs"):
        pair_up(examples, kind="sop")
