"""`bertkit eval` and `bertkit attention`: scores of a run, and what its model attends to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    OnLongOption,
    PlotsOption,
    PrecisionOption,
    ReportOption,
    RunArgument,
    StrictOption,
    ThresholdOption,
    kept_names,
)
from bertkit.cli.progress import QuietOption, notes, shown_work
from bertkit.cli.render import cell, new_table, open_console, say_line, wants_json
from bertkit.cli.streams import checked_text, is_typed_at, lines_of, say, say_files
from bertkit.errors import StrictError, UsageError
from bertkit.plain import to_json

if TYPE_CHECKING:
    from bertkit.reporting.attention import AttentionView

# --- `bertkit eval`: honest figures of a run ------------------------------------------------------


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
    on_error: Annotated[
        str,
        typer.Option("--on-error", help="Rows that cannot be read: stop, or skip them and say so."),
    ] = "stop",
    on_long: OnLongOption = None,
    batch_size: BatchSizeOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
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
        blend=not no_blend, threshold=threshold, abstain_below=abstain_below, on_error=on_error,
    )  # fmt: skip
    note = notes(quiet=quiet)
    with shown_work("rows", quiet=quiet) as progress:
        evaluation = evaluate_run(request, note, file_writer(request, note), progress)
    render.show(evaluation, output_format)
    if not quiet:
        say_files(report=report, plots=plots, errors=errors)
    if strict and evaluation.warnings:
        raise StrictError(f"--strict: {evaluation.warnings[0]}.")


# --- `bertkit attention`: what a model attends to -------------------------------------------------


def attention_command(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Run directory, model name, folder or hf:org/name.", show_default=False),
    ],
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Text to read, or - for standard input.", show_default=False)
    ],
    *,
    pair: Annotated[
        str | None, typer.Option("--pair", metavar="TEXT", help="Second text of a pair (default: none).")
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--layer", help="Layer, counted from 1 (default: all; in a table the last).")
    ] = None,
    head: Annotated[
        int | None, typer.Option("--head", help="Head, counted from 1 (default: all, and their mean).")
    ] = None,
    report: ReportOption = None,
    force: ForceOption = False,
    output_format: FormatOption = None,
) -> None:
    """Show what each token of a text attends to, layer by layer and head by head.

    Example: bertkit attention minilm "The cat sat because it was tired." --report attention.html
    """
    from bertkit.reporting.attention import AttentionRequest, view_attention

    text = _one_text() if text == "-" else checked_text(text, "TEXT")
    pair = None if pair is None else checked_text(pair, "--pair")
    view = view_attention(AttentionRequest(model, text, pair, layer, head, report, force), say)
    say_files(report=report)
    if wants_json(output_format):
        typer.echo(to_json(view.to_json()))
    else:
        _show(view)


def _one_text() -> str:
    """Read standard input as one text.

    Raises:
        UsageError: it is empty, or a terminal.
    """
    lines = [] if is_typed_at() else [line for batch in lines_of(["-"], None, what="TEXT") for line in batch]
    filled = sum(bool(line.strip()) for line in lines)
    if not filled:
        raise UsageError("TEXT -: standard input holds no text; give TEXT, or pipe it in.")
    if filled > 1:
        say(f"<stdin>: its {filled:,} lines are read as one text; for one of them, pipe that line alone.")
    return "\n".join(lines)


def _show(view: AttentionView) -> None:
    console, layer = open_console(), view.layers[-1]
    heads = f"head {layer.heads[0].number}" if len(layer.heads) == 1 else f"the mean of {len(layer.heads)} heads"
    say_line(console, (f"layer {layer.number}, {heads}", "bold"))
    table = new_table(("token", "attends to"))
    for token, best in view.links(layer):
        table.add_row(cell(token), cell("   ".join(f"{other} {share:.2f}" for other, share in best)))
    console.print(table)
    figures = new_table(("layer", "head", "entropy", "distance", "allowed"), right=("entropy", "distance", "allowed"))
    for each in view.layers:
        for own in each.heads:
            allowed = f"{own.allowed.mean():.0%}"
            figures.add_row(str(each.number), str(own.number), f"{own.entropy:.2f}", f"{own.distance:.1f}", allowed)
    console.print(figures)
