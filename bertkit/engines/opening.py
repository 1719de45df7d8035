"""Open a run or an export for prediction, with torch or another engine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bertkit import bundle
from bertkit.bundle import Bundle, Manifest, sound
from bertkit.compute.device import FEW_SHAPES, MANY_SHAPES, NARROW, Placement, choose_placement, page_out
from bertkit.data.formats.opened import size_of
from bertkit.engines.graph import (
    FACTS,
    GRAPH,
    LOGITS,
    GraphFacts,
    cached_graph,
    found_graph,
    is_installed,
    why_no_graph,
)
from bertkit.engines.sessions import EncoderFacts, EngineModel, check_engine_word, engine_name, require_engine
from bertkit.errors import DeviceError, MissingPackageError, ModelError, RunError
from bertkit.files import is_file
from bertkit.kinds import MisfitError, read_object, record_of
from bertkit.models.registry import load_target
from bertkit.models.weights import read_array
from bertkit.processor import has_tiles, multiplies_bfloat16, units, usual_threads
from bertkit.run_folder import is_there, read_steadily, restored, unchanged
from bertkit.tasks.base import Task, TaskSettings
from bertkit.tasks.encoding import try_out
from bertkit.tasks.registry import find_task
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.loading import load_tokenizer

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

# --- Which engine answers where nobody names one: a rule of processor, model and input, never of a clock
#
# The same command on the same machine makes the same choice, and so the same bytes; what is in
# the cache plays no part. docs/engines.md has the rule in words and the figures behind it.

# Bytes of input from which another engine pays: below, its start and the making of a graph cost more.
LARGE_INPUT = 4_000_000
# Tokens of a row beyond which nothing was measured.
LONGEST_ROW = 512
# OpenVINO, and what makes the graph that it reads.
PACKAGES = ("openvino", "onnx", "onnxscript")
# Where the driver of a GPU that torch may use shows itself.
_GPUS = ("/dev/nvidiactl", "/dev/kfd")


@dataclass(frozen=True)
class Choice:
    """An engine, and in a clause why."""

    engine: str
    reason: str


def choose_engine(directory: Path, settings: TaskSettings, *, device: str, input_bytes: int | None) -> Choice:
    """Choose the engine that computes a run; needs no torch.

    Args:
        directory: the run, whose config.json says how wide its encoder is.
        settings: the run's.
        device: the word of --device.
        input_bytes: size of what is to be answered; None: not known.
    """
    reason = next(_for_torch(directory, settings, device, input_bytes), None)
    if reason is not None:
        return Choice("torch", reason)
    return Choice("openvino", "a large input, and a processor without AMX")


def _for_torch(directory: Path, settings: TaskSettings, device: str, input_bytes: int | None) -> Iterator[str]:
    """Yield what speaks for torch, the weightiest first."""
    if device not in ("auto", "cpu"):
        yield f"--device {device}"
    if device == "auto" and (sys.platform == "darwin" or any(Path(path).exists() for path in _GPUS)):
        yield "it computes on GPUs"
    if input_bytes is None or input_bytes < LARGE_INPUT:
        yield "the input is small" if input_bytes is not None else "the input's size is not known"
    if not {"avx2", "avx512f"} & units():
        yield "other engines were measured on AVX2 and AVX512 only"
    if has_tiles():
        yield "on a processor with AMX no other engine was faster"
    model_type, width = _encoder(directory)
    if why_no_graph(settings, model_type) is not None:
        yield "the run has no graph"
    if width < NARROW:
        yield "the encoder is narrow"
    if settings.max_length > LONGEST_ROW:
        yield "its rows are long"
    yield from (f"{package} is not installed" for package in PACKAGES if not is_installed(package))


def size_of_all(names: Sequence[str]) -> int | None:
    """Return the bytes of inputs; None where one of them is not a regular file."""
    sizes = [size_of(name) for name in names]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _encoder(directory: Path) -> tuple[str, int]:
    """Return architecture and width by config.json; of a damaged one nothing, which others say."""
    try:
        values = restored(read_object(directory / "config.json"))
    except MisfitError:
        return "", 0
    width = values.get("hidden_size", values.get("dim", 0))
    return str(values.get("model_type", "")), width if isinstance(width, int) else 0


WEIGHTS = "model.safetensors"
_DAMAGED = "export it again"

Note = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """How a run is to answer.

    Attributes:
        engine: torch, onnx, openvino; auto: what the folder is for, which of a run is torch.
        device: as `choose_placement` takes it; engines other than torch compute on the CPU.
        precision: likewise; ONNX Runtime computes in float32 or in the 8 bits of an export.
        blend: whether the baseline of a blended run has its say.
        input_bytes: size of what is to be answered; None: not known. See `opening.py`.
        says: whether it is said which engine answers also where that is torch and the input small.

    Raises:
        UsageError: an engine that is none.
    """

    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    blend: bool = True
    input_bytes: int | None = None
    says: bool = False

    @property
    def is_long(self) -> bool:
        """Whether the answers take long enough to be told what computes them."""
        return self.input_bytes is not None and self.input_bytes >= LARGE_INPUT

    def __post_init__(self) -> None:
        """Check the word."""
        check_engine_word(self.engine)


def open_run(directory: Path, way: Way, note: Note = lambda _: None) -> tuple[Bundle, Placement]:
    """Open a folder with what is asked for.

    Args:
        directory: a run, or an export of one.
        way: engine, device, precision, and whether answers are blended.
        note: told in a sentence which engine answers, if it is not torch or nobody named one.

    Returns:
        The run, its model where it computes, and how it computes.

    Raises:
        RunError: no run is there, it is damaged or newer, or it has no graph.
        MissingPackageError: the engine is not installed.
        ModelError: the engine cannot compute the run's graph, or torch is asked to.
        DeviceError: the engine does not compute on the device, or in the precision.
    """
    choice = _choice(directory, way)
    engine = choice.engine
    if engine == "torch":
        found = bundle.load(directory)
        shapes = MANY_SHAPES if way.input_bytes is None else FEW_SHAPES
        width = found.model.encoder.hidden_size
        placement = choose_placement(way.device, way.precision, width=width, shapes=shapes)
        found.model.to(placement.device)
        if placement.kind == "cpu" and placement.precision == "bfloat16":
            store_in_bfloat16(found.model)
        if choice.reason and (way.says or way.is_long):
            note(_said(engine, placement, choice.reason))
    else:
        require_engine(engine)
        opened = _open_export if _is_graph(directory) else _open_through_cache
        found, placement = opened(directory, choice, way, note)
    if not way.blend:
        found = replace(found, manifest=replace(found.manifest, blend={}))
    return found, placement


def in_float32(run: Bundle) -> tuple[Bundle, Placement]:
    """Return an opened run that computes in float32, where it is, and how it computes."""
    model: Any = run.model
    if isinstance(model, EngineModel):
        model = model.in_float32()
        return replace(run, model=cast("TaskModel", model)), model.placement
    device = str(next(model.parameters()).device)
    if any(weight.dtype == torch_bfloat16() for weight in model.parameters()):
        model = bundle.load(run.directory).model.to(device)
        run = replace(run, model=model)
    return run, Placement(device, "float32", 1)


def torch_bfloat16() -> Any:
    """Return torch's name of bfloat16."""
    import torch

    return torch.bfloat16


