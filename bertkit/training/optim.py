"""AdamW and its learning-rate schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

# Biases and the scales of LayerNorm are not shrunk: decay is for matrices.
MIN_DECAYED_DIMENSIONS = 2


def build_optimizer(model: nn.Module, *, lr: float, weight_decay: float) -> Optimizer:
    """Make AdamW (Loshchilov & Hutter 2019, bias-corrected) over the trainable weights.

    The fused kernel updates all weights in one pass, several times faster on a CPU than
    one small operation after another.
    """
    from torch.optim import AdamW

    weights = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in weights if p.dim() >= MIN_DECAYED_DIMENSIONS]
    plain = [p for p in weights if p.dim() < MIN_DECAYED_DIMENSIONS]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    fused = all(p.device.type in ("cpu", "cuda") for p in weights)
    return AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8, fused=fused)


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
    """Give every group the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state as named tensors ("17.exp_avg"), for safetensors."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{i}.{name}": tensor for i, values in state.items() for name, tensor in values.items()}


def load_optimizer_tensors(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor
    whole: dict[str, Any] = {**optimizer.state_dict(), "state": state}
    optimizer.load_state_dict(whole)
