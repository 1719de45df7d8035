"""From a request to everything a training needs: rows, tokenizer, task, encodings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bertkit import bundle
from bertkit.audit.run import row_doubts
from bertkit.bundle import Manifest, load_manifest
from bertkit.compute.device import choose_placement
from bertkit.config import TrainConfig, flag
from bertkit.data.records import DataSet, Example
from bertkit.data.splits import DataRequest
from bertkit.data.store import RowTexts, texts_of
from bertkit.errors import ModelError, TokenizerError, UsageError
from bertkit.kinds import MisfitError
from bertkit.models.finding import AUTO, FROM_NOTHING, Choice, choose_model, package_statement
from bertkit.models.registry import EXTENDABLE, LONGEST_ROW, find_model, load_target
from bertkit.models.table import MODELS, ModelSpec
from bertkit.models.tokenizers import open_folder, open_tokenizer
from bertkit.run_folder import is_there, put_back
from bertkit.tasks.base import EXTRACTORS, EncodedRow, Task, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.encoded import StoredTraining, cut_of, encode_scored, encode_training
from bertkit.tasks.extractive import ExtractiveTask
from bertkit.tasks.matching import Extractor, MatchingTask, extractor_kind, extractor_settings
from bertkit.tasks.multilabel import labels_of
from bertkit.tasks.objectives import MANY_LABELS
from bertkit.tasks.registry import TaskSpec, find_task
from bertkit.tasks.rows import check_answers, class_weights, load_splits, positive_weights
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.health import check_fit
from bertkit.tokenization.loading import load_tokenizer
from bertkit.tokenization.trimming import DROPPED_FILE, Dropped, DropWatch, Trimmed, read_dropped, trim, trim_alike
from bertkit.tokenization.vocab import train_wordpiece
from bertkit.training.recipe import refuse_idle, resolve
from bertkit.training.tuning import check_tuning, choose_metric

# --- Which tokenizer a training reads its rows with, and whether its vocabulary is trimmed for them


def choose_tokenizer(
    config: TrainConfig,
    spec: ModelSpec,
    train: Sequence[Example],
    saved: Path | None,
    note: Callable[[str], None],
) -> tuple[Tokenizer, Trimmed | None]:
    """Open, trim or train the tokenizer of a training.

    Args:
        config: the resolved request.
        spec: the model's row.
        train: the training rows, for a vocabulary that is trained or trimmed.
        saved: folder of the tokenizer of a run that is resumed.
        note: told what is being done, in one sentence each.

    Returns:
        The tokenizer, and what was trimmed away, None where all is kept.

    Raises:
        HubError: the hub is needed and cannot be reached.
        TokenizerError: there is none, it is damaged, or it cannot mask the tokens that are to be masked.
        UsageError: a vocabulary is to be trimmed that cannot be.
    """
    trimmed = _trimmed(config, spec, train, saved, note)
    if trimmed is not None:
        tokenizer = trimmed.tokenizer
    else:
        tokenizer = load_tokenizer(saved) if saved else _opened(config, spec, train, note)
    if config.token_masking and tokenizer.special.mask is None:
        raise TokenizerError(
            f"{owner(config)}: its tokenizer has no mask token for --token-masking; take one that has, or "
            "--token-masking 0."
        )
    return tokenizer, trimmed


def dropped_pieces(config: TrainConfig, spec: ModelSpec, trimmed: Trimmed | None) -> Dropped | None:
    """Return what the vocabulary lacks: what is trimmed away now, and what a run that is learnt on from lacked.

    Raises:
        ModelError: the list of that run is damaged.
    """
    found = [] if trimmed is None else [trimmed.dropped]
    if spec.hub_id is None and config.tokenizer is None and config.init == "pretrained":
        try:
            before = read_dropped(Path(spec.name) / DROPPED_FILE)
        except MisfitError as error:
            raise ModelError(f"--model {spec.name}: {DROPPED_FILE} {error}; copy the run again.") from error
        found += [] if before is None else [before]
    if not found:
        return None
    return Dropped(
        tuple(piece for dropped in found for piece in dropped.pieces),
        tuple(score for dropped in found for score in dropped.scores),
    )


def owner(config: TrainConfig) -> str:
    """Return the flag and value that a tokenizer is from, for sentences about it."""
    return f"--tokenizer {config.tokenizer}" if config.tokenizer is not None else f"--model {config.model}"


def _opened(config: TrainConfig, spec: ModelSpec, train: Sequence[Example], note: Callable[[str], None]) -> Tokenizer:
    """Open the tokenizer that is named, or the model's, or train one."""
    if config.tokenizer is not None:
        folder = Path(config.tokenizer)
        put_back(folder)
        return open_folder(folder) if folder.is_dir() else open_tokenizer(find_model(config.tokenizer))
    if not spec.is_scratch and config.init == "pretrained":
        return open_tokenizer(spec)
    note(f"training a vocabulary of up to {config.vocab_size:,} pieces on {len(train):,} rows")
    return train_wordpiece(
        texts_of(train),
        size=int(config.vocab_size or 0),
        lowercase=bool(config.lowercase),
        max_length=int(config.max_length or spec.max_length),
    )


