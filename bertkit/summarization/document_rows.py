"""Documents that are rows of tables: which column they stand in, and the forms in which they stand there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bertkit.data.column_names import DOCUMENT_NAMES
from bertkit.data.columns import has_column, parse_columns, there_are
from bertkit.data.kept import Keep
from bertkit.data.records import BadRow, ColumnMap, LeftOut, Row
from bertkit.data.row_cells import Turn, as_line, lines_in_objects, turns_in_objects
from bertkit.data.shapes.documents import document_row
from bertkit.data.values import JsonText, RowError, field_of
from bertkit.documents.readers.finish import candidates
from bertkit.documents.readers.passage import Passage, slice_of
from bertkit.documents.readers.table import told_format
from bertkit.errors import DataError, UsageError
from bertkit.plain import quoted, shell_words
from bertkit.summarization.records import Item, SourceText, Unreadable

# Without one of these a cell is no page and no Markdown.
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
