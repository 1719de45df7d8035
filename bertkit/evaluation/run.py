"""Evaluate a run on data: what `bertkit eval` does."""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertkit import bundle
from bertkit.audit.run import row_doubts
from bertkit.baselines.table import load_baselines
from bertkit.bundle import Bundle, Manifest
from bertkit.compute.device import Placement, give_back
from bertkit.data.records import DataSet, Example, columns_of, row_keys
from bertkit.data.sources import files_of
from bertkit.data.splits import DataRequest
from bertkit.data.store import MANY, RowTexts, parts_of
from bertkit.engines.opening import Way
from bertkit.engines.sessions import check_engine_word
from bertkit.errors import DataError, RunError, UsageError
from bertkit.evaluation.answers import Decisions, ahead, beside, decided, forward
from bertkit.evaluation.blend import all_others, is_linear, open_ensemble, open_to_answer
from bertkit.evaluation.evaluate import About, Evaluation, evaluate
from bertkit.files import is_file, read_bytes, save_arrays, writing
from bertkit.kinds import MisfitError
from bertkit.plain import Progress, brief, see, to_json, unheard, visible
from bertkit.run_folder import MANIFEST, check_outputs, unchanged
from bertkit.tasks.base import Outputs, Task, TaskSettings
from bertkit.tasks.encoded import RowsInWork, encode_scored
from bertkit.tasks.multilabel import Decided, MultiLabelTask
from bertkit.tasks.registry import check_on_long, find_task
from bertkit.tasks.rows import check_answers, load_data, load_splits
from bertkit.tokenization.health import check_fit

# --- Which rows of an evaluation were trained on? -------------------------------------------------
#
# A run keeps a salted 64-bit hash of each training row, not its text, so that `eval` can say
# "37 of these 500 rows were trained on" wherever the run is copied to.
#
# What is hashed is the row in the form in which splits compare rows (`same_row`). Runs of
# earlier versions hold hashes of another form, in which punctuation counted and a swapped pair
# was another row; they are compared in that form, and the name in the file tells which it is.

HASHES = "training_rows.safetensors"
_ROWS, _FIRST_FORM = "same_rows", "rows"


def save_hashes(examples: Sequence[Example], salt: str, directory: Path, *, is_pair: bool) -> None:
    """Store the hashes of training rows, sorted, which also hides their order.

    Args:
        examples: the training rows.
        salt: makes the hashes of two runs' data different.
        directory: where the file goes.
        is_pair: whether a row is two sentences, in whichever order.
    """
    save_arrays(directory / HASHES, {_ROWS: np.unique(_hashes(_keys(examples, is_pair=is_pair), salt))})


def count_known(examples: Sequence[Example], salt: str, directory: Path, *, is_pair: bool) -> int | None:
    """Count the rows that were trained on; None where the run has lost its hashes.

    Raises:
        RunError: the file is damaged.
        PlaceError: it may not be read.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = directory / HASHES
    if not is_file(path):
        return None
    try:
        stored = load(read_bytes(path))
        known, in_first_form = stored[_ROWS if _ROWS in stored else _FIRST_FORM], _ROWS not in stored
        if known.ndim != 1 or known.dtype != np.uint64 or not (known[1:] > known[:-1]).all():
            raise MisfitError("its hashes are not those that were stored")
    except (OSError, SafetensorError, KeyError, MisfitError) as error:
        raise RunError(f"{path}: cannot be read ({error}); the run is damaged, copy or train it again.") from error
    found = 0
    for part in parts_of(examples):
        keys = map(_first_form, part) if in_first_form else _keys(part, is_pair=is_pair)
        hashes = _hashes(keys, salt)
        places = np.searchsorted(known, hashes)
        found += int((known[np.minimum(places, len(known) - 1)] == hashes).sum()) if len(known) else 0
    return found


def _keys(examples: Sequence[Example], *, is_pair: bool) -> Iterator[str]:
    for part in parts_of(examples):
        yield from row_keys(list(map(columns_of, part)), is_pair=is_pair)


def _first_form(example: Example) -> str:
    words = "\x1f".join(example.all_texts).casefold().split()
    return unicodedata.normalize("NFC", " ".join(words))


def _hashes(keys: Iterable[str], salt: str) -> NDArray[np.uint64]:
    secret = salt.encode()[:64]

    def one(key: str) -> int:
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=secret)
        return int.from_bytes(digest.digest(), "little")

    return np.fromiter(map(one, keys), np.uint64)


# --- The file of `eval --errors`: rows that were got wrong, as JSON lines that can be read as data again


def write_errors(path: Path, task: Task, examples: Sequence[Example], outputs: Outputs) -> None:
    """Write the rows the model got wrong as JSON lines, the surest mistakes first.

    For regression all rows are written, the largest errors first.

    Raises:
        OutputError: the file cannot be written.
    """
    mistakes = task.mistakes(examples, outputs)
    names = task.settings.columns.inputs
    with writing(path, "--errors") as stream:
        for i, figures in mistakes:
            row = {
                "line": examples[i].line,
                "source": examples[i].source,
                **dict(zip(names, examples[i].texts, strict=True)),
                "label": examples[i].answer,
                **figures,
            }
            stream.write(to_json(row) + "\n")


SPLITS = ("train", "validation", "test")
ON_ERROR = ("stop", "skip")
NO_TEST = "there is no test split, so this is the validation split, which chose the best weights"


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
    against: tuple[Path, ...] = ()
    force: bool = False
    plots: Path | None = None
    report: Path | None = None
    engine: str = "auto"
    blend: bool = True
    says_engine: bool = False
    threshold: str | None = None
    abstain_below: float | None = None
    on_error: str = "stop"

    def __post_init__(self) -> None:
        """Check the words of --engine and --on-error.

        Raises:
            UsageError: one of them is none of its choices.
        """
        check_engine_word(self.engine)
        if self.on_error not in ON_ERROR:
            raise UsageError(f"--on-error {brief(self.on_error)}: must be one of {', '.join(ON_ERROR)}.")
        _ = self.decisions  # checks its number

    @property
    def decisions(self) -> Decisions:
        """Which answers are to be given."""
        return Decisions(self.threshold, self.abstain_below)

    @property
    def way(self) -> Way:
        """How the run is to answer."""
        return Way(self.engine, self.device, self.precision, self.blend, says=self.says_engine)


@dataclass(frozen=True)
class Scored:
    """A run's answers on a split, with their scores: what figures and reports are made of."""

    run: Bundle
    examples: Sequence[Example]
    outputs: Outputs
    evaluation: Evaluation


