"""Where the entities of a row stand: by tags of tokens, by characters, or as strings whose places are searched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from bertkit.data.column_names import TOKEN_NAMES
from bertkit.data.records import CharSpan, ColumnMap, Entity, Place, Row, TaggedText
from bertkit.data.tagged.schemes import TagScheme, TagSpelling, detect_scheme, detect_spelling, read_tags
from bertkit.data.values import (
    LISTED,
    NotMeantError,
    RowError,
    field_of,
    is_whole,
    missing_column,
    only_spaces,
    parse_list,
    value_text,
)
from bertkit.errors import DataError
from bertkit.plain import brief, listed, quoted, shortened, visible

# --- From tokens and their tags to a text and its entities, in characters -------------------------

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


# --- Entities that a row lists: by their characters, or as strings whose places are searched ------

_START_KEYS = ("start", "start_offset", "begin")
_END_KEYS = ("end", "end_offset", "stop")
_STRING_KEYS = ("text", "string", "word", "mention", "surface")
_LABEL_KEYS = ("label", "labels", "type", "entity_type", "entity_group", "tag", "entity")


class Found(NamedTuple):
    """The entities of a row in the order of their places, and what was odd about the list.

    `missing` are strings that are not in the text, or have no free place in it; `trimmed`
    tells whether a place had spaces around it.
    """

    entities: tuple[Entity, ...]
    missing: tuple[str, ...]
    trimmed: bool


class _Claim(NamedTuple):
    """One item of the list: a place, a string, or both."""

    label: str
    place: CharSpan | None
    string: str | None


def find_entities(text: str, items: Sequence[Any]) -> Found:
    """Find the listed entities in their text.

    An item is [start, end, label], also with the string before the label, [string, label], or an
    object with such keys. Strings are searched longest first, so that "York" is not found within "New York"; each of
    equal strings takes the next place. Free places at the edges of words go first.

    Raises:
        RowError: an item is not one of these, a place is not in the text or does not hold its
            string, or two entities overlap.
    """
    claims = [_claim(number, item) for number, item in enumerate(items, start=1)]
    placed = {_placed(text, claim.place, claim) for claim in claims if claim.place is not None}
    trimmed = any(claim.place not in {(e.start, e.end) for e in placed} for claim in claims if claim.place)
    searched = [claim for claim in claims if claim.place is None]
    found, missing = _search_all(text, searched, [(e.start, e.end) for e in placed])
    entities = sorted(placed.union(found))
    for one, other in pairwise(entities):
        if other.start < one.end:
            raise RowError(f"the entities {_shown(text, one)} and {_shown(text, other)} overlap")
    return Found(tuple(entities), tuple(missing), trimmed)


def _claim(number: int, item: Any) -> _Claim:
    if isinstance(item, Mapping):
        label, string = _value(item, _LABEL_KEYS), _value(item, _STRING_KEYS)
        start, end = _value(item, _START_KEYS), _value(item, _END_KEYS)
        start, end = _offset_and_length(item) if start is None and end is None else (start, end)
    elif isinstance(item, list) and len(item) == 3:
        is_first = isinstance(item[0], str) and not _is_whole(item[0])
        label, start, end = item if is_first else (item[2], item[0], item[1])
        string = None
    elif isinstance(item, list) and len(item) == 4 and all(isinstance(part, str) for part in item[2:]):
        start, end, string, label = item
    elif isinstance(item, list) and len(item) == 2:
        (string, label), start, end = item, None, None
    else:
        raise RowError(f"entity {number} is neither [start, end, label] nor [string, label] nor an object with these")
    if isinstance(label, list) and len(label) == 1:  # Label Studio's
        (label,) = label
    if type(label) is int:  # of the names that another export has
        label = str(label)
    if isinstance(label, list) and label:
        raise RowError(f"entity {number} has several labels ({brief(value_text(label))}), and an entity has one")
    if not isinstance(label, str) or not label.strip():
        raise RowError(f"entity {number} has no label")
    if start is not None or end is not None:
        start, end = (int(float(place)) if _is_whole(place) else place for place in (start, end))
        if type(start) is not int or type(end) is not int:
            raise RowError(
                f"entity {number} does not start and end at whole numbers ({quoted(start, 20)}, {quoted(end, 20)})"
            )
        return _Claim(label.strip(), (start, end), string if isinstance(string, str) else None)
    if not isinstance(string, str) or not string.strip():
        raise RowError(f"entity {number} has neither a place nor a string")
    return _Claim(label.strip(), None, string.strip())


def _offset_and_length(item: Mapping[str, Any]) -> tuple[Any, Any]:
    """Read the place of an entity that says where it starts and how long it is."""
    start, length = _value(item, ("offset",)), _value(item, ("length",))
    return (int(start), int(start) + int(length)) if _is_whole(start) and _is_whole(length) else (None, None)


def _is_whole(place: Any) -> bool:
    """Tell a whole number, also where it is written as a text."""
    return type(place) is int or (isinstance(place, str) and is_whole(place))


def _value(item: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _placed(text: str, place: CharSpan, claim: _Claim) -> Entity:
    start, end = place
    if start >= end:
        raise RowError(f"an entity from {start} to {end} is empty")
    if start < 0 or end > len(text):
        more = " (are positions counted in bytes? bertkit counts characters)" if end <= len(text.encode()) else ""
        raise RowError(f"an entity at characters {start} to {end} is outside the text of {len(text)}{more}")
    found = text[start:end]
    if claim.string is not None and claim.string.strip().casefold() != found.strip().casefold():
        raise RowError(
            f"characters {start} to {end} are {quoted(found)}, not {quoted(claim.string)} as the row says"
            f"{_doubt(text, place, claim.string)}"
        )
    entity = Entity.trimmed(text, place, claim.label)
    if entity is None:
        raise RowError(only_spaces(place))
    return entity


def _doubt(text: str, place: CharSpan, string: str) -> str:
    """Say how places may be counted where they would hold their string if they were counted otherwise."""
    start, end = place
    if text[start : end + 1] == string:
        return " (is the end the last character? bertkit takes the position after it)"
    return " (do positions start at 1? bertkit's start at 0)" if start and text[start - 1 : end - 1] == string else ""


def _search_all(text: str, claims: Sequence[_Claim], taken: list[CharSpan]) -> tuple[list[Entity], list[str]]:
    found = []
    missing: dict[int, str] = {}
    last_end: dict[str, int] = {}
    for number, (label, _, string) in sorted(enumerate(claims), key=lambda numbered: -len(numbered[1].string or "")):
        assert string is not None, "a claim without a place has a string"
        start = _search(text, string, taken, last_end.get(string, 0))
        if start is None:
            missing[number] = string
            continue
        last_end[string] = start + len(string)
        taken.append((start, start + len(string)))
        found.append(Entity(start, start + len(string), label))
    return found, [missing[number] for number in sorted(missing)]


def _search(text: str, string: str, taken: Sequence[CharSpan], after: int) -> int | None:
    """Find the best free place of a string: behind `after` if there is one, then at word edges, then leftmost."""
    size = len(string)
    free = [
        start
        for start in _occurrences(text, string)
        if all(start + size <= other or other_end <= start for other, other_end in taken)
    ]
    return min(free, key=lambda start: (start < after, _words_cut(text, start, start + size), start), default=None)


def _occurrences(text: str, string: str) -> Iterator[int]:
    start = text.find(string)
    while start >= 0:
        yield start
        start = text.find(string, start + 1)


def _words_cut(text: str, start: int, end: int) -> int:
    """Grade how a place cuts words: 0 nowhere, 1 at its end, as before a Korean particle, 2 at its start."""
    if start and text[start - 1].isalnum() and text[start].isalnum():
        return 2
    return int(end < len(text) and text[end - 1].isalnum() and text[end].isalnum())


def _shown(text: str, entity: Entity) -> str:
    return f"{quoted(text[entity.start : entity.end])} ({visible(shortened(entity.label, 40))})"


# --- What the cells of a row say of entities: a text or tokens, and tags, class ids or a list of entities


class Content(NamedTuple):
    """What a row says: a text or tokens, and tags or a list of entities (both None: not read)."""

    text: str
    tokens: list[str] | None
    tags: list[str] | None
    items: list[Any] | None


def content_of(row: Row, columns: ColumnMap, tag_names: Sequence[str], *, need_tags: bool) -> Content:
    """Read the cells of a row.

    Raises:
        RowError: text or entities are missing, or are nothing that can be read.
        DataError: `columns` names several columns of text.
    """
    text, tokens = text_or_tokens(row.fields, columns)
    if not need_tags:
        return Content(text, tokens, None, None)
    raw = None if columns.label is None else field_of(row.fields, columns.label)
    if (raw is None or not raw.strip()) and _is_annotated(row.fields):
        return Content(text, tokens, None, [])
    if (raw is None or not raw.strip()) and "annotation_id" in row.fields:
        raise NotMeantError("it is not annotated")
    if raw is None:
        raise RowError(f"the entities are missing (column {quoted(columns.label)}); a text without any has []")
    if not raw.strip():
        raise RowError(f"the entities are empty (column {quoted(columns.label)}); a text without any has []")
    if not raw.lstrip().startswith((*LISTED, "{")):
        return Content(text, tokens, cut_tags(raw), None)
    values = _json_list(raw, columns.label)
    if values and all(isinstance(value, list | dict) for value in values):
        return Content(text, tokens, None, values)
    if not values and not tokens:
        return Content(text, tokens, None, [])
    return Content(text, tokens, _tags(values, tag_names), None)


def cut_tags(written: str) -> list[str]:
    """Cut the tags of a cell at spaces, or at commas where there are no spaces."""
    return written.split() if len(written.split()) > 1 else [tag for tag in written.strip().split(",") if tag]


def _is_annotated(fields: Mapping[str, str]) -> bool:
    """Tell whether somebody has looked at a row of Label Studio's: it then has no column for entities it has not."""
    return bool(fields.get("annotation_id", "").strip())


