"""INPUT of `predict`: what it is told to be, what is said of it, and what a run cannot read."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertkit.data.records import BadRow, ColumnMap, Example
from bertkit.errors import DataError
from bertkit.evaluation.inputs import FORMATS, open_inputs
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.rows import load_data

TEXT = ColumnMap(("text",), None, "label")
PAIR = ColumnMap(("sentence1",), "sentence2", "label")
SETTINGS = {
    "classify": TaskSettings("classify", TEXT),
    "regression": TaskSettings("regression", TEXT),
    "pairs": TaskSettings("classify", PAIR),
    "ner": TaskSettings("ner", ColumnMap(("text",), None, "entities")),
    "choice": TaskSettings("choice", ColumnMap(("question",), None, "answer", ("A", "B"))),
    "mlm": TaskSettings("mlm", TEXT),
    "column 1": TaskSettings("classify", ColumnMap(("1",), None, "2")),
    "column 2": TaskSettings("classify", ColumnMap(("2",), None, "1")),
    "extractive": TaskSettings("extractive", ColumnMap(("text",), None, "summary")),
}

Read = Callable[..., tuple[list[Example | BadRow], list[str]]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read bytes through standard input, or a file; also return what was said."""

    def rows(
        content: bytes | str, task: str = "classify", kind: str = "auto", columns: str | None = None, name: str = "-"
    ) -> tuple[list[Example | BadRow], list[str]]:
        raw = content if isinstance(content, bytes) else content.encode()
        if name == "-":
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        else:
            Path(name).write_bytes(raw)
        said: list[str] = []
        inputs = open_inputs(name, SETTINGS[task], input_format=kind, columns=columns, note=said.append)
        return list(inputs.rows), said

    return rows


def texts(rows: list[Example | BadRow]) -> list[tuple[int, str]]:
    return [(row.line, " | ".join(row.texts) if isinstance(row, Example) else "bad") for row in rows]


def parquet_bytes() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"stars": [1, 2], "text": ["a", "b"]}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("a\n\nb\n", [(1, "a"), (2, "bad"), (3, "b")]),
        ("text,label\na,1\nb,0\n", [(2, "a"), (3, "b")]),
        ("stars;review\n1;a\n", [(2, "a")]),
        ("stars\ttext\n1\ta\n", [(2, "a")]),
        ('\n{"text": "a"}\n', [(1, "bad"), (2, "a")]),
        ('# by hand\n{"text": "a"}\n{"text": "b"}\n', [(2, "a"), (3, "b")]),
        ('// by hand\n[\n# one\n{"text": "a"},\n{"text": "b"}]\n', [(4, "a"), (5, "b")]),
        ('id, text\n1, "a, b"\n', [(2, "a, b")]),
        ("id,text\n1,\u200b\n2,\u3164\xa0\n3,a\n", [(2, "bad"), (3, "bad"), (4, "a")]),
        (gzip.compress(b"text,label\na,1\n", mtime=0), [(2, "a")]),
        (parquet_bytes(), [(1, "a"), (2, "b")]),
        (gzip.compress(parquet_bytes(), mtime=0), [(1, "a"), (2, "b")]),
    ],
)
def test_a_pipe_is_told_as_a_file_without_a_name(
    content: bytes | str, found: list[tuple[int, str]], read: Read, tmp_path: Path
) -> None:
    assert texts(read(content)[0]) == found
    assert texts(read(content, name=str(tmp_path / "bare"))[0]) == found


def test_questions_pairs_and_tagged_text(read: Read) -> None:
    assert texts(read("sentence1,sentence2\na,b\n", "pairs")[0]) == [(2, "a | b")]
    assert texts(read("text_b\ttext_a\na\tb\n", "pairs")[0]) == [(2, "b | a")]
    assert texts(read("question,A,B\nq,x,y\n", "choice")[0]) == [(2, "q")]
    assert texts(read("EU B-ORG\nrejects O\n\nPeter B-PER\n", "ner")[0]) == [(1, "EU rejects"), (4, "Peter")]
    assert texts(read("본문,별점\n좋다,5\n", columns="text=본문")[0]) == [(2, "좋다")]


@pytest.mark.parametrize("task", SETTINGS)
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"  "])
def test_nothing_is_no_rows_and_a_word(task: str, kind: str, content: bytes, read: Read) -> None:
    assert read(content, task, kind) == ([], ["<stdin>: there is nothing in it"])


