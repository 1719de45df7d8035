"""BertSum: an encoder that reads sentences, and layers in which the sentences of a document meet.

Windows of a document are read each for itself; the sentence vectors of all its windows go
through the inter-sentence layers together. Training does both at once. Prediction does the
second when all windows of a document are read, in whatever batches they came.

Shapes in the margin: B windows, L tokens, H hidden, M sentences, D documents, S sentences
of the longest document.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch  # noqa: TID253 - computes with it, as the next
from numpy.typing import NDArray
from torch import Tensor, nn  # noqa: TID253

from bertkit.models.heads import Encoder, TaskModel
from bertkit.models.inter_sentence import InterSentenceScorer, document_scores

_HEAD = "inter_sentence."


class ExtractiveModel(TaskModel):
    """An encoder with an inter-sentence scorer (Liu & Lapata 2019).

    An encoder that comes from an extractive run brings that run's scorer along.

    Args:
        encoder: gives the hidden states.
        dropout: of the inter-sentence layers.
    """

    def __init__(self, encoder: Encoder, *, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
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
        hidden = self.encoder(input_ids, attention_mask, token_type_ids, global_mask).flatten(0, 1)  # (B·L, H)
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


def stored_scorer(folder: Path) -> dict[str, Tensor] | None:
    """Read the inter-sentence scorer of an extractive run; None where the folder has none."""
    from safetensors import safe_open

    path = folder / "model.safetensors"
    if not path.is_file():
        return None
    with safe_open(path, framework="pt") as stored:
        names = [name for name in stored.keys() if name.startswith(_HEAD)]  # noqa: SIM118 - no mapping
        return {name.removeprefix(_HEAD): stored.get_tensor(name) for name in names} or None
