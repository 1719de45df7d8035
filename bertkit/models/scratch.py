"""Build scratch BERT from the shape a user asked for, or from a run's config.json."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from bertkit.errors import RunError
from bertkit.models.registry import BuildOptions, ModelSpec

if TYPE_CHECKING:
    from bertkit.models.bert import BertModel

# layers, hidden, heads where neither --size nor a shape is given: what a few thousand rows can fill
SMALL_DATA = (2, 64, 4)
PUBLISHED_WIDTH = 768


def build(spec: ModelSpec, options: BuildOptions) -> BertModel:
    """Make a BERT with random weights; draws from torch's global random state.

    --layers, --hidden and --heads override the preset; the feed-forward block is four
    times as wide as the encoder, heads default to about 64 dimensions each.

    Raises:
        UsageError: the heads do not divide the width.
    """
    from bertkit.models.bert import BertConfig, BertModel

    layers, width, heads = shape_of(options, SMALL_DATA)
    config = BertConfig(
        vocab_size=options.vocab_size,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=options.max_length,
        type_vocab_size=options.type_vocab_size,
        hidden_dropout_prob=options.dropout,
        # Random numbers for dropout cost more than attention itself at this size.
        attention_probs_dropout_prob=0.0,
        initializer_range=initial_spread(width),
        pad_token_id=options.pad_id,
    )
    return BertModel(config, with_pooler=options.with_pooler)


def shape_of(options: BuildOptions, default: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return layers, width and heads as asked for.

    Args:
        options: --layers, --hidden and --heads override the preset of --size.
        default: the shape where neither names one.
    """
    from bertkit.models.bert import PRESETS

    layers, width, heads = PRESETS[options.size] if options.size else default
    if options.hidden is not None:
        width, heads = options.hidden, _usual_heads(options.hidden)
    return options.layers or layers, width, options.heads or heads


def _usual_heads(width: int) -> int:
    """About 64 dimensions a head, in a number that divides the width."""
    return next(heads for heads in range(max(1, width // 64), 0, -1) if width % heads == 0)


def initial_spread(width: int) -> float:
    """Return the standard deviation of the first weights of an encoder of a width.

    The published 0.02 from 768 on; below, wide enough that a layer keeps the size of what
    passes through it (0.1 at 64).
    """
    return max(0.02, 0.8 / math.sqrt(width)) if width < PUBLISHED_WIDTH else 0.02


def rebuild(values: dict[str, Any], *, with_pooler: bool) -> BertModel:
    """Make the encoder that a run's config.json describes; its weights come afterwards.

    Raises:
        RunError: the file lacks a value.
    """
    from bertkit.models.bert import BertConfig, BertModel

    names = [spec.name for spec in fields(BertConfig)]
    missing = [name for name in names if name not in values]
    if missing:
        raise RunError(f"config.json has no {missing[0]!r}; the run is damaged, copy or train it again.")
    return BertModel(BertConfig(**{name: values[name] for name in names}), with_pooler=with_pooler)
