"""Where the entities of a row stand: by tags of tokens, by characters, or as strings; and tables with a token a row."""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from bertkit.data.column_names import TAG_NAMES, TEXT_NAMES, TOKEN_NAMES, first_named
from bertkit.data.records import BadRow, CharSpan, ColumnMap, Entity, Place, Row, TaggedText
from bertkit.data.tagged.schemes import (
    OUTSIDE,
    TagScheme,
    TagSpelling,
    are_tags,
    detect_scheme,
    detect_spelling,
    is_entity_tag,
    is_like_tag,
    read_tags,
)
from bertkit.data.values import (
    LISTED,
    RowError,
    field_of,
    is_whole,
    needed_field,
    parse_list,
    value_text,
)
from bertkit.errors import DataError
from bertkit.plain import brief, listed, quoted, shortened, visible

# --- From tokens and their tags to a text and its entities, in characters -------------------------

# Sentences that are looked at before the first is read, to tell scheme and kind of token.
SENTENCES_AHEAD = 10_000

_WORD = re.compile(r"\S+")
Counted = Literal["", "behind", "last", "utf-16", "utf-8"]
"""What the end of an entity counts where places are those of words, or the units of an encoding that places count;
empty where they are of characters."""
_WAYS: tuple[Counted, ...] = ("behind", "last")
# What programs count that are written in JavaScript, Java or C#, and those that count bytes.
UNITS: Mapping[Counted, str] = {"utf-16": "UTF-16 code units", "utf-8": "bytes"}


@dataclass(frozen=True, slots=True)
class TagForm:
    """How a file writes tagged text; told once for a whole file, as a sentence alone may not show it.

    `by_character`: each token is one character, spaces included, so that nothing stands
    between tokens (KLUE); else they are words with one space between them. `counted`: places of
    entities count words, and their end is the word behind the last or the last one itself; or
    they count the units of an encoding.
    """

    scheme: TagScheme
    by_character: bool = False
    spelling: TagSpelling = field(default_factory=TagSpelling)
    counted: Counted = ""


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
            raise RowError(_only_spaces(tagged))
        entities.append(entity)
        repaired = repaired or not well_formed
        trimmed = trimmed or (entity.start, entity.end) != tagged
    return tuple(entities), repaired, trimmed


def _only_spaces(span: tuple[int, int]) -> str:
    """Say in a clause that an entity holds nothing, `span` being its characters."""
    return f"the entity at characters {span[0]} to {span[1]} holds only spaces"


# --- Entities that a row lists: by their characters, or as strings whose places are searched ------

