"""Sentences read one by one, and layers in which those of a document meet: an extractive model that costs little.

BertSum (`models/extractive.py`) reads sentences in each other's company and needs an encoder
that is trained for it. Here each is read alone, as sentence encoders are made to, and its
vector is the mean over its tokens; what only the document tells of it comes as features
(`documents/surface.py`). So the encoder may stay as it is, and the vectors of a corpus can be
computed once.

Shapes in the margin: B sentences read, H hidden, D documents, S sentences of the longest
document, F features, W width of the layers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch  # noqa: TID253 - computes with it, as the next
from numpy.typing import NDArray
from torch import Tensor, nn  # noqa: TID253

from bertkit.models.heads import Encoder, TaskModel
from bertkit.models.inter_sentence import NORM_EPS, InterSentenceLayer, document_scores

WIDTH, HEADS, LAYERS = 256, 8, 2
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
            InterSentenceLayer(WIDTH, HEADS, 4 * WIDTH, dropout=dropout, norm_first=True) for _ in range(LAYERS)
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
