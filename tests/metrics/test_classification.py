"""Classification scores: equal to scikit-learn's, and 0.0 where a ratio has no denominator."""

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as reference

from bertkit import cache
from bertkit.metrics import classification, intervals, probabilities
from bertkit.metrics.classification import (
    Coded,
    classification_metrics,
    collapsed,
    confusion,
    cross_entropy,
    label_order,
    per_label,
    unseen_labels,
)
from bertkit.metrics.intervals import classification_difference, classification_intervals
from bertkit.metrics.probabilities import calibration_error


def random_labels(seed, *, rows, labels, share_right):
    generator = np.random.default_rng(seed)
    gold = generator.choice(labels, rows)
    guess = generator.choice(labels, rows)
    predicted = np.where(generator.random(rows) < share_right, gold, guess)
    return gold.tolist(), predicted.tolist()


def quiet(score, *args, **kwargs):
    """scikit-learn warns where a denominator is zero; here the value alone is of interest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(score(*args, **kwargs))


def expected(gold, predicted, positive):
    average = {"average": "macro"} if positive is None else {"average": "binary", "pos_label": positive}
    return {
        "accuracy": reference.accuracy_score(gold, predicted),
        "f1": quiet(reference.f1_score, gold, predicted, zero_division=0, **average),
        "macro_f1": quiet(reference.f1_score, gold, predicted, zero_division=0, average="macro"),
        "mcc": quiet(reference.matthews_corrcoef, gold, predicted),
        "precision": quiet(reference.precision_score, gold, predicted, zero_division=0, **average),
        "recall": quiet(reference.recall_score, gold, predicted, zero_division=0, **average),
    }


@pytest.mark.parametrize("rows", [3, 40, 500])
@pytest.mark.parametrize("share_right", [0.0, 0.6, 1.0])
def test_binary_scores_equal_scikit_learn(rows, share_right):
    gold, predicted = random_labels(rows, rows=rows, labels=["0", "1"], share_right=share_right)
    gold[0], gold[1] = "0", "1"  # scikit-learn asks for both labels
    scores = classification_metrics(gold, predicted, ["0", "1"], positive="1")
    assert scores == pytest.approx(expected(gold, predicted, "1"), abs=1e-12)


@pytest.mark.parametrize("rows", [5, 300])
@pytest.mark.parametrize("count", [3, 20])
def test_multiclass_scores_equal_scikit_learn(rows, count):
    labels = [f"label {i}" for i in range(count)]
    gold, predicted = random_labels(count, rows=rows, labels=labels, share_right=0.5)
    scores = classification_metrics(gold, predicted, labels, positive=None)
    assert scores == pytest.approx(expected(gold, predicted, None), abs=1e-12)


def test_the_majority_answer_has_the_known_f1():
    gold = ["1"] * 1147 + ["0"] * 578
    scores = classification_metrics(gold, ["1"] * 1725, ["0", "1"], positive="1")
    assert scores["accuracy"] == pytest.approx(0.6649, abs=5e-5)
    assert scores["f1"] == pytest.approx(0.7987, abs=5e-5)
    assert scores["mcc"] == 0.0


@pytest.mark.parametrize(("gold", "predicted"), [(["0"], ["0"]), (["0", "0"], ["0", "0"]), ([], [])])
def test_nothing_to_divide_by_gives_zero(gold, predicted):
    scores = classification_metrics(gold, predicted, ["0", "1"], positive="1")
    assert scores["f1"] == scores["precision"] == scores["recall"] == scores["mcc"] == 0.0
    assert scores["accuracy"] == (1.0 if gold else 0.0)


def test_a_label_training_never_saw_counts_as_wrong_and_is_reported():
    gold, predicted = ["a", "b", "new", "new"], ["a", "b", "a", "b"]
    scores = classification_metrics(gold, predicted, ["a", "b"], positive=None)
    assert scores == pytest.approx(expected(gold, predicted, None), abs=1e-12)
    assert scores["accuracy"] == 0.5
    assert unseen_labels(gold, ["a", "b"]) == {"new": 2}
    assert label_order(gold, predicted, ["a", "b"]) == ("a", "b", "new")
    assert confusion(gold, predicted, ["a", "b"]) == [[1, 0, 0], [0, 1, 0], [1, 1, 0]]


@pytest.mark.parametrize("sizes", [(2, 3), (17, 4, 9), (31, 57), (101, 7, 7, 13)])
def test_a_correlation_at_its_bound_is_the_bound(sizes):
    """Roots and products round: (2, 3) right rows had a Matthews correlation of 0.9999999999999998."""
    gold = [str(label) for label, size in enumerate(sizes) for _ in range(size)]
    labels = sorted(set(gold))
    assert classification_metrics(gold, gold, labels, positive=None)["mcc"] == 1.0
    assert classification_intervals(gold, gold, labels, None)["mcc"][1] == 1.0
    if len(sizes) == 2:
        swapped = ["10"[int(label)] for label in gold]
        assert classification_metrics(gold, swapped, labels, positive="1")["mcc"] == -1.0
    almost = [*gold[:-1], labels[0]]
    assert classification_metrics(gold, almost, labels, positive=None)["mcc"] < 1.0


def test_confusion_has_gold_in_rows_and_predictions_in_columns():
    gold, predicted = random_labels(3, rows=100, labels=["x", "y", "z"], share_right=0.4)
    matrix = reference.confusion_matrix(gold, predicted, labels=["x", "y", "z"])
    assert confusion(gold, predicted, ["x", "y", "z"]) == matrix.tolist()


def test_per_label_equals_scikit_learn():
    labels = ["x", "y", "z", "never there"]
    gold, predicted = random_labels(4, rows=80, labels=labels[:3], share_right=0.4)
    columns = reference.precision_recall_fscore_support(gold, predicted, labels=labels, zero_division=0)
    found = per_label(gold, predicted, labels)
    assert list(found) == labels
    for label, *values in zip(labels, *columns, strict=True):
        assert [found[label][key] for key in ("precision", "recall", "f1", "support")] == pytest.approx(values)
        assert found[label]["predicted"] == predicted.count(label)


def test_cross_entropy_equals_scikit_learn():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet([1.0, 1.0, 1.0], 50)
    gold = generator.integers(0, 3, 50)
    loss = cross_entropy(probabilities[np.arange(50), gold])
    assert loss == pytest.approx(reference.log_loss(gold, probabilities, labels=[0, 1, 2]))


def test_cross_entropy_is_finite_for_a_certain_mistake():
    assert cross_entropy([0.0]) == pytest.approx(-math.log(1e-12))
    assert cross_entropy([]) == 0.0


def test_collapsed_names_the_one_label():
    assert collapsed(["1", "1", "1"]) == "1"
    assert collapsed(["1", "0", "1"]) is None
    assert collapsed(["1"]) is None
    assert collapsed([]) is None


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 gold labels and 1 predicted"):
        classification_metrics(["0", "1"], ["0"], ["0", "1"], positive="1")


@pytest.mark.parametrize("count", [2, 7])
def test_many_rows_are_scored_some_at_a_time_to_the_same_bytes(count, monkeypatch):
    labels = [f"l{i}" for i in range(count)]
    gold, predicted = random_labels(5, rows=1000, labels=[*labels, "never seen"], share_right=0.7)
    predicted = [labels[0] if label == "never seen" else label for label in predicted]
    names = (*labels, "never seen")
    sure = np.random.default_rng(1).random(1000)

    def coded(rows):
        return Coded(np.asarray([names.index(label) for label in rows], np.int32), names)

    def scores(gold, predicted):
        is_right = np.asarray([a == b for a, b in zip(gold, predicted, strict=True)])
        return (
            classification_metrics(gold, predicted, labels, positive=None),
            per_label(gold, predicted, labels),
            classification_intervals(gold, predicted, labels, None, losses=sure),
            classification_difference(gold, predicted, gold, labels, None),
            cross_entropy(sure),
            calibration_error(sure, is_right),
        )

    monkeypatch.setattr(intervals, "MOST_DRAWN", 500)
    whole = scores(gold, predicted)
    for module in (cache, classification, probabilities):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 64)
    assert scores(coded(gold), coded(predicted)) == whole
