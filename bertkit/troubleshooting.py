"""Where the documents say more of a warning: the page for models that are bad, and its sections."""

from __future__ import annotations

PAGE = "docs/troubleshooting.md"
SECTIONS = (
    "no-better",
    "one-answer",
    "by-heart",
    "uneven",
    "labels",
    "cut",
    "tokenizer",
    "inflated",
    "not-finite",
    "rows",
    "elsewhere",
    "summaries",
)
"""The anchors of the page, in its order; they are the same in every language."""


def see(section: str) -> str:
    """Point to a section.

    >>> see("one-answer")
    'see docs/troubleshooting.md#one-answer'
    """
    return f"see {PAGE}#{section}"
