"""Checkpoints: all a run needs to go on exactly, as safetensors and JSON, never pickled.

    checkpoints/
      setup/            what is fixed at the start: config, task settings, tokenizer
      best-000123/      the best weights so far
      epoch-0004/       weights at the end of an epoch that is still averaged
      step-000456/      weights, optimizer and loop state of the newest step

A folder is written under another name and renamed, so that a run killed at any moment
finds whole checkpoints only. Randomness needs no file: it is a function of (seed, step).
Of several processes the first reads and writes, and gives the others what it has read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.compute.processes import ALONE, World
from bertkit.errors import OutputError, RunError
from bertkit.kinds import MisfitError, read_object, record_of
from bertkit.models.weights import read_weights
from bertkit.training.loop import LoopState
from bertkit.training.optim import load_optimizer_tensors, optimizer_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

FOLDER = "checkpoints"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run directory."""

    run: Path
    world: World = ALONE

    @property
    def folder(self) -> Path:
        """The folder that holds them."""
        return self.run / FOLDER

    def newest(self) -> Path | None:
        """Return the newest whole checkpoint, or None."""
        return self.world.from_main(lambda: max(self.folder.glob("step-*"), default=None))

    def save_setup(self, values: dict[str, Any], save_tokenizer: Callable[[Path], None]) -> None:
        """Write what is fixed for the whole run."""

        def fill(folder: Path) -> None:
            (folder / "setup.json").write_text(json.dumps(values, ensure_ascii=False, indent=2), encoding="utf-8")
            save_tokenizer(folder)

        self._write("setup", fill)

    def load_setup(self) -> dict[str, Any] | None:
        """Return what `save_setup` wrote, or None where training never began.

        Raises:
            RunError: the file is damaged.
        """
        path = self.folder / "setup" / "setup.json"
        return self.world.from_main(lambda: _read_json(path) if path.is_file() else None)

    def save_weights(self, name: str, weights: dict[str, Tensor]) -> None:
        """Write weights that the next checkpoint will name: the best so far, or an epoch's."""
        from safetensors.torch import save_file

        self._write(name, lambda folder: save_file(_contiguous(weights), folder / "model.safetensors"))

    def load_weights(self, name: str) -> dict[str, Tensor]:
        """Return weights, on the CPU.

        Raises:
            RunError: they are missing or damaged.
        """
        return self._tensors(self.folder / name / "model.safetensors")

    def save_step(
        self, state: LoopState, model: nn.Module, optimizer: Optimizer, *, keep: Collection[str] = ()
    ) -> None:
        """Write the newest step, then remove what it replaces; `keep` names what it still needs."""
        from safetensors.torch import save_file

        if not self.world.is_main:
            return

        def fill(folder: Path) -> None:
            save_file(_contiguous(model.state_dict()), folder / "model.safetensors")
            save_file(_contiguous(optimizer_tensors(optimizer)), folder / "optimizer.safetensors")
            (folder / "state.json").write_text(json.dumps(state.to_json()), encoding="utf-8")

        name = f"step-{state.step:06d}"
        self._write(name, fill)
        kept = {name, best_name(state.best_step), "setup", *keep}
        for old in self.folder.iterdir():
            if old.name not in kept:
                shutil.rmtree(old, ignore_errors=True)

    def load_step(self, folder: Path, model: nn.Module, optimizer: Optimizer) -> LoopState:
        """Put weights and optimizer back and return the loop's state.

        Raises:
            RunError: the checkpoint is damaged or of another model.
        """
        try:
            model.load_state_dict(self._tensors(folder / "model.safetensors"))
            load_optimizer_tensors(optimizer, self._tensors(folder / "optimizer.safetensors"))
            return record_of(LoopState, self.world.from_main(lambda: _read_json(folder / "state.json")), "state.json")
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(f"{folder}: does not fit this run ({reason}); start again with --force.") from error

    def remove(self) -> None:
        """Delete all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tensors(self, path: Path) -> dict[str, Tensor]:
        return self.world.tensors_from_main(lambda: _load(path))

    def _write(self, name: str, fill: Callable[[Path], None]) -> None:
        if not self.world.is_main:
            return
        place, beside = self.folder / name, self.folder / f".{name}.tmp"
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(parents=True)
            fill(beside)
            if place.exists():
                shutil.rmtree(place)
            beside.rename(place)
        except OSError as error:
            raise OutputError(
                f"{place}: cannot be written ({error.strerror or error}); check space and rights."
            ) from error


def best_name(step: int) -> str:
    """Name the weights that were best at a step."""
    return f"best-{step:06d}"


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return read_weights(path)
    except MisfitError as error:
        raise RunError(f"{path}: {error}; start again with --force.") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_object(path)
    except MisfitError as error:
        raise RunError(f"{path}: {error}; start again with --force.") from error
