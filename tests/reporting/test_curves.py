"""The numbers behind figures, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from bertkit.metrics.probabilities import calibration
from bertkit.reporting.pictures import by_length, threshold_curves, wilson


@pytest.mark.parametrize("digits", [1, 6], ids=["many ties", "few ties"])
def test_curves_as_scikit_learn_has_them(digits: int) -> None:
    rng = np.random.default_rng(0)
    gold = rng.random(300) < 0.3
    scores = np.round(0.5 * rng.random(300) + 0.3 * gold, digits)
    curves = threshold_curves(gold, scores)
    assert curves is not None
    assert curves.roc_area == pytest.approx(roc_auc_score(gold, scores))
    assert curves.average_precision == pytest.approx(average_precision_score(gold, scores))
    false_positives, recall, _ = roc_curve(gold, scores, drop_intermediate=False)
    np.testing.assert_allclose(curves.false_positives, false_positives)
    np.testing.assert_allclose(curves.recall, recall)


def test_one_class_has_no_curve() -> None:
    assert threshold_curves(np.array([True, True]), np.array([0.1, 0.9])) is None


def test_a_model_that_is_as_sure_as_it_is_right() -> None:
    confidence = np.repeat([0.55, 0.95], [100, 100])
    right = np.concatenate([np.arange(100) < 55, np.arange(100) < 95])
    bins, error = calibration(confidence, right)
    assert [(b.rows, round(b.accuracy, 2)) for b in bins] == [(100, 0.55), (100, 0.95)]
    assert error == pytest.approx(0)


def test_a_model_that_is_too_sure() -> None:
    _, error = calibration(np.full(10, 1.0), np.arange(10) < 6)
    assert error == pytest.approx(0.4)


def test_rows_of_like_length() -> None:
    lengths = [5] * 10 + [9] * 10 + [40] * 10
    wrong = [0.0] * 10 + [1.0] * 5 + [0.0] * 5 + [1.0] * 10
    groups = by_length(lengths, wrong, is_share=True, groups=3)
    assert [(g.low, g.high, g.rows, g.mean) for g in groups] == [(5, 5, 10, 0.0), (9, 9, 10, 0.5), (40, 40, 10, 1.0)]
    assert groups[1].interval == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_lengths_that_are_all_the_same() -> None:
    (group,) = by_length([7, 7, 7], [1.0, 2.0, 3.0], is_share=False)
    assert (group.rows, group.mean) == (3, 2.0)
    assert by_length([], [], is_share=False) == ()


def test_wilson_by_hand() -> None:
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(10, 10) == pytest.approx((0.7225, 1), abs=1e-4)
