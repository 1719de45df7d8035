"""TensorBoard events of a run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from bertkit.errors import UsageError
from bertkit.training.loop import StepFacts

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Tracker:
    """Writes loss, learning rate, gradient norm, speed and validation metrics as events.

    Args:
        folder: where the event file goes; None writes nothing.
        every: steps between two points of the training curves.
        purge_step: first step of a resumed run; older points from there on are hidden.
    """

    def __init__(self, folder: Path | None, *, every: int, purge_step: int = 1) -> None:
        self.every = every
        self.writer: SummaryWriter | None = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder), purge_step=purge_step)

    def __call__(self, facts: StepFacts) -> None:
        """Write what happened in a step."""
        if self.writer is None:
            return
        if facts.step % self.every == 0 or facts.step == 1:
            speed = facts.tokens / facts.seconds
            curves = {
                "loss": facts.loss,
                "lr": facts.lr,
                "grad_norm": facts.grad_norm,
                "tokens_per_second": speed,
            }
            for name, value in curves.items():
                self.writer.add_scalar(f"train/{name}", value, facts.step)
        if facts.scores is not None:
            for name, value in facts.scores.metrics.items():
                self.writer.add_scalar(f"validation/{name}", value, facts.step)

    def close(self) -> None:
        """Write what is left and close the file."""
        if self.writer is not None:
            self.writer.close()


def wants_tensorboard(asked: bool | None) -> bool:
    """Decide whether events are written: as asked, else where the package is installed.

    Raises:
        UsageError: asked for, and not installed.
    """
    installed = importlib.util.find_spec("tensorboard") is not None
    if asked and not installed:
        raise UsageError("--tensorboard: the package tensorboard is not installed; `pip install tensorboard`.")
    return installed if asked is None else asked
