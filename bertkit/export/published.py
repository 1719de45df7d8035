"""A run's head as the classes of transformers have it.

A head of bertkit's is one vector a row and a linear layer. Most classes of transformers put a
layer with an activation between the two. Where the run's vector is the first token's, that
layer can be made to change nothing: tanh is a straight line near zero, ReLU and GELU are one
far from it. What is scaled or shifted on the way in is undone by the linear layer behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bertkit.bundle import Bundle
from bertkit.tasks.published import KINDS, Kind

if TYPE_CHECKING:
    from torch import Tensor

# tanh(x / 2**14) differs from x / 2**14 by less than a millionth of it for |x| up to 28, which
# layers normalised at their end do not reach; powers of two cost no digit.
_STRAIGHT = 2.0**-14
# ReLU and GELU leave x + 32 as it is for x from -26 on.
_FAR = 32.0


@dataclass(frozen=True)
class Head:
    """What stands on the encoder in a class of transformers: its weights, and what config.json must say."""

    class_name: str
    weights: Mapping[str, Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)


def published_head(run: Bundle, encoder_class: str) -> Head:
    """Return the head of a run that `why_not_expressed` allows, under transformers' names.

    Args:
        run: its model on the CPU.
        encoder_class: transformers' class of the bare encoder.
    """
    settings, model, kind = run.task.settings, run.model, encoder_class.removesuffix("Model")
    if settings.task == "ner":
        return Head(f"{kind}ForTokenClassification", _linear(model.classifier, "classifier"))
    if settings.task == "mlm":
        # The names are transformers' already: `MaskedLanguageModel.head_names`.
        return Head("BertForMaskedLM", {})
    wanted = "MultipleChoice" if settings.task == "choice" else "SequenceClassification"
    how = KINDS[kind]
    weights, config = _two_layers(run, how)
    return Head(f"{kind}For{wanted}", weights, config)


def _two_layers(run: Bundle, how: Kind) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the layer before the activation and the linear layer behind it."""
    import torch

    model: Any = run.model
    classifier = model.classifier
    if run.task.settings.pooling == "pooler" and how.activation == "tanh" and model.encoder.pooler is not None:
        dense = model.encoder.pooler.dense
        return {**_linear(dense, how.dense), **_linear(classifier, how.linear)}, {}
    width = model.encoder.hidden_size
    weight, bias = classifier.weight.detach().double(), classifier.bias.detach().double()  # (C, H), (C)
    same, zero = torch.eye(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64)
    make = _UNCHANGED[how.activation]
    before, shift, behind, offset = make(same, zero, weight, bias)
    weights = {
        f"{how.dense}.weight": before,
        f"{how.dense}.bias": shift,
        f"{how.linear}.weight": behind,
        f"{how.linear}.bias": offset,
    }
    plain = {name: tensor.float().contiguous() for name, tensor in weights.items()}
    if how.activation == "linear":
        return plain, {"pooler_hidden_act": "linear", "pooler_hidden_size": width, "pooler_dropout": 0.0}
    return plain, {}


_Layers = Callable[["Tensor", "Tensor", "Tensor", "Tensor"], "tuple[Tensor, Tensor, Tensor, Tensor]"]


def _through_tanh(same: Tensor, zero: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return same * _STRAIGHT, zero, weight / _STRAIGHT, bias


def _shifted(same: Tensor, zero: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return same, zero + _FAR, weight, bias - _FAR * weight.sum(dim=1)


def _unchanged(same: Tensor, zero: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return same, zero, weight, bias


_UNCHANGED: Mapping[str, _Layers] = {
    "tanh": _through_tanh, "gelu": _shifted, "relu": _shifted, "linear": _unchanged,
}  # fmt: skip


def _linear(layer: Any, name: str) -> dict[str, Tensor]:
    return {f"{name}.{part}": getattr(layer, part).detach().float().cpu().contiguous() for part in ("weight", "bias")}
