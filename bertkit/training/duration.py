"""How long a training will take, told before it begins: two of its batches are learnt from, and timed.

A step costs something however few its tokens are, and more for each of them. Two batches of
different size give both; each is taken twice, for the first pass of a size also makes room in
memory. All batches of all epochs are then added up, and the scoring of the validation rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bertkit.compute.batching import training_batches
from bertkit.tasks.base import TrainingRow
from bertkit.training.learner import plan_of
from bertkit.training.loop import Learner, LoopState, take_step
from bertkit.training.prepare import Prepared

# Of the sizes of a training's steps, in order: where the two are that are measured.
_SMALLER, _LARGER = 0.25, 0.75
# What a forward pass costs of a step, which is a forward pass, a backward pass of about two
# and an optimizer's step.
_FORWARD = 0.33


@dataclass(frozen=True)
class _Cost:
    """Seconds of a step, and of each of its tokens, padding included."""

    step: float
    token: float


def predict_seconds(prepared: Prepared, learner: Learner) -> float:
    """Say how many seconds a training will take from its first step to its last scoring, stopped by nothing.

    The model learns from the two batches: it is of no use afterwards.

    Args:
        prepared: the rows and their batches.
        learner: the model on its device.
    """
    plan = plan_of(prepared.config)
    lengths = [row.length for row in prepared.rows]
    steps = [
        batches[start : start + plan.accumulate]
        for epoch in range(plan.epochs)
        for batches in [training_batches(lengths, batch_size=plan.batch_size, seed=plan.seed, epoch=epoch)]
        for start in range(0, len(batches), plan.accumulate)
    ]
    sizes = [sum(_places(batch, lengths) for batch in step) for step in steps]
    order = sorted(range(len(steps)), key=lambda i: sizes[i])
    smaller, larger = (order[int(share * (len(order) - 1))] for share in (_SMALLER, _LARGER))
    seconds = [_timed(prepared.rows, steps[i], learner, prepared) for i in (smaller, larger)]
    cost = _line((sizes[smaller], sizes[larger]), seconds)
    scored = sum(len(part.ids) for i in prepared.scored_rows for part in prepared.validation[i].parts)
    return len(steps) * cost.step + sum(sizes) * cost.token + plan.epochs * scored * cost.token * _FORWARD


def _places(batch: Sequence[int], lengths: Sequence[int]) -> int:
    return len(batch) * max(lengths[i] for i in batch)


def _timed(rows: Sequence[TrainingRow], step: list[list[int]], learner: Learner, prepared: Prepared) -> float:
    """Take a step twice; returns the seconds of the second time."""
    parts = [[rows[i] for i in batch] for batch in step]
    plan = plan_of(prepared.config)
    found = [take_step(learner, parts, plan, LoopState(), plan.steps_per_epoch(len(rows))) for _ in range(2)]
    return found[-1].seconds


def _line(sizes: tuple[int, int], seconds: Sequence[float]) -> _Cost:
    """Draw a line through two steps; where it would fall, or begin below nothing, tokens are all that counts."""
    apart = sizes[1] - sizes[0]
    token = (seconds[1] - seconds[0]) / apart if apart > 0 else 0.0
    start = seconds[1] - token * sizes[1]
    if token <= 0 or start < 0:
        return _Cost(0.0, sum(seconds) / sum(sizes))
    return _Cost(start, token)
