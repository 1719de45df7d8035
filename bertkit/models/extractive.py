"""Models that choose sentences: BertSum, one that reads them one by one, and MatchSum."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch  # noqa: TID253 - computes with it, as the next two
from numpy.typing import NDArray
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

from bertkit.compute.batching import token_budget_batches
from bertkit.models.heads import OF_FIRST_TOKEN, Encoder, TaskModel, exported_weights, imported_weights

# --- Layers that let the sentences of a document look at each other, and score them ---------------
#
# The summarization layers of Liu & Lapata 2019 ("Text Summarization with Pretrained
# Encoders", BertSumExt): sinusoidal positions are added to the sentence vectors, Transformer
# layers follow that normalise their input (the first one does not: its input comes normalised
# from the encoder), then a LayerNorm and one figure for each sentence.
#
# Shapes in the margin: D documents, S sentences, H hidden, N heads.

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


# --- BertSum: an encoder that reads sentences, and layers in which the sentences of a document meet
#
# Windows of a document are read each for itself; the sentence vectors of all its windows go
# through the inter-sentence layers together. Training does both at once. Prediction does the
# second when all windows of a document are read, in whatever batches they came.
#
# Shapes in the margin: B windows, L tokens, H hidden, M sentences, D documents, S sentences
# of the longest document.

_HEAD = "inter_sentence."


class ExtractiveModel(TaskModel):
    """An encoder with an inter-sentence scorer (Liu & Lapata 2019).

    An encoder that comes from an extractive run brings that run's scorer along.

    Args:
        encoder: gives the hidden states.
        dropout: of the inter-sentence layers.
        pooling: what stands for a sentence: the token before it (cls), or the mean over its
            tokens (mean), for encoders that came trained to give such vectors.
    """

    def __init__(self, encoder: Encoder, *, dropout: float, pooling: str = "cls") -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.inter_sentence = InterSentenceScorer(encoder.hidden_size, dropout=dropout)
        stored = None if encoder.source is None else stored_scorer(Path(encoder.source))
        if stored is not None:
            self.inter_sentence.load_state_dict(stored)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Read windows, and score the sentences of whole documents.

        Args:
            input_ids: as in `Encoder`, like the next three.
            attention_mask: see there.
            token_type_ids: see there.
            global_mask: see there.
            positions: places of the sentences' first tokens in the flattened batch: (D, S)
                with -1 where a document has fewer sentences; or (M), for sentences of
                windows whose documents are not complete; None: the first token of each window.

        Returns:
            For whole documents logits, (D, S); else sentence vectors, (M, H).
        """
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, global_mask)  # (B, L, H)
        hidden = sentence_means(hidden, attention_mask, global_mask) if self.pooling == "mean" else hidden
        hidden = hidden.flatten(0, 1)  # (B·L, H)
        if positions is None:
            positions = torch.arange(0, hidden.shape[0], input_ids.shape[1], device=hidden.device)
        if positions.dim() == 1:
            return hidden[positions]
        there = positions >= 0  # (D, S)
        sentences = hidden[positions.clamp(min=0)] * there.unsqueeze(-1)  # (D, S, H)
        logits: Tensor = self.inter_sentence(sentences, there)
        return logits

    def finish_row(self, parts: Iterable[NDArray[np.float64]]) -> Iterable[NDArray[np.float64]]:
        """Score the sentences of a document, given their vectors window by window, (M, H) each.

        Returns:
            One array: the scores of the document's sentences, 0 to 1, (M).
        """
        return [document_scores(self.inter_sentence, parts, self.inter_sentence.scorer.weight)]


def sentence_means(hidden: Tensor, attention_mask: Tensor | None, global_mask: Tensor | None) -> Tensor:
    """Give every token the mean over the tokens of its sentence, (B, L, H).

    Args:
        hidden: states, (B, L, H).
        attention_mask: 1 for text, 0 for padding, (B, L); None: no padding.
        global_mask: 1 for the first token of each sentence, (B, L); None: a row is one sentence.
    """
    rows, length, width = hidden.shape
    first = torch.zeros(rows, length, device=hidden.device) if global_mask is None else global_mask.clone()
    first[:, 0] = 1  # a row begins a sentence, whatever the one before ended with
    sentence = first.flatten().long().cumsum(0) - 1  # (B·L)
    text = torch.ones_like(first) if attention_mask is None else attention_mask
    text = text.flatten().unsqueeze(-1).float()  # (B·L, 1)
    count = int(sentence[-1]) + 1
    sums = text.new_zeros(count, width).index_add(0, sentence, hidden.flatten(0, 1).float() * text)
    sizes = text.new_zeros(count, 1).index_add(0, sentence, text)
    means: Tensor = (sums / sizes.clamp(min=1))[sentence].view(rows, length, width)
    return means


