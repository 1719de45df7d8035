"""What `--threshold` asks of a run's answers, beside what the run itself decides by."""

from __future__ import annotations

from bertkit.errors import UsageError
from bertkit.tasks.base import Task
from bertkit.tasks.multilabel import MultiLabelTask


def decide_by(task: Task, threshold: str | None) -> None:
    """Let a task decide by the thresholds that somebody named; None: by its own.

    Raises:
        UsageError: the task has no thresholds, or the word is none that it takes.
    """
    if threshold is None:
        return
    if not isinstance(task, MultiLabelTask):
        raise UsageError(f"--threshold: is for multilabel, and this run is {task.settings.task}; leave it out.")
    task.override(threshold)
