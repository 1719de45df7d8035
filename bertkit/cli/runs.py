"""`bertkit runs` and `export`; and `models`, `datasets` and `cache`: what there is by name, and on disk."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertkit.cli import render
from bertkit.cli.help import CommandGroup, our_name
from bertkit.cli.options import ForceOption, Format, FormatOption, RunArgument
from bertkit.cli.render import open_console, say_line
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
    console, (a, b) = open_console(), found.runs
    names = found.data["names"]
    same = f"data: {names[0]}, the same rows" if found.data["same"] else f"data: {names[0]} and {names[1]}, other rows"
    say_line(console, same)
    if found.options:
        rows = [{"option": flag(n), f"A: {a}": _given(x), f"B: {b}": _given(y)} for n, (x, y) in found.options.items()]
        render.show_rows(rows, Format.TABLE)
    else:
        say_line(console, "options: the same")
    if found.metrics:
        render.show_rows([_figures(found, name) for name in found.metrics], Format.TABLE)
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


# --- `bertkit models` and `bertkit datasets`: the registry and the catalog ------------------------


class Language(StrEnum):
    """Languages that models can be listed by."""

    EN = "en"
    KO = "ko"


def models_command(
    language: Annotated[
        Language | None,
        typer.Option("--language", help="Only models trained on English (en) or Korean (ko) (default: all)."),
    ] = None,
    output_format: FormatOption = None,
) -> None:
    """List the models that `--model` knows by name.

    `where` says whether a model is here: always (scratch, tfidf), in an installed package, in the
    hub's cache, or on the hub only.

    Example: bertkit models --language ko
    """
    from bertkit.models.table import MODELS, reads

    rows = [
        {
            "name": s.name,
            "hub_id": s.hub_id,
            "language": s.language or None,
            "parameters": None if s.parameters is None else f"{s.parameters}M",
            "max_length": None if s.is_linear else s.max_length,
            "where": _where(s.hub_id),
            "summary": s.summary,
        }
        for s in MODELS
        if language is None or reads(s, language)
    ]
    render.show_rows(rows, output_format, only_json=("hub_id",))


def _where(hub_id: str | None) -> str:
    """Say where the files of a model are, without opening any."""
    from bertkit.hub import is_cached
    from bertkit.models.finding import is_packaged

    if hub_id is None:
        return "here"
    if is_packaged(hub_id):
        return "package"
    return "cache" if is_cached(hub_id, "model") else "hub"


def datasets_command(output_format: FormatOption = None) -> None:
    """List the data sets that DATA knows by name, and the bundled samples.

    Example: bertkit datasets
    """
    from bertkit.data.catalog import DATASETS
    from bertkit.data.records import word_of
    from bertkit.data.sources import sample_names, sample_shape
    from bertkit.tasks.registry import SHAPE_OF

    rows = [
        {"name": name, "hub_id": s.hub_id, "task": word_of(s.shape, SHAPE_OF), "summary": s.summary}
        for name, s in DATASETS.items()
    ]
    rows += [
        {
            "name": f"sample:{name}",
            "hub_id": None,
            "task": word_of(sample_shape(name), SHAPE_OF),
            "summary": "bundled sample, no network",
        }
        for name in sample_names()
    ]
    render.show_rows(rows, output_format)


# --- `bertkit cache`: what is kept on disk to spare work, and how it is deleted -------------------

cache_app = typer.Typer(help="Show the cache on disk (rows of large tables, ONNX graphs of runs), or clear it.")


@cache_app.callback(invoke_without_command=True)
def cache_command(ctx: typer.Context, *, output_format: FormatOption = None) -> None:
    """Show or clear the cache on disk; `bertkit cache` is `bertkit cache show`."""
    if ctx.invoked_subcommand is None:
        show_command(output_format=output_format)


@cache_app.command("show")
def show_command(*, output_format: FormatOption = None) -> None:
    """Show where the cache is (BERTKIT_CACHE names another folder), its entries, and its size.

    Deleted entries are made again when they are needed.

    Example: bertkit cache show
    """
    from bertkit.cache import cache_folder, parts

    found = list(parts())
    total = sum(part.bytes for part in found)
    if render.wants_json(output_format):
        entries = [asdict(part) for part in found]
        typer.echo(to_json({"folder": str(cache_folder()), "bytes": total, "entries": entries}))
        return
    rows = [
        {"name": part.name, "holds": part.holds, "MB": f"{part.bytes / 1e6:,.1f}", "days since its use": part.days}
        for part in found
    ]
    if rows:
        render.show_rows(rows, output_format)
    say_line(
        open_console(),
        f"{cache_folder()}: entries: {len(found):,}; {total / 1e6:,.1f} MB (bertkit cache clear deletes them)",
    )


@cache_app.command("clear")
def clear_command(*, output_format: FormatOption = None) -> None:
    """Delete cached files; they are made again when they are needed.

    Files that another command is writing are kept.

    Example: bertkit cache clear
    """
    from bertkit.cache import cache_folder, clear

    gone = clear()
    total = sum(part.bytes for part in gone)
    if render.wants_json(output_format):
        typer.echo(to_json({"folder": str(cache_folder()), "deleted": len(gone), "bytes": total}))
        return
    say_line(open_console(), f"{cache_folder()}: entries deleted: {len(gone):,}; {total / 1e6:,.1f} MB")