def store_in_bfloat16(model: TaskModel) -> None:
    """Round the matrices of an encoder that only predicts, once: autocast would at every call, to the same figures.

    The file of the weights stays mapped for the others, without the pages of these.
    """
    from torch import nn

    encoder: Any = model.encoder
    for module in encoder.modules():
        if type(module) is nn.Linear:
            before = module.weight.data  # module.to puts other memory behind the parameter
            module.to(torch_bfloat16())
            page_out(before.data_ptr(), before.nbytes)


def _is_graph(directory: Path) -> bool:
    """Tell whether a folder holds a graph, and no weights for torch."""
    return is_there(directory) and is_file(directory / GRAPH) and not is_file(directory / WEIGHTS)


def _choice(directory: Path, way: Way) -> Choice:
    """Choose the engine: for a graph one that is installed, for a run by the rule of `opening.py`.

    Raises:
        ModelError: torch is asked to open a graph.
        MissingPackageError: there is a graph, and nothing here that computes graphs.
    """
    word = way.engine
    if not _is_graph(directory):
        if word != "auto":
            return Choice(word, "")
        settings = bundle.load_manifest(directory).settings
        return choose_engine(directory, settings, device=way.device, input_bytes=way.input_bytes)
    if word == "torch":
        raise ModelError(f"--engine torch: {directory} holds a graph without weights for torch; take onnx or openvino.")
    if word != "auto":
        return Choice(word, "")
    for engine, package in (("onnx", "onnxruntime"), ("openvino", "openvino")):
        if is_installed(package):
            return Choice(engine, "")
    raise MissingPackageError(
        f"{directory}: holds a graph, and neither onnxruntime nor openvino is installed here; pip install onnxruntime."
    )


