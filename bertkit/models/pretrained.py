"""Encoders that transformers opens, behind the interface of our own.

Weights come from the hub, its cache, or a local folder; they are read as float32 whatever
the checkpoint stores, and remote code is never run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from bertkit.errors import ModelError, UsageError
from bertkit.files import exists
from bertkit.hub import hub_errors, require
from bertkit.kinds import MisfitError
from bertkit.models.architectures import adapted_config, new_config, with_dropout, without_chunks
from bertkit.models.attention import FUSED, attention_kernel, has_both_kernels
from bertkit.models.disentangled_attention import use_disentangled_attention
from bertkit.models.first_token import make_first_token_layer
from bertkit.models.local_attention import use_local_attention
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
from bertkit.models.positions import extend_positions
from bertkit.models.probe import probe
from bertkit.models.registry import BuildOptions
from bertkit.models.sizes import check_plan, checked_config_of, count_weights, no_first_weights
from bertkit.models.sliding_attention import BLOCKS, SHORTEST_IN_BLOCKS, mask_for_blocks, use_sliding_attention
from bertkit.models.table import MODELS, ModelSpec
from bertkit.models.weights import check_finite

# Architectures whose segments are no table, so that config.json does not count them.
RELATIVE_SEGMENTS = ("xlnet", "funnel")
# What transformers calls tables of positions that a row cannot be longer than.
POSITION_TABLES = ("position_embeddings", "embed_positions")
# Key of a run's config.json: padding would change the answers.
LEAKS = "bertkit_leaks_padding"
WAYS_ON = (
    "give a local copy with --model DIR",
    "copy the cache of a machine that has it (HF_HOME)",
    "train from nothing with --model scratch",
)


class PretrainedEncoder(nn.Module):
    """A transformers encoder that gives its last hidden states.

    Positions are counted here, by the mask: a tokenizer may pad with another id than the one
    the encoder was trained with.

    Args:
        model: what AutoModel made.
        with_pooler: whether the model's own layer over the first token is kept.

    Attributes:
        window: how many tokens local attention reaches over, the widest layer's; None where
            every token sees every other.
        keeps_padding_out: whether a row's states are the same alone and padded; where they are
            not, rows of equal length are computed together and nothing is padded.
        segments: how many segment ids it has embeddings for.
        max_positions: longest row the table of positions has room for; None: no table.
    """

    inner = "model."

    def __init__(self, model: Any, *, with_pooler: bool = True) -> None:
        super().__init__()
        self.model = model
        if not with_pooler and self.pooler is not None:
            model.pooler = _NoPooler()
        self.prefix: str = model.base_model_prefix
        self.hidden_size: int = model.config.hidden_size
        self.vocab_size: int = model.config.vocab_size
        self.segments: int = getattr(model.config, "type_vocab_size", None) or 0
        if model.config.model_type in RELATIVE_SEGMENTS:
            self.segments = 2
        _compute_attention_here(model)
        self._config: dict[str, Any] = model.config.to_dict()
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        is_local = "global_attention_mask" in self._takes
        self.window: int | None = max(model.config.attention_window) if is_local else None
        self.source: str | None = None
        self.keeps_padding_out = True
        self.kept_rows: Tensor | None = None
        # RoBERTa's kind: the first token of a row stands at the position after this one.
        self._before_first: int | None = _before_first(model)
        self.max_positions = _max_positions(model, self._before_first)
        self._kernel = FUSED if has_both_kernels(model) else None
        # How far layers see whose windows are computed in blocks, where a row is longer.
        self._reach = use_sliding_attention(model) if self._kernel is not None else None
        # In a tuple, because the layer is registered in the model already.
        self._last: tuple[Any, ...] = tuple(top for top in self.layers[-1:] if make_first_token_layer(model, top))

    @property
    def pooler(self) -> nn.Module | None:
        """The model's own layer over the first token, where it has one."""
        pooler = getattr(self.model, "pooler", None)
        # ALBERT's is a bare linear layer, which takes the first token, not the row.
        return None if isinstance(pooler, nn.Linear | _NoPooler) else cast("nn.Module | None", pooler)

    @property
    def embeddings_weight(self) -> Tensor:
        """The table of word embeddings, (V, E)."""
        return cast(Tensor, self.model.get_input_embeddings().weight)

    @property
    def layers(self) -> list[nn.Module]:
        """The layers, the lowest first; none where one layer is used again and again (ALBERT)."""
        count = getattr(self.model.config, "num_hidden_layers", None)
        stacks = (m for m in self.model.modules() if isinstance(m, nn.ModuleList) and len(m) == count)
        return list(next(stacks, ()))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        *,
        first_only: bool = False,
    ) -> Tensor:
        """Return the last hidden states, (B, L, H), or (B, 1, H); arguments as in `Encoder`.

        Without a global mask an encoder with local attention attends from and to the first
        token of each row.

        Raises:
            ModelError: the rows are longer than the encoder has positions for.
        """
        length = input_ids.shape[1]
        if self.max_positions is not None and length > self.max_positions:
            raise ModelError(
                f"a row of {length} tokens: the encoder has {self.max_positions} positions; "
                f"add --max-length {self.max_positions}."
            )
        if self.keeps_padding_out or attention_mask is None:
            return self._states(input_ids, attention_mask, token_type_ids, global_mask, first_only=first_only)
        return self._by_length(input_ids, attention_mask, token_type_ids, global_mask, first_only=first_only)

    def _by_length(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        global_mask: Tensor | None,
        *,
        first_only: bool,
    ) -> Tensor:
        """Compute rows of equal length together, without their padding; the states of padding are 0."""
        lengths = attention_mask.sum(dim=1)
        found: Tensor | None = None
        for length in sorted(set(lengths.tolist())):
            rows = (lengths == length).nonzero().squeeze(1)
            cut = [None if x is None else x[rows, :length] for x in (input_ids, token_type_ids, global_mask)]
            states = self._states(cast(Tensor, cut[0]), None, cast(Tensor, cut[1]), cut[2], first_only=first_only)
            if found is None:
                width = 1 if first_only else input_ids.shape[1]
                found = states.new_zeros(len(input_ids), width, states.shape[-1])
            padding = found.shape[1] - states.shape[1]
            found = found.index_copy(0, rows, nn.functional.pad(states, (0, 0, 0, padding)))
        assert found is not None
        return found

    def _states(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None,
        *,
        first_only: bool,
    ) -> Tensor:
        """Hand a batch to the model of transformers."""
        inputs = {"input_ids": input_ids, "token_type_ids": token_type_ids}
        if attention_mask is not None:
            inputs["attention_mask"] = attention_mask
        if "global_attention_mask" in self._takes:
            inputs["global_attention_mask"] = _first_token(input_ids) if global_mask is None else global_mask
        if self._before_first is not None:
            inputs["position_ids"] = self._positions(inputs)
        if "token_type_ids" not in self._takes or self.segments < 2:
            del inputs["token_type_ids"]
        if self._kernel is not None and not torch.compiler.is_compiling():
            self._set_kernel(input_ids)
        if self._kernel == BLOCKS:
            inputs["attention_mask"] = mask_for_blocks(attention_mask, input_ids)
        for top in self._last:
            top.first_only = first_only
        hidden: Tensor = self.model(**inputs).last_hidden_state
        return hidden[:, : 1 if first_only else input_ids.shape[1]]

    def transformers_config(self) -> dict[str, Any]:
        """Return the config.json with which transformers opens the encoder."""
        found = {**self._config, "encoder_class": type(self.model).__name__}
        return found if self.keeps_padding_out else {**found, LEAKS: True}

    def take_vocabulary(self, rows: Tensor) -> None:
        """Note that the table of embeddings was cut: `rows` are, by the new ids, those of the weights' source."""
        self.kept_rows = rows
        self.vocab_size = len(rows)
        self._config = self.model.config.to_dict()

    def _set_kernel(self, input_ids: Tensor) -> None:
        """Let attention be computed as suits the shape of a batch."""
        rows, tokens = input_ids.shape
        training = self.training and torch.is_grad_enabled()
        kernel = attention_kernel(rows, tokens, training=training, device=input_ids.device.type)
        if self._reach is not None and tokens > SHORTEST_IN_BLOCKS * self._reach:
            kernel = BLOCKS
        if kernel != self._kernel:
            self.model.set_attn_implementation(kernel)
            self._kernel = kernel

    def _positions(self, inputs: dict[str, Tensor]) -> Tensor:
        """Number the text of each row from the first position on, (B, L)."""
        mask = inputs.get("attention_mask")
        text = torch.ones_like(inputs["input_ids"]) if mask is None else mask.long()
        return text.cumsum(dim=1) * text + cast(int, self._before_first)


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
        encoder.keeps_padding_out = probe(encoder.eval())
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


