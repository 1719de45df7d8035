"""Encoders that transformers opens: from weights, from scratch, or from a run's config.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bertkit.errors import ModelError, UsageError
from bertkit.files import exists
from bertkit.hub import hub_errors, require
from bertkit.kinds import MisfitError
from bertkit.models.encoder import LEAKS, PretrainedEncoder, extend_positions, probe, turns_by_length
from bertkit.models.finding import (
    BROKEN,
    check_complete,
    check_folder,
    first_line,
    is_of_machine,
    opening,
    package_way_on,
    packaged_model,
    quiet,
    read_config,
)
from bertkit.models.registry import NUMBERED_FROM_PADDING, BuildOptions
from bertkit.models.scratch import initial_std, shape_of
from bertkit.models.sizes import check_plan, checked_config_of, count_weights, no_first_weights
from bertkit.models.table import MODELS, ModelSpec
from bertkit.models.weights import check_finite

# --- Shapes of transformers' encoders that start from scratch -------------------------------------
#
# One function per architecture says how its config spells a shape; settings that no size
# changes are those of the published models.

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


# --- Encoders that transformers opens: from weights, from scratch, and again from a run's config.json
#
# Weights come from the hub, its cache, or a local folder; they are read as float32 whatever
# the checkpoint stores, and remote code is never run.

WAYS_ON = (
    "give a local copy with --model DIR",
    "copy the cache of a machine that has it (HF_HOME)",
    "train from scratch with --model scratch",
)


def build(spec: ModelSpec, options: BuildOptions) -> PretrainedEncoder:
    """Load an encoder's weights, or make it at the size asked for with random ones.

    Random weights are drawn from torch's global random state.

    Raises:
        HubError: the hub is needed and cannot be reached, or does not have the model.
        ModelError: the folder holds no encoder, or only a part of its weights.
        UsageError: an option that this encoder cannot use.
    """
    if options.from_nothing:
        encoder = _wrapped(_from_nothing(spec, options), options)
        with opening(spec.name, is_folder=spec.hub_id is None):
            _probed(encoder)
    else:
        source = _source(spec)
        model = _from_weights(spec, options)
        with opening(source, is_folder=spec.hub_id is None):
            encoder = _wrapped(model, options)
            encoder.source = source
            _probed(encoder)
    if options.type_vocab_size > max(2, encoder.segments):
        raise UsageError(
            f"--overlap-segments: {spec.name} knows {encoder.segments} segment ids; the option needs scratch."
        )
    if options.with_pooler and encoder.pooler is None:
        raise UsageError(f"--pooling pooler: {spec.name} has no pooler; take cls or mean.")
    return encoder


def _wrapped(model: Any, options: BuildOptions) -> PretrainedEncoder:
    if options.more_positions:
        extend_positions(model, options.max_length)
    return PretrainedEncoder(model, with_pooler=options.with_pooler)


def _probed(encoder: PretrainedEncoder) -> None:
    """Look at what the encoder does, in evaluation mode; its own mode stays.

    Raises:
        MisfitError: it cannot be used.
    """
    mode = encoder.training
    try:
        encoder.keeps_padding_out = probe(encoder.eval()) and not turns_by_length(encoder.model.config)
    except RuntimeError as error:
        if is_of_machine(error):
            raise
        raise MisfitError(f"it cannot read a row of a few tokens ({first_line(error)})") from error
    finally:
        encoder.train(mode)


def _from_weights(spec: ModelSpec, options: BuildOptions) -> Any:
    from transformers import AutoModel

    source = _source(spec)
    if spec.hub_id is None:
        check_folder(Path(source))
    with hub_errors(source, "model"), opening(source, is_folder=spec.hub_id is None):
        values = checked_config_of(source)
        config = without_chunks(with_dropout(read_config(source, values), options.dropout))
        check_plan(AutoModel.from_config, config, count_weights(source))
        # What the checkpoint lacks is counted below; transformers would log a table of it.
        with quiet("transformers.modeling_utils"):
            model, found = AutoModel.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        check_finite(model.named_parameters())
    check_complete(source, found)
    return model


def _from_nothing(spec: ModelSpec, options: BuildOptions) -> Any:
    """Make a model of the row's architecture; a model of no row may keep its own shape."""
    from transformers import AutoModel

    shape_asked = any(value is not None for value in (options.size, options.layers, options.hidden, options.heads))
    if spec in MODELS or (shape_asked and spec.architecture):
        config = new_config(spec.architecture, options)
    else:
        source = _source(spec)
        if spec.hub_id is None:
            check_folder(Path(source), weights=False)
        with hub_errors(source, "model"), opening(source, is_folder=spec.hub_id is None):
            found = read_config(source, checked_config_of(source))
        config = (
            new_config(found.model_type, options) if shape_asked else adapted_config(without_chunks(found), options)
        )
    return AutoModel.from_config(config, dtype=torch.float32)


def rebuild(values: dict[str, Any], *, with_pooler: bool) -> PretrainedEncoder:
    """Make the encoder that a run's config.json describes; its weights come afterwards.

    Raises:
        ModelError: transformers does not know the architecture.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, AutoModel

    leaks = bool(values.get(LEAKS))
    try:
        config = without_chunks(AutoConfig.for_model(**values))
        with no_first_weights():
            model = AutoModel.from_config(config, dtype=torch.float32)
        encoder = PretrainedEncoder(model, with_pooler=with_pooler)
        encoder.keeps_padding_out = not leaks
        return encoder
    except (*BROKEN, StrictDataclassError) as error:
        if is_of_machine(error):
            raise
        raise ModelError(f"config.json: transformers cannot build it ({first_line(error)}).") from error


def _source(spec: ModelSpec) -> str:
    """Return what from_pretrained is given: a folder, or a hub id that is in reach."""
    if spec.hub_id is None:
        return spec.name
    packaged = packaged_model(spec.hub_id)
    if packaged is not None:
        return str(packaged)
    if exists(Path(spec.hub_id)):
        raise ModelError(
            f"a folder {spec.hub_id} hides the hub's model of that name; rename it or give ./{spec.hub_id}."
        )
    require(spec.hub_id, "model", ways_on=(*package_way_on(spec.hub_id), *WAYS_ON))
    return spec.hub_id
