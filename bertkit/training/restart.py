"""A launcher that starts all processes again when one has died (`torchrun --max-restarts`).

It gives the same command, which would find its own folder there and refuse it. So the training
of that very request that waits in its folder is gone on with, as with --resume.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from bertkit.config import TrainConfig
from bertkit.files import exists
from bertkit.plain import to_json
from bertkit.run_folder import REQUEST, lasting, next_of, read_marked
from bertkit.training.output import candidates

_VARIABLE = "TORCHELASTIC_RESTART_COUNT"


def restarts() -> int:
    """Return how often the launcher has started the processes again."""
    said = os.environ.get(_VARIABLE, "")
    return int(said) if said.isdecimal() else 0


def after_restart(config: TrainConfig) -> TrainConfig:
    """Return a request as it is to be done: where it was begun before a restart, it is gone on with.

    Args:
        config: the request as it was given.
    """
    if config.resume or not restarts():
        return config
    asked = to_json(config.saved())
    found = [place for place in _places(config) if any(_asked(work) == asked for work in _works(place))]
    # Numbers are taken in their order: the last one that waits is the newest.
    return replace(config, output=str(found[-1]), resume=True) if found else config


def _places(config: TrainConfig) -> Iterator[Path]:
    """Yield the folders that the request may have been given."""
    if config.output:
        return iter([Path(config.output)])
    base = next(candidates(replace(config, resume=False, force=True)))
    numbered = (base if n == 1 else base.with_name(f"{base.name}-{n}") for n in range(1, 10_000))
    return takewhile(lambda place: any(map(exists, _works(place))), numbered)


def _works(place: Path) -> tuple[Path, Path]:
    """Return where a training works whose run will be in a place."""
    return next_of(lasting(place)), lasting(place)


def _asked(work: Path) -> str:
    """Return what the training that waits in a folder was asked; nothing where none does."""
    return to_json(read_marked(work, REQUEST).get("config"))
