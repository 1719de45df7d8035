"""What a task is: everything between rows of text and scores.

A task encodes examples, builds the head, gives losses, turns logits into predictions and
scores them. The loop, the predictor and the evaluator know only this interface.

A row is read as one encoding or as several: the windows of a long text, or one encoding for
each choice of a question. The model sees these parts; the task puts them together again.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

from bertkit.config import words_of
from bertkit.data.records import ColumnMap, Entity, Example
from bertkit.errors import DataError
from bertkit.kinds import MisfitError, record_of, shown
from bertkit.tasks.registry import find_task
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.encoding import EncodedColumns
from bertkit.tokenization.segments import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from bertkit.compute.batching import Batch
    from bertkit.models.heads import Encoder, TaskModel

# --- Where in its last unit an entity ends: a piece of a word may hold a particle besides ---------
#
# A tokenizer's pieces know nothing of entities. Of Korean "5개를", five of something, a piece is
# "개를", and the entity ends before its second letter. Which letters those are is learnt by counting:
# for every unit that ended an entity of the training rows, and for the last letters of all of them,
# how many letters stood behind the entity.

# Once is not a rule.
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
        """Let units end where an entity would; a side of -1, which is not a unit, passes."""
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


# Tokens of a row that a run may have been trained to read.
SHORTEST, LONGEST = 4, 2**20
# What proposes candidates to the task matching, where a model does: how it makes a sentence of its tokens, and
# whether it reads the whole document in windows or only its start.
EXTRACTORS = {
    "extractor": ("cls", "window"),
    "extractor-mean": ("mean", "window"),
    "extractor-start": ("cls", "truncate"),
    "extractor-mean-start": ("mean", "truncate"),
}
# The words that settings take; where they come from flags, those of the flags.
_WORDS = {
    **{name: words_of(name) for name in ("task", "on_long", "leave_out", "pooling", "sentence_pairs", "mask_decoder")},
    "unit": ("word", "token"),
    "candidates": ("textrank", *EXTRACTORS),
}
_WORDS["task"] = tuple(word for word in _WORDS["task"] if word != "auto")
# How many labels a task has at least; others have none.
_LABELS = {"classify": 2, "multilabel": 1, "relation": 2, "ner": 1}
_WITH_THRESHOLDS = ("classify", "multilabel", "relation", "qa")
SIDED_POOLINGS = ("match", "align")
Interval = tuple[float, float]
Outputs = Sequence[Any]
"""What a task made of each row (probabilities, a value, entities, …): only the task looks inside."""
Mistake = tuple[int, dict[str, Any]]
"""The number of a row, and the figures that say what is wrong with its answer."""


@dataclass(frozen=True)
class TaskSettings:
    """What a run must remember to encode and decode as in training; JSON both ways.

    `labels` are classes, or entity types. `unit` is what carries a tag: a word, or a
    token where entities begin inside words. `sentence_pairs` is the second aim of masked
    LM: none, nsp or sop; `mask_decoder` what joins where its words are predicted: none, or enhanced,
    absolute places. `candidates` is whose scores propose summaries to the task matching:
    textrank, or one of `EXTRACTORS`, a model that is part of the run. `metric` is the one that decides, of
    which epoch is best and of whether a baseline is beaten; empty: the task's own. `thresholds`
    are how likely each label must be before a row gets it; of classes, 0 is none (the likeliest of
    the others is taken where no threshold is reached); of qa, how likely an answer.
    """

    task: str
    columns: ColumnMap
    labels: tuple[str, ...] = ()
    positive: str | None = None
    max_length: int = 512
    on_long: str = "truncate"
    leave_out: str = "none"
    overlap_segments: bool = False
    pooling: str = "cls"
    unit: str = "word"
    sentence_pairs: str = "none"
    mask_decoder: str = "none"
    candidates: str = "textrank"
    metric: str = ""
    thresholds: tuple[float, ...] = ()
    endings: Endings = field(default_factory=Endings)

    @property
    def deciding_metric(self) -> str:
        """The metric that chooses the best weights and is compared with baselines in words."""
        return self.metric or find_task(self.task).metrics[0]

    @property
    def is_pair(self) -> bool:
        """Whether a row is two sentences."""
        return self.columns.pair is not None

    @property
    def compares_sides(self) -> bool:
        """Whether what is made of a row needs to know which tokens are of which text."""
        return self.pooling in SIDED_POOLINGS

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any, name: str = "") -> TaskSettings:
        """Build settings from what `to_json` returned.

        Args:
            values: JSON.
            name: what they are called in the file.

        Raises:
            MisfitError: a value is missing, of another kind, or does not go with the others.
        """
        settings = record_of(cls, values, name)
        if fault := settings.fault():
            raise MisfitError(f"{name}.{fault}" if name else fault)
        return settings

    def fault(self) -> str | None:
        """Say in one clause what no training would have stored; None where all goes together."""
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                return f"{name} is {shown(getattr(self, name))} and should be one of {', '.join(words)}"
        if not SHORTEST <= self.max_length <= LONGEST:
            return f"max_length is {shown(self.max_length)} and should be from {SHORTEST} to {LONGEST:,}"
        if not self.columns.text:
            return "columns.text is empty and should name a column"
        needed, count = _LABELS.get(self.task, 0), len(self.labels)
        if count < needed or (count and not needed):
            return f"labels are {count}, and {self.task} has {f'at least {needed}' if needed else 'none'}"
        if len(set(self.labels)) < count:
            return "labels names one of them twice"
        if self.positive is not None and self.positive not in self.labels:
            return f"positive is {shown(self.positive)}, which is not one of the labels"
        return self._decision_fault()

    def _decision_fault(self) -> str | None:
        """Say what of the figures that decide does not go with the task."""
        wanted = 1 if self.task == "qa" else len(self.labels)
        if self.thresholds and (self.task not in _WITH_THRESHOLDS or len(self.thresholds) != wanted):
            return f"thresholds are {len(self.thresholds)}, and there is one for each label, or none"
        if not all(0 <= threshold <= 1 for threshold in self.thresholds):
            return "thresholds should be from 0 to 1"
        metrics = find_task(self.task).metrics
        if self.metric and self.metric not in metrics:
            return f"metric is {shown(self.metric)} and should be one of {', '.join(metrics)}"
        return None


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row as the model reads it.

    `n_tokens` is the row's full length before anything was cut; the parts are its windows
    or choices. `gold` is the number of its label, -1 where training never saw it, of rows
    to be scored whose label must be known when they are answered.
    """

    parts: tuple[Encoding, ...]
    n_tokens: int
    truncated: bool
    gold: int | None = None

    @classmethod
    def whole(cls, encoding: Encoding) -> EncodedRow:
        """Make a row of a single part."""
        return cls((encoding,), encoding.n_tokens, encoding.truncated)

    @classmethod
    def of_choices(cls, parts: Sequence[Encoding]) -> EncodedRow:
        """Make a row of alternatives; its length is that of the longest."""
        return cls(tuple(parts), max(p.n_tokens for p in parts), any(p.truncated for p in parts))


