"""`bertkit models`, `bertkit datasets` and `bertkit cache`: models and data sets by name, and the cache on disk."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from bertkit.cli import render
from bertkit.cli.options import FormatOption
from bertkit.cli.render import open_console, say_line
from bertkit.plain import to_json

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
        {"name": s.name, "hub_id": s.hub_id, "task": word_of(s.shape, SHAPE_OF), "summary": s.summary} for s in DATASETS
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
