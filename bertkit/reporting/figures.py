"""Which figures an evaluation has, by task.

A figure is a function from an evaluation's answers to a `Picture`, or to None where these
answers do not have it (one class only, no stored losses).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bertkit.evaluation.run import Scored
from bertkit.reporting import pictures as shared
from bertkit.reporting import task_figures as own
from bertkit.reporting.pictures import Answers, Picture

Draw = Callable[[Answers], Picture | None]

_SHARED: Mapping[str, Draw] = {"length": shared.errors_by_length, "loss": shared.loss_curves}
# by task, by the name of the file without its suffix
FIGURES: Mapping[str, Mapping[str, Draw]] = {
    "classify": {
        "confusion": own.confusion_matrix,
        "precision_recall": own.precision_recall,
        "roc": own.roc,
        "reliability": own.class_reliability,
        **_SHARED,
    },
    "multilabel": {
        "precision_recall": own.precision_recall,
        "roc": own.roc,
        "reliability": own.label_reliability,
        **_SHARED,
    },
    "relation": {"confusion": own.confusion_matrix, "reliability": own.class_reliability, **_SHARED},
    "regression": {"predicted": own.predicted_against_gold, "residuals": own.residuals_by_length, **_SHARED},
    "ner": {"kinds": own.kind_scores, "confusion": own.kind_confusion, **_SHARED},
    "choice": {"ranks": own.rank_of_answer, "reliability": own.choice_reliability, **_SHARED},
    "qa": {"reliability": own.answer_reliability, **_SHARED},
    "mlm": {"length": own.loss_by_length, "loss": shared.loss_curves},
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
