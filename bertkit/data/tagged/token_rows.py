"""Tables with one token a row, whose sentences an id tells apart, as tables with a sentence a row.

So are training tables of other tools written (sentence_id, words, labels), and such as name the
sentence only at its first word ("Sentence #", blank as above). What a table is shows in its first
rows: single words, and tags that are tags in form.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bertkit.data.column_names import TAG_NAMES, TEXT_NAMES, TOKEN_NAMES, first_named
from bertkit.data.records import BadRow, Row
from bertkit.data.tagged.schemes import OUTSIDE, are_tags, is_entity_tag, is_like_tag
from bertkit.data.values import RowError
from bertkit.errors import DataError
from bertkit.plain import quoted

_ID_NAMES = (
    *("sentence_id", "sentence #", "sentence_idx", "sentence id", "sentenceid", "sent_id", "sent_idx", "sent #"),
    *("sentence_number", "sentence no", "sentence", "sent", "문장번호", "문장 번호", "문장_id", "문장아이디"),
)
# Another column that names sentences or texts, where its values come in runs.
_LIKE_ID = re.compile(
    r"(?:^|[\W_])(?:ids?|idx|no|nr|num|number|sent|sentence|text|doc)(?:$|[\W_])|번호|문장", re.IGNORECASE
)
_ROWS_LOOKED_AT = 200
# Rows that a sentence has at least, on average, where a column tells sentences apart.
_LEAST_WORDS = 2


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
    if usual is None and not (is_told and len(rows) > 1):
        return None
    if sentence is None:
        found = [name for name in others if name != tag and _comes_in_runs(rows, name)]
        found.sort(key=lambda name: not _LIKE_ID.search(name))
        sentence = next((name for name in found if _LIKE_ID.search(name) or _are_different(_runs(rows, name))), None)
    if sentence is None and not is_told:
        return None
    return TokenColumns(token, tag, sentence, blank_is_outside=OUTSIDE not in tags)


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
    if len(tags) != 1 or not ids or not words:
        return None
    token = max(words, key=lambda name: len(set(cells[name])))  # others are parts of speech
    sentence = max(ids, key=ids.__getitem__)  # others are of documents
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
            f"each row is one word, and the words of a sentence do not stand together (column {name}); sort the table "
            f"by {name}, words in their order.",
        )
    return _joined(again, columns)


def _may_be_token(row: Row) -> bool:
    """Tell whether a table may have a token a row by its first; of one with texts no more is read ahead."""
    if len(row.fields) < 2:
        return False
    if first_named(row.fields, TOKEN_NAMES) is not None:
        return True
    token, tag = first_named(row.fields, TEXT_NAMES), first_named(row.fields, TAG_NAMES)
    try:
        if token is None:
            cells = [text.strip() for text in row.fields.values()]
            return len(cells) > 2 and any(map(is_like_tag, cells)) and all(len(cell.split()) < 2 for cell in cells)
        return (
            tag is not None
            and len(row.fields.get(token, "").split()) == 1
            and is_like_tag(row.fields.get(tag, "").strip())
        )
    except RowError:
        return False


def _runs(rows: Sequence[Row], name: str) -> list[str]:
    """Return the values of a column, those that follow each other once; a blank one is as above."""
    values = [value for row in rows if (value := row.fields.get(name, "").strip())]
    return [value for value, _ in itertools.groupby(values)]


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
        name = row.fields.get(columns.sentence, "").strip()
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
