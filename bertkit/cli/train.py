"""`bertkit train`: from a table of texts to a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bertkit.cli import render
from bertkit.cli.commands import our_names
from bertkit.cli.options import DataArgument, FormatOption, with_options
from bertkit.cli.progress import QuietOption
from bertkit.cli.training_view import training_progress
from bertkit.config import TrainConfig, from_mapping, options, read_toml

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file of options; flags and BERTKIT_* take precedence (default: none).",
        rich_help_panel="Run",
        readable=False,
    ),
]


@with_options(TrainConfig)
def train_command(
    data: DataArgument = None,
    *,
    config_file: ConfigOption = None,
    output_format: FormatOption = None,
    quiet: QuietOption = False,
    given: dict[str, Any],
) -> None:
    """Train or fine-tune a model and write a run directory.

    Example: bertkit train sample:paraphrase --model scratch --output runs/first
    """
    from bertkit.training.run import plan_training, train

    config = read_config(data or [], config_file, given)
    with training_progress(quiet=quiet) as view:
        result = plan_training(config, view) if config.dry_run else train(config, view)
    render.show(result, output_format, said=view.warned)


def read_config(data: list[str], config_file: Path | None, given: dict[str, Any]) -> TrainConfig:
    """Merge a config file and the flags, flags first.

    Raises:
        UsageError: a name or a value that no option takes.
        DataError: the config file cannot be read.
    """
    base = TrainConfig()
    if config_file is not None:
        values = our_names(read_toml(config_file), (spec.name for spec in options(TrainConfig)))
        base = from_mapping(values, source=str(config_file), base=base)
    values = {**given, "data": tuple(data)} if data else given
    return from_mapping(values, source="the command line", base=base)
