"""Run a model over encodings, in batches of like length, and give the outputs in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import TOKEN_BUDGET, token_budget_batches
from bertkit.compute.device import Placement, autocast
from bertkit.tasks.base import Task
from bertkit.tokenization.base import Encoding

if TYPE_CHECKING:
    from bertkit.models.heads import SequenceModel


def forward(
    model: SequenceModel,
    task: Task,
    encodings: Sequence[Encoding],
    placement: Placement,
    *,
    batch_size: int | None = None,
) -> NDArray[np.float64]:
    """Compute the outputs of every row.

    Args:
        model: in evaluation mode, on the placement's device.
        task: collates rows and reads logits.
        encodings: N rows.
        placement: device and precision.
        batch_size: most rows of a batch; None: as many as fit the token budget.

    Returns:
        Probabilities or values, (N, C), in the order of the rows.
    """
    import torch

    if not encodings:
        return np.zeros((0, 0))
    lengths = [len(e.ids) for e in encodings]
    batches = token_budget_batches(lengths, budget=TOKEN_BUDGET)
    if batch_size is not None:
        batches = [rows[i : i + batch_size] for rows in batches for i in range(0, len(rows), batch_size)]
    results: list[NDArray[np.float64]] = [np.zeros(0)] * len(encodings)
    with torch.inference_mode(), autocast(placement):
        for rows in batches:
            batch = task.batch([encodings[i] for i in rows]).to(placement.device)
            logits = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
            for row, output in zip(rows, task.outputs(logits), strict=True):
                results[row] = output
    return np.stack(results)
