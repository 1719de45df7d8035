"""Two texts read apart by one encoder, and compared as vectors (a bi-encoder).

Source: Conneau et al. 2017 (the features of a pair); Reimers and Gurevych 2019 (BERT as the
encoder, cosine for similarity). Shapes in the margin: P texts, B pairs, L tokens, H hidden,
C outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bertkit.models.heads import Encoder, TaskModel

# What people call unrelated and the same lies between cosines of about 0.1 and 1; the first
# weights spread that over a standard deviation or two to each side.
_STEEPNESS, _MIDDLE = 4.0, 0.6


class SiameseModel(TaskModel):
    """An encoder, the mean over each text's tokens, and a comparison of two such vectors.

    Args:
        encoder: gives the hidden states.
        outputs: number of outputs C.
        by_cosine: whether the cosine alone is looked at (similarity), or vectors,
            difference and product (labels).
        dropout: dropout before the linear layer over the features.
    """

    def __init__(self, encoder: Encoder, outputs: int, *, by_cosine: bool, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.by_cosine = by_cosine
        self.dropout = nn.Dropout(0.0 if by_cosine else dropout)
        self.classifier = nn.Linear(1 if by_cosine else 4 * encoder.hidden_size, outputs)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)
        if by_cosine:
            nn.init.constant_(self.classifier.weight, _STEEPNESS)
            nn.init.constant_(self.classifier.bias, -_STEEPNESS * _MIDDLE)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Return the texts' vectors, (P, H), or the logits of pairs of them, (B, C).

        Args:
            input_ids: as for the other models, like the next three.
            attention_mask: see there.
            token_type_ids: see there.
            global_mask: see there.
            positions: which texts make a pair, (B, 2); None: the vectors are wanted.
        """
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, global_mask)  # (P, L, H)
        text = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weights = text.to(hidden.dtype).unsqueeze(-1)  # (P, L, 1)
        vectors = (hidden * weights).sum(dim=1) / weights.sum(dim=1)  # (P, H)
        vectors = nn.functional.normalize(vectors.float(), dim=-1)
        return vectors if positions is None else self.compare(vectors[positions[:, 0]], vectors[positions[:, 1]])

    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the logits of pairs of vectors, (B, C)."""
        if self.by_cosine:
            cosine = (first * second).sum(dim=-1, keepdim=True)  # (B, 1)
            # bfloat16 would leave a score of 4 in steps of 1/32.
            with torch.autocast(cosine.device.type, enabled=False):
                return cast(Tensor, self.classifier(cosine.to(self.classifier.weight.dtype)))
        else:
            features = torch.cat([first, second, (first - second).abs(), first * second], dim=-1)  # (B, 4H)
        logits: Tensor = self.classifier(self.dropout(features))
        return logits

    def finish_row(self, parts: Iterable[NDArray[np.float64]]) -> Iterable[NDArray[np.float64]]:
        """Compare the vectors of a pair's texts; the logits come back as one part, (C)."""
        weight = self.classifier.weight
        first, second = (torch.from_numpy(part).to(weight.device, weight.dtype).unsqueeze(0) for part in parts)
        logits: NDArray[np.float64] = self.compare(first, second)[0].double().cpu().numpy()
        return [logits]
