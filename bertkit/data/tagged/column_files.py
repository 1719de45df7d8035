"""Files with one token and its tag a line (CoNLL columns, KLUE's characters), and texts with brat's annotations."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from bertkit.data.formats.lines import BOM, CARRIAGE_RETURN, Lines
from bertkit.data.formats.opened import ANNOTATIONS, Opened, is_annotated, open_bytes, readable
from bertkit.data.formats.telling import TableFormat, sniff_format
from bertkit.data.records import BadRow, LeftOut, TaggedText
from bertkit.data.tagged.places import (
    SENTENCES_AHEAD,
    TagForm,
    detect_form,
    entities_of_tags,
    find_entities,
    join_tokens,
    shows_kind,
)
from bertkit.data.tagged.schemes import (
    ENOUGH_NUMBERS,
    GERMEVAL,
    WEBANNO,
    Layout,
    WebAnno,
    are_speech,
    comes_in_runs,
    cut_line,
    find_layout,
    is_header,
    is_tag,
)
from bertkit.data.values import RowError
from bertkit.errors import DataError
from bertkit.plain import quoted

# --- Texts with brat's annotations: a .txt file, and beside it an .ann file with its entities -----
#
# Each line of the text is a row. Places are characters of the whole text; an entity in several
# pieces, or over several lines, is left out and counted, for a tagger's entities have one piece.

_ENTITY = re.compile(r"(?P<id>T\S*)\t(?P<label>\S+) (?P<spans>\d+ \d+(?:;\d+ \d+)*)(?:\t(?P<string>.*))?")
_LINE = re.compile(r"[^\n]+")


class _Span(NamedTuple):
    start: int
    end: int
    label: str
    line: int
    string: str | None


def read_brat(path: Path, problems: list[BadRow] | None = None) -> Iterator[TaggedText | BadRow]:
    """Iterate the lines of a text with the entities that its annotations give.

    Args:
        path: the text.
        problems: gathers entities that no line holds; None: they are dropped.

    Raises:
        DataError: text or annotations cannot be read, or an annotation is malformed.
    """
    text = _text(path)
    beside = path.with_suffix(ANNOTATIONS)
    spans = sorted(_spans(_text(beside), beside, problems))
    for line in _LINE.finditer(text):
        start, end = line.span()
        inside = [span for span in spans if start <= span.start < end]
        kept = [span for span in inside if span.end <= end]
        number = text.count("\n", 0, start) + 1
        if problems is not None:
            beyond = (span for span in inside if span.end > end)
            problems += [BadRow(number, f"{beside.name}:{s.line}: the entity goes over several lines") for s in beyond]
        if not line[0].strip():
            continue
        row = line[0].removesuffix("\r")
        try:
            places = [(span, span.start - start, span.end - start) for span in kept]
            items = [{"start": a, "end": b, "label": span.label, "text": span.string} for span, a, b in places]
            found = find_entities(row, items)
        except RowError as error:
            yield BadRow(number, str(error))
            continue
        yield TaggedText((row,), None, number, str(path), found.entities, trimmed=found.trimmed)


def _text(path: Path) -> str:
    with readable(path), open_bytes(path) as stream:
        raw = stream.read()
    try:
        return raw.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not valid UTF-8: byte {error.start + 1}; brat's files are UTF-8.") from None


def _spans(text: str, path: Path, problems: list[BadRow] | None) -> Iterator[_Span]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.startswith("T"):  # relations, events, notes
            continue
        match = _ENTITY.fullmatch(line.removesuffix("\r"))
        if match is None:
            raise DataError.at(path, number, f"{quoted(line)} is not a brat entity (T1, a tab, LABEL START END).")
        pieces = match["spans"].split(";")
        if len(pieces) == 1:
            start, end = map(int, pieces[0].split())
            yield _Span(start, end, match["label"], number, match["string"])
        elif problems is not None:
            problems.append(BadRow(number, f"{path.name}:{number}: the entity is in several pieces"))


# --- Files with one token and its tag a line: CoNLL columns, and KLUE's characters ----------------
#
# The token is mostly the first column and the tag the last, whatever stands between (`layout`);
# tabs part columns where a line has one, else spaces; or else commas. A blank line ends a sentence; -DOCSTART- lines
# and
# comments belong to none. The text of a sentence is its words with one space between them,
# or its characters as they stand, and entities lie in that text.

# What a file of tagged text is, where nobody has looked at it.
TAGGED_LINES = TableFormat("conll", has_header=False, delimiter=" ")

_DOCUMENT = "-DOCSTART-"
_COMMENT = "#"
# What ends sentences; where so many end, lines without a blank one between them are not one sentence.
_ENDS, _SEVERAL = frozenset(".?!。"), 3


def tagged_lines(table_format: TableFormat) -> TableFormat:
    """Return how lines are read that do not look like tagged text, and that somebody says are."""
    return replace(TAGGED_LINES, encoding=table_format.encoding)


def read_tagged_file(
    path: str | Path,
    *,
    table_format: TableFormat | None = None,
    need_tags: bool = True,
    problems: list[BadRow] | None = None,
) -> Iterator[TaggedText | BadRow]:
    """Iterate the sentences of a plain or gzipped file of tagged text, or of one beside which brat's annotations lie.

    Args:
        path: the file.
        table_format: its format, where it is known; its encoding is what counts.
        need_tags: whether the last column is read as tags; if not, a file of tokens alone
            will do, and `entities` are None.
        problems: gathers entities of brat's that no line holds.

    Raises:
        DataError: the file cannot be read, or is binary.
    """
    path = Path(path)
    if need_tags and is_annotated(path):
        yield from read_brat(path, problems)
        return
    known = table_format or sniff_format(path, kind="conll")
    with open_bytes(path) as stream:
        yield from read_tagged_stream(stream, str(path), table_format=known, need_tags=need_tags)


def read_tagged_opened(opened: Opened, table_format: TableFormat, *, need_tags: bool) -> Iterator[TaggedText | BadRow]:
    """Iterate the sentences of a file or of standard input, as `read_tagged_file` does."""
    with opened.stream() as stream:
        yield from read_tagged_stream(stream, opened.name, table_format=table_format, need_tags=need_tags)


def read_tagged_stream(
    stream: BinaryIO, source: str, *, table_format: TableFormat = TAGGED_LINES, need_tags: bool = True
) -> Iterator[TaggedText | BadRow]:
    """Iterate the sentences of a stream of tagged text.

    With tags, scheme and layout are told from the first 10,000 sentences. Without, no more is
    read ahead than shows whether the tokens are words or characters: mostly one sentence.
    `line` is that of a sentence's first token; of a fault that of the fault itself, where
    tags are needed, for there it ends the loading.
    """
    lines = Lines(stream, source, table_format.encoding)
    sentences = _sentences(lines, table_format.delimiter, need_tags=need_tags)
    ahead = list(itertools.islice(sentences, SENTENCES_AHEAD) if need_tags else _until_told(sentences))
    if len(ahead) == 1:
        ahead = list(_parted(ahead[0], source, need_tags=need_tags))
    layout = find_layout(
        (s.rows for s in ahead if s.rows), need_tags=need_tags, is_germeval=any(s.of_germeval for s in ahead)
    )
    yield from _unread_columns(ahead, layout)
    for sentence in ahead:
        sentence.cut(layout, need_tags=need_tags)
    if need_tags and are_speech({tag for s in ahead for tag in s.tags}):
        line = next((s.lines[0] for s in ahead if s.lines), 1)
        raise DataError.at(source, line, "no column holds tags of entities; parts of speech and heads are not learned.")
    form = detect_form((s.tokens for s in ahead), (s.tags for s in ahead))
    for sentence in itertools.chain(ahead, (s.cut(layout, need_tags=need_tags) for s in sentences)):
        yield from sentence.headers
        if sentence.tokens or sentence.fault:
            yield _read(sentence, form, source, need_tags=need_tags)


def _parted(whole: _Sentence, source: str, *, need_tags: bool) -> Iterator[_Sentence]:
    """Part lines between which no blank one stands: where the first column names their sentence.

    Raises:
        DataError: they are several sentences, and nothing tells where one ends.
    """
    if not comes_in_runs(whole.rows):
        ends = sum(not _ENDS.isdisjoint(row[:-1]) for row in whole.rows[:-1])
        if need_tags and ends >= _SEVERAL:
            raise DataError.at(
                source,
                whole.lines[0],
                f"{len(whole.rows)} lines without a blank one, and nothing tells where a sentence ends; write a blank "
                "line between sentences.",
            )
        yield whole
        return
    for _, places in itertools.groupby(range(len(whole.rows)), key=lambda place: whole.rows[place][0]):
        chosen = list(places)
        part = _Sentence([whole.rows[place] for place in chosen], [whole.lines[place] for place in chosen], whole.fault)
        part.headers, whole.headers = whole.headers, []
        yield part


def _unread_columns(sentences: Sequence[_Sentence], layout: Layout) -> Iterator[LeftOut]:
    """Say which columns are taken for no tokens and no tags, where that is not plain."""
    line = next((sentence.lines[0] for sentence in sentences if sentence.lines), 1)
    if layout.numbered:
        yield LeftOut(line, "the first column, which numbers the tokens or names their sentence")
    if layout.tag > layout.token and not layout.bracketed:
        yield LeftOut(line, f"what follows column {layout.tag + 1}, the last of tags")


@dataclass(slots=True)
class _Sentence:
    """The lines up to the next blank one, their fields and numbers, and the first fault; tokens and tags once cut.

    `headers` are lines above it that name the columns, and what of its lines is not read.
    """

    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    fault: BadRow | None = None
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    of_germeval: bool = False
    headers: list[LeftOut] = field(default_factory=list)

    def cut(self, layout: Layout, *, need_tags: bool) -> _Sentence:
        """Read tokens and tags."""
        words = [(row, line) for row, line in zip(self.rows, self.lines, strict=True) if layout.is_word(row)]
        self.lines = [line for _, line in words]
        for columns, number in words:
            token = columns[layout.token] if layout.token < len(columns) else ""
            token = token.strip() or token
            self.tokens.append(token)
            if not token:
                self.note(number, "the line has no token")
            elif need_tags and not layout.has_tag(columns):
                self.note(number, f"the token {quoted(token)} has no tag")
            elif need_tags:
                self.tags.append(layout.tag_of(columns).strip())
        if len(self.tags) == len(self.lines) and (found := layout.nested(self.tags)) is not None:
            place, label = found
            self.note(self.lines[place], f"the entity {quoted(label)} is inside another one, and a word has one tag")
        self.tags = layout.spelt(self.tags)
        return self

    def add(self, columns: list[str], number: int) -> None:
        self.rows.append(columns)
        self.lines.append(number)

    def add_annotated(self, annotated: WebAnno, text: str, number: int) -> None:
        """Take a line of WebAnno's TSV, and note what of it is not read."""
        if text.startswith(_COMMENT):
            annotated.see(text)
        elif (columns := annotated.row(text)) is not None:
            self.add(columns, number)
        self.headers += [LeftOut(number, annotated.lost)] if annotated.lost else []

    def note(self, number: int, message: str) -> None:
        self.fault = self.fault or BadRow(number, message)

    def record_fault(self, fault: BadRow) -> BadRow:
        """Place a fault at the line where the record starts, as predictions are."""
        start = min([fault.line, *self.lines[:1]])
        return fault if start == fault.line else BadRow(start, f"line {fault.line}: {fault.message}")