@dataclass(frozen=True)
class TrainingRow:
    """A row ready for training.

    `swapped` is the pair in the other order, where wanted; `target` is what the task's
    `training_batch` makes a tensor of; `place` is file:line, for the sentence that names a
    row.
    """

    encoded: EncodedRow
    swapped: EncodedRow | None
    target: Any
    place: str = ""

    @property
    def length(self) -> int:
        """Tokens of the longest part: what padding goes by."""
        return max(len(part.ids) for part in self.encoded.parts)


@dataclass(frozen=True)
class TrainingOptions:
    """What only training needs to know of the loss and of the noise on its rows."""

    loss: str = "mse"
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    swap_pairs: bool = False
    token_masking: float = 0.0
    whole_words: bool = False

    @property
    def plain(self) -> TrainingOptions:
        """The same, with a loss that counts as the validation loss does: rows alike, labels as they are."""
        if self.class_weights is None and not self.label_smoothing:
            return self
        return replace(self, class_weights=None, label_smoothing=0.0)


class NothingToLearnError(DataError):
    """Rows of which none can be learnt from."""


@dataclass(frozen=True)
class Scores:
    """Figures of one model, or one baseline, on one set of rows.

    `signature` says how they were computed, where there are ways whose figures do not compare.
    """

    metrics: dict[str, float]
    per_label: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    signature: str = ""


