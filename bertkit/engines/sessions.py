"""Engines in place of a torch model: called in the same way, with the same tensors."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.device import Placement, laid_out
from bertkit.engines.graph import INPUTS, LOGITS, ORDER, require, version_of
from bertkit.errors import ModelError, UsageError
from bertkit.files import refusal
from bertkit.kinds import MisfitError
from bertkit.plain import brief

if TYPE_CHECKING:
    from torch import Tensor

ENGINES = ("auto", "torch", "onnx", "openvino")
_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
_NAMES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
# Figures of an output that are held at a time: of masked words there are many for each token.
_MOST_FIGURES = 2**24
# How the ONNX format names another file that holds weights: the key of an entry, and its length.
_ELSEWHERE = b"\x0a\x08location\x12"

Inputs = dict[str, NDArray[np.int64]]
Run = Callable[[Inputs], dict[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class EncoderFacts:
    """What is asked of an encoder that an engine computes.

    Attributes:
        hidden_size: figures of a token's vector.
        vocab_size: ids it has embeddings for.
        max_positions: longest row it reads; None: any.
        read_embeddings: gives the table of word embeddings, (V, E); None where nobody asks for it.
    """

    hidden_size: int
    vocab_size: int
    max_positions: int | None = None
    read_embeddings: Callable[[], NDArray[np.float32]] | None = None

    @property
    def embeddings_weight(self) -> NDArray[np.float32]:
        """The table of word embeddings, (V, E), read anew each time it is asked for."""
        assert self.read_embeddings is not None, "nobody asks an export for embeddings"
        return self.read_embeddings()


def check_engine_word(engine: str) -> None:
    """Refuse an --engine that is none.

    Raises:
        UsageError: it is not one of `ENGINES`.
    """
    if engine not in ENGINES:
        raise UsageError(f"--engine {brief(engine)}: must be one of {', '.join(ENGINES)}.")


def require_engine(engine: str) -> None:
    """Refuse an engine that is not installed.

    Raises:
        MissingPackageError: its package is missing.
    """
    if engine in _PACKAGES:
        require(_PACKAGES[engine], wanted=f"--engine {engine}")


def engine_name(engine: str) -> str:
    """Return the name and version by which people know an engine."""
    return f"{_NAMES[engine]} {version_of(_PACKAGES[engine])}".strip()


class EngineModel:
    """A graph that an engine computes, in the place of a `TaskModel` that predicts; torch is not needed for it.

    Args:
        engine: onnx or openvino.
        path: the graph.
        encoder: facts of its encoder.
        placement: precision and threads; the device is the CPU.

    Raises:
        MissingPackageError: the engine is not installed.
        MisfitError: it cannot open the graph, or that has other inputs or outputs than bertkit's.
    """

    reads_arrays: ClassVar[bool] = True

    def __init__(self, engine: str, path: Path, encoder: EncoderFacts, placement: Placement) -> None:
        require_engine(engine)
        _refuse_other_files(path)
        self.engine, self.path, self.encoder, self.placement = engine, path, encoder, placement
        try:
            self._run, takes, gives = _OPENERS[engine](path, placement)
        except Exception as error:  # each engine has errors of its own, none in common
            if refusal(error) is not None:
                raise
            raise MisfitError(f"{engine_name(engine)} cannot open it ({_last_line(error)})") from error
        if not set(takes) <= set(INPUTS) or "input_ids" not in takes or gives not in ([LOGITS], [LOGITS, ORDER]):
            raise MisfitError("its inputs and outputs are not those of a graph that bertkit writes")
        self._takes = takes

    def __call__(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Any:
        """Return the logits that the model would return; arguments as in `Encoder`.

        Raises:
            ModelError: the rows are longer than the encoder has positions for, or the engine fails.
        """
        self._refuse_long(input_ids.shape[1])
        mask = np.ones(tuple(input_ids.shape), np.int64) if attention_mask is None else attention_mask
        given = dict(zip(INPUTS, (input_ids, mask, token_type_ids), strict=True))
        inputs = {name: np.asarray(given[name]) for name in self._takes}
        if positions is None:
            return laid_out(self._computed(inputs)[LOGITS])
        return self._of_places(inputs, np.asarray(positions))

    def finish_row(self, parts: Iterable[NDArray[np.float64]]) -> Iterable[NDArray[np.float64]]:
        """Nothing needs all parts of a row at once in models that have a graph."""
        return parts

    def to(self, device: str) -> Self:
        """Stay: engines compute on the CPU."""
        return self

    def eval(self) -> Self:
        """Stay: engines only predict."""
        return self

    def in_float32(self) -> EngineModel:
        """Return the same model in float32, or this one where it is."""
        if self.placement.precision == "float32":
            return self
        return EngineModel(self.engine, self.path, self.encoder, replace(self.placement, precision="float32"))

    def _of_places(self, inputs: Inputs, places: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """Return the logits of some places of the flattened batch, (M, V), and those of the order, (B, 2).

        The graph gives the words of all places, so a few rows are computed at a time.
        """
        import torch

        rows, width = inputs["input_ids"].shape
        step = max(1, _MOST_FIGURES // (width * self.encoder.vocab_size))
        words: list[NDArray[np.float32]] = []
        orders: list[NDArray[np.float32]] = []
        for start in range(0, rows, step):
            found = self._computed({name: array[start : start + step] for name, array in inputs.items()})
            here = places[(places >= start * width) & (places < (start + step) * width)] - start * width
            words.append(found[LOGITS].reshape(-1, found[LOGITS].shape[-1])[here])
            orders += [found[ORDER]] if ORDER in found else []
        order = torch.from_numpy(np.concatenate(orders)) if orders else None
        return torch.from_numpy(np.concatenate(words)), order

    def _computed(self, inputs: Inputs) -> dict[str, NDArray[np.float32]]:
        try:
            return self._run(inputs)
        except Exception as error:
            if refusal(error) is not None:
                raise
            raise ModelError(
                f"{engine_name(self.engine)} cannot compute a batch of {inputs['input_ids'].shape[0]} rows "
                f"({_last_line(error)}); predict with --engine torch."
            ) from error

    def _refuse_long(self, length: int) -> None:
        most = self.encoder.max_positions
        if most is not None and length > most:
            raise ModelError(f"a row of {length} tokens: the encoder has {most} positions; add --max-length {most}.")


def _last_line(error: Exception) -> str:
    """Return what an engine says last, which names the reason; before it OpenVINO names places in its own code."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _refuse_other_files(path: Path) -> None:
    """Refuse a graph with weights in other files: it may come from anybody, and could name any file.

    Raises:
        MisfitError: it has some, or is empty.
    """
    if not path.stat().st_size:
        raise MisfitError("is empty")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(_ELSEWHERE) >= 0:
            raise MisfitError("has weights in other files, which bertkit does not open")


