"""matching: the candidate summary that is nearest to its document (MatchSum, Zhong et al. 2020).

Candidates are pairs and triples of a document's best sentences, by the scores of an
extractive run or by TextRank. Document, candidates and, in training, the reference are read
by one encoder; a candidate is the better the more its vector points where the document's
does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.data.records import Example
from bertkit.documents.sentences import Sentence
from bertkit.errors import DataError, UsageError
from bertkit.tasks.base import EncodedRow, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.candidates import Extractor, Ranker, by_merit, candidate_sets, textrank
from bertkit.tasks.document_text import reference_of, rouge_tokens, sentences_of
from bertkit.tasks.encoding import mask_tokens, refuse_long
from bertkit.tasks.extractive import ExtractiveTask
from bertkit.tasks.sentence_windows import boundaries, sentence_ids
from bertkit.tasks.summaries import SummaryTask, check_references, refuse_nothing
from bertkit.tasks.summary_scores import Extract
from bertkit.tokenization.base import Encoding, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.heads import Encoder
    from bertkit.models.matching import MatchingModel

GOLD_MARGIN = 0.0  # γ1
RANK_MARGIN = 0.01  # γ2, for each place that two candidates are apart


@dataclass(frozen=True, slots=True)
class _Document:
    """A document on its way to encodings: sentences with scores and token ids, and candidates."""

    sentences: tuple[Sentence, ...]
    scores: tuple[float, ...]
    pieces: tuple[list[int], ...]
    sets: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class DocumentPart(Encoding):
    """The document itself, first part of its row; the others are its candidates, one for each of `sets`."""

    sentences: tuple[Sentence, ...] = ()
    scores: tuple[float, ...] = ()
    sets: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class _Contest:
    """The reference of a training row, and its candidates' sentences as token ids, the best first."""

    reference: Encoding
    candidates: tuple[tuple[list[int], ...], ...]


