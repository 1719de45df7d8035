"""classify and regression of pairs whose texts are read apart (--pooling siamese)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch
from bertkit.data.records import Example
from bertkit.errors import UsageError
from bertkit.tasks.base import EncodedRow, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.encoding import mask_tokens, refuse_long
from bertkit.tasks.sequence import SequenceTask
from bertkit.tokenization.base import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder
    from bertkit.models.siamese import SiameseModel


class SiameseTask(SequenceTask):
    """One output for each pair; a row's parts are its two texts."""

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> SequenceTask:
        """Learn labels or their scale, as for other poolings.

        Raises:
            UsageError: rows are no pairs, or an option reads both texts at once.
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
        from bertkit.models.siamese import SiameseModel

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
