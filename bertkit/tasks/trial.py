"""One made-up row through a task and its model: what they cannot do, they say before anybody's row is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bertkit.compute.arrays import no_gradients
from bertkit.data.records import Document, Example, Question
from bertkit.kinds import MisfitError
from bertkit.tasks.base import Task
from bertkit.tasks.parts import rows_of_parts

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

_WORDS = ("a", "b")


def try_out(task: Task, model: TaskModel) -> None:
    """Answer one short row.

    Args:
        task: with its tokenizer.
        model: in evaluation mode, on the CPU.

    Raises:
        MisfitError: the answer is no number.
        Exception: whatever a task, a tokenizer or a model raises that do not belong together.
    """
    example = _example(task)
    with no_gradients():  # what layers keep of a row is of use in training, too
        rows = task.encode([example])
        ((_, outputs),) = rows_of_parts(model, task, rows, "cpu")
        parts = list(outputs)
        if not all(np.isfinite(np.asarray(part, np.float64)).all() for part in parts):
            raise MisfitError("its weights and config.json make answers that are no numbers")
        task.record(example, task.row_output(rows[0], parts), 0)


def _example(task: Task) -> Example:
    settings, source = task.settings, "a row that is made up"
    word = (task.settings.task == "mlm" and task.tokenizer.special.mask) or _WORDS[0]
    texts = (word,) * len(settings.columns.inputs)
    match settings.task:
        case "choice":
            return Question(texts, None, 1, source, _WORDS, _WORDS)
        case "extractive" | "matching":
            return Document(("\n".join(_WORDS),), None, 1, source, None, _WORDS)
        case _:
            return Example(texts, None, 1, source)
