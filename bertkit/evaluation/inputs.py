"""The rows of `predict`, from files or standard input, one at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bertkit.data.column_names import has_text
from bertkit.data.columns import FILE, ColumnChoice, Keep, Wanted, kept_columns, of_whole_chat, parse_columns
from bertkit.data.formats.opened import Opened, open_input
from bertkit.data.formats.published import usual_rows
from bertkit.data.formats.readers import read_opened
from bertkit.data.formats.telling import TableFormat, Told, tell
from bertkit.data.records import BadRow, ColumnMap, Example, LeftOut, Row
from bertkit.data.shapes.table import shape_of
from bertkit.data.sources import TextFile, input_files, text_reader
from bertkit.data.tagged.column_files import read_tagged_opened
from bertkit.errors import DataError
from bertkit.plain import STDIN, listed
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.registry import SHAPE_OF

FORMATS = ("auto", "txt", "csv", "tsv", "jsonl", "json", "xml", "conll", "parquet")

# Tasks whose answer to a text without a word is right: there is nothing in it.
_ANSWER_NOTHING = ("ner", "mlm")
# Records left out that are said one by one.
_MOST_SAID = 5

Note = Callable[[str], None]
MakeExamples = Callable[[Iterator[Row | BadRow]], Iterator[Example | BadRow]]


@dataclass(frozen=True)
class _Placed:
    """What rows come from: its name, its first line that is not blank, and what it is read as."""

    name: str
    first_line: int
    kind: str

    @property
    def speaks_by_row(self) -> bool:
        """Whether each row names its columns, and not a header those of all."""
        return self.kind in ("jsonl", "json", "xml")


@dataclass(frozen=True)
class Inputs:
    """Rows to predict, whether they may come slowly, and what they may be instead of what they are read as."""

    rows: Iterator[Example | BadRow]
    slow_source: bool
    doubts: Sequence[str] = ()


def open_inputs(
    name: str,
    settings: TaskSettings,
    *,
    input_format: str,
    columns: str | None,
    note: Note = lambda _: None,
    keep: Keep | None = None,
) -> Inputs:
    """Open INPUT of `predict`; what it is is told from its first lines, of a stream as of a file.

    Args:
        name: a path, or - for standard input.
        settings: the run's; its columns are looked for first.
        input_format: auto, or what the input is.
        columns: the value of --columns, or None.
        note: is told in a sentence what is read otherwise than it might seem, and of an input
            without rows.
        keep: the columns that go through to the answers; None: none do.

    Raises:
        DataError: the file is missing, what it is cannot be told, or the run reads no such
            thing.
    """
    choice = None if columns is None else parse_columns(columns)
    if isinstance(name, TextFile):
        return _text_of_class(name, settings, keep)
    opened = open_input(name)
    told = tell_input(opened, settings, input_format=input_format, choice=choice, note=note)
    if told is None:
        note(f"{opened.name}: there is nothing in it")
        return Inputs(iter(()), slow_source=False)
    rows = rows_as(opened, told.table, settings, choice, note, keep)
    return Inputs(rows, slow_source=opened.is_slow, doubts=told.doubts)


def _text_of_class(name: TextFile, settings: TaskSettings, keep: Keep | None) -> Inputs:
    """Open a file that is one text, in a folder that is its class."""
    if (why := _why_no_plain_text(settings)) is not None:
        raise DataError(f"{name}:1: {why}")
    place = _Placed(name, 1, "txt")
    found = _with_kept(text_reader(Path(name))(), keep, lambda rows: _examples(rows, settings, None, place), place)
    return Inputs(_answerable(found, settings), slow_source=False)


def tell_input(
    opened: Opened,
    settings: TaskSettings,
    *,
    input_format: str = "auto",
    choice: ColumnChoice | None = None,
    note: Note = lambda _: None,
) -> Told | None:
    """Tell what an input is and how the run reads it; None where there is nothing in it.

    The arguments are those of `open_inputs`.

    Raises:
        DataError: what it is cannot be told, or the run reads no such thing.
    """
    kind = None if input_format == "auto" else input_format
    plain = _why_no_plain_text(settings)
    if _is_empty(opened, kind, plain_will_do=plain is None):
        return None
    told = tell(
        opened,
        kind=kind,
        knows=partial(_knows, settings, choice),
        text_will_do=plain is None and choice is None,
    )
    table = told.table.parted(entities=settings.task == "ner", classes=settings.task in ("classify", "multilabel"))
    marked = () if table.marks_note is None else (f"{opened.name}: {table.marks_note}",)
    for sentence in (*told.notes, *marked, *(f"warning: {doubt}" for doubt in told.doubts)):
        note(sentence)
    if table.kind == "txt" and plain is not None:
        raise DataError(f"{opened.name}:{opened.first_line}: {plain}")
    if table.kind == "conll" and settings.task != "ner":
        raise DataError(
            f"{opened.name}:{opened.first_line}: this is tagged text (a token a line), and the run's task is "
            f"{settings.task}; use --input-format if it is something else."
        )
    return replace(told, table=table)


def open_all(
    names: Sequence[str],
    settings: TaskSettings,
    *,
    input_format: str,
    columns: str | None,
    note: Note = lambda _: None,
    keep: Keep | None = None,
) -> Inputs:
    """Open several INPUTs, one after the other; a folder stands for the files in it that are data.

    The arguments are those of `open_inputs`. Where there are several, each row keeps the name
    of its file as `file`.

    Raises:
        DataError: a file is missing, or a folder holds none; later, what `open_inputs` raises.
        UsageError: standard input is named twice.
    """
    files = input_files(names)
    each = partial(open_inputs, settings=settings, input_format=input_format, columns=columns, note=note, keep=keep)
    if len(files) == 1:
        return each(files[0])
    doubts: list[str] = []

    def rows() -> Iterator[Example | BadRow]:
        for name in files:
            inputs = each(name)
            doubts.extend(inputs.doubts)
            for row in inputs.rows:
                yield replace(row, kept=((FILE, STDIN if name == "-" else name), *row.kept))

    return Inputs(rows(), slow_source="-" in files, doubts=doubts)


def json_examples(
    rows: Iterator[Row | BadRow],
    name: str,
    settings: TaskSettings,
    *,
    choice: ColumnChoice | None = None,
    keep: Keep | None = None,
) -> Iterator[Example | BadRow]:
    """Make examples of rows of JSON as `open_inputs` does; one that would be left out is an error in its place.

    Args:
        rows: the rows.
        name: what sentences call them.
        settings: the run's.
        choice: the columns of --columns.
        keep: the columns that go through to the answers.

    Raises:
        DataError: each row is one token, and nothing tells where a sentence ends.
    """
    place = _Placed(name, 1, "jsonl")
    usual = usual_rows(rows, name, is_told=False)
    yield from _answerable(
        _with_kept(usual, keep, lambda rows: _examples(rows, settings, choice, place), place), settings
    )


def _is_empty(opened: Opened, kind: str | None, *, plain_will_do: bool) -> bool:
    """Whether there are no rows: no text at all, unless it is said that blank lines are rows, or that it is parquet."""
    if not opened.is_blank:
        return False
    suffixes = [] if opened.path is None else opened.path.suffixes
    are_lines = kind == "txt" or (kind is None and ".txt" in suffixes)
    return not (are_lines and plain_will_do and b"\n" in opened.head) and ".parquet" not in suffixes


def _why_no_plain_text(settings: TaskSettings) -> str | None:
    """Say why a run cannot read lines of text, or None if it can."""
    if settings.task == "choice":
        return (
            "the run reads questions with choices and plain text has none; set its format with --input-format "
            "csv, tsv or jsonl."
        )
    inputs = settings.columns.inputs
    if settings.task != "mlm" and len(inputs) > 1:
        return (
            f"the run reads {len(inputs)} columns ({listed(inputs, quotes=False)}) and plain text has one; set "
            f"its format with --input-format tsv, csv or jsonl."
        )
    return None


def rows_as(
    opened: Opened,
    table: TableFormat,
    settings: TaskSettings,
    choice: ColumnChoice | None,
    note: Note,
    keep: Keep | None,
    *,
    physical: Iterator[Row | BadRow] | None = None,
) -> Iterator[Example | BadRow]:
    """Read the rows of an input as what `tell_input` told, and say so if there are none.

    Args:
        opened: the input.
        table: its format.
        settings: the run's.
        choice: the columns of --columns.
        note: see `open_inputs`.
        keep: likewise.
        physical: its rows, where they have been read; None: they are read here.
    """
    if table.kind == "conll":
        if keep is not None and not keep.is_all:
            raise DataError(f"{opened.name}: --keep: tagged text has no columns to keep.")
        found: Iterator[Example | BadRow] = iter(read_tagged_opened(opened, table, need_tags=False))
    else:
        rows = physical or read_opened(opened, table, keep_blank=True)
        place = _Placed(opened.name, opened.first_line, table.kind)
        found = _with_kept(rows, keep, lambda rows: _examples(rows, settings, choice, place, note), place)
    found = _answerable(_without_left_out(found, opened.name, note), settings)
    first = next(found, None)
    if first is None:
        what = "there is only a header line in it" if table.has_header else "there are no rows in it"
        note(f"{opened.name}: {what}")
        return
    yield first
    yield from found


def _with_kept(
    rows: Iterator[Row | BadRow], keep: Keep | None, make: MakeExamples, place: _Placed
) -> Iterator[Example | BadRow]:
    """Make examples, and give them what is kept of their rows.

    Raises:
        DataError: a table lacks a column that is to be kept; of JSON each row speaks for itself.
    """
    if keep is None:
        return make(rows)
    ahead: list[Row | BadRow] = []
    for row in rows:
        ahead.append(row)
        if isinstance(row, Row):
            break
    if ahead and isinstance(first := ahead[-1], Row) and not place.speaks_by_row:
        try:
            keep.check(list(first.fields))
        except DataError as error:
            raise DataError.at(place.name, place.first_line, str(error)) from None
    kept = kept_columns(keep)
    return kept.give(make(kept.note(itertools.chain(ahead, rows))))


def _answerable(rows: Iterator[Example | BadRow], settings: TaskSettings) -> Iterator[Example | BadRow]:
    """Refuse rows in which there is nothing to read, where that is not an answer."""
    return rows if settings.task in _ANSWER_NOTHING else map(_with_text, rows)


def _with_text(row: Example | BadRow) -> Example | BadRow:
    """Refuse a row in which there is nothing to read."""
    is_empty = isinstance(row, Example) and not any(map(has_text, row.all_texts))
    return BadRow(row.line, "there is no text in the row", kept=row.kept) if is_empty else row


def _without_left_out(rows: Iterable[Example | BadRow], name: str, note: Note) -> Iterator[Example | BadRow]:
    """Hand on what is answered; say of the first few others where they stand."""
    said = 0
    for row in rows:
        if not isinstance(row, LeftOut):
            yield row
        elif (said := said + 1) <= _MOST_SAID:
            more = "; further ones are left out without a note" if said == _MOST_SAID else ""
            note(f"{name}:{row.line}: {row.message}, left out{more}")


def _examples(
    rows: Iterable[Row | BadRow],
    settings: TaskSettings,
    choice: ColumnChoice | None,
    place: _Placed,
    note: Note = lambda _: None,
) -> Iterator[Example | BadRow]:
    """Find the columns at the first row that has them, and make examples of all rows.

    A table has one header, so a column it lacks ends the command; JSON lines speak each for
    themselves, so there only the row is bad.
    """
    remaining, shape = iter(rows), shape_of(SHAPE_OF[settings.task])
    for row in remaining:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            found = _columns(list(row.fields), settings, choice, place.kind)
        except DataError as error:
            if not place.speaks_by_row:
                line = None if place.kind in ("parquet", "arrow") else place.first_line
                raise DataError.at(place.name, line, str(error)) from None
            yield BadRow(row.line, str(error).rstrip("."))
            continue
        if whole := of_whole_chat(list(row.fields), found, settings.columns):
            note(f"{place.name}: {whole}")
        yield from shape.examples(itertools.chain([row], remaining), found, place.name, need_label=False)
        return


def _knows(settings: TaskSettings, choice: ColumnChoice | None, names: Sequence[str]) -> bool:
    """Tell whether what the run reads is among the columns of these names."""
    places = [str(place) for place in range(1, len(names) + 1)]
    if choice is None and settings.columns.inputs[0].isdigit() and list(names) != places:
        return False  # it learnt from a table without names, in which a number is a value
    try:
        _columns(names, settings, choice, "csv")
    except DataError:
        return False
    return True


def _columns(names: Sequence[str], settings: TaskSettings, choice: ColumnChoice | None, kind: str) -> ColumnMap:
    if kind == "txt":
        return ColumnMap(text=tuple(names[:1]))
    found = shape_of(SHAPE_OF[settings.task]).resolve(
        names, Wanted(choice, stored=replace(settings.columns, label=None, labels=()), need_label=False)
    )
    return replace(found, label=None, labels=())
