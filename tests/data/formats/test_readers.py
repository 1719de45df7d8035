import csv
import gzip
import io
import os
import random
import threading
import time
import tracemalloc
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertkit.data.formats.delimited import csv_records
from bertkit.data.formats.lines import Lines
from bertkit.data.formats.readers import read_rows, read_stream
from bertkit.data.formats.telling import TableFormat
from bertkit.data.records import BadRow, Row
from bertkit.errors import DataError, UsageError


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def stream(content, kind, **options):
    raw = content if isinstance(content, bytes) else content.encode()
    return list(read_stream(io.BytesIO(raw), "-", kind, **options))


# --- csv ---


def test_csv_counts_physical_lines_and_the_header(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"two\nlines",1\nplain,0\n')
    assert list(read_rows(path)) == [
        Row(2, {"text": "two\nlines", "label": "1"}),
        Row(4, {"text": "plain", "label": "0"}),
    ]


def test_csv_with_an_unclosed_quote_loses_only_the_row_it_stands_in(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\na,1\n"b,0\nc,1\n"d",0\n')
    assert list(read_rows(path)) == [
        Row(2, {"text": "a", "label": "1"}),
        BadRow(3, "a quote inside a quoted field is not doubled"),
        Row(4, {"text": "c", "label": "1"}),
        Row(5, {"text": "d", "label": "0"}),
    ]


def test_csv_with_an_unclosed_quote_up_to_the_end_names_its_starting_line():
    rows = stream('text,label\n"b,0\nc,1\nd,0\n', "csv")
    assert rows == [
        BadRow(2, "a quote is opened here and never closed"),
        Row(3, {"text": "c", "label": "1"}),
        Row(4, {"text": "d", "label": "0"}),
    ]


def test_rows_given_back_by_an_unclosed_quote_keep_their_faults():
    rows = stream(b'text,label\n"b,0\ncaf\xe9,1\nd,0\n', "csv")
    assert [row.line for row in rows] == [2, 3, 4]
    assert "not valid UTF-8" in rows[1].message
    assert rows[2] == Row(4, {"text": "d", "label": "0"})


def read_again_from_each_quote(content):
    """Read csv the plain way: what an open quote swallows in vain is read again, as often as it takes."""
    lines = content.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        feed = iter(lines[at:])
        try:
            yield at + 1, next(csv.reader(feed, strict=True))
            at = len(lines) - len(list(feed))
        except csv.Error:
            yield at + 1, None
            at += 1


def test_csv_that_is_broken_in_any_way_is_read_as_if_each_line_were_tried():
    rng = random.Random(7)
    for _ in range(1500):
        content = "".join(rng.choice('ab"",,\n\n"x') for _ in range(rng.randint(1, 60)))
        lines = Lines(io.BytesIO(content.encode()), "-")
        found = [(line, None if isinstance(fields, str) else fields) for line, fields in csv_records(lines, ",")]
        assert found == list(read_again_from_each_quote(content)), content


@pytest.mark.parametrize(("name", "kind"), [("a.csv", "csv"), ("a.tsv", "tsv")])
def test_many_lines_at_once_are_the_rows_of_line_by_line(name, kind, tmp_path, monkeypatch):
    """Blocks end anywhere: in a record, in a character, at a fault."""
    rng = random.Random(5)
    cut = "\t" if kind == "tsv" else ","
    parts = (
        *("a", "be", '"', '""', f'"x{cut}y"', '"two\nlines"', cut, cut, cut, "\n", "\n", "\r\n", "\r", f"1{cut}2\n"),
        *(f"text{cut}label\n", f"label{cut}text\n", "가", "\ufeff", "\n\n", f"{cut}\n", " ", f"good{cut}row\n" * 5),
    )
    kinds = set()
    for trial in range(400):
        draw = rng.choices(parts, k=rng.randint(0, 60))
        raw = f"text{cut}label\n".encode() + b"".join(
            rng.choice((b"\xe9", b"\0")) if rng.random() < 0.02 else part.encode() for part in draw
        )
        path = write(tmp_path, f"{trial}-{name}", raw)
        monkeypatch.setattr("bertkit.data.formats.lines._FIRST_BYTES", rng.choice((1, 7, 40)))
        monkeypatch.setattr("bertkit.data.formats.lines._MOST_BYTES", rng.choice((7, 64, 1000)))
        keep_blank = rng.random() < 0.5
        found = list(read_rows(path, table_format=TableFormat(kind, has_header=True), keep_blank=keep_blank))
        assert found == stream(raw, kind, keep_blank=keep_blank), raw
        kinds |= {row.message.split("'")[0] if isinstance(row, BadRow) else "row" for row in found}
    assert len(kinds) > (6 if kind == "csv" else 4), kinds


def test_csv_whose_lines_each_open_a_quote_costs_what_it_weighs():
    began = time.process_time()
    rows = stream("text,label\n" + ',x","\n' * 30_000, "csv")
    assert time.process_time() - began < 10
    assert rows == [BadRow(line, "a quote is opened here and never closed") for line in range(2, 30_002)]


def test_a_quote_is_followed_no_further_than_a_record_may_go(monkeypatch):
    monkeypatch.setattr("bertkit.data.formats.lines.MOST_LINES", 10)
    rows = stream('text,label\n"a,1\n' + "b,0\n" * 50 + '"c\nd",1\n', "csv")
    assert rows[0] == BadRow(2, "a quote is opened here and never closed")
    assert rows[1:51] == [Row(line, {"text": "b", "label": "0"}) for line in range(3, 53)]
    assert rows[51:] == [Row(53, {"text": "c\nd", "label": "1"})]


def test_a_header_of_many_columns_costs_what_it_weighs():
    names = [f"c{i}" for i in range(50_000)]
    began = time.process_time()
    (row,) = stream(",".join(names) + "\n" + "x" + "," * (len(names) - 1) + "\n", "csv")
    assert time.process_time() - began < 5
    assert list(row.fields) == names
    with pytest.raises(DataError, match="-:1: the header names the column 'c7' twice"):
        stream(",".join([*names, "c7"]) + "\n", "csv")


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_lone_carriage_returns_in_a_header_are_named(kind):
    with pytest.raises(
        DataError, match=r"-:1: the header cannot be read: the line has a lone carriage return.*`tr '\\r' '\\n'`"
    ):
        stream("text\ra\rb\n", kind)


def test_lone_carriage_returns_between_json_objects_are_named():
    (bad,) = stream('{"text": "a"}\r{"text": "b"}\n', "jsonl")
    assert "a lone carriage return" in bad.message


def test_csv_names_both_numbers_of_fields():
    assert stream("a,b\n1,2,3\n1\n1,2\n", "csv") == [
        BadRow(2, "3 fields where 2 are expected"),
        BadRow(3, "1 field where 2 are expected"),
        Row(4, {"a": "1", "b": "2"}),
    ]


def test_csv_reads_crlf_and_keeps_doubled_quotes():
    assert stream('text\r\n"say ""hi"""\r\n', "csv") == [Row(2, {"text": 'say "hi"'})]


def test_csv_field_longer_than_the_default_limit_of_the_csv_module():
    long = "x" * 200_000
    assert stream(f'text,label\n"{long}",1\n', "csv") == [Row(2, {"text": long, "label": "1"})]


def test_none_and_na_are_ordinary_texts():
    assert stream("text,label\nNone,NA\nnull,nan\n", "csv") == [
        Row(2, {"text": "None", "label": "NA"}),
        Row(3, {"text": "null", "label": "nan"}),
    ]


def test_semicolons_of_spreadsheets(tmp_path):
    path = write(tmp_path, "a.csv", "text;label\na, b;1\n")
    assert list(read_rows(path)) == [Row(2, {"text": "a, b", "label": "1"})]


# --- tsv ---


def test_a_blank_line_says_nothing_of_the_columns_of_a_headerless_file(tmp_path):
    path = write(tmp_path, "a.tsv", "  \n\n0.5\tsome text\n1.5\tother\n")
    assert list(read_rows(path, keep_blank=True)) == [
        BadRow(1, "the line is blank"),
        BadRow(2, "the line is blank"),
        Row(3, {"1": "0.5", "2": "some text"}),
        Row(4, {"1": "1.5", "2": "other"}),
    ]


def test_tsv_is_never_quoted():
    assert stream('text\tlabel\n"a\t1\nb"c\t0\n', "tsv") == [
        Row(2, {"text": '"a', "label": "1"}),
        Row(3, {"text": 'b"c', "label": "0"}),
    ]


def test_extra_fields_are_dropped_only_where_the_header_is_given(tmp_path):
    path = write(tmp_path, "a.tsv", "1\tx\textra\n2\ty\n3\n")
    headerless = TableFormat("tsv", has_header=False)
    assert list(read_rows(path, table_format=headerless, header=("score", "text"))) == [
        Row(1, {"score": "1", "text": "x"}),
        Row(2, {"score": "2", "text": "y"}),
        BadRow(3, "1 field where 2 are expected"),
    ]
    assert stream("a\tb\n1\t2\t3\n", "tsv") == [BadRow(2, "3 fields where 2 are expected")]


def test_columns_of_an_unnamed_headerless_file_are_positions(tmp_path):
    path = write(tmp_path, "a.tsv", "0.5\tsome text\n1.5\tother text\n")
    assert next(read_rows(path)) == Row(1, {"1": "0.5", "2": "some text"})


def test_line_separators_inside_a_text_do_not_end_it():
    text = "a\u2028b\x85c\rd"
    assert stream(f"text\tlabel\n{text}\t1\n", "tsv") == [Row(2, {"text": text, "label": "1"})]


# --- jsonl ---


def test_json_values_become_text():
    line = '{"text": "a", "label": 1, "ok": true, "x": 2.5, "none": null, "tags": ["가", 1], "o": {"k": null}}\n'
    (row,) = stream(line, "jsonl")
    assert row.fields == {
        "text": "a",
        "label": "1",
        "ok": "true",
        "x": "2.5",
        "none": "",
        "tags": '["가", 1]',
        "o": '{"k": null}',
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": ', "invalid JSON: Expecting value at character"),
        ('["a"]', "not an object (a list)"),
        ('"a"', "not an object (a text)"),
        ("12", "not an object (a number)"),
        ("null", "not an object (null)"),
        ('{"x": NaN}', "NaN is not a JSON value"),
        ('{"text": "\\ud800"}', "surrogate"),
        ("[" * 100_000, "invalid JSON"),
        ('{"x": ' + "1" * 5000 + "}", "invalid JSON"),
    ],
)
def test_a_broken_json_line_is_a_bad_row_and_the_rest_goes_on(line, message):
    rows = stream(f'{{"text": "a"}}\n{line}\n{{"text": "b"}}\n', "jsonl")
    assert [row.line for row in rows] == [1, 2, 3]
    assert message in rows[1].message
    assert rows[2] == Row(3, {"text": "b"})


def test_surrogate_pairs_are_characters():
    assert stream('{"text": "\\ud83d\\ude00"}\n', "jsonl") == [Row(1, {"text": "😀"})]


# --- blank lines ---


def test_blank_lines_are_skipped_for_training(tmp_path):
    table = write(tmp_path, "a.tsv", "text\tlabel\n\na\t1\n   \nb\t0\n")
    assert [row.line for row in read_rows(table)] == [3, 5]
    text = write(tmp_path, "a.txt", "a\n\nb\n")
    assert [row.line for row in read_rows(text)] == [1, 3]


def test_blank_lines_are_records_for_prediction():
    assert stream("a\n\nb\n", "txt") == [Row(1, {"text": "a"}), Row(2, {"text": ""}), Row(3, {"text": "b"})]
    assert stream("text\na\n\n", "csv")[1] == Row(3, {"text": ""})
    assert stream("text\tlabel\n\na\t1\n", "tsv") == [
        BadRow(2, "the line is blank"),
        Row(3, {"text": "a", "label": "1"}),
    ]
    assert stream('{"text": "a"}\n\n', "jsonl")[1] == BadRow(2, "the line is blank; a JSON object is expected")


def test_an_empty_field_is_no_blank_line():
    assert stream("text\tlabel\n\t1\n", "tsv", keep_blank=False) == [Row(2, {"text": "", "label": "1"})]


# --- encodings ---


def test_bom_is_dropped_and_crlf_read():
    assert stream(b"\xef\xbb\xbftext\tlabel\r\na\t1\r\n", "tsv") == [Row(2, {"text": "a", "label": "1"})]


@pytest.mark.parametrize("kind", ["txt", "tsv", "csv"])
def test_invalid_utf8_is_a_fault_of_its_line(kind):
    header = b"" if kind == "txt" else b"text\n"
    rows = stream(header + b"a\ncaf\xe9 x\nb\n", kind)
    assert [type(row) for row in rows] == [Row, BadRow, Row]
    assert "not valid UTF-8: byte 0xe9 at byte 4 of the line" in rows[1].message


def test_a_line_of_cp949_among_utf8_says_what_it_looks_like():
    rows = stream("영화\n".encode() + "정말 재미있다\n".encode("cp949"), "txt")
    assert rows[0] == Row(1, {"text": "영화"})
    assert rows[1].message.endswith("it looks like CP949, which `iconv -f cp949 -t utf-8` converts")


def test_nul_bytes_are_a_fault_of_their_line():
    rows = stream(b"a\nb\0c\nd\n", "txt")
    assert isinstance(rows[1], BadRow)
    assert "NUL" in rows[1].message


def test_cp949_is_read_as_such(tmp_path):
    path = write(tmp_path, "a.tsv", "문서\tlabel\n정말 재미있는 영화\t1\n".encode("cp949"))
    assert list(read_rows(path)) == [Row(2, {"문서": "정말 재미있는 영화", "label": "1"})]


def test_names_are_brought_to_nfc_and_texts_are_kept():
    nfd = unicodedata.normalize("NFD", "문서")
    assert nfd != "문서"
    assert stream(f"{nfd}\tlabel\n{nfd}\t1\n", "tsv") == [Row(2, {"문서": nfd, "label": "1"})]
    assert stream(f'{{"{nfd}": "{nfd}"}}\n', "jsonl") == [Row(1, {"문서": nfd})]


# --- files ---


def test_gzip_is_known_by_its_content(tmp_path):
    packed = gzip.compress(b"text\tlabel\na\t1\n")
    for name in ("a.tsv.gz", "a.tsv"):
        assert list(read_rows(write(tmp_path, name, packed))) == [Row(2, {"text": "a", "label": "1"})]


def test_a_damaged_gzip_file_is_named(tmp_path):
    rows = "".join(f"text {i * 7919 % 1000}\t{i}\n" for i in range(100_000))
    path = write(tmp_path, "a.tsv.gz", gzip.compress(b"text\tlabel\n" + rows.encode())[:-5000])
    with pytest.raises(DataError, match=r"a\.tsv\.gz.*cannot be read"):
        list(read_rows(path))


def test_parquet_rows_are_numbered_and_written_as_text(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", None], "label": [1, 0], "score": [0.5, 2.0]}), path)
    expected = [
        Row(1, {"text": "a", "label": "1", "score": "0.5"}),
        Row(2, {"text": "", "label": "0", "score": "2.0"}),
    ]
    assert list(read_rows(path)) == expected
    assert list(read_rows(write(tmp_path, "b.parquet.gz", gzip.compress(path.read_bytes())))) == expected
    assert stream(path.read_bytes(), "parquet") == expected


def test_damaged_parquet_is_named(tmp_path):
    path = write(tmp_path, "a.parquet", b"PAR1 and nothing more")
    with pytest.raises(DataError, match=r"a\.parquet: this is not a readable parquet file"):
        list(read_rows(path))


def test_a_repeated_column_is_named(tmp_path):
    path = write(tmp_path, "a.csv", "text,label,text\na,1,b\n")
    with pytest.raises(DataError, match=r"a\.csv:1: the header names the column 'text' twice"):
        list(read_rows(path))


def test_tagged_text_is_left_to_its_task(tmp_path):
    path = write(tmp_path, "a.conll", "EU B-ORG\nrejects O\n\nPeter B-PER\n")
    with pytest.raises(DataError, match="with entities, which another --task reads"):
        list(read_rows(path))


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "txt"])
def test_an_empty_stream_just_ends(kind):
    assert stream("", kind) == []


