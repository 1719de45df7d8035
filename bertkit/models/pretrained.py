"""Encoders that transformers opens: from weights, from nothing, and again from a run's config.json.

Weights come from the hub, its cache, or a local folder; they are read as float32 whatever
the checkpoint stores, and remote code is never run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bertkit.errors import ModelError, UsageError
from bertkit.files import exists
from bertkit.hub import hub_errors, require
from bertkit.kinds import MisfitError
from bertkit.models.architectures import adapted_config, new_config, with_dropout, without_chunks
from bertkit.models.encoder import LEAKS, PretrainedEncoder
from bertkit.models.offline import package_way_on, packaged_model
from bertkit.models.opening import (
    BROKEN,
    check_complete,
    check_folder,
    first_line,
    is_of_machine,
    opening,
    quiet,
    read_config,
)
from bertkit.models.positions import extend_positions, turns_by_length
from bertkit.models.probe import probe
from bertkit.models.registry import BuildOptions
from bertkit.models.sizes import check_plan, checked_config_of, count_weights, no_first_weights
from bertkit.models.table import MODELS, ModelSpec
from bertkit.models.weights import check_finite

WAYS_ON = (
    "give a local copy with --model DIR",
    "copy the cache of a machine that has it (HF_HOME)",
    "train from nothing with --model scratch",
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
            f"a folder {spec.hub_id} stands in the way of the hub's model; rename it or give ./{spec.hub_id}."
        )
    require(spec.hub_id, "model", ways_on=(*package_way_on(spec.hub_id), *WAYS_ON))
    return spec.hub_id
