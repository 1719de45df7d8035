"""Rows that are read as they are asked for, and the rows among them that cannot be used."""

from __future__ import annotations

import gzip
import os
import random
from itertools import islice
from pathlib import Path

import pytest

from bertkit.audit.run import unread_findings
from bertkit.data.label_kinds import LabelKinds
from bertkit.data.streaming import StreamedData
from bertkit.errors import DataError, UnknownNameError
from bertkit.tasks.registry import SHAPE_OF
from bertkit.tasks.rows import load_data, stream_data
from tests.conftest import pair_rows, write_tsv

HEADER = ("sentence1", "sentence2", "label")


def found(data: StreamedData) -> list[tuple[str, int]]:
    """Read everything, and return kind and count of what could not be used."""
    for rows in data.splits.values():
        list(rows)
    findings = (finding for split, rows in data.splits.items() for finding in unread_findings(split, rows.unread()))
    return [(finding.kind, finding.count) for finding in findings if finding.kind != "group_column"]


def test_the_same_rows_as_loading_gives(pair_file: Path) -> None:
    data = stream_data([str(pair_file)])
    loaded = load_data([str(pair_file)])
    assert (data.name, data.task, data.columns) == (loaded.name, loaded.task, loaded.columns)
    assert tuple(data.splits["train"]) == loaded.splits["train"]
    assert found(data) == []


def test_a_split_can_be_read_again(pair_file: Path) -> None:
    rows = stream_data([str(pair_file)]).splits["train"]
    assert list(rows) == list(rows)


def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    noise = random.Random(0)
    lines = [f"문장 {noise.random()}\t{i % 2}\n" for i in range(60_000)]
    packed = gzip.compress("".join(["text\tlabel\n", *lines]).encode(), compresslevel=1)
    path = tmp_path / "cut.tsv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    rows = stream_data([str(path)]).splits["train"]
    assert [row.line for row in islice(iter(rows), 3)] == [2, 3, 4]
    with pytest.raises(DataError, match=r"cut\.tsv\.gz"):
        list(rows)


@pytest.mark.parametrize("label", ["1e39", "-1e400", "nan", "Infinity"])
def test_a_score_that_no_model_can_learn_is_a_row_that_cannot_be_used(label: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(f"text\tscore\na\t1\nb\t2.5\nc\t{label}\nd\tmany\n", encoding="utf-8")
    rows = stream_data([str(path)], task="regression").splits["train"]
    rows.expect("scores")
    assert [row.line for row in rows] == [2, 3, 5], "a word is a missing label, which is a finding of its own"
    (finding,) = unread_findings("train", rows.unread())
    assert (finding.kind, finding.count, finding.places[0].line) == ("unusable_row", 1, 4)
    assert f"'{label}'" in finding.message
    rows.expect("classes")
    assert len(list(rows)) == 4


def test_nan_among_scores_does_not_make_them_classes(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("text\tscore\na\tNaN\nb\t2.5\nc\t3\n", encoding="utf-8")
    assert stream_data([str(path)]).task == "regression"


def test_rows_that_cannot_be_used_are_counted_and_left_out(tmp_path: Path) -> None:
    lines = ["text\tlabel", "good one\t1", "only one field", "good two\t0", "a\tb\tc", "one\ttwo\tthree", "good\t1"]
    path = tmp_path / "rows.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = stream_data([str(path)])
    assert [row.line for row in data.splits["train"]] == [2, 4, 7]
    (finding,) = unread_findings("train", data.splits["train"].unread())
    assert (finding.kind, finding.severity, finding.count) == ("unusable_row", "error", 3)
    assert [place.line for place in finding.places] == [3, 5, 6]
    assert "3 fields where 2 are expected (2)" in finding.message
    list(data.splits["train"])
    assert next(iter(unread_findings("train", data.splits["train"].unread()))).count == 3, (
        "a second reading counts anew"
    )


def test_a_row_without_a_label_is_not_left_out(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "rows.tsv", [("a", "b", "1"), ("c", "d", "")], HEADER)
    data = stream_data([str(path)])
    assert [row.label for row in data.splits["train"]] == ["1", None]
    assert found(data) == []


def test_a_label_that_a_data_set_does_not_have(tmp_path: Path) -> None:
    rows = [(label, "1", "2", "one sentence", "another") for label in ("1", "0", "7")]
    write_tsv(tmp_path / "msr_paraphrase_train.txt", rows, ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"))
    data = stream_data(["mrpc"], data_dir=tmp_path)
    assert [row.label for row in data.splits["train"]] == ["1", "0"]
    (finding,) = unread_findings("train", data.splits["train"].unread())
    assert "'7' is not one of mrpc's" in finding.message


def test_entities_that_are_not_in_their_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"text": "Kim lives in Seoul", "entities": [["Kim", "PER"], ["Busan", "LOC"]]}\n'
        '{"text": "Lee lives here", "entities": [["Lee", "PER"]]}\n',
        encoding="utf-8",
    )
    data = stream_data([str(path)])
    assert data.task == "ner"
    assert found(data) == [("lost_entity", 1)]


def test_rows_of_two_files_with_the_same_id(tmp_path: Path) -> None:
    header = ("id", "document", "label")
    first, second = tmp_path / "ratings_train_first5000.txt", tmp_path / "raw_train_20k.txt"
    write_tsv(first, [("1", "좋아요", "1"), ("2", "싫어요", "0")], header)
    write_tsv(second, [("2", "싫어요", "0"), ("3", "그저 그래요", "0")], header)
    data = stream_data(["nsmc"], data_dir=tmp_path)
    assert [row.line for row in data.splits["train"]] == [2, 3, 3]
    assert found(data) == [("repeated_id", 1)]


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["1", "0", "2"], "classify"),
        (["1.5", "0", "2"], "regression"),
        (["1.5", "none"], "classify"),
        ([None, None], "classify"),
        ([], "classify"),
    ],
)
def test_kinds_of_labels(labels: list[str | None], task: str) -> None:
    kinds = LabelKinds()
    kinds.see(labels)
    assert SHAPE_OF[task] == kinds.shape


def test_tagged_files_are_ner(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("Kim B-PER\nruns O\n\nSeoul B-LOC\n\nbroken\n", encoding="utf-8")
    data = stream_data([str(tmp_path)])
    assert (data.task, data.columns.inputs) == ("ner", ("text",))
    assert [row.texts[0] for row in data.splits["train"]] == ["Kim runs", "Seoul"]
    assert found(data) == [("unusable_row", 1)]


@pytest.mark.parametrize("content", ["", "sentence1\tsentence2\tlabel\n", "text\tlabel\none field\n"])
def test_a_file_without_rows(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"empty\.tsv"):
        stream_data([str(path)])


def test_names_and_columns_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="mrpc"):
        stream_data(["mrpx"])
    path = write_tsv(tmp_path / "rows.tsv", pair_rows(4), ("left", "right", "label"))
    with pytest.raises(DataError, match="--columns"):
        stream_data([str(path)])


@pytest.mark.skipif("BERTKIT_TEST_DATA" not in os.environ, reason="needs the original releases")
@pytest.mark.parametrize("name", ["mrpc", "stsb", "codah"])
def test_real_data_reads_as_loading_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTKIT_DATA", os.environ["BERTKIT_TEST_DATA"])
    data, loaded = stream_data([name]), load_data([name])
    assert (data.task, data.columns) == (loaded.task, loaded.columns)
    assert {split: tuple(rows) for split, rows in data.splits.items()} == dict(loaded.splits)
    assert found(data) == []
