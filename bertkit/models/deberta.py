"""DeBERTa from scratch, on one page: attention over contents and relative positions.

He, Liu, Gao and Chen 2021, "DeBERTa: Decoding-enhanced BERT with Disentangled Attention"
(https://arxiv.org/abs/2006.03654). All else is BERT (`bert.py`), without a table of positions.
The score of a pair of tokens i and j is a sum of three (section 3.1, equation 4):

  - content to content, q_i · k_j: BERT's;
  - content to position, q_i · K[i-j]: what the word at i wants of that distance;
  - position to content, k_j · Q[i-j]: what that distance wants of the word at j;

all divided by √3D. K and Q are projections of one table with a row for each distance from -k to
k - 1; farther pairs take the last row. With buckets, distances beyond half of them share rows,
more the farther they are (DeBERTa v2).

A row of L tokens has 2L - 1 distances. Each query is multiplied with the rows of all of them;
the pairs' scores are a slanted view of that product, so nothing is looked up pair by pair.

Shapes in the margin: B rows, L tokens, Q that ask, H hidden, N heads, D = H / N.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from bertkit.models.bert import BertConfig, BertLayer, BertModel, BertSelfAttention

if TYPE_CHECKING:
    from bertkit.models.heads import Encoder

PARTS = ("content to content", "content to position", "position to content")


@dataclass(frozen=True)
class DebertaConfig(BertConfig):
    """A BERT's shape, and how distances are told apart.

    `max_relative_positions` is the paper's k; `position_buckets` how many of them, on either
    side, share the rows of the table, -1: each has its own.
    """

    max_relative_positions: int = 512
    position_buckets: int = -1

    @property
    def span(self) -> int:
        """Rows of the table for each direction."""
        return self.position_buckets if self.position_buckets > 0 else self.max_relative_positions


class DebertaEmbeddings(nn.Module):
    """Sum of word and segment embeddings: where a token stands is for attention to say."""

    def __init__(self, config: DebertaConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        """Embed ids (B, L) and segments (B, L) as vectors (B, L, H)."""
        summed = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        normalised: Tensor = self.dropout(self.LayerNorm(summed))
        return normalised


class DisentangledSelfAttention(BertSelfAttention):
    """Attention whose scores are sums of three parts.

    Args:
        config: the encoder's.
        distances: the table of distances, (2k, H), which all layers share.
    """

    def __init__(self, config: DebertaConfig, distances: nn.Embedding) -> None:
        super().__init__(config)
        del self.query, self.key, self.value
        width = config.hidden_size
        self.config = config
        self.query_proj, self.key_proj, self.value_proj = (nn.Linear(width, width) for _ in range(3))
        self.pos_key_proj, self.pos_query_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.pos_dropout = nn.Dropout(config.hidden_dropout_prob)
        self.scale = 1 / math.sqrt(len(PARTS) * width // self.heads)
        # In a tuple, because the table is a part of the encoder already.
        self._distances = (distances,)

    def forward(self, query_states: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Mix vectors (B, L, H) for each that asks, (B, Q, H); they stand at the first Q places."""
        query, key = self.split(self.query_proj(query_states)), self.split(self.key_proj(hidden))
        to_position, to_content = self._by_position(query, key)
        bias = to_position + to_content  # (B, N, Q, L)
        if mask is not None:
            bias = bias.masked_fill(~mask, torch.finfo(bias.dtype).min / 2)  # a score added stays finite
        mixed = functional.scaled_dot_product_attention(
            query, key, self.split(self.value_proj(hidden)), attn_mask=bias, scale=self.scale
        )
        return mixed.transpose(1, 2).flatten(2)  # (B, Q, H)

    def weights(self, query_states: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Return how much each that asks takes from each token, (B, N, Q, L), as `BertSelfAttention.weights`."""
        scores = self.parts(query_states, hidden).sum(dim=0)
        return (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(dim=-1)

    def parts(self, query_states: Tensor, hidden: Tensor) -> Tensor:
        """Return what each of `PARTS` adds to the scores, (3, B, N, Q, L)."""
        query, key = self.split(self.query_proj(query_states)), self.split(self.key_proj(hidden))
        return torch.stack([query @ key.transpose(2, 3) * self.scale, *self._by_position(query, key)])

    def _by_position(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two parts that know distances, from queries (B, N, Q, D) and keys (B, N, L, D)."""
        length = key.shape[2]
        upwards = rows_of_distances(self.config, length, key.device)  # (2L): those of -(L-1) to L
        table = self.pos_dropout(self._distances[0].weight)  # (2k, H)
        by_query = self._laid_out(self.pos_key_proj(table), upwards.flip(0).roll(-1))  # L-1 down, and L last
        by_key = self._laid_out(self.pos_query_proj(table), upwards)
        to_position = slanted(query @ by_query, length)
        to_content = slanted(key @ by_key, length).transpose(2, 3)[:, :, : query.shape[2]]
        return to_position * self.scale, to_content * self.scale

    def _laid_out(self, table: Tensor, rows: Tensor) -> Tensor:
        """Return the projected rows of distances, (N, D, 2L)."""
        return table[rows].view(len(rows), self.heads, -1).permute(1, 2, 0)


def rows_of_distances(config: DebertaConfig, length: int, device: torch.device) -> Tensor:
    """Return the table's row for each distance from -(L-1) to L, (2L); the last only fills up."""
    distance = torch.arange(1 - length, length + 1, device=device)
    if config.position_buckets > 0:
        middle, size = config.position_buckets // 2, distance.abs()
        # transformers' order of float32 operations: another may round to another bucket.
        longest = torch.log(torch.tensor((config.max_relative_positions - 1) / middle, device=device))
        far = torch.ceil(torch.log(size.clamp(min=middle) / middle) / longest * (middle - 1)) + middle
        distance = torch.where(size <= middle, distance, far.long() * distance.sign())
    return (distance + config.span).clamp(0, 2 * config.span - 1)


def slanted(products: Tensor, length: int) -> Tensor:
    """Take from row i of (…, Q, 2L) the L products from column L-1-i on, (…, Q, L)."""
    asked, width = products.shape[-2:]
    # One column fewer a row moves each row by one place more than the row above it.
    flat = functional.pad(products.flatten(-2), (0, 0 if asked == length else length))[..., length - 1 :]
    flat = flat[..., : asked * (width - 1)]
    return flat.view(*products.shape[:-2], asked, width - 1)[..., :length]


class DebertaModel(BertModel):
    """BERT with disentangled attention; names of weights are those of transformers' DebertaV2Model."""

    prefix = "deberta"
    config: DebertaConfig

    def __init__(self, config: DebertaConfig, *, with_pooler: bool = True) -> None:
        super().__init__(config, with_pooler=with_pooler)
        self.max_positions = None
        self.embeddings = DebertaEmbeddings(config)  # type: ignore[assignment]
        self.encoder.rel_embeddings = nn.Embedding(2 * config.span, config.hidden_size)
        for layer in self.layers:
            cast(BertLayer, layer).attention.self = DisentangledSelfAttention(config, self.encoder.rel_embeddings)
        self.initialise()

    def transformers_config(self) -> dict[str, Any]:
        """Return the config.json with which transformers opens these weights."""
        return {
            "model_type": "deberta-v2",
            "encoder_class": "DebertaV2Model",
            "hidden_act": "gelu",
            **asdict(self.config),
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "share_att_key": False,
            "position_biased_input": False,
            "norm_rel_ebd": "none",
            "bertkit_attention": "disentangled",
        }


# --- The Enhanced Mask Decoder: absolute places join where masked words are predicted, and not before
#
# He et al. 2021, section 3.2 (https://arxiv.org/abs/2006.03654). An encoder with relative positions
# cannot tell "a new store opened beside the new mall" with both nouns hidden: the words around
# either are the same, only the place in the sentence differs. Absolute positions in the embeddings,
# as BERT has them, would tell; put in only at the end they leave all layers below to relative ones.
#
# As the authors' code does, the last layer is run twice more on the states below it. Its first
# queries are these states plus the embeddings of their places, its second ones what came out;
# keys and values are the states below both times (`query_states` in `bert.py`). No weights are new but the
# table of places: the encoder goes on into other tasks as if the decoder had not been.
#
# Shapes: B rows, L tokens, H hidden.

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
