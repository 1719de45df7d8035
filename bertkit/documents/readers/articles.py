"""Articles of encyclopedias and journals: the markup of MediaWiki, JATS, and columns that were printed side by side."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import unescape
from itertools import groupby, pairwise

from bertkit.documents.readers.marked_up import Marked, MarkedRow, marked_rows
from bertkit.documents.readers.passage import Builder, Kind, Passage, ReadDocument, Span
from bertkit.documents.readers.plain import ENDED

# --- The markup of MediaWiki ----------------------------------------------------------------------
#
# Templates, tables, notes, pictures and categories are painted over, however deep they are nested,
# so that the text stays as long as it is; what is left is read line by line.

_PAINT = "\ue000"
# What opens an element that is no text; a comment ends as no element does.
_WIKI_UNSAID = re.compile(
    r"<!--|<(?P<tag>ref|gallery|syntaxhighlight|source|pre|timeline|score|imagemap|references|graph|hiero)\b[^<>]*>",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"<!--(?P<tag>)")
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
_CODE = re.compile(r"`[^`\n]+`")


def is_wiki(text: str) -> bool:
    """Tell the markup of MediaWiki by three of its marks, which stand in no code of Markdown's."""
    text = _CODE.sub("", text)
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
    body = _without(text, _WIKI_UNSAID)
    parts, place = [], 0
    for start, end in _nested(body):
        parts += [body[place:start], _paint(body, start, end)]
        place = end
    return "".join([*parts, body[place:]])


def _without(text: str, opening: re.Pattern[str]) -> str:
    """Paint over elements and comments; one that nothing closes is looked for once."""
    parts, place, unclosed = list[str](), 0, set[str]()
    for match in opening.finditer(text):
        tag = (match["tag"] or "").lower()
        if match.start() < place or tag in unclosed:
            continue
        closing = None if match[0].endswith("/>") else re.compile(rf"</{tag}\s*>" if tag else "-->", re.IGNORECASE)
        closed = match if closing is None else closing.search(text, match.end())
        if closed is None:
            unclosed.add(tag)
        else:
            parts += [text[place : match.start()], _PAINT * (closed.end() - match.start())]
            place = closed.end()
    return "".join([*parts, text[place:]])


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
    rf"{_PAINT}+|<!\[CDATA\[(?P<raw>[\s\S]{{0,2000}}?)\]\]>|<[!?][^>]*>"
    r"|<(?P<close>/?)(?:[\w.-]+:)?(?P<tag>[\w.-]+)(?P<about>(?:\s[^<>]*?)?)(?P<empty>/?)>|(?P<entity>&#?\w{1,10};)"
)
_ARTICLE = re.compile(r"<(?P<close>/?)article(?:\s[^<>]*)?>")
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
    body = _CITED.sub(lambda match: _PAINT * len(match[0]), _without(text, _COMMENT))
    spans = list(_articles(body)) or [(0, len(text))]
    of_file = len(spans) > 1  # which then holds several
    return [ReadDocument(text, tuple(_Article(body).passages(*span)), span if of_file else None) for span in spans]


def _articles(text: str) -> Iterator[Span]:
    start = None
    for mark in _ARTICLE.finditer(text):
        if not mark["close"]:
            start = mark.start() if start is None else start
        elif start is not None:
            yield start, mark.end()
            start = None


