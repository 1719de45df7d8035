"""JSON that is not one object a line: by name, through a pipe and packed, in flat memory."""

from __future__ import annotations

import gzip
import io
import json
import sys
import tracemalloc
from pathlib import Path

import pytest

from bertkit.data.formats.json_rows import read_json_document
from bertkit.data.formats.opened import open_input
from bertkit.data.formats.readers import read_opened, read_rows
from bertkit.data.formats.telling import tell
from bertkit.data.records import BadRow, Row
from bertkit.data.streaming import open_texts
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data

ROWS = [{"text": 'the shop, [it] {is} "open"', "label": "1"}, {"text": "가게\nis shut", "label": "0"}]
ONE = {"text": "a", "label": "1"}


def pandas(orient: str) -> str:
    columns = {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ("text", "label")}
    split = {"columns": ["text", "label"], "index": [0, 1], "data": [list(row.values()) for row in ROWS]}
    index = {str(i): row for i, row in enumerate(ROWS)}
    table = {"schema": {"fields": [{"name": "text"}]}, "data": ROWS}
    return json.dumps({"columns": columns, "split": split, "index": index, "table": table, "records": ROWS}[orient])


FORMS = {
    "array": json.dumps(ROWS),
    "pretty array": json.dumps(ROWS, indent=2, ensure_ascii=False),
    "array, a row a line": "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n",
    "wrapped": json.dumps({"data": ROWS}),
    "pretty wrapped": json.dumps({"version": "1.0", "data": ROWS, "note": [1, {"a": 2}]}, indent=4),
    "wrapped under another name": json.dumps({"reviews": ROWS}),
    "objects over several lines": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "comments": "// by hand\n[\n# one\n" + ", /* an\nother */ \n".join(map(json.dumps, ROWS)) + " // the end\n]\n/*",
    "objects with commas": ",\n".join(json.dumps(row, indent=1) for row in ROWS),
    **{f"pandas {orient}": pandas(orient) for orient in ("columns", "split", "index", "table", "records")},
}


def texts(rows: object) -> list[tuple[str, str]]:
    return [(row.fields["text"], row.fields["label"]) for row in rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.json.gz"])
def test_every_form_by_name(form: str, name: str, tmp_path: Path) -> None:
    raw = FORMS[form].encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    assert texts(read_rows(tmp_path / name)) == [(row["text"], row["label"]) for row in ROWS]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n \n"])
def test_every_form_through_a_pipe(form: str, before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(before + FORMS[form].encode())))
    opened = open_input("-")
    table = tell(opened, knows=lambda names: "text" in names).table
    assert texts(read_opened(opened, table)) == [(row["text"], row["label"]) for row in ROWS]


def test_pairs_as_spacy_has_them(tmp_path: Path) -> None:
    pair = ["Mira sang", {"entities": [[0, 4, "PER"]], "cats": {"GOOD": 0.9, "BAD": 0.1}}]
    for text in (f"{json.dumps(pair)}\n" * 2, json.dumps([pair, pair]), json.dumps([pair, pair], indent=1)):
        (tmp_path / "t.json").write_text(text, encoding="utf-8")
        rows = list(read_rows(tmp_path / "t.json"))
        assert [dict(row.fields) for row in rows if isinstance(row, Row)] == [
            {"text": "Mira sang", "entities": '[[0, 4, "PER"]]', "label": "GOOD"}
        ] * 2


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Who?", "documents": [{"title": "a"}], "answer": "x"},
        {"text": "a", "entities": [{"start": 0, "end": 1, "label": "X"}, {"start": 0, "end": 1, "label": "Y"}]},
        {"id": 1, "data": {"text": "a"}, "annotations": [{"result": []}]},
        {"text": "a", "data": [{"a": 1}]},
    ],
)
def test_a_row_with_a_list_in_it_is_a_row(row: dict[str, object], tmp_path: Path) -> None:
    for text in (json.dumps(row), json.dumps(row, indent=2), f"{json.dumps(row)}\n" * 2):
        (tmp_path / "t.json").write_text(text, encoding="utf-8")
        rows = list(read_rows(tmp_path / "t.json"))
        assert len(rows) == text.count('"text"') + text.count('"question"')


