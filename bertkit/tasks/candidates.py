"""Candidate summaries: sets of a document's best sentences (Zhong et al. 2020, section 4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, combinations, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bertkit.compute.device import Placement, autocast
from bertkit.documents.sentences import Sentence
from bertkit.documents.textrank import textrank_scores
from bertkit.documents.words import sentence_words
from bertkit.tasks.parts import rows_of_parts
from bertkit.tasks.sentence_windows import encode_documents

if TYPE_CHECKING:
    from bertkit.models.extractive import ExtractiveModel
    from bertkit.tasks.extractive import ExtractiveTask

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
        limit = self.task.settings.max_length
        self.model.eval()
        scores: list[NDArray[np.float64]] = []
        with torch.inference_mode(), autocast(placement):
            for start in range(0, len(documents), _SLAB):
                rows = encode_documents(documents[start : start + _SLAB], self.task.tokenizer, max_length=limit)
                scores += [figures for _, (figures,) in rows_of_parts(self.model, self.task, rows, device)]
        return scores


def _f1(grams: Iterable[Any], wanted: Counter[Any]) -> float:
    found = Counter(grams)
    hits = (found & wanted).total()
    return 2 * hits / (found.total() + wanted.total()) if hits else 0.0
