"""What the rows of a table can hold, by name: `shapes.table` has a row for each, and a task's row names one."""

from __future__ import annotations

from collections.abc import Mapping

CLASSES = "classes"
SCORES = "scores"
ENTITIES = "entities"
QUESTIONS = "questions"
TEXTS = "texts"
SUMMARIES = "summaries"
LABEL_SETS = "label_sets"
READINGS = "readings"
RELATIONS = "relations"
AUTO = "auto"

Tasks = Mapping[str, str]
"""The shape that each task reads, by the task's word, as those who know tasks hand it in."""


def shape_asked(task: str, tasks: Tasks, usual: str | None = None) -> str:
    """Return the shape that a task reads; of "auto" the usual one, or else "auto"."""
    return (usual or AUTO) if task == AUTO else tasks[task]


def word_of(shape: str, tasks: Tasks, asked: str = AUTO) -> str:
    """Return the word of the task that reads a shape: the one that was asked for, or else the first."""
    return asked if tasks.get(asked) == shape else next(word for word, name in tasks.items() if name == shape)
