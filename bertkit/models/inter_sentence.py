"""Layers that let the sentences of a document look at each other, and score them.

The summarization layers of Liu & Lapata 2019 ("Text Summarization with Pretrained
Encoders", BertSumExt): sinusoidal positions are added to the sentence vectors, Transformer
layers follow that normalise their input (the first one does not: its input comes normalised
from the encoder), then a LayerNorm and one figure for each sentence.

Shapes in the margin: D documents, S sentences, H hidden, N heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch  # noqa: TID253 - computes with it, as the next two
from numpy.typing import NDArray
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

LAYERS = 2  # the best of 1, 2 and 3 in the paper
MOST_HEADS, WIDEST_INNER = 8, 2048  # the paper's, at a width of 768
NORM_EPS = 1e-6
# Sentences that are scored together; no document that is learnt from has as many.
MOST_TOGETHER = 1024


class InterSentenceLayer(nn.Module):
    """Attention between sentences and a feed-forward block, each with a residual sum.

    Args:
        width: H.
        heads: N, a divisor of the width.
        inner: width of the feed-forward block.
        dropout: after each linear layer and on the attention.
        norm_first: whether attention normalises its input.
    """

    def __init__(self, width: int, heads: int, inner: int, *, dropout: float, norm_first: bool) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPS) if norm_first else nn.Identity()
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.inner_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.widen, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Map (D, S, H) to (D, S, H); `mask` (D, 1, 1, S) is true where there is a sentence."""
        hidden = hidden + self.dropout(self._attend(self.attention_norm(hidden), mask))
        inner = self.dropout(functional.gelu(self.widen(self.inner_norm(hidden)), approximate="tanh"))
        moved: Tensor = hidden + self.dropout(self.narrow(inner))
        return moved

    def _attend(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        documents, sentences, width = hidden.shape

        def split(x: Tensor) -> Tensor:
            return x.view(documents, sentences, self.heads, -1).transpose(1, 2)  # (D, N, S, H/N)

        mixed = functional.scaled_dot_product_attention(
            split(self.query(hidden)),
            split(self.key(hidden)),
            split(self.value(hidden)),
            attn_mask=mask,
            dropout_p=self.dropout.p if self.training else 0.0,
        )  # (D, N, S, H/N)
        joined: Tensor = self.output(mixed.transpose(1, 2).reshape(documents, sentences, width))
        return joined


class InterSentenceScorer(nn.Module):
    """Positions, layers and a figure for each sentence.

    The feed-forward block is four times as wide as the encoder, 2,048 at most; there are
    eight heads, or the next smaller number that divides the width.

    Args:
        width: H.
        dropout: of the layers.
        layers: how many.
    """

    def __init__(self, width: int, *, dropout: float, layers: int = LAYERS) -> None:
        super().__init__()
        heads = next(n for n in range(MOST_HEADS, 0, -1) if width % n == 0)
        inner = min(4 * width, WIDEST_INNER)
        self.layers = nn.ModuleList(
            InterSentenceLayer(width, heads, inner, dropout=dropout, norm_first=i > 0) for i in range(layers)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.scorer = nn.Linear(width, 1)
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.xavier_uniform_(weight)

    def forward(self, sentences: Tensor, mask: Tensor | None = None) -> Tensor:
        """Score sentences.

        Args:
            sentences: their vectors, (D, S, H).
            mask: true where there is a sentence, (D, S); None: everywhere.

        Returns:
            Logits of "belongs into the summary", (D, S); a sigmoid makes them scores.
        """
        hidden = sentences.float() + sinusoids(sentences.shape[1], sentences.shape[2]).to(sentences.device)
        between = None if mask is None else mask[:, None, None, :]  # (D, 1, 1, S)
        for layer in self.layers:
            hidden = layer(hidden, between)
        logits: Tensor = self.scorer(self.norm(hidden)).squeeze(-1)
        return logits


def document_scores(
    score: Callable[[Tensor], Tensor], parts: Iterable[NDArray[np.float64]], like: Tensor
) -> NDArray[np.float64]:
    """Score the sentences of a document, a very long one run by run: attention takes the square of its length.

    Args:
        score: maps (1, S, any) to logits, (1, S).
        parts: what is known of its sentences, (some, any) each.
        like: a weight of `score`, for device and dtype.

    Returns:
        The scores of all its sentences, 0 to 1, (S).
    """
    known = np.concatenate(list(parts))
    if not len(known):
        return np.zeros(0)
    sentences = torch.from_numpy(known).to(like.device, like.dtype)  # (S, any)
    runs = sentences.tensor_split(-(-len(sentences) // MOST_TOGETHER))
    logits = torch.cat([score(run.unsqueeze(0))[0] for run in runs])
    scores: NDArray[np.float64] = logits.double().sigmoid().cpu().numpy()
    return scores


def sinusoids(length: int, width: int) -> Tensor:
    """Return the positions of Vaswani et al. 2017, sines and cosines in turn, (length, width)."""
    places = torch.arange(length, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(10_000.0) / width))  # (⌈width/2⌉)
    angles = places * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
