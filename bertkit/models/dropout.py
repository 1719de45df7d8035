"""Dropout whose random numbers cost little on a processor.

torch draws one random number of 32 bits for each value, one after another: up to an eighth of
a training step in float32, and more where matrices are multiplied in bfloat16. One draw of 64
bits is enough for four values: each is dropped by 16 bits of it, so that the share of dropped
values is `p` to within 2 ** -17. Draws come from torch's generator, so equal seeds drop equally.
"""

from __future__ import annotations

import torch  # noqa: TID253 - computes with it
from torch import Tensor, nn  # noqa: TID253

BITS = 16  # of a draw, for one value
VALUES_PER_DRAW = 64 // BITS


class QuickDropout(nn.Dropout):
    """`nn.Dropout` (Srivastava et al. 2014), quicker on a CPU; elsewhere, and compiled, it is torch's own."""

    def forward(self, x: Tensor) -> Tensor:
        """Map a tensor of any shape to itself, or in training to `drop` of it."""
        if not self.training or x.device.type != "cpu" or torch.compiler.is_compiling():
            as_usual: Tensor = super().forward(x)
            return as_usual
        return drop(x, self.p)


def drop(x: Tensor, p: float) -> Tensor:
    """Set a share `p` of the values to 0 by chance, and divide the others by 1 - p; any shape."""
    least = round(p * 2**BITS)
    if least == 0:
        return x
    if least == 2**BITS:
        return x * 0
    draws = torch.empty(-(-x.numel() // VALUES_PER_DRAW), dtype=torch.int64).random_(-(2**63), None)
    kept: Tensor = draws.view(torch.int16)[: x.numel()] >= least - 2 ** (BITS - 1)
    return x * kept.view(x.shape).to(x.dtype).mul_(1 / (1 - p))


def use_quick_dropout(model: nn.Module) -> None:
    """Let all dropout modules of a model draw quickly; their class is changed in place."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = QuickDropout
