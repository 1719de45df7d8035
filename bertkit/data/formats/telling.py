"""What kind of table an input is: told from its first bytes, a file's suffix only a hint."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Literal

from bertkit.data.column_names import column_name
from bertkit.data.formats.delimited import (
    Knows,
    are_escaped,
    are_quoted,
    below_title,
    csv_delimiter,
    cut_rows,
    has_header,
    has_quoted_column,
    has_row_names,
    is_cut_alike,
    is_even,
    known_delimiter,
    lines_above,
    looks_csv,
    looks_tsv,
    may_be_table,
    names_of,
    unescaped,
)
from bertkit.data.formats.json_rows import json_kind
from bertkit.data.formats.lines import sniff_encoding
from bertkit.data.formats.opened import ANNOTATIONS, Opened, is_annotated, open_input
from bertkit.data.formats.parquet import ARROW_MAGIC
from bertkit.data.records import BadRow, LeftOut, Row
from bertkit.data.tagged.schemes import (
    OUTSIDE,
    WEBANNO,
    are_tags,
    have_speech,
    is_entity_tag,
    is_tag,
    looks_tagged_lines,
)
from bertkit.data.values import RowError, cell_of
from bertkit.errors import DataError
from bertkit.files import without_packing
from bertkit.plain import is_kept_stdin, listed, quoted

# --------------------------------------------------------------------------------------------------
# Lines of text that carry their own labels: `LABEL:fine text`, `word/TAG word/TAG`, and entities between marks.
#
# How a file is written shows in its first lines, and only where all of them fit: what stands in a text by
# chance (`and/or`, a note that begins with `NB:`) makes no marks of it.

Marks = Literal[
    "", "label", "/", "_", "|", "element", "bracket", "angle", "link", "start", "speech", "nlu", "entities of nlu",
    "PubTator", "SemEval", "Vowpal Wabbit", "libsvm", "weights", "tree", "behind",
    "XML or HTML", "YAML", "subtitles", "RTF", "LaTeX", "a script", "Python", "SQL", "ARFF",
]  # fmt: skip
"""`label`: `LABEL:fine text`; `/`, `_`, `|`: an entity tag behind each word; `speech`: a part of speech behind each;
`tree`: words in a tree, its label first; `behind`: `text;label` or `text@label`; `nlu`: examples below their intents;
`SemEval`: numbered sentences, below each its relation; `libsvm`, `weights`: numbers of features; those of `_OTHER`:
lines that are not texts but of a program; the others: how entities stand in a text."""

_OF_INTENTS: frozenset[Marks] = frozenset({"nlu", "entities of nlu"})
ENTITY_MARKS: frozenset[Marks] = frozenset({"PubTator", "/", "_", "|", "element", "bracket", "angle", "link", "start"})
# Without what is written around the text nothing of a line is one.
_ALWAYS_PARTED: frozenset[Marks] = frozenset({"SemEval", "Vowpal Wabbit", "tree"})

_LABEL = re.compile(r"([A-Z]{2,10}:[A-Za-z]+)\s+(?=\S)", re.ASCII)
# A tree of Stanford's sentiment treebank, and its leaves; a label behind a text.
_TREE, _LEAF, _NODE = re.compile(r"\((\d) (.*)\)"), re.compile(r"\(\d ([^()\s]+)\)"), re.compile(r"\((\d) |[()\s]")
_BEHIND = re.compile(r"(?P<text>.*\S)(?P<mark>[;@]|\s+[;@]\s+)(?P<label>[^\W\d_][\w-]{0,29})\s*")
_HARDLY_TEXT = {";": re.compile(r"&#?\w+$|;(?=\S)"), "@": re.compile(r"^\S+(?:\s+\S+)?$|\d\w*$")}
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
# Examples of intents, as Rasa has them in YAML and in Markdown, and what else it lists in their place.
_SECTION = re.compile(
    r"\s*(?:-\s+|##\s*)(?P<kind>intent|synonym|lookup|regex|story|rule|action|or|slot_was_set):\s*(?P<name>.*?)\s*"
)
_EXAMPLE = re.compile(r"\s*[-*]\s+(?:text:\s*)?(?P<text>.*?)\s*")
_MARKED = re.compile(
    r"\[(?P<text>[^\[\]]+)\](?:\((?P<name>[^(){}:]+)(?::[^()]*)?\)|\{[^{}]*\"entity\"\s*:\s*\"(?P<kind>[^\"]+)\"[^{}]*\})"
)
# Titles, abstracts, and below them the places of entities in both.
_PUBTATOR = re.compile(r"\w+\|(?P<part>[ta])\|(?P<text>.*)")
# A numbered sentence in quotes with two marked entities, and what stands below it.
_NUMBERED = re.compile(r"(?P<id>\d+)\s+\"(?P<text>.*<e1>.*</e1>.*<e2>.*</e2>.*|.*<e2>.*</e2>.*<e1>.*</e1>.*)\"\s*")
_BEGINS = re.compile(r"\d+(?:\s+\"|\t)")
_RELATION = re.compile(r"[A-Za-z][\w/-]*(?:\(e[12],\s*e[12]\))?")
_COMMENT = "Comment:"
# Vowpal Wabbit: a label, how much it counts, a name; and behind each bar a namespace and its words.
_WABBIT = re.compile(
    r"(?:(?P<label>[-+]?\d+(?:\.\d+)?)(?:\s+\d+(?:\.\d+)?){0,2}(?:\s+'?[\w.:/-]+)?\s*|'[\w.:/-]*\s*)?(?P<words>\|.*)"
)
_WEIGHT = re.compile(r"\S*:[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_FEATURES = re.compile(r"[-+]?\d+(?:\.\d+)?(?:,\d+)*(?:\s+qid:\d+)?(?:\s+\d+:[-+]?[\d.]+(?:[eE][-+]?\d+)?)+\s*(?:#.*)?")
_FEATURE, _TIME = re.compile(r"\s(\d+):(\S+)"), re.compile(r"\d{1,2}:[0-5]\d")
_STRAY_LINES = 20  # one in so many may be a fault
_NEARLY = 0.8
_FEW_FEATURES = 4  # 5 10:30 is rather a text
# Lines without a text, by what writes them.
_NUMBERS: Mapping[Marks, str] = {"libsvm": "libsvm", "weights": "Vowpal Wabbit"}
# How files begin whose lines are no texts but what a program reads.
_OTHER: Mapping[Marks, re.Pattern[str]] = {
    "XML or HTML": re.compile(
        r"\s*<(?:\?xml|!doctype|html|table|root|body|corpus|document|sentences|dataset|[\w-]+ version=)\b",
        re.IGNORECASE,
    ),
    "YAML": re.compile(r"%YAML|(?:[\w-]+:\n)?\s*- [\w-]+: .*\n\s+[\w-]+:(?:\s|$)"),
    "subtitles": re.compile(r"WEBVTT\b|\d+\n\d+:\d\d.*-->"),
    "RTF": re.compile(r"\{\\rtf"),
    "LaTeX": re.compile(r"\\(?:documentclass|begin\{document)"),
    "a script": re.compile(r"(?:(?:var|let|const)\s+\w+\s*=|module\.exports\s*=|export default)\s*[\[{]"),
    "Python": re.compile(
        r"(?:#.*\n|(?:from|import) [\w.]+.*\n)*[A-Za-z_]\w*\s*(?::\s*[\w\[\], .]+)?=\s*[\[({]\s*(?:#.*)?(?:\n|$)"
    ),
    "SQL": re.compile(
        r"(?:(?:--|/\*).*\n)*\s*(?:CREATE TABLE\b[^\n(]*\(|INSERT INTO\b.*\bVALUES\s*(?:\(|$)"
        r"|DROP TABLE (?:IF EXISTS )?\S+;|BEGIN TRANSACTION;)",
        re.IGNORECASE,
    ),
    "ARFF": re.compile(r"(?:%.*\n)*\s*@relation\b.*\n(?:%.*\n)*\s*@attribute\b", re.IGNORECASE),
}
_BEGINNING = 3  # lines that show it
# A part of speech, or of several in a Korean word (나/NP+는/JX); punctuation may be its own.
_SPEECH = re.compile(r"\S+?[/_](?:[A-Z]{1,6}\d?\$?|[^\w\s]{1,3}|-[LR]RB-)(?:\+\S+?[/_][A-Z]{1,6})*")
_STRAY = re.compile(
    r"<START:[\w-]+>|</?[A-Z][A-Z_-]+(?:\s+(?:TYPE|type)=[^<>]*)?>|:[A-Z][A-Z_-]+[\]>]|\]\([A-Z][A-Z_-]+\)"
)
_OF_PAGES = frozenset(
    {"html", "head", "body", "title", "div", "span", "table", "tr", "td", "th", "ul", "ol", "li", "em", "strong", "pre"}
    | {"code", "font", "center", "br", "hr", "doc", "text", "sub", "sup", "small", "mark", "del", "script", "style"}
)
_OF_PASSAGES = frozenset(
    {"p", "a", "b", "i", "u", "s", "q", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "blockquote"}
    | {"main", "header", "footer", "nav", "dl"}
)
_OF_WORDS = frozenset({"b", "i", "u", "em", "strong", "br", "span", "sub", "sup", "mark"})
_OF_SUBTITLES = frozenset({"tt", "sami", "transcript", "timedtext", "svg"})
_ENOUGH_LINES, _ENOUGH_WORDS = 3, 4
_MANY_LINES = 12
_ABOVE_INTENT = 20  # lines among which the first intent is
# Of lines with entities one in so many holds some.
_SOME = 5
NOTES: dict[Marks, str] = {
    "label": "the first word of each line is its label ('label'; the part before the colon is 'coarse': "
    "--columns text=text,label=coarse)",
    "tree": "each line is a tree: its first number is the label, and its words are the text",
    "behind": "the label of each line stands behind its text",
    "element": "entities are between marks such as <PER> and </PER>, which are not part of the text",
    "bracket": "entities are written in the text as [name:PER], and the marks are not part of it",
    "angle": "entities are written in the text as <name:PER>, and the marks are not part of it",
    "start": "entities are between <START:PER> and <END>, which are not part of the text",
    "link": "entities are written in the text as [name](PER), and the marks are not part of it",
    "speech": "a part-of-speech tag follows each word and is read as text; bertkit does not learn parts of speech",
    "PubTator": "titles and abstracts are the texts, and what is listed below them are their entities",
    "SemEval": "the relation of each sentence stands below it; comments are not read",
    "Vowpal Wabbit": "the label stands before the first bar, and names of namespaces are not part of the text",
    "nlu": "the examples below each intent are its texts, and entities marked in them are not read (--task ner does)",
    "entities of nlu": "entities are marked in the examples of intents, and the intents are not read",
    **{mark: f"each word has its tag behind a {quoted(mark)}" for mark in ("/", "_", "|")},
    **{mark: f"warning: these are lines of {mark}, and each is read as a text, marks included" for mark in _OTHER},
}


_ROW_NAMES = "the first field of each row is its number, for which the header has no name (as R writes tables)"
_UNQUOTED = "all cells of a column are in double quotes, which are not a part of them"


def marks_of(lines: Sequence[str]) -> Marks:
    """Tell how the first lines of a file, none of them blank, carry their labels; empty where they carry none."""
    if not lines or (told := _told_by_begin(lines)):
        return told if lines else ""
    if any("\t" in line for line in lines):
        return ""
    are_trees = _STRAY_LINES * sum(not _is_tree(line) for line in lines) <= len(lines)
    if are_trees and any(line.count("(") > 1 for line in lines):
        return "tree"
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
    if _have_speech([word for line in lines for word in line.split()]):
        return "speech"
    return "behind" if _have_labels_behind(lines) else ""


def _is_tree(line: str) -> bool:
    """Tell a tree with a number at each node, and words in its leaves alone."""
    whole = _TREE.fullmatch(line.strip())
    return whole is not None and line.count("(") == line.count(")") and not _NODE.sub("", _LEAF.sub("", line))


def _have_labels_behind(lines: Sequence[str]) -> bool:
    """Tell whether all lines end in one of few labels behind a mark; a text may end in a word behind one by chance.

    Sentences have a space on one side of a mark (`yes; no`, `lunch @home`); ada@home is an address, `&nbsp;` a space,
    and a;b;c a table.
    """
    found = [match for line in lines if (match := _BEHIND.fullmatch(line)) is not None]
    labels, marks = {match["label"] for match in found}, {match["mark"].strip() for match in found}
    are_all = len(found) == len(lines) >= _MANY_LINES and len(marks) == 1
    by_chance = sum(_HARDLY_TEXT[match["mark"].strip()].search(match["text"]) is not None for match in found)
    return are_all and 1 < len(labels) <= len(lines) // _ENOUGH_LINES and 2 * by_chance <= len(lines)


def marked_rows(rows: Iterator[Row | BadRow], marks: Marks, column: str) -> Iterator[Row | BadRow]:
    """Part the text of lines from what it says of itself.

    Args:
        rows: the lines; a `BadRow` is handed on.
        marks: how they are written, as `marks_of` tells.
        column: the one that holds the line.

    Returns:
        Rows of text and label (a line without one has none), of tokens and tags, or of text and entities.
    """
    if marks in _OF_INTENTS:
        yield from _examples_of_intents(rows, marks, column)
        return
    if marks == "PubTator":
        yield from _abstracts(rows, column)
        return
    if marks == "SemEval":
        yield from _numbered_sentences(rows, column)
        return
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield Row(row.line, _fields(row.fields[column], marks, column))
        except RowError as error:
            yield BadRow(row.line, str(error))


def _fields(line: str, marks: Marks, column: str) -> dict[str, str]:
    if marks == "Vowpal Wabbit":
        return _namespaces(line, column)
    if marks == "tree":
        if not _is_tree(line):
            raise RowError("the line is not a tree of words with a number at each node, as the lines before it are")
        return {column: " ".join(_LEAF.findall(line)), "label": line.strip()[1]}
    if marks == "behind":
        match = _BEHIND.fullmatch(line)
        return {column: line} if match is None else {column: match["text"], "label": match["label"]}
    if marks == "label":
        found = _LABEL.match(line)
        if found is None:
            return {column: line}
        return {column: line[found.end() :], "label": found[1], "coarse": found[1].partition(":")[0]}
    if marks in _WRITTEN:
        text, places = _unmarked(line, _WRITTEN[marks])
        return {column: text, "entities": cell_of(places)}
    words = [word.rpartition(marks) for word in line.split()]
    bare = next((tag for token, _, tag in words if not token), None)
    if bare is not None:
        raise RowError(f"{quoted(bare)} has no word and tag with {quoted(marks)} between them")
    tokens, tags = [token for token, _, _ in words], [tag for _, _, tag in words]
    return {"tokens": cell_of(tokens), "tags": cell_of(tags)}


def _examples_of_intents(rows: Iterator[Row | BadRow], marks: Marks, column: str) -> Iterator[Row | BadRow]:
    """Read the examples of each intent; those of synonyms and of stories are left out."""
    kind, intent, begun = "", "", False
    for row in rows:
        line = "" if isinstance(row, BadRow) else row.fields[column]
        if isinstance(row, BadRow):
            yield row
        elif (section := _SECTION.fullmatch(line)) is not None:
            kind, intent, begun = section["kind"], section["name"].strip("\"'"), False
        elif (example := _EXAMPLE.fullmatch(line)) is not None or (begun and line.strip()):
            text = line.strip() if example is None else example["text"]
            begun = example is not None and text in ("", "|", "|-", ">", ">-")  # the text is in the next line
            if kind != "intent":
                yield LeftOut(row.line, f"it is told of a {kind or 'list'}, and is not an example of an intent")
            elif not begun:
                bare, places = _unmarked(text, _MARKED)
                said = {"label": intent} if marks == "nlu" else {"entities": cell_of(places)}
                yield Row(row.line, {column: bare, **said})


def _abstracts(rows: Iterator[Row | BadRow], column: str) -> Iterator[Row | BadRow]:
    """Read titles and abstracts with the entities that are listed below them."""
    texts: list[str] = []
    places: list[dict[str, str | int]] = []
    begin = 0
    for row in itertools.chain(rows, [None]):
        line = row.fields[column] if isinstance(row, Row) else ""
        part = _PUBTATOR.fullmatch(line)
        if texts and (row is None or (part is not None and part["part"] == "t")):
            yield Row(begin, {column: " ".join(texts), "entities": cell_of(places)})
            texts, places = [], []
        if isinstance(row, BadRow):
            yield row
        elif row is not None and part is not None:
            begin = begin if texts else row.line
            texts.append(part["text"])
        elif row is not None and len(cells := line.split("\t")) > 4 and cells[1].isdigit():
            start, end = (int(cell) if cell.isdecimal() else cell for cell in cells[1:3])
            places.append({"start": start, "end": end, "text": cells[3], "label": cells[4]})


def _told_by_begin(lines: Sequence[str]) -> Marks:
    """Tell lines that are of a published form or of a program; empty where they are not."""
    if any((found := _SECTION.fullmatch(line)) and found["kind"] == "intent" for line in lines[:_ABOVE_INTENT]):
        return "nlu"
    if len(lines) > 1 and all(map(_PUBTATOR.fullmatch, lines[:2])):
        return "PubTator"
    begin = "\n".join(lines[:_BEGINNING])
    other = next((kind for kind, pattern in _OTHER.items() if pattern.match(begin)), None)
    return _numbered_or_features(lines) if other is None else other


def _numbered_or_features(lines: Sequence[str]) -> Marks:
    """Tell sentences of SemEval's, lines of Vowpal Wabbit, and numbers of features; empty where they are none."""
    numbered = [_NUMBERED.fullmatch(line) is not None for line in lines if _BEGINS.match(line)]
    if _BEGINS.match(lines[0]) and 2 * sum(numbered) > len(numbered) and all(map(_is_of_numbered, pairwise(lines))):
        return "SemEval"
    if all(map(_FEATURES.fullmatch, lines)):
        return "libsvm" if _are_features([_FEATURE.findall(line.partition("#")[0]) for line in lines]) else ""
    found = [match for line in lines if (match := _WABBIT.fullmatch(line.strip())) is not None]
    if not found or _STRAY_LINES * (len(lines) - len(found)) > len(lines) or not all(map(_are_namespaces, found)):
        return ""
    words = [word for match in found for _, own in _parts(match["words"]) for word in own]
    if not words or not (_have_common_names(found) or _are_labelled(found)):
        return ""
    return "weights" if 2 * sum(_WEIGHT.fullmatch(word) is not None for word in words) > len(words) else "Vowpal Wabbit"