def test_an_unknown_kind_is_wrong_usage():
    with pytest.raises(UsageError, match="--input-format 'xlsx'"):
        stream("", "xlsx")


# --- streaming ---


@pytest.mark.parametrize(
    ("kind", "header", "line"),
    [("txt", b"", b"a\n"), ("tsv", b"text\tlabel\n", b"a\t1\n"), ("csv", b"text,label\n", b'"a",1\n')],
)
def test_a_record_comes_as_soon_as_its_line_is_there(kind, header, line):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb", buffering=0) as sink:
        rows = read_stream(source, "-", kind)
        sink.write(header + line)
        got = []
        worker = threading.Thread(target=lambda: got.append(next(rows)), daemon=True)
        worker.start()
        worker.join(timeout=10)
        assert got, "the reader waits for more than the line it needs"
        assert got[0].fields["text"] == "a"


class Endless(io.RawIOBase):
    """Many equal lines that are never in memory together."""

    def __init__(self, line, count):
        self.line, self.left = line, count

    def readline(self, size=-1, /):
        self.left -= 1
        return self.line if self.left >= 0 else b""


@pytest.mark.parametrize(
    ("kind", "line"), [("tsv", b"some text\t1\n"), ("csv", b'"some text",1\n'), ("jsonl", b'{"text": "a"}\n')]
)
def test_memory_is_flat(kind, line):
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_stream(Endless(line, 20_000), "-", kind, header=None))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count >= 19_999
    assert peak < 300_000


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nope\.csv: no such file"):
        list(read_rows(tmp_path / "nope.csv"))
    with pytest.raises(DataError, match="directory"):
        list(read_rows(Path(tmp_path)))