def stored_scorer(folder: Path) -> dict[str, Tensor] | None:
    """Read the inter-sentence scorer of an extractive run; None where the folder has none."""
    from safetensors import safe_open

    path = folder / "model.safetensors"
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as stored:
        names = [name for name in stored.keys() if name.startswith(_HEAD)]  # noqa: SIM118 - no mapping
        return {name.removeprefix(_HEAD): stored.get_tensor(name) for name in names} or None


# --------------------------------------------------------------------------------------------------
# Sentences read one by one, and layers in which those of a document meet: an extractive model that costs little.
#
# BertSum (`models/extractive.py`) reads sentences in each other's company and needs an encoder
# that is trained for it. Here each is read alone, as sentence encoders are made to, and its
# vector is the mean over its tokens; what only the document tells of it comes as features
# (`documents/textrank.py`). So the encoder may stay as it is, and the vectors of a corpus can be
# computed once.
#
# Shapes in the margin: B sentences read, H hidden, D documents, S sentences of the longest
# document, F features, W width of the layers.

WIDTH, HEADS, SALIENCE_LAYERS = 256, 8, 2
VECTOR_DROPOUT = 0.2


class SalienceScorer(nn.Module):
    """Transformer layers over the sentences of a document, and a figure for each.

    Args:
        vector: H.
        features: F.
        dropout: of the layers.
    """

    def __init__(self, vector: int, features: int, *, dropout: float) -> None:
        super().__init__()
        self.vector_dropout = nn.Dropout(VECTOR_DROPOUT)
        self.read_vector = nn.Linear(vector, WIDTH)
        self.read_features = nn.Sequential(nn.Linear(features, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.entry_norm = nn.LayerNorm(WIDTH, eps=NORM_EPS)
        self.layers = nn.ModuleList(
            InterSentenceLayer(WIDTH, HEADS, 4 * WIDTH, dropout=dropout, norm_first=True)
            for _ in range(SALIENCE_LAYERS)
        )
        self.norm = nn.LayerNorm(WIDTH, eps=NORM_EPS)
        self.scorer = nn.Linear(WIDTH, 1)

    def forward(self, vectors: Tensor, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Score sentences.

        Args:
            vectors: (D, S, H).
            features: (D, S, F).
            mask: true where there is a sentence, (D, S); None: everywhere.

        Returns:
            Logits of "belongs into the summary", (D, S).
        """
        hidden = self.read_vector(self.vector_dropout(vectors.float())) + self.read_features(features)  # (D, S, W)
        hidden = self.entry_norm(hidden)
        between = None if mask is None else mask[:, None, None, :]  # (D, 1, 1, S)
        for layer in self.layers:
            hidden = layer(hidden, between)
        logits: Tensor = self.scorer(self.norm(hidden)).squeeze(-1)
        return logits


class SalienceModel(TaskModel):
    """An encoder that reads sentences one by one, and a scorer of those of a document.

    Args:
        encoder: gives the hidden states.
        features: F.
        dropout: of the scorer.
    """

    def __init__(self, encoder: Encoder, features: int, *, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.features = features
        self.salience = SalienceScorer(encoder.hidden_size, features, dropout=dropout)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        positions: Tensor | None = None,
        features: Tensor | None = None,
    ) -> Tensor:
        """Read sentences, and score those of whole documents.

        Args:
            input_ids: a sentence a row; as in `Encoder`, like the next three.
            attention_mask: see there.
            token_type_ids: see there.
            global_mask: see there.
            positions: places of the sentences' first tokens in the flattened batch, (D, S) with
                -1 where a document has fewer; anything else: the documents are not complete.
            features: (D, S, F), or for documents that are not complete (B, F); None: zeros.

        Returns:
            For whole documents logits, (D, S); else vectors with their features, (B, H + F).
        """
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, global_mask)  # (B, L, H)
        text = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weights = text.unsqueeze(-1).float()  # (B, L, 1)
        vectors = (hidden.float() * weights).sum(dim=1) / weights.sum(dim=1)  # (B, H)
        if positions is None or positions.dim() == 1:
            known = vectors.new_zeros(len(vectors), self.features) if features is None else features
            return torch.cat([vectors, known], dim=-1)
        there = positions >= 0  # (D, S)
        rows = positions.clamp(min=0) // input_ids.shape[1]
        known = vectors.new_zeros(*rows.shape, self.features) if features is None else features
        logits: Tensor = self.salience(vectors[rows], known, there)
        return logits

    def finish_row(self, parts: Iterable[NDArray[np.float64]]) -> Iterable[NDArray[np.float64]]:
        """Score the sentences of a document, given each one's vector and features, (1, H + F).

        Returns:
            One array: the scores of the document's sentences, 0 to 1, (S).
        """
        width = self.encoder.hidden_size

        def score(known: Tensor) -> Tensor:
            logits: Tensor = self.salience(known[..., :width], known[..., width:])
            return logits

        return [document_scores(score, parts, self.salience.scorer.weight)]


# --- MatchSum: one encoder for documents and summaries, which are near each other where they say the same
#
# Shapes in the margin: B texts, L tokens, H hidden.


class MatchingModel(TaskModel):
    """An encoder that gives one vector for each text; there is no head (Zhong et al. 2020).

    Args:
        encoder: gives the hidden states.
        pooling: cls (first token), pooler (the encoder's own layer over it) or mean.
        dropout: not used; kept with the run.
        extractor: the model whose scores propose candidates. It is kept with this one, and
            is not trained.
    """

    def __init__(
        self, encoder: Encoder, *, pooling: str, dropout: float, extractor: ExtractiveModel | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.extractor = None if extractor is None else extractor.requires_grad_(False)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
    ) -> Tensor:
        """Return the vectors of texts, (B, H); arguments as in `Encoder`.

        Documents stand beside their candidates, which are much shorter: texts of like length
        are read together, so that short ones are not filled up to the length of a document.
        """
        if attention_mask is None:
            return self._pooled(input_ids, None, token_type_ids)
        lengths = attention_mask.sum(dim=1)  # (B)
        vectors: list[Tensor] = []
        order: list[int] = []
        for rows in token_budget_batches(lengths.tolist()):
            longest = int(lengths[rows].max())
            texts = (tensor[rows, :longest] for tensor in (input_ids, attention_mask, token_type_ids))
            vectors.append(self._pooled(*texts))
            order += rows
        return torch.cat(vectors)[torch.tensor(order, device=input_ids.device).argsort()]

    def _pooled(self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor) -> Tensor:
        first_only = self.pooling in OF_FIRST_TOKEN
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, first_only=first_only)  # (B, L or 1, H)
        if self.pooling == "pooler" and self.encoder.pooler is not None:
            return cast(Tensor, self.encoder.pooler(hidden))
        if self.pooling != "mean":
            return hidden[:, 0]
        if attention_mask is None:
            return hidden.mean(dim=1)
        weights = attention_mask.to(hidden.dtype).unsqueeze(-1)  # (B, L, 1)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def extractor_like(
    encoder: Encoder, weights: ExtractiveModel | None = None, *, pooling: str = "cls"
) -> ExtractiveModel:
    """Make an extractor of an encoder's shape.

    Args:
        encoder: its shape is taken, and it is left as it is.
        pooling: the extractor's.
        weights: the extractor whose weights are copied, perhaps with another class of the
            same architecture for its encoder; None: they come afterwards.
    """
    copy = cast(Any, deepcopy(encoder))
    copy.source = None
    copy.get_submodule(copy.inner.removesuffix(".")).pooler = None
    extractor = ExtractiveModel(cast(Encoder, copy), dropout=0.0, pooling=pooling)
    if weights is not None:
        extractor.load_state_dict(imported_weights(extractor, exported_weights(weights)))
    return extractor
