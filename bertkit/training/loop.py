"""The training loop, a generator of steps, and what learns in it: model, optimizer, schedule, frozen layers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bertkit.bundle import encoder_class_of
from bertkit.compute.batching import Batch, training_batches
from bertkit.compute.device import FEW_SHAPES, Placement, choose_placement, give_back
from bertkit.compute.processes import ALONE, World
from bertkit.config import TrainConfig
from bertkit.errors import DataError, NonFiniteError, TokenizerError, UsageError
from bertkit.metrics.names import greater_is_better
from bertkit.models.registry import BuildOptions, load_target
from bertkit.plain import see
from bertkit.tasks.base import Scores, Task, TrainingOptions, TrainingRow
from bertkit.tasks.encoded import lengths_of
from bertkit.tasks.published import why_not_expressed
from bertkit.tasks.sequence import RelationTask
from bertkit.tokenization.segments import OVERLAP_SEGMENTS
from bertkit.training.prepare import Prepared

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from bertkit.models.heads import Encoder, TaskModel

# --- AdamW and its learning-rate schedule ---------------------------------------------------------

# Biases and the scales of LayerNorm are not shrunk: decay is for matrices.
MIN_DECAYED_DIMENSIONS = 2
# Tokens at once, and tokens times layers times width at once: see `places_at_once`.
LEAST_PLACES = 2048
MOST_KEPT = 4_800_000
ENCODER = "encoder."  # the beginning of its weights' names; all others are the head's
PACE = "pace"


def build_optimizer(model: TaskModel, *, lr: float, weight_decay: float, head_lr: float | None = None) -> Optimizer:
    """Make AdamW (Loshchilov & Hutter 2019, bias-corrected) over the trainable weights.

    The fused kernel updates all weights in one pass, several times faster on a CPU than
    one small operation after another.

    Args:
        model: an encoder with its head.
        lr: peak learning rate.
        weight_decay: of matrices.
        head_lr: the head's own peak rate; None: the same.
    """
    from torch.optim import AdamW

    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if head_lr is None or head_lr == lr:
        groups = _groups(learning.values(), weight_decay)
    else:
        of_head = {name: weight for name, weight in learning.items() if not name.startswith(ENCODER)}
        of_encoder = [weight for name, weight in learning.items() if name not in of_head]
        groups = _groups(of_encoder, weight_decay) + _groups(of_head.values(), weight_decay, pace=head_lr / lr)
    fused = all(weight.device.type in ("cpu", "cuda") for weight in learning.values())
    return AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8, fused=fused)


def _groups(weights: Iterable[Tensor], weight_decay: float, *, pace: float = 1.0) -> list[dict[str, Any]]:
    """Part weights by whether they are shrunk; `pace` is their rate as a multiple of the schedule's."""
    weights = list(weights)
    decayed = [w for w in weights if w.dim() >= MIN_DECAYED_DIMENSIONS]
    plain = [w for w in weights if w.dim() < MIN_DECAYED_DIMENSIONS]
    return [
        {"params": decayed, "weight_decay": weight_decay, PACE: pace},
        {"params": plain, "weight_decay": 0.0, PACE: pace},
    ]


def learning_rate(step: int, total: int, *, peak: float, warmup: float, schedule: str) -> float:
    """Return the rate of a step.

    Args:
        step: 1-based step.
        total: steps of the whole run.
        peak: rate at the end of the warm-up.
        warmup: share of the steps over which the rate rises from 0.
        schedule: linear or cosine fall to 0, or constant.
    """
    rising = max(1, math.ceil(warmup * total))
    if step <= rising and warmup > 0:
        return peak * step / rising
    done = (step - rising) / max(1, total - rising)
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak * max(0.0, 1 - done)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every group the schedule's rate, or its multiple of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[PACE]


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as named tensors ("17.exp_avg"), for safetensors."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{i}.{name}": tensor for i, values in state.items() for name, tensor in values.items()}


