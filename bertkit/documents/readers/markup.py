"""Documents with markup: HTML by Python's own parser, Markdown by markdown-it-py, which rich brings along."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from bertkit.documents.readers.passage import (
    Builder,
    Kind,
    Passage,
    ReadDocument,
    begins_turn,
    find_forwarded,
    is_candidate,
    is_particular,
)
from bertkit.errors import DataError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# --- Pages of HTML, by Python's own html.parser, which knows where each piece stands --------------
#
# Menus, headers and footers of a site, forms, scripts, code, tables and notices are not read;
# headings name sections. Where a page says which part of it is the main one, and there is
# text in it, only that is read. Extractors such as trafilatura and readers such as lxml
# keep no places of characters, and bertkit promises them.

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details dir div dl dt fieldset figcaption figure footer "
    "form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu nav ol option p pre search section summary "
    "table tbody td tfoot th thead title tr ul".split()
)
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())
# Whose inside nobody reads as text.
_HIDDEN = frozenset(
    "script style template noscript nav footer aside form button select textarea pre svg math iframe object video "
    "audio canvas dialog menu figure datalist head".split()
)
# A closing tag that people leave out: the tags that end the element.
_ENDED_BY = {
    "li": {"li"},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd"},
    "tr": {"tr"},
    "td": {"td", "th", "tr"},
    "th": {"td", "th", "tr"},
    "option": {"option"},
    "p": _BLOCKS - {"caption", "option", "legend", "summary"},
}
_CELLS = ("td", "th")
_ROLES = frozenset(
    "navigation banner contentinfo search dialog alertdialog alert complementary menu menubar toolbar tablist".split()
)
# Words of a class or an id that name what belongs to the site: at its beginning or end, and anywhere.
_FURNITURE = frozenset(
    "nav navbar navigation menu menubar footer sidebar banner share social related recommended comment comments "
    "subscribe subscription promo advert ad ads popup modal overlay pagination pager toc skip tags sponsor "
    "sponsored toolbar masthead paywall signup login disclaimer copyright byline dateline timestamp date posted "
    "meta metadata caption credit reference references reflist editsection noprint hidden topbar gnb lnb snb "
    "reporter btn button signature headerlink permalink thumb thumbcaption hatnote infobox navbox catlinks "
    "printfooter respond secondary cmp hide toast tooltip".split()
)
_FURNITURE_ANYWHERE = frozenset(
    "cookie cookies consent gdpr cookiebar cookiebanner onetrust breadcrumb breadcrumbs newsletter sharing "
    "sharedaddy disqus advertisement paywall hatnote".split()
)
_FURNITURE_WHOLE = frozenset(
    "widget-area site-info sd-title wp-caption-text sr-only visually-hidden d-none screen-reader-text img_desc "
    "end_photo_org media_end_summary divrplyfwdmsg".split()
)
_NOT_FURNITURE = frozenset("has with no without is not content wrapper container layout page body main article".split())
# Words of the class of what holds the text and nothing else.
_TEXT = re.compile(
    r"(?:entry|post|article|story|news)[\s_-]*(?:content|body|text|view)|mw-content-text|markdown-body|articlebody"
    r"|article-?body-?contents?|newsct_article|dic_area",
    re.IGNORECASE,
)
_SPACE_OR_DASH = re.compile(r"[\s_-]+|(?<=[a-z])(?=[A-Z])")
_CITED = re.compile(r"^cite\b|\bgmail_quote\b")  # the mail that is answered
_QUOTED = re.compile(r"\b(?:yahoo_quoted|protonmail_quote|moz-cite-prefix)")
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_HTML_BULLET = re.compile(r"[○●◎□■◆◇•·‣▪※ㅇ]\s+(?=\S)")
_HTML_STOP = re.compile(r"[.!?…。！？:;,][\"'”’»)\]]*$")
_FINAL = re.compile(r"[다요죠까음함임됨](?:[~^ㅋㅎㅠㅜㅡ♥♡;!.]|[^\w\s])*$")
_REFERENCE = re.compile(r"\[?(?:\d{1,3}|[a-z*†‡]|citation needed|edit|)\]?$")
_MEASURE = re.compile(r"(?:\d|(?:^|[^A-Za-z])[A-Za-z]{1,2})$")
"""What the exponent of a number or a unit stands behind; a raised number elsewhere is a note's."""
_HTML_LINKS, _ALL_LINKED = 0.6, 0.95
"""Shares of a paragraph's letters from which it leads elsewhere: of what ends as no sentence does, and of all else."""
_FEWEST_HTML_WORDS = {Kind.PROSE: 6, Kind.ITEM: 3}
"""Of what has no end mark and is not a heading: fewer are buttons, dates, names, shares."""
_PROSE_IN_CELL = 80  # characters from which a cell that ends as a sentence does is text that was laid out with a table
_MAIN = 140  # characters from which the part that is called the main one is the document
_SHARE_OF_MAIN = 1 / 3  # of its letters, from which a part of it that is called the text is all there is to read

