"""Drive the loop: keep checkpoints, write events, tell the listener, stop when asked.

Of several processes the first writes, and its scores decide for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bertkit.bundle import encoder_class_of
from bertkit.compute.device import Placement
from bertkit.compute.processes import interrupts
from bertkit.config import TrainConfig
from bertkit.errors import Interrupted
from bertkit.evaluation.answers import forward_together
from bertkit.metrics.names import greater_is_better
from bertkit.run_folder import resume_command
from bertkit.tasks.base import Outputs, Scores
from bertkit.tasks.published import OF_A_ROW, class_of
from bertkit.training.checkpoint import Checkpoints, EpochAverage, best_name, check_state, mean_weights, soup_name
from bertkit.training.loop import (
    Learner,
    LoopState,
    StepFacts,
    build_learner,
    build_model,
    forget,
    plan_of,
    train_steps,
)
from bertkit.training.prepare import Prepared
from bertkit.training.tracking import Tracker, chosen_rows, silent_writers, wants_tensorboard

if TYPE_CHECKING:
    from torch import Tensor

    Weights = dict[str, Tensor]

# Writing checkpoints may cost at most this share of the time.
CHECKPOINT_SHARE = 0.01


@dataclass
class Totals:
    """Work done in this process, for the speeds, and its fruit.

    Attributes:
        outputs: what the best weights gave for all validation rows; None where they were
            found before a resume, or where only some rows are scored after an epoch.
    """

    rows: int = 0
    tokens: int = 0
    seconds: float = 1e-9
    outputs: Outputs | None = None

    def add(self, facts: StepFacts) -> None:
        """Count a step."""
        self.rows += facts.rows
        self.tokens += facts.tokens
        self.seconds += facts.seconds


class Keeper:
    """Decides when a checkpoint is due: at once, then as often as it costs little.

    Its clock changes what is written, never what is learnt.
    """

    def __init__(self, checkpoints: Checkpoints, learner: Learner, state: LoopState, average: EpochAverage) -> None:
        self.checkpoints, self.learner, self.state, self.average = checkpoints, learner, state, average
        self.next_at = 0.0

    def step(self, *, due: bool) -> None:
        """Write a checkpoint if one is due."""
        began = time.perf_counter()
        if not (due or began >= self.next_at):
            return
        self.checkpoints.save_step(self.state, self.learner.bare_model, self.learner.optimizer, keep=self.average.names)
        ended = time.perf_counter()
        self.next_at = ended + (ended - began) / CHECKPOINT_SHARE


class Scorer:
    """Scores the validation rows after an epoch, with averaged weights where wanted, and keeps what they gave."""

    def __init__(
        self, prepared: Prepared, learner: Learner, placement: Placement, state: LoopState, average: EpochAverage
    ) -> None:
        self.prepared, self.learner, self.placement = prepared, learner, placement
        self.state, self.average = state, average
        self.outputs: Outputs = []

    @property
    def whole_outputs(self) -> Outputs | None:
        """The newest outputs, in the first process; None where only some rows are scored after an epoch."""
        return self.outputs if len(self.prepared.scored_rows) == len(self.prepared.validation) else None

    def __call__(self) -> Scores:
        """Score; the first process decides for all."""
        prepared, learner, chosen = self.prepared, self.learner, self.prepared.scored_rows
        rows = prepared.validation[chosen.start : chosen.stop : chosen.step]
        with self.average.weights_of(learner.bare_model, epoch=self.state.epoch + 1):
            model = learner.bare_model.eval()
            self.outputs = forward_together(learner.world, model, prepared.task, rows, self.placement)
        examples = prepared.validation_examples[chosen.start : chosen.stop : chosen.step]
        return learner.world.broadcast(lambda: prepared.task.score(examples, self.outputs))


def drive(
    prepared: Prepared,
    learner: Learner,
    placement: Placement,
    state: LoopState,
    checkpoints: Checkpoints,
    listener: Callable[[StepFacts | str], None],
) -> Totals:
    """Run the loop to its end; `state` is where it begins and where it ends.

    Raises:
        Interrupted: one process was asked to stop, and all do; a checkpoint of the last step
            is there.
        NonFiniteError, ProcessLostError: see `train_steps`.
    """
    config, totals, world = prepared.config, Totals(), learner.world
    average = EpochAverage(checkpoints, int(config.average or 1), epoch=state.epoch)
    keeper = Keeper(checkpoints, learner, state, average)
    scorer = Scorer(prepared, learner, placement, state, average)
    looked_at = chosen_rows(prepared.validation)
    steps = train_steps(learner, prepared.rows, plan_of(config), state, scorer)
    with silent_writers(), closing(_tracker(config, checkpoints, state, listener)) as tracker:
        if state.step == 0:
            sample = prepared.task.batch(prepared.rows[0].encoded.parts)
            tracker.graph(learner.bare_model, sample.to(placement.device), _name_of(learner))
        with interrupts(persist=world.size > 1) as interrupted:
            for facts in steps:
                stop = world.any(interrupted.is_set())
                totals.add(facts)
                if facts.improved:
                    checkpoints.save_weights(best_name(facts.step), average.best_of(learner.bare_model))
                    totals.outputs = scorer.whole_outputs
                keeper.step(due=facts.scores is not None or stop)
                tracker(facts)
                if facts.scores is not None:
                    tracker.weights(learner.bare_model, facts.step)
                    tracker.attention(learner.bare_model, looked_at, facts.step)
                listener(facts)
                if stop:
                    world.any(False)  # the checkpoint is written
                    way_on = resume_command(checkpoints.shown or checkpoints.run)
                    raise Interrupted(
                        f"interrupted at step {facts.step} of {facts.total_steps}; continue with {way_on}."
                    )
    return totals


def _name_of(learner: Learner) -> str:
    """Name the box of the model's graph: as transformers would call it, or by our own class."""
    model, settings = learner.bare_model, learner.task.settings
    encoder = encoder_class_of(model)
    known = settings.task in (*OF_A_ROW, "ner", "mlm")
    return class_of(settings, encoder) if known else type(model).__name__


