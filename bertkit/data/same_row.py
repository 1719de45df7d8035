"""When are two rows the same row? One answer, for splitting, leaks, contamination and duplicates.

What is held apart when rows are split is what a check later calls the same: were the two to
differ, a split would put rows on both of its sides that the check then reports.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import islice

from bertkit.data.records import Example

_SEPARATOR = "\x1f"  # of columns, and of choices within theirs
_BETWEEN = "\0"  # texts that are reduced together; hardly any text has one


def plain_form(text: str) -> str:
    """Reduce a text to what a reader would call the same text.

    Unicode composition (NFC), letter case, white space, punctuation and invisible
    characters do not count. A text of punctuation alone keeps it: ":)" is not ":(".
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    plain = " ".join(folded.translate(_ignored()).split())
    return plain or " ".join("".join(char for char in folded if unicodedata.category(char) != "Cf").split())


def plain_forms(texts: Sequence[str]) -> list[str]:
    """Reduce many texts as `plain_form` does; those of ASCII alone, of which many are, all at once."""
    simple = [text for text in texts if text.isascii()]
    together = _BETWEEN.join(simple)
    if together.count(_BETWEEN) != len(simple) - 1:  # also where there are none
        return [plain_form(text) for text in texts]
    words = iter(together.casefold().translate(_ignored()).split(_BETWEEN))
    return [" ".join(next(words).split()) or plain_form(t) if t.isascii() else plain_form(t) for t in texts]


def columns_of(row: Example) -> tuple[str, ...]:
    """Return the texts of a row by column; a question's choices count as one more column."""
    every = row.all_texts
    own = len(row.texts)
    return row.texts if len(every) == own else (*row.texts, _SEPARATOR.join(every[own:]))


def row_key(row: Example, *, is_pair: bool) -> str:
    """Return what is equal for rows that are the same; a swapped pair is the same pair.

    Args:
        row: its texts count, its label does not.
        is_pair: whether the row is two sentences.
    """
    (key,) = row_keys([columns_of(row)], is_pair=is_pair)
    return key


def row_keys(rows: Sequence[tuple[str, ...]], *, is_pair: bool) -> list[str]:
    """Return the keys of many rows, which are given by their texts as `columns_of` returns them."""
    return [_SEPARATOR.join(sorted(texts) if is_pair else texts) for texts in plain_rows(rows)]


def plain_rows(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Reduce the texts of many rows."""
    forms = plain_forms([text for row in rows for text in row])
    if len(forms) == len(rows) and all(rows):
        return list(zip(forms, strict=True))
    rest = iter(forms)
    return [tuple(islice(rest, len(row))) for row in rows]


@cache
def _ignored() -> dict[int, str | None]:
    """Punctuation becomes a space; format characters (zero-width, byte order mark) vanish."""
    table: dict[int, str | None] = {}
    for code in range(0x20000):  # no punctuation above, as of Unicode 16
        category = unicodedata.category(chr(code))
        if category[0] == "P":
            table[code] = " "
        elif category == "Cf":
            table[code] = None
    return table
