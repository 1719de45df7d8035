"""Documents with summaries from tables: columns, lists of sentences, rows that lack something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bertkit.data.columns import Wanted, parse_columns
from bertkit.data.records import ColumnMap, DataSet, Document
from bertkit.data.shapes.labelled import find_document_columns
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data


def load(tmp_path: Path, *rows: dict[str, Any], **options: Any) -> DataSet:
    path = tmp_path / "docs.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return load_data([str(path)], **{"task": "extractive", **options})


def only(dataset: DataSet) -> Document:
    (document,) = dataset.splits["train"]
    assert isinstance(document, Document)
    return document


@pytest.mark.parametrize("text", ["text", "article", "document", "content", "Article"])
@pytest.mark.parametrize("summary", ["summary", "highlights", "abstract"])
def test_columns_by_name(tmp_path: Path, text: str, summary: str) -> None:
    dataset = load(tmp_path, {"id": 3, text: "One. Two.", summary: "Two."})
    assert dataset.columns == ColumnMap((text,), None, summary)
    document = only(dataset)
    assert (document.texts, document.summary, document.label) == (("One. Two.",), "Two.", None)
    assert document.answer == "Two."


def test_columns_by_flag(tmp_path: Path) -> None:
    dataset = load(tmp_path, {"a": "x", "text": "y", "s": "z"}, columns="text=a,label=s")
    assert (only(dataset).texts, only(dataset).summary) == (("x",), "z")
    names = ["article", "highlights", "text", "summary"]
    stored = ColumnMap(("text",), None, "summary")
    assert find_document_columns(names, Wanted(stored=stored)) == stored
    chosen = find_document_columns(names, Wanted(parse_columns("label=highlights")))
    assert chosen == ColumnMap(("text",), None, "highlights")


@pytest.mark.parametrize(
    ("row", "columns", "message"),
    [
        ({"a": "x", "summary": "y"}, None, "no column is recognised as the document: the columns are 'a', 'summary'"),
        ({"text": "x", "a": "y"}, None, "no column is recognised as the summary"),
        ({"text": "x", "a": "y", "summary": "z"}, "text=text+a", "a document is one column"),
        ({"text": "x", "summary": "z"}, "label=b", "no column 'b'"),
        ({"text": "x", "summary": " "}, None, r":1: the summary is empty \(column 'summary'\)"),
        ({"text": "x", "summary": None}, None, "the summary is empty"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, row: dict[str, Any], columns: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, row, columns=columns)


def test_a_later_row_without_its_columns_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=":2: column 'text' is missing"):
        load(tmp_path, {"text": "x", "summary": "y"}, {"summary": "y"})
    with pytest.raises(DataError, match=":2: the summary is missing"):
        load(tmp_path, {"text": "x", "summary": "y"}, {"text": "y"})


@pytest.mark.parametrize("given", [["a  b .", "c\nd ."], [["a", "b", "."], ["c", "d", "."]], ["a b .", "", "c d ."]])
def test_sentences_may_come_split(tmp_path: Path, given: list[Any]) -> None:
    document = only(load(tmp_path, {"src": given, "tgt": ["one", "two"]}))
    assert document.sentences == ("a b .", "c d .")
    assert document.texts == ("a b .\nc d .",)
    assert document.summary == "one\ntwo"


@pytest.mark.parametrize("text", ["[Reuters] It rains.", "[1, 2]", '["a", 3]', "[", "[" * 100_000])
def test_text_in_brackets_is_text(tmp_path: Path, text: str) -> None:
    document = only(load(tmp_path, {"text": text, "summary": "x"}))
    assert (document.texts, document.sentences) == ((text,), ())


def test_an_empty_list_is_an_empty_document(tmp_path: Path) -> None:
    document = only(load(tmp_path, {"text": [], "summary": "x"}))
    assert (document.texts, document.sentences) == (("",), ())


def test_auto_knows_summaries_by_their_columns(tmp_path: Path) -> None:
    assert load(tmp_path, {"article": "x y", "highlights": "x"}, task="auto").task == "extractive"
    labelled = load(tmp_path, {"text": "x y", "abstract": "x", "label": "a"}, task="auto")
    assert labelled.task == "classify"
    with pytest.raises(DataError, match="no column for the label"):
        load(tmp_path, {"text": "x y", "summary": "x"}, task="auto")


def test_a_summary_is_not_needed_to_predict(tmp_path: Path) -> None:
    document = only(load(tmp_path, {"text": "x y"}, need_label=False))
    assert document.summary is None


def test_columns_of_documents_are_proposed_by_their_own_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,meeting,summary\n1,It rained. We left.,Rain.\n")
    with pytest.raises(DataError, match=r"for example --columns text=meeting,label=summary"):
        load_data([str(path)], task="extractive")
    assert load_data([str(path)], task="extractive", columns="text=meeting").columns.label == "summary"


@pytest.mark.parametrize(
    "row", [{"id": 1, "dialogue": "A: hello. B: bye.", "summary": "x"}, {"본문": "가. 나.", "요약": "가."}]
)
def test_conversations_and_korean_summaries_tell_themselves(tmp_path: Path, row: dict[str, object]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({**row, "n": i}, ensure_ascii=False) + "\n" for i in range(3)), encoding="utf-8")
    assert load_data((str(path),)).task == "extractive"
