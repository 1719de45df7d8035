"""Calibration error and temperature: known values, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.metrics.probabilities import (
    calibration_error,
    calibration_interval,
    class_temperature,
    label_temperature,
    tempered,
    tempered_labels,
)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def test_the_error_is_the_distance_of_confidence_and_accuracy_in_each_bin() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    is_right = np.array([True, True, True, False, True, False])
    assert calibration_error(confidence, is_right) == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)
    assert calibration_error(np.zeros(0), np.zeros(0, bool)) == 0.0
    # 0.2 is the end of the third of fifteen bins, as in the paper (low, high]
    assert calibration_error(np.array([0.2, 0.19]), np.array([True, False])) == pytest.approx(abs(0.195 - 0.5))


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_a_temperature_undoes_a_scale(scale: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6000, 4)) * 1.5
    gold = [int(rng.choice(4, p=row)) for row in softmax(logits)]
    found = class_temperature(gold, softmax(logits * scale))
    assert found == pytest.approx(scale, rel=0.1)
    before, after = softmax(logits * scale), tempered(softmax(logits * scale), found)
    assert (before.argmax(1) == after.argmax(1)).all()
    np.testing.assert_allclose(after, softmax(logits * scale / found), atol=1e-9)


def test_rows_of_other_lengths_and_labels_of_their_own_have_temperatures() -> None:
    rng = np.random.default_rng(1)
    rows = [softmax(rng.normal(size=rng.integers(2, 5)) * 2) for _ in range(3000)]
    gold = [int(rng.choice(len(row), p=row)) for row in rows]
    assert class_temperature(gold, [tempered(row, 0.5) for row in rows]) == pytest.approx(2.0, rel=0.15)
    assert class_temperature([-1], [np.array([0.5, 0.5])]) == 1.0
    assert class_temperature([], []) == 1.0
    given = 1 / (1 + np.exp(-rng.normal(size=(4000, 3))))
    has = rng.random(given.shape) < given
    sure = tempered_labels(given, 0.5)
    assert label_temperature(has, sure) == pytest.approx(2.0, rel=0.1)
    np.testing.assert_allclose(tempered_labels(sure, 2.0), given, atol=1e-9)


def test_few_rows_that_are_all_right_promise_no_certainty() -> None:
    found = class_temperature([0, 1], np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert 0.6 < found < 1.0
    surer = class_temperature([0, 1] * 500, np.array([[0.9, 0.1], [0.2, 0.8]] * 500))
    assert 0.04 < surer < 0.4
    assert class_temperature([0] * 10, np.array([[0.998, 0.002]] * 10)) == pytest.approx(1.0, abs=0.05)


def test_an_interval_has_two_ends_and_is_repeatable() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.random(300)
    is_right = rng.random(300) < confidence**2
    (low, high) = calibration_interval(confidence, is_right)["ece"]
    assert low < calibration_error(confidence, is_right) + 0.02
    assert high > calibration_error(confidence, is_right) - 0.02
    assert calibration_interval(confidence, is_right)["ece"] == (low, high)
    two = calibration_interval(np.stack([confidence, confidence], 1), np.stack([is_right, is_right], 1))
    assert two["ece"] == pytest.approx((low, high))