_START_KEYS = ("start", "start_offset", "startOffset", "begin")
# Of LUIS: where the first and the last character of an entity are.
_FIRST_KEYS, _LAST_KEYS = ("startPos", "startCharIndex"), ("endPos", "endCharIndex")
_END_KEYS = ("end", "end_offset", "endOffset", "stop")
_STRING_KEYS = ("text", "string", "word", "mention", "surface")
_OF_CLASSES = {"label", "name", "value", "class", "category", "id", "score", "confidence", "probability", "color"}
_LABEL_KEYS = (
    *("label", "labels", "type", "entity_type", "entity_group", "tag"),
    *("entity", "entityName", "category", "displayName"),
)


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
    equal strings takes the next place. Free places at the edges of words go first. What its reviewer calls wrong
    (LightTag's "correct": false) is no entity.

    Raises:
        RowError: an item is not one of these, a place is not in the text or does not hold its
            string, or two entities overlap.
    """
    kept = (found for found in enumerate(items, start=1) if not _is_rejected(found[1]))
    claims = [_claim(number, item) for number, item in kept]
    placed = {_placed(text, claim.place, claim) for claim in claims if claim.place is not None}
    trimmed = any(claim.place not in {(e.start, e.end) for e in placed} for claim in claims if claim.place)
    searched = [claim for claim in claims if claim.place is None]
    found, missing = _search_all(text, searched, [(e.start, e.end) for e in placed])
    entities = sorted(placed.union(found))
    for one, other in pairwise(entities):
        if other.start < one.end:
            raise RowError(f"the entities {_shown(text, one)} and {_shown(text, other)} overlap")
    return Found(tuple(entities), tuple(missing), trimmed)


def count_of_places(contents: Iterable[Content], *, of_gliner: bool) -> Counted:
    """Tell whether the places of entities beside lists of tokens count words, from those of a whole table.

    They do where none is beyond the words and those of characters would cut some. What the end is shows
    where an entity has one word, ends with the last one, or comes with its string; and of many entities
    some have one word. A few that fit neither are faults of their rows.

    Args:
        contents: those of rows.
        of_gliner: whether the tokens stand in a column as GLiNER's, whose ends are the last words.
    """
    fits, cuts, entities = Counter[Counted](), False, 0
    for tokens, items in ((content.tokens, content.items) for content in contents if content.tokens):
        text, words = join_tokens(tokens, by_character=False)
        edges = {place for word in words for place in word}
        for number, item in enumerate(items or [], start=1):
            entities += 1
            with suppress(RowError):
                claim = _claim(number, item)
                ways = _ways_counted(tokens, claim)
                fits.update(ways)
                start, end = claim.place or (0, 0)
                cuts = cuts or (bool(ways) and (not {start, end} <= edges or text[start:end].isspace() or start == end))
    least = entities / 2 if of_gliner else entities - entities // _ENOUGH
    found = [way for way in _WAYS if fits[way] >= least and not (of_gliner and way == "behind")]
    if not cuts or not found:
        return ""
    best = max(found, key=lambda way: fits[way])
    is_sure = of_gliner or entities >= _ENOUGH or [fits[way] for way in _WAYS].count(fits[best]) == 1
    return best if is_sure else ""


def _ways_counted(tokens: Sequence[str], claim: _Claim) -> list[Counted]:
    """Return what the end of an entity may count, where its place is that of words."""
    start, end = claim.place or (0, 0)
    is_behind = start < end <= len(tokens) and claim.string in (None, " ".join(tokens[start:end]))
    is_last = start <= end < len(tokens) and claim.string in (None, " ".join(tokens[start : end + 1]))
    fitting = {"behind": is_behind, "last": is_last and claim.place is not None}
    return [way for way in _WAYS if fitting[way]]


def units_of_places(contents: Iterable[Content]) -> Counted:
    """Tell whether the places of entities in texts count units of an encoding, from those of a whole table.

    They do where entities behind characters of several units hold their strings, or whole words, if they are
    counted so, and nearly none of them as they stand.
    """
    counts = {units: Counter[str]() for units in UNITS}
    for content in contents:
        if content.tokens is not None or content.text.isascii():
            continue
        for units, count in counts.items():
            if count["entities"] < _ENTITIES_JUDGED and content.items and has_wide(content.text, units):
                _judge(content.text, content.items, units, count)
    for units, count in counts.items():
        are_enough = count["strings"] or count["entities"] >= _ENOUGH // 2
        are_recounted = count["recounted"] >= _NEARLY_ALL * count["entities"]
        if are_enough and are_recounted and count["fitting"] <= _CHANCE * count["entities"]:
            return units
    return ""


def _judge(text: str, items: Sequence[Any], units: Counted, count: Counter[str]) -> None:
    """Count which entities that lie elsewhere if they are recounted fit as they stand, and which recounted."""
    places = _places_of_units(text, units)
    for item in items:
        with suppress(RowError):
            claim = _claim(1, item)
            if claim.place is None or claim.place == (found := tuple(places.get(place, -1) for place in claim.place)):
                continue
            fits, fits_so = _fits(text, claim.place, claim.string), _fits(text, found, claim.string)
            count.update(entities=1, strings=claim.string is not None and fits_so, fitting=fits, recounted=fits_so)


def has_wide(text: str, units: Counted) -> bool:
    """Tell whether a text holds a character of several units."""
    return not text.isascii() if units == "utf-8" else max(text, default="") > "\uffff"


def _places_of_units(text: str, units: Counted) -> dict[int, int]:
    """Return the place in characters of each that counts units; none of those within a character."""
    sizes = (len(c.encode("utf-8", "surrogatepass")) if units == "utf-8" else 1 + (c > "\uffff") for c in text)
    return {place: number for number, place in enumerate(itertools.accumulate(sizes, initial=0))}


def _fits(text: str, place: Sequence[int], string: str | None) -> bool:
    """Tell whether a place holds its string, or, without one, begins and ends as words do."""
    start, end = place
    found = text[start:end] if 0 <= start < end <= len(text) else ""
    if string is not None or not found.strip():
        return bool(found) and found.strip().casefold() == (string or "").strip().casefold()
    is_cut = _is_inside(text, start) or (_is_inside(text, end) and not _is_unspaced(text[end]))
    return found == found.strip() and not is_cut


def in_units(text: str, items: Sequence[Any], units: Counted) -> list[dict[str, Any]]:
    """Write entities whose places count units with those of characters.

    Raises:
        RowError: an item cannot be read, or does not lie between characters of the text.
    """
    places, found = _places_of_units(text, units), []
    kept = (_claim(number, item) for number, item in enumerate(items, start=1) if not _is_rejected(item))
    for label, place, string in kept:
        start, end = place or (None, None)
        if place is not None and not places.keys() >= {start, end}:
            raise RowError(f"an entity at {UNITS[units]} {start} to {end} is outside the text, or cuts a character")
        own = {} if place is None else {"start": places[place[0]], "end": places[place[1]]}
        found.append({**own, "label": label, "text": string})
    return found


def in_characters(items: Sequence[Any], words: Sequence[CharSpan], counted: Counted) -> list[dict[str, Any]]:
    """Write entities whose places count words with those of characters.

    Raises:
        RowError: an item cannot be read, or is outside the words.
    """
    found = []
    for claim in (_claim(number, item) for number, item in enumerate(items, start=1)):
        start, end = claim.place or (0, 0)
        last = end - (counted == "behind")
        if not 0 <= start <= last < len(words):
            raise RowError(f"an entity at words {start} to {end} is outside the text of {len(words)} words")
        found.append({"start": words[start][0], "end": words[last][1], "label": claim.label, "text": claim.string})
    return found


def _claim(number: int, item: Any) -> _Claim:
    if isinstance(item, Mapping):
        label, string = _value(item, _LABEL_KEYS), _value(item, _STRING_KEYS)
        start, end = _value(item, _START_KEYS), _value(item, _END_KEYS)
        start, end = _otherwise_placed(item) if start is None and end is None else (start, end)
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
        return _Claim(label.strip(), _place(number, start, end, label), string if isinstance(string, str) else None)
    if not isinstance(string, str) or not string.strip():
        raise RowError(f"entity {number} has neither a place nor a string")
    return _Claim(label.strip(), None, string.strip())


def may_be_entity(item: Any) -> bool:
    """Tell whether an item of a list may be an entity: an object with nothing but a label is a class."""
    return not isinstance(item, Mapping) or not item.keys() <= _OF_CLASSES


def _place(number: int, start: Any, end: Any, label: str) -> CharSpan:
    if isinstance(start, list):
        raise RowError(f"entity {number} ({label.strip()}) is in several pieces, and an entity has one")
    start, end = (int(float(place)) if _is_whole(place) else place for place in (start, end))
    if type(start) is not int or type(end) is not int:
        raise RowError(
            f"entity {number} does not start and end at whole numbers ({quoted(start, 20)}, {quoted(end, 20)})"
        )
    return start, end


def _is_rejected(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("correct") is False


def _otherwise_placed(item: Mapping[str, Any]) -> tuple[Any, Any]:
    """Read the place of an entity that says where it starts and how long it is, or which its last character is."""
    start, length = _value(item, ("offset",)), _value(item, ("length",))
    if _is_whole(start) and _is_whole(length):
        return int(start), int(start) + int(length)
    first, last = _value(item, _FIRST_KEYS), _value(item, _LAST_KEYS)
    return (int(first), int(last) + 1) if _is_whole(first) and _is_whole(last) else (None, None)


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
        raise RowError(_only_spaces(place))
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


# --- Where a text stands in another one that may be composed otherwise (NFC, NFD) -----------------

# Vowels and final consonants of Korean letters that are written one by one.
_VOWELS_AND_FINALS = range(0x1160, 0x1200)


def find_place(text: str, wanted: str, near: int | None = None) -> CharSpan | None:
    """Find a text in another, where there are several the one nearest to a place.

    Where it is not there as it is written, it is looked for in the composed forms of both, and the
    place is that in the text as it is.

    Args:
        text: in which to look.
        wanted: what to look for; blanks at its edges do not count.
        near: about where it begins, in characters; None: the first one is taken.

    Returns:
        The place in `text`; None where it is not there.
    """
    bare = wanted.strip()
    if not bare:
        return None
    found = _nearest(text, bare, None if near is None else near + len(wanted) - len(wanted.lstrip()))
    if found is not None:
        return found, found + len(bare)
    composed, starts = _composed(text)
    target = unicodedata.normalize("NFC", bare)
    if composed == text and target == bare:
        return None
    before = None if near is None else len(unicodedata.normalize("NFC", text[:near]))
    at = _nearest(composed, target, before)
    return None if at is None else (starts[at], starts[at + len(target)])


def _nearest(text: str, wanted: str, near: int | None) -> int | None:
    if near is not None and text.startswith(wanted, max(0, near)):
        return max(0, near)
    places = list(_occurrences(text, wanted)) if near is not None else [text.find(wanted)]
    there = [place for place in places if place >= 0]
    return min(there, key=lambda place: abs(place - (near or 0)), default=None)


def _composed(text: str) -> tuple[str, list[int]]:
    """Return the composed form, and where each of its characters begins in the text; its end is one more."""
    parts, starts = [], list[int]()
    for start, end in _clusters(text):
        part = unicodedata.normalize("NFC", text[start:end])
        parts.append(part)
        starts += [start] * len(part)
    return "".join(parts), [*starts, len(text)]


def _clusters(text: str) -> Iterator[CharSpan]:
    """Part a text where nothing on one side can compose with the other."""
    start = 0
    for i, char in enumerate(text):
        joins = unicodedata.combining(char) or ord(char) in _VOWELS_AND_FINALS
        if i > start and not joins:
            yield start, i
            start = i
    if start < len(text):
        yield start, len(text)


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
    text = needed_field(fields, columns.text[0])
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
# The most of misplaced entities that fit by chance, and how many are looked at.
_CHANCE, _ENTITIES_JUDGED = 0.25, 1000
# Korean particles, and Chinese and Japanese, follow a word without a space.
_PARTICLES = frozenset("은는이가을를에의도와과로만께서야요")
_UNSPACED = (("ᄀ", "ᇿ"), ("぀", "ヿ"), ("㐀", "鿿"), ("가", "힣"))


@dataclass
class Edges:
    """Counts entities by how they lie in their words."""

    entities: int = 0
    ends: int = 0
    starts: int = 0
    first: Place | None = None
    recounted: Counter[str] = field(default_factory=Counter)
    first_recounted: Place | None = None
    _example: str = ""
    _korean: int = 0
    _korean_ends: int = 0

    def see(self, row: TaggedText) -> None:
        """Count the entities of a row."""
        text = row.texts[0]
        if row.recounted:
            self.recounted[row.recounted] += 1
            self.first_recounted = self.first_recounted or Place(row.source, row.line)
        for entity in row.entities or ():
            if _is_unspaced(text[entity.end - 1]) or _is_unspaced(text[entity.end : entity.end + 1]):
                self._see_korean(row, entity)
                continue
            self.entities += 1
            cut_end = _is_inside(text, entity.end) and not _is_inside(text, entity.end + 1)
            cut_start = _is_inside(text, entity.start) and not _is_inside(text, entity.start - 1)
            self.ends += cut_end
            self.starts += cut_start
            if self.first is None and (cut_end or cut_start):
                self.first, self._example = Place(row.source, row.line), text[entity.start : entity.end]

    def _see_korean(self, row: TaggedText, entity: Entity) -> None:
        """Count an entity before which a word's last syllable is left that is no particle."""
        text, end = row.texts[0], entity.end
        self._korean += "가" <= text[end - 1] <= "힣"
        if _is_inside(text, end) and not _is_inside(text, end + 1) and text[end] not in _PARTICLES:
            self._korean_ends += 1
            if self.first is None:
                self.first, self._example = Place(row.source, row.line), text[entity.start : end]

    def said(self) -> str | None:
        """Say of rows whose places were recounted how they were read."""
        if self.first_recounted is None:
            return None
        units, count = " and ".join(self.recounted), self.recounted.total()
        return (
            f"the entity positions of {count:,} row{'s' if count > 1 else ''} count {units}, not characters, and were "
            f"read so, the first at {self.first_recounted.file}:{self.first_recounted.line}"
        )

    def sentence(self) -> str | None:
        """Say that places are counted otherwise, where nearly all entities show it."""
        if self._korean_ends >= max(_ENOUGH, _NEARLY_ALL * self._korean):
            self.entities, self.ends = self._korean, self._korean_ends
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


# --- Tables with one token a row, whose sentences an id tells apart, as tables with a sentence a row
#
# So are training tables of other tools written (sentence_id, words, labels), and such as name the
# sentence only at its first word ("Sentence #", blank as above). What a table is shows in its first
# rows: single words, and tags that are tags in form.

_ID_NAMES = (
    *("sentence_id", "sentence #", "sentence_idx", "sentence id", "sentenceid", "sent_id", "sent_idx", "sent #"),
    *("sentence_number", "sentence no", "sentence", "sent", "문장번호", "문장 번호", "문장_id", "문장아이디"),
)
# Another column that names sentences or texts, where its values come in runs.
_LIKE_ID = re.compile(
    r"(?:^|[\W_])(?:ids?|idx|no|nr|num|number|sent|sentence|text|doc)(?:$|[\W_])|번호|문장", re.IGNORECASE
)
_ROWS_LOOKED_AT = 200
# More words than these are a text, and no part of speech or title.
_WORDS_OF_TEXT = 3
# Rows that a sentence has at least, on average, where a column tells sentences apart.
_LEAST_WORDS = 2
# Of so many rows without names a sentence alone may consist.
_MOST_OF_ONE = 10
# What programs write for a blank cell.
_BLANK = frozenset({"nan", "none", "null", "na", "<na>"})


@dataclass(frozen=True, slots=True)
class TokenColumns:
    """Columns of a table with a token a row; where no tag is O, a blank one is.

    `is_told` says that their names are not usual ones: then the lists go by such, too.
    """

    token: str
    tag: str | None
    sentence: str | None
    blank_is_outside: bool = False
    is_told: bool = False


@dataclass
class _Group:
    """The rows of one sentence."""

    line: int
    rows: list[Row] = field(default_factory=list)


def find_token_columns(rows: Sequence[Row]) -> TokenColumns | None:
    """Tell from the first rows of a table whether each is one token, and what its columns are."""
    names = list(rows[0].fields)
    usual = first_named(names, TOKEN_NAMES)
    token = usual or first_named(names, TEXT_NAMES)
    if token is None:
        return _told_by_cells(rows)
    if any(len(row.fields.get(token, "").split()) > 1 or row.fields.get(token, "").startswith("[") for row in rows):
        return None
    others = [name for name in names if name != token]
    tag, sentence = first_named(others, TAG_NAMES), first_named(others, _ID_NAMES)
    if tag is None and (told := _told_by_cells(rows)) is not None:
        return told
    tags = [] if tag is None else [text for row in rows if (text := row.fields.get(tag, "").strip())]
    if tag is not None and not are_tags(tags):
        return None
    is_told = sum(map(is_entity_tag, tags)) >= 1 and all(map(is_like_tag, tags))
    if (usual is None and not (is_told and len(rows) > 1)) or (tag is None and _tells_of_texts(rows, token)):
        return None
    if sentence is None:
        found = [name for name in others if name != tag and _comes_in_runs(rows, name)]
        found.sort(key=lambda name: not _LIKE_ID.search(name))
        sentence = next(
            (name for name in found if _LIKE_ID.search(name) or (tag and _are_different(_runs(rows, name)))), None
        )
    if sentence is None and not is_told:
        return None
    return TokenColumns(token, tag, sentence, blank_is_outside=OUTSIDE not in tags)


def _tells_of_texts(rows: Sequence[Row], token: str) -> bool:
    """Tell a column of words that stand beside texts, as the one that is asked for, or of their number."""
    others = [[cell for name, cell in row.fields.items() if name != token] for row in rows]
    beside = sum(any(len(cell.split()) > _WORDS_OF_TEXT for cell in cells) for cells in others)
    return 2 * beside > len(rows) or all(row.fields.get(token, "").strip().isdecimal() for row in rows)


def _told_by_cells(rows: Sequence[Row]) -> TokenColumns | None:
    """Tell the columns by what is in them, where they have other names or none: one of them is of tags in form."""
    cells = {name: [row.fields.get(name, "").strip() for row in rows] for name in rows[0].fields}
    tags = [name for name, own in cells.items() if all(map(is_like_tag, filter(None, own)))]
    tags = [name for name in tags if sum(map(is_entity_tag, cells[name])) > 1]
    ids = {name: len(runs) for name in cells if name not in tags and _are_different(runs := _runs(rows, name))}
    ids = {name: count for name, count in ids.items() if 1 < count <= len(rows) / _LEAST_WORDS}
    words = [
        name
        for name, own in cells.items()
        if name not in (*tags, *ids) and all(len(cell.split()) == 1 for cell in own) and not all(map(str.isdigit, own))
    ]
    if len(tags) != 1 or not words or not (ids or (_is_without_names(cells) and len(rows) > _MOST_OF_ONE)):
        return None
    token = max(words, key=lambda name: len(set(cells[name])))  # others are parts of speech
    sentence = max(ids, key=ids.__getitem__, default=None)  # others are of documents
    return TokenColumns(token, tags[0], sentence, blank_is_outside=OUTSIDE not in cells[tags[0]], is_told=True)


def join_token_rows(rows: Iterator[Row | BadRow], source: str) -> Iterator[Row | BadRow]:
    """Hand on the rows of a table; where each is one token, those of a sentence become one with lists.

    Raises:
        DataError: each row is one token with its tag, and nothing tells where a sentence ends, or
            the rows of a sentence do not stand together.
    """
    ahead = list(itertools.islice(rows, 1))
    first = next((row for row in ahead if isinstance(row, Row)), None)
    if first is None or not _may_be_token(first):
        return itertools.chain(ahead, rows)
    ahead += itertools.islice(rows, _ROWS_LOOKED_AT)
    good = [row for row in ahead if isinstance(row, Row)]
    try:
        columns = find_token_columns(good)
    except RowError:
        columns = None
    again = itertools.chain(ahead, rows)
    if columns is None or (columns.sentence is None and len(good) < 2):
        return again
    if columns.sentence is None:
        raise DataError.at(
            source,
            good[0].line,
            "each row is one word with its tag, and nothing tells where a sentence ends; add a column sentence_id, "
            "or write a blank line between sentences and no header.",
        )
    if _is_scattered(good, columns.sentence):
        name = quoted(columns.sentence)
        raise DataError.at(
            source,
            good[0].line,
            f"each row is one word, and the words of a sentence are not together (column {name}); sort the table "
            f"by {name}, words in their order.",
        )
    return _joined(again, columns)


def _may_be_token(row: Row) -> bool:
    """Tell whether a table may have a token a row by its first; of one with texts no more is read ahead."""
    if len(row.fields) < 2:
        return False
    least = 1 if _is_without_names(row.fields) else 2
    if first_named(row.fields, TOKEN_NAMES) is not None:
        return True
    token, tag = first_named(row.fields, TEXT_NAMES), first_named(row.fields, TAG_NAMES)
    try:
        if token is None:
            cells = [text.strip() for text in row.fields.values()]
            return len(cells) > least and any(map(is_like_tag, cells)) and all(len(cell.split()) < 2 for cell in cells)
        return (
            tag is not None
            and len(row.fields.get(token, "").split()) == 1
            and is_like_tag(row.fields.get(tag, "").strip())
        )
    except RowError:
        return False


def _runs(rows: Sequence[Row], name: str) -> list[str]:
    """Return the values of a column, those that follow each other once; a blank one is as above."""
    values = [value for row in rows if (value := _id_of(row, name))]
    return [value for value, _ in itertools.groupby(values)]


def _id_of(row: Row, name: str) -> str:
    """Return what names a row's sentence; empty where it is as above."""
    value = row.fields.get(name, "").strip()
    return "" if value.casefold() in _BLANK else value


def _is_without_names(fields: Collection[str]) -> bool:
    """Tell a table without a header, whose columns go by their places."""
    return list(fields) == [str(place) for place in range(1, len(fields) + 1)]


def _comes_in_runs(rows: Sequence[Row], name: str) -> bool:
    """Tell whether the values of a column each stand on several rows in turn, as the ids of sentences do."""
    runs = _runs(rows, name)
    return 1 <= len(runs) <= len(rows) / _LEAST_WORDS and (len(runs) > 1 or len(rows) < _ROWS_LOOKED_AT)


def _are_different(runs: Sequence[str]) -> bool:
    return len(set(runs)) == len(runs)


def _is_scattered(rows: Sequence[Row], name: str) -> bool:
    """Tell whether the values of a column come again and again, but not in turn."""
    runs = _runs(rows, name)
    return len(runs) > len(rows) / _LEAST_WORDS and len(set(runs)) <= len(runs) / _LEAST_WORDS


def _joined(rows: Iterable[Row | BadRow], columns: TokenColumns) -> Iterator[Row | BadRow]:
    assert columns.sentence is not None, "it tells where a sentence ends"
    group: _Group | None = None
    current, is_broken = "", False
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            is_broken = True
            continue
        name = _id_of(row, columns.sentence)
        if group is None or (name and name != current):
            if group is not None and not is_broken:
                yield _sentence(group, columns)
            group, is_broken = _Group(row.line), False
            current = name
        group.rows.append(row)
    if group is not None and not is_broken:
        yield _sentence(group, columns)


def _sentence(group: _Group, columns: TokenColumns) -> Row | BadRow:
    """Write the words and tags of a sentence as lists; of other columns the first value stands."""
    try:
        return Row(group.line, _lists(group, columns))
    except RowError as error:
        return BadRow(group.line, str(error))


def _lists(group: _Group, columns: TokenColumns) -> dict[str, str]:
    words = [row.fields.get(columns.token, "").strip() for row in group.rows]
    blank = next((row.line for row, word in zip(group.rows, words, strict=True) if not word), None)
    if blank is not None:
        raise RowError(f"line {blank} has no word (column {quoted(columns.token)})")
    fields = dict(group.rows[0].fields)
    fields[columns.token] = json.dumps(words, ensure_ascii=False)
    if columns.tag is not None:
        fields[columns.tag] = json.dumps([_tag(row, columns, columns.tag) for row in group.rows], ensure_ascii=False)
    if columns.is_told and columns.tag is not None:
        fields |= {TOKEN_NAMES[0]: fields[columns.token], TAG_NAMES[0]: fields[columns.tag]}
    return fields


def _tag(row: Row, columns: TokenColumns, name: str) -> str:
    tag = row.fields.get(name, "").strip()
    if not tag and not columns.blank_is_outside:
        word = quoted(row.fields.get(columns.token, ""))
        raise RowError(f"the word {word} at line {row.line} has no tag (column {quoted(name)}); write O where none is")
    return tag or OUTSIDE