_Opened = tuple[Run, Sequence[str], list[str]]


def _onnxruntime(path: Path, placement: Placement) -> _Opened:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = placement.threads
    options.log_severity_level = 4  # what is wrong is raised, too
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    gives = [port.name for port in session.get_outputs()]

    def run(inputs: Inputs) -> dict[str, NDArray[np.float32]]:
        return dict(zip(gives, session.run(gives, inputs), strict=True))

    return run, [port.name for port in session.get_inputs()], gives


def _openvino(path: Path, placement: Placement) -> _Opened:
    import openvino
    from openvino.frontend import FrontEndManager

    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[placement.precision],
        "INFERENCE_NUM_THREADS": placement.threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    reader = FrontEndManager().load_by_framework("onnx")  # left to guess, it tries the readers of all frameworks
    compiled = openvino.Core().compile_model(reader.convert(reader.load(str(path))), "CPU", settings)
    gives = [port.get_any_name() for port in compiled.outputs]

    def run(inputs: Inputs) -> dict[str, NDArray[np.float32]]:
        found = compiled(inputs)
        return {name: np.array(found[name]) for name in gives}  # copies: its buffers are used again

    return run, [port.get_any_name() for port in compiled.inputs], gives


_OPENERS: dict[str, Callable[[Path, Placement], _Opened]] = {"onnx": _onnxruntime, "openvino": _openvino}
