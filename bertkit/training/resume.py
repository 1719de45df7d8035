"""Going on with a run: what is stored at its start, and what must still agree."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from bertkit.bundle import versions
from bertkit.compute.device import Placement
from bertkit.config import TrainConfig, flag, from_mapping
from bertkit.errors import DeviceError, RunError, UsageError
from bertkit.training.learner import place_training
from bertkit.training.prepare import Prepared, describe_data

REQUESTS = ("output", "resume", "force", "keep_checkpoints", "strict", "dry_run")


def setup_of(prepared: Prepared, placement: Placement) -> dict[str, Any]:
    """Return what a run stores before its first step."""
    return {
        "config": prepared.config.saved(),
        "fingerprint": prepared.dataset.fingerprint,
        "data": describe_data(prepared),
        "placement": asdict(placement),
        "versions": versions(),
    }


def resumed_config(config: TrainConfig, setup: dict[str, Any]) -> TrainConfig:
    """Take the stored config; what this call gives must agree with it.

    Raises:
        UsageError: a value given now differs from the one the run began with.
    """
    stored = from_mapping(setup["config"], source="the checkpoint")
    # Whether it is the same data, the fingerprint decides; a path may be spelt otherwise.
    for name in sorted(config.given - {"data", "data_dir", *REQUESTS}):
        value, began_with = getattr(config, name), getattr(stored, name)
        if value != began_with:
            raise UsageError(
                f"{flag(name)} {value}: the run began with {began_with}, and a resumed run goes on as it began; "
                "leave the flag out, or start again with --force."
            )
    return replace(
        stored,
        data=config.data or stored.data,
        data_dir=config.data_dir or stored.data_dir,
        **{name: getattr(config, name) for name in REQUESTS},
    )


def check_same_data(prepared: Prepared, setup: dict[str, Any]) -> None:
    """Compare the data with what the run began on.

    Raises:
        RunError: it has changed.
    """
    if setup["fingerprint"] != prepared.dataset.fingerprint:
        raise RunError(f"{prepared.dataset.name}: the data has changed since the run began; start again with --force.")


def resumed_placement(config: TrainConfig, setup: dict[str, Any]) -> Placement:
    """Return the placement the run began with.

    Raises:
        DeviceError: this machine cannot give it.
    """
    stored = Placement(**setup["placement"])
    placement = place_training(config, threads=stored.threads)
    if placement != stored:
        raise DeviceError(
            f"the run began on {stored.device} in {stored.precision} with {stored.threads} threads, and here it "
            f"would go on on {placement.device} in {placement.precision} with {placement.threads}; go on where it "
            "began, or start again with --force."
        )
    return placement
