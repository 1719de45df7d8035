"""classify, regression and relation: one label or one number for a text, a pair, or several columns."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.data.records import MARKERS, OPENING, Example, around, marked_places
from bertkit.errors import DataError, UsageError
from bertkit.metrics.spans import relation_difference, relation_intervals, relation_metrics
from bertkit.plain import listed, quoted
from bertkit.tasks.base import (
    EncodedRow,
    Interval,
    Mistake,
    Outputs,
    Scores,
    TaskSettings,
    TrainingOptions,
    TrainingRow,
)
from bertkit.tasks.encoding import encode_rows, joined_texts, mask_tokens, refuse_long, with_sides
from bertkit.tasks.objectives import MANY_LABELS, Classification, Objective, Regression, gathered, number
from bertkit.tasks.registry import check_on_long
from bertkit.tasks.rows import sorted_labels
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.encoding import EncodedColumns
from bertkit.tokenization.segments import KINDS, beginning, most_at_once, pair_kinds, segments_at

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder, RelationModel, SequenceModel, SiameseModel, TaskModel

# --- classify and regression: one label or one number for a text, a pair, or several columns ------


class SequenceTask:
    """One output per row.

    Args:
        settings: columns, labels and how rows are encoded.
        tokenizer: the encoder's tokenizer.
        objective: what is learnt; None: what `settings.task` says.
    """

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer, objective: Objective | None = None) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        tokenizer.reads_control = len(settings.columns.text) > 1  # the separator is put between columns
        self.objective = objective or _objective(settings)

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> SequenceTask:
        """Learn the labels, or the labels' scale, from training rows.

        Raises:
            DataError: one label only, a label that is not a number, a missing positive label.
        """
        if settings.task == "regression":
            values = [number(e) for e in examples]
            objective = Regression(statistics.fmean(values), statistics.pstdev(values) or 1.0)
            return cls(settings, tokenizer, objective)
        labels = sorted_labels(examples)
        if settings.positive is not None and settings.positive not in labels:
            raise DataError(
                f"--positive {listed([settings.positive], quotes=False)}: no row has that label; "
                f"there are {listed(labels, quotes=False)}."
            )
        positive = settings.positive if settings.positive or len(labels) != 2 else labels[1]
        return cls(replace(settings, labels=labels, positive=positive), tokenizer)

    def build_model(self, encoder: Encoder, *, dropout: float) -> SequenceModel:
        """Put pooling and a linear layer on an encoder."""
        from bertkit.models.heads import SequenceModel

        return SequenceModel(
            encoder,
            self.objective.n_outputs,
            pooling=self.settings.pooling,
            dropout=dropout,
            second_segment=KINDS if self.settings.overlap_segments else 1,
        )

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode examples as the model reads them.

        Raises:
            DataError: a row is too long and --on-long is error.
        """
        firsts, seconds = self._texts(examples)
        return self._encode(firsts, seconds, examples)

    def encode_columns(self, texts: Sequence[Sequence[str]]) -> EncodedColumns | None:
        """Encode rows of one text, or of several columns that are joined, which are cut where they are long."""
        settings = self.settings
        if settings.is_pair or settings.on_long != "truncate":
            return None
        firsts = joined_texts(zip(*texts, strict=True), settings, self.tokenizer)
        return self.tokenizer.encode_columns(firsts, max_length=settings.max_length)

    def target(self, example: Example) -> float:
        """Return the number of a label, or a score in standard deviations from the mean."""
        return float(self.objective.target(example))

    def encode_scored(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode examples, and where labels are many say which is the right one."""
        rows, gold = self.encode(examples), self.objective.gold_numbers(examples)
        return [row if own is None else replace(row, gold=own) for row, own in zip(rows, gold, strict=True)]

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode examples with their targets, pairs in both orders where wanted.

        Each window of a long text is a row of its own, with the text's label.
        """
        firsts, seconds = self._texts(examples)
        encoded = self._encode(firsts, seconds, examples)
        swapped: Sequence[EncodedRow | None] = [None] * len(examples)
        if options.swap_pairs and seconds is not None:
            swapped = self._encode(seconds, firsts, examples)
        rows: list[TrainingRow] = []
        for example, row, other in zip(examples, encoded, swapped, strict=True):
            target, place = self.objective.target(example), f"{example.source}:{example.line}"
            if len(row.parts) == 1:
                rows.append(TrainingRow(row, other if other and len(other.parts) == 1 else None, target, place))
            else:
                rows += [TrainingRow(EncodedRow.whole(part), None, target, place) for part in row.parts]
        return rows

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate rows; pairs are swapped with probability 1/2, tokens masked as asked."""
        import torch

        coins = rng.random(len(rows)) < 0.5
        chosen = [
            row.swapped if coin and row.swapped is not None else row.encoded
            for row, coin in zip(rows, coins, strict=True)
        ]
        batch = self.batch([row.parts[0] for row in chosen])
        batch = replace(batch, targets=torch.tensor([row.target for row in rows], dtype=torch.float32))
        return mask_tokens(batch, self.tokenizer, options.token_masking, rng) if options.token_masking else batch

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate parts; the first token of each attends to all."""
        return collate(parts, pad_id=self.tokenizer.pad_id, global_positions=[(0,)] * len(parts))

    def losses(self, logits: Tensor, batch: Batch, options: TrainingOptions) -> Tensor:
        """Return the loss of each row, (B)."""
        if batch.targets is None:
            raise ValueError("a training batch has no targets")
        return self.objective.losses(logits, batch.targets, options)

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return probabilities or values of each part, (B, C)."""
        return list(self.objective.outputs(logits))

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Any:
        """Average the probabilities or values of a row's windows, (C), and return what is kept of them."""
        outputs = iter(parts)
        output = next(outputs)
        if len(row.parts) > 1:
            output = sum(outputs, output) / len(row.parts)
        return self.objective.kept(output, row.gold)

    def record(self, example: Example, output: NDArray[np.float64], top_k: int) -> dict[str, Any]:
        """Return the keys of one prediction record."""
        return self.objective.record(output, top_k)

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record."""
        listed = range(1, min(top_k, len(self.settings.labels)) + 1)
        top = [f"top{i}_{part}" for i in listed for part in ("label", "score")]
        return [*(["label", "score"] if self.settings.labels else ["score"]), *top]

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Compare outputs (N, C) with the examples' labels."""
        return self.objective.score(examples, outputs)

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> dict[str, Interval]:
        """Return the bootstrap interval of each metric."""
        return self.objective.intervals(examples, outputs)

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> dict[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`, rows paired."""
        return self.objective.difference(examples, outputs, others)

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> Sequence[Mistake]:
        """Return (row, its figures) for what the model got wrong, the worst first."""
        return self.objective.mistakes(examples, outputs)

    def sureness(self, outputs: Outputs) -> NDArray[np.float64]:
        """Return the probability of the label that each row gets, (N); -1 where it gets none."""
        return self._classes().sureness(outputs)

    def temperature(self, examples: Sequence[Example], outputs: Outputs) -> float:
        """Fit the temperature that suits rows that were not trained on."""
        return self.objective.temperature(examples, outputs)

    def cooled(self, outputs: Outputs, temperature: float) -> Outputs:
        """Return what outputs would be had the logits been divided by a temperature."""
        return self.objective.cooled(outputs, temperature)

    def decide_by(self, thresholds: tuple[float, ...]) -> None:
        """Take labels by thresholds, one for each, 0 for none."""
        self.settings = replace(self.settings, thresholds=thresholds)
        self._classes().thresholds = thresholds

    def settle(self, model: TaskModel) -> None:
        """Fold the labels' scale into the last layer (regression)."""
        self.objective = self.objective.settle(cast("SequenceModel", model))

    def _classes(self) -> Classification:
        assert isinstance(self.objective, Classification)
        return self.objective

    def _texts(self, examples: Sequence[Example]) -> tuple[list[str], list[str] | None]:
        """Join the text columns of each row with the separator, and part off the pair."""
        cut = len(self.settings.columns.text)
        firsts = joined_texts((e.texts[:cut] for e in examples), self.settings, self.tokenizer)
        if not self.settings.is_pair:
            return firsts, None
        return firsts, joined_texts((e.texts[cut:] for e in examples), self.settings, self.tokenizer)

    def _encode(
        self, firsts: Sequence[str], seconds: Sequence[str] | None, examples: Sequence[Example]
    ) -> list[EncodedRow]:
        marked, sided = self.settings.overlap_segments, self.settings.compares_sides
        with_spans = (marked or sided) and seconds is not None
        if marked and seconds is not None and (many := self._many_marked(firsts, seconds, examples)) is not None:
            return many
        rows = encode_rows(self.tokenizer, firsts, seconds, examples, self.settings, with_spans=with_spans)
        if seconds is None or not with_spans:
            return rows
        if not marked:
            return [replace(row, parts=tuple(map(with_sides, row.parts))) for row in rows]
        return [self._marked(row, first, second) for row, first, second in zip(rows, firsts, seconds, strict=True)]

    def _many_marked(
        self, firsts: Sequence[str], seconds: Sequence[str], examples: Sequence[Example]
    ) -> list[EncodedRow] | None:
        """Encode many pairs at once as `_encode` does each; None where that cannot be done."""
        settings = self.settings
        if settings.on_long == "window":
            return None
        encodings = self.tokenizer.encode_marked(firsts, seconds, max_length=settings.max_length)
        if encodings is None:
            return None
        rows = []
        for i, encoding in enumerate(encodings):
            if encoding is None:
                rows += self._encode(firsts[i : i + 1], seconds[i : i + 1], examples[i : i + 1])
                continue
            if encoding.truncated and settings.on_long == "error":
                refuse_long([encoding], [examples[i]], settings.max_length)
            rows.append(EncodedRow.whole(encoding))
        return rows

    def _marked(self, row: EncodedRow, first: str, second: str) -> EncodedRow:
        """Say in the segment ids of a pair how each word stands to the other text, as far as that is read."""
        first, second = self._bare(first), self._bare(second)
        if self.settings.on_long != "window":
            most = most_at_once(self.settings.max_length)
            first, second = beginning(first, most), beginning(second, most)
        kinds = pair_kinds(first, second)
        parts = (replace(part, type_ids=segments_at(part.spans, kinds), spans=()) for part in row.parts)
        return replace(row, parts=tuple(parts))

    def _bare(self, text: str) -> str:
        """Blank the separators between columns, places kept: they are not words to compare."""
        separator = self.tokenizer.special.sep
        return text.replace(separator, " " * len(separator)) if separator else text


def _objective(settings: TaskSettings) -> Objective:
    return Regression() if settings.task == "regression" else Classification(settings)


# --- classify and regression of pairs whose texts are read apart (--pooling siamese) --------------


class SiameseTask(SequenceTask):
    """One output for each pair; a row's parts are its two texts."""

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> SequenceTask:
        """Learn labels or their scale, as for other poolings.

        Raises:
            UsageError: rows are not pairs, or an option reads both texts at once.
            DataError: see `SequenceTask.fit`.
        """
        if not settings.is_pair:
            raise UsageError("--pooling siamese: needs rows of two texts, and this data has one text per row.")
        if settings.overlap_segments or settings.on_long == "window":
            word = "--overlap-segments" if settings.overlap_segments else "--on-long window"
            raise UsageError(f"{word}: reads both texts at once, and --pooling siamese reads them apart.")
        return super().fit(settings, tokenizer, examples)

    def build_model(self, encoder: Encoder, *, dropout: float) -> SiameseModel:  # type: ignore[override]
        """Put a comparison of two vectors on an encoder."""
        from bertkit.models.heads import SiameseModel

        similarity = self.settings.task == "regression"
        return SiameseModel(encoder, self.objective.n_outputs, by_cosine=similarity, dropout=dropout)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode the texts of each pair apart.

        Raises:
            DataError: a text is too long and --on-long is error.
        """
        sides, limit = self._texts(examples), self.settings.max_length
        first, second = (self.tokenizer.encode(side or [], max_length=limit) for side in sides)
        if self.settings.on_long == "error":
            refuse_long([*first, *second], [*examples, *examples], limit, has_windows=False)
        return [
            EncodedRow((a, b), a.n_tokens + b.n_tokens, a.truncated or b.truncated)
            for a, b in zip(first, second, strict=True)
        ]

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode pairs with their targets; reading is the same in both orders."""
        return [
            TrainingRow(row, None, self.objective.target(example), f"{example.source}:{example.line}")
            for example, row in zip(examples, self.encode(examples), strict=True)
        ]

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate the texts of all pairs; positions say which two make one."""
        import torch

        batch = self.batch([part for row in rows for part in row.encoded.parts])
        targets = torch.tensor([row.target for row in rows], dtype=torch.float32)
        batch = replace(batch, targets=targets, positions=torch.arange(2 * len(rows)).view(-1, 2))
        return mask_tokens(batch, self.tokenizer, options.token_masking, rng) if options.token_masking else batch

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return the vector of each text, (H)."""
        return list(logits.double().cpu().numpy())

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Any:
        """Return what is kept of probabilities or values of a pair, (C), from its logits."""
        import torch

        (logits,) = parts
        output: NDArray[np.float64] = self.objective.outputs(torch.from_numpy(logits).unsqueeze(0))[0]
        return self.objective.kept(output, row.gold)


# --- relation: which relation holds between two entities of a text --------------------------------
#
# The entities are marked by special tokens (Baldini Soares et al. 2019, "Matching the Blanks"): `<subj>`, `</subj>`,
# `<obj>` and `</obj>`, as KLUE's baseline has them. Where their kinds are known, the kind's own words stand behind the
# opening marker (Zhou and Chen 2021, typed markers), so that a kind that training never saw can be read too. What is
# classified are the vectors of the two opening markers.

# Marks that the markers begin like, which Zhou and Chen 2021 found to do as well as special tokens.
_LIKE = {"<subj>": "@", "</subj>": "@", "<obj>": "#", "</obj>": "#"}
# Names of the label that says that there is no relation, compared without case and what parts words.
NO_RELATION = ("norelation", "other", "na", "n/a", "none", "unrelated", "관계없음", "무관")
# How often the room beside the entities is halved until a long row fits.
_HALVINGS = 12


def is_no_relation(label: str) -> bool:
    """Tell whether a label says that two entities are not related.

    >>> is_no_relation("no_relation"), is_no_relation("Other"), is_no_relation("per:title")
    (True, True, False)
    """
    return "".join(label.casefold().split()).replace("_", "").replace("-", "") in NO_RELATION


class RelationObjective(Classification):
    """Softmax over the relations; what counts is how many of those that are one are found."""

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return micro F1 without the label for no relation, the area under precision and recall, and the usual."""
        scores = super().score(examples, outputs)
        usual = {name: value for name, value in scores.metrics.items() if name not in ("f1", "precision", "recall")}
        own = relation_metrics(*self._compared(examples, outputs))
        return replace(scores, metrics={**own, **usual})

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> dict[str, Interval]:
        """Return the bootstrap interval of each metric."""
        usual = super().intervals(examples, outputs)
        own = relation_intervals(*self._compared(examples, outputs))
        return {**own, **{name: usual[name] for name in usual if name not in ("f1", "precision", "recall")}}

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> dict[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        usual = super().difference(examples, outputs, others)
        gold, mine, scores, labels, related = self._compared(examples, outputs)
        _, other, their_scores, _, _ = self._compared(examples, others)
        own = relation_difference(gold, (mine, scores), (other, their_scores), labels, related)
        return {**own, **{name: usual[name] for name in usual if name not in ("f1", "precision", "recall")}}

    def _compared(
        self, examples: Sequence[Example], outputs: Outputs
    ) -> tuple[list[str], list[str], Any, tuple[str, ...], frozenset[str]]:
        """Return gold and given labels, probabilities (None: not all are kept), the labels, and which are relations."""
        gold = [example.label or "" for example in examples]
        given = list(self.predicted(outputs))
        scores = None if len(self.labels) > MANY_LABELS else gathered(outputs)
        names = {*self.labels, *gold} - {""}
        return gold, given, scores, self.labels, frozenset(name for name in names if not is_no_relation(name))


class RelationTask(SequenceTask):
    """The relation of two marked entities.

    Args:
        settings: columns, labels and how rows are encoded.
        tokenizer: the encoder's tokenizer, with the markers where a run stored it.
    """

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        super().__init__(settings, tokenizer, RelationObjective(settings))
        tokenizer.know_control(MARKERS)
        tokenizer.reads_control = True

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> RelationTask:
        """Learn the relations of training rows, and add the markers to the tokenizer.

        Raises:
            DataError: one label only.
        """
        labels = sorted_labels(examples)
        if all(map(is_no_relation, labels)):
            raise DataError(f"{examples[0].source}: no row has a relation, all are {quoted(labels[0])}.")
        tokenizer.add_control(MARKERS)
        return cls(replace(settings, labels=labels, positive=None), tokenizer)

    @property
    def marker_ids(self) -> tuple[int, ...]:
        """The ids of the markers, in their order."""
        return tuple(self.tokenizer.id_of(marker, marker) for marker in MARKERS)

    @property
    def markers_like(self) -> tuple[tuple[int, ...], ...]:
        """For each marker the ids of tokens that its embedding begins like; none where the tokenizer has no such."""
        found = []
        for marker in MARKERS:
            ids = self.tokenizer.backend.encode(_LIKE[marker], add_special_tokens=False).ids
            found.append(tuple(i for i in ids if i not in self.tokenizer.special_ids)[-1:])
        return tuple(found)

    def build_model(self, encoder: Encoder, *, dropout: float) -> RelationModel:
        """Put a linear layer on the vectors of the two opening markers."""
        from bertkit.models.heads import RelationModel

        first, second = (self.tokenizer.id_of(marker, marker) for marker in OPENING)
        return RelationModel(encoder, self.objective.n_outputs, markers=(first, second), dropout=dropout)

    def _texts(self, examples: Sequence[Example]) -> tuple[list[str], None]:
        """Return the marked texts; what else they spell of control tokens is text."""
        return joined_texts((e.texts for e in examples), self.settings, self.tokenizer, but=MARKERS), None

    def _encode(
        self, firsts: Sequence[str], seconds: Sequence[str] | None, examples: Sequence[Example]
    ) -> list[EncodedRow]:
        """Encode rows; of one that is too long, what is furthest from its entities is left out.

        Raises:
            UsageError: rows are to be read in windows.
        """
        check_on_long(self.settings.task, self.settings.on_long)
        rows = encode_rows(self.tokenizer, firsts, None, examples, self.settings)
        return [self._narrowed(row, first) if row.truncated else row for row, first in zip(rows, firsts, strict=True)]

    def _narrowed(self, row: EncodedRow, text: str) -> EncodedRow:
        """Read a long row around its entities; where not even these fit, its beginning stays."""
        places = marked_places(text)
        if places is None:
            return row
        limit, low, high, best = self.settings.max_length, 0, max(places[0], len(text) - places[1]), None
        for _ in range(_HALVINGS):
            room = (low + high) // 2
            (found,) = self.tokenizer.encode([around(text, room)], max_length=limit)
            if found.truncated:
                high = room
            else:
                best, low = found, room
        if best is None:
            return row
        (part,) = row.parts
        return EncodedRow((replace(best, n_tokens=part.n_tokens),), row.n_tokens, truncated=True)
