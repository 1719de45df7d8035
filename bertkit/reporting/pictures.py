"""Charts that tasks share: errors by length, reliability, losses; and how a chart is made."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import LabelSet
from bertkit.evaluation.run import Scored
from bertkit.metrics.probabilities import calibration
from bertkit.reporting.page import COLOURS, SERIES, legend_above, light_grid, new_figure
from bertkit.tasks.base import Task
from bertkit.tasks.objectives import taken_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# --- The numbers behind figures: curves over thresholds, calibration, and errors by length --------

Array = NDArray[np.float64]

# Points of a curve that are drawn: more than a page has dots.
MOST_POINTS = 4000
_Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class ThresholdCurves:
    """What happens as ever more rows are called positive; one point for each distinct score.

    All are shares from 0 to 1: of the positives that are found (`recall`), of the negatives
    that are called positive (`false_positives`), and of those called positive that are
    (`precision`). `roc_area` and `average_precision` sum the curves up.
    """

    recall: Array
    false_positives: Array
    precision: Array
    roc_area: float
    average_precision: float

    def thinned(self, most: int = MOST_POINTS) -> ThresholdCurves:
        """Return the curves with at most about as many points as can be seen; both ends stay."""
        points = len(self.recall)
        if points <= most:
            return self
        chosen = np.unique(np.linspace(0, points - 1, most).astype(int))
        recall, false_positives, precision = (
            values[chosen] for values in (self.recall, self.false_positives, self.precision)
        )
        return replace(self, recall=recall, false_positives=false_positives, precision=precision)


def threshold_curves(is_positive: NDArray[np.bool_], scores: Array) -> ThresholdCurves | None:
    """Compute the points of ROC and precision-recall curves; None where one of the classes has no rows.

    Args:
        is_positive: whether each row is of the class, (N).
        scores: its probability of the class, (N); equal ones are one point.
    """
    positives = int(is_positive.sum())
    negatives = len(is_positive) - positives
    if not positives or not negatives:
        return None
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    found = np.cumsum(is_positive[order])[ends]
    called = ends + 1.0
    recall = np.concatenate([[0.0], found / positives])
    false_positives = np.concatenate([[0.0], (called - found) / negatives])
    precision = np.concatenate([[1.0], found / called])
    steps = np.diff(recall)
    return ThresholdCurves(
        recall=recall,
        false_positives=false_positives,
        precision=precision,
        roc_area=float((np.diff(false_positives) * (recall[1:] + recall[:-1]) / 2).sum()),
        average_precision=float((steps * precision[1:]).sum()),
    )


@dataclass(frozen=True)
class LengthGroup:
    """Rows of like length: from `low` to `high` tokens, how many, and their mean with its 95 % interval."""

    low: int
    high: int
    rows: int
    mean: float
    interval: tuple[float, float]


def by_length(
    lengths: Sequence[int], values: Sequence[float], *, is_share: bool, groups: int = 8
) -> tuple[LengthGroup, ...]:
    """Average what each row scored, over rows of similar length, about as many in each group.

    Args:
        lengths: tokens of each row.
        values: one figure a row.
        is_share: whether the values are 0 or 1; the interval is then Wilson's (1927), else
            the usual one of a mean.
        groups: the most groups.
    """
    sizes, figures = np.asarray(lengths), np.asarray(values, np.float64)
    if not len(sizes):
        return ()
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, groups + 1)[1:], method="inverted_cdf"))
    place = np.searchsorted(edges, sizes)
    found = []
    for i in range(len(edges)):
        own = figures[place == i]
        if len(own):
            interval = wilson(own.sum(), len(own)) if is_share else _mean_interval(own)
            found.append(
                LengthGroup(int(sizes[place == i].min()), int(edges[i]), len(own), float(own.mean()), interval)
            )
    return tuple(found)


def wilson(hits: float, rows: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927)."""
    share, square = hits / rows, _Z * _Z / rows
    middle = (share + square / 2) / (1 + square)
    reach = _Z * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _mean_interval(values: Array) -> tuple[float, float]:
    mean = float(values.mean())
    reach = _Z * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return mean - reach, mean + reach


# --- The loss curves of a run, read back from its TensorBoard events ------------------------------

Curve = tuple[tuple[int, float], ...]
"""(step, value), in the order of the steps."""


