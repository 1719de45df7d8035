"""Tables in forms that annotation tools export, or that people write, as tables that every shape reads."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import Any

from bertkit.data.column_names import (
    ANSWERED,
    ASKED,
    CHAT_NAMES,
    DISAGREED,
    DOCUMENT_NAMES,
    HEADER_NAMES,
    LABEL_NAMES,
    SUMMARY_NAMES,
    TAG_NAMES,
    TEXT_NAMES,
    TOKEN_NAMES,
    MadeColumn,
    column_name,
    first_named,
    folded,
)
from bertkit.data.formats.corpora import CORPORA, MISFIT, Fields, Form, has_keys, lacks, list_in, object_in
from bertkit.data.formats.json_rows import are_tagged_words, are_turns, is_row
from bertkit.data.records import BadRow, LeftOut, Row
from bertkit.data.tagged.places import join_token_rows
from bertkit.data.tagged.schemes import is_like_tag
from bertkit.data.values import JsonText, RowError, cell_of, likely_categories, parse_cell
from bertkit.plain import quoted

# --- Tables in published forms as tables that every shape reads -----------------------------------
#
# What a table is shows in the columns of its first row. Its rows come out with the columns that
# hold what counts, under their usual names, and the others as they were. Forms of research corpora
# are in `corpora.py`.


def usual_rows(
    rows: Iterator[Row | BadRow], source: str, *, ahead: int = 1, is_told: bool = True
) -> Iterator[Row | BadRow]:
    """Hand on the rows of a table, those of a published form as usual ones.

    Args:
        rows: the rows.
        source: what errors call them.
        ahead: how many of them may be read before the first is handed on. Rows of JSON need not
            all have the same columns: the first names those of all that are read ahead.
        is_told: whether a record may be added that says what is read otherwise than it stands there.

    Raises:
        DataError: each row is one token with its tag, and nothing tells where a sentence ends.
    """
    first: list[Row | BadRow] = []
    good: list[Row] = []
    for row in rows:
        first.append(row)
        if isinstance(row, Row):
            good.append(row)
        if good and len(first) >= ahead:
            break
    again: Iterator[Row | BadRow] = itertools.chain(first, rows)
    form = _form_of([row.fields for row in good])
    if form is not None:
        again = _converted(again, form, is_told=is_told)
    elif good and _is_header(good[0]):
        again = _named(again, good[0])
    if good and any(map(_is_bytes, good[0].fields.values() if isinstance(good[0].fields, dict) else ())):
        again = _without_bytes(again, is_told=is_told)
    if ahead > 1:
        again = _wider(again, ahead)
    return again if form is not None else join_token_rows(_with_entities(again), source)


def _is_bytes(cell: str) -> bool:
    return cell[:2] in ("b'", 'b"') and len(cell) > 2 and cell[-1] == cell[1]


def _without_bytes(rows: Iterator[Row | BadRow], *, is_told: bool) -> Iterator[Row | BadRow]:
    """Read what Python writes of bytes (b'a text') as the text that they are, as in PAWS."""
    for row in rows:
        if isinstance(row, BadRow) or not any(map(_is_bytes, row.fields.values())):
            yield row
            continue
        if is_told:
            yield LeftOut(row.line, "b'…' around texts, which Python writes around bytes")
            is_told = False
        try:
            yield Row(row.line, {name: _text_of_bytes(cell) for name, cell in row.fields.items()})
        except (ValueError, SyntaxError):
            yield BadRow(row.line, "a text in b'…' cannot be read as Python's bytes")


def _text_of_bytes(cell: str) -> str:
    if not _is_bytes(cell):
        return cell
    value = ast.literal_eval(cell)
    return value.decode("utf-8") if isinstance(value, bytes) else cell


def _with_entities(rows: Iterator[Row | BadRow]) -> Iterator[Row | BadRow]:
    """Make one row of those that follow each other with the same text and a place of an entity in it each."""
    ahead = list(itertools.islice(rows, 1))
    columns = _place_columns(ahead[0]) if ahead and isinstance(ahead[0], Row) else None
    if columns is None:
        return itertools.chain(ahead, rows)
    ahead += itertools.islice(rows, _ROWS_LOOKED_AT)
    good = [row.fields for row in ahead if isinstance(row, Row)]
    again = itertools.chain(ahead, rows)
    text = columns[0]
    comes_again = any(one.get(text) == other.get(text) for one, other in itertools.pairwise(good))
    are_placed = all(_is_placed(fields, *columns[:3]) for fields in good)
    return _entities_joined(again, columns) if comes_again and are_placed else again


def _place_columns(row: Row) -> tuple[str, str, str, str] | None:
    """Return the columns of a text, where an entity starts and ends, and its label; None where some are missing."""
    names = list(row.fields)
    found = [first_named(names, usual) for usual in (TEXT_NAMES, _PLACE_NAMES, _END_NAMES, (*LABEL_NAMES, *TAG_NAMES))]
    text, start, end, label = found
    return None if text is None or start is None or end is None or label is None else (text, start, end, label)


def _is_placed(fields: Fields, text: str, start: str, end: str) -> bool:
    places = [fields.get(name, "").strip().removesuffix(".0") for name in (start, end)]
    if not any(places):
        return True
    return all(map(str.isdigit, places)) and int(places[0]) < int(places[1]) <= len(fields.get(text, ""))


def _entities_joined(rows: Iterator[Row | BadRow], columns: tuple[str, str, str, str]) -> Iterator[Row | BadRow]:
    text, *place = columns
    for _, own in itertools.groupby(rows, lambda row: row.fields.get(text) if isinstance(row, Row) else None):
        group = list(own)
        first = group[0]
        if not isinstance(first, Row):
            yield from group
            continue
        kept = {name: cell for name, cell in first.fields.items() if name not in place}
        cells = [
            [row.fields.get(name, "").removesuffix(".0") for name in place] for row in group if isinstance(row, Row)
        ]
        yield Row(first.line, {**kept, "entities": cell_of([cell for cell in cells if cell[0].strip()])})


def _is_header(row: Row) -> bool:
    """Tell whether the first of rows that are lists names their columns."""
    names = list(row.fields)
    cells = {folded(text) for text in row.fields.values()} if names == _PLACES[: len(names)] else set()
    return len(cells) > 1 and len(cells & HEADER_NAMES) > 1


def _named(rows: Iterator[Row | BadRow], header: Row) -> Iterator[Row | BadRow]:
    """Give the columns of rows that are lists the names that the first of them holds."""
    names = {place: column_name(name) for place, name in header.fields.items()}
    for row in rows:
        if isinstance(row, BadRow):
            yield row
        elif row is not header:
            yield Row(row.line, {names.get(place, place): text for place, text in row.fields.items()})


def _wider(rows: Iterator[Row | BadRow], ahead: int) -> Iterator[Row | BadRow]:
    """Let the first row name the columns of all that are read ahead."""
    some = list(itertools.islice(rows, ahead))
    while (bare := all(map(_is_bare, some))) and len(some) < _MOST_BARE and (more := [*itertools.islice(rows, ahead)]):
        some += more
    place = next((place for place, row in enumerate(some) if isinstance(row, Row)), None)
    if place is not None and isinstance(first := some[place], Row) and isinstance(first.fields, dict):
        names = dict.fromkeys(name for row in some if isinstance(row, Row) for name in row.fields)
        names |= {"label": None} if bare else {}
        if len(names) > len(first.fields):
            some[place] = Row(first.line, _Wider(first.fields, tuple(names)))
    yield from some
    yield from rows


def _is_bare(row: Row | BadRow) -> bool:
    """Tell a row of an annotation tool that nobody has annotated, which does not show what others have."""
    return isinstance(row, BadRow) or row.fields.get("annotation_id") == ""


class _Wider(Mapping[str, str]):
    """The fields of a row that names more columns than it has: looking one of those up finds nothing."""

    def __init__(self, fields: Mapping[str, str], names: tuple[str, ...]) -> None:
        self._fields = fields
        self._names = names

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def values(self) -> ValuesView[str]:
        """Return what it has."""
        return self._fields.values()

    def items(self) -> ItemsView[str, str]:
        """Return the columns that it has, and what they hold."""
        return self._fields.items()


def _converted(rows: Iterator[Row | BadRow], form: Form, *, is_told: bool) -> Iterator[Row | BadRow]:
    for row in rows:
        if isinstance(row, BadRow) or not form.columns <= set(row.fields):
            yield row
            continue
        try:
            found = form.convert(row.fields)
        except RowError as error:
            yield BadRow(row.line, str(error))
            continue
        except MISFIT:
            yield BadRow(row.line, "its values are not of the kind that the rows before it have")
            continue
        if form.said and is_told:
            yield LeftOut(row.line, form.said)
            is_told = False
        for fields in found:
            yield Row(row.line, _with_made(fields, row.fields))


def _with_made(fields: dict[str, str], written: Fields) -> dict[str, str]:
    """Mark the columns that the file does not have: they are made of what its columns hold."""
    if fields.keys() <= written.keys():
        return fields
    return {name if name in written else MadeColumn(name): text for name, text in fields.items()}


def _form_of(rows: Sequence[Fields]) -> Form | None:
    """Tell the form of a table by its first row; that of a corpus also by others, for the first may be faulty."""
    for form in _FORMS:
        telling = rows if form.columns and form in CORPORA else rows[:1]
        if any(_tells(form, fields) for fields in telling):
            return form
    return None


def _tells(form: Form, fields: Fields) -> bool:
    try:
        return form.columns <= set(fields) and form.tells(fields)
    except (RowError, *MISFIT):
        return False


def _label_studio(fields: Fields) -> list[dict[str, str]]:
    """Read a task of Label Studio's full export: its data, and the annotation that counts.

    That is the one called the ground truth, or else what most of those say that were not cancelled.
    """
    data = object_in(fields, "data")
    row = {name: cell_of(value) for name, value in data.items()}
    if "text" not in row and len(texts := [name for name, value in data.items() if isinstance(value, str)]) == 1:
        row["text"] = row.pop(texts[0])
    made = list_in(fields, "annotations" if "annotations" in fields else "completions")
    done = [a for a in made if isinstance(a, dict) and not a.get("was_cancelled")]
    done = [a for a in done if a.get("ground_truth")][:1] or done
    if not done:
        return [row | {"annotation_id": ""}]
    made = [_annotated([result for result in a.get("result") or () if isinstance(result, dict)]) for a in done]
    # Who names no class where others do has not answered; without entities is an answer.
    own = [place for place, said in enumerate(made) if not _CLASSES.isdisjoint(said)] or list(range(len(made)))
    found = {place: cell_of(made[place]) for place in own}
    most = _most(found.values())
    if most == DISAGREED:
        return [row | {"annotation_id": DISAGREED} | dict.fromkeys(made[own[0]], "")]
    place = next(place for place, said in found.items() if said == most)
    return [row | {"annotation_id": cell_of(done[place].get("id", 1))} | made[place]]


def _annotated(results: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return what an annotation of Label Studio's holds: classes, entities, and what people wrote, by its name."""
    found: dict[str, str] = {}
    spans: list[Any] = []
    classes: list[Any] = []
    for result in results:
        value = result.get("value")
        if isinstance(value, dict) and "start" in value:
            labels: Any = next((own for kind in _SPAN_KINDS if (own := value.get(kind))), [])
            spans.append({"start": value["start"], "end": value.get("end"), "labels": labels})
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            classes += value["choices"]
        elif isinstance(value, dict) and isinstance(value.get("taxonomy"), list):
            classes += ["/".join(map(str, path)) for path in value["taxonomy"] if isinstance(path, list)]
        elif isinstance(value, dict) and (score := value.get("rating", value.get("number"))) is not None:
            classes.append(score)
        elif isinstance(value, dict) and isinstance(value.get("text"), list):
            found[str(result.get("from_name", "summary"))] = cell_of("\n".join(map(str, value["text"])))
        elif "from_id" not in result:  # what ties two of the others
            raise RowError(f"an annotation of the type {quoted(result.get('type'))} cannot be read")
    if classes:
        found["category" if spans else "label"] = cell_of(classes[0] if len(classes) == 1 else sorted(classes, key=str))
    if spans or not classes:
        found["entities"] = cell_of(sorted(spans, key=lambda span: (str(span["start"]).zfill(9), cell_of(span))))
    return found


