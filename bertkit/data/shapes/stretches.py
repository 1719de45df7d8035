"""Texts of which stretches count: two that are marked, with the relation between them, and answers to questions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bertkit.data.column_names import LABEL_NAMES, TEXT_NAMES, first_named
from bertkit.data.columns import (
    RowRules,
    Shape,
    Wanted,
    all_there,
    first_there,
    has_column,
    others,
    text_of,
    there_are,
)
from bertkit.data.records import ColumnMap, Example, LeftOut, MarkedSpan, ReadingQuestion, Row, mark
from bertkit.data.tagged.places import find_place, join_tokens
from bertkit.data.values import NotMeantError, RowError, needed_field, parse_list
from bertkit.errors import DataError
from bertkit.plain import quoted

# --- Two stretches of a text, and the relation between them ---------------------------------------
#
# KLUE-RE as it is published (objects with `word`, `start_idx`, `end_idx` inclusive and `type`), the tokens of
# TACRED, plain tables with the words and where they begin, and texts that carry the marks themselves
# (`<e1>…</e1>`). What comes out is one text with markers (`data.records`).

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


class Relations(Shape):
    """Texts with two marked stretches: relation."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find text, entities and label; without columns of entities the text carries the marks."""
        chosen, known = wanted.chosen(names), wanted.known
        if len(chosen.text) > 1 or chosen.pair is not None or chosen.choices or chosen.labels:
            raise DataError(f"a relation is read from one text; {_WAY_ON}.")
        spans = chosen.spans or all_there(names, (c.spans for c in known)) or _span_columns(names)
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

    def example(self, row: Row, rules: RowRules) -> Example:
        """Make a marked text; an entity that is not where the row says makes it unusable."""
        raw = rules.answer_in(row)
        label = rules.label_of(raw, (raw or "").strip())
        return Example((_marked(row.fields, rules.columns),), label, row.line, rules.source)


def looks_related(rows: Sequence[Row]) -> bool:
    """Tell whether most rows hold a text with two marked stretches and a label."""
    shape = Relations()
    try:
        columns = shape.resolve(list(rows[0].fields), Wanted())
    except DataError:
        return False
    return 2 * sum(isinstance(made, Example) for made in shape.examples(rows, columns, "")) > len(rows)


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
    cell = needed_field(fields, column)
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
    text, places = join_tokens(tokens, by_character=False)
    spans = []
    for part in ("subj", "obj"):
        first, last = (_whole(fields.get(f"{part}_{end}")) for end in ("start", "end"))
        if first is None or last is None or not 0 <= first <= last < len(tokens):
            raise RowError(f"{part}_start and {part}_end are not tokens of the {len(tokens)} there are")
        spans.append(MarkedSpan(places[first][0], places[last][1], (fields.get(f"{part}_type") or "").strip()))
    return mark(text, spans[0], spans[1])


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


# --- Questions whose answers are stretches of a text: SQuAD, KorQuAD, KLUE-MRC, and plain tables --

QUESTION_NAMES = ("question", "query", "질문", "문제")
CONTEXT_NAMES = ("context", "passage", "paragraph", "document", "article", "text", "지문", "본문", "문단")
ANSWER_NAMES = ("answers", "answer", "answer_text", "gold", "label", "정답", "답", "답변")
START_NAMES = ("answer_start", "start", "start_position", "answer_start_index", "시작")
KEY_NAMES = ("id", "guid", "qid", "question_id")
_IMPOSSIBLE = "is_impossible"
_SAY_WHICH = "say which is which, for example --columns text=question,pair=context,label=answer"


