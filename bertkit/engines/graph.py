"""A run's model, pooling and head included, as one ONNX graph; made once and kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bertkit import __version__
from bertkit.bundle import Bundle
from bertkit.cache import cache_folder
from bertkit.errors import MissingPackageError, ModelError, PlaceError
from bertkit.files import is_file, put_in_place, refusal, replacing, sync, write_errors, write_json, write_text
from bertkit.kinds import MisfitError, read_object, record_of
from bertkit.models.finding import first_line
from bertkit.plain import to_json
from bertkit.tasks.base import TaskSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bertkit.models.heads import TaskModel

# --- The packages of the extra `engines`, and the sentence where one is not installed -------------


def is_installed(package: str) -> bool:
    """Tell whether a package can be imported; it is not."""
    return importlib.util.find_spec(package) is not None


def require(*packages: str, wanted: str = "") -> None:
    """Refuse to go on without packages, before anything heavy is done.

    Args:
        packages: names of modules.
        wanted: the flag that asks for them.

    Raises:
        MissingPackageError: one is not installed.
    """
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        *most, last = missing
        which = f"packages {', '.join(most)} and {last}" if most else f"package {last}"
        are = "is" if len(missing) == 1 else "are"
        raise MissingPackageError(
            f"{wanted or 'ONNX'}: needs the {which}, which {are} not installed; pip install {' '.join(missing)}."
        )


def version_of(package: str) -> str:
    """Return a package's version, nothing where it has none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


# --- A run's model, pooling and head included, as one ONNX graph ----------------------------------
#
# The graph takes `input_ids`, `attention_mask` and `token_type_ids`, each (rows, tokens) of
# whole numbers, rows and tokens free, and gives `logits`: (rows, classes), (rows, 1) for a
# number or a choice, (rows, tokens, tags) for ner, (rows, tokens, words) for masked words. A
# model that has also learnt the order of two lines gives `order`, (rows, 2). Inputs that the
# model does not read are not there.

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
    from bertkit.models.encoder import published_layers

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


# --- Graphs of runs, made once and kept in the cache of this user ---------------------------------
#
# A graph's name is a hash of all it is made of: weights, settings, and the versions of what
# makes it. It gets its name when it is finished, with a digest beside it, so that nothing that
# a killed process or a full disk has left is ever read.

_DIGEST, _ENCODER = "sha256", "encoder.json"
# Of what stands in an entry.
_FORM = 2
_FILES = ("model.safetensors", "config.json")
_MAKERS = ("torch", "transformers", "onnx", "onnxscript")
# Seconds after which a graph that nobody has asked for goes: 30 days.
_FORGOTTEN_S = 30 * 24 * 3600


@dataclass(frozen=True)
class CachedFacts:
    """What is stored beside a graph of the cache: all that is asked of an encoder whose weights are not read.

    Attributes:
        hidden_size: figures of a token's vector.
        vocab_size: ids it has embeddings for.
        max_positions: longest row it reads; None: any.
        embeddings: what the run's weights call its table of word embeddings.
    """

    hidden_size: int
    vocab_size: int
    max_positions: int | None
    embeddings: str


def found_graph(directory: Path, settings: TaskSettings) -> tuple[Path, CachedFacts] | None:
    """Look for a run's graph without opening its weights; needs no torch.

    Args:
        directory: the run.
        settings: its settings.

    Returns:
        The graph and what is stored beside it; None where it has to be made.
    """
    try:
        entry = cache_folder() / "engines" / _key(directory, settings)
    except OSError:  # what is wrong with the run is for those to say who open it
        return None
    if not _is_sound(entry):
        return None
    try:
        facts = record_of(CachedFacts, read_object(entry / _ENCODER))
    except (MisfitError, PlaceError):
        return None
    with suppress(OSError):
        os.utime(entry)
    return entry / GRAPH, facts


def cached_graph(run: Bundle, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Return the graph of a run, which is made if it is not in the cache.

    Args:
        run: of a task and an architecture that have a graph.
        tell: told in a sentence that it is made, which takes seconds.

    Raises:
        MissingPackageError: it has to be made, and the packages for that are not installed.
        ModelError: torch cannot make it.
        OutputError: the cache cannot be written.
    """
    folder = cache_folder() / "engines"
    entry = folder / _key(run.directory, run.manifest.settings)
    if _is_sound(entry):
        with suppress(OSError):
            os.utime(entry)
        return entry / GRAPH
    tell(f"its graph is made, once, and kept in {folder}")
    with write_errors(folder, "the cache", way_on="name another folder with BERTKIT_CACHE"):
        folder.mkdir(parents=True, exist_ok=True)
        _forget(folder)
        _make(run, entry)
    return entry / GRAPH


def _make(run: Bundle, entry: Path) -> None:
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".making-", ignore_cleanup_errors=True) as place:
        made = Path(place, entry.name)
        made.mkdir()
        write_graph(run.model, made / GRAPH, longest=most_tokens(run.model, run.task.settings))
        write_json(made / _ENCODER, asdict(_facts(run)))
        write_text(made / _DIGEST, _digest(made / GRAPH))
        if entry.exists() and not _is_sound(entry):
            shutil.rmtree(entry)
        sync(made)
        try:
            put_in_place(made, entry)
        except OSError:
            if not _is_sound(entry):  # else another process was faster
                raise


def _facts(run: Bundle) -> CachedFacts:
    from bertkit.models.heads import exported_names

    encoder = run.model.encoder
    name = next(others for others, weight in exported_names(run.model) if weight is encoder.embeddings_weight)
    return CachedFacts(encoder.hidden_size, encoder.vocab_size, encoder.max_positions, name)


def _key(directory: Path, settings: TaskSettings) -> str:
    """Hash what a graph is made of."""
    parts = {name: _digest(directory / name) for name in _FILES}
    made_by = {"bertkit": __version__, **{package: version_of(package) for package in _MAKERS}}
    words = to_json([parts, settings.to_json(), made_by, _FORM])
    return hashlib.sha256(words.encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_sound(entry: Path) -> bool:
    """Tell whether a graph is there, whole, as it was written."""
    if not is_file(entry / GRAPH) or not is_file(entry / _DIGEST):
        return False
    try:
        return (entry / _DIGEST).read_text(encoding="ascii") == _digest(entry / GRAPH)
    except (OSError, UnicodeDecodeError):
        return False


def _forget(folder: Path) -> None:
    """Delete graphs that nobody has asked for in a long time, and what killed processes have left."""
    for entry in folder.iterdir():
        with suppress(OSError):
            if time.time() - entry.stat().st_mtime > _FORGOTTEN_S:
                shutil.rmtree(entry)
