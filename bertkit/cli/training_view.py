"""A training on stderr: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bertkit.cli.progress import EVERY_S, WARNING, Clock
from bertkit.cli.terminal import open_console, spoken
from bertkit.language import translated
from bertkit.metrics.names import table_names
from bertkit.progress import span

if TYPE_CHECKING:
    from rich.console import Console

    from bertkit.training.folds import FoldStep
    from bertkit.training.loop import StepFacts
    from bertkit.training.run import Event


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
        elif hasattr(event, "folds"):
            self.fold(facts)
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

    def fold(self, facts: FoldStep) -> None:
        """Hear how far the training of a fold is."""

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
        self.of_fold: FoldStep | None = None
        self.timer = Clock(self.tick, every_s=EVERY_S / 10)

    def show(self, said: str) -> None:
        """Print a line, and note when."""
        self.said_at = time.monotonic()
        super().show(said)

    def started(self, facts: Any) -> None:
        """Hear that the first step is next."""
        super().started(facts)
        self.has_started, self.of_fold = True, None

    def fold(self, facts: FoldStep) -> None:
        """Hear how far the training of a fold is."""
        self.of_fold = facts

    def step(self, facts: StepFacts) -> None:
        """Hear of a step."""
        self.facts = facts
        super().step(facts)

    def tick(self) -> None:
        """Say where the training is, if nothing has been said in a while."""
        if time.monotonic() - self.said_at < EVERY_S:
            return
        took = span(time.monotonic() - self.began)
        if self.facts is None and self.of_fold is not None:
            fold = self.of_fold
            self.say(f"fold {fold.fold} of {fold.folds}, step {fold.step} of {fold.total_steps}, {took} so far")
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

    def fold(self, facts: FoldStep) -> None:
        self._open(facts.total_steps, 0)
        figures = translated(f"fold {facts.fold} of {facts.folds}")
        self.progress.update(self.bar, completed=facts.step, total=facts.total_steps, figures=figures)

    def started(self, facts: Any) -> None:
        super().started(facts)
        if has_events(facts.config.tensorboard):
            self.show(f"curves, rows and attention while it trains: tensorboard --logdir {facts.run / 'events'}")
        if self.bar is not None:  # that of the folds
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
