"""What the rows of a table are made into, by task: examples, questions, documents, tagged or plain texts.

A shape finds its columns and turns rows into records; loading and prediction know no more
of the tasks than this.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice, resolve_columns, to_examples
from bertkit.data.documents_shape import document_row, find_document_columns, looks_summarized
from bertkit.data.numerals import is_no_finite_number, is_number, is_score, is_whole, score_fault
from bertkit.data.questions import find_choice_columns, missing_choice_columns, question_row
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.tagged_tables import find_tag_columns, looks_tagged, tagged_examples
from bertkit.errors import DataError

_ROWS_LOOKED_AT = 20


class Shape(Protocol):
    """One way to read a table."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        spec: DatasetSpec | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find the columns; the arguments are those of `resolve_columns`.

        Raises:
            DataError: a column is missing; the message lists those that are there.
        """
        ...

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Turn rows into records; one that lacks what it needs becomes a `BadRow`."""
        ...


class LabelledTexts:
    """Texts, pairs or several columns, with a label: classify and regression."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        spec: DatasetSpec | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find texts and label; a run of pairs needs a pair."""
        need_pair = stored is not None and stored.pair is not None
        return resolve_columns(
            names, mapping=mapping, spec=spec, stored=stored, need_label=need_label, need_pair=need_pair
        )

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Make examples."""
        return to_examples(rows, columns, source, need_label=need_label, spec=spec)


class PlainTexts:
    """Texts without labels: mlm. Both texts of a pair are read as one."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        spec: DatasetSpec | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find the texts; a label is not looked for."""
        found = resolve_columns(names, mapping=mapping, spec=spec, stored=stored, need_label=False)
        return ColumnMap(found.inputs)

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Make examples without labels."""
        return to_examples(rows, columns, source, need_label=False)


class Questions:
    """Questions with choices."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        spec: DatasetSpec | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find question, choices and answer."""
        found = find_choice_columns(names, choice=mapping, spec=spec, stored=stored, need_label=need_label)
        if found is None:
            raise missing_choice_columns(names, stored)
        return found

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Make questions."""
        withheld = frozenset() if spec is None else spec.withheld
        for row in rows:
            yield (
                row
                if isinstance(row, BadRow)
                else question_row(row, columns, source, need_label=need_label, withheld=withheld)
            )


class Documents:
    """Long texts with summaries: extractive and matching."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        spec: DatasetSpec | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find text and summary."""
        known = [columns for columns in (stored, None if spec is None else spec.columns) if columns is not None]
        return find_document_columns(names, choice=mapping, known=known, need_summary=need_label)

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Make documents."""
        for row in rows:
            yield row if isinstance(row, BadRow) else document_row(row, columns, source, need_summary=need_label)


class TaggedTexts:
    """Texts with entities.

    Args:
        tag_names: the tags that class ids stand for.
        problems: gathers the entity strings that are not in their texts, whose rows come
            without them; None: such a row is bad.
    """

    def __init__(self, tag_names: Sequence[str] = (), problems: list[BadRow] | None = None) -> None:
        self.tag_names = tag_names
        self.problems = problems

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        spec: DatasetSpec | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find the text and its entities or tags."""
        known = [columns for columns in (stored, None if spec is None else spec.columns) if columns is not None]
        for columns in known:
            if mapping is None and set(columns.text) <= set(names) and (columns.label in names or not need_label):
                return columns
        found = find_tag_columns(names, need_tags=need_label) if mapping is None else None
        return found or resolve_columns(
            names, mapping=mapping, spec=spec, stored=stored if mapping else None, need_label=need_label
        )

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Make tagged texts."""
        return tagged_examples(
            rows, columns, source, need_tags=need_label, tag_names=self.tag_names, problems=self.problems
        )


def shape_of(task: str, *, tag_names: Sequence[str] = (), problems: list[BadRow] | None = None) -> Shape:
    """Return the shape that a task reads."""
    match task:
        case "ner":
            return TaggedTexts(tag_names, problems)
        case "choice":
            return Questions()
        case "mlm":
            return PlainTexts()
        case "extractive" | "matching":
            return Documents()
        case _:
            return LabelledTexts()


def guess_task(rows: Iterator[Row | BadRow], choice: ColumnChoice | None) -> tuple[str | None, Iterator[Row | BadRow]]:
    """Tell from a table's first rows whether it holds questions, entities or summaries.

    Returns:
        "choice", "ner", "extractive", or None where it is none of them, and the rows from the
        first on.
    """
    ahead = list(itertools.islice(rows, _ROWS_LOOKED_AT))
    again = itertools.chain(ahead, rows)
    good = [row for row in ahead if isinstance(row, Row)]
    if not good:
        return None, again
    if choice is not None:
        return ("choice" if choice.choices else None), again
    names = list(good[0].fields)
    try:
        if find_choice_columns(names) is not None:
            return "choice", again
    except DataError:
        return None, again
    if looks_tagged(good):
        return "ner", again
    return ("extractive" if looks_summarized(names) else None), again


def decide_task(task: str, loaded: Mapping[str, Sequence[Example]]) -> tuple[str, tuple[str, ...]]:
    """Give the task word, and a note of how it was found where nobody said.

    Raises:
        DataError: the task is regression and a label is no number.
    """
    if task == "regression":
        _require_numbers(loaded)
    if task != "auto":
        return task, ()
    labels = {example.label for examples in loaded.values() for example in examples if example.label is not None}
    if are_scores(labels):
        _require_numbers(loaded)
        return "regression", ("task: regression, for all labels are numbers and not all are whole",)
    return "classify", (f"task: classify, for the labels are words or whole numbers ({len(labels)} different)",)


def are_scores(labels: Iterable[str]) -> bool:
    """Tell whether labels are scores rather than classes: numbers, not all of them whole.

    A NaN among them is a score that is missing, and no class.
    """
    words = [label for label in labels if not is_no_finite_number(label)]
    return all(map(is_number, words)) and not all(map(is_whole, words))


def _require_numbers(loaded: Mapping[str, Sequence[Example]]) -> None:
    for examples in loaded.values():
        for example in examples:
            if example.label is not None and not is_score(example.label):
                raise DataError.at(example.source, example.line, f"{score_fault(example.label)}.")
