"""Lines of text that carry their own labels: `LABEL:fine text`, `word/TAG word/TAG`, and entities between marks.

How a file is written shows in its first lines, and only where all of them fit: what stands in a text by
chance (`and/or`, a note that begins with `NB:`) makes no marks of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from bertkit.data.records import BadRow, Row
from bertkit.data.tagged.schemes import OUTSIDE, are_tags, is_entity_tag, is_tag
from bertkit.data.values import RowError
from bertkit.plain import quoted

Marks = Literal["", "label", "/", "_", "|", "element", "bracket", "angle", "link", "start", "speech"]
"""`label`: `LABEL:fine text`; `/`, `_`, `|`: an entity tag behind each word; `speech`: a part of speech behind each;
the others: how entities stand in a text."""

ENTITY_MARKS: frozenset[Marks] = frozenset({"/", "_", "|", "element", "bracket", "angle", "link", "start"})

_LABEL = re.compile(r"([A-Z]{2,10}:[A-Za-z]+)\s+(?=\S)", re.ASCII)
_NAME = "(?P<name>[A-Za-z][A-Za-z_-]+)"
# An element's name, or the type that it states: <PER>…</PER>, <ENAMEX TYPE="PERSON">…</ENAMEX>.
_ELEMENT = re.compile(
    r"<(?P<name>[A-Za-z][A-Za-z_-]+)"
    r"(?:\s+(?:TYPE|type)=[\"'](?P<kind>[\w -]+)[\"'])?\s*>(?P<text>[^<>]+)</(?P=name)\s*>"
)
_WRITTEN: dict[Marks, re.Pattern[str]] = {
    "start": re.compile(rf"<START:{_NAME}>\s*(?P<text>[^<>]*[^<>\s])\s*<END>"),
    "element": _ELEMENT,
    "bracket": re.compile(rf"\[(?P<text>[^\[\]:]+):{_NAME}\]"),
    "angle": re.compile(rf"<(?P<text>[^<>:]+):{_NAME}>"),
    "link": re.compile(rf"\[(?P<text>[^\[\]]+)\]\({_NAME}\)"),
}
# A part of speech, or of several in a Korean word (나/NP+는/JX); punctuation may be its own.
_SPEECH = re.compile(r"\S+?[/_](?:[A-Z]{1,6}\d?\$?|[^\w\s]{1,3}|-[LR]RB-)(?:\+\S+?[/_][A-Z]{1,6})*")
_STRAY = re.compile(
    r"<START:[\w-]+>|</?[A-Z][A-Z_-]+(?:\s+(?:TYPE|type)=[^<>]*)?>|:[A-Z][A-Z_-]+[\]>]|\]\([A-Z][A-Z_-]+\)"
)
_OF_PAGES = frozenset(
    {"html", "head", "body", "title", "div", "span", "table", "tr", "td", "th", "ul", "ol", "li", "em", "strong", "pre"}
    | {"code", "font", "center", "br", "hr", "doc", "text", "sub", "sup", "small", "mark", "del", "script", "style"}
)
_ENOUGH_LINES, _ENOUGH_WORDS = 3, 4
# Of lines with entities one in so many holds some.
_SOME = 5
NOTES: dict[Marks, str] = {
    "label": "the first word of each line is its label ('label'; what stands before the colon is 'coarse': "
    "--columns text=text,label=coarse)",
    "element": "entities stand between marks such as <PER> and </PER>, which are no part of the text",
    "bracket": "entities stand in the text as [name:PER], and the marks are no part of it",
    "angle": "entities stand in the text as <name:PER>, and the marks are no part of it",
    "start": "entities stand between <START:PER> and <END>, which are no part of the text",
    "link": "entities stand in the text as [name](PER), and the marks are no part of it",
    "speech": "a part of speech stands behind each word, and is read as a part of the text; bertkit learns no such",
    **{mark: f"each word has its tag behind a {quoted(mark)}" for mark in ("/", "_", "|")},
}


def marks_of(lines: Sequence[str]) -> Marks:
    """Tell how the first lines of a file, none of them blank, carry their labels; empty where they carry none."""
    if not lines or any("\t" in line for line in lines):
        return ""
    labels = [found[1] for line in lines if (found := _LABEL.match(line))]
    if len(labels) == len(lines) >= _ENOUGH_LINES and 1 < len(set(labels)) < len(labels):
        return "label"
    parted: tuple[Marks, ...] = ("/", "_", "|")
    for mark in parted:
        if _are_tagged_words([word for line in lines for word in line.split()], mark):
            return mark
    for kind, pattern in _WRITTEN.items():
        found_in = [[_name(found) for found in pattern.finditer(line)] for line in lines]
        names = [name for own in found_in for name in own]
        if (_are_kinds(names) or (kind == "start" and names)) and _SOME * sum(map(bool, found_in)) >= len(lines):
            return kind
    return "speech" if _have_speech([word for line in lines for word in line.split()]) else ""


def marked_rows(rows: Iterator[Row | BadRow], marks: Marks, column: str) -> Iterator[Row | BadRow]:
    """Part the text of lines from what it says of itself.

    Args:
        rows: the lines; a `BadRow` is handed on.
        marks: how they are written, as `marks_of` tells.
        column: the one that holds the line.

    Returns:
        Rows of text and label (a line without one has none), of tokens and tags, or of text and entities.
    """
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield Row(row.line, _fields(row.fields[column], marks, column))
        except RowError as error:
            yield BadRow(row.line, str(error))


def _fields(line: str, marks: Marks, column: str) -> dict[str, str]:
    if marks == "label":
        found = _LABEL.match(line)
        if found is None:
            return {column: line}
        return {column: line[found.end() :], "label": found[1], "coarse": found[1].partition(":")[0]}
    if marks in _WRITTEN:
        text, places = _unmarked(line, _WRITTEN[marks])
        return {column: text, "entities": json.dumps(places, ensure_ascii=False)}
    words = [word.rpartition(marks) for word in line.split()]
    bare = next((tag for token, _, tag in words if not token), None)
    if bare is not None:
        raise RowError(f"{quoted(bare)} has no word and tag with {quoted(marks)} between them")
    tokens, tags = [token for token, _, _ in words], [tag for _, _, tag in words]
    return {"tokens": json.dumps(tokens, ensure_ascii=False), "tags": json.dumps(tags, ensure_ascii=False)}


def _unmarked(line: str, pattern: re.Pattern[str]) -> tuple[str, list[list[int | str]]]:
    """Take the marks out of a line, and say where what they mark now stands: [start, end, name]."""
    text, last = "", 0
    places: list[list[int | str]] = []
    for found in pattern.finditer(line):
        text += line[last : found.start()]
        places.append([len(text), len(text) + len(found["text"]), _name(found)])
        text += found["text"]
        last = found.end()
    text += line[last:]
    stray = _STRAY.search(text)
    if stray is not None:
        raise RowError(f"the mark {quoted(stray[0])} has no other side, or stands within another one")
    return text, places


def _name(found: re.Match[str]) -> str:
    return (found.groupdict().get("kind") or found["name"]).strip()


def _are_kinds(names: Sequence[str]) -> bool:
    """Tell whether names are those of kinds of entities: capitals, or few that come again; and none of a page."""
    different = set(names)
    if not names or not _OF_PAGES.isdisjoint(name.casefold() for name in different):
        return False
    return all(map(str.isupper, different)) or 2 * len(different) <= len(names) >= _ENOUGH_LINES


def _have_speech(words: Sequence[str]) -> bool:
    """Tell whether each word has a part of speech behind it; "TCP/IP" alone has none."""
    different = {word[max(word.rfind("/"), word.rfind("_")) + 1 :] for word in words}
    return all(map(_SPEECH.fullmatch, words)) and len(words) >= _ENOUGH_WORDS and 1 < len(different) < len(words)


def _are_tagged_words(words: Sequence[str], mark: str) -> bool:
    """Tell whether each word has a tag of entities behind it."""
    parts = [word.rpartition(mark) for word in words]
    tags = [tag for token, _, tag in parts if token]
    if len(words) < 2 or len(tags) < len(words):
        return False
    if all(map(is_tag, tags)):
        return any(map(is_entity_tag, tags))
    # Tags without letters before them: few labels, all in capitals, and much that is O.
    return OUTSIDE in tags and all(map(str.isupper, tags)) and len(tags) >= _ENOUGH_WORDS and are_tags(tags)
