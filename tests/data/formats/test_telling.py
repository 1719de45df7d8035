"""Standard input is told as a file is: by what is in it, and with a word where it may be something else."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bertkit.data.formats.opened import Opened, open_input
from bertkit.data.formats.telling import TableFormat, Told, sniff_format, tell, tell_format
from bertkit.errors import DataError

Pipe = Callable[[bytes | str], Opened]


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    """Open standard input with some bytes in it."""

    def opened(content: bytes | str) -> Opened:
        raw = content if isinstance(content, bytes) else content.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        return open_input("-")

    return opened


def knows_text(names: Sequence[str]) -> bool:
    return "text" in names


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("the shop\nanother\n", TableFormat("txt", has_header=False)),
        ("text,label\nthe shop,pos\n", TableFormat("csv")),
        ("stars,text\n4,the shop\n", TableFormat("csv")),
        ("text\tlabel\nthe shop\tpos\n", TableFormat("tsv")),
        ("stars;text\n4;the shop\n", TableFormat("csv", delimiter=";")),
        ('stars,text\n4,"two\nlines"\n', TableFormat("csv")),
        ("stars,text\n", TableFormat("csv")),
        ("\n\nstars,text\n4,the shop\n", TableFormat("csv")),
        ("\ttext\n0\tthe shop\n", TableFormat("tsv")),
        ('{"text": "a"}\n', TableFormat("jsonl", has_header=False)),
        (b'\xef\xbb\xbf{"text": "a"}\n', TableFormat("jsonl", has_header=False)),
        ("\n" * 10_000 + ' {"text": "a"}\n', TableFormat("jsonl", has_header=False)),
        ('{broken\n{"text": "a"}\n', TableFormat("jsonl", has_header=False)),
        ('["a", {"entities": []}]\n["b", {"entities": []}]\n', TableFormat("jsonl", has_header=False)),
        ("EU B-ORG\nrejects O\n\nPeter B-PER\n", TableFormat("conll", has_header=False, delimiter=" ")),
        ("EU B-ORG\nrejects O\n\n" * 9 + "a slip\n", TableFormat("conll", has_header=False, delimiter=" ")),
        ("[1] a footnote\n", TableFormat("txt", has_header=False)),
        ("정말 재미있다\n".encode("cp949"), TableFormat("txt", "cp949", has_header=False)),
        (b"PAR1rest", TableFormat("parquet", has_header=False)),
    ],
)
def test_what_comes_through_a_pipe(content: bytes | str, told: TableFormat, piped: Pipe, tmp_path: Path) -> None:
    assert tell(piped(content), knows=knows_text).table == told
    (tmp_path / "bare").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert tell(open_input(tmp_path / "bare"), knows=knows_text).table == told


def test_a_table_is_said_to_be_one(piped: Pipe) -> None:
    assert tell(piped("stars;text\n4;the shop\n"), knows=knows_text).notes == (
        "<stdin> is read as csv: its columns are 'stars', 'text'",
    )
    assert tell(piped("the shop\n"), knows=knows_text) == Told(TableFormat("txt", has_header=False))
    assert "CP949" in tell(piped("정말 재미있다\n".encode("cp949")), knows=knows_text).notes[0]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("text\nthe shop\n", "csv"),
        ("id,body\n1,the shop\n", "csv"),
        ("good\tpos\nbad\tneg\n", "tsv"),
        ("text, as they say, is cheap\nwell yes\n", "csv"),
    ],
)
def test_what_may_be_a_table_is_doubted(content: str, kind: str, piped: Pipe) -> None:
    told = tell(piped("\n" + content), knows=knows_text)
    assert told.table.kind == "txt"
    (doubt,) = told.doubts
    assert doubt.startswith("<stdin>:2: read as plain text")
    assert doubt.endswith(f"--input-format {kind}")


@pytest.mark.parametrize("content", ["Hello, world.\nAnd so on, and so on.\n", "one\n", "", "\n", "Yes, no\nNo, yes\n"])
def test_prose_is_not_doubted(content: str, piped: Pipe) -> None:
    assert tell(piped(content), knows=knows_text).doubts == ()


def test_where_text_will_not_do_a_table_stays_one(piped: Pipe) -> None:
    assert tell(piped("good\tpos\nbad\tneg\n"), knows=knows_text, text_will_do=False).table.kind == "tsv"


@pytest.mark.parametrize("kind", ["txt", "jsonl", "conll"])
def test_a_named_kind_is_the_last_word(kind: str, piped: Pipe) -> None:
    told = tell(piped("stars;text\n4;the shop\n"), kind=kind, knows=knows_text)
    assert (told.table.kind, told.notes, told.doubts) == (kind, (), ())


def test_a_named_csv_has_its_delimiter_sniffed(piped: Pipe) -> None:
    assert tell(piped("stars;text\n4;the shop\n"), kind="csv").table == TableFormat("csv", delimiter=";")


@pytest.mark.parametrize(
    "content", ['[{"text": "a"}, {"text": "b"}]', '[\n  {"text": "a"}\n]\n', '\n [ {"text": "a"}', '["a", "b"]\n']
)
@pytest.mark.parametrize("kind", [None, "jsonl"])
def test_an_array_is_one_document(content: str, kind: str | None, piped: Pipe) -> None:
    assert tell(piped(content), kind=kind, knows=knows_text).table.kind == "json"


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.txt", "a.jsonl", "a.conll", "bare"])
def test_lines_of_old_macs_are_named_with_the_way_on(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"text\tlabel\rthe shop\tpos\ranother\tneg\r")
    with pytest.raises(DataError, match=rf"{name}:1: the lines end in carriage returns alone.*`tr '\\r' '\\n'`"):
        sniff_format(path)


def test_a_carriage_return_inside_a_text_ends_nothing(piped: Pipe) -> None:
    assert tell_format(piped("one\rtwo\nthree\n")).kind == "txt"
    assert tell_format(piped("one\r")).kind == "txt"


def test_a_stray_nul_byte_is_a_fault_of_its_line_and_many_make_a_binary_stream(piped: Pipe) -> None:
    assert tell_format(piped(b"a\nb\0\nc\n")).kind == "txt"
    with pytest.raises(DataError, match=r"^<stdin>: this is a binary file"):
        tell_format(piped(b"\x89PNG\0\r\n\x1a\0\n\0\0"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"SQLite format 3\0\x10\0", "an SQLite database; export the table as csv"),
        (b"\x80\x05\x95:\0", "a pickle of Python's"),
        (b"$FL2@(#) SPSS DATA FILE", "a file of SPSS"),
        (b"train.csv".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"%PDF-1.7\nrest\n", "a PDF"),
    ],
)
@pytest.mark.parametrize("kind", [None, "csv", "txt"])
def test_what_another_program_has_packed_is_named(
    piped: Pipe, tmp_path: Path, content: bytes, said: str, kind: str | None
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.csv: this is {said}"):
        sniff_format(tmp_path / "a.csv", kind=kind)
    with pytest.raises(DataError, match=rf"<stdin>: this is {said}"):
        tell_format(piped(content), kind=kind)


def test_a_run_that_knows_columns_by_their_places_gets_a_table_without_names(piped: Pipe) -> None:
    def knows_first(names: Sequence[str]) -> bool:
        return "1" in names

    for content in ("A good chair.,pos\nThe lamp broke.,neg\n", "A good chair.,pos\n"):
        told = tell(piped(content), knows=knows_first)
        assert told.table == TableFormat("csv", has_header=False)
        assert told.notes == ("<stdin> is read as csv: its columns are '1', '2'",)
        assert not tell(piped(content), kind="csv", knows=knows_first).table.has_header
    assert tell(piped("A good chair.\tpos\nThe lamp broke.\tneg\n"), knows=knows_first).table == TableFormat(
        "tsv", has_header=False
    )
    assert tell(piped("Good, quick chair.\nfine\n"), knows=knows_first).table.kind == "txt"
    assert tell(piped("1,2\nA good chair.,pos\n"), kind="csv", knows=knows_first).table.has_header
