"""`bertkit train` and `bertkit tune`: from a table of texts to a run directory, or to the best of many."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertkit.cli import render
from bertkit.cli.help import our_names
from bertkit.cli.options import DataArgument, Format, FormatOption, with_options
from bertkit.cli.progress import EVERY_S, WARNING, Clock, QuietOption, notes
from bertkit.cli.render import open_console, spoken
from bertkit.config import TrainConfig, flag, from_mapping, options, read_toml
from bertkit.language import translated
from bertkit.plain import span, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from bertkit.scale.tune import Tuned
    from bertkit.training.drive import SoupStep
    from bertkit.training.finish import FoldStep
    from bertkit.training.loop import StepFacts
    from bertkit.training.run import Event

# --- A training on stderr: a bar on a terminal, lines elsewhere -----------------------------------


@contextmanager
def training_progress(*, quiet: bool = False) -> Iterator[_Lines]:
    """Give a listener that shows a training on stderr: a bar on a terminal, lines elsewhere.

    Args:
        quiet: whether only warnings are said.
    """
    console = open_console(stderr=True)
    view = _Warnings(console) if quiet else _Bar(console) if console.is_terminal else _TimedLines(console)
    try:
        yield view
    finally:
        view.close()


def _where(facts: FoldStep | SoupStep, took: str = "") -> str:
    """Say which training of several this is, and where it stands if told how long that took."""
    part: Any = facts
    if hasattr(part, "folds"):
        if not took:
            return f"fold {part.fold} of {part.folds}"
        return f"fold {part.fold} of {part.folds}, step {part.step} of {part.total_steps}, {took} so far"
    if not took:
        return f"training {part.training} of {part.trainings}"
    return f"training {part.training} of {part.trainings}, step {part.step} of {part.total_steps}, {took} so far"


class _Lines:
    """A log line every n steps, for files and pipes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.every = 50
        self.metric = ""
        self.positive: str | None = None
        self.warned: list[str] = []
        self.tokens, self.seconds = 0, 0.0
        self.clock = _Remaining()

    def __call__(self, event: Event) -> None:
        # Kinds are told by what they have: the modules that define them open torch.
        facts: Any = event
        if isinstance(event, str):
            self.say(event)
        elif hasattr(event, "placement"):
            self.started(facts)
        elif hasattr(event, "folds") or hasattr(event, "trainings"):
            self.part(facts)
        else:
            self.step(facts)

    def say(self, said: str) -> None:
        if said.startswith(WARNING):
            self.warned.append(said.removeprefix(WARNING))
        self.show(said)

    def show(self, said: str) -> None:
        """Print a line."""
        self.console.print(spoken(said), soft_wrap=True)

    def started(self, facts: Any) -> None:
        self.every, self.metric = facts.config.log_every, facts.config.metric
        self.positive = facts.config.positive or (facts.labels[1] if len(facts.labels) == 2 else None)
        rows = ", ".join(f"{split} {count:,}" for split, count in facts.rows.items())
        self.say(
            f"{facts.parameters:,} parameters on {facts.placement.device} in {facts.placement.precision}; "
            f"rows: {rows}; step {facts.step} of {facts.total_steps}"
        )
        self.clock.begin(facts.step)

    def part(self, facts: FoldStep | SoupStep) -> None:
        """Hear how far the training of a fold, or of a soup, is."""

    def step(self, facts: StepFacts) -> None:
        self.tokens, self.seconds = self.tokens + facts.tokens, self.seconds + facts.seconds
        if facts.step % self.every == 0:
            self.say_step(facts)
        if facts.scores is not None:
            self.say(self.epoch_line(facts))

    def say_step(self, facts: StepFacts) -> None:
        """Say where the training is, how fast it goes, and how long it will still take."""
        left = self.clock.left(facts.step, facts.total_steps)
        self.say(
            f"step {facts.step}/{facts.total_steps} epoch {facts.epoch} loss {facts.loss:.4f} "
            f"lr {facts.lr:.2e} {self.tokens / max(self.seconds, 1e-9):,.0f} tokens/s{left}"
        )
        self.tokens, self.seconds = 0, 0.0

    def epoch_line(self, facts: StepFacts) -> str:
        """Say what the validation rows scored, and whether that is the best so far."""
        from bertkit.metrics.names import table_names

        assert facts.scores is not None
        metrics = facts.scores.metrics
        shown = [m for m in table_names(metrics, self.positive) if m in (*_EPOCH_METRICS, self.metric)]
        parts = " ".join(f"{name} {metrics[name]:.4f}" for name in sorted(shown, key=_epoch_order))
        best = f" (best so far by {self.metric})" if facts.improved else ""
        return f"epoch {facts.epoch}, step {facts.step}: validation {parts}{best}"

    def close(self) -> None:
        """Nothing to close."""


