"""Documents of office programs: Word's docx, PDF, and mails."""

from __future__ import annotations

import importlib.util
import io
import re
import warnings
import zipfile
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from bertkit.documents.readers.markup import html_passages
from bertkit.documents.readers.passage import (
    WROTE,
    Kind,
    Passage,
    ReadDocument,
    Span,
    find_forwarded,
    is_notice,
    mail_headers,
    names_firm,
    slice_of,
)
from bertkit.documents.readers.plain import plain_passages
from bertkit.documents.sentence_ends import FINAL_ENDING
from bertkit.errors import DataError

if TYPE_CHECKING:
    from email.message import EmailMessage, Message
    from xml.etree.ElementTree import Element

# --- Word documents: the paragraphs of word/document.xml, without tables, deletions and field codes
#
# A reader of our own, on Python's zipfile and XML parser: python-docx leaves out what tracked
# changes have put in, and needs lxml.

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_LARGEST = 1 << 28  # bytes of a part, unpacked
# Elements whose inside is not the text that a reader sees.
_UNREAD = frozenset(
    {_W + name for name in "tbl del moveFrom instrText delText pPr rPr txbxContent".split()} | {_MC + "Fallback"}
)
_FRAMED = 60  # letters in a table of one column, from which it frames a text
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
        raise DataError(f"{name}: a zip archive without word/document.xml, so it is not a Word document.") from None
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
    return [ReadDocument(text, tuple(_docx_passages(text, lines, about)))]


def _docx_passages(text: str, lines: list[str], about: list[tuple[Kind, int]]) -> Iterator[Passage]:
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
        raise DataError(f"{name}: it declares a document type, so it is not a Word document.")
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
    """Yield paragraphs in order, those of tables with columns, of text boxes and deletions not."""
    for child in element:
        if child.tag == _W + "p":
            yield child
        elif child.tag == _W + "tbl":
            rows = [[cell for cell in row if cell.tag == _W + "tc"] for row in child if row.tag == _W + "tr"]
            inside = [paragraph for cells in rows for paragraph in _paragraphs(cells[0])] if rows and rows[0] else []
            is_frame = all(len(cells) == 1 for cells in rows)
            if is_frame and sum(len("".join(_texts(paragraph))) for paragraph in inside) >= _FRAMED:
                yield from inside
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


# --- The text of PDFs, by pypdf (extra `documents`); lines that every page repeats are not read ---

_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(r"[-–—\s]*(?:page|p\.|쪽)?\s*\d{1,4}\s*(?:(?:of|/)\s*\d{1,4}|쪽)?[-–—\s]*$", re.IGNORECASE)
_HYPHEN = re.compile(r"(?<=[a-z])[-\u00ad]\n(?=[a-z])")
# What damaged files have made pypdf raise besides its own errors.
_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    ArithmeticError,
    OSError,
    ImportError,
)
_CLOSED = re.compile(rf"(?:[.!?…。！？:;][\"'”’)\]]*|{FINAL_ENDING})\s*$")
_FEWEST_ROWS, _WIDTH, _WIDER = 5, 15, 1.2
"""Lines that two columns have beside each other at least, and their letters in the mean: what has fewer is a table."""
# How a footnote begins; its size, as a share of the text's, is below _SMALLER, and its mark raised by points at most.
_NOTE = re.compile(r"[(\[]?\d{1,3}[)\].]?\s*[^\W\d]|[*†‡§¶¹²³⁴⁵⁶⁷⁸⁹]")
_SMALLER, _RAISED = 0.92, 5
_SHARE, _EDGE = 0.5, 2
"""A line among so many at the edges of a page is furniture if it stands on more than half of the pages."""


def read_pdf(content: bytes, name: str) -> list[ReadDocument]:
    """Read a PDF; places are those in its text, pages parted by form feeds.

    Raises:
        DataError: pypdf is not installed, or the PDF is locked, damaged, or pictures only.
    """
    pages = _without_furniture([_lines(page) for page in _pages(content, name)])
    texts = [_HYPHEN.sub("", "\n".join(lines)) for lines in pages]
    if not any(text.strip() for text in texts):
        raise DataError(f"{name}: there is no text in it, only pictures of pages; OCR makes text of them.")
    texts = [_joined(*pair) for pair in zip(texts, [*texts[1:], ""], strict=True)]
    text = "".join(texts)
    return [ReadDocument(text, tuple(_pdf_passages(text, texts)))]


