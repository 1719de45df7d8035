"""Questions about texts in the forms that are published, and in plain tables."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from bertkit.data.records import ReadingQuestion
from bertkit.data.splits import DataRequest
from bertkit.data.store import StoredRows, write_rows
from bertkit.data.tagged.places import find_place
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, load_splits, stream_data

TEXT = "The mill was built in 1902. Its owner, Carla Reed, sold it in 1951."


def questions(path: Path, **more: Any) -> list[ReadingQuestion]:
    found = load_data([str(path)], **more)
    assert found.task == "qa"
    rows = [row for row in found.splits["train"] if isinstance(row, ReadingQuestion)]
    assert len(rows) == len(found.splits["train"])
    return rows


def said(row: ReadingQuestion) -> list[str]:
    return [row.texts[1][start:end] for start, end in row.places or ()]


def squad(*questions: dict[str, Any], text: str = TEXT, **article: Any) -> str:
    paragraphs = [{"context": text, "qas": list(questions)}]
    made = {"version": "1.1", "data": [{"title": "Mill", "paragraphs": paragraphs, **article}]}
    return json.dumps(made, ensure_ascii=False)


def test_squads_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "squad.json"
    when = {"id": "q1", "question": "When was it built?", "answers": [{"text": "1902", "answer_start": 22}]}
    who = {"id": "q2", "question": "Who sold it?", "answers": [{"text": "Carla Reed", "answer_start": 39}] * 2}
    path.write_text(squad(when, who))
    first, second = questions(path)
    assert (first.texts, first.key, said(first)) == ((when["question"], TEXT), "q1", ["1902"])
    assert (said(second), second.answers) == (["Carla Reed"], ("Carla Reed",))
    assert stream_data([str(path)]).task == "qa"


@pytest.mark.parametrize("start", ["²", "--5", -1, "x", None, [3], "3.0"])
def test_a_start_that_is_no_place_tells_nothing(tmp_path: Path, start: Any) -> None:
    (tmp_path / "squad.json").write_text(squad({"question": "When?", "answers": {"text": ["1902"], "start": [start]}}))
    write = {"question": "When?", "context": TEXT, "answer": "1902", "answer_start": str(start)}
    (tmp_path / "rows.jsonl").write_text(json.dumps(write) + "\n")
    assert [said(row) for name in ("squad.json", "rows.jsonl") for row in questions(tmp_path / name)] == [["1902"]] * 2


@pytest.mark.parametrize("impossible", [{"is_impossible": True, "answers": []}, {"answers": []}])
def test_questions_without_an_answer_are_rows(tmp_path: Path, impossible: dict[str, Any]) -> None:
    path = tmp_path / "squad2.json"
    path.write_text(
        squad(
            {"id": "1", "question": "When?", "answers": [{"text": "1902", "answer_start": 22}], "is_impossible": False},
            {"id": "2", "question": "Why?", "plausible_answers": [{"text": "1951", "answer_start": 62}], **impossible},
        )
    )
    first, second = questions(path)
    assert said(first) == ["1902"]
    assert (second.places, second.answers, second.answer) == ((), (), [])


def test_klues_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / "klue-mrc.json"
    text = "물레방아는 1902년에 세워졌다. 주인 이수연은 1951년에 그것을 팔았다."
    at = text.index("이수연")
    path.write_text(
        squad(
            {"guid": "g1", "question": "누가 팔았나?", "question_type": 1, "is_impossible": False,
             "answers": [{"text": "이수연", "answer_start": at}]},
            {"guid": "g2", "question": "왜 팔았나?", "question_type": 3, "is_impossible": True,
             "answers": [], "plausible_answers": [{"text": "1951년", "answer_start": 26}]},
            text=text, news_category="경제", source="hankyung",
        ),
        encoding="utf-8",
    )  # fmt: skip
    first, second = questions(path)
    assert (said(first), first.key) == (["이수연"], "g1")
    assert (second.places, second.key) == ((), "g2")


@pytest.mark.parametrize(
    "row",
    [
        {"question": "When?", "context": TEXT, "answer": "1951", "start": 62},
        {"question": "When?", "context": TEXT, "answer": "1951"},
        {"question": "When?", "context": TEXT, "answers": {"text": ["1951"], "answer_start": [62]}},
        {"question": "When?", "context": TEXT, "answers": [{"text": "1951", "answer_start": 62}]},
        {"question": "When?", "context": TEXT, "answers": ["1951"]},
        {"question": "When?", "passage": TEXT, "answer_text": "1951", "answer_start": 60},
        {"질문": "언제?", "지문": TEXT, "정답": "1951"},
    ],
)
def test_plain_tables_are_read(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n" * 1, encoding="utf-8")
    (found,) = questions(path)
    assert said(found) == ["1951"]


def test_mrqas_form_and_csv_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mrqa.jsonl"
    path.write_text(json.dumps({"context": TEXT, "qas": [{"qid": "a", "question": "When?", "answers": ["1902", "x"]}]}))
    (found,) = questions(path)
    assert (said(found), found.answers, found.key) == (["1902"], ("1902", "x"), "a")
    table = tmp_path / "rows.csv"
    table.write_text(f'question,context,answer\nWhen?,"{TEXT}",1902\nWhy?,"{TEXT}",\n')
    assert [said(row) for row in questions(table)] == [["1902"], []]
    swapped = questions(table, columns="text=question+context,label=answer", task="qa")
    assert [said(row) for row in swapped] == [["1902"], []]


def test_an_answer_that_is_not_in_its_text_is_named_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"id": i, "question": "When?", "context": TEXT, "answer": f"190{2 + i}"} for i in range(2)]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"rows.jsonl:2: the answer '1903' of question '1' is not in its text"):
        load_data([str(path)], task="qa")
    assert len(questions(path, task="qa", skip_bad=True)) == 1


def test_the_place_is_the_one_that_is_named_and_the_nearest_where_it_is_wrong(tmp_path: Path) -> None:
    text = "cat dog cat dog cat"
    assert find_place(text, "cat") == (0, 3)
    assert find_place(text, "cat", 8) == (8, 11)
    assert find_place(text, "cat", 10) == (8, 11)
    assert find_place(text, " dog ", 11) == (12, 15)
    assert find_place(text, "cow") is None
    assert find_place(text, "  ") is None


def test_places_are_in_the_users_own_string() -> None:
    composed = "그 물레방아는 이수연이 세웠다. 카페 Café 는 없다."
    for text_form in ("NFC", "NFD"):
        text = unicodedata.normalize(text_form, composed)
        for answer in ("이수연", "물레방아", "Café", "없다"):
            for form in ("NFC", "NFD"):
                wanted = unicodedata.normalize(form, answer)
                place = find_place(text, wanted)
                assert place is not None
                assert unicodedata.normalize("NFC", text[slice(*place)]) == answer
                near = find_place(text, wanted, place[0])
                assert near == place


def test_questions_about_one_text_stay_on_one_side(tmp_path: Path) -> None:
    rows = [
        {"question": f"q{i}", "context": f"text {i // 5} says {i // 5} twice", "answer": str(i // 5)} for i in range(60)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    splits = load_splits(DataRequest((str(path),), validation_fraction=0.2)).splits
    sides = [{row.texts[1] for row in splits[split]} for split in ("train", "validation")]
    assert not sides[0] & sides[1]
    assert sides[1]


def test_questions_with_other_answers_are_no_readings(tmp_path: Path) -> None:
    path = tmp_path / "boolq.jsonl"
    rows = [{"question": "is it so", "passage": f"It is number {i}.", "label": i % 2} for i in range(6)]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert load_data([str(path)]).task == "classify"


@pytest.mark.parametrize(
    ("name", "questions_of", "without"), [("reading", 60, 12), ("reading-ko", 200, 0), ("reading-klue", 60, 12)]
)
def test_the_samples_are_readings(name: str, questions_of: int, without: int) -> None:
    found = load_data([f"sample:{name}"])
    assert (found.task, found.is_sample) == ("qa", True)
    rows = [row for own in found.splits.values() for row in own if isinstance(row, ReadingQuestion)]
    assert len(rows) == questions_of
    assert sum(not row.places for row in rows) == without
    assert len({row.key for row in rows}) == questions_of
    for row in rows:
        assert tuple(said(row)) == row.answers
    texts = [{row.texts[1] for row in own} for own in found.splits.values()]
    assert sum(map(len, texts)) == len(set.union(*texts)), "a text stands in one split alone"


def test_many_questions_go_through_the_store(tmp_path: Path) -> None:
    rows = load_data(["sample:reading-klue"]).splits["train"]
    facts = write_rows(tmp_path / "rows.arrow", rows)
    assert list(StoredRows(tmp_path / "rows.arrow", facts)) == list(rows)
