"""Sliding-window attention in blocks, as ModernBERT needs it.

transformers computes such layers as others, with a mask of all pairs of tokens, so that on a
CPU nothing is saved. Here a block of queries is computed with the keys that its window
touches: equal results, time and memory linear in the length (Beltagy et al. 2020 for the
blocks; Warner et al. 2024 for layers that alternate). Layers that see everything are left to
transformers' own kernel.

It is a kernel for transformers to choose by name, so that any architecture whose layers name
a `sliding_window` has it, and modules and names of weights stay as they are.
"""

from __future__ import annotations

from types import MethodType
from typing import Any, NamedTuple

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor  # noqa: TID253
from torch.nn import functional  # noqa: TID253

BLOCKS = "bertkit_blocks"
BLOCK = 128  # queries computed together; a smaller block has less to hide, and more to begin
PIECE = 1024  # tokens that are taken through a layer's feed-forward part together
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
    return int(reach)


def _in_pieces(self: Any, hidden: Tensor) -> Tensor:
    """Compute what a layer does with each token by itself, of a long row piece by piece where nothing is learnt."""
    whole = type(self).forward
    if torch.is_grad_enabled() or hidden.shape[1] <= PIECE:
        found: Tensor = whole(self, hidden)
        return found
    pieces = torch.split(hidden, PIECE, dim=1)
    return torch.cat([whole(self, piece) for piece in pieces], dim=1)


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
        return mixed.transpose(1, 2).contiguous(), None
    return _in_blocks(_Part(query, key, value), text, sliding_window - 1, dropout, scaling), None


def _in_blocks(row: _Part, text: Tensor | None, reach: int, dropout: float, scaling: float | None) -> Tensor:
    """Mix the values of tokens at most `reach` away, a block of queries at a time; (B, L, heads, D)."""
    query, key, value = row
    length, near = query.shape[2], _near(reach, query.device)
    # Where nothing is learnt each part has its place; autograd keeps the parts anyway.
    whole: Tensor | None = None if torch.is_grad_enabled() else query.new_empty(len(query), length, *query.shape[1::2])
    parts = []
    for start in range(0, length, BLOCK):
        end = min(start + BLOCK, length)
        first, last = max(0, start - reach), min(length, end + reach)
        # The band of a block is the same everywhere, but for what the ends of the row cut off.
        left = first - (start - reach)
        seen = near[: end - start, left : left + last - first]
        if text is not None:
            seen = seen & text[..., first:last]
        part = _Part(query[:, :, start:end], key[:, :, first:last], value[:, :, first:last])
        found = functional.scaled_dot_product_attention(*part, _bias(seen, query), dropout, scale=scaling)
        if whole is None:
            parts.append(found)
        else:
            whole[:, start:end] = found.transpose(1, 2)
    return torch.cat(parts, 2).transpose(1, 2).contiguous() if whole is None else whole


class _Part(NamedTuple):
    """Queries, keys and values of a row or of a block of it, (B, heads, ·, D)."""

    query: Tensor
    key: Tensor
    value: Tensor


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