def _joined(page: str, following: str) -> str:
    """End a page: with a form feed, or, where a sentence goes on over it, with a line end or nothing."""
    if not following:
        return page
    first = following.lstrip()[:1]
    if page.endswith("-") and first.islower():
        return page[:-1]
    goes_on = (first.islower() or (first >= "가" and first <= "힣")) and not _CLOSED.search(page)
    return page + ("\n" if goes_on else "\n\f")


def _pdf_passages(text: str, texts: Sequence[str]) -> Iterator[Passage]:
    begins = [0, *accumulate(map(len, texts))]
    for passage in plain_passages(text, 0, len(text)):
        page = bisect_right(begins, passage.start)
        yield replace(passage, page=page, next_pages=tuple(begins[page : bisect_left(begins, passage.end)]))


def _pages(content: bytes, name: str) -> Iterator[str]:
    if importlib.util.find_spec("pypdf") is None:
        raise DataError(f"{name}: PDFs are read with pypdf, which is not installed; pip install pypdf.")
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = PdfReader(io.BytesIO(content))
            if reader.is_encrypted and not reader.decrypt(""):
                raise DataError(f"{name}: is locked with a password; save it without one.")
            for page in reader.pages:
                fragments: list[_Fragment] = []
                sizes: list[float] = []
                text = page.extract_text(visitor_text=_noting(fragments, sizes))
                notes = _notes(fragments, sizes)
                by_column = _by_column([each for each in fragments if each not in notes])
                yield by_column or _without_notes(text, notes)
    except DataError:
        raise
    except (PyPdfError, DependencyError, *_DAMAGED) as error:
        raise DataError(f"{name}: cannot be read as a PDF ({error}).") from error


_Fragment = tuple[int, int, str]
"""What is written at once: how far from the left edge of its page and from the bottom, in points."""


def _noting(
    fragments: list[_Fragment], sizes: list[float]
) -> Callable[[str, Sequence[float], Sequence[float], object, float], None]:
    """Return what pypdf tells of each fragment; `sizes` are those of their letters, in points."""

    def note(text: str, page: Sequence[float], line: Sequence[float], _font: object, size: float) -> None:
        if text.strip():
            fragments.append((round(line[4] * page[0] + page[4]), round(line[5] * page[3] + page[5]), text.strip()))
            sizes.append(abs(size * line[3] * page[3]))

    return note


def _notes(fragments: Sequence[_Fragment], sizes: Sequence[float]) -> list[_Fragment]:
    """Return the footnotes of a page: smaller than its text, below all of it, and begun by a number or a sign."""
    letters: Counter[float] = Counter()
    for (_, _, text), size in zip(fragments, sizes, strict=True):
        letters[round(size, 1)] += len(text)
    if not letters:
        return []
    least = _SMALLER * letters.most_common(1)[0][0]
    sized = list(zip(fragments, sizes, strict=True))
    of_text = (each[1] for each, size in sized if size >= least and not _PAGE_NUMBER.match(each[2]))
    lowest = min(of_text, default=0)
    small = [each for each, size in sized if size < least and each[1] < lowest]
    top = max((each[1] for each in small), default=0) - _RAISED
    first = " ".join(each[2] for each in sorted(small) if each[1] >= top)
    return small if _NOTE.match(first) else []


def _without_notes(text: str, notes: Sequence[_Fragment]) -> str:
    """Leave out the last lines of a page, as far as they are its footnotes."""
    noted = "".join("".join(each[2] for each in notes).split())
    lines, kept = text.splitlines(), []
    while lines and noted:
        line = lines.pop()
        bare = "".join(line.split())
        if bare not in noted and not _PAGE_NUMBER.match(line):
            lines.append(line)
            break
        kept += [line] if bare not in noted else []
    return "\n".join([*lines, *reversed(kept)])


