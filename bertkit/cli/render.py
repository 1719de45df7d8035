"""Results to people and to programs: tables on a terminal, one JSON line in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

import typer

from bertkit.cli.options import Format
from bertkit.metrics.names import table_names

if TYPE_CHECKING:
    from rich.console import Console

    from bertkit.evaluation.evaluate import Evaluation
    from bertkit.training.loop import StepFacts
    from bertkit.training.run import Event, Started, TrainResult


def wants_json(asked: Format | None) -> bool:
    """Decide the format: as asked, else a table on a terminal and JSON in a pipe."""
    return asked is Format.JSON if asked is not None else not sys.stdout.isatty()


def show_rows(rows: Sequence[Mapping[str, Any]], asked: Format | None) -> None:
    """Print rows of a table; as JSON, one object per line."""
    if wants_json(asked):
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    _console().print(table)


def show(result: TrainResult | Evaluation | Started, asked: Format | None, said: Container[str] = ()) -> None:
    """Print the result of a command.

    Args:
        result: of train, eval or --dry-run.
        asked: table or JSON.
        said: warnings that the user has read already; a table leaves them out.
    """
    values = _values(result)
    if wants_json(asked):
        typer.echo(json.dumps(values, ensure_ascii=False))
    elif "n" in values:
        _show_evaluation(values)
    elif "metrics" in values:
        _show_training(values, said)
    else:
        _show_plan(values)


def _values(result: Any) -> dict[str, Any]:
    values = result.to_json() if hasattr(result, "to_json") else asdict(result)
    if is_dataclass(result) and "config" in values:
        values["config"].pop("given")
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _show_training(values: Mapping[str, Any], said: Container[str]) -> None:
    console = _console()
    console.print(_metric_table(values, title="validation"))
    console.print(
        f"{values['steps']} steps in {values['seconds']:.0f} s, "
        f"best at step {values['best_step']}{_by(values['metric'])}: [bold]{values['run']}"
    )
    _show_warnings(console, [warning for warning in values["warnings"] if warning not in said])


def _by(metric: str) -> str:
    return f" by {metric}" if metric else ""


def _show_evaluation(values: Mapping[str, Any]) -> None:
    console = _console()
    title = f"{values['data']}, {values['split']}, {values['n']:,} rows"
    console.print(_metric_table(values, title=title))
    for name, metrics in values["difference"].items():
        wanted = ("accuracy", "f1", "pearson", "entity_f1", "map@3", "perplexity", values["metric"])
        shown = [m for m in table_names(metrics, values.get("positive")) if m in wanted]
        parts = ", ".join(f"{m} {metrics[m][0]:+.4f} to {metrics[m][1]:+.4f}" for m in shown)
        console.print(f"model minus {name}: {parts}")
    if values["per_label"]:
        show_rows([{"label": k, **_rounded(v)} for k, v in values["per_label"].items()], Format.TABLE)
    _show_warnings(console, values["warnings"])


def _rounded(values: Mapping[str, float]) -> dict[str, Any]:
    return {k: int(v) if k in ("support", "predicted") else f"{v:.4f}" for k, v in values.items()}


def _metric_table(values: Mapping[str, Any], *, title: str) -> Any:
    """Lay out the metrics of a model and of its baselines, with intervals where there are any."""
    from rich.table import Table

    metrics, intervals, baselines = values["metrics"], values.get("intervals", {}), values["baselines"]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("metric")
    table.add_column("model", justify="right", style="bold")
    if intervals:
        table.add_column("95 % CI", justify="right")
    for name in baselines:
        table.add_column(name, justify="right")
    for metric, name in table_names(metrics, values.get("positive")).items():
        cells = [name, _figure(metric, metrics[metric])]
        if intervals:
            ends = intervals.get(metric)
            cells.append("" if ends is None else f"{ends[0]:.4f} … {ends[1]:.4f}")
        cells += [_figure(metric, b[metric]) if metric in b else "" for b in baselines.values()]
        table.add_row(*cells)
    return table


def _figure(metric: str, value: float) -> str:
    return f"{value:.0f}" if metric in COUNTS else f"{value:.4f}"


COUNTS = ("repaired_sequences",)


def _show_warnings(console: Console, warnings: Sequence[str]) -> None:
    for warning in warnings:
        console.print(f"[yellow]warning:[/yellow] {warning}", soft_wrap=True)


def _show_plan(values: Mapping[str, Any]) -> None:
    console = _console()
    console.print(f"would train [bold]{values['run']}[/bold]: {values['parameters']:,} parameters")
    console.print(f"rows: {values['rows']}, labels: {values['labels']}, steps: {values['total_steps']}")
    console.print(f"placement: {values['placement']}")
    parts = ", ".join(f"{name} {size / 1e6:,.0f}" for name, size in values["memory_parts"].items() if size)
    console.print(f"memory: about {values['memory_bytes'] / 1e6:,.0f} MB ({parts})", soft_wrap=True)
    for name, value in values["config"].items():
        console.print(f"  {name} = {value}", soft_wrap=True)


_WARNING = "warning: "


@contextmanager
def training_progress() -> Iterator[_Lines]:
    """Give a listener that shows a training on stderr: a bar on a terminal, lines elsewhere."""
    console = _console(stderr=True)
    view = _Bar(console) if console.is_terminal else _Lines(console)
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

    def __call__(self, event: Event) -> None:
        if isinstance(event, str):
            self.say(event)
        elif hasattr(event, "placement"):
            self.started(event)
        else:
            self.step(event)

    def say(self, sentence: str) -> None:
        if sentence.startswith(_WARNING):
            self.warned.append(sentence.removeprefix(_WARNING))
        self.console.print(sentence, soft_wrap=True, markup=False)

    def started(self, facts: Any) -> None:
        self.every, self.metric = facts.config.log_every, facts.config.metric
        self.positive = facts.config.positive or (facts.labels[1] if len(facts.labels) == 2 else None)
        rows = ", ".join(f"{split} {count:,}" for split, count in facts.rows.items())
        self.say(
            f"{facts.parameters:,} parameters on {facts.placement.device} in {facts.placement.precision}; "
            f"rows: {rows}; step {facts.step} of {facts.total_steps}"
        )

    def step(self, facts: StepFacts) -> None:
        self.tokens, self.seconds = self.tokens + facts.tokens, self.seconds + facts.seconds
        if facts.step % self.every == 0:
            self.say(
                f"step {facts.step}/{facts.total_steps} epoch {facts.epoch} loss {facts.loss:.4f} "
                f"lr {facts.lr:.2e} {self.tokens / self.seconds:,.0f} tokens/s"
            )
            self.tokens, self.seconds = 0, 0.0
        if facts.scores is not None:
            self.say(self.epoch_line(facts))

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


class _Bar(_Lines):
    """A progress bar with loss, rate, speed and remaining time; epochs as lines above it."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        super().__init__(console)
        self.progress = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
        )
        self.bar: Any = None

    def started(self, facts: Any) -> None:
        super().started(facts)
        self.progress.start()
        self.bar = self.progress.add_task("", total=facts.total_steps, completed=facts.step, figures="")

    def step(self, facts: StepFacts) -> None:
        speed = facts.tokens / facts.seconds if facts.seconds else 0.0
        figures = f"loss {facts.loss:.4f}  lr {facts.lr:.2e}  {speed:,.0f} tokens/s"
        self.progress.update(self.bar, completed=facts.step, figures=figures)
        if facts.scores is not None:
            self.progress.console.print(self.epoch_line(facts), soft_wrap=True, markup=False)

    def close(self) -> None:
        """Take the bar away."""
        self.progress.stop()
