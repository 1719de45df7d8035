"""Word documents: the paragraphs of word/document.xml, without tables, deletions and field codes.

A reader of our own, on Python's zipfile and XML parser: python-docx leaves out what tracked
changes have put in, and needs lxml.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from bertkit.documents.readers.passage import Kind, Passage, ReadDocument, slice_of
from bertkit.errors import DataError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_LARGEST = 1 << 28  # bytes of a part, unpacked
# Elements whose inside is not the text that a reader sees.
_UNREAD = frozenset(
    {_W + name for name in "tbl del moveFrom instrText delText pPr rPr txbxContent".split()} | {_MC + "Fallback"}
)
_HEADING = re.compile(r"(?:heading\s*(\d)|title|subtitle)$")
_LABELS = re.compile(r"(?:toc|caption|header|footer|footnote|table of)")


def read_docx(content: bytes, name: str) -> list[ReadDocument]:
    """Read a Word document; places are those in its text, a paragraph on each line.

    Raises:
        DataError: it is no Word document, or a damaged one.
    """
    from xml.etree.ElementTree import ParseError

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            body, styles = _part(archive, "word/document.xml", name), _styles(archive, name)
    except KeyError:
        raise DataError(f"{name}: a zip archive without word/document.xml, so no Word document.") from None
    except (zipfile.BadZipFile, ParseError, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise DataError(f"{name}: cannot be read as a Word document ({error}); save it again.") from error
    lines: list[str] = []
    about: list[tuple[Kind, int]] = []
    for paragraph in _paragraphs(body):
        line = "".join(_texts(paragraph)).strip()
        if line:
            lines.append(line)
            about.append(_kind(paragraph, styles))
    text = "\n".join(lines)
    return [ReadDocument(text, tuple(_passages(text, lines, about)))]


def _passages(text: str, lines: list[str], about: list[tuple[Kind, int]]) -> Iterator[Passage]:
    place = 0
    for number, (line, (kind, level)) in enumerate(zip(lines, about, strict=True), start=1):
        yield replace(slice_of(text, place, place + len(line), kind), level=level, paragraph=number)
        place += len(line) + 1


def _part(archive: zipfile.ZipFile, part: str, name: str) -> Element:
    """Parse a part, unless it is a bomb: document types are never declared in one, and expand to anything."""
    from xml.etree.ElementTree import fromstring

    if archive.getinfo(part).file_size > _LARGEST:
        raise DataError(f"{name}: its text is larger than {_LARGEST >> 20} MB when it is unpacked.")
    content = archive.read(part)
    if b"<!DOCTYPE" in content[:4096] or b"<!ENTITY" in content:
        raise DataError(f"{name}: it declares a document type, which no Word document does.")
    return fromstring(content.replace(_STRICT.encode(), _W[1:-1].encode()))


def _styles(archive: zipfile.ZipFile, name: str) -> dict[str, str]:
    """Return the names of paragraph styles by their ids; these are translated, names of built-in styles are not."""
    if "word/styles.xml" not in archive.namelist():
        return {}
    found = {}
    for style in _part(archive, "word/styles.xml", name).iter(_W + "style"):
        named = style.find(_W + "name")
        found[style.get(_W + "styleId", "")] = "" if named is None else named.get(_W + "val", "").lower()
    return found


def _paragraphs(element: Element) -> Iterator[Element]:
    """Yield paragraphs in order, those of tables, text boxes and deletions not."""
    for child in element:
        if child.tag == _W + "p":
            yield child
        elif child.tag not in _UNREAD:
            yield from _paragraphs(child)


def _texts(element: Element) -> Iterator[str]:
    for child in element:
        if child.tag in _UNREAD:
            continue
        if child.tag == _W + "t":
            yield child.text or ""
        elif child.tag in (_W + "tab", _W + "br", _W + "cr"):
            yield " "
        elif child.tag == _W + "noBreakHyphen":
            yield "-"
        else:
            yield from _texts(child)


def _kind(paragraph: Element, styles: dict[str, str]) -> tuple[Kind, int]:
    properties = paragraph.find(_W + "pPr")
    if properties is None:
        return Kind.PROSE, 0
    style, outline = properties.find(_W + "pStyle"), properties.find(_W + "outlineLvl")
    id_ = "" if style is None else style.get(_W + "val", "")
    named = styles.get(id_) or id_.lower()
    heading = _HEADING.match(named)
    if heading:
        return Kind.HEADING, int(heading[1] or 1)
    if outline is not None and outline.get(_W + "val", "9") in "012345678":
        return Kind.HEADING, int(outline.get(_W + "val", "0")) + 1
    if _LABELS.match(named):
        return Kind.LABEL, 0
    if properties.find(_W + "numPr") is not None or "list" in named:
        return Kind.ITEM, 0
    return Kind.PROSE, 0
