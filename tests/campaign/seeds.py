"""Whole inputs in every notation bertkit reads, as pieces, so that a damaged one still knows its rows."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.campaign.rows import Row, some_rows

STEMS = ("rows", "리뷰", "my rows", "part.one")


@dataclass(frozen=True)
class Piece:
    """Bytes of a file with their line end: a row, a header, or something that was put in.

    `row` is the index of the row that these bytes hold unharmed; None: there is none.
    """

    raw: bytes
    row: int | None = None
    is_header: bool = False

    @property
    def lines(self) -> int:
        """How many physical lines begin in it."""
        return self.raw.count(b"\n") + (self.raw[-1:] not in (b"\n", b""))


@dataclass
class Draft:
    """A text file in the making; what damages it keeps the book on what is left.

    Attributes:
        kind: csv, tsv, jsonl, txt or conll.
        suffix: what its name ends with.
        end: what parts two rows: a line end, for conll also a blank line.
        head_hurt: whether the line that tells what the file is was damaged.
        renamed: whether the suffix says nothing, or something else.
        numbered: whether rows stand at their lines; not where line ends were rewritten.
        loose: whether unharmed rows may be refused as well, if it is said (a mixed encoding).
        quotes: how many stray quotes there are; two enclose the rows between them for any reader.
        inexact: whether a reader may see more or fewer records than there are lines.
        story: what was done to it.
    """

    task: str
    kind: str
    suffix: str
    rows: Sequence[Row]
    pieces: list[Piece]
    stem: str = "rows"
    head_hurt: bool = False
    renamed: bool = False
    numbered: bool = True
    loose: bool = False
    quotes: int = 0
    inexact: bool = False
    story: list[str] = field(default_factory=list)

    @property
    def end(self) -> bytes:
        """What must stand after a row."""
        return b"\n\n" if self.kind == "conll" else b"\n"

    @property
    def body(self) -> list[int]:
        """The places of all pieces but the header."""
        return [i for i, piece in enumerate(self.pieces) if not piece.is_header]

    def data(self) -> bytes:
        """Return the file."""
        return b"".join(piece.raw for piece in self.pieces)

    def touch(self, i: int, raw: bytes) -> None:
        """Replace the bytes of a piece; its row is not expected back."""
        old = self.pieces[i]
        if raw == old.raw:
            return
        if old.is_header or i == 0:
            self.head_hurt = True
        self._count_quotes(raw, old.raw)
        self.pieces[i] = Piece(raw, None, old.is_header)
        if not raw.endswith(self.end) and i + 1 < len(self.pieces):
            self.forget(i + 1)

    def insert(self, i: int, raw: bytes) -> None:
        """Put bytes in before a piece."""
        if i == 0:
            self.head_hurt = self.inexact = True
        self._count_quotes(raw, b"")
        if i and not self.pieces[i - 1].raw.endswith(self.end):
            self.forget(i - 1)
        self.pieces.insert(i, Piece(raw))
        if not raw.endswith(self.end) and i + 1 < len(self.pieces):
            self.forget(i + 1)

    def forget(self, i: int) -> None:
        """Expect a row no more, for what stands before it runs into it."""
        old = self.pieces[i]
        self.head_hurt = self.head_hurt or old.is_header
        self.inexact = True
        self.pieces[i] = Piece(old.raw, None, old.is_header)

    def _count_quotes(self, raw: bytes, old: bytes) -> None:
        if self.kind == "csv":
            self.quotes += raw.count(b'"') != old.count(b'"')
            self.inexact = self.inexact or b'"' in raw + old or b"\r" in raw


def _csv(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    return _table(rows, ",", rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))


def _semicolons(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    return _table(rows, ";", csv.QUOTE_MINIMAL)


def _table(rows: Sequence[Row], delimiter: str, quoting: int) -> list[Piece]:
    def line(values: Sequence[object]) -> bytes:
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerow(values)  # type: ignore[arg-type]
        return out.getvalue().encode()

    header = Piece(line(list(rows[0].fields)), is_header=True)
    return [header, *(Piece(line(list(row.fields.values())), i) for i, row in enumerate(rows))]


def _tsv(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    lines = [list(rows[0].fields), *(list(row.fields.values()) for row in rows)]
    raw = ["\t".join(map(str, values)).encode() + b"\n" for values in lines]
    return [Piece(raw[0], is_header=True), *(Piece(line, i) for i, line in enumerate(raw[1:]))]


def _jsonl(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    ascii_only = rng.random() < 0.3
    return [
        Piece(json.dumps(row.fields, ensure_ascii=ascii_only).encode() + b"\n", i) for i, row in enumerate(rows)
    ]  # fmt: skip


def _objects(*names: str) -> Callable[[Sequence[Row], random.Random], list[Piece]]:
    """Write JSON lines that have some of the fields only."""

    def write(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
        return _jsonl([Row(row.texts, {name: row.fields[name] for name in names}) for row in rows], rng)

    return write


def _strings(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    """Write entities as strings that are to be searched."""
    found = [(row, row.fields["entities"][0]) for row in rows]
    named = [(row, [[row.texts[0][start:end], label]]) for row, (start, end, label) in found]
    return _jsonl([Row(row.texts, {"text": row.texts[0], "entities": entities}) for row, entities in named], rng)


def _listed(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    """Write a question's choices as a list."""
    fields = [
        {
            "question": row.texts[0],
            "choices": {"text": list(row.texts[1:]), "label": list("ABC")},
            "answer": row.fields["answer"],
        }
        for row in rows
    ]
    return _jsonl([Row(row.texts, own) for row, own in zip(rows, fields, strict=True)], rng)