def text_or_tokens(fields: Mapping[str, str], columns: ColumnMap) -> tuple[str, list[str] | None]:
    """Read the text of a row, and its tokens where it holds a list of them.

    Raises:
        RowError: the column is missing.
        DataError: `columns` names several columns of text.
    """
    if len(columns.text) != 1:
        raise DataError(
            f"entities are of one column of text, not of {listed(columns.text, joint=' and ')}; fix --columns."
        )
    text = field_of(fields, columns.text[0])
    if text is None:
        raise RowError(missing_column(columns.text[0]))
    tokens = parse_list(text) if text.startswith(LISTED) else None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        return text, None
    is_list = bool(tokens) or columns.text[0].casefold() in TOKEN_NAMES
    return text, (tokens if is_list else None)


def _json_list(raw: str, column: str | None) -> list[Any]:
    values = parse_list(raw)
    if isinstance(values, dict) and isinstance(values.get("entities"), list):  # spaCy's
        values = values["entities"]
    if not isinstance(values, list):
        raise RowError(f"the entities are not a JSON list (column {quoted(column)})")
    return values


def _tags(values: Sequence[Any], tag_names: Sequence[str]) -> list[str]:
    if all(isinstance(value, str) for value in values):
        return [value.strip() for value in values]
    if not all(type(value) is int for value in values):
        raise RowError("the items of the list are not all tags, nor all entities")
    if not tag_names:
        raise RowError("the tags are class ids whose names are not known; write them as words")
    strange = next((value for value in values if not 0 <= value < len(tag_names)), None)
    if strange is not None:
        raise RowError(f"the class id {strange} names no tag: there are {len(tag_names)}")
    return [tag_names[value] for value in values]


