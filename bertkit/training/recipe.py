"""Resolve a request: the model's recipe fills the options that the user left open."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bertkit.config import TrainConfig, flag, options
from bertkit.errors import UsageError
from bertkit.models.registry import LOCAL_ATTENTIONS, WITH_SEGMENTS
from bertkit.models.scratch import USUAL_DILATION, USUAL_WINDOW
from bertkit.models.table import SCRATCH, ModelSpec, Recipe
from bertkit.tasks.base import SIDED_POOLINGS
from bertkit.tasks.published import POOLINGS
from bertkit.tasks.registry import TASKS_WITH, TaskSpec

# Vocabulary of a scratch model: a piece must be seen often enough to be learnt.
WORDS_PER_PIECE = 20
SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 1_000, 32_000
SHAPE = ("size", "layers", "hidden", "heads")
# Architectures that know how far tokens are from each other, and not where they stand.
RELATIVE = ("deberta", "deberta-v2", "modernbert", "ultrabert", "eurobert", "gte")
# Options of --attention, and the kinds that read them.
ATTENTION_OPTIONS = {
    "window": LOCAL_ATTENTIONS,
    "dilation": ("dilated",),
    "global_tokens": ("global",),
    "distances": ("disentangled",),
    "buckets": ("disentangled",),
}
# From this many rows on, and for tags of every word, a wider scratch model learns more than it
# forgets (docs/scratch.md).
MANY_ROWS = 10_000
WIDE = (2, 128, 4)  # layers, hidden, heads
# Few single texts are read until an encoder has been moved this often, and at most so many times;
# Mosbach et al. 2021 ("On the Stability of Fine-tuning BERT") take 20 passes where 3 are usual.
# What starts from scratch has further to go (docs/scratch.md). Few pairs gain nothing from it
# (docs/minilm.md), but questions about texts do: where an answer stands is told token by token.
ENOUGH = {"pretrained": (150, 20), "random": (600, 40)}  # steps, epochs
# And of few documents hardly any steps are made.
OF_FEW_ROWS = ("qa", "extractive")
OF_ONE_TEXT = ("classify", "multilabel", "relation", "regression", "ner")


def resolve(
    config: TrainConfig,
    spec: ModelSpec,
    *,
    is_pair: bool,
    n_words: int | Callable[[], int],
    n_rows: int = 0,
    task: str = "classify",
    two_texts: bool | None = None,
) -> TrainConfig:
    """Fill every open value of a request.

    Args:
        config: the request; None stands for "you decide".
        spec: the model's row; its recipe decides.
        is_pair: whether a row is two sentences; what only pairs can use is off otherwise.
        n_rows: training rows, for the width of a scratch model and the number of epochs; 0: not known.
        task: what is learnt.
        two_texts: whether the model reads two texts at once; None: as `is_pair` says.
        n_words: running words of the training rows, for the size of a new vocabulary, or what counts them.

    Raises:
        UsageError: an option that the model or the data cannot use.
    """
    two_texts = is_pair if two_texts is None else two_texts
    init = config.init or ("random" if spec.is_scratch else "pretrained")
    learns_words = init == "random" and config.tokenizer is None
    _refuse_misfits(config, spec, is_pair=is_pair, two_texts=two_texts)
    if config.portable:
        config = _portable(config, spec, two_texts=two_texts)
    if not learns_words:
        _refuse_vocabulary(config, spec)
    config = _with_attention(config, spec)
    filled = _filled(config, recipe_for(spec, from_nothing=init == "random"), task=task, two_texts=two_texts)
    reads_more_often = task in OF_FEW_ROWS or (task in OF_ONE_TEXT and not two_texts)
    if config.epochs is None and n_rows and reads_more_often:
        filled = replace(filled, epochs=_epochs(n_rows, filled, init))
    if spec.is_scratch and (n_rows >= MANY_ROWS or task == "ner"):
        filled = _widened(filled)
    return replace(
        filled,
        init=init,
        overlap_segments=bool(filled.overlap_segments and is_pair),
        swap_pairs=bool(filled.swap_pairs and is_pair),
        blend=bool(filled.blend and config.class_weights == "none"),
        calibrate=_calibrates(filled, config, task, init),
        max_length=min(filled.max_length or spec.max_length, spec.max_length),
        vocab_size=(filled.vocab_size or _vocabulary_size(n_words)) if learns_words else None,
        lowercase=(True if filled.lowercase is None else filled.lowercase) if learns_words else None,
    )


def _calibrates(filled: TrainConfig, asked: TrainConfig, task: str, init: str) -> bool:
    """Tell whether a temperature is fitted; a blend calibrates its answers itself.

    Raises:
        UsageError: both were asked for.
    """
    blends = bool(filled.blend and asked.class_weights == "none")
    if asked.calibrate and blends:
        raise UsageError("--calibrate: a blend is calibrated by its weights; take --no-blend, or leave it out.")
    if asked.calibrate is not None:
        return asked.calibrate
    return init == "pretrained" and not blends and task in TASKS_WITH["calibrate"]


def _portable(config: TrainConfig, spec: ModelSpec, *, two_texts: bool) -> TrainConfig:
    """Leave out what no class of transformers has.

    Raises:
        UsageError: such a thing was asked for.
    """
    for name in ("overlap_segments", "blend"):
        if getattr(config, name):
            raise UsageError(f"{flag(name)}: no class of transformers has it; leave out this option or --portable.")
    pooling = config.pooling or ("pooler" if spec.architecture == "bert" else "cls")
    if pooling not in POOLINGS:
        raise UsageError(
            f"--pooling {pooling}: no class of transformers has this pooling; leave out this option or --portable."
        )
    rates = spec.recipe.portable_pairs if two_texts else {}
    open_rates = {name: value for name, value in rates.items() if getattr(config, name) is None}
    return replace(config, pooling=pooling, overlap_segments=False, blend=False, **open_rates)


def _filled(config: TrainConfig, recipe: Recipe, *, task: str, two_texts: bool) -> TrainConfig:
    """Take a recipe's figures for what was left open."""
    values = recipe.options(task, two_texts=two_texts)
    filled = replace(config, **{name: value for name, value in values.items() if getattr(config, name) is None})
    if filled.pooling == "siamese" and config.overlap_segments is None:
        filled = replace(filled, overlap_segments=False)  # each text is read by itself
    return filled


