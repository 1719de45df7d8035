"""Documents of files: what is one, what is many, and what is none."""

from __future__ import annotations

import gzip
import io
import json
import sys

import pytest

from bertkit.errors import DataError, UsageError
from bertkit.summarization.documents_in import holds_many, read_documents
from bertkit.summarization.methods import SummaryOptions
from bertkit.summarization.records import Listener, SourceText, Unreadable
from bertkit.summarization.summarize import SummarizeRequest, summarize_inputs


def read(*paths, **options):
    return list(read_documents([str(path) for path in paths], **options))


def test_a_text_file_is_one_document_with_its_line_ends(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfOne line.\r\nAnother, with, commas\tand a tab.\r\n")
    assert read(path) == [SourceText("One line.\r\nAnother, with, commas\tand a tab.\r\n", str(path))]


def test_json_lines_hold_a_document_each(tmp_path):
    path = tmp_path / "docs.jsonl"
    path.write_text('{"text": "One."}\n{"id": 7}\n\n{"text": ["Two.", "Three."], "title": "T"}\n{"text": 1\n')
    one, no_text, blank, two, broken = read(path)
    assert one == SourceText("One.", str(path), 0, 1)
    assert (two.text, two.index, two.line) == ("Two.\nThree.", 3, 4)
    assert "'text'" in no_text.message
    assert "blank" in blank.message
    assert "invalid JSON" in broken.message
    assert [item.index for item in (no_text, blank, broken)] == [1, 2, 4]


@pytest.mark.parametrize("name", ["docs.tsv", "docs.tab"])
def test_json_lines_are_known_by_their_content_and_tables_by_their_name(name, tmp_path):
    lines, table, prose = tmp_path / "docs", tmp_path / name, tmp_path / "prose.txt"
    lines.write_text('{"article": "One."}\n')
    table.write_text("id\ttext\n1\tOne.\n2\tTwo.\n")
    prose.write_text("text\tlabel\nOne.\t1\n")
    assert [item.text for item in read(lines, table)] == ["One.", "One.", "Two."]
    assert len(read(prose)) == 1
    assert [item.text for item in read(prose, input_format="tsv")] == ["One."]
    assert len(read(lines, input_format="txt")) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"One. Two.\rThree.", ["One. Two.\rThree."]),
        (b"text,label\nOne.,1\nTwo.,0\n", ["One.", "Two."]),
        (gzip.compress(b'\n{"article": "One."}\n', mtime=0), [None, "One."]),
        (b"One, two.\nThree, four.\n", ["One, two.\nThree, four.\n"]),
        (b"Hello\tworld\nagain\tworld\n", ["Hello\tworld\nagain\tworld\n"]),
    ],
)
def test_standard_input_is_told_as_a_file_without_a_name(content, found, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    bare = tmp_path / "bare"
    bare.write_bytes(content)
    for name in ("-", bare):
        assert [getattr(item, "text", None) for item in read(name)] == found


def test_an_array_on_standard_input_holds_documents(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'[{"text": "One."}, {"text": "Two."}]')))
    assert [item.text for item in read("-")] == ["One.", "Two."]


def test_gzip_and_korean_encodings(tmp_path):
    packed, korean, notes = tmp_path / "a.txt.gz", tmp_path / "b.txt", []
    packed.write_bytes(gzip.compress("아침이 밝았다.".encode()))
    korean.write_bytes("아침이 밝았다.\n".encode("cp949"))
    first, second = read(packed, korean, note=notes.append)
    assert first.text == second.text.strip() == "아침이 밝았다."
    assert len(notes) == 1
    assert "CP949" in notes[0]


@pytest.mark.parametrize(
    ("content", "word"),
    [(bytes(range(256)) * 9, "binary"), (b"caf\xe9 noir\n" * 3, "UTF-8"), (b"\x1f\x8bnonsense", "cannot be read")],
)
def test_a_file_that_is_no_text_ends_the_reading_only_if_it_is_the_only_one(tmp_path, content, word):
    bad, good = tmp_path / "bad", tmp_path / "good.txt"
    bad.write_bytes(content)
    good.write_text("Good.")
    with pytest.raises(DataError, match=word):
        read(bad)
    first, second = read(bad, good)
    assert isinstance(first, Unreadable)
    assert word in first.message
    assert str(bad) not in first.message
    assert second.text == "Good."


def test_names_are_checked_before_anything_is_read(tmp_path):
    good = tmp_path / "good.txt"
    good.write_text("Good.")
    with pytest.raises(DataError, match="nowhere: no such file"):
        read_documents([str(good), "nowhere"])
    with pytest.raises(UsageError, match="only once"):
        read_documents(["-", "-"])
    with pytest.raises(UsageError, match="--input-format odt"):
        read_documents([str(good)], input_format="odt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no file in it"):
        read(tmp_path / "empty")


def test_a_table_without_rows(tmp_path):
    path = tmp_path / "docs.jsonl"
    path.touch()
    with pytest.raises(DataError, match="no document"):
        read(path)


def test_an_empty_text_is_a_document_for_the_method_to_refuse(tmp_path):
    path = tmp_path / "a.txt"
    path.touch()
    assert read(path) == [SourceText("", str(path))]


def test_which_inputs_may_hold_many():
    assert [holds_many([name]) for name in ("a.txt", "a", "a.md.gz", "-", "a.jsonl", "a.jsonl.gz")] == [
        False, False, False, True, True, True,
    ]  # fmt: skip
    assert holds_many(["a.txt", "b.txt"])
    assert not holds_many(["a.jsonl"], "txt")


def test_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "docs.parquet"
    pq.write_table(pa.table({"document": ["One.", "Two."], "summary": ["1", "2"]}), path)
    assert [item.text for item in read(path)] == ["One.", "Two."]
    assert json.dumps([item.index for item in read(path)]) == "[0, 1]"


def test_kept_columns_go_through_to_the_records(tmp_path):
    path = tmp_path / "docs.csv"
    path.write_text('id,text,source\na,"It rained. It stopped.",wire\nb,,wire\n', encoding="utf-8")
    request = SummarizeRequest((str(path),), SummaryOptions(method="lead"), keep="id,source")
    good, bad = (answer.to_json() for answer in summarize_inputs(request, Listener()))
    assert (good["id"], good["in_source"], good["source"]) == ("a", "wire", str(path))
    assert (bad["id"], bad["in_source"]) == ("b", "wire")
    assert "error" in bad


def test_a_folder_stands_for_its_files(tmp_path):
    for name in ("b.txt", "a.txt", "notes.bin"):
        (tmp_path / name).write_text(f"It rained in {name}.", encoding="utf-8")
    assert [item.source for item in read(str(tmp_path))] == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
