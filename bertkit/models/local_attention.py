"""Longformer's attention in blocks: linear in the length of a text.

A token attends to its neighbours up to a reach on either side, and to the few global tokens of
its row; a global token attends, by weights of its own, to the whole row (Beltagy, Peters and
Cohan 2020, https://arxiv.org/abs/2004.05150). transformers writes the scores of a whole row down
several times over. Here a block of queries meets the keys in its reach in one call of torch's
fused kernel, which keeps scores in the processor's cache; a block is as large in a long row as
in a short one.

Modules stay what they were, of classes derived from their own: names of weights do not
change, and copies of the model are whole.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

# Queries of a block, as a share of the reach: the smaller, the fewer keys beyond the reach of
# a query are computed in vain; the larger, the fewer calls.
BLOCKS_PER_REACH = 2
SMALLEST_BLOCK = 64  # tokens


def use_local_attention(model: Any) -> None:
    """Let a LongformerModel compute its attention in blocks.

    Hidden states and gradients stay what they were up to rounding. Rows may have any length:
    they are not filled up to a multiple of the window. The reach of a layer is read from its
    `one_sided_attn_window_size` at each call. Who asks for more than the last hidden states
    gets transformers' own model, and its own attention if it is attentions he asks for.

    Args:
        model: its class and those of its attention modules are changed in place; its
            parameters and all names are not.
    """
    _derive(model, _LocalModel)
    for layer in model.encoder.layer:
        _derive(layer.attention.self, _LocalAttention)


def _derive(module: Any, ours: Any) -> None:
    kind: Any = type(module)
    if not issubclass(kind, ours):
        module.__class__ = _derived(ours, kind)


@cache
def _derived(ours: Any, kind: Any) -> type[Any]:
    # The name is kept: config.json tells by it which class the weights belong to.
    return type(kind.__name__, (ours, kind), {"__module__": kind.__module__})


class _LocalModel:
    """Goes before LongformerModel, which writes a mask of L x L down to read one row of it."""

    config: Any
    embeddings: nn.Module
    encoder: nn.Module
    pooler: nn.Module | None

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        **more: Any,
    ) -> Any:
        """Return what LongformerModel does; all arguments that are named here are (B, L)."""
        named = {"token_type_ids": token_type_ids, "position_ids": position_ids}
        if input_ids is None or self._is_asked_for(more):
            masks = {"attention_mask": attention_mask, "global_attention_mask": global_attention_mask}
            return super().forward(input_ids, **masks, **named, **more)  # type: ignore[misc]
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        present = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        of_all = torch.zeros_like(input_ids) if global_attention_mask is None else global_attention_mask
        # Layers read signs: below 0 is padding, above 0 a global token.
        signs = present * (of_all + 1) - 1
        hidden = self.encoder(self.embeddings(input_ids=input_ids, **named), attention_mask=signs).last_hidden_state
        return BaseModelOutputWithPooling(hidden, None if self.pooler is None else self.pooler(hidden))

    def _is_asked_for(self, more: dict[str, Any]) -> bool:
        """Tell whether a call, or the config, wants what is not computed here."""
        config = self.config
        return bool(more) or config.output_attentions or config.output_hidden_states or not config.return_dict


class _Heads(NamedTuple):
    """Queries, keys and values of each head, (B, heads, L, D); of the queries L may be less."""

    query: Tensor
    key: Tensor
    value: Tensor


class _GlobalTokens(NamedTuple):
    """Where the tokens are that see all of their row and are seen by all of it.

    They are N together, and G in the row that has most; a row with fewer leaves slots empty.

    Attributes:
        rows: the row of each, (N,).
        columns: its place in the row, (N,).
        slots: how many global tokens stand before it in the row, (N,).
        positions: the place of the token in each slot, 0 where the slot is empty, (B, G).
        empty: which slots are, (B, G).
    """

    rows: Tensor
    columns: Tensor
    slots: Tensor
    positions: Tensor
    empty: Tensor

    def of(self, tokens: Tensor) -> Tensor:
        """Return the global ones of (B, L, ...): (B, G, ...)."""
        rows = torch.arange(len(tokens), device=tokens.device)[:, None]
        return tokens[rows, self.positions]


class _LocalAttention:
    """Goes before the class of transformers' LongformerSelfAttention."""

    query: nn.Module
    key: nn.Module
    value: nn.Module
    query_global: nn.Module
    key_global: nn.Module
    value_global: nn.Module
    num_heads: int
    dropout: float
    training: bool
    one_sided_attn_window_size: int

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        is_index_masked: Tensor | None = None,
        is_index_global_attn: Tensor | None = None,
        *,
        is_global_attn: bool | None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor, ...]:
        """Map (B, L, H) to (B, L, H), 0 where a token is masked; all masks are (B, L)."""
        if output_attentions or is_index_masked is None:
            computed: tuple[Tensor, ...] = super().forward(  # type: ignore[misc]
                hidden_states,
                attention_mask=attention_mask,
                is_index_masked=is_index_masked,
                is_index_global_attn=is_index_global_attn,
                is_global_attn=is_global_attn,
                output_attentions=output_attentions,
            )
            return computed
        found = _find(is_index_global_attn) if is_global_attn and is_index_global_attn is not None else None
        heads = _Heads(*(self._split(layer(hidden_states)) for layer in (self.query, self.key, self.value)))
        seen = self._attend_locally(heads, is_index_masked, found)
        context = seen.flatten(2).masked_fill(is_index_masked[..., None], 0)
        if found is not None:
            of_global = self._attend_globally(hidden_states, is_index_masked, found)
            context[found.rows, found.columns] = of_global[found.rows, found.slots]
        return (context,)

    def _attend_locally(self, heads: _Heads, masked: Tensor, found: _GlobalTokens | None) -> Tensor:
        """Mix values for every token as if none were global, (B, L, heads, D)."""
        reach = self.one_sided_attn_window_size
        if masked.shape[1] <= reach + 1:  # everyone is in everyone's reach
            return _attend(heads, _bias(masked, heads.query)[:, None, None], self._dropout_now)
        return _attend_in_blocks(heads, masked, found, reach, self._dropout_now)

    def _attend_globally(self, hidden: Tensor, masked: Tensor, found: _GlobalTokens) -> Tensor:
        """Mix values of whole rows for their global tokens, (B, G, H)."""
        heads = _Heads(
            self._split(self.query_global(found.of(hidden))),
            self._split(self.key_global(hidden)),
            self._split(self.value_global(hidden)),
        )
        return _attend(heads, _bias(masked, heads.query)[:, None, None], self._dropout_now).flatten(2)

    @property
    def _dropout_now(self) -> float:
        return self.dropout if self.training else 0.0

    def _split(self, x: Tensor) -> Tensor:
        """Map (B, L, H) to (B, heads, L, D)."""
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