def _tracker(
    config: TrainConfig, checkpoints: Checkpoints, state: LoopState, listener: Callable[[StepFacts | str], None]
) -> Tracker:
    wanted = wants_tensorboard(config.tensorboard) and checkpoints.world.is_main
    folder = checkpoints.run / "events" if wanted else None
    return Tracker(folder, every=config.log_every, purge_step=state.step + 1, warn=listener)


@dataclass(frozen=True)
class Driven:
    """A training that was driven to its end: where it is, where it began, and its work."""

    state: LoopState
    resumed_from: int
    totals: Totals


def drive_to_best(
    prepared: Prepared,
    learner: Learner,
    placement: Placement,
    checkpoints: Checkpoints,
    listener: Callable[[StepFacts | str], None],
    begins: Callable[[LoopState], None] = lambda _: None,
) -> Driven:
    """Train from the newest checkpoint on, if there is one, and give the model its best weights.

    Args:
        prepared: what is learnt from, and how.
        learner: the model, with its first weights.
        placement: where it learns.
        checkpoints: where they are.
        listener: hears of every step.
        begins: told where the training begins, before the first step.
    """
    newest = checkpoints.newest()
    state = checkpoints.load_step(newest, learner.bare_model, learner.optimizer) if newest else LoopState()
    shown = checkpoints.shown or checkpoints.run
    check_state(state, plan_of(prepared.config).steps_per_epoch(len(prepared.rows)), shown)
    resumed_from = state.step
    begins(state)
    totals = drive(prepared, learner, placement, state, checkpoints, listener)
    forget(learner)
    learner.bare_model.load_state_dict(checkpoints.load_weights(best_name(state.best_step)))
    return Driven(state, resumed_from, totals)


# --- A soup: the mean of the weights of several trainings (Wortsman et al. 2022, "Model soups") ----
#
# All begin with the same weights, head included, and differ in the order of rows and in dropout. Fine-tuned
# weights of one origin lie in one basin, so that their mean is a model, and mostly a better one. It is made
# greedily, as the paper does: weights join, the best training first, where the validation rows say no worse.


@dataclass(frozen=True)
class SoupStep:
    """Where a training of a soup is, the last one aside."""

    training: int
    trainings: int
    step: int
    total_steps: int


def train_members(
    prepared: Prepared,
    placement: Placement,
    checkpoints: Checkpoints,
    listener: Callable[[SoupStep], None],
) -> None:
    """Train all of a soup but the last; those that were done before an interruption are not done again."""
    config, world = prepared.config, checkpoints.world
    for number in range(1, int(config.soup or 1)):
        if checkpoints.has_weights(soup_name(number)):
            continue
        own = replace(prepared, config=replace(config, seed=(config.seed + number) % 2**32, tensorboard=False))
        learner = build_learner(own, build_model(prepared), placement, world)  # first weights are those of --seed

        def hear(event: StepFacts | str, number: int = number) -> None:
            if isinstance(event, StepFacts):
                listener(SoupStep(number, int(config.soup or 1), event.step, event.total_steps))

        drive_to_best(own, learner, placement, checkpoints.member(number), hear)
        checkpoints.save_member(number, learner.bare_model.state_dict())


def stir(
    prepared: Prepared, learner: Learner, placement: Placement, checkpoints: Checkpoints, outputs: Outputs
) -> tuple[Outputs, str]:
    """Give the model the mean of the weights that make it better on the validation rows.

    Args:
        prepared: what was learnt from, and how.
        learner: the model with the best weights of the last training.
        placement: where it computes.
        checkpoints: hold the weights of the others.
        outputs: what the last training's weights give for the validation rows.

    Returns:
        What the mean gives, and a sentence about it.
    """
    metric, world, count = prepared.task.settings.deciding_metric, learner.world, int(prepared.config.soup or 1)
    sign = 1.0 if greater_is_better(metric) else -1.0

    def tried(weights: Weights) -> tuple[float, Outputs]:
        learner.bare_model.load_state_dict(weights)
        found = forward_together(world, learner.bare_model.eval(), prepared.task, prepared.validation, placement)
        return score_of(found), found

    def score_of(found: Outputs) -> float:
        return world.broadcast(lambda: prepared.task.score(prepared.validation_examples, found).metrics[metric]) * sign

    last = {name: tensor.detach().cpu().clone() for name, tensor in learner.bare_model.state_dict().items()}
    trained = [(score_of(outputs), last, outputs)]
    for number in range(1, count):
        weights = checkpoints.load_weights(soup_name(number))
        now, found = tried(weights)
        trained.append((now, weights, found))
    trained.sort(key=lambda each: -each[0])
    best, first, outputs = trained[0]
    kept, score = [first], best
    for _, weights, _ in trained[1:]:
        mean = mean_weights([*kept, weights])
        now, found = tried(mean)
        if now >= score:
            kept, score, outputs = [*kept, weights], now, found
    learner.bare_model.load_state_dict(mean_weights(kept))
    return outputs, (
        f"model soup: the mean weights of {len(kept)} of {count} trainings; on the validation rows {metric} "
        f"{score * sign:.4f}, the best of them alone {best * sign:.4f}"
    )
