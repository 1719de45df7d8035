"""AdamW and its learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from bertkit.models.heads import TaskModel

# Biases and the scales of LayerNorm are not shrunk: decay is for matrices.
MIN_DECAYED_DIMENSIONS = 2
ENCODER = "encoder."  # the beginning of its weights' names; all others are the head's
PACE = "pace"


def build_optimizer(model: TaskModel, *, lr: float, weight_decay: float, head_lr: float | None = None) -> Optimizer:
    """Make AdamW (Loshchilov & Hutter 2019, bias-corrected) over the trainable weights.

    The fused kernel updates all weights in one pass, several times faster on a CPU than
    one small operation after another.

    Args:
        model: an encoder with its head.
        lr: peak learning rate.
        weight_decay: of matrices.
        head_lr: the head's own peak rate; None: the same.
    """
    from torch.optim import AdamW

    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if head_lr is None or head_lr == lr:
        groups = _groups(learning.values(), weight_decay)
    else:
        of_head = {name: weight for name, weight in learning.items() if not name.startswith(ENCODER)}
        of_encoder = [weight for name, weight in learning.items() if name not in of_head]
        groups = _groups(of_encoder, weight_decay) + _groups(of_head.values(), weight_decay, pace=head_lr / lr)
    fused = all(weight.device.type in ("cpu", "cuda") for weight in learning.values())
    return AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8, fused=fused)


def _groups(weights: Iterable[Tensor], weight_decay: float, *, pace: float = 1.0) -> list[dict[str, Any]]:
    """Part weights by whether they are shrunk; `pace` is their rate as a multiple of the schedule's."""
    weights = list(weights)
    decayed = [w for w in weights if w.dim() >= MIN_DECAYED_DIMENSIONS]
    plain = [w for w in weights if w.dim() < MIN_DECAYED_DIMENSIONS]
    return [
        {"params": decayed, "weight_decay": weight_decay, PACE: pace},
        {"params": plain, "weight_decay": 0.0, PACE: pace},
    ]


def learning_rate(step: int, total: int, *, peak: float, warmup: float, schedule: str) -> float:
    """Return the rate of a step.

    Args:
        step: 1-based step.
        total: steps of the whole run.
        peak: rate at the end of the warm-up.
        warmup: share of the steps over which the rate rises from 0.
        schedule: linear or cosine fall to 0, or constant.
    """
    rising = max(1, math.ceil(warmup * total))
    if step <= rising and warmup > 0:
        return peak * step / rising
    done = (step - rising) / max(1, total - rising)
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak * max(0.0, 1 - done)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every group the schedule's rate, or its multiple of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[PACE]


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as named tensors ("17.exp_avg"), for safetensors."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{i}.{name}": tensor for i, values in state.items() for name, tensor in values.items()}


def load_optimizer_tensors(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` returned.

    Raises:
        ValueError: it is of other weights.
    """
    state: dict[int, dict[str, Tensor]] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        number = int(index)
        if not 0 <= number < len(weights) or (name != "step" and tensor.shape != weights[number].shape):
            raise ValueError(f"optimizer.safetensors holds {key} of {tuple(tensor.shape)}, which no weight has")
        state.setdefault(number, {})[name] = tensor
    if len({frozenset(values) for values in state.values()}) > 1:
        raise ValueError("optimizer.safetensors lacks a part of what it knows of a weight")
    whole: dict[str, Any] = {**optimizer.state_dict(), "state": state}
    optimizer.load_state_dict(whole)
