"""Plain text with markup: reStructuredText, Org, AsciiDoc and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from unicodedata import normalize

from bertkit.documents.readers.passage import Builder, Kind, Passage, ReadDocument
from bertkit.documents.readers.plain import KOREAN_END, LINE, LINE_END
from bertkit.documents.sentences import has_words

# Docutils, Org and TeX are not needed to find prose: what is marked as code, table, picture,
# formula, comment, directive or list of sources is left out, marks within lines are taken off,
# headings name sections. Places are those in the file.

_FEWEST_MARKED_WORDS = 3  # of what ends as no sentence does: fewer are a term, a name, a key


class Marked:
    """Puts passages together line by line.

    Args:
        text: the document.
        marks: what is taken off within lines. A named group is kept, `raw…` as it stands, others with marks of
            their own taken off; `said` is read as `said` tells; without a group all of it goes.
        said: what a piece of markup is read as.
    """

    def __init__(self, text: str, marks: re.Pattern[str], said: Callable[[str], str] = lambda _: " ") -> None:
        self.passages: list[Passage] = []
        self.kind = Kind.PROSE
        self._text, self._marks, self._said = text, marks, said
        self._spans: list[tuple[int, int]] = []
        self._unclosed: set[str] = set()

    def behind(self, closing: str, find: Callable[[], int | None]) -> int | None:
        """Return what `find` does, which looks for what closes a block; it is not asked for again in vain."""
        found = None if closing in self._unclosed else find()
        if found is None:
            self._unclosed.add(closing)
        return found

    @property
    def is_open(self) -> bool:
        """Whether a paragraph has begun."""
        return bool(self._spans)

    def line(self, start: int, end: int) -> None:
        """Go on with the paragraph."""
        if self._text[start:end].strip():
            self._spans.append((start, end))

    def flush(self, kind: Kind = Kind.PROSE) -> None:
        """End the paragraph; what comes next is of the kind."""
        if self._spans:
            passage = self._passage(self._spans[0][0], self._spans[-1][1], self.kind)
            if passage is not None:
                ends = LINE_END.search(passage.text) or KOREAN_END.search(passage.text)
                is_term = not ends and len(passage.text.split()) < _FEWEST_MARKED_WORDS and self.kind is Kind.PROSE
                self.passages.append(replace(passage, kind=Kind.LABEL) if is_term else passage)
        self._spans, self.kind = [], kind

    def heading(self, start: int, end: int, level: int) -> None:
        """End the paragraph, and add a heading."""
        self.flush()
        passage = self._passage(start, end, Kind.HEADING)
        if passage is not None:
            self.passages.append(replace(passage, level=level))

    def _passage(self, start: int, end: int, kind: Kind) -> Passage | None:
        builder = Builder()
        self._read(builder, start, end)
        return builder.passage(kind)

    def _read(self, builder: Builder, start: int, end: int) -> None:
        place = start
        for match in self._marks.finditer(self._text, start, end):
            builder.add(self._text[place : match.start()], place)
            name = match.lastgroup
            if name == "said":
                builder.add_read(self._said(match[0]), match.start(), match.end())
            elif name and name.startswith("raw"):
                builder.add(match[name], match.start(name))
            elif name:
                self._read(builder, match.start(name), match.end(name))
            place = match.end()
        builder.add(self._text[place:end], place)


@dataclass(frozen=True, slots=True)
class MarkedRow:
    """A line of a document: its text without the blanks round it, where that begins, and how far it is indented."""

    text: str
    start: int
    indent: int

    @property
    def end(self) -> int:
        """Where its text ends."""
        return self.start + len(self.text)


def marked_rows(text: str) -> list[MarkedRow]:
    """Return the lines of a document."""
    found = []
    for match in LINE.finditer(text):
        line = match[0].rstrip("\r\n")
        indent = len(line) - len(line.lstrip())
        found.append(MarkedRow(line.strip(), match.start() + indent, indent))
    return found


_RST_MARKS = re.compile(
    r"``(?P<raw_code>[^`]+)``"
    r"|:[\w:+.-]+:`(?:~[\w.]*\.)?(?P<raw_role>[^`<]+?)(?:\s*<[^`>]*>)?`"
    r"|`(?P<raw_link>[^`<]+?)(?:\s*<[^`>]*>)?`_{0,2}"
    r"|\s?\[(?:\d+|#[\w-]*|\*|[A-Z][\w-]*\d+)\]_"
    r"|\*\*(?P<bold>[^*\s](?:[^*]*[^*\s])?)\*\*"
    r"|(?<![\w*])\*(?P<emphasis>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|(?<!\w)\|(?P<substitute>[^|\s][^|\n]*)\|_{0,2}"
    r"|\b(?P<reference>[\w-]*[A-Za-z0-9])__?(?!\w)"
    r"|(?P<said>::)(?=\s*\Z)"
    r"|\\(?P<raw_escaped>\S)|\\\s"
    r"|(?<=\n)[ \t]*\|(?= )"
)
_ADORNMENT = re.compile(r"([^\w\s])\1{2,}$")
_RST_TABLE = re.compile(r"=+(?: +=+)+$|\+[-=]{2,}[-=+]*\+$")
_RST_BULLET = re.compile(r"(?:[-*+•‣⁃]|\(?(?:\d{1,3}|#|[A-Za-z]|[ivxIVX]{1,5})[.)])\s+(?=\S)")
_RST_DIRECTIVE = re.compile(r"\.\. (?:\|[^|\n]+\| )?(?P<name>[\w:.+-]+)::\s*")
_RST_READ = frozenset(
    "note warning tip hint important caution attention danger error admonition seealso topic sidebar epigraph "
    "highlights pull-quote compound container abstract versionadded versionchanged deprecated rubric only".split()
)
_RST_OPTION = re.compile(r":[\w -]+:(?:\s|$)")


def read_rst(text: str) -> list[ReadDocument]:
    """Read a reStructuredText document; places are those in `text`."""
    rows, marked = marked_rows(text), Marked(text, _RST_MARKS, lambda _: ":")
    levels: dict[tuple[str, bool], int] = {}
    at = 0
    while at < len(rows):
        row = rows[at]
        title = _rst_title(rows, at)
        if title is not None:
            level = levels.setdefault((rows[title + 1].text[0], title > at), len(levels) + 1)
            marked.heading(rows[title].start, rows[title].end, level)
            at = title + 2
        elif not row.text:
            marked.flush()
            at += 1
        else:
            at = _rst_block(rows, at, marked)
    marked.flush()
    return [ReadDocument(text, tuple(marked.passages))]


def _rst_title(rows: Sequence[MarkedRow], at: int) -> int | None:
    """Return the row of a title that begins at a row, with a line below it and perhaps one above; None: none does."""
    title = at + (_ADORNMENT.match(rows[at].text) is not None)
    if title + 1 >= len(rows) or not has_words(rows[title].text):
        return None
    below = _ADORNMENT.match(rows[title + 1].text)
    is_long = below is not None and (len(below[0]) >= len(rows[title].text) or len(below[0]) > 3)
    if not is_long or rows[title + 1].indent or (title > at and rows[at].text[0] != rows[title + 1].text[0]):
        return None
    is_apart = title > at or at == 0 or not rows[at - 1].text or _ADORNMENT.match(rows[at - 1].text)
    return title if is_apart else None


def _rst_block(rows: Sequence[MarkedRow], at: int, marked: Marked) -> int:
    """Read one row, or pass over a block that is no prose; returns the row behind it."""
    row = rows[at]
    if not marked.is_open:
        if _RST_TABLE.match(row.text):
            return _behind_table(rows, at)
        if row.text.startswith(">>> "):
            return _behind_filled(rows, at)
        directive = _RST_DIRECTIVE.match(row.text)
        if directive and directive["name"].rpartition(":")[2] in _RST_READ:
            return _rst_directive(rows, at, directive.end(), marked)
        if row.text == ".." or row.text.startswith((".. ", "__ ")) or _RST_OPTION.match(row.text):
            return _behind_indented(rows, at)
        if _ADORNMENT.match(row.text):
            return at + 1
    bullet = _RST_BULLET.match(row.text)
    if bullet and (not marked.is_open or marked.kind is Kind.ITEM):
        marked.flush(Kind.ITEM)
        marked.line(row.start + bullet.end(), row.end)
    elif not marked.is_open and _is_term(rows, at):
        marked.flush(Kind.LABEL)
        marked.line(row.start, row.end)
        marked.flush()
        return at + 1
    else:
        marked.line(row.start + 2 * row.text.startswith("| "), row.end)
    if row.text.endswith("::") and not (at + 1 < len(rows) and rows[at + 1].text):
        marked.flush()
        return _behind_indented(rows, at)
    return at + 1


def _rst_directive(rows: Sequence[MarkedRow], at: int, behind: int, marked: Marked) -> int:
    """Begin with what a directive says on its own line, without its options; what is indented below is prose."""
    row = rows[at]
    if len(row.text[behind:].split()) >= _FEWEST_MARKED_WORDS:
        marked.line(row.start + behind, row.end)
    at += 1
    while at < len(rows) and _RST_OPTION.match(rows[at].text) and rows[at].indent > row.indent:
        at += 1
    return at


def _is_term(rows: Sequence[MarkedRow], at: int) -> bool:
    """Tell whether a row is a term whose definition is indented below it."""
    return at + 1 < len(rows) and bool(rows[at + 1].text) and rows[at + 1].indent > rows[at].indent


def _behind_filled(rows: Sequence[MarkedRow], at: int) -> int:
    """Return the first blank row behind a row."""
    return next((place for place in range(at, len(rows)) if not rows[place].text), len(rows))


def _behind_indented(rows: Sequence[MarkedRow], at: int) -> int:
    """Return the first row behind a row that is filled and indented no further."""
    more = range(at + 1, len(rows))
    return next((place for place in more if rows[place].text and rows[place].indent <= rows[at].indent), len(rows))


def _behind_table(rows: Sequence[MarkedRow], at: int) -> int:
    """Return the row behind a table: behind its last border before a blank row, or the blank row itself."""
    if rows[at].text.startswith("+"):
        return _behind_filled(rows, at)
    for place in range(at + 2, len(rows)):  # in a simple table blank rows may stand between borders
        is_border = _RST_TABLE.match(rows[place].text) is not None
        if is_border and not (place + 1 < len(rows) and rows[place + 1].text):
            return place + 1
    return _behind_filled(rows, at)


_ORG_BEFORE, _ORG_BEHIND = r"(?:(?<=[\s\-({'\"])|(?<![\s\S]))", r"(?=[\s\-.,:;!?'\")}\]]|\Z)"
_ORG_MARKS = re.compile(
    r"\[\[[^\[\]\n]+\]\[(?P<link>[^\[\]\n]+)\]\]|\[\[(?P<raw_target>[^\[\]\n]+)\]\]"
    r"|\s?\[fn:[^\[\]]*\]|<<<?(?P<target>[^<>\n]+)>>>?"
    rf"|{_ORG_BEFORE}([*/_+])(?P<emphasis>[^\s*/_+](?:[^\n]*?\S)?)\4{_ORG_BEHIND}"
    rf"|{_ORG_BEFORE}([=~])(?P<raw_code>\S(?:[^\n]*?\S)?)\6{_ORG_BEHIND}"
)
_ORG_HEADING = re.compile(
    r"(?P<stars>\*+)\s+(?:(?:TODO|DONE|NEXT|WAITING|HOLD|CANCELLED|CANCELED)\s+)?(?:\[#\w\]\s+)?"
    r"(?P<title>\S.*?)(?:\s+\[\d*[/%]\d*\])?(?:\s+:[\w@#%:]+:)?$"
)
_ORG_BEGIN = re.compile(r"#\+begin_(?P<name>\w+)", re.IGNORECASE)
_ORG_READ = frozenset("quote verse center abstract note tip warning important caution theorem proof".split())
_ORG_BULLET = re.compile(
    r"(?:[-+*]|\d{1,3}[.)]|[A-Za-z][.)])\s+(?:\[@\d+\]\s+)?(?:\[[ X-]\]\s+)?(?:\S[^\n]{0,60}?\s+::\s+)?(?=\S)"
)
_ORG_HIDDEN = re.compile(
    r"#\+|#(?:\s|$)|\||:(?:\s|$)|(?:SCHEDULED|DEADLINE|CLOSED|CLOCK):|-{5,}$|\[fn:[\w-]+\]\s|\\(?:begin|end)\b",
    re.IGNORECASE,
)
_ORG_DRAWER = re.compile(r":[\w-]+:$")
_ORG_TITLE = re.compile(r"#\+title:\s*(?=\S)", re.IGNORECASE)
_ORG_FORMULA = re.compile(r"\\begin\{(\w+\*?)\}|\\\[|\$\$")


def read_org(text: str) -> list[ReadDocument]:
    """Read an Org document; places are those in `text`."""
    rows, marked = marked_rows(text), Marked(text, _ORG_MARKS)
    at = 0
    while at < len(rows):
        at = _org_row(rows, at, marked)
    marked.flush()
    return [ReadDocument(text, tuple(marked.passages))]


def _org_row(rows: Sequence[MarkedRow], at: int, marked: Marked) -> int:
    """Read one row, or pass over a block that is no prose; returns the row behind it."""
    row = rows[at]
    heading = _ORG_HEADING.match(row.text) if not row.indent else None
    title = _ORG_TITLE.match(row.text)
    block = _ORG_BEGIN.match(row.text)
    bullet = _ORG_BULLET.match(row.text) if row.indent or row.text[:1] != "*" else None
    if heading:
        marked.heading(row.start + heading.start("title"), row.start + heading.end("title"), len(heading["stars"]))
    elif title:
        marked.heading(row.start + title.end(), row.end, 1)
    elif block and block["name"].lower() not in _ORG_READ:
        marked.flush()
        return _behind_row(rows, at, f"#+end_{block['name']}", marked)
    elif _ORG_DRAWER.match(row.text):
        marked.flush()
        return _behind_row(rows, at, ":end:", marked)
    elif formula := _ORG_FORMULA.match(row.text):
        marked.flush()
        closing = f"\\end{{{formula[1]}}}" if formula[1] else {"\\[": "\\]", "$$": "$$"}[formula[0]]
        return at + 1 if closing in row.text[2:] else _behind_row(rows, at, closing, marked)
    elif not row.text or _ORG_HIDDEN.match(row.text):
        marked.flush()
    elif bullet:
        marked.flush(Kind.ITEM)
        marked.line(row.start + bullet.end(), row.end)
    else:
        marked.line(row.start, row.end)
    return at + 1


def _behind_row(rows: Sequence[MarkedRow], at: int, closing: str, marked: Marked) -> int:
    """Return the row behind the one that closes a block; where none does, the next one."""

    def find() -> int | None:
        ends = (place for place in range(at + 1, len(rows)) if rows[place].text.lower().endswith(closing.lower()))
        return next(ends, None)

    found = marked.behind(closing, find)
    return at + 1 if found is None else found + 1


_ADOC_MARKS = re.compile(
    r"\s?footnote(?:ref)?:[\w-]*\[[^\[\]]*\]|\b(?:image|icon|indexterm):[^\s\[\]]*\[[^\[\]]*\]|\(\(\([^()\n]*\)\)\)|\[\[[^\[\]\n]*\]\]"
    r"|\(\((?P<term>[^()\n]+)\)\)|<<[^<>,\n]*,\s*(?P<cross>[^<>\n]+)>>|<<#?(?P<raw_anchor>[^<>\n]+)>>"
    r"|\b(?:xref|link|mailto|pass|kbd|btn|menu|stem|latexmath):[^\s\[\]]*\[(?P<macro>[^\[\]\n]*?)(?:\^|,\s*\w+=[^\[\]\n]*)?\]"
    r"|\b(?:https?|ftp)://[^\s\[\]<>]*\[(?P<link>[^\[\]\n]*?)(?:\^|,\s*\w+=[^\[\]\n]*)?\]"
    r"|(?<!\w)\[[^\[\]\n]*\](?=#)"
    r"|[\"']`(?P<quoted>[^`\n]+)`[\"']|(?<!\w)`\+?(?P<raw_code>[^`\n]+?)\+?`(?!\w)|``(?P<raw_inner>[^`\n]+)``"
    r"|\*\*(?P<strong>[^*\n]+)\*\*|(?<![\w*])\*(?P<bold>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|__(?P<italic>[^_\n]+)__|(?<![\w_])_(?P<emphasis>[^_\s](?:[^_]*[^_\s])?)_(?![\w_])"
    r"|(?<!\w)#(?P<marked>[^#\s](?:[^#\n]*[^#\s])?)#(?!\w)|\^(?P<raw_above>[^\s^]+)\^|~(?P<raw_below>[^\s~]+)~"
    r"|(?P<said>\{[\w-]+\})|[ \t]\+(?=\n|\Z)"
)
_ADOC_HEADING = re.compile(r"(?P<marks>={1,6}|#{1,6})\s+(?P<title>\S.*?)(?:\s+(?P=marks))?$")
_ADOC_UNDERLINE = re.compile(r"([=\-~^+])\1{3,}$")
# Blocks that are read as they are, or not at all; and those whose inside is text.
_ADOC_BLOCK = re.compile(r"(?:-{4,}|\.{4,}|\+{4,}|/{4,}|[|,:!]={3,})$|```")
_ADOC_FRAME = re.compile(r"(?:={4,}|\*{4,}|_{4,}|--|~{4,}|'''|<<<)$")
_ADOC_LISTING = re.compile(r"\[(?:source|listing|literal|stem|latexmath|asciimath|plantuml|ditaa|graphviz|subs)\b")
_ADOC_HIDDEN = re.compile(
    r"//|:!?[\w-]+!?:(?:\s|$)|(?:image|video|audio|include|toc|ifn?def|ifeval|endif)::|\[[^\[\]]*\]$|\[\[[^\[\]]*\]\]$|\+$"
)
_ADOC_BULLET = re.compile(
    r"(?:\*{1,5}|-|\.{1,5}|\d{1,3}\.|[a-zA-Z]\.|<(?:\d+|\.)>)\s+(?:\[[ xX*]\]\s+)?(?=\S)"
    r"|\S[^\n]{0,60}?(?::{2,4}|;;)\s+(?=\S)"
)
_ADOC_TERM = re.compile(r"\S[^\n]{0,80}?(?::{2,4}|;;)$|\.[^\s.][^\n]*$")
_ADOC_ADMONITION = re.compile(r"(?:NOTE|TIP|IMPORTANT|WARNING|CAUTION):\s+(?=\S)")
_ADOC_ATTRIBUTE = re.compile(r"^:([\w-]+):[ \t]+(\S[^\n]*?)[ \t\r]*$", re.MULTILINE)
_ADOC_SIGNS = {
    "nbsp": " ",
    "empty": "",
    "plus": "+",
    "apos": "'",
    "quot": '"',
    "amp": "&",
    "lt": "<",
    "gt": ">",
    "cpp": "C++",
}


_ADOC_TITLE = re.compile(r"(?://[^\n]*\n|\s)*= \S[^\n]*[^=\s][ \t\r]*\n")
_ADOC_SIGN = re.compile(
    r"^(?::[\w-]+:(?:[ \t\r]|$)|={2,5} \S[^\n]*[^=\n]$|\[(?:source|NOTE|TIP|WARNING|quote|\[)"
    r"|(?:-{4}|={4}|\|===)[ \t\r]*$|include::)",
    re.MULTILINE,
)


def is_adoc(text: str) -> bool:
    """Tell AsciiDoc by its title and a sign of it below."""
    title = _ADOC_TITLE.match(text)
    return title is not None and _ADOC_SIGN.search(text, title.end()) is not None


def read_adoc(text: str) -> list[ReadDocument]:
    """Read an AsciiDoc document; places are those in `text`."""
    values = {**_ADOC_SIGNS, **dict(_ADOC_ATTRIBUTE.findall(text))}
    rows, marked = marked_rows(text), Marked(text, _ADOC_MARKS, lambda piece: values.get(piece[1:-1], piece))
    at = 0
    while at < len(rows):
        at = _adoc_row(rows, at, marked)
    marked.flush()
    return [ReadDocument(text, tuple(marked.passages))]


def _adoc_row(rows: Sequence[MarkedRow], at: int, marked: Marked) -> int:
    """Read one row, or pass over a block that is no prose; returns the row behind it."""
    row, following = rows[at], rows[at + 1].text if at + 1 < len(rows) else ""
    heading = None if row.indent else _ADOC_HEADING.match(row.text)
    if heading:
        level = len(heading["marks"])
        marked.heading(row.start + heading.start("title"), row.start + heading.end("title"), level)
        return _behind_authors(rows, at + 1) if level == 1 and len(marked.passages) == 1 else at + 1
    if not marked.is_open:
        if _is_underlined(row.text, following):
            marked.heading(row.start, row.end, 1 + "=-~^+".index(following[0]))
            return at + 2
        if _ADOC_LISTING.match(row.text) and not _ADOC_BLOCK.match(following) and not _ADOC_FRAME.match(following):
            return _behind_filled(rows, at)
        if row.indent and row.text and not _ADOC_BULLET.match(row.text):  # a literal paragraph
            return _behind_filled(rows, at)
    if _ADOC_BLOCK.match(row.text):
        marked.flush()
        return _behind_block(rows, at, marked)
    _adoc_line(row, marked)
    return at + 1


def _adoc_line(row: MarkedRow, marked: Marked) -> None:
    """Read a row that is no block: a part of a paragraph, an item, or what is no prose."""
    bullet = _ADOC_BULLET.match(row.text)
    if not row.text or _ADOC_FRAME.match(row.text) or _ADOC_HIDDEN.match(row.text):
        marked.flush()
    elif bullet:
        marked.flush(Kind.ITEM)
        marked.line(row.start + bullet.end(), row.end)
    elif not marked.is_open and _ADOC_TERM.match(row.text):
        marked.flush(Kind.LABEL)
        marked.line(row.start, row.end)
        marked.flush()
    else:
        label = None if marked.is_open else _ADOC_ADMONITION.match(row.text)
        marked.line(row.start + (label.end() if label else 0), row.end)


def _is_underlined(line: str, following: str) -> bool:
    """Tell a title by the line below it, which is as long."""
    return (
        has_words(line)
        and _ADOC_UNDERLINE.match(following) is not None
        and abs(len(line) - len(following)) <= _ADOC_UNEVEN
    )


_ADOC_UNEVEN = 2  # characters by which the line below a title may be longer or shorter


def _behind_authors(rows: Sequence[MarkedRow], at: int) -> int:
    """Return the row behind the lines right below a document's title, which say who wrote it and when."""
    while at < len(rows) and rows[at].text and not LINE_END.search(rows[at].text):
        at += 1
    return at


