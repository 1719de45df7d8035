"""The table of document formats: names, suffixes, readers; and what an input is by its first bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from bertkit.documents.readers.articles import is_jats, is_wiki, read_jats, read_wiki
from bertkit.documents.readers.marked_up import is_adoc, read_adoc, read_org, read_rst, read_tex
from bertkit.documents.readers.markup import read_html, read_markdown, read_notebook
from bertkit.documents.readers.office import read_docx, read_mail, read_mbox, read_pdf
from bertkit.documents.readers.passage import ReadDocument
from bertkit.documents.readers.plain import (
    FRAMES,
    read_ass,
    read_plain,
    read_srt,
    read_story,
    read_timed_markup,
    read_vtt,
)
from bertkit.files import without_packing


@dataclass(frozen=True)
class DocumentFormat:
    """A row of the table: `of_text` reads decoded text, `of_bytes` the bytes of a file and its name."""

    name: str
    suffixes: tuple[str, ...]
    of_text: Callable[[str], list[ReadDocument]] | None = None
    of_bytes: Callable[[bytes, str], list[ReadDocument]] | None = None


FORMATS: tuple[DocumentFormat, ...] = (
    DocumentFormat("txt", ("txt", "text", "log", "lrc"), read_plain),
    DocumentFormat("md", ("md", "markdown", "mkd", "mdown", "mdx", "rmd", "qmd"), read_markdown),
    DocumentFormat("ipynb", ("ipynb",), of_bytes=read_notebook),
    DocumentFormat("rst", ("rst", "rest"), read_rst),
    DocumentFormat("org", ("org",), read_org),
    DocumentFormat("adoc", ("adoc", "asciidoc"), read_adoc),
    DocumentFormat("wiki", ("wiki", "mediawiki", "wikitext"), read_wiki),
    DocumentFormat("tex", ("tex", "ltx", "latex"), read_tex),
    DocumentFormat("html", ("html", "htm", "xhtml"), read_html),
    DocumentFormat("jats", ("jats", "nxml"), read_jats),
    DocumentFormat("vtt", ("vtt",), read_vtt),
    DocumentFormat("srt", ("srt", "sbv"), read_srt),
    DocumentFormat("ass", ("ass", "ssa"), read_ass),
    DocumentFormat("ttml", ("ttml", "dfxp", "smi", "sami", "srv1", "srv3"), read_timed_markup),
    DocumentFormat("story", ("story",), read_story),
    DocumentFormat("eml", ("eml",), of_bytes=read_mail),
    DocumentFormat("mbox", ("mbox",), of_bytes=read_mbox),
    DocumentFormat("docx", ("docx", "docm", "dotx"), of_bytes=read_docx),
    DocumentFormat("pdf", ("pdf",), of_bytes=read_pdf),
)
_BY_NAME = {row.name: row for row in FORMATS}
_BY_SUFFIX = {suffix: row for row in FORMATS for suffix in row.suffixes}

_LOOKED_AT = 1 << 16
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<html\b|<head\b|<body\b)", re.I | re.DOTALL
)
_HTML_PART = re.compile(r"\s*<(?:div|p|article|main|section|h[1-6]|table|ul|ol|nav|header)\b[^<>]*>", re.IGNORECASE)
_HTML_END = re.compile(r"</(?:div|p|article|main|section|h[1-6]|table|ul|ol)\s*>", re.IGNORECASE)
_SRT = re.compile(
    r"\s*(?:\d+[ \t]*\r?\n)?\s*(?:\d{1,2}:\d{2}:\d{2}[,.]\d{1,3}[ \t]*(?:-->|,\d+:\d)|\d{1,2}:\d{2}[,.]\d{3}[ \t]*-->)"
)
_ASS = re.compile(r"\s*\[Script Info\]|\s*\[Events\]", re.IGNORECASE)
_TIMED = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:sami|(?:\w+:)?tt|transcript|timedtext)\b", re.I | re.DOTALL
)
_STORY = re.compile(r"^[ \t]*@highlight[ \t]*\r?$", re.MULTILINE)
_MBOX = re.compile(r"From \S+ [^\n]*\d{4}[^\n]*\r?\n[\w-]+:")
_HEADERS = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t]+[^\n]*\n)*){2,}\r?\n")
_MAIL_HEADER = re.compile(
    r"^(?:from|to|received|message-id|date|subject|mime-version|return-path):", re.I | re.MULTILINE
)
_TEX = re.compile(
    r"^[ \t]*\\(?:documentclass\b[^\n]*\{|begin\{document\}|(?:chapter|(?:sub)*section)\*?\{[^\n]*\}[ \t]*$)",
    re.MULTILINE,
)
_ORG = re.compile(
    r"^(?:#\+(?:title|author|options|startup|begin_\w+)[: \t\n]|:PROPERTIES:[ \t]*$)", re.I | re.MULTILINE
)
_RST = re.compile(r"^(?:\.\. [\w-]+::(?:[ \t]|$)|\.\. _[^:\n`]+:(?:[ \t]|$))", re.MULTILINE)
_MARKS_OF_MARKDOWN = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^#{1,6} \S.*\n[\s\S]*?\w",
        r"^(?:```|~~~)[\w+-]*[ \t]*\r?$",
        r"\[[^\[\]\n]+\]\((?:https?://|[#./\w-])[^()\s]*\)",
        r"\*\*\w[^*\n]*\*\*",  # three of them count twice
        r"^\|?[ \t]*:?-{3,}:?[ \t]*\|",
        r"\A(---|\+\+\+)\n(?:.*\n)*?\w+ ?[:=].*\n(?:.*\n)*?\1$",
        r"^!\[[^\]\n]*\]\(",
    )
)

# What only an input without a name is told by, with another mark.
_BOLD = _MARKS_OF_MARKDOWN[3]
_WEAK_MARKS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^\S[^\n]*\n={3,}[ \t]*$",
        r"~~\w[^~\n]*~~",
        r"<https?://[^<>\s]+>",
        r"^[ \t]*[-*] \[[ xX]\] \S",
        r"^[ \t]*[-*+][ \t]+\*\*[^*\n]+\*\*",
        r"^\[[^\[\]\n]+\]:[ \t]+\S+",
        r"\[\[[^\[\]\s][^\[\]\n]*\]\]",
    )
)
_NOTEBOOK = re.compile(r"\s*\{\s*\"(?:cells|metadata|nbformat)\"[\s\S]*?\"cell_type\"\s*:\s*\"(?:markdown|code|raw)\"")


def find_format(name: str) -> DocumentFormat | None:
    """Return the row of a name."""
    return _BY_NAME.get(name)


def format_of_name(path: PurePath) -> DocumentFormat | None:
    """Return the row that a file's suffix names, how it is packed aside."""
    suffix = without_packing(path.name.lower()).rpartition(".")[2]
    return _BY_SUFFIX.get(suffix) if "." in path.name else None


