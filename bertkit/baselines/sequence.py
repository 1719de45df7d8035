"""The baselines of labels, numbers and sets of labels, fitted on the model's own training rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.baselines.pairs import FeatureMap, WordVectors, fit_features
from bertkit.baselines.tfidf import (
    FACTS_NAME,
    MANY_CLASSES,
    CentroidModel,
    LinearModel,
    Vocabulary,
    centroids_from,
    damaged,
    fit_against_rest,
    fit_centroids,
    fit_logistic,
    fit_ridge,
    holds_centroids,
    output_count,
    read_baseline_files,
    write_baseline_files,
)
from bertkit.bundle import sound
from bertkit.cache import scratch_array
from bertkit.compute.device import give_back_growth
from bertkit.data.records import Example, unmark
from bertkit.data.store import MANY, parts_of
from bertkit.errors import DataError
from bertkit.kinds import value_of
from bertkit.metrics.multilabel import Flags
from bertkit.plain import quoted
from bertkit.tasks.multilabel import USUAL, Decided, best_thresholds, labels_of
from bertkit.tasks.objectives import MANY_LABELS, likeliest

# --- The simple answers beside a label or a number, fitted on the model's own training rows -------
#
# For labels: `majority` (the most frequent label, whatever the text) and `tfidf`
# (logistic regression over words, word pairs and character n-grams; for pairs, over what
# the two sentences share; of more than 500 labels the nearest mean row). For scores: `mean`
# and `tfidf` with ridge regression. A model that does not beat them has learned little from
# its texts.

_TASKS = ("classify", "relation", "regression")
# Rows whose probabilities are held at once where labels are many.
_BLOCK = 512


@dataclass(frozen=True)
class BaselinePrediction:
    """What one baseline says about some rows.

    Classification fills `labels` (rows) and `probabilities` (rows, labels), in the
    order of `SequenceBaselines.labels`; regression fills `scores` (rows).
    """

    labels: tuple[str, ...] = ()
    probabilities: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None

    def as_outputs(self) -> NDArray[np.float64]:
        """Return probabilities (rows, labels), or scores (rows, 1)."""
        if self.probabilities is not None:
            return self.probabilities
        return np.zeros((0, 1)) if self.scores is None else self.scores[:, None]


@dataclass(frozen=True)
class SequenceBaselines:
    """The fitted baselines of one task.

    `prior` is the share of each label in the training rows, or their mean score alone;
    `bounds` are the lowest and highest training score (0 and 1 for labels). `threshold` is that of
    the positive label of two, chosen on the rows on which the model's is; 0: there is none.
    """

    task: str
    labels: tuple[str, ...]
    prior: NDArray[np.float64]
    bounds: tuple[float, float]
    features: FeatureMap
    model: LinearModel | CentroidModel
    threshold: float = 0.0

    def predict(self, examples: Sequence[Example]) -> dict[str, list[Any]]:
        """Give each baseline's answers in the form of a model's outputs: for each row (labels) or (1).

        Where labels are many it is what is kept of them, with what each row's own label got.
        """
        if len(self.labels) > MANY_LABELS:
            return self._likeliest(examples)
        if len(examples) < MANY:
            return {name: list(answer.as_outputs()) for name, answer in self.answers(examples).items()}
        return self._answered_in_parts(examples)

    def _answered_in_parts(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Answer many rows, some thousands at a time, into arrays that are not held in memory."""
        tables: dict[str, NDArray[np.float64]] = {}
        start = 0
        for part in parts_of(examples):
            for name, answer in self.answers(part).items():
                found = answer.as_outputs()
                if name not in tables:
                    tables[name] = scratch_array((len(examples), found.shape[1]), "float64")
                tables[name][start : start + len(part)] = found
            start += len(part)
            give_back_growth()
        return tables

    def _likeliest(self, examples: Sequence[Example]) -> dict[str, list[Any]]:
        place = {label: i for i, label in enumerate(self.labels)}
        own = [place.get(example.label or "", -1) for example in examples]
        usual = likeliest(self.prior, -1)
        majority = [replace(usual, own=i, own_probability=float(self.prior[i]) if i >= 0 else 0.0) for i in own]
        tfidf: list[Any] = []
        for start in range(0, len(examples), _BLOCK):
            probabilities = self._probabilities(examples[start : start + _BLOCK])
            tfidf += [likeliest(row, i) for row, i in zip(probabilities, own[start:], strict=False)]
        return {"majority": majority, "tfidf": tfidf}

    def answers(self, examples: Sequence[Example]) -> dict[str, BaselinePrediction]:
        """Answer `examples` with each baseline, by its name; labels they carry are not looked at."""
        if self.task == "regression":
            mean = np.full(len(examples), self.prior[0])
            return {
                "mean": BaselinePrediction(scores=mean),
                "tfidf": BaselinePrediction(scores=self._scores(examples)),
            }
        prior = np.broadcast_to(self.prior, (len(examples), len(self.prior)))
        return {
            "majority": self._decided(prior),
            "tfidf": self._decided(self._probabilities(examples)),
        }

    def save(self, directory: Path) -> None:
        """Write the baselines to `baselines.json` and `baselines.safetensors` in `directory`."""
        vocabulary = self.features.vocabulary
        facts = {
            "task": self.task,
            "labels": list(self.labels),
            "bounds": list(self.bounds),
            **({"threshold": self.threshold} if self.threshold else {}),
            **vocabulary.facts,
        }
        tensors: dict[str, NDArray[Any]] = {
            "prior": self.prior,
            **vocabulary.tensors,
            "overlap_mean": self.features.overlap_mean,
            "overlap_spread": self.features.overlap_std,
            **self.model.tensors,
        }
        write_baseline_files(directory, facts, tensors)

    def _scores(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        if not examples:
            return np.zeros(0)
        assert isinstance(self.model, LinearModel)
        return np.clip(self.model.outputs(self.features.rows(examples))[:, 0], *self.bounds)

    def _probabilities(self, examples: Sequence[Example]) -> NDArray[np.float64]:
        found = np.zeros((len(examples), len(self.labels)))
        if examples:
            found[:, self.prior > 0] = self.model.probabilities(self.features.rows(_as_read(examples, self.task)))
        return found

    def _decided(self, probabilities: NDArray[np.float64]) -> BaselinePrediction:
        labels = tuple(self.labels[i] for i in probabilities.argmax(axis=1))
        return BaselinePrediction(labels, probabilities)


def fit_sequence_baselines(
    examples: Sequence[Example],
    *,
    task: str,
    pair: bool,
    labels: Sequence[str],
    seed: int,
    vectors: WordVectors | None = None,
    class_weights: Sequence[float] | None = None,
) -> SequenceBaselines:
    """Fit the baselines of `task` on training rows; rows without a label are left out.

    Args:
        examples: the training rows of the model that the baselines stand beside.
        task: "classify", "relation" or "regression".
        pair: whether the last text of an example is compared with those before it.
        labels: all labels of the task, in order; not used by regression. A label without
            a training row is never predicted.
        seed: sets the order in which the solver of logistic regression visits the rows.
        vectors: compare the words of pairs, where given.
        class_weights: what a row of each label counts in `tfidf`, in the order of `labels`, 1 on
            average over the rows; None: all alike.

    Raises:
        DataError: there is no row with a label, a label is not among `labels`, or a
            score is not a finite number.
        ValueError: there are no baselines for `task`.
    """
    if task not in _TASKS:
        raise ValueError(f"no baselines for the task {task!r}")
    rows = [example for example in examples if example.label is not None]
    if not rows:
        raise DataError("no training row has a label, so there is nothing to fit baselines on.")
    if task == "regression":
        scores = np.asarray([_score(row) for row in rows])
        features, matrix = fit_features(rows, pair=pair, vectors=vectors)
        bounds = (float(scores.min()), float(scores.max()))
        return SequenceBaselines(task, (), np.asarray([scores.mean()]), bounds, features, fit_ridge(matrix, scores))
    place = {label: i for i, label in enumerate(labels)}
    classes = np.asarray([_class(row, place) for row in rows])
    present, numbers = np.unique(classes, return_inverse=True)
    features, matrix = fit_features(_as_read(rows, task), pair=pair, vectors=vectors)
    weights = None if class_weights is None else np.asarray(class_weights, np.float64)[classes]
    model: LinearModel | CentroidModel
    if len(present) > MANY_CLASSES:
        model = fit_centroids(matrix, numbers, len(present))
    else:
        model = fit_logistic(matrix, numbers, len(present), seed=seed, row_weights=weights)
    prior = np.bincount(classes, minlength=len(labels)) / len(rows)
    return SequenceBaselines(task, tuple(labels), prior, (0.0, 1.0), features, model)


def load_sequence_baselines(directory: Path, vectors: WordVectors | None = None) -> SequenceBaselines:
    """Load what `SequenceBaselines.save` wrote; the predictions are the same to the last bit.

    Args:
        directory: holds the files.
        vectors: those with which they were fitted, which are not among the files.

    Raises:
        RunError: a file is missing, damaged, or written by a newer bertkit.
    """
    facts, tensors = read_baseline_files(directory)
    with sound(directory / FACTS_NAME):
        baselines = _from_files(facts, tensors, vectors)
    if not _classes_fit_together(baselines):
        raise damaged(directory)
    return baselines


def _from_files(
    facts: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], vectors: WordVectors | None
) -> SequenceBaselines:
    vocabulary = Vocabulary.from_files(facts, tensors)
    features = FeatureMap(vocabulary, tensors["overlap_mean"], tensors["overlap_spread"], vectors)
    model: LinearModel | CentroidModel
    if holds_centroids(tensors):
        model = centroids_from(tensors, features.width)
    else:
        model = LinearModel(tensors["weights"], tensors["intercept"])
    return SequenceBaselines(
        task=value_of(str, facts.get("task"), "task"),
        labels=value_of(tuple[str, ...], facts.get("labels"), "labels"),
        prior=tensors["prior"],
        bounds=value_of(tuple[float, float], facts.get("bounds"), "bounds"),
        features=features,
        model=model,
        threshold=value_of(float, facts.get("threshold", 0.0), "threshold"),
    )


