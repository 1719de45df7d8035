"""Documents from files, folders and standard input: a table holds one on each row, any other file is one.

What a file is its name says, and where the name says nothing its first bytes do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from bertkit.data.column_names import DOCUMENT_NAMES, SUMMARY_NAMES
from bertkit.data.columns import (
    Keep,
    Turn,
    as_line,
    has_column,
    lines_in_objects,
    parse_columns,
    there_are,
    turns_in_objects,
)
from bertkit.data.formats.lines import READ_ERRORS, Lines
from bertkit.data.formats.opened import Opened, open_input
from bertkit.data.formats.readers import read_opened
from bertkit.data.formats.telling import TableFormat, column_names, kind_by_suffix, tell
from bertkit.data.records import BadRow, ColumnMap, LeftOut, Row
from bertkit.data.shapes.labelled import document_row
from bertkit.data.sources import SPLIT_WORDS, class_texts, input_files, is_data_file, name_folders
from bertkit.data.values import JsonText, RowError, field_of
from bertkit.documents.readers.markup import declared_encoding
from bertkit.documents.readers.passage import Passage, candidates, slice_of
from bertkit.documents.readers.table import FORMATS, DocumentFormat, find_format, format_of_name, told_format
from bertkit.errors import DataError, UsageError
from bertkit.files import entries, is_dir, is_file
from bertkit.plain import STDIN, brief, listed, quoted, shell_words
from bertkit.summarization.records import Item, SourceText, Unreadable

# --------------------------------------------------------------------------------------------------
# Documents that are rows of tables: which column they stand in, and the forms in which they stand there.

# Without one of these a cell is neither a page nor Markdown.
_MARKS = ("<", "](", "**", "```", "# ", "-->")
_LOOKED_AT = 1 << 14  # characters
_LONG = 40  # characters of a value from which its column may be the document


@dataclass(frozen=True)
class DocumentColumns:
    """Where the documents of a table stand.

    Attributes:
        names: columns in the order in which they are looked for.
        label: the column of a reference, scored against where it is named.
        is_chosen: whether `--columns` named the text, which then is there or missing.
    """

    names: Sequence[str] = DOCUMENT_NAMES
    label: str | None = None
    is_chosen: bool = False

    def find(self, names: Sequence[str]) -> str | None:
        """Return the column among those that are there."""
        if list(names) == ["1"] and not self.is_chosen:  # a table without a header
            return "1"
        by_name = {name.casefold(): name for name in reversed(names)}
        for column in self.names:
            if has_column(names, column):
                return column
            if not self.is_chosen and column.casefold() in by_name:
                return by_name[column.casefold()]
        return None


def document_columns(said: str | None, stored: str | None = None) -> DocumentColumns:
    """Return where documents stand: as `--columns` says, else in a run's own column, else by their usual names.

    Raises:
        UsageError: `--columns` is malformed, or names what a document does not have.
    """
    usual = DocumentColumns()
    if said is None:
        return usual if stored is None else DocumentColumns((stored, *usual.names))
    choice = parse_columns(said)
    if len(choice.text) > 1 or choice.pair is not None or choice.choices:
        raise UsageError(f"--columns {quoted(said)}: a document is one column; write text=article or text=a,label=b.")
    if choice.text:
        return DocumentColumns(choice.text, choice.label, is_chosen=True)
    return DocumentColumns(usual.names if stored is None else (stored, *usual.names), choice.label)


def documents_of_rows(
    rows: Iterable[Row | BadRow], name: str, columns: DocumentColumns, keep: Keep | None
) -> Iterator[Item]:
    """Yield a document for each row; one that has none is an item that says so.

    Raises:
        DataError: there is no row.
    """
    index = -1
    for index, row in enumerate(row for row in rows if not isinstance(row, LeftOut)):
        kept = tuple(keep.of(row.fields)) if keep is not None and isinstance(row, Row) else ()
        found = row if isinstance(row, BadRow) else _document(row, name, columns, index)
        if isinstance(found, BadRow):
            yield Unreadable(found.message, name, index, found.line, kept)
        else:
            text, passages, reference = found
            yield SourceText(text, name, index, row.line, kept, passages, reference=reference)
    if index < 0:
        raise DataError(f"{name}: there is no document in it.")


_Found = tuple[str, tuple[Passage, ...] | None, str]


def _document(row: Row, name: str, columns: DocumentColumns, index: int) -> _Found | BadRow:
    """Return text, passages (None: those of plain text) and reference of a row."""
    column = columns.find(list(row.fields))
    if column is None:
        return BadRow(row.line, _missing(row.fields, columns))
    try:
        reference = "" if columns.label is None else field_of(row.fields, columns.label) or ""
        reference = "\n".join(lines_in_objects(reference) or [reference])
        turns = turns_in_objects(field_of(row.fields, column) or "")
    except RowError as error:
        return BadRow(row.line, str(error))
    if turns is not None:
        if not turns:
            return BadRow(
                row.line, f"the column {quoted(column)} holds objects without a text (sentence, text, utterance)"
            )
        return "\n".join(map(as_line, turns)), _spoken(turns), reference
    found = document_row(row, ColumnMap((column,)), name, need_summary=False)
    if isinstance(found, BadRow):
        return found
    text = found.texts[0]
    return text, _given(found.sentences) or _marked_up(text), reference


def _marked_up(text: str) -> tuple[Passage, ...] | None:
    """Return the passages of a cell that holds a page, Markdown or subtitles; None where it is plain text."""
    if not any(mark in text for mark in _MARKS):
        return None
    told = told_format(text[:_LOOKED_AT].encode(), has_name=True)
    if told is None or told.of_text is None or told.name not in ("html", "md", "vtt", "srt"):
        return None
    return tuple(candidates(told.of_text(text)[0].passages)) or None


def _spoken(turns: Sequence[Turn]) -> tuple[Passage, ...] | None:
    """Return what each says as a passage; None where nobody is named."""
    if not any(speaker for speaker, _ in turns):
        return None
    passages, place = [], 0
    for speaker, line in turns:
        text = as_line((speaker, line))
        if line:
            made = slice_of(text, 0, len(text)).moved(place)
            passages.append(replace(made, speaker=speaker, said_from=len(text) - len(line)))
        place += len(text) + 1
    return tuple(candidates(passages))


def _given(sentences: Sequence[str] | None) -> tuple[Passage, ...] | None:
    """Return the passages of sentences that somebody has split, each on a line."""
    if not sentences:
        return None
    passages, place = [], 0
    for sentence in sentences:
        passages.append(slice_of(sentence, 0, len(sentence)).moved(place))
        place += len(sentence) + 1
    return tuple(passages)


def _missing(fields: Mapping[str, str], columns: DocumentColumns) -> str:
    """Say that no column holds the document, and show the flag with the one that most likely does."""
    lengths = {name: len(value) for name, value in fields.items() if not isinstance(value, JsonText)}
    longest = max(lengths, key=lengths.__getitem__, default=None)
    known = longest is not None and lengths[longest] >= _LONG
    example = shell_words([f"text={longest if known else 'COLUMN'}"])
    there = there_are(list(fields))
    return f"there is no column {quoted(columns.names[0])}: {there}; say which, like --columns {example}"


TABLES = ("jsonl", "json", "csv", "tsv", "parquet")
INPUT_FORMATS = ("auto", *(row.name for row in FORMATS), *TABLES)
# The columns of a table in which references are looked for, in this order.
REFERENCES = DocumentColumns((*SUMMARY_NAMES, "text"))
_PLAIN = next(row for row in FORMATS if row.name == "txt")
_LARGEST = 1 << 30  # bytes of a document that is read whole

Note = Callable[[str], None]


@dataclass(frozen=True)
class _Source:
    """How one input is read."""

    name: str
    columns: DocumentColumns
    asked: str
    note: Note
    keep: Keep | None = None


def read_documents(
    names: Sequence[str],
    *,
    input_format: str = "auto",
    columns: DocumentColumns | None = None,
    note: Note = lambda _: None,
    keep: Keep | None = None,
) -> Iterator[Item]:
    """Iterate the documents of files, as they are read.

    A file that cannot be read is an item like others where there are several, and ends the
    reading where it is the only one.

    Args:
        names: paths, plain or gzipped, and folders of such; "-" is standard input.
        input_format: auto, or what all of them are.
        columns: where a table's documents are looked for.
        note: is told of encodings other than UTF-8, and of what in a folder is not read.
        keep: columns of a table that go through to the answers; None: none do.

    Raises:
        UsageError: there is no such input format, or "-" is given twice.
        DataError: a file does not exist, or the only one cannot be read.
    """
    if input_format not in INPUT_FORMATS:
        raise UsageError(f"--input-format {brief(input_format)}: must be one of {', '.join(INPUT_FORMATS)}.")
    files = document_files(names, note)
    columns = columns or DocumentColumns()
    return _read_all([_Source(name, columns, input_format, note, keep) for name in files])


def document_files(names: Sequence[str], note: Note = lambda _: None) -> list[str]:
    """Return the files that names stand for, as `input_files` does; of folders, the documents."""
    return input_files(names, partial(_in_folder, note=note))


def _in_folder(folder: Path, note: Note) -> list[str]:
    """List a folder's documents, and say what else is in it."""
    inside = sorted(path for path in entries(folder) if not path.name.startswith("."))
    files = [path for path in inside if is_file(path) and (format_of_name(path) or is_data_file(path))]
    if not files and (texts := class_texts(folder, SPLIT_WORDS)):
        return texts
    if not files:
        raise DataError(
            f"{folder}: there is no file in it that can be read (.txt, .md, .html, .eml, .vtt, .docx, .pdf, .jsonl, …)"
            f"{name_folders(folder)}."
        )
    others = [path.name for path in inside if path not in set(files)]
    if others:
        note(f"{folder}: skipped {listed(others)}; to read them, name them.")
    return [str(path) for path in files]