_CHARSET = re.compile(rb"<meta\b[^>]{0,200}charset\s*=\s*[\"']?([\w-]{3,20})", re.IGNORECASE)


def declared_encoding(head: bytes) -> str | None:
    """Return the encoding that a page says it is in, where it is not UTF-8 and Python knows it."""
    found = _CHARSET.search(head)
    try:
        codec = codecs.lookup(found[1].decode("ascii")) if found else None
    except LookupError:
        return None
    return None if codec is None or codec.name in ("utf-8", "utf-16", "utf-16-le", "utf-16-be") else codec.name


def read_html(text: str) -> list[ReadDocument]:
    """Read a page; places are those in `text`."""
    return [ReadDocument(text, tuple(html_passages(text)))]


def html_passages(text: str, offset: int = 0, *, is_fragment: bool = False) -> list[Passage]:
    """Return the passages of a page, or of a fragment of one that stands at `offset` of the document."""
    found = _found(text, offset, asks_names=True)
    if is_fragment:
        return [each.passage for each in found]
    if not any(is_candidate(each.passage) for each in found):  # its names mislead
        found = _found(text, offset, asks_names=False)
    return [each.passage for each in _main_part(found)]


@dataclass(frozen=True, slots=True)
class _Found:
    """A passage; `rank` is 1 in the main part of the page, 2 in its text, `cell` the number of its table's cell.

    `row` is the number of that cell's row, `free` what the passage is where the table is not one.
    """

    passage: Passage
    rank: int
    cell: int
    row: int = 0
    free: Kind | None = None


def _found(text: str, offset: int, *, asks_names: bool) -> list[_Found]:
    page = _Page(text, offset, asks_names=asks_names)
    page.feed(text)
    page.close()
    page.flush()
    return _with_laid_out(page.found, page.cells_of)


def _with_laid_out(found: Sequence[_Found], cells_of: Mapping[int, int]) -> list[_Found]:
    """Read what ends as sentences do in cells that hold prose: a table laid it out, as it does rows of one cell."""
    found = [
        replace(each, passage=replace(each.passage, kind=each.free))
        if each.free is not None and cells_of.get(each.row) == 1
        else each
        for each in found
    ]
    cells = {each.cell for each in found if each.cell and each.passage.kind is Kind.PROSE}
    return [
        replace(each, passage=replace(each.passage, kind=Kind.PROSE))
        if each.cell in cells and each.passage.kind is Kind.CELL and _HTML_STOP.search(each.passage.text)
        else each
        for each in found
    ]


def _main_part(found: Sequence[_Found]) -> Sequence[_Found]:
    """Return what stands in the part that a page calls its text or its main part, if there is enough of it."""
    letters = [_letters(each for each in found if each.rank >= rank) for rank in range(3)]
    rank = 1 if letters[1] >= _MAIN else 0
    if letters[2] >= max(_MAIN, _SHARE_OF_MAIN * letters[rank]):
        rank = 2
    return [each for each in found if each.rank >= rank or each.passage.level == 1]


def _letters(found: Iterable[_Found]) -> int:
    return sum(len(each.passage.text) for each in found if is_candidate(each.passage))


