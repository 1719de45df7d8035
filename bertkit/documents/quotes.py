r"""Where quotations begin and end.

Curly and corner marks say which side they are; straight ones do not, and are read by
their neighbours: white space before and none after opens, the reverse closes. In
tokenized text (`he said , " we went . "`) white space stands on both sides, and the
marks take turns. A mark that finds no counterpart nearby is no quotation: it was an
apostrophe, an inch, or an opening that was never closed.
"""

from __future__ import annotations

import re

from bertkit.documents.language import HANGUL

Span = tuple[int, int]

# It begins with one set of characters, which the engine looks for without trying the rest.
_MARK = re.compile(
    r"""[\"'`“”‘’「」『』«»]
    (?: (?<![`'])                                         # one of the unmistakable marks
      | (?<=`)` | (?<=')'                                 # `` and ''
      | (?<=') (?! (?:s|t|d|m|re|ve|ll)\b | (?<=s\ ')\s )  # but not it 's, drivers ' titles
    )""",
    re.VERBOSE,
)
# Opening, closing and straight marks of a kind; text mixes them, as in "물가가 올랐다”고.
_KIND = {mark: kind for kind in ('“”"', "‘’'", "「」", "『』", "«»") for mark in kind} | {"``": '“”"', "''": '“”"'}
_OPENING = frozenset(["``", *"“‘「『«"])
_STRAIGHT = frozenset("\"'")
_LATIN = re.compile(rf"(?![{HANGUL}])[^\W_]")
_LONGEST = 600  # characters; what is open for longer was never closed


def quotations(text: str, start: int, end: int) -> list[Span]:
    """Return the quotations in text[start:end], each from its opening mark to behind its closing one.

    They stand in the order of their closing marks; one may lie within another.
    """
    opened: dict[str, int] = {}  # kind -> place of the opening mark
    found: list[Span] = []
    for match in _MARK.finditer(text, start, end):
        mark, place = match.group(), match.start()
        kind = _KIND[mark]
        is_open = kind in opened and place - opened[kind] <= _LONGEST
        before = text[place - 1] if place else " "
        after = text[match.end()] if match.end() < len(text) else " "
        opens, closes = _sides(mark, before, after, is_open)
        if is_open and closes:
            found.append((opened.pop(kind), match.end()))
        elif opens:
            opened[kind] = place
    return found


def _sides(mark: str, before: str, after: str, is_open: bool) -> tuple[bool, bool]:
    """Tell whether a mark between two characters can open and whether it can close a quotation."""
    if mark in _STRAIGHT and before.isspace() != after.isspace():
        return before.isspace(), after.isspace()
    if mark in "'’" and _LATIN.match(before) and _LATIN.match(after):  # don't
        return False, False
    if mark not in _STRAIGHT:
        return mark in _OPENING, mark not in _OPENING
    return not is_open and not (mark == "'" and _LATIN.match(before)), True
