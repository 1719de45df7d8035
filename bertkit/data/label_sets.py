"""Sets of labels in one cell: where they are parted, told from all cells, and what a cell then holds.

`a|b`, `a;b` and `a,b` are parted at the mark that the cells use; a JSON list (as Python and numpy
write one, too) needs no telling, and neither do an object of 0 and 1 by label (spaCy's `cats`)
and Label Studio's `{"choices": […]}`. An empty cell is a row without a label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from bertkit.data.records import Example, LabelSet
from bertkit.data.values import RowError, parse_list, value_text
from bertkit.plain import quoted

MARKS = ("|", ";", ",")
# A mark that stands in fewer of the cells with any mark is part of a label.
_USUAL = 0.05
# Of cells that nobody said are sets, this share must be parted before they are taken for some.
_MANY = 0.2
_NUMBER = re.compile(r"\s*[+-]?\d+(?:,\d+)*(?:\.\d+)?\s*%?\s*", re.ASCII)
_CLASS_ID = re.compile(r"0|[1-9]\d?", re.ASCII)
_YES = frozenset({"1", "1.0", "true", "yes", "y", "t"})
_NO = frozenset({"", "0", "0.0", "false", "no", "n", "f"})
_BITS = frozenset({"0", "1", "0.0", "1.0"})
PLACES = "0/1"
"""Stands for a mark where cells are lists of 0 and 1, each place of which is a label."""
FLAGS = frozenset({"0", "1", "0.0", "1.0", "true", "false", ""})
"""What columns hold that are taken for labels without being named, in lower case."""


def mark_of(cells: Iterable[str], known: Sequence[str] = ()) -> str:
    """Return the mark at which cells are parted; empty where each is one label or a list, `PLACES` where lists are 0/1.

    Args:
        cells: as the file has them.
        known: the labels of the run that reads them; the mark is then the one that finds most of them.
    """
    cells = set(cells)
    if _are_vectors(cells):
        return PLACES
    plain = {cell for cell in cells if not is_listed(cell)}
    if known:
        names = set(known)
        parts = {mark: [part for cell in plain for part in parted(cell, mark)] for mark in ("", *MARKS)}
        return max(parts, key=lambda mark: sum(part in names for part in parts[mark]))
    holding = {mark: sum(mark in cell for cell in plain) for mark in MARKS}
    with_any = sum(any(mark in cell for mark in MARKS) for cell in plain)
    return next((mark for mark, count in holding.items() if count and count >= _USUAL * with_any), "")


def are_sets(cells: Sequence[str]) -> bool:
    """Tell whether cells that nobody said are sets of labels look like some.

    They do where a list holds several labels; or where many are parted at a mark, and the parts
    are combined: there are fewer of them than of different cells ("yes, probably" and "no" are
    two labels with three parts, and so are no sets). Of numbers with commas, more is asked.
    """
    listed = [cell for cell in cells if is_listed(cell)]
    if any(map(_is_refused, listed)):
        return False  # of an object with other values, one counts: whoever reads it names it
    if any(len(_several(cell)) > 1 for cell in listed):
        return True
    plain = [cell for cell in cells if cell.strip() and not is_listed(cell)]
    mark = mark_of(plain)
    if mark == "," and all(_NUMBER.fullmatch(part) for cell in plain for part in parted(cell, mark)):
        return _are_number_sets(plain)
    if not mark:
        return False
    different = set(plain)
    if sum(mark in cell for cell in plain) < _MANY * len(plain):
        # Few are parted; where all their parts are labels that stand alone, they are sets nevertheless.
        return all(part in different for cell in different if mark in cell for part in parted(cell, mark))
    parts = {part for cell in different for part in parted(cell, mark)}
    # A bar or a semicolon is hardly part of a label: one that comes alone and in a combination is enough.
    combined = {part for cell in different if mark in cell for part in parted(cell, mark)}
    return len(parts) < len(different) or (mark != "," and not combined.isdisjoint(different))


def is_listed(cell: str) -> bool:
    """Tell whether a cell holds a JSON list or object."""
    return cell.lstrip().startswith(("[", "{"))


def labels_in(cell: str, mark: str) -> tuple[str, ...]:
    """Return the labels that a cell holds, each once, in its order.

    Raises:
        RowError: it is a list of lists, or an object that is no choice of labels.
    """
    if is_listed(cell):
        found = parse_list(cell.strip())
        if mark == PLACES and isinstance(found, list):
            return tuple(str(place) for place, flag in enumerate(found) if value_text(flag).strip() in _YES)
        if found is not None:
            return _unique(_listed(found))
    return parted(cell, mark)


def parted(cell: str, mark: str) -> tuple[str, ...]:
    """Part a cell at a mark; blanks around labels are dropped."""
    return _unique(cell.split(mark) if mark else [cell])


def flag_of(cell: str, column: str) -> bool:
    """Read a cell of a column of 0 and 1.

    Raises:
        RowError: it holds neither.
    """
    word = cell.strip().casefold()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise RowError(f"{quoted(cell.strip())} is neither 0 nor 1 (column {quoted(column)})")


def part_row(row: Example, mark: str) -> Example:
    """Part the cell of a row; one whose labels are known, or that has none to know, stays as it is."""
    if not isinstance(row, LabelSet) or row.labels is not None or row.label is None:
        return row
    return replace(row, label=None, labels=_cell_labels(row.label, mark))


def how_read(sets: Iterable[Sequence[str]], mark: str | None, are_lists: bool) -> str:
    """Say how labels were read, and of how many kinds of rows there are; nothing where no row's labels are known.

    Args:
        sets: the labels of each row.
        mark: where cells were parted; empty: nowhere; None: there are no cells, but columns of 0 and 1.
        are_lists: whether cells are lists.
    """
    counts, names = Counter[int](), set[str]()
    for labels in sets:
        counts[min(len(labels), 2)] += 1
        names.update(labels)
    if not counts:
        return ""
    different, several, none, rows = len(names), counts[2], counts[0], counts.total()
    ways = {
        None: "one column of 0 and 1 each",
        PLACES: "lists of 0 and 1, each place a label that goes by its number from 0 on",
        "": "JSON lists" if are_lists else f"one a cell, for none holds {' or '.join(map(quoted, MARKS))}",
    }
    way = ways.get(mark, f"parted at {quoted(mark or '')}{' or JSON lists' if are_lists else ''}")
    more = "; write JSON lists where a label holds that character" if mark and mark != PLACES else ""
    return f"labels: {way} ({different:,} different; {several:,} of {rows:,} rows have several, {none:,} none){more}"


def _are_vectors(cells: Iterable[str]) -> bool:
    """Tell lists of 0 and 1 with a place for each label, in which a number comes twice, from lists of class ids."""
    lengths, repeats = set(), False
    for cell in cells:
        found = parse_list(cell.strip()) if is_listed(cell) else None
        words = [value_text(item).strip() for item in found] if isinstance(found, list) else []
        if len(words) < 2 or not set(words) <= _BITS:
            return False
        lengths.add(len(words))
        repeats = repeats or len(set(words)) < len(words)
    return len(lengths) == 1 and repeats


def _are_number_sets(cells: Sequence[str]) -> bool:
    """Tell sets of numbered labels (2,4 beside 2 and 4) from decimal commas and commas between thousands.

    Each part is also a label that stands alone, none comes twice in a cell, and all cells are in one
    order; scores from 1 to 5 with one decimal have 2,2, or 3,1 beside 1,3. Halves (1,5 beside 2,5) are scores.
    """
    several = {cell for cell in cells if "," in cell}
    alone = {cell.strip() for cell in cells} - several
    parts = {cell: [part.strip() for part in cell.split(",")] for cell in several}
    if any(len(own) > 2 and len(set(own)) == len(own) and all(map(_CLASS_ID.fullmatch, own)) for own in parts.values()):
        return True
    if not all(part in alone and _CLASS_ID.fullmatch(part) for own in parts.values() for part in own):
        return False
    if any(len(set(own)) < len(own) for own in parts.values()):
        return False
    if any(", " in cell for cell in several):
        return True
    numbers = [list(map(int, own)) for own in parts.values()]
    return {own[-1] for own in numbers} != {5} and len({own == sorted(own) for own in numbers}) == 1


# Millions of rows have few different cells.
_cell_labels = lru_cache(maxsize=10_000)(labels_in)


def _is_refused(cell: str) -> bool:
    """Tell an object that is no choice of labels; a list of lists is told from them where it is read."""
    if not cell.lstrip().startswith("{"):
        return False
    try:
        labels_in(cell, "")
    except RowError:
        return True
    return False


def _several(cell: str) -> tuple[str, ...]:
    try:
        return labels_in(cell, "")
    except RowError:
        return ()


def _listed(found: object) -> list[str]:
    if isinstance(found, dict):
        if list(found) == ["choices"]:
            return _listed(found["choices"])
        words = {name: value_text(value).strip().casefold() for name, value in found.items()}
        odd = next((name for name, word in words.items() if word not in _YES | _NO), None)
        if odd is not None:
            raise RowError(f"the labels are an object whose {quoted(odd)} is neither 0 nor 1")
        return [name for name, word in words.items() if word in _YES]
    if not isinstance(found, list):
        return [value_text(found)]
    if any(isinstance(item, list | dict) for item in found):
        raise RowError("the labels are a list of lists or objects; write a list of texts")
    return [value_text(item) for item in found]


def _unique(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))
