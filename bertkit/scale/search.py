"""What a search was asked, in its folder: it goes on, and other processes join, by the folder's name alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit.bundle import versions
from bertkit.config import TrainConfig, from_mapping
from bertkit.errors import OutputError, RunError, UsageError
from bertkit.files import exists, is_dir, is_file, write_errors, write_json
from bertkit.kinds import MisfitError, read_object, value_of
from bertkit.plain import shell_words
from bertkit.scale.found_runs import SEARCH
from bertkit.scale.space import Space, space_from_json, space_json
from bertkit.training.resume import request_to_store

FORMAT = 1
_LONGEST = 200


@dataclass(frozen=True)
class Asked:
    """What `bertkit tune` is asked.

    Attributes:
        config: the request of every trial, but for what is varied.
        trials: how many there are to be, of all processes together; None: as many as there is time for.
        minutes: after which no trial begins; None: no matter.
        space: a file of what is varied; None: a space by model.
        seeds: how often the best and the default recipe are trained at the end.
        prunes: whether trials that lag behind end early.
        output: the folder; None: one of its own name in runs.
        resume: whether a search is gone on with, or joined.
    """

    config: TrainConfig
    trials: int | None = None
    minutes: float | None = None
    space: Path | None = None
    seeds: int = 3
    prunes: bool = True
    output: Path | None = None
    resume: bool = False


@dataclass(frozen=True)
class Begun:
    """What a search stores of itself: all that its processes must share."""

    config: TrainConfig
    metric: str
    space: Space
    recipe: dict[str, Any]
    seeds: int
    prunes: bool
    fingerprint: str
    trials: int | None = None
    minutes: float | None = None

    def save(self, folder: Path) -> None:
        """Write it; the folder is a search when it is there.

        Raises:
            OutputError: it cannot be written.
        """
        values = {
            "format_version": FORMAT,
            "request": request_to_store(self.config),
            "given": sorted(self.config.given),
            "metric": self.metric,
            "space": space_json(self.space),
            "recipe": self.recipe,
            "seeds": self.seeds,
            "prunes": self.prunes,
            "fingerprint": self.fingerprint,
            "trials": self.trials,
            "minutes": self.minutes,
            "versions": versions(),
        }
        with write_errors(folder / SEARCH, "--output", way_on="choose another folder"):
            write_json(folder / SEARCH, values)


def read_begun(folder: Path) -> Begun:
    """Read what a search stores.

    Raises:
        RunError: it is none, or is damaged.
    """
    if not is_file(folder / SEARCH):
        raise RunError(
            f"{folder}: is no search of `bertkit tune`; name one with --output, or begin one without --resume."
        )
    try:
        values = read_object(folder / SEARCH)
        request = value_of(dict[str, Any], values.get("request"), "request")
        stored = value_of(dict[str, Any], request.get("config"), "request.config")
        lasting = value_of(dict[str, Any], request.get("lasting"), "request.lasting")
        given = value_of(tuple[str, ...], values.get("given"), "given")
        # Names of files mean the same from every folder.
        kept = {name: value for name, value in {**stored, **lasting}.items() if name in given}
        return Begun(
            config=from_mapping(kept, source=str(folder / SEARCH)),
            metric=value_of(str, values.get("metric"), "metric"),
            space=space_from_json(values.get("space")),
            recipe=value_of(dict[str, Any], values.get("recipe"), "recipe"),
            seeds=value_of(int, values.get("seeds"), "seeds"),
            prunes=value_of(bool, values.get("prunes"), "prunes"),
            fingerprint=value_of(str, values.get("fingerprint"), "fingerprint"),
            trials=value_of(int | None, values.get("trials"), "trials"),
            minutes=value_of(float | None, values.get("minutes"), "minutes"),
        )
    except (MisfitError, UsageError) as error:
        raise RunError(
            f"{folder / SEARCH}: {str(error).rstrip('.')}; begin the search again in another folder."
        ) from error


def new_folder(asked: Asked) -> Path:
    """Return the folder of a search that begins.

    Raises:
        OutputError: something is there.
    """
    if asked.output is None:
        return next(folder for folder in _candidates(asked.config) if not exists(folder))
    if exists(asked.output) and not (is_dir(asked.output) and not any(asked.output.iterdir())):
        what = "add --resume to go on with it" if is_file(asked.output / SEARCH) else "choose another folder"
        raise OutputError(f"--output {asked.output}: is not empty; {what}.")
    return asked.output


def _candidates(config: TrainConfig) -> Iterator[Path]:
    first = config.data[0] if config.data else "search"
    words = [Path(first.replace("sample:", "")).name or first, Path(config.model).name, "tune"]
    name = re.sub(r"[^\w.-]+", "-", "-".join(words)).strip("-").encode()[:_LONGEST].decode(errors="ignore")
    for n in range(1, 10_000):
        yield Path("runs", name if n == 1 else f"{name}-{n}")


def refuse_other(asked: Asked, begun: Begun) -> None:
    """Refuse options beside --resume that say something else than the search began with.

    Raises:
        UsageError: one is given.
    """
    given = [
        name
        for name in sorted(asked.config.given - {"data"})
        if getattr(asked.config, name) != getattr(begun.config, name)
    ]
    if given or asked.space is not None or asked.config.data:
        what = f"--{given[0].replace('_', '-')}" if given else "--space" if asked.space is not None else "DATA"
        raise UsageError(f"--resume: a search goes on as it began; leave {what} out, or begin another one.")


def resume_line(folder: Path) -> str:
    """Return the command that goes on with a search."""
    return f"`bertkit {shell_words(['tune', '--resume', '--output', str(folder)])}`"


def trial_config(base: TrainConfig, options: dict[str, Any]) -> TrainConfig:
    """Return the request of a trial: that of the search, and what the trial varies.

    What a file of options may say of one run in one folder (`folds`, `resume`, …) is not for trials.

    Raises:
        UsageError: the options do not go together.
    """
    base = replace(base, folds=None, resume=False, force=False, keep_checkpoints=False, dry_run=False)
    return from_mapping(options, source="the search", base=replace(base, strict=False, tensorboard=False))
