"""Rows of csv, tsv, jsonl, XML, parquet and txt, one at a time, from files and from stdin.

Every reader has the same two promises: memory does not grow with the number of rows, and
a record that cannot be read becomes a `BadRow` with the line it starts at while the rows
after it still come. Texts are handed on as they are (NFD Korean stays NFD); only column
names are brought to NFC and stripped, so that `--columns text=문서` finds its column
whichever way the file spells it.
"""

from __future__ import annotations

import codecs
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from bertkit.data.column_names import column_name
from bertkit.data.formats.delimited import COMMENTS, read_records, read_table, with_row_names, without_total
from bertkit.data.formats.json_rows import read_json_document, read_json_lines
from bertkit.data.formats.lines import BOM, READ_ERRORS, Lines, decoding_fault
from bertkit.data.formats.opened import Opened, open_bytes
from bertkit.data.formats.parquet import read_arrow, read_parquet
from bertkit.data.formats.published import usual_rows
from bertkit.data.formats.telling import KINDS, PARTING, SEPARATOR, TableFormat, marked_rows, sniff_format
from bertkit.data.records import BadRow, LeftOut, Row
from bertkit.data.values import cell_of
from bertkit.errors import DataError, UsageError
from bertkit.plain import listed, quoted

# Rows of a file that are looked at for their columns.
_AHEAD = 20
# The column of a text file, in which every line is one text.
TEXT_COLUMN = "text"


def read_rows(
    path: str | Path,
    *,
    table_format: TableFormat | None = None,
    header: Sequence[str] | None = None,
    keep_blank: bool = False,
) -> Iterator[Row | BadRow]:
    """Iterate the records of a plain or gzipped file.

    Args:
        path: the file; its format is sniffed if `table_format` is not given.
        table_format: the format, where it is known.
        header: names of the columns of a headerless csv or tsv; fields beyond them are
            dropped. Without it a headerless file's columns are called "1", "2", ….
        keep_blank: whether a blank line is a record (prediction) or is skipped (training).

    Raises:
        DataError: the file cannot be read, is binary, or is tagged text.
    """
    known = table_format or sniff_format(path)
    with open_bytes(Path(path)) as stream:
        yield from usual_rows(
            _read(stream, str(path), known, header, keep_blank=keep_blank, path=Path(path)), str(path), ahead=_AHEAD
        )


def read_opened(
    opened: Opened, table_format: TableFormat, *, header: Sequence[str] | None = None, keep_blank: bool = False
) -> Iterator[Row | BadRow]:
    """Iterate the records of a file or of standard input, as `read_rows` does."""
    with opened.stream() as stream:
        rows = _read(stream, opened.name, table_format, header, keep_blank=keep_blank, path=opened.path)
        yield from usual_rows(rows, opened.name)


def read_stream(
    stream: BinaryIO,
    source: str,
    kind: str,
    *,
    header: Sequence[str] | None = None,
    keep_blank: bool = True,
) -> Iterator[Row | BadRow]:
    """Iterate the records of a stream such as stdin, reading only the line it needs.

    A csv or tsv without `header` begins with one. Parquet keeps its index at the end, so
    such a stream is read whole first.

    Raises:
        UsageError: `kind` is not a kind of table.
        DataError: the header repeats a name, or the stream is not parquet as said.
    """
    if kind not in KINDS:
        raise UsageError(f"--input-format {kind!r}: choose one of {', '.join(KINDS)}.")
    known = TableFormat(kind, has_header=kind in ("csv", "tsv") and header is None)
    return _read(stream, source, known, header, keep_blank=keep_blank)


def read_stream_as(stream: BinaryIO, source: str, table_format: TableFormat) -> Iterator[Row | BadRow]:
    """Iterate the records of a stream of a known format as they stand, blank lines too."""
    return _read(stream, source, table_format, None, keep_blank=True)


def _read(
    stream: BinaryIO,
    source: str,
    known: TableFormat,
    header: Sequence[str] | None,
    *,
    keep_blank: bool,
    path: Path | None = None,
) -> Iterator[Row | BadRow]:
    if known.kind == "parquet":
        return read_parquet(stream, source, path)
    if known.kind == "arrow":
        return read_arrow(stream, source, path)
    if known.kind == "conll":
        raise DataError(
            f"{source}: this is tagged text (a token and its tag a line), with entities, which another --task reads."
        )
    if known.kind == "xml":
        return read_xml(stream, source, known.encoding)
    if known.kind == "json":
        return read_json_document(stream, source, known.encoding)
    lines = Lines(stream, source, known.encoding, known.spelt)
    above: list[Row | BadRow] = []
    for line in itertools.islice(lines, known.skip):
        above += _left_above(line, lines.number)
        lines.begin_record()
    if known.kind == "jsonl":
        return itertools.chain(above, read_json_lines(lines, keep_blank=keep_blank))
    if known.kind == "txt":
        return _read_txt(lines, keep_blank=keep_blank)
    if known.kind == "marked":
        return marked_rows(_read_txt(lines, keep_blank=keep_blank), known.marks, TEXT_COLUMN)
    records = read_records(lines, known.kind, known.delimiter, at_once=path is not None)
    records = with_row_names(records) if known.has_row_names else records
    rows = read_table(records, source, has_header=known.has_header, header=header, keep_blank=keep_blank)
    return without_total(itertools.chain(above, rows) if above else rows)


