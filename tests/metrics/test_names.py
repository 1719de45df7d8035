"""Metrics by name: which way they go, and each number once in a table."""

from __future__ import annotations

from bertkit.metrics.classification import classification_metrics
from bertkit.metrics.names import greater_is_better, in_words, table_names
from bertkit.tasks.registry import TASKS


def test_errors_and_losses_are_better_when_lower() -> None:
    metrics = {metric for spec in TASKS for metric in spec.metrics}
    lower = {"loss", "perplexity", "mse", "mae", "hamming_loss"}
    assert {metric for metric in metrics if not greater_is_better(metric)} == lower


def test_sentences_name_metrics_as_people_do() -> None:
    assert [in_words(name) for name in ("macro_f1", "map@3", "accuracy")] == ["macro F1", "MAP@3", "accuracy"]


def test_without_a_positive_class_no_number_stands_twice_and_means_say_so() -> None:
    gold, given = ["a", "b", "c", "a", "b"], ["a", "c", "c", "b", "b"]
    metrics = classification_metrics(gold, given, ["a", "b", "c"], positive=None)
    names = table_names(metrics, None)
    assert names == {
        "accuracy": "accuracy",
        "macro_f1": "macro_f1",
        "mcc": "mcc",
        "precision": "macro_precision",
        "recall": "macro_recall",
    }
    assert metrics["f1"] == metrics["macro_f1"], "what is left out is shown under another name"


def test_of_a_positive_class_and_of_other_tasks_all_are_shown() -> None:
    assert table_names(["f1", "macro_f1", "precision"], "yes") == {n: n for n in ("f1", "macro_f1", "precision")}
    assert table_names(["pearson", "mse"], None) == {"pearson": "pearson", "mse": "mse"}
