"""Train: from a request to a run directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit import bundle
from bertkit.baselines.table import fitted_sentence
from bertkit.compute.device import Placement, check_device_word, threads_note
from bertkit.compute.processes import ALONE, World, joined
from bertkit.config import TrainConfig
from bertkit.data.records import DataSet
from bertkit.errors import StrictError, UsageError
from bertkit.evaluation.answers import forward_together
from bertkit.evaluation.blend import PLACEMENT
from bertkit.kinds import MisfitError, record_of
from bertkit.tasks.base import Task
from bertkit.training.checkpoint import (
    Checkpoints,
    check_alike,
    check_same_data,
    processes_of,
    refuse_changes,
    requested_config,
    resumed_config,
    resumed_placement,
    setup_of,
)
from bertkit.training.drive import SoupStep, Totals, drive_to_best, stir, train_members
from bertkit.training.finish import FoldScores, FoldStep, check_folds, finish, score_folds
from bertkit.training.linear import is_wanted, prepare_linear, train_linear
from bertkit.training.loop import (
    Learner,
    LoopState,
    StepFacts,
    build_learner,
    build_model,
    place_training,
    plan_of,
)
from bertkit.training.memory import advice, predict_memory, predict_seconds
from bertkit.training.place import Place, after_restart, opened, planned_place
from bertkit.training.prepare import Prepared, check_names, prepare
from bertkit.training.tracking import wants_tensorboard, write_gallery

if TYPE_CHECKING:
    from bertkit.evaluation.evaluate import Evaluation
    from bertkit.models.heads import TaskModel


@dataclass(frozen=True)
class Started:
    """What a training will do; the first thing a listener hears.

    A plan (--dry-run) also says how much memory it will take, in all and part by part (`Memory`),
    how many seconds, what the task is, and the shape of the encoder.
    """

    config: TrainConfig
    run: Path
    rows: dict[str, int]
    labels: tuple[str, ...]
    parameters: int
    total_steps: int
    step: int
    placement: Placement
    memory_bytes: int | None = None
    memory_parts: dict[str, int] = field(default_factory=dict)
    seconds: float | None = None
    task: str = ""
    shape: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainResult:
    """What `bertkit train` prints; metrics and baselines are of the validation split.

    `metric` chose the best step; `positive` is the class that f1, precision and recall are of. `config`
    has every option as it was resolved, as bertkit.json has. With --folds, `folds` are the figures of each,
    `out_of_fold` those of all rows together, each answered by a model that was trained without it.
    """

    run: str
    steps: int = 0
    resumed_from_step: int = 0
    best_step: int = 0
    metric: str = ""
    positive: str | None = None
    seconds: float = 0.0
    rows_per_second: float = 0.0
    tokens_per_second: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    folds: tuple[dict[str, float], ...] = ()
    out_of_fold: dict[str, float] = field(default_factory=dict)
    out_of_fold_intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """Return what bertkit.json keeps of it under `training`: not what it has elsewhere."""
        return {name: value for name, value in asdict(self).items() if name not in ("run", "config")}


Event = Started | StepFacts | FoldStep | SoupStep | str
Listener = Callable[[Event], None]


def train(config: TrainConfig, listener: Listener = lambda _: None, dataset: DataSet | None = None) -> TrainResult:
    """Train a model and write a run directory.

    Of several processes the first writes, hears and returns all; the others return a result
    without figures as soon as they are not needed any more.

    Args:
        config: the request.
        listener: hears what happens: sentences, a `Started`, then `StepFacts`.
        dataset: the rows, split; None: those that the request names.

    Raises:
        BertkitError: see `errors.py`; nothing is left behind where training never began.
        Interrupted: Ctrl-C or a termination signal; the run can be resumed.
        StrictError: --strict, and there are warnings: about the rows or the tokenizer before
            training begins, about the scores when the run is complete.
        ProcessLostError: another process has ended.
    """
    with joined() as world:
        heard: Listener = listener if world.is_main else lambda _: None
        return _train(_after_restart(config, heard, world), heard, world, dataset)


def _after_restart(config: TrainConfig, listener: Listener, world: World) -> TrainConfig:
    """Go on with what the processes had begun before the launcher started them again."""
    found = world.broadcast(lambda: after_restart(config))
    if found.resume and not config.resume:
        listener(f"the launcher has started the processes again; {found.output} continues from its last checkpoint")
    return replace(config, output=found.output, resume=found.resume)


def _train(config: TrainConfig, listener: Listener, world: World, dataset: DataSet | None) -> TrainResult:
    world.broadcast(lambda: _check_words(config))
    with ExitStack() as stack:
        place = world.broadcast(lambda: stack.enter_context(opened(config)))
        if config.resume and world.broadcast(lambda: place.is_finished):
            finished = world.broadcast(lambda: _finished_result(place))
            world.broadcast(lambda: refuse_changes(config, finished.config, place.shown))
            listener(f"{place.shown} is finished; nothing to resume")
            return finished
        checkpoints = Checkpoints(place.work, world, place.shown)
        setup = checkpoints.load_setup() if config.resume else None
        if setup is None and is_wanted(config, place):
            result = world.broadcast(lambda: _train_linear(config, place, listener, dataset))
            return _strictly(config, result, place)
        prepared = _prepared_at(place, config, checkpoints, setup, listener, dataset)
        task = prepared.task
        folds = _scored_folds(config, prepared.config, prepared.dataset, task, place, world=world, listener=listener)
        result = _train_prepared(prepared, place, checkpoints, setup, listener, folds)
    return _strictly(config, result, place)


def _strictly(config: TrainConfig, result: TrainResult, place: Place) -> TrainResult:
    if config.strict and result.warnings:
        raise StrictError(f"--strict: {result.warnings[0]}. The run is complete in {place.shown}.")
    return result


def _scored_folds(
    asked: TrainConfig,
    config: TrainConfig,
    dataset: DataSet,
    task: Task,
    place: Place,
    *,
    world: World,
    listener: Listener,
) -> FoldScores:
    """Train and score the folds that were asked for; `config` is what was made of the request."""
    if config.folds is None:
        return FoldScores()
    check_folds(config, task.settings.task, world.size)
    asked = config if asked.resume else replace(asked, model=config.model)

    def train_fold(fold: TrainConfig, rows: DataSet, number: int) -> None:
        def hear(event: Event) -> None:
            if isinstance(event, (StepFacts, SoupStep)):
                listener(FoldStep(number, config.folds or 0, event.step, event.total_steps))

        train(fold, hear, dataset=rows)

    scores = score_folds(asked, dataset, task, place.work, train_fold, listener)
    metric = task.settings.deciding_metric
    low, high = scores.intervals[metric]
    listener(
        f"{len(scores.folds)} folds, every row predicted by a model trained without it: {metric} "
        f"{scores.metrics[metric]:.4f} "
        f"(mean over folds {low:.4f} to {high:.4f}, 95 %); now training on all rows"
    )
    return scores


def _train_linear(config: TrainConfig, place: Place, listener: Listener, dataset: DataSet | None) -> TrainResult:
    """Fit a model without an encoder; it is done at once, so that nothing of it is ever gone on with."""
    began, asked = time.perf_counter(), config
    if config.resume:
        listener(f"{place.shown} has no checkpoint; starting at step 0")
        config = requested_config(config, place.request) if place.request else config
    prepared = prepare_linear(config, listener, dataset)
    for sentence in (*prepared.dataset.notes, *(f"warning: {w}" for w in prepared.warnings)):
        listener(sentence)
    if config.strict and prepared.warnings:
        raise StrictError(f"--strict: {prepared.warnings[0]}. Nothing was trained.")
    folds = _scored_folds(
        asked, prepared.config, prepared.dataset, prepared.task, place, world=ALONE, listener=listener
    )
    finished = train_linear(prepared, listener)
    found = finished.evaluation
    seconds = time.perf_counter() - began
    result = TrainResult(
        run=str(place.shown),
        metric=found.metric,
        positive=found.positive,
        seconds=round(seconds, 2),
        rows_per_second=round(len(prepared.train_examples) / seconds, 1),
        metrics=found.metrics,
        baselines=found.baselines,
        warnings=found.warnings,
        folds=folds.folds,
        out_of_fold=folds.metrics,
        out_of_fold_intervals=folds.intervals,
        config=prepared.config.saved(),
    )
    finished.save(place, result.stored())
    place.complete(keep_checkpoints=prepared.config.keep_checkpoints)
    return result


def plan_training(config: TrainConfig, listener: Listener = lambda _: None) -> Started:
    """Do all that --dry-run shows: load, split, encode and build; nothing is written."""
    _check_words(config)
    shown = planned_place(config)
    if check_names(config).is_linear:
        return _linear_plan(config, shown, listener)
    prepared = _prepared(config, None, listener)
    model, placement = _placed(prepared)
    learner = build_learner(prepared, model, placement)
    for sentence in advice(prepared, learner.bare_model.encoder):
        listener(sentence)
    memory = predict_memory(prepared, learner)
    started = _started(prepared, shown, placement, learner, step=0)
    return replace(
        started,
        memory_bytes=memory.peak,
        memory_parts=memory.parts(),
        task=prepared.task.settings.task,
        shape=_shape(learner),
        seconds=round(predict_seconds(prepared, learner) * (prepared.config.soup or 1), 1),
    )


def _shape(learner: Learner) -> dict[str, int]:
    """Return how large the encoder is, as far as its architecture says."""
    encoder = learner.bare_model.encoder
    config = encoder.transformers_config()
    heads = config.get("num_attention_heads", config.get("n_heads"))
    found = {
        "layers": len(encoder.layers) or config.get("num_hidden_layers"),
        "hidden": encoder.hidden_size,
        "heads": heads,
        "vocabulary": encoder.vocab_size,
        "positions": encoder.max_positions,
    }
    return {name: size for name, size in found.items() if isinstance(size, int)}


def _linear_plan(config: TrainConfig, shown: Path, listener: Listener) -> Started:
    prepared = prepare_linear(config, listener)
    for sentence in (*prepared.dataset.notes, *(f"warning: {w}" for w in prepared.warnings)):
        listener(sentence)
    rows = {split: len(examples) for split, examples in prepared.dataset.splits.items()}
    return Started(prepared.config, shown, rows, prepared.settings.labels, 0, 0, 0, PLACEMENT)


def _check_words(config: TrainConfig) -> None:
    check_names(config)
    check_device_word(config.device)


def _prepared_at(
    place: Place,
    config: TrainConfig,
    checkpoints: Checkpoints,
    setup: dict[str, Any] | None,
    listener: Listener,
    dataset: DataSet | None = None,
) -> Prepared:
    """Prepare a training as it was begun, where it is one that is gone on with."""
    if setup is not None:
        config = resumed_config(config, setup)
    elif config.resume:
        if config.output is None and not config.data:
            raise UsageError("--resume: name the folder of the training with --output RUN.")
        if not (place.request or config.data):
            raise UsageError(f"--resume: no training was started in {place.shown}; name DATA to start one.")
        listener(f"{place.shown} has no checkpoint; starting at step 0")
        config = requested_config(config, place.request) if place.request else config
    saved = checkpoints.folder / "setup"  # on another machine there may be none, and it is made again
    prepared = _prepared(config, saved if setup and saved.is_dir() else None, listener, dataset)
    if setup is not None:
        check_same_data(prepared, setup)
    if config.strict and prepared.warnings:
        raise StrictError(f"--strict: {prepared.warnings[0]}. Nothing was trained.")
    return prepared


def _prepared(
    config: TrainConfig, saved_tokenizer: Path | None, listener: Listener, dataset: DataSet | None = None
) -> Prepared:
    if not config.data:
        raise UsageError("DATA is missing; name a data set, a sample or a file.")
    prepared = prepare(config, saved_tokenizer, listener, dataset)
    for sentence in (*prepared.dataset.notes, *(f"warning: {w}" for w in prepared.warnings)):
        listener(sentence)
    return prepared


def _placed(
    prepared: Prepared, setup: dict[str, Any] | None = None, world: World = ALONE
) -> tuple[TaskModel, Placement]:
    """Build the model and say where it will learn; a device that is not there is refused first."""
    place_training(prepared.config)
    model = build_model(prepared)
    width = model.encoder.hidden_size
    if setup is None:
        return model, place_training(prepared.config, width=width)
    return model, resumed_placement(prepared.config, setup, world, width=width)


def _train_prepared(
    prepared: Prepared,
    place: Place,
    checkpoints: Checkpoints,
    setup: dict[str, Any] | None,
    listener: Listener,
    folds: FoldScores,
) -> TrainResult:
    began, world = time.perf_counter(), checkpoints.world
    model, placement = _placed(prepared, setup, world)
    check_alike(world, prepared, placement)
    for sentence in (*advice(prepared, model.encoder), *_company(world, setup, placement)):
        listener(sentence)
    if setup is None:
        checkpoints.save_setup(setup_of(prepared, placement, world), prepared.tokenizer.save)
    train_members(prepared, placement, checkpoints, listener)
    learner = build_learner(prepared, model, placement, world)

    def begins(state: LoopState) -> None:
        listener(_started(prepared, place.shown, placement, learner, step=state.step))

    driven = drive_to_best(prepared, learner, placement, checkpoints, listener, begins)
    outputs = driven.totals.outputs
    if outputs is None:
        outputs = forward_together(world, learner.bare_model.eval(), prepared.task, prepared.validation, placement)
    if (prepared.config.soup or 1) > 1:
        outputs, said = stir(prepared, learner, placement, checkpoints, outputs)
        listener(said)
    world.leave()
    state = driven.state
    result = _result(place.shown, state, driven.resumed_from, driven.totals)
    if not world.is_main:
        return result
    if fitted := fitted_sentence(len(prepared.train_examples)):
        listener(fitted)
    finished = finish(prepared, learner, outputs)
    for sentence in finished.notes:
        listener(sentence)
    result = replace(
        _with_scores(result, finished.evaluation, folds),
        seconds=round(time.perf_counter() - began, 2),
        config=prepared.config.saved(),
    )
    scored = finished.save(place, prepared, learner, result.stored())
    if wants_tensorboard(prepared.config.tensorboard):
        write_gallery(place.work / "events", scored, prepared.validation, placement, state.best_step, listener)
    place.complete(keep_checkpoints=prepared.config.keep_checkpoints)
    return result


def _with_scores(result: TrainResult, evaluation: Evaluation, folds: FoldScores) -> TrainResult:
    return replace(
        result,
        metric=evaluation.metric,
        positive=evaluation.positive,
        metrics=evaluation.metrics,
        baselines=evaluation.baselines,
        warnings=evaluation.warnings,
        folds=folds.folds,
        out_of_fold=folds.metrics,
        out_of_fold_intervals=folds.intervals,
    )


def _company(world: World, setup: dict[str, Any] | None, placement: Placement) -> Iterator[str]:
    """Say how many processes share the work, where it is more than one or has changed, and whether they lie idle."""
    if world.size > 1:
        yield f"{world.size} processes; each takes its share of the rows of every batch"
    if (said := threads_note(placement, world)) is not None:
        yield said
    began = processes_of(setup) if setup else world.size
    if began != world.size:
        yield (
            f"the run began with {began} process{'es' * (began > 1)} and continues with {world.size}: the "
            f"batches stay the same, but rounding and dropout differ, so the weights will not be the same to the byte"
        )


def _started(prepared: Prepared, shown: Path, placement: Placement, learner: Learner, *, step: int) -> Started:
    plan = plan_of(prepared.config)
    return Started(
        config=prepared.config,
        run=shown,
        rows={split: len(examples) for split, examples in prepared.dataset.splits.items()},
        labels=prepared.task.settings.labels,
        parameters=sum(p.numel() for p in learner.model.parameters()),
        total_steps=plan.epochs * plan.steps_per_epoch(len(prepared.rows)),
        step=step,
        placement=placement,
    )


def _result(shown: Path, state: LoopState, resumed_from: int, totals: Totals) -> TrainResult:
    return TrainResult(
        run=str(shown),
        steps=state.step,
        resumed_from_step=resumed_from,
        best_step=state.best_step,
        rows_per_second=round(totals.rows / totals.seconds, 1),
        tokens_per_second=round(totals.tokens / totals.seconds, 1),
    )


def _finished_result(place: Place) -> TrainResult:
    """Say again what the run says of its training; figures that are none are left out."""
    manifest = bundle.load_manifest(place.run)
    training = manifest.training
    known = {name: training[name] for name in TrainResult.__dataclass_fields__ if name in training}
    try:
        return record_of(TrainResult, {**known, "run": str(place.shown), "config": manifest.config})
    except MisfitError:
        return TrainResult(str(place.shown), config=manifest.config)