def holds_many(names: Sequence[str], input_format: str = "auto") -> bool:
    """Tell, without reading them, whether inputs may hold several documents."""
    if len(names) != 1 or names[0] == "-" or is_dir(Path(names[0])):
        return True
    if input_format != "auto":
        return input_format in (*TABLES, "mbox")
    row = format_of_name(Path(names[0]))
    return _kind_by_name(Path(names[0])) in TABLES or (row is not None and row.name == "mbox")


def _read_all(sources: Sequence[_Source]) -> Iterator[Item]:
    for source in sources:
        try:
            yield from _read(source)
        except DataError as error:
            if len(sources) == 1:
                raise
            yield _unreadable(error, STDIN if source.name == "-" else source.name)


def _unreadable(error: DataError, name: str) -> Unreadable:
    """Take the place out of an error's sentence, for an item has its own."""
    said = re.fullmatch(rf"{re.escape(name)}(?::(\d+))?: (.*?)\.?", str(error), re.DOTALL)
    if said is None:
        return Unreadable(str(error), name)
    return Unreadable(said[2], name, line=int(said[1]) if said[1] else None)


def _read(source: _Source) -> Iterator[Item]:
    opened = open_input(source.name)
    row, encoding = _document_format(opened, source), None
    if row is None:
        table = _format_of(opened, source)
        if table.kind != "txt":
            rows = read_opened(opened, table, keep_blank=True)
            yield from documents_of_rows(rows, opened.name, source.columns, source.keep)
            return
        row, encoding = _PLAIN, table.encoding
    yield from _documents(opened, row, source, encoding)


