"""DeBERTa's disentangled self-attention, computed with fewer rows of its table and without look-ups.

He et al. (2021), https://arxiv.org/abs/2006.03654: next to the product of contents q_i·k_j, the
score of a pair of tokens has q_i·K[i-j] ("c2p") and k_j·Q[i-j] ("p2c"), where K and Q project a
table of relative positions, in which far distances share rows (the log buckets of v2).
transformers projects the whole table, multiplies every token with all of it, and gathers each
pair's score. Here only the rows in reach are projected, and laid out by distance, so that the
scores of the pairs are a slanted view of one product (the relative shift of Dai et al. 2019,
https://arxiv.org/abs/1901.02860); both terms and the padding go into attention as one bias.

A part stays the module it was, of a class derived from its own: names of weights do not
change, and copies of the model are whole.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

TERMS = frozenset({"c2p", "p2c"})
# Queries of one product. Of L keys a block of b tokens is multiplied with L + b distances: small
# blocks compute less in vain, large ones call less often.
BLOCK = 128
# Tokens whose scores a CPU holds at a time, so that they stay in its cache.
AT_A_TIME = 512
LENGTHS_KEPT = 32


def use_disentangled_attention(model: Any) -> None:
    """Let an opened DeBERTa v2 or v3 compute its self-attention by this module.

    Weights, their names and the results stay. transformers' own code stays for DeBERTa v1, for
    models whose heads talk, without relative attention, without log buckets or with neither
    term of them, and for every call that gives query states or relative positions of its own or
    asks for the probabilities of attention. Rows of padding get finite values of no meaning.

    Args:
        model: what AutoModel made; classes of its parts are changed in place.
    """
    if model.config.model_type != "deberta-v2" or getattr(model.config, "talking_head", False):
        return
    attentions = [layer.attention.self for layer in model.encoder.layer]
    if all(_has_buckets(attention) for attention in attentions):
        _derive(model.encoder, _Encoder)
        for attention in attentions:
            _derive(attention, _SelfAttention)


def computes_here(module: Any) -> bool:
    """Whether `use_disentangled_attention` has changed the class of a part of a model."""
    return isinstance(module, _SelfAttention | _Encoder)


def has_own_attention(model: Any, layer: Any) -> bool:
    """Whether a layer of an opened model computes its attention here, and nothing reads all its tokens but the next."""
    is_convolved = getattr(model.encoder, "conv", None) is not None and layer is model.encoder.layer[0]
    return isinstance(layer.attention.self, _SelfAttention) and not is_convolved


class _Encoder:
    """Goes before the encoder's class: no index of all pairs is made where layers need none."""

    def get_rel_pos(self, hidden_states: Any, query_states: Any = None, relative_pos: Any = None) -> Any:
        """Return the relative positions that the caller gave; None stands for the usual ones."""
        if query_states is None and relative_pos is None:
            return None
        return super().get_rel_pos(hidden_states, query_states, relative_pos)  # type: ignore[misc]


