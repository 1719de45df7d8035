"""A folder with the model as ONNX, pooling and head inside, for engines without torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.bundle import Bundle, published_config
from bertkit.compute.device import choose_placement
from bertkit.engines.graph import FACTS, GRAPH, INPUTS, GraphFacts, most_tokens, why_no_graph, write_graph
from bertkit.engines.packages import require
from bertkit.engines.sessions import EncoderFacts, EngineModel
from bertkit.errors import RunError
from bertkit.export.check import Artefact
from bertkit.export.folders import fill, labels_line, usage_texts
from bertkit.files import write_json
from bertkit.tasks.base import TaskSettings
from bertkit.tokenization.base import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor


def refuse(run: Bundle) -> None:
    """Refuse a run that has no graph, or whose texts a plain tokenizer call does not prepare.

    Raises:
        RunError: it is one; the message says what would help.
        MissingPackageError: a package is not installed.
    """
    settings = run.task.settings
    architecture = str(run.model.encoder.transformers_config().get("model_type", ""))
    reason = why_no_graph(settings, architecture) or _why_not_plain(settings, run.tokenizer)
    if reason is not None:
        raise RunError(f"{run.directory}: cannot be exported to ONNX: {reason}.")
    require("onnx", "onnxscript", "onnxruntime", wanted="--to onnx")


def _why_not_plain(settings: TaskSettings, tokenizer: Tokenizer) -> str | None:
    """Say why a plain tokenizer call does not make of a row what bertkit makes of it."""
    if settings.compares_sides and settings.is_pair and not _tells_sides(tokenizer, settings.max_length):
        return (
            f"--pooling {settings.pooling} compares the two texts, and this model's tokenizer does not tell their "
            "tokens apart; train with --pooling mean or cls, or let bertkit read: predict --engine onnx"
        )
    if settings.overlap_segments:
        return (
            "only bertkit computes the segments of its pairs from text; train with --no-overlap-segments, "
            "or let bertkit read: predict --engine onnx"
        )
    if settings.leave_out != "none":
        return (
            f"words are left out (--leave-out {settings.leave_out}) before the model reads; train without it, "
            "or let bertkit read: predict --engine onnx"
        )
    return None


def _tells_sides(tokenizer: Tokenizer, max_length: int) -> bool:
    (pair,) = tokenizer.encode(["a"], ["a"], max_length=max_length)
    return any(pair.type_ids)


def write(folder: Path, run: Bundle) -> None:
    """Write the folder; see `refuse` for what must hold."""
    encoder, longest = run.model.encoder, most_tokens(run.model, run.task.settings)
    write_graph(run.model, folder / GRAPH, longest=longest)
    write_json(folder / FACTS, asdict(GraphFacts(encoder.hidden_size, encoder.vocab_size, longest, "float32")))
    fill(folder, run, published_config(run.task.settings, run.model), {"to": "onnx"}, _readme(run))


def opened(folder: Path, run: Bundle) -> Artefact:
    """Open the folder with ONNX Runtime alone."""
    session = session_of(folder, run)

    def artefact(inputs: dict[str, Tensor]) -> Tensor:
        import torch

        ids = inputs["input_ids"]
        types = inputs.get("token_type_ids", torch.zeros_like(ids))
        found: Any = session(ids, inputs["attention_mask"], types)
        return found if isinstance(found, torch.Tensor) else found[0]

    return artefact


def session_of(folder: Path, run: Bundle) -> EngineModel:
    """Open the graph of a folder, which is of a run."""
    encoder = run.model.encoder
    placement = choose_placement("cpu", "float32", width=encoder.hidden_size)
    facts = EncoderFacts(encoder.hidden_size, encoder.vocab_size, encoder.max_positions)
    return EngineModel("onnx", folder / GRAPH, facts, placement)


def _readme(run: Bundle) -> str:
    first, second = usage_texts(run)
    texts = f'"{first}", "{second}"' if second else f'"{first}"'
    settings = run.task.settings
    return (
        f"# {settings.task}, trained with bertkit\n\n"
        f"`{GRAPH}` takes {', '.join(f'`{name}`' for name in INPUTS)}, each (rows, tokens) of int64, and gives "
        f"`logits`, float32. {labels_line(run)}\n"
        "```python\nimport numpy as np\nimport onnxruntime\nfrom tokenizers import Tokenizer\n\n"
        'tokenizer = Tokenizer.from_file("tokenizer.json")\n'
        f"tokenizer.enable_truncation({settings.max_length})\n"
        f'session = onnxruntime.InferenceSession("{GRAPH}")\n'
        f"row = tokenizer.encode({texts})\n"
        'columns = {"input_ids": row.ids, "attention_mask": row.attention_mask, "token_type_ids": row.type_ids}\n'
        "inputs = {port.name: np.array([columns[port.name]], dtype=np.int64) for port in session.get_inputs()}\n"
        'print(session.run(["logits"], inputs)[0])\n```\n\n'
        "`bertkit predict`, `bertkit eval` and `bertkit tokenize` read this folder as they read a run.\n"
    )