class MatchingTask(SummaryTask):
    """Candidate summaries.

    Args:
        settings: `candidates` says whose scores propose them: extractor or textrank.
        tokenizer: the encoder's tokenizer.
    """

    method = "matchsum"

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        super().__init__(settings, tokenizer)
        self._rank: Ranker = textrank

    @classmethod
    def fit(cls, settings: TaskSettings, tokenizer: Tokenizer, examples: Sequence[Example]) -> MatchingTask:
        """Check that references can be compared; nothing is learnt from the rows.

        Raises:
            DataError: a row has no reference, ROUGE cannot read their language, or long rows
                are to be read in windows.
            UsageError: vectors are to be pooled as only pairs can be.
        """
        if settings.compares_sides:
            raise UsageError(f"--pooling {settings.pooling}: is for pairs of texts; take cls or mean.")
        _refuse_windows(settings)
        check_references(examples)
        return cls(settings, tokenizer)

    def borrow(self, extractor: Extractor) -> None:
        """Take candidates from an extractive run from now on; a model that is built gets a copy of it."""
        self._rank = extractor

    def build_model(self, encoder: Encoder, *, dropout: float) -> MatchingModel:
        """Make a model of an encoder, and of an extractor of the same shape that proposes candidates.

        Where nobody has lent an extractor, its weights are still to be loaded.
        """
        from bertkit.models.matching import MatchingModel, extractor_like

        extractor = None
        if self.settings.candidates == "extractor":
            lent = self._rank.model if isinstance(self._rank, Extractor) else None
            extractor = extractor_like(encoder, lent)
            self._rank = Extractor(extractor, ExtractiveTask(self.settings, self.tokenizer))
        return MatchingModel(encoder, pooling=self.settings.pooling, dropout=dropout, extractor=extractor)

    def encode(self, examples: Sequence[Example]) -> list[EncodedRow]:
        """Encode each document and its candidates; what is longer than the encoder reads is cut.

        Raises:
            DataError: a document is too long and --on-long is error, or it is window.
        """
        _refuse_windows(self.settings)
        rows = []
        for document in self._documents(examples):
            whole = self._joined(document.pieces)
            first = DocumentPart(
                whole.ids, whole.type_ids, whole.n_tokens, sentences=document.sentences, scores=document.scores,
                sets=document.sets,
            )  # fmt: skip
            parts = [self._joined(document.pieces[i] for i in chosen) for chosen in document.sets]
            is_cut = any(part.truncated for part in (first, *parts))
            rows.append(EncodedRow((first, *parts), first.n_tokens, is_cut))
        if self.settings.on_long == "error":
            refuse_long([row.parts[0] for row in rows], examples, self.settings.max_length, has_windows=False)
        return rows

    encode_scored = encode

    def training_rows(self, examples: Sequence[Example], options: TrainingOptions) -> list[TrainingRow]:
        """Encode documents with their references, and sort candidates by what they share with these.

        Documents without sentences are left out.

        Raises:
            DataError: no document has sentences.
        """
        lines = [" ".join(reference_of(example).split()) for example in examples]
        references = sentence_ids(lines, self.tokenizer)
        rows = []
        for example, document, ids in zip(examples, self._documents(examples), references, strict=True):
            if not document.sets:
                continue
            best = by_merit(document.sets, *rouge_tokens(document.sentences, reference_of(example)))
            candidates = tuple(tuple(document.pieces[i] for i in chosen) for chosen in best)
            target = _Contest(self._joined([ids]), candidates)
            encoded = EncodedRow.whole(self._joined(document.pieces))
            rows.append(TrainingRow(encoded, None, target, f"{example.source}:{example.line}"))
        refuse_nothing(len(rows), examples, "no document has sentences")
        return rows

    def training_batch(self, rows: Sequence[TrainingRow], options: TrainingOptions, rng: np.random.Generator) -> Batch:
        """Collate for each row the document, its reference, and its candidates, the best first."""
        parts: list[Encoding] = []
        sizes = []
        for row in rows:
            candidates = [self._joined(pieces) for pieces in row.target.candidates]
            parts += [*row.encoded.parts, row.target.reference, *candidates]
            sizes.append(2 + len(candidates))
        batch = replace(self.batch(parts), sizes=tuple(sizes))
        return mask_tokens(batch, self.tokenizer, options.token_masking, rng) if options.token_masking else batch

    def batch(self, parts: Sequence[Encoding]) -> Batch:
        """Collate texts."""
        return collate(parts, pad_id=self.tokenizer.pad_id)

    def losses(self, logits: Tensor, batch: Batch, options: TrainingOptions) -> Tensor:
        """Margin losses of each row, (rows), from the vectors of its texts, (texts, H).

        A candidate is to be further from the document than the reference, and further than
        a better candidate by a margin that grows with the places between them.
        """
        import torch
        from torch.nn import functional

        losses = []
        for vectors in torch.split(logits.float(), list(batch.sizes)):
            cosines = functional.cosine_similarity(vectors[1:], vectors[:1])  # (texts - 1)
            gold, scores = cosines[0], cosines[1:]
            loss = (scores - gold + GOLD_MARGIN).relu().mean()
            for apart in range(1, len(scores)):
                loss = loss + (scores[apart:] - scores[:-apart] + RANK_MARGIN * apart).relu().mean()
            losses.append(loss)
        return torch.stack(losses)

    def part_outputs(self, logits: Tensor, batch: Batch) -> Sequence[NDArray[np.float64]]:
        """Return the vector of each text, (H)."""
        return list(logits.double().cpu().numpy())

    def row_output(self, row: EncodedRow, parts: Iterable[NDArray[np.float64]]) -> Extract:
        """Choose the candidate whose vector is nearest to the document's; of equals the earlier."""
        first = row.parts[0]
        assert isinstance(first, DocumentPart), "rows of this task begin with their document"
        if not first.sets:
            return Extract(first.sentences, first.scores, ())
        document, *others = parts
        candidates = np.stack(others)
        lengths = np.linalg.norm(candidates, axis=1) * np.linalg.norm(document)
        cosines = candidates @ document / np.maximum(lengths, np.finfo(np.float64).tiny)
        ranked = tuple(first.sets[i] for i in np.argsort(-cosines, kind="stable"))
        return Extract(first.sentences, first.scores, ranked[0], ranked)

    def _documents(self, examples: Sequence[Example]) -> Iterator[_Document]:
        """Split documents, score their sentences and propose candidates."""
        documents = [sentences_of(example) for example in examples]
        ids = sentence_ids([s.text for sentences in documents for s in sentences], self.tokenizer)
        for sentences, scores in zip(documents, self._rank(documents), strict=True):
            figures = tuple(scores.tolist())
            pieces = tuple(next(ids) for _ in sentences)
            yield _Document(sentences, figures, pieces, tuple(candidate_sets(figures)))

    def _joined(self, pieces: Iterable[list[int]]) -> Encoding:
        """Make one text of sentences, cut to what the encoder reads."""
        opening, closing = boundaries(self.tokenizer)
        ids = list(chain.from_iterable(pieces))
        kept = [opening, *ids[: self.settings.max_length - 2], closing]
        return Encoding(kept, [0] * len(kept), len(ids) + 2)


def _refuse_windows(settings: TaskSettings) -> None:
    if settings.on_long == "window":
        raise DataError("--on-long window: a document is compared as one text; take truncate or error.")
