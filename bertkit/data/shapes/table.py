"""What the rows of a table are made into, by task: examples, questions, documents, tagged or plain texts.

A shape finds its columns and turns rows into records; loading and prediction know no more
of the tasks than this.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice
from bertkit.data.numerals import is_no_finite_number, is_number, is_score, is_whole, score_fault
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.shapes.documents import Documents, looks_summarized
from bertkit.data.shapes.labelled import LabelledTexts
from bertkit.data.shapes.plain import PlainTexts
from bertkit.data.shapes.questions import Questions, find_choice_columns
from bertkit.data.shapes.tagged import TaggedTexts, looks_tagged
from bertkit.errors import DataError

_ROWS_LOOKED_AT = 20


class Shape(Protocol):
    """One way to read a table."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        usual: ColumnMap | None,
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
