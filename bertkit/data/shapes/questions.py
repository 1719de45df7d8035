"""Questions with choices: rows of a table as `Question`s.

A choice goes by the name its file has for it: the letter or the number of its column, its
label in the list, or else its 0-based place. A blank cell is no choice, so that the rows of a
file may differ in how many they have; the choices that are there keep their names.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from bertkit.data.records import BadRow, ColumnMap, Example, Question, Row
from bertkit.data.row_cells import LabelRules, missing_label
from bertkit.data.shapes.answers import first_place, read_answer
from bertkit.data.shapes.choices import choice_names, listed_choices, parse_prompted
from bertkit.data.values import RowError, field_of, missing_column
from bertkit.plain import listed, quoted

# Rows looked at for how answers are counted.
_ROWS_AHEAD = 10_000


def question_row(
    row: Row,
    columns: ColumnMap,
    source: str,
    *,
    need_label: bool,
    withheld: frozenset[str] = frozenset(),
    counted_from: int | None = None,
) -> Question | BadRow:
    """Turn a row into a question with its choices; one that lacks what it needs becomes a `BadRow`.

    The answer may be a choice's name (a letter in either case, a 0-based or 1-based number
    as the choices are numbered) or its whole text; a name goes before a text.

    Args:
        row: the row, lists as JSON text.
        columns: the columns, as `find_choice_columns` finds them.
        source: where the row is from.
        need_label: whether a row without a usable answer is bad; if not, its label is None.
        withheld: what stands in place of answers that are not published.
        counted_from: from what number answers count the places of choices; None: they do not.
    """
    try:
        texts, named = _texts_and_choices(row.fields, columns)
        choices = _usable(named, columns)
        answer = _answer(row.fields, columns.label)
        label, unread = None, ""
        if answer not in withheld:
            label, unread = _read(row, columns, answer, choices, tuple(named), counted_from)
        if unread and need_label:
            raise RowError(unread)
    except RowError as fault:
        return BadRow(row.line, str(fault))
    names = tuple(choices)
    return Question(texts, label, row.line, source, choices=tuple(choices.values()), names=names, unread=unread)


def _read(
    row: Row,
    columns: ColumnMap,
    answer: str,
    choices: Mapping[str, str],
    names: Sequence[str],
    counted_from: int | None,
) -> tuple[str | None, str]:
    """Return the name of the right choice, or why there is none."""
    if not answer:
        raw = None if columns.label is None else field_of(row.fields, columns.label)
        return None, missing_label(raw, columns.label)
    try:
        return read_answer(answer, choices, names, counted_from), ""
    except RowError as fault:
        return None, str(fault)


def _texts_and_choices(fields: Mapping[str, str], columns: ColumnMap) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the texts of a row, and the texts of its choices by name."""
    if columns.text == columns.choices:
        parsed = parse_prompted(_field(fields, columns.text[0]))
        if parsed is None:
            raise RowError(f"there is no 'Answer1: … Answer2: …' in the prompt (column {quoted(columns.text[0])})")
        texts: tuple[str, ...] = (parsed[0],)
        choices = parsed[1]
    else:
        texts = tuple(_field(fields, name) for name in columns.text)
        one_list = len(columns.choices) == 1
        choices = (
            listed_choices(_field(fields, columns.choices[0]), columns.choices[0])
            if one_list
            else _choices_of_columns(fields, columns)
        )
    if not texts[-1].strip():
        raise RowError(f"the question is empty (column {quoted(columns.text[-1])})")
    return texts, choices


def _usable(named: Mapping[str, str], columns: ColumnMap) -> dict[str, str]:
    """Leave out choices that are blank."""
    choices = {name: text for name, text in named.items() if text.strip()}
    if not choices:
        raise RowError(f"there are no choices ({_place(columns.choices)} empty)")
    if len(choices) == 1:
        raise RowError(f"there is only one choice, {listed(choices, quotes=False)}; a question needs two")
    return choices


def _choices_of_columns(fields: Mapping[str, str], columns: ColumnMap) -> dict[str, str]:
    texts = [field_of(fields, column) or "" for column in columns.choices]
    return dict(zip(choice_names(columns.choices), texts, strict=True))


def _answer(fields: Mapping[str, str], column: str | None) -> str:
    raw = None if column is None else field_of(fields, column)
    return (raw or "").strip()


def _answers(
    rows: Iterable[Row | BadRow], columns: ColumnMap, withheld: frozenset[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Iterate the answers of rows that can be read, each with the names of its choices."""
    for row in rows:
        if isinstance(row, BadRow):
            continue
        try:
            answer = _answer(row.fields, columns.label)
            if answer and answer not in withheld:
                yield answer, tuple(_texts_and_choices(row.fields, columns)[1])
        except RowError:
            continue


def _field(fields: Mapping[str, str], name: str) -> str:
    text = field_of(fields, name)
    if text is None:
        raise RowError(missing_column(name))
    return text


def _place(columns: Sequence[str]) -> str:
    if len(columns) == 1:
        return f"column {quoted(columns[0])} is"
    return f"columns {quoted(columns[0])} to {quoted(columns[-1])} are"


class Questions:
    """Questions with choices.

    Args:
        resolve: finds question, choices and answer.
    """

    def __init__(self, resolve: Callable[..., ColumnMap]) -> None:
        self.resolve = resolve

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: LabelRules | None = None,
        need_label: bool = True,
    ) -> Iterator[Example | BadRow]:
        """Make questions."""
        withheld = frozenset() if spec is None else spec.withheld
        rows = iter(rows)
        ahead = list(itertools.islice(rows, _ROWS_AHEAD)) if columns.label is not None else []
        counted_from = first_place(_answers(ahead, columns, withheld))
        for row in itertools.chain(ahead, rows):
            yield (
                row
                if isinstance(row, BadRow)
                else question_row(
                    row, columns, source, need_label=need_label, withheld=withheld, counted_from=counted_from
                )
            )
