"""Texts with brat's annotations: a .txt file, and beside it an .ann file with its entities.

Each line of the text is a row. Places are characters of the whole text; an entity in several
pieces, or over several lines, is left out and counted, for a tagger's entities have one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bertkit.data.formats.lines import BOM
from bertkit.data.formats.opened import ANNOTATIONS, open_bytes, readable
from bertkit.data.records import BadRow, TaggedText
from bertkit.data.tagged.places import find_entities
from bertkit.data.values import RowError
from bertkit.errors import DataError
from bertkit.plain import quoted

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
            raise DataError.at(path, number, f"{quoted(line)} is no entity of brat's (T1, a tab, LABEL START END).")
        pieces = match["spans"].split(";")
        if len(pieces) == 1:
            start, end = map(int, pieces[0].split())
            yield _Span(start, end, match["label"], number, match["string"])
        elif problems is not None:
            problems.append(BadRow(number, f"{path.name}:{number}: the entity is in several pieces"))
