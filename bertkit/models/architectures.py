"""Shapes of transformers' encoders that start from nothing.

One function per architecture says how its config spells a shape; settings that no size
changes are those of the published models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bertkit.errors import UsageError
from bertkit.models.registry import NUMBERED_FROM_PADDING, BuildOptions
from bertkit.models.scratch import initial_std, shape_of

# The config values that switch dropout, by the names transformers' architectures use. Dropout
# of attention stays off: it sends the CPU to a kernel four times slower.
DROPOUT_NAMES = ("hidden_dropout_prob", "hidden_dropout", "dropout", "embedding_dropout", "mlp_dropout")
ATTENTION_DROPOUT_NAMES = ("attention_probs_dropout_prob", "attention_dropout")
# Longformer's window by width: a tiny model reads 4,096 tokens in a second.
WINDOWS = ((128, 64), (256, 128), (512, 256))
WIDEST_WINDOW = 512
# Architectures that turn pairs of figures by a token's position.
ROTARY = ("modernbert", "ultrabert", "eurobert", "gte")
# Relative positions DeBERTa v3 tells apart, and those a narrow model has examples enough for.
BUCKETS, NARROW_BUCKETS = 256, 64


@dataclass(frozen=True)
class Shape:
    """How large an encoder is."""

    layers: int
    width: int
    heads: int

    @property
    def inner(self) -> int:
        """Width of the feed-forward block."""
        return 4 * self.width


def new_config(architecture: str, options: BuildOptions) -> Any:
    """Return transformers' config of an architecture at the size asked for, tiny where none is.

    Raises:
        UsageError: the heads do not divide the width, or the architecture has no sizes here.
    """
    from transformers import AutoConfig

    from bertkit.models.bert import PRESETS

    if architecture not in ARCHITECTURES:
        raise UsageError(
            f"--init random: no sizes are known for the architecture {architecture!r}; leave --size, --layers, "
            "--hidden and --heads out to keep its own shape."
        )
    shape = Shape(*shape_of(options, PRESETS["tiny"]))
    _check_heads(architecture, shape)
    values = {
        "vocab_size": options.vocab_size,
        "pad_token_id": options.pad_id,
        "bos_token_id": None,
        "eos_token_id": None,
        "max_position_embeddings": position_rows(architecture, options),
        "initializer_range": initial_std(shape.width),
        **ARCHITECTURES[architecture](shape, options),
    }
    return with_dropout(AutoConfig.for_model(architecture, **values), options.dropout)


def adapted_config(config: Any, options: BuildOptions) -> Any:
    """Fit a config of its own shape to a tokenizer and a length; the config is changed.

    Raises:
        UsageError: it has no embeddings for the segments of the task.
    """
    config.vocab_size, config.pad_token_id = options.vocab_size, options.pad_id
    needed = position_rows(config.model_type, options)
    if getattr(config, "max_position_embeddings", needed) < needed:
        config.max_position_embeddings = needed
    if getattr(config, "type_vocab_size", 0) > 1:
        config.type_vocab_size = max(config.type_vocab_size, options.type_vocab_size)
    return with_dropout(config, options.dropout)


def with_dropout(config: Any, dropout: float) -> Any:
    """Set the dropout of a config, that of attention to 0; the config is changed."""
    for name in DROPOUT_NAMES:
        if hasattr(config, name):
            setattr(config, name, dropout)
    for name in ATTENTION_DROPOUT_NAMES:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    return config


def without_chunks(config: Any) -> Any:
    """Let layers read rows of any length: chunks save memory, and refuse what they do not divide; it is changed."""
    if hasattr(config, "chunk_size_feed_forward"):
        config.chunk_size_feed_forward = 0
    return config


def position_rows(architecture: str, options: BuildOptions) -> int:
    """Return the rows of a table of positions that serves `max_length` tokens."""
    if architecture not in NUMBERED_FROM_PADDING:
        return options.max_length
    return options.max_length + 1 + (1 if architecture == "mpnet" else options.pad_id)  # MPNet's is fixed


def _check_heads(architecture: str, shape: Shape) -> None:
    if shape.width % shape.heads:
        raise UsageError(
            f"--hidden {shape.width} cannot be shared by {shape.heads} heads; choose a multiple of --heads."
        )
    if architecture in ROTARY and shape.width // shape.heads % 2:
        raise UsageError(
            f"--hidden {shape.width} with {shape.heads} heads: rotary positions turn pairs of figures, and a head has "
            f"{shape.width // shape.heads}; choose an even number per head."
        )


def _bert(shape: Shape, options: BuildOptions) -> dict[str, Any]:
    return {**_layers(shape), "type_vocab_size": options.type_vocab_size}


def _layers(shape: Shape) -> dict[str, Any]:
    return {
        "num_hidden_layers": shape.layers,
        "hidden_size": shape.width,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner,
    }


def _electra(shape: Shape, options: BuildOptions) -> dict[str, Any]:
    return {**_bert(shape, options), "embedding_size": shape.width}


def _roberta(shape: Shape, _: BuildOptions) -> dict[str, Any]:
    return {**_layers(shape), "type_vocab_size": 1, "layer_norm_eps": 1e-5}


def _longformer(shape: Shape, options: BuildOptions) -> dict[str, Any]:
    window = next((window for width, window in WINDOWS if shape.width <= width), WIDEST_WINDOW)
    return {**_roberta(shape, options), "attention_window": [window] * shape.layers, "sep_token_id": None}


def _distilbert(shape: Shape, _: BuildOptions) -> dict[str, Any]:
    return {"n_layers": shape.layers, "dim": shape.width, "n_heads": shape.heads, "hidden_dim": shape.inner}


def _modernbert(shape: Shape, _: BuildOptions) -> dict[str, Any]:
    # Gated units halve what comes out of the wide layer, so it is 1.5 times the width, as published.
    inner = 3 * shape.width // 2
    return {**_layers(shape), "intermediate_size": inner, "cls_token_id": None, "sep_token_id": None}


def _ultrabert(shape: Shape, _: BuildOptions) -> dict[str, Any]:
    return {**_layers(shape), "intermediate_size": 3 * shape.width // 2, "prediction_head_size": shape.width}


def _eurobert(shape: Shape, options: BuildOptions) -> dict[str, Any]:
    return {**_layers(shape), "mask_token_id": min(2, options.vocab_size - 1)}


def _gte(shape: Shape, options: BuildOptions) -> dict[str, Any]:
    return {**_layers(shape), "type_vocab_size": options.type_vocab_size}


def _deberta(shape: Shape, _: BuildOptions) -> dict[str, Any]:
    """He et al. 2021: content attends to positions and positions to content, both relative."""
    return {
        **_layers(shape),
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "type_vocab_size": 0,
    }


def _deberta_v3(shape: Shape, options: BuildOptions) -> dict[str, Any]:
    """He et al. 2023: as v1, far positions in buckets, one projection for content and position."""
    return {
        **_deberta(shape, options),
        "position_buckets": BUCKETS if shape.width > 256 else NARROW_BUCKETS,
        # Only the width of the far buckets depends on it: there is no table of positions.
        "max_position_embeddings": max(2 * BUCKETS, options.max_length),
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
    }


ARCHITECTURES: dict[str, Callable[[Shape, BuildOptions], dict[str, Any]]] = {
    "bert": _bert,
    "electra": _electra,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "distilbert": _distilbert,
    "modernbert": _modernbert,
    "ultrabert": _ultrabert,
    "eurobert": _eurobert,
    "gte": _gte,
    "deberta": _deberta,
    "deberta-v2": _deberta_v3,
    "longformer": _longformer,
}
