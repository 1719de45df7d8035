"""Train: from a request to a run directory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bertkit import bundle
from bertkit.compute.device import Placement, check_device_word
from bertkit.config import TrainConfig
from bertkit.errors import StrictError, UsageError
from bertkit.training.advice import advice
from bertkit.training.checkpoint import Checkpoints, best_name
from bertkit.training.drive import Totals, drive
from bertkit.training.finish import Finished, finish
from bertkit.training.gallery import write_gallery
from bertkit.training.learner import build_learner, place_training, plan_of
from bertkit.training.loop import Learner, LoopState, StepFacts
from bertkit.training.place import choose_output, is_finished, open_output
from bertkit.training.prepare import Prepared, check_names, prepare
from bertkit.training.resume import check_same_data, resumed_config, resumed_placement, setup_of
from bertkit.training.tracking import wants_tensorboard


@dataclass(frozen=True)
class Started:
    """What a training will do; the first thing a listener hears."""

    config: TrainConfig
    run: Path
    rows: dict[str, int]
    labels: tuple[str, ...]
    parameters: int
    total_steps: int
    step: int
    placement: Placement


@dataclass(frozen=True)
class TrainResult:
    """What `bertkit train` prints; metrics and baselines are of the validation split."""

    run: str
    steps: int = 0
    resumed_from_step: int = 0
    best_step: int = 0
    seconds: float = 0.0
    rows_per_second: float = 0.0
    tokens_per_second: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


Event = Started | StepFacts | str
Listener = Callable[[Event], None]


def train(config: TrainConfig, listener: Listener = lambda _: None) -> TrainResult:
    """Train a model and write a run directory.

    Args:
        config: the request.
        listener: hears what happens: sentences, a `Started`, then `StepFacts`.

    Raises:
        BertkitError: see `errors.py`; nothing is left behind where training never began.
        Interrupted: Ctrl-C or a termination signal; the run can be resumed.
        StrictError: --strict, and there are warnings: about the rows or the tokenizer before
            training begins, about the scores when the run is complete.
    """
    place = _checked_place(config)
    if config.resume and is_finished(place):
        listener(f"{place} is finished; nothing to resume")
        return _finished_result(place)
    checkpoints = Checkpoints(place)
    setup = checkpoints.load_setup() if config.resume else None
    if config.resume and setup is None:
        listener(f"{place} has no checkpoint; starting at step 0")
    if setup is not None:
        config = resumed_config(config, setup)
    prepared = _prepared(config, checkpoints.folder / "setup" if setup else None, listener)
    if setup is not None:
        check_same_data(prepared, setup)
    if config.strict and prepared.warnings:
        raise StrictError(f"--strict: {prepared.warnings[0]}. Nothing was trained.")
    result = _train_prepared(prepared, place, setup, listener)
    if config.strict and result.warnings:
        raise StrictError(f"--strict: {result.warnings[0]}. The run is complete in {place}.")
    return result


def plan_training(config: TrainConfig, listener: Listener = lambda _: None) -> Started:
    """Do all that --dry-run shows: load, split, encode and build; nothing is written."""
    place = _checked_place(config)
    prepared = _prepared(config, None, listener)
    placement = place_training(prepared.config)
    learner = build_learner(prepared, placement)
    for sentence in advice(prepared, learner.bare_model.encoder):
        listener(sentence)
    return _started(prepared, place, placement, learner, step=0)


def _checked_place(config: TrainConfig) -> Path:
    check_names(config)
    check_device_word(config.device)
    return choose_output(config)


def _prepared(config: TrainConfig, saved_tokenizer: Path | None, listener: Listener) -> Prepared:
    if not config.data:
        raise UsageError("DATA is missing; name a data set, a sample or a file.")
    prepared = prepare(config, saved_tokenizer, listener)
    for sentence in (*prepared.dataset.notes, *(f"warning: {w}" for w in prepared.warnings)):
        listener(sentence)
    return prepared


def _train_prepared(prepared: Prepared, place: Path, setup: dict[str, Any] | None, listener: Listener) -> TrainResult:
    began = time.perf_counter()
    checkpoints = Checkpoints(place)
    placement = resumed_placement(prepared.config, setup) if setup else place_training(prepared.config)
    learner = build_learner(prepared, placement)
    for sentence in advice(prepared, learner.bare_model.encoder):
        listener(sentence)
    open_output(place, replace_old=prepared.config.force and setup is None)
    if setup is None:
        checkpoints.save_setup(setup_of(prepared, placement), prepared.tokenizer.save)
    newest = checkpoints.newest() if setup is not None else None
    state = checkpoints.load_step(newest, learner.bare_model, learner.optimizer) if newest else LoopState()
    resumed_from = state.step
    listener(_started(prepared, place, placement, learner, step=state.step))
    totals = drive(prepared, learner, placement, state, checkpoints, listener)
    learner.bare_model.load_state_dict(checkpoints.load_weights(best_name(state.best_step)))
    finished = finish(prepared, learner, placement)
    result = _result(finished, place, state, resumed_from, totals)
    result = replace(result, seconds=round(time.perf_counter() - began, 2))
    stored = {name: value for name, value in asdict(result).items() if name != "run"}
    scored = finished.save(place, prepared, learner, stored)
    if wants_tensorboard(prepared.config.tensorboard):
        write_gallery(place / "events", scored, prepared.validation, placement, state.best_step)
    if not prepared.config.keep_checkpoints:
        checkpoints.remove()
    return result


def _started(prepared: Prepared, place: Path, placement: Placement, learner: Learner, *, step: int) -> Started:
    plan = plan_of(prepared.config)
    return Started(
        config=prepared.config,
        run=place,
        rows={split: len(examples) for split, examples in prepared.dataset.splits.items()},
        labels=prepared.task.settings.labels,
        parameters=sum(p.numel() for p in learner.model.parameters()),
        total_steps=plan.epochs * plan.steps_per_epoch(len(prepared.rows)),
        step=step,
        placement=placement,
    )


def _result(finished: Finished, place: Path, state: LoopState, resumed_from: int, totals: Totals) -> TrainResult:
    return TrainResult(
        run=str(place),
        steps=state.step,
        resumed_from_step=resumed_from,
        best_step=state.best_step,
        rows_per_second=round(totals.rows / totals.seconds, 1),
        tokens_per_second=round(totals.tokens / totals.seconds, 1),
        metrics=finished.evaluation.metrics,
        baselines=finished.evaluation.baselines,
        warnings=finished.evaluation.warnings,
    )


def _finished_result(place: Path) -> TrainResult:
    training = bundle.load_manifest(place).training
    known = {name: training[name] for name in TrainResult.__dataclass_fields__ if name in training}
    return TrainResult(**{**known, "run": str(place), "warnings": tuple(known.get("warnings", ()))})
