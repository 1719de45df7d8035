"""Which rows of an input are answered, where it is not all of them: to go on, or to share the work.

Rows are read in blocks, and a block's rows are put into batches by their lengths. An answer's
last digits depend on its batch; so whatever is left out, the blocks are those of the whole
input, and a part of the answers is the same bytes as in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bertkit.data.records import BadRow, Example
from bertkit.errors import UsageError
from bertkit.plain import brief

Item = Example | BadRow


@dataclass
class Span:
    """Rows from `first` on, before `end`, counted from 0 through all inputs.

    Attributes:
        first: rows before it are read and not answered.
        end: where the block begins that is no longer answered; None: nowhere.
        looks_back: whether the block of the row before `first` is computed too, to be compared
            with what was written of it.
        begins: the first row that is computed; known when its answers are.
        head: the first row of all, read whatever is answered.
    """

    first: int = 0
    end: int | None = None
    looks_back: bool = False
    begins: int = 0
    head: Item | None = field(default=None, repr=False)

    def of(self, blocks: Iterable[list[Item]]) -> Iterator[list[Item]]:
        """Leave out blocks; what is read of the others is all of it."""
        start, is_inside = 0, False
        needed = self.first - 1 if self.looks_back and self.first else self.first
        for block in blocks:
            self.head = self.head or block[0]
            if self.end is not None and start >= self.end:
                return
            if not is_inside and start + len(block) > needed:
                is_inside, self.begins = True, start
            start += len(block)
            if is_inside:
                yield block
        if not is_inside:
            self.begins = start


@dataclass(frozen=True)
class Shard:
    """The `number`-th of `count` parts of an input, from 1."""

    number: int
    count: int

    def span(self, blocks: Iterable[Sequence[object]]) -> Span:
        """Return the rows of this part: those of whole blocks, each block in the part that its middle falls into.

        Args:
            blocks: those of the whole input.
        """
        sizes = [len(block) for block in blocks]
        total, start, first, end = sum(sizes), 0, None, 0
        for size in sizes:
            part = int((2 * start + size) * self.count / (2 * total)) + 1
            if part == self.number:
                first, end = (start if first is None else first), start + size
            start += size
        return Span(total, total) if first is None else Span(first, end)


def parse_shard(word: str) -> Shard:
    """Read a value of --shard, I/N.

    Raises:
        UsageError: it is no such value.
    """
    number, slash, count = word.partition("/")
    if slash and all(part.isdecimal() and len(part) < 7 for part in (number, count)) and 1 <= int(number) <= int(count):
        return Shard(int(number), int(count))
    raise UsageError(f"--shard {brief(word)}: must be I/N, the I-th of N parts, as 1/4.")
