"""The vocabulary of the package: what a row of text is before any tokenizer sees it, and when two are the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any

# --------------------------------------------------------------------------------------------------
# What the rows of a table can hold, by name: `shapes.table` has a row for each, and a task's row names one.

CLASSES = "classes"
SCORES = "scores"
ENTITIES = "entities"
QUESTIONS = "questions"
TEXTS = "texts"
SUMMARIES = "summaries"
LABEL_SETS = "label_sets"
READINGS = "readings"
RELATIONS = "relations"
AUTO = "auto"

Tasks = Mapping[str, str]
"""The shape that each task reads, by the task's word, as those who know tasks hand it in."""


def shape_asked(task: str, tasks: Tasks, usual: str | None = None) -> str:
    """Return the shape that a task reads; of "auto" the usual one, or else "auto"."""
    return (usual or AUTO) if task == AUTO else tasks[task]


def word_of(shape: str, tasks: Tasks, asked: str = AUTO) -> str:
    """Return the word of the task that reads a shape: the one that was asked for, or else the first."""
    return asked if tasks.get(asked) == shape else next(word for word, name in tasks.items() if name == shape)


# --- The vocabulary of the package: what a row of text is before any tokenizer sees it ------------

Kept = tuple[tuple[str, Any], ...]
"""Names and JSON-ready values that go through to an answer."""


@dataclass(frozen=True, slots=True)
class Row:
    """One physical record of a file, columns by name, values still text.

    `line` is the 1-based physical line where the record starts, the header counted
    (parquet and hub data: the 1-based row).
    """

    line: int
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that could not be read.

    `message` says why, in one clause; `kept` are names and values that go through to the answer.
    """

    line: int
    message: str
    kept: Kept = field(default=(), kw_only=True, compare=False)


@dataclass(frozen=True, slots=True)
class LeftOut(BadRow):
    """A record that is not meant to be a row, such as a second header line: no fault, but it is said."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which columns play which part.

    `text` holds one column, or several that are joined into one text with the
    tokenizer's separator; `pair` is the second sentence of a pair; `choices` are the
    columns of a question's choices (one column that holds a list, or one each); `label`
    may be absent where only predictions are wanted. `labels` are columns of 0 and 1, one for
    each label that a row may have; `spans` say where two stretches of the text are.
    """

    text: tuple[str, ...]
    pair: str | None = None
    label: str | None = None
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that are read as text, in the order of `Example.texts`."""
        return (*self.text, self.pair) if self.pair is not None else self.text


@dataclass(frozen=True, slots=True)
class Example:
    """One row as a task sees it: its texts in the order of `ColumnMap.inputs`, and a label.

    Rows with the same `group` stay on one side of a split; empty: the row is of none. `kept`
    are names and values that go through to the answer.
    """

    texts: tuple[str, ...]
    label: str | None
    line: int
    source: str
    group: str = field(default="", kw_only=True)
    kept: Kept = field(default=(), kw_only=True, compare=False)

    @property
    def all_texts(self) -> tuple[str, ...]:
        """Every text of the row that a model may read."""
        return self.texts

    @property
    def answer(self) -> object:
        """The gold answer as JSON-ready values; None where the row has none."""
        return self.label


CharSpan = tuple[int, int]
"""Where something lies in its text: `text[start:end]`, in characters."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row starts: a file and its 1-based line."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A named stretch of a text: `text[start:end]`, in characters."""

    start: int
    end: int
    label: str

    @classmethod
    def trimmed(cls, text: str, span: CharSpan, label: str) -> Entity | None:
        """Make an entity that neither begins nor ends with a space; None where it would hold spaces alone."""
        start, end = span
        found = text[start:end]
        if not found.strip():
            return None
        return cls(start + len(found) - len(found.lstrip()), end - len(found) + len(found.rstrip()), label)


@dataclass(frozen=True, slots=True)
class TaggedText(Example):
    """One text with its entities; `texts` is the text alone and `label` is not used.

    `entities` stand in the order of their places and do not overlap; None: not known.
    `repaired` tells whether the row's tags broke their scheme and were read leniently,
    `trimmed` whether an entity came with spaces at its edges, and `recounted` what its places
    counted where that is not characters.
    """

    entities: tuple[Entity, ...] | None = None
    repaired: bool = False
    trimmed: bool = False
    recounted: str = ""

    @property
    def answer(self) -> object:
        """The entities as [start, end, label]; None where they are not known."""
        return None if self.entities is None else [[e.start, e.end, e.label] for e in self.entities]


