"""What a run says of each validation row, kept in the run: two runs can be compared row by row without being opened.

No text is kept: a row is told by the name of its file and its line. Classes, numbers and sets of labels
only; of what has other answers, `eval --against` compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.data.records import Example
from bertkit.data.store import MANY
from bertkit.files import write_bytes
from bertkit.plain import to_json
from bertkit.tasks.base import Outputs, Task
from bertkit.tasks.multilabel import Decided, MultiLabelTask
from bertkit.tasks.objectives import Classification
from bertkit.tasks.sequence import SequenceTask

FILE = "validation.jsonl"
TASKS = ("classify", "multilabel", "regression")


def save_answers(task: Task, rows: Sequence[Example], outputs: Outputs, folder: Path) -> None:
    """Write the answers beside the gold labels; nothing where rows are too many, or the task has no single figure.

    Raises:
        OSError: the folder cannot be written.
    """
    if task.settings.task in TASKS and len(rows) < MANY:
        content = "".join(to_json(line) + "\n" for line in _lines(task, rows, outputs))
        write_bytes(folder / FILE, content.encode())


def _lines(task: Task, rows: Sequence[Example], outputs: Outputs) -> Iterator[Mapping[str, Any]]:
    for row, predicted in zip(rows, _predicted(task, outputs), strict=True):
        gold = row.answer if task.settings.labels else float(row.label or 0)
        yield {"file": Path(row.source).name, "line": row.line, "gold": gold, "predicted": predicted}


def _predicted(task: Task, outputs: Outputs) -> Sequence[Any]:
    assert isinstance(task, SequenceTask)
    if isinstance(task, MultiLabelTask):
        return [_set(task.settings.labels, output, task.settings.thresholds) for output in outputs]
    if isinstance(task.objective, Classification):
        return list(task.objective.predicted(outputs))
    return [round(float(output[0]), 6) for output in outputs]


def _set(labels: Sequence[str], output: Any, thresholds: Sequence[float]) -> list[str]:
    chosen = output.chosen if isinstance(output, Decided) else np.asarray(output) >= np.asarray(thresholds or 0.5)
    return [label for label, is_chosen in zip(labels, chosen, strict=True) if is_chosen]
