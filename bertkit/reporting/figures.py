"""Charts by task: confusion, curves over thresholds, residuals, entity types, ranks; and which an evaluation has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import Example, Question, TaggedText
from bertkit.evaluation.run import Scored
from bertkit.metrics.classification import label_order
from bertkit.metrics.multilabel import gold_ranks
from bertkit.reporting import pictures as shared
from bertkit.reporting.page import COLOURS, SERIES, legend_above, light_grid, new_figure, short
from bertkit.reporting.pictures import (
    Answers,
    Picture,
    ThresholdCurves,
    diagonal,
    length_picture,
    reliability_picture,
    threshold_curves,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# --- Figures that one task has: confusion, curves over thresholds, residuals, entity types, ranks --------

_MOST_CELLS = 30  # labels of a confusion matrix that can be read
_NUMBERED = 12  # labels of one whose cells have room for a number
_WITH_SHARES = 5  # and of one whose cells have room for a share too
_FEW = 10  # rows of a label whose shares are mostly chance
_MOST_CURVES = 4
_MOST_LABELS = 200  # of which there are curves, each against the rest
_MOST_POINTS = 4000
_MOST_NAMED = 20  # curves with a name on them
_THICK = 1.0  # a thinner curve has no place in the legend
NOTHING = "(none)"


def confusion_matrix(answers: Answers) -> Picture | None:
    """Draw gold labels against predicted ones."""
    predicted = answers.predicted
    order = label_order(answers.gold, predicted, answers.labels)
    cells = Counter(zip(answers.gold, predicted, strict=True))
    return _confusion_picture(order, cells, "Rows are gold labels, columns predicted labels.")


def _confusion_picture(order: Sequence[str], cells: Counter[tuple[str, str]], caption: str) -> Picture | None:
    """Draw how often each label (true, given) was taken for which."""
    if len(order) < 2:
        return None
    if len(order) > _MOST_CELLS:  # a table of all pairs of labels would be large, and nobody could read it
        return _confused_pairs(order, Counter({pair: cells[pair] for pair in cells if pair[0] != pair[1]}))
    counts = np.array([[cells[true, given] for given in order] for true in order])
    side = min(8.0, max(3.4, 0.24 * len(order) + 1.6))
    figure, axes = new_figure(width=max(4.7, side + 0.5), height=side)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    is_few = counts.sum(axis=1) < _FEW
    for row, column in np.ndindex(*counts.shape):
        colour = COLOURS["muted"] if is_few[row] else SERIES[0] if row == column else SERIES[1]
        # rectangles, not an image: on a page they take on its colours
        axes.add_patch(_cell(column, row, colour, 0.85 * shares[row, column]))
        if len(order) <= _NUMBERED:
            number = f"{counts[row, column]:,}"
            if len(order) <= _WITH_SHARES:
                number += f"\n{shares[row, column]:.0%}"
            axes.text(column, row, number, ha="center", va="center", fontsize=8)
    _square_axes(axes, [short(label) for label in order])
    return Picture("confusion", "Confusion matrix", f"{caption} {_what_is_shown(len(order), is_few)}", figure)


def _what_is_shown(labels: int, is_few: NDArray[np.bool_]) -> str:
    """Say what numbers and shades are, and which rows are not to be relied on."""
    shade = "the shade is the share of the row"
    if labels <= _WITH_SHARES:
        shown = f"Numbers are counts, and shares of the row; {shade}."
    elif labels <= _NUMBERED:
        shown = f"Numbers are counts; {shade}."
    else:
        shown = f"{shade.capitalize()}."
    return shown + f" Grey rows have fewer than {_FEW} examples: too few to tell." * bool(is_few.any())


def _cell(column: int, row: int, colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour, alpha=alpha, linewidth=0)


def _square_axes(axes: Axes, names: Sequence[str]) -> None:
    n = len(names)
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_aspect("equal")
    size = 8 if n <= _NUMBERED else 6
    tilted = max(map(len, names)) > 3
    axes.set_xticks(range(n), names, rotation=60 if tilted else 0, ha="right" if tilted else "center", fontsize=size)
    axes.set_yticks(range(n), names, fontsize=size)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    axes.spines[:].set_visible(False)


def _confused_pairs(order: Sequence[str], wrong: Counter[tuple[str, str]]) -> Picture | None:
    """List the pairs that are confused most often, where a matrix would be too large to read."""
    place = {label: i for i, label in enumerate(order)}
    pairs = sorted(wrong, key=lambda pair: (-wrong[pair], place[pair[0]], place[pair[1]]))[:20]
    if not pairs:
        return None
    figure, axes = new_figure(height=0.22 * len(pairs) + 0.9)
    axes.barh(range(len(pairs)), [wrong[pair] for pair in pairs], color=SERIES[1])
    axes.set_yticks(range(len(pairs)), [f"{short(true)} → {short(given)}" for true, given in pairs])
    axes.invert_yaxis()
    axes.set_xlabel("rows")
    light_grid(axes, "x")
    caption = f"The pairs confused most often, as gold → predicted; of {len(order)} labels."
    return Picture("confusion", "Confusion", caption, figure)


def precision_recall(answers: Answers) -> Picture | None:
    """Draw precision against recall: of the positive label, or of each label against the rest."""
    curves = list(_curves(answers))
    if not curves:
        return None
    figure, axes = new_figure()
    for place, (name, curve, colour, width) in enumerate(curves):
        label = None if width < _THICK else f"{short(name)}: AP {curve.average_precision:.3f}"
        axes.step(curve.recall, curve.precision, where="pre", color=colour, linewidth=width, label=label)
        if label is None and name:
            _name_curve(axes, curve.recall, curve.precision, name, place / len(curves))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    legend_above(axes)
    _name_axes(axes, "recall", "precision")
    return Picture("precision_recall", "Precision and recall", _curve_caption(answers, "AP: average precision"), figure)


def roc(answers: Answers) -> Picture | None:
    """Draw the share of positives found against that of negatives taken for one."""
    curves = list(_curves(answers))
    if not curves:
        return None
    figure, axes = new_figure()
    diagonal(axes)
    for place, (name, curve, colour, width) in enumerate(curves):
        label = None if width < _THICK else f"{short(name)}: AUC {curve.roc_area:.3f}"
        axes.plot(curve.false_positives, curve.recall, color=colour, linewidth=width, label=label)
        if label is None and name:
            _name_curve(axes, curve.recall, curve.false_positives, name, place / len(curves), upright=False)
    legend_above(axes)
    _name_axes(axes, "false positive rate", "true positive rate")
    return Picture("roc", "ROC", _curve_caption(answers, "AUC: area under the curve"), figure)


def _name_curve(
    axes: Axes,
    along: NDArray[np.float64],
    across: NDArray[np.float64],
    name: str,
    where: float,
    *,
    upright: bool = True,
) -> None:
    """Write a label's name on its curve, each curve's at another height, so that they stand apart."""
    i = int(np.searchsorted(along, 0.1 + 0.8 * where).clip(0, len(along) - 1))
    x, y = (along[i], across[i]) if upright else (across[i], along[i])
    axes.annotate(short(name), (float(x), float(y)), fontsize=6, color=COLOURS["muted"], annotation_clip=True)


def _name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    light_grid(axes)


def _curve_caption(answers: Answers, meaning: str) -> str:
    if len(answers.labels) == 2 and answers.task.settings.task != "multilabel":
        return f"Of the label {answers.task.settings.positive}, as the threshold falls. {meaning}."
    if len(answers.labels) <= _MOST_CURVES:
        return f"Each label against the rest. {meaning}."
    caption = f"Each label against the rest in grey, all rows and labels together in colour. {meaning}."
    return caption + _which_named(answers)


def _which_named(answers: Answers) -> str:
    return f" Named are the {_MOST_NAMED} labels with most rows." if len(answers.labels) > _MOST_NAMED else ""


def _curves(answers: Answers) -> Iterator[tuple[str, ThresholdCurves, str, float]]:
    """Yield name (empty: too many have one), curve, colour and width; the last is drawn on top."""
    labels = answers.labels
    if len(labels) > _MOST_LABELS:
        return
    scores = answers.probabilities
    is_gold = answers.is_gold
    if len(labels) == 2 and answers.task.settings.task != "multilabel":
        shown: Sequence[int] = [labels.index(answers.task.settings.positive or labels[1])]
    else:
        shown = range(len(labels))
    many = len(shown) > _MOST_CURVES
    named = set(np.argsort(-is_gold.sum(axis=0), kind="stable")[:_MOST_NAMED].tolist())
    for place in shown:
        curve = threshold_curves(is_gold[:, place], scores[:, place])
        if curve is not None:
            colour = COLOURS["line"] if many else SERIES[place % len(SERIES)] if len(shown) > 1 else SERIES[0]
            yield labels[place] if place in named else "", curve.thinned(), colour, 0.8 if many else 1.6
    if many:
        together = threshold_curves(is_gold.ravel(), scores.ravel())
        if together is not None:
            yield "all together", together.thinned(), SERIES[0], 1.8


def class_reliability(answers: Answers) -> Picture | None:
    """Draw how often the labels given are right, by their probability."""
    if not len(answers.examples):
        return None
    sureness: NDArray[np.float64] = answers.task.sureness(answers.outputs)  # type: ignore[attr-defined]
    return reliability_picture(sureness, ~answers.is_wrong)


def label_reliability(answers: Answers) -> Picture | None:
    """Draw how often rows have a label, by its probability; every label of every row is a point."""
    if not len(answers.examples):
        return None
    return reliability_picture(answers.probabilities.ravel(), answers.is_gold.ravel())


def choice_reliability(answers: Answers) -> Picture | None:
    """Draw how often the choices taken are right, by their probability."""
    if not len(answers.examples):
        return None
    return reliability_picture(np.array([float(np.max(row)) for row in answers.outputs]), ~answers.is_wrong)


def answer_reliability(answers: Answers) -> Picture | None:
    """Draw how often what is said of a question is exactly right, by its probability."""
    if not len(answers.examples):
        return None
    sureness: NDArray[np.float64] = answers.task.sureness(answers.outputs)  # type: ignore[attr-defined]
    return reliability_picture(sureness, ~answers.is_wrong)


def predicted_against_gold(answers: Answers) -> Picture | None:
    """Draw predicted values against true ones."""
    gold, predicted = _values(answers)
    figure, axes = new_figure()
    low, high = float(min(gold.min(), predicted.min())), float(max(gold.max(), predicted.max()))
    axes.plot([low, high], [low, high], color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
    axes.scatter(*_thinned(gold, predicted), s=9, alpha=0.35, color=SERIES[0], linewidths=0)
    axes.set_xlabel("gold value")
    axes.set_ylabel("predicted value")
    light_grid(axes)
    return Picture("predicted", "Predicted against gold", "Correct predictions lie on the dashed line.", figure)


def residuals_by_length(answers: Answers) -> Picture | None:
    """Draw predicted minus true value against the length of rows."""
    gold, predicted = _values(answers)
    figure, axes = new_figure()
    axes.axhline(0, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1)
    points = _thinned(np.asarray(answers.lengths, np.float64), predicted - gold)
    axes.scatter(*points, s=9, alpha=0.35, color=SERIES[0], linewidths=0)
    axes.set_xlabel("tokens of the row")
    axes.set_ylabel("predicted minus gold")
    light_grid(axes)
    return Picture("residuals", "Residuals by length", "Above the dashed line the prediction is too high.", figure)


def _values(answers: Answers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([float(label) for label in answers.gold]), np.asarray(answers.outputs, np.float64)[:, 0]


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take evenly spaced points where there are more than can be seen."""
    step = -(-len(x) // _MOST_POINTS)
    return x[::step], y[::step]


def type_scores(answers: Answers) -> Picture | None:
    """Draw the F1 of each entity type, over its precision and recall."""
    figures = answers.scored.evaluation.per_label
    types = sorted(figures, key=lambda type_: -figures[type_].get("support", 0))[:_MOST_CELLS]
    if not types:
        return None
    figure, axes = new_figure(height=max(2.4, 0.34 * len(types) + 1.0))
    places = np.arange(len(types))
    axes.barh(places, [figures[type_]["f1"] for type_ in types], height=0.62, color=SERIES[0], alpha=0.8, label="F1")
    for name, marker in (("precision", "<"), ("recall", ">")):
        axes.plot([figures[k][name] for k in types], places, marker, color=COLOURS["ink"], markersize=4, label=name)
    axes.set_yticks(places, [f"{short(type_)} ({figures[type_]['support']:,.0f})" for type_ in types])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    legend_above(axes, columns=3)
    light_grid(axes, "x")
    caption = "Entities whose place and type are exactly right; in brackets how many there are."
    return Picture("kinds", "F1 by entity type", caption, figure)


def type_confusion(answers: Answers) -> Picture | None:
    """Draw which type was given to the places of which type's entities."""
    cells: Counter[tuple[str, str]] = Counter()
    for example, output in zip(answers.examples, answers.outputs, strict=True):
        cells.update(_matched(example, output))
    order = (
        *answers.labels,
        *sorted({type_ for pair in cells for type_ in pair} - {*answers.labels, NOTHING}),
        NOTHING,
    )
    caption = (
        f"Entities at exactly the same place, by type. The last column was missed, the last row invented ({NOTHING} "
        "is gold there); an entity with a wrong edge counts in both."
    )
    return _confusion_picture(order, cells, caption)


def _matched(example: Example, output: Any) -> Iterator[tuple[str, str]]:
    """Pair true and given entities by their place."""
    entities = (example.entities or ()) if isinstance(example, TaggedText) else ()
    gold = {(entity.start, entity.end): entity.label for entity in entities}
    given = {(entity.start, entity.end): entity.label for entity in output.entities}
    for place in gold.keys() | given.keys():
        yield gold.get(place, NOTHING), given.get(place, NOTHING)


def rank_of_answer(answers: Answers) -> Picture | None:
    """Draw at which rank the right choice stands."""
    questions = [example for example in answers.examples if isinstance(example, Question)]
    gold = [question.names.index(question.label or "") for question in questions]
    if not gold:
        return None
    counts = np.bincount(gold_ranks(gold, answers.outputs))[1:]
    chance = np.zeros(len(counts))
    for question in questions:
        chance[: len(question.names)] += 1 / len(question.names)
    figure, axes = new_figure()
    places = np.arange(1, len(counts) + 1)
    axes.bar(places, counts / len(gold), color=SERIES[0], alpha=0.85, width=0.7, label="model")
    axes.plot(places, chance / len(gold), "_", color=COLOURS["ink"], markersize=18, label="chance")
    for place, count in enumerate(counts.tolist(), start=1):
        axes.text(place, count / len(gold), f"{count:,}", ha="center", va="bottom", fontsize=8)
    axes.set_xticks(places)
    axes.set_xlabel("rank of the gold choice")
    axes.set_ylabel("share of the questions")
    legend_above(axes)
    light_grid(axes, "y")
    return Picture("ranks", "Rank of the gold choice", "Rank 1 is a correct prediction.", figure)


def loss_by_length(answers: Answers) -> Picture | None:
    """Draw the mean loss of masked tokens against the length of rows."""
    rows = zip(answers.lengths, (output.tokens for output in answers.outputs), strict=True)
    pairs = [(n, float(-tokens[:, 0].mean())) for n, tokens in rows if len(tokens)]
    lengths, losses = [n for n, _ in pairs], [loss for _, loss in pairs]
    return length_picture(lengths, losses, "mean loss of masked tokens", is_share=False)


# --- Which figures an evaluation has, by task -----------------------------------------------------
#
# A figure is a function from an evaluation's answers to a `Picture`, or to None where these
# answers do not have it (one class only, no stored losses).

Draw = Callable[[Answers], Picture | None]

_SHARED: Mapping[str, Draw] = {"length": shared.errors_by_length, "loss": shared.loss_curves}
# by task, by the name of the file without its suffix
FIGURES: Mapping[str, Mapping[str, Draw]] = {
    "classify": {
        "confusion": confusion_matrix,
        "precision_recall": precision_recall,
        "roc": roc,
        "reliability": class_reliability,
        **_SHARED,
    },
    "multilabel": {
        "precision_recall": precision_recall,
        "roc": roc,
        "reliability": label_reliability,
        **_SHARED,
    },
    "relation": {"confusion": confusion_matrix, "reliability": class_reliability, **_SHARED},
    "regression": {"predicted": predicted_against_gold, "residuals": residuals_by_length, **_SHARED},
    "ner": {"kinds": type_scores, "confusion": type_confusion, **_SHARED},
    "choice": {"ranks": rank_of_answer, "reliability": choice_reliability, **_SHARED},
    "qa": {"reliability": answer_reliability, **_SHARED},
    "mlm": {"length": loss_by_length, "loss": shared.loss_curves},
}
_OF_ANY_TASK: Mapping[str, Draw] = {"loss": shared.loss_curves}


def figure_names(task: str) -> tuple[str, ...]:
    """Name the files of the figures that a task may have."""
    return tuple(f"{name}.png" for name in FIGURES.get(task, _OF_ANY_TASK))


def draw_figures(scored: Scored) -> Iterator[Picture]:
    """Draw the figures of an evaluation; to be used inside `style.drawing`."""
    answers = Answers(scored)
    for draw in FIGURES.get(scored.run.task.settings.task, _OF_ANY_TASK).values():
        picture = draw(answers)
        if picture is not None:
            yield picture
