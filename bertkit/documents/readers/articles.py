"""Articles as encyclopedias and journals keep them: the markup of MediaWiki, and JATS, the XML of journals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape

from bertkit.documents.readers.marked_up import Marked, MarkedRow, marked_rows
from bertkit.documents.readers.passage import Builder, Kind, Passage, ReadDocument, Span

# --- The markup of MediaWiki ----------------------------------------------------------------------
#
# Templates, tables, notes, pictures and categories are painted over, however deep they are nested,
# so that the text stays as long as it is; what is left is read line by line.

_PAINT = "\ue000"
_WIKI_UNSAID = re.compile(
    r"<!--[\s\S]{0,20000}?-->|<ref\b[^<>]*/>"
    r"|<(?P<tag>ref|gallery|syntaxhighlight|source|pre|timeline|score|imagemap|references|graph|hiero)\b[^<>]*>"
    r"[\s\S]{0,20000}?</(?P=tag)\s*>",
    re.IGNORECASE,
)
_NESTED = re.compile(r"\{\{|\}\}|^[ \t:]*(?P<table>\{\|)|\|\}(?!\})|\[\[|\]\]", re.MULTILINE)
_CLOSES = {"}}": "{{", "|}": "{|", "]]": "[["}
_NAMESPACE = re.compile(
    r"\[\[\s*(?:file|image|media|category|datei|bild|kategorie|fichier|catégorie|archivo|imagen|categoría|파일|그림|미디어|분류"
    r"|[a-z]{2,3}(?:-[a-z]{2,8})?)\s*:",
    re.IGNORECASE,
)
# Templates that hold words of the sentence round them.
_SAID_TEMPLATE = re.compile(
    r"\{\{\s*(?:(?:lang|llang)\s*\|[^|{}]*\||(?:nowrap|nobr|small|big|strong|em|math|mvar|color\|[^|{}]*)\s*\|)(?P<said>[^{}|]+)"
    r"|\{\{\s*(?:convert|cvt)\s*\|(?P<number>[\d.,]+)(?P<bar>\|)(?P<unit>[^{}|]+)",
    re.IGNORECASE,
)
_WIKI_MARKS = re.compile(
    rf"{_PAINT}+|\[\[:?(?:[^\[\]|\n]*\|)?(?P<link>[^\[\]\n]*)\]\]"
    r"|\[(?:(?:https?|ftp):)?//[^\s\[\]]*(?:[ \t]+(?P<address>[^\[\]\n]+))?\]"
    r"|'{2,5}|(?P<said><math\b[^<>]*>[^<>]{0,2000}</math>|&#?\w{1,10};)|</?[A-Za-z][^<>\n]*>|__[A-Z]+__"
)
_WIKI_HEADING = re.compile(r"(?P<marks>={1,6})\s*(?P<title>[^=\s](?:.*[^=\s])?)\s*(?P=marks)$")
_WIKI_ITEM = re.compile(r"[*#:;]+\s*")
_WIKI_HIDDEN = re.compile(r"-{4,}|#(?:redirect|넘겨주기)\b|[|!]", re.IGNORECASE)
_OF_WIKI = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^={2,6}[^=\n]+={2,6}[ \t\r]*$",
        r"\[\[[^\[\]\n]+\]\]",
        r"'''[^'\n]+'''",
        r"\{\{[^{}\n]+(?:\||\}\})",
        r"^\{\|",
        r"<ref\b[^<>\n]*>",
    )
)
_ENOUGH_OF_WIKI = 3


def is_wiki(text: str) -> bool:
    """Tell the markup of MediaWiki by three of its marks."""
    return sum(pattern.search(text) is not None for pattern in _OF_WIKI) >= _ENOUGH_OF_WIKI


def read_wiki(text: str) -> list[ReadDocument]:
    """Read a page in the markup of MediaWiki; places are those in `text`."""
    body = _painted(text)
    marked = Marked(body, _WIKI_MARKS, lambda piece: "(…)" if piece.startswith("<math") else unescape(piece))
    for row in marked_rows(body):
        _wiki_row(row, marked)
    marked.flush()
    return [ReadDocument(text, tuple(marked.passages))]


def _wiki_row(row: MarkedRow, marked: Marked) -> None:
    heading, item = _WIKI_HEADING.match(row.text), _WIKI_ITEM.match(row.text)
    if heading:
        marked.heading(row.start + heading.start("title"), row.start + heading.end("title"), len(heading["marks"]))
    elif not row.text.strip(_PAINT) or row.indent or _WIKI_HIDDEN.match(row.text):  # what is indented is not wrapped
        marked.flush()
    elif item:
        marked.flush(Kind.PROSE if set(item[0].strip()) == {":"} else Kind.ITEM)
        marked.line(row.start + item.end(), row.end)
        marked.flush()
    else:
        marked.line(row.start, row.end)


def _painted(text: str) -> str:
    """Paint over what is no text; the rest stays where it is."""
    body = _WIKI_UNSAID.sub(lambda match: _PAINT * len(match[0]), text)
    parts, place = [], 0
    for start, end in _nested(body):
        parts += [body[place:start], _paint(body, start, end)]
        place = end
    return "".join([*parts, body[place:]])


def _paint(body: str, start: int, end: int) -> str:
    """Paint over a template or the like, but for words of the sentence round it."""
    said = _SAID_TEMPLATE.match(body, start, end)
    if said is None:
        return _PAINT * (end - start)
    kept = [said.span(name) for name in ("said", "number", "bar", "unit") if said[name] is not None]
    painted = list(_PAINT * (end - start))
    for begin, behind in kept:
        painted[begin - start : behind - start] = body[begin:behind].replace("|", " ")
    return "".join(painted)


def _nested(body: str) -> list[Span]:
    """Return where templates, tables, pictures and categories stand that are in no other one, in order."""
    opened: list[tuple[str, int]] = []
    found: list[Span] = []
    for mark in _NESTED.finditer(body):
        sign = mark["table"] or mark[0]
        if sign not in _CLOSES:
            opened.append((sign, mark.start("table") if mark["table"] else mark.start()))
        elif opened and opened[-1][0] == _CLOSES[sign]:
            _, start = opened.pop()
            if sign == "]]" and not _NAMESPACE.match(body, start):
                continue
            while found and found[-1][0] >= start:  # it was within this one
                found.pop()
            found.append((start, mark.end()))
    return found


# --- JATS, the XML of journals (PubMed Central) ---------------------------------------------------
#
# What is read stands in paragraphs: of the abstract and of the body, under the titles of their
# sections. Authors, tables, figures, notes, thanks and sources are not read, nor are the numbers
# that lead to sources.

_XML = re.compile(
    rf"{_PAINT}+|<!--[\s\S]*?-->|<!\[CDATA\[(?P<raw>[\s\S]*?)\]\]>|<[!?][^>]*>"
    r"|<(?P<close>/?)(?:[\w.-]+:)?(?P<tag>[\w.-]+)(?P<about>(?:\s[^<>]*?)?)(?P<empty>/?)>|(?P<entity>&#?\w{1,10};)"
)
_ARTICLE = re.compile(r"<article[\s>][\s\S]*?</article\s*>")
_JATS = re.compile(
    r"\s*(?:<\?[^>]*>\s*)*(?:<!--.*?-->\s*)*(?:<!DOCTYPE\s+(?:article|pmc-?articleset)\b|<pmc-?articleset\b"
    r"|<article\b[^>]*\b(?:article-type|dtd-version)\s*=)",
    re.DOTALL | re.IGNORECASE,
)
_XREF = r"<xref\b[^<>]*\bref-type=\"(?:bibr|fn|table-fn|aff|corresp)\"[^<>]*>"
# [1, 2], (Weber et al., 2010; Bo, 2011): nothing but what leads to sources; and bare numbers that do.
_CITED = re.compile(
    rf"\s?(?:<sup>\s*)?[\[(]\s*(?:{_XREF}(?:[^<>]|</?(?:italic|sup)>){{0,200}}</xref>[\s,;–—-]{{0,4}}(?:and\s)?){{1,40}}[\])]"
    rf"(?:\s*</sup>)?"
    rf"|\s?(?:<sup>\s*)?(?:{_XREF}(?:\s*<sup>)?[\d\s,*†‡§a-e–—\[\]-]{{0,12}}(?:</sup>\s*)?</xref>(?:[\s,–-]{{1,3}}(?=<xref))?)+"
    r"(?:\s*</sup>)?"
)
_OF_JOURNAL = frozenset(
    "journal-meta contrib-group author-notes permissions kwd-group funding-group history custom-meta-group custom-meta "
    "related-article article-categories ref-list fn-group fn table-wrap table-wrap-group fig fig-group graphic "
    "supplementary-material media bio caption floats-group sub-article response front-stub trans-abstract "
    "trans-title-group back ack notes sig-block speech-meta table code preformat tex-math".split()
)
_FORMULAS = ("inline-formula", "disp-formula", "math", "chem-struct")
_TEXTS = ("p", "title", "article-title", "verse-line")
_OF_PASSAGE = frozenset(
    "p title article-title sec abstract body list list-item def def-item term disp-quote boxed-text statement "
    "verse-group verse-line label subtitle speech speaker article front".split()
)
_SKIPPED_ABSTRACT = re.compile(r"abstract-type\s*=\s*\"(?:graphical|toc|teaser|web-summary|video)")


def is_jats(text: str) -> bool:
    """Tell an article of a journal by its first element."""
    return _JATS.match(text) is not None


def read_jats(text: str) -> list[ReadDocument]:
    """Read the articles of a journal's XML; places are those in `text`."""
    body = _CITED.sub(lambda match: _PAINT * len(match[0]), text)
    spans = [match.span() for match in _ARTICLE.finditer(text)] or [(0, len(text))]
    of_file = len(spans) > 1  # which then holds several
    return [ReadDocument(text, tuple(_Article(body).passages(*span)), span if of_file else None) for span in spans]


