"""MatchSum: one encoder for documents and summaries, which are near each other where they say the same.

Shapes in the margin: B texts, L tokens, H hidden.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor, nn  # noqa: TID253

from bertkit.compute.batching import token_budget_batches
from bertkit.models.extractive import ExtractiveModel
from bertkit.models.heads import OF_FIRST_TOKEN, Encoder, TaskModel, exported_weights, imported_weights


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


def extractor_like(encoder: Encoder, weights: ExtractiveModel | None = None) -> ExtractiveModel:
    """Make an extractor of an encoder's shape.

    Args:
        encoder: its shape is taken, and it is left as it is.
        weights: the extractor whose weights are copied, perhaps with another class of the
            same architecture for its encoder; None: they come afterwards.
    """
    copy = cast(Any, deepcopy(encoder))
    copy.source = None
    copy.get_submodule(copy.inner.removesuffix(".")).pooler = None
    extractor = ExtractiveModel(cast(Encoder, copy), dropout=0.0)
    if weights is not None:
        extractor.load_state_dict(imported_weights(extractor, exported_weights(weights)))
    return extractor
