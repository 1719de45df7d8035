"""Ranked choices: ranks by hand, ties in order, intervals that equal plain resampling."""

import math
import time

import numpy as np
import pytest

from bertkit.metrics.intervals import bootstrap, bootstrap_difference
from bertkit.metrics.multilabel import gold_ranks, ranking_difference, ranking_intervals, ranking_metrics

# the right choice comes 1st of 3, 2nd of 2, 4th of 5
GOLD = [0, 1, 4]
ROWS = [
    np.asarray([0.7, 0.2, 0.1]),
    np.asarray([0.6, 0.4]),
    np.asarray([0.4, 0.25, 0.2, 0.05, 0.1]),
]


def ragged(rows, *, seed=0, skill=1.0):
    generator = np.random.default_rng(seed)
    gold, probabilities = [], []
    for size in np.random.default_rng(99).integers(2, 6, rows).tolist():
        gold.append(size // 2)
        logits = generator.normal(size=size)
        logits[size // 2] += skill
        probabilities.append(np.exp(logits) / np.exp(logits).sum())
    return gold, probabilities


def of_rows(gold, probabilities):
    return lambda draw: ranking_metrics([gold[i] for i in draw], [probabilities[i] for i in draw])


def test_the_metrics_of_three_rows_by_hand():
    assert gold_ranks(GOLD, ROWS).tolist() == [1, 2, 4]
    found = ranking_metrics(GOLD, ROWS)
    assert found == pytest.approx(
        {
            "accuracy": 1 / 3,
            "hit@1": 1 / 3,
            "map@3": (1 + 1 / 2) / 3,
            "mrr": (1 + 1 / 2 + 1 / 4) / 3,
            "loss": -(math.log(0.7) + math.log(0.4) + math.log(0.1)) / 3,
        }
    )


@pytest.mark.parametrize(("rank", "value"), [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.0), (5, 0.0)])
def test_map_at_3_counts_the_first_three(rank, value):
    row = np.asarray([0.4, 0.3, 0.15, 0.1, 0.05])
    found = ranking_metrics([rank - 1], [row])
    assert found["map@3"] == pytest.approx(value)
    assert found["mrr"] == pytest.approx(1 / rank)


def test_equal_choices_keep_their_order():
    even = np.full(4, 0.25)
    assert gold_ranks([0, 1, 2, 3], [even] * 4).tolist() == [1, 2, 3, 4]
    assert gold_ranks([2, 2], [np.asarray([0.3, 0.4, 0.3]), np.asarray([0.2, 0.2, 0.6])]).tolist() == [3, 1]


def test_a_right_choice_of_probability_zero_costs_much_but_not_infinitely():
    assert ranking_metrics([0], [np.asarray([0.0, 1.0])])["loss"] == pytest.approx(-math.log(1e-12))


def test_no_rows_score_nothing():
    assert set(ranking_metrics([], []).values()) == {0.0}
    assert ranking_intervals([], []) == ranking_difference([], [], []) == {}


@pytest.mark.parametrize(
    ("gold", "rows", "sentence"),
    [
        ([0], [], "1 gold choices and 0 rows"),
        ([0, 2], [ROWS[0], ROWS[1]], "row 1 has 2 choices, and its gold choice is 2"),
        ([-1], [ROWS[0]], "row 0 has 3 choices, and its gold choice is -1"),
        ([0], [np.zeros(0)], "row 0 has 0 choices"),
        ([0], [np.asarray([np.nan, 1.0])], "not finite"),
    ],
)
def test_rows_that_do_not_fit_are_defects(gold, rows, sentence):
    with pytest.raises(ValueError, match=sentence):
        ranking_metrics(gold, rows)


def test_intervals_equal_scoring_each_draw():
    gold, model = ragged(40)
    _, baseline = ragged(40, seed=1, skill=0.0)
    plain = bootstrap(of_rows(gold, model), 40, resamples=1000)
    found = ranking_intervals(gold, model)
    assert found.keys() == plain.keys() == ranking_metrics(gold, model).keys()
    paired = bootstrap_difference(of_rows(gold, model), of_rows(gold, baseline), 40)
    difference = ranking_difference(gold, model, baseline)
    for name in plain:
        assert found[name] == pytest.approx(plain[name], abs=1e-9), name
        assert difference[name] == pytest.approx(paired[name], abs=1e-9), name


def test_an_interval_contains_the_score_and_a_better_model_differs():
    gold, model = ragged(800, skill=2.0)
    _, baseline = ragged(800, seed=1, skill=0.0)
    scores = ranking_metrics(gold, model)
    assert all(low < scores[name] < high for name, (low, high) in ranking_intervals(gold, model).items())
    difference = ranking_difference(gold, model, baseline)
    assert difference.pop("loss")[1] < 0
    assert all(low > 0 for low, _ in difference.values())


def test_identical_models_differ_by_exactly_nothing():
    gold, model = ragged(30)
    assert set(ranking_difference(gold, model, [row.copy() for row in model]).values()) == {(0.0, 0.0)}


def test_many_rows_take_seconds_not_minutes():
    gold, model = ragged(20_000)
    start = time.process_time()
    ranking_intervals(gold, model)
    assert time.process_time() - start < 5
