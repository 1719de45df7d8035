"""Scores of sets of labels, held against scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics

from bertkit.metrics.multilabel import (
    AnsweredSets,
    multilabel_difference,
    multilabel_intervals,
    multilabel_metrics,
    multilabel_per_label,
    ranking_precisions,
)


def made(rows: int, labels: int, seed: int) -> tuple[np.ndarray, AnsweredSets]:
    rng = np.random.default_rng(seed)
    gold = rng.random((rows, labels)) < 0.3
    scores = np.round(rng.random((rows, labels)) * 0.6 + gold * 0.3, 1)  # with ties
    return gold, AnsweredSets(scores, scores >= 0.5)


@pytest.mark.parametrize(("rows", "labels"), [(1, 1), (7, 2), (60, 5), (200, 31)])
def test_the_figures_are_those_of_scikit_learn(rows: int, labels: int) -> None:
    gold, answered = made(rows, labels, seed=rows)
    found = multilabel_metrics(gold, answered)
    y, given = gold.astype(int), answered.chosen.astype(int)
    wanted = {
        "exact_match": metrics.accuracy_score(y, given),
        "hamming_loss": metrics.hamming_loss(y, given),
        "micro_f1": metrics.f1_score(y, given, average="micro", zero_division=0),
        "macro_f1": metrics.f1_score(y, given, average="macro", zero_division=0),
        "micro_precision": metrics.precision_score(y, given, average="micro", zero_division=0),
        "micro_recall": metrics.recall_score(y, given, average="micro", zero_division=0),
    }
    if labels > 1:  # of one label scikit-learn ranks nothing
        wanted["lrap"] = metrics.label_ranking_average_precision_score(y, answered.scores)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            precision, recall, f1, support = metrics.precision_recall_fscore_support(y, given, zero_division=0)
        each = multilabel_per_label(gold, answered.chosen, [str(i) for i in range(labels)])
        for i in range(labels):
            own = each[str(i)]
            assert (own["precision"], own["recall"], own["f1"]) == pytest.approx((precision[i], recall[i], f1[i]))
            assert own["support"] == support[i]
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value), name


def test_rows_with_all_labels_or_none_are_ranked_right() -> None:
    gold = np.array([[True, True], [False, False], [True, False]])
    assert ranking_precisions(gold, np.array([[0.1, 0.9], [0.1, 0.9], [0.1, 0.9]])).tolist() == [1.0, 1.0, 0.5]


def test_intervals_hold_the_figures_and_a_difference_of_nothing_is_nothing() -> None:
    gold, answered = made(120, 6, seed=3)
    found, figures = multilabel_intervals(gold, answered), multilabel_metrics(gold, answered)
    assert found.keys() == figures.keys()
    for name, (low, high) in found.items():
        assert low <= figures[name] <= high, name
    assert set(multilabel_difference(gold, answered, answered).values()) == {(0.0, 0.0)}


def test_no_rows_have_figures_and_no_intervals() -> None:
    none = np.zeros((0, 3))
    answered = AnsweredSets(none, none > 0)
    assert set(multilabel_metrics(none > 0, answered).values()) == {0.0}
    assert multilabel_intervals(none > 0, answered) == {}
