"""What a sequence task learns: a label (classification) or a number (regression); and what is kept of its answers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bertkit.cache import ROWS_AT_ONCE, row_by_row, scratch_array
from bertkit.compute.device import probabilities, to_figures
from bertkit.data.records import Example
from bertkit.data.store import MANY, labels_of
from bertkit.data.values import is_score, score_fault
from bertkit.errors import DataError
from bertkit.metrics import classification
from bertkit.metrics.classification import Coded, label_numbers
from bertkit.metrics.intervals import (
    classification_difference,
    classification_intervals,
    mean_difference,
    regression_difference,
    regression_intervals,
)
from bertkit.metrics.probabilities import calibration_error, calibration_interval, class_temperature, tempered
from bertkit.plain import listed, quoted
from bertkit.tasks.base import Interval, Mistake, Mistakes, Outputs, Scores, TaskSettings, TrainingOptions

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import SequenceModel

# --- What is kept of a row's class probabilities --------------------------------------------------
#
# With some hundred labels that is all of them, (C). With thousands, those of some ten thousand
# rows would fill the memory several times over, for the model and for each baseline; then the
# likeliest labels are kept, and what the row's own label got. Scores need no more.

MANY_LABELS = 500
"""Labels up to which all probabilities of a row are kept."""
LIKELIEST = 20
"""Labels that are kept of more."""


@dataclass(frozen=True, slots=True)
class Likeliest:
    """The likeliest labels of a row, as their numbers, (K), and their probabilities, falling, (K).

    `own` is the number of the row's own label, -1 where training never saw it, and
    `own_probability` what it got.
    """

    numbers: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    own: int
    own_probability: float

    def argmax(self) -> int:
        """Return the number of the likeliest label."""
        return int(self.numbers[0])

    def max(self) -> float:
        """Return the probability of the likeliest label."""
        return float(self.probabilities[0])


def likeliest(probabilities: NDArray[np.float64], own: int) -> Likeliest:
    """Keep what scores need of a row's probabilities, (C); of equal ones the first labels stay.

    Args:
        probabilities: of all labels, (C).
        own: the number of the row's own label; -1: training never saw it.
    """
    least = np.partition(probabilities, -LIKELIEST)[-LIKELIEST] if len(probabilities) > LIKELIEST else -1.0
    numbers = np.flatnonzero(probabilities >= least)
    numbers = numbers[np.argsort(-probabilities[numbers], kind="stable")[:LIKELIEST]]
    return Likeliest(numbers, probabilities[numbers], own, float(probabilities[own]) if own >= 0 else 0.0)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row's probabilities, (C), with the number of the label that whoever gave them takes.

    A model's own answers are probabilities alone, for by which thresholds labels are taken is the
    task's; who stands beside it has thresholds of its own, or none.
    """

    probabilities: NDArray[np.float64]
    number: int

    def max(self) -> float:
        """Return the probability of the label that is taken."""
        return float(self.probabilities[self.number])


def gathered(outputs: Outputs) -> Any:
    """Return outputs as one array, (N, C), or as they are where only the likeliest labels were kept."""
    if len(outputs) and isinstance(outputs[0], Chosen):
        return np.stack([row.probabilities for row in outputs])
    return outputs if len(outputs) and isinstance(outputs[0], Likeliest) else np.asarray(outputs)


def gathered_outputs(outputs: Iterable[Any], rows: int) -> Outputs:
    """Gather what is kept of rows: as a list, or where they are many and all of the same length as one array.

    Args:
        outputs: of each row.
        rows: how many there are.
    """
    coming = iter(outputs)
    first = next(coming, None)
    if rows < MANY or not isinstance(first, np.ndarray) or first.ndim != 1:
        return [] if first is None else [first, *coming]
    table = scratch_array((rows, len(first)), first.dtype.str)
    table[0] = first
    for place, output in enumerate(coming, start=1):
        if len(output) != len(first):
            return [*table[:place], output, *coming]
        table[place] = output
    found: Any = table  # an array of rows does what is asked of a sequence
    return found  # type: ignore[no-any-return]


def taken_numbers(outputs: Outputs, thresholds: Sequence[float]) -> Sequence[int] | NDArray[np.int32]:
    """Return the number of the label that each row gets; -1 where it gets none.

    A label with a threshold is taken where it reaches it, the likeliest of those that do; else
    the likeliest label without one.

    Args:
        outputs: of N rows.
        thresholds: one for each label, 0 for none; empty: there are none.
    """
    if len(outputs) and isinstance(outputs[0], Chosen):
        return [row.number for row in outputs]
    found = gathered(outputs)
    if not any(thresholds) or not len(found):
        return best_numbers(found)
    bars = np.asarray(thresholds)
    if isinstance(found, np.ndarray):
        numbers = (_taken(row, bars, np.arange(len(row))) for row in found)
        return list(numbers) if len(found) < MANY else np.fromiter(numbers, np.int32, len(found))
    return [_taken(row.probabilities, bars[row.numbers], row.numbers) for row in found]


