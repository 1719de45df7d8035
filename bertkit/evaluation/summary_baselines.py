"""What summaries stand beside: the first sentences, and the best that sentences can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bertkit.data.records import Example
from bertkit.documents.sentences import Sentence
from bertkit.evaluation.baseline_files import damaged, read_baseline_files, write_baseline_files
from bertkit.tasks.document_text import CHOSEN, oracle_of, reference_of, sentences_of
from bertkit.tasks.summary_scores import Extract


@dataclass(frozen=True)
class SummaryBaselines:
    """`lead`, the first three sentences, and `oracle`, the greedy choice by the reference itself."""

    def predict(self, examples: Sequence[Example]) -> dict[str, list[Extract]]:
        """Answer documents with each.

        Raises:
            DataError: a document has no reference.
        """
        answers: dict[str, list[Extract]] = {"lead": [], "oracle": []}
        for example in examples:
            sentences = sentences_of(example)
            answers["lead"].append(_extract(sentences, tuple(range(min(CHOSEN, len(sentences))))))
            answers["oracle"].append(_extract(sentences, oracle_of(sentences, reference_of(example))))
        return answers

    def save(self, directory: Path) -> None:
        """Write to a folder that there is nothing to remember."""
        write_baseline_files(directory, {"task": "summaries", "sentences": CHOSEN}, {})


def load_summary_baselines(directory: Path) -> SummaryBaselines:
    """Load what `save` wrote.

    Raises:
        RunError: a file is missing or damaged.
    """
    facts, _ = read_baseline_files(directory)
    if facts.get("task") != "summaries":
        raise damaged(directory)
    return SummaryBaselines()


def _extract(sentences: tuple[Sentence, ...], chosen: tuple[int, ...]) -> Extract:
    return Extract(sentences, tuple(float(i in chosen) for i in range(len(sentences))), chosen)