def read_curves(run: Path, tags: Sequence[str]) -> Mapping[str, Curve]:
    """Read scalars of a run; a tag that nothing was written for is left out.

    A resumed training writes another file, and what its predecessor wrote from the first
    step of that file on does not count.

    Args:
        run: the run's folder.
        tags: which scalars.
    """
    files = sorted((run / "events").glob("events.out.tfevents.*"))
    if not files or importlib.util.find_spec("tensorboard") is None:
        return {}
    curves: dict[str, dict[int, float]] = {tag: {} for tag in tags}
    for path in files:
        for tag, step, value in _scalars(path):
            if tag == _RESTART:
                curves = {name: {s: v for s, v in own.items() if s < step} for name, own in curves.items()}
            elif tag in curves:
                curves[tag][step] = value
    return {tag: tuple(sorted(own.items())) for tag, own in curves.items() if own}


_RESTART = ""


def _scalars(path: Path) -> Iterator[tuple[str, int, float]]:
    """Read (tag, step, value); a restart has no tag."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.compat.proto.event_pb2 import SessionLog

    for event in EventFileLoader(str(path)).Load():
        if event.HasField("session_log") and event.session_log.status == SessionLog.START:
            yield _RESTART, event.step, 0.0
        for value in event.summary.value:
            if value.HasField("tensor") and len(value.tensor.float_val) == 1:
                yield value.tag, event.step, float(value.tensor.float_val[0])
            elif value.HasField("simple_value"):
                yield value.tag, event.step, float(value.simple_value)


@dataclass(frozen=True)
class Picture:
    """A figure with the name of its file, a title, and a sentence that says how to read it."""

    name: str
    title: str
    caption: str
    figure: Figure


class Answers:
    """An evaluation's answers in the forms that figures need; each is worked out once.

    Args:
        scored: the run's outputs on a split.
    """

    def __init__(self, scored: Scored) -> None:
        self.scored = scored
        self.examples = scored.examples
        self.outputs = scored.outputs
        self.task: Task = scored.run.task

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The task's labels."""
        return self.task.settings.labels

    @cached_property
    def gold(self) -> list[str]:
        """The label of each row."""
        return [example.label or "" for example in self.examples]

    @cached_property
    def predicted(self) -> list[str]:
        """The likeliest label of each row."""
        numbers = taken_numbers(self.outputs, self.task.settings.thresholds)
        return [self.labels[number] if number >= 0 else "" for number in numbers]

    @cached_property
    def is_gold(self) -> NDArray[np.bool_]:
        """Whether each label is the row's, or one of them, (N, C)."""
        sets = [row.labels or () if isinstance(row, LabelSet) else (row.label or "",) for row in self.examples]
        return np.array([[label in own for label in self.labels] for own in sets], bool).reshape(
            len(sets), len(self.labels)
        )

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """The probability of each label, (N, C)."""
        return np.asarray(self.outputs, np.float64)

    @cached_property
    def lengths(self) -> list[int]:
        """The tokens of each row before anything was cut."""
        return [row.n_tokens for row in self.task.encode_scored(self.examples)]

    @cached_property
    def is_wrong(self) -> NDArray[np.bool_]:
        """Whether each row is a mistake, (N)."""
        wrong = np.zeros(len(self.examples), dtype=bool)
        wrong[[row for row, _ in self.task.mistakes(self.examples, self.outputs)]] = True
        return wrong


def errors_by_length(answers: Answers) -> Picture | None:
    """Draw the share of wrong rows, or the mean error of numbers, against the length of rows."""
    if answers.task.settings.task == "regression":
        errors = np.abs(np.asarray(answers.outputs)[:, 0] - np.array([float(g) for g in answers.gold]))
        return length_picture(answers.lengths, errors.tolist(), "mean absolute error", is_share=False)
    wrong = answers.is_wrong.astype(float).tolist()
    return length_picture(answers.lengths, wrong, "share of wrong rows", is_share=True)


