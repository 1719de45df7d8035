"""Export: from a run to a folder for others, checked before it is called done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bertkit import bundle
from bertkit.bundle import Bundle
from bertkit.engines.graph import FACTS, GRAPH
from bertkit.errors import OutputError, UsageError
from bertkit.export import int8, to_onnx, to_transformers
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
    and `labels_equal` the share (0 to 1) of labels that stayed; `cost` says what 8 bits change.
    """

    output: str
    to: str
    precision: str
    checked_rows: int
    max_difference: float
    labels_equal: float
    cost: int8.Cost | None = None

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
    if exported.cost is not None:
        note(exported.cost.sentence)
    return replace(exported, output=str(place))


def _write_and_check(request: ExportRequest, run: Bundle, rows: CheckRows, folder: Path) -> Exported:
    some = chosen(rows.examples)
    with write_errors(folder, "--output", way_on="choose another folder"):
        if request.to == "transformers":
            to_transformers.write(folder, run)
            return _exported(request, check_export(run, some, folder, to_transformers.opened(folder)))
        to_onnx.write(folder, run)
        exported = _exported(request, check_export(run, some, folder, to_onnx.opened(folder, run)))
        return replace(exported, precision="int8", cost=int8.shrink(run, rows, folder)) if request.int8 else exported


def _exported(request: ExportRequest, checked: Checked) -> Exported:
    return Exported("", request.to, "float32", checked.rows, checked.difference, checked.labels_equal)


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
        "config.json", "model.safetensors", GRAPH, FACTS, "tokenizer.json", "tokenizer_config.json", "README.md",
        "bertkit.json", "baseline",
    }  # fmt: skip
    return not names or (MANIFEST in names and names <= known)