def _sentences(lines: Lines, comma: str, *, need_tags: bool) -> Iterator[_Sentence]:
    sentence, width, header = _Sentence(), None, None
    annotated: WebAnno | None = None
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        annotated = WebAnno() if text.startswith(WEBANNO) else annotated
        if lines.fault is not None or "\r" in text.strip():
            sentence.note(lines.number, lines.fault or CARRIAGE_RETURN)
        elif _ends_sentence(text, sentence.rows, comma, need_tags=need_tags):
            if sentence.rows or sentence.fault:
                yield sentence
                sentence = _Sentence()
        elif annotated is not None:
            sentence.add_annotated(annotated, text, lines.number)
        elif text.startswith(GERMEVAL) and not is_tag(cut_line(text)[-1]):
            sentence.of_germeval = True
        elif not _is_comment(text, width, need_tags=need_tags):
            columns = cut_line(text, comma)
            if columns == header or (width is None and is_header(columns)):
                if sentence.rows:
                    yield sentence
                    sentence = _Sentence()
                why = "the line names the columns" if header is None else "the line repeats the header"
                sentence.headers.append(LeftOut(lines.number, why))
                header = columns
            else:
                sentence.add(columns, lines.number)
            width = width or len(columns)
        lines.begin_record()
    if sentence.rows or sentence.fault:
        yield sentence


