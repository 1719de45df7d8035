"""`bertkit cache`: what is kept on disk to spare work, and how it is deleted."""

from __future__ import annotations

from dataclasses import asdict

import typer

from bertkit.cli import render
from bertkit.cli.options import FormatOption
from bertkit.cli.terminal import open_console, say_line
from bertkit.plain import to_json

cache_app = typer.Typer(help="Show the cache on disk (rows of large tables, ONNX graphs of runs), or clear it.")


@cache_app.callback(invoke_without_command=True)
def cache_command(ctx: typer.Context, *, output_format: FormatOption = None) -> None:
    """Show what is kept on disk to spare work, where it lies (BERTKIT_CACHE names another folder), and its size.

    What is deleted is made again when it is needed.
    """
    from bertkit.cache import cache_folder, parts

    if ctx.invoked_subcommand is not None:
        return
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
        f"{cache_folder()}: {len(found):,} parts, {total / 1e6:,.1f} MB (bertkit cache clear deletes them)",
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
    say_line(open_console(), f"{cache_folder()}: {len(gone):,} parts deleted, {total / 1e6:,.1f} MB")
