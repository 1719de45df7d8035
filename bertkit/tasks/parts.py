"""Run a model over the parts of rows, in batches of like length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import TOKEN_BUDGET, token_budget_batches
from bertkit.tasks.base import EncodedRow, Task

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel


def rows_of_parts(
    model: TaskModel, task: Task, rows: Sequence[EncodedRow], device: str, *, batch_size: int | None = None
) -> list[Sequence[NDArray[np.float64]]]:
    """Compute the outputs of all parts of each row, in order; gradients are for the caller to switch off.

    Args:
        model: in evaluation mode, on the device.
        task: collates parts and reads logits.
        rows: N rows.
        device: where the batches go.
        batch_size: most parts of a batch; None: as many as fit the token budget.

    Returns:
        For each row what the model makes of its parts' outputs.
    """
    parts = [part for row in rows for part in row.parts]
    batches = token_budget_batches([len(part.ids) for part in parts], budget=TOKEN_BUDGET)
    if batch_size is not None:
        batches = [batch[i : i + batch_size] for batch in batches for i in range(0, len(batch), batch_size)]
    outputs: list[NDArray[np.float64]] = [np.zeros(0)] * len(parts)
    for chosen in batches:
        batch = task.batch([parts[i] for i in chosen]).to(device)
        logits = model(**batch.inputs)
        for part, output in zip(chosen, task.part_outputs(logits, batch), strict=True):
            outputs[part] = output
    found, start = [], 0
    for row in rows:
        end = start + len(row.parts)
        found.append(model.finish_row(outputs[start:end]))
        start = end
    return found
