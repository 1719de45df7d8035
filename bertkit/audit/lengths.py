"""How long the texts are: characters and words of each column, tokens of each row.

A punctuation mark counts as a word, as it does for the tokenizers of BERT.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Finding, Severity, Tally, counted
from bertkit.audit.sampling import Reservoir
from bertkit.audit.words import count_words
from bertkit.data.marked import bare

PERCENTILES = (5, 50, 95, 99)
LOSS = 0.01  # the share of rows that may be cut without a word
_BARS = 12
_SAMPLE = 5000


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram: lengths from `low` to `high`, both included."""

    low: int
    high: int
    count: int


@dataclass(frozen=True)
class LengthSummary:
    """The distribution of a length."""

    count: int
    mean: float
    maximum: int
    percentiles: Mapping[int, int]
    histogram: tuple[Bar, ...]

    @property
    def peak(self) -> Bar | None:
        """The tallest bar."""
        return max(self.histogram, key=lambda bar: bar.count, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return percentiles as p5, p50, …, with mean, maximum and histogram."""
        return {
            **{f"p{percent}": length for percent, length in self.percentiles.items()},
            "max": self.maximum,
            "mean": round(self.mean, 2),
            "peak": [self.peak.low, self.peak.high] if self.peak else None,
            "histogram": [{"from": bar.low, "to": bar.high, "count": bar.count} for bar in self.histogram],
        }


@dataclass
class SplitLengths:
    """The lengths of one split: how many texts there are of each."""

    characters: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    words: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    tokens: Counter[int] = field(default_factory=Counter)
    sample: Reservoir[tuple[int, str | None], tuple[int, str | None]] = field(
        default_factory=lambda: Reservoir(_SAMPLE, keep=lambda pair: pair)
    )
    empty_rows: Tally = field(default_factory=Tally)
    empty_texts: Tally = field(default_factory=Tally)
    cut: Tally = field(default_factory=Tally)


class Lengths:
    """Counts the lengths of every split.

    Args:
        columns: the names of the text columns.
        max_length: the most tokens of a row that a model will read.
    """

    def __init__(self, columns: Sequence[str], max_length: int | None, *, are_marked: bool = False) -> None:
        self._columns = (*columns, "choices")
        self._max_length = max_length
        self._are_marked = are_marked  # the markers of relations are no words of their texts
        self.splits: dict[str, SplitLengths] = defaultdict(SplitLengths)

    def see(self, chunk: Chunk) -> None:
        """Measure the texts of some rows."""
        own = self.splits[chunk.split]
        for name, texts in zip(self._columns, zip(*chunk.texts, strict=True), strict=False):
            said = tuple(map(bare, texts)) if self._are_marked else texts
            own.characters[name].update(map(len, said))
            own.words[name].update(count_words(said))
        if not all(map(all, chunk.normal)):
            for row, normal in zip(chunk.rows, chunk.normal, strict=True):
                if not all(normal):
                    (own.empty_texts if any(normal) else own.empty_rows).add(row)

    def see_tokens(self, chunk: Chunk, tokens: Sequence[int]) -> None:
        """Take note of how many tokens each of some rows has."""
        own = self.splits[chunk.split]
        own.tokens.update(tokens)
        own.sample.offer([(length, row.label) for row, length in zip(chunk.rows, tokens, strict=True)])
        if self._max_length is not None and max(tokens) > self._max_length:
            for row, length in zip(chunk.rows, tokens, strict=True):
                if length > self._max_length:
                    own.cut.add(row)

    def findings(self) -> Iterator[Finding]:
        """Report empty and overlong rows."""
        for split, own in self.splits.items():
            if own.empty_rows.count:
                message = f"{split}: {counted(own.empty_rows.count, 'row', 'have')} no text at all; drop them."
                places = tuple(own.empty_rows.places)
                yield Finding("empty_row", "warning", own.empty_rows.count, message, places)
            if own.empty_texts.count:
                message = f"{split}: {counted(own.empty_texts.count, 'row', 'have')} an empty text beside another one."
                places = tuple(own.empty_texts.places)
                yield Finding("empty_text", "warning", own.empty_texts.count, message, places)
            yield from self._cut_findings(split, own)

    def _cut_findings(self, split: str, own: SplitLengths) -> Iterator[Finding]:
        if not own.cut.count:
            return
        share = own.cut.count / own.tokens.total()
        severity: Severity = "warning" if share >= LOSS else "info"
        message = (
            f"{split}: {counted(own.cut.count, 'row', 'exceed')} {self._max_length} tokens ({share:.1%}) and would be "
            f"cut; {fitting_length(own.tokens)} tokens cut under {LOSS:.0%} of the rows."
        )
        yield Finding("over_max_length", severity, own.cut.count, message, tuple(own.cut.places))


def summarize(lengths: Mapping[int, int]) -> LengthSummary:
    """Summarize how many texts there are of each length; percentiles are nearest ranks."""
    count = sum(lengths.values())
    if not count:
        return LengthSummary(0, 0.0, 0, dict.fromkeys(PERCENTILES, 0), ())
    mean = sum(length * number for length, number in lengths.items()) / count
    percentiles = {percent: percentile(lengths, percent / 100) for percent in PERCENTILES}
    return LengthSummary(count, mean, max(lengths), percentiles, histogram(lengths))


def percentile(lengths: Mapping[int, int], share: float) -> int:
    """Return the smallest length that at least `share` of the texts do not exceed."""
    wanted = share * sum(lengths.values())
    reached = 0
    for length in sorted(lengths):
        reached += lengths[length]
        if reached >= wanted:
            return length
    return 0


def fitting_length(lengths: Mapping[int, int]) -> int:
    """Return the smallest length that fewer than 1 % of the texts exceed."""
    allowed = LOSS * sum(lengths.values())
    longer = 0
    previous = 0
    for length in sorted(lengths, reverse=True):
        if longer >= allowed:
            return previous
        previous = length
        longer += lengths[length]
    return previous


def histogram(lengths: Mapping[int, int]) -> tuple[Bar, ...]:
    """Draw about a dozen bars of a round width up to the 99th percentile; the last takes the rest."""
    end = percentile(lengths, 0.99)
    width = _round_width((end + 1) / _BARS)
    last = end // width
    bars = Counter[int]()
    for length, number in lengths.items():
        bars[min(length // width, last)] += number
    longest = max(lengths)
    return tuple(
        Bar(bar * width, longest if bar == last else (bar + 1) * width - 1, bars[bar]) for bar in range(last + 1)
    )


def _round_width(least: float) -> int:
    """Return the first of 1, 2, 5, 10, 20, 50, … that is no less than `least`."""
    scale = 1
    while True:
        for step in (1, 2, 5):
            if step * scale >= least:
                return step * scale
        scale *= 10
