"""What the labels of a table are, told from all of them: classes, scores, or several labels in a cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal
from unicodedata import normalize

from bertkit.data.column_names import LABEL_NAMES
from bertkit.data.records import CLASSES, SCORES, Example, LabelSet
from bertkit.data.values import RowError, is_no_finite_number, is_number, is_whole, parse_list, value_text
from bertkit.plain import quoted

# --- What the labels of a table are, told from all of them: classes or scores, and how they are spelt
#
# One and the same label may be written in two ways: pandas writes 1.0 for 1 wherever its
# column once had a gap. Scores come with decimal commas or as percentages. Neither shows in a
# single label, so the spelling is told from all that there are.

Spelling = Literal["as written", "whole", "comma", "thousands", "percent", "unit", "digits", "spaced"]
"""`whole`: 1.0 is 1; `comma`: 2,5 is 2.5; `thousands`: 1,200.5 is 1200.5; `percent`: 46% is 46; `unit`: 4/5 is 4;
`digits`: full-width ３ is 3; `spaced`: 1 200,5 is 1200.5."""

NOTES: dict[Spelling, str] = {
    "whole": "labels such as '1.0' are read as '1', because both occur and equal numbers are one label",
    "comma": "labels are read with decimal commas: 2,5 is 2.5 (with --task multilabel it is the labels 2 and 5)",
    "thousands": "labels are read with commas between thousands: 1,200.5 is 1200.5",
    "percent": "labels are read as percentages: 46% is 46",
    "unit": "labels are read without the unit that all of them have: 4.5/5 is 4.5",
    "spaced": "labels are read with spaces between thousands: 1 200,5 is 1200.5",
    "digits": "labels are read with plain digits and signs: −２.５ is -2.5",
}
# Different labels that are kept for telling; of more than these the first show enough.
_MOST_LABELS = 10_000
_WITH_POINT = re.compile(r"[+-]?\d+\.0+", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_GAP = re.compile("[ \xa0\u2009\u202f]")
_SPACED = re.compile(rf"[+-]?\d{{1,3}}(?:{_GAP.pattern}\d{{3}})+(?:[.,]\d+)?", re.ASCII)
_PERCENT = re.compile(r"[+-]?\d+(?:[.,]\d+)?\s?%", re.ASCII)
# A currency before, or a unit behind: $ 4.5, 4.5/5, 4.5 out of 5 stars, 4.5점, 1,200원.
_WITH_UNIT = re.compile(
    r"(?P<before>[$€£¥₩]\s?)?(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?))"
    r"(?P<unit>\s?/\s?\d+(?:[.,]\d+)?|\s(?:out )?of \d+(?:[.,]\d+)?(?:\s[^\W\d_]{1,12})?|\s?[^\W\d_]{1,12}\.?)?"
)
_PLAIN_SIGNS = str.maketrans("−‒–", "---")
# What stands for a missing score or label.
MISSING = frozenset(
    {"n/a", "n.a.", "#n/a", "na", "nan", "null", "nil", "-", "--", "?", "??", "???", ".", "<na>", "<null>", "(null)"}
    | {"(blank)", "#value!", "#div/0!", "#ref!", "#name?", "#num!", "-100", "unlabeled", "unlabelled", "unannotated"}
    | {"undefined", "missing", "hidden", "todo", "tbd", "미분류", "미정", "결측", "무응답"}
)
# Codes that surveys have for no answer, where they are far from the classes.
_CODES = re.compile(r"(?:-?9{1,4}|-?9{0,2}8)(?:\.0)?")
# What programs write for nothing; in other letter cases it is a class ("none of these").
_NOTHING = frozenset({"None"})
# A label of at most one row in so many is few.
_FEW = 20
# More percentages than these are not classes.
_MANY_NUMBERS = 10
# Labels of which this share, and this many, are numbers are scores; the others are faults.
_MOST_SCORES, _ENOUGH_SCORES = 0.8, 5


@dataclass
class LabelKinds:
    """Tells by the labels that passed what they are and how they are spelt; `of_scores`: scores, as is known."""

    of_scores: bool = False
    _seen: set[str] = field(default_factory=set)

    def see(self, labels: Iterable[str | None]) -> None:
        """Let some labels pass."""
        if len(self._seen) < _MOST_LABELS:
            self._seen.update(label for label in labels if label is not None)

    @property
    def shape(self) -> str:
        """What the labels are: scores or classes."""
        return SCORES if are_scores(self._seen) else CLASSES

    @property
    def spelling(self) -> Spelling:
        """How the labels are to be read."""
        return spelling_of(self._seen, of_scores=self.of_scores)


def spelling_of(labels: Iterable[str], *, of_scores: bool = False) -> Spelling:
    """Tell from all labels of a table how they are spelt.

    Percentages, decimal commas and numbers with a unit are scores, and so spelt otherwise, where they
    are many or have fractions; tax rates of 7% and 19% are classes.

    Args:
        labels: each of them once or more often.
        of_scores: whether it is known that they are scores.
    """
    words = {label for label in labels if not _is_missing(label)}
    pointed = {label for label in words if _WITH_POINT.fullmatch(label)}
    if any(respelt(label, "whole") in words for label in pointed):
        return "whole"
    if words and all(map(_PERCENT.fullmatch, words)):
        return (
            "percent" if of_scores or len(words) > _MANY_NUMBERS or _have_fractions(words, "percent") else "as written"
        )
    thousands = {label for label in words if _THOUSANDS.fullmatch(label)}
    commas = thousands | {label for label in words if _WITH_COMMA.fullmatch(label)}
    if len(commas) >= 2 and all(is_number(label) for label in words - commas):
        # 1,200 alone may be either; as 1,200.5 or beside 950.5 it has thousands.
        if thousands == commas and any("." in label for label in words):
            return "thousands"
        if thousands == commas and _are_grouped(commas, words - commas):
            return "thousands" if of_scores or len(words) >= _MANY_NUMBERS else "as written"
        return "comma" if of_scores or _have_fractions(words, "comma") else "as written"
    if thousands and any("." in label for label in thousands) and all(map(is_number, words - thousands)):
        return "thousands"
    if _have_one_unit(words):
        are_amounts = len(words) >= _MANY_NUMBERS and any("," in label for label in words)
        return "unit" if of_scores or are_amounts or _have_fractions(words, "unit") else "as written"
    odd: Spelling = "spaced" if sum(_SPACED.fullmatch(label) is not None for label in words) > 1 else "digits"
    plain = {respelt(label, odd) for label in words}
    is_odd = plain != words and all(map(is_number, plain))
    return odd if is_odd and (of_scores or not all(map(is_whole, plain))) else "as written"


def respelt(label: str, spelling: Spelling) -> str:
    """Spell a label as its table means it; one that is spelt otherwise stays as it is."""
    match spelling:
        case "whole":
            return label.partition(".")[0] if _WITH_POINT.fullmatch(label) else label
        case "comma":
            return label.replace(".", "").replace(",", ".") if _WITH_COMMA.fullmatch(label) else label
        case "thousands":
            return label.replace(",", "") if _THOUSANDS.fullmatch(label) else label
        case "unit":
            found = _WITH_UNIT.fullmatch(label)
            return label if found is None else _number_of(found["number"])
        case "digits":
            return _plain(label)
        case "spaced":
            parts = _SPACED.fullmatch(label) or _WITH_COMMA.fullmatch(label)
            return label if parts is None else _GAP.sub("", label).replace(",", ".")
        case "percent":
            return label.rstrip("% ").replace(",", ".") if _PERCENT.fullmatch(label) else label
        case _:
            return label


def like_known(label: str, known: Sequence[str]) -> str:
    """Spell a number as the known label that is equal to it; any other label stays as it is."""
    if label in known or not is_number(label):
        return label
    bare = respelt(label, "whole")
    return next((other for other in known if respelt(other, "whole") == bare), label)


def are_scores(labels: Iterable[str]) -> bool:
    """Tell whether labels are scores rather than classes: numbers, not all of them whole.

    A NaN among them is a score that is missing, and no class; so is a word, where nearly all
    others are numbers with fractions.
    """
    found = set(labels)
    spelling = spelling_of(found)
    words = [respelt(label, spelling) for label in found if not is_no_finite_number(label) and not _is_missing(label)]
    numbers = [label for label in words if is_number(label)]
    if spelling in ("percent", "unit", "thousands", "digits", "spaced"):
        return True
    if all(map(is_whole, numbers)):
        return False
    if len(numbers) == len(words):
        return True
    # Versions (1.0, 1.1, 2.0-beta) are few; scores are many.
    fractions = sum(not is_whole(label) for label in numbers)
    return len(numbers) >= _MOST_SCORES * len(words) and fractions >= max(_ENOUGH_SCORES, len(words) // 2)


def placeholders(counts: Counter[str]) -> list[str]:
    """Return the labels that look like missing ones among others: "-", "NaN", -1 beside 0, 1, 2, or 99 beside 1, 2."""
    found = [label for label in counts if _is_missing(label)]
    others = [label for label in counts if label not in found]
    less = [label for label in others if is_whole(label) and float(label) == -1]
    if less and _is_no_class([label for label in others if label not in less]):
        found += less
    found += _codes_of_nothing(set(others) - set(less)) if all(map(is_whole, others)) else []
    return found if len(counts) - len(found) >= 2 else []


def _codes_of_nothing(labels: Set[str]) -> list[str]:
    """Return the codes of surveys for no answer beside numbers from 0 or 1 on: 9, 99, -99, with them 8 or 98."""
    codes = [label for label in labels if _CODES.fullmatch(label) and label.replace("8", "9") in labels]
    rest = sorted(float(label) for label in labels if label not in codes)
    if not rest or rest[0] not in (0, 1) or rest != [rest[0] + place for place in range(len(rest))]:
        return []
    return [label for label in codes if float(label) < 0 or float(label) > 2 * rest[-1] - 2]


def header_like(counts: Counter[str]) -> list[str]:
    """Return the labels that are called as label columns are, and are few: of a header line that became a row."""
    rows = counts.total()
    return [label for label, count in counts.items() if label.casefold() in LABEL_NAMES and _FEW * count <= rows]


def joined_labels(labels: Collection[str]) -> dict[str, list[str]]:
    """Return the labels that look like several in one, with their parts: a+b, a/b, a,b or 2 4, where each stands alone.

    A space parts numbers and hashtags only: words with one between them are a name.
    """
    found = {}
    for label in labels:
        for mark in ("|", ";", ",", "+", "/", "&", "·", "#", " and ", " 및 ", " "):
            parts = [part.strip() for part in label.split(mark)]
            if mark == " " and not all(part.isdecimal() or part.startswith("#") for part in parts):
                continue
            if len(parts) > 1 and len(set(parts)) == len(parts) and all(part in labels for part in parts):
                found[label] = parts
                break
    return found


def spelling_notes(spelling: Spelling, shape: str) -> tuple[str, ...]:
    """Say how labels are spelt, where it matters: scores that are equal are one score, however they are written."""
    is_said = spelling in NOTES and (spelling, shape) != ("whole", SCORES)
    return (NOTES[spelling],) if is_said else ()


def _have_fractions(labels: Iterable[str], spelling: Spelling) -> bool:
    return not all(is_whole(respelt(label, spelling)) for label in labels)


def _are_grouped(commas: Set[str], others: Set[str]) -> bool:
    """Tell commas between thousands from decimal commas with three digits behind them.

    Beside them stand whole numbers below a thousand; or a number has two commas, or all end in a zero, as amounts do.
    """
    if any(label.lstrip("+-").startswith("0") for label in commas):
        return False
    are_small = bool(others) and all(is_whole(label) and abs(float(label)) < 1000 for label in others)
    return are_small or any(label.count(",") > 1 for label in commas) or all(label[-1] == "0" for label in commas)


def _number_of(written: str) -> str:
    """Write a number with a unit plainly: three digits behind a comma are thousands, others are decimals."""
    return written.replace(",", "" if _THOUSANDS.fullmatch(written) else ".")


def _plain(label: str) -> str:
    """Write full-width digits and signs as plain ones."""
    return normalize("NFKC", label).translate(_PLAIN_SIGNS).strip()


def _have_one_unit(labels: Iterable[str]) -> bool:
    """Tell whether labels are numbers which all have the same unit."""
    units = set()
    for label in labels:
        found = _WITH_UNIT.fullmatch(label)
        if found is None:
            return False
        units.add(((found["before"] or "").strip(), (found["unit"] or "").strip()))
    return len(units) == 1 and units != {("", "")}


def _is_missing(label: str) -> bool:
    return label.strip().casefold() in MISSING or label.strip() in _NOTHING


def _is_no_class(labels: Sequence[str]) -> bool:
    """Tell whether -1 stands for no label: beside words, or beside 0, 1, 2 and more, but not beside 0 and 1 alone."""
    if not all(map(is_whole, labels)):
        return True
    values = sorted(float(label) for label in labels)
    return len(values) >= 3 and values == list(range(len(values)))


# --- Sets of labels in one cell: where they are parted, told from all cells, and what a cell then holds
#
# `a|b`, `a;b` and `a,b` are split at the mark that the cells use; a JSON list (as Python and numpy
# write one, too) needs no telling, and neither do an object of 0 and 1 by label (spaCy's `cats`)
# and Label Studio's `{"choices": […]}`. An empty cell is a row without a label.

MARKS = ("|", ";", "\n", ",")
# A mark that stands in fewer of the cells with any mark is part of a label.
_USUAL = 0.05
# Of cells that nobody said are sets, this share must be parted before they are taken for some.
_MANY_CELLS = 0.2
_NUMBER = re.compile(r"\s*[+-]?\d+(?:,\d+)*(?:\.\d+)?\s*%?\s*", re.ASCII)
_CLASS_ID = re.compile(r"0|[1-9]\d?", re.ASCII)
_CIRCLE = "○"
_TICKS = frozenset({"✓", "✔", "☑", "√", "●", _CIRCLE})
_YES = frozenset({"1", "1.0", "true", "yes", "y", "t", "x", "v", "예", "네", *_TICKS})
_NO = frozenset({"", "0", "0.0", "false", "no", "n", "f", "아니오", "아니요", "✗", "✘", "☐"})
# What names one label, whatever stands there: {"id": 1, "name": "yes"}.
_NAMED_KEYS = frozenset({"id", "name"})
_BITS = frozenset({"0", "1", "0.0", "1.0"})
PLACES = "0/1"
"""Stands for a mark where cells are lists of 0 and 1, each place of which is a label."""
FLAGS = frozenset({"0", "1", "0.0", "1.0", "true", "false", ""})
"""What columns hold that are taken for labels without being named, in lower case."""
MARKED = _YES | _NO
"""What they hold where no other column is there but the texts and what names a row."""


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

    They do where a list holds several labels; or where many are split at a mark, and the parts
    are combined: there are fewer of them than of different cells ("yes, probably" and "no" are
    two labels with three parts, and so are not sets). Of numbers with commas, more is asked.
    """
    listed = [cell for cell in cells if is_listed(cell)]
    held = {cell: _labels_or_none(cell) for cell in listed}
    if any(labels is None and cell.lstrip().startswith("{") for cell, labels in held.items()):
        return False  # of an object with other values, one counts: whoever reads it names it
    if any(labels is not None and len(labels) > 1 for labels in held.values()):
        return True
    plain = [cell for cell in cells if cell.strip() and not is_listed(cell)]
    mark = mark_of(plain)
    if mark == "," and all(_NUMBER.fullmatch(part) for cell in plain for part in parted(cell, mark)):
        return _are_number_sets(plain)
    if mark == "," and all(_is_amount(cell) for cell in plain if mark in cell):
        return False
    if not mark:
        return False
    different = set(plain)
    if sum(mark in cell for cell in plain) < _MANY_CELLS * len(plain):
        # Few are parted; where all their parts are labels that stand alone, they are sets nevertheless.
        return all(part in different for cell in different if mark in cell for part in parted(cell, mark))
    parts = {part for cell in different for part in parted(cell, mark)}
    # A bar or a semicolon is hardly part of a label: one that comes alone and in a combination is enough.
    combined = {part for cell in different if mark in cell for part in parted(cell, mark)}
    return len(parts) < len(different) or (
        mark != "," and (not combined.isdisjoint(different) or _are_crossed(different, mark))
    )