class _SelfAttention:
    """Goes before the class of self-attention. N heads of width D."""

    query_proj: nn.Module
    key_proj: nn.Module
    value_proj: nn.Module
    pos_dropout: nn.Module
    dropout: nn.Dropout
    num_attention_heads: int
    pos_att_type: list[str]
    share_att_key: bool
    position_buckets: int
    max_relative_positions: int
    training: bool

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor,
        output_attentions: bool = False,
        query_states: Tensor | None = None,
        relative_pos: Tensor | None = None,
        rel_embeddings: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Map (B, L, H) to (B, L, N·D); `attention_mask` is (B, 1, L, L), `rel_embeddings` the table."""
        if output_attentions or query_states is not None or relative_pos is not None or rel_embeddings is None:
            return super().forward(  # type: ignore[misc, no-any-return]
                hidden_states, attention_mask, output_attentions, query_states, relative_pos, rel_embeddings
            )
        contents = [self._by_head(project(hidden_states)) for project in self._projections()]
        scale = self._scale(contents[0])
        tables = self._tables(hidden_states.shape[1], rel_embeddings, scale)
        unseen = ~attention_mask.bool().squeeze(1)  # (B, L, L)
        rows, length = hidden_states.shape[:2]
        at_once = max(1, AT_A_TIME // length) if hidden_states.device.type == "cpu" else rows
        parts = zip(*(torch.split(x, at_once, dim=1) for x in contents), torch.split(unseen, at_once), strict=True)
        mixed = []
        for query, key, value, hide in parts:
            bias = _bias(query, key, *tables)
            mixed.append(self._mix(query, key, value, _hidden(bias, hide)))
        return torch.cat(mixed), None

    def attend_first(self, hidden: Tensor, mask: Tensor, embeddings: Tensor) -> Tensor:
        """Map (B, L, H) to what the first token's attention makes of it, (B, 1, N·D); arguments as in `forward`."""
        length = hidden.shape[1]
        query = self._by_head(self.query_proj(hidden[:, :1]))
        key, value = self._by_head(self.key_proj(hidden)), self._by_head(self.value_proj(hidden))
        by_query, by_key = self._tables(length, embeddings, self._scale(query))
        bias = query.new_zeros(()).expand(*query.shape[:2], 1, length)
        # From the first token to token j the distance is -j.
        if by_query is not None:
            bias = bias + query @ by_query[:, None, :, length - 1 : -1]
        if by_key is not None:
            of_keys = by_key[:, :, :length].flip(2).transpose(1, 2)  # (N, L, D)
            bias = bias + (key * of_keys[:, None]).sum(-1)[:, :, None]
        return self._mix(query, key, value, _hidden(bias, ~mask.bool()[:, 0, :1]))

    def _mix(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Mix values, all (N, B, L, ·), into (B, L, N·D)."""
        dropout = self.dropout.p if self.training else 0.0
        return _attend(query, key, value, bias, self._scale(query), dropout).permute(1, 2, 0, 3).flatten(2)

    def _scale(self, query: Tensor) -> float:
        return 1 / math.sqrt(query.shape[-1] * (1 + len(TERMS.intersection(self.pos_att_type))))

    def _projections(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        return self.query_proj, self.key_proj, self.value_proj

    def _by_head(self, x: Tensor) -> Tensor:
        """View (B, L, N·D) as (N, B, L, D): heads first, so that one table serves all rows of a batch."""
        return x.view(*x.shape[:2], self.num_attention_heads, -1).permute(2, 0, 1, 3)

    def _tables(self, length: int, embeddings: Tensor, scale: float) -> tuple[Tensor | None, Tensor | None]:
        """Return what queries and what keys are multiplied with, each (N, D, 2L), None if they are not.

        Columns are distances i - j, downwards from L-1 for queries, upwards from 1-L for keys.
        """
        # A tracer's length is a tensor, and would be kept as another each time.
        place = (int(length), self.position_buckets, self.max_relative_positions, embeddings.device)
        first, stop, index = _rows_of_distances(*place)
        rows = self.pos_dropout(embeddings[first:stop])

        def laid_out(kind: str, columns: Tensor) -> Tensor:
            projection = getattr(self, f"{kind}_proj" if self.share_att_key else f"pos_{kind}_proj")
            table: Tensor = projection(rows) * scale
            return table.index_select(0, columns).view(len(columns), self.num_attention_heads, -1).permute(1, 2, 0)

        by_query = laid_out("key", index[:-1].flip(0)) if "c2p" in self.pos_att_type else None
        by_key = laid_out("query", index[1:]) if "p2c" in self.pos_att_type else None
        return by_query, by_key


@lru_cache(maxsize=LENGTHS_KEPT)
def _rows_of_distances(length: int, buckets: int, furthest: int, device: torch.device) -> tuple[int, int, Tensor]:
    """Return the first row of the table in reach, the one past the last, and the rows of -L..L from there on.

    No pair is L apart: those two ends fill products up to an even width.
    """
    # What is made in inference mode could not be used in training later on.
    with torch.inference_mode(False):
        distance = torch.arange(-length, length + 1)
        inner = distance.clamp(1 - length, length - 1)
        size, middle = inner.abs(), buckets // 2
        # transformers' order of float32 operations: another may round to another bucket.
        far = torch.log(size.clamp(min=middle) / middle) / torch.log(torch.tensor((furthest - 1) / middle))
        bucket = torch.where(size <= middle, size, (torch.ceil(far * (middle - 1)) + middle).long())
        row = (bucket * inner.sign() + buckets).clamp(0, 2 * buckets - 1)
        first, last = int(row[0]), int(row[-1])
        return first, last + 1, (row - first).to(device)


def _hidden(bias: Tensor, hide: Tensor) -> Tensor:
    """Set a bias (N, B, L, L) so low where `hide` (B, L, L) that nothing is seen there."""
    # Half the least number: a score added to it stays finite in float16, too.
    return bias.masked_fill(hide, torch.finfo(bias.dtype).min / 2)


def _bias(query: Tensor, key: Tensor, by_query: Tensor | None, by_key: Tensor | None) -> Tensor:
    """Sum what relative positions add to scores, (N, B, L, L)."""
    terms = [] if by_query is None else [_shifted(query, by_query)]
    if by_key is not None:
        terms.append(_shifted(key, by_key).transpose(-1, -2))
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]


def _shifted(content: Tensor, table: Tensor) -> Tensor:
    """Multiply token i (N, B, L, D) with column j - i + L - 1 of the table (N, D, 2L), (N, B, L, L)."""
    heads, rows, length, _ = content.shape
    blocks = []
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        size, width = stop - start, length + stop - start
        tokens = content[:, :, start:stop].reshape(heads, rows * size, -1)
        product = torch.bmm(tokens, table[..., length - stop : 2 * length - start])
        # Each token's scores begin one column before those of the token above it.
        flat = product.view(heads, rows, size * width)[..., size - 1 : -1]
        blocks.append(flat.view(heads, rows, size, width - 1)[..., :length])
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float, dropout: float) -> Tensor:
    """Mix values by softmax(scale · query · key + bias), all (N, B, L, ·); of queries there may be fewer."""
    # A CPU's fused kernel neither differentiates a bias nor drops out.
    if bias.device.type != "cpu" or not (dropout or (torch.is_grad_enabled() and bias.requires_grad)):
        return functional.scaled_dot_product_attention(query, key, value, bias, dropout, scale=scale)
    q, k, v, added = (x.flatten(0, 1) for x in (query, key, value, bias))
    shares = functional.softmax(torch.baddbmm(added, q, k.transpose(1, 2), alpha=scale), dim=-1)
    return torch.bmm(functional.dropout(shares, dropout), v).view(*query.shape[:3], -1)


def _has_buckets(attention: Any) -> bool:
    """Whether this is the attention that this module knows."""
    has = attention.relative_attention and attention.position_buckets > 1
    return bool(has and TERMS.intersection(attention.pos_att_type))


def _derive(module: Any, kind: Any) -> None:
    if not isinstance(module, kind):
        module.__class__ = _derived(kind, module.__class__)


@cache
def _derived(kind: type[_Encoder | _SelfAttention], own: type[Any]) -> type[Any]:
    return type(f"Own{own.__name__}", (kind, own), {})