@dataclass(frozen=True)
class _Read:
    """The rows of a split, and the opened run that answers them; `seconds` is the time of reading."""

    loaded: Bundle
    placement: Placement
    data: str
    split: str
    examples: Sequence[Example]
    warnings: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class _Answered:
    """What a run and its baselines say; `alone` is what a blended run's encoder says."""

    outputs: Outputs
    baselines: Mapping[str, Outputs]
    alone: Outputs | None
    seconds: float
    warnings: tuple[str, ...]


def evaluate_run(
    request: EvalRequest,
    note: Callable[[str], None] = lambda _: None,
    show: Callable[[Scored], None] = lambda _: None,
    progress: Progress = unheard,
) -> Evaluation:
    """Score a run on a split, beside the baselines it was stored with.

    Args:
        request: run, data and split.
        note: told what was noticed while reading the data, in one sentence each.
        show: handed the answers with their scores; makes the files of --plots and --report.
        progress: is told how many rows have been answered, of how many.

    Raises:
        RunError: no run is there, or it is damaged or newer.
        DataError: the data cannot be read, has no such split, or no label that the run knows.
        OutputError: --errors cannot be written.
    """
    with unchanged(request.run):
        read = _read(request, note)
        loaded, examples, split = read.loaded, read.examples, read.split
        findings = _fit_findings(loaded, examples)
        answered = _answered(loaded, examples, request, read.placement, progress)
        known = _known_rows(read, request.run)
    given = request.decisions.are_given(loaded.task, answered.outputs)
    coverage = None if given.all() and request.abstain_below is None else float(given.mean())
    rivals = _rivals(loaded, examples, request)
    if not given.all():
        examples, answered, rivals = _only_given(given, examples, answered, rivals)
    warnings = (*read.warnings, *findings, *answered.warnings, *_known_sentence(known, len(examples), split))
    evaluation = evaluate(
        loaded.task,
        examples,
        answered.outputs,
        answered.baselines,
        rivals,
        alone=answered.alone,
        about=About(read.data, split, warnings, read.seconds + answered.seconds, coverage),
    )
    if request.errors is not None:
        write_errors(request.errors, loaded.task, examples, answered.outputs)
    show(Scored(loaded, examples, answered.outputs, evaluation))
    return evaluation


def _read(request: EvalRequest, note: Callable[[str], None]) -> _Read:
    """Read the rows while the run is opened."""
    manifest = bundle.load_manifest(request.run)
    find_task(manifest.settings.task)
    refuse_outputs(request, manifest)
    with ahead(lambda: open_to_answer(request.run, request.way, note)) as opening:
        began = time.perf_counter()
        data, split, examples, warnings = _examples(request, manifest, note)
        seconds = time.perf_counter() - began
        doubts = [*check_answers(manifest.settings, examples), *row_doubts("", examples, split)]
        loaded, placement = opening.result()
    loaded.task.settings = _settings(loaded.manifest.settings, request)
    request.decisions.apply(loaded.task)
    return _Read(loaded, placement, data, split, examples, (*warnings, *doubts), seconds)


