"""Labels of each split: their counts, probable errors, and words that give them away."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from bertkit.audit.findings import Chunk, Finding, Reservoir, Severity, Tally, counted
from bertkit.data.faults import MAX_PLACES
from bertkit.data.label_kinds import header_like, joined_labels, placeholders
from bertkit.data.records import Example, LabelSet, Place, Question, ReadingQuestion, TaggedText
from bertkit.data.tagged.places import Edges
from bertkit.data.values import is_number, is_score, is_whole, score_fault
from bertkit.errors import DataError
from bertkit.kinds import MisfitError, record_of
from bertkit.plain import listed, quoted

# --- The answers of each split: how many of which, and whether one can learn from them ------------

FEW_ROWS = 10
IMBALANCE, STRONG_IMBALANCE = 1.5, 3.0  # most frequent : rarest label
MAX_LABELS = 10_000  # further labels are counted, but not by name
_SHOWN_LABELS, _SHOWN_CHARACTERS = 5, 30
_PLACES = 2  # of each label
_ENDS = 0.3
_FLAGS = {"true": "1", "false": "0"}  # beside 1 and 0 they are the same
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
    reason: str = ""
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

    def places_of(self, labels: Iterable[str]) -> tuple[Place, ...]:
        """Return the first places of rows with some labels."""
        return tuple(place for label in labels for place in self.places[label])[:MAX_PLACES]

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
                own.reason = own.reason or _why_missing(row)
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
            is_meant = nothing and not own.reason and (split != train or self._task not in _NEED_LABELS)
            if not is_meant:
                why = f": {own.reason}" if own.reason else ""
                message = f"{split}: no row has a label that can be used{why}."
                if not nothing:
                    have = counted(own.missing.count, "row", "have")
                    message = f"{split}: {have} no label that can be used{why}."
                yield from own.missing.finding("missing_label", "error", message)
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
    message = (
        f"{split}: {counted(own.repaired.count, 'row', 'have')} tags that break their scheme (an entity that starts"
        " with an inside tag, or changes its type midway); they were read leniently."
    )
    yield from own.repaired.finding("bad_tags", "warning", message)
    message = (
        f"{split}: {counted(own.trimmed.count, 'row', 'have')} entities with spaces at their edges; "
        "they were read without."
    )
    yield from own.trimmed.finding("bad_tags", "warning", message)
    if (said := own.edges.said()) is not None and own.edges.first_recounted is not None:
        count = own.edges.recounted.total()
        yield Finding("recounted_entities", "warning", count, f"{split}: {said}.", (own.edges.first_recounted,))
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
        message = (
            f"{train}: no row has more than one label; --task classify learns one label a row (its name, not a list "
            "of 0 and 1)."
        )
        yield Finding("no_several_labels", "warning", own.rows, message)


def _variants(train: str, own: LabelCounts) -> Iterator[Finding]:
    """Find labels that differ in letter case, white space, width or the spelling of a number only."""
    spellings: dict[str, list[str]] = defaultdict(list)
    bare_of = {label: _bare(label) for label in own.counts}
    are_flags = not {"0", "1"}.isdisjoint(bare_of.values())
    for label, bare in bare_of.items():
        spellings[_FLAGS.get(bare, bare) if are_flags else bare].append(label)
    for labels in spellings.values():
        if len(labels) > 1:
            shown = listed(sorted(labels), joint=" and ")
            fewer = sum(own.counts[label] for label in labels) - max(own.counts[label] for label in labels)
            message = f"{train}: the labels {shown} look like one label written differently."
            yield Finding("label_variants", "warning", fewer, message, own.places_of(sorted(labels)))


def _bare(label: str) -> str:
    """Bring a label to the form in which spellings of one are equal; quotes around it and a full stop count nothing."""
    bare = normalize("NFKC", "".join(char for char in label.casefold() if char.isprintable() and not char.isspace()))
    bare = bare.strip("\"'“”‘’").removesuffix(".") or bare
    return f"{float(bare):.15g}" if is_number(bare) else bare


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
        f"{train}: {counted(count, 'row', 'have')} labels that look like several joined, such as {quoted(label)} "
        f"beside "
        f"{listed(parts, joint=' and ')}; --task multilabel learns several per row, from cells such as "
        f"{quoted('|'.join(parts))}."
    )
    yield Finding("joined_labels", "warning", count, message, own.places_of(found))


def _rare_labels(train: str, own: LabelCounts, noun: str) -> Iterator[Finding]:
    rare = sorted((count, label) for label, count in own.counts.items() if count < FEW_ROWS)
    if not rare:
        return
    shown = ", ".join(f"{quoted(label, _SHOWN_CHARACTERS)} ({count})" for count, label in rare[:_SHOWN_LABELS])
    have, more = counted(len(rare), "label", "have"), len(rare) - _SHOWN_LABELS
    if noun == "entity" and more > 0:
        message = f"{train}: {have} fewer than {FEW_ROWS} entities: {shown} and {more} more."
    elif noun == "entity":
        message = f"{train}: {have} fewer than {FEW_ROWS} entities: {shown}."
    elif more > 0:
        message = f"{train}: {have} fewer than {FEW_ROWS} rows: {shown} and {more} more."
    else:
        message = f"{train}: {have} fewer than {FEW_ROWS} rows: {shown}."
    yield Finding("rare_label", "warning", len(rare), message, own.places_of(label for _, label in rare))


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
    yield Finding("unknown_label", "error", count, message, other.places_of(unknown))


# --- Single words that give the label away: a source's mark, a template, a copied answer ----------

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
                f"{cue.hits:,} of the {counted(cue.rows, 'row')} that have it{among}, and it is in "
                f"{cue.coverage:.0%} of that label's rows; check that it is not a trace of how the data was made."
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


# --------------------------------------------------------------------------------------------------
# Labels that are probably wrong, told by models that were trained without the row (confident learning).
#
# How many there are is told by confident learning: as many as there are rows in which another label is as
# likely as that label usually is in rows that have it (Northcutt, Jiang and Chuang 2021, "Confident Learning:
# Estimating Uncertainty in Dataset Labels"). Which they are is told by the margin: the rows whose own label is
# least likely beside the likeliest other one. Where labels had been turned on purpose, the first so many by
# margin held as many of these as the counted rows themselves, or more. What the other folds' models say, which
# learnt from the row, joins the margin with equal weight: a label that even they do not give, though it was
# shown to them, is the more suspect (docs/tasks.md has the figures). Of sets of labels, each label is a question
# of its own (yes or no), and a row is as suspect as its most suspect label.

ROWS = "folds.jsonl"
_SEEN_WEIGHT = 1.0


@dataclass(frozen=True)
class Answered:
    """A line of folds.jsonl: where a row stands, its label or its labels, and what a model without it says.

    `file` is the file's name, with as many of its folders as tell the run's files apart. `seen` is what the
    models say on average that learnt from the row; empty in older runs and where labels are many.
    """

    file: str
    line: int
    fold: int
    gold: Any
    predicted: Any
    probabilities: dict[str, float]
    seen: dict[str, float] = field(default_factory=dict)


def label_error_finding(runs: Sequence[Path], files: Sequence[str]) -> Finding | None:
    """List probable label errors, the surest first; None where there are none.

    Args:
        runs: of `train --folds`; of several, what they say of a row is averaged.
        files: those of the data that is inspected.

    Raises:
        DataError: a run has no answers of folds, or none for these files, or two are of different labels.
    """
    rows = _averaged({run: _of_files(run, files) for run in runs})
    labels = sorted({label for row in rows for label in (*row.probabilities, *_labels(row))})
    gold = _table([dict.fromkeys(_labels(row), 1.0) for row in rows], labels) > 0
    given = _table([row.probabilities for row in rows], labels)
    both = _with_seen(rows, labels, given)
    are_sets = isinstance(rows[0].gold, list)
    doubts = _of_each_label(gold, given, both) if are_sets else doubts_of(gold.argmax(axis=1), given, both)[:, None]
    order = surest_first(doubts.max(axis=1))
    if not order:
        return None
    first, doubtful = rows[order[0]], labels[int(doubts[order[0]].argmax())]
    if are_sets:
        message = _of_sets(len(order), first, doubtful)
    else:
        message = _of_classes(len(order), first, know=_know_something(gold, given))
    return Finding(
        "label_error", "warning", len(order), message, tuple(Place(rows[i].file, rows[i].line) for i in order)
    )


def _of_files(run: Path, files: Sequence[str]) -> list[Answered]:
    """Read what the folds of a run say of the rows of some files, by the files' own names."""
    rows = list(_rows(run))
    at = _places({row.file for row in rows}, files)
    found = [replace(row, file=at[row.file]) for row in rows if row.file in at]
    if not found:
        names = ", ".join(dict.fromkeys(Path(file).name for file in files)) or "this data"
        raise DataError(f"{run}: its folds have no row of {names}; name the data of the run.")
    return found


