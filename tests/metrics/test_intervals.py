"""Bootstrap intervals: fast forms equal the plain one, and mean what they say."""

import time
import tracemalloc

import numpy as np
import pytest

from bertkit import cache
from bertkit.metrics import classification, intervals, multilabel, probabilities, spans
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
from bertkit.tasks import question_answering


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


def spans_of(rows, seed):
    generator = np.random.default_rng(seed)
    every = generator.random((rows, 4)) < [0.7, 0.3, 0.2, 0.1]
    return [[(i, i + 1, "A") for i in np.flatnonzero(own)] for own in every]


def sets_of(gold, share, seed):
    generator = np.random.default_rng(seed)
    scores = np.clip(gold * share + generator.random(gold.shape) * (1 - share), 0, 1)
    return multilabel.AnsweredSets(scores, scores >= 0.5)


def intervals_of_rows(rows):
    """Return the intervals of every kind of answers that rows may have, and of differences, by name."""
    generator = np.random.default_rng(3)
    gold, model = spans_of(rows, 1), spans_of(rows, 2)
    model = [own if i % 3 else other for i, (own, other) in enumerate(zip(gold, model, strict=True))]
    sets = generator.random((rows, 3)) < [0.5, 0.2, 0.05]
    answered = [sets_of(sets, 0.4, 1), sets_of(sets, 0.2, 2)]
    places = generator.integers(0, 4, rows)
    choices = [generator.dirichlet(np.ones(4), rows) for _ in range(2)]
    choices[0][np.arange(rows), places] += 0.5
    names, labels = np.asarray(["none", "a", "b"]), ["none", "a", "b"]
    relations = [names[generator.integers(0, 3, rows)].tolist() for _ in range(3)]
    relations[1] = [own if i % 2 else other for i, (own, other) in enumerate(zip(*relations[:2], strict=True))]
    logs = [np.stack([-generator.exponential(2, (3, rows)), generator.random((3, rows)) < 0.3], axis=2) for _ in "ab"]
    first, second = (own.transpose(1, 0, 2) for own in logs)
    rights = [("a b",) if has else () for has in generator.random(rows) < 0.7]
    said = [["", "a b", "a c"][i] for i in generator.integers(0, 3, rows)]
    readings = [question_answering.ReadingScores(own, rights, are_korean=False) for own in (said, said[::-1])]
    hits = [(generator.random(rows) < share).tolist() for share in (0.8, 0.6)]
    return {
        "entities": spans.tagging_intervals(gold, model),
        "entities, less": spans.tagging_difference(gold, model, spans_of(rows, 5)),
        "sets": multilabel.multilabel_intervals(sets, answered[0]),
        "sets, less": multilabel.multilabel_difference(sets, *answered),
        "choice": multilabel.ranking_intervals(places, choices[0]),
        "choice, less": multilabel.ranking_difference(places, *choices),
        "relations": spans.relation_intervals(*relations[:2], None, labels, {"a", "b"}),
        "relations, less": spans.relation_difference(
            relations[0], (relations[1], None), (relations[2], None), labels, {"a", "b"}
        ),
        "perplexity": probabilities.perplexity_intervals(first),
        "perplexity, less": probabilities.perplexity_difference(first, second),
        "reading": readings[0].intervals(),
        "reading, less": readings[0].difference(readings[1]),
        "pairs": probabilities.pair_accuracy_interval(hits[0]),
        "pairs, less": probabilities.pair_accuracy_difference(*hits),
    }


def test_other_answers_of_very_many_rows_have_the_intervals_of_drawn_rows(monkeypatch):
    drawn = intervals_of_rows(4_000)
    row_by_row, calls = intervals.draw_rows, []
    monkeypatch.setattr(intervals, "draw_rows", lambda *words: calls.append(words) or row_by_row(*words))
    for module in (intervals, spans, multilabel, probabilities, question_answering):
        monkeypatch.setattr(module, "MOST_DRAWN", 1_000)
    many = intervals_of_rows(4_000)
    assert not calls  # which takes minutes where rows are millions
    for kind, found in drawn.items():
        assert list(many[kind]) == list(found), kind
        for name, (low, high) in found.items():
            assert many[kind][name] == pytest.approx((low, high), abs=0.15 * (high - low) + 1e-9), (kind, name)
    assert many == intervals_of_rows(4_000)


def test_sets_of_which_hardly_two_are_alike_are_drawn_by_rows(monkeypatch):
    sets = np.random.default_rng(1).random((2_000, 40)) < 0.5
    answered = sets_of(sets, 0.4, 1)
    drawn = multilabel.multilabel_intervals(sets, answered)
    monkeypatch.setattr(multilabel, "MOST_DRAWN", 1_000)
    monkeypatch.setattr(multilabel, "_MOST_SETS", 1_000)
    assert multilabel.multilabel_intervals(sets, answered) == drawn


@pytest.mark.parametrize("kind", ["entities", "sets", "choice"])
def test_intervals_of_very_many_rows_are_as_wide_as_those_of_drawn_rows(kind, monkeypatch):
    rows, generator = 1_000, np.random.default_rng(3)
    sets = generator.random((rows, 3)) < [0.5, 0.2, 0.05]
    answered = [sets_of(sets, 0.4, 1), sets_of(sets, 0.2, 2)]
    gold, first, second = (spans_of(rows, seed) for seed in (1, 2, 5))
    places, choices = generator.integers(0, 4, rows), [generator.dirichlet(np.ones(4), rows) for _ in range(2)]

    def widths():
        of_seed = {
            "entities": lambda seed: spans.tagging_difference(gold, first, second, seed=seed),
            "sets": lambda seed: multilabel.multilabel_difference(sets, *answered, seed=seed),
            "choice": lambda seed: multilabel.ranking_difference(places, *choices, seed=seed),
        }[kind]
        found = [[high - low for low, high in of_seed(seed).values()] for seed in range(24)]
        return np.mean(found, axis=0)

    drawn = widths()
    for module in (intervals, spans, multilabel):
        monkeypatch.setattr(module, "MOST_DRAWN", 500)
    assert widths() / drawn == pytest.approx(1.0, abs=0.02)


def most_held(work):
    """Return the most bytes that arrays and objects take during some work; those of mapped files do not count."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_intervals_of_very_many_rows_hold_some_of_the_draws_at_a_time(monkeypatch):
    generator = np.random.default_rng(1)
    loss, sure = generator.exponential(1, 3_000), generator.random(3_000)
    for module in (intervals, probabilities):
        monkeypatch.setattr(module, "MOST_DRAWN", 1_000)
    # all draws of all bins would be a thousand times as many numbers as there are bins
    assert most_held(lambda: intervals.mean_difference(loss, sure, "loss")) < 12 << 20
    assert most_held(lambda: probabilities.calibration_interval(sure, sure > 0.5)) < 12 << 20


def test_intervals_of_very_many_numbers_hold_some_of_the_rows_at_a_time(monkeypatch, tmp_path):
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path))
    gold, model, baseline = numbered(40_000)
    monkeypatch.setattr(intervals, "MOST_DRAWN", 1_000)
    monkeypatch.setattr(intervals, "_CHUNK", 4_096)
    for module in (cache, classification):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 1_024)
    held = most_held(lambda: regression_difference(gold, model, baseline))
    assert held < 2 << 20  # a figure of each row would be 0.3 MB, and there are sixty
    assert most_held(lambda: regression_metrics(gold, model)) < 1 << 20
