"""Export: from a run to a folder for others, checked before it is called done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bertkit import bundle
from bertkit.bundle import Bundle
from bertkit.compute.device import choose_placement
from bertkit.data.records import Example
from bertkit.engines.sessions import open_engine
from bertkit.errors import OutputError, UsageError
from bertkit.evaluation.forward import forward
from bertkit.export import to_onnx, to_transformers
from bertkit.export.check import Checked, check_export
from bertkit.export.rows import CheckRows, chosen, rows_for
from bertkit.files import exists, write_errors
from bertkit.run_folder import MANIFEST

KINDS = ("transformers", "onnx")


@dataclass(frozen=True)
class ExportRequest:
    """What `bertkit export` is asked; `output` None is RUN-transformers or RUN-onnx beside the run."""

    run: Path
    to: str
    output: Path | None = None
    int8: bool = False
    data: tuple[str, ...] = ()
    force: bool = False

    def __post_init__(self) -> None:
        """Check the words.

        Raises:
            UsageError: a word that a flag does not take.
        """
        if self.to not in KINDS:
            raise UsageError(f"--to {self.to}: must be one of {', '.join(KINDS)}.")
        if self.int8 and self.to != "onnx":
            raise UsageError("--int8: is for --to onnx.")


@dataclass(frozen=True)
class Exported:
    """A folder that was written and checked.

    `max_difference` is the largest difference of any output on `checked_rows` rows, in float32,
    and `labels_equal` the share (0 to 1) of labels that stayed; `quality` says for int8 what the
    metric of the validation rows loses, with its interval.
    """

    output: str
    to: str
    precision: str
    checked_rows: int
    max_difference: float
    labels_equal: float
    quality: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        values = asdict(self)
        return {name: value for name, value in values.items() if value is not None}


def export_run(request: ExportRequest, note: Callable[[str], None] = lambda _: None) -> Exported:
    """Write a run as a folder for transformers or for ONNX engines.

    Args:
        request: run, form and place.
        note: told what the user should know, in one sentence each.

    Raises:
        RunError: no run is there, or it is damaged or newer.
        UsageError: the run cannot be expressed so, or a package is missing.
        ModelError: the export answers otherwise than the run; nothing is left of it.
        OutputError: the folder is there already, or cannot be written.
    """
    place = request.output or request.run.with_name(f"{request.run.name}-{request.to}")
    if exists(place) and not request.force:
        raise OutputError(f"--output {place}: exists; add --force to replace it, or choose another folder.")
    run = bundle.load(request.run)
    (to_onnx if request.to == "onnx" else to_transformers).refuse(run)
    if run.manifest.blend:
        note("the run's answers are blended with a baseline; its encoder alone is exported (predict --no-blend)")
    rows = rows_for(run, request.data, note, need_labels=request.int8)
    beside = place.with_name(f".{place.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with write_errors(place, "--output", way_on="choose another folder"):
            beside.mkdir(parents=True)
        exported = _write_and_check(request, run, rows, beside)
        with write_errors(place, "--output", way_on="choose another folder"):
            _put(beside, place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return replace(exported, output=str(place))


def _write_and_check(request: ExportRequest, run: Bundle, rows: CheckRows, folder: Path) -> Exported:
    some = chosen(rows.examples)
    with write_errors(folder, "--output", way_on="choose another folder"):
        if request.to == "transformers":
            to_transformers.write(folder, run)
            checked = check_export(run, some, folder, to_transformers.opened(folder))
            return _exported(request, checked)
        to_onnx.write(folder, run, int8=False)
        checked = check_export(run, some, folder, to_onnx.opened(folder, run))
        if not request.int8:
            return _exported(request, checked)
        before = _answers(run, rows.examples, folder)
        to_onnx.quantize(folder / to_onnx.MODEL)
        after = _answers(run, rows.examples, folder)
    return replace(_exported(request, checked), precision="int8", quality=_quality(run, rows, before, after))


def _exported(request: ExportRequest, checked: Checked) -> Exported:
    return Exported("", request.to, "float32", checked.rows, checked.difference, checked.labels_equal)


def _answers(run: Bundle, examples: Any, folder: Path) -> list[Any]:
    placement = choose_placement("cpu", "float32", width=run.model.encoder.hidden_size)
    model: Any = open_engine("onnx", folder / to_onnx.MODEL, run.model.encoder, placement)
    return forward(model, run.task, run.task.encode(list(examples)), placement)


def _quality(run: Bundle, rows: CheckRows, before: list[Any], after: list[Any]) -> dict[str, Any]:
    """Say what 8 bits change: answers that differ, and the metric with the interval of its difference."""
    examples: list[Example] = list(rows.examples)
    task, metric = run.task, run.task.settings.deciding_metric
    said = [(task.record(e, a, 0), task.record(e, b, 0)) for e, a, b in zip(examples, before, after, strict=True)]
    changed = sum(_answer(a) != _answer(b) for a, b in said)
    interval = task.difference(examples, after, before).get(metric)
    return {
        "rows": len(examples),
        "data": rows.name,
        "answers_changed": changed,
        "metric": metric,
        "float32": round(task.score(examples, before).metrics[metric], 6),
        "int8": round(task.score(examples, after).metrics[metric], 6),
        "difference": [round(end, 6) for end in interval] if interval is not None else None,
    }


def _answer(record: dict[str, Any]) -> Any:
    """Take what a record answers, without its probability."""
    if "entities" in record:
        return [(e["start"], e["end"], e["label"]) for e in record["entities"]]
    return record.get("label", record.get("score"))


def _put(beside: Path, place: Path) -> None:
    """Give the finished folder its name; an older export there makes way only when it is ready."""
    if not exists(place):
        beside.rename(place)
        return
    if not _is_export(place):
        raise OutputError(f"--output {place}: holds files that are no export of bertkit; --force does not delete them.")
    old = place.with_name(f".{place.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    place.rename(old)
    beside.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _is_export(place: Path) -> bool:
    names = {entry.name for entry in place.iterdir()} if place.is_dir() else {"a file"}
    known = {
        "config.json", "model.safetensors", to_onnx.MODEL, "tokenizer.json", "tokenizer_config.json", "README.md",
        "bertkit.json", "baseline",
    }  # fmt: skip
    return not names or (MANIFEST in names and names <= known)