def _attend_in_blocks(heads: _Heads, masked: Tensor, found: _GlobalTokens | None, reach: int, dropout: float) -> Tensor:
    """Let each token see those at most `reach` away and the global ones, (B, L, heads, D).

    A block of queries is computed with the blocks of keys its reach touches. Global tokens
    are hidden there, and stand before them.
    """
    block = max(reach // BLOCKS_PER_REACH, SMALLEST_BLOCK)
    around = -(-reach // block)  # blocks on either side
    near, hidden = _near(block, around, reach, heads.query), masked
    keys, values = torch.split(heads.key, block, 2), torch.split(heads.value, block, 2)
    first_key, first_value, first_bias = [], [], []
    if found is not None:
        hidden = masked.clone()
        hidden[found.rows, found.columns] = True
        first_key, first_value = ([found.of(x.transpose(1, 2)).transpose(1, 2)] for x in heads[1:])
        first_bias = [_bias(found.empty, heads.query)[:, None, None].expand(-1, -1, block, -1)]
    present = torch.split(_bias(hidden, heads.query)[:, None, None], block, 3)
    mixed = []
    for number, query in enumerate(torch.split(heads.query, block, 2)):
        start, end = max(0, number - around), number + around + 1
        column = torch.cat(present[start:end], 3)
        left = (start - number + around) * block
        bias = torch.minimum(near[:, left : left + column.shape[3]], column)
        part = _Heads(
            query, torch.cat([*first_key, *keys[start:end]], 2), torch.cat([*first_value, *values[start:end]], 2)
        )
        mixed.append(_attend(part, torch.cat([*first_bias, bias], 3)[:, :, : query.shape[2]], dropout))
    return torch.cat(mixed, 1)


def _near(block: int, around: int, reach: int, like: Tensor) -> Tensor:
    """Return the bias that hides what is out of reach: (block, keys of the blocks around it too)."""
    keys = torch.arange(-around * block, (around + 1) * block, device=like.device)
    queries = torch.arange(block, device=like.device)
    return _bias((keys - queries[:, None]).abs() > reach, like)


def _find(is_global: Tensor) -> _GlobalTokens:
    """Find the global tokens of (B, L), of which there is one at least."""
    rows, columns = is_global.nonzero(as_tuple=True)
    slots = (is_global.cumsum(1) - 1)[rows, columns]
    positions = columns.new_zeros(len(is_global), int(slots.max()) + 1)
    positions[rows, slots] = columns
    empty = torch.ones_like(positions, dtype=torch.bool)
    empty[rows, slots] = False
    return _GlobalTokens(rows, columns, slots, positions, empty)


def _attend(heads: _Heads, bias: Tensor, dropout: float) -> Tensor:
    """Mix values by the scores of their keys plus `bias`, (B, L, heads, D)."""
    return functional.scaled_dot_product_attention(*heads, attn_mask=bias, dropout_p=dropout).transpose(1, 2)


def _bias(hidden: Tensor, like: Tensor) -> Tensor:
    """Return what is added to scores: the least number of a type where `hidden`, else 0.

    Not minus infinity: what a token with nothing to see gets is set to 0 later, which a NaN
    would not survive on the way back.
    """
    return torch.zeros_like(hidden, dtype=like.dtype).masked_fill(hidden, torch.finfo(like.dtype).min)
