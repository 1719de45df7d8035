"""The options of a search and its search space, stored in its folder, so that `--resume` needs only the folder."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bertkit.bundle import versions
from bertkit.config import TrainConfig, flag, from_mapping, options, read_toml
from bertkit.errors import OutputError, RunError, UsageError
from bertkit.files import exists, is_dir, is_file, write_errors, write_json
from bertkit.kinds import MisfitError, read_object, record_of, value_of
from bertkit.models.table import ModelSpec
from bertkit.plain import quoted, shell_words
from bertkit.scale.found_runs import SEARCH
from bertkit.tasks.registry import TASKS_WITH
from bertkit.training.checkpoint import request_to_store

# --- What a search may try: ranges and choices of options of `train`, by model or from a file -----

# What decides which rows are learnt from or scored, or by what, is the same for all trials.
FIXED = frozenset({
    "task", "data_dir", "columns", "validation_fraction", "test_fraction", "folds", "group", "on_error", "limit",
    "positive", "metric", "seed", "log_every", "device", "threads", "tensorboard", "tune_threshold", "tokenizer",
})  # fmt: skip
_DECAYS = (0.0, 0.01, 0.05, 0.1)
_MOST_EPOCHS = 30
_SHARE_STEP = 0.05
_KEYS = "low and high (with log or step), or choices"
_POOLED = ("classify", "multilabel", "regression")


@dataclass(frozen=True)
class Dimension:
    """The values that an option may take: some choices, or all from `low` to `high`.

    `log` spreads them evenly over orders of magnitude; `step` is between two of them.
    """

    name: str
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    whole: bool = False

    def holds(self, value: Any) -> bool:
        """Tell whether it may take a value."""
        if self.choices:
            return value in self.choices
        if not isinstance(value, int | float) or self.low is None or self.high is None:
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return math.isclose(steps, round(steps), abs_tol=1e-6) and self.low <= value <= self.high

    def __str__(self) -> str:
        if self.choices:
            return ", ".join(map(str, self.choices))
        return f"{self.low:g} to {self.high:g}" + " (log)" * self.log


Space = Mapping[str, Dimension]


def default_space(resolved: TrainConfig, spec: ModelSpec, *, task: str, two_texts: bool, given: set[str]) -> Space:
    """Build a small space round the recipe of a model, of what this task and model read.

    Args:
        resolved: the default recipe's figures.
        spec: the model's row.
        task: what is learnt.
        two_texts: whether a row is two texts.
        given: options that somebody has fixed; they are not varied.

    Raises:
        UsageError: all of them are fixed.
    """
    found = {
        one.name: one
        for one in _usual(resolved, spec, task=task, two_texts=two_texts)
        if one.name not in given and task in TASKS_WITH.get(one.name, (task,))
    }
    if not found:
        raise UsageError("tune: every option that is varied by default is given; leave one out, or name a --space.")
    return found


def _usual(resolved: TrainConfig, spec: ModelSpec, *, task: str, two_texts: bool) -> Iterator[Dimension]:
    rate, epochs, batch = float(resolved.lr or 1e-4), int(resolved.epochs or 1), int(resolved.batch_size or 32)
    yield Dimension("lr", low=rate / 4, high=rate * 4, log=True)
    if resolved.init == "pretrained":  # what starts from scratch learns as a whole
        head = float(resolved.head_lr or rate * 4)
        yield Dimension("head_lr", low=head / 4, high=head * 4, log=True)
    yield Dimension("epochs", low=max(1, epochs // 2), high=min(_MOST_EPOCHS, epochs * 2), step=1, whole=True)
    yield Dimension("batch_size", choices=tuple(sorted({max(1, batch // 2), batch, batch * 2})))
    most = max(0.3, (resolved.dropout or 0.0) + 2 * _SHARE_STEP)
    yield Dimension("dropout", low=0.0, high=round(most, 2), step=_SHARE_STEP)
    yield Dimension("weight_decay", choices=tuple(sorted({*_DECAYS, float(resolved.weight_decay or 0.0)})))
    poolings = _poolings(resolved, spec, task=task, two_texts=two_texts)
    if len(poolings) > 1:
        yield Dimension("pooling", choices=poolings)


def _poolings(resolved: TrainConfig, spec: ModelSpec, *, task: str, two_texts: bool) -> tuple[str, ...]:
    if task not in _POOLED:
        return ()
    words = ["cls", "mean"]
    if resolved.pooling == "pooler":
        words.append("pooler")
    if two_texts and not resolved.portable:
        words += ["match", "align"]
    return tuple(dict.fromkeys((*words, str(resolved.pooling))))


def read_space(path: Path, given: set[str]) -> Space:
    """Read a space from TOML: an option to a line or table, with choices or a range.

    Raises:
        DataError: the file cannot be read, or is no TOML.
        UsageError: a name or a value is none that `train` takes, or is given on the command line too.
    """
    source = f"--space {path}"
    found = [_read(name, value, source) for name, value in read_toml(path, source).items()]
    if not found:
        raise UsageError(f"{source}: names no option.")
    for one in found:
        if one.name in given:
            raise UsageError(f"{source}: varies {flag(one.name)}, which is also given; leave one of the two out.")
    return {one.name: one for one in found}


def _read(name: str, value: Any, source: str) -> Dimension:
    named, kind = name.replace("-", "_"), {spec.name: spec for spec in options(TrainConfig)}
    if named not in kind:
        raise UsageError(f"{source}: no option is called {quoted(name)}; `bertkit train --help` lists them.")
    if named in FIXED or not kind[named].metadata["saved"]:
        raise UsageError(f"{source}: {flag(named)} is the same for all trials; give it on the command line.")
    whole = "int" in str(kind[named].type)
    try:
        values = {"choices": value} if isinstance(value, list) else value
        one = record_of(Dimension, {**values, "name": named, "whole": whole})
    except (MisfitError, TypeError) as error:
        raise UsageError(f"{source}: {name} takes {_KEYS}.") from error
    _check(one, name, source)
    return one


def _check(one: Dimension, name: str, source: str) -> None:
    """Hold a dimension against itself, and its values against the option.

    Raises:
        UsageError: it makes no sense.
    """
    is_range = one.low is not None and one.high is not None
    if len({repr(choice) for choice in one.choices}) < len(one.choices):
        raise UsageError(f"{source}: {name}: names a choice twice.")
    if is_range == bool(one.choices) or (one.log and one.step and not one.whole):
        raise UsageError(f"{source}: {name} takes {_KEYS}.")
    if is_range and (one.low >= one.high or (one.log and one.low <= 0) or (one.step is not None and one.step <= 0)):  # type: ignore[operator]
        raise UsageError(f"{source}: {name}: low must be below high, and with log above 0.")
    ends = one.choices or (one.low, one.high)
    if one.whole and not one.choices and any(end != int(end) for end in (one.low, one.high)):  # type: ignore[arg-type]
        raise UsageError(f"{source}: {name}: is of whole numbers.")
    for end in ends:
        from_mapping({one.name: _plain(end, whole=one.whole and not one.choices)}, source=source)


def _plain(value: Any, *, whole: bool) -> Any:
    return int(value) if whole else value


def space_json(space: Space) -> list[dict[str, Any]]:
    """Return a space as a search stores it."""
    return [asdict(one) for one in space.values()]


def space_from_json(values: Any) -> Space:
    """Build a space from what `space_json` returned.

    Raises:
        MisfitError: it is none.
    """
    if not isinstance(values, list):
        raise MisfitError("space is not a list")
    found = [record_of(Dimension, value, "space") for value in values]
    return {one.name: one for one in found}


# --------------------------------------------------------------------------------------------------
# What a search was asked, in its folder: it goes on, and other processes join, by the folder's name alone.

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
            f"{folder}: is not a search of `bertkit tune`; name one with --output, or begin one without --resume."
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
        what = "add --resume to continue it" if is_file(asked.output / SEARCH) else "choose another folder"
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
        raise UsageError(f"--resume: a search continues as it began; leave {what} out, or begin another one.")


def resume_line(folder: Path) -> str:
    """Return the command that goes on with a search."""
    return f"`bertkit {shell_words(['tune', '--resume', '--output', str(folder)])}`"


def trial_config(base: TrainConfig, options: dict[str, Any]) -> TrainConfig:
    """Return the request of a trial: that of the search, and what the trial varies.

    What a file of options may say of one run in one folder (`folds`, `resume`, …) is not for trials.

    Raises:
        UsageError: the options do not go together.
    """
    base = replace(
        base, soup=base.soup or 1, folds=None, resume=False, force=False, keep_checkpoints=False, dry_run=False
    )
    return from_mapping(options, source="the search", base=replace(base, strict=False, tensorboard=False))
