"""Bootstrap intervals: fast forms equal the plain one, and mean what they say."""

import time

import numpy as np
import pytest

from bertkit.metrics import intervals
from bertkit.metrics.classification import classification_metrics, regression_metrics
from bertkit.metrics.intervals import (
    bootstrap,
    bootstrap_difference,
    classification_difference,
    classification_intervals,
    draw_rows,
    regression_difference,
    regression_intervals,
)


def labelled(rows, labels, *, seed=0):
    generator = np.random.default_rng(seed)
    gold = generator.choice(labels, rows)
    model = np.where(generator.random(rows) < 0.8, gold, generator.choice(labels, rows))
    baseline = np.where(generator.random(rows) < 0.4, gold, generator.choice(labels, rows))
    return gold.tolist(), model.tolist(), baseline.tolist()


def numbered(rows, *, seed=0):
    generator = np.random.default_rng(seed)
    gold = np.round(generator.normal(size=rows), 1)  # with ties
    model = gold + generator.normal(size=rows)
    return gold, model, np.round(gold + 3 * generator.normal(size=rows))


def of_labels(gold, predicted, labels, positive):
    gold, predicted = np.asarray(gold), np.asarray(predicted)
    return lambda draw: classification_metrics(gold[draw].tolist(), predicted[draw].tolist(), labels, positive=positive)


def of_numbers(gold, predicted):
    return lambda draw: regression_metrics(gold[draw], predicted[draw])


def close(found, plain):
    assert found.keys() == plain.keys()
    for name, interval in plain.items():
        assert found[name] == pytest.approx(interval, abs=1e-9), name


@pytest.mark.parametrize(("labels", "positive"), [(["0", "1"], "1"), (["a", "b", "c", "d"], None)])
@pytest.mark.parametrize("rows", [4, 60])
def test_the_fast_classification_intervals_equal_scoring_each_draw(rows, labels, positive):
    gold, model, baseline = labelled(rows, labels)
    mine, others = of_labels(gold, model, labels, positive), of_labels(gold, baseline, labels, positive)
    close(classification_intervals(gold, model, labels, positive), bootstrap(mine, rows))
    close(
        classification_difference(gold, model, baseline, labels, positive),
        bootstrap_difference(mine, others, rows),
    )


@pytest.mark.parametrize("rows", [3, 60])
def test_the_fast_regression_intervals_equal_scoring_each_draw(rows):
    gold, model, baseline = numbered(rows)
    close(regression_intervals(gold, model), bootstrap(of_numbers(gold, model), rows))
    close(
        regression_difference(gold, model, baseline),
        bootstrap_difference(of_numbers(gold, model), of_numbers(gold, baseline), rows),
    )


@pytest.mark.parametrize("rows", [200, 2000])
def test_an_interval_contains_the_score(rows):
    gold, model, _ = labelled(rows, ["0", "1"])
    scores = classification_metrics(gold, model, ["0", "1"], positive="1")
    found = classification_intervals(gold, model, ["0", "1"], "1", losses=[0.5] * rows)
    assert found.pop("loss") == (0.5, 0.5)
    assert scores.keys() == found.keys()
    assert all(low < scores[name] < high for name, (low, high) in found.items())


