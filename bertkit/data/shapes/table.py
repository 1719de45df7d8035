"""What the rows of a table are made into, by task: examples, questions, documents, tagged or plain texts.

A shape finds its columns and turns rows into records; loading and prediction know no more
of the tasks than this.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice
from bertkit.data.faults import Faults
from bertkit.data.label_kinds import NOTES, are_scores, like_known, respelt, spelling_of
from bertkit.data.label_sets import part_rows
from bertkit.data.numerals import is_score, score_fault
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.shapes.documents import Documents, looks_summarized
from bertkit.data.shapes.label_sets import LabelSets, tell_label_sets
from bertkit.data.shapes.labelled import LabelledTexts
from bertkit.data.shapes.plain import PlainTexts
from bertkit.data.shapes.questions import Questions, find_choice_columns
from bertkit.data.shapes.tagged import TaggedTexts, looks_tagged
from bertkit.errors import DataError

_ROWS_LOOKED_AT = 20
# A table of entities may begin with many texts that have none.
_MOST_LOOKED_AT = 10_000
# Rows whose labels are looked at for several in one.
_ENOUGH_LABELS = 1000
# Tasks whose labels are classes or scores.
LABELLED = ("classify", "regression")
_ARE_THEY_CLASSES = "; nearly all others are (if they are classes, --task classify)"


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
        case "multilabel":
            return LabelSets()
        case "mlm":
            return PlainTexts()
        case "extractive" | "matching":
            return Documents()
        case _:
            return LabelledTexts()


def guess_task(rows: Iterator[Row | BadRow], choice: ColumnChoice | None) -> tuple[str | None, Iterator[Row | BadRow]]:
    """Tell from a table's first rows whether it holds questions, entities, summaries or sets of labels.

    Returns:
        "choice", "ner", "extractive", "multilabel", or None where it is none of them, and the rows
        from the first on.
    """
    ahead = list(itertools.islice(rows, _ROWS_LOOKED_AT))
    again = itertools.chain(ahead, rows)
    good = [row for row in ahead if isinstance(row, Row)]
    if not good:
        return None, again
    if choice is not None and (choice.choices or choice.pair is not None):
        return ("choice" if choice.choices else None), again
    if choice is not None:
        return _sets_or_none(ahead, rows, choice)
    names = list(good[0].fields)
    try:
        if find_choice_columns(names) is not None:
            return "choice", again
    except DataError:
        return None, again
    tagged = looks_tagged(good)
    while tagged is None and len(ahead) < _MOST_LOOKED_AT and (more := list(itertools.islice(rows, len(ahead)))):
        ahead += more
        tagged = looks_tagged(row for row in more if isinstance(row, Row))
    again = itertools.chain(ahead, rows)
    if tagged:
        return "ner", again
    if looks_summarized(names):
        return "extractive", again
    return _sets_or_none(ahead, rows, None)


def _sets_or_none(
    ahead: list[Row | BadRow], rows: Iterator[Row | BadRow], choice: ColumnChoice | None
) -> tuple[str | None, Iterator[Row | BadRow]]:
    """Look at more rows, for few may have several labels."""
    ahead = [*ahead, *itertools.islice(rows, max(0, _ENOUGH_LABELS - len(ahead)))]
    good = [row for row in ahead[:_ENOUGH_LABELS] if isinstance(row, Row)]
    return ("multilabel" if tell_label_sets(good, choice) else None), itertools.chain(ahead, rows)


def decide_task(
    task: str,
    loaded: Mapping[str, Sequence[Example]],
    *,
    known: Sequence[str] = (),
    respell: bool = True,
    lost: Faults | None = None,
) -> tuple[str, dict[str, tuple[Example, ...]], tuple[str, ...]]:
    """Give the task word, the rows with their labels spelt alike, and notes of what was decided.

    Args:
        task: the task word, or "auto" to let the labels say.
        loaded: rows by split.
        known: the labels of the run that reads the rows; numbers equal to them are spelt as they are.
        respell: whether labels may be spelt otherwise than they stand there.
        lost: gathers rows whose label is no number where scores are learnt; None: they are errors.

    Raises:
        DataError: the task is regression and a label is no number.
    """
    if task == "multilabel":
        rows, notes = part_rows(loaded, known)
        return task, rows, notes
    rows = {split: tuple(examples) for split, examples in loaded.items()}
    if task not in ("auto", *LABELLED):
        return task, rows, ()
    labels = {example.label for examples in rows.values() for example in examples if example.label is not None}
    # A run that learnt two spellings as two labels is asked for both.
    is_known = bool(known) and labels <= set(known)
    spelling = spelling_of(labels, of_scores=task == "regression") if respell and not is_known else "as written"
    decided = task if task != "auto" else "regression" if are_scores(labels) else "classify"
    notes = (NOTES[spelling],) if spelling in NOTES else ()
    if spelling != "as written":
        rows = _relabelled(rows, lambda label: respelt(label, spelling))
        labels = {respelt(label, spelling) for label in labels}
    if known and decided == "classify":
        rows = _relabelled(rows, lambda label: like_known(label, known))
    if decided == "regression" and lost is not None:
        rows = {split: tuple(_scored(examples, lost)) for split, examples in rows.items()}
    elif decided == "regression":
        _require_numbers(rows, doubt="" if task != "auto" else _ARE_THEY_CLASSES)
    if task == "auto":
        notes = (*notes, reason_of(decided, len(labels)))
    return decided, rows, notes


def reason_of(task: str, different: int | None = None) -> str:
    """Say why labels make a classification or a regression, where nobody said."""
    if task == "regression":
        return "task: regression, for all labels are numbers and not all are whole"
    count = "" if different is None else f" ({different} different)"
    return f"task: classify, for the labels are words or whole numbers{count}"


def _relabelled(rows: Mapping[str, Sequence[Example]], spell: Callable[[str], str]) -> dict[str, tuple[Example, ...]]:
    return {
        split: tuple(
            example
            if example.label is None or (new := spell(example.label)) == example.label
            else replace(example, label=new)
            for example in examples
        )
        for split, examples in rows.items()
    }


def _scored(examples: Sequence[Example], lost: Faults) -> Iterator[Example]:
    """Hand on rows with a score, and count the others."""
    for example in examples:
        if example.label is None or is_score(example.label):
            yield example
        else:
            lost.note(example.source, [BadRow(example.line, score_fault(example.label))])


def _require_numbers(loaded: Mapping[str, Sequence[Example]], *, doubt: str) -> None:
    for examples in loaded.values():
        for example in examples:
            if example.label is not None and not is_score(example.label):
                raise DataError.at(example.source, example.line, f"{score_fault(example.label)}{doubt}.")