class _Article:
    """Cuts an article into passages, element by element."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[tuple[str, bool]] = []
        """The elements that are open, and whether each hides what is in it."""
        self._hidden = self._texts = 0  # of them that hide, and that have text
        self._builder = Builder()

    def passages(self, start: int, end: int) -> Iterator[Passage]:
        """Yield the passages of text[start:end]."""
        place = start
        for mark in _XML.finditer(self._text, start, end):
            self._add(place, mark.start())
            place = mark.end()
            if mark["raw"] is not None:
                self._add(*mark.span("raw"))
            elif mark["entity"] and self._is_read:
                self._builder.add_read(unescape(mark[0]), *mark.span())
            elif mark["tag"]:
                yield from self._take(mark, mark["tag"])
        yield from self._flush()

    def _add(self, start: int, behind: int) -> None:
        if start < behind and self._is_read:
            self._builder.add(self._text[start:behind], start)

    @property
    def _is_read(self) -> bool:
        """Whether text counts here: in a paragraph or a title that nothing hides."""
        return self._texts > 0 and not self._hidden

    def _take(self, mark: re.Match[str], tag: str) -> Iterator[Passage]:
        """Go over a tag; a passage ends where a part of the text begins or ends."""
        if tag in _OF_PASSAGE and not self._hidden:
            yield from self._flush()
        if mark["close"]:
            self._close(tag)
        elif tag == "break":
            self._builder.space(*mark.span())
        elif not mark["empty"]:
            if tag in _FORMULAS and self._is_read:
                self._builder.add_read("(…)", *mark.span())
            hides = tag in _OF_JOURNAL or tag in _FORMULAS or _SKIPPED_ABSTRACT.search(mark["about"]) is not None
            self._open.append((tag, hides))
            self._hidden, self._texts = self._hidden + hides, self._texts + (tag in _TEXTS)

    def _close(self, tag: str) -> None:
        """Close an element, and what was left open in it."""
        at = next((at for at in range(len(self._open) - 1, -1, -1) if self._open[at][0] == tag), len(self._open))
        for closed, hides in self._open[at:]:
            self._hidden, self._texts = self._hidden - hides, self._texts - (closed in _TEXTS)
        del self._open[at:]

    def _flush(self) -> Iterator[Passage]:
        made = self._builder.passage()
        if made is None:
            return
        tags = [tag for tag, _ in self._open]
        if tags[-1:] in (["title"], ["article-title"]):
            is_heading = tags[-2:-1] in (["sec"], ["abstract"], ["boxed-text"], ["title-group"])
            level = 1 + tags.count("sec") + tags.count("abstract")
            yield replace(made, kind=Kind.HEADING, level=level) if is_heading else replace(made, kind=Kind.LABEL)
        else:
            yield replace(made, kind=Kind.ITEM if "list-item" in tags or "def" in tags else Kind.PROSE)