def _most(answers: Iterable[str]) -> str:
    """Return the answer that comes most often; `DISAGREED` where another one comes as often."""
    counts = Counter(answers).most_common(2)
    return DISAGREED if len(counts) == 2 and counts[0][1] == counts[1][1] else counts[0][0]


def _is_task(fields: Fields) -> bool:
    """Tell a task of Label Studio's that nobody has annotated, as it is imported: its texts are in `data` alone."""
    others = [name for name in fields if name != "data"]
    is_bare = first_named(others, (*TEXT_NAMES, *LABEL_NAMES, *TAG_NAMES)) is None
    return fields["data"].startswith("{") and is_bare and not _inner_row(fields)


def _annotated_classes(fields: Fields) -> list[dict[str, str]]:
    """Read annotations without places, as doccano's former exports have them: they are of the whole text."""
    labels = [item["label"] for item in list_in(fields, "annotations")]
    kept = {name: text for name, text in fields.items() if name != "annotations"}
    return [{**kept, "label": cell_of(labels[0] if len(labels) == 1 else labels)}]


def _has_classes(fields: Fields) -> bool:
    items = list_in(fields, "annotations") if fields["annotations"].startswith("[{") else []
    return bool(items) and all(isinstance(i, dict) and "label" in i and not first_named(i, _PLACE_NAMES) for i in items)


