"""Entities that a row lists: by their characters, or as strings whose places are searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from bertkit.data.numerals import is_whole
from bertkit.data.records import CharSpan, Entity
from bertkit.data.values import RowError, only_spaces, value_text
from bertkit.plain import brief, quoted, shortened, visible

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
        RowError: an item is none of these, a place is not in the text or does not hold its
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
        raise RowError(f"an entity starts at {start} and ends at {end}, which holds nothing")
    if start < 0 or end > len(text):
        more = " (do places count bytes? bertkit's count characters)" if end <= len(text.encode()) else ""
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
        return " (is the end the last character? bertkit's is the one behind it)"
    return " (do places count from 1? bertkit's count from 0)" if start and text[start - 1 : end - 1] == string else ""


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
