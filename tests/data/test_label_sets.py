"""Sets of labels as users write them: how they are told from other labels, and what is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.data.columns import ColumnChoice, parse_columns
from bertkit.data.label_kinds import are_sets, labels_in, mark_of
from bertkit.data.records import LabelSet
from bertkit.data.store import MANY
from bertkit.data.values import RowError
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, stream_data

TEXTS = ("the match was good", "prices fell", "a soup of lemons", "a team buys bread", "nothing at all", "a goal")
SETS = (("sport",), ("money",), ("food",), ("sport", "food", "money"), (), ("sport", "money"))


def table(path: Path, cells: list[str], header: str = "text,labels") -> Path:
    quoted = [f'{text},"{cell}"' for text, cell in zip(TEXTS, (c.replace('"', '""') for c in cells), strict=True)]
    path.write_text("\n".join([header, *quoted]) + "\n", encoding="utf-8")
    return path


def sets_of(path: Path, task: str = "multilabel", **more: str) -> list[tuple[str, ...] | None]:
    rows = load_data([str(path)], task=task, **more).splits["train"]
    assert all(isinstance(row, LabelSet) and row.label is None for row in rows)
    return [row.labels for row in rows if isinstance(row, LabelSet)]


@pytest.mark.parametrize(
    "written",
    [
        "|".join,
        " | ".join,
        ",".join,
        ", ".join,
        ";".join,
        lambda own: json.dumps(list(own)),
        lambda own: str(list(own)),
        lambda own: json.dumps({name: int(name in own) for name in ("sport", "food", "money")}),
        lambda own: json.dumps({"choices": list(own)}),
    ],
)
def test_every_way_to_write_a_set_is_read(tmp_path: Path, written: object) -> None:
    path = table(tmp_path / "rows.csv", [written(own) for own in SETS])  # type: ignore[operator]
    assert [set(own or ()) for own in sets_of(path)] == [set(own) for own in SETS]
    if "choices" not in path.read_text():
        assert [set(own or ()) for own in sets_of(path, "auto")] == [set(own) for own in SETS]


@pytest.mark.parametrize("flags", [("0", "1"), ("0.0", "1.0"), ("False", "True"), ("", "1")])
def test_a_column_for_each_label_is_read_and_told(tmp_path: Path, flags: tuple[str, str]) -> None:
    names = ("sport", "food", "money")
    lines = [",".join(("id", "text", *names))]
    for i, (text, own) in enumerate(zip(TEXTS, SETS, strict=True), start=1):
        lines.append(",".join((str(i), text, *(flags[name in own] for name in names))))
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    found = load_data([str(path)])
    assert found.task == "multilabel"
    assert found.columns.labels == names
    assert any("the columns 'sport' and 'food' and 'money' are yes or no" in note for note in found.notes)
    assert [set(own or ()) for own in sets_of(path)] == [set(own) for own in SETS]
    named = load_data([str(path)], columns="text=text,label=sport+money").splits["train"]
    assert [row.labels for row in named if isinstance(row, LabelSet)][3] == ("sport", "money")


@pytest.mark.parametrize(
    ("no", "yes"), [("", "x"), ("", "X"), ("N", "Y"), ("no", "yes"), ("", "✓"), ("✗", "✔"), ("아니오", "예")]
)
def test_marks_in_a_column_for_each_label(tmp_path: Path, no: str, yes: str) -> None:
    rows = "".join(
        f"{i},{text},{yes if i % 2 else no},{yes if i % 3 else no}\n" for i, text in enumerate(TEXTS, start=1)
    )
    path = tmp_path / "rows.csv"
    path.write_text(f"id,text,price,screen\n{rows}", encoding="utf-8")
    wanted = [[name for name, by in (("price", 2), ("screen", 3)) if i % by] for i in range(1, len(TEXTS) + 1)]
    assert [list(own or ()) for own in sets_of(path)] == wanted
    path.write_text(f"id,text,price,screen,shop\n{rows.replace(chr(10), ',Arl' + chr(10))}", encoding="utf-8")
    with pytest.raises(DataError, match="no column for the label"):
        load_data([str(path)])


def test_an_x_that_may_be_no_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,a,b\none,x,✓\ntwo,✓,x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"rows.csv:2: 'x' stands beside another mark, and may be yes or no"):
        load_data([str(path)])
    path.write_text("text,a,b\none,y,o\ntwo,o,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="'o' is neither 0 nor 1"):
        load_data([str(path)], task="multilabel", columns="text=text,label=a+b")


@pytest.mark.parametrize(
    ("one", "other", "mark"),
    [
        ("v", "x", "x"),
        ("x", "yes", "x"),
        ("0", "x", "x"),
        ("●", "○", "○"),
        ("✓", "X", "x"),
        ("○", "✗", ""),
        ("●", "", ""),
    ],
)
@pytest.mark.parametrize("columns", [None, "text=text,label=a+b"])
def test_a_mark_that_may_be_no_shows_in_other_rows(
    tmp_path: Path, one: str, other: str, mark: str, columns: str | None
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"text,a,b\none,{one},{one}\ntwo,{other},{other}\n", encoding="utf-8")
    if mark:
        with pytest.raises(DataError, match=rf"rows.csv:[23]: '{mark}' stands beside another mark"):
            load_data([str(path)], task="multilabel", columns=columns)
    else:
        assert [list(own or ()) for own in sets_of(path)] == [["a", "b"], []]


@pytest.mark.parametrize("names", ["rater1,rater2", "annotator_a,annotator_b", "평가자1,평가자2"])
def test_what_two_people_say_of_one_thing_is_no_set(tmp_path: Path, names: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"text,{names}\none,Y,N\ntwo,Y,Y\nthree,N,N\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column for the label"):
        load_data([str(path)])


def test_a_cell_that_is_neither_0_nor_1_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,a,b\none,1,0\ntwo,maybe,1\n")
    with pytest.raises(DataError, match=r"rows.csv:3: 'maybe' is neither 0 nor 1 \(column 'a'\)"):
        load_data([str(path)], task="multilabel", columns="label=a+b")


def test_how_labels_were_read_is_said_with_the_reason(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.csv", ["|".join(own) for own in SETS])
    notes = load_data([str(path)]).notes
    assert any("task: multilabel, because rows have several labels" in note for note in notes)
    assert any("split at '|' (3 different; 2 of 6 rows have several, 1 none)" in note for note in notes)
    assert any("split at '|'" in note for note in stream_data([str(path)]).notes)


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["yes, probably", "no, never", "no, never"], False),
        (["Smith, John", "Brown, Anna", "Cole, Eve"], False),
        (["1,5", "2,5", "3,0", "2,0"], False),
        (["7,5", "1,000"], False),
        (["1", "1,5", "2", "2,5", "3", "5"], False),
        (["1", "2", "3", "3,1", "1,3", "2,3"], False),
        (["1", "2", "2,2", "1,2"], False),
        (["1", "234", "567", "1,234,567"], False),
        (["2", "4", "2,4", "8", "8", "8", "8"], True),
        (["2", "4", "2, 4", "4, 2"], True),
        (["1", "3", "1,3,5", "3,5"], True),
        ([*["insult"] * 9, *["threat"] * 9, "insult,threat"], True),
        ([*["insult"] * 9, *["threat"] * 9, "insult,scorn"], False),
        (["comp|graphics", "comp|windows", "sci|space"], False),
        (["a|b", "b", "a", "a|b"], True),
        (["a,b", "b,c", "a,c", "b"], True),
        (["a|b", "a", "b|c"], True),
        (["[0, 1, 0]", "[1, 0, 0]"], True),
        (['{"label": 0.0, "binary": 0}', '{"label": 1.0, "binary": 1}', '{"label": 3.7, "binary": 1}'], False),
        (['{"a": 1, "b": 1}', '{"a": 0, "b": 1}'], True),
        (["pos", "neg"], False),
        (['["a","b"]', '["a"]'], True),
        (['["a"]', '["b"]', "[]"], False),
    ],
)
def test_what_is_no_set_of_labels_is_not_taken_for_one(cells: list[str], wanted: bool) -> None:
    assert are_sets(cells) == wanted


def test_cells_are_parted_where_most_of_a_runs_labels_are_found() -> None:
    assert mark_of(["a, b", "c|d"]) == "|"
    assert mark_of(["a, b|c", "a, b"], known=("a, b", "c")) == "|"
    assert mark_of(["a, b", "c"], known=("a, b", "c")) == ""
    assert labels_in(" a | b|a| ", "|") == ("a", "b")
    with pytest.raises(RowError, match="list of lists"):
        labels_in('[["a"]]', "")


def test_a_split_is_parted_as_the_others_are(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", ["|".join(own) for own in SETS])
    (tmp_path / "validation.csv").write_text('text,labels\nhere,"sport|food"\nthere,\n')
    rows = load_data([str(tmp_path)], task="multilabel").splits
    assert [row.labels for row in rows["validation"] if isinstance(row, LabelSet)] == [("sport", "food"), ()]


def test_several_label_columns_are_for_multilabel(tmp_path: Path) -> None:
    assert parse_columns("label=a+b") == ColumnChoice(labels=("a", "b"))
    path = table(tmp_path / "rows.csv", ["x"] * 6, "text,a")
    path.write_text("text,a,b\none,1,0\ntwo,0,1\n")
    with pytest.raises(DataError, match="'a' and 'b' are several columns of labels, which --task multilabel reads"):
        load_data([str(path)], task="classify", columns="label=a+b")


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["[0, 1, 0]", "[1, 0, 1]"], [("1",), ("0", "2")]),
        (["[0. 1. 1.]", "[0. 0. 0.]"], [("1", "2"), ()]),
        (["[0, 1]", "[1, 0]"], [("1",), ("0",)]),
        (["[1.0, 0.0]", "[0, 1]"], [("0",), ("1",)]),
        (["[0, 1]", "[1]"], [("0", "1"), ("1",)]),
        (["[0, 1]", "[1, 2]"], [("0", "1"), ("1", "2")]),
    ],
)
def test_lists_of_0_and_1_are_places_and_others_class_ids(
    tmp_path: Path, cells: list[str], read: list[tuple[str, ...]]
) -> None:
    loaded = load_data([str(table(tmp_path / "rows.csv", [cells[place % len(cells)] for place in range(len(TEXTS))]))])
    read = [read[place % len(read)] for place in range(len(TEXTS))]
    assert (loaded.task, [row.answer for row in loaded.splits["train"]]) == ("multilabel", [list(own) for own in read])


def test_many_rows_are_parted_out_of_the_cache_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rows.csv"
    rows = [f"a text with the number {i},{'a|b' if i % 3 else 'b'}" for i in range(MANY + 10)]
    path.write_text("\n".join(["text,labels", *rows]), encoding="utf-8")
    first, again = (load_data([str(path)]) for _ in range(2))
    assert first.task == again.task == "multilabel"
    assert [row.answer for row in first.splits["train"][:2]] == [["b"], ["a", "b"]]
    assert first.fingerprint == again.fingerprint
    assert list(first.splits["train"]) == list(again.splits["train"])


def test_cells_of_which_every_part_comes_in_several_are_sets() -> None:
    assert are_sets(["good|long", "bad|long", "good|short", "bad|short"] * 5)
    assert are_sets(["긍정;길다", "부정;길다", "긍정;짧다", "부정;짧다"] * 5)
    assert not are_sets(["sport|tennis", "sport|chess", "news|local", "news|world"] * 5), "a path to one class"
    assert not are_sets(["yes|no", "maybe"] * 5)