def _classes_fit_together(baselines: SequenceBaselines) -> bool:
    """Tell whether the sizes of all parts agree, so that `predict` cannot stumble."""
    vocabulary, features = baselines.features.vocabulary, baselines.features
    if baselines.task == "regression":
        outputs, priors = 1, 1
    else:
        outputs, priors = output_count(int((baselines.prior > 0).sum())), len(baselines.labels)
    sizes: list[tuple[NDArray[Any], tuple[int, ...]]] = [
        (baselines.prior, (priors,)),
        *vocabulary.sizes,
        (features.overlap_std, features.overlap_mean.shape),
    ]
    model = baselines.model
    if isinstance(model, CentroidModel):
        if baselines.task == "regression" or model.shape != (outputs, features.width):
            return False
    else:
        sizes += [(model.weights, (outputs, features.width)), (model.intercept, (outputs,))]
    known = baselines.task in _TASKS and len(features.overlap_mean) in (0, features.overlaps)
    return known and all(array.shape == shape for array, shape in sizes)


def _as_read(examples: Sequence[Example], task: str) -> Sequence[Example]:
    """Return rows as the baseline reads them: of relations the bare text, and words that say what is marked."""
    if task != "relation":
        return examples
    return [replace(example, texts=(_with_marked_words(example.texts[0]),)) for example in examples]