def told_format(head: bytes, *, has_name: bool) -> DocumentFormat | None:
    """Return what an input is by its first bytes; None where they say only that it is text, or a table.

    Args:
        head: its beginning.
        has_name: whether its name says that it is plain text; then it is Markdown only by two marks of it.
    """
    if head.startswith(b"%PDF-"):
        return _BY_NAME["pdf"]
    if head.startswith(b"PK\x03\x04"):
        is_other = b"xl/workbook" in head or b"ppt/presentation" in head
        return _BY_NAME["docx"] if b"word/" in head or (b"[Content_Types].xml" in head[:200] and not is_other) else None
    text = head[:_LOOKED_AT].decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    if _HTML_PART.match(text) and _markdown(text, 2):  # a README whose title is HTML
        return _BY_NAME["md"]
    return next((_BY_NAME[name] for name, is_so in _TOLD if is_so(text)), _markdown(text, 2 if has_name else 1))


def _is_html(text: str) -> bool:
    return _HTML.match(text) is not None or (_HTML_PART.match(text) is not None and _HTML_END.search(text) is not None)


def _is_mail(text: str) -> bool:
    headers = _HEADERS.match(text)
    return headers is not None and len({name.lower() for name in _MAIL_HEADER.findall(headers[0])}) > 1


def _markdown(text: str, fewest: int) -> DocumentFormat | None:
    """Tell Markdown by its marks; pipes and files without a name need one that is not an accident, or two."""
    met = [pattern.search(text) is not None for pattern in _MARKS_OF_MARKDOWN]
    met.append(len(_BOLD.findall(text)) > 2)
    if fewest == 1:
        met += [pattern.search(text) is not None for pattern in _WEAK_MARKS]
    is_plain = sum(met) >= max(2, fewest) or (fewest == 1 and (met[0] or met[1] or met[5]))
    return _BY_NAME["md"] if is_plain else None


_TOLD: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("vtt", lambda text: text.startswith("WEBVTT")),
    ("ipynb", lambda text: _NOTEBOOK.match(text) is not None),
    ("srt", lambda text: _SRT.match(text) is not None or FRAMES.match(text) is not None),
    ("ass", lambda text: _ASS.match(text) is not None),
    ("ttml", lambda text: _TIMED.match(text) is not None),
    ("jats", is_jats),
    ("html", _is_html),
    ("mbox", lambda text: _MBOX.match(text) is not None),
    ("eml", _is_mail),
    ("story", lambda text: _STORY.search(text) is not None),
    ("tex", lambda text: _TEX.search(text) is not None),
    ("org", lambda text: _ORG.search(text) is not None),
    ("rst", lambda text: _RST.search(text) is not None),
    ("adoc", is_adoc),
    ("wiki", is_wiki),
)
