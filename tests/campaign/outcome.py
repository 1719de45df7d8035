"""What a case of the campaign reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.campaign.runs import Runs


@dataclass(frozen=True)
class Outcome:
    """One case: what it is counted under, and what is wrong.

    Attributes:
        kind: the line of the table.
        faults: what went wrong, in words that are the same for like cases.
        story: what was done, for whoever looks into it.
        skipped: why nothing was tried; empty where something was.
        spent: whether the process that ran it should not go on (a stopped command may still compute).
    """

    kind: str
    faults: tuple[str, ...] = ()
    story: str = ""
    skipped: str = ""
    spent: bool = False


@dataclass(frozen=True)
class Part:
    """A part of the campaign.

    Attributes:
        name: how it is asked for.
        count: how many cases it has, if it is not told how many.
        case: runs one of them.
        patience_s: seconds after which a case that says nothing is a hang.
    """

    name: str
    count: Callable[[Runs], int]
    case: Callable[[int, Runs], Outcome]
    patience_s: float


def one_line(faults: Iterator[str]) -> tuple[str, ...]:
    """Gather faults, each once."""
    return tuple(dict.fromkeys(faults))