def _known_rows(read: _Read, run: Path) -> int | None:
    """Count the rows that the run was trained on."""
    salt, is_pair = read.loaded.manifest.data["fingerprint"], read.loaded.task.settings.is_pair
    return count_known(read.examples, salt, run / "baseline", is_pair=is_pair)


def _fit_findings(loaded: Bundle, examples: Sequence[Example]) -> list[str]:
    """Say where the run's tokenizer does not fit the rows."""
    if is_linear(loaded.manifest):
        return []
    texts = RowTexts(examples)
    name, ids = str(loaded.directory), loaded.model.encoder.vocab_size
    return list(check_fit(loaded.tokenizer, texts, name=name, model_ids=ids))


def _only_given(
    given: NDArray[np.bool_], examples: Sequence[Example], answered: _Answered, rivals: dict[str, Outputs]
) -> tuple[Sequence[Example], _Answered, dict[str, Outputs]]:
    """Keep the rows that are answered, of everybody's answers.

    Raises:
        DataError: there are none.
    """
    if not given.any():
        raise DataError("no row is answered: no probability reaches --threshold or --abstain-below; lower it.")
    places = np.flatnonzero(given).tolist()

    def kept(outputs: Outputs) -> Outputs:
        return [outputs[i] for i in places]

    baselines = {name: kept(outputs) for name, outputs in answered.baselines.items()}
    alone = None if answered.alone is None else kept(answered.alone)
    answered = replace(answered, outputs=kept(answered.outputs), baselines=baselines, alone=alone)
    return [examples[i] for i in places], answered, {name: kept(outputs) for name, outputs in rivals.items()}


def refuse_outputs(request: EvalRequest, manifest: Manifest) -> None:
    """Refuse --errors and --report where they would be written over what must stay.

    Raises:
        OutputError: see `check_outputs`.
    """
    names, data_dir = request.data, request.data_dir
    if not names:
        own = DataRequest.from_json(manifest.data["request"])
        names, data_dir = own.names, data_dir or (Path(own.data_dir) if own.data_dir else None)
    check_outputs(
        {"--errors": request.errors, "--report": request.report},
        files_of(names, data_dir),
        force=request.force,
        folders={"--plots": request.plots},
    )


def _examples(
    request: EvalRequest, manifest: Manifest, note: Callable[[str], None]
) -> tuple[str, str, Sequence[Example], tuple[str, ...]]:
    """Return the data's name, the split, its rows, and warnings about the choice."""
    if request.data:
        split = request.split or "test"
        dataset = _given_data(request, manifest, split)
        warnings = dataset.warnings
    else:
        dataset, warnings = _own_data(request, manifest, note), ()
        split = request.split or ("test" if "test" in dataset.splits else "validation")
        if split == "validation" and request.split is None:
            warnings = () if is_linear(manifest) else (NO_TEST,)
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
        labels=manifest.settings.labels,
        skip_bad=request.on_error == "skip",
    )
    own = DataRequest.from_json(manifest.data["request"])
    if split not in dataset.splits and tuple(own.names) == request.data and "train" in dataset.splits:
        # A split the data lacks and training held out: hold it out again.
        data_dir = str(request.data_dir) if request.data_dir else own.data_dir
        return load_splits(_skipping(replace(own, data_dir=data_dir), request), splits=SPLITS)
    return dataset


def _skipping(own: DataRequest, request: EvalRequest) -> DataRequest:
    return replace(own, on_error="skip") if request.on_error == "skip" else own


def _own_data(request: EvalRequest, manifest: Manifest, note: Callable[[str], None]) -> DataSet:
    """Load what the run itself names, which may be anything if it came from somebody else: so it is told first."""
    own = DataRequest.from_json(manifest.data["request"])
    if request.data_dir is not None:
        own = replace(own, data_dir=str(request.data_dir))
    place = f" in {visible(own.data_dir)}" if own.data_dir else ""
    for name in own.names:
        note(f"the run's own data: {visible(name)}{place}")
    try:
        return load_splits(_skipping(own, request), splits=SPLITS)
    except UsageError as error:
        raise RunError(
            f"{request.run / MANIFEST}: data.request cannot be followed ({str(error).rstrip('.')}); "
            "name the data to score."
        ) from error
    except DataError as error:
        if not manifest.export:
            raise
        raise DataError(
            f"{request.run}: is an export, which does not store where its data is ({str(error).rstrip('.')}); "
            "name the data to score."
        ) from error


def _settings(settings: TaskSettings, request: EvalRequest) -> TaskSettings:
    check_on_long(settings.task, request.on_long or settings.on_long)
    return replace(settings, on_long=request.on_long or settings.on_long)


