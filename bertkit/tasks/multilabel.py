"""multilabel: any number of labels for a text, a pair, or several columns.

Each label has a sigmoid of its own and binary cross entropy; which labels a row gets is
decided by a threshold for each label, chosen on the validation rows and stored with the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.device import each_by_itself
from bertkit.data.records import Example, LabelSet
from bertkit.data.values import is_number
from bertkit.errors import DataError, UsageError
from bertkit.metrics.classification import ratio
from bertkit.metrics.multilabel import (
    AnsweredSets,
    Flags,
    multilabel_difference,
    multilabel_intervals,
    multilabel_metrics,
    multilabel_per_label,
    row_losses,
)
from bertkit.metrics.probabilities import calibration_error, calibration_interval, label_temperature, tempered_labels
from bertkit.plain import listed, quoted
from bertkit.tasks.base import Interval, Mistakes, Outputs, Scores, TaskSettings, TrainingOptions
from bertkit.tasks.rows import in_order, named_numbers
from bertkit.tasks.sequence import SequenceTask
from bertkit.tokenization.base import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder, SequenceModel

# --------------------------------------------------------------------------------------------------
# From how likely each label is to which a row gets: a threshold for each, chosen on rows with known labels.

USUAL = 0.5
# Rows with a label below which its own best threshold is noise, and that of all labels is taken.
FEW_ROWS = 10


def best_thresholds(gold: Flags, scores: NDArray[np.float64]) -> tuple[float, ...]:
    """Choose the threshold of each label by its F1; of labels in few rows, the one of all by micro F1.

    Args:
        gold: the labels of rows that were not trained on, (N, C).
        scores: how likely each label is, (N, C).
    """
    shared = best_threshold(gold, scores)
    return tuple(
        _best(gold[:, i], scores[:, i], shared) if gold[:, i].sum() >= FEW_ROWS else shared
        for i in range(gold.shape[1])
    )


def best_threshold(gold: Flags, scores: NDArray[np.float64]) -> float:
    """Choose one threshold for all labels, by micro F1; the arguments are those of `best_thresholds`."""
    return _best(gold.ravel(), scores.ravel(), USUAL)


def _best(gold: Flags, scores: NDArray[np.float64], otherwise: float) -> float:
    """Return the threshold with the best F1, half way between two scores; of equal ones the nearest to `otherwise`."""
    if not gold.any():
        return otherwise
    order = np.argsort(-scores, kind="stable")
    falling, right = scores[order], np.cumsum(gold[order])
    taken = np.arange(1, len(falling) + 1)
    # A threshold lies between two different scores; the last one takes all rows.
    ends = np.flatnonzero(np.append(falling[:-1] != falling[1:], True))
    f1 = ratio(np.asarray(2.0 * right[ends], np.float64), (taken[ends] + gold.sum()).astype(np.float64))
    below = np.append(falling, 0.0)[ends + 1]
    cuts = (falling[ends] + below) / 2.0
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(cuts[best[np.abs(cuts[best] - otherwise).argmin()]])


def parse_thresholds(word: str, labels: Sequence[str]) -> dict[str, float]:
    """Read --threshold: one number for all labels, or label=P,label=P.

    Returns:
        The thresholds that were named, by label.

    Raises:
        UsageError: it is neither, a number is not from 0 to 1, or no label is called so.
    """
    if is_number(word.strip()):
        return dict.fromkeys(labels, _probability(word.strip(), word))
    found: dict[str, float] = {}
    for label, value in named_numbers(word):
        if not label or label in found:
            raise UsageError(f"--threshold {quoted(word)}: must be a number from 0 to 1, or label=P,label=P.")
        if label not in labels:
            raise UsageError(
                f"--threshold: no label is called {quoted(label)}; there are {listed(labels, quotes=False)}."
            )
        found[label] = _probability(value, word)
    return found


def _probability(value: str, word: str) -> float:
    if not is_number(value) or not 0.0 <= float(value) <= 1.0:
        raise UsageError(f"--threshold {quoted(word)}: a threshold is a number from 0 to 1.")
    return float(value)


class Decided:
    """How likely each label of a row is, (C), with the labels that whoever said so takes, (C).

    A model's own answers are likelihoods alone, for its thresholds are the task's.
    """

    __slots__ = ("chosen", "scores")

    def __init__(self, scores: NDArray[np.float64], chosen: Flags) -> None:
        self.scores = scores
        self.chosen = chosen


class LabelSetObjective:
    """A sigmoid for each label, binary cross entropy.

    Args:
        settings: has the labels, and once a training is over the threshold of each.
    """

    def __init__(self, settings: TaskSettings) -> None:
        self.labels = settings.labels
        self.thresholds = settings.thresholds
        self.n_outputs = len(settings.labels)
        self._index = {label: i for i, label in enumerate(settings.labels)}

    def target(self, example: Example) -> tuple[float, ...]:
        """Return 1 for each label that the row has and 0 for the others.

        Raises:
            DataError: training never saw a label.
        """
        target = [0.0] * len(self.labels)
        for label in labels_of(example):
            if label not in self._index:
                known = listed(self.labels, quotes=False)
                message = f"label {quoted(label)} is not in the training rows; they have {known}."
                raise DataError.at(example.source, example.line, message)
            target[self._index[label]] = 1.0
        return tuple(target)

    def losses(self, logits: Tensor, targets: Tensor, options: TrainingOptions) -> Tensor:
        """Binary cross entropy of each row, the mean over its labels; weights are those of rows that have a label."""
        from torch.nn import functional

        if options.label_smoothing:
            targets = targets * (1.0 - options.label_smoothing) + options.label_smoothing / 2.0
        weights = None if options.class_weights is None else targets.new_tensor(options.class_weights)
        losses = functional.binary_cross_entropy_with_logits(
            logits.float(), targets, reduction="none", pos_weight=weights
        )  # (B, C)
        return losses.mean(dim=-1)

    def outputs(self, logits: Tensor) -> NDArray[np.float64]:
        """Return the probability of each label, (B, C)."""
        return each_by_itself(logits)

    def gold_numbers(self, examples: Sequence[Example]) -> Sequence[int | None]:
        """Nothing needs to be known: all is kept."""
        return [None] * len(examples)

    def kept(self, output: NDArray[np.float64], gold: int | None) -> NDArray[np.float64]:
        """Return the probabilities, (C)."""
        return output

    def record(self, output: NDArray[np.float64], top_k: int) -> dict[str, Any]:
        """Return the labels of a row, the likeliest first, and how likely each label is."""
        chosen = output >= np.asarray(self.thresholds or (USUAL,))
        order = np.argsort(-output, kind="stable")
        scores = {label: round(float(p), 6) for label, p in zip(self.labels, output, strict=True)}
        found: dict[str, Any] = {"labels": [self.labels[i] for i in order if chosen[i]], "scores": scores}
        if top_k:
            found["top"] = [{"label": self.labels[i], "score": scores[self.labels[i]]} for i in order[:top_k]]
        return found

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return all metrics; of a training that goes on, with the threshold that suits these very rows."""
        gold, answered, labels = self._compared(examples, outputs)
        metrics = multilabel_metrics(gold, answered)
        metrics["ece"] = calibration_error(answered.scores.ravel(), gold.ravel())
        figures = multilabel_per_label(gold, answered.chosen, labels)
        for label, threshold in zip(self.labels, self.thresholds, strict=False):
            figures[label]["threshold"] = threshold
        return Scores(metrics, figures, tuple(self._warnings(answered.chosen[:, : len(self.labels)])))

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> dict[str, Interval]:
        """Return the bootstrap interval of each metric."""
        gold, answered, _ = self._compared(examples, outputs)
        return {**multilabel_intervals(gold, answered), **calibration_interval(answered.scores, gold)}

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> dict[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        gold, mine, _ = self._compared(examples, outputs)
        return multilabel_difference(gold, mine, self._compared(examples, others)[1])

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> Mistakes:
        """Return (row, its figures) for rows whose labels are not all right, the largest loss first."""
        gold, answered, labels = self._compared(examples, outputs)
        wrong = np.flatnonzero((gold != answered.chosen).any(axis=1))
        losses = row_losses(gold, answered.scores)
        order = wrong[np.argsort(-losses[wrong], kind="stable")].tolist()

        def named(flags: Flags) -> list[str]:
            return [label for label, flag in zip(labels, flags, strict=True) if flag]

        def figures(i: int) -> dict[str, Any]:
            return {
                "predicted": named(answered.chosen[i]),
                "lacking": named(gold[i] & ~answered.chosen[i]),
                "extra": named(answered.chosen[i] & ~gold[i]),
                "probabilities": {
                    label: round(float(p), 6) for label, p in zip(self.labels, answered.scores[i], strict=False)
                },
            }

        return Mistakes(order, figures)

    def temperature(self, examples: Sequence[Example], outputs: Outputs) -> float:
        """Fit the temperature that suits rows that were not trained on."""
        gold = self.gold(examples, self.labels)
        return label_temperature(gold, np.asarray(outputs, np.float64).reshape(gold.shape))

    def cooled(self, outputs: Outputs, temperature: float) -> Outputs:
        """Return what outputs would be had the logits been divided by a temperature."""
        return list(tempered_labels(np.asarray(outputs, np.float64), temperature))

    def settle(self, model: SequenceModel) -> LabelSetObjective:
        """Nothing to fold: logits are logits."""
        return self

    def gold(self, examples: Sequence[Example], labels: Sequence[str]) -> Flags:
        """Return which of some labels each row has, (N, C)."""
        place = {label: i for i, label in enumerate(labels)}
        flags = np.zeros((len(examples), len(labels)), bool)
        for i, example in enumerate(examples):
            flags[i, [place[label] for label in labels_of(example) if label in place]] = True
        return flags

    def _compared(self, examples: Sequence[Example], outputs: Outputs) -> tuple[Flags, AnsweredSets, tuple[str, ...]]:
        """Lay out gold and answers; labels that training never saw are further columns that nobody takes."""
        unseen = sorted({label for example in examples for label in labels_of(example)} - set(self.labels))
        labels = (*self.labels, *unseen)
        gold, answered = self.gold(examples, labels), self._answered(examples, outputs)
        if not unseen:
            return gold, answered, labels
        none = np.zeros((len(gold), len(unseen)))
        scores = np.concatenate([answered.scores, none], axis=1)
        return gold, AnsweredSets(scores, np.concatenate([answered.chosen, none > 0], axis=1)), labels

    def _answered(self, examples: Sequence[Example], outputs: Outputs) -> AnsweredSets:
        if len(outputs) and isinstance(outputs[0], Decided):
            return AnsweredSets(np.stack([o.scores for o in outputs]), np.stack([o.chosen for o in outputs]))
        scores = np.asarray(outputs, np.float64).reshape(len(examples), len(self.labels))
        # An epoch is judged by one threshold for all labels: with one for each, few validation rows
        # would be told apart by a model that has hardly begun to learn.
        thresholds = self.thresholds or (best_threshold(self.gold(examples, self.labels), scores),)
        return AnsweredSets(scores, scores >= np.asarray(thresholds))

    def _warnings(self, chosen: Flags) -> list[str]:
        if len(chosen) < 2:
            return []
        if not chosen.any():
            return ["the model gives no row a label: no probability reaches its threshold"]
        if (chosen == chosen[0]).all():
            labels = [label for label, flag in zip(self.labels, chosen[0], strict=True) if flag]
            return [
                f"the model gives every row the same labels ({listed(labels)}): it has learned nothing from the texts"
            ]
        return []


class MultiLabelTask(SequenceTask):
    """Any number of labels per row.

    Args:
        settings: columns, labels, thresholds and how rows are encoded.
        tokenizer: the encoder's tokenizer.
    """

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        super().__init__(settings, tokenizer, LabelSetObjective(settings))
        self._odds: tuple[float, ...] = ()  # of each label among training rows, while one is trained

    @property
    def sets(self) -> LabelSetObjective:
        """The objective, by its own kind."""
        assert isinstance(self.objective, LabelSetObjective)
        return self.objective

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> MultiLabelTask:
        """Learn the labels of training rows.

        Raises:
            DataError: no row has a label.
        """
        rows = Counter(label for example in examples for label in labels_of(example))
        labels = in_order(rows)
        if not labels:
            source = examples[0].source if examples else "the training rows"
            raise DataError(f"{source}: no row has a label; is the label column the right one?")
        task = cls(replace(settings, labels=labels), tokenizer)
        counts = np.array([rows[label] for label in labels])
        task._odds = tuple(np.log((counts + 0.5) / (len(examples) - counts + 0.5)).tolist())
        return task

    def build_model(self, encoder: Encoder, *, dropout: float) -> SequenceModel:
        """Put pooling and a linear layer on an encoder; labels begin as likely as they are frequent."""
        import torch

        model = super().build_model(encoder, dropout=dropout)
        if self._odds:
            with torch.no_grad():
                model.classifier.bias.copy_(torch.tensor(self._odds))
        return model

    def tune(self, examples: Sequence[Example], outputs: Outputs) -> str:
        """Choose the threshold of each label on rows that were not trained on, and say in a sentence what they are."""
        gold = self.sets.gold(examples, self.settings.labels)
        scores = np.asarray(outputs, np.float64).reshape(gold.shape)
        self._take(best_thresholds(gold, scores))
        low, high = min(self.settings.thresholds), max(self.settings.thresholds)
        return (
            f"thresholds: one for each label, {low:.2f} to {high:.2f}, chosen by F1 on the {len(examples):,} "
            "validation rows (predict and eval --threshold override them)"
        )

    def override(self, word: str) -> None:
        """Take thresholds that somebody names (--threshold) in the place of those that were chosen.

        Raises:
            UsageError: it is neither a number from 0 to 1 nor label=P,label=P.
        """
        named = parse_thresholds(word, self.settings.labels)
        usual = self.settings.thresholds or (USUAL,) * len(self.settings.labels)
        pairs = zip(self.settings.labels, usual, strict=True)
        self._take(tuple(named.get(label, threshold) for label, threshold in pairs))

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record; lists and objects are JSON in a table's cell."""
        listed_labels = range(1, min(top_k, len(self.settings.labels)) + 1)
        return ["labels", "scores", *(f"top{i}_{part}" for i in listed_labels for part in ("label", "score"))]

    def _take(self, thresholds: tuple[float, ...]) -> None:
        self.settings = replace(self.settings, thresholds=thresholds)
        self.sets.thresholds = thresholds


def labels_of(example: Example) -> tuple[str, ...]:
    """Return the labels of a row; none where they are not known."""
    return (example.labels or ()) if isinstance(example, LabelSet) else ()
