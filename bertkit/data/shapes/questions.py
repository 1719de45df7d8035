"""Questions with choices: which columns of a table hold them, and rows as `Question`s.

Choices stand in a column each (`A` to `E`, `ending0` to `ending3`), in one column that
holds a JSON list, or with their question in one prompt. A choice goes by the name its file
has for it: the letter or the number of its column, its label in the list, or else its
0-based place. A blank cell is no choice, so that the rows of a file may differ in how many
they have; the choices that are there keep their names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from string import ascii_lowercase

from bertkit.data.catalog import DatasetSpec
from bertkit.data.columns import ColumnChoice, check_mapped, has_column, missing_label, there_are
from bertkit.data.records import BadRow, ColumnMap, Example, Question, Row
from bertkit.data.shapes.answers import first_place, read_answer
from bertkit.data.shapes.choices import listed_choices, parse_prompted
from bertkit.data.values import RowError, field_of, missing_column
from bertkit.errors import DataError
from bertkit.plain import listed, quoted

QUESTION_NAMES = ("prompt", "question", "question_stem", "startphrase", "ctx", "goal", "질문", "문제")
CONTEXT_NAMES = ("context", "passage", "article", "premise", "지문")
ANSWER_NAMES = ("answer", "answerkey", "answer_key", "label", "gold_label", "gold", "target", "cop", "정답", "답")
LIST_NAMES = ("choices", "options", "endings", "보기", "선택지")
# SWAG's beginning, where it stands in two columns
_BEGINNING = ("sent1", "sent2")
# One prompt that holds question and choices, as OpenBookQA is given to language models
_PROMPT_NAME = "instruction"

_CHOICE_COLUMN = re.compile(r"(?:(?P<word>ending|answer|choice|option|sol|op)[ _-]?)?(?P<name>[a-z]|\d{1,2})")
_CHOICE_WORDS = (None, "ending", "answer", "choice", "option", "sol", "op")
_RUNS = (tuple(ascii_lowercase), tuple(map(str, range(100))), tuple(map(str, range(1, 100))))
# Rows looked at for how answers are counted.
_ROWS_AHEAD = 10_000


def find_choice_columns(
    names: Sequence[str],
    *,
    choice: ColumnChoice | None = None,
    usual: ColumnMap | None = None,
    stored: ColumnMap | None = None,
    need_label: bool = False,
) -> ColumnMap | None:
    """Find the columns of question, choices and answer; None if this is no table of questions.

    Each part is taken from `choice`, then from known columns that are all there, then by
    its usual names. `text` of the result is the question, or context and question; its
    label is None where no column of answers is there.

    Args:
        names: the columns that are there.
        choice: what `--columns` said; with a pair it says that these are no questions.
        usual: the columns that the catalog has for the data set.
        stored: the columns a run was trained with; they also say whether there is a context.
        need_label: whether a table of questions without answers is an error.

    Raises:
        DataError: `--columns` names a column that is missing, or choices without a
            question that can be found; or the answers are missing.
    """
    chosen = choice or ColumnChoice()
    if chosen.pair is not None:
        return None
    check_mapped(names, chosen)
    known = [columns for columns in (stored, usual) if columns and columns.choices]
    free = [name for name in names if name not in (*chosen.text, *chosen.choices, chosen.label)]
    texts = chosen.text or _all_there(names, (c.text for c in known)) or _find_texts(free, stored)
    choices = chosen.choices or _all_there(names, (c.choices for c in known)) or _find_choices(free)
    if not texts or not choices:
        if chosen.choices:
            raise missing_choice_columns(names, stored)
        return _find_prompts(free, chosen)
    label = chosen.label or _find_label(names, known, taken=(*texts, *choices))
    if need_label and label is None:
        raise DataError(f"no column for the answer: {there_are(names)}; add label=COLUMN to --columns.")
    return ColumnMap(texts, None, label, choices)


def missing_choice_columns(names: Sequence[str], stored: ColumnMap | None = None) -> DataError:
    """Build the error for a table whose columns are not those of questions."""
    wanted = "a question and its choices"
    if stored is not None:
        wanted = f"the texts {listed(stored.text, 80, joint=' and ')} and the choices"
    way_on = "say which is which, for example --columns text=question,choices=a+b+c,label=answer"
    return DataError(f"no columns are recognised as {wanted}: {there_are(names)}; {way_on}.")


def choice_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Name the choices of columns: by their letters or numbers, or else by 0-based place."""
    parts = [_CHOICE_COLUMN.fullmatch(column.casefold()) for column in columns]
    names = tuple(part["name"].upper() for part in parts if part is not None)
    words = {part["word"] for part in parts if part is not None}
    # bare numbers are the columns of a table without a header, and name nothing
    named = len(names) == len(set(names)) == len(columns) and len(words) == 1
    if named and (words != {None} or all(map(str.isalpha, names))):
        return names
    return tuple(map(str, range(len(columns))))


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


