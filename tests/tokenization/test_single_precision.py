"""Sums of the twin scores compare as sums in single precision do, and survive being stored."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models

from bertkit.tokenization.sentencepiece import twin_score


def scores(n: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(score) for score in rng.uniform(-16, -2, n).astype(np.float32)]


def single_sum(parts: list[float]) -> float:
    total = np.float32(0)
    for part in parts:
        total += np.float32(part)
    return float(total)


def double_sum(parts: list[float]) -> float:
    total = 0.0
    for part in parts:
        total += twin_score(part)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_two_orders_of_the_same_scores_compare_as_in_single_precision(seed: int) -> None:
    rng = random.Random(seed)
    decided = 0
    for _ in range(2000):
        before, repeated = scores(rng.randint(0, 60), rng.randint(0, 10**6)), scores(2, rng.randint(0, 10**6))
        one, other = ([*before, *rng.sample(repeated * 3, 6)] for _ in range(2))
        single = np.sign(single_sum(one) - single_sum(other))
        assert np.sign(double_sum(one) - double_sum(other)) == single
        decided += single != 0
    assert decided > 50  # in double precision none would be


def test_twins_are_as_good_as_the_scores() -> None:
    for score in (*scores(2000, 0), 0.0, 1.5, -1e-7):
        assert twin_score(score) == pytest.approx(score, rel=1e-7, abs=1e-7)


def test_twins_survive_being_stored() -> None:
    twins = [(f"p{i}", twin_score(score)) for i, score in enumerate(scores(20_000, 1))]
    text = Backend(models.Unigram(twins, unk_id=0)).to_str()
    assert Backend.from_str(text).to_str() == text