def _behind_block(rows: Sequence[MarkedRow], at: int, marked: Marked) -> int:
    """Return the row behind the one that closes a block as it was opened; where none does, the next one."""
    closing = "```" if rows[at].text.startswith("```") else rows[at].text

    def find() -> int | None:
        return next((place for place in range(at + 1, len(rows)) if rows[place].text == closing), None)

    found = marked.behind(closing, find)
    return at + 1 if found is None else found + 1


_GROUP = r"\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.)*\})*\})*\}"
_TEX_UNSAID = (
    r"\w*cite\w*|(?!href)\w*ref|label|index|footnote(?:mark|text)?|thanks|author|date|affiliation|institute|email|address|"
    r"keywords|bibliography(?:style)?|input|include(?:graphics)?|[vh]space|setlength|caption|documentclass|usepackage|"
    r"pagestyle|thispagestyle|todo|hypersetup|graphicspath|addbibresource|color"
)
_TEX_MARKS = re.compile(
    r"(?<!\\)%[^\n]*"
    r"|\\(?:href|textcolor)\{[^{}]*\}|\\(?:setlength|addtolength)\{[^{}]*\}\{[^{}]*\}"
    r"|\\(?:url|path)\{(?P<raw_address>[^{}]*)\}"
    r"|\\verb\*?(?P<mark>[^\w\s*])(?P<raw_code>[^\n]*?)(?P=mark)"
    rf"|[~ ]?\\(?:{_TEX_UNSAID})\*?(?:\[[^\]]*\])*{_GROUP}"
    r"|\\(?P<raw_name>(?:La|Bib)?TeX)\b(?:\{\})?"
    r"|\\(?P<raw_sign>[%&$#_{}])"
    r"|\\\((?P<raw_formula>[^\n]{1,400}?)\\\)"
    r"|(?<!\\)\$(?P<raw_math>[^$]{1,400})\$"
    r"|(?P<said>``|''|---?|~|\\\\(?:\[[^\]]*\])?|\\[,;:! ]|\\[\"'`^~](?:\{[A-Za-z]\}|[A-Za-z])"
    r"|\$\$[\s\S]{1,3000}?\$\$|\\\[[\s\S]{1,3000}?\\\]|\\begin\{(?P<formula>\w+)\*?\}[\s\S]{1,3000}?\\end\{(?P=formula)\*?\})"
    r"|\\[A-Za-z@]+\*?(?:\[[^\]\n]*\])?[ \t]*|[{}]"
)
_TEX_SAID = {"``": '"', "''": '"', "---": "—", "--": "–"}
_TEX_ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303"}
_TEX_LEVELS = {
    name: level
    for level, names in enumerate(
        (
            "title part",
            "chapter",
            "section",
            "subsection frametitle begin{frame}",
            "subsubsection",
            "paragraph subparagraph",
        ),
        start=1,
    )
    for name in names.split()
}
_TEX_FORMULAS = "equation align gather multline eqnarray displaymath math flalign alignat dmath".split()
_TEX_HIDDEN = frozenset(
    "verbatim Verbatim lstlisting minted alltt tabular tabularx longtable tabulary table figure wrapfigure subfigure "
    "tikzpicture picture thebibliography filecontents algorithm algorithmic comment array matrix CCSXML keywords "
    "IEEEkeywords".split()
)
_TEX_BLOCK = re.compile(
    r"(?<!\\)%[^\n]*"
    rf"|\\(?P<heading>{'|'.join(map(re.escape, _TEX_LEVELS))})\*?(?:\[[^\]]*\])?(?P<title>{_GROUP})"
    r"|\\begin\{(?P<begin>\w+)\*?\}(?:\[[^\]\n]*\])?(?:\{[\d.]*\\?[a-z]*\})?"
    r"|\\iffalse\b(?P<hidden>)"
    r"|\\end\{\w+\*?\}"
    r"|\\item\b(?P<item>)[ \t]*(?:\[[^\]\n]*\])?"
    r"|\n[ \t\r]*\n|\\(?:par|maketitle|tableofcontents|newpage|clearpage|appendix|bigskip|medskip|smallskip)\b"
)