def _all_there(names: Sequence[str], known: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return next((columns for columns in known if all(has_column(names, name) for name in columns)), ())


def _first_of(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    by_folded = {name.casefold(): name for name in reversed(names)}
    return next((by_folded[name] for name in wanted if name in by_folded), None)


def _find_texts(names: Sequence[str], stored: ColumnMap | None) -> tuple[str, ...]:
    """Find the question, and its context unless a run was trained without one."""
    question, context = _first_of(names, QUESTION_NAMES), _first_of(names, CONTEXT_NAMES)
    beginning = tuple(name for name in _BEGINNING if name in names)
    count = None if stored is None else len(stored.text)
    found = [(context, question), (question,), beginning if len(beginning) == len(_BEGINNING) else ()]
    for texts in found:
        there = tuple(name for name in texts if name is not None)
        if there and len(there) == len(texts) and count in (None, len(there)):
            return there
    return ()


def _find_label(names: Sequence[str], known: Sequence[ColumnMap], taken: Sequence[str]) -> str | None:
    found = _all_there(names, ((columns.label,) for columns in known if columns.label is not None))
    return next(iter(found), None) or _first_of([name for name in names if name not in taken], ANSWER_NAMES)


def _find_choices(names: Sequence[str]) -> tuple[str, ...]:
    """Find the columns of a run of letters, of numbered choices, or of a list."""
    for word in _CHOICE_WORDS:
        by_name = dict(_columns_of(word, names))
        for run in _RUNS if word is not None else _RUNS[:1]:
            found = tuple(by_name[name] for name in takewhile(by_name.__contains__, run))
            if len(found) >= 2:
                return found
    listed = _first_of(names, LIST_NAMES)
    return () if listed is None else (listed,)


def _columns_of(word: str | None, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        part = _CHOICE_COLUMN.fullmatch(name.casefold())
        if part is not None and part["word"] == word:
            yield part["name"], name


def _find_prompts(names: Sequence[str], chosen: ColumnChoice) -> ColumnMap | None:
    """Find a column of prompts: it stands for the question and for the choices."""
    prompt = _first_of(names, [_PROMPT_NAME])
    answer = chosen.label or _first_of(names, ANSWER_NAMES[:1])
    if prompt is None or answer is None or chosen.text:
        return None
    return ColumnMap((prompt,), None, answer, (prompt,))


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
    """Questions with choices."""

    def resolve(
        self,
        names: Sequence[str],
        *,
        mapping: ColumnChoice | None,
        usual: ColumnMap | None,
        stored: ColumnMap | None,
        need_label: bool,
    ) -> ColumnMap:
        """Find question, choices and answer."""
        found = find_choice_columns(names, choice=mapping, usual=usual, stored=stored, need_label=need_label)
        if found is None:
            raise missing_choice_columns(names, stored)
        return found

    def examples(
        self,
        rows: Iterable[Row | BadRow],
        columns: ColumnMap,
        source: str,
        *,
        spec: DatasetSpec | None = None,
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
