"""Sliding-window attention in blocks, as ModernBERT needs it.

transformers computes such layers as others, with a mask of all pairs of tokens, so that on a
CPU nothing is saved. Here a block of queries is computed with the keys that its window
touches: equal results, time and memory linear in the length (Beltagy et al. 2020 for the
blocks; Warner et al. 2024 for layers that alternate). Layers that see everything are left to
transformers' own kernel.

It is a kernel for transformers to choose by name, so that any architecture whose layers name
a `sliding_window` has it, and modules and names of weights stay as they are. Where nothing is
learnt, a long row goes through ModernBERT's own attention and through every feed-forward part
piece by piece, so that queries and wide states of all tokens are never held together.
"""

from __future__ import annotations

from types import MethodType
from typing import Any, NamedTuple

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor  # noqa: TID253
from torch.nn import functional  # noqa: TID253

BLOCKS = "bertkit_blocks"
BLOCK = 128  # queries computed together; a smaller block has less to hide, and more to begin
PIECE = 512  # queries, and tokens of a layer's feed-forward part, that are held together
SLIDING = "sliding_attention"
# Rows of so many times the reach are computed in blocks; in shorter ones nearly all see all.
SHORTEST_IN_BLOCKS = 4


def use_sliding_attention(model: Any) -> int | None:
    """Make the kernel known to transformers, if a model has layers for it.

    Args:
        model: what AutoModel made.

    Returns:
        How many tokens such a layer sees on either side, or None where there are none.
    """
    config = model.config
    kinds, reach = getattr(config, "layer_types", None) or (), getattr(config, "sliding_window", None)
    has_windows = any(getattr(module, "sliding_window", None) == (reach or 0) + 1 for module in model.modules())
    if not reach or SLIDING not in kinds or not has_windows or getattr(config, "is_causal", False):
        return None
    from transformers import AttentionInterface

    AttentionInterface.register(BLOCKS, sliding_or_full)
    for module in model.modules():
        if isinstance(mlp := getattr(module, "mlp", None), torch.nn.Module):
            mlp.forward = MethodType(_in_pieces, mlp)
        if type(module).__name__ == "ModernBertAttention":
            module.forward = MethodType(_queries_in_pieces, module)
    return int(reach)


def _in_pieces(self: Any, hidden: Tensor) -> Tensor:
    """Compute what a layer does with each token by itself, of a long row piece by piece where nothing is learnt."""
    whole = type(self).forward
    if torch.is_grad_enabled() or hidden.shape[1] <= PIECE:
        found: Tensor = whole(self, hidden)
        return found
    made = torch.empty_like(hidden)
    for piece, place in zip(torch.split(hidden, PIECE, dim=1), torch.split(made, PIECE, dim=1), strict=True):
        place.copy_(whole(self, piece))
    return made


