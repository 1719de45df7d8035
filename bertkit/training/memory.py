"""Memory and time of a training, predicted before it starts, and advice on how to save them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from bertkit.compute.batching import padding_share, training_batches
from bertkit.tasks.base import TrainingRow
from bertkit.tasks.encoded import lengths_of
from bertkit.training.loop import Learner, LoopState, Plan, at_once, layers_frozen, plan_of, take_step
from bertkit.training.prepare import Prepared

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.compute.batching import Batch
    from bertkit.models.heads import Encoder

# --- How much memory a training takes, told before it begins --------------------------------------
#
# At its largest a training holds, all at once,
#
#   - on the CPU, what the process holds before it: interpreter, libraries, rows;
#   - the weights, and of each that is trained a gradient and AdamW's two moments;
#   - what autograd keeps of the largest batch, on the CPU of the part of it that goes through the model
#     at once. It shrinks while the gradients grow, but blocks of the one size seldom fit into places
#     that the other leaves: measured, both count;
#   - on the CPU, where weights are averaged, the snapshots of some epochs. The best weights are read
#     back when gradients and moments have been given up.
#
# What autograd keeps is counted, not estimated layer by layer: two and then three of its rows
# go forward, and every tensor kept for the backward pass is asked for its size. All of them
# have the rows as a dimension or do not depend on them, so two points give the line on which
# the whole batch lies, whatever the architecture, the precision and the layers that are frozen.

MEGABYTE = 10**6
MOMENTS = 2  # AdamW's: the mean of the gradient, and of its square
# In the backward pass the gradients of the output and of the input of one operation are there together.
PASSING = 2
# On a CPU, measured: what torch's code and workspaces take up once it computes, and the share by
# which the C library's heap is larger than the blocks of a batch, which come and go in turn.
LIBRARIES = 95 * MEGABYTE
HEAP_SLACK = 0.22


@dataclass(frozen=True)
class Memory:
    """Bytes a training takes: on a CPU of resident memory, on an accelerator of what tensors take up there.

    Attributes:
        process: what the process holds before the first step, without the weights.
        weights: of the whole model, float32.
        optimizer: the two moments of each trained weight.
        best: 0; the best weights are read back where the gradients were.
        averages: snapshots of the weights (--average).
        gradients: one of each trained weight.
        activations: what autograd keeps of the largest batch, logits over a vocabulary aside.
        logits: what it keeps of these, (masked words, V).
        passing: gradients on their way through the largest operation.
        slack: free places in the heap between blocks of a batch.
        libraries: code and workspaces of torch.
    """

    process: int
    weights: int
    optimizer: int
    best: int
    averages: int
    gradients: int
    activations: int
    logits: int
    passing: int
    slack: int
    libraries: int

    @property
    def peak(self) -> int:
        """The most that is held at once."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, int]:
        """Return the bytes of each part, by name."""
        return asdict(self)


@dataclass(frozen=True)
class Kept:
    """What autograd keeps of one batch.

    `tokens` counts the batch's places, padding included; `words` the tokens whose logits
    over the vocabulary are asked for; the rest is in bytes.
    """

    tokens: int
    words: int
    activations: int
    logits: int
    largest: int


def predict_memory(prepared: Prepared, learner: Learner) -> Memory:
    """Say how much memory a training will take; nothing is trained and no gradient computed.

    Args:
        prepared: the rows and their batches.
        learner: the model on its device.
    """
    config, on_cpu = prepared.config, learner.accelerator.device.type == "cpu"
    weights = [(w.numel() * w.element_size(), w.requires_grad) for w in learner.bare_model.parameters()]
    every, trained = sum(size for size, _ in weights), sum(size for size, learns in weights if learns)
    batch = kept_of(learner, at_once(largest_batch(prepared.rows, plan_of(config)), learner.places)[0])
    snapshots = min(config.average or 1, config.epochs or 1) if (config.average or 1) > 1 else 0
    in_batch = batch.activations + batch.logits + PASSING * batch.largest
    return Memory(
        process=max(0, resident() - every) if on_cpu else 0,
        weights=every,
        optimizer=MOMENTS * trained,
        best=0,
        averages=snapshots * every if on_cpu else 0,
        gradients=trained,
        activations=batch.activations,
        logits=batch.logits,
        passing=PASSING * batch.largest,
        slack=round(HEAP_SLACK * in_batch) if on_cpu else 0,
        libraries=LIBRARIES if on_cpu else 0,
    )


def resident() -> int:
    """Return the bytes this process holds in memory."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def largest_batch(rows: Sequence[TrainingRow], plan: Plan) -> list[TrainingRow]:
    """Return the rows of the training's batch that has most places, padding included, the longest first."""
    lengths = lengths_of(rows)
    sizes = np.asarray(lengths)
    epochs = (
        training_batches(sizes, batch_size=plan.batch_size, seed=plan.seed, epoch=epoch) for epoch in range(plan.epochs)
    )
    largest = max(chain.from_iterable(epochs), key=lambda batch: len(batch) * int(sizes[batch].max()))
    return sorted((rows[row] for row in largest), key=lambda row: -row.length)


