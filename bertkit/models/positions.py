"""Positions that are not those an encoder was trained with: more of them, or turned otherwise in long batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch  # noqa: TID253 - computes with it, as the next
from torch import nn  # noqa: TID253

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
