"""From tokens and their tags to a text and its entities, in characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bertkit.data.records import CharSpan, Entity
from bertkit.data.tagged.schemes import TagScheme, TagSpelling, detect_scheme, detect_spelling, read_tags
from bertkit.data.values import RowError, only_spaces

# Sentences that are looked at before the first is read, to tell scheme and kind of token.
SENTENCES_AHEAD = 10_000

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class TagForm:
    """How a file writes tagged text; told once for a whole file, as a sentence alone may not show it.

    `by_character`: each token is one character, spaces included, so that nothing stands
    between tokens (KLUE); else they are words with one space between them.
    """

    scheme: TagScheme
    by_character: bool = False
    spelling: TagSpelling = field(default_factory=TagSpelling)


def detect_form(tokens: Iterable[Sequence[str]], tags: Iterable[Sequence[str]]) -> TagForm:
    """Tell the form of a file from the tokens and the tags of its sentences."""
    sequences = list(tags)
    spelling = detect_spelling(tag for sequence in sequences for tag in sequence)
    standard = [list(map(spelling.standard, sequence)) for sequence in sequences]
    return TagForm(detect_scheme(standard), is_by_character(tokens), spelling)


def is_by_character(sentences: Iterable[Sequence[str]]) -> bool:
    """Tell whether tokens are characters: most are one long, and some of them are a space."""
    tokens = [token for sentence in sentences for token in sentence]
    single = sum(len(token) == 1 for token in tokens)
    return " " in tokens and 2 * single > len(tokens)


def shows_kind(tokens: Sequence[str]) -> bool:
    """Tell whether one sentence is enough to know words from characters; a word like "a" is not."""
    long = sum(len(token) > 1 for token in tokens)
    return 2 * long > len(tokens) or is_by_character([tokens])


def join_tokens(tokens: Sequence[str], *, by_character: bool) -> tuple[str, list[CharSpan]]:
    """Join tokens into the text they stand for, and say where in it each lies."""
    between = "" if by_character else " "
    places = []
    start = 0
    for token in tokens:
        places.append((start, start + len(token)))
        start += len(token) + len(between)
    return between.join(tokens), places


def word_places(text: str) -> list[CharSpan]:
    """Find the words of a text, which white space parts."""
    return [match.span() for match in _WORD.finditer(text)]


def entities_of_tags(
    text: str, places: Sequence[CharSpan], tags: Sequence[str], scheme: TagScheme
) -> tuple[tuple[Entity, ...], bool, bool]:
    """Read tags leniently as entities of a text.

    Returns:
        The entities, whether any tag had to be read against its scheme, and whether any entity
        had to be freed of spaces around it.

    Raises:
        RowError: tags and tokens differ in number, or an entity holds only spaces.
        DataError: a tag is outside the scheme.
    """
    if len(tags) != len(places):
        fault = "more" if len(tags) > len(places) else "fewer"
        raise RowError(f"{fault} tags ({len(tags)}) than words ({len(places)})")
    entities = []
    repaired = trimmed = False
    for first, behind, label, well_formed in read_tags(tags, scheme):
        tagged = (places[first][0], places[behind - 1][1])
        entity = Entity.trimmed(text, tagged, label)
        if entity is None:
            raise RowError(only_spaces(tagged))
        entities.append(entity)
        repaired = repaired or not well_formed
        trimmed = trimmed or (entity.start, entity.end) != tagged
    return tuple(entities), repaired, trimmed
