"""An encoder of transformers behind the interface of our own: its kernel, its positions, its last layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from bertkit.errors import ModelError
from bertkit.kinds import MisfitError
from bertkit.models.disentangled_attention import computes_here, has_own_attention, use_disentangled_attention
from bertkit.models.local_attention import use_local_attention
from bertkit.models.sliding_attention import BLOCKS, SHORTEST_IN_BLOCKS, mask_for_blocks, use_sliding_attention

# --- Which kernel computes attention in training --------------------------------------------------
#
# Dropout of attention is 0 everywhere (`pretrained.py`), because with it a CPU takes its
# slowest path. What is left depends on the length of the rows: torch's fused kernel never
# writes the scores of all pairs of tokens down, which pays where rows are long; its backward
# pass computes them again, which costs where rows are short. Measured in bfloat16 on two cores
# with AMX (MiniLM, 32 rows): 142 rows/s by plain products against 88 at 56 tokens a row, 9.0
# against 11.2 at 512. In float32 the two are within a tenth of each other.
#
# The choice is a function of the shape, never of a clock: equal seeds must give equal bytes.

SHORT_ROW = 128  # tokens
SMALL_BATCH = 4096  # tokens, padding included; beyond it nothing was measured
PLAIN, FUSED = "eager", "sdpa"  # as transformers calls them


def attention_kernel(rows: int, tokens: int, *, training: bool, device: str) -> str:
    """Return the name of the kernel for a batch.

    Args:
        rows: B.
        tokens: L, padding included.
        training: whether a backward pass follows.
        device: its kind, such as cpu.
    """
    is_short = tokens < SHORT_ROW and rows * tokens <= SMALL_BATCH
    return PLAIN if training and device == "cpu" and is_short else FUSED


def has_both_kernels(model: Any) -> bool:
    """Whether a model of transformers computes attention with either kernel, and now does with the fused one."""
    supports = getattr(model, "_supports_sdpa", False) and getattr(model.config, "_attn_implementation", "") == FUSED
    can_set = getattr(model, "_can_set_attn_implementation", None)
    return bool(supports and can_set is not None and can_set())


# --------------------------------------------------------------------------------------------------
# Positions that are not those an encoder was trained with: more of them, or turned otherwise in long batches.

# What transformers calls such a kind of rotary positions. Its kind "dynamic" changes only in rows that are longer
# than `max_position_embeddings`, and such are never read.
TURNED_BY_LENGTH = ("longrope",)


def extend_positions(model: Any, length: int) -> None:
    """Lengthen a BERT's table of positions with copies of its last row; the model is changed.

    The copies are where learning begins, as in the code of Liu & Lapata 2019. A table that
    is long enough stays as it is.

    Args:
        model: transformers' BertModel.
        length: rows wanted.
    """
    embeddings = model.embeddings
    table: torch.Tensor = embeddings.position_embeddings.weight.detach()
    lacking = length - len(table)
    if lacking <= 0:
        return
    longer = torch.cat([table, table[-1:].expand(lacking, -1)])
    embeddings.position_embeddings = nn.Embedding(len(longer), longer.shape[1], _weight=longer)
    places = torch.arange(length)[None]
    embeddings.register_buffer("position_ids", places, persistent=False)
    embeddings.register_buffer("token_type_ids", torch.zeros_like(places), persistent=False)
    model.config.max_position_embeddings = length


def turns_by_length(config: Any) -> bool:
    """Tell whether rotary positions are turned by how long the longest row of a batch is; a short probe cannot see it.

    Args:
        config: of transformers; its rotary positions are described once, or for each kind of layer.
    """
    found = getattr(config, "rope_parameters", None) or {}
    kinds = {entry.get("rope_type") for entry in (found, *found.values()) if isinstance(entry, Mapping)}
    return not kinds.isdisjoint(TURNED_BY_LENGTH)


# --- What an encoder does, found by asking it once: names of architectures do not tell ------------
#
# A decoder's first token sees no other; some kinds of attention let padding through, so that
# an answer depends on the rows beside it; and some give another answer each time.

TOKENS = 6
# Relative to the largest figure. What is masked adds exactly nothing; the order of sums may
# differ between a row alone and the same row padded.
NOTHING, ROUNDING = 1e-6, 1e-4


def probe(encoder: PretrainedEncoder) -> bool:
    """Read a few tokens alone, changed and padded, without gradients; the encoder is in evaluation mode.

    Args:
        encoder: with its weights, on the CPU and in float32.

    Returns:
        Whether padding stays out: True where a row's states are the same alone and padded.

    Raises:
        MisfitError: what comes out are not numbers, of another width than config.json says, or
            differs from one time to the next; or the first token sees no other.
    """
    ids = _some_ids(encoder.vocab_size, getattr(encoder.model.config, "pad_token_id", None))
    with torch.no_grad():
        alone = _read(encoder, ids[None, :TOKENS])
        if alone.shape[-1] != encoder.hidden_size:
            raise MisfitError(
                f"its states are {alone.shape[-1]} wide and its config.json says {encoder.hidden_size}, "
                "so no head fits them"
            )
        if not torch.isfinite(alone).all():
            raise MisfitError("its weights and config.json give vectors that are not numbers")
        if not _alike(alone, _read(encoder, ids[None, :TOKENS]), NOTHING):
            raise MisfitError("it gives another answer each time it reads the same text")
        if not any(_is_seen(encoder, ids, alone, place) for place in (TOKENS - 1, 1)):
            raise MisfitError(
                "its first token does not see the last one, as in a decoder, which reads from left to right; "
                "bertkit needs an encoder that sees the whole text"
            )
        return _keeps_padding_out(encoder, ids, alone)


def _is_seen(encoder: PretrainedEncoder, ids: Tensor, alone: Tensor, place: int) -> bool:
    """Tell whether the first state moves when another token does; in a narrow window it is the next one that counts."""
    other = ids[None, :TOKENS].clone()
    other[0, place] = ids[TOKENS]
    return not _alike(alone[:, 0], _read(encoder, other)[:, 0], NOTHING)


def _keeps_padding_out(encoder: PretrainedEncoder, ids: Tensor, alone: Tensor) -> bool:
    mask = torch.tensor([[1] * TOKENS + [0] * TOKENS])
    padded = torch.cat([ids[:TOKENS], ids[:1].expand(TOKENS)])[None]
    refilled = torch.cat([ids[:TOKENS], ids[TOKENS:].expand(TOKENS)])[None]
    states = [_read(encoder, row, mask)[:, :TOKENS] for row in (padded, refilled)]
    return _alike(states[0], states[1], NOTHING) and _alike(alone, states[0], ROUNDING)


def _read(encoder: PretrainedEncoder, ids: Tensor, mask: Tensor | None = None) -> Tensor:
    states: Tensor = encoder(ids, mask, torch.zeros_like(ids))
    return states


def _some_ids(vocab_size: int, pad_id: int | None) -> Tensor:
    """Return ids of different tokens, taken from all over the vocabulary, padding not among them; (TOKENS + 1,)."""
    evenly = torch.tensor(sorted({i * (vocab_size - 1) // (3 * TOKENS) for i in range(3 * TOKENS + 1)}))
    known = evenly[evenly != (-1 if pad_id is None else pad_id)]
    return torch.cat([known] * (TOKENS + 1))[: TOKENS + 1]


def _alike(one: Tensor, other: Tensor, tolerance: float) -> bool:
    scale = float(one.abs().max()) or 1.0
    return bool(float((one - other).abs().max()) <= tolerance * scale)


# --- Last layers of transformers that compute no more than the first token's vector ---------------
#
# Where a head reads only the first token, the last layer's other tokens are needed as keys and
# values and for nothing else: their queries, their share of the feed-forward block and of its
# gradients, some ten twelfths of the layer, go into no output. Our own BERT leaves them out in
# `bert.py`; here the same is done for encoders of transformers. Outputs are the same.
#
# A layer stays the module it was, of a class derived from its own: names of weights do not
# change, and copies of the model are whole.


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


# --- An encoder of transformers behind the interface of our own -----------------------------------
#
# What differs from one architecture to another is asked of the model itself where it can be:
# its arguments, its tables, its layers.

# Architectures whose segments are not a table, so that config.json does not count them.
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
    """Stands where a pooler was taken away: some models call their pooler without looking."""

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
