"""extractive: the sentences of a document that make its summary (BertSum, Liu & Lapata 2019).

Every sentence is read with a [CLS] before it, in windows of whole sentences, and learns
whether the greedy oracle would choose it. In prediction the best three are taken that
repeat no three words of each other, in document order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.data.records import Example
from bertkit.documents.selection import SetScorer, select, set_figures, summary_sets
from bertkit.documents.sentences import Sentence
from bertkit.documents.textrank import FEATURES, surface_features
from bertkit.documents.words import as_newswire
from bertkit.errors import UsageError
from bertkit.tasks.base import EncodedRow, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.encoding import mask_tokens, refuse_long
from bertkit.tasks.summaries import (
    CHOSEN,
    Extract,
    SentenceWindow,
    SummaryTask,
    boundaries,
    check_references,
    encode_documents,
    oracle_of,
    reference_of,
    refuse_nothing,
    sentence_ids,
    sentences_of,
)
from bertkit.tokenization.base import Encoding, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.extractive import ExtractiveModel, SalienceModel
    from bertkit.models.heads import Encoder


class ExtractiveTask(SummaryTask):
    """Sentences that make a summary."""

    method = "bertsum"

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> ExtractiveTask:
        """Check that references can be compared; nothing is learnt from the rows.

        Raises:
            DataError: a row has no reference, or ROUGE cannot read their language.
            UsageError: a sentence is to be pooled in a way that it cannot be.
        """
        if settings.pooling not in ("cls", "mean"):
            raise UsageError(
                f"--pooling {settings.pooling}: in the task extractive the token before a sentence represents it, or "
                "the mean of its tokens; take cls or mean."
            )
        check_references(examples)
        return cls(settings, tokenizer)

    def build_model(self, encoder: Encoder, *, dropout: float) -> ExtractiveModel:
        """Put inter-sentence layers and a scorer on an encoder."""
        from bertkit.models.extractive import ExtractiveModel

        return ExtractiveModel(encoder, dropout=dropout, pooling=self.settings.pooling)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode documents as windows of whole sentences; with --on-long truncate only the first is read.

        Raises:
            DataError: a row is too long and --on-long is error.
        """
        limit, on_long = self.settings.max_length, self.settings.on_long
        documents = [sentences_of(example) for example in examples]
        rows = encode_documents(documents, self.tokenizer, max_length=limit, only_first=on_long != "window")
        if on_long == "error":
            refuse_long([row.parts[0] for row in rows], examples, limit)
        return rows

    encode_scored = encode

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode documents; targets tell of each sentence whether the oracle chooses it, (sentences).

        Documents without sentences are left out.

        Raises:
            DataError: no document shares a word with its reference.
        """
        rows, marked = [], 0
        for example, row in zip(examples, self.encode(examples), strict=True):
            sentences = tuple(sentence for part in _windows(row.parts) for sentence in part.sentences)
            if not sentences:
                continue
            target = np.zeros(len(sentences), np.float32)
            target[list(oracle_of(sentences, reference_of(example)))] = 1
            marked += bool(target.any())
            bare = tuple(replace(part, sentences=()) for part in _windows(row.parts))
            place = f"{example.source}:{example.line}"
            rows.append(TrainingRow(EncodedRow(bare, row.n_tokens, row.truncated), None, target, place))
        refuse_nothing(marked, examples, "no document shares a word with its summary")
        return rows

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate whole documents; positions and targets are (D, S), -1 where a document has fewer sentences."""
        import torch

        windows = [part for row in rows for part in row.encoded.parts]
        batch = self.batch(windows)
        width, sizes = batch.input_ids.shape[1], [len(row.target) for row in rows]
        positions = np.full((len(rows), max(sizes)), -1, np.int64)
        targets = np.full(positions.shape, -1, np.float32)
        at = 0
        for i, row in enumerate(rows):
            parts = _windows(row.encoded.parts)
            places = [(at + k) * width + head for k, part in enumerate(parts) for head in part.answered]
            positions[i, : sizes[i]], targets[i, : sizes[i]] = places, row.target
            at += len(parts)
        batch = replace(batch, positions=torch.from_numpy(positions), targets=torch.from_numpy(targets), sizes=())
        return mask_tokens(batch, self.tokenizer, options.token_masking, rng) if options.token_masking else batch

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate windows; tokens before sentences attend to all, and those answered for are asked for, (M)."""
        import torch

        windows = _windows(parts)
        batch = collate(windows, pad_id=self.tokenizer.pad_id, global_positions=[w.heads or (0,) for w in windows])
        width = batch.input_ids.shape[1]
        places = [i * width + head for i, window in enumerate(windows) for head in window.answered]
        positions = torch.tensor(places, dtype=torch.long)
        return replace(batch, positions=positions, sizes=tuple(len(window.answered) for window in windows))

    def losses(self, logits: Tensor, batch: Batch, options: TrainingOptions) -> Tensor:
        """Binary cross entropy, summed over the sentences of each document, (D)."""
        from torch.nn import functional

        if batch.targets is None:
            raise ValueError("a training batch has no targets")
        there = batch.targets >= 0  # (D, S)
        smoothing = options.label_smoothing
        targets = batch.targets.clamp(min=0) * (1 - smoothing) + smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
        return (losses * there).sum(dim=1)

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return the sentence vectors of each window, (M, H)."""
        vectors = logits.double().cpu().numpy()  # (sum of M, H)
        return np.split(vectors, np.cumsum(batch.sizes)[:-1])

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Extract:
        """Choose sentences by their scores, (sentences), which are all there is in `parts`."""
        (scores,) = parts
        sentences = tuple(sentence for part in _windows(row.parts) for sentence in part.sentences)
        words = [sentence.text.lower().split() for sentence in sentences]
        figures = tuple(scores.tolist())
        return Extract(sentences, figures, tuple(select(figures, words, CHOSEN)))