def _with_attention(config: TrainConfig, spec: ModelSpec) -> TrainConfig:
    """Fill what a kind of attention leaves open."""
    if not spec.is_scratch:
        return config
    attention = config.attention or "full"
    values: dict[str, Any] = {"attention": attention}
    if attention in LOCAL_ATTENTIONS:
        values["window"] = config.window or USUAL_WINDOW
    if attention in ("window", "dilated"):  # the first token sees no more of a row than any other
        values["pooling"] = config.pooling or "mean"
    if attention == "dilated":
        values["dilation"] = config.dilation or USUAL_DILATION
    if attention == "global":
        values["global_tokens"] = config.global_tokens or "first"
    return replace(config, **values)


def _refuse_attention(config: TrainConfig, spec: ModelSpec, *, two_texts: bool) -> None:
    """Refuse options of attention that the model or its kind of attention does not have."""
    if config.attention is not None and not spec.is_scratch:
        raise UsageError(f"--attention {config.attention}: {spec.name} has its own; leave it out, or take scratch.")
    if config.mask_decoder == "enhanced":
        _refuse_mask_decoder(config, spec)
    for name, kinds in ATTENTION_OPTIONS.items():
        if getattr(config, name) is not None and (config.attention or "full") not in kinds:
            named = " or ".join(f"--attention {kind}" for kind in kinds)
            raise UsageError(f"{flag(name)}: is for {named}; leave it out, or add that.")
    if config.window is not None and config.window % 2:
        raise UsageError(f"--window {config.window}: is half on either side of a token; choose an even number.")
    if config.global_tokens == "question" and not two_texts:
        raise UsageError("--global question: needs rows of two texts, the first of them the question; take first.")


def _refuse_mask_decoder(config: TrainConfig, spec: ModelSpec) -> None:
    """Refuse the enhanced mask decoder on what was trained without it, or has absolute positions below."""
    if not (spec.is_scratch or config.init == "random"):
        raise UsageError(f"--mask-decoder enhanced: {spec.name} was trained without it; add --init random.")
    has_absolute = (config.attention != "disentangled") if spec.is_scratch else spec.architecture not in RELATIVE
    if has_absolute:
        way_on = "add --attention disentangled" if spec.is_scratch else "take scratch with --attention disentangled"
        raise UsageError(
            "--mask-decoder enhanced: adds absolute positions at the end, for encoders without them, and "
            f"{spec.name} has; {way_on}."
        )


