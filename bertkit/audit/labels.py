"""The answers of each split: how many of which, and whether one can learn from them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

from bertkit.audit.chunk import Chunk
from bertkit.audit.findings import Finding, Severity, Tally, counted
from bertkit.data.faults import MAX_PLACES
from bertkit.data.label_kinds import header_like, joined_labels, placeholders
from bertkit.data.numerals import is_number, is_score, is_whole, score_fault
from bertkit.data.records import Example, LabelSet, Place, Question, ReadingQuestion, TaggedText
from bertkit.data.tagged.edges import Edges
from bertkit.plain import listed, quoted

FEW_ROWS = 10
IMBALANCE, STRONG_IMBALANCE = 1.5, 3.0  # most frequent : rarest label
MAX_LABELS = 10_000  # further labels are counted, but not by name
_SHOWN_LABELS, _SHOWN_CHARACTERS = 5, 30
_PLACES = 2  # of each label
_ENDS = 0.3
_SHOWN_REASONS = 1
_NEED_LABELS = ("classify", "relation", "regression", "choice", "multilabel", "qa")


@dataclass
class Numbers:
    """Count, mean and standard deviation of a stream of numbers (Welford 1962), and its two ends."""

    count: int = 0
    mean: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    at_minimum: int = 0
    at_maximum: int = 0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        """Take one more number into account."""
        self.count += 1
        away = value - self.mean
        self.mean += away / self.count
        self._squares += away * (value - self.mean)
        if value <= self.minimum:
            self.at_minimum = self.at_minimum + 1 if value == self.minimum else 1
            self.minimum = value
        if value >= self.maximum:
            self.at_maximum = self.at_maximum + 1 if value == self.maximum else 1
            self.maximum = value

    @property
    def deviation(self) -> float:
        """Standard deviation, of the population."""
        return math.sqrt(self._squares / self.count) if self.count else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return minimum, maximum, mean, deviation and the share of the rows at each end."""
        if not self.count:
            return {"count": 0}
        return {
            "count": self.count,
            "min": self.minimum,
            "max": self.maximum,
            "mean": round(self.mean, 6),
            "sd": round(self.deviation, 6),
            "at_min": round(self.at_minimum / self.count, 6),
            "at_max": round(self.at_maximum / self.count, 6),
        }


@dataclass
class LabelCounts:
    """The labels of one split: of rows, or of entities where rows are tagged."""

    counts: Counter[str] = field(default_factory=Counter)
    numbers: Numbers = field(default_factory=Numbers)
    rows: int = 0
    unnamed: int = 0
    several: int = 0
    none: int = 0
    missing: Tally = field(default_factory=Tally)
    repaired: Tally = field(default_factory=Tally)
    trimmed: Tally = field(default_factory=Tally)
    edges: Edges = field(default_factory=Edges)
    reasons: list[str] = field(default_factory=list)
    places: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))

    def add(self, labels: Sequence[str], place: Callable[[int], Place]) -> None:
        """Count some labels; `place` tells where the row of each stands."""
        wanted = set()
        for label, count in Counter(labels).items():
            if label in self.counts or len(self.counts) < MAX_LABELS:
                self.counts[label] += count
                if len(self.places[label]) < _PLACES:
                    wanted.add(label)
            else:
                self.unnamed += count
        for number, label in enumerate(labels) if wanted else ():
            if label in wanted and len(self.places[label]) < _PLACES:
                self.places[label].append(place(number))

    def note(self, reason: str) -> None:
        """Remember why a label could not be used; the first reasons are enough."""
        if reason and len(self.reasons) < _SHOWN_REASONS:
            self.reasons.append(reason)

    @property
    def reason(self) -> str:
        """The first reason, as the end of a sentence."""
        return f": {self.reasons[0]}" if self.reasons else ""

    def ordered(self) -> dict[str, int]:
        """List the counts by label: numerically if all are whole numbers, else by code point."""
        by_number = all(map(is_whole, self.counts))
        names = sorted(self.counts, key=lambda label: (float(label), label) if by_number else (0.0, label))
        return {label: self.counts[label] for label in names}


