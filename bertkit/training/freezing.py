"""Leave the lower part of an encoder as it is: less to compute, and less to forget.

It may stay as it came, or learn for a while and then be frozen layer by layer from below, while
the learning rate falls anyway (Brock et al. 2017, "FreezeOut"). A frozen part keeps its weights,
drops nothing out, and autograd does not enter it: its input and its weights ask for no gradient,
so the backward pass ends at the lowest trained layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from bertkit.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from bertkit.models.heads import TaskModel

# What stands above the layers; all else beside them feeds them: embeddings, their projection,
# DeBERTa's relative positions, which every layer reads.
ABOVE = ("pooler", "final_norm")


def layers_frozen(share: float, layers: int, *, after: float) -> int:
    """Return how many of an encoder's layers are frozen by now; the last one never is.

    Args:
        share: of the steps that are done.
        layers: how many the encoder has.
        after: share of the steps after which the lowest layer is frozen, with the embeddings;
            the others follow at equal distances. 1: never.
    """
    if share < after or after >= 1:
        return 0
    return max(0, min(layers - 1, 1 + int(layers * (share - after) / (1 - after))))


def freeze(model: TaskModel, lowest: int, *, name: str = "the model") -> None:
    """Freeze the embeddings and the lowest layers of a model's encoder.

    A masked LM's output layer is the table of embeddings, and is frozen with it.

    Args:
        model: an encoder with its head; the head goes on learning.
        lowest: how many layers; 0 freezes nothing.
        name: the model, for the sentence of an error.

    Raises:
        UsageError: there are fewer layers, or nothing would be left to train.
    """
    if lowest == 0:
        return
    layers, encoder = model.encoder.layers, cast("nn.Module", model.encoder)
    if not layers:
        raise UsageError(f"--freeze {lowest}: {name} has no layers of its own to freeze; leave it out.")
    if lowest > len(layers):
        raise UsageError(f"--freeze {lowest}: must be at most {len(layers)}, the number of layers of {name}.")
    encoder.requires_grad_(False)
    for part in (*layers[lowest:], *_above(encoder)):
        part.requires_grad_(True)
    if not any(weight.requires_grad for weight in model.parameters()):
        raise UsageError(f"--freeze {lowest}: nothing of {name} is left to train; choose at most {len(layers) - 1}.")
    model.frozen = tuple(_frozen_parts(encoder))


def _above(encoder: nn.Module) -> Iterator[nn.Module]:
    return (part for name, part in encoder.named_modules() if name.rpartition(".")[2] in ABOVE)


def _frozen_parts(part: nn.Module) -> Iterator[nn.Module]:
    """Find the largest parts that have weights and train none of them."""
    trained = [weight.requires_grad for weight in part.parameters()]
    if trained and not any(trained):
        yield part
        return
    for child in part.children():
        yield from _frozen_parts(child)