def _answered(
    loaded: Bundle, examples: Sequence[Example], request: EvalRequest, placement: Placement, progress: Progress
) -> _Answered:
    """Compute a run's answers and those of its baselines; the time of an ensemble's other member counts, too."""
    alone, seconds, warnings = _outputs(loaded, examples, request, placement, progress)
    fitted = load_baselines(request.run / "baseline", loaded.task)
    baselines = fitted.predict(examples)
    if is_linear(loaded.manifest):
        return _Answered(alone, all_others(baselines), None, seconds, warnings)
    began = time.perf_counter()
    ensemble = open_ensemble(loaded)
    if ensemble is None:
        return _Answered(alone, beside(loaded.task, fitted, baselines), None, seconds, warnings)
    others = ensemble.member.answers(examples, baselines)
    outputs = ensemble.blend.mix(alone, others)
    seconds += time.perf_counter() - began
    name = ensemble.member.name
    both = beside(loaded.task, fitted, baselines if name in baselines else {**baselines, name: others})
    return _Answered(outputs, both, alone, seconds, warnings)


def _outputs(
    loaded: Bundle,
    examples: Sequence[Example],
    request: EvalRequest,
    placement: Placement,
    progress: Progress = unheard,
) -> tuple[Outputs, float, tuple[str, ...]]:
    """Tokenize and compute; return outputs, seconds, and a warning about rows that were cut."""
    began = time.perf_counter()
    encoded = RowsInWork(encode_scored(loaded.task, examples), progress)
    outputs = forward(loaded.model, loaded.task, encoded, placement, batch_size=request.batch_size, tick=encoded.tick)
    if len(examples) >= MANY:
        give_back()  # what the baselines need would else come on top of what batches have left
    seconds, cut = time.perf_counter() - began, encoded.cut
    limit = loaded.task.settings.max_length
    return outputs, seconds, _cut_sentence(cut, len(examples), limit)


def _rivals(loaded: Bundle, examples: Sequence[Example], request: EvalRequest) -> dict[str, Outputs]:
    """Answer the same rows with each run of --against, by its name; one of them is in memory at a time.

    Raises:
        RunError: one learned another task, or other labels.
    """
    return {str(other): _rival(loaded, examples, request, other) for other in request.against}


def _rival(loaded: Bundle, examples: Sequence[Example], request: EvalRequest, against: Path) -> Outputs:
    other, placement = open_to_answer(against, replace(request.way, engine="auto"))
    mine, others = loaded.task.settings, other.task.settings
    if _kind(mine) != _kind(others):
        raise RunError(
            f"--against {against}: has learned another task or other labels; give a run trained on the same kind "
            f"of data."
        )
    if mine.task == "mlm" and loaded.tokenizer.vocab_size != other.tokenizer.vocab_size:
        raise RunError(f"--against {against}: has another vocabulary, so perplexities cannot be compared.")
    outputs, ensemble = _outputs(other, examples, request, placement)[0], open_ensemble(other)
    if ensemble is not None:
        outputs = ensemble.blend.mix(outputs, ensemble.member.answers(examples, {}))
    if isinstance(loaded.task, MultiLabelTask):  # by its own thresholds
        return [Decided(scores, scores >= np.asarray(others.thresholds or 0.5)) for scores in map(np.asarray, outputs)]
    return decided(outputs) if mine.thresholds else outputs


def compare_on(examples: Sequence[Example], request: EvalRequest, *, data: str, split: str) -> Evaluation:
    """Score a run on given rows, beside those of --against and nothing else; no run's own data is read.

    Raises:
        RunError: one of them is not a run, or learned something else.
    """
    loaded, placement = open_to_answer(request.run, request.way)
    outputs, ensemble = _outputs(loaded, examples, request, placement)[0], open_ensemble(loaded)
    if ensemble is not None:
        outputs = ensemble.blend.mix(outputs, ensemble.member.answers(examples, {}))
    rivals = _rivals(loaded, examples, request)
    return evaluate(loaded.task, examples, outputs, {}, rivals, about=About(data, split))


def _kind(settings: TaskSettings) -> tuple[object, ...]:
    """Tell what must agree for two runs' answers to be comparable; both tasks of summaries choose sentences."""
    task = "summaries" if settings.task in ("extractive", "matching") else settings.task
    return task, settings.labels, len(settings.columns.inputs)


def _cut_sentence(cut: int, n: int, limit: int) -> tuple[str, ...]:
    return (f"{cut:,} of {n:,} rows are longer than {limit} tokens and were cut",) if cut else ()


def _known_sentence(known: int | None, n: int, split: str) -> tuple[str, ...]:
    if known is None:
        return (f"the run has lost {HASHES}, so it is not known which of these {n:,} rows it was trained on",)
    if not known or split == "train":
        return ()
    return (
        f"{known:,} of these {n:,} rows were also trained on (letter case, white space and punctuation apart): "
        f"these scores are inflated; {see('inflated')}",
    )
