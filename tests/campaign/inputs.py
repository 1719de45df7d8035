"""A damaged input, ready to be given to a command, with what is known of it."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.campaign.damage import harm
from tests.campaign.parquet import draw_parquet
from tests.campaign.rows import TASKS, Row
from tests.campaign.seeds import Draft, draw

GZIP_SHARE, PARQUET_SHARE = 0.12, 0.1


@dataclass(frozen=True)
class Kept:
    """A row that no damage touched.

    `line` is where it stands; `early` tells whether all damage lies behind it.
    """

    row: Row
    line: int
    early: bool


@dataclass(frozen=True)
class Input:
    """Bytes with a name, and what must be found in them.

    Attributes:
        kept: the rows that were not damaged, in order.
        exact: how many records there are, blank lines included; None: that depends on the reader.
        filled: the same without blank lines.
        most: more records than that cannot be in it.
        head_hurt, renamed, numbered, loose: see `Draft`.
        enclosed: whether stray quotes may have made one field of several rows, for any reader.
        refused: whether no command may read it, for two columns go by one name.
        damaged_packed: whether a compressed file was damaged, or a file whose bytes have no lines.
    """

    task: str
    kind: str
    name: str
    data: bytes
    kept: Sequence[Kept]
    exact: int | None
    filled: int | None
    most: int
    story: tuple[str, ...]
    head_hurt: bool = False
    renamed: bool = False
    numbered: bool = True
    loose: bool = False
    enclosed: bool = False
    refused: bool = False
    damaged_packed: bool = False


def draw_input(rng: random.Random) -> Input:
    """Draw a file of a task, do something to it, and keep the book."""
    task = rng.choice(TASKS)
    if rng.random() < PARQUET_SHARE:
        return _of_parquet(task, rng)
    draft = draw(task, rng)
    harm(draft, rng)
    made = finished(draft)
    return _packed(made, rng) if rng.random() < GZIP_SHARE else made


def finished(draft: Draft) -> Input:
    """Put a draft together and look where its rows have come to stand."""
    line, early, kept = 1, not draft.head_hurt, []
    for piece in draft.pieces:
        lead = 0 if piece.row is None else _blank_lead(piece.raw)
        if piece.row is not None:
            kept.append(Kept(draft.rows[piece.row], line + lead, early))
        early = early and (piece.row is not None or piece.is_header)
        line += piece.raw.count(b"\n")
    records = [p for p in draft.pieces if not p.is_header]
    is_exact = not draft.inexact and not draft.head_hurt and draft.kind != "conll"
    data = draft.data()
    return Input(
        task=draft.task,
        kind=draft.kind,
        name=draft.stem + draft.suffix,
        data=data,
        kept=kept,
        exact=sum(1 if p.row is not None else p.lines for p in records) if is_exact else None,
        filled=sum(1 if p.row is not None else _filled_lines(p.raw) for p in records) if is_exact else None,
        most=data.count(b"\n") + data.count(b"\r") + 1,
        story=tuple(draft.story),
        head_hurt=draft.head_hurt,
        renamed=draft.renamed,
        numbered=draft.numbered,
        loose=draft.loose,
        enclosed=draft.quotes > 1,
    )


def _blank_lead(raw: bytes) -> int:
    """Count the blank lines that a row begins with."""
    first = raw.removeprefix(b"\xef\xbb\xbf")
    return first[: len(first) - len(first.lstrip())].count(b"\n")


def _filled_lines(raw: bytes) -> int:
    return sum(bool(line.decode("utf-8", "replace").strip()) for line in raw.split(b"\n"))


def _packed(made: Input, rng: random.Random) -> Input:
    """Compress it, and damage what came out one time in two."""
    data = gzip.compress(made.data, mtime=0)
    story, spoilt = "gzip", True
    match rng.randrange(6):
        case 0:
            data, story = data[: rng.randrange(len(data))], "gzip, cut"
        case 1:
            raw = bytearray(data)
            raw[rng.randrange(2, len(raw))] ^= 1 << rng.randrange(8)
            data, story = bytes(raw), "gzip, a bit flipped"
        case 2:
            data, story = data + rng.randbytes(20), "gzip, something behind it"
        case _:
            spoilt = False
    name = made.name + ("" if made.renamed else ".gz")
    return replace(made, data=data, name=name, story=(*made.story, story), damaged_packed=spoilt)


def _of_parquet(task: str, rng: random.Random) -> Input:
    made = draw_parquet(task, rng)
    kept = [Kept(row, number, early=not made.spoilt) for number, row in made.rows]
    exact = None if made.spoilt else made.count
    name = rng.choice(("rows", "리뷰")) + rng.choice((".parquet", ".parquet", ".parquet", "", ".csv", ".jsonl"))
    return Input(
        task=task,
        kind="parquet",
        name=name,
        data=made.data,
        kept=kept,
        exact=exact,
        filled=exact,
        most=made.count + made.spoilt * made.data.count(b"\n"),
        story=made.story,
        refused=made.refused and not made.spoilt,
        damaged_packed=made.spoilt,
    )