def _by_column(fragments: Sequence[_Fragment]) -> str | None:
    """Return the text of a page in two columns that is written line by line across both; None of any other page."""
    rows: dict[int, list[tuple[int, str]]] = {}
    for x, y, text in fragments:
        rows.setdefault(y, []).append((x, text))
    pairs = [row for row in rows.values() if len(row) == 2 and row[0][0] < row[1][0]]
    if len(pairs) < max(_FEWEST_ROWS, len(rows) / 2):
        return None
    gutter, count = Counter(row[1][0] for row in pairs).most_common(1)[0]
    pairs = [row for row in pairs if row[1][0] == gutter]
    if count < _FEWEST_ROWS or min(sum(len(row[side][1]) for row in pairs) for side in (0, 1)) < _WIDTH * len(pairs):
        return None
    longest = max(len(row[0][1]) for row in pairs)
    parts: tuple[list[str], list[str], list[str], list[str]] = ([], [], [], [])  # above, left, right, below
    for _, row in sorted(rows.items(), reverse=True):
        for x, text in row:
            is_left = len(text) <= _WIDER * longest and (len(row) > 1 or bool(parts[1]))
            parts[2 if x == gutter else 1 if is_left else 3 if parts[1] else 0].append(text)
    return "\n".join(line for part in parts for line in part)


def _lines(page: str) -> list[str]:
    return [line.rstrip() for line in page.splitlines()]


def _without_furniture(pages: list[list[str]]) -> list[list[str]]:
    """Leave out the headers, footers and numbers of pages."""
    edges = [[_bare(line) for line in (*lines[:_EDGE], *lines[-_EDGE:])] for lines in pages]
    counts = Counter(line for edge in edges for line in set(edge) if line)
    often = {line for line, count in counts.items() if count > max(2, _SHARE * len(pages))}

    def is_furniture(place: int, lines: list[str]) -> bool:
        at_edge = place < _EDGE or place >= len(lines) - _EDGE
        is_often = _bare(lines[place]) in often and not lines[place].endswith((".", "!", "?"))
        return at_edge and (is_often or _PAGE_NUMBER.match(lines[place]) is not None)

    return [[line for place, line in enumerate(lines) if not is_furniture(place, lines)] for lines in pages]


def _bare(line: str) -> str:
    return _DIGITS.sub("0", line).strip().lower()


# --- Mails: what the sender wrote, without headers, the mails quoted below, signature and attachments
#
# Python's email package reads the message. A body that stands in the file as it was typed is
# read there; one that is encoded (base64, quoted-printable, another character set) is decoded,
# and places are those in what comes out.

_AS_TYPED = ("", "7bit", "8bit", "binary")
_SIGNATURE = re.compile(r"^--[ \t]?\r?$", re.MULTILINE)
_BELOW = re.compile(
    r"^[ \t]*(?:-{2,}|_{5,})[ \t]*(?:original message|원본\s*(?:메시지|메일)|reply message)[^\n]*$"
    r"|^[ \t]*_{5,}[ \t]*\r?\n[^\n]{0,80}mailing list[ \t]*\r?$"
    r"|^[ \t]*[\w. ,-]{3,60}\r?\n[ \t]*\d\d/\d\d/\d{4} \d\d:\d\d(?: [AP]M)?\r?\n[ \t]*To:[^\n]*\r?\n",  # of Lotus Notes
    re.IGNORECASE | re.MULTILINE,
)
_TOPICS, _BELOW_TOPICS = "Today's Topics:", re.compile(r"^-{30,}[ \t]*\r?\n", re.MULTILINE)
_END_OF_DIGEST = re.compile(r"End of .{1,80} Digest, Vol|Subject: Digest Footer|.{1,60} mailing list$")
_FORWARDS = re.compile(r"(?:fwd?|wg|tr|전달)\s*:", re.IGNORECASE)
_HEADER = re.compile(r"[ \t*]*(?:from|sent|to|cc|date|subject|reply-to)[ \t*]*:", re.IGNORECASE)
_NEW_MAIL = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\d{4}[^\n]*\n(?=[\w-]+:)")
_BLANK_LINE = re.compile(r"\n[ \t>]*\r?\n")
_END_MARK = re.compile(r"[\w'\"”’)][.!?…。~^ㅠㅎㅋ][^\w]*$|[가-힣]$")
_LONGEST_SIGNED = 8  # words
_FEWEST_WORDS = 3
_FEW_WORDS = 25  # of the sender's own, from which a mail that hands on another's is not a letter of its own


