"""Rows of a table of embeddings for tokens that a task adds to a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertkit.models.heads import Encoder


def add_rows(encoder: Encoder, likes: Sequence[Sequence[int]], ids: Sequence[int]) -> None:
    """Make an encoder's table of word embeddings long enough for added tokens, in place.

    Each begins as the mean of the rows of other tokens: a row drawn by chance is far from all that the
    layers above have learnt to read, and few training rows would not bring it near.

    Args:
        encoder: whose table grows; one that has room already (or starts from nothing) is left as it is.
        likes: for each added token the ids of those that it begins like; none: all of them.
        ids: the ids of the added tokens.
    """
    import torch
    from torch import nn

    owner, name, table = _table(encoder)
    old = table.num_embeddings
    added = [(number, own) for number, own in zip(ids, likes, strict=True) if number >= old]
    if not added:
        return
    weight = table.weight.detach()
    rows = torch.zeros(max(ids) + 1 - old, table.embedding_dim, dtype=weight.dtype)
    for number, own in added:
        rows[number - old] = weight[list(own)].mean(dim=0) if own else weight.mean(dim=0)
    # Given its weights, it draws none: the head's first ones are those they are without added tokens.
    grown = nn.Embedding(old + len(rows), table.embedding_dim, table.padding_idx, _weight=torch.cat([weight, rows]))
    setattr(owner, name, grown)
    encoder.grow_vocabulary(grown.num_embeddings)


def _table(encoder: Any) -> tuple[Any, str, Any]:
    """Return the module that holds the table, its name there, and the table."""
    weight = encoder.embeddings_weight
    for owner in encoder.modules():
        for name, table in owner.named_children():
            if getattr(table, "weight", None) is weight:
                return owner, name, table
    raise ValueError("an encoder without a table of embeddings")
