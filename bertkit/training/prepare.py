"""From a request to everything a training needs: rows, tokenizer, task, encodings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit.config import TrainConfig
from bertkit.data.records import DataSet, Example
from bertkit.data.request import DataRequest, load_splits
from bertkit.models.registry import ModelSpec, find_model, load_target
from bertkit.tasks.base import Task, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.objectives import class_weights
from bertkit.tasks.registry import find_task
from bertkit.tokenization.base import Encoding, Tokenizer, load_tokenizer
from bertkit.tokenization.health import check_fit
from bertkit.tokenization.vocab import train_wordpiece
from bertkit.training.recipe import resolve


@dataclass(frozen=True)
class Prepared:
    """A training that could start: all choices made, all rows encoded, no torch yet."""

    config: TrainConfig
    spec: ModelSpec
    dataset: DataSet
    tokenizer: Tokenizer
    task: Task
    options: TrainingOptions
    rows: list[TrainingRow]
    validation: list[Encoding]
    warnings: tuple[str, ...]

    @property
    def train_examples(self) -> Sequence[Example]:
        """The rows that are learnt from."""
        return self.dataset.splits["train"]

    @property
    def validation_examples(self) -> Sequence[Example]:
        """The rows that choose the best weights."""
        return self.dataset.splits["validation"]


def check_names(config: TrainConfig) -> ModelSpec:
    """Look up model and task, so that a wrong name ends here, before anything heavy loads.

    Raises:
        UnknownNameError: a name no table has.
    """
    if config.task != "auto":
        find_task(config.task)
    return find_model(config.model)


def prepare(
    config: TrainConfig, saved_tokenizer: Path | None = None, note: Callable[[str], None] = lambda _: None
) -> Prepared:
    """Load, split and encode.

    Args:
        config: the request; open values are decided here.
        saved_tokenizer: folder of the tokenizer of a run that is resumed.
        note: told what is being done, in one sentence each.

    Raises:
        BertkitError: names, data, columns, labels or tokenizer do not allow training.
    """
    spec = check_names(config)
    wanted = ("train", "validation", "test") if config.test_fraction else ("train", "validation")
    dataset = load_splits(request_of(config), splits=wanted)
    find_task(dataset.task)
    train = dataset.splits["train"]
    n_words = sum(len(text.split()) for e in train for text in e.texts)
    config = resolve(config, spec, is_pair=dataset.columns.pair is not None, n_words=n_words)
    tokenizer = load_tokenizer(saved_tokenizer) if saved_tokenizer else _tokenizer(config, spec, train, note)
    task = _task(config, dataset, tokenizer)
    findings = check_fit(tokenizer, [text for e in train for text in e.texts])
    options = TrainingOptions(
        loss=config.loss,
        label_smoothing=config.label_smoothing or 0.0,
        class_weights=class_weights(config.class_weights, task.settings.labels, train)
        if task.settings.labels
        else None,
        swap_pairs=bool(config.swap_pairs),
        token_masking=config.token_masking or 0.0,
    )
    rows = task.training_rows(train, options)
    validation = task.encode(dataset.splits["validation"])
    cut = _cut_sentence(rows, validation, task.settings.max_length)
    return Prepared(
        config=config,
        spec=spec,
        dataset=dataset,
        tokenizer=tokenizer,
        task=task,
        options=options,
        rows=rows,
        validation=validation,
        warnings=(*findings, *cut),
    )


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
    )


def _tokenizer(
    config: TrainConfig, spec: ModelSpec, train: Sequence[Example], note: Callable[[str], None]
) -> Tokenizer:
    if config.tokenizer is not None:
        folder = Path(config.tokenizer)
        return load_tokenizer(folder) if folder.is_dir() else _model_tokenizer(find_model(config.tokenizer))
    if not spec.is_scratch and config.init == "pretrained":
        return _model_tokenizer(spec)
    note(f"training a vocabulary of up to {config.vocab_size:,} pieces on {len(train):,} rows")
    return train_wordpiece(
        (text for e in train for text in e.texts),
        size=int(config.vocab_size or 0),
        lowercase=bool(config.lowercase),
        max_length=int(config.max_length or spec.max_length),
    )


def _model_tokenizer(spec: ModelSpec) -> Tokenizer:
    target = spec.builder.replace(":build", ":tokenizer")
    loaded: Tokenizer = load_target(target)(spec)
    return loaded


def _task(config: TrainConfig, dataset: DataSet, tokenizer: Tokenizer) -> Task:
    settings = TaskSettings(
        task=dataset.task,
        columns=dataset.columns,
        positive=config.positive,
        max_length=int(config.max_length or tokenizer.max_length),
        on_long=config.on_long,
        leave_out=config.leave_out,
        overlap_segments=bool(config.overlap_segments),
        pooling=str(config.pooling),
    )
    fitted: Task = load_target(find_task(dataset.task).target).fit(  # type: ignore[attr-defined]
        settings, tokenizer, dataset.splits["train"]
    )
    return fitted


def _cut_sentence(rows: Sequence[TrainingRow], validation: Sequence[Encoding], max_length: int) -> tuple[str, ...]:
    encodings = [*(row.encoding for row in rows), *validation]
    cut = [e for e in encodings if e.truncated]
    if not cut:
        return ()
    lost = sum(e.n_tokens - len(e.ids) for e in cut)
    return (
        f"{len(cut):,} of {len(encodings):,} rows are longer than {max_length} tokens and were cut "
        f"({lost:,} tokens lost); raise --max-length, or take a model for longer texts",
    )


def describe_data(prepared: Prepared) -> dict[str, Any]:
    """Return what a run stores of its data: enough to load the same rows again, no text."""
    dataset = prepared.dataset
    return {
        "name": dataset.name,
        "request": request_of(prepared.config).to_json(),
        "fingerprint": dataset.fingerprint,
        "is_sample": dataset.is_sample,
        "rows": {split: len(examples) for split, examples in dataset.splits.items()},
    }
