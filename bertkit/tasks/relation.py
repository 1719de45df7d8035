"""relation: which relation holds between two entities of a text.

The entities are marked by special tokens (Baldini Soares et al. 2019, "Matching the Blanks"): `<subj>`, `</subj>`,
`<obj>` and `</obj>`, as KLUE's baseline has them. Where their kinds are known, the kind's own words stand behind the
opening marker (Zhou and Chen 2021, typed markers), so that a kind that training never saw can be read too. What is
classified are the vectors of the two opening markers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bertkit.data.marked import MARKERS, OPENING, around, marked_places
from bertkit.data.records import Example
from bertkit.errors import DataError
from bertkit.metrics.relations import relation_difference, relation_intervals, relation_metrics
from bertkit.plain import quoted
from bertkit.tasks.base import EncodedRow, Interval, Outputs, Scores, TaskSettings
from bertkit.tasks.class_answers import MANY_LABELS, gathered
from bertkit.tasks.encoding import encode_rows, joined_texts
from bertkit.tasks.labels import sorted_labels
from bertkit.tasks.objectives import Classification
from bertkit.tasks.registry import check_on_long
from bertkit.tasks.sequence import SequenceTask
from bertkit.tokenization.base import Tokenizer

if TYPE_CHECKING:
    from bertkit.models.heads import Encoder, RelationModel

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