def _open_through_cache(directory: Path, choice: Choice, way: Way, note: Note) -> tuple[Bundle, Placement]:
    """Open a run, and let an engine compute its graph."""
    engine = choice.engine
    if (ready := _through_found_graph(directory, engine, way)) is not None:
        note(_said(engine, ready[1], choice.reason))
        return ready
    run = bundle.load(directory)
    encoder = run.model.encoder
    reason = why_no_graph(run.task.settings, str(encoder.transformers_config().get("model_type", "")))
    if reason is not None:
        raise RunError(f"--engine {engine}: {reason}.")
    placement = _placement(engine, way, encoder.hidden_size)
    path = cached_graph(run, lambda sentence: note(f"{directory}: {sentence}"))
    facts = EncoderFacts(
        encoder.hidden_size,
        encoder.vocab_size,
        encoder.max_positions,
        lambda: cast("Any", encoder).embeddings_weight.detach().float().numpy(),
    )
    try:
        model = EngineModel(engine, path, facts, placement)
    except MisfitError as error:
        raise ModelError(f"--engine {engine}: {path}: {error}; predict with --engine torch.") from error
    note(_said(engine, placement, choice.reason))
    return replace(run, model=cast("TaskModel", model)), placement


def _through_found_graph(directory: Path, engine: str, way: Way) -> tuple[Bundle, Placement] | None:
    """Open a run whose graph is in the cache; its weights are not opened, and torch is not imported.

    The cache knows a run by the digest of its weights and its config.json, which were looked at
    when the graph was made; the rest of the run is looked at here.
    """

    def read() -> tuple[Bundle, Placement] | None:
        with unchanged(directory) as identity:
            manifest = bundle.load_manifest(directory)
            found = found_graph(directory, manifest.settings)
            if found is None:
                return None
            (path, facts), tokenizer = found, load_tokenizer(directory)
            placement = _placement(engine, way, facts.hidden_size)
            weights = directory / WEIGHTS
            encoder = EncoderFacts(
                facts.hidden_size,
                facts.vocab_size,
                facts.max_positions,
                lambda: read_array(weights, facts.embeddings),
            )
            with sound(directory):
                task, model = (
                    _task_of(manifest, tokenizer, facts.vocab_size),
                    EngineModel(engine, path, encoder, placement),
                )
                _check_outputs(model, manifest.settings, facts.vocab_size)
                try_out(task, cast("TaskModel", model))
        return Bundle(directory, manifest, tokenizer, task, cast("TaskModel", model), identity), placement

    return read_steadily(directory, read)


def _task_of(manifest: Manifest, tokenizer: Tokenizer, words: int) -> Task:
    """Build the task of a run whose encoder has so many embeddings.

    Raises:
        MisfitError: the tokenizer has more ids.
    """
    settings = manifest.settings
    if tokenizer.vocab_size > words:
        raise MisfitError(
            f"the ids of tokenizer.json go up to {tokenizer.vocab_size - 1:,}, and the graph has "
            f"embeddings for {words:,}"
        )
    task: Task = load_target(find_task(settings.task).target_for(settings.pooling))(settings, tokenizer)
    return task


