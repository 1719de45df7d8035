"""What --dry-run shows people: what a training would be, what it costs, and the options it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.cli.terminal import open_console, say_line
from bertkit.config import flag
from bertkit.progress import span
from bertkit.tasks.registry import TASKS_WITH

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