@dataclass(frozen=True, slots=True)
class Question(Example):
    """A question with two or more choices.

    `texts` are the question, or context and question; `names` are what the file calls the
    choices (letters or numbers), and `label` is the name of the right one; `unread` says in a
    clause why there is none, where one was looked for.
    """

    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    unread: str = field(default="", compare=False)

    @property
    def all_texts(self) -> tuple[str, ...]:
        """Question and choices."""
        return (*self.texts, *self.choices)


@dataclass(frozen=True, slots=True)
class LabelSet(Example):
    """A row with any number of labels, none included; `labels` is None where they are not known.

    `label` is the cell as the file has it until all cells were seen and it is known where they
    are parted (`data.label_kinds`); then it is None.
    """

    labels: tuple[str, ...] | None = None

    @property
    def answer(self) -> object:
        """The labels as a list; None where they are not known."""
        return self.label if self.labels is None else list(self.labels)


@dataclass(frozen=True, slots=True)
class ReadingQuestion(Example):
    """A question whose answer is a stretch of a text; `texts` are the question and that text.

    `places` are where right answers stand in the text, in characters; none: the text has no
    answer; None: it is not known. `answers` are all right answers as the file writes them, and `key`
    is what the file calls the question. `label` is not used.
    """

    places: tuple[CharSpan, ...] | None = None
    answers: tuple[str, ...] = ()
    key: str = ""

    @property
    def answer(self) -> object:
        """The right answers as texts; None where they are not known."""
        return None if self.places is None else list(self.answers)


@dataclass(frozen=True, slots=True)
class Document(Example):
    """A long text with what is to be said of it; `texts` is the text alone and `label` is not used.

    `summary` is the reference, as the file writes it; None: not known. `sentences` are those
    of a file that comes split, in the order in which `texts` joins them with line breaks.
    """

    summary: str | None = None
    sentences: tuple[str, ...] = ()

    @property
    def answer(self) -> object:
        """The reference summary; None where it is not known."""
        return self.summary


@dataclass(frozen=True)
class DataSet:
    """Examples by split, and where they came from.

    `notes` say how the rows were read; `warnings` what of them could not be.
    """

    name: str
    task: str
    columns: ColumnMap
    splits: Mapping[str, Sequence[Example]]
    fingerprint: str
    is_sample: bool = False
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    def labels(self, split: str) -> Iterator[str]:
        """Iterate the labels of a split, in row order, rows without one left out."""
        return (e.label for e in self.splits[split] if e.label is not None)


# --- When are two rows the same row? One answer, for splitting, leaks, contamination and duplicates
#
# What is held apart when rows are split is what a check later calls the same: were the two to
# differ, a split would put rows on both of its sides that the check then reports.

_SEPARATOR = "\x1f"  # of columns, and of the choices in one
_BETWEEN = "\0"  # texts that are reduced together; hardly any text has one


def plain_form(text: str) -> str:
    """Reduce a text to what a reader would call the same text.

    Unicode composition (NFC), letter case, white space, punctuation and invisible
    characters do not count. A text of punctuation alone keeps it: ":)" is not ":(".
    """
    folded = unicodedata.normalize("NFC", text).casefold()
    plain = " ".join(folded.translate(_ignored()).split())
    return plain or " ".join("".join(char for char in folded if unicodedata.category(char) != "Cf").split())


def plain_forms(texts: Sequence[str]) -> list[str]:
    """Reduce many texts as `plain_form` does; those of ASCII alone, of which many are, all at once."""
    simple = [text for text in texts if text.isascii()]
    together = _BETWEEN.join(simple)
    if together.count(_BETWEEN) != len(simple) - 1:  # also where there are none
        return [plain_form(text) for text in texts]
    words = iter(together.casefold().translate(_ignored()).split(_BETWEEN))
    return [" ".join(next(words).split()) or plain_form(t) if t.isascii() else plain_form(t) for t in texts]


def columns_of(row: Example) -> tuple[str, ...]:
    """Return the texts of a row by column; a question's choices count as one more column."""
    every = row.all_texts
    own = len(row.texts)
    return row.texts if len(every) == own else (*row.texts, _SEPARATOR.join(every[own:]))


def row_keys(rows: Sequence[tuple[str, ...]], *, is_pair: bool) -> list[str]:
    """Return what is equal for rows that are the same; a swapped pair is the same pair.

    Args:
        rows: their texts, as `columns_of` returns them; labels do not count.
        is_pair: whether a row is two sentences.
    """
    return [_SEPARATOR.join(sorted(texts) if is_pair else texts) for texts in plain_rows(rows)]


