"""Tables with one token a row, whose sentences an id tells apart, as tables with a sentence a row.

So are training tables of other tools written (sentence_id, words, labels), and such as name the
sentence only at its first word ("Sentence #", blank as above).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bertkit.data.column_names import TAG_NAMES, TOKEN_NAMES, first_named
from bertkit.data.records import BadRow, Row
from bertkit.data.tagged.schemes import is_entity_tag, is_like_tag
from bertkit.data.values import RowError
from bertkit.errors import DataError

_ID_NAMES = (
    *("sentence_id", "sentence #", "sentence_idx", "sentence id", "sentenceid", "sent_id", "sent_idx", "sent #"),
    *("sentence_number", "sentence no", "sentence", "sent", "문장번호", "문장 번호", "문장_id"),
)
# What an id may look like, so that a column of sentences is none.
_ID = re.compile(r"(?:sent(?:ence)?[ :_#-]*)?[\w.-]{1,40}", re.IGNORECASE)
_ROWS_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class TokenColumns:
    """Columns of a table with a token a row."""

    token: str
    tag: str | None
    sentence: str | None


@dataclass
class _Group:
    """The rows of one sentence."""

    line: int
    rows: list[Row] = field(default_factory=list)


def find_token_columns(rows: Sequence[Row]) -> TokenColumns | None:
    """Tell from the first rows of a table whether each is one token, and what its columns are."""
    token, tag, sentence = (first_named(rows[0].fields, names) for names in (TOKEN_NAMES, TAG_NAMES, _ID_NAMES))
    if token is None or (tag is None and sentence is None):
        return None
    if any(len(row.fields[token].split()) > 1 or row.fields[token].startswith("[") for row in rows):
        return None
    if tag is not None and not all(is_like_tag(row.fields[tag].strip()) for row in rows):
        return None
    if sentence is not None and not all(_is_id(row.fields.get(sentence, "")) for row in rows):
        sentence = None
    if sentence is None and (tag is None or not any(is_entity_tag(row.fields[tag].strip()) for row in rows)):
        return None
    return TokenColumns(token, tag, sentence)


def join_token_rows(rows: Iterator[Row | BadRow], source: str) -> Iterator[Row | BadRow]:
    """Hand on the rows of a table; where each is one token, those of a sentence become one with lists.

    Raises:
        DataError: each row is one token with its tag, and nothing tells where a sentence ends.
    """
    ahead = list(itertools.islice(rows, 1))
    first = next((row for row in ahead if isinstance(row, Row)), None)
    if first is None or len(first.fields) < 2 or first_named(first.fields, TOKEN_NAMES) is None:
        return itertools.chain(ahead, rows)
    ahead += itertools.islice(rows, _ROWS_LOOKED_AT)
    good = [row for row in ahead if isinstance(row, Row)]
    try:
        columns = find_token_columns(good)
    except RowError:
        columns = None
    again = itertools.chain(ahead, rows)
    if columns is None:
        return again
    if columns.sentence is None:
        if len(good) < 2:
            return again
        raise DataError.at(
            source,
            good[0].line,
            "each row is one word with its tag, and nothing tells where a sentence ends; add a column sentence_id, "
            "or write a blank line between sentences and no header.",
        )
    return _joined(again, columns)


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
    listed = {name for name in (columns.token, columns.tag) if name is not None}
    return {
        name: json.dumps([row.fields[name] for row in group.rows], ensure_ascii=False) if name in listed else text
        for name, text in group.rows[0].fields.items()
    }


def _is_id(cell: str) -> bool:
    return not cell.strip() or _ID.fullmatch(cell.strip()) is not None