def test_lines_of_rows_are_those_where_they_begin() -> None:
    text = '[\n{"text": "a"},\n\n{"text":\n"b"}, {"text": "c"}\n]'
    rows = read_json_document(io.BytesIO(text.encode()), "t", "utf-8")
    assert [row.line for row in rows] == [2, 4, 5]


def test_a_row_that_cannot_be_used_does_not_end_the_reading() -> None:
    text = '[{"text": "a", "text": "b"}, [[1], 2], 7, {"text": "c"}, "d"]'
    rows = list(read_json_document(io.BytesIO(text.encode()), "t", "utf-8"))
    assert [isinstance(row, BadRow) for row in rows] == [True, True, True, False, False]
    assert rows[-1] == Row(1, {"text": "d"})


def test_a_number_of_thousands_of_digits_is_a_fault_of_its_row() -> None:
    text = f'[{{"text": "a", "n": {"9" * 5000}}},\n{{"text": "b", "n": 9}}]'
    first, second = read_json_document(io.BytesIO(text.encode()), "t", "utf-8")
    assert first == BadRow(1, "invalid JSON: a number has thousands of digits")
    assert second == Row(2, {"text": "b", "n": "9"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"text": "a"},\n{"text" "b"}]', r"^t:2: invalid JSON"),
        ('[{"text": "a"},\n', r"^t:2: invalid JSON: .*middle of an array"),
        ('[{"text": "a"}, {"text": "b', r"^t:1: invalid JSON"),
        ('{"data": [{"text": "a"}]', r"^t:1: invalid JSON: .*middle of an object"),
        ('{"data": [{"text": "a"}]} x', r"^t:1: invalid JSON: a JSON object"),
        ("[" * 100_000, r"nested too deeply"),
        ('[{"text": "a"}\n/ {"text": "b"}]', r"^t:2: invalid JSON: a value is expected, or a comment"),
    ],
)
def test_broken_json_is_named_by_its_line(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(read_json_document(io.BytesIO(text.encode()), "t", "utf-8"))


def test_bytes_that_are_no_text_are_named() -> None:
    with pytest.raises(DataError, match=r"^t:\d: invalid JSON: not valid UTF-8"):
        list(read_json_document(io.BytesIO(b'[{"text": "a"},\n{"text": "\xff"}]'), "t", "utf-8"))


def test_values_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bertkit.data.formats.json_rows._CHUNK_BYTES", 1)
    for text in FORMS.values():
        rows = list(read_json_document(io.BytesIO(text.encode()), "t", "utf-8"))
        assert texts(rows) == [(row["text"], row["label"]) for row in ROWS]


class _Endless(io.RawIOBase):
    """An array of many rows in one line, made as it is read."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._rest = b'{"data": ['

    def read1(self, size: int) -> bytes:
        while len(self._rest) < size and self._left:
            self._left -= 1
            self._rest += json.dumps({"text": "x" * 100, "label": 1}).encode() + (b"," if self._left else b"]}")
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def test_memory_does_not_grow_with_the_rows() -> None:
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_json_document(_Endless(60_000), "t", "utf-8"))  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 60_000
    assert peak < 2_000_000, "of 7.5 MB"


MORE_FORMS = {
    "a list among what is said of it": {"version": "1", "licence": "none", "comments_2024": ROWS},
    "deeper": {"result": {"items": ROWS}},
    "index by words": {"doc a": ROWS[0], "doc b": ROWS[1]},
    "columns by words": {name: {"r1": ROWS[0][name], "r2": ROWS[1][name]} for name in ("text", "label")},
    "a list a column": {"text": [row["text"] for row in ROWS], "label": [row["label"] for row in ROWS]},
    "arrays of rows": [ROWS[:1], ROWS[1:]],
    "under another name, twice wrapped": {"documents": {"document": ROWS}},
}


@pytest.mark.parametrize("form", MORE_FORMS)
@pytest.mark.parametrize("indent", [None, 1])
def test_tables_within_other_json(form: str, indent: int | None, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(MORE_FORMS[form], indent=indent), encoding="utf-8")
    assert texts(read_rows(path)) == [(row["text"], row["label"]) for row in ROWS]


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_rows_that_are_lists_have_columns_by_place(name: str, tmp_path: Path) -> None:
    values = [["good", 1], ["bad", 0]]
    text = json.dumps(values) if name == "t.json" else "".join(json.dumps(row) + "\n" for row in values)
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = [dict(row.fields) for row in read_rows(tmp_path / name) if isinstance(row, Row)]
    assert found == [{"1": "good", "2": "1"}, {"1": "bad", "2": "0"}]


@pytest.mark.parametrize("rows", [ROWS, [["good", "pos"], ["bad", "neg"]]])
def test_several_tables_in_one_file_are_named(tmp_path: Path, rows: list[object]) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"train": rows, "oos_test": rows}), encoding="utf-8")
    with pytest.raises(DataError, match=r"several tables, 'train' and 'oos_test'.*jq -c '\.train\[\]'"):
        list(read_rows(path))
    columns = {"text": ["good", "bad"], "label": ["pos", "neg"]}
    path.write_text(json.dumps({"train": columns, "test": columns}), encoding="utf-8")
    with pytest.raises(DataError, match=r"several tables, 'train' and 'test'.*jq -c '\.train'"):
        list(read_rows(path))
    path.write_text(json.dumps({"data": {"train": rows, "test": rows}}), encoding="utf-8")
    with pytest.raises(DataError, match=r"several tables, 'data.train' and 'data.test'.*jq -c '\.data\.train\[\]'"):
        list(read_rows(path))
    path.write_text(json.dumps({"data": {"train": columns, "test": columns}}), encoding="utf-8")
    with pytest.raises(DataError, match=r"jq -c '\.data\.train'"):
        list(read_rows(path))
    path.write_text(json.dumps({"range": "A1:B3", "values": [["text", "label"], ["good", "pos"]]}), encoding="utf-8")
    assert [row.fields for row in read_rows(path) if isinstance(row, Row)] == [{"text": "good", "label": "pos"}]
    path.write_text(json.dumps({"tokens": [["a", "b"]], "ner_tags": [["O", "O"]]}), encoding="utf-8")
    assert len([row for row in read_rows(path) if isinstance(row, Row)]) == 1, "a row, and no tables"


@pytest.mark.parametrize(
    "row",
    [
        {"body": "Mira left", "spans": [{"start": 0, "end": 4, "label": "PER", "text": "Mira"}]},
        {"tokens": ["Mira", "left"], "ner_tags": ["B-PER", "O"]},
        {"question": "which?", "choices": [{"text": "a", "label": "A"}, {"text": "b", "label": "B"}]},
        {"text": "a", "history": [{"text": "b"}, {"text": "c"}]},
    ],
)
def test_an_object_with_lists_of_its_own_stays_a_row(row: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(row, indent=1), encoding="utf-8")
    (found,) = read_rows(path)
    assert isinstance(found, Row)
    assert set(found.fields) == set(row)


def test_lines_as_python_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("{'text': \"it's good\", 'label': 1}\n{'text': None, 'label': 0}\n", encoding="utf-8")
    assert [dict(row.fields) for row in read_rows(path) if isinstance(row, Row)] == [
        {"text": "it's good", "label": "1"},
        {"text": "", "label": "0"},
    ]


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_turns_of_a_conversation_are_one_row(tmp_path: Path, name: str) -> None:
    turns = [{"speaker": "A", "text": "hi"}, {"speaker": "B", "text": "bye"}]
    path = tmp_path / name
    path.write_text(json.dumps({"id": 1, "turns": turns}) + "\n", encoding="utf-8")
    assert list(open_texts(str(path)).texts) == ["A: hi\nB: bye"]
    labelled = [{**turn, "label": turn["text"]} for turn in turns]
    path.write_text(json.dumps({"id": 1, "turns": labelled}) + "\n", encoding="utf-8")
    assert [row.texts for row in load_data([str(path)]).splits["train"]] == [("hi",), ("bye",)]
