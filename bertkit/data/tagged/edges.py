"""Entities that lose a letter at one end: places that count from 1, or whose end is the last character.

One such entity may be meant; where nearly all of a data set end (or begin) in the middle of a
word, and one character more would make words of them, the places are counted otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from bertkit.data.records import Place, TaggedText
from bertkit.plain import quoted

_ENOUGH, _NEARLY_ALL = 10, 0.9
# Korean particles, and Chinese and Japanese, follow a word without a space.
_UNSPACED = (("ᄀ", "ᇿ"), ("぀", "ヿ"), ("㐀", "鿿"), ("가", "힣"))


@dataclass
class Edges:
    """Counts entities by how they lie in their words."""

    entities: int = 0
    ends: int = 0
    starts: int = 0
    first: Place | None = None
    _example: str = ""

    def see(self, row: TaggedText) -> None:
        """Count the entities of a row."""
        text = row.texts[0]
        for entity in row.entities or ():
            if _is_unspaced(text[entity.end - 1]) or _is_unspaced(text[entity.end : entity.end + 1]):
                continue
            self.entities += 1
            cut_end = _is_inside(text, entity.end) and not _is_inside(text, entity.end + 1)
            cut_start = _is_inside(text, entity.start) and not _is_inside(text, entity.start - 1)
            self.ends += cut_end
            self.starts += cut_start
            if self.first is None and (cut_end or cut_start):
                self.first, self._example = Place(row.source, row.line), text[entity.start : entity.end]

    def sentence(self) -> str | None:
        """Say that places are counted otherwise, where nearly all entities show it."""
        if self.entities < _ENOUGH or self.first is None:
            return None
        shown = f"{quoted(self._example)}, {self.first.file}:{self.first.line}"
        if self.starts >= _NEARLY_ALL * self.entities:
            return (
                f"{self.starts:,} of {self.entities:,} entities begin at the second letter of a word ({shown}): "
                "do their places count from 1? bertkit's count from 0"
            )
        if self.ends >= _NEARLY_ALL * self.entities:
            return (
                f"{self.ends:,} of {self.entities:,} entities end before the last letter of a word ({shown}): "
                "is their end the last character? bertkit's is the one behind it"
            )
        return None


def _is_inside(text: str, place: int) -> bool:
    """Tell whether a place is in the middle of a word."""
    return 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()


def _is_unspaced(char: str) -> bool:
    return any(first <= char <= last for first, last in _UNSPACED)
