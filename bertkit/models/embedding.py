"""Tables of embeddings whose gradient stays in one place.

torch allocates the gradient of a whole table anew in every step, though a batch touches a few
hundred of its rows, and the system hands over so much memory page by page. On a CPU that can
take longer than a layer. Here the table keeps the memory of its gradient: it is set to zero,
and the rows that were read are added to. The sums are the same.
"""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253 - computes with it
from torch import Tensor, nn  # noqa: TID253
from torch.nn.functional import embedding  # noqa: TID253


class LastingEmbedding(nn.Embedding):
    """`nn.Embedding` for training on a CPU; elsewhere, and compiled, it is torch's own.

    `weight.grad` is set and not returned to autograd: `torch.autograd.grad` does not see it.
    """

    _gradient: Tensor | None

    def forward(self, ids: Tensor) -> Tensor:
        """Look up ids of any shape, (…) to (…, H)."""
        learns = self.training and torch.is_grad_enabled() and self.weight.requires_grad
        if not learns or self.weight.device.type != "cpu" or torch.compiler.is_compiling():
            as_usual: Tensor = super().forward(ids)
            return as_usual
        vectors: Tensor = _LookUp.apply(self.weight, ids, self)  # type: ignore[no-untyped-call]
        return vectors

    def collect(self, ids: Tensor, gradient: Tensor) -> None:
        """Add the gradient of the vectors of ids (N), (N, H), to that of the table."""
        if self.weight.grad is None:
            if self._gradient is None:
                self._gradient = torch.empty_like(self.weight)
            self.weight.grad = self._gradient.zero_()
        if self.padding_idx is not None:
            gradient = gradient.masked_fill((ids == self.padding_idx).unsqueeze(-1), 0.0)
        self.weight.grad.index_add_(0, ids, gradient.to(self.weight.dtype))


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, table: LastingEmbedding) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.table = table
        return embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None]:
        (ids,) = ctx.saved_tensors
        ctx.table.collect(ids.flatten(), gradient.reshape(-1, gradient.shape[-1]))
        return None, None, None


def use_lasting_embeddings(model: nn.Module) -> None:
    """Let all tables of a model keep the memory of their gradients; their class is changed in place."""
    for module in model.modules():
        if type(module) is nn.Embedding and module.max_norm is None and not module.scale_grad_by_freq:
            module.__class__ = LastingEmbedding
            module._gradient = None  # type: ignore[assignment]
