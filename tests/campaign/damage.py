"""What happens to files: cut, flipped, doubled, mixed, wrapped, written by other programs.

Each damage changes a `Draft` in place and keeps its book: which rows are left unharmed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from tests.campaign.seeds import Draft, Piece

Damage = Callable[[Draft, random.Random], None]

# Put into the middle of a row.
SPLINTERS = (
    b"\0", b"\x1b[31m", b"\x1b]0;title\x07", b"\xc2\x9b31m", "\u202e".encode(), "\u2028".encode(), "\x85".encode(),
    b"\r", b"\x0b", b"\xff", b"\xed\xa0\x80", b"\xc3", b'"', b'""', b"'", b"\\", b"\\u00", b"{", b"}", b"[", b"]",
    b",", b";", b"\t", b"\t\t\t", b"\n", b"\n\n", b"=1+1", b"[/x]", b"[bold]", b"<b>", b"\xef\xbb\xbf",
    "가".encode("cp949"), "é".encode("latin-1"), "\U0001f469\u200d\U0001f4bb".encode(), "e\u0301".encode() * 40,
    b"word " * 3000, b"x" * 20000, b" " * 500,
)  # fmt: skip
# Put in as a line.
LINES = (
    b"", b" ", b"\t", b"\r", b"\x0c", "\u3000".encode(), b"#", b"//", b"---", b"null", b"0", b"[]", b"{}", b"[[[]]]",
    b'"text"', b"{", b"}", b"]", b'{"text": 1}', b'{"text": null}', b'{"text": ["a"], "label": {}}', b",", b",,,,",
    b'",', b'"', b"text,label", b"text\tlabel", b"-DOCSTART- -X- O", b"\x1b[2J", b"\0\0\0", b"\xff\xfe", b"PAR1",
    b'{"text": "a", "text": "b"}', b'{"text": "NaN", "label": NaN}', b'{"text": 1e999, "score": -1e999}',
    b"x" * 70000,
)  # fmt: skip
# JSON values that stand where a text or a label stood.
VALUES = (
    b"null", b"true", b"0", b"-1", b"1e39", b"1e308", b"1e400", b"-1e400", b"NaN", b"Infinity", b"[]", b"{}", b'""',
    b'"  "', b'[["a", "b"]]', b'{"a": {"b": 1}}', b"9" * 400, b"9" * 5000, b"0.1e-400", b'"\\ud800"', b'"\\udc00"',
    b'"a\\udfffb"', b'"\\ud83d\\ude00"', b'"\\u0000"', b'"\\u001b[31m"', b'"\\u202e"', b"[" * 900 + b"]" * 900,
    b'["\\udc00"]', b'"nan"', b'"1e999"',
)  # fmt: skip
HEADS = (
    b"", b",", b"\t", b"text", b"label", b"text,text,label", b"text\ttext", b" text , label ", b"TEXT,LABEL",
    b"id", b"1,2,3", b"\x1b[31mtext,label", b"text,\x00label", b'"text,label', b"[/x],label", b"a" * 70000,
    b"tekst,lable", b"text;label", '"문장","라벨"'.encode(), b"text,label,,,", b"text\tlabel\t\t",
)  # fmt: skip


def _place(draft: Draft, rng: random.Random) -> int | None:
    return rng.choice(draft.body) if draft.body else None


def splinter(draft: Draft, rng: random.Random) -> None:
    """Put something strange into the middle of a row."""
    i = _place(draft, rng)
    if i is not None:
        raw = draft.pieces[i].raw
        at = rng.randrange(len(raw)) if raw else 0
        draft.touch(i, raw[:at] + rng.choice(SPLINTERS) + raw[at:])


def flip(draft: Draft, rng: random.Random) -> None:
    """Change one byte, or some that stand together."""
    i = rng.randrange(len(draft.pieces)) if draft.pieces else None
    if i is not None and draft.pieces[i].raw:
        raw = bytearray(draft.pieces[i].raw)
        at = rng.randrange(len(raw))
        for place in range(at, min(at + rng.choice((1, 1, 2, 8)), len(raw))):
            raw[place] = rng.randrange(256)
        draft.touch(i, bytes(raw))


def drop_bytes(draft: Draft, rng: random.Random) -> None:
    """Lose some bytes within a row."""
    i = _place(draft, rng)
    if i is not None:
        raw = draft.pieces[i].raw
        at = rng.randrange(len(raw) + 1)
        draft.touch(i, raw[:at] + raw[at + rng.randint(1, 12) :])


def strange_value(draft: Draft, rng: random.Random) -> None:
    """Put a strange value where a JSON line has one, or a cell a text."""
    i = _place(draft, rng)
    if i is None:
        return
    raw, value = draft.pieces[i].raw, rng.choice(VALUES)
    for separator in (b": ", b",", b"\t", b";", b" "):
        before, found, after = raw.rpartition(separator) if rng.random() < 0.5 else raw.partition(separator)
        if found and draft.kind in ("jsonl", "csv", "tsv"):
            closing = b"}" if draft.kind == "jsonl" and b"}" in after else b""
            rest = after[after.find(b", ") :] if draft.kind == "jsonl" and b", " in after else closing + b"\n"
            draft.touch(i, before + separator + value + rest)
            return


def drop_row(draft: Draft, rng: random.Random) -> None:
    """Lose a whole row, or the header."""
    i = rng.randrange(len(draft.pieces)) if draft.pieces else None
    if i is not None:
        draft.head_hurt = draft.head_hurt or draft.pieces[i].is_header
        draft.pieces.pop(i)


def double_row(draft: Draft, rng: random.Random) -> None:
    """Write a row twice, or the header a second time."""
    i = rng.randrange(len(draft.pieces)) if draft.pieces else None
    if i is not None and draft.pieces[i].raw.endswith(draft.end):
        draft.pieces.insert(i + 1, Piece(draft.pieces[i].raw))
        draft.inexact = draft.inexact or draft.kind == "csv"


def swap_rows(draft: Draft, rng: random.Random) -> None:
    """Change the order of two rows: both are still there."""
    if len(draft.body) >= 2 and all(draft.pieces[i].raw.endswith(draft.end) for i in draft.body):
        i, j = rng.sample(draft.body, 2)
        draft.pieces[i], draft.pieces[j] = draft.pieces[j], draft.pieces[i]


def strange_line(draft: Draft, rng: random.Random) -> None:
    """Put a line in that is not a row."""
    draft.insert(rng.randrange(len(draft.pieces) + 1), rng.choice(LINES) + b"\n")


def cut(draft: Draft, rng: random.Random) -> None:
    """End the file too early."""
    at = rng.randrange(len(draft.data()) + 1)
    for i, piece in enumerate(draft.pieces):
        if at < len(piece.raw):
            draft.touch(i, piece.raw[:at])
            del draft.pieces[i + 1 :]
            return
        at -= len(piece.raw)


def no_last_line_end(draft: Draft, rng: random.Random) -> None:
    """Leave the last line end out: nothing is lost."""
    if draft.pieces:
        last = draft.pieces[-1]
        draft.pieces[-1] = Piece(last.raw.rstrip(b"\n"), last.row, last.is_header)


def ragged(draft: Draft, rng: random.Random) -> None:
    """Give a row a field too many, or one too few."""
    i = _place(draft, rng)
    if i is not None:
        raw, mark = draft.pieces[i].raw, {"csv": b",", "tsv": b"\t"}.get(draft.kind, b" ")
        draft.touch(i, raw.replace(mark, b"", 1) if rng.random() < 0.5 else raw.replace(mark, mark * 2, 1))


def strange_head(draft: Draft, rng: random.Random) -> None:
    """Give the table another header."""
    if draft.pieces and draft.pieces[0].is_header:
        draft.touch(0, rng.choice(HEADS) + b"\n")


def blank_head(draft: Draft, rng: random.Random) -> None:
    """Begin with blank lines, as exports do: all rows are still there."""
    if draft.pieces and draft.kind in ("csv", "tsv", "jsonl"):
        first, blank = draft.pieces[0], rng.choice((b"\n", b"\n\n\n", b"  \n", b"\r\n"))
        draft.pieces[0] = Piece(blank + first.raw, None if first.row == 0 else first.row, first.is_header)
        draft.inexact = True


def wrapped(draft: Draft, rng: random.Random) -> None:
    """Make one JSON array or one object of JSON lines."""
    if draft.kind != "jsonl" or not all(piece.row is not None for piece in draft.pieces):
        return
    begin, end = rng.choice(((b"[", b"]"), (b"[\n", b"\n]\n"), (b'{"data": [', b"]}"), (b"[[", b"]]"), (b"  [ ", b"")))
    last = len(draft.pieces) - 1
    draft.pieces = [
        Piece(begin * (i == 0) + p.raw.rstrip(b"\n") + (b",\n" if i < last else end), p.row)
        for i, p in enumerate(draft.pieces)
    ]
    draft.numbered, draft.inexact, draft.loose = False, True, True


def noise(draft: Draft, rng: random.Random) -> None:
    """Put random bytes before the file, behind it, or in its place."""
    foreign = rng.randbytes(rng.choice((1, 30, 3000)))
    where = rng.randrange(3)
    if where == 0:
        draft.insert(0, foreign)
    elif where == 1:
        draft.insert(len(draft.pieces), foreign)
    else:
        draft.pieces, draft.head_hurt = [Piece(foreign)], True
    draft.inexact = True


def _rewritten(draft: Draft, change: Callable[[bytes], bytes]) -> None:
    draft.pieces = [Piece(change(piece.raw), piece.row, piece.is_header) for piece in draft.pieces]


def windows_ends(draft: Draft, rng: random.Random) -> None:
    """End lines as Windows does: nothing is lost."""
    broken = (i for i, row in enumerate(draft.rows) if any("\n" in text for text in row.texts))
    inner = set(broken) if draft.kind == "csv" else set()
    draft.inexact = draft.inexact or bool(inner)
    draft.pieces = [p if p.row not in inner else Piece(p.raw, None) for p in draft.pieces]
    _rewritten(draft, lambda raw: raw.replace(b"\n", b"\r\n"))


def old_ends(draft: Draft, rng: random.Random) -> None:
    """End lines as old exports do, with carriage returns alone."""
    _rewritten(draft, lambda raw: raw.replace(b"\n", b"\r"))
    draft.numbered, draft.inexact, draft.loose = False, True, True


def byte_order_mark(draft: Draft, rng: random.Random) -> None:
    """Begin with a byte order mark: nothing is lost."""
    if draft.pieces:
        first = draft.pieces[0]
        draft.pieces[0] = Piece(b"\xef\xbb\xbf" + first.raw, first.row, first.is_header)


def other_encoding(draft: Draft, rng: random.Random) -> None:
    """Write the file in CP949, Latin-1 or UTF-16."""
    name = rng.choice(("cp949", "latin-1", "utf-16", "utf-16-le", "utf-32"))
    try:
        text = [(piece.raw.decode(), piece) for piece in draft.pieces]
        raw = [own.encode("utf-16-le" if i and name == "utf-16" else name) for i, (own, _) in enumerate(text)]
    except UnicodeError:
        return
    draft.pieces = [Piece(new, piece.row, piece.is_header) for new, (_, piece) in zip(raw, text, strict=True)]
    draft.loose, draft.head_hurt = True, True
    draft.numbered = draft.numbered and not name.startswith("utf")
    draft.inexact = draft.inexact or name.startswith("utf")


def wrong_suffix(draft: Draft, rng: random.Random) -> None:
    """Call the file something else, or nothing."""
    draft.suffix = rng.choice((".csv", ".tsv", ".jsonl", ".json", ".txt", ".conll", ".parquet", "", ".dat", ".gz"))
    draft.renamed = True


DAMAGES: Mapping[Damage, int] = {
    splinter: 16, flip: 10, drop_bytes: 6, strange_value: 12, drop_row: 5, double_row: 5, swap_rows: 2,
    strange_line: 10, cut: 8, no_last_line_end: 3, ragged: 6, strange_head: 5, blank_head: 4, wrapped: 3, noise: 3,
    windows_ends: 4, old_ends: 3, byte_order_mark: 5, other_encoding: 4, wrong_suffix: 8,
}  # fmt: skip


def harm(draft: Draft, rng: random.Random) -> None:
    """Do nothing, or up to three things, to a file."""
    for damage in rng.choices(list(DAMAGES), list(DAMAGES.values()), k=rng.choice((0, 1, 1, 1, 1, 1, 2, 2, 3))):
        before = (draft.data(), draft.suffix)
        damage(draft, rng)
        if (draft.data(), draft.suffix) != before:
            draft.story.append(damage.__name__)
