"""BERT from scratch, on one page.

The encoder of Devlin et al. 2019 ("BERT: Pre-training of Deep Bidirectional Transformers
for Language Understanding"), post-LN as published:

  - word, learned position and segment embeddings are summed, normalised and dropped out;
  - each layer is self-attention, then a feed-forward block, each followed by
    dropout, the residual sum and LayerNorm;
  - the pooler is a tanh layer over the first token ([CLS]).

Modules carry the names of transformers' BertModel, so weights load in both directions.
Attention runs in torch's scaled_dot_product_attention; the padding mask comes from the
tokenizer, never from the ids, because some vocabularies (KoBERT's) do not pad with 0.

Shapes in the margin: B rows, L tokens, H hidden, N heads, D = H / N.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bertkit.errors import UsageError

PUBLISHED_STD = 0.02
# layers, hidden, heads; tiny to small are the published BERT miniatures (Turc et al. 2019)
PRESETS = {"tiny": (2, 128, 2), "mini": (4, 256, 4), "small": (4, 512, 8), "base": (12, 768, 12)}


@dataclass(frozen=True)
class BertConfig:
    """Shape and regularisation of the encoder; names as in transformers' BertConfig.

    `initializer_range` is the standard deviation of the first weights. The published 0.02 suits a width
    of 768; a narrow encoder that starts so hardly tells one input from another, and on a few
    thousand rows it never leaves that state (`scratch.py` has the rule).
    """

    vocab_size: int
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    intermediate_size: int = 512
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    layer_norm_eps: float = 1e-12
    initializer_range: float = PUBLISHED_STD
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        """Check that the heads share the width evenly.

        Raises:
            UsageError: hidden_size is not a multiple of num_attention_heads.
        """
        if self.hidden_size % self.num_attention_heads:
            raise UsageError(
                f"--hidden {self.hidden_size} cannot be shared by {self.num_attention_heads} heads; "
                "choose a multiple of --heads."
            )


class BertEmbeddings(nn.Module):
    """Sum of word, position and segment embeddings."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        """Embed ids (B, L) and segments (B, L) as vectors (B, L, H)."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)  # (L)
        summed = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        summed = summed + self.position_embeddings(positions)  # (B, L, H)
        normalised: Tensor = self.dropout(self.LayerNorm(summed))
        return normalised


