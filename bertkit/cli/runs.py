"""`bertkit runs` and `bertkit export`: a table of runs, two side by side, and exports."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertkit.cli import render
from bertkit.cli.help import CommandGroup, our_name
from bertkit.cli.options import ForceOption, Format, FormatOption, RunArgument
from bertkit.cli.streams import say
from bertkit.config import flag
from bertkit.plain import to_json

if TYPE_CHECKING:
    from bertkit.scale.found_runs import Comparison, FoundRun

# --- `bertkit runs`: many runs in a table, two side by side ---------------------------------------

LIST = "list"


class ListingGroup(CommandGroup):
    """A group whose command `list` is meant where none is named: `bertkit runs DIR`."""

    default = LIST

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name before its arguments, where it is left out."""
        if not args or (args[0] not in self.commands and args[0] not in ("--help", "-h")):
            args = [LIST, *args]
        return list(super().parse_args(ctx, args))


runs_app = typer.Typer(
    cls=ListingGroup,
    help="A table of runs, or two runs side by side. `bertkit runs DIR` is `bertkit runs list DIR`.",
)


class TableFormat(StrEnum):
    """How a table of runs is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@runs_app.command(LIST)
def list_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", readable=False, help="Folder to search, with all below it.")
    ] = Path("runs"),
    *,
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            help="Condition as model=minilm or lr>=1e-4; may be repeated, all must hold (default: all runs).",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", help="Column, option or metric to sort by; -NAME sorts in descending order (default: by path)."
        ),
    ] = None,
    output_format: Annotated[
        TableFormat | None,
        typer.Option("--format", help="table, json or csv (default: a table on a terminal, JSON in a pipe)."),
    ] = None,
) -> None:
    """List the runs below a folder: data, model, options that differ, metric, time, size.

    A condition is NAME, one of = != > >= < <= ~ and a value: `accuracy>0.8`, `model=mini*`,
    `run~mrpc` (a part of a word). Names are columns, options of `train`, and metrics.

    Example: bertkit runs list runs/mrpc --filter 'accuracy>0.8' --sort -accuracy
    """
    from bertkit.scale.found_runs import find_runs, read_filter, sorted_runs

    found = find_runs(folder, say)
    wanted = [read_filter(our_name(text), found) for text in filters or ()]
    by = None if sort is None else "-" * sort.startswith("-") + our_name(sort.removeprefix("-"))
    kept = sorted_runs([run for run in found if all(one.keeps(run) for one in wanted)], by)
    if not kept:
        say(f"{folder}: none of {len(found):,} runs is as --filter asks." if found else f"{folder}: holds no run.")
    _show(kept, output_format)


def _show(runs: Sequence[FoundRun], asked: TableFormat | None) -> None:
    from bertkit.cli.render import show_rows, wants_json

    if asked is TableFormat.CSV:
        _write_csv(runs)
    elif wants_json(None if asked is None else Format(asked.value)):
        show_rows([_record(run, runs) for run in runs], Format.JSON)
    elif runs:
        show_rows([_cells(run, runs) for run in runs], Format.TABLE)


def _record(run: FoundRun, runs: Sequence[FoundRun]) -> dict[str, Any]:
    from bertkit.scale.found_runs import differing

    return {
        "run": str(run.path),
        "data": run.data,
        "task": run.task,
        "model": run.model,
        "differing": {name: run.options[name] for name in differing(runs)},
        "metric": run.metric,
        "value": run.value,
        "interval": run.interval,
        "rows": run.rows,
        "seconds": run.seconds,
        "bytes": run.bytes,
        "metrics": dict(run.metrics),
    }


def _cells(run: FoundRun, runs: Sequence[FoundRun]) -> dict[str, Any]:
    """Return a row for people."""
    from bertkit.plain import span
    from bertkit.scale.found_runs import telling

    ends = "" if run.interval is None else f" ({run.interval[0]:.3f} … {run.interval[1]:.3f})"
    differ = {flag(name)[2:]: run.options[name] for name in telling(runs)}
    return {
        "run": str(run.path),
        "data": run.data,
        "model": run.model,
        "options": " ".join(f"{name}={said(value)}" for name, value in differ.items() if value is not None),
        "metric (95 % CI)": "" if run.value is None else f"{run.metric} {run.value:.4f}{ends}",
        "rows": f"{run.rows:,}",
        "time": None if run.seconds is None else span(run.seconds),
        "MB": f"{run.bytes / 1e6:,.1f}",
    }


def said(value: Any) -> str:
    """Write the value of an option."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _write_csv(runs: Sequence[FoundRun]) -> None:
    """Write a table for spreadsheets: a column for each option that differs."""
    rows = [_flat(_record(run, runs)) for run in runs]
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(sys.stdout, list(columns), lineterminator="\n")
    if rows:
        writer.writeheader()
    writer.writerows(rows)


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    low, high = record["interval"] or (None, None)
    own = {name: record[name] for name in ("run", "data", "task", "model")}
    figures = {"metric": record["metric"], "value": record["value"], "low": low, "high": high}
    rest = {name: record[name] for name in ("rows", "seconds", "bytes")}
    return {**own, **{f"option.{name}": value for name, value in record["differing"].items()}, **figures, **rest}


