"""Scores of found entities: precision, recall and F1 over exact (start, end, label).

An entity counts as found if place and label are right, and as wrong in every other case
(CoNLL-2003; Tjong Kim Sang and De Meulder 2003). All figures are micro averages: they
follow from three counts per sentence, so that a thousand resampled sets of sentences are
scored as sums of counts. A ratio without a denominator is 0.0.

Strict and lenient figures differ in how tags are read as entities, which is not told here:
`tag_metrics` is handed both readings as functions, and the others take entities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.classification import ratio
from bertkit.metrics.intervals import Draws, Interval, bootstrap_chunks

Spans = Collection[tuple[int, int, str]]
"""The entities of one sentence: start, end, label; start and end in characters or in tokens."""
ReadTags = Callable[[Sequence[str]], Spans]
"""Reads the tags of one sentence as entities."""

_Counts = NDArray[np.float64]


def tagging_metrics(
    gold: Sequence[Spans], predicted: Sequence[Spans]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Compute entity_precision, entity_recall and entity_f1, and figures per label.

    Args:
        gold: the true entities of each sentence.
        predicted: those found.

    Returns:
        The metrics; and by label, in code-point order, precision, recall, f1, support
        (gold entities) and predicted (entities).

    Raises:
        ValueError: the sequences differ in length.
    """
    sums = _sentence_counts(gold, predicted).sum(axis=0)
    return {name: float(value) for name, value in _count_metrics(sums).items()}, _per_label(gold, predicted)


def tag_metrics(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, strict: ReadTags, lenient: ReadTags
) -> dict[str, float]:
    """Compute the metrics of `tagging_metrics` and entity_f1_lenient from sequences of tags.

    Gold and predicted tags are read the same way, strictly for one and leniently for the other.

    Raises:
        ValueError: there are more sequences of one kind, or two of a pair differ in length.
    """
    for true, given in zip(gold, predicted, strict=True):
        if len(true) != len(given):
            raise ValueError(f"{len(true)} gold tags and {len(given)} predicted ones")
    strictly, _ = tagging_metrics([strict(tags) for tags in gold], [strict(tags) for tags in predicted])
    leniently, _ = tagging_metrics([lenient(tags) for tags in gold], [lenient(tags) for tags in predicted])
    return {**strictly, "entity_f1_lenient": leniently["entity_f1"]}


def tagging_intervals(gold: Sequence[Spans], predicted: Sequence[Spans], *, seed: int = 0) -> dict[str, Interval]:
    """Return the bootstrap interval of each metric of `tagging_metrics`, over sentences.

    Raises:
        ValueError: the sequences differ in length.
    """
    counts = _sentence_counts(gold, predicted)
    return bootstrap_chunks(lambda draws: _drawn_metrics(counts, draws), len(gold), seed=seed)


def tagging_difference(
    gold: Sequence[Spans], model: Sequence[Spans], baseline: Sequence[Spans], *, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of model minus baseline for each metric, on the same drawn sentences.

    Raises:
        ValueError: the sequences differ in length.
    """
    mine, others = _sentence_counts(gold, model), _sentence_counts(gold, baseline)

    def score(draws: Draws) -> dict[str, _Counts]:
        of_mine, of_others = _drawn_metrics(mine, draws), _drawn_metrics(others, draws)
        return {name: of_mine[name] - of_others[name] for name in of_mine}

    return bootstrap_chunks(score, len(gold), seed=seed)


def _sentence_counts(gold: Sequence[Spans], predicted: Sequence[Spans]) -> _Counts:
    """Count the correct, gold and predicted entities of each sentence; shape (sentences, 3)."""
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold sentences and {len(predicted)} predicted ones")
    pairs = [(set(true), set(found)) for true, found in zip(gold, predicted, strict=True)]
    rows = [(len(true & found), len(true), len(found)) for true, found in pairs]
    return np.asarray(rows, np.float64).reshape(len(gold), 3)


def _drawn_metrics(counts: _Counts, draws: Draws) -> dict[str, _Counts]:
    # one column at a time, so that no more than one number per drawn sentence is held
    return _count_metrics(np.stack([column[draws].sum(axis=1) for column in counts.T], axis=1))


def _count_metrics(sums: _Counts) -> dict[str, _Counts]:
    """Compute the metrics from counts on the last axis; each has the shape of `sums` less that axis."""
    correct, gold, predicted = (sums[..., column] for column in range(3))
    return {
        "entity_precision": ratio(correct, predicted),
        "entity_recall": ratio(correct, gold),
        "entity_f1": ratio(2.0 * correct, gold + predicted),
    }


def _per_label(gold: Sequence[Spans], predicted: Sequence[Spans]) -> dict[str, dict[str, float]]:
    correct, support, given = Counter[str](), Counter[str](), Counter[str]()
    for true, found in zip(gold, predicted, strict=True):
        support.update(label for _, _, label in set(true))
        given.update(label for _, _, label in set(found))
        correct.update(label for _, _, label in set(true) & set(found))
    return {
        label: {
            "precision": _share(correct[label], given[label]),
            "recall": _share(correct[label], support[label]),
            "f1": _share(2 * correct[label], support[label] + given[label]),
            "support": support[label],
            "predicted": given[label],
        }
        for label in sorted(support | given)
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
