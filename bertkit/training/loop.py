"""The training loop: a generator of steps.

It knows no file and no console. Batches come from the rows, scores from a function handed
in; what it yields is enough to log, to checkpoint and to stop. Everything random is a
function of (seed, step), so a run resumed at any step goes on exactly as it would have.

Several processes go through the same batches, each with its share of the rows. A step takes
the mean over all rows, so the weights are those of a single process, but for rounding and
for the noise, which each process draws for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bertkit.compute.batching import Batch, training_batches
from bertkit.compute.processes import ALONE, World
from bertkit.errors import DataError, NonFiniteError
from bertkit.metrics.names import greater_is_better
from bertkit.tasks.base import Scores, Task, TrainingOptions, TrainingRow
from bertkit.tasks.encoded import lengths_of
from bertkit.training.freezing import freeze, layers_frozen
from bertkit.training.optim import learning_rate, set_learning_rate
from bertkit.troubleshooting import see

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from bertkit.models.heads import TaskModel


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn."""

    epochs: int
    batch_size: int
    accumulate: int
    lr: float
    warmup: float
    schedule: str
    clip: float
    patience: int
    seed: int
    freeze: int = 0
    freeze_after: float = 1.0

    def steps_per_epoch(self, n_rows: int) -> int:
        """Return the number of optimizer steps of one pass over the rows."""
        return math.ceil(math.ceil(n_rows / self.batch_size) / self.accumulate)


@dataclass
class LoopState:
    """Where the loop stands; JSON both ways."""

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    best_score: float | None = None
    best_loss: float | None = None
    best_step: int = 0
    stale: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class StepFacts:
    """What happened in one step.

    `loss` is the mean over the step's rows, without class weights and label smoothing, as the
    validation loss is; `objective` is with them, which is what is made smaller, and None where
    there are none. `scores` is there when the step ended an epoch, and `improved` tells
    whether they are the best so far.
    """

    step: int
    total_steps: int
    epoch: int
    loss: float
    lr: float
    grad_norm: float
    rows: int
    tokens: int
    seconds: float
    scores: Scores | None = None
    improved: bool = False
    objective: float | None = None


@dataclass(frozen=True)
class Learner:
    """The parts that learn, on their device, and the processes that hold copies of them."""

    model: nn.Module
    optimizer: Optimizer
    task: Task
    options: TrainingOptions
    accelerator: Accelerator
    world: World = ALONE

    @property
    def bare_model(self) -> TaskModel:
        """The model without what the accelerator wraps round it."""
        unwrapped: TaskModel = self.accelerator.unwrap_model(self.model)
        return unwrapped


def train_steps(
    learner: Learner,
    rows: Sequence[TrainingRow],
    plan: Plan,
    state: LoopState,
    evaluate: Callable[[], Scores],
) -> Iterator[StepFacts]:
    """Train, yielding after every step; `state` is up to date whenever it yields.

    Args:
        learner: model, optimizer, task.
        rows: encoded training rows.
        plan: epochs, rates, sizes.
        state: where to begin; advanced in place.
        evaluate: scores the model on validation rows, called after every epoch.

    Raises:
        NonFiniteError: loss or gradient is no longer a number, in any process; the weights
            are those of the step before.
        ProcessLostError: another process has ended.
        DataError: the validation rows lack the metric that decides.
    """
    lengths = lengths_of(rows)
    per_epoch = plan.steps_per_epoch(len(rows))
    while state.epoch < plan.epochs and state.stale < plan.patience:
        batches = training_batches(lengths, batch_size=plan.batch_size, seed=plan.seed, epoch=state.epoch)
        for index in range(state.step_in_epoch, per_epoch):
            chosen = batches[index * plan.accumulate : (index + 1) * plan.accumulate]
            facts = take_step(learner, [[rows[i] for i in batch] for batch in chosen], plan, state, per_epoch)
            state.step_in_epoch = index + 1
            if state.step_in_epoch < per_epoch:
                yield facts
                continue
            scores = evaluate()
            improved = _remember(scores, learner.task, state)
            state.epoch, state.step_in_epoch = state.epoch + 1, 0
            yield replace(facts, scores=scores, improved=improved)


