"""ner: entities in a text, found by tagging its words or tokens.

Labels land on tokens by character offsets, never by order. A unit carries one tag: a word
(whose first token is read and whose other tokens are not), or, where entities begin inside
words as in Korean character data, every token. Of a long text, what is said of a unit comes
from the window that shows most around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.arrays import probabilities as shares
from bertkit.compute.batching import Batch, collate
from bertkit.data.records import Entity, Example, TaggedText
from bertkit.errors import DataError
from bertkit.metrics.tagging import tagging_difference, tagging_intervals, tagging_metrics
from bertkit.plain import listed, quoted
from bertkit.tasks.base import EncodedRow, Interval, Outputs, Scores, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.encoding import encode_rows, mask_tokens
from bertkit.tasks.endings import Endings, learn_endings
from bertkit.tasks.tags_seen import ScoredEntity, Tagged, Tagging, best_seen, joined, tagged
from bertkit.tasks.units import Words, is_whole_words, units
from bertkit.tasks.viterbi import Path, best_path, entity_runs, tag_names
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.segments import Span
from bertkit.tokenization.spans import PackedSpans

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder, TaskModel, TokenModel

# Share of entities that must begin and end with words for words to carry the tags.
_WHOLE_WORDS = 0.9
_IGNORED = -100

__all__ = ["ScoredEntity", "Tagging", "TaggingTask"]


class TaggingTask:
    """Named entities.

    Args:
        settings: labels are the kinds of entities; `unit` is what carries a tag.
        tokenizer: the encoder's tokenizer.
    """

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self.tags = tag_names(settings.labels)
        self._tag_index = {tag: i for i, tag in enumerate(self.tags)}

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> TaggingTask:
        """Learn the kinds of entities, and whether they are made of whole words.

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
            raise DataError(f"{place}: the kind {quoted(entity.label)} is not in the training rows; they have {known}.")
        return number

    def _found(self, places: NDArray[np.int64], matrix: NDArray[np.float64], path: Path) -> tuple[ScoredEntity, ...]:
        chosen = matrix[np.arange(len(path)), path]
        return tuple(
            ScoredEntity(
                int(places[a, 0]), int(places[b - 1, 1]), self.settings.labels[kind], float(chosen[a:b].mean())
            )
            for a, b, kind in entity_runs(path)
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
