"""Export: from a run to a folder for others, checked before it is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bertkit import bundle
from bertkit.bundle import Bundle
from bertkit.errors import UsageError
from bertkit.evaluation.blend import ENCODER
from bertkit.export import to_onnx, to_transformers
from bertkit.export.check import Checked, CheckRows, check_export, rows_for, to_compare
from bertkit.export.folders import check_place, made_beside
from bertkit.kinds import MisfitError, value_of
from bertkit.plain import brief
from bertkit.run_folder import lasting

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
            raise UsageError(f"--to {brief(self.to)}: must be one of {', '.join(KINDS)}.")
        if self.int8 and self.to != "onnx":
            raise UsageError("--int8: is for --to onnx.")

    @property
    def place(self) -> Path:
        """The folder that is written."""
        if self.output is not None:
            return self.output
        named = self.run if self.run.name not in ("", "..") else lasting(self.run)
        return named.with_name(f"{named.name}-{self.to}")


@dataclass(frozen=True)
class Exported:
    """A folder that was written and checked.

    `max_difference` is the largest difference of any output on `checked_rows` rows of `data`, in
    float32, and `labels_equal` the share (0 to 1) of labels that stayed; `cost` says what 8 bits
    change.
    """

    output: str
    to: str
    precision: str
    data: str
    checked_rows: int
    max_difference: float
    labels_equal: float
    cost: to_onnx.Cost | None = None

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
        RunError: no run is there, it is damaged or newer, or it cannot be expressed so.
        MissingPackageError: a package is not installed.
        ModelError: the export answers otherwise than the run; nothing is left of it.
        OutputError: the folder is there already, or cannot be written.
    """
    place = request.place
    check_place(place, request.run, force=request.force)
    run = bundle.load(request.run)
    (to_onnx if request.to == "onnx" else to_transformers).refuse(run)
    for sentence in _given_up(run):
        note(sentence)
    rows = rows_for(run, request.data, note, need_labels=request.int8)
    with made_beside(place) as beside:
        exported = _write_and_check(request, run, rows, beside)
        check_place(place, request.run, force=request.force)  # another process may have been here meanwhile
    if exported.cost is not None:
        note(exported.cost.sentence)
    return replace(exported, output=str(place))


def _given_up(run: Bundle) -> list[str]:
    """Say what of the run's answers stays behind."""
    found, settings = [], run.task.settings
    if run.manifest.blend:
        found.append(
            "the run's answers are blended with a baseline; its encoder alone is exported, which is what "
            f"`predict --no-blend` answers{_alone(run)}"
        )
    if settings.on_long == "window" and settings.task != "mlm":
        found.append(
            f"`bertkit predict` reads rows of more than {settings.max_length} tokens in windows; the export does not"
        )
    return found


def _alone(run: Bundle) -> str:
    """Say what the blend was worth, as far as the training has stored it."""
    metric, training = run.task.settings.deciding_metric, run.manifest.training
    try:
        both = value_of(dict[str, float], training.get("metrics"), "metrics")[metric]
        alone = value_of(dict[str, dict[str, float]], training.get("baselines"), "baselines")[ENCODER][metric]
    except (MisfitError, KeyError):
        return ""
    return f" ({metric} on the validation rows: {alone:.4f}, blended {both:.4f})"


def _write_and_check(request: ExportRequest, run: Bundle, rows: CheckRows, folder: Path) -> Exported:
    some = to_compare(run, rows)
    if request.to == "transformers":
        to_transformers.write(folder, run)
        return _exported(request, rows, check_export(run, some, folder, to_transformers.opened(folder)))
    to_onnx.write(folder, run)
    exported = _exported(request, rows, check_export(run, some, folder, to_onnx.opened(folder, run)))
    return replace(exported, precision="int8", cost=to_onnx.shrink(run, rows, folder)) if request.int8 else exported


def _exported(request: ExportRequest, rows: CheckRows, checked: Checked) -> Exported:
    difference = float(f"{checked.difference:.3g}")
    return Exported("", request.to, "float32", rows.name, checked.rows, difference, checked.labels_equal)
