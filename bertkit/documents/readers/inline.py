"""The inside of a Markdown paragraph: what is read of it, and where that stands.

The parser's tokens come in the order of the text, so that each is looked for behind the one
before it; what lies between is markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bertkit.documents.readers.passage import Builder

if TYPE_CHECKING:
    from markdown_it.token import Token

_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]")
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
        place = self._behind(text)
        for index, piece in enumerate(_FOOTNOTE.split(text)) if "[^" in text else [(0, text)]:
            if index:
                place = self._content.index("]", place) + 1
            self._add(piece, place)
            place += len(piece)

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
