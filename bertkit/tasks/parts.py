"""Run a model over the parts of rows, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import TOKEN_BUDGET, token_budget_batches
from bertkit.compute.memory import give_back
from bertkit.tasks.base import EncodedRow, Task
from bertkit.tokenization.base import Encoding

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

Tick = Callable[[float], None]

# Rows that are computed together: enough for batches of like length.
SLAB = 4096
# Figures that are held of parts before their rows are answered (32 MB at most).
MOST_FIGURES = 2**22


def rows_of_parts(
    model: TaskModel,
    task: Task,
    rows: Iterable[EncodedRow],
    device: str,
    *,
    batch_size: int | None = None,
    tick: Tick = lambda _: None,
) -> Iterator[tuple[EncodedRow, Iterable[NDArray[np.float64]]]]:
    """Compute the outputs of the parts of each row; gradients are for the caller to switch off.

    Args:
        model: in evaluation mode, on the device.
        task: collates parts and reads logits.
        rows: N rows, taken as they are computed.
        device: where the batches go.
        batch_size: most parts of a batch; None: as many as fit the token budget.
        tick: is told after each batch how many parts it had.

    Yields:
        Each row, and what the model makes of its parts' outputs, to be used up before the next
        row's. Those of a row with very many parts are computed as they are taken.
    """
    for slab in _slabs(task, rows):
        parts = [part for row in slab for part in row.parts]
        if len(slab) == 1 and _figures(task, slab[0]) > MOST_FIGURES:
            yield slab[0], model.finish_row(_bit_by_bit(model, task, slab[0], device, batch_size, tick))
            continue
        outputs = _part_outputs(model, task, parts, device, batch_size, tick)
        start = 0
        for row in slab:
            end = start + len(row.parts)
            yield row, model.finish_row(outputs[start:end])
            start = end
        give_back()


def _figures(task: Task, row: EncodedRow) -> int:
    """Tell about how many figures the outputs of a row's parts are."""
    labels = len(task.settings.labels)
    if task.settings.task == "ner":
        return sum(len(part.ids) for part in row.parts) * (2 * labels + 1)
    if task.settings.task == "qa":
        return sum(len(part.ids) for part in row.parts) * 2
    return len(row.parts) * max(1, labels)


def _slabs(task: Task, rows: Iterable[EncodedRow]) -> Iterator[list[EncodedRow]]:
    """Group rows that are computed together."""
    slab: list[EncodedRow] = []
    held = 0
    for row in rows:
        own = _figures(task, row)
        if slab and (len(slab) == SLAB or held + own > MOST_FIGURES):
            yield slab
            slab, held = [], 0
        slab.append(row)
        held += own
    if slab:
        yield slab


def _bit_by_bit(
    model: TaskModel, task: Task, row: EncodedRow, device: str, batch_size: int | None, tick: Tick
) -> Iterator[NDArray[np.float64]]:
    """Compute the outputs of a row's parts, some at a time."""
    step = max(1, min(SLAB // 8, len(row.parts) * MOST_FIGURES // _figures(task, row)))
    for start in range(0, len(row.parts), step):
        yield from _part_outputs(model, task, row.parts[start : start + step], device, batch_size, tick)


def _part_outputs(
    model: TaskModel, task: Task, parts: Sequence[Encoding], device: str, batch_size: int | None, tick: Tick
) -> list[NDArray[np.float64]]:
    batches = token_budget_batches([len(part.ids) for part in parts], budget=TOKEN_BUDGET)
    if batch_size is not None:
        batches = [batch[i : i + batch_size] for batch in batches for i in range(0, len(batch), batch_size)]
    outputs: list[NDArray[np.float64]] = [np.zeros(0)] * len(parts)
    for chosen in batches:
        batch = task.batch([parts[i] for i in chosen])
        batch = batch if model.reads_arrays else batch.to(device)
        logits = model(**batch.inputs)
        for part, output in zip(chosen, task.part_outputs(logits, batch), strict=True):
            outputs[part] = output
        tick(len(chosen))
    return outputs