def _txt(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    return [Piece(row.texts[0].encode() + b"\n", i) for i, row in enumerate(rows)]


def _conll(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    pairs = [zip(row.fields["tokens"], row.fields["tags"], strict=True) for row in rows]
    texts = ["".join(f"{word} X {tag}\n" for word, tag in tagged) + "\n" for tagged in pairs]
    return [Piece(text.encode(), i) for i, text in enumerate(texts)]


def _characters(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    """Write a character and its tag a line, as KLUE does."""
    pieces = []
    for i, row in enumerate(rows):
        start, end, label = row.fields["entities"][0]
        tags = [
            f"B-{label}" if place == start else f"I-{label}" if start < place < end else "O"
            for place in range(len(row.texts[0]))
        ]
        lines = [f"{character}\t{tag}\n" for character, tag in zip(row.texts[0], tags, strict=True)]
        pieces.append(Piece(("".join(lines) + "\n").encode(), i))
    return pieces


def _suffix_tags(rows: Sequence[Row], rng: random.Random) -> list[Piece]:
    """Write a sentence, a tab and the tags of its words, as Naver does."""
    found = [
        (row.texts[0], [tag[2:] + "-" + tag[0] if "-" in tag else tag for tag in row.fields["tags"]]) for row in rows
    ]
    return [Piece(f"{text}\t{' '.join(tags)}\n".encode(), i) for i, (text, tags) in enumerate(found)]


@dataclass(frozen=True)
class Notation:
    """One way to write the rows of a task."""

    kind: str
    suffixes: tuple[str, ...]
    write: Callable[[Sequence[Row], random.Random], list[Piece]]
    one_line: bool = False


CSV = Notation("csv", (".csv",), _csv)
SEMICOLONS = Notation("csv", (".csv",), _semicolons)
TSV = Notation("tsv", (".tsv", ".tab"), _tsv, one_line=True)
JSONL = Notation("jsonl", (".jsonl", ".json", ".ndjson"), _jsonl)
TXT = Notation("txt", (".txt",), _txt, one_line=True)
TABLES = (CSV, SEMICOLONS, TSV, JSONL)
NOTATIONS: Mapping[str, Sequence[Notation]] = {
    "classify": (*TABLES, TXT),
    "pair": TABLES,
    "regression": (*TABLES, TXT),
    "ner": (
        Notation("conll", (".conll", ".bio", ".iob"), _conll),
        Notation("conll", (".conll", ".tsv"), _characters),
        Notation("tsv", (".tsv",), _suffix_tags),
        Notation("jsonl", (".jsonl",), _objects("text", "entities")),
        Notation("jsonl", (".jsonl",), _objects("tokens", "tags")),
        Notation("jsonl", (".jsonl",), _strings),
    ),
    "choice": (CSV, TSV, JSONL, Notation("jsonl", (".jsonl", ".json"), _listed)),
    "extractive": (CSV, TSV, JSONL),
}


def draw(task: str, rng: random.Random) -> Draft:
    """Draw a whole file of a task."""
    notation = rng.choice(NOTATIONS[task])
    rows = some_rows(task, rng, one_line=notation.one_line)
    pieces = notation.write(rows, rng)
    return Draft(task, notation.kind, rng.choice(notation.suffixes), rows, pieces, rng.choice(STEMS))
