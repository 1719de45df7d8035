"""Evaluate a run on data: what `bertkit eval` does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertkit import bundle
from bertkit.bundle import Bundle, Manifest
from bertkit.compute.device import choose_placement
from bertkit.data.loading import load_data
from bertkit.data.records import DataSet, Example
from bertkit.data.request import DataRequest, load_splits
from bertkit.errors import DataError
from bertkit.evaluation.baselines import load_baselines
from bertkit.evaluation.contamination import count_known
from bertkit.evaluation.evaluate import Evaluation, evaluate
from bertkit.evaluation.forward import forward
from bertkit.evaluation.output import refuse_existing, writing
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.registry import find_task
from bertkit.tokenization.health import check_fit

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class EvalRequest:
    """What `bertkit eval` is asked; `data` empty means the run's own."""

    run: Path
    data: tuple[str, ...] = ()
    split: str | None = None
    data_dir: Path | None = None
    columns: str | None = None
    on_long: str | None = None
    batch_size: int | None = None
    device: str = "auto"
    precision: str = "auto"
    errors: Path | None = None
    force: bool = False


def evaluate_run(request: EvalRequest, note: Callable[[str], None] = lambda _: None) -> Evaluation:
    """Score a run on a split, beside the baselines it was stored with.

    Args:
        request: run, data and split.
        note: told what was noticed while reading the data, in one sentence each.

    Raises:
        RunError: no run is there, or it is damaged or newer.
        DataError: the data cannot be read, or has no such split.
        OutputError: --errors cannot be written.
    """
    manifest = bundle.load_manifest(request.run)
    find_task(manifest.settings.task)
    refuse_existing(request.errors, "--errors", force=request.force)
    began = time.perf_counter()
    name, split, examples, warnings = _examples(request, manifest, note)
    reading = time.perf_counter() - began
    loaded = bundle.load(request.run)
    settings = _settings(loaded.manifest.settings, request)
    loaded.task.settings = settings
    findings = check_fit(loaded.tokenizer, [text for e in examples for text in e.texts])
    outputs, computing, cut = _outputs(loaded, examples, request)
    known = count_known(examples, manifest.data["fingerprint"], request.run / "baseline")
    evaluation = evaluate(
        loaded.task,
        examples,
        outputs,
        load_baselines(request.run / "baseline"),
        data=name,
        split=split,
        warnings=(*warnings, *findings, *cut, *_known_sentence(known, len(examples), split)),
        seconds=reading + computing,
    )
    if request.errors is not None:
        write_errors(request.errors, loaded, examples, outputs)
    return evaluation


def _examples(
    request: EvalRequest, manifest: Manifest, note: Callable[[str], None]
) -> tuple[str, str, Sequence[Example], tuple[str, ...]]:
    """Return the data's name, the split, its rows, and warnings about the choice."""
    if request.data:
        split = request.split or "test"
        dataset = _given_data(request, manifest, split)
        warnings: tuple[str, ...] = ()
    else:
        dataset, warnings = _own_data(request, manifest), ()
        split = request.split or ("test" if "test" in dataset.splits else "validation")
        if split == "validation" and request.split is None:
            warnings = ("there is no test split, so this is the validation split, which chose the best weights",)
    for sentence in dataset.notes:
        note(sentence)
    if split not in dataset.splits:
        have = ", ".join(dataset.splits) or "none"
        raise DataError(f"{dataset.name}: has no {split} split (splits found: {have}); name one with --split.")
    return dataset.name, split, dataset.splits[split], warnings


def _given_data(request: EvalRequest, manifest: Manifest, split: str) -> DataSet:
    dataset = load_data(
        request.data,
        data_dir=request.data_dir,
        columns=request.columns,
        task=manifest.settings.task,
        splits=SPLITS,
        stored=manifest.settings.columns,
        as_split=split,
    )
    own = DataRequest.from_json(manifest.data["request"])
    if split not in dataset.splits and tuple(own.names) == request.data and "train" in dataset.splits:
        # A split the data lacks and training carved: carve it again.
        data_dir = str(request.data_dir) if request.data_dir else own.data_dir
        return load_splits(replace(own, data_dir=data_dir), splits=SPLITS)
    return dataset


def _own_data(request: EvalRequest, manifest: Manifest) -> DataSet:
    own = DataRequest.from_json(manifest.data["request"])
    if request.data_dir is not None:
        own = replace(own, data_dir=str(request.data_dir))
    return load_splits(own, splits=SPLITS)


def _settings(settings: TaskSettings, request: EvalRequest) -> TaskSettings:
    return replace(settings, on_long=request.on_long or "truncate")


def _outputs(
    loaded: Bundle, examples: Sequence[Example], request: EvalRequest
) -> tuple[NDArray[np.float64], float, tuple[str, ...]]:
    """Tokenize and compute; return outputs, seconds, and a warning about rows that were cut."""
    hidden = loaded.model.encoder.hidden_size
    placement = choose_placement(request.device, request.precision, width=hidden)
    model = loaded.model.to(placement.device)
    began = time.perf_counter()
    encodings = loaded.task.encode(examples)
    outputs = forward(model, loaded.task, encodings, placement, batch_size=request.batch_size)
    seconds = time.perf_counter() - began
    cut = sum(e.truncated for e in encodings)
    limit = loaded.task.settings.max_length
    sentence = f"{cut:,} of {len(examples):,} rows are longer than {limit} tokens and were cut"
    return outputs, seconds, (sentence,) if cut else ()


def _known_sentence(known: int, n: int, split: str) -> tuple[str, ...]:
    if not known or split == "train":
        return ()
    return (f"{known:,} of these {n:,} rows were also trained on; the figures are too good by that",)


def write_errors(path: Path, loaded: Bundle, examples: Sequence[Example], outputs: NDArray[np.float64]) -> int:
    """Write the rows the model got wrong as JSON lines, the surest mistakes first.

    For regression all rows are written, the largest errors first.

    Returns:
        The number of rows written.

    Raises:
        OutputError: the file cannot be written.
    """
    mistakes = loaded.task.mistakes(examples, outputs)
    names = loaded.task.settings.columns.inputs
    lines = [
        json.dumps(
            {
                "line": examples[i].line,
                "source": examples[i].source,
                **dict(zip(names, examples[i].texts, strict=True)),
                "label": examples[i].label,
                **figures,
            },
            ensure_ascii=False,
        )
        for i, figures in mistakes
    ]
    with writing(path, "--errors") as stream:
        stream.write("".join(line + "\n" for line in lines))
    return len(lines)
