"""Cut encoded rows to a length, or into windows: which of their tokens stay.

This is how the Rust library cuts. Of a pair of long texts it makes every window of the one
with every window of the other, though, whose number is the square of the pair's length, and
it wants each row encoded once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from bertkit.errors import TokenizerError

# Tokens that must be left of a text that is cut for it to be worth reading.
MIN_WINDOW = 4

T = TypeVar("T")


class Sides(NamedTuple):
    """Where the tokens of the two texts of a row stand; special tokens stand around them."""

    first: range
    second: range
    length: int

    @property
    def special(self) -> int:
        """How many tokens belong to neither text."""
        return self.length - len(self.first) - len(self.second)


Kept = Sequence[slice]
"""The stretches of a row's tokens that stay."""


def sides_of(row: Any) -> Sides:
    """Find the two texts in a row of the library's."""
    sides = row.sequence_ids
    found = []
    for side in (0, 1):
        count = sides.count(side)
        start = sides.index(side) if count else 0
        found.append(range(start, start + count))
    return Sides(found[0], found[1], len(sides))


def kept(things: Sequence[T], places: Kept) -> list[T]:
    """Return what stays of something that a row has for each token."""
    return [thing for place in places for thing in things[place]]


def cut_longest(sides: Sides, max_length: int) -> Kept:
    """Cut the ends of both texts, that of the longer one first."""
    room = max(0, max_length - sides.special)
    short, long = sorted((len(sides.first), len(sides.second)))
    if short + max(short, room - short) > room:
        short = room // 2
        long = room - short
    else:
        long = room - short
    first, second = (short, long) if len(sides.first) <= len(sides.second) else (long, short)
    lost = [
        range(min(side.start + most, side.stop), side.stop)
        for side, most in ((sides.first, first), (sides.second, second))
    ]
    return _without(lost, sides.length)


def can_keep_second(sides: Sides, max_length: int) -> bool:
    """Tell whether the first text is the longer one, and something is left of it if it alone is cut."""
    return len(sides.first) > len(sides.second) and max_length - (sides.length - len(sides.first)) >= MIN_WINDOW


def cut_beginning(sides: Sides, max_length: int) -> Kept:
    """Cut the beginning of the first text."""
    lost = sides.length - max_length
    return _without([range(sides.first.start, sides.first.start + lost)], sides.length)


def windows(sides: Sides, max_length: int, *, is_pair: bool) -> Iterator[Kept]:
    """Read the longer text in windows that overlap by a quarter; the other one stands in each.

    Raises:
        TokenizerError: both texts of a pair are too long.
    """
    long, short = sides.first, sides.second
    if is_pair and len(long) <= len(short):
        long, short = short, long
    room = max_length - sides.special - len(short)
    if is_pair and room < MIN_WINDOW:
        raise both_too_long(max_length)
    for start in range(long.start, long.stop, room - room // 4):
        end = min(start + room, long.stop)
        yield _without([range(long.start, start), range(end, long.stop)], sides.length)
        if end == long.stop:
            return


def both_too_long(max_length: int) -> TokenizerError:
    """Build the error for a pair of which neither text fits a window beside some of the other."""
    return TokenizerError(f"both texts of a row are too long for windows of {max_length} tokens; raise --max-length.")


def _without(lost: Sequence[range], length: int) -> Kept:
    places, start = [], 0
    for part in sorted(lost, key=lambda part: part.start):
        if part:
            places.append(slice(start, part.start))
            start = part.stop
    return [*places, slice(start, length)]
