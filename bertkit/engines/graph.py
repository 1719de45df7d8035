"""A run's model, pooling and head included, as one ONNX graph.

The graph takes `input_ids`, `attention_mask` and `token_type_ids`, each (rows, tokens) of
whole numbers, rows and tokens free, and gives `logits`: (rows, classes), (rows, 1) for a
number or a choice, (rows, tokens, tags) for ner, (rows, tokens, words) for hidden words.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bertkit.errors import ModelError, UsageError
from bertkit.files import replacing
from bertkit.tasks.base import TaskSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bertkit.models.heads import TaskModel

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"
TASKS = ("classify", "regression", "choice", "ner", "mlm")
MOST_ROWS = 1 << 16
# A graph over this size would need a second file for its weights.
_LARGEST = 2_000_000_000
_EXAMPLE_ROWS, _EXAMPLE_TOKENS = 3, 9


def why_no_graph(settings: TaskSettings, model_type: str) -> str | None:
    """Say why a run has no graph, or None where it can have one.

    Args:
        settings: the run's.
        model_type: what transformers calls its encoder's architecture.
    """
    if settings.task not in TASKS:
        return f"the task {settings.task} reads whole documents, which only bertkit does"
    if settings.pooling == "siamese":
        return "--pooling siamese reads the two texts apart; train with --pooling mean or match to export it"
    if model_type == "longformer":
        return "torch's exporter does not take Longformer's attention, which depends on the length of each batch"
    return None


def write_graph(model: TaskModel, path: Path, *, max_length: int) -> None:
    """Write a model as ONNX, float32, in one file.

    Args:
        model: of a task that `why_no_graph` allows, in evaluation mode, on the CPU.
        path: the file to write.
        max_length: most tokens of a row.

    Raises:
        UsageError: the packages that export are not installed.
        ModelError: torch cannot export the model.
    """
    import torch

    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript")):
        raise UsageError(
            "--to onnx: needs the packages onnx and onnxscript; `pip install onnx onnxscript onnxruntime`."
        )
    _as_published(model)
    sizes = {0: torch.export.Dim("rows", min=1, max=MOST_ROWS), 1: torch.export.Dim("tokens", min=2, max=max_length)}
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                _by_name(model),
                kwargs=_example(model),
                dynamo=True,
                dynamic_shapes=dict.fromkeys(INPUTS, sizes),
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                verbose=False,
            )
    except Exception as error:  # the exporter lets everything through that its passes raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"torch cannot export this model as ONNX ({reason}); predict with --engine torch.") from error
    if sum(p.numel() * 4 for p in model.parameters()) > _LARGEST:
        raise ModelError("the model has more than 2 GB of weights, which one ONNX file cannot hold.")
    with replacing(path) as beside, _quietly():
        cast("Any", program).save(str(beside))


def _as_published(model: TaskModel) -> None:
    """Give up kinds of attention of our own that cannot be traced; the same numbers come out."""
    from bertkit.models.disentangled_attention import use_published_attention

    inner = getattr(model.encoder, "model", None)
    if inner is not None and use_published_attention(inner):
        model.encoder._last = ()  # type: ignore[attr-defined]


def _by_name(model: TaskModel) -> nn.Module:
    """Wrap a model so that it takes the graph's inputs and gives one tensor."""
    from torch import nn

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
            found = self.model(input_ids, attention_mask, token_type_ids)
            if isinstance(found, tuple):  # hidden words: every place is asked for
                words: Tensor = found[0]
                return words.view(*input_ids.shape, -1)
            return cast("Tensor", found)

    return Graph().eval()


def _example(model: TaskModel) -> dict[str, Tensor]:
    """Make rows of two lengths, with both segments."""
    import torch

    shape = (_EXAMPLE_ROWS, _EXAMPLE_TOKENS)
    ids = torch.arange(_EXAMPLE_ROWS * _EXAMPLE_TOKENS).view(shape) % model.encoder.vocab_size
    mask, types = torch.ones(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    mask[1, _EXAMPLE_TOKENS // 2 :] = 0
    types[:, _EXAMPLE_TOKENS // 3 :] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Drop what the exporter prints, warns of and logs; what it raises says more."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    os.environ.setdefault("TORCH_LOGS", "")
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
