"""What spreadsheets and `cat` leave in tables: empty columns, sep=;, a second header line."""

from __future__ import annotations

import gzip
import io
import json
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


SAID = ["It was late today", 'She said "maybe", and left', "A warm soup"]


@pytest.mark.parametrize("name", ["r.txt", "r.csv", "-"])
@pytest.mark.parametrize("escape", ['""', '\\"'], ids=["double", "escape"])
@pytest.mark.parametrize("first", [None, '""'], ids=["no name", "empty name"])
@pytest.mark.parametrize("comma", [" ", "\t", ",", ";"])
def test_tables_that_r_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, escape: str, first: str | None, comma: str
) -> None:
    rows = [(f"{place}", text, "ab"[place % 2]) for place, text in enumerate(SAID, start=1)]
    lines = [comma.join('"' + cell.replace('"', escape) + '"' for cell in row) for row in (("text", "label"), *rows)]
    lines[0] = lines[0] if first is None else f"{first}{comma}{lines[0]}"
    path = written(tmp_path, "r.txt" if name == "-" else name, "\n".join(lines) + "\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    opened = open_input("-" if name == "-" else path)
    told = tell(opened, knows=lambda names: "text" in names)
    found = [row.fields for row in read_opened(opened, told.table) if isinstance(row, Row)]
    assert found == [{"": number, "text": text, "label": label} for number, text, label in rows]
    assert told.table.has_row_names == (first is None) == (told.table.marks_note is not None)


@pytest.mark.parametrize(
    "text",
    [
        "text,label\n" + "".join(f"hello, friend {i},{i % 2}\n" for i in range(12)),
        "score,text\n" + "".join(f"{i % 5},hello, friend {i}\n" for i in range(12)),
        "label,text\n" + "".join(f"{i},hello, friend {i}\n" for i in range(12)),
        "id,text\n" + "".join(f"{i},hello {i},{'ab'[i % 2]}\n" for i in range(12)),
        "번호,문장\n" + "".join(f"{i},안녕,친구 {i}\n" for i in range(3)),
        '"text","label"\n' + "".join(f'"hello {i}","{i % 2}","more"\n' for i in range(12)),
        "text\tlabel\n5\tgood\ta\n9\tbad\tb\n",
    ],
    ids=["a comma in each text", "scores", "labels", "ids", "Korean ids", "no name for the last", "few numbers"],
)
def test_a_field_more_in_each_row_is_a_fault_where_it_may_be_another_one(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "t.csv" if "," in text else "t.tsv", text)
    with pytest.raises(DataError, match="3 fields where 2 are expected"):
        load_data([str(path)])


def test_a_backslash_at_the_end_of_a_field_is_no_escape(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "text,label\n" + "".join(f'"C:\\dir {i}\\",{i % 2}\n' for i in range(4)))
    assert [row.fields["text"] for row in read_rows(path) if isinstance(row, Row)] == [
        f"C:\\dir {i}\\" for i in range(4)
    ]


@pytest.mark.parametrize("total", ["Total,16", "합계,48", "Average,2.9", "Grand Total,48\n,"])
def test_a_total_below_the_rows_is_left_out_and_said(tmp_path: Path, total: str) -> None:
    rows = "".join(f"row {i},{1 + i % 5}\n" for i in range(16))
    loaded = load_data([str(path := written(tmp_path, "t.csv", f"text,score\n{rows}{total}\n"))])
    assert (loaded.task, len(loaded.splits["train"])) == ("classify", 16)
    assert f"left out: the line adds up the rows above it (1), the first at {path}:18" in loaded.notes


def test_an_id_that_the_rows_have_is_none_that_r_writes(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", '"id","text"\n"1",31,"see you"\n"2",35,"win now"\n')
    assert [row.fields for row in read_rows(path) if isinstance(row, Row)][1] == {
        "": "2",
        "id": "35",
        "text": "win now",
    }


@pytest.mark.parametrize(
    "last", ["Total,3", "Total loss,48", "Total,bad", "Total,48\nmore,2", "Average,3.6", "Mean,-0.5"]
)
def test_a_row_that_is_no_total_stays(tmp_path: Path, last: str) -> None:
    rows = "".join(f"row {i},{1 + i % 5}\n" for i in range(16))
    path = written(tmp_path, "t.csv", f"text,score\n{rows}{last}\n")
    assert len(list(read_rows(path))) == 16 + len(last.split("\n"))


@pytest.mark.parametrize(
    "last", ["{next},Total,1", "{next},합계,", "99,Total,0", "500,평균,1", ",Total,", "{next},3,Total"]
)
@pytest.mark.parametrize("first", [0, 1, 200])
def test_a_text_or_a_class_that_is_called_as_a_total_stays(tmp_path: Path, last: str, first: int) -> None:
    rows = "".join(f"{i + first},text {i},{i % 2}\n" for i in range(16))
    path = written(tmp_path, "t.csv", f"id,text,label\n{rows}{last.format(next=first + 16)}\n")
    assert len([row for row in read_rows(path) if isinstance(row, Row)]) == 17


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


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t"])
def test_comments_above_lines_of_json_are_left_out_and_said(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '# by hand\n\n// and more\n{"text": "see you", "label": "ham"}\n{"text": "win now", "label": "spam"}\n'
    path = written(tmp_path, name, text)
    said = "the line is a comment above the table"
    rows = [Row(4, {"text": "see you", "label": "ham"}), Row(5, {"text": "win now", "label": "spam"})]
    assert list(read_rows(path)) == [LeftOut(1, said), LeftOut(3, said), *rows]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert list(open_texts("-").texts) == ["see you", "win now"]
    assert sniff_format(written(tmp_path, "t.md", "# A title\n[a link](b)\n{braces}\n")).kind == "txt"


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


TABLE = "text,label\nsee you at two,ham\nwin a car,spam\nlunch is on,ham\nfree money,spam\n"
READ = [("see you at two", "ham"), ("win a car", "spam"), ("lunch is on", "ham"), ("free money", "spam")]


def pairs(path: Path) -> list[tuple[str, str]]:
    return [(row.texts[0], row.label) for row in load_data([str(path)]).splits["train"]]


@pytest.mark.parametrize(
    ("above", "why", "line"),
    [
        ("Messages of May 2026\n", "the line is a title above the names of the columns (1)", 1),
        ("Messages of May 2026\n\n", "the line is a title above the names of the columns (1)", 1),
        ("Messages of May,\nwritten by QA,\n", "the line is a title above the names of the columns (2)", 1),
        ("5월의 메시지\n\n", "the line is a title above the names of the columns (1)", 1),
        (",\n5월의 메시지,\n,\n", "the line is a title above the names of the columns (1)", 2),
        ("// made in May\n// by QA\n", "the line is a comment above the table (2)", 1),
        ("-- made in May, by QA\n", "the line is a comment above the table (1)", 1),
    ],
)
def test_titles_and_remarks_above_a_table(tmp_path: Path, above: str, why: str, line: int) -> None:
    path = written(tmp_path, "t.csv", above + TABLE)
    loaded = load_data([str(path)])
    assert pairs(path) == READ
    assert f"left out: {why}, the first at {path}:{line}" in loaded.notes
    assert loaded.splits["train"][0].line == above.count("\n") + 2


@pytest.mark.parametrize("comma", [";", "\t"])
def test_a_comment_with_the_mark_that_parts_the_fields_is_no_header(tmp_path: Path, comma: str) -> None:
    path = written(tmp_path, "t.csv", f"# made in May{comma} by QA\n" + TABLE.replace(",", comma))
    assert pairs(path) == READ


def test_a_short_text_is_no_title(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", "ham,see you\nspam,win\nham,lunch\n" * 5)
    assert len([row for row in read_rows(path) if isinstance(row, Row)]) == 15


@pytest.mark.parametrize(
    "second", ["label,count\nham,2\nspam,2\n", "Label,Rows\n\nham,2\n", "label,count\n\nham,2\n\nspam,2\n\nham,2\n"]
)
def test_another_table_below_a_blank_line_is_left_out_and_said(tmp_path: Path, second: str) -> None:
    path = written(tmp_path, "t.csv", f"{TABLE}\n{second}")
    count = sum(bool(line) for line in second.splitlines())
    said = f"left out: the line is of another table, which begins below a blank line ({count}), the first at {path}:7"
    assert pairs(path) == READ
    assert said in load_data([str(path)]).notes
    report = inspect_data(InspectRequest((str(path),))).audit
    assert report.splits["train"].labels == {"ham": 2, "spam": 2}


@pytest.mark.parametrize("row", ["what,question", "so,topic", "7,answer", "topic 2,label", "OK,rating"])
@pytest.mark.parametrize("blank", ["", ","])
def test_a_class_called_as_a_column_is_a_row_below_a_blank_line(tmp_path: Path, row: str, blank: str) -> None:
    path = written(tmp_path, "t.csv", f"text,topic\nIs it you?,question\nyes,answer\n{blank}\n{row}\nno,answer\n")
    text, label = row.split(",")
    assert pairs(path) == [("Is it you?", "question"), ("yes", "answer"), (text, label), ("no", "answer")]


def test_blank_lines_that_part_groups_of_rows_part_no_tables(tmp_path: Path) -> None:
    groups = [f"Is it {n}?,question\nyes,answer\n\n" for n in range(3)]
    path = written(tmp_path, "t.csv", f"text,topic\n{''.join(groups)}comment,question\nno,answer\n")
    assert pairs(path)[-2:] == [("comment", "question"), ("no", "answer")]


def test_rows_below_a_blank_line_are_rows(tmp_path: Path) -> None:
    assert pairs(written(tmp_path, "t.csv", TABLE.replace("lunch", "\n,\nlunch"))) == READ
    again = written(tmp_path, "again.csv", f"{TABLE}\n{TABLE}")
    assert pairs(again) == READ * 2


@pytest.mark.parametrize(("quote", "names"), [('"', "Q1,Q2"), ('"', "text,label")])
def test_what_qualtrics_writes_below_the_names_is_no_row(tmp_path: Path, quote: str, names: str) -> None:
    imported = ",".join(f'"{{""ImportId"":""{part}""}}"' for part in ("startDate", "QID1_TEXT", "QID2"))
    rows = "".join(f"2026-05-02 10:00:0{place},{text},{label}\n" for place, (text, label) in enumerate(READ))
    path = written(tmp_path, "t.csv", f'StartDate,{names}\nStart Date,"What, in your words?",How?\n{imported}\n{rows}')
    text, label = names.split(",")
    loaded = load_data([str(path)], columns=f"text={text},label={label}")
    assert [(row.texts[0], row.label) for row in loaded.splits["train"]] == READ
    assert f"left out: the line tells of the columns (Qualtrics) (2), the first at {path}:2" in loaded.notes


def test_quotes_that_programs_put_around_quotes_in_a_tsv(tmp_path: Path) -> None:
    rows = 'text\tlabel\n"He said ""no"" twice"\tham\n"so" he said\tspam\n"a ""b" c"\tham\n""\tspam\n'
    texts = [row.fields["text"] for row in read_rows(written(tmp_path, "t.tsv", rows)) if isinstance(row, Row)]
    assert texts == ['He said "no" twice', '"so" he said', '"a ""b" c"', '""']


def test_names_with_characters_that_are_not_seen(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", TABLE.replace("text,label", "text\u00a0,\u200blabel\ufeff"))
    loaded = load_data([str(path)])
    assert (loaded.columns.text, loaded.columns.label) == (("text",), "label")


def test_files_of_one_split_may_spell_their_columns_otherwise(tmp_path: Path) -> None:
    one, other = (
        written(tmp_path, "a.csv", TABLE),
        written(tmp_path, "b.csv", TABLE.replace("text,label", "Text,LABEL")),
    )
    loaded = load_data([str(one), str(other)])
    assert [(row.texts[0], row.label) for row in loaded.splits["train"]] == READ * 2
    third = written(tmp_path, "c.csv", TABLE.replace("text,label", "review,label"))
    with pytest.raises(DataError, match="no column 'text' as in the first file"):
        load_data([str(one), str(third)])


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train_1.csv", "train_2.csv", "test.csv"), {"train": 8, "test": 4}),
        (("train-part1.csv", "train-part2.csv"), {"train": 8}),
        (("학습.csv", "검증.csv", "평가.csv"), {"train": 4, "validation": 4, "test": 4}),
        (("리뷰_훈련.csv", "리뷰_시험.csv"), {"train": 4, "test": 4}),
        (("Training.csv", "Testing.csv"), {"train": 4, "test": 4}),
    ],
)
def test_parts_and_korean_names_of_splits(tmp_path: Path, names: tuple[str, ...], splits: dict[str, int]) -> None:
    for name in names:
        written(tmp_path, name, TABLE)
    loaded = load_data([str(tmp_path)])
    assert {split: len(rows) for split, rows in loaded.splits.items()} == splits


def test_a_whole_and_a_part_are_not_joined(tmp_path: Path) -> None:
    for name in ("train.csv", "train_2.csv"):
        written(tmp_path, name, TABLE)
    with pytest.raises(DataError, match=r"both train\.csv and train_2\.csv could be train; name the files"):
        load_data([str(tmp_path)])


def test_a_title_above_the_columns_that_a_run_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = "5월 설문\n순서,소감\n1,좋아요\n2,별로예요\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    opened = open_input("-")
    told = tell(opened, knows=lambda names: "소감" in names)
    found = [row.fields["소감"] for row in read_opened(opened, told.table) if isinstance(row, Row)]
    assert found == ["좋아요", "별로예요"]


@pytest.mark.parametrize("groups", ["Message,,Judged\n", "메시지,,판정\n", "Survey of May,,\nMessage,,Judged\n"])
def test_headings_over_several_columns_are_no_names(tmp_path: Path, groups: str) -> None:
    rows = "".join(f"{place},{text},{label}\n" for place, (text, label) in enumerate(READ))
    path = written(tmp_path, "t.csv", f"{groups}id,text,label\n{rows}")
    assert pairs(path) == READ
    assert f"the line is a title above the names of the columns ({groups.count(chr(10))})" in " ".join(
        load_data([str(path)]).notes
    )


def test_a_column_without_a_name_makes_no_title_of_the_names(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", ",text,label\n0,review,class\n" + "".join(f"{i},so it is,no\n" for i in range(9)))
    assert pairs(path)[:2] == [("review", "class"), ("so it is", "no")]


@pytest.mark.parametrize("mark", [", ", "; ", ",  "])
@pytest.mark.parametrize("head", ['"id"{0}"text"{0}"label"', "id{0}text{0}label"])
def test_a_space_before_quotes_is_no_part_of_a_field(tmp_path: Path, mark: str, head: str) -> None:
    lines = [head.format(mark), f'1{mark}"see{mark}you ""there"""{mark}"ham"', f'2{mark}"win\nnow"{mark}"spam"']
    path = written(tmp_path, "t.csv", "\n".join(lines) + "\n")
    found = [(row.texts[0], row.label) for row in load_data((str(path),)).splits["train"]]
    assert found == [(f'see{mark}you "there"', "ham"), ("win\nnow", "spam")]
    assert [row.fields["label"] for row in read_opened(open_input(str(path)), sniff_format(path))] == ["ham", "spam"]


def test_a_space_before_the_quotes_of_one_row_over_lines(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", 'id, text\n1, "see you,\nthere,\nor here"\n')
    assert [row.fields for row in read_rows(path)] == [{"id": "1", "text": "see you,\nthere,\nor here"}]


def test_spaces_in_other_tables_and_quotes_in_prose_stay(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", 'text,label\n see you, ham\n"she said, ""now""",spam\n')
    assert [row.fields["text"] for row in read_rows(path)] == [" see you", 'she said, "now"']
    path = written(tmp_path, "t.txt", 'He said, "go on".\nShe said, "no".\n')
    assert [row.fields["text"] for row in read_rows(path)] == ['He said, "go on".', 'She said, "no".']


@pytest.mark.parametrize("comma", [",", ", "])
def test_json_in_a_cell_has_backslashes_of_its_own(tmp_path: Path, comma: str) -> None:
    cell = json.dumps({"a": 'so "it", is', "b": 1})
    quoted = '"' + cell.replace('"', '""') + '"'
    lines = [
        comma.join(('"text"', '"told"', '"label"')),
        *[comma.join((f'"one, {i}"', quoted, '"x"')) for i in range(4)],
    ]
    rows = [row.fields for row in read_rows(written(tmp_path, "t.csv", "\n".join(lines))) if isinstance(row, Row)]
    assert rows == [{"text": f"one, {i}", "told": cell, "label": "x"} for i in range(4)]


@pytest.mark.parametrize(
    "text",
    [
        "// the first\n{\n  int one;\n}\n",
        "# a song\n[Chorus]\nla la\n",
        "#happy day\n{smile} and go\n",
        "# list\n[1] one\n[2] two\n",
        '"see you" "bye"\n"now" "then"\n"one" "two"\n',
    ],
)
def test_lines_that_begin_as_json_or_a_table_may_be_texts(tmp_path: Path, text: str) -> None:
    assert sniff_format(written(tmp_path, "a.txt", text)).kind == "txt"


@pytest.mark.parametrize("quote", ['""', '\\"'], ids=["double", "escape"])
def test_a_space_before_quotes_that_hold_quotes(tmp_path: Path, quote: str) -> None:
    rows = "".join(f'"it was {quote}good{quote} {i}, yes", "pos"\n"bad {i}, really", "neg"\n' for i in range(4))
    first, second, *_ = read_rows(written(tmp_path, "t.csv", f"text, label\n{rows}"))
    assert first == Row(2, {"text": 'it was "good" 0, yes', "label": "pos"})
    assert second == Row(3, {"text": "bad 0, really", "label": "neg"})


def test_json_whose_texts_hold_quotes_is_not_cut_at_commas(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"prompt": f'He said "no" {i}', "A": "yes, it is", "B": "no"}) + "\n" for i in range(4))
    texts = [row.fields["prompt"] for row in read_rows(written(tmp_path, "t.txt", lines))]
    assert texts == [f'He said "no" {i}' for i in range(4)]
