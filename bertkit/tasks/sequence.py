"""classify and regression: one label or one number for a text, a pair, or several columns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.data.records import Example
from bertkit.errors import DataError
from bertkit.tasks.base import Interval, Scores, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.objectives import Classification, Objective, Regression, number, sorted_labels
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.leave_out import leave_words_out
from bertkit.tokenization.segments import overlap_segments

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder, SequenceModel


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
        self.objective = objective or _objective(settings)
        self.primary_metric = self.objective.primary_metric
        self.headline_metric = self.objective.headline_metric
        self.greater_is_better = self.objective.greater_is_better

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
            raise DataError(f"--positive {settings.positive}: no row has that label; there are {', '.join(labels)}.")
        positive = settings.positive if settings.positive or len(labels) != 2 else labels[1]
        return cls(replace(settings, labels=labels, positive=positive), tokenizer)

    def build_model(self, encoder: Encoder, *, dropout: float) -> SequenceModel:
        """Put pooling and a linear layer on an encoder."""
        from bertkit.models.heads import SequenceModel

        return SequenceModel(encoder, self.objective.n_outputs, pooling=self.settings.pooling, dropout=dropout)

    def encode(self, examples: Sequence[Example]) -> list[Encoding]:
        """Encode examples as the model reads them.

        Raises:
            DataError: a row is too long and --on-long is error.
        """
        firsts, seconds = self._texts(examples)
        return self._encode(firsts, seconds, examples)

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode examples with their targets, pairs in both orders where wanted."""
        firsts, seconds = self._texts(examples)
        encodings = self._encode(firsts, seconds, examples)
        swapped: Sequence[Encoding | None] = [None] * len(examples)
        if options.swap_pairs and seconds is not None:
            swapped = self._encode(seconds, firsts, examples)
        targets = [self.objective.target(e) for e in examples]
        places = [f"{e.source}:{e.line}" for e in examples]
        return [TrainingRow(*row) for row in zip(encodings, swapped, targets, places, strict=True)]

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate rows; pairs are swapped with probability 1/2, tokens masked as asked."""
        import torch

        coins = rng.random(len(rows)) < 0.5
        chosen = [
            row.swapped if coin and row.swapped is not None else row.encoding
            for row, coin in zip(rows, coins, strict=True)
        ]
        batch = collate(
            chosen,
            pad_id=self.tokenizer.pad_id,
            targets=torch.tensor([row.target for row in rows], dtype=torch.float32),
        )
        return self._masked(batch, options.token_masking, rng) if options.token_masking else batch

    def batch(self, encodings: Sequence[Encoding]) -> Batch:
        """Collate encodings for prediction."""
        return collate(encodings, pad_id=self.tokenizer.pad_id)

    def losses(self, logits: Tensor, targets: Tensor, options: TrainingOptions) -> Tensor:
        """Return the loss of each row, (B)."""
        return self.objective.losses(logits, targets, options)

    def outputs(self, logits: Tensor) -> NDArray[np.float64]:
        """Return probabilities or values, (B, C)."""
        return self.objective.outputs(logits)

    def record(self, output: NDArray[np.float64], top_k: int) -> dict[str, Any]:
        """Return the keys of one prediction record."""
        return self.objective.record(output, top_k)

    def score(self, examples: Sequence[Example], outputs: NDArray[np.float64]) -> Scores:
        """Compare outputs (N, C) with the examples' labels."""
        return self.objective.score(examples, outputs)

    def intervals(self, examples: Sequence[Example], outputs: NDArray[np.float64]) -> dict[str, Interval]:
        """Return the bootstrap interval of each metric."""
        return self.objective.intervals(examples, outputs)

    def difference(
        self, examples: Sequence[Example], outputs: NDArray[np.float64], others: NDArray[np.float64]
    ) -> dict[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`, rows paired."""
        return self.objective.difference(examples, outputs, others)

    def mistakes(self, examples: Sequence[Example], outputs: NDArray[np.float64]) -> list[tuple[int, dict[str, Any]]]:
        """Return (row, its figures) for what the model got wrong, the worst first."""
        return self.objective.mistakes(examples, outputs)

    def settle(self, model: SequenceModel) -> None:
        """Fold the labels' scale into the last layer (regression)."""
        self.objective = self.objective.settle(model)

    def _texts(self, examples: Sequence[Example]) -> tuple[list[str], list[str] | None]:
        """Join the text columns of each row with the separator, and part off the pair."""
        separator = f" {self.tokenizer.special.sep or ' '} "
        cut = len(self.settings.columns.text)

        def joined(texts: Sequence[str]) -> str:
            return separator.join(leave_words_out(text, self.settings.leave_out) for text in texts)

        firsts = [joined(e.texts[:cut]) for e in examples]
        return firsts, ([joined(e.texts[cut:]) for e in examples] if self.settings.is_pair else None)

    def _encode(
        self, firsts: Sequence[str], seconds: Sequence[str] | None, examples: Sequence[Example]
    ) -> list[Encoding]:
        marked = self.settings.overlap_segments and seconds is not None
        encodings = self.tokenizer.encode(firsts, seconds, max_length=self.settings.max_length, with_spans=marked)
        if self.settings.on_long == "error":
            _refuse_long(encodings, examples, self.settings.max_length)
        if not self.settings.overlap_segments or seconds is None:
            return encodings
        return [
            replace(e, type_ids=overlap_segments(e.spans, self._bare(first), self._bare(second)), spans=())
            for e, first, second in zip(encodings, firsts, seconds, strict=True)
        ]

    def _bare(self, text: str) -> str:
        """Blank the separators between columns, places kept: they are no words to compare."""
        separator = self.tokenizer.special.sep
        return text.replace(separator, " " * len(separator)) if separator else text

    def _masked(self, batch: Batch, share: float, rng: np.random.Generator) -> Batch:
        """Hide a share of the tokens; special tokens and segment ids stay as they are."""
        import torch

        ids = batch.input_ids.numpy()
        hidden = (rng.random(ids.shape) < share) & ~np.isin(ids, list(self.tokenizer.special_ids))
        return replace(batch, input_ids=torch.from_numpy(np.where(hidden, self.tokenizer.mask_id, ids)))


def _objective(settings: TaskSettings) -> Objective:
    return Regression() if settings.task == "regression" else Classification(settings)


def _refuse_long(encodings: Sequence[Encoding], examples: Sequence[Example], max_length: int) -> None:
    for encoding, example in zip(encodings, examples, strict=True):
        if encoding.truncated:
            raise DataError.at(
                example.source,
                example.line,
                f"the row has {encoding.n_tokens} tokens and --max-length is {max_length}; "
                "raise it, or let --on-long truncate cut it.",
            )
