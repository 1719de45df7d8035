"""The rows of a table of embeddings that a trimmed vocabulary still names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bertkit.errors import UsageError

if TYPE_CHECKING:
    from bertkit.models.encoder import PretrainedEncoder

# Ids that config.json names.
_NAMED = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


def keep_rows(encoder: PretrainedEncoder, rows: Sequence[int], *, name: str) -> None:
    """Cut an encoder's table of word embeddings down, in place.

    Args:
        encoder: whose table is cut.
        rows: by the new ids, the rows of the table as it is.
        name: the model, for the sentence of an error.

    Raises:
        UsageError: the vocabulary has ids that the table has no rows for.
    """
    import torch
    from torch import nn

    table: Any = encoder.model.get_input_embeddings()
    if max(rows) >= table.num_embeddings:
        raise UsageError(
            f"--trim-vocab: the tokenizer has the id {max(rows):,}, and {name} has embeddings for "
            f"{table.num_embeddings:,}; leave --tokenizer out."
        )
    wanted = torch.tensor(rows)
    new = {old: i for i, old in enumerate(rows)}
    # Given its weights, it draws none: the head's first ones are those they are with the whole table.
    weight = table.weight.detach()[wanted]
    kept = nn.Embedding(len(rows), table.embedding_dim, padding_idx=new.get(table.padding_idx), _weight=weight)
    encoder.model.set_input_embeddings(kept)
    # The other weights may be views of the mapped file, and keep all of it in memory.
    for weight_kept in encoder.parameters():
        weight_kept.data = weight_kept.data.clone()
    config = encoder.model.config
    config.vocab_size = len(rows)
    for part in _NAMED:
        if isinstance(old := getattr(config, part, None), int):
            setattr(config, part, new.get(old))
    encoder.take_vocabulary(wanted)
