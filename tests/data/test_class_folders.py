"""Folders of texts whose names are classes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.data.columns import parse_keep
from bertkit.data.records import ColumnMap, Example
from bertkit.data.sources import input_files
from bertkit.errors import DataError
from bertkit.evaluation.inputs import open_all
from bertkit.models.tokenizers import VocabularyRequest, build_vocabulary
from bertkit.summarization.documents_in import document_files, read_documents
from bertkit.summarization.records import SourceText
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.rows import load_data, stream_data


def write(folder: Path, *texts: str, suffix: str = ".txt") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"{number}_{len(text)}{suffix}").write_text(text, encoding="utf-8")


def rows_of(folder: Path) -> dict[str, list[tuple[str, str | None]]]:
    loaded = load_data([str(folder)])
    assert loaded.task == "classify"
    assert {split: tuple(rows) for split, rows in stream_data([str(folder)]).splits.items()} == {
        split: tuple(rows) for split, rows in loaded.splits.items()
    }
    return {split: [(row.texts[0], row.label) for row in rows] for split, rows in loaded.splits.items()}


@pytest.mark.parametrize("suffix", [".txt", ""])
def test_each_file_is_a_text_and_its_folder_the_label(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / "pos", "좋아요\n정말로\n", "fine", suffix=suffix)
    write(tmp_path / "neg", "too loud", suffix=suffix)
    rows = [("too loud", "neg"), ("좋아요\n정말로", "pos"), ("fine", "pos")]
    assert rows_of(tmp_path) == {"train": rows}
    assert any("each file is a text, and its folder" in note for note in load_data([str(tmp_path)]).notes)


@pytest.mark.parametrize("names", [("train", "test"), ("news-train", "news-test")])
def test_folders_of_splits_hold_those_of_classes(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        write(tmp_path / name / "pos", f"good {name}")
        write(tmp_path / name / "neg", f"bad {name}")
        (tmp_path / name / "urls_pos.txt").write_text("a line that is no text\n")
    write(tmp_path / names[0] / "unsup", "nobody said")
    write(tmp_path, "read me")
    assert rows_of(tmp_path) == {
        split: [(f"bad {name}", "neg"), (f"good {name}", "pos")]
        for split, name in zip(("train", "test"), names, strict=True)
    }
    assert any(note.startswith("left out") and "unsup" in note for note in load_data([str(tmp_path)]).notes)


def test_a_text_that_cannot_be_read_or_is_empty_is_named_by_its_file(tmp_path: Path) -> None:
    write(tmp_path / "pos", "fine")
    write(tmp_path / "neg", "loud")
    (tmp_path / "neg" / "odd.txt").write_bytes(b"caf\xe9 \xff\n")
    with pytest.raises(DataError, match=r"neg/odd.txt:1: not valid UTF-8"):
        load_data([str(tmp_path)])


def test_other_folders_are_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    write(tmp_path / "pos", "fine")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "run.py").write_text("1\n")
    with pytest.raises(DataError, match=r"a folder of texts for each class \(pos/1.txt, neg/2.txt\)"):
        load_data([str(tmp_path)])


def test_class_folders_are_trained_and_scored(tmp_path: Path) -> None:
    data, run = tmp_path / "data", str(tmp_path / "run")
    write(data / "pos", *(f"good and cheap {n}" for n in range(30)))
    write(data / "neg", *(f"bad and loud {n}" for n in range(30)))
    small = ["--layers", "1", "--hidden", "32", "--heads", "2", "--epochs", "1"]
    trained = CliRunner().invoke(app, ["train", str(data), "--model", "scratch", *small, "--output", run])
    assert trained.exit_code == 0, trained.output
    scored = CliRunner().invoke(app, ["eval", run, str(data), "--format", "json"])
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["n"] == 60
    looked = CliRunner().invoke(app, ["inspect-data", str(data), "--format", "json"])
    assert json.loads(looked.stdout)["splits"]["train"]["labels"] == {"neg": 30, "pos": 30}


@pytest.mark.parametrize("files_of", [input_files, document_files])
def test_folders_within_a_folder_are_named(tmp_path: Path, files_of: Callable[[list[str]], list[str]]) -> None:
    write(tmp_path / "pos" / "a", "fine")
    write(tmp_path / "neg" / "a", "loud")
    with pytest.raises(DataError, match=r"no file in it that can be read .*; name the folders in it: .*neg .*pos\.$"):
        files_of([str(tmp_path)])


def test_predict_summarize_and_vocab_take_them_too(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / "d" / split / "pos", f"great {split}\nand good")
        write(tmp_path / "d" / split / "neg", f"broken {split}")
    folder = str(tmp_path / "d")
    texts = {f"great {split}\nand good" for split in ("train", "test")} | {"broken train", "broken test"}
    settings = TaskSettings("classify", ColumnMap(("text",), label="label"))
    inputs = open_all([folder], settings, input_format="auto", columns=None, keep=parse_keep("label"))
    rows = list(inputs.rows)
    assert all(isinstance(row, Example) and row.kept[0][0] == "file" for row in rows)
    assert {row.texts[0] for row in rows if isinstance(row, Example)} == texts
    assert {dict(row.kept)["label"] for row in rows} == {"pos", "neg"}
    documents = list(read_documents([folder]))
    assert {document.text for document in documents if isinstance(document, SourceText)} == texts
    built = build_vocabulary(VocabularyRequest([folder], "wordpiece", 100, tmp_path / "voc"))
    assert built.texts == 6  # lines


def test_folders_of_questions_are_no_classes(tmp_path: Path) -> None:
    row = {"article": "Ana swam.", "questions": ["What?", "Who?"], "options": [["a", "b"]] * 2, "answers": ["A", "B"]}
    for level in ("high", "middle"):
        write(tmp_path / "train" / level, json.dumps(row))
    loaded = load_data([str(tmp_path)])
    assert (loaded.task, len(loaded.splits["train"])) == ("choice", 4)


# --- Folders of splits that hold tables, as AI Hub has them --------------------------------------


def documents(folder: Path, *labels: str) -> None:
    folder.mkdir(parents=True)
    for place, label in enumerate(labels):
        (folder / f"{place}.json").write_text(
            json.dumps({"id": place, "text": f"글 {place}", "label": label}, indent=1)
        )


@pytest.mark.parametrize(
    ("train", "validation", "sources"),
    [
        ("Training/라벨링데이터", "Validation/라벨링데이터", "Training/원천데이터"),
        ("1.Training/라벨링데이터/TL1", "2.Validation/라벨링데이터/VL1", "1.Training/원천데이터"),
        (
            "3.개방/1.데이터/Training/02.라벨링데이터",
            "3.개방/1.데이터/Validation/02.라벨링데이터",
            "3.개방/1.데이터/Training/01.원천데이터",
        ),
        ("Training_221115_add/[라벨]일상", "Validation_221115_add/[라벨]일상", "Training_221115_add/[원천]일상"),
        ("TL1", "VL1", "TS1"),
        ("train", "dev", ""),
    ],
)
def test_folders_of_splits_hold_tables(tmp_path: Path, train: str, validation: str, sources: str) -> None:
    for name, labels in ((train, ("부정", "긍정", "긍정")), (validation, ("부정",)), (sources, ("없음",))):
        if name:
            documents(tmp_path / unicodedata.normalize("NFD", name), *labels)
    loaded = load_data([str(tmp_path)])
    found = {split: [row.label for row in rows] for split, rows in loaded.splits.items()}
    assert found == {"train": ["부정", "긍정", "긍정"], "validation": ["부정"]}
    streamed = stream_data([str(tmp_path)]).splits
    assert {split: tuple(rows) for split, rows in streamed.items()} == {s: tuple(r) for s, r in loaded.splits.items()}
    assert any("whose texts have no label" in note for note in loaded.notes) == bool(sources)
    assert len(input_files([str(tmp_path)])) == 4


@pytest.mark.parametrize(
    "names", [("bus", "bullet train"), ("blood test", "x-ray"), ("unit_test_2", "lab"), ("TL", "VL", "EN")]
)
def test_a_class_may_be_called_nearly_as_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        for place in range(3):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{place}.txt").write_text(f"{name} {place}")
    loaded = load_data([str(tmp_path)])
    assert {row.label for row in loaded.splits["train"]} == set(names)
    assert not any("left out" in note for note in loaded.notes)


@pytest.mark.parametrize("other", ["old_train", "train_old", "logs"])
def test_a_folder_beside_those_of_splits_is_not_read_and_named(tmp_path: Path, other: str) -> None:
    for name in ("train", "test", other):
        documents(tmp_path / name, "a", "b")
    loaded = load_data([str(tmp_path)])
    assert {split: len(rows) for split, rows in loaded.splits.items()} == {"train": 2, "test": 2}
    assert f"left out: {tmp_path / other}, which lies beside the folders of splits" in loaded.notes


def test_annotations_in_a_folder_below_tables_do_not_replace_them(tmp_path: Path) -> None:
    for name in ("reviews_train.csv", "reviews_test.csv"):
        (tmp_path / name).write_text("text,label\nfine,a\nbad,b\n")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "1.txt").write_text("see Ada")
    (tmp_path / "old" / "1.ann").write_text("T1\tPER 4 7\tAda\n")
    assert load_data([str(tmp_path)]).task == "classify"
    assert load_data([str(tmp_path / "old")]).task == "ner"


def test_tables_are_not_looked_for_below_others_or_very_deep(tmp_path: Path) -> None:
    documents(tmp_path / "results" / "train", "a", "b")
    assert load_data([str(tmp_path)]).splits.keys() == {"train"}
    (tmp_path / "data.csv").write_text("text,label\nfine,a\nbad,b\n")
    far = tmp_path / "one" / "two" / "three" / "four" / "five"
    far.mkdir(parents=True)
    (far / "1.txt").write_text("see Ada")
    (far / "1.ann").write_text("T1\tPER 4 7\tAda\n")
    with pytest.raises(DataError, match="no data is there"):
        load_data([str(tmp_path)])


def test_a_folder_of_labels_alone_is_training(tmp_path: Path) -> None:
    documents(tmp_path / "02.라벨링데이터", "부정", "긍정")
    documents(tmp_path / "01.원천데이터", "없음")
    loaded = load_data([str(tmp_path)])
    assert [row.label for row in loaded.splits["train"]] == ["부정", "긍정"]
    assert f"left out: {tmp_path / '01.원천데이터'}, whose texts have no label" in loaded.notes


def test_several_folders_with_splits_are_not_chosen_from(tmp_path: Path) -> None:
    for name in ("one", "two"):
        documents(tmp_path / name / "train", "a", "b")
    with pytest.raises(DataError, match="no data is there"):
        load_data([str(tmp_path)])
