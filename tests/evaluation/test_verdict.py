"""The verdict: one metric, a paired interval, words that people know."""

from __future__ import annotations

import pytest

from bertkit.evaluation.evaluate import Verdict


def sentence(metric: str, *difference: float) -> str:
    return Verdict("the model", "tfidf", metric, 0.8, 0.79, (difference[0], difference[1])).sentence


def test_an_interval_around_0_is_no_significant_difference() -> None:
    assert sentence("macro_f1", -0.02, 0.05) == (
        "the model shows no significant difference from the TF-IDF baseline in macro F1 "
        "(95 % CI of the difference includes 0: -0.0200 to +0.0500; 0.8000 against 0.7900)"
    )
    assert "includes 0: -0.0100 to +0.0000" in sentence("accuracy", -0.01, 0.0), "an end at 0 is no difference either"


def test_below_0_the_model_is_worse_and_above_nothing_is_said() -> None:
    assert sentence("accuracy", -0.09, -0.01).startswith(
        "the model is significantly worse than the TF-IDF baseline in accuracy (95 % CI of the difference: -0.0900"
    )
    assert sentence("accuracy", 0.01, 0.09) == ""


@pytest.mark.parametrize("metric", ["loss", "perplexity", "mse", "mae"])
def test_less_of_an_error_is_better(metric: str) -> None:
    assert sentence(metric, -0.09, -0.01) == ""
    assert "significantly worse" in sentence(metric, 0.01, 0.09)
    assert "no significant difference" in sentence(metric, -0.01, 0.09)
