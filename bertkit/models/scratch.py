"""Build scratch BERT from the shape a user asked for, or from a run's config.json."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from bertkit.errors import RunError
from bertkit.models.registry import BuildOptions, ModelSpec

if TYPE_CHECKING:
    from bertkit.models.bert import BertModel


def build(spec: ModelSpec, options: BuildOptions) -> BertModel:
    """Make a BERT with random weights; draws from torch's global random state.

    --layers, --hidden and --heads override the preset; the feed-forward block is four
    times as wide as the encoder, heads default to 64 dimensions each.

    Raises:
        UsageError: the heads do not divide the width.
    """
    from bertkit.models.bert import PRESETS, BertConfig, BertModel

    layers, hidden, heads = PRESETS[options.size or "tiny"]
    if options.hidden is not None:
        hidden, heads = options.hidden, max(1, options.hidden // 64)
    width = hidden
    config = BertConfig(
        vocab_size=options.vocab_size,
        hidden_size=width,
        num_hidden_layers=options.layers or layers,
        num_attention_heads=options.heads or heads,
        intermediate_size=4 * width,
        max_position_embeddings=options.max_length,
        type_vocab_size=options.type_vocab_size,
        hidden_dropout_prob=options.dropout,
        attention_probs_dropout_prob=options.dropout,
        pad_token_id=options.pad_id,
    )
    return BertModel(config, with_pooler=options.with_pooler)


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