def _taken(probabilities: NDArray[np.float64], bars: NDArray[np.float64], numbers: NDArray[np.int64]) -> int:
    passing, free = (bars > 0) & (probabilities >= bars), bars == 0
    for candidates in (passing, free):
        if candidates.any():
            return int(numbers[np.where(candidates, probabilities, -1.0).argmax()])
    return -1


def best_numbers(outputs: Any) -> Sequence[int] | NDArray[np.int32]:
    """Return the number of the likeliest label of each row.

    Args:
        outputs: of N rows, from `gathered`.
    """
    if isinstance(outputs, np.ndarray):
        if len(outputs) < MANY:
            numbers: list[int] = outputs.argmax(axis=1).tolist()
            return numbers
        return row_by_row(lambda part: part.argmax(axis=1), outputs, kind="int32")
    return [row.argmax() for row in outputs]


def own_probabilities(outputs: Any, own: Sequence[int] | NDArray[np.int32]) -> Sequence[float] | NDArray[np.float64]:
    """Return the probability of each row's own label; 0 where training never saw it.

    Args:
        outputs: of N rows, from `gathered`.
        own: the numbers of the rows' labels; -1: training never saw it.
    """
    if isinstance(outputs, np.ndarray) and isinstance(own, np.ndarray):
        return row_by_row(_picked, outputs, own, kind="float64")
    if isinstance(outputs, np.ndarray):
        return [float(outputs[i, number]) if number >= 0 else 0.0 for i, number in enumerate(own)]
    return [row.own_probability for row in outputs]


def _picked(rows: NDArray[np.float64], numbers: NDArray[np.int32]) -> NDArray[np.float64]:
    return np.where(numbers >= 0, rows[np.arange(len(rows)), np.maximum(numbers, 0)], 0.0)


def probability_of(output: Any, number: int) -> float:
    """Return the probability of a label that was kept of a row; -1 for no label."""
    if number < 0:
        return -1.0
    if isinstance(output, Chosen):
        return float(output.probabilities[number])
    if isinstance(output, Likeliest):
        return float(output.probabilities[np.flatnonzero(output.numbers == number)[0]])
    return float(output[number])


def shown(output: Any, labels: Sequence[str]) -> Mapping[str, float]:
    """Return the probabilities that were kept of a row by label, rounded: all, or the likeliest and its own."""
    if isinstance(output, Likeliest):
        own = {output.own: output.own_probability} if output.own >= 0 else {}
        kept = dict(zip(output.numbers.tolist(), output.probabilities.tolist(), strict=True)) | own
        return {labels[number]: round(p, 6) for number, p in kept.items()}
    return {label: round(float(p), 6) for label, p in zip(labels, output, strict=True)}


# --- What a sequence task learns: a label (classification) or a number (regression) ---------------
#
# Shapes in the margin: B rows of a batch, N rows of a data set, C outputs.


