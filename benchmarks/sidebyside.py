"""Contenders that take turns on the same work, and how their speeds compare round by round.

A machine is not as fast in one minute as in the next. So contenders alternate within one
process run, in one order and then in the other, and what counts is the ratio of two turns of
the same round; of these ratios the median is told, with the least and the greatest.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

# However slow the machine is: fewer rounds give no interval.
FEWEST_ROUNDS = 2


@dataclass(frozen=True)
class Turn:
    """What a contender did once: `units` of work in `seconds`; `value` is what came out of it."""

    seconds: float
    units: float = 1.0
    value: Any = None

    @property
    def speed(self) -> float:
        """Units in a second."""
        return self.units / self.seconds


@dataclass(frozen=True)
class Contender:
    """A name, and a function that does the work once and says how long it took."""

    name: str
    take_turn: Callable[[], Turn]


@dataclass(frozen=True)
class Estimate:
    """The median of some values, the least, the greatest, and how many there are."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Estimate:
        """Gather values, at least one."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1], len(found))

    @classmethod
    def exactly(cls, value: float) -> Estimate:
        """Make the estimate of a value that no clock has touched, such as a share of equal labels."""
        return cls.of([value])

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class Course:
    """All counted turns of a contender, one for each round."""

    name: str
    turns: tuple[Turn, ...]

    @property
    def speed(self) -> Estimate:
        """Units in a second."""
        return Estimate.of(turn.speed for turn in self.turns)

    @property
    def seconds(self) -> Estimate:
        """Time of a turn."""
        return Estimate.of(turn.seconds for turn in self.turns)

    @property
    def value(self) -> Any:
        """What came out of the last turn."""
        return self.turns[-1].value


def clocked(name: str, work: Callable[[], Any], units: float = 1.0) -> Contender:
    """Make a contender of a function whose whole call is the work."""

    def take_turn() -> Turn:
        began = time.perf_counter()
        value = work()
        return Turn(time.perf_counter() - began, units, value)

    return Contender(name, take_turn)


def alternate(
    contenders: Sequence[Contender],
    repetitions: int,
    *,
    warm_ups: int = 1,
    budget_s: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Course]:
    """Let contenders take turns.

    Args:
        contenders: with names of their own.
        repetitions: rounds that count.
        warm_ups: rounds before them, which do not count.
        budget_s: seconds after which no further round begins, once there are two of them.
        clock: tells the seconds for the budget.

    Returns:
        The turns of each contender by its name; turns of the same place are of the same round.
    """
    began = clock()
    for _ in range(warm_ups):
        for contender in contenders:
            contender.take_turn()
    turns: dict[str, list[Turn]] = {contender.name: [] for contender in contenders}
    with _tidy() as tidy:
        for number in range(repetitions):
            if number >= FEWEST_ROUNDS and budget_s is not None and clock() - began > budget_s:
                break
            # Whoever comes second finds the machine as the first has left it: each is both, in turn.
            for contender in contenders if number % 2 == 0 else reversed(contenders):
                tidy()
                turns[contender.name].append(contender.take_turn())
    return {name: Course(name, tuple(taken)) for name, taken in turns.items()}


@contextmanager
def _tidy() -> Iterator[Callable[[], object]]:
    """Give a function that clears up behind a turn, so that the next one does not pay for it.

    What was there before, all that is imported among it, is not searched each time.
    """
    gc.collect()
    gc.freeze()
    try:
        yield gc.collect
    finally:
        gc.unfreeze()


def speed_ratios(ours: Course, reference: Course) -> Estimate:
    """Say how many times as fast ours was as the reference, round by round."""
    return Estimate.of(mine.speed / other.speed for mine, other in zip(ours.turns, reference.turns, strict=True))


def time_ratios(ours: Course, reference: Course) -> Estimate:
    """Say how many times as long ours took as the reference for a unit of work, round by round."""
    return speed_ratios(reference, ours)


def unevenness(courses: Mapping[str, Course]) -> Estimate:
    """Say how many times as slow as the fastest the slowest is, where all should be alike.

    The median compares the medians of all rounds: of single rounds the extremes would show
    the noise of the clock rather than a difference.
    """
    medians = [course.speed.median for course in courses.values()]
    rounds = list(zip(*([turn.speed for turn in course.turns] for course in courses.values()), strict=True))
    ratios = [max(speeds) / min(speeds) for speeds in rounds]
    return Estimate(max(medians) / min(medians), min(ratios), max(ratios), len(ratios))


def equal_share(ours: Sequence[Any], reference: Sequence[Any]) -> float:
    """Return the share of answers that are equal, 0 to 1."""
    return statistics.fmean(mine == other for mine, other in zip(ours, reference, strict=True))