def kept_of(learner: Learner, longest: Sequence[TrainingRow]) -> Kept:
    """Return what autograd keeps of a batch, from that of two and three of its rows; the longest comes first."""
    rng = np.random.default_rng(0)
    whole = learner.task.training_batch(longest, learner.options, rng)
    last = len(longest) - 1
    # The shortest is always among them: where something is padded, a mask is kept too.
    few, more = (
        count_kept(learner, learner.task.training_batch([longest[i] for i in sorted(chosen)], learner.options, rng))
        for chosen in ({0, last}, {0, min(1, last), last})
    )
    return extrapolated(few, more, tokens=whole.input_ids.numel(), words=_asked(whole))


def extrapolated(few: Kept, more: Kept, *, tokens: int, words: int) -> Kept:
    """Draw the line through two batches on to a third one.

    Args:
        few: the smaller batch.
        more: the larger one; perhaps the same, and then nothing is taken as fixed.
        tokens: size of the third batch.
        words: its tokens whose logits are asked for.
    """
    tokens_between, bytes_between = more.tokens - few.tokens, more.activations - few.activations
    slope = bytes_between / tokens_between if tokens_between > 0 else more.activations / more.tokens
    logits = more.logits * words / more.words if more.words else 0.0
    # Of the largest tensor it is not known whether it grows; to say so is to err on the safe side.
    largest = max(more.largest * tokens / more.tokens, logits)
    activations = more.activations + slope * (tokens - more.tokens)
    return Kept(tokens, words, round(activations), round(logits), round(largest))


def count_kept(learner: Learner, batch: Batch) -> Kept:
    """Compute the losses of a batch, and count what is kept for the backward pass."""
    from torch.autograd.graph import saved_tensors_hooks

    batch = batch.to(str(learner.accelerator.device))
    own = {weight.untyped_storage().data_ptr() for weight in learner.bare_model.parameters()}
    shape = (_asked(batch), learner.bare_model.encoder.vocab_size)
    # By storage: views of one tensor are kept once.
    sizes: dict[int, int] = {}
    of_logits: set[int] = set()

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
            of_logits.update([storage.data_ptr()] * (tuple(tensor.shape) == shape))
        return tensor

    learner.model.train()
    with saved_tensors_hooks(count, lambda tensor: tensor):
        with learner.accelerator.autocast():
            # Not by calling the model: that would compile it first, where --compile is given.
            outputs = learner.bare_model.forward(**batch.inputs)
        losses = learner.task.losses(outputs, batch, learner.options)
    del losses  # up to here autograd held all that was counted, so that no place was used twice
    logits = sum(sizes[place] for place in of_logits)
    rest = [size for place, size in sizes.items() if place not in of_logits]
    return Kept(batch.input_ids.numel(), shape[0], sum(rest), logits, max(rest, default=0))


def _asked(batch: Batch) -> int:
    """Count the tokens whose logits are asked for, where a batch names them one by one."""
    return len(batch.positions) if batch.positions is not None and batch.positions.dim() == 1 else 0


# --- How long a training will take, told before it begins: two of its batches are learnt from, and timed
#
# A step costs something however few its tokens are, and more for each of them. Two batches of
# different size give both; each is taken twice, for the first pass of a size also makes room in
# memory. All batches of all epochs are then added up, and the scoring of the validation rows.

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


# --- What a user should know of the cost of a training before it begins ---------------------------

# Tokens that an encoder with full attention reads.
USUAL_LENGTH = 512


def advice(prepared: Prepared, encoder: Encoder) -> Iterator[str]:
    """Say what is frozen, how many rows are scored, what padding costs local attention, and whether rows need it.

    Args:
        prepared: the rows and how they are batched.
        encoder: knows its layers, the window of its attention, and whether padding changes answers.
    """
    if frozen := prepared.config.freeze:
        yield f"the embeddings and the lowest {frozen} of {len(encoder.layers)} layers are frozen"
    after = prepared.config.freeze_after
    if after is not None and layers_frozen(1.0, len(encoder.layers), after=after):
        yield f"after {after:.0%} of the steps layers are frozen one by one, the lowest first"
    scored, there = len(prepared.scored_rows), len(prepared.validation)
    if scored < there:
        yield f"after each epoch {scored:,} of {there:,} validation rows are scored, at the end all of them"
    if not encoder.keeps_padding_out:
        yield (
            f"{prepared.spec.name} changes its output with padding, so only rows of equal length share a batch: "
            f"the results are correct, but it takes longer"
        )
    if encoder.window is None:
        return
    lengths = lengths_of(prepared.rows)
    batches = training_batches(
        lengths, batch_size=int(prepared.config.batch_size or 1), seed=prepared.config.seed, epoch=0
    )
    yield (
        f"{prepared.spec.name} reads rows in windows of up to {encoder.window} tokens and does not pad rows to "
        f"full windows; {padding_share(lengths, batches):.0%} of the computation is padding"
    )
    if max(lengths) <= USUAL_LENGTH:
        yield (
            f"every row fits into {USUAL_LENGTH} tokens: a model with full attention (bert, roberta, deberta) "
            f"reads them just as well and computes less"
        )