def read_tex(text: str) -> list[ReadDocument]:
    """Read a LaTeX document; places are those in `text`."""
    opening = re.search(r"^[^%\n]*\\begin\{document\}", text, re.MULTILINE)
    marked = Marked(text, _TEX_MARKS, _tex_said)
    begin, end = (opening.end() if opening else 0), text.rfind("\\end{document}")
    end = len(text) if end < begin else end
    title = _TEX_BLOCK.search(text, text.find("\\title"), begin) if opening and "\\title" in text[:begin] else None
    if title and title["heading"]:
        marked.heading(title.start("title") + 1, title.end("title") - 1, 1)
    place = begin
    while match := _next_tex_block(text, place, end):
        marked.line(place, match.start())
        place = _tex_block(text, match, end, marked)
    marked.line(place, end)
    marked.flush()
    return [ReadDocument(text, tuple(marked.passages))]


def _next_tex_block(text: str, place: int, end: int) -> re.Match[str] | None:
    """Return what ends a paragraph next; comments and formulas do not."""
    for match in _TEX_BLOCK.finditer(text, place, end):
        if not (match[0].startswith("%") or match["begin"] in _TEX_FORMULAS or _closes_formula(match[0])):
            return match
    return None


def _closes_formula(piece: str) -> bool:
    return piece.startswith("\\end{") and piece[5:].rstrip("*}") in _TEX_FORMULAS