def _trimmed(
    config: TrainConfig,
    spec: ModelSpec,
    train: Sequence[Example],
    saved_tokenizer: Path | None,
    note: Callable[[str], None],
) -> Trimmed | None:
    """Cut the vocabulary down to what the training rows need, where that is wanted."""
    if not config.trim_vocab:
        return None
    if spec.is_scratch or config.init == "random":
        raise UsageError("--trim-vocab: a model that is trained from scratch has no vocabulary to trim; leave it out.")
    whole = _opened(config, spec, train, note)
    if saved_tokenizer is not None:
        return trim_alike(whole, load_tokenizer(saved_tokenizer), name=spec.name)
    trimmed = trim(whole, texts_of(train), name=spec.name)
    note(
        f"of {whole.vocab_size:,} pieces {len(trimmed.rows):,} are kept: single characters, the {trimmed.seen:,} of "
        "the training rows, and likely ones of their scripts (--no-trim-vocab keeps all)"
    )
    return trimmed


# --- Rows that are longer than what is read of them, and what can be done about it ----------------


def cut_sentence(
    rows: Sequence[TrainingRow], validation: Sequence[EncodedRow], settings: TaskSettings, spec: ModelSpec
) -> tuple[str, ...]:
    """Say how many rows were cut, and what can be done about it."""
    if isinstance(rows, StoredTraining):
        cut, lost = rows.facts.cut, rows.facts.lost
    else:
        cut, lost = cut_of(row.encoded for row in rows)
    of_validation = cut_of(validation)
    cut, lost = cut + of_validation[0], lost + of_validation[1]
    if not cut:
        return ()
    # What is cut in windows is a single sentence that is longer than one.
    kind = "rows have sentences that are" if settings.on_long == "window" else "rows are"
    return (
        f"{cut:,} of {len(rows) + len(validation):,} {kind} longer than {settings.max_length} tokens and were cut "
        f"({lost:,} tokens lost); {_ways_on(settings, spec)}",
    )


def _ways_on(settings: TaskSettings, spec: ModelSpec) -> str:
    """Name what the task and the model allow."""
    extendable = find_task(settings.task).more_positions and spec.architecture in EXTENDABLE
    has_windows = (
        settings.on_long != "window"
        and settings.task not in ("choice", "matching")
        and settings.pooling != "siamese"
        and settings.sentence_pairs == "none"
    )
    ways = ["raise --max-length"] if extendable or settings.max_length < spec.max_length else []
    ways += ["read them in parts with --on-long window"] if has_windows else []
    if ways:
        return ", or ".join(ways)
    return f"{spec.name} reads no more at once: take a --model that does (longformer, modernbert), or shorten the rows"


# --- Where the candidates of the task matching come from: an extractive run, if training starts from one


def candidate_source(config: TrainConfig, spec: ModelSpec) -> str:
    """Return which extractor it is where the model is an extractive run whose weights are gone on with, else textrank.

    Raises:
        RunError: the run is damaged or newer.
        UsageError: it reads sentences one by one, with other weights than a matching run can keep.
    """
    run = _extractive_run(config, spec)
    if run is None:
        return "textrank"
    if run.settings.pooling not in ("cls", "mean"):
        raise UsageError(
            f"--model {spec.name}: was trained with --pooling {run.settings.pooling} and cannot propose candidates; "
            "take an extractive run with --pooling cls or mean, or a model by name."
        )
    return extractor_kind(run.settings)


def _extractive_run(config: TrainConfig, spec: ModelSpec) -> Manifest | None:
    """Return what the run says of itself whose weights are gone on with, where it is an extractive one."""
    folder = Path(spec.name)
    if spec.hub_id is not None or config.init == "random" or not is_there(folder):
        return None
    manifest = load_manifest(folder)
    return manifest if manifest.settings.task == "extractive" else None


