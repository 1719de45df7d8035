"""An encoder of transformers behind the interface of our own.

What differs from one architecture to another is asked of the model itself where it can be:
its arguments, its tables, its layers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253

from bertkit.errors import ModelError
from bertkit.models.attention import FUSED, attention_kernel, has_both_kernels
from bertkit.models.disentangled_attention import use_disentangled_attention
from bertkit.models.first_token import make_first_token_layer
from bertkit.models.local_attention import use_local_attention
from bertkit.models.sliding_attention import BLOCKS, SHORTEST_IN_BLOCKS, mask_for_blocks, use_sliding_attention

# Architectures whose segments are no table, so that config.json does not count them.
RELATIVE_SEGMENTS = ("xlnet", "funnel")
# What transformers calls tables of positions that a row cannot be longer than.
POSITION_TABLES = ("position_embeddings", "embed_positions")
# Key of a run's config.json: padding would change the answers.
LEAKS = "bertkit_leaks_padding"


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

    def grow_vocabulary(self, size: int) -> None:
        """Note that the table of embeddings has become longer."""
        self.vocab_size = self.model.config.vocab_size = size
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