class _Article:
    """Cuts an article into passages, element by element."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[tuple[str, bool]] = []
        """The elements that are open, and whether each hides what is in it."""
        self._count = Counter[str]()
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
            self._count[tag] += 1
            self._hidden, self._texts = self._hidden + hides, self._texts + (tag in _TEXTS)

    def _close(self, tag: str) -> None:
        """Close an element, and what was left open in it."""
        if not self._count[tag]:  # so that a tag that closes nothing costs nothing
            return
        at = next((at for at in range(len(self._open) - 1, -1, -1) if self._open[at][0] == tag), len(self._open))
        for closed, hides in self._open[at:]:
            self._count[closed] -= 1
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


# --- Columns of prose side by side, as pdftotext -layout prints them, put one below the other -----
#
# The right column begins at one place of most lines, with blanks before it, and each side is prose
# that goes on from line to line; what a table has side by side does not. A line across both
# columns, a title or a caption, parts what stands above it from what stands below.

_BETWEEN = re.compile(r"(?<=\S) {2,}(?=\S)")
_WIDE = re.compile(r"[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")
_FILL = "\0"  # behind a character that is two columns wide
_FEWEST_ROWS, _FEW_ROWS = 8, 2  # with both columns: of a text that has them, and of a page of such a text
_SHORTEST_SIDE, _SIDE_WORDS = 15, 2.5  # characters and words of a line of a column, in the mean
_GOES_ON, _SENTENCES = 0.4, 0.08  # shares of lines that go on in the next one, and with the end of a sentence
_INDENT, _SLACK = 6, 3  # columns by which a line of the right one may begin later; and within which most begin


def columns_apart(text: str) -> str:
    """Return a text in two columns with the right one below the left one, page by page; any other text as it is."""
    if len(_BETWEEN.findall(text)) < _FEWEST_ROWS:
        return text
    for spread in (lambda line: line, lambda line: _WIDE.sub(rf"\g<0>{_FILL}", line)):
        pages = [[spread(line.rstrip()) for line in page.split("\n")] for page in text.split("\f")]
        gutters = [_gutter(page) for page in pages]
        usual = next((gutter for gutter in gutters if gutter is not None), None)
        if usual is not None:
            read = [_one_column(page, gutter or usual) for page, gutter in zip(pages, gutters, strict=True)]
            return "\f".join(read).replace(_FILL, "")
    return text


def _gutter(lines: Sequence[str]) -> int | None:
    """Return where the right column of a page begins; None where it has one column, or a table."""
    begins = Counter(gap.end() for line in lines for gap in _BETWEEN.finditer(line))
    best = max(begins, key=lambda place: sum(begins[place + by] for by in range(_SLACK)), default=0)
    parted = [sides for line in lines if (sides := _sides(line, best)) is not None and all(sides)]
    if len(parted) < max(_FEWEST_ROWS, sum(len(line) > best for line in lines) / 2):
        return None
    return best if all(_is_prose([sides[side] for sides in parted]) for side in (0, 1)) else None


def _sides(line: str, gutter: int) -> tuple[str, str] | None:
    """Cut a line where the right column begins; None where it goes across both."""
    if len(line) < gutter - 1:
        return line, ""
    for gap in _BETWEEN.finditer(line):
        if gutter - 1 <= gap.end() <= gutter + _INDENT:
            return line[: gap.start()], line[gap.end() :]
    return ("", line.lstrip()) if not line[: gutter - 1].strip() else None


def _is_prose(lines: Sequence[str]) -> bool:
    """Tell whether lines of a column are sentences that go on from one to the next."""
    count = len(lines)
    is_long = sum(map(len, lines)) >= _SHORTEST_SIDE * count and sum(len(line.split()) for line in lines) >= (
        _SIDE_WORDS * count
    )
    ends = sum(re.search(r"[.!?。][\"'”’)]?(?:\s|$)|[다요까]\.", line) is not None for line in lines)
    goes_on = sum(_goes_on(*pair) for pair in pairwise(lines))
    has_gaps = sum(_BETWEEN.search(line) is not None for line in lines) > _GOES_ON * count
    return is_long and not has_gaps and ends >= _SENTENCES * count and goes_on >= _GOES_ON * (count - 1)


def _goes_on(line: str, following: str) -> bool:
    first = following.lstrip()[:1]
    return ENDED.search(line.rstrip(_FILL)) is None and (first.islower() or "가" <= first <= "힣")


def _one_column(lines: Sequence[str], gutter: int) -> str:
    """Put the columns of a page one below the other, between lines that go across both."""
    sides = [_sides(line, gutter) for line in lines]
    if sum(pair is not None and all(pair) for pair in sides) < _FEW_ROWS:
        return "\n".join(lines)
    found: list[str] = []
    for across, part in groupby(zip(lines, sides, strict=True), lambda pair: pair[1] is None):
        rows = list(part)
        if across:
            found += [line for line, _ in rows]
            continue
        left, right = (_filled([pair[side] for _, pair in rows if pair is not None]) for side in (0, 1))
        is_parted = left and right and not _goes_on(left[-1], right[0])
        above, below = ([""] if not rows[place][0].strip() else [] for place in (0, -1))
        found += [*above, *left, *([""] if is_parted else []), *right, *below]
    return "\n".join(found)


def _filled(lines: Sequence[str]) -> list[str]:
    """Leave out blank lines but where a gap is larger than usual, for lines of two columns may not stand level."""
    filled = [place for place, line in enumerate(lines) if line.strip()]
    steps = [after - before for before, after in pairwise(filled)]
    usual = Counter(steps).most_common(1)[0][0] if steps else 1
    return [
        line
        for place, step in zip(filled, [*steps, 0], strict=False)
        for line in ([lines[place], ""] if step > usual else [lines[place]])
    ]