def take_step(
    learner: Learner, parts: list[list[TrainingRow]], plan: Plan, state: LoopState, per_epoch: int
) -> StepFacts:
    """Learn from one step's batches; `state` is advanced.

    Args:
        learner: model, optimizer, task.
        parts: the rows of each batch that is summed into the step.
        plan: epochs, rates, sizes.
        state: where the loop stands.
        per_epoch: steps of an epoch.

    Raises:
        NonFiniteError: loss or gradient is no longer a number; the weights stay as they were.
    """
    began = time.perf_counter()
    step, total = state.step + 1, plan.epochs * per_epoch
    n_rows = sum(len(part) for part in parts)
    rate = learning_rate(step, total, peak=plan.lr, warmup=plan.warmup, schedule=plan.schedule)
    set_learning_rate(learner.optimizer, rate)
    _freeze(learner.bare_model, plan, share=(step - 1) / total)
    learner.model.train()
    learner.optimizer.zero_grad(set_to_none=True)
    objective, loss, tokens = _backward(learner, parts, n_rows, _noise(plan.seed, step, learner.world.rank))
    norm = float(learner.accelerator.clip_grad_norm_(learner.model.parameters(), plan.clip or math.inf))
    if not (math.isfinite(objective) and math.isfinite(norm)):
        raise _not_finite(objective, norm, step, parts, learner)
    learner.optimizer.step()
    state.step = step
    seconds = time.perf_counter() - began
    facts = StepFacts(step, total, state.epoch + 1, loss, rate, norm, n_rows, int(tokens), seconds)
    return facts if learner.options.plain is learner.options else replace(facts, objective=objective)


def _freeze(model: TaskModel, plan: Plan, *, share: float) -> None:
    """Freeze as many layers as the plan wants after a share of the steps, in a resumed run too."""
    layers = len(model.encoder.layers)
    lowest = max(plan.freeze, layers_frozen(share, layers, after=plan.freeze_after))
    if lowest > plan.freeze and next(model.encoder.layers[lowest - 1].parameters()).requires_grad:
        freeze(model, lowest)


def _backward(
    learner: Learner, parts: list[list[TrainingRow]], n_rows: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Leave the gradients of the step's mean loss in every process; return it, the plain loss and the tokens."""
    world, loss, plain, tokens = learner.world, 0.0, 0.0, 0
    for part in parts:
        rows = world.share(part)
        if not rows:  # the last batch can have fewer rows than there are processes
            continue
        batch = learner.task.training_batch(rows, learner.options, rng)
        tokens += batch.tokens
        part_loss, part_plain = _losses(learner, batch.to(str(learner.accelerator.device)), n_rows)
        learner.accelerator.backward(part_loss)
        loss += float(part_loss.detach())
        plain += float(part_plain.detach())
    loss, plain, all_tokens = world.sum_gradients(learner.model.parameters(), (loss, plain, tokens))
    return loss, plain, all_tokens


def _noise(seed: int, step: int, rank: int) -> np.random.Generator:
    """Seed dropout, and return the source of all other noise of a step; the same after a resume."""
    import torch

    torch.manual_seed(seed * 1_000_003 + step + (rank << 40))
    return np.random.default_rng((seed, step, rank) if rank else (seed, step))


def _losses(learner: Learner, batch: Batch, n_rows: int) -> tuple[Tensor, Tensor]:
    """Return what a batch adds to the mean loss of a step's rows, as it is learnt from and plain."""
    import torch

    with learner.accelerator.autocast():
        logits = learner.model(**batch.inputs)
    losses = learner.task.losses(logits, batch, learner.options).sum() / n_rows
    plain = learner.options.plain
    if plain is learner.options:
        return losses, losses
    with torch.no_grad():
        return losses, learner.task.losses(logits, batch, plain).sum() / n_rows


def _remember(scores: Scores, task: Task, state: LoopState) -> bool:
    """Compare scores with the best so far by the metric that decides; a tie goes to the lower loss."""
    metric = task.settings.deciding_metric
    if metric not in scores.metrics:
        raise DataError(f"--metric {metric}: the validation rows do not have it; take another.")
    score, sign = scores.metrics[metric], 1 if greater_is_better(metric) else -1
    loss = scores.metrics.get("loss", scores.metrics.get("mse", 0.0))
    best = -math.inf if state.best_score is None else state.best_score * sign
    tied_but_surer = score * sign == best and (state.best_loss is None or loss < state.best_loss)
    improved = score * sign > best or tied_but_surer
    if improved:
        state.best_score, state.best_loss, state.best_step, state.stale = score, loss, state.step, 0
    else:
        state.stale += 1
    return improved


def _not_finite(
    loss: float, norm: float, step: int, parts: list[list[TrainingRow]], learner: Learner
) -> NonFiniteError:
    what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient norm is {norm}"
    places = [row.place for part in parts for row in part]
    shown = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
    dtype = learner.accelerator.mixed_precision
    dtype = {"no": "float32", "bf16": "bfloat16"}.get(dtype, dtype)
    return NonFiniteError(
        f"step {step}: {what} in {dtype}, on rows {shown}; the last good checkpoint is kept. "
        f"Try a lower --lr, --clip 1 or --precision float32; {see('not-finite')}."
    )