def _left_above(line: str, number: int) -> list[Row | BadRow]:
    """Say what stands above a table; blank lines and what says how fields are parted need no word."""
    if not line.strip(PARTING) or SEPARATOR.fullmatch(line.strip(" \r\n")):
        return []
    is_comment = line.startswith(COMMENTS)
    why = (
        "the line is a comment above the table" if is_comment else "the line is a title above the names of the columns"
    )
    return [LeftOut(number, why)]


def _read_txt(lines: Lines, *, keep_blank: bool) -> Iterator[Row | BadRow]:
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        if lines.fault is not None:
            yield BadRow(lines.number, lines.fault)
        elif keep_blank or text.strip():
            yield Row(lines.number, {TEXT_COLUMN: text})
        lines.begin_record()


# --- XML as rows: an element that comes again and again, its attributes and the elements in it the columns
#
# Rows come as their elements end, so that memory does not grow with their number; which element
# is a row shows in the first megabytes.

_XML_CHUNK, _XML_AHEAD = 1 << 16, 1 << 22
_DEEPEST, _DEEPEST_ROW = 200, 3
_DECLARED = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"']([\w.-]+)[\"']")
# Corpora whose documents are few and large: their root, and the element that is a row (BioC).
_KNOWN_ROWS = (("collection", "document"),)


def read_xml(stream: BinaryIO, source: str, encoding: str) -> Iterator[Row | BadRow]:
    """Iterate the rows of an XML document; `line` of a row is the line where its element begins.

    Raises:
        DataError: it is not well-formed, or no element can be told to be a row.
    """
    ahead: list[str] = []
    texts = _decoded(stream, source, encoding)
    for text in texts:
        ahead.append(text)
        if sum(map(len, ahead)) >= _XML_AHEAD:
            break
    found = _Elements(_row_element("".join(ahead), source), source)
    for text in itertools.chain(ahead, texts):
        yield from found.parse(text)
    yield from found.parse("", is_last=True)


def _decoded(stream: BinaryIO, source: str, encoding: str) -> Iterator[str]:
    """Decode a stream, as its declaration says where that names another encoding than Unicode's."""
    decoder = None
    while True:
        try:
            raw = stream.read(_XML_CHUNK)
            if decoder is None:
                raw = raw.removeprefix(BOM)
                declared = _DECLARED.match(raw.lstrip())
                decoder = codecs.getincrementaldecoder(_encoding_of(declared and declared[1].decode(), encoding))()
            text = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise DataError(f"{source}: {decoding_fault(error.object, error, error.encoding)}.") from None
        except READ_ERRORS as error:
            raise DataError(f"{source}: cannot be read further ({error}).") from error
        yield text
        if not raw:
            return


def _encoding_of(declared: str | None, told: str) -> str:
    try:
        name = codecs.lookup(declared or told).name
    except LookupError:
        return told
    return told if name.startswith("utf") else name


def _row_element(sample: str, source: str) -> tuple[str, ...]:
    """Tell by the beginning of a document which element is a row, and return the names from the root to it.

    Raises:
        DataError: none is, or several could be.
    """
    counts, holding, attributed = _count_elements(sample)
    known = next((path for path in _KNOWN_ROWS if path in counts), None)
    if known is not None or not counts:
        return known or ()
    for records in (holding, holding | attributed, set(counts)):
        for depth in range(2, _DEEPEST_ROW + 1):
            found = [path for path in counts if len(path) == depth and counts[path] > 1 and path in records]
            if len(found) > 1:
                names = listed([f"<{path[-1]}>" for path in found], joint=" and ", quotes=False)
                raise DataError(
                    f"{source}: this is XML in which {names} come again and again, and either could be the rows; write "
                    "those that count to a file of their own."
                )
            if found:
                return found[0]
    # One row alone.
    path = next(iter(counts))
    while len(below := [inner for inner in counts if inner[:-1] == path]) == 1 and below[0] in holding | attributed:
        path = below[0]
    return path


