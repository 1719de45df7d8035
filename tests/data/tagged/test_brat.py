"""Texts with brat's annotations beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, stream_data

TEXT = "Mira Kost moved\nto Aldby.\n\nNobody came.\n"
ANN = "T1\tPER 0 9\tMira Kost\nT2\tLOC 19 24\tAldby\nR1\tLives Arg1:T1 Arg2:T2\n#1\tNote T1\tsure\n"


def write(folder: Path, ann: str = ANN, name: str = "a") -> Path:
    (folder / f"{name}.txt").write_text(TEXT, encoding="utf-8")
    (folder / f"{name}.ann").write_text(ann, encoding="utf-8")
    return folder / f"{name}.txt"


def test_each_line_is_a_row_with_its_entities(tmp_path: Path) -> None:
    path = write(tmp_path)
    loaded = load_data([str(path)])
    assert loaded.task == "ner"
    assert [(row.texts[0], row.line, row.answer) for row in loaded.splits["train"]] == [
        ("Mira Kost moved", 1, [[0, 9, "PER"]]),
        ("to Aldby.", 2, [[3, 8, "LOC"]]),
        ("Nobody came.", 4, []),
    ]
    assert tuple(stream_data([str(path)]).splits["train"]) == loaded.splits["train"]


def test_a_folder_of_annotated_texts(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path, name=name)
    (tmp_path / "readme.txt").write_text("not annotated\n", encoding="utf-8")
    loaded = load_data([str(tmp_path)])
    assert (loaded.task, len(loaded.splits["train"])) == ("ner", 6)
    assert f"left out: 1 text in {tmp_path} without annotations (.ann)" in loaded.notes


def test_folders_of_annotated_texts_may_be_splits(tmp_path: Path) -> None:
    for place in ("", "train/one", "train/two", "dev", "other"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        write(tmp_path / place)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("not annotated\n", encoding="utf-8")
    loaded = load_data([str(tmp_path)])
    assert {split: len(rows) for split, rows in loaded.splits.items()} == {"train": 12, "validation": 3}
    assert not any("without annotations" in note for note in loaded.notes)


@pytest.mark.parametrize(
    ("ann", "said"),
    [("T1\tPER 5 9;16 18\tKost to\n", "in several pieces"), ("T1\tPER 10 18\tmoved to\n", "over several lines")],
)
def test_entities_that_no_line_holds_are_said(tmp_path: Path, ann: str, said: str) -> None:
    path = write(tmp_path, ann)
    assert any(said in warning for warning in load_data([str(path)]).warnings)
    rows = stream_data([str(path)]).splits["train"]
    assert len(list(rows)) == 3
    assert rows.unread().lost.count == 1


def test_a_malformed_annotation_is_named_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "T1\tPER 0 9\tMira\nT2 PER 3\n")
    with pytest.raises(DataError, match=r"a\.ann:2: 'T2 PER 3' is not a brat entity"):
        load_data([str(path)])


def test_annotations_without_their_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Mira left\n", encoding="utf-8")
    (tmp_path / "a.ann").write_text("T1\tPER 0 4\tMira\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.ann: these are brat's annotations; name the text beside them, a\.txt\."):
        load_data([str(tmp_path / "a.ann")])


def test_a_place_that_does_not_hold_its_words_is_a_fault(tmp_path: Path) -> None:
    path = write(tmp_path, ANN.replace("0 9", "1 9"))
    with pytest.raises(DataError, match=r"a\.txt:1: characters 1 to 9 are 'ira Kost', not 'Mira Kost' as the row says"):
        load_data([str(path)])
