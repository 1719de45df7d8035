"""Longformer from scratch, on one page: windows, dilated windows, global tokens.

Beltagy, Peters and Cohan 2020, "Longformer: The Long-Document Transformer"
(https://arxiv.org/abs/2004.05150). All else is BERT (`bert.py`); what a token looks at is not:

  - window (section 3.1, "Sliding Window"): its neighbours, half a window on either side;
  - dilated (3.1, "Dilated Sliding Window"): two heads of the upper layers look at every d-th
    neighbour only, so that the same number of them reaches d times as far; the lower layers
    are left as they are (4.1), and gaps grow from layer to layer;
  - global (3.1, "Global Attention"): some tokens see all and are seen by all. They ask by
    weights of their own ("Linear Projections for Global Attention").

A row is cut into blocks as long as half a window: a block sees itself, the block before and the
block after. Time and memory are proportional to length times window. A head that looks at every
d-th token reads d rows, each of every d-th token, and there its window has no gaps.

Shapes in the margin: B rows, L tokens, H hidden, N heads, D = H / N, G global tokens; a row of
every s-th token is one of R = s, and has C blocks of b tokens.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from bertkit.models.bert import BertConfig, BertEmbeddings, BertLayer, BertModel, BertSelfAttention

GLOBAL = ("first", "question", "columns")
DILATED_HEADS = 2  # of an upper layer (Beltagy et al. 2020, section 4.1)
SMALLEST_BLOCK = 16  # tokens; narrower windows are computed in blocks of this length
PIECE = 2048  # tokens computed together: what is written down between two steps stays near the processor
PADDING, TEXT, SEEN_BY_ALL = 0, 1, 2  # what a mask says of a token


@dataclass(frozen=True)
class LongformerConfig(BertConfig):
    """A BERT's shape, and what its tokens look at.

    `attention_window` is the paper's w, tokens seen on both sides together; `dilation` the gap of
    the topmost layer, 1: none; `global_tokens` one of `GLOBAL`, or none. `max_position_embeddings`
    counts tokens.
    """

    attention_window: int = 64
    dilation: int = 1
    global_tokens: str = "none"
    sep_token_id: int = 0


class LongformerEmbeddings(BertEmbeddings):
    """BERT's; positions are counted from the one after the padding id on, as RoBERTa counts them."""

    def __init__(self, config: LongformerConfig) -> None:
        super().__init__(config)
        self.first = config.pad_token_id + 1
        self.position_embeddings = nn.Embedding(config.max_position_embeddings + self.first, config.hidden_size)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        """Embed ids (B, L) and segments (B, L) as vectors (B, L, H)."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device) + self.first  # (L)
        summed = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        normalised: Tensor = self.dropout(self.LayerNorm(summed + self.position_embeddings(positions)))
        return normalised


class LongformerSelfAttention(BertSelfAttention):
    """Attention of each token with its neighbours, and with and of global tokens.

    Args:
        config: the encoder's.
        gap: distance between the neighbours that the dilated heads see; 1: none is dilated.
    """

    def __init__(self, config: LongformerConfig, gap: int = 1) -> None:
        super().__init__(config)
        self.reach = config.attention_window // 2
        dilated = min(DILATED_HEADS, self.heads) if gap > 1 else 0
        # The first heads look at every `gap`-th neighbour, the others at all.
        groups = ((gap, dilated), (1, self.heads - dilated))
        self.gaps = tuple((step, count) for step, count in groups if count)
        self.has_global = config.global_tokens != "none"
        if self.has_global:
            self.query_global = nn.Linear(config.hidden_size, config.hidden_size)
            self.key_global = nn.Linear(config.hidden_size, config.hidden_size)
            self.value_global = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, query_states: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Mix vectors (B, L, H) to (B, L, H); `mask` (B, 1, 1, L) is 0 for padding, 2 for global tokens, else 1."""
        marks = torch.ones_like(hidden[:, :, 0]).long() if mask is None else mask[:, 0, 0]  # (B, L)
        heads = Heads(*(self.split(project(hidden)) for project in (self.query, self.key, self.value)))
        places = self._places(marks)  # (B, G)
        near = marks == TEXT  # global tokens stand before the window, and not in it again
        mixed, first = [], 0
        for gap, count in self.gaps:
            some = Heads(*(x[:, first : first + count] for x in heads))
            extra = None
            if places is not None:
                extra = _pick(some.key, places), _pick(some.value, places), _pick(marks, places) == SEEN_BY_ALL
            mixed.append(attend(some, near, self.reach, gap, extra))
            first += count
        out = (torch.cat(mixed, dim=2) if mixed[1:] else mixed[0]).flatten(2)  # (B, L, H)
        return out if places is None else self._with_global(out, hidden, marks, places)

    def weights(self, query_states: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Return how much each token takes from each, (B, N, L, L), as `BertSelfAttention.weights`; of all tokens."""
        marks = torch.ones_like(hidden[:, :, 0]).long() if mask is None else mask[:, 0, 0]  # (B, L)
        text, by_all = (marks > PADDING)[:, None, None], (marks == SEEN_BY_ALL)[:, None]  # (B, 1, 1, L), (B, 1, L)
        seen = (self.pattern(hidden.shape[1], hidden.device) | by_all[:, :, None]) & text  # (B, N, L, L)
        shares = _softmax(self.split(self.query(hidden)), self.split(self.key(hidden)), seen)
        if not self.has_global:
            return shares
        of_global = _softmax(self.split(self.query_global(hidden)), self.split(self.key_global(hidden)), text)
        return torch.where(by_all[..., None], of_global, shares)

    def pattern(self, length: int, device: torch.device) -> Tensor:
        """Return which tokens see which by their distance alone, (N, L, L)."""
        places = torch.arange(length, device=device)
        distance = (places[:, None] - places).abs()
        of_gaps = [((distance <= self.reach * gap) & (distance % gap == 0)).expand(n, -1, -1) for gap, n in self.gaps]
        return torch.cat(of_gaps)

    def _places(self, marks: Tensor) -> Tensor | None:
        """Return where the global tokens of each row are, (B, G); rows with fewer name others after them."""
        if not self.has_global:
            return None
        is_global = (marks == SEEN_BY_ALL).long()
        most = int(is_global.sum(1).max())
        return is_global.argsort(dim=1, descending=True, stable=True)[:, :most] if most else None

    def _with_global(self, out: Tensor, hidden: Tensor, marks: Tensor, places: Tensor) -> Tensor:
        """Put in what global tokens make of the whole row, (B, L, H)."""
        query_states = hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[2]))  # (B, G, H)
        mixed = functional.scaled_dot_product_attention(
            self.split(self.query_global(query_states)),
            self.split(self.key_global(hidden)),
            self.split(self.value_global(hidden)),
            attn_mask=(marks > PADDING)[:, None, None],
        )  # (B, N, G, D)
        index = places[..., None].expand(-1, -1, out.shape[2])
        is_global = (_pick(marks, places) == SEEN_BY_ALL)[..., None]
        return out.scatter(1, index, torch.where(is_global, mixed.transpose(1, 2).flatten(2), out.gather(1, index)))


class Heads(NamedTuple):
    """Queries, keys and values by head, (B, N, L, D)."""

    query: Tensor
    key: Tensor
    value: Tensor


Extra = tuple[Tensor, Tensor, Tensor]
"""Keys and values of global tokens, (B, N, G, D), and which of them are there, (B, G)."""


def attend(tokens: Heads, near: Tensor, reach: int, gap: int = 1, extra: Extra | None = None) -> Tensor:
    """Mix values by `attend_in_blocks`, a long row piece by piece, each with what it sees on either side.

    Returns:
        (B, L, N, D), the heads of a token side by side.
    """
    length, aside = near.shape[1], reach * gap
    if length <= PIECE + aside:
        return attend_in_blocks(tokens, near, reach, gap, extra)
    pieces = []
    for start in range(0, length, PIECE):
        first, last = max(0, start - aside), start + PIECE + aside
        some = Heads(*(x[:, :, first:last] for x in tokens))
        mixed = attend_in_blocks(some, near[:, first:last], reach, gap, extra)
        pieces.append(mixed[:, start - first : start - first + PIECE])
    return torch.cat(pieces, dim=1)


def attend_in_blocks(tokens: Heads, near: Tensor, reach: int, gap: int, extra: Extra | None) -> Tensor:
    """Let each token see the neighbours that are text, and the global tokens, (B, L, N, D).

    Args:
        tokens: what they ask, and what is asked of them.
        near: which tokens can be seen as neighbours, (B, L).
        reach: how many neighbours on either side.
        gap: distance between one neighbour and the next.
        extra: the global tokens.
    """
    rows, heads, length, width = tokens.query.shape
    block = max(reach, SMALLEST_BLOCK)
    filling = -length % (block * gap)

    def blocks(x: Tensor) -> Tensor:
        """Lay (B, N, L, ·) out as (B, R, C, N, b, ·)."""
        filled = functional.pad(x, (0, 0, 0, filling))
        return filled.view(*x.shape[:2], -1, block, gap, x.shape[3]).permute(0, 4, 2, 1, 3, 5)

    def around(x: Tensor) -> Tensor:
        """Put before each block the one before it and after it the one after it, (B, R, C, N, 3b, ·)."""
        ends = functional.pad(blocks(x), (0, 0, 0, 0, 0, 0, 1, 1))
        return torch.cat([ends[:, :, :-2], ends[:, :, 1:-1], ends[:, :, 2:]], dim=4)

    queries, keys, values = blocks(tokens.query), around(tokens.key), around(tokens.value)
    seen = around(near[:, None, :, None].to(queries.dtype)).squeeze(-1).bool()[..., None, :]  # (B, R, C, 1, 1, 3b)
    seen = seen & _band(block, reach, near.device)  # (B, R, C, 1, b, 3b)
    if extra is not None:
        first_key, first_value, there = extra
        keys, values = (
            torch.cat([few[:, None, None].expand(*many.shape[:4], -1, -1), many], dim=4)
            for few, many in ((first_key, keys), (first_value, values))
        )
        seen = torch.cat([there[:, None, None, None, None].expand(*seen.shape[:5], -1), seen], dim=5)
    # Not minus infinity: padding that sees nothing must not become NaN.
    bias = torch.zeros_like(seen, dtype=queries.dtype).masked_fill(~seen, torch.finfo(queries.dtype).min)
    mixed = functional.scaled_dot_product_attention(
        queries.flatten(0, 2), keys.flatten(0, 2), values.flatten(0, 2), bias.flatten(0, 2)
    )
    laid = mixed.view(rows, gap, -1, heads, block, width).permute(0, 2, 4, 1, 3, 5)  # (B, C, b, R, N, D)
    return laid.flatten(1, 3)[:, :length]


def _band(block: int, reach: int, device: torch.device) -> Tensor:
    """Return which of the tokens in and around a block each of its tokens sees, (b, 3b)."""
    keys = torch.arange(-block, 2 * block, device=device)
    return (keys - torch.arange(block, device=device)[:, None]).abs() <= reach


def _pick(x: Tensor, places: Tensor) -> Tensor:
    """Take from (B, L), or (B, N, L, D), the tokens at places (B, G)."""
    if x.dim() == 2:
        return x.gather(1, places)
    return x.gather(2, places[:, None, :, None].expand(-1, x.shape[1], -1, x.shape[3]))


def _softmax(query: Tensor, key: Tensor, seen: Tensor) -> Tensor:
    """Return the shares of keys that are seen, (B, N, L, L)."""
    scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
    return scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(dim=-1)


def gaps_of(layers: int, dilation: int) -> list[int]:
    """Return the gap of each layer: none in the lower half, then from 2 up to `dilation` at the top.

    >>> gaps_of(12, 4)
    [1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4]
    """
    lower, upper = layers // 2, layers - layers // 2
    return [1] * lower + [dilation - (dilation - 1) * (upper - 1 - i) // upper for i in range(upper)]


class LongformerLayer(BertLayer):
    """A layer of BERT's whose attention is local.

    Args:
        config: the encoder's.
        gap: see `LongformerSelfAttention`.
    """

    def __init__(self, config: LongformerConfig, gap: int) -> None:
        super().__init__(config)
        self.attention.self = LongformerSelfAttention(config, gap)

    def forward(self, hidden: Tensor, mask: Tensor | None, *, first_only: bool = False) -> Tensor:
        """Map (B, L, H) to (B, L, H)."""
        mixed: Tensor = self.attention.self(hidden, hidden, mask)
        pairs = zip(torch.split(mixed, PIECE, 1), torch.split(hidden, PIECE, 1), strict=True)
        return torch.cat([self._by_itself(*pair) for pair in pairs], dim=1)

    def _by_itself(self, mixed: Tensor, before: Tensor) -> Tensor:
        """Compute what tokens become without the others, (B, l, H), while they are in the processor's cache."""
        attended = self.attention.output(mixed, before)
        out: Tensor = self.output(self.intermediate(attended), attended)
        return out


class LongformerModel(BertModel):
    """BERT whose tokens see their neighbours; names of weights are those of transformers' LongformerModel.

    `window` is w; it says that the encoder is one for long rows.
    """

    prefix = "longformer"
    config: LongformerConfig

    def __init__(self, config: LongformerConfig, *, with_pooler: bool = True) -> None:
        super().__init__(config, with_pooler=with_pooler)
        self.window = config.attention_window
        self.embeddings = LongformerEmbeddings(config)
        gaps = gaps_of(config.num_hidden_layers, config.dilation)
        self.encoder.layer = nn.ModuleList(LongformerLayer(config, gap) for gap in gaps)
        self.initialise()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        *,
        first_only: bool = False,
    ) -> Tensor:
        """Encode a batch, (B, L, H), or its first tokens, (B, 1, H); arguments as in `BertModel`.

        Which tokens are global is for the config to say, as it was chosen; `global_mask` is not read.
        """
        marks = self.marks(input_ids, attention_mask)[:, None, None]  # (B, 1, 1, L)
        encoded: Tensor = self.encoder(self.embeddings(input_ids, token_type_ids), marks)
        return encoded[:, :1] if first_only else encoded

    def marks(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return what each token is, (B, L): padding, text, or text that all see."""
        text = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return text if self.config.global_tokens == "none" else text * (1 + self._global(input_ids))

    def _global(self, input_ids: Tensor) -> Tensor:
        """Return 1 for each global token, (B, L)."""
        is_end = (input_ids == self.config.sep_token_id).long()
        if self.config.global_tokens == "question":  # all before the first [SEP]
            return (is_end.cumsum(1) == 0).long()
        # The first token, and for columns those that follow a [SEP].
        begins = functional.pad(is_end[:, :-1], (1, 0)) if self.config.global_tokens == "columns" else is_end * 0
        first = torch.zeros_like(begins)
        first[:, 0] = 1
        return (begins + first).clamp(max=1)

    def transformers_config(self) -> dict[str, Any]:
        """Return the config.json of these weights; a window without global tokens is not a model of transformers."""
        values = asdict(self.config)
        rows = self.config.max_position_embeddings + self.config.pad_token_id + 1
        kind = "global" if self.config.global_tokens != "none" else "dilated" if self.config.dilation > 1 else "window"
        return {
            "model_type": "longformer",
            # The class that sees the same; its heads for whole rows make the first token global.
            "encoder_class": "LongformerModel" if self.config.global_tokens == "first" else "LocalBertModel",
            "hidden_act": "gelu",
            **values,
            "max_position_embeddings": rows,
            "bertkit_attention": kind,
        }