class _Open:
    """An element that is open: what it is, whether its inside is hidden, the rank of its part, its cell and row."""

    __slots__ = ("cell", "is_hidden", "rank", "row", "tag")

    def __init__(self, tag: str, rank: int, cell: int, row: int, *, is_hidden: bool) -> None:
        self.tag, self.rank, self.cell, self.row, self.is_hidden = tag, rank, cell, row, is_hidden


class _Page(HTMLParser):
    """Cuts a page into passages while it is parsed; `asks_names` where classes tell what belongs to the site."""

    def __init__(self, text: str, offset: int, *, asks_names: bool) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[_Found] = []
        self._asks_names, self._cells = asks_names, 0
        self.cells_of: dict[int, int] = {}
        """How many cells a row has, by its number."""
        self._hides_cited = find_forwarded(text, 0, len(text)) is None
        self._offset = offset
        self._starts = [0]
        while (place := text.find("\n", self._starts[-1])) >= 0:
            self._starts.append(place + 1)
        self._text = text
        self._open: list[_Open] = []
        self._count: dict[str, int] = {}
        self._hidden = 0
        self._builder = Builder()
        self._linked = self._letters = 0
        self._broken = False

    def _place(self) -> int:
        line, column = self.getpos()
        return self._offset + self._starts[line - 1] + column

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Open an element, and end those that it ends."""
        if tag == "br":
            self._break()
            return
        if tag in _BLOCKS:
            self.flush()
            self._end_implied(tag)
        if tag in _VOID:
            return
        attributes = dict(attrs)
        hidden = self._is_hidden(tag, attributes)
        above = self._open[-1] if self._open else None
        self._cells += tag in _CELLS
        row = len(self.cells_of) + 1 if tag == "tr" else above.row if above else 0
        if tag == "tr" or tag in _CELLS:
            self.cells_of[row] = self.cells_of.get(row, 0) + (tag in _CELLS)
        cell = self._cells if tag in _CELLS else above.cell if above else 0
        rank = max(_rank(tag, attributes), above.rank if above else 0)
        self._open.append(_Open(tag, rank, cell, row, is_hidden=hidden))
        self._count[tag] = self._count.get(tag, 0) + 1
        self._hidden += hidden

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Take an element that closes itself; only foreign ones do, in others the stroke means nothing."""
        if tag == "br" or tag in _VOID or tag in _BLOCKS:
            self.handle_starttag(tag, attrs)
            if tag not in _VOID:
                self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and what was left open in it."""
        if tag == "br":
            self._break()
            return
        if tag in _BLOCKS:
            self.flush()
        if not self._count.get(tag):
            return
        while True:
            closed = self._pop()
            if closed == tag:
                return

    def _pop(self) -> str:
        closed = self._open.pop()
        self._count[closed.tag] -= 1
        self._hidden -= closed.is_hidden
        return closed.tag

    def _end_implied(self, tag: str) -> None:
        """Close the elements whose closing tag may be left out before this one."""
        while self._open and tag in _ENDED_BY.get(self._open[-1].tag, ()):
            self._pop()

    def _is_hidden(self, tag: str, attributes: dict[str, str | None]) -> bool:
        if tag in ("html", "body", "main", "article"):
            return False
        if tag in _HIDDEN or (tag == "header" and not (self._count.get("article") or self._count.get("main"))):
            return True
        if "hidden" in attributes or attributes.get("aria-hidden") == "true":
            return True
        if (attributes.get("role") or "").lower() in _ROLES or _INVISIBLE.search(attributes.get("style") or ""):
            return True
        if _QUOTED.search(_names(attributes)) and self._hides_cited:
            return True
        if (
            tag == "blockquote"
            and self._hides_cited
            and _CITED.search(f"{attributes.get('type')} {_names(attributes)}")
        ):
            return True
        return self._asks_names and any(map(_is_furniture, _names(attributes).split()))

    def _break(self) -> None:
        """Note a line break: two in a row end a paragraph, and so does one behind an end mark."""
        if self._broken or _HTML_STOP.search(self._builder.tail):
            self.flush()
        else:
            place = self._place()
            self._builder.space(place, place + 1)
            self._broken = True

    def handle_data(self, data: str) -> None:
        """Take text."""
        if self._hidden and not self._in_heading():
            return
        if self._broken and not data.isspace():
            if not data.lstrip()[:1].islower():
                self.flush()
            self._broken = False
        if self._count.get("sup") and self._is_reference(data.strip()):
            return
        self._builder.add(data, self._place())
        self._see(data)

    def _is_reference(self, raised: str) -> bool:
        """Tell whether raised characters lead to a note; exponents do not."""
        is_exponent = raised.isalnum() and not self._count.get("a") and _MEASURE.search(self._builder.tail)
        return not is_exponent and _REFERENCE.match(raised) is not None

    def handle_entityref(self, name: str) -> None:
        """Take an entity with a name."""
        self._reference(f"&{name}")

    def handle_charref(self, name: str) -> None:
        """Take a character by its number."""
        self._reference(f"&#{name}")

    def _reference(self, bare: str) -> None:
        if self._hidden and not self._in_heading():
            return
        place = self._place()
        raw = bare + ";" * self._text.startswith(";", place - self._offset + len(bare))
        self._builder.add_read(unescape(raw), place, place + len(raw))
        self._see(".")

    def _see(self, data: str) -> None:
        letters = len(data) - data.count(" ")
        self._letters += letters
        self._linked += letters * (self._count.get("a", 0) > 0)

    def _in_heading(self) -> int:
        """Return the level of the heading that text stands in, 0 where it is none; a site's header holds the title."""
        if self._hidden > self._count.get("header", 0):
            return 0
        return next((level for tag, level in _HEADINGS.items() if self._count.get(tag)), 0)

    def flush(self) -> None:
        """End a passage."""
        self._broken = False
        passage = self._builder.passage()
        linked, self._linked, letters, self._letters = self._linked, 0, self._letters, 0
        if passage is None:
            return
        bullet = _HTML_BULLET.match(passage.text)
        passage = passage.part(bullet.end()) if bullet else passage
        level = self._in_heading()
        free = None
        if level:
            passage = replace(passage, kind=Kind.HEADING, level=level)
        elif self._hidden:
            return
        else:
            kind = self._kind(passage.text, linked / max(1, letters))
            if kind is not Kind.MENU and any(map(self._count.get, _CELLS)):
                ends = _HTML_STOP.search(passage.text) is not None or _FINAL.search(passage.text) is not None
                kind, free = Kind.PROSE if ends and len(passage.text) >= _PROSE_IN_CELL else Kind.CELL, kind
            passage = replace(passage, kind=kind)
        above = self._open[-1] if self._open else None
        place = (above.rank, above.cell, above.row) if above else (0, 0, 0)
        self.found.append(_Found(passage, *place, free))

    def _kind(self, text: str, linked: float) -> Kind:
        ends = _HTML_STOP.search(text) is not None or _FINAL.search(text) is not None
        if linked > _ALL_LINKED:
            return Kind.MENU
        if self._count.get("dt") or self._count.get("caption") or self._count.get("summary"):
            return Kind.LABEL
        kind = Kind.ITEM if self._count.get("li") or self._count.get("dd") else Kind.PROSE
        if ends:
            return kind
        if linked > _HTML_LINKS:
            return Kind.MENU
        return kind if len(text.split()) >= _FEWEST_HTML_WORDS[kind] else Kind.LABEL


