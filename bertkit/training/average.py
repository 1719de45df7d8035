"""Average the weights of the last epochs (Izmailov et al. 2018; Vaswani et al. 2017, section 6.1).

On few rows the weights of one epoch are a noisy draw; the mean of some neighbours is scored
and kept instead. The snapshots lie among the checkpoints, so a resumed run averages the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bertkit.training.checkpoint import Checkpoints

if TYPE_CHECKING:
    from torch import Tensor, nn


class EpochAverage:
    """The mean of the weights at the end of the last `n` epochs.

    Args:
        checkpoints: where snapshots are kept.
        n: how many epochs; 1 averages nothing and keeps no snapshot.
        epoch: epochs done so far; their snapshots are read back.
    """

    def __init__(self, checkpoints: Checkpoints, n: int, *, epoch: int) -> None:
        self.checkpoints, self.n = checkpoints, n
        done = range(max(1, epoch - n + 1), epoch + 1)
        self.snapshots = {e: checkpoints.load_weights(_name(e)) for e in done} if n > 1 else {}

    @property
    def names(self) -> set[str]:
        """The snapshots that must be kept."""
        return {_name(epoch) for epoch in self.snapshots}

    @contextmanager
    def weights_of(self, model: nn.Module, *, epoch: int) -> Iterator[None]:
        """Give the model the mean of the weights up to the end of an epoch, for the body only."""
        if self.n == 1:
            yield
            return
        now = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        self.checkpoints.save_weights(_name(epoch), now)
        self.snapshots[epoch] = now
        self.snapshots.pop(epoch - self.n, None)
        model.load_state_dict(self.mean())
        try:
            yield
        finally:
            model.load_state_dict(now)

    def mean(self) -> dict[str, Tensor]:
        """Return the mean of the snapshots."""
        import torch

        each = list(self.snapshots.values())
        return {name: torch.stack([weights[name] for weights in each]).mean(dim=0) for name in each[0]}

    def best_of(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the weights that were just scored."""
        return model.state_dict() if self.n == 1 else self.mean()


def _name(epoch: int) -> str:
    return f"epoch-{epoch:04d}"