class Labels:
    """Counts the labels of every split.

    Args:
        task: the task word, which decides what a label is.
    """

    def __init__(self, task: str) -> None:
        self._task = task
        self.splits: dict[str, LabelCounts] = defaultdict(LabelCounts)

    def see(self, chunk: Chunk) -> None:
        """Count the labels of some rows."""
        own = self.splits[chunk.split]
        own.rows += len(chunk.rows)
        labelled: list[tuple[str, Example]] = []
        for row in chunk.rows:
            if isinstance(row, TaggedText):
                labelled += _tags(own, row)
            elif isinstance(row, ReadingQuestion) and row.places is not None:
                labelled.append(("answer" if row.places else "no answer", row))
            elif isinstance(row, LabelSet) and row.labels is not None:
                labelled += [(label, row) for label in row.labels]
                own.several += len(row.labels) > 1
                own.none += not row.labels
            elif row.label is None or (self._task == "regression" and not is_score(row.label)):
                own.missing.add(row)
                own.note(_why_missing(row))
            elif self._task == "regression":
                own.numbers.add(float(row.label))
            else:
                labelled.append((row.label, row))
        own.add([label for label, _ in labelled], lambda i: Place(labelled[i][1].source, labelled[i][1].line))

    def see_labels(self, split: str, labels: Sequence[str], place: Callable[[int], Place]) -> None:
        """Count the labels of plain rows, each of which has one."""
        self.splits[split].rows += len(labels)
        self.splits[split].add(labels, place)

    def findings(self, train: str) -> Iterator[Finding]:
        """Report what is wrong with the labels.

        Args:
            train: the split that is trained on.
        """
        for split, own in self.splits.items():
            yield from _tag_findings(split, own)
            nothing = own.missing.count == own.rows
            # A test split may have been published without its labels, and some tasks need none.
            is_meant = nothing and not own.reasons and (split != train or self._task not in _NEED_LABELS)
            if own.missing.count and not is_meant:
                number = "no row has a" if nothing else f"{counted(own.missing.count, 'row', 'have')} no"
                message = f"{split}: {number} label that can be used{own.reason}."
                yield Finding("missing_label", "error", own.missing.count, message, tuple(own.missing.places))
        own = self.splits[train]
        if self._task == "regression":
            yield from _number_findings(train, own.numbers)
        elif own.counts and self._task != "qa":
            yield from self._count_findings(train, own)
            for split, other in self.splits.items():
                yield from _unknown_labels(split, other, train, own)

    def _count_findings(self, train: str, own: LabelCounts) -> Iterator[Finding]:
        if self._task not in ("ner", "multilabel") and len(own.counts) == 1:
            label, count = next(iter(own.counts.items()))
            message = f"{train}: every row has the label {quoted(label)}; there is nothing to learn."
            yield Finding("single_label", "error", count, message, tuple(own.places[label]))
            return
        if own.unnamed or len(own.counts) > max(100, own.rows // 10):
            names = f"over {MAX_LABELS:,}" if own.unnamed else f"{len(own.counts):,}"
            message = f"{train}: {names} different labels in {own.rows:,} rows; is this the label column?"
            yield Finding("too_many_labels", "warning", len(own.counts), message)
            return
        if self._task == "multilabel":
            yield from _set_findings(train, own)
        yield from _variants(train, own)
        if self._task in ("classify", "relation"):
            yield from _placeholders(train, own)
            yield from _joined_labels(train, own)
        yield from _rare_labels(train, own, "entity" if self._task == "ner" else "row")
        if self._task in ("classify", "relation"):
            yield from _imbalance(train, own)


def balancing_weights(counts: Mapping[str, int]) -> dict[str, float]:
    """Return the class weights that balance labels: inverse to frequency, 1 on average over rows.

    They are those of `--class-weights auto`.
    """
    total = sum(counts.values())
    return {label: total / (len(counts) * count) for label, count in counts.items()}


def imbalance(counts: Mapping[str, int]) -> float:
    """Return how many times more rows the most frequent label has than the rarest; 1 for none."""
    return max(counts.values()) / min(counts.values()) if counts else 1.0


def _why_missing(row: Example) -> str:
    if isinstance(row, Question):
        return row.unread
    return "" if row.label is None else score_fault(row.label)


def _tags(own: LabelCounts, row: TaggedText) -> list[tuple[str, Example]]:
    """List the labels of a row's entities; note a row whose tags are missing or were repaired."""
    if row.entities is None:
        own.missing.add(row)
        return []
    own.edges.see(row)
    if row.repaired:
        own.repaired.add(row)
    if row.trimmed:
        own.trimmed.add(row)
    return [(entity.label, row) for entity in row.entities]


def _tag_findings(split: str, own: LabelCounts) -> Iterator[Finding]:
    if own.repaired.count:
        message = (
            f"{split}: {counted(own.repaired.count, 'row', 'have')} tags that break their scheme (an entity that starts"
            " with an inside tag, or changes its type midway); they were read leniently."
        )
        yield Finding("bad_tags", "warning", own.repaired.count, message, tuple(own.repaired.places))
    if own.trimmed.count:
        message = (
            f"{split}: {counted(own.trimmed.count, 'row', 'have')} entities with spaces at their edges; "
            "they were read without."
        )
        yield Finding("bad_tags", "warning", own.trimmed.count, message, tuple(own.trimmed.places))
    cut = own.edges.sentence()
    if cut is not None and own.edges.first is not None:
        count = max(own.edges.starts, own.edges.ends)
        yield Finding("cut_entities", "error", count, f"{split}: {cut}.", (own.edges.first,))


def _number_findings(train: str, numbers: Numbers) -> Iterator[Finding]:
    if not numbers.count:
        return
    if numbers.minimum == numbers.maximum:
        message = f"{train}: every row has the label {numbers.minimum:g}; there is nothing to learn."
        yield Finding("single_label", "error", numbers.count, message)
        return
    for value, count in ((numbers.minimum, numbers.at_minimum), (numbers.maximum, numbers.at_maximum)):
        if count >= _ENDS * numbers.count:
            message = f"{train}: {count / numbers.count:.0%} of the labels are {value:g}, an end of their range."
            yield Finding("labels_at_end", "info", count, message)


def _set_findings(train: str, own: LabelCounts) -> Iterator[Finding]:
    """Say how many rows have several labels and how many have none."""
    message = (
        f"{train}: {counted(own.several, 'row', 'have')} several labels and {counted(own.none, 'row', 'have')} none."
    )
    yield Finding("label_sets", "info", own.several, message)
    if not own.several:
        message = f"{train}: no row has more than one label; --task classify learns one label a row."
        yield Finding("no_several_labels", "warning", own.rows, message)


def _variants(train: str, own: LabelCounts) -> Iterator[Finding]:
    """Find labels that differ in letter case, white space, width or the spelling of a number only."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in own.counts:
        bare = normalize("NFKC", "".join(label.casefold().split()))
        spellings[f"{float(bare):.15g}" if is_number(bare) else bare].append(label)
    for labels in spellings.values():
        if len(labels) > 1:
            shown = listed(sorted(labels), joint=" and ")
            fewer = sum(own.counts[label] for label in labels) - max(own.counts[label] for label in labels)
            message = f"{train}: the labels {shown} look like one label written differently."
            places = tuple(place for label in sorted(labels) for place in own.places[label])[:MAX_PLACES]
            yield Finding("label_variants", "warning", fewer, message, places)


def _placeholders(train: str, own: LabelCounts) -> Iterator[Finding]:
    """Find labels that look like missing ones ("-", "NaN", or -1 beside 0, 1 and 2), or like a header's ("label")."""
    looks = dict.fromkeys(placeholders(own.counts), "a missing one")
    looks |= dict.fromkeys(header_like(own.counts), "a header's")
    for label, what in looks.items():
        rows = counted(own.counts[label], "row", "have")
        message = (
            f"{train}: {rows} the label {quoted(label)}, which looks like {what}; "
            "`bertkit inspect-data --write FILE` writes the rows without them."
        )
        yield Finding("placeholder_label", "warning", own.counts[label], message, tuple(own.places[label]))


def _joined_labels(train: str, own: LabelCounts) -> Iterator[Finding]:
    """Find labels that look like several in one cell."""
    found = joined_labels(own.counts)
    if not found:
        return
    label, parts = next(iter(found.items()))
    count = sum(own.counts[joined] for joined in found)
    message = (
        f"{train}: {counted(count, 'row', 'have')} labels that look like several in one, as {quoted(label)} beside "
        f"{listed(parts, joint=' and ')}; --task multilabel learns several a row, from cells such as "
        f"{quoted('|'.join(parts))}."
    )
    places = tuple(place for joined in found for place in own.places[joined])[:MAX_PLACES]
    yield Finding("joined_labels", "warning", count, message, places)


def _rare_labels(train: str, own: LabelCounts, noun: str) -> Iterator[Finding]:
    rare = sorted((count, label) for label, count in own.counts.items() if count < FEW_ROWS)
    if not rare:
        return
    shown = ", ".join(f"{quoted(label, _SHOWN_CHARACTERS)} ({count})" for count, label in rare[:_SHOWN_LABELS])
    more = f" and {len(rare) - _SHOWN_LABELS} more" if len(rare) > _SHOWN_LABELS else ""
    plural = "entities" if noun == "entity" else "rows"
    message = f"{train}: {counted(len(rare), 'label', 'have')} fewer than {FEW_ROWS} {plural}: {shown}{more}."
    places = tuple(place for _, label in rare for place in own.places[label])[:MAX_PLACES]
    yield Finding("rare_label", "warning", len(rare), message, places)


def _imbalance(train: str, own: LabelCounts) -> Iterator[Finding]:
    ratio = imbalance(own.counts)
    if ratio < IMBALANCE:
        return
    counts = own.ordered()
    rarest, commonest = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    weights = balancing_weights(counts)
    shown = ", ".join(f"{listed([label], quotes=False)}={weights[label]:.3f}" for label in list(counts)[:_SHOWN_LABELS])
    more = ",…" if len(counts) > _SHOWN_LABELS else ""
    message = (
        f"{train}: {counts[commonest]:,} rows of label {quoted(commonest, _SHOWN_CHARACTERS)} to "
        f"{counts[rarest]:,} of {quoted(rarest, _SHOWN_CHARACTERS)} "
        f"({ratio:.1f} to 1); weights that balance them: {shown}{more} (--class-weights auto)."
    )
    severity: Severity = "warning" if ratio > STRONG_IMBALANCE else "info"
    yield Finding("label_imbalance", severity, counts[rarest], message)


def _unknown_labels(split: str, other: LabelCounts, train: str, own: LabelCounts) -> Iterator[Finding]:
    unknown = [label for label in other.ordered() if label not in own.counts]
    if not unknown or own.unnamed:
        return
    count = sum(other.counts[label] for label in unknown)
    shown = listed(unknown[:_SHOWN_LABELS])
    message = f"{split}: labels that {train} does not have: {shown} ({counted(count, 'label')} in all)."
    places = tuple(place for label in unknown for place in other.places[label])[:MAX_PLACES]
    yield Finding("unknown_label", "error", count, message, places)
