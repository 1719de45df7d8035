"""Single words that give the label away: a source's mark, a template, a copied answer."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Finding, Severity, counted
from bertkit.audit.sampling import Reservoir
from bertkit.data.faults import MAX_PLACES
from bertkit.data.records import Example, Place
from bertkit.plain import quoted

SAMPLE = 20_000
_MAX_CHARACTERS = 2000  # of each text; a mark that stands only further on is not found
_PRECISION = 0.98
_COVERAGE = 0.05
# Above this share of a label's rows a word is a mark; below, it may be what the label is about.
_SERIOUS_COVERAGE = 0.25
_CHANCE = 1e-3  # of one false finding in a whole data set
_MAX_FINDINGS = 8
_WORD = re.compile(r"\w+|[^\w\s]+")


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A row of the sample."""

    texts: tuple[str, ...]
    label: str
    place: Place


@dataclass(frozen=True, slots=True)
class _Cue:
    """A word, the label it predicts, how many rows have it and how many of them that label."""

    word: str
    label: str
    rows: int
    hits: int
    coverage: float


class LabelCues:
    """Keeps a sample of the labelled rows of each split, and looks at the words of one split."""

    def __init__(self) -> None:
        self._samples: dict[str, Reservoir[Example, _Sampled]] = defaultdict(lambda: Reservoir(SAMPLE, keep=_sampled))

    def see(self, chunk: Chunk) -> None:
        """Let some rows pass the sample."""
        self._samples[chunk.split].offer([row for row in chunk.rows if row.label is not None])

    def findings(self, split: str) -> Iterator[Finding]:
        """Report words whose presence all but decides the label in a split."""
        sample = self._samples[split]
        rows = sorted(sample.items, key=lambda row: (row.place.file, row.place.line))
        found = sorted(_cues(rows), key=lambda cue: (-cue.coverage, cue.word))
        among = "" if sample.is_complete else f" in a sample of {SAMPLE:,} rows"
        for cue in found[:_MAX_FINDINGS]:
            where = (row.place for row in rows if _has(row.texts, cue.word))
            message = (
                f"{split}: the word {quoted(cue.word)} alone predicts the label {quoted(cue.label)}: "
                f"{cue.hits:,} of the {counted(cue.rows, 'row')} that have it{among}, and it stands "
                f"in {cue.coverage:.0%} of that label's rows; check that it is not a trace of how the data was made."
            )
            places = tuple(itertools.islice(where, MAX_PLACES))
            severity: Severity = "warning" if cue.coverage >= _SERIOUS_COVERAGE else "info"
            yield Finding("telltale_word", severity, cue.rows, message, places)


def _sampled(row: Example) -> _Sampled:
    assert row.label is not None
    texts = tuple(text[:_MAX_CHARACTERS] for text in row.texts)
    return _Sampled(texts, row.label, Place(row.source, row.line))


def _words(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold()))


def _has(texts: tuple[str, ...], word: str) -> bool:
    return any(word in text.casefold() for text in texts) and word in _words(texts)


def _cues(rows: Sequence[_Sampled]) -> Iterator[_Cue]:
    labels = Counter(row.label for row in rows)
    with_word: Counter[str] = Counter()
    hits: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        own = _words(row.texts)
        with_word.update(own)
        hits[row.label].update(own)
    for label, own_hits in hits.items():
        for word, count in own_hits.items():
            cue = _Cue(word, label, with_word[word], count, count / labels[label])
            if (
                cue.coverage >= _COVERAGE
                and count >= _PRECISION * cue.rows
                and _chance(count, cue.rows, labels[label] / len(rows)) * len(with_word) * len(labels) < _CHANCE
            ):
                yield cue


def _chance(hits: int, rows: int, share: float) -> float:
    """Bound the probability that a word unrelated to a label meets it this often.

    Chernoff's bound of the binomial tail, exp(-n KL(hits/n || share)): never too small, so
    that nothing is called a find too easily.
    """
    observed = hits / rows
    if observed <= share:
        return 1.0
    divergence = observed * math.log(observed / share)
    if observed < 1:
        divergence += (1 - observed) * math.log((1 - observed) / (1 - share))
    return math.exp(-rows * divergence)
