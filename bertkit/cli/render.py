"""Results to people and to programs: tables and plans on a terminal, one JSON line in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

import typer

from bertkit.cli.options import Format
from bertkit.config import flag
from bertkit.language import translated
from bertkit.plain import sentence, shortened, span, to_json, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bertkit.evaluation.evaluate import Evaluation
    from bertkit.training.run import Started, TrainResult

# --- What is printed for people: tables and lines in which somebody's text is text, never markup --

# Most characters of a label, a name or a path in a table.
WIDEST = 300


def open_console(*, stderr: bool = False) -> Console:
    """Make a console that obeys no [markup] and no :emoji: codes; styles are given beside a text."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def new_table(columns: Sequence[str], *, right: Sequence[str] = (), title: str | None = None) -> Table:
    """Make a table without lines; its cells fold where they are too long.

    Args:
        columns: their headings.
        right: headings of the columns that hold numbers.
        title: stands above it.
    """
    from rich.table import Table

    shown = None if title is None else safe(translated(title))
    table = Table(title=shown, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(safe(name), justify="right" if name in right else "left", overflow="fold")
    return table


def print_table(console: Console, table: Table) -> None:
    """Print a table; on a terminal too narrow for its words each row is a block with a line for each cell."""
    from rich.measure import Measurement

    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    for column, own in zip(table.columns, cells, strict=True):
        is_short = max(map(len, own), default=0) <= console.width / 2
        column.no_wrap = column.no_wrap or (is_short and not any(" " in cell for cell in own))
    if Measurement.get(console, console.options.update(max_width=WIDEST * len(cells)), table).minimum <= console.width:
        console.print(table)
        return
    if table.title:
        say_line(console, (str(table.title), "italic"))
    for row in zip(*cells, strict=True):
        for place, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
            if cell:
                say_line(console, "  " * (place > 0), (str(column.header), "bold"), f": {cell}")


def say_line(console: Console, *parts: str | tuple[str, str]) -> None:
    """Print one line, however long, made of texts and of (text, style)."""
    from rich.text import Text

    pieces = [(part, "") if isinstance(part, str) else part for part in parts]
    whole = "".join(text for text, _ in pieces)
    said = translated(whole)
    if said == whole:
        line = Text.assemble(*((visible(text), style) for text, style in pieces))
    else:  # the parts stand in another order
        line = Text(visible(said))
        for text, style in pieces:
            at = line.plain.find(visible(text)) if style else -1
            if at >= 0:
                line.stylize(style, at, at + len(visible(text)))
    console.print(line, soft_wrap=True)


def spoken(text: str) -> str:
    """Return what is said to a user: in the language that is spoken, one line, nothing in it unseen, bounded."""
    return sentence(translated(text))


def cell(text: str, style: str = "") -> Text:
    """Make a cell of a table."""
    from rich.text import Text

    return Text(safe(text), style)


def safe(text: str) -> str:
    """Show a text's control characters, and cut a text that would fill the screen."""
    return visible(shortened(text, WIDEST))


# --- What --dry-run shows people: what a training would be, what it costs, and the options it reads

# Said elsewhere: in the first lines, or as the shape of the model.
_ELSEWHERE = frozenset(
    {"data", "task", "output", "dry_run", "resume", "force", "layers", "hidden", "heads", "size", "model"}
)
# Options of a vocabulary that is trained.
_OF_VOCABULARY = frozenset({"vocab_size", "lowercase"})
_MOST_LABELS = 12


def show_plan(values: Mapping[str, Any]) -> None:
    """Print a plan.

    Args:
        values: those of `Started`, as JSON has them.
    """
    console = open_console()
    config, shape = values["config"], values["shape"]
    parts = [f"{shape[name]:,} {name}" for name in ("layers", "hidden", "heads") if name in shape]
    say_line(console, "would train ", (values["run"], "bold"), f": {values['task']} with {config['model']}")
    say_line(console, f"model: {values['parameters']:,} parameters ({', '.join(parts)}){_limits(shape)}")
    rows = ", ".join(f"{split} {count:,}" for split, count in values["rows"].items())
    say_line(console, f"rows: {rows}; steps: {values['total_steps']:,}")
    if values["labels"]:
        more = f" and {len(values['labels']) - _MOST_LABELS:,} more" if len(values["labels"]) > _MOST_LABELS else ""
        say_line(console, f"labels: {', '.join(values['labels'][:_MOST_LABELS])}{more}")
    place = values["placement"]
    threads = f", {place['threads']} thread{'s' * (place['threads'] > 1)}" if place["device"] == "cpu" else ""
    say_line(console, f"on: {place['device']}, {place['precision']}{threads}")
    if values["seconds"] is not None:
        say_line(console, f"time: about {span(values['seconds'])} (from two measured batches, without early stopping)")
    sizes = ", ".join(f"{name} {size / 1e6:,.0f}" for name, size in values["memory_parts"].items() if size)
    say_line(console, f"memory: about {values['memory_bytes'] / 1e6:,.0f} MB ({sizes})")
    for name, value in config.items():
        if _is_read(name, value, values):
            say_line(console, f"  {flag(name)} {_said(value)}")


def _limits(shape: Mapping[str, int]) -> str:
    parts = [
        f"{shape[name]:,} {what}"
        for name, what in (("vocabulary", "words"), ("positions", "positions"))
        if name in shape
    ]
    return f", {', '.join(parts)}" if parts else ""


def _is_read(name: str, value: Any, values: Mapping[str, Any]) -> bool:
    """Whether this training reads an option, and it has a value."""
    from bertkit.tasks.registry import TASKS_WITH

    if name in _ELSEWHERE or value in (None, "", []):
        return False
    if values["task"] not in TASKS_WITH.get(name, (values["task"],)):
        return False
    is_scratch = values["config"]["model"] == "scratch" or values["config"].get("init") == "random"
    return is_scratch or name not in _OF_VOCABULARY


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# --- Results to people and to programs: tables on a terminal, one JSON line in a pipe -------------


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
    print_table(open_console(), table)


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
        show_plan(values)


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
        values["config"].pop("given", None)
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _show_training(values: Mapping[str, Any], said: Container[str]) -> None:
    console = open_console()
    print_table(console, _metric_table(values, title="validation"))
    took = f"{values['steps']} steps in {values['seconds']:.0f} s, best at step {values['best_step']}"
    # What has no encoder is fitted without steps.
    took = f"{took}{_by(values['metric'])}" if values["steps"] else f"fitted in {values['seconds']:.1f} s"
    say_line(console, f"{took}: ", (values["run"], "bold"))
    _show_warnings(console, [warning for warning in values["warnings"] if warning not in said])


def _by(metric: str) -> str:
    return f" by {metric}" if metric else ""


def _show_evaluation(values: Mapping[str, Any]) -> None:
    from bertkit.metrics.names import table_names

    console = open_console()
    title = f"{values['data']}, {values['split']}, {values['n']:,} rows"
    if values.get("coverage") is not None:
        title += f" ({values['coverage']:.1%} of all, which are answered)"
    print_table(console, _metric_table(values, title=title))
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
    from bertkit.metrics.names import table_names

    metrics, intervals, baselines = values["metrics"], values.get("intervals", {}), values["baselines"]
    numbers = [translated("model"), *([translated("95 % CI")] if intervals else []), *baselines]
    table = new_table((translated("metric"), *numbers), right=numbers, title=title)
    table.columns[1].style = "bold"
    for metric, name in table_names(metrics, values.get("positive")).items():
        cells = [translated(name), _figure(metric, metrics[metric])]
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
