"""Who predicts: bertkit, transformers' pipeline, OpenVINO and ONNX Runtime, all from the same folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit import bundle
from bertkit.compute.batching import token_budget_batches
from bertkit.compute.device import choose_placement
from bertkit.data.records import Example
from bertkit.engines.opening import Way
from bertkit.evaluation.blend import open_to_answer
from bertkit.evaluation.predict import predict_stream
from options import silent
from sidebyside import Contender, clocked

Infer = Callable[[dict[str, NDArray[np.int64]]], NDArray[np.float32]]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def quiet_transformers() -> None:
    """Switch transformers' progress bars and advice off; warnings of a fault stay."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


def multiplies_bfloat16() -> bool:
    """Say whether bertkit takes bfloat16 on this processor by itself."""
    return choose_placement("cpu", "auto").precision == "bfloat16"


def bertkit_contender(
    folder: Path, examples: Sequence[Example], precision: str, *, engine: str = "torch", name: str = "bertkit"
) -> Contender:
    """Predict a stream with bertkit, opened as `predict` opens a run: tokenizing, computing, records.

    Raises:
        MissingPackageError: the engine is not installed.
    """
    run, placement = open_to_answer(folder, Way(engine, "cpu", precision))

    def predict() -> list[str]:
        return [record["label"] for records in predict_stream(run, examples, placement) for record in records]

    return clocked(f"{name}, {precision}", predict, len(examples))


def pipeline_contender(
    folder: Path, examples: Sequence[Example], batch_size: int, precision: str, *, in_order: bool = True
) -> Contender:
    """Predict with transformers' pipeline, batches of one size; not `in_order`: rows of like length together."""
    import torch
    from transformers import pipeline

    quiet_transformers()
    classify = pipeline("text-classification", model=str(folder), device="cpu", dtype=getattr(torch, precision))
    places = range(len(examples))
    order = list(places) if in_order else sorted(places, key=lambda i: sum(map(len, examples[i].texts)))
    rows = [dict(zip(("text", "text_pair"), examples[i].texts, strict=True)) for i in order]

    def predict() -> list[str]:
        answers = [answer["label"] for answer in classify(rows, batch_size=batch_size, truncation=True)]
        return [label for _, label in sorted(zip(order, answers, strict=True))]

    sorting = "" if in_order else ", sorted"
    return clocked(f"pipeline, batch {batch_size}, {precision}{sorting}", predict, len(examples))


def openvino_contender(folder: Path, examples: Sequence[Example], precision: str) -> Contender:
    """Predict with OpenVINO on bertkit's batches, which are better ones than it would get by itself.

    Raises:
        ImportError: it is not installed.
    """
    import openvino as ov
    import torch

    with silent():
        converted = ov.convert_model(reference_model(folder), example_input=example_input())
    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = ov.Core().compile_model(converted, "CPU", settings)
    names = [port.get_any_name() for port in compiled.inputs]
    output = compiled.output(0)

    def infer(batch: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = compiled({name: batch[name] for name in names})[output]
        return found

    return _batched(f"OpenVINO, {precision}", folder, examples, infer)


def onnxruntime_contender(folder: Path, examples: Sequence[Example]) -> Contender:
    """Predict with ONNX Runtime in float32, on bertkit's batches.

    Raises:
        ImportError: it, or what exports to it, is not installed.
    """
    import onnxruntime
    import torch

    with tempfile.TemporaryDirectory() as place, silent():
        path = Path(place) / "model.onnx"
        sizes = {name: {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens")} for name in INPUTS}
        torch.onnx.export(
            reference_model(folder),
            kwargs=example_input(),
            f=str(path),
            dynamo=True,
            dynamic_shapes=sizes,
            external_data=False,
            verbose=False,
        )
        session = onnxruntime.InferenceSession(path.read_bytes(), _session_options(), ["CPUExecutionProvider"])

    def infer(batch: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = session.run(None, batch)[0]
        return found

    return _batched("ONNX Runtime, float32", folder, examples, infer)


def _session_options() -> Any:
    """Use as many threads as torch does."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return options


def _batched(name: str, folder: Path, examples: Sequence[Example], infer: Infer) -> Contender:
    """Make a contender of an engine: bertkit encodes and makes the batches, the engine computes."""
    run = bundle.load(folder)
    labels = run.task.settings.labels

    def predict() -> list[str]:
        encodings = [row.parts[0] for row in run.task.encode(examples)]
        answers = [""] * len(encodings)
        for chosen in token_budget_batches([len(encoding.ids) for encoding in encodings]):
            batch = run.task.batch([encodings[i] for i in chosen])
            ids = batch.input_ids.numpy()
            mask = np.ones_like(ids) if batch.attention_mask is None else batch.attention_mask.numpy()
            logits = infer(dict(zip(INPUTS, (ids, mask, batch.token_type_ids.numpy()), strict=True)))
            for place, best in zip(chosen, logits.argmax(axis=1), strict=True):
                answers[place] = labels[best]
        return answers

    return clocked(name, predict, len(examples))


def reference_model(folder: Path) -> Any:
    """Open a run as transformers' classifier that returns tuples."""
    from transformers import AutoModelForSequenceClassification

    quiet_transformers()
    model = AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    model.config.return_dict = False
    return model


def example_input() -> dict[str, Any]:
    """Return a batch that a model can be traced with."""
    import torch

    ids = torch.ones((2, 8), dtype=torch.int64)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