def plain_rows(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Reduce the texts of many rows."""
    forms = plain_forms([text for row in rows for text in row])
    if len(forms) == len(rows) and all(rows):
        return list(zip(forms, strict=True))
    rest = iter(forms)
    return [tuple(islice(rest, len(row))) for row in rows]


@cache
def _ignored() -> dict[int, str | None]:
    """Punctuation becomes a space; format characters (zero-width, byte order mark) vanish."""
    table: dict[int, str | None] = {}
    for code in range(0x20000):  # no punctuation above, as of Unicode 16
        category = unicodedata.category(chr(code))
        if category[0] == "P":
            table[code] = " "
        elif category == "Cf":
            table[code] = None
    return table


# --- Two stretches of a text, marked in it: how the rows of relations are written from file to model
#
# The markers stand in the row's own text, so that the same sentence with other entities is another row
# for whoever compares, counts or shows rows. Where the type of an entity is known its word stands behind
# the opening marker, as in the typed markers of Zhou and Chen 2021 ("An Improved Baseline for
# Sentence-level Relation Extraction"); markers themselves are those of Baldini Soares et al. 2019
# ("Matching the Blanks: Distributional Similarity for Relation Learning").

OPENING = ("<subj>", "<obj>")
CLOSING = ("</subj>", "</obj>")
MARKERS = (*OPENING, *CLOSING)
# Stands between the type of an entity and the entity.
_BAR = "|"
# Goes for the first character of a marker that somebody has typed.
_STAND_IN = "("
_TYPED = re.compile("|".join(map(re.escape, MARKERS)))
_MARKED = tuple(
    re.compile(rf"{re.escape(opening)} (?:(?P<type>[^|<>]*) \| )?(?P<words>.*?) {re.escape(closing)}", re.DOTALL)
    for opening, closing in zip(OPENING, CLOSING, strict=True)
)


@dataclass(frozen=True, slots=True)
class MarkedSpan:
    """A stretch of a text, `text[start:end]` in characters, and its entity type; empty: not known."""

    start: int
    end: int
    type: str = ""


def mark(text: str, subject: MarkedSpan, object_: MarkedSpan) -> str:
    """Write the markers into a text; what it spells like one is respelt, and stays as long as it was.

    >>> mark("Mill founded Arl.", MarkedSpan(0, 4, "ORG"), MarkedSpan(13, 16))
    '<subj> ORG | Mill </subj> founded <obj> Arl </obj>.'
    """
    text = _TYPED.sub(lambda found: _STAND_IN + found[0][1:], text)
    at: list[tuple[int, int, int, str]] = []
    for number, span in enumerate((subject, object_)):
        type_ = " ".join(span.type.replace(_BAR, " ").replace("<", " ").replace(">", " ").split())
        opening = f"{OPENING[number]} {type_} {_BAR} " if type_ else f"{OPENING[number]} "
        # Of two that begin at one place the longer is opened first, and closed last.
        at += [(span.start, 1, -span.end, opening), (span.end, 0, -span.start, f" {CLOSING[number]}")]
    for place, _, _, word in sorted(at, reverse=True):
        text = text[:place] + word + text[place:]
    return text


@dataclass(frozen=True, slots=True)
class Marked:
    """What a marked text holds: the text without markers, and of each entity its type and its words."""

    text: str
    types: tuple[str, str]
    words: tuple[str, str]


def unmark(marked: str) -> Marked:
    """Take a text apart again; what is not marked is empty."""
    found = [pattern.search(marked) for pattern in _MARKED]
    types = tuple("" if match is None else match["type"] or "" for match in found)
    words = tuple("" if match is None else bare(match["words"]) for match in found)
    return Marked(bare(marked), (types[0], types[1]), (words[0], words[1]))


def bare(marked: str) -> str:
    """Return a text without its markers and the types behind them."""
    for opening in OPENING:
        marked = re.sub(rf"{re.escape(opening)} (?:[^|<>]* \| )?", "", marked)
    for closing in CLOSING:
        marked = marked.replace(f" {closing}", "")
    return marked


def around(marked: str, room: int) -> str:
    """Cut a marked text to its entities, what is between them, and some characters on either side."""
    places = marked_places(marked)
    if places is None:
        return marked[: 2 * room]
    return marked[max(0, places[0] - room) : places[1] + room]


def marked_places(marked: str) -> CharSpan | None:
    """Return from where to where the entities reach, with their markers; None where none are marked."""
    firsts = [marked.find(opening) for opening in OPENING]
    lasts = [marked.rfind(closing) for closing in CLOSING]
    if min(*firsts, *lasts) < 0:
        return None
    return min(firsts), max(last + len(closing) for last, closing in zip(lasts, CLOSING, strict=True))
