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
from bertkit.cli.terminal import new_table, open_console, safe, say_line
from bertkit.metrics.names import table_names
from bertkit.plain import sentence, to_json

if TYPE_CHECKING:
    from rich.console import Console

    from bertkit.evaluation.evaluate import Evaluation
    from bertkit.training.loop import StepFacts
    from bertkit.training.run import Event, Started, TrainResult


def wants_json(asked: Format | None) -> bool:
    """Decide the format: as asked, else a table on a terminal and JSON in a pipe."""
    return asked is Format.JSON if asked is not None else not sys.stdout.isatty()


def show_rows(rows: Sequence[Mapping[str, Any]], asked: Format | None, *, only_json: Container[str] = ()) -> None:
    """Print rows of a table, without the keys that only JSON has room for; as JSON, one object per line."""
    if wants_json(asked):
        for row in rows:
            typer.echo(to_json(row))
        return
    shown = [key for key in rows[0] if key not in only_json]
    table = new_table(tuple(shown))
    table.columns[0].no_wrap = True  # what is to be typed again
    for row in rows:
        table.add_row(*("" if row[key] is None else safe(str(row[key])) for key in shown))
    open_console().print(table)


def show(result: TrainResult | Evaluation | Started, asked: Format | None, said: Container[str] = ()) -> None:
    """Print the result of a command.

    Args:
        result: of train, eval or --dry-run.
        asked: table or JSON.
        said: warnings that the user has read already; a table leaves them out.
    """
    values = _values(result)
    if wants_json(asked):
        typer.echo(to_json(values))
    elif "n" in values:
        _show_evaluation(values)
    elif "metrics" in values:
        _show_training(values, said)
    else:
        _show_plan(values)


def show_exported(values: Mapping[str, Any], asked: Format | None) -> None:
    """Print what an export is and how it was checked: one JSON line, or one for people."""
    if wants_json(asked):
        typer.echo(to_json(values))
        return
    changed = 1 - values["labels_equal"]
    labels = f"{changed:.2%} of the labels changed" if changed else "no label changed"
    first = "" if values["precision"] == "float32" else " in float32"  # before its weights were made smaller
    say_line(
        open_console(),
        (values["output"], "bold"),
        f": checked{first} on {values['checked_rows']} rows of {values['data']}: largest difference "
        f"{values['max_difference']:.1e}, {labels}",
    )


def _values(result: Any) -> dict[str, Any]:
    values = result.to_json() if hasattr(result, "to_json") else asdict(result)
    if is_dataclass(result) and "config" in values:
        values["config"].pop("given")
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _show_training(values: Mapping[str, Any], said: Container[str]) -> None:
    console = open_console()
    console.print(_metric_table(values, title="validation"))
    took = f"{values['steps']} steps in {values['seconds']:.0f} s, best at step {values['best_step']}"
    say_line(console, f"{took}{_by(values['metric'])}: ", (values["run"], "bold"))
    _show_warnings(console, [warning for warning in values["warnings"] if warning not in said])


def _by(metric: str) -> str:
    return f" by {metric}" if metric else ""


def _show_evaluation(values: Mapping[str, Any]) -> None:
    console = open_console()
    title = f"{values['data']}, {values['split']}, {values['n']:,} rows"
    if values.get("coverage") is not None:
        title += f" ({values['coverage']:.1%} of all, which are answered)"
    console.print(_metric_table(values, title=title))
    for name, metrics in values["difference"].items():
        wanted = ("accuracy", "f1", "pearson", "entity_f1", "map@3", "perplexity", values["metric"])
        shown = [m for m in table_names(metrics, values.get("positive")) if m in wanted]
        parts = ", ".join(f"{m} {metrics[m][0]:+.4f} to {metrics[m][1]:+.4f}" for m in shown)
        say_line(console, f"model minus {name}: {parts}")
    if values["per_label"]:
        show_rows([{"label": k, **_rounded(v)} for k, v in values["per_label"].items()], Format.TABLE)
    _show_warnings(console, values["warnings"])


def _rounded(values: Mapping[str, float]) -> dict[str, Any]:
    return {k: int(v) if k in ("support", "predicted") else f"{v:.4f}" for k, v in values.items()}


def _metric_table(values: Mapping[str, Any], *, title: str) -> Any:
    """Lay out the metrics of a model and of its baselines, with intervals where there are any."""
    metrics, intervals, baselines = values["metrics"], values.get("intervals", {}), values["baselines"]
    numbers = ["model", *(["95 % CI"] if intervals else []), *baselines]
    table = new_table(("metric", *numbers), right=numbers, title=title)
    table.columns[1].style = "bold"
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
        say_line(console, ("warning:", "yellow"), f" {warning}")


def _show_plan(values: Mapping[str, Any]) -> None:
    console = open_console()
    say_line(console, "would train ", (values["run"], "bold"), f": {values['parameters']:,} parameters")
    say_line(console, f"rows: {values['rows']}, labels: {values['labels']}, steps: {values['total_steps']}")
    say_line(console, f"placement: {values['placement']}")
    parts = ", ".join(f"{name} {size / 1e6:,.0f}" for name, size in values["memory_parts"].items() if size)
    say_line(console, f"memory: about {values['memory_bytes'] / 1e6:,.0f} MB ({parts})")
    for name, value in values["config"].items():
        say_line(console, f"  {name} = {value}")


_WARNING = "warning: "


@contextmanager
def training_progress() -> Iterator[_Lines]:
    """Give a listener that shows a training on stderr: a bar on a terminal, lines elsewhere."""
    console = open_console(stderr=True)
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

    def say(self, said: str) -> None:
        if said.startswith(_WARNING):
            self.warned.append(said.removeprefix(_WARNING))
        self.console.print(sentence(said), soft_wrap=True)

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
            TextColumn("step {task.completed}/{task.total}", markup=False),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True)),
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
            self.say(self.epoch_line(facts))

    def close(self) -> None:
        """Take the bar away."""
        self.progress.stop()