def _epochs(n_rows: int, config: TrainConfig, init: str) -> int:
    """Return how often rows are read: as the recipe says, or more often where they are few."""
    usual = int(config.epochs or 1)
    steps_each = math.ceil(n_rows / (int(config.batch_size or 1) * config.accumulate))
    enough, most = ENOUGH[init]
    return max(usual, min(most, math.ceil(enough / steps_each)))


def _widened(config: TrainConfig) -> TrainConfig:
    """Give a scratch model another shape, where none was asked for."""
    if any(getattr(config, name) is not None for name in SHAPE):
        return config
    layers, hidden, heads = WIDE
    return replace(config, layers=layers, hidden=hidden, heads=heads)


def refuse_idle(config: TrainConfig, task: TaskSpec) -> None:
    """Refuse an option that the task does not read, unless it says what is the case anyway.

    Raises:
        UsageError: one was asked for.
    """
    defaults = {spec.name: spec.default for spec in options(TrainConfig)}
    for name, tasks in TASKS_WITH.items():
        value = getattr(config, name)
        if task.name in tasks or not value or value in (defaults[name], task.recipe.get(name)):
            continue
        raise UsageError(f"{flag(name)}: is for {' and '.join(tasks)}, and this is {task.name}; leave it out.")


def recipe_for(spec: ModelSpec, *, from_nothing: bool) -> Recipe:
    """Return the figures that suit a model.

    What starts from scratch learns as scratch BERT does, whatever its architecture; how a
    row becomes a vector stays the model's own, and so do batches smaller than usual.
    """
    if spec.is_scratch or not from_nothing:
        return spec.recipe
    return replace(
        SCRATCH,
        pooling=spec.recipe.pooling,
        batch_size=min(SCRATCH.batch_size, spec.recipe.batch_size),
        overlap_segments=spec.architecture in WITH_SEGMENTS,
    )


def _vocabulary_size(n_words: int | Callable[[], int]) -> int:
    words = n_words if isinstance(n_words, int) else n_words()
    return max(SMALLEST_VOCABULARY, min(LARGEST_VOCABULARY, words // WORDS_PER_PIECE))


def _refuse_vocabulary(config: TrainConfig, spec: ModelSpec) -> None:
    """Refuse figures of a new vocabulary where a finished one is read."""
    owner = spec.name if config.tokenizer is None else f"--tokenizer {config.tokenizer}"
    way_on = "add --init random to learn a new one" if config.tokenizer is None else "leave --tokenizer out"
    for name in ("vocab_size", "lowercase"):
        if getattr(config, name) is not None:
            raise UsageError(f"{flag(name)}: {owner} has its vocabulary already; leave it out, or {way_on}.")


def _refuse_misfits(config: TrainConfig, spec: ModelSpec, *, is_pair: bool, two_texts: bool) -> None:
    """Refuse options that the model or the rows cannot use."""
    _refuse_attention(config, spec, two_texts=two_texts)
    if config.pooling in SIDED_POOLINGS and not two_texts:
        raise UsageError(
            f"--pooling {config.pooling}: is for pairs of texts, and a row here has no pair; take cls or mean."
        )
    if spec.is_scratch and config.init == "pretrained":
        raise UsageError("--init pretrained: scratch has no weights to start from; leave it out.")
    if (config.soup or 1) > 1 and (spec.is_scratch or config.init == "random"):
        raise UsageError(
            f"--soup {config.soup}: averages trainings that begin with the same pretrained weights, and these are "
            "random; leave it out."
        )
    if config.blend and config.class_weights != "none":
        raise UsageError(
            "--blend: its weights are fitted without class weights, so it would undo --class-weights; "
            "leave one of the two out."
        )
    if config.max_length is not None and config.max_length > spec.max_length:
        raise UsageError(
            f"--max-length {config.max_length}: {spec.name} reads at most {spec.max_length} tokens; lower it."
        )
    if not is_pair:
        for name in ("overlap_segments", "swap_pairs"):
            if getattr(config, name):
                raise UsageError(f"{flag(name)}: needs rows of two sentences, and this data has one text per row.")
    has_segments = spec.architecture in ("", *WITH_SEGMENTS)  # of a hub's encoder, only its config knows
    if config.overlap_segments and config.init == "random" and not has_segments:
        raise UsageError(f"--overlap-segments: {spec.name} has no embeddings of segments; leave it out.")
    shape = [f"--{name}" for name in SHAPE if getattr(config, name) is not None]
    if shape and not spec.is_scratch and config.init != "random":
        raise UsageError(
            f"{shape[0]}: a pretrained model has its shape; add --init random to start from random weights."
        )
