"""When a field's text is a number: one answer for headers, labels and scores."""

from __future__ import annotations

import re

from bertkit.plain import quoted

# The largest number of 32 bits, in which models compute.
LARGEST = 3.4028234663852886e38
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NO_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


def is_number(text: str) -> bool:
    """Tell whether a text is a decimal number and nothing else; "nan" and "inf" are not."""
    return _NUMBER.fullmatch(text.strip()) is not None


def is_whole(text: str) -> bool:
    """Tell whether a text is a number without a fractional part, as "3" and "3.0" are."""
    return is_number(text) and float(text).is_integer()


def is_score(text: str) -> bool:
    """Tell whether a text is a number that a model can learn: one that 32 bits can hold."""
    return is_number(text) and abs(float(text)) <= LARGEST


def is_no_finite_number(text: str) -> bool:
    """Tell whether a text is what programs write for a number that is none, or has no end: "NaN", "inf"."""
    return _NO_FINITE.fullmatch(text.strip()) is not None


def is_lost_score(text: str) -> bool:
    """Tell whether a text was meant to be a score and is none: beyond 32 bits, "NaN", "inf"; a word was not."""
    return is_no_finite_number(text) or (is_number(text) and not is_score(text))


def score_fault(text: str) -> str:
    """Say in a clause why a label is no score."""
    if is_number(text):
        return f"the label {quoted(text)} is beyond what a model can compute with ({LARGEST:.1e})"
    return f"the label {quoted(text)} is no number, as regression needs"
