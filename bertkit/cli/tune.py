"""`bertkit tune`: a search for options of `train`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertkit.cli.options import DataArgument, Format, FormatOption, with_options
from bertkit.cli.progress import EVERY_S, QuietOption, notes
from bertkit.cli.train import ConfigOption, read_config
from bertkit.config import TrainConfig, flag
from bertkit.plain import to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from bertkit.scale.tune import Tuned
    from bertkit.training.loop import StepFacts

# Options of `train` that are about one run in one folder.
NOT_OF_A_SEARCH = frozenset(
    {"output", "resume", "force", "keep_checkpoints", "dry_run", "strict", "tensorboard", "folds", "tune_threshold"}
)
_SEARCH, _USUAL_TRIALS = "Search", 20


@with_options(TrainConfig, without=NOT_OF_A_SEARCH)
def tune_command(
    data: DataArgument = None,
    *,
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Number of trials (default: 20).", rich_help_panel=_SEARCH),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            min=0,
            help="Start no more trials after so many minutes (default: no limit).",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(
            "--space",
            help="TOML file of the options to vary and their ranges (default: by model: docs/runs.md).",
            readable=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=0,
            max=20,
            help="Seeds with which the best trial and the default recipe are trained at the end; 0: no "
            "comparison (default: 3).",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune/--no-prune", help="Stop trials early that fall behind (default: --prune).", rich_help_panel=_SEARCH
        ),
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Folder of the search (default: runs/<data>-<model>-tune).",
            readable=False,
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the search in --output, or join it from another process.",
            rich_help_panel=_SEARCH,
        ),
    ] = False,
    config_file: ConfigOption = None,
    output_format: FormatOption = None,
    quiet: QuietOption = False,
    given: dict[str, Any],
) -> None:
    """Search for the best options of `train` by the scores on validation rows.

    Options of `train` that you give are fixed. Of the others, those in the search space of the model vary.

    Example: bertkit tune mrpc --model minilm --trials 20 --epochs 2 --output runs/search
    """
    from bertkit.scale.search import Asked
    from bertkit.scale.tune import tune

    asked = Asked(
        config=read_config(data or [], config_file, given),
        trials=trials if trials or resume or minutes is not None else _USUAL_TRIALS,
        minutes=minutes,
        space=space,
        seeds=3 if seeds is None else seeds,
        prunes=prune,
        output=output,
        resume=resume,
    )
    note = notes(quiet=quiet)
    _show(tune(asked, note, _Steps(note)), output_format)


class _Steps:
    """Says where a long training is, every ten seconds."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.note, self.said_at = note, time.monotonic()

    def __call__(self, facts: StepFacts) -> None:
        if time.monotonic() - self.said_at >= EVERY_S:
            self.said_at = time.monotonic()
            self.note(f"step {facts.step} of {facts.total_steps}, epoch {facts.epoch}")


def _show(found: Tuned, asked: Format | None) -> None:
    from bertkit.cli.render import show_rows, wants_json
    from bertkit.cli.terminal import open_console, say_line

    if wants_json(asked):
        typer.echo(to_json(_values(found)))
        return
    console = open_console()
    if found.best is None:
        say_line(console, f"{len(found.trials)} trials so far: ", (str(found.output), "bold"))
        return
    ordered = sorted((one for one in found.trials if one.value is not None), key=lambda one: one.number)
    rows = [
        {
            "trial": f"{one.number}{' default' * one.is_default}{' best' * (one.number == found.best.number)}",
            found.metric: f"{one.value:.4f}",
            "options": " ".join(f"{flag(name)[2:]}={_said(value)}" for name, value in one.options.items()),
        }
        for one in ordered
    ]
    show_rows(rows, Format.TABLE)
    counts = _counts(found)
    others = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    say_line(console, f"trials: {others}")
    say_line(console, found.sentence)
    say_line(console, "go on: ", (f"bertkit train --config {found.output / 'best.toml'}", "bold"))


def _said(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _counts(found: Tuned) -> dict[str, int]:
    states = ("done", "pruned", "failed", "running")
    return {state: sum(one.state == state for one in found.trials) for state in states}


def _values(found: Tuned) -> dict[str, Any]:
    best = found.best
    default = next((one for one in found.trials if one.is_default and one.value is not None), None)
    return {
        "output": str(found.output),
        "metric": found.metric,
        "rows": found.rows,
        "counts": _counts(found),
        "trials": [{name: value for name, value in asdict(one).items() if name != "was_ended"} for one in found.trials],
        "best": None if best is None else {"trial": best.number, "value": best.value, "options": best.options},
        "default": None if default is None else {"trial": default.number, "value": default.value},
        "importances": found.importances,
        "comparison": None if found.versus is None else found.versus.to_json(),
        "tested": None if found.tested is None else found.tested.to_json(),
        "sentence": found.sentence,
        "config": None if best is None else str(found.output / "best.toml"),
    }
