"""extractive, with sentences read one by one: what --pooling siamese makes of the task.

A sentence's vector is the mean over its tokens; where it stands in the document, and what
the document repeats of it, come as features. Labels, choice and scores are those of the
task extractive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch
from bertkit.data.records import Example
from bertkit.documents.sentences import Sentence
from bertkit.documents.surface import FEATURES, surface_features
from bertkit.tasks.base import EncodedRow, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.document_text import sentences_of
from bertkit.tasks.encoding import refuse_long
from bertkit.tasks.extractive import ExtractiveTask
from bertkit.tasks.sentence_windows import SentenceWindow, boundaries, sentence_ids
from bertkit.tasks.summaries import check_references
from bertkit.tasks.summary_scores import Extract
from bertkit.tokenization.base import Encoding, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder
    from bertkit.models.salience import SalienceModel

_SPECIAL = 2  # tokens round a sentence


@dataclass(frozen=True, slots=True)
class SentencePart(SentenceWindow):
    """A window of a single sentence, with its features, (F)."""

    features: NDArray[np.float32] | None = None


class SalienceTask(ExtractiveTask):
    """Sentences that make a summary, each read alone."""

    method = "salience"

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> SalienceTask:
        """Check that references can be compared; nothing is learnt from the rows.

        Raises:
            DataError: a row has no reference, or ROUGE cannot read their language.
        """
        check_references(examples)
        return cls(settings, tokenizer)

    def build_model(self, encoder: Encoder, *, dropout: float) -> SalienceModel:  # type: ignore[override]
        """Put a scorer of sentences on an encoder."""
        from bertkit.models.salience import SalienceModel

        return SalienceModel(encoder, len(FEATURES), dropout=dropout)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode documents, a part for each sentence; a sentence longer than the limit is cut.

        Raises:
            DataError: a sentence is too long and --on-long is error.
        """
        documents = [sentences_of(example) for example in examples]
        pieces = sentence_ids([s.text for sentences in documents for s in sentences], self.tokenizer)
        rows = [self._row(sentences, [next(pieces) for _ in sentences]) for sentences in documents]
        if self.settings.on_long == "error":
            longest = [max(row.parts, key=lambda part: part.n_tokens) for row in rows]
            refuse_long(longest, examples, self.settings.max_length)
        return rows

    encode_scored = encode

    @staticmethod
    def shortened(row: EncodedRow, sentences: int) -> EncodedRow:
        """Return a row without the sentences after the first ones; features are still of the whole document."""
        parts = row.parts[:sentences]
        return EncodedRow(parts, sum(p.n_tokens for p in parts), any(p.truncated for p in parts))

    def _row(self, sentences: Sequence[Sentence], pieces: Sequence[list[int]]) -> EncodedRow:
        opening, closing = boundaries(self.tokenizer)
        if not sentences:
            nothing = SentencePart([opening, closing], [0, 0], _SPECIAL, features=np.zeros(len(FEATURES), np.float32))
            return EncodedRow((nothing,), _SPECIAL, truncated=False)
        room = self.settings.max_length - _SPECIAL
        figures = surface_features([sentence.text for sentence in sentences])
        parts = [
            SentencePart(
                [opening, *piece[:room], closing],
                [0] * (min(len(piece), room) + _SPECIAL),
                len(piece) + _SPECIAL,
                heads=(0,),
                own=range(1),
                sentences=(sentence,),
                features=features,
            )
            for sentence, piece, features in zip(sentences, pieces, figures, strict=True)
        ]
        return EncodedRow(tuple(parts), sum(p.n_tokens for p in parts), any(p.truncated for p in parts))

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate whole documents; positions and targets are (D, S), features (D, S, F)."""
        import torch

        batch = super().training_batch(rows, options, rng)
        if batch.targets is None:
            raise ValueError("a training batch has no targets")
        features = np.zeros((*batch.targets.shape, len(FEATURES)), np.float32)
        for i, row in enumerate(rows):
            features[i, : len(row.encoded.parts)] = [_features(part) for part in row.encoded.parts]
        return replace(batch, features=torch.from_numpy(features))

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate sentences with their features, (B, F)."""
        import torch

        features = np.stack([_features(part) for part in parts])
        return replace(super().batch(parts), features=torch.from_numpy(features))

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return the vector and the features of each sentence, (1, H + F)."""
        vectors = logits.double().cpu().numpy()  # (B, H + F)
        return np.split(vectors, len(vectors))

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Extract:
        """Choose sentences by their scores; a document without sentences has one part of nothing."""
        return super().row_output(row, parts) if part_sentences(row) else Extract((), (), ())


def part_sentences(row: EncodedRow) -> tuple[Sentence, ...]:
    """Return the sentences of a row that this task has encoded."""
    parts: Sequence[Any] = row.parts
    return tuple(sentence for part in parts for sentence in part.sentences)


def _features(part: Any) -> NDArray[np.float32]:
    return cast("NDArray[np.float32]", part.features)