def _fast_text(fields: Fields) -> list[dict[str, str]]:
    """Read a line of fastText's: its labels, each with a mark before it, and the text."""
    words = fields["text"].split(" ")
    labels = [word.removeprefix(_LABEL_MARK) for word in itertools.takewhile(_is_marked, words)]
    label = {"label": cell_of(labels[0] if len(labels) == 1 else labels)} if labels else {}
    return [{**fields, "text": " ".join(words[len(labels) :]), **label}]


def _is_marked(word: str) -> bool:
    return word.startswith(_LABEL_MARK)


def _data_turks(fields: Fields) -> list[dict[str, str]]:
    """Read {"content", "annotation": [{"label": […], "points": […]}]}, whose ends are the last characters."""
    found = parse_cell(fields["annotation"])
    marks = found if isinstance(found, list) else []
    spans = [
        {"start": point["start"], "end": point["end"] + 1, "label": mark.get("label")}
        for mark in marks
        if isinstance(mark, dict)
        for point in mark.get("points") or ()
    ]
    if isinstance(found, dict):  # classes
        return [{**fields, "label": cell_of(found.get("labels") or found.get("label"))}]
    return [{**fields, "entities": cell_of(spans)}]


def _prodigy_choices(fields: Fields) -> list[dict[str, str]]:
    """Read what was accepted of Prodigy's options as the label."""
    return [{**fields, "label": fields["accept"]}]


