"""Build scratch BERT from the shape a user asked for, or from a run's config.json."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from bertkit.config import ATTENTIONS, words_of
from bertkit.errors import UsageError
from bertkit.kinds import MisfitError, record_of, shown
from bertkit.models.registry import LOCAL_ATTENTIONS, OWN_ATTENTION, BuildOptions
from bertkit.models.table import ModelSpec

if TYPE_CHECKING:
    from bertkit.models.bert import BertConfig, BertModel

# Tokens seen on both sides together, and the largest gap between those that a dilated head sees.
USUAL_WINDOW, USUAL_DILATION = 64, 2
# layers, hidden, heads where neither --size nor a shape is given: what a few thousand rows can fill
SMALL_DATA = (2, 64, 4)
PUBLISHED_WIDTH = 768
# Values of config.json that are sizes.
SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "attention_window",
    "dilation",
    "max_relative_positions",
)


def build(spec: ModelSpec, options: BuildOptions) -> BertModel:
    """Make a BERT with random weights; draws from torch's global random state.

    --layers, --hidden and --heads override the preset; the feed-forward block is four
    times as wide as the encoder, heads default to about 64 dimensions each.

    Raises:
        UsageError: the heads do not divide the width.
    """
    layers, width, heads = shape_of(options, SMALL_DATA)
    config_class, model_class = _classes(options.attention)
    config = config_class(
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
        initializer_range=initial_std(width),
        pad_token_id=options.pad_id,
        **_attention_values(options),
    )
    return model_class(config, with_pooler=options.with_pooler)


def _classes(attention: str) -> tuple[type[BertConfig], type[BertModel]]:
    """Return config and model of a kind of attention."""
    if attention == "disentangled":
        from bertkit.models.deberta import DebertaConfig, DebertaModel

        return DebertaConfig, DebertaModel
    if attention in LOCAL_ATTENTIONS:
        from bertkit.models.longformer import LongformerConfig, LongformerModel

        return LongformerConfig, LongformerModel
    from bertkit.models.bert import BertConfig, BertModel

    return BertConfig, BertModel


def _attention_values(options: BuildOptions) -> dict[str, Any]:
    """Return what a config says of attention beyond BERT's."""
    if options.attention == "disentangled":
        return {
            "max_relative_positions": options.distances or options.max_length,
            "position_buckets": options.buckets or -1,
        }
    if options.attention not in LOCAL_ATTENTIONS:
        return {}
    return {
        "attention_window": options.window or USUAL_WINDOW,
        "dilation": (options.dilation or USUAL_DILATION) if options.attention == "dilated" else 1,
        "global_tokens": (options.global_tokens or "first") if options.attention == "global" else "none",
        "sep_token_id": options.sep_id,
    }


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


def initial_std(width: int) -> float:
    """Return the standard deviation of the first weights of an encoder of a width.

    The published 0.02 from 768 on; below, wide enough that a layer keeps the size of what
    passes through it (0.1 at 64).
    """
    return max(0.02, 0.8 / math.sqrt(width)) if width < PUBLISHED_WIDTH else 0.02


def rebuild(values: dict[str, Any], *, with_pooler: bool) -> BertModel:
    """Make the encoder that a run's config.json describes; its weights come afterwards.

    Raises:
        MisfitError: a value is missing, of another kind, or makes no encoder.
    """
    attention = values.get(OWN_ATTENTION, "full")
    if attention not in ATTENTIONS:
        raise MisfitError(f"{OWN_ATTENTION} is {shown(attention)} and should be one of {', '.join(ATTENTIONS)}")
    config_class, model_class = _classes(attention)
    names = [spec.name for spec in fields(config_class)]
    missing = next((name for name in names if name not in values), None)
    if missing is not None:
        raise MisfitError(f"{missing} is missing")
    values = dict(values)
    if attention in LOCAL_ATTENTIONS:  # as transformers counts them, from the one after the padding id on
        rows, padding = values["max_position_embeddings"], values["pad_token_id"]
        if type(rows) is int and type(padding) is int:
            values["max_position_embeddings"] = rows - padding - 1
    for name in SIZES:
        if type(values.get(name)) is int and values[name] < 1:
            raise MisfitError(f"{name} is {values[name]} and should be at least 1")
    try:
        config = record_of(config_class, {name: values[name] for name in names})
    except UsageError as error:
        width, heads = values["hidden_size"], values["num_attention_heads"]
        raise MisfitError(f"hidden_size {width} cannot be shared by {heads} num_attention_heads") from error
    if not 0 < config.layer_norm_eps < 1:
        raise MisfitError(f"layer_norm_eps is {config.layer_norm_eps} and should be between 0 and 1")
    _check_attention(values)
    return model_class(config, with_pooler=with_pooler)


def _check_attention(values: dict[str, Any]) -> None:
    """Refuse figures of attention that no training stores.

    Raises:
        MisfitError: a window that is odd, global tokens of no known kind.
    """
    attention = values.get(OWN_ATTENTION)
    if attention in LOCAL_ATTENTIONS:
        if values["attention_window"] % 2:
            raise MisfitError(f"attention_window is {values['attention_window']} and should be even")
        if (values["global_tokens"] != "none") != (attention == "global") or values["global_tokens"] not in (
            "none", *words_of("global_tokens"),
        ):  # fmt: skip
            raise MisfitError(f"global_tokens is {shown(values['global_tokens'])}, and {OWN_ATTENTION} is {attention}")
