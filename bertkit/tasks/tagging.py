"""ner: entities in a text, found by tagging its words or tokens.

Labels land on tokens by character offsets, never by order. A unit carries one tag: a word
(whose first token is read and whose other tokens are not), or, where entities begin inside
words as in Korean character data, every token. Of a long text, what is said of a unit comes
from the window that shows most around it.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.compute.device import probabilities as shares
from bertkit.data.records import Entity, Example, TaggedText
from bertkit.errors import DataError
from bertkit.metrics.spans import tagging_difference, tagging_intervals, tagging_metrics
from bertkit.plain import listed, quoted
from bertkit.tasks.base import (
    EncodedRow,
    Endings,
    Interval,
    Outputs,
    Scores,
    TaskSettings,
    TrainingOptions,
    TrainingRow,
    learn_endings,
)
from bertkit.tasks.encoding import encode_rows, mask_tokens
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.segments import PackedSpans, Span, whole_characters

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder, TaskModel, TokenModel

# --- What carries a tag: a word, or a token where entities begin inside words ---------------------

# A word keeps the accents of decomposed text, which are not letters to \w.
WORD = re.compile(r"\w[\w\u0300-\u036f]*|[^\w\s]")

_INSIDE_WORD = re.compile(r"\w[\w\u0300-\u036f]")
_NO_UNIT = Span(-1, 0, 0)


class Words:
    """Where the words of a text begin and end, in a few bytes each.

    Args:
        text: the text.
        until: words that begin here, or after it, are left out; None: all are wanted.
    """

    def __init__(self, text: str, until: int | None = None) -> None:
        self.starts, self.ends = array("i"), array("i")
        for match in WORD.finditer(text):
            start, end = match.span()
            if until is not None and start >= until:
                break
            self.starts.append(start)
            self.ends.append(end)

    def begun(self, start: int, end: int) -> range:
        """Return the numbers of the words that begin in a stretch of the text."""
        return range(bisect_left(self.starts, start), bisect_left(self.starts, end))


def units(spans: Iterable[Span], text: str, words: Words | None) -> Iterator[Span]:
    """Give the places that carry tags, one for each token; a side of -1 where there is none.

    Of tokens that stand for one character, as bytes of it do, the first carries the tag;
    units do not overlap.

    Args:
        spans: the tokens' places in the text.
        text: the text.
        words: those of the text, where the first token of a word stands for all of it; None:
            every token stands for itself.
    """
    taken = 0
    for side, start, end in whole_characters(tuple(spans), (text,)):
        first = max(start, taken)
        if side < 0 or first >= end:
            yield _NO_UNIT
        elif words is None:
            taken = end
            yield Span(side, first, end)
        # A token may hold the beginnings of several words, and stands for all of them.
        elif begun := words.begun(first, end):
            taken = words.ends[begun[-1]]
            yield Span(side, words.starts[begun[0]], taken)
        else:
            yield _NO_UNIT


def is_whole_words(text: str, entity: Entity) -> bool:
    """Tell whether an entity begins and ends where words do."""
    edges = (text[max(0, place - 1) : place + 1] for place in (entity.start, entity.end))
    return not any(_INSIDE_WORD.fullmatch(edge) for edge in edges)


# --- Tags of the IOB2 scheme: their numbers, the best sequence that keeps the scheme, its entities
#
# Tag 0 is O; the entity type k has the tags 1 + 2k (B-) and 2 + 2k (I-).

Path = NDArray[np.int64]
_IMPOSSIBLE = -1e9


@dataclass(frozen=True, slots=True)
class Paths:
    """The best tags that keep the scheme, and the likeliest tag of each unit by itself."""

    tags: Path
    raw: Path

    @property
    def repaired(self) -> bool:
        """Whether the likeliest tags broke the scheme."""
        return not np.array_equal(self.tags, self.raw)


def tag_names(labels: Sequence[str]) -> tuple[str, ...]:
    """List the tags of entity types: O, then B- and I- of each."""
    return ("O", *(f"{mark}-{label}" for label in labels for mark in "BI"))


def best_path(probabilities: NDArray[np.float64]) -> Paths:
    """Find the likeliest sequence of tags in which no I- stands without its beginning.

    Args:
        probabilities: of each unit's tags, (U, C).

    Source: Viterbi 1967; transitions that break the scheme have no probability, all others
    are alike.
    """
    raw = probabilities.argmax(axis=1)
    allowed = _allowed(probabilities.shape[1])
    # The best of all sequences, if it keeps the scheme, is the best of those that do.
    if raw[0] not in _inside(probabilities.shape[1]) and (allowed[raw[:-1], raw[1:]] == 0).all():
        return Paths(raw, raw)
    logs = np.log(np.maximum(probabilities, 1e-12))
    scores = logs[0].copy()
    scores[_inside(len(scores))] = _IMPOSSIBLE
    back = np.zeros(probabilities.shape, dtype=np.int64)
    for i in range(1, len(logs)):
        candidates = scores[:, None] + allowed  # (from, to)
        back[i] = candidates.argmax(axis=0)
        scores = candidates[back[i], np.arange(len(scores))] + logs[i]
    path = np.empty(len(logs), dtype=np.int64)
    path[-1] = scores.argmax()
    for i in range(len(logs) - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return Paths(path, raw)


def entity_runs(path: Path) -> Iterator[tuple[int, int, int]]:
    """Iterate the entities of a sequence of tags as (first unit, unit after the last, number of the type).

    An I- that continues nothing opens an entity, as conlleval reads it.
    """
    begin, type_ = 0, -1
    for i, tag in enumerate(path.tolist()):
        this = (tag - 1) // 2 if tag else -1
        goes_on = tag and tag % 2 == 0 and this == type_
        if goes_on:
            continue
        if type_ >= 0:
            yield begin, i, type_
        begin, type_ = i, this
    if type_ >= 0:
        yield begin, len(path), type_


@lru_cache(maxsize=16)
def _allowed(n_tags: int) -> NDArray[np.float64]:
    """Return 0 for a transition that keeps the scheme and a huge cost for one that breaks it, (from, to)."""
    table = np.zeros((n_tags, n_tags))
    for inside in _inside(n_tags):
        table[:, inside] = _IMPOSSIBLE
        table[[inside - 1, inside], inside] = 0.0
    return table


def _inside(n_tags: int) -> list[int]:
    return list(range(2, n_tags, 2))


# --- What was found in a text, and what several windows say of its units put together -------------


@dataclass(frozen=True, slots=True)
class ScoredEntity:
    """An entity that was found: `text[start:end]`, with the mean probability of its tags."""

    start: int
    end: int
    label: str
    score: float

    @property
    def key(self) -> tuple[int, int, str]:
        """What must agree for the entity to be right."""
        return self.start, self.end, self.label


@dataclass(frozen=True, slots=True)
class Tagging:
    """What was found in one text.

    `entities` follow the tag scheme; `raw` are those of the likeliest tags read leniently,
    an I- after O opening an entity; `repaired` tells whether the likeliest tags broke the
    scheme.
    """

    entities: tuple[ScoredEntity, ...] = ()
    raw: tuple[ScoredEntity, ...] = ()
    repaired: bool = False


def joined(taggings: Sequence[Tagging]) -> Tagging:
    """Put what was found in the stretches of a text, one after the other, into one."""
    return Tagging(
        entities=tuple(entity for tagging in taggings for entity in tagging.entities),
        raw=tuple(entity for tagging in taggings for entity in tagging.raw),
        repaired=any(tagging.repaired for tagging in taggings),
    )


class Tagged(NamedTuple):
    """What a window says: the places of its units, (U, 2), how many tokens it shows around each, (U), and their tags.

    `probabilities` are those of each unit's tags, (U, C).
    """

    places: NDArray[np.int64]
    around: NDArray[np.int64]
    probabilities: NDArray[np.float64]


def tagged(spans: Iterable[Span], probabilities: NDArray[np.float64]) -> Tagged:
    """Take what was said of units from what was said of all tokens.

    Args:
        spans: the unit of each token; one of side -1 is none.
        probabilities: of each token's tags, (L, C).
    """
    sides = np.asarray(list(spans), np.int64).reshape(-1, 3)
    numbers = np.flatnonzero(sides[:, 0] >= 0)
    around = np.minimum(numbers, len(sides) - 1 - numbers)
    return Tagged(sides[numbers, 1:], around, probabilities[numbers])


def best_seen(windows: Sequence[Tagged]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Choose for every unit the window that shows most around it.

    Returns:
        The units' places in order, (U, 2), and the probabilities of their tags, (U, C).
    """
    if len(windows) == 1:
        return windows[0].places, windows[0].probabilities
    places = np.concatenate([window.places for window in windows])
    around = np.concatenate([window.around for window in windows])
    order = np.lexsort((-around, places[:, 1], places[:, 0]))
    ordered = places[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    chosen = order[is_first]
    return places[chosen], np.concatenate([window.probabilities for window in windows])[chosen]


# Share of entities that must begin and end with words for words to carry the tags.
_WHOLE_WORDS = 0.9
_IGNORED = -100

__all__ = ["ScoredEntity", "Tagging", "TaggingTask"]


class TaggingTask:
    """Named entities.

    Args:
        settings: labels are the entity types; `unit` is what carries a tag.
        tokenizer: the encoder's tokenizer.
    """

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self.tags = tag_names(settings.labels)
        self._tag_index = {tag: i for i, tag in enumerate(self.tags)}

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> TaggingTask:
        """Learn the entity types, and whether they are made of whole words.

        Raises:
            DataError: no row has an entity.
        """
        tagged = [(e.texts[0], entity) for e in examples for entity in _entities(e)]
        if not tagged:
            source = examples[0].source if examples else "the training rows"
            raise DataError(f"{source}: no row has an entity; ner needs some to learn from.")
        whole = sum(is_whole_words(text, entity) for text, entity in tagged)
        unit = "word" if whole >= _WHOLE_WORDS * len(tagged) else "token"
        labels = tuple(sorted({entity.label for _, entity in tagged}))
        task = cls(replace(settings, labels=labels, unit=unit), tokenizer)
        if whole == len(tagged) and unit == "word":
            return task
        return cls(replace(task.settings, endings=task._endings(examples)), tokenizer)

    def _endings(self, examples: Sequence[Example]) -> Endings:
        """Learn where in a unit entities end, from rows that are read whole."""
        kept = [e for e in examples if _entities(e)]
        rows = zip(kept, self.encode(kept), strict=True)
        return learn_endings((e.texts[0], _entities(e), row.parts[0].spans) for e, row in rows if len(row.parts) == 1)

    def build_model(self, encoder: Encoder, *, dropout: float) -> TokenModel:
        """Put a linear layer over every token."""
        from bertkit.models.heads import TokenModel

        return TokenModel(encoder, len(self.tags), dropout=dropout)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode texts; the spans of the encodings are the units' places.

        Raises:
            DataError: a row is too long and --on-long is error.
        """
        texts = [e.texts[0] for e in examples]
        rows = encode_rows(self.tokenizer, texts, None, examples, self.settings, with_spans=True)
        return [self._with_units(row, text) for row, text in zip(rows, texts, strict=True)]

    def _with_units(self, row: EncodedRow, text: str) -> EncodedRow:
        read = max((span.end for span in row.parts[-1].spans), default=0)
        words = Words(text, read) if self.settings.unit == "word" else None
        pack = tuple if len(row.parts) == 1 else PackedSpans
        endings = self.settings.endings
        found = (units(p.spans, text, words) for p in row.parts)
        cut = (endings.cut(spans, text) if endings else spans for spans in found)
        return replace(row, parts=tuple(replace(p, spans=pack(s)) for p, s in zip(row.parts, cut, strict=True)))

    encode_scored = encode

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode texts with one tag for each unit; every window is a row of its own."""
        rows = []
        for example, row in zip(examples, self.encode(examples), strict=True):
            place = f"{example.source}:{example.line}"
            for number, part in enumerate(row.parts):
                target = self._targets(part.spans, _entities(example), place, is_first=number == 0)
                rows.append(TrainingRow(EncodedRow.whole(replace(part, spans=())), None, target, place))
        return rows

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate rows; targets are tag numbers, (B, L), with -100 where no tag is."""
        import torch

        batch = self.batch([row.encoded.parts[0] for row in rows])
        targets = torch.full(batch.input_ids.shape, _IGNORED)
        for i, row in enumerate(rows):
            targets[i, : len(row.target)] = torch.tensor(row.target)
        batch = replace(batch, targets=targets)
        return mask_tokens(batch, self.tokenizer, options.token_masking, rng) if options.token_masking else batch

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate parts; no token attends to all, for every token matters alike."""
        return collate(parts, pad_id=self.tokenizer.pad_id, global_positions=[()] * len(parts))

    def losses(self, logits: Tensor, batch: Batch, options: TrainingOptions) -> Tensor:
        """Mean cross entropy over the units of each row, (B)."""
        from torch.nn import functional

        if batch.targets is None:
            raise ValueError("a training batch has no targets")
        losses = functional.cross_entropy(
            logits.float().transpose(1, 2),
            batch.targets,
            reduction="none",
            ignore_index=_IGNORED,
            label_smoothing=options.label_smoothing,
        )  # (B, L)
        return losses.sum(dim=1) / (batch.targets != _IGNORED).sum(dim=1).clamp(min=1)

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return the probabilities of every token's tags, (L, C) for each part."""
        given = shares(logits, np.float32)  # (B, L, C)
        if batch.attention_mask is None:
            return list(given)
        lengths = batch.attention_mask.sum(-1).tolist()
        return [row[:length] for row, length in zip(given, lengths, strict=True)]

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Tagging:
        """Read entities off the best tags of all units; a very long text stretch by stretch."""
        found: list[Tagging] = []
        read: list[Tagged] = []
        for part, probabilities in zip(row.parts, parts, strict=True):
            if part.begins:
                found.append(self._tagging(read))
                read = []
            read.append(tagged(part.spans, probabilities))
        found.append(self._tagging(read))
        return found[0] if len(found) == 1 else joined(found)

    def _tagging(self, windows: Sequence[Tagged]) -> Tagging:
        """Read the entities of overlapping windows."""
        places, matrix = best_seen(windows)
        if not len(places):
            return Tagging()
        path = best_path(matrix)
        return Tagging(
            entities=self._found(places, matrix, path.tags),
            raw=self._found(places, matrix, path.raw),
            repaired=path.repaired,
        )

    def unit_probabilities(
        self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]
    ) -> dict[tuple[int, int], NDArray[np.float64]]:
        """Return the probabilities of each unit's tags, (C), by the unit's place and in the order of places."""
        windows = [tagged(part.spans, probabilities) for part, probabilities in zip(row.parts, parts, strict=True)]
        places, matrix = best_seen(windows)
        return {(start, end): given for (start, end), given in zip(places.tolist(), matrix, strict=True)}

    def record(self, example: Example, output: Tagging, top_k: int) -> dict[str, Any]:
        """Return the entities with their exact texts."""
        text = example.texts[0]
        return {
            "entities": [
                {
                    "start": e.start,
                    "end": e.end,
                    "text": text[e.start : e.end],
                    "label": e.label,
                    "score": round(e.score, 6),
                }
                for e in output.entities
            ]
        }

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record."""
        return ["entities"]

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return precision, recall and F1 of whole entities, and F1 of the raw tags, and how many broke the scheme."""
        gold = _gold(examples)
        metrics, per_label = tagging_metrics(gold, _found(outputs))
        lenient, _ = tagging_metrics(gold, _found_raw(outputs))
        metrics["entity_f1_lenient"] = lenient["entity_f1"]
        metrics["repaired_sequences"] = float(sum(output.repaired for output in outputs))
        return Scores(metrics, per_label, tuple(_doubts(examples, outputs)))

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each metric, over sentences."""
        gold = _gold(examples)
        intervals = tagging_intervals(gold, _found(outputs))
        lenient = tagging_intervals(gold, _found_raw(outputs)).get("entity_f1")
        return intervals if lenient is None else {**intervals, "entity_f1_lenient": lenient}

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> Mapping[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        gold = _gold(examples)
        differences = tagging_difference(gold, _found(outputs), _found(others))
        lenient = tagging_difference(gold, _found_raw(outputs), _found_raw(others)).get("entity_f1")
        return differences if lenient is None else {**differences, "entity_f1_lenient": lenient}

    def settle(self, model: TaskModel) -> None:
        """Nothing to settle: logits are logits."""

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> list[tuple[int, dict[str, Any]]]:
        """Return (row, what was missed and what was invented), the most wrong first."""
        found = []
        for i, (example, output) in enumerate(zip(examples, outputs, strict=True)):
            text = example.texts[0]
            gold, given = {(e.start, e.end, e.label) for e in _entities(example)}, {e.key for e in output.entities}
            missed, invented = ([_shown(key, text) for key in sorted(keys)] for keys in (gold - given, given - gold))
            if missed or invented:
                found.append((i, {"missed": missed, "invented": invented}))
        return sorted(found, key=lambda row: -len(row[1]["missed"]) - len(row[1]["invented"]))

    def _targets(self, spans: Sequence[Span], entities: Sequence[Entity], place: str, *, is_first: bool) -> list[int]:
        """Give each unit the tag of the entity it overlaps; the first one of an entity is its B-.

        A later window that begins inside an entity goes on with it.
        """
        targets, at = [], 0
        opened: Entity | None = None
        goes_on = not is_first
        for span in spans:
            if span.side < 0:
                targets.append(_IGNORED)
                continue
            while at < len(entities) and entities[at].end <= span.start:
                at += 1
            entity = entities[at] if at < len(entities) and entities[at].start < span.end else None
            if entity is None:
                targets.append(0)
            else:
                is_inside = entity is opened or (goes_on and entity.start < span.start)
                targets.append(self._tag_number(entity, place, is_inside=is_inside))
            opened, goes_on = entity, False
        return targets

    def _tag_number(self, entity: Entity, place: str, *, is_inside: bool) -> int:
        number = self._tag_index.get(f"{'I' if is_inside else 'B'}-{entity.label}")
        if number is None:
            known = listed(self.settings.labels, quotes=False)
            raise DataError(
                f"{place}: the entity type {quoted(entity.label)} is not in the training rows; they have {known}."
            )
        return number

    def _found(self, places: NDArray[np.int64], matrix: NDArray[np.float64], path: Path) -> tuple[ScoredEntity, ...]:
        chosen = matrix[np.arange(len(path)), path]
        return tuple(
            ScoredEntity(
                int(places[a, 0]), int(places[b - 1, 1]), self.settings.labels[type_], float(chosen[a:b].mean())
            )
            for a, b, type_ in entity_runs(path)
        )


def _entities(example: Example) -> tuple[Entity, ...]:
    return (example.entities or ()) if isinstance(example, TaggedText) else ()


def _gold(examples: Iterable[Example]) -> list[list[tuple[int, int, str]]]:
    return [[(e.start, e.end, e.label) for e in _entities(example)] for example in examples]


def _found(outputs: Outputs) -> list[list[tuple[int, int, str]]]:
    return [[entity.key for entity in output.entities] for output in outputs]


def _found_raw(outputs: Outputs) -> list[list[tuple[int, int, str]]]:
    return [[entity.key for entity in output.raw] for output in outputs]


def _shown(key: tuple[int, int, str], text: str) -> dict[str, Any]:
    start, end, label = key
    return {"start": start, "end": end, "text": text[start:end], "label": label}


def _doubts(examples: Sequence[Example], outputs: Outputs) -> list[str]:
    found = []
    if outputs and any(_entities(e) for e in examples) and not any(output.entities for output in outputs):
        found.append("the model finds no entity in any text: it has learned nothing; try more epochs or another --lr")
    return found
