"""A folder with the model as ONNX, pooling and head inside, for engines without torch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.bundle import Bundle, published_config
from bertkit.engines.graph import INPUTS, why_no_graph, write_graph
from bertkit.engines.sessions import check_engine, open_engine
from bertkit.errors import UsageError
from bertkit.export.check import Artefact
from bertkit.export.folders import fill, labels_line, plain_config, usage_texts
from bertkit.files import replacing

if TYPE_CHECKING:
    from torch import Tensor

MODEL = "model.onnx"


def refuse(run: Bundle) -> None:
    """Refuse a run that has no graph, or whose texts a plain tokenizer call does not prepare.

    Raises:
        UsageError: it is one; the message says what would help, or a package is missing.
    """
    settings = run.task.settings
    reason = why_no_graph(settings, str(run.model.encoder.transformers_config().get("model_type", "")))
    if reason is None and settings.overlap_segments:
        reason = (
            "only bertkit computes the segments of its pairs from text; train with --no-overlap-segments, "
            "or predict here with --engine onnx"
        )
    if reason is None and settings.leave_out != "none":
        reason = f"words are left out (--leave-out {settings.leave_out}) before the model reads; train without it"
    if reason is not None:
        raise UsageError(f"--to onnx: {reason}.")
    check_engine("onnx")


def write(folder: Path, run: Bundle, *, int8: bool) -> None:
    """Write the folder; see `refuse` for what must hold."""
    path = folder / MODEL
    write_graph(run.model, path, max_length=run.task.settings.max_length)
    if int8:
        quantize(path)
    facts = {"to": "onnx", "precision": "int8" if int8 else "float32"}
    fill(folder, run, plain_config(published_config(run.task.settings, run.model)), facts, _readme(run))


def quantize(path: Path) -> None:
    """Make the weights of a graph whole numbers of 8 bits, a scale for each channel, in its place.

    Activations are quantised as they come (dynamic quantisation).
    """
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises a shape inference that changes nothing here
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as place, replacing(path) as beside:
            made = Path(place) / MODEL
            quantize_dynamic(str(path), str(made), per_channel=True, weight_type=QuantType.QInt8)
            made.replace(beside)
    finally:
        logging.disable(before)


def opened(folder: Path, run: Bundle) -> Artefact:
    """Open the folder with ONNX Runtime alone."""
    from bertkit.compute.device import choose_placement

    placement = choose_placement("cpu", "float32", width=run.model.encoder.hidden_size)
    session = open_engine("onnx", folder / MODEL, run.model.encoder, placement)

    def artefact(inputs: dict[str, Tensor]) -> Tensor:
        import torch

        ids = inputs["input_ids"]
        types = inputs.get("token_type_ids", torch.zeros_like(ids))
        logits: Tensor = session(ids, inputs["attention_mask"], types)
        return logits

    return artefact


def _readme(run: Bundle) -> str:
    first, second = usage_texts(run)
    texts = f'"{first}", "{second}"' if second else f'"{first}"'
    settings: Any = run.task.settings
    return (
        f"# {settings.task}, trained with bertkit\n\n"
        f"`{MODEL}` takes {', '.join(f'`{name}`' for name in INPUTS)}, each (rows, tokens) of int64, and gives "
        f"`logits`, float32. {labels_line(run)}\n"
        "```python\nimport numpy as np\nimport onnxruntime\nfrom tokenizers import Tokenizer\n\n"
        'tokenizer = Tokenizer.from_file("tokenizer.json")\n'
        f"tokenizer.enable_truncation({settings.max_length})\n"
        f'session = onnxruntime.InferenceSession("{MODEL}")\n'
        f"row = tokenizer.encode({texts})\n"
        'columns = {"input_ids": row.ids, "attention_mask": row.attention_mask, "token_type_ids": row.type_ids}\n'
        "inputs = {name: np.array([values], dtype=np.int64) for name, values in columns.items()}\n"
        'print(session.run(["logits"], inputs)[0])\n```\n\n'
        "`bertkit predict`, `bertkit eval` and `bertkit tokenize` read this folder as they read a run.\n"
    )
