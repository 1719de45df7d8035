"""What `inspect-data --write` writes: the rows that are left, and beside them those that are not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bertkit.errors import OutputError, UsageError
from bertkit.reporting.inspection import InspectRequest, inspect_data
from bertkit.tasks.rows import load_data


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    rows = [f'{i},"row {i}, ""quoted""",{"yes" if i % 2 else "no"}' for i in range(20)]
    rows += ["20,row 1000,-", "21,,yes", "22,no label,", "23,one field more,yes,x", rows[3], "25,said twice,yes"]
    rows += ["26,said twice,no", "id,text,label"]
    path.write_text("\n".join(["id,text,label", *rows, ""]), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def test_the_rows_that_are_left_can_be_trained_on(table: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.csv"
    found = inspect_data(InspectRequest((str(table),), write=clean)).audit
    assert [row["id"] for row in read(clean)] == [str(i) for i in range(20)]
    loaded = load_data([str(clean)])
    assert loaded.splits["train"][5].texts == ('row 5, "quoted"',)
    left = read(tmp_path / "clean.left_out.csv")
    assert [row["line"] for row in left] == [str(line) for line in range(22, 30)]
    whys = [row["why"] for row in left]
    assert "'-' looks like none" in whys[0]
    assert whys[1:3] == ["there is no text", "there is no label"]
    assert "4 fields where 3" in whys[3]
    assert whys[4] == "an earlier row is the same"
    assert whys[5] == whys[6] == "another row has the same text and another label"
    assert whys[7] == "the line repeats the header"
    assert {row["file"] for row in left} == {str(table)}
    assert any(f"{clean}: 20 rows of train; 8 are left out" in note for note in found.notes)


@pytest.mark.parametrize("name", ["clean.tsv", "clean.jsonl"])
def test_other_kinds_of_table(name: str, table: Path, tmp_path: Path) -> None:
    inspect_data(InspectRequest((str(table),), write=tmp_path / name))
    assert len(load_data([str(tmp_path / name)]).splits["train"]) == 20
    if name.endswith("jsonl"):
        first = json.loads((tmp_path / name).read_text(encoding="utf-8").splitlines()[0])
        assert first == {"id": "0", "text": 'row 0, "quoted"', "label": "no"}


def test_every_split_has_its_own_file(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train.csv", "test.csv"):
        (folder / name).write_bytes(table.read_bytes())
    inspect_data(InspectRequest((str(folder),), write=tmp_path / "clean.csv"))
    assert sorted(path.name for path in tmp_path.glob("clean*")) == [
        "clean.test.csv", "clean.test.left_out.csv", "clean.train.csv", "clean.train.left_out.csv",
    ]  # fmt: skip


def test_what_cannot_be_written(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must end in"):
        inspect_data(InspectRequest((str(table),), write=tmp_path / "clean.txt"))
    (tmp_path / "clean.left_out.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="--write"):
        inspect_data(InspectRequest((str(table),), write=tmp_path / "clean.csv"))
    assert (tmp_path / "clean.left_out.csv").read_text(encoding="utf-8") == "mine"


def test_tokens_and_tags_a_line_become_texts_with_entities(tmp_path: Path) -> None:
    path = tmp_path / "t.conll"
    path.write_text("Mira B-PER\nleft O\n\nBad X-FOO\n\nAldby B-LOC\nsleeps O\n", encoding="utf-8")
    inspect_data(InspectRequest((str(path),), write=tmp_path / "clean.jsonl"))
    loaded = load_data([str(tmp_path / "clean.jsonl")])
    assert [(row.texts[0], row.answer) for row in loaded.splits["train"]] == [
        ("Mira left", [[0, 4, "PER"]]),
        ("Aldby sleeps", [[0, 5, "LOC"]]),
    ]
    left = json.loads((tmp_path / "clean.left_out.jsonl").read_text(encoding="utf-8"))
    assert (left["line"], "outside the scheme" in left["why"]) == ("4", True)


def test_places_of_entities_hold_in_every_form(tmp_path: Path) -> None:
    rows = [
        {"text": "Mira  Kost\tleft\n Aldby", "label": [[0, 10, "PER"], [17, 22, "LOC"]]},
        {"text": "Nobody  came", "label": []},
        {"text": "\u200b", "label": []},
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for form in ("csv", "tsv", "jsonl"):
        kept = tmp_path / f"clean.{form}"
        said = inspect_data(InspectRequest((str(path),), "scratch", write=kept)).audit.notes
        read = load_data([str(kept)], task="ner").splits["train"]
        assert [(row.texts[0], row.answer) for row in read] == [
            ("Mira  Kost left  Aldby" if form == "tsv" else rows[0]["text"], rows[0]["label"]),
            (rows[1]["text"], []),
        ]
        assert "there is no text" in (tmp_path / f"clean.left_out.{form}").read_text(encoding="utf-8")
        assert any("1 row has spaces for tabs and line ends" in note for note in said) == (form == "tsv")