@runtime_checkable
class Tuned(Protocol):
    """A task whose answers also go by figures that are chosen on rows with known answers."""

    def tune(self, examples: Sequence[Example], outputs: Outputs) -> str:
        """Choose them on rows that were not trained on; returns a sentence that says what was chosen."""
        ...


@runtime_checkable
class InColumns(Protocol):
    """A task that can encode many rows of plain texts without an object for each."""

    def encode_columns(self, texts: Sequence[Sequence[str]]) -> EncodedColumns | None:
        """Encode rows as `encode` does; None where they must be encoded one by one.

        Args:
            texts: the columns of text.
        """
        ...

    def target(self, example: Example) -> float:
        """Return what a row's loss compares with.

        Raises:
            DataError: the row has no such answer.
        """
        ...


@runtime_checkable
class InPairs(Protocol):
    """A task that may learn from pairs of rows, for which more than one row has to be looked at."""

    has_pairs: bool

    def training_work(
        self, examples: Sequence[Example], options: TrainingOptions
    ) -> Iterator[Callable[[], list[TrainingRow]]]:
        """Yield what makes rows to learn from, some thousands at a time.

        Raises:
            DataError: no rows are a pair.
        """
        ...


@runtime_checkable
class Probable(Protocol):
    """A task whose answers have probabilities, which one temperature can correct without changing an answer."""

    def temperature(self, examples: Sequence[Example], outputs: Outputs) -> float:
        """Fit the temperature that suits rows that were not trained on."""
        ...

    def cooled(self, outputs: Outputs, temperature: float) -> Outputs:
        """Return what outputs would be had the logits been divided by a temperature."""
        ...


class Mistakes(Sequence[Mistake]):
    """Mistakes whose figures are made when they are asked for: there may be many of each.

    Args:
        rows: the wrong rows, in order.
        figures: gives those of a row.
    """

    def __init__(self, rows: Sequence[int], figures: Callable[[int], dict[str, Any]]) -> None:
        self.rows = rows
        self.figures = figures

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Mistake: ...
    @overload
    def __getitem__(self, index: slice) -> Mistakes: ...

    def __getitem__(self, index: int | slice) -> Mistake | Mistakes:
        if isinstance(index, slice):
            return Mistakes(self.rows[index], self.figures)
        return self.rows[index], self.figures(self.rows[index])


class Task(Protocol):
    """One task with its settings and tokenizer; `sequence.py` is the plainest."""

    settings: TaskSettings
    tokenizer: Tokenizer

    def build_model(self, encoder: Encoder, *, dropout: float) -> TaskModel:
        """Put the task's head on an encoder."""
        ...

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode examples as the model reads them, gold answers ignored."""
        ...

    def encode_scored(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode examples to be scored; differs from `encode` where the task hides tokens first."""
        ...

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode examples with their targets."""
        ...

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate rows, with the noise that training adds drawn from `rng`."""
        ...

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate parts for prediction."""
        ...

    def losses(self, logits: Tensor, batch: Batch, options: TrainingOptions) -> Tensor:
        """Return the loss of each row, (rows of the batch)."""
        ...

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Turn logits into one array for each part of the batch."""
        ...

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Any:
        """Put the outputs of a row's parts together; of a very long row they are computed as they are taken."""
        ...

    def record(self, example: Example, output: Any, top_k: int) -> dict[str, Any]:
        """Return the keys of one prediction record."""
        ...

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record, in the order of a table's columns; flat."""
        ...

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Compare outputs with the examples' gold answers."""
        ...

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each metric."""
        ...

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> Mapping[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`, rows paired."""
        ...

    def settle(self, model: TaskModel) -> None:
        """Make a trained model's outputs mean what they say, before it is saved."""
        ...

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> Sequence[Mistake]:
        """Return (row, its figures) for what the model got wrong, the worst first."""
        ...
