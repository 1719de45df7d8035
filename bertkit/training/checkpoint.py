"""Checkpoints: all that a run needs to continue exactly; averages of them; resuming a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.bundle import FORMAT_VERSION, versions
from bertkit.compute.device import Placement
from bertkit.compute.processes import ALONE, World
from bertkit.config import TrainConfig, flag, from_mapping
from bertkit.data.loading import fingerprint
from bertkit.data.sources import lasting_names
from bertkit.data.splits import SPLIT_FORM, DataRequest
from bertkit.errors import BertkitError, DeviceError, RunError, UnknownNameError, UsageError
from bertkit.files import is_dir, is_file, save_tensors, sync, sync_tree, temporary, write_errors, write_json
from bertkit.kinds import MisfitError, read_object, record_of, value_of
from bertkit.models.registry import find_model
from bertkit.models.weights import read_weights
from bertkit.run_folder import CHECKPOINTS, REQUEST, SETUP, lasting, remove_checkpoints, resume_command
from bertkit.training.loop import LoopState, load_optimizer_tensors, optimizer_tensors, place_training
from bertkit.training.prepare import Prepared, describe_data

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

# --- Checkpoints: all a run needs to go on exactly, as safetensors and JSON, never pickled --------
#
#     checkpoints/
#       request.json      what was asked; first of all (`place.py`)
#       setup/            what is fixed at the start: config, task settings, tokenizer
#       best-000123/      the best weights so far
#       epoch-0004/       weights at the end of an epoch that is still averaged
#       step-000456/      weights, optimizer and loop state of the newest step
#
# A folder is written under another name and renamed when all of it is on the disk, so that a
# run killed at any moment, or a power cut, finds whole checkpoints only; what a new one
# replaces is deleted after that. Randomness needs no file: it is a function of (seed, step).
# Of several processes the first reads and writes, and gives the others what it has read.


_SOUP = "soup-"


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
        return self.world.broadcast(lambda: max(self._steps(), key=lambda each: int(each.name[5:]), default=None))

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
        return self.world.broadcast(lambda: self._json(path) if is_file(path) else None)

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

    def member(self, number: int) -> Checkpoints:
        """Return where a training of a soup keeps its own, until its weights are saved among these."""
        return Checkpoints(self.folder / f"member-{number:03d}", self.world, self.shown)

    def has_weights(self, name: str) -> bool:
        """Tell whether such weights were saved."""
        return self.world.broadcast((self.folder / name).is_dir)

    def save_member(self, number: int, weights: dict[str, Tensor]) -> None:
        """Write the best weights of a training of a soup, then remove what it had for itself."""
        self.save_weights(soup_name(number), weights)
        if self.world.is_main:
            shutil.rmtree(self.member(number).run, ignore_errors=True)

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

        name, soup = f"step-{state.step:06d}", {each.name for each in self.folder.glob(f"{_SOUP}*")}
        self._write(name, fill)
        remove_checkpoints(self.folder, keep={name, best_name(state.best_step), "setup", REQUEST.name, *soup, *keep})

    def load_step(self, folder: Path, model: nn.Module, optimizer: Optimizer) -> LoopState:
        """Put weights and optimizer back and return the loop's state.

        Raises:
            RunError: the checkpoint is damaged or of another model.
        """
        try:
            model.load_state_dict(self._tensors(folder / "model.safetensors"))
            load_optimizer_tensors(optimizer, self._tensors(folder / "optimizer.safetensors"))
            state = record_of(LoopState, self.world.broadcast(lambda: self._json(folder / "state.json")), "state.json")
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
        return self.world.broadcast_tensors(lambda: self._load(path))

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
        with write_errors(shown, way_on=f"fix that, then continue with {resume_command(shown)}"):
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


def soup_name(number: int) -> str:
    """Name the weights of a training of a soup."""
    return f"{_SOUP}{number:03d}"


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


# --- Average the weights of the last epochs (Izmailov et al. 2018; Vaswani et al. 2017, section 6.1)
#
# On few rows the weights of one epoch are a noisy draw; the mean of some neighbours is scored
# and kept instead. The snapshots lie among the checkpoints, so a resumed run averages the same.


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
        return mean_weights(list(self.snapshots.values()))

    def best_of(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the weights that were just scored."""
        return model.state_dict() if self.n == 1 else self.mean()


