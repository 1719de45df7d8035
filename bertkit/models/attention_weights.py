"""Attention weights of every layer and head, computed on request.

In use nobody writes these weights down: torch's kernels mix values without them. Here the text
goes through the encoder once, what its attention modules are given is noted, and the weights are
computed from that by their definition. For encoders of transformers other than Longformer the
same is done by its plain kernel, which returns them.

Shapes: N heads, L tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253

from bertkit.errors import ModelError
from bertkit.models.bert import BertModel, BertSelfAttention
from bertkit.models.deberta import DisentangledSelfAttention
from bertkit.models.encoder import PretrainedEncoder
from bertkit.models.finding import BROKEN, is_of_machine
from bertkit.models.longformer import SEEN_BY_ALL, LongformerModel, LongformerSelfAttention

if TYPE_CHECKING:
    from bertkit.models.heads import Encoder

_ROUNDING = 1e-3
TERMS = ("c2p", "p2c")


@dataclass(frozen=True)
class LayerAttention:
    """The attention of one layer, on the CPU.

    Attributes:
        weights: the share of token j in what token i mixes, (N, L, L); rows sum to 1.
        allowed: whether i may look at j, (N, L, L), by distance and global tokens.
        parts: of disentangled attention, what content to content, content to position and position
            to content add to the scores, (3, N, L, L); None for all other kinds.
    """

    weights: Tensor
    allowed: Tensor
    parts: Tensor | None = None


def attention_of(encoder: Encoder, input_ids: Tensor, token_type_ids: Tensor, name: str) -> list[LayerAttention]:
    """Return the attention of each layer, the lowest first, for one text without padding.

    Args:
        encoder: in evaluation mode.
        input_ids: (1, L).
        token_type_ids: (1, L).
        name: of the model, for the sentence of an error.

    Raises:
        ModelError: the encoder's kind of attention has no weights of pairs of tokens, or transformers gives none.
    """
    with torch.no_grad():
        if isinstance(encoder, BertModel):
            return _of_own(encoder, input_ids, token_type_ids)
        if isinstance(encoder, PretrainedEncoder):
            return _of_transformers(encoder, input_ids, token_type_ids, name)
    raise ModelError(
        f"{name}: is computed by another engine, which does not return attention; name the run it was made of."
    )


@contextmanager
def _calls(modules: list[nn.Module]) -> Iterator[dict[int, tuple[tuple[Any, ...], dict[str, Any]]]]:
    """Note what modules are called with in the body, by their place in the list."""
    noted: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def noting(place: int) -> Any:
        def note(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            noted[place] = (given, named)

        return note

    hooks = [module.register_forward_pre_hook(noting(i), with_kwargs=True) for i, module in enumerate(modules)]
    try:
        yield noted
    finally:
        for hook in hooks:
            hook.remove()


def _of_own(encoder: BertModel, input_ids: Tensor, token_type_ids: Tensor) -> list[LayerAttention]:
    modules = [cast(BertSelfAttention, cast(Any, layer).attention.self) for layer in encoder.layers]
    with _calls(cast("list[nn.Module]", modules)) as calls:
        encoder(input_ids, None, token_type_ids)
    found, length = [], input_ids.shape[1]
    for i, module in enumerate(modules):
        query_states, hidden, mask = calls[i][0]
        (weights,) = module.weights(query_states, hidden, mask)
        allowed = torch.ones_like(weights, dtype=torch.bool)
        if isinstance(module, LongformerSelfAttention):
            marks = cast(LongformerModel, encoder).marks(input_ids, None)[0]
            allowed = _with_global(module.pattern(length, hidden.device), marks == SEEN_BY_ALL)
        is_apart = isinstance(module, DisentangledSelfAttention)
        parts = cast(DisentangledSelfAttention, module).parts(query_states, hidden)[:, 0] if is_apart else None
        found.append(LayerAttention(weights, allowed, parts))
    return found


def _with_global(near: Tensor, is_global: Tensor) -> Tensor:
    """Add to (N, L, L) what global tokens (L) see, and that all see them."""
    return near | is_global[:, None] | is_global


def _of_transformers(
    encoder: PretrainedEncoder, input_ids: Tensor, token_type_ids: Tensor, name: str
) -> list[LayerAttention]:
    kind = encoder.model.config.model_type
    if kind == "longformer":
        return _of_longformer(encoder, input_ids, token_type_ids)
    attentions = [layer.attention.self for layer in encoder.model.encoder.layer] if kind.startswith("deberta") else []
    with _calls(attentions) as calls:
        shown = _shown(encoder, input_ids, token_type_ids)
    length = input_ids.shape[1]
    if not shown or not all(_are_shares(layer, length) for layer in shown):
        raise ModelError(f"{name}: transformers does not return the attention of a {kind}; take another model.")
    found = []
    for i, weights in enumerate(shown):
        parts = _deberta_parts(attentions[i], *calls[i]) if kind == "deberta-v2" else None
        allowed = _allowed(encoder, i, length).expand_as(weights[0])
        found.append(LayerAttention(weights[0].float(), allowed, parts))
    return found


def _shown(encoder: PretrainedEncoder, input_ids: Tensor, token_type_ids: Tensor) -> tuple[Tensor, ...]:
    """Let transformers' plain kernel return its weights, (1, N, L, L) a layer; none where it cannot."""
    model, outputs = encoder.model, []
    hook = model.register_forward_hook(lambda _, __, output: outputs.append(output))
    before = model.config._attn_implementation, model.config.output_attentions, encoder._kernel, encoder._reach
    try:
        if before[0] != "eager":
            model.set_attn_implementation("eager")
        model.config.output_attentions = True
        encoder._kernel = None  # so that none is chosen by the length of the row
        encoder(input_ids, None, token_type_ids)
    except BROKEN as error:
        if is_of_machine(error):
            raise
        return ()
    finally:
        hook.remove()
        model.config.output_attentions = before[1]
        if before[0] != "eager":
            model.set_attn_implementation(before[0])
        encoder._kernel, encoder._reach = before[2], before[3]
    return tuple(getattr(outputs[-1], "attentions", None) or ())


