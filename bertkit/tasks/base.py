"""What a task is: everything between rows of text and scores.

A task encodes examples, builds the head, gives losses, turns logits into predictions and
scores them. The loop, the predictor and the evaluator know only this interface.

A row is read as one encoding or as several: the windows of a long text, or one encoding for
each choice of a question. The model sees these parts; the task puts them together again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bertkit.data.records import ColumnMap, Example
from bertkit.tokenization.base import Encoding, Tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from bertkit.compute.batching import Batch
    from bertkit.models.heads import Encoder, TaskModel


SIDED_POOLINGS = ("match", "align")
Interval = tuple[float, float]
Outputs = Sequence[Any]
"""What a task made of each row (probabilities, a value, entities, …): only the task looks inside."""


@dataclass(frozen=True)
class TaskSettings:
    """What a run must remember to encode and decode as in training; JSON both ways.

    `labels` are classes, or kinds of entities. `unit` is what carries a tag: a word, or a
    token where entities begin inside words. `sentence_pairs` is the second aim of masked
    LM: none, nsp or sop. `candidates` is whose scores propose summaries to the task matching:
    textrank, or extractor, a model that is part of the run.
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
    candidates: str = "textrank"

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
    def from_json(cls, values: dict[str, Any]) -> TaskSettings:
        """Build settings from what `to_json` returned."""
        columns = values["columns"]
        choices = tuple(columns.get("choices", ()))
        column_map = ColumnMap(tuple(columns["text"]), columns["pair"], columns["label"], choices)
        return cls(**{**values, "columns": column_map, "labels": tuple(values["labels"])})


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row as the model reads it.

    `n_tokens` is the row's full length before anything was cut; the parts are its windows
    or choices.
    """

    parts: tuple[Encoding, ...]
    n_tokens: int
    truncated: bool

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


@dataclass(frozen=True)
class Scores:
    """Figures of one model, or one baseline, on one set of rows.

    `signature` says how they were computed, where there are ways whose figures do not compare.
    """

    metrics: dict[str, float]
    per_label: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    signature: str = ""


class Task(Protocol):
    """One task with its settings and tokenizer; `sequence.py` is the plainest.

    `primary_metric` chooses the best weights; `headline_metric` is the one compared with
    baselines in words.
    """

    settings: TaskSettings
    tokenizer: Tokenizer
    primary_metric: str
    headline_metric: str
    greater_is_better: bool

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

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> list[tuple[int, dict[str, Any]]]:
        """Return (row, its figures) for what the model got wrong, the worst first."""
        ...