# --- Entities that lose a letter at one end: places that count from 1, or whose end is the last character
#
# One such entity may be meant; where nearly all of a data set end (or begin) in the middle of a
# word, and one character more would make words of them, the places are counted otherwise.

_ENOUGH, _NEARLY_ALL = 10, 0.9
# Korean particles, and Chinese and Japanese, follow a word without a space.
_UNSPACED = (("ᄀ", "ᇿ"), ("぀", "ヿ"), ("㐀", "鿿"), ("가", "힣"))


@dataclass
class Edges:
    """Counts entities by how they lie in their words."""

    entities: int = 0
    ends: int = 0
    starts: int = 0
    first: Place | None = None
    _example: str = ""

    def see(self, row: TaggedText) -> None:
        """Count the entities of a row."""
        text = row.texts[0]
        for entity in row.entities or ():
            if _is_unspaced(text[entity.end - 1]) or _is_unspaced(text[entity.end : entity.end + 1]):
                continue
            self.entities += 1
            cut_end = _is_inside(text, entity.end) and not _is_inside(text, entity.end + 1)
            cut_start = _is_inside(text, entity.start) and not _is_inside(text, entity.start - 1)
            self.ends += cut_end
            self.starts += cut_start
            if self.first is None and (cut_end or cut_start):
                self.first, self._example = Place(row.source, row.line), text[entity.start : entity.end]

    def sentence(self) -> str | None:
        """Say that places are counted otherwise, where nearly all entities show it."""
        if self.entities < _ENOUGH or self.first is None:
            return None
        shown = f"{quoted(self._example)}, {self.first.file}:{self.first.line}"
        if self.starts >= _NEARLY_ALL * self.entities:
            return (
                f"{self.starts:,} of {self.entities:,} entities begin at the second letter of a word "
                f"({shown}): do their positions start at 1? bertkit's start at 0"
            )
        if self.ends >= _NEARLY_ALL * self.entities:
            return (
                f"{self.ends:,} of {self.entities:,} entities end before the last letter of a word ({shown}): "
                f"is their end the last character? bertkit takes the position after it"
            )
        return None


def _is_inside(text: str, place: int) -> bool:
    """Tell whether a place is in the middle of a word."""
    return 0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()


def _is_unspaced(char: str) -> bool:
    return any(first <= char <= last for first, last in _UNSPACED)
