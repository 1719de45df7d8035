"""Questions as they are published, and what their answers mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.data.records import Question
from bertkit.data.shapes.questions import first_place, read_answer
from bertkit.data.values import RowError
from bertkit.errors import DataError
from bertkit.reporting.inspection import InspectRequest, inspect_data
from bertkit.tasks.rows import load_data, stream_data

LETTERS = ("A", "B", "C", "D")


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answered(path: Path) -> list[tuple[tuple[str, ...], str]]:
    """Return texts and the right choice of each question; both roads agree."""
    loaded = load_data([str(path)])
    assert loaded.task == "choice"
    streamed = stream_data([str(path)])
    assert tuple(streamed.splits["train"]) == loaded.splits["train"]
    found = []
    for row in loaded.splits["train"]:
        assert isinstance(row, Question)
        assert row.label is not None
        found.append((row.texts, row.choices[row.names.index(row.label)]))
    return found


@pytest.mark.parametrize(
    ("answers", "names", "place"),
    [
        (["0", "1"], ("1", "2"), 0),  # COPA, PIQA
        (["1", "2"], ("1", "2"), None),
        (["1", "1"], ("1", "2"), None),
        (["0", "3", "1"], LETTERS, 0),
        (["1", "4", "2"], LETTERS, 1),
        (["1", "3", "2"], LETTERS, None),  # no telling
        (["A", "1"], LETTERS, None),
        (["1", "2"], ("0", "1"), 1),
        (["0", "1"], ("0", "1"), None),
        (["0", "4"], LETTERS, None),
        ([], LETTERS, None),
    ],
)
def test_where_places_are_counted_from(answers: list[str], names: tuple[str, ...], place: int | None) -> None:
    assert first_place((answer, names) for answer in answers) == place


@pytest.mark.parametrize(
    "answer", ["B", "b", "(B)", "B.", "B)", "[b]", "B. sunlight", "(b) sunlight", "sunlight", "Answer: B."]
)
def test_ways_to_name_a_choice(answer: str) -> None:
    choices = {"A": "a stone", "B": "sunlight"}
    assert read_answer(answer, choices, ("A", "B"), None) == "B"


@pytest.mark.parametrize("answer", ["C", "(C)", "B. a stone", "46%", "5"])
def test_what_names_no_choice(answer: str) -> None:
    with pytest.raises(RowError, match="is not one of the choices: A, B"):
        read_answer(answer, {"A": "a stone", "B": "sunlight"}, ("A", "B"), None)


def test_causes_and_effects_count_from_0(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"premise": f"The cup {i} fell.", "choice1": "It broke.", "choice2": "It rained.", "question": "effect",
         "label": i % 2, "idx": i}
        for i in range(6)
    ]  # fmt: skip
    found = answered(jsonl(tmp_path / "copa.jsonl", rows))
    assert found[:2] == [(("The cup 0 fell.", "effect"), "It broke."), (("The cup 1 fell.", "effect"), "It rained.")]


def test_goals_with_two_solutions(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"goal": f"Open jar {i}", "sol1": "twist", "sol2": "throw", "label": i % 2} for i in range(4)
    ]
    assert answered(jsonl(tmp_path / "piqa.jsonl", rows))[1] == (("Open jar 1",), "throw")


@pytest.mark.parametrize("first", [0, 1])
def test_medical_questions_with_numbered_answers(tmp_path: Path, first: int) -> None:
    rows: list[dict[str, object]] = [
        {"id": str(i), "question": f"Which organ {i}?", "opa": "liver", "opb": "heart", "opc": "lung", "opd": "skin",
         "cop": i % 4 + first, "exp": "as known"}
        for i in range(8)
    ]  # fmt: skip
    assert [text for _, text in answered(jsonl(tmp_path / "t.jsonl", rows))][:4] == ["liver", "heart", "lung", "skin"]


def test_a_stem_with_its_choices(tmp_path: Path) -> None:
    choices = [{"label": "A", "text": "a stone"}, {"label": "B", "text": "sunlight"}]
    rows: list[dict[str, object]] = [
        {"answerKey": "B", "id": "q", "question": {"stem": "What feeds plants?", "choices": choices}}
    ]
    assert answered(jsonl(tmp_path / "csqa.jsonl", rows)) == [(("What feeds plants?",), "sunlight")]


def test_several_questions_of_one_passage(tmp_path: Path) -> None:
    row: dict[str, object] = {
        "id": "high1", "article": "Ana swam.", "answers": ["B", "A"],
        "options": [["ran", "swam"], ["Ana", "Bo"]], "questions": ["What did she do?", "Who?"],
    }  # fmt: skip
    found = answered(jsonl(tmp_path / "race.jsonl", [row]))
    assert found == [(("Ana swam.", "What did she do?"), "swam"), (("Ana swam.", "Who?"), "Ana")]


def test_a_column_without_one_usable_answer_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"Which {i}?,a,b,c,d,{1 + i % 3}\n" for i in range(30))
    path.write_text("prompt,A,B,C,D,answer\n" + rows, encoding="utf-8")
    (finding,) = [f for f in inspect_data(InspectRequest((str(path),))).audit.findings if f.severity == "error"]
    assert (finding.kind, finding.count) == ("missing_label", 30)
    assert "no row has a label that can be used: the answer '1' is not one of the choices" in finding.message
    assert "at 0 or at 1" in finding.message
    with pytest.raises(DataError, match=r"t\.csv:2: the answer '1' is not one of the choices.*it is unclear"):
        load_data([str(path)])


@pytest.mark.parametrize("column", ["label", "score"])
def test_an_empty_label_column_is_an_error(tmp_path: Path, column: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"text,{column}\n" + "a text,\n" * 12, encoding="utf-8")
    kinds = {f.kind: f.severity for f in inspect_data(InspectRequest((str(path),))).audit.findings}
    assert kinds["missing_label"] == "error"


CHOICES = ["a stone", "sunlight", "wool", "a bone"]


@pytest.mark.parametrize(
    "answer",
    ["B", "b", "(B)", "B. sunlight", "Answer: B", "answer is B", "option_b", "sunlight", "②", "2번", "정답: 2"],
)
def test_answers_as_people_write_them(tmp_path: Path, answer: str) -> None:
    place = "1234" if set(answer) & set("②번정") else "ABCD"
    lines = [["question", *(f"option {name}" for name in place), "correct answer"]]
    lines += [[f"What feeds plant {i}?", *CHOICES, answer] for i in range(3)]
    path = tmp_path / "q.csv"
    path.write_text("\n".join(",".join(line) for line in lines), encoding="utf-8")
    loaded = load_data([str(path)])
    assert loaded.task == "choice"
    assert set(loaded.labels("train")) == {place[1]}


@pytest.mark.parametrize(
    ("names", "texts"),
    [
        (("질문", "보기1", "보기2", "정답"), ("질문",)),
        (("prompt", "1", "2", "answer"), ("prompt",)),
        (("premise", "alternative_1", "alternative_2", "label"), ("premise",)),
        (("sentence", "option1", "option2", "answer"), ("sentence",)),
        (("Question", "Option 1", "Option 2", "Correct Answer"), ("Question",)),
    ],
)
def test_choices_under_other_names(tmp_path: Path, names: tuple[str, ...], texts: tuple[str, ...]) -> None:
    path = tmp_path / "q.csv"
    rows = [f"text {i},a{i},b{i},{1 + i % 2}" for i in range(4)]
    path.write_text("\n".join([",".join(names), *rows]), encoding="utf-8")
    loaded = load_data([str(path)])
    assert (loaded.task, loaded.columns.text, loaded.columns.choices) == ("choice", texts, names[1:3])
    assert list(loaded.labels("train")) == ["1", "2", "1", "2"]


def test_the_korean_causes_and_effects(tmp_path: Path) -> None:
    path = tmp_path / "copa.tsv"
    path.write_text("ID\tSentence\tQuestion\t1\t2\tAnswer\n1\t비다.\t결과\t젖다.\t마르다.\t1\n", encoding="utf-8")
    loaded = load_data([str(path)])
    assert (loaded.columns.text, loaded.columns.choices) == (("Sentence", "Question"), ("1", "2"))


def test_a_text_beside_columns_a_and_b_is_no_question(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sentence,a,b,label\ngood,1,2,x\nbad,2,1,y\n", encoding="utf-8")
    assert load_data([str(path)]).task == "classify"


@pytest.mark.parametrize("keys", [("id", "content"), ("key", "value"), ("label", "text")])
def test_choices_that_are_objects_with_other_keys(tmp_path: Path, keys: tuple[str, str]) -> None:
    choices = [{keys[0]: name, keys[1]: text} for name, text in zip("ab", ("a stone", "sunlight"), strict=True)]
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "?", "choices": choices, "answer": "b"}) + "\n", encoding="utf-8")
    (row,) = load_data([str(path)]).splits["train"]
    assert (row.label, row.all_texts) == ("b", ("?", "a stone", "sunlight"))


def test_choices_without_texts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    row = {"question": "?", "choices": [{"x": 1}, {"x": 2}], "answer": "b"}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"objects without a text: they have 'x'"):
        load_data([str(path)])


@pytest.mark.parametrize(
    ("row", "right"),
    [
        ({"context": "c", "question": "q?", "answers": ["x", "y", "z"], "label": 2}, "z"),  # ReClor
        ({"context": "c", "questions": [{"question": "q?", "options": ["x", "y"], "answer": "y"}]}, "y"),
        ({"question": "What is hot? (A) ice (B) fire", "AnswerKey": "B"}, "fire"),  # ARC's tables
        ({"prompt": "q?", "A": "x", "B": "y", "answer": '["B"]'}, "y"),
        ({"prompt": "q?", "A": "x", "B": "y", "answer": "Ｂ"}, "y"),
        ({"질문": "무엇?", "가": "돌", "나": "빛", "정답": "나"}, "빛"),
        ({"문제": "무엇?", "①": "돌", "②": "빛", "정답": "②"}, "빛"),
    ],
)
def test_more_ways_to_ask(tmp_path: Path, row: dict[str, object], right: str) -> None:
    assert answered(jsonl(tmp_path / "t.jsonl", [row]))[0][1] == right


DREAM = [
    ["M: I am thirsty.", "W: Have tea."],
    [{"question": "What is hot?", "choice": ["ice", "fire"], "answer": "fire"}],
]
SAID = "M: I am thirsty.\nW: Have tea."
GPQA = {"Pre-Revision Question": "x", "Question": "What is hot?", "Correct Answer": "fire", "Incorrect Answer 1": "ice"}
RECORD = {
    "passage": "Ana met Bo in Arl.",
    "query": "@placeholder is a town",
    "entities": ["Ana", "Arl", "Arl town", "Bo"],
    "answers": ["Arl", "Arl town"],
}


@pytest.mark.parametrize(
    ("row", "texts", "answer"),
    [
        ([*DREAM, "5-510"], (SAID, "What is hot?"), "fire"),
        ({"dialogue": DREAM[0], **DREAM[1][0]}, (SAID.replace("\n", " "), "What is hot?"), "fire"),  # type: ignore[dict-item]
        (GPQA, ("What is hot?",), "fire"),
        (
            {"question": "What is hot?", "correct_answer": "fire", "incorrect_answers": ["ice"]},
            ("What is hot?",),
            "fire",
        ),
        ({"Problem": "3 + 4 ?", "options": "a ) 1 , 000 , b ) 7 , c ) 2", "correct": "b"}, ("3 + 4 ?",), "7"),
        ({"query": "What is hot?", "options": ["ice", "fire"], "answer": "(B)"}, ("What is hot?",), "fire"),
        (
            {"story": "x", "question": "What is hot?", "answer_options": {"A": "fire", "B": "ice"}, "answer": "A"},
            ("x", "What is hot?"),
            "fire",
        ),
        (RECORD, (RECORD["passage"], RECORD["query"]), "Arl"),
    ],
)
def test_questions_in_more_forms(tmp_path: Path, row: object, texts: tuple[str, ...], answer: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps([row, row]), encoding="utf-8")
    assert answered(path) == [(texts, answer)] * 2


def test_of_several_right_answers_one_is_a_choice(tmp_path: Path) -> None:
    (row,) = load_data([str(jsonl(tmp_path / "t.jsonl", [RECORD]))]).splits["train"]
    assert row.all_texts[2:] == ("Ana", "Arl", "Bo"), "the other right answer is no wrong one"


def test_causes_and_effects_as_xml(tmp_path: Path) -> None:
    items = "".join(
        f'<item id="{n}" asks-for="{asked}" most-plausible-alternative="{n}"><p>The cup fell.</p><a1>a {n}</a1>'
        f"<a2>b {n}</a2></item>"
        for n, asked in enumerate(("cause", "effect"), start=1)
    )
    (tmp_path / "copa.xml").write_text(f"<copa-corpus>{items}</copa-corpus>", encoding="utf-8")
    texts = [("The cup fell.", "cause"), ("The cup fell.", "effect")]
    assert answered(tmp_path / "copa.xml") == list(zip(texts, ("a 1", "b 2"), strict=True))


@pytest.mark.parametrize("names", ["맥락,보기1,보기2,정답", "번호,상황 설명,선택지1,선택지2,정답"])
def test_the_only_column_beside_choices_and_answers_is_what_is_asked(tmp_path: Path, names: str) -> None:
    number = "{n}," if names.startswith("번호") else ""
    rows = [f"{number}컵이 {{n}}번 떨어졌다,깨졌다,비가 왔다,{answer}".format(n=n) for n, answer in enumerate("①②①②")]
    (tmp_path / "t.csv").write_text("\n".join([names, *rows, ""]), encoding="utf-8")
    assert [right for _, right in answered(tmp_path / "t.csv")] == ["깨졌다", "비가 왔다"] * 2


@pytest.mark.parametrize("names", ["text,choice,label", "text,a,b,label", "id,text,label,answer1"])
def test_texts_with_a_label_beside_other_columns_are_no_questions(tmp_path: Path, names: str) -> None:
    width = names.count(",")
    rows = [",".join([f"row {n}", *["x"] * (width - 1), "yes" if n % 2 else "no"]) for n in range(10)]
    (tmp_path / "t.csv").write_text("\n".join([names, *rows, ""]), encoding="utf-8")
    assert load_data([str(tmp_path / "t.csv")], columns="text=text,label=label").task == "classify"
    assert load_data([str(tmp_path / "t.csv")]).task == "classify"


@pytest.mark.parametrize("label", ["label", "answer"])
def test_a_text_beside_choices_that_no_answer_is_of_is_not_asked(tmp_path: Path, label: str) -> None:
    rows = "".join(f"the text of number {i},fine,bad,{('up', 'down')[i % 2]}\n" for i in range(12))
    path = tmp_path / "t.csv"
    path.write_text(f"review,choice1,choice2,{label}\n{rows}")
    assert load_data([str(path)]).task == "classify"
    path.write_text(f"review,choice1,choice2,{label}\n{rows.replace('up', 'fine').replace('down', 'bad')}")
    assert load_data([str(path)]).task == "choice"
    path.write_text(f"question,choice1,choice2,{label}\n{rows}")
    with pytest.raises(DataError, match="is not one of the choices"):
        load_data([str(path)])
