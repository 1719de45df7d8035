"""Documents from files, folders and standard input: a table holds one on each row, any other file is one.

What a file is its name says, and where the name says nothing its first bytes do.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from bertkit.data.column_names import (
    DOCUMENT_NAMES,
    END_NAMES,
    LABEL_NAMES,
    SENDER_NAMES,
    SPEAKER_NAMES,
    START_NAMES,
    SUMMARY_NAMES,
    first_named,
    folded,
)
from bertkit.data.columns import (
    Keep,
    RowRules,
    Turn,
    as_line,
    has_column,
    lines_in_objects,
    parse_columns,
    said_in_slack,
    sender_of,
    there_are,
    turns_in_objects,
)
from bertkit.data.formats.json_rows import fields_of
from bertkit.data.formats.lines import READ_ERRORS, Lines
from bertkit.data.formats.opened import Opened, open_input
from bertkit.data.formats.readers import read_opened
from bertkit.data.formats.telling import TableFormat, column_names, kind_by_suffix, tell
from bertkit.data.records import BadRow, ColumnMap, LeftOut, Row
from bertkit.data.shapes.labelled import Documents
from bertkit.data.sources import class_texts, input_files, is_data_file, name_folders, say_skipped
from bertkit.data.values import JsonText, RowError, cell_of, field_of, parse_json, parse_list
from bertkit.documents.readers.articles import columns_apart
from bertkit.documents.readers.markup import declared_encoding, read_markdown
from bertkit.documents.readers.passage import Passage, ReadDocument, candidates, is_candidate, slice_of
from bertkit.documents.readers.plain import HIGHLIGHT, CueLine, passages_of_cues
from bertkit.documents.readers.table import FORMATS, DocumentFormat, find_format, format_of_name, told_format
from bertkit.errors import DataError, UsageError
from bertkit.files import entries, is_dir, is_file, without_packing
from bertkit.plain import STDIN, brief, quoted, shell_words
from bertkit.summarization.records import Item, SourceText, Unreadable

# --------------------------------------------------------------------------------------------------
# Documents that are rows of tables: which column they stand in, and the forms in which they stand there.

# Without one of these a cell is neither a page nor Markdown.
_MARKS = ("<", "](", "**", "```", "# ", "-->", "@highlight", "&#", "&amp;", "&quot;", "&nbsp;")
_LINE_TAG = re.compile(
    r"<br\s*/?>|</p>|\A[^\n]*&(?:#\d{1,6}|#x[0-9a-f]{1,5}|amp|quot|nbsp|lt|gt);[^\n]*\Z", re.IGNORECASE
)
_LOOKED_AT = 1 << 14  # characters
_LONG = 25  # characters of a value from which its column may be the document


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
        by_name = {folded(name): name for name in reversed(names)}
        for column in self.names:
            if has_column(names, column):
                return column
            if not self.is_chosen and folded(column) in by_name:
                return by_name[folded(column)]
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
    rows = iter(rows)
    first = next(rows, None)
    rows = rows if first is None else chain([first], rows)
    if isinstance(first, Row) and not columns.is_chosen and (said := _said_in(first.fields)) is not None:
        kept = tuple(keep.of(first.fields)) if keep is not None else ()
        yield replace(_conversation(rows, name, said, is_timed=is_timed(first.fields)), kept=kept)
        return
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


# Columns of which one holds what is said, where each row is a message or a stretch of speech.
_SAID_NAMES = ("text", "content", "message", "transcript", "body", "내용", "메시지", "대화")
_BLANK = re.compile("the line is blank")  # as the reader of tables says it
_MOST_COLUMNS = 4  # of a table of messages that nothing but its names tells


def _said_in(fields: Mapping[str, str]) -> str | None:
    """Return the column of what is said where the rows of a table are one conversation; None where each is a document.

    They are where each is from one time to another (Whisper), where messages have a sender and a time,
    or where each says that it is a message (Slack, Discord).
    """
    said = first_named(fields, _SAID_NAMES)
    if said is None or first_named(fields, (*SUMMARY_NAMES, *LABEL_NAMES)):
        return None
    is_sent = first_named(fields, SENDER_NAMES) and first_named(fields, START_NAMES)
    is_message = is_sent and folded(said) in ("message", "메시지") and len(fields) <= _MOST_COLUMNS
    is_slack = is_sent and fields.get("type") in ("message", "Default")
    return said if is_timed(fields) or is_message or is_slack else None


def is_timed(fields: Mapping[str, str]) -> bool:
    """Tell whether a row says from when to when."""
    found = [first_named(fields, names) for names in (START_NAMES, END_NAMES)]
    return all(name is not None and _TIME.match(fields[name]) for name in found)


_TIME = re.compile(r"\s*\d[\d:.,;]*\s*s?$")
_TIMED = re.compile(r"\"(?:start|start_time|begin)\"\s*:\s*\"?[\d:.]+\"?\s*,\s*\"(?:end|end_time|stop)\"\s*:")


def _conversation(rows: Iterable[Row | BadRow], name: str, column: str, *, is_timed: bool) -> Item:
    """Make one document of the rows of a table, each of which somebody says."""
    turns, names = list[tuple[str, str, bool]](), dict[str, str]()
    for row in rows:
        if isinstance(row, BadRow):
            if not isinstance(row, LeftOut) and not _BLANK.match(row.message):
                return Unreadable(row.message, name, 0, row.line)
            continue
        if "_" not in row.fields.get("subtype", "") and (
            line := " ".join((field_of(row.fields, column) or "").split())
        ):
            values = {key: value.value if isinstance(value, JsonText) else value for key, value in row.fields.items()}
            turns.append((sender_of(values), line, values.get("type") == "message"))
            if isinstance(values.get("user_profile"), dict):
                names[str(values.get("user"))] = turns[-1][0]
    said = [(names.get(who, who), said_in_slack(line, names) if of_slack else line) for who, line, of_slack in turns]
    return SourceText("\n".join(map(as_line, said)), name, passages=_of_turns(said, is_timed=is_timed))


def _of_turns(turns: Sequence[Turn], *, is_timed: bool) -> tuple[Passage, ...] | None:
    """Return the passages of what is said; stretches of speech are joined to sentences, messages are not."""
    if not is_timed:
        return _spoken(turns)
    lines, place = [], 0
    for cue, turn in enumerate(turns):
        begin = len(as_line(turn)) - len(turn[1])
        lines.append(CueLine(turn[1], place + begin, cue, turn[0] or None))
        place += begin + len(turn[1]) + 1
    return tuple(candidates(passages_of_cues(lines)))


_Found = tuple[str, tuple[Passage, ...] | None, str]


def _document(row: Row, name: str, columns: DocumentColumns, index: int) -> _Found | BadRow:
    """Return text, passages (None: those of plain text) and reference of a row."""
    if not columns.is_chosen and (said := _of_branches(row.fields)) is not None:
        return said
    column = columns.find(list(row.fields))
    if column is None and (inside := None if columns.is_chosen else _inside(row.fields)) is not None:
        column, row = "text", Row(row.line, {**row.fields, "text": inside})
    if column is None:
        return BadRow(row.line, _missing(row.fields, columns))
    try:
        reference = "" if columns.label is None else field_of(row.fields, columns.label) or ""
        reference = "\n".join(lines_in_objects(reference) or [reference])
        written = field_of(row.fields, column) or ""
        turns = turns_in_objects(written)
        turns = _beside_speakers(row.fields, written) if turns is None else turns
    except RowError as error:
        return BadRow(row.line, str(error))
    if turns is not None:
        if not turns:
            return BadRow(
                row.line, f"the column {quoted(column)} holds objects without a text (sentence, text, utterance)"
            )
        passages = _of_turns(turns, is_timed=_TIMED.search(written[:_LOOKED_AT]) is not None)
        return "\n".join(map(as_line, turns)), passages, reference
    try:
        found = Documents().example(row, RowRules(ColumnMap((column,)), name, need_label=False))
    except RowError as error:
        return BadRow(row.line, str(error))
    text = found.texts[0]
    if (given := _given(found.sentences)) is not None:
        return text, given, reference
    read = _marked_up(text)
    return (
        (text, None, reference)
        if read is None
        else (text, tuple(candidates(read.passages)), reference or read.reference)
    )


def _of_branches(fields: Mapping[str, str]) -> _Found | None:
    """Read a conversation of ChatGPT's export, whose messages are a tree: the branch that was last shown.

    What is said in it is Markdown. None: it is no such conversation.
    """
    held = fields.get("mapping")
    nodes = held.value if isinstance(held, JsonText) else None
    if not isinstance(nodes, dict) or not all(
        isinstance(node, dict) and {"parent", "message"} <= set(node) for node in nodes.values()
    ):
        return None
    name, turns = fields.get("current_node") or next(reversed(nodes), None), list[Turn]()
    passed: set[str] = set()
    while isinstance(name, str) and name in nodes and name not in passed:
        passed.add(name)
        turns += [turn] if (turn := _turn_of_node(nodes[name].get("message"))) is not None else []
        name = nodes[name]["parent"]
    text, passages, place = "", list[Passage](), 0
    for speaker, said in reversed(turns):
        place = len(text) + len(speaker) + 2
        text += f"{speaker}: {said}\n\n"
        passages += [replace(made.moved(place), speaker=speaker) for made in read_markdown(said)[0].passages]
    return text, tuple(candidates(passages)), ""


def _turn_of_node(message: Any) -> Turn | None:
    """Return what a person or the model says to the other; None for what neither sees."""
    author, content = (message.get(key) for key in ("author", "content")) if isinstance(message, dict) else (None, None)
    if not isinstance(author, dict) or not isinstance(content, dict) or author.get("role") not in ("user", "assistant"):
        return None
    is_unseen = message.get("recipient", "all") != "all" or content.get("content_type") not in _SEEN
    parts = content.get("parts")
    said = "\n\n".join(part for part in parts if isinstance(part, str)) if isinstance(parts, list) else ""
    return None if is_unseen or not said.strip() else (str(author["role"]), said)


_SEEN = ("text", "multimodal_text")


# Where speech recognizers (Amazon Transcribe, Deepgram) and AI Hub's dialogues have what is said.
_INSIDE: tuple[tuple[str, tuple[str | int, ...]], ...] = (
    ("results", ("transcripts", 0, "transcript")),
    ("results", ("channels", 0, "alternatives", 0, "transcript")),
    ("annotations", ("lines",)),
    ("info", (0, "annotations", "lines")),
)


def _inside(fields: Mapping[str, str]) -> str | None:
    """Return the text that stands deep in a record of a form that is known; None where there is none."""
    for name, path in _INSIDE:
        held = fields.get(name)
        value: Any = held.value if isinstance(held, JsonText) else None
        for key in path:
            try:
                value = value[key]
            except (LookupError, TypeError):
                value = None
        if isinstance(value, str | list) and value:
            return cell_of(value)
    return None


def _beside_speakers(fields: Mapping[str, str], written: str) -> list[Turn] | None:
    """Return the turns of a list of texts beside one of who says them; None where there are no such lists."""
    names = first_named(fields, SPEAKER_NAMES)
    if names is None or not written.startswith("[") or not fields[names].startswith("["):
        return None
    said, speakers = parse_list(written), parse_list(fields[names])
    if not (isinstance(said, list) and isinstance(speakers, list) and len(said) == len(speakers)):
        return None
    pairs = list(zip(speakers, said, strict=True))
    return (
        [(who, line) for who, line in pairs] if all(isinstance(part, str) for pair in pairs for part in pair) else None
    )


def _marked_up(text: str) -> ReadDocument | None:
    """Read a cell that holds a page, Markdown, subtitles or a story; None where it is plain text."""
    if not any(mark in text for mark in _MARKS):
        return None
    told = told_format(text[:_LOOKED_AT].encode(), has_name=True)
    told = find_format("story") if HIGHLIGHT.search(text) else told
    if (told is None or told.name not in ("story", "vtt", "srt")) and _LINE_TAG.search(text):
        told = find_format("html")
    if told is None or told.of_text is None or told.name not in ("html", "md", "vtt", "srt", "story"):
        return None
    read = told.of_text(text)[0]
    return read if any(map(is_candidate, read.passages)) else None


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
    for name, value in fields.items():
        if isinstance(value, JsonText) and isinstance(value.value, dict):
            lengths |= {f"{name}.{key}": len(text) for key, text in value.value.items() if isinstance(text, str)}
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
_LONGEST_NAME = 30  # characters of a column's name
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
    files = [path for path in inside if is_file(path) and (format_of_name(path) or _holds_documents(path))]
    if not files and (texts := class_texts(folder)):
        return texts
    if not files:
        raise DataError(
            f"{folder}: there is no file in it that can be read (.txt, .md, .html, .eml, .vtt, .docx, .pdf, .jsonl, …)"
            f"{name_folders(folder)}."
        )
    say_skipped(folder, [path.name for path in inside if path not in set(files)], note)
    return [str(path) for path in files]


def _holds_documents(path: Path) -> bool:
    """Tell by its name whether a file of data may hold documents; XML is rather of another kind."""
    return is_data_file(path) and not without_packing(path.name.lower()).endswith(".xml")


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
            rows: Iterator[Row | BadRow] | None = None
            if table.kind == "json" and opened.head.lstrip().startswith(b"{"):
                opened, rows = _one_object(opened, source.columns)
            rows = rows or read_opened(opened, table, keep_blank=True)
            yield from documents_of_rows(rows, opened.name, source.columns, source.keep)
            return
        row, encoding = _PLAIN, table.encoding
    yield from _documents(opened, row, source, encoding)


# Names in the first bytes of an object that may be one document, whatever lists it has.
_OF_DOCUMENT = re.compile(
    rb'"(?:mapping|segments|messages|meeting_transcripts|paragraphs|sections|body_text|utterances|document|results|info)"\s*:'
)


def _one_object(opened: Opened, columns: DocumentColumns) -> tuple[Opened, Iterator[Row | BadRow] | None]:
    """Read an object of JSON that is one document, in lists of speech or paragraphs; None where it is a table.

    The input can be read again.
    """
    if columns.is_chosen or not _OF_DOCUMENT.search(opened.head):
        return opened, None
    content = _whole(opened)
    opened = opened if opened.path is not None else replace(opened, source=io.BytesIO(content))
    try:
        value = parse_json(content.decode("utf-8-sig"))
        fields = fields_of(value) if isinstance(value, dict) else {}
    except (RowError, UnicodeDecodeError, RecursionError):
        return opened, None
    if not isinstance(value, dict):
        return opened, None
    for name, inner in (("document", "paragraph"), ("info", "annotations")):  # 모두의 말뭉치; AI Hub's dialogues
        items = value.get(name)
        if isinstance(items, list) and items and all(isinstance(item, dict) and inner in item for item in items):
            return opened, iter([Row(1, fields_of(item)) for item in items])
    column = columns.find(list(value))
    held = None if column is None else value[column]
    is_one = isinstance(held, str) or (isinstance(held, list) and column not in ("document", "documents"))
    is_one = is_one or (column is None and (_inside(fields) is not None or _of_branches(fields) is not None))
    return opened, iter([Row(1, fields)]) if is_one else None


# XML that is neither a page nor subtitles nor an article of a journal, by its first element.
_XML_ROOT = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?(?=<(?:\?xml\b|mediawiki[\s>]|rss(?:>|\s+[\w:]+\s*=)))(?:<\?[^>]*\?>\s*|<!--[\s\S]{0,5000}?-->\s*|<![^>]*>\s*)*<([\w:.-]{1,40})"
)


def _document_format(opened: Opened, source: _Source) -> DocumentFormat | None:
    """Return what kind of document an input is; None where it may be plain text or a table."""
    if source.asked != "auto":
        return None if source.asked == "txt" else find_format(source.asked)
    named = None if opened.path is None else format_of_name(opened.path)
    if named is not None and named.name != "txt":
        return named
    if opened.path is not None and _kind_by_name(opened.path) in TABLES:
        return None
    if opened.head.startswith(b"{\\rtf"):
        raise DataError(f"{opened.name}: this is RTF; save it as .docx or as text.")
    if opened.head.startswith(b"PK\x03\x04") and opened.head[30:38] == b"mimetype":  # OpenDocument, EPUB, HWPX
        raise DataError(
            f"{opened.name}: this is a document of a kind that is not read; save it as .docx, .pdf or text."
        )
    told = told_format(opened.head, has_name=named is not None)
    if told is None and named is None and (root := _XML_ROOT.match(opened.head)) is not None:
        kind = root[1].decode("ascii", "replace")
        raise DataError(f"{opened.name}: this is XML of the kind <{kind}>, which is not read; save its text.")
    return None if named is None and told is find_format("md") and _is_below_comments(opened, source) else told


def _is_below_comments(opened: Opened, source: _Source) -> bool:
    """Tell a table under comments, which look like headings: rows of JSON, or columns of which one is of documents."""
    table = tell(opened, knows=lambda names: source.columns.find(names) is not None, one_text=True).table
    if table.kind in ("csv", "tsv") and table.skip:
        return source.columns.find(column_names(opened, table)) is not None
    return table.kind == "jsonl"


def _documents(opened: Opened, row: DocumentFormat, source: _Source, encoding: str | None) -> Iterator[Item]:
    """Read an input that is not a table; `encoding` is that of its text, where it has been told."""
    if row.of_bytes is not None:
        found = row.of_bytes(_whole(opened), opened.name)
    else:
        encoding = encoding or _encoding(opened, row, source)
        with opened.stream() as stream:
            text = _whole_text(stream, opened.name, encoding)
        if row.name == "txt":
            yield SourceText(columns_apart(text), opened.name)
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
    table = replace(told.table, kind="txt") if kind is None and told.table.kind == "xml" else told.table
    for sentence in (*told.notes, *(f"warning: {doubt}" for doubt in told.doubts)):
        source.note(sentence)
    if table.written_in:
        source.note(f"{opened.name}: {table.marks_note}")
    has_no_name = opened.path is None or not opened.path.suffix
    if kind is None and has_no_name and table.kind in ("txt", "csv", "tsv") and (found := _unknown_table(opened)):
        return found
    if kind is not None or table.kind in ("jsonl", "json", "parquet", "arrow", "txt"):
        return table
    if opened.path is None or has_no_name:
        is_table = table.kind != "conll" and source.columns.find(column_names(opened, table)) is not None
    else:
        is_table = table.kind == _kind_by_name(opened.path)
    return table if is_table else replace(table, kind="txt")


def _unknown_table(opened: Opened) -> TableFormat | None:
    """Tell by short names in the first line, and quoted cells below, a table of columns that nobody knows."""
    text = opened.head.decode("utf-8", "replace").removeprefix("\ufeff")
    for mark in ",;\t":
        first = text.partition("\n")[0].rstrip("\r")
        names = first.split(mark)
        if len(names) < 2 or not all(0 < len(name) <= _LONGEST_NAME and name == name.strip() for name in names):
            continue
        rows = list(csv.reader(io.StringIO(text), delimiter=mark))
        rows = rows if opened.whole or len(rows) < 3 else rows[:-1]
        is_even = len(rows) > 1 and all(len(row) in (0, len(names)) for row in rows)
        if is_even and (f'{mark}"' in text or '\n"' in text):
            return TableFormat("tsv" if mark == "\t" else "csv", delimiter=mark)
    return None


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
