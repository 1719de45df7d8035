"""What a task is: everything between rows of text and scores.

A task encodes examples, builds the head, gives losses, turns outputs into predictions and
scores them. The loop, the predictor and the evaluator know only this interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bertkit.data.records import ColumnMap, Example
from bertkit.tokenization.base import Encoding, Tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from bertkit.compute.batching import Batch
    from bertkit.models.heads import Encoder, SequenceModel


Interval = tuple[float, float]


@dataclass(frozen=True)
class TaskSettings:
    """What a run must remember to encode and decode as in training; JSON both ways."""

    task: str
    columns: ColumnMap
    labels: tuple[str, ...] = ()
    positive: str | None = None
    max_length: int = 512
    on_long: str = "truncate"
    leave_out: str = "none"
    overlap_segments: bool = False
    pooling: str = "cls"

    @property
    def is_pair(self) -> bool:
        """Whether a row is two sentences."""
        return self.columns.pair is not None

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TaskSettings:
        """Build settings from what `to_json` returned."""
        columns = values["columns"]
        column_map = ColumnMap(tuple(columns["text"]), columns["pair"], columns["label"])
        return cls(**{**values, "columns": column_map, "labels": tuple(values["labels"])})


@dataclass(frozen=True)
class TrainingRow:
    """A row ready for training.

    `swapped` is the pair in the other order, where wanted; `place` is file:line, for the
    sentence that names a row.
    """

    encoding: Encoding
    swapped: Encoding | None
    target: float
    place: str = ""


@dataclass(frozen=True)
class TrainingOptions:
    """What only training needs to know of the loss and of the noise on its rows."""

    loss: str = "mse"
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    swap_pairs: bool = False
    token_masking: float = 0.0


@dataclass(frozen=True)
class Scores:
    """Figures of one model, or one baseline, on one set of rows."""

    metrics: dict[str, float]
    per_label: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Task(Protocol):
    """One task with its settings and tokenizer; see `sequence.py` for the first.

    `primary_metric` chooses the best weights; `headline_metric` is the one compared with
    baselines in words.
    """

    settings: TaskSettings
    tokenizer: Tokenizer
    primary_metric: str
    headline_metric: str
    greater_is_better: bool

    def build_model(self, encoder: Encoder, *, dropout: float) -> SequenceModel:
        """Put the task's head on an encoder."""
        ...

    def encode(self, examples: Sequence[Example]) -> list[Encoding]:
        """Encode examples as the model reads them, labels ignored."""
        ...

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode examples with their targets."""
        ...

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate rows, with the noise that training adds drawn from `rng`."""
        ...

    def batch(self, encodings: Sequence[Encoding]) -> Batch:
        """Collate encodings for prediction."""
        ...

    def losses(self, logits: Tensor, targets: Tensor, options: TrainingOptions) -> Tensor:
        """Return the loss of each row, (B)."""
        ...

    def outputs(self, logits: Tensor) -> NDArray[np.float64]:
        """Turn logits (B, C) into what is stored and scored: probabilities, or values."""
        ...

    def record(self, output: NDArray[np.float64], top_k: int) -> dict[str, Any]:
        """Return the keys of one prediction record."""
        ...

    def score(self, examples: Sequence[Example], outputs: NDArray[np.float64]) -> Scores:
        """Compare outputs (N, C) with the examples' labels."""
        ...

    def intervals(self, examples: Sequence[Example], outputs: NDArray[np.float64]) -> dict[str, Interval]:
        """Return the bootstrap interval of each metric."""
        ...

    def difference(
        self, examples: Sequence[Example], outputs: NDArray[np.float64], others: NDArray[np.float64]
    ) -> dict[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`, rows paired."""
        ...

    def settle(self, model: SequenceModel) -> None:
        """Make a trained model's outputs mean what they say, before it is saved."""
        ...

    def mistakes(self, examples: Sequence[Example], outputs: NDArray[np.float64]) -> list[tuple[int, dict[str, Any]]]:
        """Return (row, its figures) for what the model got wrong, the worst first."""
        ...