def _tex_block(text: str, match: re.Match[str], end: int, marked: Marked) -> int:
    """End a paragraph; returns the place behind what is no prose."""
    if match["heading"]:
        marked.heading(match.start("title") + 1, match.end("title") - 1, _TEX_LEVELS[match["heading"]])
        return match.end()
    marked.flush(Kind.ITEM if match["item"] is not None else Kind.PROSE)
    is_hidden = match["hidden"] is not None
    if match["begin"] not in _TEX_HIDDEN and not is_hidden:
        return match.end()
    closing = re.compile(r"\\(?:fi|else)\b" if is_hidden else rf"\\end\{{{match['begin']}\*?\}}")
    found = marked.behind(
        match["begin"] or match[0], lambda: (there := closing.search(text, match.end(), end)) and there.end()
    )
    return match.end() if found is None else found


def _tex_said(piece: str) -> str:
    """Return what a piece of markup is read as: quotes, dashes, accents; a formula on lines of its own as (…)."""
    if piece in _TEX_SAID:
        return _TEX_SAID[piece]
    if piece.startswith(("$$", "\\[", "\\begin")) and len(piece) > 3:
        return "(…)" + "." * (re.search(r"\.\s*(?:\$\$|\\\]|\\end\b.*)$", piece) is not None)
    if piece[0] == "\\" and piece[1:2] in _TEX_ACCENTS and piece[-1] != "]":
        return normalize("NFC", piece[2:].strip("{}") + _TEX_ACCENTS[piece[1]])
    return " "