def _are_features(found: Sequence[Sequence[tuple[str, str]]]) -> bool:
    """Tell features by their numbers, which go up in each line; those of games do not, and times are none."""
    every = [":".join(feature) for own in found for feature in own]
    are_sorted = all(int(one) < int(other) for own in found for (one, _), (other, _) in pairwise(own))
    return len(every) >= _FEW_FEATURES and are_sorted and not all(map(_TIME.fullmatch, every))


def _is_of_numbered(lines: tuple[str, str]) -> bool:
    """Tell whether what follows a line is a numbered sentence, or below one its relation or a comment, or goes on."""
    above, line = lines
    is_below = _RELATION.fullmatch(line.strip()) is not None or line.startswith(_COMMENT)
    return is_below or _BEGINS.match(line) is not None or _BEGINS.match(above) is None


def _parts(words: str) -> list[tuple[str, list[str]]]:
    """Return the namespaces of a line with their words."""
    found = []
    for part in words.split("|")[1:]:
        name = "" if part[:1].isspace() else part.split(maxsplit=1)[0] if part.strip() else ""
        found.append((name.partition(":")[0], part[len(name) :].split()))
    return found


def _are_namespaces(match: re.Match[str]) -> bool:
    """Tell namespaces from cells: of several each has a name, and all have words."""
    parts = _parts(match["words"])
    return all(words for _, words in parts) and (len(parts) == 1 or all(name for name, _ in parts))


