"""Texts in which two stretches are marked, each row with the relation between them.

KLUE-RE as it is published (objects with `word`, `start_idx`, `end_idx` inclusive and `type`), the tokens of
TACRED, plain tables with the words and where they begin, and texts that carry the marks themselves
(`<e1>…</e1>`). What comes out is one text with markers (`data.marked`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.data.column_names import LABEL_NAMES, TEXT_NAMES, first_named
from bertkit.data.columns import (
    LabelRules,
    RowShape,
    Wanted,
    first_there,
    has_column,
    label_of,
    others,
    refuse_rejected,
    text_of,
    there_are,
)
from bertkit.data.records import ColumnMap, Example, MarkedSpan, Row, find_place, mark
from bertkit.data.values import RowError, field_of, missing_column, parse_list
from bertkit.errors import DataError
from bertkit.plain import quoted

SUBJECT_NAMES = ("subject_entity", "subject", "subj", "head", "e1", "entity1", "entity_1", "주체", "주어")
OBJECT_NAMES = ("object_entity", "object", "obj", "tail", "e2", "entity2", "entity_2", "객체", "대상", "목적어")
RELATION_NAMES = ("relation", "label", "relation_type", "predicate", "관계", *LABEL_NAMES)
_TEXTS = ("sentence", "text", "token", "tokens", "문장", *TEXT_NAMES)
_TOKEN_PLACES = tuple(f"{part}_{end}" for part in ("subj", "obj") for end in ("start", "end"))
_WORDS, _TYPES = ("word", "text", "name", "mention"), ("type", "label", "entity_type")
# Marks that stand in a text: those of SemEval-2010 task 8, and the usual words for the two.
_INLINE = tuple(
    re.compile(rf"(?P<open><(?P<tag>{tags})>|\[(?P<bracket>{tags})\])(?P<words>.+?)(?:</(?P=tag)>|\[/(?P=bracket)\])")
    for tags in ("e1|subj|subject|S", "e2|obj|object|O")
)
_WAY_ON = "say which is which, for example --columns text=sentence,spans=subject+object,label=relation"


class Relations(RowShape):
    """Texts with two marked stretches: relation."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find text, entities and label; without columns of entities the text carries the marks."""
        chosen, known = wanted.chosen(names), wanted.known
        if len(chosen.text) > 1 or chosen.pair is not None or chosen.choices or chosen.labels:
            raise DataError(f"a relation is read from one text; {_WAY_ON}.")
        spans = chosen.spans or _known_spans(names, known) or _span_columns(names)
        free = others(names, *spans, chosen.label)
        text = next(iter(chosen.text), None) or first_there(free, [c.text[0] for c in known])
        text = text or first_named(free, _TEXTS)
        if text is None:
            raise DataError(f"no column is recognised as the text: {there_are(names)}; {_WAY_ON}.")
        free = others(names, text, *spans)
        label = chosen.label or first_there(free, [c.label for c in known]) or first_named(free, RELATION_NAMES)
        if wanted.need_label and label is None:
            raise DataError(f"no column for the relation: {there_are(names)}; {_WAY_ON}.")
        return ColumnMap((text,), None, label, spans=spans)

    def example(
        self, row: Row, columns: ColumnMap, source: str, *, spec: LabelRules | None, need_label: bool
    ) -> Example:
        """Make a marked text; an entity that is not where the row says makes it unusable."""
        return _relation(row, columns, source, need_label, spec)


def looks_related(rows: Sequence[Row]) -> bool:
    """Tell whether most rows hold a text with two marked stretches and a label."""
    names = list(rows[0].fields)
    try:
        columns = Relations().resolve(names, Wanted())
    except DataError:
        return False
    found = 0
    for row in rows:
        try:
            found += bool(_relation(row, columns, "", True, None))
        except RowError:
            continue
    return 2 * found > len(rows)


def _relation(row: Row, columns: ColumnMap, source: str, need_label: bool, spec: LabelRules | None) -> Example:
    if columns.label is not None:
        refuse_rejected(row.fields, columns.label)
    raw = None if columns.label is None else field_of(row.fields, columns.label)
    label = label_of(row, columns, (raw or "").strip(), spec, need_label=need_label)
    return Example((_marked(row.fields, columns),), label, row.line, source)


def _marked(fields: Mapping[str, str], columns: ColumnMap) -> str:
    """Return a row's text with its markers."""
    column, names = columns.text[0], columns.spans
    text = text_of(fields, column)
    if not text.strip():
        raise RowError(f"the text is empty (column {quoted(column)})")
    if names == _TOKEN_PLACES:
        return _of_tokens(fields, column)
    # Of JSON lines each speaks for itself.
    if not any(has_column(list(fields), name) for name in names) and (not names or _has_marks(text)):
        return _of_marks(text, column)
    subject, object_ = (_span(fields, text, name) for name in names)
    return mark(text, subject, object_)