def load_optimizer_tensors(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` returned.

    Raises:
        ValueError: it is of other weights.
    """
    state: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        number = int(index)
        if not 0 <= number < len(weights) or (name != "step" and tensor.shape != weights[number].shape):
            raise ValueError(f"optimizer.safetensors holds {key} of {tuple(tensor.shape)}, which no weight has")
        state.setdefault(number, {})[name] = tensor
    if len({frozenset(values) for values in state.values()}) > 1:
        raise ValueError("optimizer.safetensors lacks a part of the state of a weight")
    whole: dict[str, Any] = {**optimizer.state_dict(), "state": state}
    optimizer.load_state_dict(whole)


# --- Leave the lower part of an encoder as it is: less to compute, and less to forget -------------
#
# It may stay as it came, or learn for a while and then be frozen layer by layer from below, while
# the learning rate falls anyway (Brock et al. 2017, "FreezeOut"). A frozen part keeps its weights,
# drops nothing out, and autograd does not enter it: its input and its weights ask for no gradient,
# so the backward pass ends at the lowest trained layer.

# What stands above the layers; all else beside them feeds them: embeddings, their projection,
# DeBERTa's relative positions, which every layer reads.
ABOVE = ("pooler", "final_norm")


def layers_frozen(share: float, layers: int, *, after: float) -> int:
    """Return how many of an encoder's layers are frozen by now; the last one never is.

    Args:
        share: of the steps that are done.
        layers: how many the encoder has.
        after: share of the steps after which the lowest layer is frozen, with the embeddings;
            the others follow at equal distances. 1: never.
    """
    if share < after or after >= 1:
        return 0
    return max(0, min(layers - 1, 1 + int(layers * (share - after) / (1 - after))))


def freeze(model: TaskModel, lowest: int, *, name: str = "the model") -> None:
    """Freeze the embeddings and the lowest layers of a model's encoder.

    A masked LM's output layer is the table of embeddings, and is frozen with it.

    Args:
        model: an encoder with its head; the head goes on learning.
        lowest: how many layers; 0 freezes nothing.
        name: the model, for the sentence of an error.

    Raises:
        UsageError: there are fewer layers, or nothing would be left to train.
    """
    if lowest == 0:
        return
    layers, encoder = model.encoder.layers, cast("nn.Module", model.encoder)
    if not layers:
        raise UsageError(f"--freeze {lowest}: {name} has no layers of its own to freeze; leave it out.")
    if lowest > len(layers):
        raise UsageError(f"--freeze {lowest}: must be at most {len(layers)}, the number of layers of {name}.")
    encoder.requires_grad_(False)
    for part in (*layers[lowest:], *_above(encoder)):
        part.requires_grad_(True)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise UsageError(f"--freeze {lowest}: nothing of {name} is left to train; choose at most {len(layers) - 1}.")
    model.frozen = tuple(_frozen_parts(encoder))


def _above(encoder: nn.Module) -> Iterator[nn.Module]:
    return (part for name, part in encoder.named_modules() if name.rpartition(".")[2] in ABOVE)


def _frozen_parts(part: nn.Module) -> Iterator[nn.Module]:
    """Find the largest parts that have weights and train none of them."""
    trained = [weight.requires_grad for weight in part.parameters()]
    if trained and not any(trained):
        yield part
        return
    for child in part.children():
        yield from _frozen_parts(child)


# --- The training loop: a generator of steps ------------------------------------------------------
#
# It knows no file and no console. Batches come from the rows, scores from a function handed
# in; what it yields is enough to log, to checkpoint and to stop. Everything random is a
# function of (seed, step), so a run resumed at any step goes on exactly as it would have.
#
# Several processes go through the same batches, each with its share of the rows. A step takes
# the mean over all rows, so the weights are those of a single process, but for rounding and
# for the noise, which each process draws for itself.


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
    """The parts that learn, on their device, and the processes that hold copies of them.

    `places` is how many tokens, padding included, go through the model at once (`places_at_once`);
    None: a whole batch.
    """

    model: nn.Module
    optimizer: Optimizer
    task: Task
    options: TrainingOptions
    accelerator: Accelerator
    world: World = ALONE
    places: int | None = None

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
            give_back()  # the batches that are scored are of other sizes
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
    # The last batch can have fewer rows than there are processes.
    shares = [rows for part in parts for rows in at_once(world.shard(part), learner.places)]
    with _rounded_once():
        for rows in shares:
            batch = learner.task.training_batch(rows, learner.options, rng)
            tokens += batch.tokens
            part_loss, part_plain = _losses(learner, batch.to(str(learner.accelerator.device)), n_rows)
            learner.accelerator.backward(part_loss)
            loss += float(part_loss.detach())
            plain += float(part_plain.detach())
    loss, plain, all_tokens = world.sum_gradients(learner.model.parameters(), (loss, plain, tokens))
    return loss, plain, all_tokens


def at_once(rows: Sequence[TrainingRow], places: int | None) -> list[list[TrainingRow]]:
    """Part the rows of a batch into those that go through the model together, as even as can be.

    Args:
        rows: of one batch; perhaps none.
        places: tokens, padding included, that a part may have; a row alone may have more. None: all rows together.
    """
    if not rows or places is None:
        return [list(rows)] if rows else []
    whole = sum(len(row.encoded.parts) for row in rows) * max(row.length for row in rows)
    each = -(-len(rows) // min(len(rows), -(-whole // places)))
    return [list(rows[start : start + each]) for start in range(0, len(rows), each)]


def places_at_once(encoder: Encoder) -> int:
    """Return how many tokens go through an encoder together in training on a CPU, padding included.

    What autograd keeps of a batch would be the largest part of a training's memory: of MiniLM (6 layers
    of 384) 150 KB a token. Each part adds its gradients to the others', which costs MiniLM a twentieth of a
    step of two parts: so most batches of short rows stay whole.
    """
    return max(LEAST_PLACES, MOST_KEPT // (max(1, len(encoder.layers)) * encoder.hidden_size))


@contextmanager
def _rounded_once() -> Iterator[None]:
    """Let autocast keep the rounded weights for the body, through several forward passes; then they are dropped."""
    import torch

    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()


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


# --- Build what learns: model, optimizer and device, as a request says ----------------------------


def place_training(config: TrainConfig, *, width: int | None = None, threads: int | None = None) -> Placement:
    """Choose device and precision for a request.

    Args:
        config: the request.
        width: hidden size of the encoder; None where it is not built yet, and the answer is
            of use for the device only.
        threads: override the request's own.
    """
    return choose_placement(
        config.device, config.precision, threads=threads or config.threads, width=width, shapes=FEW_SHAPES
    )


def build_model(prepared: Prepared) -> TaskModel:
    """Make the model, on the CPU; the weights follow from --seed.

    Raises:
        UsageError: --portable, and transformers has no class for such a model.
        TokenizerError: the tokenizer has more ids, or segment ids, than the model.
    """
    import torch

    from bertkit.models.for_training import add_rows, keep_rows, use_lasting_embeddings, use_quick_dropout

    config, tokenizer = prepared.config, prepared.tokenizer
    torch.manual_seed(config.seed)
    encoder = load_target(prepared.spec.builder)(prepared.spec, _build_options(prepared))
    if prepared.trimmed is not None:
        keep_rows(encoder, prepared.trimmed.rows, name=prepared.spec.name)
    if isinstance(prepared.task, RelationTask):
        add_rows(encoder, prepared.task.markers_like, prepared.task.marker_ids)
    model = prepared.task.build_model(encoder, dropout=float(config.dropout or 0.0))
    if config.portable:
        reason = why_not_expressed(prepared.task.settings, encoder_class_of(model))
        if reason is not None:
            raise UsageError(f"--portable: {reason}.")
    use_quick_dropout(model)
    use_lasting_embeddings(model)
    freeze(model, config.freeze or 0, name=prepared.spec.name)
    if tokenizer.vocab_size > encoder.vocab_size:
        raise TokenizerError(
            f"the tokenizer has {tokenizer.vocab_size:,} ids and the model {encoder.vocab_size:,}; "
            "they do not belong together, choose another --tokenizer."
        )
    segments = max(tokenizer.encode(["a"], ["a"])[0].type_ids)
    if 1 < encoder.segments <= segments:
        raise TokenizerError(
            f"the tokenizer gives segment ids up to {segments}, and the model knows {encoder.segments} from 0; "
            "they do not belong together, choose another --tokenizer."
        )
    return model


def build_learner(prepared: Prepared, model: TaskModel, placement: Placement, world: World = ALONE) -> Learner:
    """Put a model on its device and make the optimizer; of several processes all get the weights of the first."""
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    config = prepared.config
    mixed = "bf16" if placement.precision == "bfloat16" else "no"
    if placement.device.startswith("cuda:"):
        torch.cuda.set_device(placement.device)  # a process alone: what Accelerate takes for "the GPU"
    # Accelerate keeps device and precision of a process's first training, and refuses others.
    AcceleratorState._reset_state(reset_partial_state=world.size == 1)
    accelerator = Accelerator(cpu=placement.device == "cpu", mixed_precision=mixed)
    if config.compile:
        model.compile(dynamic=True)
    optimizer = build_optimizer(
        model, lr=float(config.lr or 0.0), weight_decay=float(config.weight_decay or 0.0), head_lr=config.head_lr
    )
    if world.size > 1:
        model.load_state_dict(world.broadcast_tensors(model.state_dict))
    # Without Accelerate's wrapper for several processes: see `World.sum_gradients`.
    model = accelerator.prepare_model(model, evaluation_mode=True)
    optimizer = accelerator.prepare_optimizer(optimizer)
    places = places_at_once(accelerator.unwrap_model(model).encoder) if placement.kind == "cpu" else None
    return Learner(model, optimizer, prepared.task, prepared.options, accelerator, world, places)


def forget(learner: Learner) -> None:
    """Drop what only further steps would need: gradients and the optimizer's moments; the weights stay."""
    from bertkit.models.for_training import LastingEmbedding

    learner.optimizer.zero_grad(set_to_none=True)
    learner.optimizer.state.clear()
    for module in learner.bare_model.modules():
        if isinstance(module, LastingEmbedding):
            module.forget()
    give_back()


def _build_options(prepared: Prepared) -> BuildOptions:
    config = prepared.config
    return BuildOptions(
        vocab_size=prepared.tokenizer.vocab_size,
        pad_id=prepared.tokenizer.pad_id,
        type_vocab_size=OVERLAP_SEGMENTS if config.overlap_segments else 2,
        max_length=prepared.task.settings.max_length,
        dropout=float(config.dropout or 0.0),
        with_pooler=config.pooling == "pooler",
        from_nothing=config.init == "random",
        more_positions=prepared.task.settings.max_length > prepared.spec.max_length,
        size=config.size,
        layers=config.layers,
        hidden=config.hidden,
        heads=config.heads,
        attention=config.attention or "full",
        window=config.window,
        dilation=config.dilation,
        global_tokens=config.global_tokens,
        distances=config.distances,
        buckets=config.buckets,
        sep_id=prepared.tokenizer.id_of(prepared.tokenizer.special.sep, "separator") if config.window else 0,
    )


def plan_of(config: TrainConfig) -> Plan:
    """Return how long and how fast a resolved request learns."""
    return Plan(
        epochs=int(config.epochs or 1),
        batch_size=int(config.batch_size or 32),
        accumulate=config.accumulate,
        lr=float(config.lr or 0.0),
        warmup=config.warmup,
        schedule=config.schedule,
        clip=config.clip,
        patience=int(config.patience or 1),
        seed=config.seed,
        freeze=config.freeze or 0,
        freeze_after=1.0 if config.freeze_after is None else config.freeze_after,
    )