def test_fewer_rows_have_wider_intervals_of_the_expected_width():
    widths = []
    for rows in (100, 10_000):
        gold = ["1"] * rows
        low, high = classification_intervals(gold, ["1", "0"] * (rows // 2), ["0", "1"], "1")["accuracy"]
        widths.append(high - low)
    # a share of one half has the standard error 0.5 / sqrt(rows)
    assert widths == pytest.approx([2 * 1.96 * 0.05, 2 * 1.96 * 0.005], rel=0.1)


def test_identical_predictions_differ_by_exactly_nothing():
    gold, model, _ = labelled(150, ["a", "b", "c"])
    assert set(classification_difference(gold, model, list(model), ["a", "b", "c"], None).values()) == {(0, 0)}
    numbers, predicted, _ = numbered(150)
    assert set(regression_difference(numbers, predicted, predicted.copy()).values()) == {(0, 0)}


def test_a_better_model_has_a_difference_above_zero():
    gold, model, baseline = labelled(500, ["0", "1"])
    assert all(low > 0 for low, _ in classification_difference(gold, model, baseline, ["0", "1"], "1").values())
    numbers, close_by, far_off = numbered(500)
    found = regression_difference(numbers, close_by, far_off)
    assert found["mse"][1] < 0 < found["pearson"][0]


def test_constant_predictions_have_correlation_zero_in_every_draw():
    found = regression_intervals([0.1, 0.2, 0.7, 0.1], [0.3] * 4)
    assert found["pearson"] == found["spearman"] == (0.0, 0.0)


def test_no_rows_have_no_intervals_and_one_row_has_one_point():
    assert classification_intervals([], [], ["0", "1"], "1") == {}
    assert regression_intervals([], []) == {}
    assert classification_intervals(["1"], ["1"], ["0", "1"], "1")["accuracy"] == (1.0, 1.0)
    assert regression_intervals([1.0], [3.0])["mse"] == (4.0, 4.0)


def test_unseen_labels_are_wrong_in_every_draw():
    found = classification_intervals(["new"] * 5, ["a", "b", "a", "b", "a"], ["a", "b"], None)
    assert set(found.values()) == {(0.0, 0.0)}


def test_a_seed_draws_the_same_rows_on_any_machine():
    first = next(draw_rows(10, 2, seed=0))
    assert first.tolist() == [[8, 6, 5, 2, 3, 0, 0, 0, 1, 8], [6, 9, 5, 6, 9, 7, 6, 5, 5, 9]]
    gold, model, _ = labelled(50, ["0", "1"])
    again = [classification_intervals(gold, model, ["0", "1"], "1", seed=s) for s in (1, 1, 2)]
    assert again[0] == again[1] != again[2]


def test_draws_come_in_chunks_of_bounded_size(monkeypatch):
    whole = np.concatenate(list(draw_rows(7, 20, seed=3)))
    monkeypatch.setattr(intervals, "_CHUNK", 30)
    chunks = list(draw_rows(7, 20, seed=3))
    assert [chunk.shape for chunk in chunks] == [(4, 7)] * 5
    assert np.concatenate(chunks).tolist() == whole.tolist()


def test_level_and_resamples_are_taken():
    values = np.arange(100.0)
    wide, narrow = (
        bootstrap(lambda draw: {"mean": float(values[draw].mean())}, 100, resamples=300, level=level)["mean"]
        for level in (0.99, 0.5)
    )
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_each_prediction_needs_the_length_of_gold():
    with pytest.raises(ValueError, match="gold labels"):
        classification_difference(["0", "1"], ["0", "1", "1"], ["0"], ["0", "1"], "1")
    with pytest.raises(ValueError, match="gold values"):
        regression_difference([0.0, 1.0], [0.0, 1.0, 1.0], [0.0])


def test_many_rows_take_seconds_not_minutes():
    gold, model, baseline = labelled(20_000, [str(i) for i in range(20)])
    start = time.process_time()
    classification_difference(gold, model, baseline, [str(i) for i in range(20)], None)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("decimals", [0, 12])  # 0: ranks with many ties
def test_intervals_of_very_many_scores_are_those_of_drawn_rows(decimals, monkeypatch):
    generator = np.random.default_rng(1)
    gold = np.round(generator.normal(size=4_000) * 2, decimals)
    model = np.round(0.7 * gold + generator.normal(size=4_000), decimals)
    noise, constant = 0.3 * gold + generator.normal(size=4_000), np.full(4_000, gold.mean())

    def intervals_of():
        differences = (regression_difference(gold, model, other) for other in (noise, constant))
        return [regression_intervals(gold, model), *differences, regression_intervals(gold, constant)]

    drawn = intervals_of()
    monkeypatch.setattr(intervals, "MOST_DRAWN", 1_000)
    for one, other in zip(drawn, intervals_of(), strict=True):
        assert list(one) == list(other)
        for name, (low, high) in one.items():
            assert other[name] == pytest.approx((low, high), abs=0.15 * (high - low) + 1e-9), name


def test_intervals_of_very_many_scores_take_seconds():
    generator = np.random.default_rng(2)
    gold = generator.normal(size=300_000)
    model, baseline = gold + generator.normal(size=300_000), np.zeros(300_000)
    start = time.process_time()
    regression_intervals(gold, model)
    regression_difference(gold, model, baseline)
    assert time.process_time() - start < 5
