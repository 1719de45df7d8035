"""The file of `eval --errors`: rows that were got wrong, as JSON lines that can be read as data again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bertkit.data.records import Example
from bertkit.files import writing
from bertkit.plain import to_json
from bertkit.tasks.base import Outputs, Task


def write_errors(path: Path, task: Task, examples: Sequence[Example], outputs: Outputs) -> None:
    """Write the rows the model got wrong as JSON lines, the surest mistakes first.

    For regression all rows are written, the largest errors first.

    Raises:
        OutputError: the file cannot be written.
    """
    mistakes = task.mistakes(examples, outputs)
    names = task.settings.columns.inputs
    lines = [
        to_json(
            {
                "line": examples[i].line,
                "source": examples[i].source,
                **dict(zip(names, examples[i].texts, strict=True)),
                "label": examples[i].answer,
                **figures,
            }
        )
        for i, figures in mistakes
    ]
    with writing(path, "--errors") as stream:
        stream.write("".join(line + "\n" for line in lines))
