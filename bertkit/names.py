"""Names of data sets and models, as users spell them."""

from __future__ import annotations


def is_spelling(typed: str, name: str) -> bool:
    """Tell whether somebody who typed this means that name: klue_ner and KLUE-NER are klue-ner."""
    return _folded(typed) == _folded(name)


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")
