"""A run's head under the names of transformers' classes, and back.

A head of bertkit's is one vector a row and a linear layer. Most classes of transformers put a
layer with an activation between the two. Where the run's vector is the first token's, that
layer can be made to change nothing: tanh is a straight line near zero, ReLU and GELU are one
far from it. What is scaled or shifted on the way in is undone by the linear layer behind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from bertkit.kinds import MisfitError
from bertkit.models.weights import Shape
from bertkit.tasks.published import KINDS, Kind

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import TaskModel

T = TypeVar("T")

# What the linear layer is called here.
_CLASSIFIER = "classifier"
# tanh(x / 2**14) differs from x / 2**14 by less than a millionth of it for |x| up to 28, which
# layers normalised at their end do not reach; powers of two cost no digit.
_STRAIGHT = 2.0**-14
# ReLU and GELU leave x + 32 as it is for x from -26 on.
_FAR = 32.0
# What the layer in the middle multiplies by, and what it adds.
_MIDDLE: Mapping[str, tuple[float, float]] = {
    "tanh": (_STRAIGHT, 0.0),
    "gelu": (1.0, _FAR),
    "relu": (1.0, _FAR),
    "linear": (1.0, 0.0),
}


@dataclass(frozen=True)
class PublishedHead:
    """The head of one model that pools by its first token, in transformers' form.

    Args:
        kind: transformers' class of the bare encoder without "Model"; one of `KINDS`.
        pooler: what the encoder's own layer over the first token is called, where the model
            pools by that and a class has it in its middle; None: the middle changes nothing.
    """

    kind: str
    pooler: str | None

    @classmethod
    def of(cls, model: TaskModel, kind: str) -> PublishedHead:
        """Say which form a model's head has.

        Raises:
            MisfitError: no class has such a head.
        """
        if kind not in KINDS:
            raise MisfitError(f"describes a {kind}, whose head `bertkit export` does not write")
        own: Any = model
        can_hold = KINDS[kind].activation in ("tanh", "linear")  # what is linear takes its activation from config.json
        has_pooler = own.pooling == "pooler" and can_hold and own.encoder.pooler is not None
        return cls(kind, f"{model.encoder.prefix}.pooler.dense" if has_pooler else None)

    @property
    def _how(self) -> Kind:
        return KINDS[self.kind]

    def weights(self, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return all weights of a model under the names of transformers' class.

        Args:
            own: what `exported_weights` gave.
        """
        import torch

        if self.pooler is not None:
            return self._renamed(own)
        rest = dict(own)
        weight, bias = rest.pop(f"{_CLASSIFIER}.weight").double(), rest.pop(f"{_CLASSIFIER}.bias").double()  # (C, H)
        width, (scale, shift) = weight.shape[1], _MIDDLE[self._how.activation]
        head = {
            f"{self._how.dense}.weight": torch.eye(width) * scale,
            f"{self._how.dense}.bias": torch.full((width,), shift),
            f"{self._how.linear}.weight": (weight / scale).float(),
            f"{self._how.linear}.bias": (bias - shift * (weight / scale).sum(dim=1)).float(),
        }
        return {**rest, **head}

    def config(self, width: int) -> dict[str, Any]:
        """Return what config.json must say of the layer in the middle; `width` is the encoder's."""
        if self._how.activation != "linear":
            return {}
        activation = "linear" if self.pooler is None else "tanh"
        return {"pooler_hidden_act": activation, "pooler_hidden_size": width, "pooler_dropout": 0.0}

    def shapes(self, own: Mapping[str, Shape]) -> dict[str, Shape]:
        """Return the shapes of `weights` out of those of the model's own."""
        if self.pooler is not None:
            return self._renamed(own)
        rest = dict(own)
        outputs, width = rest.pop(f"{_CLASSIFIER}.weight")
        del rest[f"{_CLASSIFIER}.bias"]
        dense = {f"{self._how.dense}.weight": (width, width), f"{self._how.dense}.bias": (width,)}
        return {**rest, **dense, f"{self._how.linear}.weight": (outputs, width), f"{self._how.linear}.bias": (outputs,)}

    def own(self, published: Mapping[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
        """Undo `weights`.

        Args:
            published: the weights.
            names: what the model's own are called; some encoders keep a layer in the middle that they do not use.

        Raises:
            MisfitError: the layer in the middle is another than the one that changes nothing.
        """
        import torch

        if self.pooler is not None:
            back = {others: ours for ours, others in self._names().items()}
            return {back.get(name, name): weight for name, weight in published.items()}
        rest, (scale, shift) = dict(published), _MIDDLE[self._how.activation]
        before, added = rest[f"{self._how.dense}.weight"], rest[f"{self._how.dense}.bias"]
        weight, bias = rest.pop(f"{self._how.linear}.weight").double(), rest.pop(f"{self._how.linear}.bias").double()
        if not (torch.equal(before, torch.eye(len(before)) * scale) and bool((added == shift).all())):
            raise MisfitError(f"holds a {self._how.dense} that `bertkit export` did not write")
        rest[f"{_CLASSIFIER}.weight"] = (weight * scale).float()
        rest[f"{_CLASSIFIER}.bias"] = (bias + shift * weight.sum(dim=1)).float()
        return {name: weight for name, weight in rest.items() if name in names}

    def _renamed(self, own: Mapping[str, T]) -> dict[str, T]:
        names = self._names()
        return {names.get(name, name): value for name, value in own.items()}

    def _names(self) -> dict[str, str]:
        pairs = ((self.pooler, self._how.dense), (_CLASSIFIER, self._how.linear))
        return {f"{ours}.{part}": f"{others}.{part}" for ours, others in pairs for part in ("weight", "bias")}