def _span(fields: Mapping[str, str], text: str, column: str) -> MarkedSpan:
    """Find the stretch that a column names: an object with a word and its place, two places, or a word."""
    cell = field_of(fields, column)
    if cell is None:
        raise RowError(missing_column(column))
    found = parse_list(cell) if cell.lstrip().startswith(("{", "[")) else None
    if isinstance(found, dict):
        return _of_object(found, text, column)
    if isinstance(found, list) and len(found) == 2 and all(_whole(value) is not None for value in found):
        return _between(text, column, _whole(found[0]), _whole(found[1]), "")
    start = _whole(fields.get(f"{column}_start"))
    type_ = (fields.get(f"{column}_type") or "").strip()
    if not cell.strip():
        return _between(text, column, start, _whole(fields.get(f"{column}_end")), type_)
    return _placed(text, column, cell, start, type_)


def _of_object(found: Mapping[str, Any], text: str, column: str) -> MarkedSpan:
    type_ = next((str(found[name]) for name in _TYPES if isinstance(found.get(name), str)), "")
    word = next((found[name] for name in _WORDS if isinstance(found.get(name), str)), "")
    inclusive = "start_idx" in found or "end_idx" in found
    start = _whole(found.get("start_idx" if inclusive else "start"))
    if word.strip():
        return _placed(text, column, word, start, type_)
    end = _whole(found.get("end_idx" if inclusive else "end"))
    return _between(text, column, start, end + 1 if inclusive and end is not None else end, type_)


def _placed(text: str, column: str, word: str, start: int | None, type_: str) -> MarkedSpan:
    """Find a word where it is said to begin, or without that the first one."""
    place = find_place(text, word, start)
    if place is None:
        raise RowError(f"{quoted(word)} is not in the text (column {quoted(column)})")
    if start is not None and not _is_there(text, word, start, place[0]):
        there = text[start : start + len(word)] if 0 <= start < len(text) else ""
        raise RowError(
            f"{quoted(word)} is not at character {start} of the text, where {quoted(there)} stands, but at {place[0]} "
            f"(column {quoted(column)}); fix the place, or leave it out and the first {quoted(word)} is taken"
        )
    return MarkedSpan(*place, type_)


def _is_there(text: str, word: str, start: int, found: int) -> bool:
    """Tell whether a place is that of a word, counted as the text is written or as it is composed."""
    import unicodedata

    spaces = len(word) - len(word.lstrip())
    composed = len(unicodedata.normalize("NFC", text[:found]))
    return start + spaces in (found, composed)


def _between(text: str, column: str, start: int | None, end: int | None, type_: str) -> MarkedSpan:
    if start is None or end is None:
        raise RowError(f"there is neither a word nor a place (column {quoted(column)})")
    if not 0 <= start < end <= len(text) or not text[start:end].strip():
        raise RowError(
            f"characters {start} to {end} are outside the text, or hold only spaces (column {quoted(column)})"
        )
    return MarkedSpan(start, end, type_)


def _of_tokens(fields: Mapping[str, str], column: str) -> str:
    """Read TACRED's rows: a list of tokens, and the first and the last token of each entity."""
    tokens = parse_list(fields.get(column, ""))
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise RowError(f"the tokens are not a list of texts (column {quoted(column)})")
    starts, ends, at = list[int](), list[int](), 0
    for token in tokens:
        starts.append(at)
        ends.append(at + len(token))
        at += len(token) + 1
    spans = []
    for part in ("subj", "obj"):
        first, last = (_whole(fields.get(f"{part}_{end}")) for end in ("start", "end"))
        if first is None or last is None or not 0 <= first <= last < len(tokens):
            raise RowError(f"{part}_start and {part}_end are not tokens of the {len(tokens)} there are")
        spans.append(MarkedSpan(starts[first], ends[last], (fields.get(f"{part}_type") or "").strip()))
    return mark(" ".join(tokens), spans[0], spans[1])


def _has_marks(text: str) -> bool:
    return all(pattern.search(text) for pattern in _INLINE)


def _of_marks(text: str, column: str) -> str:
    """Read a text that carries the marks itself."""
    found = [match for pattern in _INLINE if (match := pattern.search(text)) is not None]
    if len(found) < len(_INLINE):
        raise RowError(
            f"no two stretches are marked in the text (column {quoted(column)}): write <e1>…</e1> and <e2>…</e2>, or "
            "name the columns that say where they are (--columns spans=subject+object)"
        )
    pieces = [
        (*place, number, opens)
        for number, match in enumerate(found)
        for place, opens in (((match.start(), match.start("words")), True), ((match.end("words"), match.end()), False))
    ]
    clean, last, places = "", 0, {}
    for start, end, number, opens in sorted(pieces):
        clean += text[last:start]
        places[number, opens], last = len(clean), end
    clean += text[last:]
    subject, object_ = (MarkedSpan(places[number, True], places[number, False]) for number in (0, 1))
    return mark(clean, subject, object_)


def _whole(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if text.isdecimal() and text.isascii() else None


def _span_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that say where the entities are; none where the text carries the marks."""
    if all(name in names for name in _TOKEN_PLACES):
        return _TOKEN_PLACES
    subject, object_ = first_named(names, SUBJECT_NAMES), first_named(names, OBJECT_NAMES)
    return (subject, object_) if subject is not None and object_ is not None else ()


def _known_spans(names: Sequence[str], known: Sequence[ColumnMap]) -> tuple[str, ...]:
    return next((c.spans for c in known if c.spans and all(has_column(names, name) for name in c.spans)), ())