def _are_crossed(cells: Collection[str], mark: str) -> bool:
    """Tell whether every part of cells comes in several of them, as good and bad do in good|long, bad|long, ….

    The leaves of a path (sport|tennis, sport|chess) come in one.
    """
    counts = Counter(part for cell in cells for part in parted(cell, mark))
    return len(cells) > 2 and min(counts.values(), default=0) > 1


def is_listed(cell: str) -> bool:
    """Tell whether a cell holds a JSON list or object."""
    return cell.lstrip().startswith(("[", "{"))


def labels_in(cell: str, mark: str) -> tuple[str, ...]:
    """Return the labels that a cell holds, each once, in its order.

    Raises:
        RowError: it is a list of lists, or an object that is not a choice of labels.
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


def unclear_mark(cells: Iterable[str | None]) -> str:
    """Return the mark among those of flags that may be yes or no: an x beside any other, a circle beside what fills it.

    Empty where there is none.
    """
    marks = {(cell or "").strip().casefold() for cell in cells} - {""}
    if "x" in marks and len(marks) > 1:
        return "x"
    return _CIRCLE if _CIRCLE in marks and not marks.isdisjoint(_TICKS - {_CIRCLE}) else ""


def refuse_unclear(cells: Iterable[str | None], unclear: str) -> None:
    """Refuse a row of flags that has a mark that may be yes or no.

    Args:
        cells: of the row.
        unclear: the mark that is one in other rows; empty: none is.

    Raises:
        RowError: it has one.
    """
    marks = {(cell or "").strip().casefold() for cell in cells}
    found = unclear if unclear and unclear in marks else unclear_mark(marks)
    if found:
        raise RowError(f"{quoted(found)} stands beside another mark, and may be yes or no; write 1 and 0")


def part_row(row: Example, mark: str) -> Example:
    """Part the cell of a row; one whose labels are known, or that has none to know, stays as it is."""
    if not isinstance(row, LabelSet) or row.labels is not None or row.label is None:
        return row
    return replace(row, label=None, labels=_cell_labels(row.label, mark))


def how_read(rows: Iterable[Example], cells: Collection[str | None], where: str) -> str:
    """Say how labels were read, and of how many kinds of rows there are; nothing where no row's labels are known.

    Args:
        rows: with their labels.
        cells: what they held; none: there are columns of 0 and 1.
        where: the mark at which cells were parted; empty: nowhere.
    """
    counts, names = Counter[int](), set[str]()
    for row in rows:
        if isinstance(row, LabelSet) and row.labels is not None:
            counts[min(len(row.labels), 2)] += 1
            names.update(row.labels)
    if not counts:
        return ""
    mark, are_lists = where if cells else None, any(cell is not None and is_listed(cell) for cell in cells)
    different, several, none, total = len(names), counts[2], counts[0], counts.total()
    ways = {
        None: "one column each, yes or no",
        PLACES: "lists of 0 and 1; each label is named by its position, from 0",
        "": "JSON lists" if are_lists else f"one per cell, because none contains {' or '.join(map(quoted, MARKS))}",
    }
    way = ways.get(mark, f"split at {quoted(mark or '')}{' or JSON lists' if are_lists else ''}")
    more = "; write JSON lists where a label holds that character" if mark and mark != PLACES else ""
    if mark is None and counts[1] == total:
        more = "; each row has exactly one, so a column with its name would make classes of them"
    return f"labels: {way} ({different:,} different; {several:,} of {total:,} rows have several, {none:,} none){more}"


def _are_vectors(cells: Iterable[str]) -> bool:
    """Tell lists of 0 and 1 with a place for each label from lists of class ids, of which none comes twice in a list.

    Lists of both that differ in their order alone are of places, too: as sets they would all be the same.
    """
    lengths, repeats, different = set(), False, set()
    for cell in cells:
        found = parse_list(cell.strip()) if is_listed(cell) else None
        words = [value_text(item).strip() for item in found] if isinstance(found, list) else []
        if len(words) < 2 or not set(words) <= _BITS:
            return False
        lengths.add(len(words))
        repeats = repeats or len(set(words)) < len(words)
        different.add(tuple(map(float, words)))
    return len(lengths) == 1 and (repeats or len(different) > 1)


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


def _is_amount(cell: str) -> bool:
    """Tell a number with commas between thousands and a unit or a currency: 1,200원."""
    found = _WITH_UNIT.fullmatch(cell.strip())
    return found is not None and _THOUSANDS.fullmatch(found["number"]) is not None


def _labels_or_none(cell: str) -> tuple[str, ...] | None:
    """Return the labels that a list or an object holds; None where it is not a choice of labels."""
    try:
        return labels_in(cell, "")
    except RowError:
        return None


def _listed(found: object) -> list[str]:
    if isinstance(found, dict):
        if list(found) == ["choices"]:
            return _listed(found["choices"])
        if set(found) >= _NAMED_KEYS:
            raise RowError(f"the label is an object of {' and '.join(map(quoted, found))}")
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
