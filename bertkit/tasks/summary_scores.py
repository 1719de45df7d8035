"""ROUGE of chosen sentences: means, intervals and paired differences over documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertkit.data.records import Example
from bertkit.documents.rouge import resolve_mode, score_table, signature
from bertkit.documents.sentences import Sentence
from bertkit.metrics.intervals import Draws, Interval, bootstrap_chunks
from bertkit.tasks.document_text import reference_of, summary_lines

METRICS = ("rouge1", "rouge2", "rougeLsum")

PerDocument = Mapping[str, NDArray[np.float64]]
"""F1 of each document by metric, 0 to 1, (documents) each."""


@dataclass(frozen=True, slots=True)
class Extract:
    """Sentences of a document with their scores; `chosen` are the numbers of some, in document order.

    `candidates` are the sets among which it was chosen, the best first, where there were any.
    """

    sentences: tuple[Sentence, ...]
    scores: tuple[float, ...]
    chosen: tuple[int, ...]
    candidates: tuple[tuple[int, ...], ...] = ()

    @property
    def lines(self) -> str:
        """The chosen sentences, one on each line."""
        return summary_lines(self.sentences, self.chosen)


class SummaryScorer:
    """Scores extracts against references; what was scored once is remembered.

    Metrics, intervals and differences ask for the same scores, and so does each epoch as
    far as its choices are those of the last one.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[float, ...]] = {}

    def per_document(self, examples: Sequence[Example], extracts: Sequence[Extract]) -> PerDocument:
        """Return the scores of each extract.

        Raises:
            DataError: a document has no reference.
        """
        references = [reference_of(example) for example in examples]
        mode = resolve_mode("auto", references)
        keys = [(mode, reference, extract.lines) for reference, extract in zip(references, extracts, strict=True)]
        new = list(dict.fromkeys(key for key in keys if key not in self._known))
        if new:
            found = score_table([key[1:] for key in new], mode, METRICS)
            self._known |= dict(zip(new, map(tuple, found.tolist()), strict=True))
        table = np.array([self._known[key] for key in keys], np.float64).reshape(len(keys), len(METRICS))
        return {name: table[:, i] for i, name in enumerate(METRICS)}

    def signature(self, examples: Sequence[Example]) -> str:
        """Say how the references of some documents are compared."""
        return signature(resolve_mode("auto", [reference_of(example) for example in examples]))


def mean_scores(scores: PerDocument) -> dict[str, float]:
    """Return the mean of each metric; 0.0 for no documents."""
    return {name: float(values.mean()) if len(values) else 0.0 for name, values in scores.items()}


def mean_intervals(scores: PerDocument, seed: int = 0) -> dict[str, Interval]:
    """Return the bootstrap interval of each mean, over documents."""

    def drawn(draws: Draws) -> dict[str, NDArray[np.float64]]:
        return {name: values[draws].mean(axis=1) for name, values in scores.items()}

    return bootstrap_chunks(drawn, len(next(iter(scores.values()))), seed=seed)


def difference_intervals(scores: PerDocument, others: PerDocument, seed: int = 0) -> dict[str, Interval]:
    """Return the interval of the mean difference, `scores` minus `others`, documents paired."""
    return mean_intervals({name: values - others[name] for name, values in scores.items()}, seed)