def _count_elements(sample: str) -> tuple[Counter[tuple[str, ...]], set[tuple[str, ...]], set[tuple[str, ...]]]:
    """Count elements by the names from the root to them; also return those that hold elements, and have attributes."""
    from xml.parsers import expat

    counts: Counter[tuple[str, ...]] = Counter()
    holding, attributed = set[tuple[str, ...]](), set[tuple[str, ...]]()
    opened: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        holding.add(tuple(opened))
        opened.append(_bare(name))
        counts[tuple(opened)] += 1
        if any(map(_is_column, attributes)):
            attributed.add(tuple(opened))

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, lambda _: opened.pop()
    with suppress(expat.ExpatError):  # where it is broken is said when it is read
        parser.Parse(sample, False)
    return counts, holding, attributed


def _bare(name: str) -> str:
    """Leave out the prefix of a namespace."""
    return name.rpartition(":")[2]


def _is_column(attribute: str) -> bool:
    return not attribute.startswith(("xmlns", "xsi:", "xml:"))


class _Element:
    """An element that is read: what is in it by name, and why it cannot be used."""

    def __init__(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        self.name, self.line, self.fault = name, line, ""
        self.texts: list[str] = []
        self._held: dict[str, list[Any]] = {}
        self._attributes = {_bare(key): value for key, value in attributes.items() if _is_column(key)}

    def add(self, inner: _Element) -> None:
        """Take an element that has ended within this one."""
        self._held.setdefault(inner.name, []).append(inner.value())
        self.fault = self.fault or inner.fault

    def value(self) -> Any:
        """Return its text where it has nothing else, or else an object of all that is in it."""
        fields = self.fields()
        return fields.get("text", "") if set(fields) <= {"text"} and not self._held else fields

    def fields(self) -> dict[str, Any]:
        """Return what is in it by name: what comes several times as a list, and its own text as `text`."""
        text = "".join(self.texts).strip()
        if text and self._held:
            self.fault = self.fault or f"text and elements stand side by side in <{self.name}>"
        own = {"text": [text]} if text else {}
        several = [self._held, {key: [value] for key, value in self._attributes.items()}, own]
        found: dict[str, list[Any]] = {}
        for name, values in (item for part in several for item in part.items()):
            self.fault = self.fault or (f"<{self.name}> has two different {quoted(name)}" if name in found else "")
            found[name] = values
        return {name: values[0] if len(values) == 1 else values for name, values in found.items()}

    def row(self) -> Row | BadRow:
        """Return it as a row."""
        fields = {column_name(name): cell_of(value) for name, value in self.fields().items()}
        return BadRow(self.line, self.fault) if self.fault else Row(self.line, fields)


class _Elements:
    """Makes rows of the elements of a document.

    Args:
        path: the names from the root to an element that is a row.
        source: what errors call the document.
    """

    def __init__(self, path: tuple[str, ...], source: str) -> None:
        from xml.parsers import expat

        self._path, self._source = path, source
        self._names: list[str] = []
        self._open: list[_Element] = []
        self._rows: list[Row | BadRow] = []
        self._broken = expat.ExpatError
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._refuse_entity
        parser.SkippedEntityHandler = self._skipped

    def parse(self, text: str, *, is_last: bool = False) -> list[Row | BadRow]:
        """Read on, and return the rows that have ended.

        Raises:
            DataError: it is not well-formed.
        """
        try:
            self._parser.Parse(text, is_last)
        except self._broken as error:
            what = f"{error}".partition(":")[0]
            raise DataError.at(self._source, error.lineno, f"invalid XML: {what}.") from None
        found, self._rows = self._rows, []
        return found

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._names.append(_bare(name))
        if len(self._names) > _DEEPEST:
            raise self._error("it is nested too deeply")
        if self._open or tuple(self._names) == self._path:
            self._open.append(_Element(_bare(name), attributes, self._parser.CurrentLineNumber))

    def _end(self, _: str) -> None:
        self._names.pop()
        if not self._open:
            return
        ended = self._open.pop()
        if self._open:
            self._open[-1].add(ended)
        else:
            self._rows.append(ended.row())

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].texts.append(text)

    def _refuse_entity(self, name: str, *_: Any) -> None:
        raise self._error(f"it declares an entity of its own, {quoted(name)}, which is not read")

    def _skipped(self, name: str, _: bool) -> None:
        """Read an entity that is declared elsewhere, as HTML has it."""
        from html.entities import html5

        if self._open and f"{name};" in html5:
            self._open[-1].texts.append(html5[f"{name};"])
        elif self._open:
            self._open[-1].fault = f"what &{name}; stands for is declared elsewhere"

    def _error(self, what: str) -> DataError:
        return DataError.at(self._source, self._parser.CurrentLineNumber, f"invalid XML: {what}.")