def mean_weights(each: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of several weights of one model, tensor by tensor."""
    import torch

    return {name: torch.stack([weights[name] for weights in each]).mean(dim=0) for name in each[0]}


def _name(epoch: int) -> str:
    return f"epoch-{epoch:04d}"


# --- Going on with a run: what is stored at its start, and what must still agree ------------------

# Processes of a training, and threads of each of them, that a checkpoint may name.
MOST = 65_536
REQUESTS = ("output", "resume", "force", "keep_checkpoints", "strict", "dry_run")
# What does not decide which model a finished training has made.
OF_THE_MACHINE = ("device", "precision", "threads", "compile", "tensorboard", "log_every")


def request_to_store(config: TrainConfig) -> dict[str, Any]:
    """Return what a training was asked, to be stored before it reads anything."""
    return {
        "format_version": FORMAT_VERSION,
        "config": config.saved(),
        "lasting": _lasting(config),
        "keep_checkpoints": config.keep_checkpoints,
        "versions": versions(),
    }


def setup_of(prepared: Prepared, placement: Placement, world: World) -> dict[str, Any]:
    """Return what a run stores before its first step."""
    return {
        "config": prepared.config.saved(),
        "lasting": _lasting(prepared.config),
        "fingerprint": prepared.dataset.fingerprint,
        "data": describe_data(prepared.config, prepared.dataset),
        "placement": asdict(placement),
        "processes": world.size,
        "versions": versions(),
    }


def resumed_config(config: TrainConfig, setup: dict[str, Any]) -> TrainConfig:
    """Take the stored config; what this call gives must agree with it.

    Raises:
        UsageError: a value given now differs from the one the run began with.
        RunError: what is stored is damaged.
    """
    with _stored(config, SETUP):
        _check_setup(setup)
        # A run that began before there were soups is none, whatever is usual now.
        stored = _found_again(from_mapping({"soup": 1, **setup["config"]}, source="config"), setup)
        if not stored.data:
            raise MisfitError("config.data names no data")
        if "model" not in config.given:
            find_model(stored.model)
    # Whether it is the same data, the fingerprint decides; a path may be spelt otherwise.
    for name in sorted(config.given - {"data", "data_dir", *REQUESTS}):
        value, began_with = getattr(config, name), getattr(stored, name)
        if value != began_with:
            raise UsageError(
                f"{flag(name)} {value}: the run began with {began_with}, and a resumed run continues as it began; "
                "leave it out, or start again with --force."
            )
    return _asked_now(config, stored)


def refuse_changes(config: TrainConfig, trained_with: Mapping[str, Any], shown: Path) -> None:
    """Refuse to resume a finished run with other options than it was trained with, rather than drop the wish.

    Raises:
        UsageError: an option that decides the model differs.
    """
    for name in sorted(config.given - {"data", "data_dir", *OF_THE_MACHINE, *REQUESTS}):
        value, trained = getattr(config, name), trained_with.get(name)
        if name in trained_with and value != trained:
            raise UsageError(
                f"{flag(name)} {value}: {shown} is finished, and was trained with {trained}; train another run "
                "with --output, or replace this one with --force."
                if trained is not None
                else f"{flag(name)} {value}: {shown} is finished, and was trained without it; train another run with "
                "--output, or replace this one with --force."
            )


def requested_config(config: TrainConfig, request: dict[str, Any]) -> TrainConfig:
    """Take what was asked when nothing had been learnt yet; what this call gives goes before it.

    Raises:
        RunError: what is stored is damaged.
    """
    with _stored(config, REQUEST):
        asked = from_mapping(value_of(dict[str, Any], request.get("config"), "config"), source="config")
        stored = _found_again(asked, request)
    given = {name: getattr(config, name) for name in config.given}
    return _asked_now(config, replace(stored, **given))


def _check_setup(setup: dict[str, Any]) -> None:
    for name, kind in (("config", dict[str, Any]), ("fingerprint", str), ("placement", Placement)):
        value_of(kind, setup.get(name), name)
    for name, number in (("processes", setup.get("processes", 1)), ("threads", setup["placement"]["threads"])):
        if not 1 <= value_of(int, number, name) <= MOST:
            raise MisfitError(f"{name} is {number} and should be from 1 to {MOST:,}")


@contextmanager
def _stored(config: TrainConfig, file: Path) -> Iterator[None]:
    """Say in one sentence what of a stored training is damaged; no flag is to blame.

    Raises:
        RunError: it is.
    """
    try:
        yield
    except (MisfitError, UsageError, UnknownNameError) as error:
        reason = str(error).rstrip(".")
        raise RunError(f"{config.output or 'the run'}: {file}: {reason}; start again with --force.") from error


def _asked_now(config: TrainConfig, stored: TrainConfig) -> TrainConfig:
    return replace(
        stored,
        data=config.data or stored.data,
        data_dir=config.data_dir or stored.data_dir,
        **{name: getattr(config, name) for name in REQUESTS},
    )


def _lasting(config: TrainConfig) -> dict[str, Any]:
    """Return what names files and folders so that it means the same from every folder."""
    data_dir = None if config.data_dir is None else lasting(Path(config.data_dir))
    return {
        "data": lasting_names(config.data, data_dir),
        "data_dir": None if data_dir is None else str(data_dir),
        "model": _lasting_model(config.model),
        "tokenizer": None if config.tokenizer is None else _lasting_folder(config.tokenizer),
    }


def _lasting_model(name: str) -> str:
    try:
        spec = find_model(name)
    except BertkitError:
        return name
    return name if spec.is_scratch or spec.hub_id is not None else _lasting_folder(name)


def _lasting_folder(name: str) -> str:
    return str(lasting(Path(name))) if is_dir(Path(name)) else name


def _found_again(began: TrainConfig, stored: dict[str, Any]) -> TrainConfig:
    """Spell files and folders out where their names mean something else from here than they did."""
    then = stored.get("lasting")
    if not isinstance(then, dict):  # of an earlier version
        return began
    moved = {name: then[name] for name, now in _lasting(began).items() if now and then.get(name) not in (None, [], now)}
    return from_mapping(moved, source="lasting", base=began)


def check_same_data(prepared: Prepared, setup: dict[str, Any]) -> None:
    """Compare the data with what the run began on.

    Raises:
        RunError: it has changed, or other rows of it are held out.
    """
    if setup["fingerprint"] != prepared.dataset.fingerprint:
        raise RunError(f"{prepared.dataset.name}: the data has changed since the run began; start again with --force.")
    with _stored(prepared.config, SETUP):
        data = value_of(dict[str, Any], setup.get("data"), "data")
        form = DataRequest.from_json(data.get("request"), "data.request").split_form
    is_held_out = fingerprint(prepared.dataset.splits) != prepared.dataset.fingerprint
    if is_held_out and form != SPLIT_FORM:
        raise RunError(
            f"{prepared.dataset.name}: the run began with another version of bertkit, which holds out other "
            "validation rows; start again with --force."
        )


def check_state(state: LoopState, per_epoch: int, shown: Path) -> None:
    """Hold what a checkpoint says of where the loop stood against the steps of an epoch.

    Raises:
        RunError: no loop stands there, and from there it would not end.
    """
    stood = state.epoch * per_epoch + state.step_in_epoch
    if state.step_in_epoch >= per_epoch or state.step != stood or state.best_step > state.step:
        raise RunError(
            f"{shown}: its newest checkpoint's state.json does not belong to this training; start again with --force."
        )


def resumed_placement(
    config: TrainConfig, setup: dict[str, Any], world: World, *, width: int | None = None
) -> Placement:
    """Return the placement the run began with.

    With another number of processes the sums are rounded otherwise anyway, so the number of
    threads is free; of several processes each has its own device, of the same kind.

    Raises:
        DeviceError: this machine cannot give it.
    """
    stored, is_same_number = Placement(**setup["placement"]), processes_of(setup) == world.size
    placement = place_training(config, width=width, threads=stored.threads if is_same_number else None)
    is_alone = is_same_number and world.size == 1

    def what_counts(place: Placement) -> tuple[object, ...]:
        return place.device if is_alone else place.kind, place.precision, place.threads if is_same_number else None

    if what_counts(placement) != what_counts(stored):
        raise DeviceError(
            f"the run began on {stored.device} in {stored.precision} with {stored.threads} threads, and here it "
            f"would continue on {placement.device} in {placement.precision} with {placement.threads}; continue "
            f"it where it began, or start again with --force."
        )
    return placement


def processes_of(setup: dict[str, Any]) -> int:
    """Return how many processes a run began with."""
    return int(setup.get("processes", 1))


def check_alike(world: World, prepared: Prepared, placement: Placement) -> None:
    """Compare what the processes have read and chosen, each for itself; in the first one.

    Raises:
        RunError: one of them has other rows, another tokenizer or another precision.
    """
    if world.size == 1:
        return
    own = {
        "data": prepared.dataset.fingerprint,
        "tokenizer": sha256(prepared.tokenizer.backend.to_str().encode()).hexdigest(),
        "options": json.dumps(prepared.config.saved(), default=str),
        "version of bertkit": versions()["bertkit"],
        "device": f"{placement.kind} in {placement.precision}",
    }
    for rank, others in enumerate(world.gather(own)):
        for name, value in own.items():
            if others[name] != value:
                raise RunError(
                    f"process {rank} of {world.size} has other {name} than process 0: give every machine the same "
                    "data, models, versions and kind of device."
                )
