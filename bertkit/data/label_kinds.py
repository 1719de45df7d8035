"""What the labels of a table are, told from all of them: classes or scores, and how they are spelt.

One and the same label may be written in two ways: pandas writes 1.0 for 1 wherever its
column once had a gap. Scores come with decimal commas or as percentages. Neither shows in a
single label, so the spelling is told from all that there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bertkit.data.column_names import LABEL_NAMES
from bertkit.data.numerals import is_no_finite_number, is_number, is_whole
from bertkit.data.shape_names import CLASSES, SCORES

Spelling = Literal["as written", "whole", "comma", "thousands", "percent", "unit"]
"""`whole`: 1.0 is 1; `comma`: 2,5 is 2.5; `thousands`: 1,200.5 is 1200.5; `percent`: 46% is 46; `unit`: 4/5 is 4."""

NOTES: dict[Spelling, str] = {
    "whole": "labels such as '1.0' are read as '1': both stand there, and equal numbers are one label",
    "comma": "labels are read with decimal commas: 2,5 is 2.5",
    "thousands": "labels are read with commas between thousands: 1,200.5 is 1200.5",
    "percent": "labels are read as percentages: 46% is 46",
    "unit": "labels are read without the unit that all of them have: 4.5/5 is 4.5",
}
# Different labels that are kept for telling; of more than these the first show enough.
_MOST_LABELS = 10_000
_WITH_POINT = re.compile(r"[+-]?\d+\.0+", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_PERCENT = re.compile(r"[+-]?\d+(?:[.,]\d+)?\s?%", re.ASCII)
# A currency before, or a unit behind: $ 4.5, 4.5/5, 4.5점, 4.5 stars.
_WITH_UNIT = re.compile(
    r"(?P<before>[$€£¥₩]\s?)?(?P<number>[+-]?\d+(?:[.,]\d+)?)(?P<unit>\s?/\s?\d+|\s?[^\W\d_]{1,12}\.?)?"
)
# What stands for a missing score or label.
MISSING = frozenset(
    {"n/a", "n.a.", "#n/a", "na", "nan", "null", "nil", "-", "--", "?", "??", "???", ".", "<na>", "<null>", "(null)"}
    | {"(blank)", "#value!", "#div/0!", "#ref!", "#name?", "#num!", "-100", "unlabeled", "unlabelled", "unannotated"}
    | {"undefined", "missing", "todo", "tbd", "미분류", "미정", "결측", "무응답"}
)
# What programs write for nothing; in other letter cases it is a class ("none of these").
_NOTHING = frozenset({"None"})
# A label of at most one row in so many is few.
_FEW = 20
# More percentages than these are no classes.
_MANY = 10
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
        return "percent" if of_scores or len(words) > _MANY or _have_fractions(words, "percent") else "as written"
    commas = {label for label in words if _WITH_COMMA.fullmatch(label)}
    if len(commas) >= 2 and all(is_number(label) for label in words - commas):
        # 1,200 alone may be either; as 1,200.5 or beside 950.5 it has thousands.
        thousands = {label for label in words if _THOUSANDS.fullmatch(label)}
        if thousands == commas and any("." in label for label in words):
            return "thousands"
        return "comma" if of_scores or _have_fractions(words, "comma") else "as written"
    thousands = {label for label in words if _THOUSANDS.fullmatch(label)}
    if thousands and any("." in label for label in thousands) and all(map(is_number, words - thousands)):
        return "thousands"
    return "unit" if _have_one_unit(words) and (of_scores or _have_fractions(words, "unit")) else "as written"


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
            return label if found is None else found["number"].replace(",", ".")
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
    if spelling in ("percent", "unit", "thousands"):
        return True
    if all(map(is_whole, numbers)):
        return False
    if len(numbers) == len(words):
        return True
    # Versions (1.0, 1.1, 2.0-beta) are few; scores are many.
    fractions = sum(not is_whole(label) for label in numbers)
    return len(numbers) >= _MOST_SCORES * len(words) and fractions >= max(_ENOUGH_SCORES, len(words) // 2)


def placeholders(counts: Counter[str]) -> list[str]:
    """Return the labels that look like missing ones among others: "-", "NaN", "N/A", or -1 beside 0, 1, 2."""
    found = [label for label in counts if _is_missing(label)]
    others = [label for label in counts if label not in found]
    if "-1" in others and _is_no_class(others):
        found.append("-1")
    return found if len(counts) - len(found) >= 2 else []


def header_like(counts: Counter[str]) -> list[str]:
    """Return the labels that are called as label columns are, and are few: of a header line that became a row."""
    rows = counts.total()
    return [label for label, count in counts.items() if label.casefold() in LABEL_NAMES and _FEW * count <= rows]


def joined_labels(labels: Collection[str]) -> dict[str, list[str]]:
    """Return the labels that look like several in one, with their parts: a+b, a/b, a,b or 2 4, where each stands alone.

    A space parts numbers only: words with one between them are a name.
    """
    found = {}
    for label in labels:
        for mark in ("|", ";", ",", "+", "/", "&", " "):
            parts = [part.strip() for part in label.split(mark)]
            if mark == " " and not all(map(str.isdecimal, parts)):
                continue
            if len(parts) > 1 and len(set(parts)) == len(parts) and all(part in labels for part in parts):
                found[label] = parts
                break
    return found


def _have_fractions(labels: Iterable[str], spelling: Spelling) -> bool:
    return not all(is_whole(respelt(label, spelling)) for label in labels)


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
    rest = [label for label in labels if label != "-1"]
    if not all(map(is_whole, rest)):
        return True
    values = sorted(float(label) for label in rest)
    return len(values) >= 3 and values == list(range(len(values)))