def _queries_in_pieces(
    self: Any,
    hidden: Tensor,
    position_embeddings: tuple[Tensor, Tensor] | None = None,
    attention_mask: Tensor | None = None,
    **others: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute ModernBERT's attention; of a long row, where nothing is learnt, a piece of its queries at a time.

    Keys and values are held for the whole row (B, heads, L, D); queries, and what is mixed for
    them, for a piece.
    """
    by_blocks = self.config._attn_implementation == BLOCKS
    if torch.is_grad_enabled() or self.training or not by_blocks or hidden.shape[1] <= PIECE or not position_embeddings:
        found: tuple[Tensor, Tensor | None] = type(self).forward(
            self, hidden, position_embeddings=position_embeddings, attention_mask=attention_mask, **others
        )
        return found
    width, length = hidden.shape[-1], hidden.shape[1]
    weight, bias = self.Wqkv.weight, self.Wqkv.bias
    q_bias, kv_bias = (None, None) if bias is None else (bias[:width], bias[width:])

    def heads_of(states: Tensor) -> Tensor:  # (B, n, H) as (B, heads, n, D)
        heads: Tensor = states.view(*states.shape[:2], -1, self.head_dim)
        return heads.transpose(1, 2)

    cos, sin = (part.unsqueeze(1) for part in position_embeddings)  # (1, 1, L, D)
    key, value = map(heads_of, functional.linear(hidden, weight[width:], kv_bias).chunk(2, dim=-1))
    made = torch.empty_like(hidden)
    for start in range(0, length, PIECE):
        near = slice(start, start + PIECE)
        key[:, :, near] = _rotated(key[:, :, near], cos[:, :, near], sin[:, :, near])
    text = None if attention_mask is None or bool(attention_mask.all()) else attention_mask
    for start in range(0, length, PIECE):
        near = slice(start, start + PIECE)
        query = heads_of(functional.linear(hidden[:, near], weight[:width], q_bias))
        query = _rotated(query, cos[:, :, near], sin[:, :, near])
        if self.sliding_window is None:
            mixed = functional.scaled_dot_product_attention(query, key, value, text, scale=self.head_dim**-0.5)
        else:
            mixed = _by_windows(_Part(query, key, value), start, self.sliding_window - 1, text, self.head_dim**-0.5)
        made[:, near] = self.Wo(mixed.transpose(1, 2).flatten(2))
    return made, None


def _rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys by their places, (B, heads, n, D), in float32 as transformers does (Su et al. 2021)."""
    left, right = states.float().chunk(2, dim=-1)
    turned = torch.cat((-right, left), dim=-1)
    return (states.float() * cos + turned * sin).to(states.dtype)


def mask_for_blocks(attention_mask: Tensor | None, input_ids: Tensor) -> Tensor:
    """Return the mask with which transformers leaves windows to the kernel: true for text, (B, 1, 1, L)."""
    if attention_mask is None:
        return torch.ones_like(input_ids[:1], dtype=torch.bool)[:, None, None]
    return attention_mask.bool()[:, None, None]


def sliding_or_full(  # noqa: PLR0917 - as transformers calls its kernels
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Mix values as transformers' kernels do.

    Args:
        module: the layer's attention; `num_key_value_groups` of it says how many heads share keys.
        query: (B, heads, L, D).
        key: (B, heads or fewer, L, D).
        value: as the keys.
        attention_mask: of `mask_for_blocks`.
        dropout: share of weights to drop.
        scaling: of the scores.
        sliding_window: one more than the tokens seen on either side; None: all are seen.

    Returns:
        The mixed values, (B, L, heads, D), and no weights.
    """
    groups = getattr(module, "num_key_value_groups", 1)
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    text = None if attention_mask is None or bool(attention_mask.all()) else attention_mask
    if sliding_window is None:
        mixed = functional.scaled_dot_product_attention(query, key, value, text, dropout, scale=scaling)
    else:
        mixed = _by_windows(_Part(query, key, value), 0, sliding_window - 1, text, scaling, dropout)
    return mixed.transpose(1, 2).contiguous(), None


class _Part(NamedTuple):
    """Queries, keys and values, of a row or of a block, (B, heads, ·, D)."""

    query: Tensor
    key: Tensor
    value: Tensor


def _by_windows(
    part: _Part, place: int, reach: int, text: Tensor | None, scaling: float | None, dropout: float = 0.0
) -> Tensor:
    """Mix the values near each query, block by block, (B, heads, n, D).

    `place` is where in the row the first of the n queries stands; keys and values are those of
    the whole row, and `text` of `mask_for_blocks` or None.
    """
    query, key, value = part
    length, near = key.shape[2], _near(reach, query.device)
    # Where nothing is learnt each block has its place, tokens first as the next layer wants them;
    # autograd keeps the blocks anyway.
    made: Tensor | None = None
    if not torch.is_grad_enabled():
        made = query.new_empty(len(query), query.shape[2], query.shape[1], query.shape[3]).transpose(1, 2)
    blocks = []
    for start in range(0, query.shape[2], BLOCK):
        end = min(start + BLOCK, query.shape[2])
        first, last = max(0, place + start - reach), min(length, place + end + reach)
        # The band of a block is the same everywhere, but for what the ends of the row cut off.
        left = first - (place + start - reach)
        seen = near[: end - start, left : left + last - first]
        if text is not None:
            seen = seen & text[..., first:last]
        block = _Part(query[:, :, start:end], key[:, :, first:last], value[:, :, first:last])
        found = functional.scaled_dot_product_attention(*block, _bias(seen, query), dropout, scale=scaling)
        if made is None:
            blocks.append(found)
        else:
            made[:, :, start:end] = found
    return torch.cat(blocks, 2) if made is None else made


def _near(reach: int, device: torch.device) -> Tensor:
    """Return which keys around a block its queries see, (BLOCK, BLOCK + 2 reach)."""
    keys = torch.arange(-reach, BLOCK + reach, device=device)
    queries = torch.arange(BLOCK, device=device)
    return (keys - queries[:, None]).abs() <= reach


def _bias(seen: Tensor, like: Tensor) -> Tensor:
    """Return what is added to scores: 0 where a key is seen, the least number of the type elsewhere.

    Not minus infinity: padding that sees nothing must not become NaN.
    """
    least = torch.finfo(like.dtype).min
    return torch.zeros_like(seen, dtype=like.dtype).masked_fill(~seen, least)