def test_blank_lines_are_rows_where_they_are_said_to_be_texts(read: Read, tmp_path: Path) -> None:
    assert texts(read("\n\n", kind="txt")[0]) == [(1, "bad"), (2, "bad")]
    assert texts(read("\n\n", name=str(tmp_path / "a.txt"))[0]) == [(1, "bad"), (2, "bad")]
    assert read("\n\n")[0] == []
    assert read("\n\n", "pairs", "txt")[0] == []


@pytest.mark.parametrize("name", ["-", "a.csv"])
def test_a_header_alone_is_said_to_be_one(name: str, read: Read, tmp_path: Path) -> None:
    place = name if name == "-" else str(tmp_path / name)
    rows, said = read("text,label\n", name=place)
    assert rows == []
    assert said[-1].endswith("there is only a header line in it")


@pytest.mark.parametrize("name", ["-", "a.txt"])
@pytest.mark.parametrize("kind", ["auto", "txt"])
@pytest.mark.parametrize(("task", "said"), [("choice", "questions with choices"), ("pairs", "reads 2 columns")])
def test_plain_text_is_refused_however_it_is_called(
    task: str, said: str, kind: str, name: str, read: Read, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf":1: the run reads.*{said.rsplit(maxsplit=1)[-1]}.*--input-format"):
        read("hello\n", task, kind, name=name if name == "-" else str(tmp_path / name))


@pytest.mark.parametrize("kind", ["auto", "conll"])
@pytest.mark.parametrize("task", ["classify", "choice", "mlm"])
def test_tagged_text_is_for_ner(task: str, kind: str, read: Read) -> None:
    with pytest.raises(DataError, match=rf"^<stdin>:1: this is tagged text .* task is {task}"):
        read("EU B-ORG\nrejects O\n\nPeter B-PER\n", task, kind)


def test_missing_columns_have_their_place(read: Read, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^<stdin>:2: the text column 'text' .* is missing"):
        read("\nprose,stars\na,1\n", kind="csv")
    with pytest.raises(DataError, match=r"a\.tsv:1: the text column 'text' .* is missing"):
        read("prose\tstars\na\t1\n", name=str(tmp_path / "a.tsv"))
    (bad,), _ = read('{"prose": "a"}\n')
    assert isinstance(bad, BadRow)


def test_sentences_stay_short_whatever_the_names(read: Read) -> None:
    header = ",".join("x" * 5000 + str(i) for i in range(300))
    with pytest.raises(DataError) as caught:
        read(f"{header}\nx{',' * 299}\n", kind="csv")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("columns", ["text first", "label first"])
def test_a_run_of_a_table_without_names_takes_no_row_for_one(read: Read, columns: str) -> None:
    place = "1" if columns == "text first" else "2"
    lines = [f"the parcel {i} was late\t{i % 2}" for i in range(9)]
    lines = lines if place == "1" else ["\t".join(reversed(line.split("\t"))) for line in lines]
    found, _ = read("\n".join([*lines, ""]), task=f"column {place}")
    assert [row.texts[0] for row in found if isinstance(row, Example)] == [f"the parcel {i} was late" for i in range(9)]


@pytest.mark.parametrize("name", ["-", "chats.jsonl"])
def test_whole_conversations_for_a_run_of_texts_are_said(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    turns = [("system", "Rate."), ("user", "It was good."), ("assistant", "pos")]
    messages = [{"role": role, "content": said} for role, said in turns]
    whole = "system: Rate.\nuser: It was good.\nassistant: pos"
    chat = json.dumps({"messages": messages}) + "\n"
    rows, said = read(chat, name=name)
    assert texts(rows) == [(1, whole)]
    assert said == [
        f"{'<stdin>' if name == '-' else name}: the run learnt from 'text', which is not here; the whole of each "
        "conversation in 'messages' is read, answers included (--columns text=user_message reads what was asked)"
    ]
    assert texts(read(chat, name=name, columns="text=user_message")[0]) == [(1, "It was good.")]
    rows, said = read(json.dumps({"messages": messages, "label": "pos"}) + "\n", name=name)
    assert texts(rows) == [(1, whole)]
    assert said[0].endswith("answers included")
    Path("eval.jsonl").write_text(chat, encoding="utf-8")
    found = load_data(["eval.jsonl"], columns="label=assistant_message", task="classify", stored=TEXT)
    assert any("the whole of each conversation in 'messages' is read" in note for note in found.notes)
