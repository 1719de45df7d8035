"""Which runs, and in which order: `--filter` and `--sort` of `bertkit runs`.

A filter is a name, a sign and a value: `model=minilm`, `lr>=1e-4`, `accuracy>0.8`, `run~mrpc`. Names are
columns (run, data, task, model, metric, value, rows, seconds, bytes), options as `train` has them, and figures.
`=` and `!=` take * and ? in words; `~` looks for a part of a word. A run without the value is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bertkit.config import TrainConfig, options
from bertkit.errors import UsageError
from bertkit.plain import quoted
from bertkit.scale.found_runs import FoundRun
from bertkit.tasks.registry import TASKS

_FORM = re.compile(r"([\w@.-]+)\s*(>=|<=|!=|=|>|<|~)\s*(.*)", re.DOTALL)
_COLUMNS = ("run", "data", "task", "model", "metric", "value", "rows", "seconds", "bytes")
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True)
class Filter:
    """One condition on a run."""

    name: str
    sign: str
    value: str

    def keeps(self, run: FoundRun) -> bool:
        """Tell whether a run meets it."""
        found = run.values().get(self.name)
        if found is None:
            # An option that says nothing is none: `freeze=none`.
            return self.sign == "=" and self.value.lower() == "none" and self.name in run.options
        number = _number(self.value)
        if self.sign in _ORDER:
            return _is_number(found) and number is not None and _ORDER[self.sign](float(found), number)
        if self.sign == "~":
            return self.value.lower() in _word(found).lower()
        if _is_number(found) and number is not None:
            is_equal = math.isclose(float(found), number, rel_tol=1e-9)
        else:
            is_equal = fnmatchcase(_word(found).lower(), self.value.lower())
        return is_equal == (self.sign == "=")


def read_filter(text: str, runs: Sequence[FoundRun]) -> Filter:
    """Read a condition.

    Args:
        text: as it was typed.
        runs: what is to be filtered; figures that they have may be named.

    Raises:
        UsageError: it is no condition, names nothing that runs have, or orders what is no number.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--filter {quoted(text)}: is no condition; write one as model=minilm, lr>=1e-4 or run~mrpc.")
    name, sign, value = found[1], found[2], found[3].strip()
    if sign in _ORDER and _number(value) is None:
        raise UsageError(f"--filter {quoted(text)}: {sign} compares numbers, and {quoted(value)} is none.")
    return Filter(known_name(name, runs, "--filter"), sign, value)


def sorted_runs(runs: Sequence[FoundRun], by: str | None) -> list[FoundRun]:
    """Put runs in order: by a name, upwards, or downwards behind a minus; those without the value come last.

    Raises:
        UsageError: runs have no such thing.
    """
    if by is None:
        return list(runs)
    is_falling = by.startswith("-")
    name = known_name(by.removeprefix("-"), runs, "--sort")
    there = [run for run in runs if run.values().get(name) is not None]
    numbers = all(_is_number(run.values()[name]) for run in there)

    def key(run: FoundRun) -> Any:
        value = run.values()[name]
        return value if numbers else _word(value)

    ordered = sorted(there, key=key, reverse=is_falling)
    return [*ordered, *(run for run in runs if run.values().get(name) is None)]


def known_name(name: str, runs: Sequence[FoundRun], flag: str) -> str:
    """Return what a name means, spelt with - or _.

    Raises:
        UsageError: runs have no such thing.
    """
    known: Collection[str] = {
        *_COLUMNS,
        *(spec.name for spec in options(TrainConfig) if spec.metadata["saved"]),
        *(metric for task in TASKS for metric in task.metrics),
        *(metric for run in runs for metric in run.metrics),
    }
    for spelt in (name, name.replace("-", "_")):
        if spelt in known:
            return spelt
    raise UsageError(
        f"{flag}: runs have nothing called {quoted(name)}; take {', '.join(_COLUMNS)}, an option of `bertkit train`, "
        "or a metric."
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
