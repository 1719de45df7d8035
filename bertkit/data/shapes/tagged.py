"""Rows of a table (jsonl, tsv, csv, parquet, the hub) as texts with their entities.

The text column holds a text, or a list of tokens. The other column holds the entities
(`entity_places`), a list of tags or class ids, or tags with spaces between them (Naver).
Which of these it is shows in the value itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from bertkit.data.column_names import TAG_NAMES, TEXT_NAMES, TOKEN_NAMES, first_named, folded
from bertkit.data.columns import RowRules, Shape, Wanted, examples_of, refuse_rejected, resolve_columns
from bertkit.data.records import BadRow, CharSpan, ColumnMap, Entity, Example, Row, TaggedText
from bertkit.data.tagged.places import (
    SENTENCES_AHEAD,
    UNITS,
    Content,
    TagForm,
    content_of,
    count_of_places,
    cut_tags,
    detect_form,
    entities_of_tags,
    find_entities,
    has_wide,
    in_characters,
    in_units,
    join_tokens,
    may_be_entity,
    shows_kind,
    text_or_tokens,
    units_of_places,
    word_places,
)
from bertkit.data.tagged.schemes import are_tags, is_outside
from bertkit.data.values import LISTED, RowError, field_of, parse_list
from bertkit.plain import quoted

ENTITY_NAMES = (
    *("entities", "spans", "ner", "named_entities", "annotations", "labels", "label", "tags", "ner_tags", "ents", "ne"),
    *("annotation", "ner_labels", "entity", "entity_labels", "mentions", "개체명", "개체", "태그"),
)
_HEADERLESS = ["1", "2"]
# How LUIS and CLU write the entities of an utterance, beside its intent.
_OF_UTTERANCES = ('"startPos"', '"startToken"', '"startCharIndex"', '"category"')
_SLIPS = 10  # of so many rows one may have fewer tags than tokens


def find_tag_columns(names: Sequence[str], *, need_tags: bool = True) -> ColumnMap | None:
    """Find the text (or tokens) and the entities (or tags) by the names of a table's columns.

    Tokens with tags go before a text, which may carry markup. The two columns of a table
    without header are taken as text and tags. None if nothing is recognised, or if there
    is not a column of tags while `need_tags`.
    """
    tokens, tags = first_named(names, TOKEN_NAMES), first_named(names, TAG_NAMES)
    if tokens is not None and tags is not None:
        return ColumnMap((tokens,), label=tags)
    text, label = first_named(names, TEXT_NAMES) or tokens, first_named(names, (*ENTITY_NAMES, *TAG_NAMES))
    if list(names) in (_HEADERLESS, _HEADERLESS[:1]):
        text, label = (*names, None)[:2]
    if text is None or (need_tags and label is None):
        return None
    return ColumnMap((text,), label=label)


def looks_tagged(rows: Iterable[Row]) -> bool | None:
    """Tell from the first rows of a table whether it holds texts with entities; None: they do not show it yet.

    They do not where all of them are as a text without any entity is: its list is empty.
    Of an utterance with its intent, as LUIS and CLU have it, the intent is what counts.
    """
    looked_at = list(rows)
    columns = find_tag_columns(list(looked_at[0].fields)) if looked_at else None
    if columns is None:
        return False
    if first_named(looked_at[0].fields, ("intent", "intent_name")) and any(
        _is_utterance(r, columns) for r in looked_at
    ):
        return False
    tags: list[str] = []  # one sentence alone may not show that they are
    marks = [_marks_entities(row, columns, tags) for row in looked_at]
    # A list of tags that is too short is a fault of its row, and makes no classes of the others.
    slips = sum(mark is None and _is_list(row, columns) for mark, row in zip(marks, looked_at, strict=True))
    if marks.count(None) > (slips if _SLIPS * slips <= len(marks) else 0) or (tags and not are_tags(tags)):
        return False
    undecided = None if all(_is_list(row, columns) for row in looked_at) else False
    return True if any(marks) else undecided


def _text(content: Content, form: TagForm) -> str:
    """Return the text of a row alone: the places of a million tokens take more room than the tokens."""
    return content.text if content.tokens is None else ("" if form.by_character else " ").join(content.tokens)


def _text_and_places(content: Content, form: TagForm) -> tuple[str, list[CharSpan]]:
    if content.tokens is None:
        # Tags alone stand for words; entities say themselves where they are.
        return content.text, [] if content.tags is None else word_places(content.text)
    return join_tokens(content.tokens, by_character=form.by_character)


def _entities(
    content: Content, text: str, places: Sequence[CharSpan], form: TagForm, lost: Callable[[str], None]
) -> tuple[tuple[Entity, ...], bool, bool]:
    """Return the entities of a row, whether its tags were read leniently, and whether any entity had spaces around it.

    `lost` is told of those that are not in the text.
    """
    if content.tags is None:
        items = content.items or []
        if form.counted in UNITS:
            items = in_units(text, items, form.counted) if content.tokens is None else items
        elif form.counted and content.tokens:
            items = in_characters(items, places, form.counted)
        found = find_entities(text, items)
        for string in found.missing:
            if string in text:
                lost(f"the entity {quoted(string)} is listed more often than it occurs in the text")
            else:
                lost(f"the entity {quoted(string)} is not in the text")
        if content.tokens is not None and not form.by_character:
            _refuse_token_places(text, found.entities, places)
        return found.entities, False, found.trimmed
    tags = list(map(form.spelling.standard, content.tags))
    strange = next((tag for tag in tags if not form.scheme.knows(tag)), None)
    if strange is not None:
        raise RowError(form.scheme.refusal(strange))
    return entities_of_tags(text, places, tags, form.scheme)


def _refuse_token_places(text: str, entities: Sequence[Entity], words: Sequence[CharSpan]) -> None:
    """Refuse places beside a list of tokens that cut its words and could count them.

    Raises:
        RowError: they do.
    """
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    cut = next((e for e in entities if e.start not in starts or e.end not in ends), None)
    if cut is not None and max(e.end for e in entities) <= len(words):
        raise RowError(
            f"characters {cut.start} to {cut.end} are {quoted(text[cut.start : cut.end])}, a part of a word: are "
            f"these positions counted in words? bertkit counts characters"
        )


def _until_told(rows: Iterable[Row | BadRow], columns: ColumnMap) -> Iterator[Row | BadRow]:
    """Take rows up to the first that shows how to join tokens, as any with a text does."""
    for row in itertools.islice(rows, SENTENCES_AHEAD):
        yield row
        if isinstance(row, Row) and _shows_kind(row, columns):
            return


def _shows_kind(row: Row, columns: ColumnMap) -> bool:
    try:
        _, tokens = text_or_tokens(row.fields, columns)
    except RowError:
        return False
    return tokens is None or shows_kind(tokens)


def _is_utterance(row: Row, columns: ColumnMap) -> bool:
    cell = row.fields.get(columns.label or "", "")
    return cell.startswith("[{") and any(key in cell for key in _OF_UTTERANCES)


def _is_list(row: Row, columns: ColumnMap) -> bool:
    try:
        return (field_of(row.fields, columns.label or "") or "").lstrip().startswith(LISTED)
    except RowError:
        return False


def _marks_entities(row: Row, columns: ColumnMap, tags: list[str]) -> bool | None:
    """Tell whether a row marks any entity, and gather what may be its tags; None if it is not a tagged row at all."""
    try:
        raw = (field_of(row.fields, columns.label or "") or "").strip()
        values = parse_list(raw) if raw.startswith((*LISTED, "{")) else cut_tags(raw)
        if isinstance(values, dict) and "entities" in values:
            values = values["entities"]
        if not isinstance(values, list):
            return None
        if not values or all(isinstance(value, list | dict) for value in values):
            return bool(values) if all(map(may_be_entity, values)) else None
        text, tokens = text_or_tokens(row.fields, columns)
    except RowError:
        return None
    if len(values) != len(tokens if tokens is not None else text.split()):
        return None
    if all(isinstance(value, str) for value in values):
        tags += values
        return not all(is_outside(value.strip()) for value in values)
    return any(values) if tokens and all(type(value) is int for value in values) else None


class TaggedTexts(Shape):
    """Texts with entities.

    Args:
        tag_names: the tags that class ids stand for.
        problems: gathers the entity strings that are not in their texts, whose rows come
            without them; None: such a row is bad.
    """

    def __init__(self, tag_names: Sequence[str] = (), problems: list[BadRow] | None = None) -> None:
        self._tag_names = tag_names
        self._problems = problems

    def resolve(self, names: Sequence[str], wanted: Wanted) -> ColumnMap:
        """Find the text and its entities or tags."""
        if wanted.choice is not None:
            return resolve_columns(names, wanted)
        for columns in wanted.known:
            if set(columns.text) <= set(names) and (columns.label in names or not wanted.need_label):
                return columns
        found = find_tag_columns(names, need_tags=wanted.need_label)
        return found or resolve_columns(names, replace(wanted, stored=None))

    def records(self, rows: Iterable[Row | BadRow], rules: RowRules) -> Iterator[Example | BadRow]:
        """Make tagged texts, in the form that the first 10,000 rows show; entities that are not needed are not read."""
        rows = iter(rows)
        shown = itertools.islice(rows, SENTENCES_AHEAD) if rules.need_label else _until_told(rows, rules.columns)
        ahead = list(shown)
        form = self._form_of((row for row in ahead if isinstance(row, Row)), rules)
        yield from examples_of(itertools.chain(ahead, rows), lambda row: self._tagged(row, rules, form))

    def _tagged(self, row: Row, rules: RowRules, form: TagForm) -> TaggedText:
        if rules.need_label:
            refuse_rejected(row.fields, rules.columns.label)
        content = content_of(row, rules.columns, self._tag_names, need_tags=rules.need_label)
        if not rules.need_label:
            return TaggedText((_text(content, form),), None, row.line, rules.source)
        text, places = _text_and_places(content, form)
        read = _entities(content, text, places, form, lambda message: self._lose(row.line, message))
        is_recounted = form.counted in UNITS and read[0] and content.tokens is None and has_wide(text, form.counted)
        recounted = UNITS[form.counted] if is_recounted else ""
        return TaggedText((text,), None, row.line, rules.source, *read, recounted)

    def _lose(self, line: int, message: str) -> None:
        if self._problems is None:
            raise RowError(message)
        self._problems.append(BadRow(line, message))

    def _form_of(self, rows: Iterable[Row], rules: RowRules) -> TagForm:
        """Tell the form of rows; those that cannot be read show nothing."""
        contents = []
        for row in rows:
            with suppress(RowError):
                contents.append(content_of(row, rules.columns, self._tag_names, need_tags=rules.need_label))
        form = detect_form((content.tokens or [] for content in contents), [content.tags or [] for content in contents])
        with suppress(RowError):  # a list of entities that cannot be read
            of_gliner = folded(rules.columns.text[0]) == folded("tokenized_text")
            counted = count_of_places(contents, of_gliner=of_gliner) if rules.need_label else form.counted
            return replace(form, counted=counted or units_of_places(contents))
        return form
