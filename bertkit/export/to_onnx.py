"""A folder with the model as ONNX, for engines without torch; and weights of 8 bits, with what they cost."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertkit.bundle import Bundle, published_config
from bertkit.compute.device import choose_placement
from bertkit.data.records import Example
from bertkit.engines.graph import FACTS, GRAPH, INPUTS, GraphFacts, most_tokens, require, why_no_graph, write_graph
from bertkit.engines.sessions import EncoderFacts, EngineModel
from bertkit.errors import RunError
from bertkit.evaluation.answers import forward
from bertkit.export.check import Artefact, CheckRows
from bertkit.export.folders import fill, labels_line, usage_texts
from bertkit.files import replacing, write_json, write_text
from bertkit.kinds import read_object, record_of
from bertkit.tasks.base import Outputs, TaskSettings
from bertkit.tokenization.base import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

# --- A folder with the model as ONNX, pooling and head inside, for engines without torch ----------


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
            "tokens apart; train with --pooling mean or cls, or answer with bertkit: predict --engine onnx"
        )
    if settings.overlap_segments:
        return (
            "only bertkit computes the segments of its pairs from text; train with --no-overlap-segments, or "
            "answer with bertkit: predict --engine onnx"
        )
    if settings.leave_out != "none":
        return (
            f"words are left out (--leave-out {settings.leave_out}) before the model reads; train without it, "
            f"or answer with bertkit: predict --engine onnx"
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


# --- Weights of 8 bits, and what they cost: answers that change, and the metric with its interval -


def shrink(run: Bundle, rows: CheckRows, folder: Path) -> Cost:
    """Make the weights of a folder's graph whole numbers of 8 bits, and measure what that changes.

    Args:
        run: what the graph is of.
        rows: labelled rows that the weights were not fitted on.
        folder: holds the graph, in float32.
    """
    before = answers(run, folder, rows.examples)
    quantize(folder)
    found = cost(run, rows, before, answers(run, folder, rows.examples))
    readme = folder / "README.md"
    write_text(readme, f"{readme.read_text(encoding='utf-8')}\nIts weights have 8 bits: {found.sentence}.\n")
    return found


def quantize(folder: Path) -> None:
    """Make the weights of a folder's graph whole numbers of 8 bits, a scale for each channel, in its place.

    Activations are quantised as they come (dynamic quantisation).
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = folder / GRAPH
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises a shape inference that changes nothing here
    try:
        with tempfile.TemporaryDirectory(dir=folder) as place, replacing(path) as beside:
            made = Path(place) / GRAPH
            quantize_dynamic(str(path), str(made), per_channel=True, weight_type=QuantType.QInt8)
            made.replace(beside)
    finally:
        logging.disable(before)
    facts = record_of(GraphFacts, read_object(folder / FACTS))
    write_json(folder / FACTS, asdict(replace(facts, precision="int8")))


def answers(run: Bundle, folder: Path, examples: Sequence[Example]) -> Outputs:
    """Answer rows by the graph of a folder, as bertkit reads them."""
    model: Any = session_of(folder, run)
    return forward(model, run.task, run.task.encode_scored(examples), model.placement)


@dataclass(frozen=True)
class Cost:
    """What 8 bits change on labelled rows.

    Attributes:
        rows: how many rows.
        data: where they are from.
        metric: the one that decides.
        float32: its value before.
        int8: its value after.
        difference: 95 % interval of after minus before (paired bootstrap over rows), where the metric has one.
        answers_changed: rows that are answered otherwise; None where an answer is a number.
    """

    rows: int
    data: str
    metric: str
    float32: float
    int8: float
    difference: tuple[float, float] | None
    answers_changed: int | None

    @property
    def sentence(self) -> str:
        """The same in words."""
        changed = "" if self.answers_changed is None else f"; {self.answers_changed:,} predictions changed"
        interval = (
            "" if self.difference is None else "; 95 % CI of the difference {:+.4f} to {:+.4f}".format(*self.difference)
        )
        return (
            f"with 8-bit weights {self.metric} is {self.int8:.4f} instead of {self.float32:.4f} "
            f"({self.rows:,} rows of {self.data}{interval}){changed}"
        )


def cost(run: Bundle, rows: CheckRows, before: Outputs, after: Outputs) -> Cost:
    """Compare the answers of a graph in float32 and in 8 bits.

    Args:
        run: knows the task and its metrics.
        rows: N labelled rows.
        before: answers in float32, N.
        after: answers in 8 bits, N.
    """
    task, metric, examples = run.task, run.task.settings.deciding_metric, rows.examples
    interval = task.difference(examples, after, before).get(metric)
    return Cost(
        rows=len(examples),
        data=rows.name,
        metric=metric,
        float32=round(task.score(examples, before).metrics[metric], 6),
        int8=round(task.score(examples, after).metrics[metric], 6),
        difference=None if interval is None else (round(interval[0], 6), round(interval[1], 6)),
        answers_changed=_changed(run, examples, before, after),
    )


def _changed(run: Bundle, examples: Sequence[Example], before: Outputs, after: Outputs) -> int | None:
    """Count the rows whose answer is another one; for masked words, which places were found."""
    match run.task.settings.task:
        case "regression":
            return None
        case "mlm":
            found = [[output.tokens[:, 1].tolist() for output in both] for both in zip(before, after, strict=True)]
        case _:
            answered = zip(examples, before, after, strict=True)
            found = [[_answer(run.task.record(e, output, 0)) for output in both] for e, *both in answered]
    return sum(bool(a != b) for a, b in found)


def _answer(record: dict[str, Any]) -> Any:
    """Take what a record answers, without its probabilities."""
    if "entities" in record:
        return [(e["start"], e["end"], e["label"]) for e in record["entities"]]
    return record["label"]
