"""Somebody's text in Markdown: what CommonMark shows of it is the text, with nothing in it unseen."""

from __future__ import annotations

import re

from bertkit.plain import shortened, visible

# Most characters of a label or a name.
_LONGEST = 300
_BACKTICKS = re.compile("`+")
# What begins emphasis, a link, an element, an entity, a heading or a cell; _ does so only beside a word.
_MARKS = re.compile(r"[\\`*\[\]<>#|~&]|(?<!\w)_|_(?!\w)")


def code_span(text: str) -> str:
    """Write a text in backticks; as many as no run of backticks in it has.

    >>> code_span("a`b")
    '``a`b``'
    """
    shown = visible(shortened(text, _LONGEST))
    if not shown:
        return "(empty)"
    runs = {len(run) for run in _BACKTICKS.findall(shown)}
    fence = "`" * next(n for n in range(1, len(runs) + 2) if n not in runs)
    # One space on either side is taken off by the reader.
    is_padded = "`" in (shown[0], shown[-1]) or (shown[0] == shown[-1] == " " and shown.strip() != "")
    return f"{fence} {shown} {fence}" if is_padded else f"{fence}{shown}{fence}"


def escaped(text: str) -> str:
    r"""Write a text among others, with its marks escaped.

    >>> escaped("<b> macro_f1 [x](y)")
    '\\<b\\> macro_f1 \\[x\\](y)'
    """
    return _MARKS.sub(lambda mark: f"\\{mark[0]}", visible(text))
