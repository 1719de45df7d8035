"""What is learnt from a row's vector: labels or a number, and what is said about the result."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bertkit import cache
from bertkit.data.records import ColumnMap, Example
from bertkit.errors import DataError, UsageError
from bertkit.metrics import classification, intervals
from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.heads import SequenceModel
from bertkit.tasks import objectives
from bertkit.tasks.base import TaskSettings, TrainingOptions
from bertkit.tasks.multilabel import parse_thresholds
from bertkit.tasks.objectives import Classification, Regression, number
from bertkit.tasks.rows import class_weights, sorted_labels

LABELS = ("bad", "fair", "good")


def rows(*labels: str | None) -> list[Example]:
    return [Example(("text",), label, line, "data.tsv") for line, label in enumerate(labels, start=2)]


def probabilities(*values: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def classify(labels: tuple[str, ...] = LABELS, positive: str | None = None) -> Classification:
    return Classification(TaskSettings("classify", ColumnMap(("text",)), labels, positive))


# --- labels -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (("10", "9", "-1", "9"), ("-1", "9", "10")),
        (("10", "9", "x"), ("10", "9", "x")),
        (("1.5", "0.5", "10"), ("0.5", "1.5", "10")),
        (("긍정", "b", "B", "é", "부정"), ("B", "b", "é", "긍정", "부정")),
        (("07", "7", "1"), ("1", "07", "7")),
        (("b", "", None, "a"), ("a", "b")),
        (("-", "1"), ("-", "1")),
    ],
)
def test_labels_sort_as_integers_or_by_code_point(labels: tuple[str | None, ...], wanted: tuple[str, ...]) -> None:
    assert sorted_labels(rows(*labels)) == wanted
    assert sorted_labels(rows(*labels)[::-1]) == wanted


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("1", "1"), "the one label '1'"),
        (("1", None, ""), "the one label '1'"),
        ((None,), "no label"),
        ((), "no label"),
    ],
)
def test_one_label_cannot_be_learnt(labels: tuple[str | None, ...], words: str) -> None:
    with pytest.raises(DataError, match=f"every row has {words}; classification needs at least two labels"):
        sorted_labels(rows(*labels))


def test_targets_are_places_in_the_labels() -> None:
    assert [classify().target(e) for e in rows("good", "bad", "fair")] == [2.0, 0.0, 1.0]


@pytest.mark.parametrize("label", ["awful", "Bad", "", None])
def test_a_label_that_training_never_saw_is_named_with_its_place(label: str | None) -> None:
    with pytest.raises(DataError, match=r"^data\.tsv:3: label .* is not in the training rows; they have bad, fair, go"):
        classify().target(rows("good", label)[1])


# --- the loss of classification -----------------------------------------------------------

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
TARGETS = torch.tensor([0.0, 2.0, 0.0, 1.0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_equals_torchs(smoothing: float) -> None:
    losses = classify().losses(LOGITS, TARGETS, TrainingOptions(label_smoothing=smoothing))
    assert losses.shape == (4,)
    others = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(LOGITS, TARGETS.long())
    torch.testing.assert_close(losses.mean(), others)
    smoothed = functional.one_hot(TARGETS.long(), 3) * (1 - smoothing) + smoothing / 3
    torch.testing.assert_close(losses, -(smoothed * LOGITS.log_softmax(-1)).sum(-1))


def test_class_weights_multiply_each_rows_loss() -> None:
    plain = classify().losses(LOGITS, TARGETS, TrainingOptions())
    weighted = classify().losses(LOGITS, TARGETS, TrainingOptions(class_weights=(2.0, 0.5, 1.0)))
    torch.testing.assert_close(weighted, plain * torch.tensor([2.0, 1.0, 2.0, 0.5]))


def test_losses_are_float32_whatever_the_encoder_computes_in() -> None:
    losses = classify().losses(LOGITS.bfloat16(), TARGETS, TrainingOptions(class_weights=(1.0, 1.0, 1.0)))
    assert losses.dtype == torch.float32


def test_no_weights() -> None:
    assert class_weights("none", LABELS, rows("bad", "good")) is None


@pytest.mark.parametrize("word", ["auto", "bad=5", "good=0.25,bad=3", "bad=1,fair=1,good=1"])
def test_weights_average_one_over_the_rows(word: str) -> None:
    examples = rows(*["bad"] * 7, *["fair"] * 2, "good")
    weights = class_weights(word, LABELS, examples)
    assert weights is not None
    of_rows = [weights[LABELS.index(e.label or "")] for e in examples]
    assert math.fsum(of_rows) / len(of_rows) == pytest.approx(1)


def test_auto_gives_every_label_the_same_say() -> None:
    weights = class_weights("auto", LABELS, rows(*["bad"] * 6, *["fair"] * 3, "good"))
    assert weights is not None
    assert [w * n for w, n in zip(weights, (6, 3, 1), strict=True)] == pytest.approx([10 / 3] * 3)


def test_given_weights_keep_their_ratios_and_the_others_weigh_one() -> None:
    bad, fair, good = class_weights("bad=4,good=0.5", LABELS, rows("bad", "fair", "fair", "good")) or ()
    assert bad / fair == pytest.approx(4)
    assert good / fair == pytest.approx(0.5)


def test_a_label_may_hold_an_equals_sign() -> None:
    weights = class_weights("a=b=3", ("a=b", "c"), rows("a=b", "c"))
    assert weights == pytest.approx((1.5, 0.5))


def test_a_label_may_hold_a_comma() -> None:
    assert parse_thresholds("x=y=0.1,R&B, soul=0.2", ("R&B, soul", "x=y")) == {"x=y": 0.1, "R&B, soul": 0.2}
    assert class_weights("a,b=3,c=1", ("a,b", "c"), rows("a,b", "c")) == pytest.approx((1.5, 0.5))


@pytest.mark.parametrize("word", ["", "bad", "bad=", "bad=x", "bad=0", "bad=-1", "bad=nan", "bad=1,", "bad:1", "Auto"])
def test_malformed_weights_are_refused(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        class_weights(word, LABELS, rows("bad", "good"))
    assert str(caught.value) == f"--class-weights {word}: must be none, auto or label=weight,label=weight."


def test_weights_of_an_unknown_label_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no label is called 'worse'; there are bad, fair, good\.$"):
        class_weights("bad=1,worse=2", LABELS, rows("bad", "good"))


# --- records ------------------------------------------------------------------------------


def test_outputs_are_probabilities() -> None:
    outputs = classify().outputs(LOGITS.bfloat16())
    assert outputs.dtype == np.float64
    np.testing.assert_allclose(outputs.sum(axis=1), 1)
    assert outputs.argmax(axis=1).tolist()[:3] == [0, 2, 1]


def test_a_record_has_label_and_score() -> None:
    assert classify().record(np.array([0.2, 0.12345678, 0.67654322]), 0) == {"label": "good", "score": 0.676543}


@pytest.mark.parametrize(("k", "names"), [(1, ["good"]), (2, ["good", "bad"]), (9, ["good", "bad", "fair"])])
def test_top_k_lists_the_best_labels(k: int, names: list[str]) -> None:
    record = classify().record(np.array([0.3, 0.1, 0.6]), k)
    assert (record["label"], record["score"]) == ("good", 0.6)
    assert [entry["label"] for entry in record["top"]] == names
    assert record["top"][0] == {"label": "good", "score": 0.6}


def test_of_equal_scores_the_first_label_is_taken_everywhere() -> None:
    even = probabilities((0.25, 0.25, 0.25))
    assert classify().record(even[0], 0)["label"] == "bad"
    assert classify().predicted(even) == ["bad"]


# --- scores -------------------------------------------------------------------------------


def test_score_has_metrics_loss_and_figures_by_label() -> None:
    outputs = probabilities((0.8, 0.2), (0.4, 0.6), (0.1, 0.9), (0.7, 0.3))
    scores = classify(("0", "1"), "1").score(rows("0", "0", "1", "1"), outputs)
    assert scores.metrics["accuracy"] == 0.5
    assert scores.metrics["f1"] == 0.5
    assert scores.metrics["loss"] == pytest.approx(-sum(map(math.log, (0.8, 0.4, 0.9, 0.3))) / 4)
    assert list(scores.per_label) == ["0", "1"]
    assert scores.warnings == ()


def test_the_positive_label_decides_f1() -> None:
    outputs = probabilities((0.8, 0.2), (0.8, 0.2), (0.1, 0.9), (0.7, 0.3))
    gold = rows("0", "0", "1", "1")
    assert classify(("0", "1"), "1").score(gold, outputs).metrics["f1"] == pytest.approx(2 / 3)
    assert classify(("0", "1"), "0").score(gold, outputs).metrics["f1"] == pytest.approx(4 / 5)


def test_a_collapsed_model_is_called_so() -> None:
    outputs = probabilities((0.4, 0.6), (0.3, 0.7), (0.2, 0.8))
    (warning,) = classify(("0", "1"), "1").score(rows("1", "0", "1"), outputs).warnings
    assert warning.startswith("the model answers '1' for every row (66.7% of the rows have that label)")
    assert "it has learned nothing" in warning


def test_one_answer_that_is_right_for_every_row_is_no_collapse() -> None:
    outputs = probabilities((0.4, 0.6), (0.3, 0.7), (0.2, 0.8))
    assert classify(("0", "1"), "1").score(rows("1", "1", "1"), outputs).warnings == ()
    (warning,) = classify(("0", "1"), "1").score(rows("0", "0", "0"), outputs).warnings
    assert "(0.0% of the rows have that label)" in warning
    assert Regression().score(rows("2", "2"), np.array([[2.0], [2.0]])).warnings == ()
    assert len(Regression().score(rows("2", "3"), np.array([[2.0], [2.0]])).warnings) == 1


def test_one_row_says_nothing_about_collapse() -> None:
    assert classify(("0", "1"), "1").score(rows("1"), probabilities((0.4, 0.6))).warnings == ()


def test_a_gold_label_never_seen_counts_as_wrong() -> None:
    outputs = probabilities((0.9, 0.1), (0.2, 0.8))
    objective = classify(("0", "1"), "1")
    scores = objective.score(rows("0", "2"), outputs)
    assert scores.metrics["accuracy"] == 0.5
    assert scores.per_label["2"]["support"] == 1
    assert math.isfinite(scores.metrics["loss"])
    assert objective.gold_probabilities(rows("0", "2"), outputs) == [0.9, 0.0]


def test_mistakes_come_surest_first() -> None:
    outputs = probabilities((0.9, 0.05, 0.05), (0.3, 0.6, 0.1), (0.0, 0.2, 0.8), (0.0, 0.05, 0.95), (0.6, 0.4, 0.0))
    mistakes = classify().mistakes(rows("good", "bad", "good", "bad", "fair"), outputs)
    assert [row for row, _ in mistakes] == [3, 0, 1, 4]
    assert mistakes[1][1] == {
        "predicted": "bad",
        "score": 0.9,
        "probabilities": {"bad": 0.9, "fair": 0.05, "good": 0.05},
    }


def test_intervals_hold_the_score_and_differences_are_paired() -> None:
    outputs = probabilities(*[(0.8, 0.2), (0.3, 0.7), (0.6, 0.4), (0.1, 0.9)] * 10)
    gold = rows(*["0", "1", "1", "1"] * 10)
    objective = classify(("0", "1"), "1")
    scores, intervals = objective.score(gold, outputs), objective.intervals(gold, outputs)
    assert intervals.keys() == scores.metrics.keys()
    assert all(low <= scores.metrics[name] <= high for name, (low, high) in intervals.items())
    assert objective.difference(gold, outputs, outputs)["accuracy"] == (0.0, 0.0)
    worse = outputs[:, ::-1]
    low, high = objective.difference(gold, outputs, worse)["accuracy"]
    assert 0 < low <= high
    assert objective.difference(gold, worse, outputs)["accuracy"] == pytest.approx((-high, -low))


# --- regression ---------------------------------------------------------------------------


def scored_model(mean: float, deviation: float) -> tuple[SequenceModel, Regression]:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=11, hidden_size=8, num_hidden_layers=1, intermediate_size=16)
    model = SequenceModel(BertModel(config), 1, pooling="pooler", dropout=0.0).eval()
    torch.nn.init.constant_(model.classifier.bias, 0.3)  # as after training
    return model, Regression(mean, deviation)


@pytest.mark.parametrize(("mean", "deviation"), [(2.7, 1.5), (0.0, 1.0), (-400.0, 0.01), (5e4, 2e4)])
def test_settling_leaves_the_outputs_equal(mean: float, deviation: float) -> None:
    model, objective = scored_model(mean, deviation)
    inputs = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    with torch.inference_mode():
        before = objective.outputs(model(inputs, None, torch.zeros_like(inputs)))
        settled = objective.settle(model)
        logits = model(inputs, None, torch.zeros_like(inputs))
    np.testing.assert_allclose(settled.outputs(logits), before, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(logits.numpy(), before, rtol=1e-5, atol=1e-6)
    assert (settled.mean, settled.deviation) == (0.0, 1.0)


def test_targets_and_outputs_undo_each_other() -> None:
    objective = Regression(3.0, 2.0)
    targets = [objective.target(e) for e in rows("3", "7", "-1.5", " 1e1 ")]
    assert targets == [0.0, 2.0, -2.25, 3.5]
    assert objective.outputs(torch.tensor(targets).unsqueeze(-1))[:, 0].tolist() == [3.0, 7.0, -1.5, 10.0]


def test_squared_and_absolute_error() -> None:
    logits, targets = torch.tensor([[1.0], [-2.0]]), torch.tensor([3.0, -1.5])
    assert Regression().losses(logits, targets, TrainingOptions(loss="mse")).tolist() == [4.0, 0.25]
    assert Regression().losses(logits, targets, TrainingOptions(loss="mae")).tolist() == [2.0, 0.5]


@pytest.mark.parametrize("label", ["", None, "high", "nan", "inf", "-inf", "1,5", "1e999"])
def test_a_label_that_is_no_number_is_named_with_its_place(label: str | None) -> None:
    with pytest.raises(
        DataError, match=r"^data\.tsv:2: the label .* (is not a number, as regression needs|is too large .*)\.$"
    ):
        number(rows(label)[0])


def test_a_regression_record_has_the_score_alone() -> None:
    assert Regression().record(np.array([3.14159265]), 5) == {"score": 3.141593}


def test_regression_scores_have_no_labels_and_know_a_constant() -> None:
    good = Regression().score(rows("1", "2", "3"), probabilities((1.1,), (2.1,), (2.9,)))
    assert good.metrics["mae"] == pytest.approx(0.1)
    assert good.metrics["pearson"] > 0.99
    assert (good.per_label, good.warnings) == ({}, ())
    (warning,) = Regression().score(rows("1", "2", "3"), probabilities((2.0,), (2.0,), (2.0,))).warnings
    assert "the same value" in warning


def test_regression_mistakes_are_all_rows_by_size_of_error() -> None:
    mistakes = Regression().mistakes(rows("1", "2", "3"), probabilities((1.5,), (0.0,), (3.0,)))
    assert list(mistakes) == [
        (1, {"predicted": 0.0, "error": -2.0}),
        (0, {"predicted": 1.5, "error": 0.5}),
        (2, {"predicted": 3.0, "error": 0.0}),
    ]


def test_regression_intervals_hold_the_score() -> None:
    rng = np.random.default_rng(0)
    gold = rng.normal(size=60)
    outputs = (gold + rng.normal(size=60))[:, None]
    examples = rows(*map(str, gold))
    metrics, intervals = Regression().score(examples, outputs).metrics, Regression().intervals(examples, outputs)
    assert intervals.keys() == metrics.keys()
    assert all(low < metrics[name] < high for name, (low, high) in intervals.items())
    assert Regression().difference(examples, outputs, outputs)["mse"] == (0.0, 0.0)


@pytest.mark.parametrize("decimals", [1, 12])  # with many ties, and with none
def test_numbers_of_many_rows_are_scored_some_at_a_time_to_the_same_figures(decimals, monkeypatch, tmp_path):
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path))
    generator = np.random.default_rng(1)
    gold = np.round(generator.normal(size=2_000), decimals)
    examples = [Example(("a",), str(value), i + 1, "f.csv") for i, value in enumerate(gold)]
    mine, other = (np.round(gold + generator.normal(size=2_000), decimals)[:, None] for _ in "ab")
    constant = np.full((2_000, 1), gold.mean())

    def figures():
        objective = Regression()
        return (
            *(objective.score(examples, own) for own in (mine, constant)),
            objective.intervals(examples, mine),
            *(objective.difference(examples, mine, own) for own in (other, constant)),
            list(objective.mistakes(examples, mine)),
        )

    monkeypatch.setattr(intervals, "MOST_DRAWN", 1_000)
    whole = figures()
    for module in (cache, classification):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 64)
    monkeypatch.setattr(objectives, "MANY", 100)
    monkeypatch.setattr(intervals, "_CHUNK", 1_024)
    parts = figures()
    assert [parts[i] for i in (0, 1, 5)] == [whole[i] for i in (0, 1, 5)]
    for one, found in zip(whole[2:5], parts[2:5], strict=True):
        for name, interval in one.items():
            assert found[name] == pytest.approx(interval, abs=1e-9), name


def test_a_score_that_is_none_is_named_in_many_rows_too(monkeypatch, tmp_path):
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(objectives, "MANY", 1)
    rows = [Example(("a",), label, i + 1, "f.csv") for i, label in enumerate(["1", "much"])]
    with pytest.raises(DataError, match=r"f\.csv:2"):
        Regression().score(rows, [np.zeros(1)] * 2)
