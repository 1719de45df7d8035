"""`bertkit inspect-data`: what is in the data, before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bertkit.cli.options import (
    ColumnsOption,
    DataArgument,
    DataDirOption,
    ForceOption,
    FormatOption,
    PlotsOption,
    ReportOption,
)
from bertkit.cli.progress import QuietOption, shown_work
from bertkit.cli.render import cell, open_console, say_line, wants_json
from bertkit.cli.streams import say_files
from bertkit.errors import StrictError
from bertkit.language import translated
from bertkit.plain import to_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bertkit.audit import Audit, Finding, SplitAudit
    from bertkit.audit.texts import LengthSummary

_MOST_LABELS = 20
_BAR = 28
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def inspect_command(
    data: DataArgument = None,
    *,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="Model whose tokens are counted; scratch counts words (default: auto, the best one on this machine).",
            envvar="BERTKIT_MODEL",
        ),
    ] = "auto",
    data_dir: DataDirOption = None,
    columns: ColumnsOption = None,
    task: Annotated[
        str,
        typer.Option(
            "--task", help="Task that the data is meant for (default: auto, by the data).", envvar="BERTKIT_TASK"
        ),
    ] = "auto",
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length",
            min=8,
            help="Longest input, in tokens (default: what the model reads).",
            envvar="BERTKIT_MAX_LENGTH",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="Column: rows with the same value should stay in the same split (default: none).",
            envvar="BERTKIT_GROUP",
        ),
    ] = None,
    plots: PlotsOption = None,
    report: ReportOption = None,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write", help="Table of the usable rows to write: .csv, .tsv or .jsonl (default: none).", readable=False
        ),
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            "--run",
            help="Run of `train --folds`, to find probable label errors; may be repeated (default: none).",
            readable=False,
        ),
    ] = None,
    force: ForceOption = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 4 if there is something to fix.", envvar="BERTKIT_STRICT")
    ] = False,
    output_format: FormatOption = None,
    quiet: QuietOption = False,
) -> None:
    """Check data: labels, lengths, duplicates, leaks, faults; then suggest a train command.

    Example: bertkit inspect-data sample:paraphrase --report data.html
    """
    from bertkit.reporting.inspection import InspectRequest, inspect_data

    request = InspectRequest(
        tuple(data or ()),
        model,
        data_dir,
        columns,
        task,
        max_length,
        plots,
        report,
        force,
        group,
        write,
        tuple(run or ()),
    )
    with shown_work("rows", quiet=quiet) as progress:
        inspection = inspect_data(request, progress)
    if wants_json(output_format):
        typer.echo(to_json(inspection.to_json()))
    else:
        _show(inspection.audit, f"{inspection.task}, reading {', '.join(inspection.columns.inputs)}")
    if not quiet:
        say_files(report=report, plots=plots)
    problem = next((f for f in inspection.audit.findings if f.severity != "info"), None)
    if strict and problem is not None:
        raise StrictError(f"--strict: {problem.message}")


def _show(found: Audit, what: str) -> None:
    from bertkit.audit.run import PIPED

    console = open_console()
    say_line(console, (found.data, "bold"), f": {what}")
    for name, split in found.splits.items():
        _show_split(console, name, split)
    console.print()
    for note in found.notes:
        if note != PIPED:  # which stands where it counts
            say_line(console, (note, "dim"))
    for finding in found.findings:
        _show_finding(console, finding)
    console.print()
    say_line(console, (found.verdict, "bold"))
    if PIPED in found.notes:
        say_line(console, PIPED)
    say_line(console, f"  {found.suggested_command}")


def _show_split(console: Console, name: str, split: SplitAudit) -> None:
    console.print()
    say_line(console, (name, "bold"), f"  {split.rows:,} rows")
    if split.labels:
        console.print(_label_table(split))
    if split.numbers is not None and split.numbers.count:
        n = split.numbers
        said = f"  labels {n.minimum:g} to {n.maximum:g}, mean {n.mean:.3f}, deviation {n.deviation:.3f}"
        say_line(console, said)
    lengths = {f"{column}, words": own.words for column, own in split.lengths.items()}
    if split.tokens is not None:
        lengths = {"tokens": split.tokens, **lengths}
    console.print(_length_table(lengths))
    for label, summary in lengths.items():
        if summary.histogram and (split.tokens is None or label == "tokens"):
            say_line(console, (f"  {label}", "dim"))
            console.print(_histogram(summary))
    if split.over_max_length is not None:
        over, fitting = f"{split.over_max_length:.2%}", split.fitting_length
        say_line(console, f"  {over} of the rows would be cut; {fitting} tokens cut under 1 %")


def _label_table(split: SplitAudit) -> Table:
    total, most = sum(split.labels.values()), max(split.labels.values())
    shown = set(sorted(split.labels, key=lambda label: -split.labels[label])[:_MOST_LABELS])
    table = _grid("<", ">", ">", "<", ">")
    for label, count in split.labels.items():
        if label in shown:
            weight = translated(f"weight {split.class_weights[label]:.3f}") if label in split.class_weights else ""
            table.add_row(cell(f"  {label}"), f"{count:,}", f"{count / total:.1%}", _bar(count / most), weight)
    if len(split.labels) > len(shown):
        table.add_row(translated(f"  and {len(split.labels) - len(shown):,} more"), "", "", "", "")
    return table


def _length_table(lengths: dict[str, LengthSummary]) -> Table:
    percents = list(next(iter(lengths.values())).percentiles) if lengths else []
    table = _grid("<", *">" * (len(percents) + 2))
    names = [f"{p} %" for p in percents]
    table.add_row(*(cell(translated(name), "dim") for name in ("  length", *names, "longest", "mean")))
    for name, summary in lengths.items():
        figures = [f"{summary.percentiles[p]:,}" for p in percents]
        table.add_row(cell(translated(f"  {name}")), *figures, f"{summary.maximum:,}", f"{summary.mean:,.1f}")
    return table


def _histogram(summary: LengthSummary) -> Table:
    table = _grid(">", "<", ">")
    most = max(bar.count for bar in summary.histogram)
    for bar in summary.histogram:
        span = str(bar.low) if bar.low == bar.high else f"{bar.low}–{bar.high}"
        table.add_row(f"    {span}", _bar(bar.count / most), cell(f"{bar.count:,}", "dim"))
    return table


def _show_finding(console: Console, finding: Finding) -> None:
    from bertkit.reporting.inspection_page import written_places

    severity = (translated(finding.severity), _COLOURS[finding.severity])
    say_line(console, severity, " ", (finding.kind, "bold"), f"  {translated(finding.message)}")
    for place in written_places(finding):
        say_line(console, (f"  {place}", "dim"))


def _grid(*alignments: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for alignment in alignments:
        table.add_column(justify="right" if alignment == ">" else "left", overflow="fold")
    return table


def _bar(share: float) -> str:
    """Draw a share of the greatest length; whatever is more than nothing can be seen."""
    eighths = max(round(share * _BAR * 8), 1 if share > 0 else 0)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
