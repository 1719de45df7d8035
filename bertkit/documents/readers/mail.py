"""Mails: what the sender wrote, without headers, the mails quoted below, signature and attachments.

Python's email package reads the message. A body that stands in the file as it was typed is
read there; one that is encoded (base64, quoted-printable, another character set) is decoded,
and places are those in what comes out.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from bertkit.documents.readers.html import html_passages
from bertkit.documents.readers.notices import find_forwarded
from bertkit.documents.readers.passage import Kind, Passage, ReadDocument, Span, slice_of
from bertkit.documents.readers.plain import plain_passages

if TYPE_CHECKING:
    from email.message import EmailMessage, Message

_AS_TYPED = ("", "7bit", "8bit", "binary")
_SIGNATURE = re.compile(r"^--[ \t]?\r?$", re.MULTILINE)
_WROTE = re.compile(
    r"^[ \t]*(?:on\b[^\n]{3,150}(?:\n[^\n]{0,80})?\bwrote|am\b[^\n]{3,150}\bschrieb|le\b[^\n]{3,150}\ba écrit"
    r"|\d{4}[년./-][^\n]{3,150}(?:작성|썼습니다|쓴\s*글))[^\n\w]{0,6}:[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_BELOW = re.compile(
    r"^[ \t]*(?:-{2,}|_{5,})[ \t]*(?:original message|원본\s*(?:메시지|메일)|reply message)[^\n]*$"
    r"|^(?:[ \t]*_{5,}[ \t]*\r?\n)?[ \t*]*(?:From|보낸\s*사람)[ \t*]*:[^\n]*\n"
    r"[ \t*]*(?:Sent|Date|To|보낸\s*날짜|받는\s*사람)[ \t*]*:",
    re.IGNORECASE | re.MULTILINE,
)
_FORWARDS = re.compile(r"(?:fwd?|wg|tr|전달)\s*:", re.IGNORECASE)
_HEADER = re.compile(r"[ \t*]*(?:from|sent|to|cc|date|subject|reply-to)[ \t*]*:", re.IGNORECASE)
_NEW_MAIL = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\d{4}[^\n]*\n(?=[\w-]+:)")
_BLANK_LINE = re.compile(r"\n[ \t>]*\r?\n")
_END_MARK = re.compile(r"[\w'\"”’)][.!?…。~^ㅠㅎㅋ][^\w]*$|[가-힣]$")
_FEWEST_WORDS = 3
_FEW_WORDS = 25  # of the sender's own, from which a mail that hands on another's is no letter of its own


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
    own = _own_end(text, start, end, forwards=forwards)
    passages = plain_passages(text, start, own)
    attributions = [match.span() for match in _WROTE.finditer(text, start, own)]
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
    for pattern in (_SIGNATURE, _BELOW):
        found = pattern.search(text, from_, end)
        own = len(text[start : found.start()].split()) if found else 0
        if found and own >= (_FEW_WORDS if forwards and forwarded is None else _FEWEST_WORDS):
            end = found.start()
    return end


def _is_quoted(text: str, passage: Passage, attributions: Sequence[Span]) -> bool:
    line = text.rfind("\n", 0, passage.start) + 1
    return ">" in text[line : passage.start] or any(
        begin <= passage.start < behind or begin < passage.end <= behind for begin, behind in attributions
    )


def _labelled(passages: Sequence[Passage]) -> list[Passage]:
    """Make labels of headers that stand in a body, and of what is no sentence: FYI, a name."""
    return [replace(p, kind=Kind.LABEL) if _is_label(p.text) or _is_scrap(p) else p for p in passages]


def _is_scrap(passage: Passage) -> bool:
    words = len(passage.text.split())
    return passage.kind is Kind.PROSE and words < _FEWEST_WORDS and not _END_MARK.search(passage.text)


def _is_label(text: str) -> bool:
    return (
        _HEADER.match(text) is not None
        or _WROTE.match(text) is not None
        or find_forwarded(text, 0, len(text)) is not None
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
