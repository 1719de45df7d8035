"""Regression scores: equal to scipy's, and 0.0 where a constant has no correlation."""

import numpy as np
import pytest
from scipy import stats

from bertkit.metrics.classification import average_ranks, mae, mse, pearson, regression_metrics, spearman
from bertkit.metrics.intervals import regression_intervals


@pytest.mark.parametrize("decimals", [0, 1, 12])  # 0 and 1: many ties
@pytest.mark.parametrize("rows", [2, 7, 400])
def test_correlations_equal_scipy(rows, decimals):
    generator = np.random.default_rng(rows)
    gold = np.round(generator.normal(size=rows) * 2, decimals)
    gold[:2] = [-3.0, 3.0]  # no constant
    predicted = np.round(gold + generator.normal(size=rows), decimals)
    predicted[:2] = [-2.0, 4.0]
    assert pearson(gold, predicted) == pytest.approx(stats.pearsonr(gold, predicted).statistic)
    assert spearman(gold, predicted) == pytest.approx(stats.spearmanr(gold, predicted).statistic)
    assert average_ranks(gold) == pytest.approx(stats.rankdata(gold))


def test_errors_are_means():
    assert mse([1.0, 2.0], [2.0, 4.0]) == 2.5
    assert mae([1.0, 2.0], [2.0, 4.0]) == 1.5


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e100])
def test_a_constant_has_correlation_zero(constant):
    scores = regression_metrics([1.0, 2.0, 3.0], [constant] * 3)
    assert scores["pearson"] == 0.0
    assert scores["spearman"] == 0.0
    assert pearson([constant] * 3, [1.0, 2.0, 3.0]) == 0.0


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e150])
def test_the_scale_does_not_matter(scale):
    values = [1.0, 2.0, 4.0]
    assert pearson(values, [v * scale for v in values]) == pytest.approx(1.0)


def test_no_rows_and_one_row_are_not_nan():
    assert regression_metrics([], []) == {"mse": 0.0, "mae": 0.0, "pearson": 0.0, "spearman": 0.0}
    assert regression_metrics([2.0], [3.0]) == {"mse": 1.0, "mae": 1.0, "pearson": 0.0, "spearman": 0.0}


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 gold values and 1 predicted"):
        regression_metrics([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("factor", "wanted"), [(0.1, 1.0), (-3.7, -1.0)])
def test_a_correlation_at_its_bound_is_the_bound(factor, wanted):
    gold = np.random.default_rng(5).normal(size=97)
    scores = regression_metrics(gold, gold * factor + 0.3)
    assert (scores["pearson"], scores["spearman"]) == (wanted, wanted)
    intervals = regression_intervals(gold, gold * factor + 0.3)
    assert intervals["pearson"] == intervals["spearman"] == (wanted, wanted)
    assert abs(pearson(gold, gold + np.linspace(0.0, 1e-5, 97))) < 1.0
