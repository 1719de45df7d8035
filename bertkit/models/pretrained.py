"""Encoders that transformers opens, behind the interface of our own.

Weights come from the hub, its cache, or a local folder; they are read as float32 whatever
the checkpoint stores, and remote code is never run.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from bertkit.errors import ModelError, TokenizerError, UsageError
from bertkit.hub import hub_errors, require
from bertkit.models.offline import packaged_model
from bertkit.models.registry import BuildOptions, ModelSpec
from bertkit.tokenization.base import SpecialTokens, Tokenizer

WAYS_ON = (
    "give a local copy with --model DIR",
    "copy the cache of a machine that has it (HF_HOME)",
    "train from nothing with --model scratch",
)
# A tokenizer without a limit of its own says 10^30.
NO_LIMIT = 1_000_000


class PretrainedEncoder(nn.Module):
    """A transformers encoder that gives its last hidden states.

    Args:
        model: what AutoModel made.
    """

    inner = "model."

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.prefix: str = model.base_model_prefix
        self.hidden_size: int = model.config.hidden_size
        self.vocab_size: int = model.config.vocab_size
        self._takes = frozenset(inspect.signature(model.forward).parameters)

    @property
    def pooler(self) -> nn.Module | None:
        """The model's own layer over the first token, where it has one."""
        return cast("nn.Module | None", getattr(self.model, "pooler", None))

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor) -> Tensor:
        """Return the last hidden states, (B, L, H); arguments as in `BertModel.forward`."""
        inputs: dict[str, Tensor] = {"input_ids": input_ids}
        if attention_mask is not None:
            inputs["attention_mask"] = attention_mask
        if "token_type_ids" in self._takes and getattr(self.model.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = token_type_ids
        if "global_attention_mask" in self._takes:
            inputs["global_attention_mask"] = _first_token(input_ids)
        return cast(Tensor, self.model(**inputs).last_hidden_state)

    def transformers_config(self) -> dict[str, Any]:
        """Return the config.json with which transformers opens the encoder."""
        return {**self.model.config.to_dict(), "encoder_class": type(self.model).__name__}


def build(spec: ModelSpec, options: BuildOptions) -> PretrainedEncoder:
    """Load an encoder's weights.

    Raises:
        HubError: the hub is needed and cannot be reached, or does not have the model.
        ModelError: the folder holds no encoder.
        UsageError: an option that needs a model from nothing.
    """
    if options.from_nothing:
        raise UsageError(f"--init random: {spec.name} starts from its weights here; take --model scratch.")
    from transformers import AutoModel

    source = _source(spec, "model")
    with hub_errors(source, "model"):
        try:
            model = AutoModel.from_pretrained(source, dtype=torch.float32, trust_remote_code=False)
        except (ValueError, OSError) as error:
            if spec.hub_id is not None:
                raise
            raise ModelError(f"--model {source}: holds no encoder ({_first_line(error)}); check the folder.") from error
    segments = getattr(model.config, "type_vocab_size", 0)
    if options.type_vocab_size > max(2, segments):
        raise UsageError(f"--overlap-segments: {spec.name} knows {segments} segment ids; the option needs scratch.")
    return PretrainedEncoder(_with_dropout(model, options.dropout))


def rebuild(values: dict[str, Any], *, with_pooler: bool) -> PretrainedEncoder:
    """Make the encoder that a run's config.json describes; its weights come afterwards.

    Raises:
        ModelError: transformers does not know the architecture.
    """
    from transformers import AutoConfig, AutoModel

    try:
        config = AutoConfig.for_model(**values)
        return PretrainedEncoder(AutoModel.from_config(config))
    except (ValueError, KeyError) as error:
        raise ModelError(f"config.json: transformers cannot build it ({_first_line(error)}).") from error


def tokenizer(spec: ModelSpec) -> Tokenizer:
    """Load the fast tokenizer of an encoder.

    Raises:
        HubError: the hub is needed and cannot be reached, or does not have it.
        TokenizerError: there is none, or only one in Python code.
    """
    from transformers import AutoTokenizer

    source = _source(spec, "tokenizer")
    with hub_errors(source, "tokenizer"):
        try:
            loaded = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        except (ValueError, OSError) as error:
            if spec.hub_id is not None and isinstance(error, OSError):
                raise
            raise TokenizerError(f"{source}: has no tokenizer transformers can open ({_first_line(error)}).") from error
    backend = getattr(loaded, "backend_tokenizer", None)
    if backend is None:
        raise TokenizerError(f"{source}: its tokenizer has no fast form; give another one with --tokenizer.")
    special = SpecialTokens(
        unk=loaded.unk_token, pad=loaded.pad_token, cls=loaded.cls_token, sep=loaded.sep_token, mask=loaded.mask_token
    )
    limit = loaded.model_max_length
    return Tokenizer(backend, special, min(limit, spec.max_length) if limit < NO_LIMIT else spec.max_length)


def _source(spec: ModelSpec, kind: str) -> str:
    """Return what from_pretrained is given: a folder, or a hub id that is in reach."""
    if spec.hub_id is None:
        return spec.name
    packaged = packaged_model(spec.hub_id)
    if packaged is not None:
        return str(packaged)
    if Path(spec.hub_id).exists():
        raise ModelError(
            f"a folder {spec.hub_id} stands in the way of the hub's model; rename it or give ./{spec.hub_id}."
        )
    require(spec.hub_id, "model" if kind == "model" else "tokenizer", ways_on=WAYS_ON)
    return spec.hub_id


def _with_dropout(model: Any, dropout: float) -> Any:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout
    return model


def _first_token(input_ids: Tensor) -> Tensor:
    mask = torch.zeros_like(input_ids)
    mask[:, 0] = 1
    return mask


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
