"""What is kept of a row's class probabilities.

With some hundred labels that is all of them, (C). With thousands, those of some ten thousand
rows would fill the memory several times over, for the model and for each baseline; then the
likeliest labels are kept, and what the row's own label got. Scores need no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertkit.cache import scratch_array
from bertkit.data.store import MANY
from bertkit.tasks.base import Outputs

MANY_LABELS = 500
"""Labels up to which all probabilities of a row are kept."""
LIKELIEST = 20
"""Labels that are kept of more."""


@dataclass(frozen=True, slots=True)
class Likeliest:
    """The likeliest labels of a row, as their numbers, (K), and their probabilities, falling, (K).

    `own` is the number of the row's own label, -1 where training never saw it, and
    `own_probability` what it got.
    """

    numbers: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    own: int
    own_probability: float

    def argmax(self) -> int:
        """Return the number of the likeliest label."""
        return int(self.numbers[0])

    def max(self) -> float:
        """Return the probability of the likeliest label."""
        return float(self.probabilities[0])


def likeliest(probabilities: NDArray[np.float64], own: int) -> Likeliest:
    """Keep what scores need of a row's probabilities, (C); of equal ones the first labels stay.

    Args:
        probabilities: of all labels, (C).
        own: the number of the row's own label; -1: training never saw it.
    """
    least = np.partition(probabilities, -LIKELIEST)[-LIKELIEST] if len(probabilities) > LIKELIEST else -1.0
    numbers = np.flatnonzero(probabilities >= least)
    numbers = numbers[np.argsort(-probabilities[numbers], kind="stable")[:LIKELIEST]]
    return Likeliest(numbers, probabilities[numbers], own, float(probabilities[own]) if own >= 0 else 0.0)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row's probabilities, (C), with the number of the label that whoever gave them takes.

    A model's own answers are probabilities alone, for by which thresholds labels are taken is the
    task's; who stands beside it has thresholds of its own, or none.
    """

    probabilities: NDArray[np.float64]
    number: int

    def max(self) -> float:
        """Return the probability of the label that is taken."""
        return float(self.probabilities[self.number])


def gathered(outputs: Outputs) -> Any:
    """Return outputs as one array, (N, C), or as they are where only the likeliest labels were kept."""
    if len(outputs) and isinstance(outputs[0], Chosen):
        return np.stack([row.probabilities for row in outputs])
    return outputs if len(outputs) and isinstance(outputs[0], Likeliest) else np.asarray(outputs)


def gathered_outputs(outputs: Iterable[Any], rows: int) -> Outputs:
    """Gather what is kept of rows: as a list, or where they are many and all of the same length as one array.

    Args:
        outputs: of each row.
        rows: how many there are.
    """
    coming = iter(outputs)
    first = next(coming, None)
    if rows < MANY or not isinstance(first, np.ndarray) or first.ndim != 1:
        return [] if first is None else [first, *coming]
    table = scratch_array((rows, len(first)), first.dtype.str)
    table[0] = first
    for place, output in enumerate(coming, start=1):
        if len(output) != len(first):
            return [*table[:place], output, *coming]
        table[place] = output
    found: Any = table  # an array of rows does what is asked of a sequence
    return found  # type: ignore[no-any-return]


def taken_numbers(outputs: Outputs, thresholds: Sequence[float]) -> Sequence[int] | NDArray[np.int32]:
    """Return the number of the label that each row gets; -1 where it gets none.

    A label with a threshold is taken where it reaches it, the likeliest of those that do; else
    the likeliest label without one.

    Args:
        outputs: of N rows.
        thresholds: one for each label, 0 for none; empty: there are none.
    """
    if len(outputs) and isinstance(outputs[0], Chosen):
        return [row.number for row in outputs]
    found = gathered(outputs)
    if not any(thresholds) or not len(found):
        return best_numbers(found)
    bars = np.asarray(thresholds)
    if isinstance(found, np.ndarray):
        numbers = (_taken(row, bars, np.arange(len(row))) for row in found)
        return list(numbers) if len(found) < MANY else np.fromiter(numbers, np.int32, len(found))
    return [_taken(row.probabilities, bars[row.numbers], row.numbers) for row in found]


def _taken(probabilities: NDArray[np.float64], bars: NDArray[np.float64], numbers: NDArray[np.int64]) -> int:
    passing, free = (bars > 0) & (probabilities >= bars), bars == 0
    for candidates in (passing, free):
        if candidates.any():
            return int(numbers[np.where(candidates, probabilities, -1.0).argmax()])
    return -1


def best_numbers(outputs: Any) -> Sequence[int] | NDArray[np.int32]:
    """Return the number of the likeliest label of each row.

    Args:
        outputs: of N rows, from `gathered`.
    """
    if isinstance(outputs, np.ndarray):
        if len(outputs) < MANY:
            numbers: list[int] = outputs.argmax(axis=1).tolist()
            return numbers
        return np.concatenate([part.argmax(axis=1).astype(np.int32) for part in _parts(outputs)])
    return [row.argmax() for row in outputs]


def _parts(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (rows[start : start + MANY] for start in range(0, len(rows), MANY))


def own_probabilities(outputs: Any, own: Sequence[int] | NDArray[np.int32]) -> Sequence[float] | NDArray[np.float64]:
    """Return the probability of each row's own label; 0 where training never saw it.

    Args:
        outputs: of N rows, from `gathered`.
        own: the numbers of the rows' labels; -1: training never saw it.
    """
    if isinstance(outputs, np.ndarray) and isinstance(own, np.ndarray):
        found = scratch_array((len(own),), "float64")
        for start in range(0, len(own), MANY):
            part, numbers = outputs[start : start + MANY], own[start : start + MANY]
            picked = part[np.arange(len(part)), np.maximum(numbers, 0)]
            found[start : start + MANY] = np.where(numbers >= 0, picked, 0.0)
        return found
    if isinstance(outputs, np.ndarray):
        return [float(outputs[i, number]) if number >= 0 else 0.0 for i, number in enumerate(own)]
    return [row.own_probability for row in outputs]


def probability_of(output: Any, number: int) -> float:
    """Return the probability of a label that was kept of a row; -1 for no label."""
    if number < 0:
        return -1.0
    if isinstance(output, Chosen):
        return float(output.probabilities[number])
    if isinstance(output, Likeliest):
        return float(output.probabilities[np.flatnonzero(output.numbers == number)[0]])
    return float(output[number])


def shown(output: Any, labels: Sequence[str]) -> Mapping[str, float]:
    """Return the probabilities that were kept of a row by label, rounded: all, or the likeliest and its own."""
    if isinstance(output, Likeliest):
        own = {output.own: output.own_probability} if output.own >= 0 else {}
        kept = dict(zip(output.numbers.tolist(), output.probabilities.tolist(), strict=True)) | own
        return {labels[number]: round(p, 6) for number, p in kept.items()}
    return {label: round(float(p), 6) for label, p in zip(labels, output, strict=True)}
