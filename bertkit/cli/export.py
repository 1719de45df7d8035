"""`bertkit export`: a run in other hands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bertkit.cli import render
from bertkit.cli.options import ForceOption, FormatOption, RunArgument
from bertkit.cli.streams import say


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
