"""Names: of data sets and models as users spell them, and lists in which none may stand twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def is_spelling(typed: str, name: str) -> bool:
    """Tell whether somebody who typed this means that name: klue_ner and KLUE-NER are klue-ner."""
    return _folded(typed) == _folded(name)


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def first_repeated(names: Sequence[str]) -> str | None:
    """Return the first name that stands there twice, or None."""
    if len(set(names)) == len(names):
        return None
    counts = Counter(names)
    return next(name for name in names if counts[name] > 1)
