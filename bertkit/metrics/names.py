"""How metrics are called in sentences and tables, and which way they go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

LOWER_IS_BETTER = frozenset({"loss", "perplexity", "mse", "mae", "hamming_loss"})
_WITHOUT_END = frozenset({"loss", "perplexity", "mse", "mae"})
_FROM_MINUS_ONE = frozenset({"mcc", "pearson", "spearman"})
# One number: the mean over all classes, where there is no positive one.
_MACRO = ("precision", "recall")
_SAME_AS_MACRO = "f1"
_WORDS: Mapping[str, str] = {
    "f1": "F1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "micro_precision": "micro precision",
    "micro_recall": "micro recall",
    "exact_match": "exact match",
    "auprc": "area under precision and recall",
    "klue_micro_f1": "KLUE's micro F1",
    "klue_auprc": "KLUE's AUPRC",
    "lrap": "label-ranking average precision",
    "hamming_loss": "hamming loss",
    "klue_f1": "KLUE's F1 (similar: 3 or more)",
    "klue_pearson": "KLUE's Pearson correlation",
    "klue_macro_f1": "KLUE's macro F1",
    "klue_accuracy": "KLUE's accuracy",
    "klue_entity_f1": "KLUE's entity macro F1",
    "klue_char_f1": "KLUE's character macro F1",
    "char_f1": "character F1 (KorQuAD)",
    "klue_exact_match": "KLUE's exact match",
    "klue_rouge_w": "KLUE's ROUGE-W",
    "has_answer_f1": "F1 where there is an answer",
    "no_answer_accuracy": "accuracy where there is none",
    "mcc": "MCC (Matthews correlation)",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "entity_f1": "entity F1",
    "entity_f1_lenient": "lenient entity F1",
    "entity_precision": "entity precision",
    "entity_recall": "entity recall",
    "map@3": "MAP@3",
    "mrr": "MRR",
    "pair_accuracy": "pair accuracy",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeLsum": "ROUGE-Lsum",
}


def greater_is_better(metric: str) -> bool:
    """Tell which way a metric goes; of an unknown one, more is better."""
    return metric not in LOWER_IS_BETTER


def range_of(metric: str) -> tuple[float, float]:
    """Return the least and the greatest value that a metric can have."""
    return -1.0 if metric in _FROM_MINUS_ONE else 0.0, math.inf if metric in _WITHOUT_END else 1.0


def in_words(metric: str) -> str:
    """Name a metric in a sentence.

    >>> in_words("macro_f1")
    'macro F1'
    """
    return _WORDS.get(metric, metric)


def table_names(metrics: Iterable[str], positive: str | None) -> dict[str, str]:
    """Name the metrics that a table shows, each number once and means over classes by name.

    Without a positive class f1 is macro_f1, and precision and recall are macro means too.

    Args:
        metrics: the keys there are, in the order of the table.
        positive: the class that f1, precision and recall are of; None: they are means.

    Returns:
        Key and name of each row of the table.
    """
    keys = list(metrics)
    if positive is not None or "macro_f1" not in keys:
        return {key: key for key in keys}
    return {key: f"macro_{key}" if key in _MACRO else key for key in keys if key != _SAME_AS_MACRO}
