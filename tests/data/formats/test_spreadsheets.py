"""What spreadsheets and `cat` leave in tables: empty columns, sep=;, a second header line."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import pytest

from bertkit.data.formats.opened import open_input
from bertkit.data.formats.readers import read_opened, read_rows
from bertkit.data.formats.telling import sniff_format, tell
from bertkit.data.records import LeftOut, Row
from bertkit.data.streaming import open_texts
from bertkit.errors import DataError
from bertkit.reporting.inspection import InspectRequest, inspect_data
from bertkit.tasks.rows import load_data


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "label,text,,,\nham,see you,,,\nspam,win now,,,\n",
        "label,text,,,\nham,see you,,overflow,\nspam,win now,,,\n",
        "label,text,\nham,see you,\nspam,win now,\n",
    ],
)
def test_columns_without_a_name_are_left_out(tmp_path: Path, text: str) -> None:
    rows = list(read_rows(written(tmp_path, "spam.csv", text)))
    assert rows == [Row(2, {"label": "ham", "text": "see you"}), Row(3, {"label": "spam", "text": "win now"})]


def test_the_index_of_pandas_stays(tmp_path: Path) -> None:
    (row,) = read_rows(written(tmp_path, "t.csv", ",text,label\n0,see you,ham\n"))
    assert row == Row(2, {"": "0", "text": "see you", "label": "ham"})


def test_a_name_that_stands_twice_is_refused_as_before(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names the column 'text' twice"):
        list(read_rows(written(tmp_path, "t.csv", "text,text,,\na,b,,\n")))


@pytest.mark.parametrize(
    ("said", "comma"), [("sep=;", ";"), ("SEP=;\r", ";"), ('"sep=,"', ","), ("sep=|", "|"), ("sep=\t", "\t")]
)
def test_excel_says_what_parts_the_fields(tmp_path: Path, said: str, comma: str) -> None:
    path = written(tmp_path, "t.csv", f"{said}\ntext{comma}label\nsee you{comma}ham\n")
    assert sniff_format(path).skip == 1
    assert list(read_rows(path)) == [Row(3, {"text": "see you", "label": "ham"})]


@pytest.mark.parametrize("name", ["both.csv", "both.tsv", "both.csv.gz"])
def test_a_second_header_is_left_out_and_said(tmp_path: Path, name: str) -> None:
    comma = "\t" if "tsv" in name else ","
    part = "\n".join([comma.join(row) for row in [("text", "label"), *[(f"row {i}", str(i % 2)) for i in range(12)]]])
    data = f"{part}\n\ufeff{part}\n".encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    loaded = load_data([str(path)])
    assert set(loaded.labels("train")) == {"0", "1"}
    assert len(loaded.splits["train"]) == 24
    assert f"left out: the line repeats the header (1), the first at {path}:14" in loaded.notes
    (finding,) = [f for f in inspect_data(InspectRequest((str(path),))).audit.findings if f.kind == "left_out_row"]
    assert (finding.severity, finding.count, finding.places[0].line) == ("info", 1, 14)
    assert list(open_texts(str(path)).texts)[12] == "row 0"


def test_a_row_that_begins_like_the_header_is_a_row(tmp_path: Path) -> None:
    rows = list(read_rows(written(tmp_path, "t.csv", "text,label\ntext,1\nx,label\n")))
    assert not any(isinstance(row, LeftOut) for row in rows)


ROWS = [("good", "1"), ("bad", "0"), ("fine", "1")]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("text,label\ngood,1\nbad,0\nText,LABEL\nfine,1\n", 4, "the line repeats the header"),
        ("text,label\ngood,1\nbad,0\n\ufefftext,label\nfine,1\n", 4, "the line repeats the header"),
        ("text,label\ngood,1\nbad,0\nlabel,text\n1,fine\n", 4, "its columns in another order"),
        ("Reviews of May,\n\ntext,label\ngood,1\nbad,0\nfine,1\n", 1, "a title above the names of the columns"),
    ],
)
def test_headers_that_stand_elsewhere(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    loaded = load_data([str(path)])
    assert [(row.texts[0], row.label) for row in loaded.splits["train"]] == ROWS
    assert any(message in note and f"t.csv:{line}" in note for note in loaded.notes)


def test_a_title_above_a_table_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"Reviews of May,\ntext,label\ngood,1\nbad,0\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    opened = open_input("-")
    told = tell(opened, knows=lambda names: "text" in names)
    assert told.table.kind == "csv"
    found = [row.fields["text"] for row in read_opened(opened, told.table) if isinstance(row, Row)]
    assert found == ["good", "bad"]


def test_commas_at_the_ends_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\ngood,1,,\nbad,0,\nfine,1\nworse,0,x\n", encoding="utf-8")
    found = list(read_rows(path))
    assert [isinstance(row, Row) for row in found] == [True, True, True, False]


def test_bars_between_fields(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text|label\ngood, and cheap|1\nbad|0\n", encoding="utf-8")
    assert [row.texts[0] for row in load_data([str(path)]).splits["train"]] == ["good, and cheap", "bad"]


@pytest.mark.parametrize(
    "text",
    [
        "text,label\ngood,a\n,\nbad,b\n,\n , \n",
        ",,\n,,\ntext,label,\ngood,a,\nbad,b,\n",
        "Sheet 1,,\n,,\ntext,label,\ngood,a,\nbad,b,\n",
    ],
)
def test_lines_of_nothing_but_commas_are_blank(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "t.csv", text)
    rows = [row for row in read_rows(path) if isinstance(row, Row)]
    assert [row.fields for row in rows] == [{"text": "good", "label": "a"}, {"text": "bad", "label": "b"}]
    assert len(load_data([str(path)]).splits["train"]) == 2


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt"])
def test_comments_above_a_header_are_left_out_and_said(tmp_path: Path, name: str) -> None:
    comma = "," if name == "t.csv" else "\t"
    lines = [
        "",
        "# exported on Monday",
        "# by a tool",
        f"text{comma}label",
        f"see you{comma}ham",
        f"win now{comma}spam",
    ]
    path = written(tmp_path, name, "\n".join(lines) + "\n")
    rows = list(read_rows(path))
    said = "the line is a comment above the table"
    assert rows[:2] == [LeftOut(2, said), LeftOut(3, said)]
    assert rows[2:] == [Row(5, {"text": "see you", "label": "ham"}), Row(6, {"text": "win now", "label": "spam"})]
    assert any(said in note for note in load_data((str(path),)).notes)


@pytest.mark.parametrize("text", ["#text,label\nsee you,ham\nwin now,spam\n", "#1 string,#2 string,label\na,b,1\n"])
def test_a_header_may_begin_with_a_hash(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "t.csv", text)
    assert not any(isinstance(row, LeftOut) for row in read_rows(path))
    assert not sniff_format(path).skip


def test_the_rule_of_a_markdown_table_is_no_row(tmp_path: Path) -> None:
    path = written(tmp_path, "t.md", "| text | label |\n|:---|---:|\n| see you | ham |\n| win now | spam |\n")
    rows = list(read_rows(path))
    assert rows[0] == LeftOut(2, "the line is the rule below the header of a Markdown table")
    assert rows[1:] == [Row(3, {"text": "see you", "label": "ham"}), Row(4, {"text": "win now", "label": "spam"})]
    assert [e.label for e in load_data((str(path),)).splits["train"]] == ["ham", "spam"]


def test_a_class_may_be_called_as_its_column(tmp_path: Path) -> None:
    rows = "".join(f"it is as bad as {i}\tnone\t{('none', 'offensive', 'hate')[i % 3]}\n" for i in range(30))
    path = written(tmp_path, "t.tsv", f"remarks\tbias\thate\n{rows}")
    assert sniff_format(path).has_header
    assert not sniff_format(written(tmp_path, "bare.tsv", rows)).has_header
