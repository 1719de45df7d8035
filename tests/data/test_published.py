"""Tables with a token a row, and what annotation tools export, read as they are by every road."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bertkit.data.formats.readers import read_rows
from bertkit.data.texts import open_texts
from bertkit.errors import DataError
from bertkit.tasks.reading import load_data, stream_data

TEXT = "Mira Kost moved to Aldby"
SPANS = [[0, 9, "PER"], [19, 24, "LOC"]]
WORDS = [("Mira", "B-PER"), ("Kost", "I-PER"), ("moved", "O"), ("to", "O"), ("Aldby", "B-LOC")]


def table(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        comma = "\t" if path.suffix == ".tsv" else ","
        csv.writer(file, delimiter=comma, lineterminator="\n").writerows([names, *rows])
    return path


def jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["words.csv", "words.tsv"])
@pytest.mark.parametrize(
    "names", [("sentence_id", "words", "labels"), ("sent_id", "token", "ner_tag"), ("sentence_idx", "word", "tag")]
)
def test_sentences_told_apart_by_an_id(tmp_path: Path, name: str, names: tuple[str, str, str]) -> None:
    rows = [[str(i), word, tag] for i in range(3) for word, tag in WORDS]
    path = table(tmp_path / name, names, rows)
    loaded = load_data([str(path)])
    assert (loaded.task, len(loaded.splits["train"])) == ("ner", 3)
    assert [row.line for row in loaded.splits["train"]] == [2, 7, 12]
    assert {row.texts for row in loaded.splits["train"]} == {(TEXT,)}
    assert loaded.splits["train"][1].answer == SPANS
    assert tuple(stream_data([str(path)]).splits["train"]) == loaded.splits["train"]
    assert list(open_texts(str(path)).texts) == [TEXT] * 3


def test_an_id_that_stands_at_the_first_word_only(tmp_path: Path) -> None:
    rows = [
        [f"Sentence: {i}" if not place else "", word, "X", tag]
        for i in range(2)
        for place, (word, tag) in enumerate(WORDS)
    ]
    loaded = load_data([str(table(tmp_path / "ner.csv", ["Sentence #", "Word", "POS", "Tag"], rows))])
    assert loaded.task == "ner"
    assert [row.answer for row in loaded.splits["train"]] == [SPANS, SPANS]


def test_words_alone_are_sentences_too(tmp_path: Path) -> None:
    path = table(tmp_path / "new.csv", ["sentence_id", "words"], [["7", word] for word, _ in WORDS])
    assert [json.loads(row.fields["words"]) for row in read_rows(path)] == [[word for word, _ in WORDS]]  # type: ignore[union-attr]


def test_words_without_an_end_of_sentence_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "ner.csv", ["word", "tag"], [list(word) for word in WORDS] * 5)
    with pytest.raises(DataError, match=r"ner\.csv:2: each row is one word with its tag.*sentence_id"):
        load_data([str(path)])


def test_a_sentence_with_a_broken_row_is_no_sentence(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ["sentence_id", "words", "labels"], [["1", *WORDS[0]], ["1"], ["2", *WORDS[4]]])
    streamed = stream_data([str(path)], task="ner").splits["train"]
    assert [row.texts for row in streamed] == [("Aldby",)]
    assert streamed.unread().unusable.count == 1


def test_single_words_with_classes_stay_rows(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ["word", "label", "text"], [["good", "pos", "good"], ["bad", "neg", "bad"]])
    assert len(load_data([str(path)]).splits["train"]) == 2


def test_the_full_export_of_label_studio(tmp_path: Path) -> None:
    spans = [
        {"value": {"start": s, "end": e, "text": TEXT[s:e], "labels": [label]}, "type": "labels"}
        for s, e, label in SPANS
    ]
    rows = [
        {"id": 1, "data": {"text": TEXT, "source": "a"}, "annotations": [{"id": 5, "result": spans}]},
        {"id": 2, "data": {"text": "nothing"}, "annotations": [{"was_cancelled": True}, {"id": 6, "result": []}]},
        {"id": 3, "data": {"text": "not looked at"}, "annotations": []},
    ]
    path = jsonl(tmp_path / "export.jsonl", rows)
    loaded = load_data([str(path)])
    assert loaded.task == "ner"
    assert [row.answer for row in loaded.splits["train"]] == [SPANS, []]
    assert any("nobody has annotated it (1)" in note for note in loaded.notes)


def test_classes_from_label_studio(tmp_path: Path) -> None:
    rows = [
        {"id": i, "data": {"review": f"text {i}"},
         "annotations": [{"id": i, "result": [{"value": {"choices": [label]}, "type": "choices"}]}]}
        for i, label in enumerate(["Good", "Bad"])
    ]  # fmt: skip
    loaded = load_data([str(jsonl(tmp_path / "export.jsonl", rows))])
    assert (loaded.task, list(loaded.labels("train"))) == ("classify", ["Good", "Bad"])


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_what_prodigy_rejected_is_left_out(tmp_path: Path, answer: str) -> None:
    span = {"start": 0, "end": 9, "label": "PER"}
    rows = [
        {"text": TEXT, "spans": [span], "answer": "accept", "_task_hash": 1},
        {"text": TEXT, "spans": [span], "answer": answer, "_task_hash": 2},
    ]
    path = jsonl(tmp_path / "p.jsonl", rows)
    loaded = load_data([str(path)])
    assert [row.line for row in loaded.splits["train"]] == [1]
    assert any(f"the answer is {answer} (Prodigy) (1)" in note for note in loaded.notes)
    streamed = stream_data([str(path)]).splits["train"]
    assert len(list(streamed)) == 1
    assert streamed.unread().left_out.count == 1


def test_an_answer_of_another_kind_counts(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "answer": "reject", "label": str(i % 2)} for i in range(4)]
    assert (
        len(
            load_data(
                [str(jsonl(tmp_path / "t.jsonl", rows))], task="classify", columns="text=text,label=label"
            ).splits["train"]
        )
        == 4
    )


def test_pairs_without_a_majority_of_labels_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"gold_label": label, "sentence1": "a", "sentence2": f"b {label}"} for label in ("-", "neutral", "entailment")
    ]
    loaded = load_data([str(jsonl(tmp_path / "snli.jsonl", rows))])
    assert set(loaded.labels("train")) == {"neutral", "entailment"}
    assert any("did not agree (1)" in note for note in loaded.notes)


def test_paragraphs_of_sentences_are_a_text(tmp_path: Path) -> None:
    text = [[{"index": 0, "sentence": "첫 문장이다."}], [{"index": 1, "sentence": "둘째 문장이다."}]]
    (row,) = read_rows(jsonl(tmp_path / "t.jsonl", [{"id": "1", "text": text, "abstractive": ["요약"]}]))
    assert row.fields["text"] == "첫 문장이다.\n둘째 문장이다."  # type: ignore[union-attr]
