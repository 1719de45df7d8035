"""When are two rows the same row? One answer, for splitting, leaks, contamination and duplicates.

What is held apart when rows are split is what a check later calls the same: were the two to
differ, a split would put rows on both of its sides that the check then reports.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from bertkit.data.records import Example

_SEPARATOR = "\x1f"  # of columns, and of choices within theirs


def plain_form(text: str) -> str:
    """Reduce a text to what a reader would call the same text.

    Unicode composition (NFC), letter case, white space, punctuation and invisible
    characters do not count. A text of punctuation alone keeps it: ":)" is not ":(".
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    plain = " ".join(folded.translate(_ignored()).split())
    return plain or " ".join("".join(char for char in folded if unicodedata.category(char) != "Cf").split())


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
    texts = [plain_form(text) for text in columns_of(row)]
    return _SEPARATOR.join(sorted(texts) if is_pair else texts)


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
