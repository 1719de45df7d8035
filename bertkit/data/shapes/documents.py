"""Documents with reference summaries, as tables have them: which columns, and rows as records.

A document is a text, or a list of sentences where somebody has split it already (as the
preprocessed CNN/DailyMail releases are): `["first one .", "second one ."]`, or a list of
words for each sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from bertkit.data.column_names import DOCUMENT_NAMES, LABEL_NAMES, SUMMARY_NAMES, first_named
from bertkit.data.columns import Wanted, first_there, others, say_which, there_are
from bertkit.data.records import BadRow, ColumnMap, Document, Example, Row
from bertkit.data.row_cells import LabelRules, RowShape, lines_in_objects
from bertkit.data.values import RowError, field_of, missing_column, parse_list
from bertkit.errors import DataError
from bertkit.plain import quoted, shell_words, shortened

# Names that hardly stand over anything but summaries; others need their data to be named.
_TELLING = ("highlights", "abstract", "abstractive")
_NO_DOCUMENT = re.compile(r"(?:^|[\W_])(?:id|idx|no|url|date|title|topic|source|category)s?$", re.IGNORECASE)


def find_document_columns(names: Sequence[str], wanted: Wanted) -> ColumnMap:
    """Find the columns of text and summary: `--columns` first, then known names, then synonyms.

    Args:
        names: the columns that are there.
        wanted: what is looked for; the label is the summary.

    Raises:
        DataError: a column is missing; the message lists those that are there.
    """
    chosen, known = wanted.chosen(names), wanted.known
    if len(chosen.text) > 1 or chosen.pair is not None or chosen.choices:
        raise DataError("a document is one column of text; write --columns like text=article,label=summary.")
    text = next(iter(chosen.text), None) or first_there(names, [c.text[0] for c in known])
    text = text or first_named(others(names, chosen.label), DOCUMENT_NAMES)
    if text is None:
        raise DataError(f"no column is recognised as the document: {there_are(names)}; {_way_on(names)}.")
    label = chosen.label or first_there(names, [c.label for c in known])
    label = label or first_named(others(names, text), SUMMARY_NAMES)
    if wanted.need_label and label is None:
        raise DataError(f"no column is recognised as the summary: {there_are(names)}; {_way_on(names, text)}.")
    return ColumnMap((text,), None, label)


def _way_on(names: Sequence[str], text: str | None = None) -> str:
    """Show `--columns` filled with names of this very table, as far as they can be told."""
    summary = first_named(others(names, text), SUMMARY_NAMES)
    free = (name for name in others(names, summary) if not _NO_DOCUMENT.search(name))
    parts = f"text={text or next(free, 'COLUMN')},label={summary or 'COLUMN'}"
    return say_which(f"--columns {shell_words([shortened(parts, 80)])}")


def looks_summarized(names: Sequence[str]) -> bool:
    """Tell whether a table's columns are those of documents with summaries, and of nothing else."""
    text, label = first_named(names, DOCUMENT_NAMES), first_named(names, LABEL_NAMES)
    return text is not None and label is None and first_named(others(names, text), _TELLING) is not None


def document_row(row: Row, columns: ColumnMap, source: str, *, need_summary: bool) -> Document | BadRow:
    """Make a document of a row; one without text, or without a summary it needs, is a `BadRow`."""
    try:
        return _document(row, columns, source, need_summary=need_summary)
    except RowError as error:
        return BadRow(row.line, str(error))


def _document(row: Row, columns: ColumnMap, source: str, *, need_summary: bool) -> Document:
    (name,) = columns.text
    text = field_of(row.fields, name)
    if text is None:
        raise RowError(missing_column(name))
    written = None if columns.label is None else field_of(row.fields, columns.label)
    summary = "\n".join(_given_sentences(written or "") or [written or ""]).strip()
    if need_summary and not summary:
        what = "missing" if written is None else "empty"
        raise RowError(f"the summary is {what} (column {quoted(columns.label)})")
    lines = lines_in_objects(text)
    if lines is not None and not lines:
        raise RowError(f"the column {quoted(name)} holds objects without a text (sentence, text, utterance)")
    text = text if lines is None else "\n".join(lines)
    sentences = _given_sentences(text)
    if sentences is None:
        return Document((text,), None, row.line, source, summary or None)
    return Document(("\n".join(sentences),), None, row.line, source, summary or None, tuple(sentences))


def _given_sentences(text: str) -> list[str] | None:
    """Read a JSON list of sentences, each a text or a list of words; None where the text is no such list."""
    if not text.lstrip().startswith("["):
        return None
    found = parse_list(text)
    if not isinstance(found, list):
        return None
    sentences = [_joined(sentence) for sentence in found]
    # A line break would be taken for the end of a sentence.
    return None if None in sentences else [" ".join(s.split()) for s in sentences if s and s.strip()]


def _joined(sentence: Any) -> str | None:
    if isinstance(sentence, str):
        return sentence
    is_words = isinstance(sentence, list) and all(isinstance(word, str) for word in sentence)
    return " ".join(sentence) if is_words else None


class Documents(RowShape):
    """Long texts with summaries: extractive and matching."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find text and summary."""
        return find_document_columns(names, wanted)

    def example(
        self, row: Row, columns: ColumnMap, source: str, *, spec: LabelRules | None, need_label: bool
    ) -> Example:
        """Make a document."""
        return _document(row, columns, source, need_summary=need_label)
