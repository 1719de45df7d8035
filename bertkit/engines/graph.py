"""A run's model, pooling and head included, as one ONNX graph.

The graph takes `input_ids`, `attention_mask` and `token_type_ids`, each (rows, tokens) of
whole numbers, rows and tokens free, and gives `logits`: (rows, classes), (rows, 1) for a
number or a choice, (rows, tokens, tags) for ner, (rows, tokens, words) for masked words. A
model that has also learnt the order of two lines gives `order`, (rows, 2). Inputs that the
model does not read are not there.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bertkit.engines.packages import require
from bertkit.errors import ModelError
from bertkit.files import refusal, replacing
from bertkit.models.opening import first_line
from bertkit.tasks.base import TaskSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bertkit.models.heads import TaskModel

# The graph in a folder, and what bertkit must know of it without opening it.
GRAPH, FACTS = "model.onnx", "onnx.json"
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
LOGITS, ORDER = "logits", "order"
TASKS = ("classify", "multilabel", "relation", "regression", "choice", "ner", "qa", "mlm")
_MOST_ROWS = 1 << 16
# A graph over this size would need a second file for its weights.
_LARGEST = 2_000_000_000
_EXAMPLE_ROWS, _EXAMPLE_TOKENS = 3, 9


@dataclass(frozen=True)
class GraphFacts:
    """What is stored beside a graph.

    Attributes:
        hidden_size: figures of a token's vector.
        vocab_size: ids the graph has embeddings for.
        longest: most tokens of a row.
        precision: of the weights, float32 or int8.
    """

    hidden_size: int
    vocab_size: int
    longest: int
    precision: str


def why_no_graph(settings: TaskSettings, model_type: str) -> str | None:
    """Say in a clause why a run has no graph, or None where it can have one.

    Args:
        settings: the run's.
        model_type: what transformers calls its encoder's architecture.
    """
    if settings.task not in TASKS:
        return f"the task {settings.task} reads whole documents, for which there is no graph"
    if settings.mask_decoder != "none":
        return "there is no graph of --mask-decoder enhanced; train without it"
    if settings.pooling == "siamese":
        return "--pooling siamese reads the two texts apart; train with --pooling mean or match instead"
    if model_type == "longformer":
        return "torch's exporter does not take Longformer's attention, which is cut by the length of each batch"
    return None


def most_tokens(model: TaskModel, settings: TaskSettings) -> int:
    """Return how long the rows are that a run's graph takes."""
    positions = model.encoder.max_positions
    return settings.max_length if positions is None else min(settings.max_length, positions)


def write_graph(model: TaskModel, path: Path, *, longest: int) -> None:
    """Write a model as ONNX, float32, in one file.

    Args:
        model: of a task that `why_no_graph` allows, in evaluation mode, on the CPU.
        path: the file to write.
        longest: most tokens of a row.

    Raises:
        MissingPackageError: the packages that export are not installed.
        ModelError: torch cannot export the model, or it is too large for one file.
        OSError: the file cannot be written.
    """
    import torch

    require("onnx", "onnxscript")
    if sum(weight.numel() * 4 for weight in model.parameters()) > _LARGEST:
        raise ModelError("the model has more than 2 GB of weights, and a graph of bertkit's is one file of up to 2 GB.")
    sizes = {0: torch.export.Dim("rows", min=1, max=_MOST_ROWS), 1: torch.export.Dim("tokens", min=2, max=longest)}
    graph, names = _by_name(model)
    try:
        with _quietly(), torch.no_grad(), _published_layers(model):
            program = torch.onnx.export(
                graph,
                kwargs=_example(model, longest),
                dynamo=True,
                dynamic_shapes=dict.fromkeys(INPUTS, sizes),
                input_names=list(INPUTS),
                output_names=names,
                verbose=False,
            )
    except Exception as error:  # the exporter lets everything through that its passes raise
        if refusal(error) is not None:
            raise
        raise ModelError(
            f"torch cannot write this model as ONNX ({first_line(error)}); predict with --engine torch."
        ) from error
    _forget_origins(cast("Any", program).model)
    with replacing(path) as beside, _quietly():
        cast("Any", program).save(str(beside))


def _forget_origins(graph: Any) -> None:
    """Leave out what the exporter notes of where each part is from: lines of code and their places here."""
    nodes = list(graph.graph.all_nodes())
    values = [*graph.graph.inputs, *graph.graph.initializers.values(), *(value for n in nodes for value in n.outputs)]
    for noted in (graph, graph.graph, *nodes, *values):
        noted.metadata_props.clear()


def _published_layers(model: TaskModel) -> contextlib.AbstractContextManager[None]:
    from bertkit.models.first_token import published_layers

    return published_layers(model)


def _by_name(model: TaskModel) -> tuple[nn.Module, list[str]]:
    """Wrap a model so that it takes the graph's inputs; returns the names of what comes out, too."""
    from torch import nn

    from bertkit.models.heads import MaskedLanguageModel

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Any:
            found = self.model(input_ids, attention_mask, token_type_ids)
            if not isinstance(found, tuple):
                return found
            words, order = found  # masked words: every place is asked for
            words = words.view(*input_ids.shape, -1)  # (B, L, V)
            return words if order is None else (words, order)

    ordered = isinstance(model, MaskedLanguageModel) and model.order is not None
    return Graph().eval(), [LOGITS, ORDER] if ordered else [LOGITS]


def _example(model: TaskModel, longest: int) -> dict[str, Tensor]:
    """Make rows of two lengths, with both segments."""
    import torch

    shape = (_EXAMPLE_ROWS, min(_EXAMPLE_TOKENS, longest))
    ids = torch.arange(shape[0] * shape[1]).view(shape) % model.encoder.vocab_size
    mask, types = torch.ones(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    mask[1, shape[1] // 2 :] = 0
    types[:, shape[1] // 3 :] = 1
    return dict(zip(INPUTS, (ids, mask, types), strict=True))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Drop what the exporter prints, warns of and logs; what it raises says more."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