def _categories(fields: Fields) -> list[dict[str, str]]:
    """Read spaCy's categories: those are the label that are likely."""
    return [{**fields, "label": cell_of(likely_categories(object_in(fields, "cats")))}]


def _examples_of_intent(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each example of an intent, where an object lists them."""
    name, label = _intent_columns(fields) or ("", "")
    if not name:
        raise RowError("it does not hold an intent and its examples, as the rows before it do")
    return [{"text": str(text), "label": fields[label]} for text in list_in(fields, name)]


def _intent_columns(fields: Fields) -> tuple[str, str] | None:
    """Find the columns of an intent's examples and of its name."""
    if not isinstance(fields, dict):
        return None
    name = first_named(fields, ("patterns", "examples", "utterances", "phrases"))
    label = first_named(fields, ("intent", "tag", "intent_name", "name", "label"))
    if name is None or label is None or not fields[name].startswith('["') or fields[label][:1] in "[{":
        return None
    texts = list_in(fields, name)
    return (name, label) if all(isinstance(text, str) for text in texts) else None


def _two_texts(fields: Fields) -> list[dict[str, str]]:
    """Read a list of two texts with a score or class of both, as sentence-transformers' examples have them."""
    texts = list_in(fields, "texts")
    if len(texts) != 2:
        raise RowError("it does not hold two texts, as the rows before it do")
    kept = {name: text for name, text in fields.items() if name != "texts"}
    return [{**kept, "sentence1": cell_of(texts[0]), "sentence2": cell_of(texts[1])}]


def _has_two_texts(fields: Fields) -> bool:
    texts = list_in(fields, "texts") if fields["texts"].startswith('["') else []
    return len(texts) == 2 and all(isinstance(text, str) for text in texts)


def _pairs_of_tokens(fields: Fields) -> list[dict[str, str]]:
    """Read a list of [token, tag] pairs."""
    name = _pairs_column(fields)
    if name is None:
        raise RowError("it does not hold a list of [token, tag], as the rows before it do")
    pairs = list_in(fields, name)
    kept = {other: text for other, text in fields.items() if other != name and not first_named([other], TEXT_NAMES)}
    words, tags = ([pair[place] for pair in pairs] for place in (0, 1))
    return [{**kept, TOKEN_NAMES[0]: cell_of(words), TAG_NAMES[0]: cell_of(tags)}]


def _pairs_column(fields: Fields) -> str | None:
    """Find the only list of pairs of a word and its tag."""
    if not isinstance(fields, dict):
        return None
    found = [
        name for name, text in fields.items() if text.startswith('[["') and are_tagged_words(list_in(fields, name))
    ]
    return found[0] if len(found) == 1 else None


def _token_objects(fields: Fields) -> list[dict[str, str]]:
    """Read a list of objects that are a word and its tag each."""
    name = first_named(fields, TOKEN_NAMES) or ""
    items = list_in(fields, name)
    words, tags = ([item[key] for item in items] for key in _keys_of_tokens(items) or ("", ""))
    return [{**fields, name: cell_of(words), TAG_NAMES[0]: cell_of(tags)}]


def _keys_of_tokens(items: Sequence[Any]) -> tuple[str, str] | None:
    """Return the keys under which objects have a word and its tag; None where they have none."""
    if not items or not all(isinstance(item, dict) and item.keys() >= items[0].keys() for item in items):
        return None
    word, tag = first_named(items[0], (*TOKEN_NAMES, "text")), first_named(items[0], TAG_NAMES)
    told = word is not None and tag is not None and all(isinstance(i[tag], str) and is_like_tag(i[tag]) for i in items)
    return (word, tag) if told and word is not None and tag is not None else None


def _has_token_objects(fields: Fields) -> bool:
    name = first_named(fields, TOKEN_NAMES) if isinstance(fields, dict) else None
    return name is not None and fields[name].startswith("[{") and _keys_of_tokens(list_in(fields, name)) is not None


def _nested(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each object in the lists of a row without a text of its own: sentences of a document."""
    names = _nested_columns(fields)
    if not names:
        raise RowError("it does not hold a list of texts, as the rows before it do")
    kept = {other: text for other, text in fields.items() if other not in names}
    items = [item for name in names for item in list_in(fields, name)]
    found = [{**kept, **{column_name(key): cell_of(v) for key, v in item.items()}} for item in items]
    return [row for inner in found for row in _without_words(inner)]


def _without_words(fields: Fields) -> list[dict[str, str]]:
    """Leave out what is told of each word of a text that stands there as well: where it is, what part of speech."""
    words = set(_word_objects(fields))
    return [{name: text for name, text in fields.items() if name not in words}]


def _word_objects(fields: Fields) -> list[str]:
    if not isinstance(fields, dict) or first_named(fields, _SENTENCE_NAMES) is None:
        return []
    return [name for name, text in fields.items() if text.startswith("[{") and first_named([name], TOKEN_NAMES)]


def _nested_columns(fields: Fields) -> list[str]:
    """Find the only list of objects with texts, where no other column has a text, and they hold what is learnt.

    There may be several where what is learnt stands in all of them: title and content of a document.
    """
    if not isinstance(fields, dict):  # of a parquet file no column is read that nobody looks at
        return []
    lists = [name for name, text in fields.items() if isinstance(text, JsonText) and text.startswith("[{")]
    others = [name for name in fields if name not in lists and folded(name) not in _TITLES and fields[name] != "[]"]
    if not lists or first_named(others, (*TEXT_NAMES, *TOKEN_NAMES, "question", "context")) is not None:
        return []
    items = [item for name in lists for item in list_in(fields, name)]
    # What has a place in another text is an entity; beside sentences stand an id, a title.
    told = all(isinstance(item, dict) and first_named(item, _SENTENCE_NAMES) for item in items)
    if not told or any(first_named(item, _PLACE_NAMES) for item in items):
        return []
    # A label of all, or a summary, is not a label of each part.
    answers = (*LABEL_NAMES, *TAG_NAMES, *SUMMARY_NAMES)
    are_learnt = [first_named(item, answers) is not None for item in items]
    if are_turns(items) or (first_named(others, answers) is not None and not any(are_learnt)):
        return []
    is_sure = len(lists) == 1 or all(are_learnt)
    return lists if is_sure and not any(len(fields[name].split()) > _FEW_WORDS for name in others) else []


def _argilla(fields: Fields) -> list[dict[str, str]]:
    """Read a record of Argilla's first version: what was annotated counts, not what was predicted."""
    row = {name: text for name, text in fields.items() if name not in ("annotation", "prediction", "tokens")}
    if "text" not in row:
        row["text"] = next((text for text in object_in(fields, "inputs").values() if isinstance(text, str)), "")
    answer = "" if fields["status"] == "Discarded" else fields["annotation"]
    return [{**row, "entities" if "tokens" in fields else "label": answer, "annotation_id": answer}]


def _responses(fields: Fields) -> list[dict[str, str]]:
    """Read a record of Argilla's: to each question the answer that most of its annotators submitted."""
    if "responses" in fields:
        row = {name: text for name, text in fields.items() if name not in _OF_RECORD}
        row |= {name: cell_of(value) for name, value in object_in(fields, "fields").items()}
        asked = object_in(fields, "responses")
    else:
        names = _asked(fields)
        row = {name: text for name, text in fields.items() if not name.startswith(tuple(names))}
        asked = {name: _answers_of(fields, name) for name in names}
    given = {name: _submitted(answers) for name, answers in asked.items()}
    if list(given.values()) == [DISAGREED]:
        return [row | {"annotation_id": DISAGREED, "label": ""}]
    given = {name: None if value == DISAGREED else value for name, value in given.items()}
    row["annotation_id"] = cell_of([name for name, value in given.items() if value is not None] or None)
    # What annotators wrote is no text of the record, whatever the question is called.
    written = {name: given.pop(name) for name in list(given) if len(asked) > 1 and first_named([name], TEXT_NAMES)}
    row |= {"responses": cell_of(written)} if written else {}
    for name, value in given.items():
        are_spans = isinstance(value, list) and any(isinstance(item, dict) for item in value)
        row["entities" if are_spans else "label" if len(given) == 1 else name] = cell_of(value)
    return [row]


def _asked(fields: Fields) -> list[str]:
    """Return the questions of a record of Argilla's, as it stands on the hub."""
    ends = (".responses", "-suggestion")
    return [name.removesuffix(end) for end in ends for name in fields if name.endswith(end)]


def _answers_of(fields: Fields, name: str) -> Any:
    if name in fields:
        return list_in(fields, name)
    given, states = (list_in(fields, f"{name}{end}") for end in (".responses", ".responses.status"))
    return [{"value": value, "status": state} for value, state in itertools.zip_longest(given, states)]


def _submitted(answers: Any) -> Any:
    found = [answer for answer in answers if isinstance(answer, dict)] if isinstance(answers, list) else []
    values = [answer.get("value") for answer in found if answer.get("status") in (None, "submitted")]
    most = _most(map(cell_of, values)) if values else DISAGREED
    return next((value for value in values if cell_of(value) == most), DISAGREED if values else None)


def _light_tag(fields: Fields) -> list[dict[str, str]]:
    """Read classes of a whole text, as LightTag has them beside its annotations."""
    labels = [item.get("classname") for item in list_in(fields, "classifications") if isinstance(item, dict)]
    kept = {name: text for name, text in fields.items() if name not in ("annotations", "classifications")}
    return [{**kept, "label": cell_of(labels[0] if len(labels) == 1 else labels)}]


def _has_classifications(fields: Fields) -> bool:
    return fields["annotations"] in ("", "[]") and '"classname"' in fields["classifications"]


def _marked_tokens(fields: Fields) -> list[dict[str, str]]:
    """Read the tokens of UBIAI, which are those of entities."""
    found = [item | {"label": item.get("entityLabel")} for item in list_in(fields, "tokens") if isinstance(item, dict)]
    kept = {name: text for name, text in fields.items() if name not in ("tokens", "relations")}
    return [{**kept, "entities": cell_of(found)}]


def _ground_truth(fields: Fields) -> list[dict[str, str]]:
    """Read a line of SageMaker Ground Truth: entities, or the names of classes, whose numbers stand beside them."""
    jobs = _jobs_of(fields)
    kept = {n: text for n, text in fields.items() if n not in ("source", *jobs) and n.removesuffix(_TOLD) not in jobs}
    row = {**kept, "text": fields["source"]}
    for name in jobs:
        told = object_in(fields, f"{name}{_TOLD}")
        if "class-name" in told or "class-map" in told:
            classes = told.get("class-name", list(told.get("class-map", {}).values()))
            row["label" if len(jobs) == 1 else name] = cell_of(classes)
        else:
            row["entities" if len(jobs) == 1 else name] = cell_of(object_in(fields, name)["annotations"]["entities"])
    return [row]


def _jobs_of(fields: Fields) -> list[str]:
    """Return the columns of a line that jobs of labelling have filled."""
    told = [name for name in fields if name.endswith(_TOLD) and "groundtruth/text-" in fields[name]]
    return [name.removesuffix(_TOLD) for name in told if name.removesuffix(_TOLD) in fields]


def _vertex(fields: Fields) -> list[dict[str, str]]:
    """Read a text of Google's Vertex AI or AutoML with its classes, its sentiment or its entities."""
    snippet = object_in(fields, "text_snippet") if "text_snippet" in fields else {"content": fields["textContent"]}
    row = {"text": cell_of(snippet["content"])}
    if (told := fields.get("dataItemResourceLabels", "")).startswith("{"):
        row["split"] = next((str(use) for name, use in parse_cell(told).items() if name.endswith("ml_use")), "")
    for name, key in (("classificationAnnotation", "displayName"), ("sentimentAnnotation", "sentiment")):
        row |= {"label": cell_of(object_in(fields, name)[key])} if name in fields else {}
    if "classificationAnnotations" in fields:
        row["label"] = cell_of([own["displayName"] for own in list_in(fields, "classificationAnnotations")])
    marked = list_in(fields, "textSegmentAnnotations") if "textSegmentAnnotations" in fields else []
    for own in list_in(fields, "annotations") if "annotations" in fields else ():
        marked.append({**own["text_extraction"]["text_segment"], "label": own["display_name"]})
    if "textSegmentAnnotations" in fields or "annotations" in fields:
        row["entities"] = cell_of(marked)
    return [row]


def _azure(_: Fields) -> list[dict[str, str]]:
    """Refuse annotations of Azure's language service, which lie apart from their text."""
    raise RowError("its text is in the file that 'location' names (write both as JSON lines of doccano have them)")


def _tagtog(_: Fields) -> list[dict[str, str]]:
    """Refuse tagtog's annotations, which lie apart from their text."""
    raise RowError(
        "annotations of tagtog lack their text, which is in a .plain.html (write both as JSON lines of doccano have "
        "them)"
    )


def _chat(fields: Fields) -> list[dict[str, str]]:
    """Write the last answer of a conversation with a model apart from what was said before it."""
    name = _chat_column(fields)
    if name is None:
        raise RowError("it does not hold a list of messages, as the rows before it do")
    turns = [{"role": turn.get("role", turn.get("from")), "content": _said(turn)} for turn in list_in(fields, name)]
    is_answered = turns[-1]["role"] in _MODELS
    asked = [turn for turn in (turns[:-1] if is_answered else turns) if turn["role"] != "system"]
    lines = [asked[0]["content"]] if len(asked) == 1 else [f"{turn['role']}: {turn['content']}" for turn in asked]
    own = {ASKED: "\n".join(map(str, lines)), ANSWERED: str(turns[-1]["content"]) if is_answered else ""}
    return [{**fields, name: cell_of(turns), **own}]


def _said(turn: Mapping[str, Any]) -> str:
    """Return the text of a message, which may be in parts."""
    found = next((turn[name] for name in ("content", "value", "parts") if name in turn), None)
    parts = [part.get("text") for part in found if isinstance(part, dict)] if isinstance(found, list) else [found]
    return "\n".join(part for part in parts if isinstance(part, str))


def _chat_column(fields: Fields) -> str | None:
    """Find the messages of a conversation with a model, where nothing else of the row is an answer."""
    if not isinstance(fields, dict) or first_named(fields, (*LABEL_NAMES, *SUMMARY_NAMES)) is not None:
        return None
    name = first_named(fields, CHAT_NAMES)
    turns = list_in(fields, name) if name is not None and fields[name].startswith("[{") else []
    roles = {turn.get("role", turn.get("from")) if isinstance(turn, dict) else None for turn in turns}
    return name if roles and roles <= _ROLES else None


def _unwrapped(fields: Fields) -> list[dict[str, str]]:
    """Make columns of what stands in objects of the row, where text and label are in one of them, or in two."""
    names = _inner_row(fields)
    if not names:
        raise RowError("it does not hold an object with a text, as the rows before it do")
    kept = {other: text for other, text in fields.items() if other not in names}
    inner = [item for name in reversed(names) for item in object_in(fields, name).items()]
    return [{**kept, **{column_name(key): cell_of(value) for key, value in inner}}]


def _inner_row(fields: Fields) -> list[str]:
    """Find the only object that has a text and an answer, or the two that have one each.

    Nothing else of the row may be either.
    """
    if not isinstance(fields, dict):
        return []
    objects = [name for name, text in fields.items() if isinstance(text, JsonText) and text.startswith("{")]
    # Of a search _id and _score, of which each hit has some.
    others = [name for name in fields if name not in objects and not name.startswith("_")]
    if not objects or is_row(others):
        return []
    texts = [name for name in objects if first_named(object_in(fields, name), (*TEXT_NAMES, *DOCUMENT_NAMES))]
    found = [name for name in texts if _is_labelled(object_in(fields, name))]
    if found or len(texts) != 1:
        return found if len(found) == 1 else []
    answers = (*LABEL_NAMES, *SUMMARY_NAMES, *TAG_NAMES)
    labelled = [name for name in objects if name not in texts and first_named(object_in(fields, name), answers)]
    return [*texts, *labelled] if len(labelled) == 1 else []


def _is_labelled(inner: Mapping[str, Any]) -> bool:
    texts = first_named(inner, (*TEXT_NAMES, *DOCUMENT_NAMES))
    return texts is not None and first_named(inner, (*LABEL_NAMES, *SUMMARY_NAMES, *TAG_NAMES)) not in (None, texts)


_MODELS = frozenset({"assistant", "gpt", "model", "bot", "chatgpt", "bard"})
_ROLES = _MODELS | {"system", "user", "human"}
_OF_RECORD = frozenset({"fields", "responses", "suggestions", "vectors"})
# The columns of a row that is a list.
_PLACES = [str(place) for place in range(1, 100)]
_LABEL_MARK = "__label__"
_TOLD = "-metadata"  # of a job of Ground Truth
_CLASSES = frozenset({"label", "category"})
_SPAN_KINDS = ("labels", "hypertextlabels")
_SENTENCE_NAMES = (*TEXT_NAMES, "form")
_ROWS_LOOKED_AT = 200
_MOST_BARE = 2000
_END_NAMES = ("end", "end_offset", "stop")
_PLACE_NAMES = ("start", "begin", "start_offset", "begin_offset", "offset")
_FEW_WORDS = 10
_TITLES = frozenset({"title", "headline", "subject", "제목"})
_FORMS = (
    Form(frozenset({"data", "annotations"}), _label_studio, lambda fields: fields["data"].startswith("{")),
    Form(frozenset({"data", "completions"}), _label_studio, lambda fields: fields["data"].startswith("{")),
    Form(frozenset({"data"}), _label_studio, _is_task),
    Form(frozenset({"annotation", "prediction", "status"}), _argilla),
    Form(frozenset({"fields", "responses"}), _responses, has_keys("responses")),
    Form(frozenset(), _responses, lambda fields: isinstance(fields, dict) and bool(_asked(fields))),
    Form(frozenset({"content", "annotations", "classifications"}), _light_tag, _has_classifications),
    Form(frozenset({"documentName", "document", "tokens"}), _marked_tokens, lacks("annotation")),
    Form(frozenset({"annotatable", "entities"}), _tagtog),
    Form(
        frozenset({"location", "language", "dataset"}),
        _azure,
        lambda f: bool({"entities", "class", "classes"} & set(f)) and first_named([*f], TEXT_NAMES) is None,
    ),
    Form(frozenset({"source"}), _ground_truth, lambda fields: bool(_jobs_of(fields))),
    Form(frozenset({"textContent"}), _vertex),
    Form(frozenset({"text_snippet"}), _vertex, has_keys("text_snippet", "content")),
    Form(frozenset({"content", "annotation"}), _data_turks, lambda fields: '"label' in fields["annotation"]),
    Form(frozenset({"text", "annotations"}), _annotated_classes, _has_classes),
    Form(frozenset({"text"}), _fast_text, lambda fields: _is_marked(fields["text"])),
    Form(frozenset({"text", "accept", "options"}), _prodigy_choices, lacks("label")),
    Form(frozenset({"text", "cats"}), _categories, lambda fields: fields["cats"].startswith("{")),
    *CORPORA,
    Form(frozenset({"texts", "label"}), _two_texts, _has_two_texts),
    Form(frozenset({"texts", "score"}), _two_texts, _has_two_texts),
    Form(frozenset(), _examples_of_intent, lambda fields: _intent_columns(fields) is not None),
    Form(frozenset(), _pairs_of_tokens, lambda fields: _pairs_column(fields) is not None),
    Form(frozenset(), _token_objects, _has_token_objects),
    Form(frozenset(), _without_words, lambda fields: bool(_word_objects(fields))),
    Form(frozenset(), _chat, lambda fields: _chat_column(fields) is not None),
    Form(frozenset(), _unwrapped, lambda fields: bool(_inner_row(fields))),
    Form(frozenset(), _nested, lambda fields: bool(_nested_columns(fields))),
)
