"""Going on with a run: what is stored at its start, and what must still agree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from bertkit.bundle import FORMAT_VERSION, versions
from bertkit.compute.device import Placement
from bertkit.compute.processes import World
from bertkit.config import TrainConfig, flag, from_mapping
from bertkit.data.loading import fingerprint
from bertkit.data.request import DataRequest
from bertkit.data.sources import lasting_names
from bertkit.data.splits import SPLIT_FORM
from bertkit.errors import BertkitError, DeviceError, RunError, UnknownNameError, UsageError
from bertkit.files import is_dir
from bertkit.kinds import MisfitError, value_of
from bertkit.models.registry import find_model
from bertkit.run_folder import REQUEST, SETUP, lasting
from bertkit.training.learner import place_training
from bertkit.training.loop import LoopState
from bertkit.training.prepare import Prepared, describe_data

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
        stored = _found_again(from_mapping(setup["config"], source="config"), setup)
        if not stored.data:
            raise MisfitError("config.data names no data")
        if "model" not in config.given:
            find_model(stored.model)
    # Whether it is the same data, the fingerprint decides; a path may be spelt otherwise.
    for name in sorted(config.given - {"data", "data_dir", *REQUESTS}):
        value, began_with = getattr(config, name), getattr(stored, name)
        if value != began_with:
            raise UsageError(
                f"{flag(name)} {value}: the run began with {began_with}, and a resumed run goes on as it began; "
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
        if trained is not None and value != trained:
            raise UsageError(
                f"{flag(name)} {value}: {shown} is finished, and was trained with {trained}; train another run with "
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
            f"{shown}: its newest checkpoint's state.json is of no step of this training; start again with --force."
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
            f"would go on on {placement.device} in {placement.precision} with {placement.threads}; go on where it "
            "began, or start again with --force."
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
    for rank, others in enumerate(world.to_main(own)):
        for name, value in own.items():
            if others[name] != value:
                raise RunError(
                    f"process {rank} of {world.size} has other {name} than process 0: give every machine the same "
                    "data, models, versions and kind of device."
                )
