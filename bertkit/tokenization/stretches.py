"""Very long texts: how much of one is read at once, and where it is parted.

The Rust library takes about 150 bytes for each character it is given, so a text is handed to
it in stretches. They begin and end at white space, at a line's end where there is one, and
each is tokenized as it would be inside the text by every tokenizer whose tokens do not reach
across white space.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

# No row that people write is as long; up to here nothing is parted.
AT_ONCE = 1 << 17
# Where --max-length is large: several times what a token of any language takes.
_CHARACTERS_A_TOKEN = 64
# Share of a stretch, at its end, in which a place to part it is looked for.
_SEARCHED = 8
_WHITE_SPACE = " \n\t\r\u3000\u00a0\u2028\u2029"


def most_at_once(max_length: int) -> int:
    """Return how many characters of a text are read at once, for rows of `max_length` tokens."""
    return max(AT_ONCE, _CHARACTERS_A_TOKEN * max_length)


def beginning(text: str, most: int) -> str:
    """Return the text, or what of its beginning has at most `most` characters."""
    return text if len(text) <= most else text[: _parting(text, 0, most)]


def ending(text: str, most: int) -> str:
    """Return the text, or about the last `most` characters of it."""
    if len(text) <= most:
        return text
    earliest = len(text) - most
    return text[_parting(text, earliest, earliest + most // _SEARCHED) :]


def looked_at(row: tuple[str, ...], most: int, *, keep_end: bool) -> tuple[tuple[str, ...], tuple[int, int]]:
    """Return what is looked at of the one or two texts of a row that is going to be cut.

    Args:
        row: the texts.
        most: characters of each.
        keep_end: whether the first text, where it is the longer one, loses its beginning.

    Returns:
        The texts, and how many characters of either stand before them.
    """
    first, *others = row
    cut = ending if keep_end and all(len(first) > len(other) for other in others) else beginning
    looked_at = cut(first, most)
    skipped = len(first) - len(looked_at) if cut is ending else 0
    return (looked_at, *(beginning(other, most) for other in others)), (skipped, 0)


def stretches(text: str, most: int = AT_ONCE) -> Iterator[tuple[int, str]]:
    """Part a text into stretches of about the same length.

    Args:
        text: any text; one of up to `most` characters is one stretch.
        most: characters of the longest stretch.

    Yields:
        (where it begins, the stretch), in order; put together they are the text.
    """
    number = max(1, -(-len(text) // most))
    start = 0
    for i in range(1, number):
        end = _parting(text, start, min(start + most, len(text) * i // number))
        yield start, text[start:end]
        start = end
    while len(text) - start > most:
        end = _parting(text, start, start + most)
        yield start, text[start:end]
        start = end
    yield start, text[start:] if start else text


def portions(lengths: Iterable[int], most: int = AT_ONCE) -> Iterator[slice]:
    """Group neighbouring texts by their characters; a text that alone has more is a group of its own.

    Args:
        lengths: characters of each text, or of each row of texts.
        most: characters of a group.

    Yields:
        The groups, in order.
    """
    start = end = held = 0
    for length in lengths:
        if end > start and held + length > most:
            yield slice(start, end)
            start, held = end, 0
        held += length
        end += 1
    if end > start:
        yield slice(start, end)


def _parting(text: str, start: int, end: int) -> int:
    """Return a place shortly before `end`, and after `start`, at which the text can be parted."""
    first = max(start + 1, end - (end - start) // _SEARCHED)
    place = text.rfind("\n", first, end)
    if place < 0:
        place = max(text.rfind(space, first, end) for space in _WHITE_SPACE)
    if place > 0:
        return place
    # A word without end: let no accent lose its letter, and no syllable one of its parts.
    place = end
    while place > first and _goes_on(text[place]):
        place -= 1
    return place


def _goes_on(character: str) -> bool:
    """Tell whether a character is a part of what stands before it: an accent, or a vowel or final of Hangul."""
    return unicodedata.category(character).startswith("M") or "\u1160" <= character <= "\u11ff"