class Readings(Shape):
    """Questions about a text: qa."""

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find question, context and answer; the context is the pair of the question."""
        chosen, known = wanted.chosen(names), wanted.known
        texts, context = list(chosen.text), chosen.pair
        if len(texts) == 2 and context is None:
            context = texts.pop()
        if len(texts) > 1 or chosen.choices:
            raise DataError(f"a question is one column and its context another; {_SAY_WHICH}.")
        question = next(iter(texts), None) or first_there(names, [c.text[0] for c in known])
        context = context or first_there(names, [c.pair for c in known])
        question = question or first_named(others(names, context, chosen.label), QUESTION_NAMES)
        context = context or first_named(others(names, question, chosen.label), CONTEXT_NAMES)
        if question is None or context is None:
            what = "question" if question is None else "context"
            raise DataError(f"no column is recognised as the {what}: {there_are(names)}; {_SAY_WHICH}.")
        label = chosen.label or first_there(names, [c.label for c in known])
        label = label or first_named(others(names, question, context), ANSWER_NAMES)
        if wanted.need_label and label is None:
            raise DataError(f"no column for the answer: {there_are(names)}; {_SAY_WHICH}.")
        return ColumnMap((question,), context, label)

    def example(self, row: Row, rules: RowRules) -> Example:
        """Make a question; an answer that is not in its text makes a row unusable."""
        return _reading(row, rules)


def looks_read(rows: Sequence[Row]) -> bool:
    """Tell whether rows hold a question, a text, and answers that are in it; most of them must be."""
    names = list(rows[0].fields)
    question, context = first_named(names, QUESTION_NAMES), first_named(names, CONTEXT_NAMES)
    answer = first_named(others(names, question, context), ("answers", "answer", "answer_text", "정답", "답"))
    if question is None or context is None or answer is None:
        return False
    made = list(Readings().examples(rows, ColumnMap((question,), context, answer), ""))
    found = sum(isinstance(one, ReadingQuestion) and bool(one.places) for one in made)
    meant = sum(not isinstance(one, LeftOut) for one in made)
    return 2 * found >= meant and found > 0


def _reading(row: Row, rules: RowRules) -> ReadingQuestion:
    columns = rules.columns
    question, context = (text_of(row.fields, name) for name in columns.inputs)
    if not question.strip():
        raise RowError(f"the question is empty (column {quoted(columns.text[0])})")
    if not context.strip():
        raise RowError(f"the context is empty (column {quoted(columns.pair)})")
    key = row.fields.get(first_named(list(row.fields), KEY_NAMES) or "", "")
    # Questions about one text stay on one side of a split: who has seen the text has an advantage.
    group = hashlib.blake2b(context.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    made = ReadingQuestion((question, context), None, row.line, rules.source, key=key, group=group)
    written = rules.answer_in(row)
    if written is None and columns.label is not None and rules.need_label:
        written = needed_field(row.fields, columns.label)
    if written is None:
        return made
    if _is_no_stretch(written):
        raise NotMeantError("its answer is not a stretch of the text, as yes and no are not")
    is_impossible = row.fields.get(_IMPOSSIBLE, "").strip().casefold() in ("true", "1")
    answers = [] if is_impossible else list(_answers(written, _start(row.fields)))
    places = [place for text, near in answers if (place := find_place(context, text, near)) is not None]
    if answers and not places:
        named = f" of question {quoted(key)}" if key else ""
        raise RowError(f"the answer {quoted(answers[0][0])}{named} is not in its text (column {quoted(columns.pair)})")
    texts = tuple(dict.fromkeys(text.strip() for text, _ in answers))
    return replace(made, places=tuple(dict.fromkeys(places)), answers=texts)


def _is_no_stretch(written: str) -> bool:
    """Tell answers that somebody gave in words of their own, as a form's reader marks them."""
    found = parse_list(written) if '"in_text"' in written else None
    return isinstance(found, list) and all(isinstance(own, dict) and own.get("in_text") is False for own in found)


def _answers(written: str, start: int | None) -> Iterator[tuple[str, int | None]]:
    """Read the answers of a cell, each with about where it begins: a text, a list, or SQuAD's objects."""
    found = parse_list(written) if written.lstrip().startswith(("[", "{")) else None
    if found is None or isinstance(found, str | int | float):
        if written.strip():
            yield written, start
        return
    if isinstance(found, dict):
        yield from _answers_in_object(found, start)
        return
    for item in found:
        if isinstance(item, dict):
            yield from _answers_in_object(item, None)
        elif isinstance(item, str) and item.strip():
            yield item, start if len(found) == 1 else None


def _answers_in_object(found: Mapping[str, Any], start: int | None) -> Iterator[tuple[str, int | None]]:
    """Read {"text", "answer_start"}, each a value or a list of as many."""
    texts, starts = found.get("text"), found.get("answer_start", found.get("start", start))
    if not isinstance(texts, list):
        texts, starts = [texts], starts if isinstance(starts, list) else [starts]
    starts = starts if isinstance(starts, list) else [starts] * len(texts)
    for i, text in enumerate(texts):
        near = starts[i] if i < len(starts) else None
        if isinstance(text, str) and text.strip():
            yield text, _whole(near)


def _start(fields: Mapping[str, str]) -> int | None:
    name = first_named(list(fields), START_NAMES)
    return None if name is None else _whole(fields[name])
