"""Last layers of transformers that compute no more than the first token's vector.

Where a head reads only the first token, the last layer's other tokens are needed as keys and
values and for nothing else: their queries, their share of the feed-forward block and of its
gradients, some ten twelfths of the layer, go into no output. Our own BERT leaves them out in
`bert.py`; here the same is done for encoders of transformers. Outputs are the same.

A layer stays the module it was, of a class derived from its own: names of weights do not
change, and copies of the model are whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from bertkit.models.disentangled_attention import computes_here, has_own_attention


class _FirstToken:
    """Goes before a layer's class; `first_only` says what the next forward pass is to return."""

    first_only = False

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, *rest: Any, **named: Any) -> Any:
        """Map (B, L, H) to (B, L, H), or to the first token's (B, 1, H), as the layer's class returns it."""
        if self.first_only:
            return self.compute_first(hidden_states, attention_mask, **named)
        return super().forward(hidden_states, attention_mask, *rest, **named)  # type: ignore[misc]

    def compute_first(self, hidden: Tensor, mask: Tensor | None, **named: Any) -> Any:
        """Map (B, L, H) to (B, 1, H); `mask` is (B, 1, L, L) as attention takes it."""
        raise NotImplementedError


class _BertLayer(_FirstToken):
    """For BERT's layers and those made after them: RoBERTa's, ELECTRA's."""

    attention: Any
    feed_forward_chunk: Any

    def compute_first(self, hidden: Tensor, mask: Tensor | None, **named: Any) -> Any:
        own, first = self.attention.self, hidden[:, :1]
        mixed = _attend(own, own.query(first), own.key(hidden), own.value(hidden), mask)
        attended = self.attention.output(mixed, first)
        return self.feed_forward_chunk(attended)


class _DistilBertLayer(_FirstToken):
    """For DistilBERT's layers."""

    attention: Any
    sa_layer_norm: nn.Module
    ffn: nn.Module
    output_layer_norm: nn.Module

    def compute_first(self, hidden: Tensor, mask: Tensor | None, **named: Any) -> Any:
        own, first = self.attention, hidden[:, :1]
        mixed = _attend(own, own.q_lin(first), own.k_lin(hidden), own.v_lin(hidden), mask)
        attended = self.sa_layer_norm(own.out_lin(mixed) + first)
        return self.output_layer_norm(self.ffn(attended) + attended)


class _DebertaLayer(_FirstToken):
    """For layers of DeBERTa v2 and v3 whose attention is computed here."""

    attention: Any
    intermediate: nn.Module
    output: nn.Module

    def compute_first(self, hidden: Tensor, mask: Tensor | None, **named: Any) -> Any:
        mixed = self.attention.self.attend_first(hidden, mask, named["rel_embeddings"])
        attended = self.attention.output(mixed, hidden[:, :1])
        return self.output(self.intermediate(attended), attended), None


class _ModernBertLayer(_FirstToken):
    """For ModernBERT's layers, those that see everything and those that see their neighbours."""

    attn: Any
    attn_norm: nn.Module
    mlp_norm: nn.Module
    mlp: nn.Module

    def compute_first(self, hidden: Tensor, mask: Tensor | None, **named: Any) -> Any:
        own, (cos, sin) = self.attn, named["position_embeddings"]
        seen = hidden.shape[1] if own.sliding_window is None else min(hidden.shape[1], own.sliding_window)
        hidden, cos, sin = hidden[:, :seen], cos[:, :seen], sin[:, :seen]
        normed, width = self.attn_norm(hidden), own.Wqkv.out_features // 3
        bias = own.Wqkv.bias
        parts = [
            functional.linear(x, own.Wqkv.weight[some], None if bias is None else bias[some])
            for x, some in ((normed[:, :1], slice(width)), (normed, slice(width, None)))
        ]
        query, (key, value) = parts[0], parts[1].chunk(2, -1)

        def split(x: Tensor) -> Tensor:
            return x.view(*x.shape[:2], -1, own.head_dim).transpose(1, 2)  # (B, N, ·, D)

        mixed = functional.scaled_dot_product_attention(
            _turned(split(query), cos[:, :1], sin[:, :1]),
            _turned(split(key), cos, sin),
            split(value),
            attn_mask=None if mask is None else mask[:, :, :1, :seen],
            dropout_p=own.attention_dropout if own.training else 0.0,
        )
        first = hidden[:, :1] + own.out_drop(own.Wo(mixed.transpose(1, 2).flatten(2)))
        return first + self.mlp(self.mlp_norm(first))


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of figures (B, N, L, D) by their tokens' positions, in float32 as ModernBERT does."""
    one, other = x.float().chunk(2, -1)
    half = torch.cat([-other, one], -1)
    return (x.float() * cos[:, None] + half * sin[:, None]).to(x.dtype)


_KINDS = {
    "bert": _BertLayer,
    "roberta": _BertLayer,
    "xlm-roberta": _BertLayer,
    "camembert": _BertLayer,
    "electra": _BertLayer,
    "distilbert": _DistilBertLayer,
    "deberta-v2": _DebertaLayer,
    "modernbert": _ModernBertLayer,
}
_KERNELS = ("sdpa", "eager")  # they take the mask as `_attend` reads it


def make_first_token_layer(model: Any, layer: nn.Module) -> bool:
    """Let a model's last layer compute the first token only, whenever its `first_only` says so.

    Args:
        model: what AutoModel made.
        layer: its last layer; its class is changed in place.

    Returns:
        Whether this architecture's layers can.
    """
    kind = _KINDS.get(model.config.model_type)
    if kind is _DebertaLayer and not has_own_attention(model, layer):
        return False
    is_encoder = not getattr(model.config, "is_decoder", False)
    if kind is None or not is_encoder or getattr(model.config, "_attn_implementation", "") not in _KERNELS:
        return False
    if not isinstance(layer, _FirstToken):
        layer.__class__ = _derived(kind, cast(Any, type(layer)))
    return True


@contextmanager
def published_layers(model: nn.Module) -> Iterator[None]:
    """Let the code of transformers compute a DeBERTa in the body, which torch's exporter can follow.

    Args:
        model: has the encoder in it; its parts get their classes back afterwards. Any other is
            left as it is.
    """
    own = [(part, type(part)) for part in model.modules() if computes_here(part) or isinstance(part, _DebertaLayer)]
    for part, kind in own:
        part.__class__ = kind.__bases__[1]
    try:
        yield
    finally:
        for part, kind in own:
            part.__class__ = kind


@cache
def _derived(kind: type[_FirstToken], layer: Any) -> Any:
    return type(f"FirstToken{layer.__name__}", (kind, layer), {})


def _attend(attention: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Mix values (B, L, H) for the first token's query (B, 1, H), (B, 1, H)."""

    def split(x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, attention.attention_head_size).transpose(1, 2)  # (B, N, ·, D)

    mixed = functional.scaled_dot_product_attention(
        split(query),
        split(key),
        split(value),
        attn_mask=None if mask is None else mask[:, :, :1],
        dropout_p=attention.dropout.p if attention.training else 0.0,
        scale=attention.scaling,
    )
    return mixed.transpose(1, 2).flatten(2)