def _with_marked_words(text: str) -> str:
    """Write the words and types of the two entities behind a text, so that they are other words than the text's.

    >>> _with_marked_words("<subj> ORG | Mill </subj> founded <obj> Arl </obj>.")
    'Mill founded Arl. subjORG subjMill objArl'
    """
    found = unmark(text)
    own = zip(("subj", "obj"), found.types, found.words, strict=True)
    words = [f"{part}{word}" for part, type_, said in own for word in (*type_.split(), *said.split())]
    return " ".join([found.text, *words])


def _score(example: Example) -> float:
    try:
        score = float(example.label or "")
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise DataError.at(
            example.source,
            example.line,
            f"the score {quoted(example.label)} is not a finite number; fix or remove the row.",
        )
    return score


def _class(example: Example, place: Mapping[str, int]) -> int:
    if example.label is None or example.label not in place:
        raise DataError.at(
            example.source,
            example.line,
            f"the label {quoted(example.label)} is not among the labels of the task; fix or remove the row.",
        )
    return place[example.label]


# --- The simple answers beside sets of labels, fitted on the model's own training rows ------------
#
# `frequency` gives every row the most frequent labels, as many as have the best micro F1 on the
# training rows; `tfidf` is a logistic regression for each label against the rest, over the features
# that other tasks' `tfidf` has, with a threshold for each label that is chosen on the rows on which
# the model's are.

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
    if facts.get("task") != _TASK or found.labels != tuple(labels) or not _sets_fit_together(found):
        raise damaged(directory)
    return found


def _sets_fit_together(found: LabelSetBaselines) -> bool:
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
