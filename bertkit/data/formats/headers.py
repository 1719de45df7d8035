"""Whether lines are a table, what parts their fields, and whether the first of them names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence, Set

from bertkit.data.column_names import HEADER_NAMES, column_name, folded
from bertkit.data.numerals import is_number
from bertkit.data.tagged.schemes import is_tag

Knows = Callable[[Sequence[str]], bool]
"""Tells whether the columns of these names are what the reader wants."""

DELIMITERS = ("\t", ",", ";", "|")
# What the first line of a table may be where nothing stands below it yet.
_LONG_NAME = 30
_NAME_WORDS = 3
# What stands in one of so many rows is no name of its column.
_OFTEN = 20


def known_delimiter(full: Sequence[str], knows: Knows) -> str | None:
    """Return what parts the fields of a table whose first line names the columns that are wanted.

    A sentence with commas may hold such names by chance, so most of the lines below must
    have as many fields; where there are none yet, the fields must look like names.
    """
    for delimiter in DELIMITERS:
        if delimiter not in full[0]:
            continue
        rows = below_title(cut_rows(full, delimiter))
        first, below = rows[0], rows[1:]
        as_wide = sum(len(row) == len(first) for row in below)
        fits = 2 * as_wide >= len(below) if below else all(map(_is_name, first))
        if fits and _could_name(first) and knows(names_of(first)):
            return delimiter
    return None


def may_be_table(full: Sequence[str], knows: Knows) -> bool:
    """Tell whether lines of plain text might be a table: its first line knows the columns, or all are cut alike."""
    if full and knows(names_of(full[:1])):
        return True
    for delimiter in DELIMITERS:
        if not full or delimiter not in full[0]:
            continue
        rows = cut_rows(full, delimiter)
        alike = len(rows) > 1 and {len(row) for row in rows} == {len(rows[0])}
        # Behind the commas of prose there are spaces.
        if _could_name(rows[0]) and (knows(names_of(rows[0])) or (alike and all(map(_is_bare_name, rows[0])))):
            return True
    return False


def looks_tsv(full: Sequence[str], hint: str | None) -> bool:
    """Tell whether most lines have the tabs of the first one."""
    tabs = full[0].count("\t")
    if tabs == 0:
        return False
    as_wide = sum(line.count("\t") >= tabs for line in full)
    return hint == "tsv" or 2 * as_wide > len(full)


def csv_delimiter(lines: Sequence[str]) -> str:
    """Return the comma of a csv, or the semicolon of some spreadsheets' exports, or the bar of some databases'."""
    first = next((line for line in lines if line.strip()), "")
    return next((other for other in ";|" if other in first and "," not in first), ",")


def looks_csv(full: Sequence[str], delimiter: str, hint: str | None) -> bool:
    """Prose has commas too, so a file not called csv must name two columns we know."""
    rows = cut_rows(full, delimiter)
    named = len(_header_words(rows[0])) >= 2
    consistent = len(rows[0]) >= 2 and all(len(row) == len(rows[0]) for row in rows)
    return named or (hint == "tsv" and consistent)


def cut_rows(full: Sequence[str], delimiter: str) -> list[list[str]]:
    """Parse the sampled lines leniently; a record cut off at the end of the sample is left out."""
    if delimiter == "\t":
        return [line.split(delimiter) for line in full]
    try:
        rows = list(csv.reader(io.StringIO("\n".join(full), newline=""), delimiter=delimiter))
    except csv.Error:
        rows = [line.split(delimiter) for line in full]
    return rows[:-1] if len(rows) > 2 else rows


def below_title(rows: list[list[str]]) -> list[list[str]]:
    """Leave out a line above the header that has one field alone and commas behind it, as a sheet's title does."""
    if len(rows) < 2 or len(rows[0]) < 2 or any(rows[0][1:]) or len(rows[1]) != len(rows[0]):
        return rows
    return rows[1:] if len(_header_words(rows[1])) > 0 and sum(map(bool, rows[1])) > 1 else rows


def names_of(cells: Sequence[str]) -> list[str]:
    """Bring the cells of a header to the form in which names are compared."""
    return [column_name(cell) for cell in cells]


def has_header(rows: Sequence[Sequence[str]], expected: Set[str]) -> bool:
    """Take the first row for a header unless it is plainly a row like those below it.

    A number at the top of a column of numbers says there is no header; a number above a
    column of text ("0", "1", … as pandas writes them) says there is one.
    """
    first, below = rows[0], rows[1:]
    if expected:
        return any(column_name(name).casefold() in expected for name in first)
    if any(" " in cell and all(map(is_tag, cell.split())) for cell in first):
        return False
    if _header_words(first) or not below:
        return True
    numeric = [column for column, name in enumerate(first) if is_number(name)]
    for column in numeric:
        values = [row[column] for row in below if column < len(row)]
        if 2 * sum(is_number(value) for value in values) < len(values):
            return True
    return not numeric and not _comes_again(first, below)


def _comes_again(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Tell whether a cell of the first row is one of the values of its column: a class above others, and no name."""
    others = [row for row in below if list(row) != list(first)]
    for column, name in enumerate(first):
        same = sum(column < len(row) and row[column] == name for row in others)
        if name.strip() and same > 1 and _OFTEN * same >= len(others):
            return True
    return False


def _header_words(names: Sequence[str]) -> set[str]:
    return {folded(column_name(name)) for name in names} & HEADER_NAMES


def _could_name(cells: Sequence[str]) -> bool:
    """Names are no numbers, which are what a table without a header has, and none stands there twice."""
    names = [name for name in names_of(cells) if name]
    return len(set(names)) == len(names) and not all(map(is_number, names))


def _is_name(cell: str) -> bool:
    return len(cell) <= _LONG_NAME and len(cell.split()) <= _NAME_WORDS


def _is_bare_name(cell: str) -> bool:
    return _is_name(cell) and bool(cell) and cell == cell.strip()
