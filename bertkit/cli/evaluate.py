"""`bertkit eval`: honest figures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bertkit.cli import render
from bertkit.cli.options import (
    AbstainOption,
    BatchSizeOption,
    ColumnsOption,
    DataDirOption,
    DeviceOption,
    EngineOption,
    ForceOption,
    FormatOption,
    NoBlendOption,
    PlotsOption,
    ReportOption,
    RunArgument,
    StrictOption,
    ThresholdOption,
    kept_names,
)
from bertkit.cli.progress import QuietOption, notes, shown_work
from bertkit.errors import StrictError


def eval_command(
    run: RunArgument,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATA",
            show_default=False,
            help="Data as for train (default: the data the run was trained on).",
            callback=kept_names,
        ),
    ] = None,
    *,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", help="Rows to score: train, validation or test (default: test).", envvar="BERTKIT_SPLIT"
        ),
    ] = None,
    data_dir: DataDirOption = None,
    columns: ColumnsOption = None,
    on_long: Annotated[
        str | None,
        typer.Option(
            "--on-long",
            help="Inputs that are too long: truncate, read in windows (window), or error (default: as trained).",
        ),
    ] = None,
    batch_size: BatchSizeOption = None,
    device: DeviceOption = "auto",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="Number format: auto, float32 or bfloat16 (default: auto, bfloat16 where the hardware "
            "computes with it, else float32).",
        ),
    ] = "auto",
    engine: EngineOption = None,
    no_blend: NoBlendOption = False,
    threshold: ThresholdOption = None,
    abstain_below: AbstainOption = None,
    errors: Annotated[
        Path | None,
        typer.Option(
            "--errors",
            help="File for the wrong rows, with probabilities, as JSON lines (default: none).",
            readable=False,
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            help="Another run to compare with on the same rows; may be repeated (default: none).",
            readable=False,
        ),
    ] = None,
    plots: PlotsOption = None,
    report: ReportOption = None,
    force: ForceOption = False,
    strict: StrictOption = False,
    output_format: FormatOption = None,
    quiet: QuietOption = False,
) -> None:
    """Score a run on a split beside its baselines, with confidence intervals.

    Example: bertkit eval runs/first --errors wrong.jsonl
    """
    from bertkit.evaluation.run import EvalRequest, evaluate_run
    from bertkit.reporting.report import file_writer

    names = tuple(data or ())
    request = EvalRequest(
        run, names, split, data_dir, columns, on_long, batch_size, device, precision, errors, tuple(against or ()),
        force=force, plots=plots, report=report, engine=engine or "auto", says_engine=engine is not None,
        blend=not no_blend, threshold=threshold, abstain_below=abstain_below,
    )  # fmt: skip
    note = notes(quiet=quiet)
    with shown_work("rows", quiet=quiet) as progress:
        evaluation = evaluate_run(request, note, file_writer(request, note), progress)
    render.show(evaluation, output_format)
    if strict and evaluation.warnings:
        raise StrictError(f"--strict: {evaluation.warnings[0]}.")
