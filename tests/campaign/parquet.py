"""Parquet files of our own, with columns that nobody asked for, and with bytes changed."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.campaign.rows import Row, some_rows

MAGIC = b"PAR1"


@dataclass(frozen=True)
class Made:
    """A parquet file: its unharmed rows by number, how many it has, and what was done to it.

    `spoilt` tells whether its frame is broken; `refused` whether it must be, for two columns
    go by the name that is read.
    """

    data: bytes
    rows: Sequence[tuple[int, Row]]
    count: int
    spoilt: bool
    refused: bool
    story: tuple[str, ...]


def draw_parquet(task: str, rng: random.Random) -> Made:
    """Draw a file of a task, whole or damaged."""
    rows = some_rows(task, rng, one_line=False)
    columns: dict[str, Any] = {name: [row.fields[name] for row in rows] for name in _fields(task, rng)}
    hurt: set[int] = set()
    story = rng.choice(("", "", "strange columns", "nulls", "Latin-1", "same names", "a text changed"))
    if story == "strange columns":
        columns |= _strange_columns(len(rows), rng)
    elif story == "nulls":
        hurt = set(rng.sample(range(len(rows)), 2))
        columns = {
            name: [None if i in hurt else value for i, value in enumerate(values)] for name, values in columns.items()
        }
    data = _written(columns, story, hurt, rng)
    if story == "a text changed":
        data = _with_changed_text(data, rows, hurt, rng)
    spoiling, data = _spoilt(data, rng)
    kept = [(number, row) for number, row in enumerate(rows, start=1) if number - 1 not in hurt]
    said = tuple(word for word in ("parquet", story, spoiling) if word)
    return Made(data, kept, len(rows), bool(spoiling), story == "same names", said)


def _fields(task: str, rng: random.Random) -> tuple[str, ...]:
    if task == "ner":
        return rng.choice((("tokens", "tags"), ("text", "entities")))
    return {
        "classify": ("id", "text", "label"),
        "pair": ("sentence1", "sentence2", "label"),
        "regression": ("text", "score"),
        "choice": ("prompt", "A", "B", "C", "answer"),
        "extractive": ("article", "highlights"),
    }[task]


def _strange_columns(count: int, rng: random.Random) -> dict[str, Any]:
    """Columns that no command reads: dates beyond the calendar, bytes that are not text, nested values."""
    import pyarrow as pa

    return {
        "when": pa.array([rng.choice((2**60, -(2**60), 0)) for _ in range(count)], pa.timestamp("us")),
        "bytes": pa.array([b"\xff\xfe"] * count, pa.binary()),
        "nested": [{"a": [1, None], "b": {"c": "d"}}] * count,
        "\x1b[31mcolour": [float("nan")] * count,
    }


def _written(columns: dict[str, Any], story: str, hurt: set[int], rng: random.Random) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if "entities" in columns:
        import json

        columns["entities"] = [None if value is None else json.dumps(value) for value in columns["entities"]]
    names, arrays = list(columns), [pa.array(values) for values in columns.values()]
    text = next(i for i, array in enumerate(arrays) if pa.types.is_string(array.type) or pa.types.is_list(array.type))
    if story == "Latin-1" and pa.types.is_string(arrays[text].type):
        hurt.add(rng.randrange(len(arrays[text])))
        raw = [b"caf\xe9" if i in hurt else value.encode() for i, value in enumerate(arrays[text].to_pylist())]
        binary = pa.array(raw, pa.binary())
        # The bytes are called text without a look at them, as some writers do.
        arrays[text] = pa.Array.from_buffers(pa.string(), len(binary), binary.buffers())
    if story == "same names":
        names, arrays = [*names, rng.choice((names[text], f" {names[text]}"))], [*arrays, arrays[text]]
    table, out = pa.Table.from_arrays(arrays, names=names), io.BytesIO()
    pq.write_table(table, out, compression=rng.choice(("none", "snappy")), row_group_size=rng.choice((4, 1000)))
    return out.getvalue()


def _with_changed_text(data: bytes, rows: Sequence[Row], hurt: set[int], rng: random.Random) -> bytes:
    """Change one byte of a text, where texts stand uncompressed."""
    i = rng.randrange(len(rows))
    text = rows[i].texts[0].encode()
    at = data.find(text)
    if at < 0:
        return data
    # It may have been found within a longer text, and later texts may be written as what they share with it.
    first = next(j for j, row in enumerate(rows) if any(rows[i].texts[0] in other for other in row.texts))
    hurt.update(range(first, len(rows)))
    place = at + rng.randrange(len(text))
    return data[:place] + bytes([data[place] ^ rng.choice((1, 0x80))]) + data[place + 1 :]


def _spoilt(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Change bytes of the file, in two of five cases."""
    match rng.randrange(10):
        case 0:
            return "cut", data[: rng.randrange(len(data))]
        case 1:
            return "beginning lost", data[rng.randrange(1, 40) :]
        case 2:
            at = data.rindex(MAGIC)
            return "footer's length changed", data[: at - 4] + rng.randrange(2**32).to_bytes(4, "little") + MAGIC
        case 3:
            return "something behind it", data + rng.randbytes(9)
        case _:
            return "", data
