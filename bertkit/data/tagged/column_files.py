"""Files with one token and its tag a line: CoNLL columns, and KLUE's characters.

The token is the first column and the tag the last, whatever stands between; tabs part
columns where a line has one, else spaces. A blank line ends a sentence; -DOCSTART- lines and
comments belong to none. The text of a sentence is its words with one space between them,
or its characters as they stand, and entities lie in that text.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bertkit.data.formats.lines import CARRIAGE_RETURN, Lines
from bertkit.data.formats.opened import Opened, open_bytes
from bertkit.data.formats.telling import TableFormat, sniff_format
from bertkit.data.records import BadRow, TaggedText
from bertkit.data.tagged.schemes import TagScheme, is_tag
from bertkit.data.tagged.tokens import SENTENCES_AHEAD, TagForm, detect_form, entities_of_tags, join_tokens, shows_kind
from bertkit.data.values import RowError
from bertkit.plain import quoted

_DOCUMENT = "-DOCSTART-"
_COMMENT = "#"


def read_tagged_file(
    path: str | Path, *, table_format: TableFormat | None = None, need_tags: bool = True
) -> Iterator[TaggedText | BadRow]:
    """Iterate the sentences of a plain or gzipped file of tagged text.

    Args:
        path: the file.
        table_format: its format, where it is known; its encoding is what counts.
        need_tags: whether the last column is read as tags; if not, a file of tokens alone
            will do, and `entities` are None.

    Raises:
        DataError: the file cannot be read, or is binary.
    """
    path = Path(path)
    known = table_format or sniff_format(path, kind="conll")
    with open_bytes(path) as stream:
        yield from read_tagged_stream(stream, str(path), encoding=known.encoding, need_tags=need_tags)


def read_tagged_opened(opened: Opened, table_format: TableFormat, *, need_tags: bool) -> Iterator[TaggedText | BadRow]:
    """Iterate the sentences of a file or of standard input, as `read_tagged_file` does."""
    with opened.stream() as stream:
        yield from read_tagged_stream(stream, opened.name, encoding=table_format.encoding, need_tags=need_tags)


def read_tagged_stream(
    stream: BinaryIO, source: str, *, encoding: str = "utf-8", need_tags: bool = True
) -> Iterator[TaggedText | BadRow]:
    """Iterate the sentences of a stream of tagged text.

    With tags, their scheme is told from the first 10,000 sentences. Without, no more is read
    ahead than shows whether the tokens are words or characters: mostly one sentence.
    `line` is that of a sentence's first token; of a fault that of the fault itself, where
    tags are needed, for there it ends the loading.
    """
    sentences = _sentences(Lines(stream, source, encoding), need_tags=need_tags)
    if need_tags:
        ahead = list(itertools.islice(sentences, SENTENCES_AHEAD))
        form = detect_form((s.tokens for s in ahead), (s.tags for s in ahead))
    else:
        ahead = list(_until_told(sentences))
        form = detect_form((s.tokens for s in ahead), ())
    for sentence in itertools.chain(ahead, sentences):
        yield _read(sentence, form, source, need_tags=need_tags)


@dataclass(slots=True)
class _Sentence:
    """The lines up to the next blank one: tokens, their tags and line numbers, and the first fault."""

    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    fault: BadRow | None = None

    def add(self, number: int, columns: Sequence[str], *, need_tags: bool) -> None:
        token = columns[0].strip() or columns[0]
        self.tokens.append(token)
        self.lines.append(number)
        if not token:
            self.note(number, "the line has no token")
        elif need_tags and len(columns) == 1:
            self.note(number, f"the token {quoted(token)} has no tag")
        elif need_tags:
            self.tags.append(columns[-1])

    def note(self, number: int, message: str) -> None:
        self.fault = self.fault or BadRow(number, message)

    def record_fault(self, fault: BadRow) -> BadRow:
        """Place a fault at the line where the record starts, as predictions are."""
        start = min([fault.line, *self.lines[:1]])
        return fault if start == fault.line else BadRow(start, f"line {fault.line}: {fault.message}")


def _sentences(lines: Lines, *, need_tags: bool) -> Iterator[_Sentence]:
    sentence, width = _Sentence(), None
    for line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        if lines.fault is not None or "\r" in text.strip():
            sentence.note(lines.number, lines.fault or CARRIAGE_RETURN)
        elif _ends_sentence(text, sentence.tokens, need_tags=need_tags):
            if sentence.tokens or sentence.fault:
                yield sentence
            sentence = _Sentence()
        elif not _is_comment(text, width, need_tags=need_tags):
            columns = _columns(text)
            width = width or len(columns)
            sentence.add(lines.number, columns, need_tags=need_tags)
        lines.begin_record()
    if sentence.tokens or sentence.fault:
        yield sentence


def _columns(text: str) -> list[str]:
    """Cut a line; the last column comes without white space, the first keeps its own: it may be a space."""
    if "\t" in text:
        columns = text.split("\t")
        while len(columns) > 1 and not columns[-1].strip():
            del columns[-1]
    else:
        columns = [column for column in text.split(" ") if column] or [text]
    return columns if len(columns) == 1 else [*columns[:-1], columns[-1].strip()]


def _ends_sentence(text: str, tokens: Sequence[str], *, need_tags: bool) -> bool:
    if text == " " and not need_tags and tokens and all(len(token) == 1 for token in tokens):
        return False  # characters without tags: this one is a space
    return text.startswith(_DOCUMENT) or not text.strip()


def _is_comment(text: str, width: int | None, *, need_tags: bool) -> bool:
    """Tell a comment from a line whose token begins with the same mark, as a hashtag does."""
    if not text.startswith(_COMMENT):
        return False
    columns = _columns(text)
    if len(columns) == 1:
        return need_tags
    return not (is_tag(columns[-1]) and len(columns) == (width or len(columns)))


def _until_told(sentences: Iterable[_Sentence]) -> Iterator[_Sentence]:
    """Take sentences up to the first that shows whether tokens are words or characters."""
    for sentence in itertools.islice(sentences, SENTENCES_AHEAD):
        yield sentence
        if shows_kind(sentence.tokens):
            return


def _read(sentence: _Sentence, form: TagForm, source: str, *, need_tags: bool) -> TaggedText | BadRow:
    fault = sentence.fault or (_outside(sentence, form.scheme) if need_tags else None)
    if fault is not None:
        return fault if need_tags else sentence.record_fault(fault)
    text, places = join_tokens(sentence.tokens, by_character=form.by_character)
    line = sentence.lines[0]
    if not need_tags:
        return TaggedText((text,), None, line, source)
    try:
        entities, repaired = entities_of_tags(text, places, sentence.tags, form.scheme)
    except RowError as error:
        return BadRow(line, str(error))
    return TaggedText((text,), None, line, source, entities, repaired)


def _outside(sentence: _Sentence, scheme: TagScheme) -> BadRow | None:
    for tag, line in zip(sentence.tags, sentence.lines, strict=True):
        if not scheme.knows(tag):
            return BadRow(line, scheme.refusal(tag))
    return None
