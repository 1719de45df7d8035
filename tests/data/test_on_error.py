"""Rows that cannot be used: all kinds of fault at once, or left out and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertkit.data.splits import DataRequest
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, load_splits
from tests.conftest import write_tsv

HEADER = ("text", "label")


def broken(folder: Path) -> Path:
    path = folder / "t.csv"
    rows = [f"row {i},{i % 2}" for i in range(40)]
    rows[0], rows[9], rows[20], rows[30] = "no label,", "one,two,three", "no label,", "no label,"
    path.write_text("\n".join(["text,label", *rows, ""]), encoding="utf-8")
    return path


def test_all_kinds_of_fault_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_data([str(broken(tmp_path))])
    assert str(caught.value) == (
        f"{tmp_path / 't.csv'}:2: label is empty (column 'label'); in all 4 rows cannot be used: "
        "label is empty (column 'label') (3: lines 2, 22, 32); 3 fields where 2 are expected (1: line 11). "
        "Fix them; `--on-error skip` leaves such rows out, and `inspect-data --write FILE` writes the others."
    )


def test_one_fault_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    write_tsv(path, [("a", "1"), ("b", "")], HEADER)
    with pytest.raises(DataError, match=r"t\.tsv:3: label is empty \(column 'label'\)\. Fix it, or leave it out with"):
        load_data([str(path)])


def test_rows_are_left_out_where_asked(tmp_path: Path) -> None:
    loaded = load_data([str(broken(tmp_path))], skip_bad=True)
    assert len(loaded.splits["train"]) == 36
    (warning,) = loaded.warnings
    assert warning.startswith("rows that cannot be used are left out, 4 in all: label is empty (column 'label') (3); ")
    assert warning.endswith("t.csv:2")


def test_a_request_remembers_what_was_asked(tmp_path: Path) -> None:
    request = DataRequest((str(broken(tmp_path)),), on_error="skip")
    again = DataRequest.from_json(request.to_json())
    assert sum(map(len, load_splits(again).splits.values())) == 36
    earlier = {name: value for name, value in request.to_json().items() if name != "on_error"}
    assert DataRequest.from_json(earlier).on_error == "stop"


def test_scores_that_are_none_are_left_out_too(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    write_tsv(path, [(f"row {i}", f"{i}.5") for i in range(20)] + [("x", "NaN")], HEADER)
    loaded = load_data([str(path)], skip_bad=True)
    assert (loaded.task, len(loaded.splits["train"])) == ("regression", 20)
    assert "'NaN' is not a number" in loaded.warnings[0]


def test_a_table_without_one_usable_row_stays_an_error(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    write_tsv(path, [("a", ""), ("b", "")], HEADER)
    with pytest.raises(DataError, match="label is empty"):
        load_data([str(path)], skip_bad=True)


def test_faults_of_rows_and_of_scores_are_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    rows = [(f"row {i}", f"{i}.5") for i in range(20)]
    rows[3], rows[7], rows[9] = ("three", ""), ("seven", "NaN"), ("nine", "N/A")
    write_tsv(path, rows, HEADER)
    with pytest.raises(DataError) as caught:
        load_data([str(path)])
    said = str(caught.value)
    assert said.startswith(f"{path}:5: label is empty (column 'label'); in all 3 rows cannot be used: ")
    assert "the label 'NaN' is not a number, as regression needs; nearly all others are" in said
    assert "(1: line 9)" in said
    assert "the label 'N/A' is not a number" in said


def test_faults_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    first, second = tmp_path / "a.tsv", tmp_path / "b.tsv"
    write_tsv(first, [("a", "1"), ("b", "")], HEADER)
    write_tsv(second, [("c", ""), ("d", "0")], HEADER)
    with pytest.raises(DataError) as caught:
        load_data([str(first), str(second)])
    assert str(caught.value).startswith(f"{first}:3: label is empty (column 'label'); 2 rows have this fault ")
    assert f"(lines 3, {second}:2)" in str(caught.value)


def test_bytes_at_different_places_are_one_kind_of_fault(tmp_path: Path) -> None:
    rows = b"".join(b"x" * place + b" caf\xe9,yes\n" for place in range(1, 9))
    (tmp_path / "t.csv").write_bytes(b"text,label\n" + rows)
    with pytest.raises(
        DataError, match=r"t\.csv:2: not valid UTF-8: byte 0xe9 .*; 8 rows have this fault \(lines 2, 3, 4, …\)"
    ):
        load_data([str(tmp_path / "t.csv")])


def test_where_no_row_is_left_no_way_on_leaves_rows_out(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("text\tlabel\na\t\nb\t\n", encoding="utf-8")
    for skip in (False, True):
        with pytest.raises(DataError, match=r"t\.tsv:2: label is empty .*\. No row can be used; fix them, or name "):
            load_data([str(tmp_path / "t.tsv")], skip_bad=skip)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("b.conll", "Mira B-PER\nleft O\n\nAldby B-LOC\nsleeps O\n"),
        ("b.jsonl", '{"text": "Mira left", "label": [[0, 4, "PER"]]}\n'),
        ("b.csv", "text,label\none,a|b\ntwo,b\nthree,a|b\n"),
    ],
)
def test_files_of_several_kinds_are_not_learnt_as_one(tmp_path: Path, name: str, rows: str) -> None:
    (tmp_path / "a.csv").write_text("text,label\ngood,a\nbad,b\n", encoding="utf-8")
    (tmp_path / name).write_text(rows, encoding="utf-8")
    with pytest.raises(DataError, match=rf"{name}: its rows are of another kind than those of .*a\.csv; name files of"):
        load_data([str(tmp_path / "a.csv"), str(tmp_path / name)])


def test_a_file_that_is_named_twice_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\ngood,a\nbad,b\n", encoding="utf-8")
    path = str(tmp_path / "a.csv")
    assert f"{path} is named more than once, and its rows are read as often" in load_data([path, path]).notes
    assert not any("more than once" in note for note in load_data([path]).notes)
