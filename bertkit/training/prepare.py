"""From a request to everything a training needs: rows, tokenizer, task, encodings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit.audit.training_rows import training_doubts
from bertkit.config import TrainConfig, flag
from bertkit.data.records import DataSet, Example
from bertkit.data.request import DataRequest
from bertkit.data.store import RowTexts, texts_of
from bertkit.errors import UsageError
from bertkit.models.choosing import AUTO, FROM_NOTHING, Choice, choose_model
from bertkit.models.offline import package_statement
from bertkit.models.registry import EXTENDABLE, LONGEST_ROW, find_model, load_target
from bertkit.models.table import ModelSpec
from bertkit.tasks.answers import check_answers
from bertkit.tasks.base import EncodedRow, Task, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.class_answers import MANY_LABELS
from bertkit.tasks.encoded import encode_scored, encode_training
from bertkit.tasks.labels import class_weights, positive_weights
from bertkit.tasks.multilabel import labels_of
from bertkit.tasks.reading import load_splits
from bertkit.tasks.registry import TaskSpec, find_task
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import check_fit
from bertkit.tokenization.trimming import Dropped, DropWatch, Trimmed
from bertkit.training.deciding import choose_metric
from bertkit.training.extractor import candidate_source, lend_extractor
from bertkit.training.long_rows import cut_sentence
from bertkit.training.recipe import refuse_idle, resolve
from bertkit.training.tuning import check_tuning
from bertkit.training.vocabulary import choose_tokenizer, dropped_pieces, owner

# Options that say of what shape a model without weights is, or how its vocabulary is trained.
FROM_NOTHING_ONLY = ("size", "layers", "hidden", "heads", "attention", "tokenizer", "vocab_size", "lowercase")


@dataclass(frozen=True)
class Prepared:
    """A training that could start: all choices made, all rows encoded, no torch yet."""

    config: TrainConfig
    spec: ModelSpec
    dataset: DataSet
    tokenizer: Tokenizer
    task: Task
    options: TrainingOptions
    rows: Sequence[TrainingRow]
    validation: Sequence[EncodedRow]
    warnings: tuple[str, ...]
    trimmed: Trimmed | None = None
    dropped: Dropped | None = None

    @property
    def train_examples(self) -> Sequence[Example]:
        """The rows that are learnt from."""
        return self.dataset.splits["train"]

    @property
    def validation_examples(self) -> Sequence[Example]:
        """The rows that choose the best weights."""
        return self.dataset.splits["validation"]

    @property
    def scored_rows(self) -> range:
        """Which of them are scored after each epoch: all, or some evenly spread where the task says so."""
        rows, most = len(self.validation), find_task(self.dataset.task).rows_an_epoch
        return range(0, rows, -(-rows // most) if most else 1)


def check_names(config: TrainConfig) -> ModelSpec:
    """Look up model and task, so that a wrong name ends here, before anything heavy loads.

    Raises:
        UnknownNameError: a name no table has.
    """
    if config.task != "auto":
        find_task(config.task)
    return find_model(FROM_NOTHING if config.model == AUTO else config.model)


def prepare(
    config: TrainConfig,
    saved_tokenizer: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
    dataset: DataSet | None = None,
) -> Prepared:
    """Load, split and encode.

    Args:
        config: the request; open values are decided here.
        saved_tokenizer: folder of the tokenizer of a run that is resumed.
        note: told what is being done, in one sentence each.
        dataset: the rows, split; None: those that the request names.

    Raises:
        BertkitError: names, data, columns, labels or tokenizer do not allow training.
    """
    check_names(config)
    wanted = ("train", "validation", "test") if config.test_fraction else ("train", "validation")
    dataset = load_splits(request_of(config), splits=wanted) if dataset is None else dataset
    config = asked = _with_model(config, dataset, note)
    spec = find_model(config.model)
    if saved_tokenizer is None:  # a resumed run has all its figures stored, idle ones too
        refuse_idle(config, find_task(dataset.task))
    config = _for_task(config, find_task(dataset.task), from_nothing=spec.is_scratch or config.init == "random")
    train = dataset.splits["train"]
    is_pair = dataset.columns.pair is not None
    two_texts = is_pair or dataset.task == "choice"
    readable = _lengthened(spec, config, find_task(dataset.task))
    config = resolve(
        config,
        readable,
        is_pair=is_pair,
        task=dataset.task,
        two_texts=two_texts,
        n_rows=len(train),
        n_words=lambda: sum(len(text.split()) for text in texts_of(train)),
    )
    config = _decided(config, find_task(dataset.task), train, note, is_resumed=saved_tokenizer is not None)
    tokenizer, trimmed = choose_tokenizer(config, spec, train, saved_tokenizer, note)
    task = _task(config, spec, dataset, tokenizer)
    config = _blend_of_few(config, asked, task.settings, note)
    check_tuning(config.tune_threshold, task.settings)
    doubts = [*training_doubts(dataset.task, train)]
    doubts += [f"validation: {doubt}" for doubt in check_answers(task.settings, dataset.splits["validation"])]
    lend_extractor(task, config, spec, note)
    findings = check_fit(tokenizer, RowTexts(train), name=owner(config))
    options = _options(config, task, train)
    rows = encode_training(task, train, options)
    validation = encode_scored(task, dataset.splits["validation"])
    cut = cut_sentence(rows, validation, task.settings, readable)
    return Prepared(
        config=config,
        spec=spec,
        dataset=dataset,
        tokenizer=tokenizer,
        task=task,
        options=options,
        rows=rows,
        validation=validation,
        warnings=(*dataset.warnings, *doubts, *findings, *cut),
        trimmed=trimmed,
        dropped=dropped_pieces(config, spec, trimmed),
    )


def _with_model(config: TrainConfig, dataset: DataSet, note: Callable[[str], None]) -> TrainConfig:
    """Choose a model where that is left to the rows; options that shape one from nothing have chosen already."""
    if config.model != AUTO:
        return config
    shaping = next((name for name in FROM_NOTHING_ONLY if getattr(config, name) is not None), None)
    if shaping is not None or config.init == "random":
        choice = Choice(FROM_NOTHING, f"{flag(shaping or 'init')} is for a model that starts from nothing")
    else:
        choice = choose_model(texts_of(dataset.splits["train"]), dataset.task)
    note(f"--model {choice.name}: {choice.reason}")
    return replace(config, model=choice.name)


def _blend_of_few(
    config: TrainConfig, asked: TrainConfig, settings: TaskSettings, note: Callable[[str], None]
) -> TrainConfig:
    """Leave the encoder alone where labels are so many that not all probabilities are kept.

    Raises:
        UsageError: a blend was asked for.
    """
    if not config.blend or len(settings.labels) <= MANY_LABELS:
        return config
    why = f"answers are blended of up to {MANY_LABELS} labels, and there are {len(settings.labels):,}"
    if asked.blend:
        raise UsageError(f"--blend: {why}; leave it out.")
    note(f"no blend: {why}")
    return replace(config, blend=False)


def _options(config: TrainConfig, task: Task, train: Sequence[Example]) -> TrainingOptions:
    """Return what only training needs to know."""
    settings, weights = task.settings, None
    if settings.task in ("classify", "relation"):
        weights = class_weights(config.class_weights, settings.labels, train)
    if settings.task == "multilabel":
        weights = positive_weights(config.class_weights, settings.labels, map(labels_of, train))
    return TrainingOptions(
        loss=config.loss,
        label_smoothing=config.label_smoothing or 0.0,
        class_weights=weights,
        swap_pairs=bool(config.swap_pairs),
        token_masking=config.token_masking or 0.0,
        whole_words=config.whole_words,
    )


def _decided(
    config: TrainConfig,
    task: TaskSpec,
    train: Sequence[Example],
    note: Callable[[str], None],
    *,
    is_resumed: bool,
) -> TrainConfig:
    """Choose the metric that decides, and say so where it is not the usual one."""
    if is_resumed and config.metric is None:  # begun by an older bertkit, which always took the task's own
        return replace(config, metric=task.metrics[0])
    metric, sentence = choose_metric(config, task, train)
    if sentence:
        note(sentence)
    return replace(config, metric=metric)


def _for_task(config: TrainConfig, task: TaskSpec, *, from_nothing: bool) -> TrainConfig:
    """Fill what the user left open and the task decides."""
    values = {**task.recipe, **(task.from_nothing if from_nothing else {})}
    open_values = {name: value for name, value in values.items() if getattr(config, name) is None}
    return replace(config, **{"on_long": config.on_long or "truncate", **open_values})


def _lengthened(spec: ModelSpec, config: TrainConfig, task: TaskSpec) -> ModelSpec:
    """Let a model read more tokens than it has positions, where the task and the model allow it."""
    asked = config.max_length
    longest = LONGEST_ROW.get(config.attention or "full")
    if spec.is_scratch and longest is not None and asked is not None:
        return replace(spec, max_length=max(spec.max_length, min(asked, longest)))
    if asked is None or asked <= spec.max_length or not task.more_positions or spec.architecture not in EXTENDABLE:
        return spec
    return replace(spec, max_length=asked)


def request_of(config: TrainConfig) -> DataRequest:
    """Return which rows a config asks for."""
    return DataRequest(
        names=config.data,
        data_dir=config.data_dir,
        columns=config.columns,
        task=config.task,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        limit=config.limit,
        seed=config.seed,
        passages=config.sentence_pairs != "none",
        group=config.group,
        on_error=config.on_error,
    )


def _task(config: TrainConfig, spec: ModelSpec, dataset: DataSet, tokenizer: Tokenizer) -> Task:
    settings = TaskSettings(
        task=dataset.task,
        columns=dataset.columns,
        positive=config.positive,
        max_length=int(config.max_length or tokenizer.max_length),
        on_long=config.on_long or "truncate",
        leave_out=config.leave_out,
        overlap_segments=bool(config.overlap_segments),
        pooling=str(config.pooling),
        sentence_pairs=config.sentence_pairs,
        mask_decoder=config.mask_decoder,
        candidates=candidate_source(config, spec) if dataset.task == "matching" else "textrank",
        metric=str(config.metric),
    )
    fitted: Task = load_target(find_task(dataset.task).target_for(settings.pooling)).fit(  # type: ignore[attr-defined]
        settings, tokenizer, dataset.splits["train"]
    )
    return fitted


def describe_data(config: TrainConfig, dataset: DataSet) -> dict[str, Any]:
    """Return what a run stores of its data: enough to load the same rows again, no text."""
    return {
        "name": dataset.name,
        "request": request_of(config).to_json(),
        "fingerprint": dataset.fingerprint,
        "is_sample": dataset.is_sample,
        "rows": {split: len(examples) for split, examples in dataset.splits.items()},
    }


def describe_encoder(prepared: Prepared) -> dict[str, Any]:
    """Return what a run stores of where its encoder came from, and of what its vocabulary lacks."""
    found: dict[str, Any] = {}
    statement = package_statement(prepared.spec.hub_id) if prepared.config.init == "pretrained" else ""
    if statement:
        found["encoder"] = statement
    if prepared.dropped is not None:
        watch = DropWatch(prepared.tokenizer, prepared.dropped)
        watch.see(example.all_texts for example in prepared.validation_examples)
        found["vocabulary"] = {
            "kept": prepared.tokenizer.vocab_size if prepared.trimmed is None else len(prepared.trimmed.rows),
            "dropped": len(prepared.dropped.pieces),
            "validation_rows": watch.rows,
            "rows_that_need_a_dropped_piece": watch.needing,
        }
    return found