def _names(attributes: Mapping[str, str | None]) -> str:
    return f"{attributes.get('class') or ''} {attributes.get('id') or ''}"


def _rank(tag: str, attributes: Mapping[str, str | None]) -> int:
    """Return 2 for an element that is called the text, 1 for one that is called the main part, else 0."""
    if attributes.get("itemprop") == "articleBody" or (
        tag not in ("html", "body") and _TEXT.search(_names(attributes))
    ):
        return 2
    return int(tag in ("main", "article") or attributes.get("role") == "main")


@lru_cache(maxsize=4096)
def _is_furniture(name: str) -> bool:
    """Tell by the words of a class or id whether it stands round what belongs to the site and not to the text."""
    words = [word.lower() for word in _SPACE_OR_DASH.split(name) if word]
    if not words or name.lower() in _FURNITURE_WHOLE or _FURNITURE_ANYWHERE.intersection(words):
        return bool(words)
    if _NOT_FURNITURE.intersection(words):
        return False
    return words[0] in _FURNITURE or words[-1] in _FURNITURE


# --- The inside of a Markdown paragraph: what is read of it, and where that stands ----------------
#
# The parser's tokens come in the order of the text, so that each is looked for behind the one
# before it; what lies between is markup.

# What is not read within a text: a footnote's mark, and what was painted over.
_PAINT = "\ue000"
_PASSED_OVER = re.compile(rf"\[\^[^\]\s]+\]|{_PAINT}+")
_LINE_BREAK = re.compile(r"<br\b", re.IGNORECASE)


