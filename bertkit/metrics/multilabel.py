"""Scores of sets of labels and of ranked choices: micro and macro F1, exact match, precision of rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertkit.metrics.classification import LEAST_PROBABILITY, Tallies, ratio
from bertkit.metrics.intervals import MOST_DRAWN, Draws, Interval, bootstrap_cells, bootstrap_chunks, mean_intervals

# --- Scores of sets of labels: micro and macro F1, exact match, ranking precision, hamming loss ---
#
# Shapes in the margin: N rows, C labels, D draws. The figures are those of scikit-learn
# (`f1_score`, `accuracy_score`, `label_ranking_average_precision_score`, `hamming_loss`), a ratio
# without a denominator being 0.

Flags = NDArray[np.bool_]
_CELLS = 2**22  # comparisons of labels that are held at once
_MOST_SETS = 2**17  # different pairs of sets that are drawn one by one; of more it is rows that are drawn


@dataclass(frozen=True)
class AnsweredSets:
    """What a model says of N rows: how likely each label is, (N, C), and which it takes, (N, C)."""

    scores: NDArray[np.float64]
    chosen: Flags


def multilabel_metrics(gold: Flags, answered: AnsweredSets) -> dict[str, float]:
    """Compute micro_f1, macro_f1, exact_match, lrap, hamming_loss, micro precision and recall, and the loss.

    Args:
        gold: the labels that rows have, (N, C).
        answered: what was said of them.
    """
    if not len(gold):
        return dict.fromkeys(_NAMES, 0.0)
    rows = _row_figures(gold, answered)
    means = {name: float(values.mean()) for name, values in rows.items()}
    return {**_of_tallies(_tallies(gold, answered.chosen)), **means}


def multilabel_intervals(gold: Flags, answered: AnsweredSets, seed: int = 0) -> dict[str, Interval]:
    """Return the bootstrap interval of each metric of `multilabel_metrics`, over rows."""
    if (found := _sets_of_many(gold, [answered], seed)) is not None:
        return found
    count = _drawn(gold, answered)
    return bootstrap_chunks(count, len(gold), seed=seed)


def multilabel_difference(
    gold: Flags, model: AnsweredSets, baseline: AnsweredSets, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of model minus baseline for each metric, rows paired."""
    if (found := _sets_of_many(gold, [model, baseline], seed)) is not None:
        return found
    mine, others = _drawn(gold, model), _drawn(gold, baseline)

    def score(draws: Draws) -> dict[str, NDArray[np.float64]]:
        of_baseline = others(draws)
        return {name: values - of_baseline[name] for name, values in mine(draws).items()}

    return bootstrap_chunks(score, len(gold), seed=seed)


