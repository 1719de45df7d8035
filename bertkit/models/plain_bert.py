"""BERT-shaped encoders of runs, opened by our own BERT: transformers need not be imported.

To import it takes longer than to answer some hundred rows. BERT's layers are those of
`bert.py`, whoever trained them; RoBERTa's kind differs from it in where positions begin. What
is not exactly of that shape is left to transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch  # noqa: TID253 - computes with it, as the next
from torch import Tensor  # noqa: TID253

from bertkit.errors import ModelError
from bertkit.models.bert import BertConfig, BertEmbeddings, BertModel
from bertkit.models.registry import CLASSES, of_plain_bert, positions_before_first

_FIELDS = tuple(spec.name for spec in fields(BertConfig))


class _LaterEmbeddings(BertEmbeddings):
    """Embeddings whose first position is not the table's first, as RoBERTa counts them."""

    def __init__(self, config: BertConfig, before_first: int) -> None:
        super().__init__(config)
        self.before_first = before_first

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        """Embed ids (B, L) and segments (B, L) as vectors (B, L, H)."""
        first = self.before_first + 1
        positions = torch.arange(first, first + input_ids.shape[1], device=input_ids.device)  # (L)
        summed = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        summed = summed + self.position_embeddings(positions)  # (B, L, H)
        normalised: Tensor = self.dropout(self.LayerNorm(summed))
        return normalised


class StoredBert(BertModel):
    """An encoder of a run, with the config.json it was stored with.

    Args:
        values: config.json, of which `of_plain_bert` says that this class computes it.
        with_pooler: whether the encoder's own layer over the first token is wanted.
    """

    # Where a copy of the encoder that stands elsewhere in a model has its weights in the files of runs.
    inner_of_copies = "model."

    def __init__(self, values: Mapping[str, Any], *, with_pooler: bool) -> None:
        config = BertConfig(**{name: values[name] for name in _FIELDS if name in values})
        super().__init__(config, with_pooler=with_pooler)
        before_first = positions_before_first(values)
        if before_first is not None:
            self.embeddings = _LaterEmbeddings(config, before_first)
            self.max_positions = config.max_position_embeddings - before_first - 1
            self.prefix = "roberta"
        self._stored = dict(values)

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

        Raises:
            ModelError: the rows are longer than the encoder has positions for.
        """
        length, most = input_ids.shape[1], self.max_positions
        if most is not None and length > most:
            raise ModelError(f"a row of {length} tokens: the encoder has {most} positions; add --max-length {most}.")
        types = token_type_ids if self.segments > 1 else torch.zeros_like(token_type_ids)
        return super().forward(input_ids, attention_mask, types, global_mask, first_only=first_only)

    def transformers_config(self) -> dict[str, Any]:
        """Return the config.json with which transformers opens the encoder."""
        return {**self._stored, "encoder_class": CLASSES[self._stored["model_type"]]}


def rebuild(values: dict[str, Any], *, with_pooler: bool) -> BertModel:
    """Make the encoder that a run's config.json describes; its weights come afterwards."""
    assert of_plain_bert(values)
    return StoredBert(values, with_pooler=with_pooler)