class Inline:
    """Reads the tokens of one paragraph.

    Args:
        content: the paragraph as the parser hands it on.
        at: tells where in the document a character of it stands.
    """

    def __init__(self, content: str, at: Callable[[int], int]) -> None:
        self.builder = Builder()
        self.linked = 0
        """Characters that are the text of links."""
        self.strong = 0
        """Characters that are printed bold."""
        self.letters = 0
        self._content, self._at, self._cursor = content, at, 0
        self._in_link = self._in_strong = 0

    def read(self, tokens: Sequence[Token]) -> None:
        """Read tokens in their order."""
        for token in tokens:
            kind = token.type
            if kind == "text":
                self._text(token.content)
            elif kind == "text_special":
                place = self._behind(token.markup)
                self.builder.add_read(token.content, self._at(place), self._at(place + len(token.markup) - 1) + 1)
            elif kind in ("softbreak", "hardbreak"):
                self._space(self._behind("\n"), 1)
            elif kind == "code_inline":
                self._code(token.markup)
            elif kind == "image":
                self._image()
            elif kind == "html_inline":
                place = self._behind(token.content)
                if _LINE_BREAK.match(token.content):
                    self._space(place, len(token.content))
            elif kind in ("link_open", "link_close"):
                self._link(token, 1 if token.nesting > 0 else -1)
            else:
                self._behind(token.markup)
                self._in_strong += token.nesting if kind.startswith("strong") else 0

    def _text(self, text: str) -> None:
        if not text:
            return
        place, begin = self._behind(text), 0
        for mark in _PASSED_OVER.finditer(text):
            self._add(text[begin : mark.start()], place + begin)
            begin = mark.end()
        self._add(text[begin:], place + begin)

    def _add(self, piece: str, place: int) -> None:
        self.builder.add(piece, self._at(place))
        self.letters += len(piece)
        self.linked += len(piece) * (self._in_link > 0)
        self.strong += len(piece) * (self._in_strong > 0)

    def _space(self, place: int, length: int) -> None:
        self.builder.space(self._at(place), self._at(place + length - 1) + 1)

    def _code(self, markup: str) -> None:
        begin = self._behind(markup) + len(markup)
        behind = self._content.find(markup, begin)
        for line in self._content[begin:behind].splitlines(keepends=True):
            self._add(line, begin)
            begin += len(line)
        self._cursor = behind + len(markup)

    def _link(self, token: Token, nesting: int) -> None:
        is_bare = token.markup == "autolink"
        self._in_link += nesting
        if nesting > 0:
            self._behind("<" if is_bare else "[")
        else:
            self._behind(">" if is_bare else "]")
            self._cursor = self._cursor if is_bare else _behind_target(self._content, self._cursor)

    def _image(self) -> None:
        place, depth = self._behind("!["), 1
        place += 2
        while depth and place < len(self._content):
            mark = self._content[place]
            depth += (mark == "[") - (mark == "]")
            place += 2 if mark == "\\" else 1
        self._cursor = _behind_target(self._content, place)

    def _behind(self, piece: str) -> int:
        """Return where a piece begins, and go on behind it; where it is not found, it is here."""
        place = self._content.find(piece, self._cursor)
        if place < 0:
            return min(self._cursor, len(self._content) - 1)
        self._cursor = place + len(piece)
        return place


