"""matching: the candidate summary that is nearest to its document (MatchSum, Zhong et al. 2020).

Candidates are pairs and triples of a document's best sentences, by the scores of an
extractive run or by TextRank. Document, candidates and, in training, the reference are read
by one encoder; a candidate is the better the more its vector points where the document's
does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.batching import Batch, collate
from bertkit.compute.device import Placement, autocast
from bertkit.data.records import Example
from bertkit.documents.sentences import Sentence
from bertkit.documents.textrank import textrank_scores
from bertkit.documents.words import sentence_words
from bertkit.errors import DataError, UsageError
from bertkit.tasks.base import EXTRACTORS, EncodedRow, TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.encoding import mask_tokens, refuse_long, rows_of_parts
from bertkit.tasks.extractive import ExtractiveTask
from bertkit.tasks.summaries import (
    Extract,
    SummaryTask,
    boundaries,
    check_references,
    encode_documents,
    reference_of,
    refuse_nothing,
    rouge_tokens,
    sentence_ids,
    sentences_of,
)
from bertkit.tokenization.base import Encoding, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from bertkit.models.extractive import ExtractiveModel, MatchingModel
    from bertkit.models.heads import Encoder

# --- Candidate summaries: sets of a document's best sentences (Zhong et al. 2020, section 4) ------

BEST = 5
SIZES = (2, 3)
# Documents that an extractor reads at once.
_SLAB = 256

Documents = Sequence[tuple[Sentence, ...]]
Ranker = Callable[[Documents], list[NDArray[np.float64]]]
"""Scores the sentences of each document, (sentences) each."""


def candidate_sets(scores: Sequence[float]) -> list[tuple[int, ...]]:
    """Return all pairs and triples of the best five sentences, each in document order.

    A single sentence is the only candidate of its document; no sentence, no candidate.
    """
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    best = sorted(order[:BEST])
    if len(best) < min(SIZES):
        return [tuple(best)] if best else []
    return [chosen for size in SIZES for chosen in combinations(best, size)]


def by_merit(
    sets: Sequence[tuple[int, ...]], sentence_tokens: Sequence[Sequence[str]], reference_tokens: Sequence[str]
) -> list[tuple[int, ...]]:
    """Sort candidates by the mean of ROUGE-1 and ROUGE-2 F1 against the reference, the best first."""
    return sorted(sets, key=lambda chosen: merit(chosen, sentence_tokens, reference_tokens), reverse=True)


def merit(chosen: tuple[int, ...], sentence_tokens: Sequence[Sequence[str]], reference_tokens: Sequence[str]) -> float:
    """Return ROUGE-1 + ROUGE-2 F1 of some sentences against the reference."""
    tokens = list(chain.from_iterable(sentence_tokens[i] for i in chosen))
    words, pairs = Counter(reference_tokens), Counter(pairwise(reference_tokens))
    return _f1(tokens, words) + _f1(pairwise(tokens), pairs)


def textrank(documents: Documents) -> list[NDArray[np.float64]]:
    """Score sentences by TextRank."""
    return [textrank_scores(sentence_words([s.text for s in sentences])) for sentences in documents]


class Extractor:
    """Scores sentences with the model of an extractive run.

    Args:
        model: where it stands, there it computes.
        task: an extractive task with the model's tokenizer.
        placement: precision; None: that of the weights.
    """

    def __init__(self, model: ExtractiveModel, task: ExtractiveTask, placement: Placement | None = None) -> None:
        self.model = model
        self.task = task
        self.placement = placement

    def __call__(self, documents: Documents) -> list[NDArray[np.float64]]:
        """Return the score of each sentence, 0 to 1."""
        import torch

        device = str(next(self.model.parameters()).device)
        placement = self.placement or Placement(device, "float32", 1)
        settings = self.task.settings
        self.model.eval()
        scores: list[NDArray[np.float64]] = []
        with torch.inference_mode(), autocast(placement):
            for start in range(0, len(documents), _SLAB):
                slab = documents[start : start + _SLAB]
                rows = encode_documents(
                    slab,
                    self.task.tokenizer,
                    max_length=settings.max_length,
                    only_first=settings.on_long != "window",
                )
                read = [figures for _, (figures,) in rows_of_parts(self.model, self.task, rows, device)]
                # Sentences that are not read come last.
                scores += [np.pad(found, (0, len(whole) - len(found))) for found, whole in zip(read, slab, strict=True)]
        return scores


def extractor_kind(settings: TaskSettings) -> str:
    """Return the word of `EXTRACTORS` for an extractive run."""
    kind = (settings.pooling, "window" if settings.on_long == "window" else "truncate")
    return next((word for word, known in EXTRACTORS.items() if known == kind), "extractor")


def extractor_settings(settings: TaskSettings) -> TaskSettings:
    """Return how the extractor reads that proposes candidates to a matching task."""
    pooling, on_long = EXTRACTORS[settings.candidates]
    return replace(settings, task="extractive", pooling=pooling, on_long=on_long)


def _f1(grams: Iterable[Any], wanted: Counter[Any]) -> float:
    found = Counter(grams)
    hits = (found & wanted).total()
    return 2 * hits / (found.total() + wanted.total()) if hits else 0.0


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
        settings: `candidates` says whose scores propose them: an extractor's or TextRank's.
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
        from bertkit.models.extractive import MatchingModel, extractor_like

        extractor = None
        if self.settings.candidates in EXTRACTORS:
            lent = self._rank.model if isinstance(self._rank, Extractor) else None
            settings = extractor_settings(self.settings)
            extractor = extractor_like(encoder, lent, pooling=settings.pooling)
            self._rank = Extractor(extractor, ExtractiveTask(settings, self.tokenizer))
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
