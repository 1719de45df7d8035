"""extractive with a scorer of sets: the task of the model that comes with bertkit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bertkit.documents.summary_sets import SetScorer, set_figures, summary_sets
from bertkit.tasks.base import EncodedRow, TaskSettings
from bertkit.tasks.salience import SalienceTask, part_sentences
from bertkit.tasks.summary_scores import Extract
from bertkit.tokenization.base import Tokenizer


class SetChoiceTask(SalienceTask):
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
        words = [sentence.text.lower().split() for sentence in sentences]
        merits = self.set_scorer(set_figures(sets, figures, words))
        ranked = tuple(sets[i] for i in np.argsort(-merits, kind="stable"))
        wanted = [min(size, len(sentences)) for size in self.sizes]
        chosen = next(found for found in ranked if len(found) in wanted)
        return Extract(sentences, figures, chosen, ranked)