def _have_common_names(found: Sequence[re.Match[str]]) -> bool:
    """Tell whether namespaces are called alike in all lines, as columns are; texts behind a bar begin in many ways.

    What is numbered is none, and neither are few lines whose bar touches what is before it, as in `1|the end`.
    """
    labels = [float(match["label"]) for match in found if match["label"]]
    names = [{name for name, _ in _parts(match["words"])} for match in found]
    if not all(min(own, default="") for own in names) or (labels and _go_up(labels)):
        return False
    common = set[str].intersection(*names)
    are_few = len(found) < _ENOUGH_WORDS and not (labels and all(match[0].count(" |") for match in found))
    are_tagged = len(labels) == len(found) and all("'" in match[0].partition("|")[0] for match in found)
    return len(common) > 1 or are_tagged or (bool(common) and not are_few)


def _are_labelled(found: Sequence[re.Match[str]]) -> bool:
    """Tell whether numbers before bare words are labels: few that come again, or fractions; others count the lines."""
    written = [match["label"] for match in found if match["label"]]
    labels = [float(label) for label in written]
    if any(name for match in found for name, _ in _parts(match["words"])) or len(labels) < 2 or _go_up(labels):
        return False
    are_few = len(labels) < _ENOUGH_WORDS and set(labels) <= {-1, 0, 1}
    are_scores = any("." in label for label in written) or 2 * len(set(labels)) <= len(labels)
    return len(set(labels)) > 1 and (are_few or are_scores)


