"""`bertkit models` and `bertkit datasets`: the registry and the catalog."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from bertkit.cli import render
from bertkit.cli.options import FormatOption


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
    from bertkit.models.offline import is_packaged

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
    from bertkit.data.shape_names import word_of
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