def _windows(parts: Sequence[Any]) -> tuple[SentenceWindow, ...]:
    return tuple(parts)


# --- extractive, with sentences read one by one: what --pooling siamese makes of the task ---------
#
# A sentence's vector is the mean over its tokens; where it stands in the document, and what
# the document repeats of it, come as features. Labels, choice and scores are those of the
# task extractive.

_SPECIAL = 2  # tokens round a sentence


@dataclass(frozen=True, slots=True)
class SentencePart(SentenceWindow):
    """A window of a single sentence, with its features, (F)."""

    features: NDArray[np.float32] | None = None


class SalienceTask(ExtractiveTask):
    """Sentences that make a summary, each read alone."""

    method = "salience"

    @staticmethod
    def as_read(sentence: Sentence) -> str:
        """Return what the encoder reads of a sentence, and its features are taken of."""
        return sentence.text

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
        from bertkit.models.extractive import SalienceModel

        return SalienceModel(encoder, len(FEATURES), dropout=dropout)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode documents, a part for each sentence; a sentence longer than the limit is cut.

        Raises:
            DataError: a sentence is too long and --on-long is error.
        """
        documents = [sentences_of(example) for example in examples]
        said = [[self.as_read(sentence) for sentence in sentences] for sentences in documents]
        pieces = sentence_ids([text for texts in said for text in texts], self.tokenizer)
        rows = [
            self._row(sentences, texts, [next(pieces) for _ in texts])
            for sentences, texts in zip(documents, said, strict=True)
        ]
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

    def _row(self, sentences: Sequence[Sentence], said: Sequence[str], pieces: Sequence[list[int]]) -> EncodedRow:
        opening, closing = boundaries(self.tokenizer)
        if not sentences:
            nothing = SentencePart([opening, closing], [0, 0], _SPECIAL, features=np.zeros(len(FEATURES), np.float32))
            return EncodedRow((nothing,), _SPECIAL, truncated=False)
        room = self.settings.max_length - _SPECIAL
        figures = surface_features(said)
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


# --- extractive with a scorer of sets: the task of the model that comes with bertkit --------------


class NewswireTask(SalienceTask):
    """Sentences read as the news that the model which comes with bertkit learnt from is written."""

    @staticmethod
    def as_read(sentence: Sentence) -> str:
        """Return a sentence in lower case, with blanks between tokens."""
        return as_newswire(sentence.text)


class SetChoiceTask(NewswireTask):
    """Sentences scored one by one, and chosen as the set that makes the best summary.

    Args:
        settings: see `SummaryTask`, like the next.
        tokenizer: see there.
        set_scorer: compares sets.
        sizes: how many sentences a summary may have.
    """

    def __init__(
        self, settings: TaskSettings, tokenizer: Tokenizer, set_scorer: SetScorer, sizes: Sequence[int]
    ) -> None:
        super().__init__(settings, tokenizer)
        self.set_scorer = set_scorer
        self.sizes = sizes

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Extract:
        """Choose the best set of one of the sizes; all sets, the best first, are its candidates."""
        sentences = part_sentences(row)
        if not sentences:
            return Extract((), (), ())
        (scores,) = parts
        figures = tuple(scores.tolist())
        sets = summary_sets(figures)
        words = [self.as_read(sentence).split() for sentence in sentences]
        merits = self.set_scorer(set_figures(sets, figures, words))
        ranked = tuple(sets[i] for i in np.argsort(-merits, kind="stable"))
        wanted = [min(size, len(sentences)) for size in self.sizes]
        chosen = next(found for found in ranked if len(found) in wanted)
        return Extract(sentences, figures, chosen, ranked)
