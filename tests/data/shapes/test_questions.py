"""Questions: every shape is found by its columns, and every fault of a row is named."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from bertkit.data.catalog import DATASETS
from bertkit.data.columns import ColumnChoice, RowRules, Wanted, examples_of, parse_columns
from bertkit.data.formats.readers import read_rows
from bertkit.data.records import BadRow, ColumnMap, Question, Row
from bertkit.data.shapes.questions import (
    Questions,
    choice_names,
    missing_choice_columns,
    parse_prompted,
    question_of,
)
from bertkit.data.shapes.questions import find_choice_columns as choice_columns_of
from bertkit.errors import DataError, UsageError
from bertkit.tasks.rows import load_data

EXAM = ColumnMap(("prompt",), None, "answer", ("A", "B", "C"))
LISTED = ColumnMap(("question",), None, "answer", ("choices",))


def listed(choices, answer="", **fields):
    return {"question": "Which?", "choices": json.dumps(choices), "answer": answer, **fields}


def exam(answer="A", **cells):
    return {"prompt": "Which?", "A": "one", "B": "two", "C": "three", "answer": answer, **cells}


def question(fields, columns=EXAM, *, need_label=True, **options):
    rules = RowRules(columns, "q.csv", need_label=need_label, **options)
    (found,) = examples_of([Row(7, fields)], lambda row: question_of(row, rules))
    return found


def find_choice_columns(names, **parts):
    return choice_columns_of(names, Wanted(**{"need_label": False, **parts}))


def fault(fields, columns=EXAM, **options):
    found = question(fields, columns, **options)
    assert isinstance(found, BadRow)
    assert found.line == 7
    return found.message


# --- columns ---


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("id prompt A B C answer", EXAM),
        ("prompt A B", ColumnMap(("prompt",), None, None, ("A", "B"))),
        ("Question a b c Answer", ColumnMap(("Question",), None, "Answer", ("a", "b", "c"))),
        ("context question A B label", ColumnMap(("context", "question"), None, "label", ("A", "B"))),
        (
            "startphrase sent1 sent2 gold-source ending0 ending1 label",
            ColumnMap(("startphrase",), None, "label", ("ending0", "ending1")),
        ),
        ("sent1 sent2 ending0 ending1 label", ColumnMap(("sent1", "sent2"), None, "label", ("ending0", "ending1"))),
        ("question answer answer0 answer1", ColumnMap(("question",), None, "answer", ("answer0", "answer1"))),
        ("question option_2 option_1 gold", ColumnMap(("question",), None, "gold", ("option_1", "option_2"))),
        ("id question choices answerKey", ColumnMap(("question",), None, "answerKey", ("choices",))),
        ("article question options answer", ColumnMap(("article", "question"), None, "answer", ("options",))),
        ("question_stem choices answerKey", ColumnMap(("question_stem",), None, "answerKey", ("choices",))),
        ("ctx endings label", ColumnMap(("ctx",), None, "label", ("endings",))),
        ("instruction input answer", ColumnMap(("instruction",), None, "answer", ("instruction",))),
    ],
)
def test_shapes_are_found(names, expected):
    assert find_choice_columns(names.split()) == expected


@pytest.mark.parametrize(
    "names",
    ["text label", "question sentence label", "question context answer", "question A answer", "A B label",
     "question 0 1 label", "instruction input output", "text_a text_b label"],
)  # fmt: skip
def test_other_tables_are_no_questions(names):
    assert find_choice_columns(names.split()) is None


def test_a_run_of_choices_ends_at_its_first_gap():
    found = find_choice_columns(["prompt", "A", "B", "D", "answer"])
    assert found.choices == ("A", "B")


def test_the_mapping_goes_before_stored_columns_and_those_before_usual_names():
    names = ["prompt", "q", "A", "B", "x", "y", "answer", "gold"]
    stored = ColumnMap(("q",), None, "gold", ("x", "y"))
    assert find_choice_columns(names) == ColumnMap(("prompt",), None, "answer", ("A", "B"))
    assert find_choice_columns(names, stored=stored) == stored
    mapped = parse_columns("text=prompt,choices=y+x,label=answer")
    assert find_choice_columns(names, choice=mapped, stored=stored) == ColumnMap(
        ("prompt",), None, "answer", ("y", "x")
    )
    renamed = find_choice_columns(names, choice=parse_columns("text=q"))
    assert renamed == ColumnMap(("q",), None, "answer", ("A", "B"))


def test_a_run_reads_another_table_by_its_usual_names():
    stored = ColumnMap(("prompt",), None, "answer", tuple("ABCDE"))
    found = find_choice_columns(["context", "question", "choices"], stored=stored)
    assert found == ColumnMap(("question",), None, None, ("choices",))


def test_a_run_trained_with_context_needs_one():
    stored = ColumnMap(("passage", "question"), None, "answer", ("A", "B"))
    assert find_choice_columns(["question", "A", "B"], stored=stored) is None
    assert find_choice_columns(["context", "prompt", "A", "B"], stored=stored).text == ("context", "prompt")
    message = str(missing_choice_columns(["question", "A", "B"], stored))
    assert "the texts 'passage' and 'question' and the choices: the columns are 'question', 'A', 'B'" in message
    assert "--columns text=question,choices=a+b+c,label=answer" in message


@pytest.mark.parametrize("name", ["swag", "codah", "llm-science-exam"])
def test_catalog_columns_are_found_as_they_stand(name):
    spec = DATASETS[name]
    names = [*spec.columns.text, *spec.columns.choices, spec.columns.label]
    assert find_choice_columns(names, usual=spec.columns) == spec.columns


def test_a_catalog_row_of_another_task_says_nothing_of_choices():
    assert find_choice_columns(["sentence1", "sentence2", "label"], usual=DATASETS["mrpc"].columns) is None


def test_answers_can_be_demanded():
    with pytest.raises(DataError, match=r"no column for the answer: the columns are .*label=COLUMN"):
        find_choice_columns(["prompt", "A", "B"], need_label=True)


def test_columns_that_are_missing_are_named():
    with pytest.raises(DataError, match="no column 'optoin1', did you mean 'option1'"):
        find_choice_columns(["question", "option1"], choice=parse_columns("choices=optoin1"))
    with pytest.raises(DataError, match="no columns are recognised as a question and its choices"):
        find_choice_columns(["riddle", "x", "y"], choice=parse_columns("choices=x+y"))


def test_a_pair_is_no_question():
    names = ["prompt", "question", "A", "B", "label"]
    assert find_choice_columns(names, choice=parse_columns("text=prompt,pair=question")) is None


def test_choices_are_parsed_and_renamed():
    parsed = parse_columns("text=c+q,choices=a+b, choices=d,label=gold")
    assert parsed == ColumnChoice(("c", "q"), None, "gold", ("a", "b", "d"))
    assert parsed.renamed({"b": "B"}).choices == ("a", "B", "d")
    with pytest.raises(UsageError, match="pair cannot be used with choices"):
        parse_columns("text=a,pair=b,choices=c+d")
    with pytest.raises(UsageError, match="the column 'a' is used twice"):
        parse_columns("text=a,choices=a+b")


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["A", "B", "C"], "A B C"),
        (["a", "c"], "A C"),
        (["ending0", "ending1"], "0 1"),
        (["option_1", "Option_2"], "1 2"),
        (["answerA", "answerB"], "A B"),
        (["right", "wrong", "worse"], "0 1 2"),
        (["2", "3", "4"], "0 1 2"),
        (["ending0", "answer1"], "0 1"),
        (["A", "a"], "0 1"),
    ],
)
def test_choices_go_by_the_names_of_their_columns(columns, names):
    assert choice_names(columns) == tuple(names.split())


# --- rows ---


def test_a_row_is_a_question():
    assert question(exam("B")) == Question(
        ("Which?",), "B", 7, "q.csv", choices=("one", "two", "three"), names=("A", "B", "C")
    )


def test_context_stands_before_the_question():
    columns = ColumnMap(("context", "prompt"), None, "answer", ("A", "B"))
    assert question(exam(context="Read."), columns).texts == ("Read.", "Which?")


@pytest.mark.parametrize(("answer", "label"), [("B", "B"), (" b ", "B"), ("two", "B"), ("three", "C")], ids=repr)
def test_an_answer_is_a_letter_or_the_text_of_a_choice(answer, label):
    assert question(exam(answer)).label == label


@pytest.mark.parametrize(("answer", "label"), [("1", "1"), ("1.0", "1"), ("b", "1"), ("red", "1")])
def test_an_answer_to_numbered_choices_is_a_0_based_index_a_letter_or_a_text(answer, label):
    assert question(listed(["blue", "red"], answer), LISTED).label == label


def test_numbers_start_where_the_names_do():
    columns = ColumnMap(("question",), None, "answer", ("option1", "option2"))
    row = {"question": "Which?", "option1": "x", "option2": "y", "answer": "2"}
    assert question(row, columns).label == "2"
    assert "'0' is not one of the choices: 1, 2" in fault(row | {"answer": "0"}, columns)


def test_a_name_goes_before_a_text():
    assert question(listed(["2", "0", "1"], "1"), LISTED).label == "1"
    assert question(listed(["4", "7", "9"], "7"), LISTED).label == "1"


def test_blank_cells_are_no_choices_and_names_stay():
    found = question(exam("C", B=" "))
    assert (found.names, found.choices, found.label) == (("A", "C"), ("one", "three"), "C")
    without_key = exam("C")
    del without_key["B"]
    assert question(without_key).names == ("A", "C")


def test_identical_choices_are_allowed():
    assert question(exam("B", A="two")).choices == ("two", "two", "three")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["x", "y"], ("0", "1")),
        (["x", None, "y"], ("0", "2")),
        ([3, 4.5], ("0", "1")),
        ({"text": ["x", "y"], "label": ["A", "B"]}, ("A", "B")),
        ({"label": ["1", "2"], "text": ["x", "y"]}, ("1", "2")),
        ([{"text": "x", "label": "A"}, {"text": "y", "label": "B"}], ("A", "B")),
        ([{"text": "x"}, {"text": "y"}], ("0", "1")),
        ({"text": ["x", "y"]}, ("0", "1")),
        ({"A": "x", "B": "y"}, ("A", "B")),
    ],
)
def test_lists_of_choices(value, names):
    assert question(listed(value, names[1]), LISTED).names == names
    assert question(listed(value, names[1]), LISTED).label == names[1]


def test_a_list_inside_a_json_object():
    columns = ColumnMap(("question.stem",), None, "answerKey", ("question.choices",))
    inner = {"stem": "Which?", "choices": [{"text": "x", "label": "A"}, {"text": "y", "label": "B"}]}
    found = question({"question": json.dumps(inner), "answerKey": "B"}, columns)
    assert (found.texts, found.names, found.label) == (("Which?",), ("A", "B"), "B")


@pytest.mark.parametrize(
    ("fields", "columns", "message"),
    [
        (exam("E"), EXAM, "the answer 'E' is not one of the choices: A, B, C"),
        (exam("B", B=""), EXAM, "the answer 'B' is not one of the choices: A, C"),
        (exam("0"), EXAM, "the answer '0' is not one of the choices: A, B, C"),
        (exam("x" * 99), EXAM, f"the answer '{'x' * 26}…{'x' * 13}' is not one of the choices: A, B, C"),
        (exam(" "), EXAM, "label is empty (column 'answer')"),
        (exam(prompt="\t"), EXAM, "the question is empty (column 'prompt')"),
        (exam(B="", C=""), EXAM, "there is only one choice, A; a question needs two"),
        (exam(A="", B="", C=""), EXAM, "there are no choices (columns 'A' to 'C' are empty)"),
        ({"A": "x", "B": "y"}, EXAM, "column 'prompt' is missing"),
        ({"prompt": "Which?", "A": "x", "B": "y"}, EXAM, "label is missing (column 'answer')"),
        (listed([]), LISTED, "there are no choices (column 'choices' is empty)"),
        (listed([]) | {"choices": ""}, LISTED, "there are no choices (column 'choices' is empty)"),
        (listed(["x"]), LISTED, "there is only one choice, 0; a question needs two"),
        (listed("x"), LISTED, "the choices are not a JSON list (column 'choices')"),
        (listed([]) | {"choices": "['x', 'y'"}, LISTED, "the choices are not a JSON list (column 'choices')"),
        (
            listed({"text": ["x", "y"], "label": ["A"]}),
            LISTED,
            "the choices and their labels differ in number (column 'choices')",
        ),
        (
            listed({"text": ["x", "y"], "label": ["A", "A"]}),
            LISTED,
            "two choices have the same label (column 'choices')",
        ),
        (listed(["x", "y"], "2"), LISTED, "the answer '2' is not one of the choices: 0, 1"),
    ],
)
def test_a_row_that_cannot_be_used_says_why_in_one_clause(fields, columns, message):
    assert fault(fields, columns) == message


def test_without_need_an_unusable_answer_is_no_answer():
    assert question(exam("E"), need_label=False).label is None
    assert question(exam(""), need_label=False).label is None
    assert question(exam("c"), need_label=False).label == "C"
    no_answers = ColumnMap(("prompt",), None, None, ("A", "B"))
    assert question(exam(), no_answers, need_label=False).label is None


def test_withheld_answers_are_none():
    found = question(listed(["x", "y"], "-1"), LISTED, spec=DATASETS["swag"])
    assert found.label is None
    assert "'-1' is not one of the choices" in fault(listed(["x", "y"], "-1"), LISTED)


# --- prompts ---

PROMPT = (
    "Please choose the correct answer to the question: Fire is\n\n"
    "Answer1: hot, mostly Answer2: cold\n\nAnswer format: answer1/answer2"
)


def test_a_prompt_is_split_into_question_and_choices():
    assert parse_prompted(PROMPT) == ("Fire is", {"answer1": "hot, mostly", "answer2": "cold"})
    assert parse_prompted("What? answer1: a\nanswer2: b") == ("What?", {"answer1": "a", "answer2": "b"})
    assert parse_prompted("Tell me about fire.") is None


def test_a_row_of_one_prompt():
    columns = find_choice_columns(["instruction", "answer"])
    found = question({"instruction": PROMPT, "answer": "answer2"}, columns)
    assert (found.texts, found.choices, found.label) == (("Fire is",), ("hot, mostly", "cold"), "answer2")
    assert fault({"instruction": "Sing!", "answer": "answer1"}, columns) == (
        "there is no 'Answer1: … Answer2: …' in the prompt (column 'instruction')"
    )


# --- real data ---


def real_data():
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    return Path(root)


@pytest.mark.parametrize(
    ("file", "name", "sizes"),
    [
        ("llm_science_exam/train.csv", "llm-science-exam", {5: 5983, 4: 3}),
        ("codah/fold_0_train.tsv", "codah", {4: 1665}),
    ],
)
def test_every_real_row_is_a_question(file, name, sizes):
    spec = DATASETS[name]
    read = list(read_rows(real_data() / file, header=spec.header or None))
    columns = find_choice_columns(list(read[0].fields), usual=spec.columns, need_label=True)
    found = list(Questions().examples(read, columns, file))
    assert not [bad for bad in found if isinstance(bad, BadRow)]
    assert Counter(len(q.choices) for q in found) == sizes
    assert set(Counter(q.label for q in found)) == set(choice_names(columns.choices))


def test_every_real_prompt_is_parsed():
    records = json.loads((real_data() / "openbookqa" / "fedls_train.json").read_text(encoding="utf-8"))
    parsed = [parse_prompted(record["instruction"]) for record in records]
    assert all(p is not None and len(p[1]) == 4 and r["answer"] in p[1] for p, r in zip(parsed, records, strict=True))


def choices_of(path, text):
    path.write_text(text, encoding="utf-8")
    loaded = load_data([str(path)])
    assert loaded.task == "choice"
    return [(dict(zip(row.names, row.choices, strict=True)), row.label) for row in loaded.splits["train"]]


def test_choices_called_by_korean_consonants(tmp_path):
    text = "문제,ㄱ,ㄴ,ㄷ,정답\n식물은 무엇으로 자라나?,돌,햇빛,양털,ㄴ\n배는 무엇 위로 가나?,강,돌,종이,ㄱ\n"
    found = choices_of(tmp_path / "t.csv", text)
    assert found == [({"ㄱ": "돌", "ㄴ": "햇빛", "ㄷ": "양털"}, "ㄴ"), ({"ㄱ": "강", "ㄴ": "돌", "ㄷ": "종이"}, "ㄱ")]


@pytest.mark.parametrize(
    ("cell", "answer", "choices", "label"),
    [
        ("A. a stone\nB. sunlight", "B", {"A": "a stone", "B": "sunlight"}, "B"),
        ("(1) a stone (2) sunlight", "2", {"1": "a stone", "2": "sunlight"}, "2"),
        ("① 돌 ② 햇빛", "②", {"1": "돌", "2": "햇빛"}, "2"),
        ("a) wool, b) No. 4, c) tea", "c", {"a": "wool", "b": "No. 4", "c": "tea"}, "c"),
        ("a stone; sunlight; wool", "C", {"0": "a stone", "1": "sunlight", "2": "wool"}, "2"),
        ("a stone|sunlight", "sunlight", {"0": "a stone", "1": "sunlight"}, "1"),
    ],
)
def test_choices_in_one_cell(tmp_path, cell, answer, choices, label):
    text = f'question,options,answer\nWhat feeds plants?,"{cell}",{answer}\n'
    assert choices_of(tmp_path / "t.csv", text) == [(choices, label)]


def test_a_cell_that_holds_one_text_is_no_list_of_choices(tmp_path):
    (tmp_path / "t.csv").write_text("question,options,answer\nWhat feeds plants?,a stone,A\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.csv:2: the choices are not a JSON list"):
        load_data([str(tmp_path / "t.csv")])


@pytest.mark.parametrize("answers", ["AB", "ab", ("Option B", "option a")])
def test_letters_for_numbered_choices(tmp_path, answers):
    rows = "".join(f"Which feeds plants?,a stone,sunlight,{answer}\n" for answer in answers)
    found = choices_of(tmp_path / "t.csv", f"question,option1,option2,answer\n{rows}")
    expected = ["2", "1"] if isinstance(answers, tuple) else ["1", "2"]
    assert [label for _, label in found] == expected


def test_what_copa_asks_for_is_read(tmp_path):
    text = "premise;asks-for;alternative1;alternative2;most-plausible-alternative\nIt fell.;cause;Wind.;Tea.;1\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    loaded = load_data([str(tmp_path / "t.csv")])
    assert loaded.columns.text == ("premise", "asks-for")
    assert loaded.splits["train"][0].label == "1"