def _behind_target(content: str, place: int) -> int:
    """Return the place behind a link's target, which begins at `place`, if it has one there."""
    from markdown_it.helpers import parseLinkDestination, parseLinkTitle

    opening = content[place : place + 1]
    if opening == "[":
        closed = content.find("]", place)
        return place if closed < 0 else closed + 1
    if opening != "(":
        return place
    behind = place + 1
    for parse in (parseLinkDestination, parseLinkTitle):
        while content[behind : behind + 1].isspace():
            behind += 1
        found = parse(content, behind, len(content))
        behind = found.pos if found.ok else behind
    closed = content.find(")", behind)
    return place if closed < 0 else closed + 1


# --- Markdown, by the parser markdown-it-py, which rich brings along ------------------------------
#
# The parser says which lines a paragraph has, and of what its inside is made; where that
# stands is found again in those lines, for the parser keeps no places within them. Headings
# name sections; code, tables, pictures, rules, front matter and lists of links are not read.

_FRONT_MATTER = re.compile(r"\s*(---|\+\+\+)[ \t]*\n(.*?\n)??(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY = re.compile(r"^[\w \"'-]+\s*[:=]", re.MULTILINE)
# What generators of sites write between paragraphs, and Markdown does not know.
_DIRECTIVE = re.compile(
    r"(?:\{[%{:<]|\$\$|\[\^[^\]]*\]:|\[\[?TOC\]\]?$|\[!\w+\]$|\*\[[^\[\]\n]+\]: |export (?:const|default|function) "
    r"|(?:table|figure):\s|#[^\s#]+(?:\s+#[^\s#]+)*$)",
    re.IGNORECASE,
)
# Marks of dialects, which are painted over so that the parser reads what they enclose.
_BLOCK_LINE = re.compile(r"^[ \t>]*(?::{3,}|/{3})[^\n]*$", re.MULTILINE)
# Templates of Jekyll and Hugo, and imports of MDX, on lines of their own; and the code between two of them.
_TEMPLATES = re.compile(
    r"\{%-?\s*highlight\b[^{]*(?:\{(?!%)[^{]*)*\{%-?\s*endhighlight\s*-?%\}"
    r"|^[ \t]*(?:\{%[^\n]*%\}|\{\{[^\n]*\}\}|\{:[^{}\n]*\}|import [^\n]{1,200} from [\"'][^\n]*"
    r"|export const [^\n]*)[ \t]*$",
    re.MULTILINE,
)
# Obsidian: [[page|what is read]], ![[picture]], ==marked==, %%a remark%%, the name of a block, the title of a callout.
_WIKI = re.compile(
    r"!\[\[[^\[\]\n]*\]\]|\[\[(?:[^\[\]\s|][^\[\]\n|]*\|)?(?P<link>[^\[\]\s|][^\[\]\n|]*)\]\]"
    r"|==(?P<marked>[^\s=](?:[^=\n]{0,400}[^\s=])?)==(?!=)|%%[^%]{1,2000}%%|[ \t]\^[A-Za-z0-9-]+[ \t]*$",
    re.MULTILINE,
)
_CALLOUT = re.compile(r"(?<=>)[ \t]*\[![\w-]+\][+-]?[^\n]*(?=\n[ \t]*>[ \t]*\S)")
_ADMONITION = re.compile(
    r"^(?:!!!|\?\?\?\+?|===(?=[ \t]+\"))[ \t][^\n]*((?:\n[ \t]*(?=\n)|\n {4}[^\n]*)*)", re.MULTILINE
)
_ATTRIBUTES = re.compile(r"[ \t]*\{:?[ \t]?[#.][^{}\n]*\}[ \t]*$", re.MULTILINE)
_BOLD_LINE = re.compile(r"(?<=> )(?:\*\*|__)[^*_\n]{1,60}(?:\*\*|__)[ \t]*:?[ \t]*(?=\n[ \t>]*[\w\"“'])")
_DEFINITION = re.compile(r"(?:(?<=[^\s:]\n)|(?<=[^\s:] \n)):(?=[ \t]+\S)")
_NOT_LINE_END = re.compile(r"[^\n]")
_NO_SPACE = re.compile(r"^(#{1,5})#(?=[^\s#])", re.MULTILINE)
# What stands before the text of an item that is done or not, or of a block that is a note.
_LEADING = re.compile(r"(?:\[[ xX]\]|\[![A-Za-z]+\])\s+")
_CLOSED = re.compile(r"[.!?…。！？][\"'”’)\]*_]*\s*$|\w:?[*_]{2}\s*$|^[*_]{2}[^*_]{1,40}:?[*_]{2}")
_MARKDOWN_STOP = re.compile(r"[.!?…。！？,;][\"'”’)\]*]*$")
_KOREAN_END = re.compile(r"[다요죠까음함임됨~^ㅠㅎㅋ]$")
_FEWEST_MARKDOWN_WORDS = 3  # of what ends as no sentence does: fewer are a term, a name, a button
_MARKDOWN_LINKS, _BOLD = 0.7, 0.95
"""Shares of a paragraph's letters from which it only leads elsewhere, or is a heading without its markup."""


def read_markdown(text: str) -> list[ReadDocument]:
    """Read a Markdown document; places are those in `text`."""
    # As the parser does it, which counts lines by \n; of the same length, so that places stay.
    body = text.replace("\r\n", " \n").replace("\r", "\n").replace("\0", "\ufffd")
    body = _without_dialect(body)
    begin = _behind_front_matter(body)
    lines = _Lines(body, begin)
    return [ReadDocument(text, tuple(_passages(_parser().parse(body[begin:]), lines)))]


def read_notebook(content: bytes, name: str) -> list[ReadDocument]:
    """Read a notebook of Jupyter: its cells of Markdown, which places are of; code and output are not read.

    Raises:
        DataError: it is no notebook.
    """
    try:
        found = json.loads(content)
        cells = (
            found["cells"] if "cells" in found else [cell for sheet in found["worksheets"] for cell in sheet["cells"]]
        )
        sources = [cell.get("source", "") for cell in cells if cell["cell_type"] == "markdown"]
        text = "\n\n".join(source if isinstance(source, str) else "".join(source) for source in sources)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{name}: is not a notebook: there is no list of cells in it.") from None
    return read_markdown(text)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable(["text_join"])


def _without_dialect(body: str) -> str:
    """Paint over the marks of dialects; the text stays as long as it is."""
    if "!!! " in body or "??? " in body:
        body = _ADMONITION.sub(_quoted, body)
    if ":::" in body:
        body = _BLOCK_LINE.sub(_blank, body)
    if "{" in body:
        body = _ATTRIBUTES.sub(_blank, body)
    if "{%" in body or "{{" in body or "{:" in body or " from " in body or "export const " in body:
        body = _TEMPLATES.sub(_blank, body)
    if "[[" in body or "==" in body or "%%" in body or " ^" in body:
        body = _WIKI.sub(_painted, body)
    if "[!" in body:
        body = _CALLOUT.sub(_blank, body)
    body = _DEFINITION.sub("-", _BOLD_LINE.sub(_blank, body))
    return _NO_SPACE.sub(r"\1 ", body)


def _blank(match: re.Match[str]) -> str:
    return _NOT_LINE_END.sub(" ", match[0])


def _painted(match: re.Match[str]) -> str:
    """Paint over all but what is read of it."""
    group = next((name for name in ("link", "marked") if match[name] is not None), None)
    if group is None:
        return _NOT_LINE_END.sub(_PAINT, match[0])
    before = match.start(group) - match.start()
    return _PAINT * before + match[group] + _PAINT * (len(match[0]) - before - len(match[group]))


def _quoted(match: re.Match[str]) -> str:
    """Make a quotation of the indented text of an admonition, and nothing of its first line."""
    return " " * (len(match[0]) - len(match[1])) + match[1].replace("\n    ", "\n>   ")


def _behind_front_matter(body: str) -> int:
    match = _FRONT_MATTER.match(body)
    return match.end() if match and (not (match[2] or "").strip() or _KEY.search(match[2])) else 0


class _Lines:
    """The lines of a text, by number, and where what the parser makes of them stands."""

    def __init__(self, body: str, begin: int) -> None:
        self.body = body
        self._starts = [begin]
        while (found := body.find("\n", self._starts[-1])) >= 0:
            self._starts.append(found + 1)
        self._starts.append(len(body) + 1)

    def start(self, line: int) -> int:
        """Return where a line begins."""
        return self._starts[min(line, len(self._starts) - 1)]

    def inline(self, token: Token) -> Iterator[Inline]:
        """Read the inside of a paragraph, turn by turn where it is a dialogue."""
        begins: list[tuple[int, int]] = []  # in the content, in the document
        place, first = 0, (token.map or [0])[0]
        for number, line in enumerate(token.content.split("\n")):
            start, behind = self.start(first + number), self.start(first + number + 1) - 1
            bare = line.strip()
            found = self.body.rfind(bare, start, behind)
            begins.append((place, max(start, found) - (len(line) - len(line.lstrip())) * (found >= 0)))
            place += len(line) + 1
        inline = Inline(token.content, lambda at: _at(begins, at))
        for turn in _turns(token):
            inline.linked = inline.strong = inline.letters = 0
            inline.read(turn)
            yield inline


def _at(begins: Sequence[tuple[int, int]], place: int) -> int:
    low, high = 0, len(begins)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if begins[middle][0] <= place else (low, middle)
    return begins[low][1] + place - begins[low][0]


def _passages(tokens: Sequence[Token], lines: _Lines) -> Iterator[Passage]:
    depth = table = heading = 0
    for token in tokens:
        kind = token.type
        if kind in ("list_item_open", "list_item_close"):
            depth += token.nesting
        elif kind in ("table_open", "table_close"):
            table += token.nesting
        elif kind in ("heading_open", "heading_close"):
            heading = int(token.tag[1:]) if token.nesting > 0 else 0
        elif kind == "html_block" and token.map:
            begin, behind = lines.start(token.map[0]), lines.start(token.map[1])
            yield from html_passages(lines.body[begin : behind - 1], begin, is_fragment=True)
        elif kind == "inline" and not table and not _DIRECTIVE.match(token.content):
            for inline in lines.inline(token):
                yield from _paragraph(inline, heading, is_item=depth > 0)


def _turns(token: Token) -> Iterator[list[Token]]:
    """Cut a paragraph before the lines that are turns of a dialogue, or say who was there and when."""
    children = token.children or []
    lines = token.content.split("\n")
    opens = [
        number > 0
        and (is_particular(line.replace("*", "")) or begins_turn(line, is_closed=_CLOSED.search(above) is not None))
        for number, (above, line) in enumerate(zip(["", *lines], lines, strict=False))
    ]
    begin = number = 0
    for place, child in enumerate(children):
        is_break = child.type in ("softbreak", "hardbreak")
        number += is_break + child.content.count("\n") * (not is_break)
        if is_break and number < len(opens) and opens[number]:
            yield children[begin:place]
            begin = place
    yield children[begin:]


def _paragraph(inline: Inline, heading: int, *, is_item: bool) -> Iterator[Passage]:
    letters = max(1, inline.letters)
    passage = inline.builder.passage(Kind.ITEM if is_item else Kind.PROSE)
    if passage is None:
        return
    leading = _LEADING.match(passage.text)
    if leading:
        passage = passage.part(leading.end())
    if heading:
        yield replace(passage, kind=Kind.HEADING, level=heading)
    elif _MARKDOWN_STOP.search(passage.text):
        yield passage
    elif inline.linked > _MARKDOWN_LINKS * letters:
        yield replace(passage, kind=Kind.MENU)
    elif inline.strong > _BOLD * letters and not is_item:
        yield replace(passage, kind=Kind.HEADING, level=6)
    else:
        is_term = (
            not is_item and len(passage.text.split()) < _FEWEST_MARKDOWN_WORDS and not _KOREAN_END.search(passage.text)
        )
        yield replace(passage, kind=Kind.LABEL) if is_term else passage
