"""Columns that go through to the answers, several inputs, and what annotation tools import."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from bertkit.data.columns import Keep, parse_keep
from bertkit.data.records import ColumnMap
from bertkit.errors import DataError, UsageError
from bertkit.evaluation.predict import PredictRequest, predict
from bertkit.evaluation.records_out import TEXT, open_writer
from bertkit.evaluation.run import EvalRequest, evaluate_run
from bertkit.tasks.base import TaskSettings
from tests.conftest import pair_rows, write_tsv

NER = TaskSettings("ner", ColumnMap(("text",)), ("LOC", "PER"))
CLASSES = TaskSettings("classify", ColumnMap(("text",)), ("neg", "pos"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "label", "sentence1", "sentence2"])
        writer.writerows([f"a{i}", "old", one, two] for i, (one, two, _) in enumerate(pair_rows(5, seed=3)))
        writer.writerow(["a5", "old", " ", ""])
    return path


def records(run: Path, output: Path, **asked: Any) -> list[dict[str, Any]]:
    predict(PredictRequest(run, **asked), output=output, force=True)
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def test_kept_columns_stand_in_the_records(trained_run: Path, table: Path, tmp_path: Path) -> None:
    found = records(trained_run, tmp_path / "o.jsonl", source=str(table), keep="id,label")
    assert [(r["line"], r["id"], r["in_label"]) for r in found] == [(i + 2, f"a{i}", "old") for i in range(6)]
    assert "error" in found[5], "an empty text"
    every = records(trained_run, tmp_path / "o.jsonl", source=str(table), keep="all")
    assert {"id", "in_label", "sentence1", "sentence2"} <= set(every[0])


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_kept_columns_stand_in_tables(form: str, trained_run: Path, table: Path, tmp_path: Path) -> None:
    output = tmp_path / "o"
    predict(PredictRequest(trained_run, str(table), output_format=form, keep="id"), output=output)
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t" if form == "tsv" else ","))
    assert [row["id"] for row in rows] == [f"a{i}" for i in range(6)]


def test_kept_columns_of_json_lines(trained_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"sentence1": "a shop", "sentence2": "a shop", "meta": {"page": 3}}
    path.write_text(json.dumps({**row, "id": 7}) + "\n" + json.dumps(row) + "\n", encoding="utf-8")
    found = records(trained_run, tmp_path / "o", source=str(path), keep="id,meta.page")
    assert [(r["id"], r["meta.page"]) for r in found] == [(7, 3), ("", 3)]
    every = records(trained_run, tmp_path / "o", source=str(path), keep="all")
    assert (every[0]["meta"], every[0]["id"]) == ({"page": 3}, 7)


def test_a_column_that_is_not_there_is_named(trained_run: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.csv:1: --keep: no column 'ids', did you mean 'id'\?"):
        records(trained_run, tmp_path / "o", source=str(table), keep="ids")


def test_several_files_and_folders_name_their_file(trained_run: Path, table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("b.csv", "a.csv", "notes.md", ".hidden.csv"):
        (folder / name).write_bytes(table.read_bytes())
    found = records(trained_run, tmp_path / "o", source=(str(table), str(folder)), keep="id")
    files = [str(table), str(folder / "a.csv"), str(folder / "b.csv")]
    assert [r["file"] for r in found] == [file for file in files for _ in range(6)]
    assert [r["line"] for r in found] == [*range(2, 8)] * 3
    assert list(found[0])[:2] == ["file", "line"]
    with pytest.raises(DataError, match=r"no such file"):
        records(trained_run, tmp_path / "p", source=(str(table), str(tmp_path / "none.csv")))
    assert not (tmp_path / "p").exists()


def test_folders_that_are_not_read_are_said(trained_run: Path, table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in ("more", ".hidden"):
        (folder / name).mkdir(parents=True)
        (folder / name / "b.csv").write_bytes(table.read_bytes())
    (folder / "a.csv").write_bytes(table.read_bytes())
    for source, skipped in ((folder / "more", []), (folder, [f"{folder}: skipped 'more'; to read them, name them."])):
        said: list[str] = []
        predict(PredictRequest(trained_run, source=str(source)), output=tmp_path / "o", force=True, note=said.append)
        assert [line for line in said if "skipped" in line] == skipped


def test_eval_names_rows_without_a_text(trained_run: Path, tmp_path: Path) -> None:
    path = write_tsv(
        tmp_path / "t.tsv",
        [("A man walks.", "A man is walking.", "1"), ("", " ", "0"), ("", "A dog.", "0")],
        ("sentence1", "sentence2", "label"),
    )
    found = evaluate_run(EvalRequest(trained_run, data=(str(path),)))
    assert "test: 1 row has no text, the first at" in " ".join(found.warnings)
    assert f"{path}:3" in " ".join(found.warnings)


def test_one_file_is_not_named(trained_run: Path, table: Path, tmp_path: Path) -> None:
    assert "file" not in records(trained_run, tmp_path / "o", source=(str(table),))[0]


@pytest.mark.parametrize("said", ["", "a,,b", "a,a"])
def test_what_keep_does_not_take(said: str) -> None:
    with pytest.raises(UsageError, match="--keep"):
        parse_keep(said)


def test_what_keep_takes() -> None:
    assert parse_keep("all") == Keep()
    assert parse_keep(" id , name") == Keep(("id", "name"))


def written(form: str, settings: TaskSettings, *found: dict[str, Any]) -> str:
    stream = io.StringIO()
    writer = open_writer(stream, form, settings, ())
    writer.write(found)
    writer.finish()
    return stream.getvalue()


ENTITY = {"start": 0, "end": 9, "text": "Mira Kost", "label": "PER", "score": 0.75}
TAGGED = {"line": 1, "entities": [ENTITY], "n_tokens": 5, "truncated": False, "id": "x", TEXT: "Mira Kost's home"}
CLASSED = {"line": 1, "label": "pos", "score": 0.5, "n_tokens": 5, "truncated": False, TEXT: "good"}
BROKEN = {"line": 2, "error": "no good"}


def test_tasks_for_label_studio() -> None:
    one, two = json.loads(written("labelstudio", NER, TAGGED, BROKEN, TAGGED))
    assert one == two
    assert one["data"] == {"text": "Mira Kost's home", "line": 1, "id": "x"}
    (result,) = one["predictions"][0]["result"]
    assert (result["type"], result["value"]["labels"], result["value"]["end"]) == ("labels", ["PER"], 9)
    (task,) = json.loads(written("labelstudio", CLASSES, CLASSED))
    assert task["predictions"][0]["result"][0]["value"] == {"choices": ["pos"]}
    assert json.loads(written("labelstudio", NER)) == []


def test_lines_for_doccano() -> None:
    assert json.loads(written("doccano", NER, TAGGED)) == {
        "text": "Mira Kost's home",
        "label": [[0, 9, "PER"]],
        "id": "x",
    }
    assert json.loads(written("doccano", CLASSES, CLASSED, BROKEN))["label"] == ["pos"]


def test_words_with_tags() -> None:
    assert written("conll", NER, TAGGED, BROKEN) == "Mira\tB-PER\nKost's\tI-PER\nhome\tO\n\n"


@pytest.mark.parametrize(
    ("form", "settings"), [("conll", CLASSES), ("doccano", TaskSettings("regression", ColumnMap(("text",))))]
)
def test_what_a_tool_has_nothing_for(form: str, settings: TaskSettings) -> None:
    with pytest.raises(UsageError, match=f"--output-format {form}"):
        open_writer(io.StringIO(), form, settings, ())


def test_texts_go_through_to_a_tool(trained_run: Path, table: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 columns"):
        predict(PredictRequest(trained_run, str(table), output_format="doccano"), output=tmp_path / "o")


def test_a_column_that_no_json_row_has_is_said(trained_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"sentence1": "a", "sentence2": "b", "id": 1}) + "\n", encoding="utf-8")
    request = PredictRequest(trained_run, source=str(rows), keep="id,author")
    done = predict(request, output=tmp_path / "out.jsonl", force=False)
    assert done.warnings == ("--keep: no row has 'author'; it stays empty in the records",)
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))["id"] == 1
