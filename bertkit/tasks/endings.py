"""Where in its last unit an entity ends: a piece of a word may hold a particle besides.

A tokenizer's pieces know nothing of entities. Of Korean "5개를", five of something, a piece is
"개를", and the entity ends before its second letter. Which letters those are is learnt by counting:
for every unit that ended an entity of the training rows, and for the last letters of all of them,
how many letters stood behind the entity.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bertkit.data.records import Entity
from bertkit.tokenization.segments import Span

# Once is no rule.
FEWEST = 2


@dataclass(frozen=True)
class Endings:
    """How many letters of a unit stand behind the entity that it ends; JSON both ways.

    `letters` says it of units by their last letter, and `units`, which goes before, of single
    ones by their text. What neither names belongs to the entity whole.
    """

    units: Mapping[str, int] = field(default_factory=dict)
    letters: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.units or self.letters)

    def behind(self, unit: str) -> int:
        """Return how many code points of a unit's text stand behind an entity; never all of them."""
        whole = unicodedata.normalize("NFC", unit)
        found = self.units.get(whole)
        if found is None:
            found = self.letters.get(whole[-1:], 0)
        if not 0 < found < len(whole):
            return 0
        # Letters may be written in several code points, as some systems write Hangul.
        return found if whole == unit else len(unicodedata.normalize("NFD", whole[-found:]))

    def cut(self, spans: Iterable[Span], text: str) -> Iterator[Span]:
        """Let units end where an entity would; a side of -1, which is no unit, passes."""
        for side, start, end in spans:
            yield Span(side, start, end - self.behind(text[start:end]) if side >= 0 else end)


def learn_endings(rows: Iterable[tuple[str, Sequence[Entity], Sequence[Span]]]) -> Endings:
    """Count where the entities of training rows end in the units that end them.

    Args:
        rows: text, entities in the order of their places, and units in that order.
    """
    by_unit: dict[str, Counter[int]] = defaultdict(Counter)
    by_letter: dict[str, Counter[int]] = defaultdict(Counter)
    for text, entities, spans in rows:
        for unit, behind in _ends(text, entities, [span for span in spans if span.side >= 0]):
            by_unit[unit][behind] += 1
            if len(unit) > 1:
                by_letter[unit[-1]][behind] += 1
    letters = {letter: usual for letter, counts in by_letter.items() if (usual := _usual(counts))}
    rule = Endings(letters=letters)
    units = {
        unit: usual
        for unit, counts in by_unit.items()
        if (usual := _usual(counts)) is not None and usual != rule.behind(unit)
    }
    return Endings(dict(sorted(units.items())), dict(sorted(letters.items())))


def _ends(text: str, entities: Sequence[Entity], spans: Sequence[Span]) -> Iterator[tuple[str, int]]:
    """Give the last unit of each entity, composed, and how many of its letters stand behind the entity."""
    at = 0
    for entity in entities:
        while at < len(spans) and spans[at].end < entity.end:
            at += 1
        if at < len(spans) and spans[at].start < entity.end:
            unit, behind = text[spans[at].start : spans[at].end], text[entity.end : spans[at].end]
            yield unicodedata.normalize("NFC", unit), len(unicodedata.normalize("NFC", behind))


def _usual(counts: Counter[int]) -> int | None:
    """Return what is seen most, the least of equals; None where too little was seen."""
    if counts.total() < FEWEST:
        return None
    return max(sorted(counts), key=lambda behind: counts[behind])
