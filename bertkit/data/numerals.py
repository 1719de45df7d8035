"""When a field's text is a number: one answer for headers, labels and scores."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def is_number(text: str) -> bool:
    """Tell whether a text is a decimal number and nothing else; "nan" and "inf" are not."""
    return _NUMBER.fullmatch(text.strip()) is not None


def is_whole(text: str) -> bool:
    """Tell whether a text is a number without a fractional part, as "3" and "3.0" are."""
    return is_number(text) and float(text).is_integer()
