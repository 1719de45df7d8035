"""Figures of relations beside scikit-learn's, as KLUE's code calls it, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, f1_score, precision_recall_curve, precision_score, recall_score

from bertkit.metrics.spans import area_of, relation_difference, relation_intervals, relation_metrics

LABELS = ("no_relation", "born", "founded", "unused")
RELATED = frozenset(LABELS[1:])


def rows(n: int = 200, seed: int = 0, sharpness: float = 1.5) -> tuple[list[str], list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, n)
    scores = rng.normal(size=(n, 4)).round(1)
    scores[np.arange(n), gold] += sharpness
    scores = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return [LABELS[i] for i in gold], [LABELS[i] for i in scores.argmax(1)], scores


def test_micro_figures_are_scikit_learns_without_no_relation() -> None:
    gold, given, scores = rows()
    found = relation_metrics(gold, given, scores, LABELS, RELATED)
    kept = {"labels": list(LABELS[1:]), "average": "micro", "zero_division": 0.0}
    assert found["micro_f1"] == pytest.approx(f1_score(gold, given, **kept))
    assert found["micro_precision"] == pytest.approx(precision_score(gold, given, **kept))
    assert found["micro_recall"] == pytest.approx(recall_score(gold, given, **kept))


@pytest.mark.filterwarnings("ignore:No positive class")
def test_the_area_is_that_of_klue_also_of_a_label_that_nobody_has() -> None:
    gold, given, scores = rows()
    areas = []
    for i, label in enumerate(LABELS):
        precision, recall, _ = precision_recall_curve([own == label for own in gold], scores[:, i])
        areas.append(auc(recall, precision))
    assert relation_metrics(gold, given, scores, LABELS, RELATED)["auprc"] == pytest.approx(np.mean(areas))


def test_rows_drawn_twice_count_twice() -> None:
    gold, _, scores = rows(60)
    is_label, own = np.asarray([row == "born" for row in gold]), scores[:, 1]
    draw = np.random.default_rng(1).integers(0, 60, 60)
    weights = np.bincount(draw, minlength=60)[None, :].astype(float)
    precision, recall, _ = precision_recall_curve(is_label[draw], own[draw])
    assert area_of(is_label, own, weights)[0] == pytest.approx(auc(recall, precision))


def test_intervals_hold_the_figures_and_differences_tell_the_better() -> None:
    gold, given, scores = rows()
    _, worse, poor = rows(sharpness=0.2)
    found, intervals = (f(gold, given, scores, LABELS, RELATED) for f in (relation_metrics, relation_intervals))
    assert intervals.keys() == found.keys()
    assert all(low <= found[name] <= high for name, (low, high) in intervals.items())
    difference = relation_difference(gold, (given, scores), (worse, poor), LABELS, RELATED)
    assert all(low > 0 for low, _ in difference.values())


def test_without_probabilities_there_is_no_area() -> None:
    gold, given, _ = rows()
    assert set(relation_metrics(gold, given, None, LABELS, RELATED)) == {"micro_f1", "micro_precision", "micro_recall"}
