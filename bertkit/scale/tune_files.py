"""What a search leaves to be read: best.toml for `train --config`, trials.csv, and a page with table and plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bertkit.config import TrainConfig, flag, to_toml
from bertkit.files import write_errors, write_text
from bertkit.plain import visible
from bertkit.progress import span
from bertkit.reporting.charts import share_bar
from bertkit.reporting.page import Child, definitions, document, section, table, tag
from bertkit.scale.search import Begun
from bertkit.scale.study import Trial

if TYPE_CHECKING:
    from bertkit.scale.tune import Tuned

CONFIG, TABLE, PAGE = "best.toml", "trials.csv", "tune.html"


def write_files(found: Tuned, config: TrainConfig, begun: Begun) -> None:
    """Write all of them into the folder of a search.

    Args:
        found: what came of it, with the best trial.
        config: the request of the best.
        begun: how the search was begun.

    Raises:
        OutputError: one cannot be written.
    """
    with write_errors(found.output, "--output"):
        write_text(found.output / CONFIG, _toml(found, config))
        write_text(found.output / TABLE, _csv(found.trials, list(begun.space)))
        write_text(found.output / PAGE, _page(found, begun))


def _toml(found: Tuned, config: TrainConfig) -> str:
    """Write what was given and what was found; the recipe fills the rest, as in the trial."""
    assert found.best is not None
    defaults = TrainConfig()
    kept = {name: getattr(config, name) for name in config.given if hasattr(defaults, name)}
    lines = to_toml(replace(defaults, **kept)).splitlines()
    wanted = [line for line in lines if line.partition(" = ")[0] in config.given]
    count = f"trial {found.best.number} of {len(found.trials)}"
    head = f"# {count}: {found.metric} {found.best.value:.4f} on {found.rows:,} validation rows, which chose it"
    return "\n".join([head, f"# {visible(found.sentence)}", *wanted]) + "\n"


def _csv(trials: Sequence[Trial], names: Sequence[str]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["trial", "state", "value", "seconds", "epochs", *(f"option.{name}" for name in names), "default", "reason"]
    )
    for one in trials:
        options = [one.options.get(name) for name in names]
        default = "yes" if one.is_default else ""
        writer.writerow([one.number, one.state, one.value, one.seconds, one.epochs, *options, default, one.reason])
    return stream.getvalue()


def _page(found: Tuned, begun: Begun) -> str:
    assert found.best is not None
    best = found.best
    facts: list[tuple[str, Child]] = [
        ("data", ", ".join(begun.config.data)),
        ("model", begun.config.model),
        ("metric", f"{found.metric} of {found.rows:,} validation rows"),
        ("best", f"trial {best.number}, {best.value:.4f}"),
        ("trials", f"{len(found.trials):,}"),
    ]
    if found.versus is not None and found.tested is not None:
        facts.append(("on the rows that chose it", found.versus.figures))
    parts: list[Child] = [
        definitions(facts),
        tag("div", tag("p", f"{found.sentence[:1].upper()}{found.sentence[1:]}."), class_="box info"),
        section("Options of the best", definitions((flag(n), _said(v)) for n, v in best.options.items())),
    ]
    if found.importances:
        rows = [[flag(n), share_bar(share), f"{share:.2f}"] for n, share in found.importances.items()]
        said = "Share of the variance of the scores that each option explains (fANOVA). Of few trials it says little."
        importance = table(["option", "importance", "share"], rows, numeric=2, class_="bars")
        parts.append(section("Which options mattered", importance, tag("p", said, class_="muted")))
    parts.append(section("Figures, trial by trial", _history(found.trials)))
    names = list(begun.space)
    head = ["trial", "state", found.metric, "time", *(flag(name) for name in names), "why"]
    parts.append(section("Trials", table(head, [_row(one, names) for one in _ordered(found)])))
    return document(f"Search: {', '.join(begun.config.data)}", f"bertkit tune, {begun.config.model}", *parts)


def _ordered(found: Tuned) -> list[Trial]:
    """Put the best first; what has no figure comes last."""
    from bertkit.metrics.names import greater_is_better

    sign = -1 if greater_is_better(found.metric) else 1
    return sorted(found.trials, key=lambda one: (one.value is None, sign * (one.value or 0.0), one.number))


def _row(one: Trial, names: Sequence[str]) -> list[Child]:
    named = f"{one.number}" + " (default recipe)" * one.is_default
    figure = "" if one.value is None else f"{one.value:.4f}"
    time = "" if one.seconds is None else span(one.seconds)
    return [named, one.state, figure, time, *(_said(one.options.get(name)) for name in names), one.reason]


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


_WIDTH, _HEIGHT, _EDGE = 640, 180, 34


def _history(trials: Sequence[Trial]) -> Child:
    """Draw the figure of each trial as a dot, in order; a ring is the default recipe."""
    values = [one.value for one in trials if one.value is not None]
    low, high = min(values), max(values)
    last = max(1, trials[-1].number)
    parts: list[Child] = []
    for share, value in ((0.0, high), (1.0, low)):
        y = 10 + share * (_HEIGHT - 20)
        parts.append(tag("line", x1=_EDGE + 12, x2=_WIDTH, y1=y, y2=y, stroke="var(--line)"))
        parts.append(tag("text", f"{value:.3f}", x=0, y=y + 3, font_size=10, fill="var(--muted)"))
    for one in trials:
        if one.value is None:
            continue
        x = _EDGE + 20 + (_WIDTH - _EDGE - 30) * one.number / last
        y = 10 + (_HEIGHT - 20) * ((high - one.value) / (high - low) if high > low else 0.5)
        title = tag("title", f"trial {one.number}: {one.value:.4f}")
        look = {"fill": "none", "stroke": "var(--orange)"} if one.is_default else {"fill": "var(--blue)"}
        parts.append(tag("g", title, tag("circle", cx=round(x, 1), cy=round(y, 1), r=4, **look)))
    label = f"Figures of {len(values)} trials, from {low:.4f} to {high:.4f}"
    return tag("svg", *parts, class_="figure", role="img", aria_label=label, viewBox=f"0 0 {_WIDTH} {_HEIGHT}")