class Objective(Protocol):
    """One way to learn from a row's vector."""

    n_outputs: int

    def target(self, example: Example) -> Any:
        """Return what the loss compares with."""
        ...

    def losses(self, logits: Tensor, targets: Tensor, options: TrainingOptions) -> Tensor:
        """Return the loss of each row, (B)."""
        ...

    def outputs(self, logits: Tensor) -> NDArray[np.float64]:
        """Turn logits (B, C) into stored figures (B, C)."""
        ...

    def gold_numbers(self, examples: Sequence[Example]) -> Sequence[int | None]:
        """Return what `kept` needs to know of rows to be scored."""
        ...

    def kept(self, output: NDArray[np.float64], gold: int | None) -> Any:
        """Return what is kept of a row's output (C)."""
        ...

    def record(self, output: NDArray[np.float64], top_k: int) -> dict[str, Any]:
        """Return the keys of one prediction record."""
        ...

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Compare what was kept of N rows with the labels of examples."""
        ...

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> dict[str, Interval]:
        """Return the bootstrap interval of each metric."""
        ...

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> dict[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        ...

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> Sequence[Mistake]:
        """Return (row, its figures) for what the model got wrong, the worst first."""
        ...

    def temperature(self, examples: Sequence[Example], outputs: Outputs) -> float:
        """Fit the temperature of probabilities on rows that were not trained on; 1 for what has none."""
        ...

    def cooled(self, outputs: Outputs, temperature: float) -> Outputs:
        """Return what outputs would be had the logits been divided by a temperature."""
        ...

    def settle(self, model: SequenceModel) -> Objective:
        """Fold what only the objective knows into a trained model; return what is left to do."""
        ...


class Classification:
    """Softmax over the labels, cross entropy."""

    def __init__(self, settings: TaskSettings) -> None:
        self.labels = settings.labels
        self.positive = settings.positive
        self.n_outputs = len(settings.labels)
        self.decides_by_loss = settings.metric == "loss"
        self.thresholds = settings.thresholds
        self._index = {label: i for i, label in enumerate(settings.labels)}

    def target(self, example: Example) -> float:
        """Return the label's index.

        Raises:
            DataError: training never saw the label.
        """
        index = self._index.get(example.label or "")
        if index is None:
            known = listed(self.labels, quotes=False)
            raise DataError.at(
                example.source,
                example.line,
                f"label {quoted(example.label)} is not in the training rows; they have {known}.",
            )
        return float(index)

    def losses(self, logits: Tensor, targets: Tensor, options: TrainingOptions) -> Tensor:
        """Cross entropy, label smoothing and class weights included; weights average 1."""
        from torch.nn import functional

        losses = functional.cross_entropy(
            logits.float(), targets.long(), reduction="none", label_smoothing=options.label_smoothing
        )  # (B)
        if options.class_weights is not None:
            losses = losses * losses.new_tensor(options.class_weights)[targets.long()]
        return losses

    def outputs(self, logits: Tensor) -> NDArray[np.float64]:
        """Return probabilities."""
        return probabilities(logits)  # (B, C)

    def record(self, output: NDArray[np.float64], top_k: int) -> dict[str, Any]:
        """Return label and score, and the `top_k` best labels where more than none are wanted."""
        if not (top_k or any(self.thresholds)) and isinstance(output, np.ndarray):
            likely = int(output.argmax())
            return {"label": self.labels[likely], "score": round(float(output[likely]), 6)}
        order = np.argsort(-output, kind="stable")
        best = [{"label": self.labels[i], "score": round(float(output[i]), 6)} for i in order[: max(1, top_k)]]
        top = {"top": best} if top_k else {}
        (number,) = taken_numbers([output], self.thresholds)
        if number < 0:
            return {"label": None, "score": best[0]["score"], "abstained": True, **top}
        return {"label": self.labels[number], "score": round(float(output[number]), 6), **top}

    def gold_numbers(self, examples: Sequence[Example]) -> Sequence[int | None]:
        """Return the numbers of the rows' labels where labels are many, -1 for one never seen; else None."""
        if len(self.labels) <= MANY_LABELS:
            return [None] * len(examples)
        return [self._index.get(e.label or "", -1) for e in examples]

    def kept(self, output: NDArray[np.float64], gold: int | None) -> Any:
        """Return all probabilities, or where a label's number is given the likeliest and its own."""
        return output if gold is None else likeliest(output, gold)

    def predicted(self, outputs: Outputs) -> Sequence[str]:
        """Return the label that each row gets: the likeliest, or as thresholds say; empty where it gets none."""
        numbers = taken_numbers(outputs, self.thresholds)
        if isinstance(numbers, np.ndarray):  # -1 is the last of the names
            codes = row_by_row(lambda part: np.where(part < 0, len(self.labels), part), numbers, kind="int32")
            return Coded(codes, (*self.labels, ""))
        return [self.labels[number] if number >= 0 else "" for number in numbers]

    def sureness(self, outputs: Outputs) -> NDArray[np.float64]:
        """Return the probability of the label that each row gets, (N); -1 where it gets none."""
        numbers = taken_numbers(outputs, self.thresholds)
        if isinstance(numbers, np.ndarray):
            found = own_probabilities(gathered(outputs), numbers)
            return np.where(numbers < 0, -1.0, np.asarray(found)) if (numbers < 0).any() else np.asarray(found)
        return np.asarray([probability_of(row, number) for row, number in zip(outputs, numbers, strict=True)])

    def temperature(self, examples: Sequence[Example], outputs: Outputs) -> float:
        """Fit the temperature that suits rows that were not trained on."""
        return class_temperature(self._numbers(examples), gathered(outputs))

    def cooled(self, outputs: Outputs, temperature: float) -> Outputs:
        """Return what outputs would be had the logits been divided by a temperature."""
        found = gathered(outputs)
        if len(found) < MANY or not isinstance(found, np.ndarray):
            return list(tempered(found, temperature))
        table: Any = scratch_array(found.shape, "float64")
        for start in range(0, len(found), MANY):
            table[start : start + MANY] = tempered(found[start : start + MANY], temperature)
        return table  # type: ignore[no-any-return]

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return all metrics of classification, loss included."""
        gold, found = _gold(examples), gathered(outputs)
        predicted = self.predicted(outputs)
        metrics = classification.classification_metrics(gold, predicted, self.labels, positive=self.positive)
        metrics["loss"] = classification.cross_entropy(self.gold_probabilities(examples, found))
        metrics["ece"] = calibration_error(self.sureness(outputs), _agree(gold, predicted))
        only = classification.collapsed(predicted)
        # Rows with one label say nothing of others.
        is_right = only is not None and all(label == only for label in gold)
        warnings = () if only is None or is_right else (_collapse_sentence(only, gold),)
        return Scores(metrics, classification.per_label(gold, predicted, self.labels), warnings)

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> dict[str, Interval]:
        """Return the bootstrap interval of each metric."""
        gold, found = _gold(examples), gathered(outputs)
        losses, predicted = self._row_losses(examples, found), self.predicted(outputs)
        intervals = classification_intervals(gold, predicted, self.labels, positive=self.positive, losses=losses)
        return {**intervals, **calibration_interval(self.sureness(outputs), _agree(gold, predicted))}

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> dict[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`; of the loss where it decides."""
        gold = _gold(examples)
        mine, other = self.predicted(outputs), self.predicted(others)
        found = classification_difference(gold, mine, other, self.labels, positive=self.positive)
        if self.decides_by_loss:
            found |= mean_difference(self._row_losses(examples, outputs), self._row_losses(examples, others), "loss")
        return found

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> Mistakes:
        """Return (row, its figures) for wrong labels, the surest mistakes first."""
        predicted = self.predicted(outputs)
        wrong = [i for i, label in enumerate(labels_of(examples)) if predicted[i] != label]
        sureness = self.sureness(outputs)
        wrong.sort(key=lambda i: -float(sureness[i]))

        def figures(i: int) -> dict[str, Any]:
            score = round(float(sureness[i]), 6)
            return {"predicted": predicted[i], "score": score, "probabilities": shown(outputs[i], self.labels)}

        return Mistakes(wrong, figures)

    def settle(self, model: SequenceModel) -> Classification:
        """Nothing to fold: logits are logits."""
        return self

    def gold_probabilities(
        self, examples: Sequence[Example], outputs: Outputs
    ) -> Sequence[float] | NDArray[np.float64]:
        """Return the probability given to each row's own label; 0 for a label never seen."""
        return own_probabilities(gathered(outputs), self._numbers(examples))

    def _row_losses(self, examples: Sequence[Example], outputs: Outputs) -> Sequence[float] | NDArray[np.float64]:
        found = self.gold_probabilities(examples, outputs)
        if isinstance(found, np.ndarray):
            np.maximum(found, classification.LEAST_PROBABILITY, out=found)
            return np.negative(np.log(found, out=found), out=found)
        return [-math.log(max(p, 1e-12)) for p in found]

    def _numbers(self, examples: Sequence[Example]) -> list[int] | NDArray[np.int32]:
        if len(examples) < MANY:
            return [self._index.get(e.label or "", -1) for e in examples]
        return _numbered(examples, lambda label: self._index.get(label, -1))


