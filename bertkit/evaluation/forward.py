"""Run a model over encoded rows, in batches of like length, and give the outputs in order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bertkit.compute.device import Placement, inference
from bertkit.compute.processes import World, undealt
from bertkit.data.store import MANY
from bertkit.evaluation.linear_run import LinearAnswers
from bertkit.tasks.base import EncodedRow, Outputs, Task
from bertkit.tasks.class_answers import gathered_outputs
from bertkit.tasks.parts import Tick, rows_of_parts

# Rows that a model without an encoder answers at once: few rows as ever, all together.
_AT_ONCE = MANY

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel


def forward(
    model: TaskModel,
    task: Task,
    rows: Sequence[EncodedRow],
    placement: Placement,
    *,
    batch_size: int | None = None,
    tick: Tick = lambda _: None,
) -> Outputs:
    """Compute the output of every row.

    Args:
        model: in evaluation mode, on the placement's device; or what answers without an encoder.
        task: collates parts and reads logits.
        rows: N rows.
        placement: device and precision.
        batch_size: most parts of a batch; None: as many as fit the token budget.
        tick: is told after each batch how many parts it had.

    Returns:
        What the task makes of each row, in the order of the rows; of many rows one array, where
        it is figures.
    """
    if isinstance(model, LinearAnswers):
        parts = iter(rows)
        answers = (model.answers(part) for part in iter(lambda: list(itertools.islice(parts, _AT_ONCE)), []))
        return gathered_outputs(itertools.chain.from_iterable(answers), len(rows))
    with inference(placement):
        computed = rows_of_parts(model, task, rows, placement.device, batch_size=batch_size, tick=tick)
        return gathered_outputs((task.row_output(row, parts) for row, parts in computed), len(rows))


def forward_together(
    world: World, model: TaskModel, task: Task, rows: Sequence[EncodedRow], placement: Placement
) -> Outputs:
    """Compute the output of every row, each process those of its share.

    Returns:
        What `forward` returns, in the first process; in the others an empty list.
    """
    if world.size == 1:
        return forward(model, task, rows, placement)
    return undealt(world.to_main(list(forward(model, task, world.share(rows), placement))))
