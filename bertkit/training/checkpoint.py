"""Checkpoints: all a run needs to go on exactly, as safetensors and JSON, never pickled.

    checkpoints/
      request.json      what was asked; first of all (`place.py`)
      setup/            what is fixed at the start: config, task settings, tokenizer
      best-000123/      the best weights so far
      epoch-0004/       weights at the end of an epoch that is still averaged
      step-000456/      weights, optimizer and loop state of the newest step

A folder is written under another name and renamed when all of it is on the disk, so that a
run killed at any moment, or a power cut, finds whole checkpoints only; what a new one
replaces is deleted after that. Randomness needs no file: it is a function of (seed, step).
Of several processes the first reads and writes, and gives the others what it has read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.compute.processes import ALONE, World
from bertkit.errors import RunError
from bertkit.files import is_file, save_tensors, sync, sync_tree, temporary, write_errors, write_json
from bertkit.kinds import MisfitError, read_object, record_of
from bertkit.models.weights import read_weights
from bertkit.ours import remove_checkpoints
from bertkit.run_folder import CHECKPOINTS, REQUEST, resume_command
from bertkit.training.loop import LoopState
from bertkit.training.optim import load_optimizer_tensors, optimizer_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run directory; `shown` is its name in what is said."""

    run: Path
    world: World = ALONE
    shown: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder that holds them."""
        return self.run / CHECKPOINTS

    def newest(self) -> Path | None:
        """Return the newest whole checkpoint, or None."""
        return self.world.from_main(lambda: max(self._steps(), key=lambda each: int(each.name[5:]), default=None))

    def save_setup(self, values: dict[str, Any], save_tokenizer: Callable[[Path], None]) -> None:
        """Write what is fixed for the whole run."""

        def fill(folder: Path) -> None:
            write_json(folder / "setup.json", values)
            save_tokenizer(folder)

        self._write("setup", fill)

    def load_setup(self) -> dict[str, Any] | None:
        """Return what `save_setup` wrote, or None where training never began.

        Raises:
            RunError: the file is damaged.
        """
        path = self.folder / "setup" / "setup.json"
        return self.world.from_main(lambda: self._json(path) if is_file(path) else None)

    def save_weights(self, name: str, weights: dict[str, Tensor]) -> None:
        """Write weights that the next checkpoint will name: the best so far, or an epoch's."""

        def fill(folder: Path) -> None:
            save_tensors(folder / "model.safetensors", _contiguous(weights), lasting=False)

        self._write(name, fill, is_last=False)

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
        if not self.world.is_main:
            return

        def fill(folder: Path) -> None:
            save_tensors(folder / "model.safetensors", _contiguous(model.state_dict()), lasting=False)
            save_tensors(folder / "optimizer.safetensors", _contiguous(optimizer_tensors(optimizer)), lasting=False)
            write_json(folder / "state.json", state.to_json(), lasting=False)

        name = f"step-{state.step:06d}"
        self._write(name, fill)
        remove_checkpoints(self.folder, keep={name, best_name(state.best_step), "setup", REQUEST.name, *keep})

    def load_step(self, folder: Path, model: nn.Module, optimizer: Optimizer) -> LoopState:
        """Put weights and optimizer back and return the loop's state.

        Raises:
            RunError: the checkpoint is damaged or of another model.
        """
        try:
            model.load_state_dict(self._tensors(folder / "model.safetensors"))
            load_optimizer_tensors(optimizer, self._tensors(folder / "optimizer.safetensors"))
            state = record_of(LoopState, self.world.from_main(lambda: self._json(folder / "state.json")), "state.json")
            if min(state.step, state.epoch, state.step_in_epoch, state.best_step, state.stale) < 0:
                raise MisfitError("state.json counts below 0")
            return state
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise RunError(
                f"{self._said(folder)} does not fit this run ({reason}); start again with --force."
            ) from error

    def _steps(self) -> Iterator[Path]:
        return (each.parent for each in self.folder.glob("step-*/state.json") if each.parent.name[5:].isdecimal())

    def _tensors(self, path: Path) -> dict[str, Tensor]:
        return self.world.tensors_from_main(lambda: self._load(path))

    def _load(self, path: Path) -> dict[str, Tensor]:
        try:
            return read_weights(path)
        except MisfitError as error:
            raise RunError(f"{self._said(path)}: {error}; start again with --force.") from error

    def _json(self, path: Path) -> dict[str, Any]:
        try:
            return read_object(path)
        except MisfitError as error:
            raise RunError(f"{self._said(path)}: {error}; start again with --force.") from error

    def _said(self, path: Path) -> str:
        """Name a checkpoint, or a file of one, in the run directory as the user wrote it."""
        return f"{self.shown or self.run}: {path.relative_to(self.run)}"

    def _write(self, name: str, fill: Callable[[Path], None], *, is_last: bool = True) -> None:
        """Write a folder beside its place; its name reaches the disk with that of the last one, which names it."""
        if not self.world.is_main:
            return
        place, shown = self.folder / name, self.shown or self.run
        beside = temporary(place)
        with write_errors(shown, way_on=f"fix that, then go on with {resume_command(shown)}"):
            try:
                shutil.rmtree(beside, ignore_errors=True)
                beside.mkdir(parents=True)
                fill(beside)
                sync_tree(beside)
                if place.exists():  # of a step that is gone through again: the same weights
                    for file in sorted(beside.iterdir()):
                        file.replace(place / file.name)
                    beside.rmdir()
                    sync(place)
                else:
                    beside.rename(place)
                if is_last:
                    sync(self.folder)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise


def best_name(step: int) -> str:
    """Name the weights that were best at a step."""
    return f"best-{step:06d}"


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