def _ends_sentence(text: str, rows: Sequence[Sequence[str]], comma: str, *, need_tags: bool) -> bool:
    if text == " " and not need_tags and rows and all(len(row[0]) == 1 for row in rows):
        return False  # characters without tags: this one is a space
    return text.startswith(_DOCUMENT) or not text.strip() or not text.strip(f" {comma}")


def _is_comment(text: str, width: int | None, *, need_tags: bool) -> bool:
    """Tell a comment from a line whose token begins with the same mark, as a hashtag does."""
    if not text.startswith(_COMMENT):
        return False
    columns = cut_line(text)
    if len(columns) == 1:
        return need_tags
    return not (is_tag(columns[-1]) and len(columns) == (width or len(columns)))


def _until_told(sentences: Iterable[_Sentence]) -> Iterator[_Sentence]:
    """Take sentences up to the first that shows what its tokens are, and whether they are words or characters."""
    lines = 0
    for sentence in itertools.islice(sentences, SENTENCES_AHEAD):
        yield sentence
        firsts = [row[0] for row in sentence.rows]
        lines += len(firsts)
        # Numbers, or the same on every line, may be of the sentence rather than its tokens.
        is_odd = any(first.isdigit() for first in firsts) or len(set(firsts)) == 1 < len(firsts)
        numbered = all(len(row) > 1 for row in sentence.rows) and is_odd
        if numbered and (len(set(firsts)) == 1 or lines < ENOUGH_NUMBERS):
            continue
        if (len(firsts) > 1 or not numbered) and (numbered or shows_kind(firsts)):
            return


def _read(sentence: _Sentence, form: TagForm, source: str, *, need_tags: bool) -> TaggedText | BadRow:
    fault = sentence.fault or (_outside(sentence, form) if need_tags else None)
    if fault is not None:
        return fault if need_tags else sentence.record_fault(fault)
    text, places = join_tokens(sentence.tokens, by_character=form.by_character)
    line = sentence.lines[0]
    if not need_tags:
        return TaggedText((text,), None, line, source)
    try:
        read = entities_of_tags(text, places, list(map(form.spelling.standard, sentence.tags)), form.scheme)
    except RowError as error:
        return BadRow(line, str(error))
    return TaggedText((text,), None, line, source, *read)


def _outside(sentence: _Sentence, form: TagForm) -> BadRow | None:
    for tag, line in zip(sentence.tags, sentence.lines, strict=True):
        if not form.scheme.knows(form.spelling.standard(tag)):
            return BadRow(line, form.scheme.refusal(tag))
    return None
