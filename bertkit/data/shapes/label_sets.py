"""Texts with any number of labels each: in one cell, or in a column of 0 and 1 for every label."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bertkit.data.column_names import first_named
from bertkit.data.columns import ColumnChoice, Wanted, has_column, resolve_columns, there_are
from bertkit.data.label_sets import FLAGS, are_sets, flag_of, is_listed, labels_in
from bertkit.data.records import BadRow, ColumnMap, Example, LabelSet, Row
from bertkit.data.row_cells import LabelRules, RowShape, missing_label, refuse_rejected, texts_of
from bertkit.data.shape_names import CLASSES, LABEL_SETS, Tasks, word_of
from bertkit.data.values import RowError, field_of
from bertkit.errors import DataError
from bertkit.plain import listed

SET_NAMES = (
    *("labels", "tags", "topics", "categories", "genres", "emotions", "keywords", "classes", "genre", "topic"),
    *("레이블들", "태그", "주제", "장르", "키워드", "감정들"),
)
"""What columns of several labels are called, beside the usual names of labels."""
_ROWS_AHEAD = 1000
_NUMBERS_ROWS = re.compile(r"(?:^|[\W_])(?:id|ids|idx|index)$|(?<=[a-z])(?:Id|ID)$", re.IGNORECASE)


class LabelSets(RowShape):
    """Texts, pairs or several columns, with any number of labels: multilabel."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find texts and labels; the choice names columns of 0 and 1 where `with_flags` found some."""
        chosen = wanted.chosen(names)
        known = None if wanted.stored is None else replace(wanted.stored, labels=())
        of_texts = replace(wanted, choice=replace(chosen, labels=()), stored=known, need_label=False)
        found = resolve_columns(names, of_texts, need_pair=wanted.needs_pair)
        if chosen.labels:
            return replace(found, label=None, labels=chosen.labels)
        if found.label is None:
            free = [name for name in names if name not in found.inputs]
            found = replace(found, label=first_named(free, SET_NAMES))
        if found.label is None and wanted.need_label:
            raise DataError(
                f"no column for the labels: {there_are(names)}; name one (--columns label=COLUMN, its cells as a|b or "
                "JSON lists), or a column of 0 and 1 for each label (label=COLUMN+COLUMN)."
            )
        return found

    def example(
        self, row: Row, columns: ColumnMap, source: str, *, spec: LabelRules | None, need_label: bool
    ) -> Example:
        """Make a set of labels; a cell that is no list is parted when all were seen (`data.label_sets`)."""
        return _label_set(row, columns, source, need_label)


def _label_set(row: Row, columns: ColumnMap, source: str, need_label: bool) -> LabelSet:
    texts = texts_of(row, columns)
    if columns.label is not None or columns.labels:
        refuse_rejected(row.fields)
    if columns.labels:
        flags = [(name, field_of(row.fields, name)) for name in columns.labels]
        lacking = next((name for name, cell in flags if cell is None), None)
        if lacking is None:
            labels = tuple(name for name, cell in flags if flag_of(cell or "", name))
            return LabelSet(texts, None, row.line, source, labels=labels)
        if need_label:
            raise RowError(missing_label(None, lacking))
        return LabelSet(texts, None, row.line, source)
    cell = None if columns.label is None else field_of(row.fields, columns.label)
    if cell is None:
        if need_label:
            raise RowError(missing_label(None, columns.label))
        return LabelSet(texts, None, row.line, source)
    if is_listed(cell):
        labels_in(cell, "")  # a list that cannot be read is a fault of this row
    return LabelSet(texts, cell.strip(), row.line, source)


def with_flags(
    rows: Iterator[Row | BadRow], choice: ColumnChoice | None, known: ColumnMap | None
) -> tuple[ColumnChoice | None, Iterator[Row | BadRow]]:
    """Name the columns of 0 and 1 that hold labels, where neither a person nor a column's name says what does.

    Args:
        rows: of a table, from the first on.
        choice: what `--columns` said.
        known: the columns that a run was trained with, or that another split has.

    Returns:
        `choice` with these columns, and the rows from the first on.
    """
    if choice is not None and (choice.label or choice.labels):
        return choice, rows
    ahead = list(itertools.islice(rows, _ROWS_AHEAD))
    again = itertools.chain(ahead, rows)
    good = [row for row in ahead if isinstance(row, Row)]
    if not good:
        return choice, again
    names = list(good[0].fields)
    if known is not None and known.labels and all(has_column(names, name) for name in known.labels):
        return replace(choice or ColumnChoice(), labels=known.labels), again
    try:
        found = LabelSets().resolve(names, Wanted(choice, stored=known, need_label=False))
    except DataError:
        return choice, again
    flags = () if found.label is not None else _flag_columns(good, found.inputs)
    return (replace(choice or ColumnChoice(), labels=flags) if flags else choice), again


def tell_label_sets(rows: Sequence[Row], choice: ColumnChoice | None) -> bool:
    """Tell from a table's first rows whether they have sets of labels, where nobody said so."""
    if choice is not None and choice.labels:
        return True
    try:
        found = LabelSets().resolve(list(rows[0].fields), Wanted(choice, need_label=False))
        if found.label is None:
            return bool(_flag_columns(rows, found.inputs))
        return are_sets([cell for row in rows if (cell := field_of(row.fields, found.label or ""))])
    except (DataError, RowError):
        return False


def why_label_sets(columns: ColumnMap, tasks: Tasks) -> str:
    """Say why rows are taken for sets of labels, where nobody said so."""
    task = f"task: {word_of(LABEL_SETS, tasks)}, because"
    if columns.labels:
        return f"{task} the columns {listed(columns.labels, joint=' and ')} hold 0 and 1"
    return f"{task} rows have several labels (--task {word_of(CLASSES, tasks)} takes each combination for one label)"


def _flag_columns(rows: Sequence[Row], taken: Sequence[str]) -> tuple[str, ...]:
    """Return the columns whose cells are all 0 or 1, where there are two or more; some cell is filled in each."""
    names = [name for name in rows[0].fields if name not in taken and not _NUMBERS_ROWS.search(name)]
    found = []
    for name in names:
        cells = {(row.fields.get(name) or "").strip().casefold() for row in rows}
        if cells <= FLAGS and cells != {""}:
            found.append(name)
    return tuple(found) if len(found) > 1 else ()
