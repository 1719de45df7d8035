"""What extractive and matching share: both choose sentences, and are scored by what these say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from bertkit.data.records import Example
from bertkit.documents.rouge import score_corpus
from bertkit.errors import DataError
from bertkit.tasks.base import Interval, NothingToLearnError, Outputs, Scores, TaskSettings
from bertkit.tasks.document_text import CHOSEN, reference_of
from bertkit.tasks.summary_scores import (
    Extract,
    PerDocument,
    SummaryScorer,
    difference_intervals,
    mean_intervals,
    mean_scores,
)
from bertkit.tokenization.base import Tokenizer

if TYPE_CHECKING:
    from bertkit.models.heads import TaskModel

# References that are looked at before training for whether ROUGE can read them.
_SAMPLE = 50
# Share of documents of which a model may take just the first sentences without being asked about it.
_NEARLY_ALL = 0.99


class SummaryTask:
    """The half of a task that reads `Extract`s: records, scores, mistakes.

    Args:
        settings: columns and how rows are encoded.
        tokenizer: the encoder's tokenizer.
    """

    method: ClassVar[str]
    """What `summarize` calls it."""

    def __init__(self, settings: TaskSettings, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self._scorer = SummaryScorer()

    def record(self, example: Example, output: Extract, top_k: int) -> dict[str, Any]:
        """Return the chosen sentences with their places, and the summary they make."""
        sentences: list[dict[str, Any]] = []
        for index in output.chosen:
            sentence = output.sentences[index]
            place = {"index": index, "start": sentence.start, "end": sentence.end, "text": sentence.text}
            sentences.append({**place, "score": round(output.scores[index], 6)})
        summary = "\n".join(sentence["text"] for sentence in sentences)
        return {"source": example.source, "method": self.method, "sentences": sentences, "summary": summary}

    def record_fields(self, top_k: int) -> list[str]:
        """Name the keys of a record."""
        return ["source", "method", "sentences", "summary"]

    def score(self, examples: Sequence[Example], outputs: Outputs) -> Scores:
        """Return the mean ROUGE F1 of the summaries, and how it was computed."""
        metrics = mean_scores(self._per_document(examples, outputs))
        signature = self._scorer.signature(examples) if examples else ""
        return Scores(metrics, warnings=tuple(_doubts(outputs)), signature=signature)

    def intervals(self, examples: Sequence[Example], outputs: Outputs) -> Mapping[str, Interval]:
        """Return the bootstrap interval of each metric, over documents."""
        return mean_intervals(self._per_document(examples, outputs))

    def difference(self, examples: Sequence[Example], outputs: Outputs, others: Outputs) -> Mapping[str, Interval]:
        """Return the interval of each metric's difference, `outputs` minus `others`."""
        return difference_intervals(self._per_document(examples, outputs), self._per_document(examples, others))

    def settle(self, model: TaskModel) -> None:
        """Nothing to settle: scores are only compared."""

    def mistakes(self, examples: Sequence[Example], outputs: Outputs) -> list[tuple[int, dict[str, Any]]]:
        """Return (row, what was chosen and its ROUGE) for all documents, the furthest from their references first."""
        scores = self._per_document(examples, outputs)
        found = []
        for i, output in enumerate(outputs):
            figures = {name: round(float(values[i]), 6) for name, values in scores.items()}
            found.append((i, {**figures, "chosen": list(output.chosen), "summary": output.lines}))
        return sorted(found, key=lambda row: float(row[1]["rouge1"]))

    def _per_document(self, examples: Sequence[Example], outputs: Outputs) -> PerDocument:
        return self._scorer.per_document(examples, outputs)


def check_references(examples: Sequence[Example]) -> None:
    """Refuse training rows that no summary can be scored on, before anything is computed.

    Raises:
        DataError: there are no rows, a row has no reference, or ROUGE cannot read their language.
    """
    if not examples:
        raise DataError("there are no documents to learn from.")
    references = [reference_of(example) for example in examples[:_SAMPLE]]
    score_corpus(references, references)


def refuse_nothing(kept: int, examples: Sequence[Example], what: str) -> None:
    """Refuse training rows of which nothing can be learnt.

    Raises:
        NothingToLearnError: no row was kept.
    """
    if not kept:
        source = examples[0].source if examples else "the training rows"
        raise NothingToLearnError(f"{source}: {what}, so there is nothing to learn; are the columns the right ones?")


def _doubts(outputs: Outputs) -> list[str]:
    longer = [output for output in outputs if len(output.sentences) > CHOSEN]
    leads = sum(output.chosen == tuple(range(CHOSEN)) for output in longer)
    if len(longer) < 10 or leads < _NEARLY_ALL * len(longer):
        return []
    return [f"the model takes the first {CHOSEN} sentences of nearly every document: it has learned no more than lead"]
