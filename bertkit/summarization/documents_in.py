"""Documents from files, folders and standard input: a table holds one on each row, any other file is one.

What a file is its name says, and where the name says nothing its first bytes do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from bertkit.data.class_folders import class_texts
from bertkit.data.column_names import SUMMARY_NAMES
from bertkit.data.folders import SPLIT_WORDS, is_data_file, name_folders
from bertkit.data.formats.lines import READ_ERRORS, Lines
from bertkit.data.formats.opened import STDIN, Opened, open_input
from bertkit.data.formats.readers import read_opened
from bertkit.data.formats.telling import TableFormat, column_names, kind_by_suffix, tell
from bertkit.data.kept import Keep
from bertkit.documents.readers.finish import candidates
from bertkit.documents.readers.html import declared_encoding
from bertkit.documents.readers.table import FORMATS, DocumentFormat, find_format, format_of_name, told_format
from bertkit.errors import DataError, UsageError
from bertkit.files import entries, exists, is_dir, is_file
from bertkit.plain import brief, listed, quoted
from bertkit.summarization.document_rows import DocumentColumns, documents_of_rows
from bertkit.summarization.records import Item, SourceText, Unreadable

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
    """Return the files that names stand for: those in a folder in the order of their names.

    Raises:
        DataError: a file is missing, or a folder holds none.
        UsageError: standard input is named twice.
    """
    if list(names).count("-") > 1:
        raise UsageError("-: standard input can be read only once.")
    files: list[str] = []
    for name in names:
        path = Path(name)
        if not name or (name != "-" and not exists(path)):
            raise DataError(f"{name or quoted(name)}: no such file.")
        files += [name] if name == "-" or not is_dir(path) else _in_folder(path, note)
    return files


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
        note(f"{folder}: not read are {listed(others)}; name them to have them read.")
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
    """Read an input that is no table; `encoding` is that of its text, where it has been told."""
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
        DataError: it cannot be read on, or is larger than a document may be.
    """
    try:
        with opened.stream() as stream:
            content = stream.read(_LARGEST + 1)
    except READ_ERRORS as error:
        raise DataError(f"{opened.name}: cannot be read on ({error}).") from error
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
    if kind is not None or table.kind in ("jsonl", "json", "parquet", "txt"):
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
        DataError: a line is no text in this encoding.
    """
    lines, parts = Lines(stream, name, encoding), []
    for line in lines:
        if lines.fault is not None:
            raise DataError.at(name, lines.number, f"{lines.fault}; only text can be summarized.")
        parts.append(line)
        lines.begin_record()
    return "".join(parts)
