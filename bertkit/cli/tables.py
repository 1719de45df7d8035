"""`bertkit models` and `bertkit datasets`: the registry and the catalog."""

from __future__ import annotations

from bertkit.cli import render
from bertkit.cli.options import FormatOption


def models_command(output_format: FormatOption = None) -> None:
    """List the models that `--model` knows by name."""
    from bertkit.models.table import MODELS

    rows = [{"name": s.name, "hub_id": s.hub_id, "max_length": s.max_length, "summary": s.summary} for s in MODELS]
    render.show_rows(rows, output_format)


def datasets_command(output_format: FormatOption = None) -> None:
    """List the data sets that DATA knows by name, and the bundled samples."""
    from bertkit.data.catalog import DATASETS
    from bertkit.data.sources import sample_names

    rows = [{"name": s.name, "hub_id": s.hub_id, "task": s.task, "summary": s.summary} for s in DATASETS]
    rows += [
        {
            "name": f"sample:{name}",
            "hub_id": None,
            "task": "classify",
            "summary": "bundled sample, no network",
        }
        for name in sample_names()
    ]
    render.show_rows(rows, output_format)
