"""Markdown, by the parser markdown-it-py, which rich brings along.

The parser says which lines a paragraph has, and of what its inside is made; where that
stands is found again in those lines, for the parser keeps no places within them. Headings
name sections; code, tables, pictures, rules, front matter and lists of links are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from bertkit.documents.readers.html import html_passages
from bertkit.documents.readers.inline import Inline
from bertkit.documents.readers.passage import Kind, Passage, ReadDocument

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\s*(---|\+\+\+)[ \t]*\n(.*?\n)??(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY = re.compile(r"^[\w \"'-]+\s*[:=]", re.MULTILINE)
# What generators of sites write between paragraphs, and Markdown does not know.
_DIRECTIVE = re.compile(
    r"(?:\{[%{:<]|\$\$|\[\^[^\]]*\]:|\[\[?TOC\]\]?$|\[!\w+\]$|import \S+ from |export (?:const|default|function) "
    r"|(?:table|figure):\s|#[^\s#]+(?:\s+#[^\s#]+)*$)",
    re.IGNORECASE,
)
# Marks of dialects, which are painted over so that the parser reads what they enclose.
_BLOCK_LINE = re.compile(r"^[ \t>]*:{3,}[^\n]*$", re.MULTILINE)
_ADMONITION = re.compile(r"^(?:!!!|\?\?\?\+?)[ \t][^\n]*((?:\n[ \t]*(?=\n)|\n {4}[^\n]*)*)", re.MULTILINE)
_ATTRIBUTES = re.compile(r"[ \t]*\{:?[ \t]?[#.][^{}\n]*\}[ \t]*$", re.MULTILINE)
_BOLD_LINE = re.compile(r"(?<=> )(?:\*\*|__)[^*_\n]{1,60}(?:\*\*|__)[ \t]*:?[ \t]*(?=\n[ \t>]*[\w\"“'])")
_DEFINITION = re.compile(r"(?:(?<=[^\s:]\n)|(?<=[^\s:] \n)):(?=[ \t]+\S)")
_NO_SPACE = re.compile(r"^(#{1,5})#(?=[^\s#])", re.MULTILINE)
# What stands before the text of an item that is done or not, or of a block that is a note.
_LEADING = re.compile(r"(?:\[[ xX]\]|\[![A-Za-z]+\])\s+")
_STOP = re.compile(r"[.!?…。！？,;][\"'”’)\]*]*$")
_KOREAN_END = re.compile(r"[다요죠까음함임됨~^ㅠㅎㅋ]$")
_FEWEST_WORDS = 3  # of what ends as no sentence does: fewer are a term, a name, a button
_LINKS, _BOLD = 0.7, 0.95
"""Shares of a paragraph's letters from which it only leads elsewhere, or is a heading that is no heading's markup."""


def read_markdown(text: str) -> list[ReadDocument]:
    """Read a Markdown document; places are those in `text`."""
    # As the parser does it, which counts lines by \n; of the same length, so that places stay.
    body = text.replace("\r\n", " \n").replace("\r", "\n").replace("\0", "\ufffd")
    body = _without_dialect(body)
    begin = _behind_front_matter(body)
    lines = _Lines(body, begin)
    return [ReadDocument(text, tuple(_passages(_parser().parse(body[begin:]), lines)))]


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
    body = _DEFINITION.sub("-", _BOLD_LINE.sub(_blank, body))
    return _NO_SPACE.sub(r"\1 ", body)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


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

    def inline(self, token: Token) -> Inline:
        """Read the inside of a paragraph."""
        begins: list[tuple[int, int]] = []  # in the content, in the document
        place, first = 0, (token.map or [0])[0]
        for number, line in enumerate(token.content.split("\n")):
            start, behind = self.start(first + number), self.start(first + number + 1) - 1
            bare = line.strip()
            found = self.body.rfind(bare, start, behind)
            begins.append((place, max(start, found) - (len(line) - len(line.lstrip())) * (found >= 0)))
            place += len(line) + 1
        inline = Inline(token.content, lambda at: _at(begins, at))
        inline.read(token.children or [])
        return inline


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
            yield from _paragraph(lines.inline(token), heading, is_item=depth > 0)


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
    elif _STOP.search(passage.text):
        yield passage
    elif inline.linked > _LINKS * letters:
        yield replace(passage, kind=Kind.MENU)
    elif inline.strong > _BOLD * letters and not is_item:
        yield replace(passage, kind=Kind.HEADING, level=6)
    else:
        is_term = not is_item and len(passage.text.split()) < _FEWEST_WORDS and not _KOREAN_END.search(passage.text)
        yield replace(passage, kind=Kind.LABEL) if is_term else passage