def _averaged(answers: Mapping[Path, Sequence[Answered]]) -> list[Answered]:
    """Average what runs say of each row, a label that a run does not know being nothing to it."""
    by_row: dict[tuple[str, int], list[Answered]] = defaultdict(list)
    for run, rows in answers.items():
        for row in rows:
            same = by_row[row.file, row.line]
            if same and same[0].gold != row.gold:
                place = f"{row.file}:{row.line}"
                raise DataError(
                    f"{run}: has another label for {place} than the run before it; train both on the same data."
                )
            same.append(row)
    return [_mean(rows) for rows in by_row.values()]


def _mean(rows: Sequence[Answered]) -> Answered:
    if len(rows) == 1:
        return rows[0]
    mean = _mean_of([row.probabilities for row in rows])
    seen = _mean_of([row.seen for row in rows]) if all(row.seen for row in rows) else {}
    # Of sets of labels nobody asks which were predicted.
    return replace(rows[0], predicted=max(mean, key=mean.__getitem__), probabilities=mean, seen=seen)


def _mean_of(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    sums = Counter[str]()
    for probabilities in each:
        sums.update(probabilities)
    return {label: total / len(each) for label, total in sums.items()}


def doubts_of(gold: NDArray[np.int64], given: NDArray[np.float64], both: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return by how much another label is likelier than a row's own, (N); 0 where the row is not suspected.

    Args:
        gold: the number of each row's label, (N).
        given: how likely each label is by models that were trained without the row, (N, C); they say how many.
        both: with what models say that were trained with it, (N, C); they say which.
    """
    _, count = _margins(gold, given)
    return _greatest(_margins(gold, both)[0], count)


def _of_each_label(
    gold: NDArray[np.bool_], given: NDArray[np.float64], both: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how doubtful it is that a row has or lacks each label, (N, C); 0 where that is not suspected."""
    margins, counts = np.zeros(given.shape), 0
    for i in range(given.shape[1]):
        own = gold[:, i].astype(np.int64)
        counts += _margins(own, np.stack([1.0 - given[:, i], given[:, i]], axis=1))[1]
        margins[:, i], _ = _margins(own, np.stack([1.0 - both[:, i], both[:, i]], axis=1))
    return _greatest(margins, counts)


def _margins(gold: NDArray[np.int64], probabilities: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return by how much another label is likelier than each row's own, (N), and how many rows are suspected."""
    usual = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(gold):
        usual[label] = probabilities[gold == label, label].mean()
    rows = np.arange(len(gold))
    others = probabilities.copy()
    others[rows, gold] = -1.0
    margins = others.max(axis=1) - probabilities[rows, gold]
    return margins, int(((others >= usual).any(axis=1) & (margins > 0)).sum())


def _greatest(margins: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Keep the `count` greatest margins, of equal ones the first; the others become 0."""
    kept, flat = np.zeros(margins.size), margins.ravel()
    chosen = np.argsort(-flat, kind="stable")[:count]
    kept[chosen] = np.maximum(flat[chosen], 0.0)
    return kept.reshape(margins.shape)


def surest_first(doubts: NDArray[np.float64]) -> list[int]:
    """Return the rows that are suspected, the most doubtful first."""
    order = np.argsort(-doubts, kind="stable")
    return [int(i) for i in order if doubts[i] > 0]


def _with_seen(rows: Sequence[Answered], labels: Sequence[str], given: NDArray[np.float64]) -> NDArray[np.float64]:
    """Join what models say that were trained without a row and with it, (N, C); only the first where rows lack that."""
    if not all(row.seen for row in rows):
        return given
    return (given + _SEEN_WEIGHT * _table([row.seen for row in rows], labels)) / (1.0 + _SEEN_WEIGHT)


def _table(rows: Sequence[Mapping[str, float]], labels: Sequence[str]) -> NDArray[np.float64]:
    """Lay numbers by label out, (N, C); a label that a row lacks is 0."""
    place, found = {label: i for i, label in enumerate(labels)}, np.zeros((len(rows), len(labels)))
    for i, row in enumerate(rows):
        found[i, [place[label] for label in row]] = list(row.values())
    return found


def _know_something(gold: NDArray[np.bool_], given: NDArray[np.float64]) -> bool:
    """Tell whether the likeliest label is right more often than the most frequent one."""
    right = gold[np.arange(len(gold)), given.argmax(axis=1)].sum()
    return bool(right > gold.sum(axis=0).max())


def _of_classes(count: int, first: Answered, *, know: bool) -> str:
    if not know:
        return (
            f"{counted(count, 'label', 'are')} contradicted by models that were trained without the row, but "
            f"these models are no better than the most frequent label, so the list means little."
        )
    return (
        f"{counted(count, 'label', 'are')} probably wrong, the most certain first: models that were trained "
        f"without the row disagree (line {first.line}: {quoted(first.gold)}, and they say {quoted(first.predicted)})."
    )


def _of_sets(count: int, first: Answered, label: str) -> str:
    rows, line, shown = counted(count, "row"), first.line, quoted(label)
    if label in first.gold:
        return (
            f"labels of {rows} are probably wrong or lacking, the most certain first: models that were "
            f"trained without the row disagree (line {line} has {shown}, and they would not give it)."
        )
    return (
        f"labels of {rows} are probably wrong or lacking, the most certain first: models that were trained "
        f"without the row disagree (line {line} lacks {shown}, and they would give it)."
    )


def _labels(row: Answered) -> list[str]:
    return row.gold if isinstance(row.gold, list) else [row.gold]


def _places(names: Iterable[str], files: Sequence[str]) -> dict[str, str]:
    """Find the file that each name means: of those that end in it, the first."""
    parts = [Path(file).resolve().parts for file in files]
    found = {}
    for name in names:
        tail = PurePosixPath(name).parts
        fitting = (file for file, own in zip(files, parts, strict=True) if own[-len(tail) :] == tail)
        if (file := next(fitting, None)) is not None:
            found[name] = file
    return found


def _rows(run: Path) -> Iterable[Answered]:
    path = run / ROWS
    if not path.is_file():
        raise DataError(f"{run}: has no predictions of folds; train it with --folds 5.")
    found: dict[tuple[str, int], Answered] = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get("gold"), float):
                raise DataError(f"{run}: its folds have scores, and probable label errors are found only for labels.")
            row = record_of(Answered, line)
            if not all(isinstance(label, str) for label in _labels(row)):
                raise MisfitError("gold is neither a label nor a list of labels")
        except (MisfitError, ValueError) as error:
            raise DataError(f"{path}:{number}: {error}; train the run again with --folds.") from error
        found[row.file, row.line] = row
    return found.values()