def _document_format(opened: Opened, source: _Source) -> DocumentFormat | None:
    """Return what kind of document an input is; None where it may be plain text or a table."""
    if source.asked != "auto":
        return None if source.asked == "txt" else find_format(source.asked)
    named = None if opened.path is None else format_of_name(opened.path)
    if named is not None and named.name != "txt":
        return named
    if opened.path is not None and _kind_by_name(opened.path) in TABLES:
        return None
    return told_format(opened.head, has_name=named is not None)


def _documents(opened: Opened, row: DocumentFormat, source: _Source, encoding: str | None) -> Iterator[Item]:
    """Read an input that is not a table; `encoding` is that of its text, where it has been told."""
    if row.of_bytes is not None:
        found = row.of_bytes(_whole(opened), opened.name)
    else:
        encoding = encoding or _encoding(opened, row, source)
        with opened.stream() as stream:
            text = _whole_text(stream, opened.name, encoding)
        if row.name == "txt":
            yield SourceText(text, opened.name)
            return
        assert row.of_text is not None, "a row has one reader or the other"
        found = row.of_text(text)
    if not found:
        raise DataError(f"{opened.name}: there is no document in it.")
    for index, document in enumerate(found):
        passages = tuple(candidates(document.passages))
        yield SourceText(
            document.text,
            opened.name,
            index,
            passages=passages,
            span=document.span,
            reference=document.reference,
        )


