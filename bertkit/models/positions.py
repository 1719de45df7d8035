"""More positions than an encoder was trained with."""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253 - computes with it, as the next
from torch import nn  # noqa: TID253


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