def _gold(examples: Sequence[Example]) -> Sequence[str]:
    """Return the rows' labels; of many as numbers."""
    if len(examples) < MANY:
        return [e.label or "" for e in examples]
    place: dict[str, int] = {}
    codes = _numbered(examples, lambda label: place.setdefault(label, len(place)))
    return Coded(codes, tuple(place))


def _numbered(examples: Sequence[Example], number: Callable[[str], int]) -> NDArray[np.int32]:
    """Number the labels of many rows, (N)."""
    found, labels = scratch_array((len(examples),), "int32"), labels_of(examples)
    for start in range(0, len(found), ROWS_AT_ONCE):
        some = found[start : start + ROWS_AT_ONCE]
        some[:] = [number(label or "") for label in itertools.islice(labels, len(some))]
    return found


def _agree(gold: Sequence[str], predicted: Sequence[str]) -> NDArray[np.bool_]:
    if isinstance(gold, Coded) and isinstance(predicted, Coded):
        return row_by_row(np.equal, label_numbers(gold, predicted.names), predicted.codes, kind="bool")
    return np.fromiter((a == b for a, b in zip(gold, predicted, strict=True)), bool, len(gold))


def _collapse_sentence(label: str, gold: Sequence[str]) -> str:
    share = sum(g == label for g in gold) / max(1, len(gold))
    return (
        f"the model answers {quoted(label)} for every row ({share:.1%} of the rows have that label): it has learned "
        "nothing from the texts; try more epochs, another --lr, or more data"
    )


