"""Rows of large tables in the cache: the same as held ones, trusted only when they are whole."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bertkit import cache
from bertkit.cli.app import app
from bertkit.data import loading, store
from bertkit.data import open as opening
from bertkit.data.formats.parquet import HubData, HubRows
from bertkit.data.records import Document, Entity, Example, Question, TaggedText
from bertkit.data.splits import DataRequest
from bertkit.data.store import RowTexts, StoredRows, labels_of, texts_of, write_rows
from bertkit.errors import DataError, OutputError
from bertkit.tasks.rows import load_data, load_splits

ROWS = 3_000


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let a table of some thousand rows be a large one, with a cache of the test's own."""
    monkeypatch.setattr(loading, "MANY", 500)
    monkeypatch.setattr(store, "_ROWS", 256)
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.csv")


def write_table(path: Path, rows: int = ROWS, *, labels: tuple[str, ...] = ("good", "bad", "fair")) -> Path:
    lines = (f'"The film {i % 2500}, 영화 {i}!",{labels[i % len(labels)]},g{i % 90}\n' for i in range(rows))
    path.write_text("text,label,author\n" + "".join(lines), encoding="utf-8")
    return path


def held(monkeypatch: pytest.MonkeyPatch, path: Path, **request: object):
    with monkeypatch.context() as patch:
        patch.setattr(loading, "MANY", 10**9)
        return load_splits(DataRequest((str(path),), **request), splits=("train", "validation", "test"))


def folders(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / store.ROOM).iterdir())


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"test_fraction": 0.2, "seed": 7},
        {"limit": 40},
        {"group": "author"},
        {"split_form": 1},
        {"columns": "text=text,pair=author,label=label"},
        {"task": "mlm", "passages": True},
    ],
    ids=str,
)
def test_stored_rows_are_those_that_are_held(table, request_, monkeypatch):
    expected = held(monkeypatch, table, **request_)
    for _ in ("written", "found"):
        found = load_splits(DataRequest((str(table),), **request_), splits=("train", "validation", "test"))
        assert all(isinstance(rows, StoredRows) for rows in found.splits.values())
        assert {split: list(rows) for split, rows in found.splits.items()} == {
            split: list(rows) for split, rows in expected.splits.items()
        }
        assert replace(found, splits={}) == replace(expected, splits={})


def test_rows_of_the_hub_lie_there_too(table, monkeypatch, tmp_path):
    import datasets

    there = datasets.Dataset.from_csv(str(table), cache_dir=str(tmp_path / "hub"))
    of_hub = HubData({"train": HubRows(there)}, {}, {"train": [Path(there.cache_files[0]["filename"])]})
    monkeypatch.setattr(opening, "open_hub_data", lambda *_, **__: of_hub)
    expected = held(monkeypatch, "hf:org/films")
    reading, each = [], HubRows.__iter__
    monkeypatch.setattr(HubRows, "__iter__", lambda rows: reading.append(1) or each(rows))
    for _ in ("written", "found"):
        found = load_splits(DataRequest(("hf:org/films",)), splits=("train", "validation", "test"))
        assert all(isinstance(rows, StoredRows) for rows in found.splits.values())
        assert {split: list(rows) for split, rows in found.splits.items()} == {
            split: list(rows) for split, rows in expected.splits.items()
        }
        assert replace(found, splits={}) == replace(expected, splits={})
    once = len(reading)
    load_splits(DataRequest(("hf:org/films",)), splits=("train", "validation", "test"))
    assert once
    assert len(reading) == once, "what lies in the cache is not read again"


def test_labels_are_spelt_alike_and_scores_told(tmp_path, monkeypatch):
    path = write_table(tmp_path / "numbers.csv", labels=("1", "1.0", "2"))
    expected, found = held(monkeypatch, path), load_splits(DataRequest((str(path),)))
    assert set(labels_of(found.splits["train"])) == {"1", "2"}
    assert (found.fingerprint, found.notes) == (expected.fingerprint, expected.notes)
    path = write_table(tmp_path / "scores.csv", labels=("1.5", "oops", *(f"{i / 8}" for i in range(1, 60, 2))))
    with pytest.raises(DataError, match=r"scores.csv:3: the label 'oops' is not a number"):
        load_data([str(path)], task="regression")
    for _ in ("written", "found"):
        left = load_data([str(path)], task="regression", skip_bad=True)
        assert "oops" not in set(labels_of(left.splits["train"]))
        assert "rows that cannot be used are left out" in left.warnings[0]


PLACE = {"line": 1, "source": "f"}
KINDS = {
    "texts": [
        Example(("a", "b"), "x", **PLACE),
        Example(("c",), None, 2, "g", group="k"),
        Example(("d", "e", "f"), "y", 3, "f"),
    ],
    "entities": [
        TaggedText(("서울 is",), None, **PLACE, entities=(Entity(0, 2, "LOC"),), repaired=True),
        TaggedText(("x",), None, 2, "f"),
    ],
    "questions": [
        Question(("q",), "B", **PLACE, choices=("yes", "no"), names=("A", "B")),
        Question(("c", "q"), None, 2, "f", ("1",), ("A",), "why"),
    ],
    "documents": [
        Document(("one\ntwo",), None, **PLACE, summary="sum", sentences=("one", "two")),
        Document(("x",), None, 2, "f"),
    ],
}


