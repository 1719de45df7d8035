"""What a script has found: speeds, figures with their intervals, and how it came to them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from machine import describe_machine, machine_line
from sidebyside import Course, Estimate

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Columns of a table that goes to a file or a pipe.
WIDTH = 140


@dataclass(frozen=True)
class Figure:
    """One measured value; `key` is the claim it belongs to, `unit` is ×, %, s, MB or nothing."""

    key: str
    what: str
    estimate: Estimate
    unit: str = "×"


@dataclass
class Report:
    """Everything one script prints.

    `data` says which rows were used; `left_out` says by the key of a figure why it could not
    be measured here.
    """

    script: str
    data: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    speeds: list[tuple[str, str, Estimate]] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add_speeds(self, courses: Iterable[Course], unit: str) -> None:
        """List contenders with their speeds; `unit` is as rows/s."""
        self.speeds += [(course.name, unit, course.speed) for course in courses]

    def add_seconds(self, courses: Iterable[Course]) -> None:
        """List contenders with the time of a turn."""
        self.speeds += [(course.name, "s", course.seconds) for course in courses]

    def add(self, key: str, what: str, estimate: Estimate, unit: str = "×") -> None:
        """Add a figure."""
        self.figures.append(Figure(key, what, estimate, unit))

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values, the machine with them."""
        return {
            "script": self.script,
            "data": self.data,
            "settings": self.settings,
            "machine": describe_machine(),
            "speeds": [{"name": name, "unit": unit, **estimate.to_json()} for name, unit, estimate in self.speeds],
            "figures": [
                {"key": figure.key, "what": figure.what, "unit": figure.unit, **figure.estimate.to_json()}
                for figure in self.figures
            ],
            "left_out": self.left_out,
            "notes": self.notes,
        }


def show(report: Report, *, as_json: bool) -> None:
    """Print a report to standard output, as tables or as one line of JSON."""
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
        return
    console = open_console()
    console.print(f"{report.script}: {report.data}", soft_wrap=True)
    if report.speeds:
        console.print(_speed_table(report))
    if report.figures:
        console.print(_figure_table(report))
    for key, reason in report.left_out.items():
        console.print(f"{key} left out: {reason}", soft_wrap=True)
    for note in report.notes:
        console.print(note, soft_wrap=True)
    console.print(machine_line(describe_machine()), soft_wrap=True)


def open_console() -> Console:
    """Make the console that tables are printed to."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=WIDTH)


def number(value: float) -> str:
    """Write a value with three figures that count, or as a whole number where it has more."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def span(estimate: Estimate) -> str:
    """Write the least and the greatest value, or nothing where there is one only."""
    return (
        ""
        if estimate.n == 1 and estimate.low == estimate.high
        else f"{number(estimate.low)} .. {number(estimate.high)}"
    )


def _speed_table(report: Report) -> Table:
    from rich import box
    from rich.table import Table

    table = Table("", "unit", box=box.SIMPLE)
    for name in ("median", "min .. max", "rounds"):
        table.add_column(name, justify="right")
    for name, unit, estimate in report.speeds:
        table.add_row(name, unit, number(estimate.median), span(estimate), str(estimate.n))
    return table


def _figure_table(report: Report) -> Table:
    from rich import box
    from rich.table import Table

    table = Table("figure", box=box.SIMPLE)
    for name in ("median", "min .. max"):
        table.add_column(name, justify="right")
    for figure in report.figures:
        table.add_row(figure.what, f"{number(figure.estimate.median)} {figure.unit}".strip(), span(figure.estimate))
    return table