class Regression:
    """One number, squared or absolute error.

    While training, the model predicts in standard deviations from the training mean, so
    that one learning rate suits any scale of labels; `mean` and `deviation` undo it.
    """

    n_outputs = 1

    def __init__(self, mean: float = 0.0, deviation: float = 1.0) -> None:
        self.mean = mean
        self.deviation = deviation

    def target(self, example: Example) -> float:
        """Return the label as standard deviations from the mean."""
        return (number(example) - self.mean) / self.deviation

    def losses(self, logits: Tensor, targets: Tensor, options: TrainingOptions) -> Tensor:
        """Squared or absolute error of each row."""
        error = logits.float().squeeze(-1) - targets  # (B)
        return error.abs() if options.loss == "mae" else error.square()

    def outputs(self, logits: Tensor) -> NDArray[np.float64]:
        """Return values on the labels' own scale."""
        return to_figures(logits) * self.deviation + self.mean  # (B, 1)

    def gold_numbers(self, examples: Sequence[Example]) -> Sequence[int | None]:
        """Nothing needs to be known: all is kept."""
        return [None] * len(examples)

    def kept(self, output: NDArray[np.float64], gold: int | None) -> NDArray[np.float64]:
        """Return the value, (1)."""
        return output

    def record(self, output: NDArray[np.float64], top_k: int) -> dict[str, Any]:
        """Return the score."""
        return {"score": round(float(output[0]), 6)}

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return all metrics of regression."""
        gold, values = numbers(examples), _values(outputs)
        metrics = classification.regression_metrics(gold, values)
        constant = (
            len(gold) > 1
            and float(np.ptp(gold)) > 0.0
            and float(np.ptp(values)) < 1e-6 * max(1.0, abs(float(values[0])))
        )
        warning = "the model gives every row the same value: it has learned nothing from the texts"
        return Scores(metrics, warnings=(warning,) if constant else ())

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> dict[str, Interval]:
        """Return the bootstrap interval of each metric."""
        return regression_intervals(numbers(examples), _values(outputs))

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> dict[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        return regression_difference(numbers(examples), _values(outputs), _values(others))

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> Mistakes:
        """Return (row, its figures) for every row, the largest errors first."""
        values = _values(outputs)
        errors = row_by_row(np.subtract, values, numbers(examples), kind="float64")
        order = np.argsort(-np.abs(errors), kind="stable").tolist()

        def figures(i: int) -> dict[str, Any]:
            return {"predicted": round(float(values[i]), 6), "error": round(float(errors[i]), 6)}

        return Mistakes(order, figures)

    def temperature(self, examples: Sequence[Example], outputs: Outputs) -> float:
        """A number has no probability."""
        return 1.0

    def cooled(self, outputs: Outputs, temperature: float) -> Outputs:
        """Return the numbers as they are."""
        return outputs

    def settle(self, model: SequenceModel) -> Regression:
        """Fold mean and deviation into the last layer, so that any loader gives real values."""
        import torch

        with torch.no_grad():
            model.classifier.weight.mul_(self.deviation)
            model.classifier.bias.mul_(self.deviation).add_(self.mean)
        return Regression()


def _values(outputs: Outputs) -> NDArray[np.float64]:
    """Return the value of each row, (N)."""
    return np.asarray(outputs, np.float64)[:, 0]


def numbers(examples: Sequence[Example]) -> NDArray[np.float64]:
    """Read regression labels, (N).

    Raises:
        DataError: see `number`.
    """
    if len(examples) < MANY:
        return np.asarray([number(e) for e in examples], np.float64)
    found = scratch_array((len(examples),), "float64")
    for place, label in enumerate(labels_of(examples)):
        found[place] = float(label) if label is not None and is_score(label) else number(examples[place])
    return found


def number(example: Example) -> float:
    """Read a regression label.

    Raises:
        DataError: the label is not a number that 32 bits can hold.
    """
    label = example.label or ""
    if not is_score(label):
        raise DataError.at(example.source, example.line, f"{score_fault(label)}.")
    return float(label)
