"""Engines that stand in a model's place: called as it is, with the same tensors."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from bertkit.engines.graph import INPUTS, OUTPUT
from bertkit.errors import ModelError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.compute.device import Placement

Run = Callable[[dict[str, NDArray[np.int64]]], NDArray[np.float32]]

ENGINES = ("auto", "torch", "onnx", "openvino")
_PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


def check_engine(engine: str) -> None:
    """Refuse an engine that is not installed, before anything heavy is done.

    Raises:
        UsageError: it is none, or its package is missing.
    """
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine}: must be one of {', '.join(ENGINES)}.")
    package = _PACKAGES.get(engine)
    if package is not None and importlib.util.find_spec(package) is None:
        raise UsageError(f"--engine {engine}: the package {package} is not installed; `pip install {package}`.")


class EngineModel:
    """A graph run by an engine, in the place of a `TaskModel` that predicts.

    Args:
        run: computes logits from the graph's inputs.
        encoder: facts of the encoder (hidden_size, vocab_size, embeddings_weight).
        takes: the inputs that the graph has.
    """

    def __init__(self, run: Run, encoder: Any, takes: Sequence[str] = INPUTS) -> None:
        self._run = run
        self._takes = tuple(takes)
        self.encoder = encoder

    def __call__(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor,
        global_mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Any:
        """Return logits as the model would; arguments as in `Encoder`."""
        import torch

        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        inputs = {"input_ids": input_ids, "attention_mask": mask, "token_type_ids": token_type_ids}
        found = self._run({name: inputs[name].cpu().numpy() for name in self._takes})
        logits = torch.from_numpy(np.ascontiguousarray(found))
        if positions is None:
            return logits
        return logits.flatten(0, 1)[positions], None  # (M, V): hidden words

    def finish_row(self, parts: Sequence[NDArray[np.float64]]) -> Sequence[NDArray[np.float64]]:
        """Nothing needs all parts of a row at once in models that have a graph."""
        return parts

    def to(self, device: str) -> Self:
        """Stay: engines compute on the CPU."""
        return self

    def eval(self) -> Self:
        """Stay: engines only predict."""
        return self


def open_engine(engine: str, path: Path, encoder: Any, placement: Placement) -> EngineModel:
    """Open a graph with an engine.

    Args:
        engine: onnx or openvino.
        path: the graph.
        encoder: facts of the encoder.
        placement: precision and threads; the device is the CPU.

    Raises:
        UsageError: the engine is not installed.
        ModelError: it cannot open the graph.
    """
    check_engine(engine)
    opener = {"onnx": _onnxruntime, "openvino": _openvino}[engine]
    try:
        run, takes = opener(path, placement)
    except Exception as error:  # each engine has errors of its own, none in common
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: {engine} cannot open it ({reason}); make it again with `bertkit export`.") from error
    return EngineModel(run, encoder, takes)


def _onnxruntime(path: Path, placement: Placement) -> tuple[Run, list[str]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = placement.threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    takes = [found.name for found in session.get_inputs()]

    def run(inputs: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = session.run([OUTPUT], inputs)[0]
        return logits

    return run, takes


def _openvino(path: Path, placement: Placement) -> tuple[Run, list[str]]:
    import openvino

    hint = {"float32": "f32", "bfloat16": "bf16"}[placement.precision]
    settings = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": placement.threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    takes = [port.get_any_name() for port in compiled.inputs]
    output = compiled.output(OUTPUT)

    def run(inputs: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = compiled(inputs)[output]
        return logits

    return run, takes
