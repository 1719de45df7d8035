"""A map of characters in SentencePiece's own form, which the Rust library reads as `Precompiled`.

The form is a table of steps, a double array (Aoe 1989, "An Efficient Digital Search Algorithm by
Using a Double-Array Structure"; the layout of its 32-bit units is that of Yata's darts-clone,
which SentencePiece uses), and behind it the texts that its ways lead to, each ended by a zero
byte. The table goes from byte to byte of a key's UTF-8.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# The parts of a unit: which byte led here, whether a key ends here, where the next steps are.
_ENDS, _VALUE, _STEPS = 1 << 8, 1 << 31, 10
# Steps of a place differ in their last byte only, so the table is made in blocks of that size.
_BLOCK = 256
# Free places further back are seldom of use, and looked at in vain for every step.
_SEARCHED = 4 * _BLOCK
_MOST = 2**21  # places that a unit can name without the coarser form of large tables


@dataclass
class _Node:
    """A place of the way: the next steps by byte, and the text of the key that ends here, if one does."""

    steps: dict[int, _Node] = field(default_factory=dict)
    text: str | None = None


def pack_character_map(mapping: Mapping[str, str]) -> bytes:
    """Write a map of characters as SentencePiece does.

    Args:
        mapping: what each key, one character or several, becomes; the zero character is in none.

    Returns:
        The length of the table in bytes (32 bits, little-endian), the table, the texts.

    Raises:
        ValueError: a key is empty or holds the zero character, or the table would be too large.
    """
    if any(not key or "\0" in key + text for key, text in mapping.items()):
        raise ValueError("a key of a map of characters is empty, or a text of it holds the zero character")
    texts, places = bytearray(), dict[str, int]()
    for text in sorted(set(mapping.values())):
        places[text] = len(texts)
        texts += text.encode("utf-8") + b"\0"
    table = _Table()
    table.lay(_tree(mapping), places)
    units = array("I", table.units)
    if table.largest >= _MOST:
        raise ValueError("a map of characters is too large for its table")
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(texts)


def _tree(mapping: Mapping[str, str]) -> _Node:
    root = _Node()
    for key, text in mapping.items():
        node = root
        for byte in key.encode("utf-8"):
            node = node.steps.setdefault(byte, _Node())
        node.text = text
    return root


class _Table:
    """Finds room for the steps of each place: the place of a step is the base of its origin XOR its byte."""

    def __init__(self) -> None:
        self.units = [0] * _BLOCK
        self._taken = bytearray(_BLOCK)
        self._bases = set[int]()
        self._first = 1
        self.largest = 0

    def lay(self, root: _Node, places: Mapping[str, int]) -> None:
        """Lay out a tree; the place of its root is 0."""
        self._taken[0] = 1
        waiting = [(root, 0)]
        while waiting:
            node, place = waiting.pop()
            bytes_ = [*([0] if node.text is not None else []), *sorted(node.steps)]
            base = self._room(bytes_)
            self.largest = max(self.largest, base ^ place)
            self.units[place] |= (base ^ place) << _STEPS | (_ENDS if node.text is not None else 0)
            if node.text is not None:
                self.units[base] = _VALUE | places[node.text]
            for byte, step in node.steps.items():
                self.units[base ^ byte] = byte
                waiting.append((step, base ^ byte))

    def _room(self, steps: list[int]) -> int:
        """Take the lowest base at which every step has a free place."""
        base = next(base for base in self._candidates(steps[0]) if self._fits(base, steps))
        self._bases.add(base)
        for byte in steps:
            self._taken[base ^ byte] = 1
        while self._taken[self._first]:
            self._first += 1
            self._grow(self._first)
        return base

    def _candidates(self, first: int) -> Iterator[int]:
        place = max(self._first, len(self.units) - _SEARCHED)
        while True:
            self._grow(place)
            if not self._taken[place]:
                yield place ^ first
            place += 1

    def _fits(self, base: int, steps: list[int]) -> bool:
        self._grow(base | (_BLOCK - 1))
        # One base for each origin: else a step of one could be taken for a step of the other.
        return base not in self._bases and not any(self._taken[base ^ byte] for byte in steps)

    def _grow(self, place: int) -> None:
        while place >= len(self.units):
            self.units += [0] * _BLOCK
            self._taken += bytes(_BLOCK)