def _before_first(model: Any) -> int | None:
    """Return the position before the first token's where positions are counted from the padding id on."""
    embeddings = getattr(model, "embeddings", None)
    # XLM's is the table of words itself, whose padding id says nothing of positions.
    if isinstance(embeddings, nn.Embedding) or getattr(embeddings, "position_embeddings", None) is None:
        return None
    return cast("int | None", getattr(embeddings, "padding_idx", None))


def _max_positions(model: Any, before_first: int | None) -> int | None:
    """Return how many tokens a table of positions has room for; None: there is no table."""
    tables = (module for name, module in model.named_modules() if name.rpartition(".")[2] in POSITION_TABLES)
    rows = next((len(table.weight) for table in tables if getattr(table, "weight", None) is not None), None)
    return rows if rows is None or before_first is None else rows - before_first - 1


class _NoPooler(nn.Module):
    """Stands where a pooler was taken away: some models call theirs without looking."""

    def forward(self, hidden: Tensor) -> None:
        """Return nothing."""


def _compute_attention_here(model: Any) -> None:
    """Take our own computation of those kinds of attention that transformers computes by large scores."""
    kind = model.config.model_type
    if kind == "big_bird":
        # Its sparse kind depends on how long the batch is, and never comes back from the full one.
        model.set_attention_type("original_full")
        model.config.attention_type = "original_full"
    elif kind == "longformer":
        use_local_attention(model)
    elif kind == "deberta-v2":
        use_disentangled_attention(model)
    elif kind == "deberta":
        _let_autocast_in(model)


def _let_autocast_in(model: Any) -> None:
    """Make DeBERTa v1's biases follow autocast.

    As transformers has it, a float32 bias makes the queries float32, and their least number
    overflows the bfloat16 scores it is to hide padding in.
    """

    def following(transpose: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def transposed(x: Tensor) -> Tensor:
            device = x.device.type
            return transpose(x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x)

        return transposed

    for layer in model.encoder.layer:
        attention = layer.attention.self
        attention.transpose_for_scores = following(attention.transpose_for_scores)


def _first_token(input_ids: Tensor) -> Tensor:
    mask = torch.zeros_like(input_ids)
    mask[:, 0] = 1
    return mask