def _open_export(directory: Path, choice: Choice, way: Way, note: Note) -> tuple[Bundle, Placement]:
    """Open what `bertkit export --to onnx` has written."""
    engine = choice.engine
    run, placement, precision = read_steadily(directory, lambda: _read_export(directory, engine, way))
    shown = replace(placement, precision=precision) if precision == "int8" else placement
    note(_said(engine, shown, choice.reason))
    return run, placement


def _read_export(directory: Path, engine: str, way: Way) -> tuple[Bundle, Placement, str]:
    with unchanged(directory) as identity:
        manifest = bundle.load_manifest(directory)
        settings, tokenizer = manifest.settings, load_tokenizer(directory)
        with sound(directory / FACTS, way_on=_DAMAGED):
            facts = record_of(GraphFacts, read_object(directory / FACTS))
            task = _task_of(manifest, tokenizer, facts.vocab_size)
        placement = _placement(engine, way, facts.hidden_size)
        with sound(directory / GRAPH, way_on=_DAMAGED):
            encoder = EncoderFacts(facts.hidden_size, facts.vocab_size, facts.longest)
            model = EngineModel(engine, directory / GRAPH, encoder, placement)
            _check_outputs(model, settings, facts.vocab_size)
            try_out(task, cast("TaskModel", model))
    return Bundle(directory, manifest, tokenizer, task, cast("TaskModel", model), identity), placement, facts.precision


def _check_outputs(model: EngineModel, settings: TaskSettings, words: int) -> None:
    """Compare what a graph gives for a row of two tokens with what the task reads.

    Raises:
        MisfitError: it gives something else.
    """
    ids: Any = np.zeros((1, 2), np.int64)
    labels = len(settings.labels)
    shapes = {"ner": (1, 2, 2 * labels + 1), "mlm": (2, words), "qa": (1, 2, 2)}
    of_labels = dict.fromkeys(("classify", "multilabel", "relation"), (1, labels))
    wanted = {**of_labels, **shapes}.get(settings.task, (1, 1))
    places: Any = np.arange(2) if settings.task == "mlm" else None
    found = model(ids, None, ids, positions=places)
    logits = found[0] if isinstance(found, tuple) else found
    if tuple(logits.shape) != wanted:
        raise MisfitError(f"its {LOGITS} are {tuple(logits.shape)} where the task reads {wanted}")


def _placement(engine: str, way: Way, width: int) -> Placement:
    """Choose precision and threads; the device is the CPU.

    Raises:
        DeviceError: the engine does not compute on the device, or in the precision.
    """
    if way.device not in ("auto", "cpu"):
        raise DeviceError(
            f"--device {way.device}: {engine_name(engine)} computes on the CPU here; take --engine torch for a GPU."
        )
    precision = way.precision
    if engine == "onnx":
        if precision == "bfloat16":
            raise DeviceError(
                f"--precision bfloat16: {engine_name(engine)} computes in float32; take --engine openvino or torch."
            )
        precision = "float32"
    if precision == "auto" and (native := multiplies_bfloat16()) is not None:
        precision = "bfloat16" if native and width >= NARROW else "float32"
    if precision == "auto":
        return choose_placement("cpu", precision, width=width)
    return Placement("cpu", precision, usual_threads())


def _said(engine: str, placement: Placement, reason: str) -> str:
    """Say what answers; where nobody named it, with what and why."""
    name = "torch" if engine == "torch" else engine_name(engine)
    said = f"answers are computed by {name}, in {placement.precision}"
    if not reason:
        return said
    where = (
        f"{placement.threads} thread{'s' * (placement.threads > 1)}" if placement.kind == "cpu" else placement.device
    )
    return f"{said}, {where} ({reason})"
