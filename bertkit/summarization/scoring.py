"""Summaries beside references: ROUGE with its signature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bertkit.documents.rouge import highlight_lines, resolve_mode, score_pair, signature
from bertkit.documents.sentences import split_sentences
from bertkit.errors import DataError
from bertkit.summarization.documents_in import REFERENCES, Note, read_documents
from bertkit.summarization.records import Rouge, SourceText, on_lines

FIGURES = ("rouge1", "rouge2", "rougeLsum")


def read_references(names: Sequence[str], note: Note = lambda _: None) -> Iterator[str]:
    """Iterate the references of files: a text file is one, a table holds one on each row.

    Raises:
        DataError: a file or a row of it cannot be read.
    """
    for item in read_documents(names, columns=REFERENCES, note=note):
        if not isinstance(item, SourceText):
            raise DataError.at(item.source, item.line, f"{item.message}; a reference is expected here.")
        if not item.text.strip():
            raise DataError.at(item.source, item.line, "the reference is empty.")
        yield item.text


def score_summary(summary: str, reference: str, mode: str = "auto") -> Rouge:
    """Return the ROUGE of a summary; for Lsum the sentences of both texts are put on lines.

    Raises:
        DataError: the tokenization ignores more than half of the characters.
        TokenizerError: the mode needs a package that is not installed.
        UnknownNameError: there is no such tokenization.
    """
    reference, summary = _reference_lines(reference), on_lines(split_sentences(summary)) or summary
    mode = resolve_mode(mode, (reference, summary))
    scores = score_pair(reference, summary, mode)
    return Rouge(scores.rouge1, scores.rouge2, scores.rougeLsum, signature(mode), scores.ignored_share)


def mean_sentence(scores: Sequence[Rouge]) -> str:
    """Say the mean of many documents' scores, by signature, for scores of different ones cannot be compared."""
    parts = []
    for used in dict.fromkeys(score.signature for score in scores):
        own = [score for score in scores if score.signature == used]
        means = ", ".join(f"{name} {_mean(getattr(score, name) for score in own):.4f}" for name in FIGURES)
        parts.append(f"mean of {len(own):,} documents: {means} ({used})")
    return "; ".join(parts)


def _reference_lines(reference: str) -> str:
    if "<s>" in reference and "</s>" in reference:  # as CNN/DailyMail marks them
        return highlight_lines(reference)
    return on_lines(split_sentences(reference)) or reference


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)
