"""The simple answers beside sets of labels, fitted on the model's own training rows.

`frequency` gives every row the most frequent labels, as many as have the best micro F1 on the
training rows; `tfidf` is a logistic regression for each label against the rest, over the features
that other tasks' `tfidf` has, with a threshold for each label that is chosen on the rows on which
the model's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.bundle import sound
from bertkit.data.records import Example
from bertkit.evaluation.baseline_files import FACTS_NAME, damaged, read_baseline_files, write_baseline_files
from bertkit.evaluation.features import FeatureMap, fit_features
from bertkit.evaluation.linear import LinearModel, fit_against_rest
from bertkit.evaluation.tfidf import Vocabulary
from bertkit.kinds import value_of
from bertkit.metrics.multilabel import Flags
from bertkit.tasks.multilabel import Decided, labels_of
from bertkit.tasks.thresholds import USUAL, best_thresholds

_TASK = "multilabel"


@dataclass(frozen=True)
class LabelSetBaselines:
    """The fitted baselines of sets of labels.

    `prior` is the share of the training rows that have each label, (C), `usual` the labels that
    `frequency` gives, (C) of 0 and 1, and `thresholds` those of `tfidf`, (C).
    """

    labels: tuple[str, ...]
    prior: NDArray[np.float64]
    usual: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    features: FeatureMap
    model: LinearModel

    def predict(self, examples: Sequence[Example]) -> dict[str, list[Decided]]:
        """Answer rows with each baseline; labels they carry are not looked at."""
        usual = Decided(self.prior, self.usual > 0)
        scores = self._scores(examples)
        return {
            "frequency": [usual] * len(examples),
            "tfidf": [Decided(row, row >= self.thresholds) for row in scores],
        }

    def tuned(self, examples: Sequence[Example]) -> LabelSetBaselines:
        """Return them with thresholds that are chosen on rows that were not trained on, as the model's are."""
        gold = _flags(examples, self.labels)
        return replace(self, thresholds=np.asarray(best_thresholds(gold, self._scores(examples))))

    def save(self, directory: Path) -> None:
        """Write the baselines to `baselines.json` and `baselines.safetensors` in `directory`."""
        facts = {"task": _TASK, "labels": list(self.labels), **self.features.vocabulary.facts}
        tensors: dict[str, NDArray[Any]] = {
            "prior": self.prior,
            "usual": self.usual,
            "thresholds": self.thresholds,
            **self.features.vocabulary.tensors,
            "overlap_mean": self.features.overlap_mean,
            "overlap_spread": self.features.overlap_std,
            **self.model.tensors,
        }
        write_baseline_files(directory, facts, tensors)

    def _scores(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        if not examples:
            return np.zeros((0, len(self.labels)))
        outputs = self.model.outputs(self.features.rows(examples))
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * outputs)))  # the logistic function, without overflow


def fit_label_set_baselines(
    examples: Sequence[Example],
    *,
    pair: bool,
    labels: Sequence[str],
    seed: int,
    class_weights: Sequence[float] | None = None,
) -> LabelSetBaselines:
    """Fit the baselines on training rows.

    Args:
        examples: the training rows of the model that the baselines stand beside.
        pair: whether the last text of an example is compared with those before it.
        labels: all labels of the task, in order.
        seed: sets the order in which the solver visits the rows.
        class_weights: what a row that has a label counts against one that has it not, by label, (C);
            None: all alike.
    """
    gold = _flags(examples, labels)
    features, matrix = fit_features(examples, pair=pair)
    weights = np.ones(len(labels)) if class_weights is None else np.asarray(class_weights, np.float64)
    model = fit_against_rest(matrix, gold, weights, seed=seed)
    thresholds = np.full(len(labels), USUAL)
    return LabelSetBaselines(tuple(labels), gold.mean(axis=0), _usual(gold), thresholds, features, model)


def load_label_set_baselines(directory: Path, labels: Sequence[str]) -> LabelSetBaselines:
    """Load what `LabelSetBaselines.save` wrote.

    Raises:
        RunError: a file is missing or damaged, or they are of other labels.
    """
    facts, tensors = read_baseline_files(directory)
    with sound(directory / FACTS_NAME):
        vocabulary = Vocabulary.from_files(facts, tensors)
        features = FeatureMap(vocabulary, tensors["overlap_mean"], tensors["overlap_spread"])
        found = LabelSetBaselines(
            value_of(tuple[str, ...], facts.get("labels"), "labels"),
            tensors["prior"],
            tensors["usual"],
            tensors["thresholds"],
            features,
            LinearModel(tensors["weights"], tensors["intercept"]),
        )
    if facts.get("task") != _TASK or found.labels != tuple(labels) or not _fits_together(found):
        raise damaged(directory)
    return found


def _fits_together(found: LabelSetBaselines) -> bool:
    """Tell whether the sizes of all parts agree, so that `predict` cannot stumble."""
    count, features = len(found.labels), found.features
    sizes: list[tuple[NDArray[Any], tuple[int, ...]]] = [
        *features.vocabulary.sizes,
        *((array, (count,)) for array in (found.prior, found.usual, found.thresholds, found.model.intercept)),
        (found.model.weights, (count, features.width)),
        (features.overlap_std, features.overlap_mean.shape),
    ]
    known = len(features.overlap_mean) in (0, features.overlaps)
    return known and all(array.shape == shape for array, shape in sizes)


def _flags(examples: Sequence[Example], labels: Sequence[str]) -> Flags:
    place = {label: i for i, label in enumerate(labels)}
    flags = np.zeros((len(examples), len(labels)), bool)
    for i, example in enumerate(examples):
        flags[i, [place[label] for label in labels_of(example) if label in place]] = True
    return flags


def _usual(gold: Flags) -> NDArray[np.float64]:
    """Return the set of labels that has the best micro F1 when every row gets it, (C) of 0 and 1."""
    counts = gold.sum(axis=0)
    order = np.argsort(-counts, kind="stable")
    right = np.cumsum(counts[order])
    given = len(gold) * np.arange(1, len(order) + 1)
    best = int(np.argmax(2.0 * right / (given + counts.sum()))) if counts.any() else -1
    usual = np.zeros(len(counts))
    usual[order[: best + 1]] = 1.0
    return usual