@runs_app.command("diff")
def diff_command(
    first: Annotated[Path, typer.Argument(metavar="A", readable=False, show_default=False, help="Run directory.")],
    second: Annotated[
        Path, typer.Argument(metavar="B", readable=False, show_default=False, help="Run directory to compare it with.")
    ],
    *,
    output_format: FormatOption = None,
) -> None:
    """Show where two runs differ in options, data and metrics, and whether the difference is noise.

    Where both keep predictions for the same held-out rows, the paired difference has a 95 % confidence interval.

    Example: bertkit runs diff runs/first runs/second
    """
    from bertkit.cli.render import wants_json
    from bertkit.scale.found_runs import compare_runs

    found = compare_runs(first, second)
    if wants_json(output_format):
        typer.echo(to_json(found.to_json()))
    else:
        _show_difference(found)


def _show_difference(found: Comparison) -> None:
    from bertkit.cli.render import open_console, say_line, show_rows

    console, (a, b) = open_console(), found.runs
    names = found.data["names"]
    same = f"data: {names[0]}, the same rows" if found.data["same"] else f"data: {names[0]} and {names[1]}, other rows"
    say_line(console, same)
    if found.options:
        rows = [{"option": flag(n), f"A: {a}": _given(x), f"B: {b}": _given(y)} for n, (x, y) in found.options.items()]
        show_rows(rows, Format.TABLE)
    else:
        say_line(console, "options: the same")
    if found.metrics:
        show_rows([_figures(found, name) for name in found.metrics], Format.TABLE)
    if found.rows:
        say_line(console, f"A minus B is of {found.rows:,} held-out rows that both have predicted ({found.source})")
    else:
        say_line(
            console, f"the predictions are not compared row by row: {found.reason}; bertkit eval A --against B does it"
        )


def _given(value: Any) -> str:
    return "none" if value is None else said(value)


def _figures(found: Comparison, name: str) -> dict[str, str]:
    one, other = found.metrics[name]
    row = {"metric": name, "A": "" if one is None else f"{one:.4f}", "B": "" if other is None else f"{other:.4f}"}
    if name not in found.difference:
        return {**row, "A minus B": "", "95 % CI": "", "": ""}
    value, (low, high) = found.difference[name]
    is_noise = low <= 0 <= high
    return {
        **row,
        "A minus B": f"{value:+.4f}",
        "95 % CI": f"{low:+.4f} … {high:+.4f}",
        "": "not beyond noise" if is_noise else "beyond noise",
    }


# --- `bertkit export`: a run in other hands -------------------------------------------------------


def export_command(
    run: RunArgument,
    *,
    to: Annotated[str, typer.Option("--to", help="Form of the export: transformers or onnx.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to write (default: RUN-transformers or RUN-onnx).", readable=False),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="onnx: quantize the weights to 8 bits and measure what it costs.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="Rows to check on (default: the run's validation rows); may be repeated."),
    ] = None,
    force: ForceOption = False,
    output_format: FormatOption = None,
) -> None:
    """Write a run as a folder for transformers or ONNX engines, and check that it answers the same.

    Example: bertkit export runs/first --to onnx --output first-onnx
    """
    from bertkit.export.run import ExportRequest, export_run

    def note(sentence: str) -> None:
        say(f"bertkit: {sentence}")

    exported = export_run(ExportRequest(run, to, output, int8, tuple(data or ()), force), note)
    render.show_exported(exported.to_json(), output_format)