def read_mail(content: bytes, name: str) -> list[ReadDocument]:
    """Read a message."""
    return [_message(content, _utf8(content), 0)]


def read_mbox(content: bytes, name: str) -> list[ReadDocument]:
    """Read a box of messages, each a document."""
    cuts = [match.start() for match in _NEW_MAIL.finditer(content)]
    text = _utf8(content)
    pieces = [content[begin:behind] for begin, behind in zip(cuts, [*cuts[1:], len(content)], strict=True)]
    before = len(_text_of(content[: cuts[0]])) if cuts else 0
    begins = accumulate((len(_text_of(piece)) for piece in pieces), initial=before)
    return [_message(piece, text, begin) for piece, begin in zip(pieces, begins, strict=False)]


def mail_passages(text: str, start: int, end: int, *, forwards: bool = False) -> list[Passage]:
    """Return the passages of a typed body: all of it where there is nothing but quotations.

    `forwards` where the subject says that it hands on another's mail.
    """
    place = text.find(_TOPICS, start, end)
    topics = _BELOW_TOPICS.search(text, place, end) if place >= 0 else None
    if topics:  # a list's digest: several mails, below what it holds
        start, own = topics.end(), end
    else:
        own = _own_end(text, start, end, forwards=forwards)
    passages = plain_passages(text, start, own)
    attributions = [match.span() for match in WROTE.finditer(text, start, own)]
    kept = [passage for passage in passages if not _is_quoted(text, passage, attributions)]
    kept = _labelled(kept)
    return kept if any(len(passage.text.split()) >= _FEWEST_WORDS for passage in kept) else passages


def _own_end(text: str, start: int, end: int, *, forwards: bool) -> int:
    """Return where what is to be read is over: what the sender wrote, and a mail that is handed on."""
    forwarded = find_forwarded(text, start, end)
    from_ = start
    if forwarded is not None:  # read on behind its headers
        blank = _BLANK_LINE.search(text, text.find("\n", forwarded) + 1, end)
        from_ = blank.end() if blank else end
    matches = (pattern.search(text, from_, end) for pattern in (_SIGNATURE, _BELOW))
    begins = [match.start() for match in matches if match]
    begins += [begin for begin, _ in mail_headers(text, from_, end)][:1]
    for begin in begins:
        own = len(text[start:begin].split())
        if begin < end and own >= (_FEW_WORDS if forwards and forwarded is None else _FEWEST_WORDS):
            end = begin
    return end


def _is_quoted(text: str, passage: Passage, attributions: Sequence[Span]) -> bool:
    line = text.rfind("\n", 0, passage.start) + 1
    is_marked = ">" in text[line : passage.start] and not text.startswith(">From ", line)  # as mailboxes write From
    return is_marked or any(
        begin <= passage.start < behind or begin < passage.end <= behind for begin, behind in attributions
    )


def _labelled(passages: Sequence[Passage]) -> list[Passage]:
    """Make labels of headers that stand in a body, of a signature, and of what is not a sentence: FYI, a name."""
    signed = len(passages)
    while signed and (_is_signed(passages[signed - 1]) or is_notice(passages[signed - 1].text)):
        signed -= 1
    found = [replace(p, kind=Kind.LABEL) if _is_label(p.text) or _is_scrap(p) else p for p in passages]
    if 0 < signed < len(found) - 1 and _CLOSED.search(passages[signed - 1].text):
        found[signed:] = [replace(p, kind=Kind.LABEL) for p in found[signed:]]
    return found


def _is_signed(passage: Passage) -> bool:
    """Tell whether a line may be one of a signature: a name, a post, a firm, a number."""
    words = len(passage.text.split())
    ends = _END_MARK.search(passage.text) is not None and not names_firm(passage.text)
    return passage.kind is not Kind.ITEM and words <= _LONGEST_SIGNED and not ends


def _is_scrap(passage: Passage) -> bool:
    words = len(passage.text.split())
    return passage.kind is Kind.PROSE and words < _FEWEST_WORDS and not _END_MARK.search(passage.text)


def _is_label(text: str) -> bool:
    return (
        _HEADER.match(text) is not None
        or WROTE.match(text) is not None
        or find_forwarded(text, 0, len(text)) is not None
        or _END_OF_DIGEST.match(text) is not None
    )