def _are_shares(weights: Tensor, length: int) -> bool:
    """Tell whether weights are of pairs of tokens and shares of them; some models return scores."""
    if weights.dim() != 4 or weights.shape[-2:] != (length, length):
        return False
    return bool(((weights.float().sum(-1) - 1).abs() < _ROUNDING).all())


def _allowed(encoder: PretrainedEncoder, layer: int, length: int) -> Tensor:
    """Return which pairs a layer of windows allows, (1, L, L); elsewhere all."""
    config = encoder.model.config
    kinds, reach = getattr(config, "layer_types", None) or (), getattr(config, "sliding_window", None)
    places = torch.arange(length)
    distance = (places[:, None] - places).abs()
    is_local = layer < len(kinds) and kinds[layer] == "sliding_attention"
    return (distance <= int(reach) if is_local and reach else distance >= 0)[None]


def _deberta_parts(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """Return the three parts of the scores of DeBERTa v2 and v3, (3, N, L, L)."""
    names = ("hidden_states", "attention_mask", "output_attentions", "query_states", "relative_pos", "rel_embeddings")
    values = {**dict(zip(names, given, strict=False)), **named}
    hidden, heads = values["hidden_states"], module.num_attention_heads
    query, key = (module.transpose_for_scores(p(hidden), heads) for p in (module.query_proj, module.key_proj))
    asked = module.pos_att_type
    factor = 1 + sum(term in asked for term in TERMS)
    parts = [query @ key.transpose(1, 2) / (query.shape[-1] * factor) ** 0.5]
    try:
        for term in TERMS:
            module.pos_att_type = [term]
            bias = module.disentangled_attention_bias(
                query, key, values.get("relative_pos"), values["rel_embeddings"], factor
            )
            parts.append(bias if term in asked else torch.zeros_like(parts[0]))
    finally:
        module.pos_att_type = asked
    return torch.stack(parts)


def _of_longformer(encoder: PretrainedEncoder, input_ids: Tensor, token_type_ids: Tensor) -> list[LayerAttention]:
    """Compute the weights of transformers' Longformer, whose own are cut into windows."""
    modules = [layer.attention.self for layer in encoder.model.encoder.layer]
    with _calls(modules) as calls:
        encoder(input_ids, None, token_type_ids)
    is_global = torch.zeros(input_ids.shape[1], dtype=torch.bool)
    is_global[0] = True  # as the encoder has it where nobody says otherwise
    places = torch.arange(input_ids.shape[1])
    found = []
    for i, module in enumerate(modules):
        given, named = calls[i]
        hidden = given[0] if given else named["hidden_states"]
        near = ((places[:, None] - places).abs() <= module.one_sided_attn_window_size).expand(module.num_heads, -1, -1)

        def by_head(x: Tensor, heads: int = module.num_heads) -> Tensor:
            split: Tensor = x.view(*x.shape[:2], heads, -1).transpose(1, 2)[0]  # (N, L, D)
            return split

        def shares(query: nn.Module, key: nn.Module, seen: Tensor, of: Tensor = hidden) -> Tensor:
            asked, answering = by_head(query(of)), by_head(key(of))
            scores: Tensor = asked @ answering.transpose(1, 2) / asked.shape[-1] ** 0.5
            return scores.masked_fill(~seen, -torch.inf).softmax(dim=-1)

        allowed = _with_global(near, is_global)
        of_all = shares(module.query_global, module.key_global, torch.ones_like(allowed))
        weights = torch.where(is_global[:, None], of_all, shares(module.query, module.key, allowed))
        found.append(LayerAttention(weights, allowed))
    return found
