"""JSON as rows: an object on each line, or one document; and which of them it is."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal

from bertkit.data.column_names import (
    HEADER_NAMES,
    LABEL_NAMES,
    SPEAKER_NAMES,
    SUMMARY_NAMES,
    TAG_NAMES,
    TEXT_NAMES,
    TOKEN_NAMES,
    column_name,
    first_named,
    folded,
)
from bertkit.data.formats.lines import BOM, CARRIAGE_RETURN, READ_ERRORS, Lines, decoding_fault
from bertkit.data.records import BadRow, Row
from bertkit.data.tagged.schemes import is_like_tag, is_outside, is_tag
from bertkit.data.values import (
    DECODER,
    TOO_MANY_DIGITS,
    NoJsonError,
    RowError,
    cell_of,
    likely_categories,
    parse_json,
    parse_list,
    twice,
)
from bertkit.errors import DataError
from bertkit.plain import listed, quoted

# --- Whether lines are JSON, and whether each is a record or all of them are one document ---------

# How an object of JSON begins, and how an array of them does.
_OBJECT = re.compile(r"\{\s*(?:[\"'}]|$)")
_ARRAY = re.compile(r"\[\s*\{\s*(?:[\"}]|$)")
# Names of the list of rows within an object.
WRAPPERS = frozenset(
    {"data", "rows", "examples", "documents", "document", "items", "instances", "records", "results", "dataset"}
    | {"reviews", "comments", "articles", "entries", "hits", "list", "samples", "tasks", "common_examples", "values"}
    | {"named_entity"}
)
_OF_SPLIT = re.compile(r"(?:^|_)(?:train|val|valid|validation|dev|test)(?:$|_|ing)", re.IGNORECASE)
# What hardly stands beside a list of rows.
_OF_ROWS = HEADER_NAMES - {"id", "idx", "index", "title", *WRAPPERS}
# Where an object goes on in the next line.
_OPEN_ENDS = ("{", "[", ",", ":")
# How an object begins that holds the rows of a table.
_WRAPPED = re.compile(
    rf"""\{{.{{0,2000}}?"(?:{"|".join(sorted(WRAPPERS))})"\s*:\s*\[\s*[\[{{]""", re.DOTALL | re.IGNORECASE
)

# How an object begins that lists rows by their relation (FewRel).
_BY_RELATION = re.compile(r"""\{\s*"[^"]{1,200}"\s*:\s*\[\s*\{\s*"tokens"\s*:""")

# What the hub's viewer of data sets tells of a row.
_OF_VIEWER = {"row_idx", "row", "truncated_cells"}

JsonKind = Literal["jsonl", "json"]
"""Records on a line each, or one document (or several) that goes over lines as it likes."""


def json_kind(full: Sequence[str], hint: str | None, *, is_named: bool, is_whole: bool) -> JsonKind | None:
    """Tell JSON by its first line that is not blank; None where it is none.

    Prose may begin with a brace or a bracket; only where no name says that it is text, a
    brace is enough.

    Args:
        full: the first lines that are not blank.
        hint: the entity type that the name says.
        is_named: whether the input has a name that says anything.
        is_whole: whether these are all lines.
    """
    if not full:
        return None
    first = full[0].lstrip()
    if first.startswith("(") and _is_annotated(first):
        return "jsonl"
    if first.startswith("{"):
        is_object = not is_named or hint == "jsonl" or _OBJECT.match(first) or any(map(_is_json_object, full))
        return _object_kind(full, is_whole=is_whole) if is_object else None
    if not first.startswith("["):
        return "jsonl" if hint == "jsonl" else None
    following = next((line.lstrip()[:1] for line in full[1:] if not line.lstrip().startswith(_COMMENTS)), "")
    if _ARRAY.match(first) or (first.rstrip() == "[" and following in ("", "{", "[", '"')):
        return "json"
    if hint == "jsonl" or (not is_named and _is_json_list(first)):
        return "jsonl" if following == "[" or _is_annotated(first) or _is_tagged(first) else "json"
    return None


def rows_within(value: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return the rows that an object holds, where it is a table rather than a row; None where it is a row."""
    if (told := _published_rows(value)) is not None:
        return told
    lists = [
        name
        for name, items in value.items()
        if _is_list_of_rows(items) and not are_turns(items) and not first_named([name], TOKEN_NAMES)
    ]
    if any(name.casefold() in WRAPPERS and items == [] for name, items in value.items()) and not is_row(value):
        return []
    named = [name for name in lists if name.casefold() in WRAPPERS]
    if len(named) == 1 and not is_row(value):
        return _with_columns(value[named[0]], value)
    others = [other for name, other in value.items() if name not in lists]
    if len(lists) == 1 and len(value[lists[0]]) > 1 and (not others or _is_told_of(value, lists[0])):
        items: Sequence[Any] = value[lists[0]]
        return items
    if set(value) == {"classes", "annotations"} and isinstance(value["annotations"], list):
        pairs = [item for item in value["annotations"] if item is not None]  # spaCy's, as an annotator has them
        return pairs if _is_list_of_rows(pairs) else None
    own = [name for name, item in value.items() if not (isinstance(item, dict) and first_named([name], TEXT_NAMES))]
    if (found := _rows_by_place(value) or _rows_by_column(value)) is not None or is_row(own):
        return found
    inner = [rows for other in value.values() if isinstance(other, dict) and (rows := rows_within(other)) is not None]
    return inner[0] if len(inner) == 1 else None


def _published_rows(value: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return the rows of an object of a published form: utterances of LUIS or CLU, BioC, or by relation (FewRel)."""
    for own in (value, value.get("assets")):
        if isinstance(own, dict) and isinstance(own.get("intents"), list) and _is_list_of_rows(own.get("utterances")):
            found: list[Any] = own["utterances"]
            return _without_places(found) if str(own.get("luis_schema_version", "")).startswith("1") else found
    if _has_passages(value):
        return [value]
    of_passages: list[list[Any]] = [
        items for items in value.values() if _is_list_of_rows(items) and all(map(_has_passages, items))
    ]
    if len(of_passages) == 1:
        return of_passages[0]
    if not value or not all(_is_list_of_rows(items) and all(map(_is_of_relation, items)) for items in value.values()):
        return None
    return [{**item, "relation": name} for name, items in value.items() for item in items]


def _without_places(utterances: Sequence[Any]) -> list[Any]:
    """Rename places that count words of LUIS's own cutting, as its first schema has them, so that none reads them."""
    names = {"startPos": "startToken", "endPos": "endToken"}
    return [
        {
            **said,
            "entities": [{names.get(key, key): e[key] for key in e} for e in said["entities"] if isinstance(e, dict)],
        }
        if isinstance(said, dict) and isinstance(said.get("entities"), list)
        else said
        for said in utterances
    ]


def _has_passages(item: Any) -> bool:
    """Tell a document of BioC's."""
    found = item.get("passages") if isinstance(item, dict) else None
    return isinstance(found, list) and bool(found) and all(isinstance(own, dict) and "offset" in own for own in found)


def _is_of_relation(item: Any) -> bool:
    return isinstance(item, dict) and {"tokens", "h", "t"} <= set(item)


def are_turns(items: Iterable[Any]) -> bool:
    """Tell turns of a conversation without labels, which are one text: somebody says each of them, or at some time."""
    answers = (*LABEL_NAMES, *TAG_NAMES, *SUMMARY_NAMES)
    return all(
        isinstance(item, dict)
        and (
            first_named(item, SPEAKER_NAMES) or {"from", "value"} <= set(item) or {"start", "end", "text"} <= set(item)
        )
        and not first_named(item, answers)
        for item in items
    )


def tables_within(value: Mapping[str, Any]) -> list[str]:
    """Return the names of the tables that an object holds, where there are several: {"train": […], "test": […]}."""
    found = [name for name, items in value.items() if _is_list_of_rows(items) and _are_rows_of(name, items)]
    found += [
        name for name, own in value.items() if _OF_SPLIT.search(name) and isinstance(own, dict) and _is_table(own)
    ]
    if is_row(value) or len(found) > 1:
        return [] if is_row(value) else found
    inner = [f"{name}.{own}" for name, held in value.items() if isinstance(held, dict) for own in tables_within(held)]
    return inner if any(_OF_SPLIT.search(name.rpartition(".")[2]) for name in inner) else []


def _rows_by_place(value: Mapping[str, Any]) -> Sequence[Any] | None:
    """Read objects in an object, as to_json() and to_json(orient="index") write a table."""
    if len(value) < 1 or not all(isinstance(column, dict) and column for column in value.values()):
        return None
    are_alike = len(value) > 1 and _are_rows(value.values()) and bool(set.intersection(*map(set, value.values())))
    if all(name.isdigit() for name in value) or (are_alike and not is_row(value)):
        return list(value.values())
    places = [list(column) for column in value.values()]
    numbered = all(name.lstrip("-").isdigit() for name in places[0])
    named = len(value) > 1 and len(places[0]) > 1 and is_row(value)
    if any(place != places[0] for place in places) or not (numbered or named):
        return None
    return [{name: column[place] for name, column in value.items()} for place in places[0]]


def _rows_by_column(value: Mapping[str, Any]) -> Sequence[Any] | None:
    """Read a list of texts and one of labels, as to_dict("list") writes a table; one of tokens is a row."""
    columns = list(value.values())
    if not all(isinstance(column, list) and len(column) > 1 for column in columns):
        return None
    alike = len({len(column) for column in columns}) == 1
    scalars = not any(isinstance(item, list | dict) for column in columns for item in column)
    if not (alike and scalars and first_named(value, TEXT_NAMES) and first_named(value, LABEL_NAMES)):
        return None
    return [dict(zip(value, items, strict=True)) for items in zip(*columns, strict=True)]


def _is_told_of(value: Mapping[str, Any], name: str) -> bool:
    """Tell whether all else in an object is said of the rows in one list: a version, a licence."""
    others = [key for key in value if key != name]
    scalars = not any(isinstance(value[key], list | dict) for key in others)
    own = is_row(others) or folded(name) in _OF_ROWS or first_named(others, SUMMARY_NAMES) is not None
    return scalars and not own and _are_rows(value[name])


def _are_rows(items: Iterable[Any]) -> bool:
    return all(isinstance(item, dict) and is_row(item) for item in items)


def _is_table(value: Mapping[str, Any]) -> bool:
    """Tell an object that holds a table by its columns, each of them a list."""
    columns = list(value.values())
    lists = bool(columns) and all(isinstance(column, list) for column in columns)
    return lists and len({len(column) for column in columns}) == 1 and first_named(value, TEXT_NAMES) is not None


def _are_rows_of(name: str, items: Sequence[Any]) -> bool:
    """Tell rows in a list that is called as a split may be: of such a one also rows that are lists of cells."""
    of_cells = all(isinstance(row, list) and len(row) > 1 and not _holds_more(row) for row in items)
    return _are_rows(items) or (of_cells and _OF_SPLIT.search(name) is not None)


def _holds_more(cells: Sequence[Any]) -> bool:
    return any(isinstance(cell, list | dict) for cell in cells)


def _is_list_of_rows(items: Any) -> bool:
    return isinstance(items, list) and bool(items) and isinstance(items[0], dict | list)


def _with_columns(items: Sequence[Any], value: Mapping[str, Any]) -> Sequence[Any]:
    """Name the fields of rows that are lists, as to_json(orient="split") writes them."""
    columns = value.get("columns")
    if not isinstance(columns, list):
        return items
    return [dict(zip(map(str, columns), item, strict=False)) if isinstance(item, list) else item for item in items]


def is_row(names: Iterable[str]) -> bool:
    """Tell whether an object with such keys is a row, whatever lists it has: it has a text, a question or a label."""
    return any(folded(name) in _OF_ROWS for name in names)


def _object_kind(full: Sequence[str], *, is_whole: bool) -> JsonKind:
    found = _parsed(full[0])
    if isinstance(found, dict):
        is_table = (
            len(full) == 1 and not _has_passages(found) and bool(rows_within(found) is not None or tables_within(found))
        )
        return "json" if is_table and (is_whole or _is_wrapped(found)) else "jsonl"
    is_cut = len(full) == 1 and not is_whole
    goes_on = (len(full) > 1 and full[0].rstrip().endswith(_OPEN_ENDS)) or _are_several(full[0])
    is_wrapped = is_cut and (_WRAPPED.match(full[0].lstrip()) or _BY_RELATION.match(full[0].lstrip()))
    return "json" if goes_on or is_wrapped else "jsonl"


def _are_several(line: str) -> bool:
    """Tell objects that stand one behind the other in a line."""
    try:
        _, end = json.JSONDecoder().raw_decode(line.lstrip())
    except (ValueError, RecursionError):
        return False
    return line.lstrip()[end:].lstrip()[:1] == "{"


def _is_wrapped(found: dict[str, Any]) -> bool:
    """Tell a table by the name of its list, where nobody knows whether more lines come."""
    is_named = any(name.casefold() in WRAPPERS and isinstance(found[name], list) for name in found)
    return is_named or _published_rows(found) is not None


def _is_annotated(line: str) -> bool:
    """Tell a text with its annotations, as spaCy pairs them."""
    try:
        found = parse_list(line.strip().rstrip(","))
    except RowError:
        return False
    return isinstance(found, list) and len(found) == 2 and isinstance(found[0], str) and isinstance(found[1], dict)


def _is_tagged(line: str) -> bool:
    found = _parsed(line)
    return isinstance(found, list) and are_tagged_words(found)


def _is_json_object(line: str) -> bool:
    return line.lstrip().startswith("{") and isinstance(_parsed(line), dict)


def _is_json_list(line: str) -> bool:
    found = _parsed(line)
    return isinstance(found, list) and any(isinstance(item, str | list | dict) for item in found)


def _parsed(line: str) -> object:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found


# --- JSON lines as rows: an object on each line, its keys the columns -----------------------------

# How a line begins that may be an object, or a text with its annotations, in Python's spelling.
_OF_PYTHON = ("{'", "('", '("', "['")


def read_json_lines(lines: Lines, *, keep_blank: bool) -> Iterator[Row | BadRow]:
    """Turn lines into rows; one that is not an object becomes a `BadRow`."""
    for line in lines:
        if lines.fault is not None:
            yield BadRow(lines.number, lines.fault)
        elif line.strip():
            yield _row(line, lines.number)
        elif keep_blank:
            yield BadRow(lines.number, "the line is blank; a JSON object is expected")
        lines.begin_record()


def _row(line: str, number: int) -> Row | BadRow:
    try:
        return Row(number, fields_of(_record(line)))
    except NoJsonError as error:
        return BadRow(number, CARRIAGE_RETURN if "\r" in line.strip() else str(error))
    except RowError as error:
        return BadRow(number, str(error))


def _record(line: str) -> Any:
    """Parse a line as JSON, or as Python writes an object."""
    try:
        return parse_json(line)
    except NoJsonError:
        bare = line.strip().rstrip(",")
        found = parse_list(bare) if bare.startswith(_OF_PYTHON) else None
        if isinstance(found, dict | list):
            return found
        raise


def fields_of(record: Any) -> dict[str, str]:
    """Return the fields of a record: an object, a text with its annotations as spaCy pairs them, or values in order.

    Raises:
        RowError: it is neither, or names a column twice.
    """
    if isinstance(record, list) and len(record) == 2 and isinstance(record[0], str) and isinstance(record[1], dict):
        record = _annotated(*record)
    elif isinstance(record, list) and len(record) == 2 and isinstance(record[0], str) and _are_spans(record[1]):
        record = _annotated(record[0], {"entities": record[1]})
    elif isinstance(record, list) and are_tagged_words(record):
        record = {"tokens": [word for word, _ in record], "ner_tags": [tag for _, tag in record]}
    elif isinstance(record, list) and _is_of_dream(record):
        record = {"dialogue": "\n".join(record[0]), "questions": record[1], "id": record[2]}
    elif isinstance(record, list) and len(record) > 1 and not any(isinstance(item, list | dict) for item in record):
        record = {str(place): item for place, item in enumerate(record, start=1)}
    elif isinstance(record, dict) and record.keys() == _OF_VIEWER and isinstance(record["row"], dict):
        if cut := record["truncated_cells"]:
            raise RowError(f"the hub's viewer has cut {quoted(str(cut[0]))}; read the data set itself, as hf:NAME")
        record = record["row"]
    if not isinstance(record, dict):
        raise RowError(f"the line is JSON but not an object ({_json_type(record)})")
    fields = {column_name(name): cell_of(value) for name, value in record.items()}
    if len(fields) < len(record):
        raise RowError(twice(map(column_name, record)))
    return fields


def _annotated(text: str, annotations: dict[str, Any]) -> dict[str, Any]:
    """Read [text, {"entities": …, "cats": …}]; of several categories those count that are likely."""
    record: dict[str, Any] = {"text": text}
    if "entities" in annotations:
        record["entities"] = annotations["entities"]
    if isinstance(cats := annotations.get("cats"), dict):
        record["label"] = likely_categories(cats)
    return record


def are_tagged_words(items: Sequence[Any]) -> bool:
    """Tell a list of pairs of a word and its tag."""
    pairs = bool(items) and all(isinstance(i, list) and len(i) == 2 and all(type(x) is str for x in i) for i in items)
    tags = [item[1] for item in items] if pairs else []
    return pairs and all(map(is_like_tag, tags)) and any(is_tag(tag) or is_outside(tag) for tag in tags)


def _is_of_dream(record: Sequence[Any]) -> bool:
    """Tell a conversation, what is asked of it, and its id, as DREAM lists them."""
    if len(record) != 3 or not all(isinstance(part, list) for part in record[:2]):
        return False
    turns, asked = record[:2]
    return all(isinstance(turn, str) for turn in turns) and all(isinstance(q, dict) and "question" in q for q in asked)


def _are_spans(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, list) and len(item) == 3 for item in value)


def _json_type(value: Any) -> str:
    if isinstance(value, str):  # a number with a point comes as it is written
        return "a text" if type(value) is str else "a number"
    return {bool: "a boolean", int: "a number", list: "a list"}.get(type(value), "null")


# --------------------------------------------------------------------------------------------------
# JSON that is not one object a line, as rows: an array, a list within an object, objects over several lines.
#
# Rows come one by one as they are read, so that memory does not grow with their number; only a
# table that is written column by column (pandas' `to_json`) must be read whole.

_CHUNK_BYTES = 1 << 16
LONGEST_VALUE = 1 << 26
# An error this near to the end of what has been read may be of what has not.
_NEAR_END = 16
_BLANKS = " \t\r\n"
_COMMENTS = ("#", "/")  # no value begins so


def read_json_document(stream: BinaryIO, source: str, encoding: str) -> Iterator[Row | BadRow]:
    """Iterate the rows of a JSON document, or of several that stand one behind the other.

    `line` of a row is the line where it begins.

    Raises:
        DataError: the JSON is broken, which leaves no telling where the next row begins.
    """
    text = _Text(stream, source, encoding)
    while first := text.next_char(","):
        if first == "[":
            yield from _items(text, None)
        elif first == "{":
            yield from _object(text)
        else:
            raise text.error("a JSON object or array is expected")


def _items(text: _Text, columns: Sequence[Any] | None) -> Iterator[Row | BadRow]:
    """Read the items of an array, of which the bracket comes next."""
    text.take()
    while (first := text.next_char(",")) != "]":
        if not first:
            raise text.error("the JSON ends in the middle of an array")
        line = text.line
        try:
            value = text.value()
        except RowError as error:
            yield BadRow(line, str(error))
            continue
        if columns is not None and isinstance(value, list):
            value = dict(zip(map(str, columns), value, strict=False))
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield from (_document_row(item, line) for item in value)
            continue
        yield _document_row(value, line)
    text.take()


def _object(text: _Text) -> Iterator[Row | BadRow]:
    """Read an object: a row, or a table whose rows are in one of its values."""
    line, fault = text.line, ""
    text.take()
    fields: dict[str, Any] = {}
    while (first := text.next_char(",")) != "}":
        if first != '"':
            raise text.error("a name in double quotes is expected, or the end of the object")
        name = str(text.value())
        if text.next_char() != ":":
            raise text.error(f"a colon is expected behind the name {name!r}")
        text.take()
        is_table = name.casefold() in WRAPPERS and not is_row(fields)
        if is_table and text.next_char() == "[" and text.second_char() in ("{", "[", "]"):
            yield from _items(text, fields.get("columns"))
            _skip_rest(text)
            return
        try:
            fields[name] = text.value()
        except RowError as error:
            fault = fault or str(error)
    text.take()
    if len(tables := tables_within(fields)) > 1 and _published_rows(fields) is None:
        outer, _, inner = tables[0].partition(".")
        table = fields.get(tables[0]) or fields[outer][inner]
        rows_of = "[]" if isinstance(table, list) else ""
        raise text.error(
            f"the object holds several tables, {listed(tables, joint=' and ')}; write each to a file of its own, "
            f"as with jq -c '.{tables[0]}{rows_of}'",
            kind="",
        )
    rows = None if fault else rows_within(fields)
    if fault:
        yield BadRow(line, fault)
    elif rows is None:
        yield _document_row(fields, line)
    else:
        for row in rows:
            yield _document_row(row, line)


def _skip_rest(text: _Text) -> None:
    """Read to the end of an object whose rows have been read."""
    while (first := text.next_char(",:")) != "}":
        if not first:
            raise text.error("the JSON ends in the middle of an object")
        try:
            text.value()
        except RowError:
            continue
    text.take()


def _document_row(value: Any, line: int) -> Row | BadRow:
    if type(value) is str:  # an array of texts
        return Row(line, {"text": value})
    try:
        return Row(line, fields_of(value))
    except RowError as error:
        return BadRow(line, str(error))


class _Text:
    """The text of a stream, of which no more is held than the value that is being read."""

    def __init__(self, stream: BinaryIO, source: str, encoding: str) -> None:
        self.line = 1
        self._stream = stream
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._text = ""
        self._at = 0
        self._ended = False
        self._began = False

    def next_char(self, skipped: str = "") -> str:
        """Go to the next character that is neither blank nor one of `skipped`, and return it; "" at the end."""
        while True:
            start = self._at
            while self._at < len(self._text) and self._text[self._at] in _BLANKS + skipped:
                self._at += 1
            self.line += self._text.count("\n", start, self._at)
            if self._text[self._at : self._at + 1] in _COMMENTS:
                self._skip_comment()
            elif self._at < len(self._text):
                return self._text[self._at]
            elif not self._more():
                return ""

    def _skip_comment(self) -> None:
        """Go behind a comment, as people write them between values: `# …`, `// …` to the end of a line, `/* … */`."""
        while len(self._text) < self._at + 2 and self._more():
            pass
        begin = self._text[self._at : self._at + 2]
        if begin[0] == "/" and begin not in ("//", "/*"):
            raise self.error("a value is expected, or a comment")
        end, behind = ("*/", 2) if begin == "/*" else ("\n", 0)
        while (at := self._text.find(end, self._at + behind)) < 0 and self._more(len(self._text) - self._at):
            pass
        self._go(len(self._text) if at < 0 else at + behind)

    def second_char(self) -> str:
        """Return the character behind the next one, blanks aside."""
        while True:
            rest = self._text[self._at + 1 :].lstrip(_BLANKS)
            if rest or not self._more():
                return rest[:1]

    def take(self) -> None:
        """Step over the next character."""
        self._at += 1

    def value(self) -> Any:
        """Read a value.

        Raises:
            RowError: it can be read, but not used.
            DataError: it is broken.
        """
        self.next_char()
        while True:
            try:
                found, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                self._expect_more(error)
                continue
            except RecursionError:
                raise self.error("it is nested too deeply") from None
            except RowError:
                self._go(self._end_of_value())
                raise
            except ValueError:  # Python's limit for whole numbers
                self._go(self._end_of_value())
                raise RowError(TOO_MANY_DIGITS) from None
            if end == len(self._text) and self._more():  # a number may go on
                continue
            self._go(end)
            return found

    def error(self, message: str, kind: str = "invalid JSON: ") -> DataError:
        """Build the error for what stands here."""
        return DataError.at(self._source, self.line, f"{kind}{message}.")

    def _go(self, end: int) -> None:
        self.line += self._text.count("\n", self._at, end)
        self._at = end

    def _end_of_value(self) -> int:
        try:
            return json.JSONDecoder(parse_int=str).raw_decode(self._text, self._at)[1]
        except ValueError as error:
            raise self.error(str(error)) from None

    def _expect_more(self, error: json.JSONDecodeError) -> None:
        """Read on where the value may only be cut off; else it is broken."""
        is_cut = error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _NEAR_END
        held = len(self._text) - self._at
        if is_cut and held <= LONGEST_VALUE and self._more(held):
            return
        self.line += self._text.count("\n", self._at, error.pos)
        if self._text[error.pos : error.pos + 1] == "'":
            raise self.error("names and texts are in single quotes, as Python writes them; write JSON with json.dump()")
        if is_cut and self._ended:
            raise self.error("it ends in the middle of a value")
        raise self.error(error.msg if held <= LONGEST_VALUE else f"a value is longer than {LONGEST_VALUE >> 20} MB")

    def _more(self, least: int = 0) -> bool:
        """Read on, at least as much as is held, so that a long value is not tried too often; False at the end."""
        self._text, self._at = self._text[self._at :], 0
        parts, size = [self._text], 0
        while not self._ended and (not size or size < least):
            try:
                # What has arrived is enough: a pipe is not waited for.
                raw: bytes = self._stream.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]
                self._ended = not raw
                part = self._decoder.decode(raw if self._began else raw.removeprefix(BOM), final=not raw)
            except UnicodeDecodeError as error:
                raise self.error(decoding_fault(error.object, error, self._encoding)) from None
            except READ_ERRORS as error:
                raise DataError.at(self._source, self.line, f"cannot be read further ({error}).") from error
            self._began = self._began or bool(raw)
            parts.append(part)
            size += len(part)
        self._text = "".join(parts)
        return size > 0