class BertSelfAttention(nn.Module):
    """Multi-head scaled dot-product attention of a row, or of some of its tokens, with the row."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.dropout_probability = config.attention_probs_dropout_prob

    def forward(self, query_states: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Mix vectors (B, L, H) for each that asks, (B, Q, H); `mask` (B, 1, 1, L) is true where there is text."""
        mixed = functional.scaled_dot_product_attention(
            self.split(self.query(query_states)),
            self.split(self.key(hidden)),
            self.split(self.value(hidden)),
            attn_mask=mask,
            dropout_p=self.dropout_probability if self.training else 0.0,
        )  # (B, N, Q, D)
        return mixed.transpose(1, 2).flatten(2)  # (B, Q, H)

    def weights(self, query_states: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Return how much each that asks takes from each token, (B, N, Q, L).

        `forward` never writes these down; here they are for looking at: softmax(q·k / √D)
        (Vaswani et al. 2017, section 3.2.1), whose product with the values is what `forward` mixes.
        """
        query, key = self.split(self.query(query_states)), self.split(self.key(hidden))
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])  # (B, N, Q, L)
        return (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(dim=-1)

    def split(self, x: Tensor) -> Tensor:
        """View vectors (B, ·, H) by head, (B, N, ·, D)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class BertResidual(nn.Module):
    """Linear layer, dropout, residual sum, LayerNorm: the end of both halves of a layer."""

    def __init__(self, config: BertConfig, width_in: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width_in, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        """Project `inner` (B, L, width_in) to (B, L, H) and add it to `residual` (B, L, H)."""
        summed: Tensor = self.LayerNorm(self.dropout(self.dense(inner)) + residual)
        return summed


class BertAttention(nn.Module):
    """First half of a layer: self-attention and its residual."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = BertSelfAttention(config)
        self.output = BertResidual(config, config.hidden_size)

    def forward(self, query_states: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Map the vectors that ask, (B, Q, H), to (B, Q, H) in the light of all, (B, L, H)."""
        attended: Tensor = self.output(self.self(query_states, hidden, mask), query_states)
        return attended


class BertIntermediate(nn.Module):
    """The wide layer of the feed-forward block."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (B, L, H) to (B, L, intermediate_size)."""
        wide: Tensor = self.dense(hidden)
        # The widest states there are: in their place where nobody asks for gradients, or there would be two of them.
        return torch.ops.aten.gelu_(wide) if wide.is_inference() else functional.gelu(wide)


class BertLayer(nn.Module):
    """One encoder block: attention, then feed-forward."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = BertIntermediate(config)
        self.output = BertResidual(config, config.intermediate_size)

    def forward(self, hidden: Tensor, mask: Tensor | None, *, first_only: bool = False) -> Tensor:
        """Map (B, L, H) to (B, L, H), or to the first token's (B, 1, H)."""
        attended = self.attention(hidden[:, :1] if first_only else hidden, hidden, mask)
        out: Tensor = self.output(self.intermediate(attended), attended)
        return out


class BertEncoder(nn.Module):
    """The stack of layers."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, hidden: Tensor, mask: Tensor | None, *, first_only: bool = False) -> Tensor:
        """Map (B, L, H) to (B, L, H), or to the first token's (B, 1, H).

        No layer comes after the last to read what it makes of the other tokens: where the
        head does not either, the last layer need not compute it.
        """
        last = len(self.layer) - 1
        for i, layer in enumerate(self.layer):
            hidden = layer(hidden, mask, first_only=first_only and i == last)
        return hidden


class BertPooler(nn.Module):
    """tanh layer over the first token."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (B, L, H) to (B, H)."""
        return torch.tanh(self.dense(hidden[:, 0]))


class BertModel(nn.Module):
    """Embeddings, encoder and pooler; `forward` gives the last hidden states."""

    prefix = "bert"
    inner = ""
    window: int | None = None
    source: str | None = None

    def __init__(self, config: BertConfig, *, with_pooler: bool = True) -> None:
        super().__init__()
        self.config = config
        self.hidden_size = config.hidden_size
        self.vocab_size = config.vocab_size
        self.max_positions: int | None = config.max_position_embeddings
        self.segments: int = config.type_vocab_size
        self.keeps_padding_out = True
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config) if with_pooler else None
        self.initialise()

    @property
    def embeddings_weight(self) -> Tensor:
        """The table of word embeddings, (V, H)."""
        return self.embeddings.word_embeddings.weight

    @property
    def layers(self) -> list[nn.Module]:
        """The layers, the lowest first."""
        return list(self.encoder.layer)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,  # every token sees every other one as it is
        *,
        first_only: bool = False,
    ) -> Tensor:
        """Encode a batch.

        Args:
            input_ids: token ids, (B, L) int64.
            attention_mask: 1 for text, 0 for padding, (B, L); None where nothing is
                padded, which lets attention take its faster, unmasked kernel.
            token_type_ids: segment of each token, (B, L) int64.
            global_mask: of no use here; encoders with local attention have one.
            first_only: whether the first token's vector is all that is wanted.

        Returns:
            The last hidden states, (B, L, H), or the first token's, (B, 1, H).
        """
        hidden = self.embeddings(input_ids, token_type_ids)  # (B, L, H)
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None, :]  # (B, 1, 1, L)
        encoded: Tensor = self.encoder(hidden, mask, first_only=first_only)
        return encoded

    def initialise(self) -> None:
        """Draw weights from N(0, initializer_range), biases 0.

        Queries, keys and positions never start wider than the published 0.02: every token
        first looks at all others alike, and learns from there whom to look at.
        """
        for name, module in self.named_modules():
            narrow = name.rpartition(".")[2].startswith(("query", "key", "position_embeddings"))
            std = min(self.config.initializer_range, PUBLISHED_STD) if narrow else self.config.initializer_range
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=std)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.embeddings.word_embeddings.weight[self.config.pad_token_id].zero_()

    def grow_vocabulary(self, size: int) -> None:
        """Note that the table of embeddings has become longer."""
        self.vocab_size = size
        self.config = replace(self.config, vocab_size=size)

    def transformers_config(self) -> dict[str, Any]:
        """Return the config.json with which transformers opens these weights."""
        return {"model_type": "bert", "hidden_act": "gelu", **asdict(self.config)}
