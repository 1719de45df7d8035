"""The Enhanced Mask Decoder: absolute places join where masked words are predicted, and not before.

He et al. 2021, section 3.2 (https://arxiv.org/abs/2006.03654). An encoder with relative positions
cannot tell "a new store opened beside the new mall" with both nouns hidden: the words around
either are the same, only the place in the sentence differs. Absolute positions in the embeddings,
as BERT has them, would tell; put in only at the end they leave all layers below to relative ones.

As the authors' code does, the last layer is run twice more on the states below it. Its first
queries are these states plus the embeddings of their places, its second ones what came out;
keys and values are the states below both times (`query_states` in `bert.py`). No weights are new but the
table of places: the encoder goes on into other tasks as if the decoder had not been.

Shapes: B rows, L tokens, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253

from bertkit.models.bert import BertLayer

if TYPE_CHECKING:
    from bertkit.models.heads import Encoder

TIMES = 2  # that the last layer is run more
_SPREAD = 0.02
# What transformers' layers call the modules that make keys and values: apart, or with the queries in
# one, all queries first (ModernBERT) or those of each head (DeBERTa v1, whose own way of taking other
# queries fails on rows of a batch).
_KEYS_AND_VALUES = ("k_proj", "v_proj")
_ALL_THREE, _THREE_BY_HEAD = "Wqkv", "in_proj"
# What stands between the last layer and the heads, where layers do not normalise at their own end.
_LAST_NORMS = ("final_norm", "norm")


@dataclass
class _Call:
    """How the last layer was called: the states below it, and all else it was given."""

    below: Tensor | None = None
    rest: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    made: dict[str, Tensor] = field(default_factory=dict)


class EnhancedMaskDecoder(nn.Module):
    """Runs an encoder, and its last layer twice more with absolute places in its queries.

    Args:
        encoder: with relative or rotary positions; it stays a part of the model it is in.
        positions: the longest row.
    """

    def __init__(self, encoder: Encoder, positions: int) -> None:
        super().__init__()
        self.position_embeddings = nn.Embedding(positions, encoder.hidden_size)
        nn.init.normal_(self.position_embeddings.weight, std=_SPREAD)
        self._encoder = (encoder,)  # in a tuple, because the model has it already

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor, global_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the states for masked words and the encoder's last, (B, L, H) each; arguments as in `Encoder`."""
        (encoder,) = self._encoder
        layer = encoder.layers[-1]
        with _recorded(layer) as call:
            last = encoder(input_ids, attention_mask, token_type_ids, global_mask)
        assert call.below is not None
        places = torch.arange(call.below.shape[1], device=input_ids.device)  # (L)
        query_states = call.below + self.position_embeddings(places)
        for _ in range(TIMES):
            query_states = _ask(layer, query_states, call)
        norm = next((found for name in _LAST_NORMS if (found := _part(encoder, name)) is not None), None)
        return (query_states if norm is None else norm(query_states)), last


@contextmanager
def _recorded(layer: nn.Module) -> Iterator[_Call]:
    """Note how a layer is called in the body, and what keys and values it makes."""
    call = _Call()

    def note_call(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        named = dict(named)
        below = given[0] if given else named.pop("hidden_states")
        call.below, call.rest, call.named = below, given[1:], named

    def note_output(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def note(_: nn.Module, __: Any, output: Tensor) -> None:
            call.made[name] = output

        return note

    hooks = [layer.register_forward_pre_hook(note_call, with_kwargs=True)]
    hooks += [part.register_forward_hook(note_output(name)) for name, part in _makers(layer)]
    try:
        yield call
    finally:
        for hook in hooks:
            hook.remove()


def _ask(layer: nn.Module, query_states: Tensor, call: _Call) -> Tensor:
    """Run a layer with other queries on the states it was called with, (B, L, H)."""
    if isinstance(layer, BertLayer):
        attended = layer.attention(query_states, call.below, *call.rest)
        own: Tensor = layer.output(layer.intermediate(attended), attended)
        return own
    if not call.made:  # DeBERTa's of transformers
        named = {**call.named, "query_states": query_states}
        return cast(Tensor, layer(call.below, *call.rest, **named)[0])
    with _replaced(layer, call.made):
        found = layer(query_states, *call.rest, **call.named)
    return cast(Tensor, found[0] if isinstance(found, tuple) else found)


@contextmanager
def _replaced(layer: nn.Module, made: Mapping[str, Tensor]) -> Iterator[None]:
    """Let a layer take the keys and values that it made before, in the body."""

    def put_back(name: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
        def put(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            if name in _KEYS_AND_VALUES:
                return made[name]
            groups = heads if name == _THREE_BY_HEAD else 1
            new, old = (x.view(*x.shape[:-1], groups, 3, -1) for x in (output, made[name]))
            return torch.cat([new[..., :1, :], old[..., 1:, :]], dim=-2).flatten(-3)

        return put

    heads = next((int(cast(Any, part).num_attention_heads) for part in layer.modules() if hasattr(part, "in_proj")), 1)
    hooks = [part.register_forward_hook(put_back(name)) for name, part in _makers(layer)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _makers(layer: nn.Module) -> list[tuple[str, nn.Module]]:
    """Find the modules that make keys and values, by their names."""
    named = ((name.rpartition(".")[2], part) for name, part in layer.named_modules())
    return [(name, part) for name, part in named if name in (*_KEYS_AND_VALUES, _ALL_THREE, _THREE_BY_HEAD)]


def _part(encoder: Encoder, name: str) -> nn.Module | None:
    return getattr(getattr(encoder, "model", None), name, None)
