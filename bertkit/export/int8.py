"""Weights of 8 bits, and what they cost: answers that change, and the metric with its interval."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bertkit.bundle import Bundle
from bertkit.data.records import Example
from bertkit.engines.graph import FACTS, GRAPH, GraphFacts
from bertkit.evaluation.forward import forward
from bertkit.export.rows import CheckRows
from bertkit.export.to_onnx import session_of
from bertkit.files import replacing, write_json, write_text
from bertkit.kinds import read_object, record_of
from bertkit.tasks.base import Outputs


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
    write_text(readme, f"{readme.read_text(encoding='utf-8')}\nIts weights are of 8 bits: {found.sentence}.\n")
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
        changed = "" if self.answers_changed is None else f"change {self.answers_changed:,} of the answers and "
        interval = (
            "" if self.difference is None else "; 95 % CI of the difference {:+.4f} to {:+.4f}".format(*self.difference)
        )
        return (
            f"8 bits {changed}make {self.metric} {self.int8:.4f} where it was {self.float32:.4f} "
            f"({self.rows:,} rows of {self.data}{interval})"
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