def _go_up(labels: Sequence[float]) -> bool:
    """Tell numbers nearly all of which are above the one before, as those of lines, years and sections (1.10) are."""
    steps = [above < below for above, below in pairwise(labels)]
    return len(labels) >= _ENOUGH_LINES and sum(steps) >= _NEARLY * len(steps)


def _namespaces(line: str, column: str) -> dict[str, str]:
    """Read a line of Vowpal Wabbit: the words of one namespace are the text, those of several columns of its names."""
    match = _WABBIT.fullmatch(line.strip())
    if match is None:
        raise RowError("the line is not a label, a bar and words, as the lines before it are")
    parts = _parts(match["words"])
    texts = {column if len(parts) == 1 else name or column: " ".join(words) for name, words in parts}
    return texts | ({} if match["label"] is None else {"label": match["label"]})


def _numbered_sentences(rows: Iterator[Row | BadRow], column: str) -> Iterator[Row | BadRow]:
    """Read numbered sentences in which two entities are marked, and the relation below each."""
    begin, fields = 0, dict[str, str]()
    is_lost = False
    for row in itertools.chain(rows, [None]):
        line = row.fields[column].strip() if isinstance(row, Row) else ""
        match = _NUMBERED.fullmatch(line)
        if fields and (row is None or isinstance(row, BadRow) or match is not None):
            yield Row(begin, fields)
            fields = {}
        if isinstance(row, BadRow):
            yield row
            is_lost = True
        elif row is not None and match is not None:
            begin, fields, is_lost = row.line, {"id": match["id"], "sentence": match["text"]}, False
        elif row is not None and fields and "relation" not in fields and _RELATION.fullmatch(line):
            fields["relation"] = line
        elif line.startswith(_COMMENT):
            is_lost = True  # what follows goes on with it
        elif row is not None and line and (not is_lost or _BEGINS.match(line)):
            yield BadRow(row.line, f"{quoted(line)} is neither a numbered sentence with <e1> and <e2> nor a relation")
            is_lost = True


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
        raise RowError(f"the mark {quoted(stray[0])} is not closed, or is inside another one")
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