def _encoding(opened: Opened, row: DocumentFormat, source: _Source) -> str:
    """Tell the encoding of a text; pages say their own where it is not UTF-8."""
    told = tell(opened, kind="txt", one_text=True)
    if row.name == "html" and told.table.encoding == "utf-8":
        declared = declared_encoding(opened.head)
        if declared is not None:
            return declared
    for sentence in told.notes:
        source.note(sentence)
    return told.table.encoding


def _whole(opened: Opened) -> bytes:
    """Read an input to its end.

    Raises:
        DataError: it cannot be read further, or is larger than a document may be.
    """
    try:
        with opened.stream() as stream:
            content = stream.read(_LARGEST + 1)
    except READ_ERRORS as error:
        raise DataError(f"{opened.name}: cannot be read further ({error}).") from error
    if len(content) > _LARGEST:
        raise DataError(f"{opened.name}: is larger than {_LARGEST >> 30} GB; split it.")
    return content


def _format_of(opened: Opened, source: _Source) -> TableFormat:
    """Tell what an input is, and say what is to be said of that.

    Commas and tabs make a table only of a file that is called one, or of one without any
    such name whose first line names a column of documents.
    """
    kind = None if source.asked == "auto" else source.asked
    told = tell(opened, kind=kind, knows=lambda names: source.columns.find(names) is not None, one_text=True)
    table = told.table
    for sentence in (*told.notes, *(f"warning: {doubt}" for doubt in told.doubts)):
        source.note(sentence)
    if table.written_in:
        source.note(f"{opened.name}: {table.marks_note}")
    if kind is not None or table.kind in ("jsonl", "json", "parquet", "arrow", "txt"):
        return table
    if opened.path is None or not opened.path.suffix:
        is_table = table.kind != "conll" and source.columns.find(column_names(opened, table)) is not None
    else:
        is_table = table.kind == _kind_by_name(opened.path)
    return table if is_table else replace(table, kind="txt")


def _kind_by_name(path: Path) -> str:
    kind = kind_by_suffix(path)
    return kind if kind in TABLES else "txt"


def _whole_text(stream: BinaryIO, name: str, encoding: str) -> str:
    """Decode a stream to its end, line ends kept, so that places in the text are places in the file.

    Raises:
        DataError: a line is not text in this encoding.
    """
    lines, parts = Lines(stream, name, encoding), []
    for line in lines:
        if lines.fault is not None:
            raise DataError.at(name, lines.number, f"{lines.fault}; only text can be summarized.")
        parts.append(line)
        lines.begin_record()
    return "".join(parts)
