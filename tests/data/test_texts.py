"""The texts of files of every kind, and nothing but the texts."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from pathlib import Path

import pytest

from bertkit.data.streaming import open_texts
from bertkit.errors import DataError

ROWS = [("7", "the cat", "pos"), ("8", "a dog", "neg")]


def write(path: Path, content: str) -> str:
    packed = content.encode()
    path.write_bytes(gzip.compress(packed) if path.suffix == ".gz" else packed)
    return str(path)


def table(delimiter: str) -> str:
    return "".join(delimiter.join(row) + "\n" for row in [("id", "document", "label"), *ROWS])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", table("\t")),
        ("a.txt", table("\t")),
        ("a.csv", table(",")),
        ("a.csv.gz", table(",")),
        ("a.jsonl", "".join(json.dumps({"id": i, "text": t, "label": k}) + "\n" for i, t, k in ROWS)),
        ("prose.txt", "the cat\n\na dog\n"),
        ("prose.txt.gz", "the cat\na dog\n"),
        ("a.conll", "the O\ncat B-X\n\na O\ndog O\n"),
    ],
)
def test_texts_only(tmp_path: Path, name: str, content: str) -> None:
    assert list(open_texts(write(tmp_path / name, content)).texts) == ["the cat", "a dog"]


def test_parquet(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = dict(zip(("id", "text", "label"), zip(*ROWS, strict=True), strict=True))
    pyarrow.parquet.write_table(pyarrow.table({k: list(v) for k, v in columns.items()}), tmp_path / "a.parquet")
    opened = open_texts(str(tmp_path / "a.parquet"))
    assert (list(opened.texts), opened.columns) == (["the cat", "a dog"], ("text",))


def test_pairs_and_choices(tmp_path: Path) -> None:
    pairs = open_texts(write(tmp_path / "p.tsv", "sentence1\tsentence2\tlabel\na b\tc d\t1\n"))
    assert (list(pairs.texts), pairs.columns) == (["a b", "c d"], ("sentence1", "sentence2"))
    choices = open_texts(write(tmp_path / "c.csv", "id,prompt,A,B,answer\n1,who,me,you,B\n"))
    assert list(choices.texts) == ["who", "me", "you"]


def test_columns_that_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "표제,글감,등급\n하나,둘,3\n")
    opened = open_texts(path, columns="text=표제+글감")
    assert (list(opened.texts), opened.columns) == (["하나", "둘"], ("표제", "글감"))
    with pytest.raises(DataError, match=r"a\.csv: no column is recognised as the text: .*'표제'"):
        open_texts(path)


def test_texts_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    texts = open_texts(write(tmp_path / "a.tsv", "text\tlabel\ngood\t1\nbad\n")).texts
    assert next(texts) == "good"
    with pytest.raises(DataError, match=r"a\.tsv:3: 1 field where 2 are expected"):
        next(texts)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", b"", "there is no text in it"),
        ("header.tsv", b"text\tlabel\n", "there is no text in it"),
        ("image.png", b"\x89PNG\0\0", "binary file"),
        ("broken.txt", "한국\n".encode() * 9 + b"\xff\n", r"broken\.txt:10: not valid UTF-8"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        list(open_texts(str(tmp_path / name)).texts)


def test_no_file_and_no_data_set_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^mrpc: no such file\.$"):
        open_texts("mrpc")
    write(tmp_path / "mrpc", "just a file\n")
    assert list(open_texts("mrpc").texts) == ["just a file"]


def test_cp949_is_read_and_noted(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_bytes("영화가 좋다\n노래도 좋다\n".encode("cp949"))
    opened = open_texts(str(tmp_path / "old.txt"))
    assert list(opened.texts) == ["영화가 좋다", "노래도 좋다"]
    assert "CP949" in opened.notes[0]


@pytest.mark.parametrize(
    ("content", "found", "said"),
    [
        (b"\xef\xbb\xbfthe cat\n\na dog\n", ["the cat", "a dog"], ""),
        (gzip.compress(b"the cat\na dog\n", mtime=0), ["the cat", "a dog"], ""),
        (
            table(",").encode(),
            ["the cat", "a dog"],
            "<stdin> is read as csv: its columns are 'id', 'document', 'label'",
        ),
        (b'\n{"text": "the cat"}\n', ["the cat"], ""),
        (b"1|t|Zinc heals.\n1|a|It does.\n1\t0\t4\tZinc\tChemical\tD1\n", ["Zinc heals. It does."], "titles and"),
        (b"one\ttwo\nthree\tfour\n", ["one\ttwo", "three\tfour"], "--input-format tsv"),
    ],
)
def test_standard_input_is_told_as_a_file_is(
    content: bytes, found: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    opened = open_texts("-")
    assert list(opened.texts) == found
    assert said in " ".join(opened.notes)


@pytest.mark.parametrize(
    ("path", "columns", "first"),
    [
        ("mrpc/msr_paraphrase_train.txt", ("#1 String", "#2 String"), "Amrozi accused"),
        ("nsmc/ratings_train_first5000.txt", ("document",), "아 더빙.."),
        ("stsb/sts-train.csv", ("sentence1", "sentence2"), "A plane is taking off."),
        ("codah/fold_0_dev.tsv", ("prompt", "answer0", "answer1", "answer2", "answer3"), "The driver pulled"),
        ("conll2003/eng.testa", (), "CRICKET - LEICESTERSHIRE"),
        ("newsgroups20/train.jsonl.gz", ("text",), "From: mathew"),
    ],
)
def test_real_files(path: str, columns: tuple[str, ...], first: str) -> None:
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    opened = open_texts(str(Path(root) / path))
    assert opened.columns == columns
    assert next(opened.texts).startswith(first)