@pytest.mark.parametrize("rows", KINDS.values(), ids=KINDS)
def test_every_kind_of_record_comes_back(rows, tmp_path):
    facts = write_rows(tmp_path / "rows.arrow", rows)
    back = StoredRows(tmp_path / "rows.arrow", facts)
    assert list(back) == rows
    assert [back[i] for i in range(len(rows))] == rows
    assert list(back[1:]) == rows[1:]
    assert list(texts_of(back)) == [text for row in rows for text in row.all_texts]
    assert RowTexts(back)[::2] == [text for row in rows for text in row.all_texts][::2]


def test_rows_are_chosen_from_those_that_are_chosen(tmp_path):
    rows = [Example((f"text {i}",), str(i % 3), i, "f") for i in range(2_000)]
    back = StoredRows(tmp_path / "rows.arrow", write_rows(tmp_path / "rows.arrow", rows))
    even = back.select(np.arange(0, 2_000, 2))
    few = even.select(np.asarray([0, 5, 700, 999]))
    assert list(few) == [rows[i] for i in (0, 10, 1400, 1998)]
    assert even[-1] == rows[1998]
    assert list(labels_of(few)) == [row.label for row in few]
    assert back.key != even.key != few.key


def test_datasets_opens_the_file(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = [Example((f"text {i}",), "x", i, "f") for i in range(600)]
    write_rows(tmp_path / "rows.arrow", rows)
    opened = datasets.Dataset.from_file(str(tmp_path / "rows.arrow"))
    assert opened[599]["text_0"] == "text 599"


def test_other_content_is_another_entry_and_small_tables_have_none(table, tmp_path):
    load_data([str(table)])
    first = folders(tmp_path)
    load_data([str(table)])
    assert folders(tmp_path) == first
    write_table(table, ROWS + 1)
    assert len(load_data([str(table)]).splits["train"]) == ROWS + 1
    assert len(folders(tmp_path)) == 2
    load_data([str(write_table(tmp_path / "small.csv", 400))])
    assert len(folders(tmp_path)) == 2


@pytest.mark.parametrize("damage", ["cut", "no facts", "bad facts"])
def test_what_is_not_whole_is_written_again(table, tmp_path, damage):
    expected = list(load_data([str(table)]).splits["train"])
    (folder,) = folders(tmp_path)
    match damage:
        case "cut":
            os.truncate(folder / "train.arrow", 1000)
        case "no facts":
            (folder / "facts.json").unlink()
        case _:
            (folder / "facts.json").write_text("{", encoding="utf-8")
    assert list(load_data([str(table)]).splits["train"]) == expected
    assert json.loads((folder / "facts.json").read_text(encoding="utf-8"))


def test_leftovers_go_when_something_is_written(table, tmp_path):
    room = tmp_path / "cache" / store.ROOM
    for left in (room / f".{'0' * 32}.tmp", room.with_name("rows-0") / ("1" * 32)):
        left.mkdir(parents=True)
        (left / "train.arrow").write_bytes(b"half")
    forgotten = room / ("2" * 32)
    forgotten.mkdir()
    os.utime(forgotten, (0, 0))
    load_data([str(table)])
    assert len(list(room.iterdir())) == 1
    assert not room.with_name("rows-0").exists()


def test_what_another_process_writes_is_left_alone(table, tmp_path):
    room = tmp_path / "cache" / store.ROOM
    being_written = room / f".{'0' * 32}.tmp"
    being_written.mkdir(parents=True)
    with cache._alone(room / ("0" * 32)):
        load_data([str(table)])
        assert being_written.exists()


def _load(path: str, queue) -> None:
    loading.MANY, store._ROWS = 500, 256
    rows = load_splits(DataRequest((path,))).splits["validation"]
    queue.put([row.line for row in rows])


def test_two_processes_at_once(table, tmp_path):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    both = [context.Process(target=_load, args=(str(table), queue)) for _ in range(2)]
    for process in both:
        process.start()
    first, second = queue.get(timeout=60), queue.get(timeout=60)
    for process in both:
        process.join(timeout=60)
    assert first == second
    assert [path.name.startswith(".") for path in folders(tmp_path)] == [False]


def test_a_full_disk_is_one_sentence(table, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loading, "write_rows", full)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\).*BERTKIT_CACHE"):
        load_data([str(table)])


def test_a_bad_row_ends_the_loading_and_nothing_is_kept(table, tmp_path):
    with table.open("a", encoding="utf-8") as file:
        file.write("only one field\n")
    with pytest.raises(DataError, match=rf"table.csv:{ROWS + 2}: 1 field where 3 are expected"):
        load_data([str(table)])
    assert folders(tmp_path) == []


def test_the_command_shows_and_clears(table, tmp_path):
    load_data([str(table)])
    other = tmp_path / "cache" / "letters.txt"
    other.write_text("mine", encoding="utf-8")
    shown = json.loads(CliRunner().invoke(app, ["cache", "--format", "json"]).stdout)
    assert shown["folder"] == str(tmp_path / "cache")
    assert [entry["holds"] for entry in shown["entries"]] == ["rows of a table"]
    assert shown["bytes"] == sum(entry["bytes"] for entry in shown["entries"]) > 10_000
    table_shown = CliRunner().invoke(app, ["cache", "--format", "table"]).stdout
    assert "entries: 1;" in table_shown
    cleared = json.loads(CliRunner().invoke(app, ["cache", "clear", "--format", "json"]).stdout)
    assert (cleared["deleted"], cleared["bytes"]) == (1, shown["bytes"])
    assert list((tmp_path / "cache").iterdir()) == [other]
    assert json.loads(CliRunner().invoke(app, ["cache", "clear", "--format", "json"]).stdout)["deleted"] == 0
