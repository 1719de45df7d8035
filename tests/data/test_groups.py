"""Rows that belong together: read from any column, kept on one side, proposed where a column looks like it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bertkit.data.faults import GroupColumns
from bertkit.data.records import ColumnMap, DataSet, Example, Row
from bertkit.data.splits import DataRequest, hold_out
from bertkit.errors import DataError, UsageError
from bertkit.reporting.inspection import InspectRequest, inspect_data
from bertkit.tasks.rows import load_data, load_splits


def grouped(sizes: dict[str, int], *, fraction: float = 0.1, test: float = 0.0, seed: int = 0) -> DataSet:
    rows = [
        Example((f"{group or 'none'} {i}",), "ab"[i % 2], i, "t", group=group)
        for group, size in sizes.items()
        for i in range(size)
    ]
    random.Random(1).shuffle(rows)
    data = DataSet("toy", "classify", ColumnMap(("a",), None, "y"), {"train": tuple(rows)}, fingerprint="f")
    return hold_out(data, validation_fraction=fraction, test_fraction=test, seed=seed, group="author")


def groups_of(data: DataSet, split: str) -> set[str]:
    return {row.group for row in data.splits[split]} - {""}


@pytest.mark.parametrize("seed", range(4))
def test_a_group_is_on_one_side(seed: int) -> None:
    rng = random.Random(seed)
    data = grouped({f"g{i}": rng.randint(1, 9) for i in range(60)}, fraction=0.2, test=0.2, seed=seed)
    sides = [groups_of(data, split) for split in ("train", "validation", "test")]
    assert all(sides)
    assert sum(map(len, sides)) == 60 == len(set().union(*sides))
    total = sum(map(len, data.splits.values()))
    assert all(0.15 * total <= len(data.splits[split]) <= 0.2 * total + 1 for split in ("validation", "test"))
    assert data.notes[-1].endswith(f"held out (seed {seed}), rows of one 'author' together")


def test_large_groups_have_no_better_chance_than_small_ones() -> None:
    sizes = {f"g{i}": 1 + 9 * (i % 2) for i in range(100)}
    chosen = [group for seed in range(10) for group in groups_of(grouped(sizes, fraction=0.3, seed=seed), "validation")]
    large = sum(sizes[group] > 1 for group in chosen)
    assert 0.3 < large / len(chosen) < 0.7


def test_rows_without_a_group_stand_alone() -> None:
    data = grouped({"": 100, "g": 5}, fraction=0.2)
    assert 15 <= len(data.splits["validation"]) <= 21


def test_the_same_row_in_two_groups_keeps_both_together() -> None:
    rows = [Example((f"{g} {i}",), None, i, "t", group=g) for g in "abcd" for i in range(5)]
    rows += [Example(("Thanks!",), None, 9, "t", group="a"), Example(("thanks",), None, 9, "t", group="b")]
    data = DataSet("toy", "mlm", ColumnMap(("t",)), {"train": tuple(rows)}, fingerprint="f")
    for seed in range(6):
        split = hold_out(data, validation_fraction=0.3, test_fraction=0, seed=seed, group="g")
        assert len(groups_of(split, "validation") & {"a", "b"}) in (0, 2)


def test_groups_larger_than_what_is_wanted_are_taken_rather_than_next_to_nothing() -> None:
    data = grouped({"a": 30, "b": 30, "c": 30, "d": 1})
    assert len(data.splits["validation"]) == 31
    small = grouped({"a": 95, "b": 1, "c": 1})
    assert len(small.splits["validation"]) <= 2
    assert small.notes[-1].endswith("larger groups stay whole, so there are fewer than asked")


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(
        DataError, match=r"20 training rows fall into 1 part by --group 'author' .*, which is too few to"
    ):
        grouped({"a": 20})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = ["id,text,label,Author ID"]
    lines += [f"{i},row number {i},{'ab'[i % 2]},author {i // 5}" for i in range(200)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_column_need_not_be_a_text(table: Path) -> None:
    request = DataRequest((str(table),), test_fraction=0.2, group="Author ID")
    data = load_splits(request, splits=("train", "validation", "test"))
    sides = [groups_of(data, split) for split in data.splits]
    assert sum(map(len, sides)) == 40 == len(set().union(*sides))
    again = load_splits(DataRequest.from_json(request.to_json()), splits=("train", "validation", "test"))
    assert again.splits == data.splits, "a run finds the same rows again"
    other = table.read_text(encoding="utf-8").replace(",author 3\n", ",author 4\n")
    table.write_text(other, encoding="utf-8")
    assert load_splits(request).fingerprint != data.fingerprint, "a resumed run must notice"


@pytest.mark.parametrize("task", ["ner", "choice", "extractive", "mlm", "regression"])
def test_rows_of_every_task_have_groups(task: str, tmp_path: Path) -> None:
    values = {
        "ner": {"text": "Ana sings", "entities": [{"start": 0, "end": 3, "label": "PER"}]},
        "choice": {"question": "why", "choices": ["so", "no"], "answer": "so"},
        "extractive": {"article": "One. Two.", "summary": "One."},
        "mlm": {"text": "some words"},
        "regression": {"text": "some words", "label": 0.5},
    }[task]
    path = tmp_path / "rows.jsonl"
    rows = [{**values, "who": {"name": f"n{i}"}} for i in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = load_data((str(path),), task=task, group="who.name")
    assert [row.group for row in data.splits["train"]] == ["n0", "n1", "n2"]


def test_a_missing_column_is_named_with_those_there_are(table: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--group: no column 'author id', did you mean 'Author ID'\?: the columns are"):
        load_data((str(table),), group="author id")
    with pytest.raises(DataError, match="--group: no column 'x'"):
        inspect_data(InspectRequest((str(table),), group="x"))
    tagged = tmp_path / "tags.conll"
    tagged.write_text("Ana\tB-PER\nsings\tO\n\nHe\tO\n\n", encoding="utf-8")
    with pytest.raises(DataError, match="--group 'x': the file has no columns but its tags"):
        load_data((str(tagged),), task="ner", group="x")


def test_lines_that_follow_each_other_have_no_groups_beside() -> None:
    from bertkit.config import TrainConfig

    with pytest.raises(UsageError, match="--group: with --sentence-pairs"):
        TrainConfig(group="x", sentence_pairs="nsp")


def test_official_splits_that_share_groups_are_told(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "official"
    folder.mkdir()
    lines = table.read_text(encoding="utf-8").splitlines()
    (folder / "train.csv").write_text("\n".join(lines[:103]) + "\n", encoding="utf-8")
    (folder / "validation.csv").write_text("\n".join([lines[0], *lines[103:]]) + "\n", encoding="utf-8")
    data = load_splits(DataRequest((str(folder),), group="Author ID"))
    (warning,) = data.warnings
    assert warning == (
        "validation: 3 of 98 rows have a value of 'Author ID' that training rows have too; its scores are inflated"
    )
    found = inspect_data(InspectRequest((str(folder),), group="Author ID")).audit.findings
    messages = {finding.kind: finding.message for finding in found}
    assert messages["groups_in_two_splits"] == (
        "validation: 3 rows are of 1 group that train has too; its score is inflated."
    )
    assert messages["groups"] == "train: 21 groups of 'Author ID' in 102 rows; the largest has 5."


def test_a_column_of_groups_is_proposed(table: Path) -> None:
    found = inspect_data(InspectRequest((str(table),))).audit
    (finding,) = [finding for finding in found.findings if finding.kind == "group_column"]
    assert finding.severity == "info"
    assert "200 rows share the value of 'Author ID' with another row (40 values)" in finding.message
    assert "--group 'Author ID'" in finding.message
    named = inspect_data(InspectRequest((str(table),), group="Author ID")).audit
    assert "group_column" not in {finding.kind for finding in named.findings}
    assert "--group 'Author ID'" in named.suggested_command


def proposed(column: str, values: list[str]) -> bool:
    watcher = GroupColumns(("text", "label"))
    rows = [Row(i, {"text": "x", "label": "y", column: value}) for i, value in enumerate(values)]
    assert list(watcher.watch(rows)) == rows
    return watcher.proposal() is not None


@pytest.mark.parametrize(
    "column", ["id", "#2 ID", "user_id", "docId", "Author", "대화", "작성자", "고객번호", "thread"]
)
def test_names_of_groups(column: str) -> None:
    assert proposed(column, [f"v{i // 4}" for i in range(100)])


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("user_id", [f"v{i}" for i in range(100)]),  # an id of each row
        ("category_id", [f"v{i % 6}" for i in range(100)]),  # classes
        ("paid", [f"v{i // 4}" for i in range(100)]),  # ends in id, and is none
        ("year", [f"v{i // 4}" for i in range(100)]),
        ("author", [""] * 100),
    ],
)
def test_what_names_none(column: str, values: list[str]) -> None:
    assert not proposed(column, values)


def test_each_question_of_one_line_has_its_group(tmp_path: Path) -> None:
    questions = {"questions": ["Who?", "Where?"], "options": [["Ann", "Bo"], ["here", "there"]], "answers": ["A", "B"]}
    lines = [json.dumps({"article": f"Text {i}.", "source": f"s{i // 2}", **questions}) for i in range(4)]
    (tmp_path / "race.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = load_data([str(tmp_path / "race.jsonl")], group="source").splits["train"]
    assert [row.group for row in rows] == ["s0"] * 4 + ["s1"] * 4


def test_a_run_made_before_finds_its_groups_as_they_were(tmp_path: Path) -> None:
    rows = [{"text": f"Ann saw Bo {i}", "entities": [[0, 3, "PER"]], "source": f"s{i}"} for i in range(4)]
    (tmp_path / "ner.json").write_text(json.dumps(rows), encoding="utf-8")  # all on one line
    request = DataRequest((str(tmp_path / "ner.json"),), task="ner", group="source", validation_fraction=0.0)
    before = {name: value for name, value in request.to_json().items() if name != "group_form"}
    now, then = (load_splits(asked).splits["train"] for asked in (request, DataRequest.from_json(before)))
    assert [row.group for row in now] == ["s0", "s1", "s2", "s3"]
    assert [row.group for row in then] == ["s3", "", "", ""]