def _message(content: bytes, file_text: str | None, offset: int) -> ReadDocument:
    """Read one message, which stands at a character of the file."""
    from email import message_from_bytes, policy

    message: EmailMessage = message_from_bytes(content, policy=policy.default)
    subject = " ".join(str(message.get("subject", "")).split())
    forwards = _FORWARDS.match(subject) is not None
    part = _body(message, forwards=forwards)
    if part is None:
        return ReadDocument("", ())
    is_html = part.get_content_type() == "text/html"
    span = None if file_text is None else _typed_at(part, content, offset)
    if span is not None and file_text is not None:
        whole = offset, offset + len(_text_of(content))
        passages = _read(file_text, *span, is_html=is_html, forwards=forwards)
        return ReadDocument(file_text, tuple(_under(passages, subject)), span=whole)
    decoded = _decoded(part)
    passages = _read(decoded, 0, len(decoded), is_html=is_html, forwards=forwards)
    if not is_html:
        return ReadDocument(decoded, tuple(_under(passages, subject)))
    text, passages = _set_out(passages)
    return ReadDocument(text, tuple(_under(passages, subject)))


def _read(text: str, start: int, end: int, *, is_html: bool, forwards: bool) -> Sequence[Passage]:
    if not is_html:
        return mail_passages(text, start, end, forwards=forwards)
    passages = html_passages(text[start:end], start)
    return _labelled(_own(passages, forwards=forwards))


def _own(passages: Sequence[Passage], *, forwards: bool) -> Sequence[Passage]:
    """Leave out what stands below the headers of a mail that is answered."""
    joined = "\n".join(passage.text for passage in passages)
    begins = list(accumulate((len(passage.text) + 1 for passage in passages), initial=0))
    end = _own_end(joined, 0, len(joined), forwards=forwards)
    return passages[: bisect_left(begins, end)]


def _under(passages: Sequence[Passage], subject: str) -> Iterator[Passage]:
    return (replace(passage, section=subject, level=passage.level or 1) for passage in passages)


def _body(message: EmailMessage, *, forwards: bool) -> Message | None:
    """Return the part to read: plain text before HTML, unless there is next to nothing in it.

    Where the sender hands on a mail as an attachment and says little, it is that mail's.
    """
    found = [part for kind in ("plain", "html") if (part := message.get_body(preferencelist=(kind,))) is not None]
    said = [part for part in found if len(_decoded(part).split()) >= _FEWEST_WORDS]
    own = next(iter(said or found), None)
    if not said or (forwards and len(_decoded(said[0]).split()) < _FEW_WORDS):
        for attached in message.iter_attachments() if message.is_multipart() else ():
            if attached.get_content_type() == "message/rfc822":
                return _body(attached.get_content(), forwards=False) or own
    return own


def _decoded(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    charset = part.get_content_charset() or "utf-8"
    for encoding in (charset, "utf-8", "cp949"):
        try:
            return raw.decode(encoding).replace("\r\n", "\n")
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("latin-1").replace("\r\n", "\n")


def _typed_at(part: Message, content: bytes, offset: int) -> Span | None:
    """Return where in the text of the file a body stands, None where it stands there encoded."""
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
    raw = part.get_payload(decode=True)
    if encoding not in _AS_TYPED or not isinstance(raw, bytes) or not raw.strip():
        return None
    if not raw.isascii() and (part.get_content_charset() or "utf-8") not in ("utf-8", "utf8", "us-ascii"):
        return None
    place = content.rfind(raw) if not part.is_multipart() and content.endswith(raw) else content.find(raw)
    if place < 0:
        return None
    start = offset + len(_text_of(content[:place]))
    return start, start + len(_text_of(raw))


def _text_of(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _set_out(passages: Sequence[Passage]) -> tuple[str, list[Passage]]:
    """Write passages out as a text of its own, a blank line between them, and give them their places there."""
    parts, made, place = [], [], 0
    for passage in passages:
        parts.append(passage.text)
        made.append(
            replace(slice_of(passage.text, 0, len(passage.text), passage.kind).moved(place), level=passage.level)
        )
        place += len(passage.text) + 2
    return "\n\n".join(parts), made


def _utf8(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
