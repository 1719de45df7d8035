"""What stands on an encoder: pooling and a linear layer.

Shapes in the margin: B rows, L tokens, H hidden, C outputs.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

POOLINGS = ("cls", "pooler", "mean")


class Encoder(Protocol):
    """What a head needs to know of an encoder; BertModel and PretrainedEncoder have it.

    `prefix` is the name transformers gives the encoder inside a model with a head; `inner`
    is where the weights stand inside our module.
    """

    prefix: str
    inner: str
    hidden_size: int
    vocab_size: int

    @property
    def pooler(self) -> nn.Module | None:
        """The encoder's own layer over the first token, where it has one."""
        ...

    def __call__(self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor) -> Tensor:
        """Return the last hidden states, (B, L, H)."""
        ...

    def transformers_config(self) -> dict[str, Any]:
        """Return the config.json with which transformers opens the encoder."""
        ...


class SequenceModel(nn.Module):
    """An encoder, one vector per row, dropout, a linear layer.

    Args:
        encoder: gives the hidden states.
        outputs: number of outputs C.
        pooling: cls (first token), pooler (the encoder's own layer over the first
            token) or mean (over text tokens).
        dropout: dropout before the linear layer.
    """

    def __init__(self, encoder: Encoder, outputs: int, *, pooling: str, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(encoder.hidden_size, outputs)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor) -> Tensor:
        """Return the logits (B, C); arguments as in `BertModel.forward`."""
        hidden = self.encoder(input_ids, attention_mask, token_type_ids)  # (B, L, H)
        logits: Tensor = self.classifier(self.dropout(self.pool(hidden, attention_mask)))
        return logits

    def pool(self, hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Reduce hidden states (B, L, H) to one vector per row (B, H)."""
        if self.pooling == "pooler" and self.encoder.pooler is not None:
            return cast(Tensor, self.encoder.pooler(hidden))
        if self.pooling != "mean":
            return hidden[:, 0]
        if attention_mask is None:
            return hidden.mean(dim=1)
        weights = attention_mask.to(hidden.dtype).unsqueeze(-1)  # (B, L, 1)
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def exported_weights(model: SequenceModel) -> dict[str, Tensor]:
    """Return the weights under the names transformers uses, float32, on the CPU."""
    ours, theirs = _prefixes(model)
    return {
        theirs + name.removeprefix(ours) if name.startswith(ours) else name: (
            weight.detach().to("cpu", torch.float32).contiguous()
        )
        for name, weight in model.state_dict().items()
    }


def imported_weights(model: SequenceModel, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo `exported_weights`: give weights the names `model.load_state_dict` expects."""
    ours, theirs = _prefixes(model)
    return {
        ours + name.removeprefix(theirs) if name.startswith(theirs) else name: weight
        for name, weight in weights.items()
    }


def _prefixes(model: SequenceModel) -> tuple[str, str]:
    return f"encoder.{model.encoder.inner}", f"{model.encoder.prefix}."
