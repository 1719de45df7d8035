"""Pages of HTML, by Python's own html.parser, which knows where each piece stands.

Menus, headers and footers of a site, forms, scripts, code, tables and notices are not read;
headings name sections. Where a page says which part of it is the main one, and there is
text in it, only that is read. Extractors such as trafilatura and readers such as lxml
keep no places of characters, and bertkit promises them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

from bertkit.documents.readers.passage import Builder, Kind, Passage, ReadDocument, is_candidate

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
_ROLES = frozenset(
    "navigation banner contentinfo search dialog alertdialog alert complementary menu menubar toolbar tablist".split()
)
_FURNITURE = frozenset(
    "nav navbar navigation menu menubar footer sidebar breadcrumb breadcrumbs cookie cookies consent gdpr cookiebar "
    "cookiebanner banner share sharing social related recommended comments newsletter subscribe subscription promo "
    "advert advertisement ad ads popup modal overlay pagination pager toc skip tags sponsor sponsored toolbar masthead "
    "paywall signup login disclaimer copyright byline dateline timestamp metadata caption credit reference references "
    "editsection noprint hidden disqus".split()
)
_NOT_FURNITURE = frozenset("has with no without is not content wrapper container layout page body main article".split())
_SPACE_OR_DASH = re.compile(r"[\s_-]+|(?<=[a-z])(?=[A-Z])")
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_STOP = re.compile(r"[.!?…。！？:;,][\"'”’»)\]]*$")
_FINAL = re.compile(r"[다요죠까음함임됨]$")
_REFERENCE = re.compile(r"\[?(?:\d{1,3}|[a-z]|citation needed|edit)\]?$")
_LINKS = 0.6
_FEWEST_WORDS = {Kind.PROSE: 6, Kind.ITEM: 3}
"""Of what has no end mark and is no heading: fewer are buttons, dates, names, shares."""
_PROSE_IN_CELL = 80  # characters from which a cell that ends as a sentence does is text that was laid out with a table
_MAIN = 140  # characters from which the part that is called the main one is the document


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
    page = _Page(text, offset)
    page.feed(text)
    page.close()
    page.flush()
    if is_fragment:
        return [passage for passage, _ in page.found]
    main = [passage for passage, is_main in page.found if is_main]
    if sum(len(passage.text) for passage in main if is_candidate(passage)) >= _MAIN:
        return main
    return [passage for passage, _ in page.found]


class _Open:
    """An element that is open: whether its inside is hidden, and what it is."""

    __slots__ = ("is_hidden", "tag")

    def __init__(self, tag: str, *, is_hidden: bool) -> None:
        self.tag, self.is_hidden = tag, is_hidden


class _Page(HTMLParser):
    """Cuts a page into passages while it is parsed; `found` has them, with whether they are of its main part."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[Passage, bool]] = []
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
        hidden = self._is_hidden(tag, dict(attrs))
        self._open.append(_Open(tag, is_hidden=hidden))
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
        return any(map(_is_furniture, f"{attributes.get('class') or ''} {attributes.get('id') or ''}".split()))

    def _break(self) -> None:
        """Note a line break: two in a row end a paragraph, and so does one behind an end mark."""
        if self._broken or _STOP.search(self._builder.tail):
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
        if self._count.get("sup") and _REFERENCE.match(data.strip()):
            return
        self._builder.add(data, self._place())
        self._see(data)

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
        is_main = bool(self._count.get("main") or self._count.get("article"))
        level = self._in_heading()
        if level:
            self.found.append((replace(passage, kind=Kind.HEADING, level=level), is_main))
        elif not self._hidden:
            self.found.append((replace(passage, kind=self._kind(passage.text, linked / max(1, letters))), is_main))

    def _kind(self, text: str, linked: float) -> Kind:
        ends = _STOP.search(text) is not None or _FINAL.search(text) is not None
        if self._count.get("td") or self._count.get("th"):
            return Kind.PROSE if ends and len(text) >= _PROSE_IN_CELL else Kind.CELL
        if self._count.get("dt") or self._count.get("caption"):
            return Kind.LABEL
        kind = Kind.ITEM if self._count.get("li") or self._count.get("dd") else Kind.PROSE
        if ends:
            return kind
        if linked > _LINKS:
            return Kind.MENU
        return kind if len(text.split()) >= _FEWEST_WORDS[kind] else Kind.LABEL


def _is_furniture(name: str) -> bool:
    """Tell by the words of a class or id whether it stands round what belongs to the site and not to the text."""
    words = [word.lower() for word in _SPACE_OR_DASH.split(name) if word]
    if not words or _NOT_FURNITURE.intersection(words):
        return False
    return words[0] in _FURNITURE or words[-1] in _FURNITURE