def lend_extractor(task: Task, config: TrainConfig, spec: ModelSpec, note: Callable[[str], None]) -> None:
    """Let the task matching score sentences with the extractive run that training starts from.

    Other tasks need nothing.

    Args:
        task: whose settings say where candidates come from.
        config: device and precision.
        spec: the run's folder.
        note: told where candidates come from.

    Raises:
        RunError: the run is damaged.
    """
    if not isinstance(task, MatchingTask):
        return
    if task.settings.candidates not in EXTRACTORS:
        note("candidates come from TextRank's scores; --model RUN with an extractive run gives better ones")
        return
    run = bundle.load(Path(spec.name))
    placement = choose_placement(
        config.device, config.precision, threads=config.threads, width=run.model.encoder.hidden_size
    )
    run.model.to(placement.device)
    note(f"candidates come from the scores of {spec.name}, which stays part of the new run")
    settings = extractor_settings(task.settings)
    task.borrow(Extractor(run.model, ExtractiveTask(settings, run.tokenizer), placement))  # type: ignore[arg-type]


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
        """Which of them are scored after each epoch: all, or some evenly spaced where the task says so."""
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
    asked = _with_model(config, dataset, note)
    spec, train = find_model(asked.model), dataset.splits["train"]
    config, readable = _resolved(asked, spec, dataset, note, is_resumed=saved_tokenizer is not None)
    tokenizer, trimmed = choose_tokenizer(config, spec, train, saved_tokenizer, note)
    task = _task(config, spec, dataset, tokenizer)
    config = _blend_of_few(config, asked, task.settings, note)
    check_tuning(config.tune_threshold, task.settings)
    doubts = [*row_doubts(dataset.task, train)]
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


def _resolved(
    config: TrainConfig, spec: ModelSpec, dataset: DataSet, note: Callable[[str], None], *, is_resumed: bool
) -> tuple[TrainConfig, ModelSpec]:
    """Fill what the user left open; also return the model as it will read, perhaps more tokens than usual."""
    task, train = find_task(dataset.task), dataset.splits["train"]
    if not is_resumed:  # a resumed run has all its figures stored, idle ones too
        refuse_idle(config, task)
    spec = _with_origin(spec, config, task)
    config = _for_task(config, task, spec, from_nothing=spec.is_scratch or config.init == "random")
    readable, is_pair = _lengthened(spec, config, task), dataset.columns.pair is not None
    config = resolve(
        config,
        readable,
        is_pair=is_pair,
        task=dataset.task,
        two_texts=is_pair or dataset.task == "choice",
        n_rows=len(train),
        n_words=lambda: sum(len(text.split()) for text in texts_of(train)),
    )
    return _decided(config, task, train, note, is_resumed=is_resumed), readable


def _with_model(config: TrainConfig, dataset: DataSet, note: Callable[[str], None]) -> TrainConfig:
    """Choose a model where that is left to the rows; options that shape one from scratch have chosen already."""
    if config.model != AUTO:
        return config
    shaping = next((name for name in FROM_NOTHING_ONLY if getattr(config, name) is not None), None)
    if shaping is not None or config.init == "random":
        choice = Choice(FROM_NOTHING, f"{flag(shaping or 'init')} is for a model that is trained from scratch")
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
    why = f"an ensemble is for up to {MANY_LABELS} labels, and there are {len(settings.labels):,}"
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


def _for_task(config: TrainConfig, task: TaskSpec, spec: ModelSpec, *, from_nothing: bool) -> TrainConfig:
    """Fill what the user left open and the task decides, except what suits this model better in this task."""
    # What the task leaves open is filled from the same recipe later, when --portable has had its say.
    of_both = spec.recipe.by_task.get(task.name, {})
    suited = {name: value for name, value in of_both.items() if name in task.recipe}
    values = {**task.recipe, **(task.from_nothing if from_nothing else suited)}
    begun = _extractive_run(config, spec) if task.name == "extractive" else None
    if begun is not None:  # its weights know documents read so and no other way
        values |= {"on_long": begun.settings.on_long, "pooling": begun.settings.pooling}
    open_values = {name: value for name, value in values.items() if getattr(config, name) is None}
    return replace(config, **{"on_long": config.on_long or "truncate", **open_values})


def _with_origin(spec: ModelSpec, config: TrainConfig, task: TaskSpec) -> ModelSpec:
    """Give an extractive run on which matching is trained the recipe of the encoder that it began with."""
    begun = _extractive_run(config, spec) if task.name == "matching" else None
    known = next((row for row in MODELS if begun and begun.model in (row.name, *row.aliases)), None)
    return spec if known is None or known.is_scratch else replace(spec, recipe=known.recipe)


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
