"""The table of tasks; torch-free, so that names are checked before anything heavy loads."""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.errors import UnknownNameError


@dataclass(frozen=True)
class TaskSpec:
    """A row of the table; `target` is "module:class", imported when the task is built."""

    name: str
    target: str
    summary: str


TASKS: tuple[TaskSpec, ...] = (
    TaskSpec("classify", "bertkit.tasks.sequence:SequenceTask", "one label for a text, a pair or several columns"),
    TaskSpec(
        "regression",
        "bertkit.tasks.sequence:SequenceTask",
        "one number for a text, a pair or several columns",
    ),
)


def find_task(name: str) -> TaskSpec:
    """Look a task up.

    Raises:
        UnknownNameError: no row has the name.
    """
    for spec in TASKS:
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in TASKS)
    raise UnknownNameError.among("task", name, (s.name for s in TASKS), f"This version trains {known}")