# --- What kind of table an input is: told from its first bytes, a file's suffix only a hint -------
#
# Suffixes mislead: MRPC's and NSMC's `.txt` are TSV, STS's `.csv` is TSV without a header,
# CoNLL's `eng.testb` has no suffix at all. TSV is never quoted and CSV always is, so telling
# them apart decides whether a stray quote mark swallows the rows after it. Standard input is
# told in the same way, from the lines that have arrived.

KINDS = ("csv", "tsv", "jsonl", "json", "xml", "parquet", "txt", "conll")
_XML_BYTES = 1 << 18

_SUFFIX_HINTS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".conllu": "conll",
    ".conllx": "conll",
}
_MAX_SAMPLED_LINES = 200
# How files begin that hold text only once another program has unpacked it, and what that program is.
_PACKED = {
    rb"(?s)PK\x03\x04.*(?:xl/(?:workbook|_rels|worksheets)|opendocument\.spreadsheet)": (
        "a spreadsheet",
        "export the sheet as csv",
    ),
    rb"(?s)PK\x03\x04.*word/(?:document|_rels)": ("a Word document", "save its table as csv, or its text as txt"),
    rb"(?s)PK\x03\x04.*hwp\+zip": ("a Hangul document (hwpx)", "save it as docx or PDF, or its text as txt"),
    rb"(?s)PK\x03\x04.*(?:ppt/(?:presentation|_rels)|opendocument\.|epub\+zip)": (
        "a set of slides, an OpenDocument text or an EPUB",
        "save it as docx or PDF, or its text as txt",
    ),
    rb"PK\x03\x04": ("a zip archive of several files", "unpack it"),
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a": ("a picture", "extract its text"),
    rb"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it"),
    rb"(?s).{257}ustar": ("a tar archive", "unpack it with `tar -xf`"),
    rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("a file of an old Office", "export it as csv, or as text"),
    rb"SQLite format 3\0": ("an SQLite database", "export the table as csv (`sqlite3 -csv -header`)"),
    rb"<stata_dta>|[\x71-\x73][\x01\x02]\x01\0": ("a file of Stata", "export it as csv"),
    rb"\$FL[23]": ("a file of SPSS", "export it as csv"),
    rb"\x89HDF\r\n": ("an HDF5 file", "export the table as csv or parquet"),
    rb"\x80[\x02-\x05](?:\x95|[}\]c(])": (
        "a pickle of Python's, which can run any code",
        "write csv or parquet from Python",
    ),
    rb"%PDF-\d": ("a PDF", "extract its text"),
}
PARTING = " \t\r\n\f\v,;|"
# What Excel writes above a table to say what parts its fields.
SEPARATOR = re.compile(r"""["']?sep=([,;|\t])["']?""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableFormat:
    """How the bytes of a file become rows.

    `has_header` is true where the first line of a csv or tsv names the columns;
    `delimiter` is the comma of a csv (a semicolon in some spreadsheets' exports). The first
    `skip` lines say how the others are read (sep=;) or what they are (# …) and are none of them. Lines of a txt may
    carry their labels (`marks`); they are parted where `kind` is "marked". Rows may begin with a field that the header
    does not name (`has_row_names`), and quotes in quoted fields may have a backslash before them (`escaped`). Quotes
    around all cells of a column alone are said (`unquoted`).
    """

    kind: str
    encoding: str = "utf-8"
    has_header: bool = True
    delimiter: str = ","
    skip: int = 0
    marks: Marks = ""
    has_row_names: bool = False
    escaped: bool = False
    unquoted: bool = False

    def parted(self, *, entities: bool, classes: bool) -> TableFormat:
        """Return how lines are read that carry what is looked for: entities, or classes of the whole line."""
        if self.kind == "txt" and self.marks == "nlu":
            return replace(
                self, kind="marked", has_header=False, marks="entities of nlu" if entities > classes else "nlu"
            )
        wanted = self.marks in _ALWAYS_PARTED or (
            entities if self.marks in ENTITY_MARKS else classes and self.marks in ("label", "behind")
        )
        return replace(self, kind="marked", has_header=False) if wanted and self.kind == "txt" else self

    @property
    def spelt(self) -> Callable[[str], str] | None:
        """What brings lines to the usual spelling; None where they have it."""
        return unescaped if self.escaped else None

    @property
    def marks_note(self) -> str | None:
        """What a user should hear of how lines are parted."""
        if self.has_row_names or self.unquoted:
            return _ROW_NAMES if self.has_row_names else _UNQUOTED
        return NOTES[self.marks] if self.kind == "marked" or self.has_speech_tags or self.written_in else None

    @property
    def written_in(self) -> str:
        """What lines are of that are not texts; empty where they are."""
        return self.marks if self.kind == "txt" and self.marks in _OTHER else ""

    @property
    def has_speech_tags(self) -> bool:
        """Whether lines of text carry parts of speech, which nothing reads."""
        return self.kind == "txt" and self.marks == "speech"


@dataclass(frozen=True)
class Told:
    """What an input is; `notes` say how it is read otherwise than it might seem, `doubts` what it may be instead."""

    table: TableFormat
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def sniff_format(path: str | Path, *, kind: str | None = None, header: Sequence[str] = ()) -> TableFormat:
    """Tell the format of a file from its content.

    Args:
        path: a plain or gzipped file.
        kind: a kind the user named; then only encoding and delimiter are sniffed, and csv and
            tsv have a header.
        header: names of which a header would hold at least one, where they are known.

    Raises:
        DataError: there is no such file, or it is binary.
    """
    if Path(path).suffix == ANNOTATIONS and is_annotated(Path(path).with_suffix(".txt")):
        raise DataError(f"{path}: these are brat's annotations; name the text beside them, {Path(path).stem}.txt.")
    if kind is None and is_annotated(Path(path)):
        return TableFormat("conll", has_header=False, delimiter=" ")
    return tell_format(open_input(path), kind=kind, header=header)


def tell(
    opened: Opened,
    *,
    kind: str | None = None,
    header: Sequence[str] = (),
    knows: Knows | None = None,
    text_will_do: bool = True,
    one_text: bool = False,
) -> Told:
    """Tell the format of a file or of standard input, and what of that a user should hear.

    Args:
        opened: the input.
        kind: a kind the user named.
        header: names of which a header would hold at least one, where they are known.
        knows: tells the columns that the reader wants; a first line that names them is a header.
        text_will_do: whether plain lines can be read as well; then a table on standard input
            whose columns are not known is read as such.
        one_text: whether plain lines are one text, to which its line ends belong.

    Raises:
        DataError: it is binary, or has old Macs' line ends.
    """
    table = tell_format(opened, kind=kind, header=header, knows=knows, one_text=one_text)
    note = encoding_note(opened.name, table)
    notes = () if note is None else (note,)
    if kind is not None or knows is None:
        return Told(table, notes)
    is_bare = opened.path is None or not opened.path.suffix
    if opened.path is None and table.kind in ("csv", "tsv") and not table.skip:
        names = column_names(opened, table)
        if knows(names) or not text_will_do:
            return Told(
                table,
                (*notes, f"{opened.name} is read as {table.kind}: its columns are {listed(list(filter(None, names)))}"),
            )
        return Told(replace(table, kind="txt", has_header=False), notes, (_doubt(opened, table.kind),))
    if table.kind == "txt" and is_bare and may_be_table(_full_lines(opened, table.encoding), knows):
        return Told(table, notes, (_doubt(opened, "csv"),))
    return Told(table, notes)


def tell_format(
    opened: Opened,
    *,
    kind: str | None = None,
    header: Sequence[str] = (),
    knows: Knows | None = None,
    one_text: bool = False,
) -> TableFormat:
    """Tell the format of a file or of standard input; the arguments are those of `sniff_format` and `tell`.

    Raises:
        DataError: it is binary, or has old Macs' line ends.
    """
    if kind == "parquet" or (kind is None and opened.head.startswith(b"PAR1")):
        return TableFormat("parquet", has_header=False)
    if kind is None and opened.head.startswith(ARROW_MAGIC):
        return TableFormat("arrow", has_header=False)
    _refuse_binary(opened, documents=one_text)
    table = _told_format(opened, kind, header, knows)
    if not (one_text and table.kind == "txt"):
        _refuse_old_line_ends(opened)
    return table


def _told_format(opened: Opened, kind: str | None, header: Sequence[str], knows: Knows | None) -> TableFormat:
    encoding = sniff_encoding(opened.telling_bytes())
    lines = _sample_lines(opened, encoding)
    if kind in (None, "conll") and lines and lines[0].startswith(WEBANNO):
        return TableFormat("conll", encoding, has_header=False, delimiter=" ")
    above = lines_above(lines, knows) if kind in (None, "csv", "tsv", "jsonl") else 0
    table = _told_by(lines[above:], encoding, opened, kind, header, knows)
    if above and (table.kind == "jsonl" or (table.kind in ("csv", "tsv") and table.has_header)):
        table = replace(table, skip=max(table.skip, opened.first_line - 1) + above)
    elif above and table.kind != "json":  # in which comments may stand anywhere
        table = _told_by(lines, encoding, opened, kind, header, knows)
    if table.kind not in ("csv", "tsv"):
        return table
    full = _below_skipped(lines, opened, table)
    comma = "\t" if table.kind == "tsv" else table.delimiter
    return replace(
        table,
        has_row_names=table.has_header and has_row_names(full, comma),
        escaped=table.kind == "csv" and are_escaped(full, comma),
    )


def _below_skipped(lines: Sequence[str], opened: Opened, table: TableFormat) -> list[str]:
    """Return the lines of a table that are not blank, of those of its beginning."""
    return _not_blank(lines[max(0, table.skip - opened.first_line + 1) :])


def _told_by(
    lines: Sequence[str], encoding: str, opened: Opened, kind: str | None, header: Sequence[str], knows: Knows | None
) -> TableFormat:
    """Tell the format of lines, which are the first ones of an input."""
    full = _not_blank(lines)
    said = SEPARATOR.fullmatch(full[0].strip(" \r")) if full else None
    if said is not None and kind in (None, "csv", "tsv"):
        rows = cut_rows(full[1:], said[1]) or [[]]
        header_there = kind is not None or has_header(rows, {column_name(name).casefold() for name in header})
        return TableFormat("csv", encoding, header_there, said[1], skip=opened.first_line)
    if kind is not None:
        return _as_said(lines, encoding, opened, kind, knows)
    hint = None if opened.path is None else kind_by_suffix(opened.path)
    if not full:
        return TableFormat(hint or "txt", encoding, has_header=hint in ("csv", "tsv"))
    is_named = opened.path is not None and bool(opened.path.suffix)
    of_json = json_kind(full, hint, is_named=is_named, is_whole=opened.whole)
    if of_json is not None:
        return TableFormat(of_json, encoding, has_header=False)
    is_xml = is_named and PurePath(without_packing(opened.name)).suffix.lower() == ".xml"
    if hint is None and _is_xml(opened.content[:_XML_BYTES].decode(encoding, errors="ignore"), is_named=is_xml):
        return TableFormat("xml", encoding, has_header=False, marks="XML or HTML")
    table = _text_format(lines, full, hint, encoding, {column_name(name).casefold() for name in header}, knows)
    if table.marks in _NUMBERS:
        raise DataError.at(
            opened.name,
            opened.first_line,
            f"these are numbers of features ({_NUMBERS[table.marks]}) and no texts; give the texts that they were made "
            "of.",
        )
    if table.kind in ("csv", "tsv") and table.has_header:
        table = replace(table, has_header=not _by_place(full, "\t" if table.kind == "tsv" else table.delimiter, knows))
    delimiter = csv_delimiter(full)
    if table.kind != "txt" or table.marks or hint is not None:
        return table
    cut_alike = is_cut_alike(full, delimiter)
    bare, names = cut_alike and _by_place(full, delimiter, knows), False
    if not bare and is_kept_stdin(opened.name):  # who learns from it has no way to say that it is a table
        named, bare = is_even(full, delimiter), cut_alike and len(full) > 1
        names = named or (bare and has_header(cut_rows(full, delimiter), frozenset()))
    return TableFormat("csv", encoding, names, delimiter) if names or bare else table


def _as_said(lines: Sequence[str], encoding: str, opened: Opened, kind: str, knows: Knows | None) -> TableFormat:
    """Tell encoding and delimiter of lines that are of a kind that somebody said."""
    full = _not_blank(lines)
    if kind in ("jsonl", "json"):
        is_document = kind == "json" or json_kind(full, "jsonl", is_named=True, is_whole=opened.whole) == "json"
        return TableFormat("json" if is_document and full else "jsonl", encoding, has_header=False)
    if kind == "conll":
        return TableFormat(kind, encoding, False, looks_tagged_lines(lines, is_named=True) or " ")
    delimiter = csv_delimiter(lines)
    bare = _by_place(full, "\t" if kind == "tsv" else delimiter, knows)
    return TableFormat(kind, encoding, has_header=kind in ("csv", "tsv") and not bare, delimiter=delimiter)


def _is_xml(text: str, *, is_named: bool) -> bool:
    """Tell XML by its beginning: no page, and elements in its root of which one has ended; or its name says it.

    A text with words in italics has words beside its elements, which a table has not.
    """
    from xml.parsers import expat

    names, ended, beside = list[str](), list[str](), list[str]()
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, _: names.append(name)
    parser.EndElementHandler = ended.append
    parser.CharacterDataHandler = lambda said: beside.append(said) if len(names) == 1 + len(ended) else None
    try:
        parser.Parse(text.lstrip(), False)
    except expat.ExpatError:
        # A fault in a row makes no texts of the rows before it; lines that are an element each are no document.
        if len(names) == len(ended) or len(set(ended)) == len(ended):
            ended.clear()
    if not names or names[0].rpartition(":")[2].casefold() in _OF_PAGES | _OF_PASSAGES | _OF_SUBTITLES:
        return False
    if not is_named and not _OF_WORDS.isdisjoint(names[1:2]):
        return False
    return is_named or (bool(ended) and len(names) > 1 and not "".join(beside).strip())


def _by_place(full: Sequence[str], delimiter: str, knows: Knows | None) -> bool:
    """Tell whether columns are known by their places alone, as by a run that learnt from a table without names."""
    rows = cut_rows(full, delimiter)
    if knows is None or not rows or len(rows[0]) < 2:
        return False
    return knows([str(place) for place in range(1, len(rows[0]) + 1)]) and not knows(names_of(rows[0]))


def encoding_note(path: str | Path, table_format: TableFormat) -> str | None:
    """Say in one sentence that a file is not UTF-8, or nothing if it is."""
    if table_format.encoding == "utf-8":
        return None
    return f"{path} is {table_format.encoding.upper()} (read as such; UTF-8 is safer)"


def _of_tabs(full: Sequence[str], encoding: str) -> TableFormat:
    """Return the format of lines that tabs part: where all names, or all cells of a column, are quoted it is a csv."""
    if are_quoted(full[0]):
        return TableFormat("csv", encoding, delimiter="\t")
    unquoted = has_quoted_column(full)
    return TableFormat("csv", encoding, delimiter="\t", unquoted=True) if unquoted else TableFormat("tsv", encoding)


def _text_format(
    lines: Sequence[str], full: Sequence[str], hint: str | None, encoding: str, expected: Set[str], knows: Knows | None
) -> TableFormat:
    """Tell tables, tagged text and plain lines apart; `full` are the lines that are not blank."""
    comma = looks_tagged_lines(lines, is_named=hint == "conll")
    if comma is not None:
        return TableFormat("conll", encoding, has_header=False, delimiter=comma)
    if hint in (None, "conll") and have_speech(lines):
        return TableFormat("conll", encoding, has_header=False, delimiter=" ")
    known = None if knows is None else known_delimiter(full, knows)
    if known is not None:
        return _of_tabs(full, encoding) if known == "\t" else TableFormat("csv", encoding, delimiter=known)
    marks = marks_of(full) if hint is None else ""
    if marks:
        return TableFormat("txt", encoding, has_header=False, marks=marks)
    if looks_tsv(full, hint):
        return replace(_of_tabs(full, encoding), has_header=has_header(cut_rows(full, "\t"), expected))
    delimiter = csv_delimiter(full)
    if hint == "csv" or looks_csv(full, delimiter, hint):
        return TableFormat("csv", encoding, has_header(cut_rows(full, delimiter), expected), delimiter)
    return TableFormat(hint or "txt", encoding, hint == "tsv", " " if hint == "conll" else ",")


def _refuse_binary(opened: Opened, *, documents: bool) -> None:
    head = opened.head
    for mark, (what, way_on) in _PACKED.items():
        if re.match(mark, head):
            raise DataError(f"{opened.name}: this is {what}; {way_on}.")
    lines = head.split(b"\n")
    # A stream goes on after a line with a stray NUL byte, as after any line that cannot be read.
    allowed = len(lines) // 2 if opened.path is None else 0
    if sum(b"\0" in line for line in lines) > allowed or head.startswith(b"PAR1"):
        known = "pdf, docx, html, txt (UTF-8)" if documents else "csv, tsv, jsonl, txt (UTF-8)"
        raise DataError(f"{opened.name}: this is a binary file; {known} and parquet can be read.")


def _refuse_old_line_ends(opened: Opened) -> None:
    """Refuse lines that end in carriage returns alone, as old Macs wrote them: all would be one."""
    head = opened.head.strip()
    if b"\n" not in head and b"\r" in head:
        raise DataError.at(
            opened.name,
            opened.first_line,
            "the lines end in carriage returns alone, as old Macs wrote them; `tr '\\r' '\\n'` fixes that.",
        )


def _sample_lines(opened: Opened, encoding: str) -> list[str]:
    """Cut the head into complete lines without their ends, from the first that is not blank on; later ones stay in."""
    raw = opened.content.split(b"\n")
    if not opened.whole and len(raw) > 1:
        raw = raw[:-1]  # the last one is cut off
    return [line.decode(encoding, errors="replace").removesuffix("\r") for line in raw[:_MAX_SAMPLED_LINES]]


def _full_lines(opened: Opened, encoding: str) -> list[str]:
    """Cut the head into lines that are not blank."""
    return _not_blank(_sample_lines(opened, encoding))


def _not_blank(lines: Sequence[str]) -> list[str]:
    """Leave out lines in which nothing stands, or nothing but what parts fields, as spreadsheets leave them."""
    return [line for line in lines if line.strip(PARTING)]


def column_names(opened: Opened, table: TableFormat) -> list[str]:
    """Return the names of the columns of a csv or tsv: those of its first line, or else their places."""
    full = _below_skipped(_sample_lines(opened, table.encoding), opened, table)
    first = below_title(cut_rows(full, "\t" if table.kind == "tsv" else table.delimiter))[0]
    return names_of(first) if table.has_header else [str(place) for place in range(1, len(first) + 1)]


def _doubt(opened: Opened, kind: str) -> str:
    return (
        f"{opened.name}:{opened.first_line}: read as plain text, though the line looks like a table's; "
        f"if it is one, --input-format {kind}"
    )


def kind_by_suffix(path: PurePath) -> str | None:
    """Return the kind that a file's name says it is, how it is packed aside; None where it says nothing."""
    suffix = PurePath(without_packing(path.name)).suffix.lower()
    return _SUFFIX_HINTS.get(suffix)
