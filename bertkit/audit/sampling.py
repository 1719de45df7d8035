"""A uniform sample of a stream of unknown length, the same on every machine."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

S = TypeVar("S")
T = TypeVar("T")


class Reservoir(Generic[S, T]):
    """Keeps `size` of the items that pass, each with the same chance.

    Algorithm L of Li 1994, "Reservoir-sampling algorithms of time complexity
    O(n(1+log(N/n)))": it draws how many items to skip, so most items cost nothing.

    Args:
        size: the most items kept.
        keep: makes what is kept of an item.
    """

    def __init__(self, size: int, keep: Callable[[S], T]) -> None:
        self.items: list[T] = []
        self.seen = 0
        self._size = size
        self._keep = keep
        self._random = random.Random(0)
        self._threshold = 1.0
        self._next = size - 1
        self._skip()

    @property
    def is_complete(self) -> bool:
        """Whether everything that passed is still here."""
        return self.seen == len(self.items)

    def offer(self, items: Sequence[S]) -> None:
        """Let some items pass."""
        room = self._size - len(self.items)
        self.items += map(self._keep, items[:room])
        while self._next < self.seen + len(items):
            self.items[self._random.randrange(self._size)] = self._keep(items[self._next - self.seen])
            self._skip()
        self.seen += len(items)

    def _skip(self) -> None:
        """Draw the next item to keep."""
        self._threshold *= math.exp(math.log(1 - self._random.random()) / self._size)
        skipped = math.log(1 - self._random.random()) / math.log1p(-self._threshold)
        self._next += math.floor(skipped) + 1