class _Remaining:
    """How long a training will still take: its scorings so far are counted in."""

    def __init__(self) -> None:
        self._began, self._first = time.monotonic(), 0

    def begin(self, step: int) -> None:
        """Begin at a step."""
        self._began, self._first = time.monotonic(), step

    def left(self, step: int, total: int) -> str:
        """Say it at a step, after a comma; nothing at the beginning and at the end."""
        if step >= total or step <= self._first:
            return ""
        each = (time.monotonic() - self._began) / (step - self._first)
        return f", about {span(each * (total - step))} left"


class _TimedLines(_Lines):
    """Lines for files and pipes, at least one every ten seconds."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.began = self.said_at = time.monotonic()
        self.facts: Any = None
        self.has_started = False
        self.of_part: FoldStep | SoupStep | None = None
        self.timer = Clock(self.tick, every_s=EVERY_S / 10)

    def show(self, said: str) -> None:
        """Print a line, and note when."""
        self.said_at = time.monotonic()
        super().show(said)

    def started(self, facts: Any) -> None:
        """Hear that the first step is next."""
        super().started(facts)
        self.has_started, self.of_part = True, None

    def part(self, facts: FoldStep | SoupStep) -> None:
        """Hear how far the training of a fold, or of a soup, is."""
        self.of_part = facts

    def step(self, facts: StepFacts) -> None:
        """Hear of a step."""
        self.facts = facts
        super().step(facts)

    def tick(self) -> None:
        """Say where the training is, if nothing has been said in a while."""
        if time.monotonic() - self.said_at < EVERY_S:
            return
        took = span(time.monotonic() - self.began)
        if self.facts is None and self.of_part is not None:
            self.say(_where(self.of_part, took))
        elif self.facts is None:
            self.say(f"{'the first step' if self.has_started else 'getting ready'}, {took} so far")
        elif self.facts.step >= self.facts.total_steps:
            self.say(f"all {self.facts.total_steps} steps are done; scoring and writing, {took} so far")
        else:
            self.say_step(self.facts)

    def close(self) -> None:
        """Say no more."""
        self.timer.stop()


class _Warnings(_Lines):
    """Says warnings and nothing else."""

    def show(self, said: str) -> None:
        """Print a warning."""
        if said.startswith(WARNING):
            super().show(said)


_EPOCH_METRICS = (
    "accuracy",
    "f1",
    "macro_f1",
    "pearson",
    "spearman",
    "entity_f1",
    "map@3",
    "perplexity",
    "pair_accuracy",
    "rouge1",
    "rouge2",
    "loss",
    "mse",
)


def _epoch_order(metric: str) -> int:
    return _EPOCH_METRICS.index(metric) if metric in _EPOCH_METRICS else len(_EPOCH_METRICS)


def has_events(asked: bool | None) -> bool:
    """Tell whether a training writes events for TensorBoard; it checks itself what was asked for."""
    return asked is not False and importlib.util.find_spec("tensorboard") is not None


class _Bar(_Lines):
    """A progress bar with loss, rate, speed and remaining time; epochs as lines above it."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        super().__init__(console)
        self.progress = Progress(
            TextColumn("step {task.completed}/{task.total}", markup=False),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
        )
        self.bar: Any = None

    def part(self, facts: FoldStep | SoupStep) -> None:
        self._open(facts.total_steps, 0)
        figures = translated(_where(facts))
        self.progress.update(self.bar, completed=facts.step, total=facts.total_steps, figures=figures)

    def started(self, facts: Any) -> None:
        super().started(facts)
        if has_events(facts.config.tensorboard):
            self.show(f"curves, rows and attention while it trains: tensorboard --logdir {facts.run / 'events'}")
        if self.bar is not None:  # that of folds or of a soup
            self.progress.remove_task(self.bar)
            self.bar = None
        self._open(facts.total_steps, facts.step)

    def step(self, facts: StepFacts) -> None:
        speed = facts.tokens / facts.seconds if facts.seconds else 0.0
        figures = translated(f"loss {facts.loss:.4f}  lr {facts.lr:.2e}  {speed:,.0f} tokens/s")
        self.progress.update(self.bar, completed=facts.step, figures=figures)
        if facts.scores is not None:
            self.say(self.epoch_line(facts))

    def _open(self, total: int, done: int) -> None:
        if self.bar is None:
            self.progress.start()
            self.bar = self.progress.add_task("", total=total, completed=done, figures="")

    def close(self) -> None:
        """Take the bar away."""
        self.progress.stop()


# --- `bertkit train`: from a table of texts to a run directory ------------------------------------

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


# --- `bertkit tune`: a search for options of `train` ----------------------------------------------

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
            help="Continue the search in --output, or join it from another process.",
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
    from bertkit.cli.render import say_line, show_rows, wants_json

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
    say_line(console, "next: ", (f"bertkit train --config {found.output / 'best.toml'}", "bold"))


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