def multilabel_per_label(gold: Flags, chosen: Flags, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Compute precision, recall, f1, support (gold rows) and predicted (rows) of each label."""
    tallies = _tallies(gold, chosen)
    columns = {
        "precision": ratio(tallies.correct, tallies.predicted),
        "recall": ratio(tallies.correct, tallies.gold),
        "f1": ratio(2.0 * tallies.correct, tallies.gold + tallies.predicted),
    }
    return {
        label: {
            **{name: float(values[i]) for name, values in columns.items()},
            "support": int(tallies.gold[i]),
            "predicted": int(tallies.predicted[i]),
        }
        for i, label in enumerate(labels)
    }


def ranking_precisions(gold: Flags, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of each row how many of the labels ranked as high as each of its own are its own, on average, (N).

    A row with all labels or with none counts 1; of equal scores the worst rank counts.
    """
    found = np.ones(len(gold))
    step = max(1, _CELLS // max(1, gold.shape[1] ** 2))
    for start in range(0, len(gold), step):
        own, given = gold[start : start + step], scores[start : start + step]
        above = given[:, None, :] >= given[:, :, None]  # (rows, C, C): is the second label as likely as the first?
        ranks = above.sum(axis=2)
        right = (above & own[:, None, :]).sum(axis=2)
        count = own.sum(axis=1)
        means = ratio((np.asarray(right / ranks) * own).sum(axis=1), count.astype(np.float64))
        found[start : start + step] = np.where((count == 0) | (count == own.shape[1]), 1.0, means)
    return found


def row_losses(gold: Flags, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the binary cross entropy of each row, a mean over labels, (N)."""
    given = np.where(gold, scores, 1.0 - scores)
    return np.asarray(-np.log(np.maximum(given, LEAST_PROBABILITY)).mean(axis=1))


_NAMES = (
    *("micro_f1", "macro_f1", "micro_precision", "micro_recall"),
    *("exact_match", "lrap", "hamming_loss", "loss"),
)


def _row_figures(gold: Flags, answered: AnsweredSets) -> dict[str, NDArray[np.float64]]:
    """Return the figures that are means over rows, (N) each."""
    differ = gold != answered.chosen
    return {
        "exact_match": (~differ.any(axis=1)).astype(np.float64),
        "lrap": ranking_precisions(gold, answered.scores),
        "hamming_loss": differ.mean(axis=1),
        "loss": row_losses(gold, answered.scores),
    }


def _tallies(gold: Flags, chosen: Flags) -> Tallies:
    return Tallies(
        correct=(gold & chosen).sum(axis=0).astype(np.float64),
        gold=gold.sum(axis=0).astype(np.float64),
        predicted=chosen.sum(axis=0).astype(np.float64),
    )


def _of_tallies(tallies: Tallies) -> dict[str, float]:
    return {name: float(value) for name, value in _tallied(tallies).items()}


def _tallied(tallies: Tallies) -> dict[str, NDArray[np.float64]]:
    """Compute what follows from the counts of each label, labels on the last axis."""
    correct, gold, predicted = tallies.correct, tallies.gold, tallies.predicted
    all_correct, all_gold, all_predicted = (counts.sum(axis=-1) for counts in (correct, gold, predicted))
    return {
        "micro_f1": ratio(2.0 * all_correct, all_gold + all_predicted),
        "macro_f1": np.asarray(ratio(2.0 * correct, gold + predicted).mean(axis=-1)),
        "micro_precision": ratio(all_correct, all_predicted),
        "micro_recall": ratio(all_correct, all_gold),
    }


def _drawn(gold: Flags, answered: AnsweredSets) -> Callable[[Draws], dict[str, NDArray[np.float64]]]:
    """Prepare to compute the metrics of drawn rows; (D) each."""
    parts = (gold & answered.chosen, gold, answered.chosen)
    counts = np.concatenate([part.astype(np.float32) for part in parts], axis=1)  # (N, 3C)
    rows, n = _row_figures(gold, answered), len(gold)

    def score(draws: Draws) -> dict[str, NDArray[np.float64]]:
        times = np.stack([np.bincount(draw, minlength=n) for draw in draws])  # (D, N)
        sums = (times.astype(np.float32) @ counts).astype(np.float64)
        correct, of_gold, predicted = np.split(sums, 3, axis=1)
        means = {name: times @ values / n for name, values in rows.items()}
        return {**_tallied(Tallies(correct, of_gold, predicted)), **means}

    return score


def _sets_of_many(gold: Flags, answers: Sequence[AnsweredSets], seed: int) -> dict[str, Interval] | None:
    """Return the intervals of one answer, or of the first less the second, without drawing row by row.

    Rows with the same sets of labels, own and chosen ones, are drawn together; what probabilities decide is a mean
    of its own. None: rows are few, or hardly two are alike.
    """
    n, labels = gold.shape
    if n <= MOST_DRAWN:
        return None
    packed = np.packbits(np.concatenate([gold, *(own.chosen for own in answers)], axis=1), axis=1)
    different, counts = np.unique(packed, axis=0, return_counts=True)
    if len(different) > min(_MOST_SETS, n // 4):
        return None
    sets = np.unpackbits(different, axis=1, count=labels * (1 + len(answers))).astype(bool)
    own, *chosen = np.split(sets, 1 + len(answers), axis=1)
    columns = [_columns_of_sets(own, taken) for taken in chosen]

    def score(times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        found = [_of_sums(times @ of_sets, labels, n) for of_sets in columns]
        return {name: _first_less(*(each[name] for each in found)) for name in found[0]}

    rows = [{"lrap": ranking_precisions(gold, each.scores), "loss": row_losses(gold, each.scores)} for each in answers]
    means = mean_intervals({name: _first_less(*(each[name] for each in rows)) for name in rows[0]}, seed)
    every = bootstrap_cells(score, counts, seed) | means
    return {name: every[name] for name in _NAMES}


def _columns_of_sets(own: Flags, chosen: Flags) -> NDArray[np.float64]:
    """Return what pairs of sets add to the sums that decide by themselves, (sets, 3C + 2)."""
    differ = own != chosen
    alike, share = ~differ.any(axis=1, keepdims=True), differ.mean(axis=1, keepdims=True)
    return np.concatenate([own & chosen, own, chosen, alike, share], axis=1, dtype=np.float64)


def _of_sums(sums: NDArray[np.float64], labels: int, n: int) -> dict[str, NDArray[np.float64]]:
    """Compute the figures of draws of n rows from the sums of `_columns_of_sets`, (D, 3C + 2)."""
    correct, gold, predicted = np.split(sums[:, : 3 * labels], 3, axis=1)
    return {
        **_tallied(Tallies(correct, gold, predicted)),
        "exact_match": sums[:, -2] / n,
        "hamming_loss": sums[:, -1] / n,
    }


def _first_less(first: NDArray[np.float64], *second: NDArray[np.float64]) -> NDArray[np.float64]:
    return first - second[0] if second else first


# --- Scores of ranked choices: where the right one stands among those of its row ------------------
#
# Rows may differ in how many choices they have. A row's choices are ranked by probability;
# equal ones keep the order in which they stand, so that probabilities which are all the
# same would score the order of the file and not the model.

Probabilities = Sequence[NDArray[np.float64]]
"""The probability of each choice, one array for each row."""

_CUTOFF = 3


def ranking_metrics(gold: Sequence[int], probabilities: Probabilities) -> dict[str, float]:
    """Compute accuracy, hit@1, map@3, mrr and loss; all 0.0 for no rows.

    With one right choice a row, hit@1 is the accuracy, mrr is the mean of 1 / rank, and
    map@3 the same with 0 where the right choice is not among the first three. The loss
    is the cross entropy, in nats.

    Args:
        gold: the place of the right choice of each row, from 0.
        probabilities: the probabilities of each row's choices.

    Raises:
        ValueError: the two differ in length, a row has no such choice, or a probability
            is not finite.
    """
    values = _values_of_rows(gold, probabilities)
    return {name: float(value.mean()) if len(value) else 0.0 for name, value in values.items()}


def ranking_intervals(gold: Sequence[int], probabilities: Probabilities, seed: int = 0) -> dict[str, Interval]:
    """Return the bootstrap interval of each metric of `ranking_metrics`."""
    return mean_intervals(_values_of_rows(gold, probabilities), seed)


def ranking_difference(
    gold: Sequence[int], model: Probabilities, baseline: Probabilities, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of model minus baseline for each metric of `ranking_metrics`, on the same draws."""
    mine, others = (_values_of_rows(gold, probabilities) for probabilities in (model, baseline))
    return mean_intervals({name: mine[name] - others[name] for name in mine}, seed)


def gold_ranks(gold: Sequence[int], probabilities: Probabilities) -> NDArray[np.int64]:
    """Return the rank of the right choice of each row, from 1; of equal choices the first ranks higher.

    Raises:
        ValueError: as `ranking_metrics`.
    """
    return _ranks_and_gold(gold, probabilities)[0]


def _values_of_rows(gold: Sequence[int], probabilities: Probabilities) -> dict[str, NDArray[np.float64]]:
    """Return what each row adds to the mean that a metric is, (rows) each."""
    ranks, right = _ranks_and_gold(gold, probabilities)
    first = (ranks == 1).astype(np.float64)
    reciprocal = 1.0 / ranks
    return {
        "accuracy": first,
        "hit@1": first,
        "map@3": np.where(ranks <= _CUTOFF, reciprocal, 0.0),
        "mrr": reciprocal,
        "loss": -np.log(np.maximum(right, LEAST_PROBABILITY)),
    }


def _ranks_and_gold(gold: Sequence[int], probabilities: Probabilities) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rank and the probability of each row's right choice."""
    if len(gold) != len(probabilities):
        raise ValueError(f"{len(gold)} gold choices and {len(probabilities)} rows of probabilities")
    if not len(gold):
        return np.zeros(0, np.int64), np.zeros(0)
    sizes = np.asarray([len(row) for row in probabilities], np.int64)
    places = np.asarray(gold, np.int64)
    outside = np.flatnonzero((places < 0) | (places >= sizes))
    if len(outside):
        row = outside[0]
        raise ValueError(f"row {row} has {sizes[row]} choices, and its gold choice is {places[row]}")
    flat = np.concatenate(probabilities).astype(np.float64)
    if not np.isfinite(flat).all():
        raise ValueError("a probability is not finite")
    starts = np.cumsum(sizes) - sizes
    right = flat[starts + places]
    right_of_choice, is_earlier = np.repeat(right, sizes), np.arange(len(flat)) < np.repeat(starts + places, sizes)
    ahead = (flat > right_of_choice) | ((flat == right_of_choice) & is_earlier)
    return 1 + np.add.reduceat(ahead.astype(np.int64), starts), right