def length_picture(lengths: Sequence[int], values: Sequence[float], what: str, *, is_share: bool) -> Picture | None:
    """Draw what rows of similar length scored on average, with intervals."""
    groups = by_length(lengths, values, is_share=is_share)
    if len(groups) < 2:
        return None
    figure, axes = new_figure()
    places = np.arange(len(groups))
    means = np.array([group.mean for group in groups])
    reach = np.array([group.interval for group in groups]).T
    bars = np.abs(reach - means)
    axes.errorbar(places, means, yerr=bars, fmt="o-", color=SERIES[0], ecolor=COLOURS["muted"], elinewidth=1, capsize=3)
    names = [str(group.low) if group.low == group.high else f"{group.low}–{group.high}" for group in groups]
    axes.set_xticks(places, names, rotation=35, ha="right")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("tokens of the row")
    axes.set_ylabel(what)
    light_grid(axes, "y")
    rows = f"{min(g.rows for g in groups):,} to {max(g.rows for g in groups):,} rows"
    caption = f"The {what} among rows of similar length, with 95 % confidence intervals; {rows} in each group."
    return Picture("length", "Error rate by length" if is_share else "Error by length", caption, figure)


def loss_curves(answers: Answers) -> Picture | None:
    """Draw the losses of the training from the run's events; None where none are stored.

    Where validation has no loss, the metric that chose the weights is drawn beside it.
    """
    deciding = answers.task.settings.deciding_metric
    metric = f"validation/{deciding}"
    tags = ("train/loss", "train/objective", "validation/loss", metric)
    curves = read_curves(answers.scored.run.directory, tags)
    if "train/loss" not in curves:
        return None
    figure, axes = new_figure()
    _curve(axes, curves["train/loss"], COLOURS["muted"], "training loss", "")
    caption = "Where the validation loss rises while the training loss falls, the model overfits."
    if "validation/loss" in curves:
        _curve(axes, curves["validation/loss"], SERIES[1], "validation loss", "o")
        caption += _about_shaping(answers.scored.run.manifest.config, is_plain="train/objective" in curves)
    elif metric in curves:
        name = f"validation {deciding}"
        other = axes.twinx()
        other.spines["right"].set_visible(True)
        other.set_ylabel(name)
        _curve(axes, (), SERIES[1], f"{name} (right)", "o")  # for the legend
        _curve(other, curves[metric], SERIES[1], name, "o")
        caption = f"The loss in training, and the {name} that chose the weights."
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    legend_above(axes)
    light_grid(axes)
    return Picture("loss", "Learning curves", caption, figure)


def _about_shaping(config: Mapping[str, Any], *, is_plain: bool) -> str:
    """Say whether both losses are of one kind, where what was made smaller is another one.

    Args:
        config: the run's options.
        is_plain: whether the training loss is without class weights and label smoothing, as the
            validation loss is; earlier versions stored it with them.
    """
    if config.get("class_weights", "none") == "none" and not config.get("label_smoothing"):
        return ""
    if is_plain:
        return " Both are without class weights and label smoothing, which training had."
    return " The training loss has class weights or label smoothing in it, the validation loss has not: they differ."


def _curve(axes: Axes, points: Curve, colour: str, name: str, marker: str) -> None:
    steps, values = [step for step, _ in points], [value for _, value in points]
    axes.plot(steps, values, marker=marker or ("o" if len(steps) == 1 else ""), markersize=3, color=colour, label=name)


def reliability_picture(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> Picture:
    """Draw how often answers of like confidence are right."""
    bins, error = calibration(confidence, is_right)
    figure, axes = new_figure()
    diagonal(axes)
    rows = np.array([found.rows for found in bins])
    axes.plot([found.confidence for found in bins], [found.accuracy for found in bins], color=SERIES[0])
    axes.scatter(
        [found.confidence for found in bins],
        [found.accuracy for found in bins],
        s=12 + 90 * rows / rows.max(),
        color=SERIES[0],
        alpha=0.75,
    )
    axes.set_xlabel("confidence")
    axes.set_ylabel("accuracy")
    light_grid(axes)
    axes.text(0.03, 0.95, f"ECE {error:.3f}", transform=axes.transAxes, va="top", weight="bold")
    caption = (
        "On the dashed line confidence equals accuracy; below it the model is overconfident. "
        f"ECE, the expected calibration error over {len(bins)} bins that hold rows, is {error:.4f}."
    )
    return Picture("reliability", "Reliability", caption, figure)


def diagonal(axes: Axes) -> None:
    """Draw the line from corner to corner of a unit square."""
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
