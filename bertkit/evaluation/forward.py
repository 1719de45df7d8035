"""Run a model over encoded rows, in batches of like length, and give the outputs in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bertkit.compute.device import Placement, inference
from bertkit.compute.processes import World, undealt
from bertkit.evaluation.linear_run import LinearAnswers
from bertkit.tasks.base import EncodedRow, Task
from bertkit.tasks.parts import Tick, rows_of_parts

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
) -> list[Any]:
    """Compute the output of every row.

    Args:
        model: in evaluation mode, on the placement's device; or what answers without an encoder.
        task: collates parts and reads logits.
        rows: N rows.
        placement: device and precision.
        batch_size: most parts of a batch; None: as many as fit the token budget.
        tick: is told after each batch how many parts it had.

    Returns:
        What the task makes of each row, in the order of the rows.
    """
    if isinstance(model, LinearAnswers):
        return list(model.answers(rows))
    with inference(placement):
        outputs = rows_of_parts(model, task, rows, placement.device, batch_size=batch_size, tick=tick)
        return [task.row_output(row, parts) for row, parts in zip(rows, outputs, strict=True)]


def forward_together(
    world: World, model: TaskModel, task: Task, rows: Sequence[EncodedRow], placement: Placement
) -> list[Any]:
    """Compute the output of every row, each process those of its share.

    Returns:
        What `forward` returns, in the first process; in the others an empty list.
    """
    return undealt(world.to_main(forward(model, task, world.share(rows), placement)))
