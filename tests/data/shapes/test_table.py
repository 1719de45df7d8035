"""Which records a table becomes, by task, and what a table is when nobody says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from bertkit.data.columns import ColumnChoice, Wanted, parse_columns
from bertkit.data.formats.readers import read_rows
from bertkit.data.records import BadRow, ColumnMap, Entity, Example, Question, Row, TaggedText
from bertkit.data.shapes.table import decide_labels, guess_shape, shape_of
from bertkit.errors import DataError
from bertkit.tasks.registry import SHAPE_OF


def table(names: Sequence[str], *rows: Sequence[str]) -> list[Row | BadRow]:
    return [Row(line, dict(zip(names, row, strict=True))) for line, row in enumerate(rows, start=2)]


def resolve(
    task: str,
    *names: str,
    mapping: str | None = None,
    stored: ColumnMap | None = None,
    need_label: bool = True,
) -> ColumnMap:
    choice = None if mapping is None else parse_columns(mapping)
    return shape_of(SHAPE_OF.get(task, task)).resolve(names, Wanted(choice, stored=stored, need_label=need_label))


def examples(
    task: str, rows: Iterable[Row | BadRow], columns: ColumnMap, *, need_label: bool = True
) -> list[Example | BadRow]:
    return list(shape_of(SHAPE_OF.get(task, task)).examples(rows, columns, "t.csv", need_label=need_label))


# --- labelled texts -----------------------------------------------------------------------


@pytest.mark.parametrize("task", ["auto", "classify", "regression"])
def test_texts_pairs_and_labels(task: str) -> None:
    assert resolve(task, "id", "sentence1", "sentence2", "label") == ColumnMap(("sentence1",), "sentence2", "label")
    assert resolve(task, "review", "stars", mapping="label=stars") == ColumnMap(("review",), None, "stars")
    (row,) = examples(task, table(["text", "label"], ["fine", "1"]), ColumnMap(("text",), None, "label"))
    assert row == Example(("fine",), "1", 2, "t.csv")


def test_a_run_of_pairs_needs_a_second_text() -> None:
    stored = ColumnMap(("sentence1",), "sentence2", "label")
    with pytest.raises(DataError, match=r"'sentence1' and 'sentence2' .* are missing: the column is 'text'"):
        resolve("classify", "text", stored=stored, need_label=False)


# --- plain texts --------------------------------------------------------------------------


def test_plain_texts_need_no_label_and_drop_one() -> None:
    assert resolve("mlm", "text", "label") == ColumnMap(("text",))
    (row,) = examples("mlm", table(["text", "label"], ["fine", "1"]), ColumnMap(("text",)))
    assert row == Example(("fine",), None, 2, "t.csv")


def test_both_texts_of_a_pair_are_read_as_one() -> None:
    assert resolve("mlm", "sentence1", "sentence2", "label") == ColumnMap(("sentence1", "sentence2"))
    assert resolve("mlm", "a", "b", "c", mapping="text=c+a") == ColumnMap(("c", "a"))


# --- questions ----------------------------------------------------------------------------


def test_questions_and_what_is_missing() -> None:
    columns = resolve("choice", "prompt", "A", "B", "answer")
    assert columns == ColumnMap(("prompt",), None, "answer", ("A", "B"))
    with pytest.raises(
        DataError, match=r"^no columns are recognised as a question and its choices: the columns are 'text'"
    ):
        resolve("choice", "text", "label")
    assert resolve("choice", "prompt", "A", "B", need_label=False).label is None


def test_rows_become_questions_and_bad_ones_stay_in_their_place() -> None:
    rows = table(["prompt", "A", "B", "answer"], ["q", "x", "y", "b"], ["q", "x", "", "A"], ["q", "x", "y", "C"])
    rows.append(BadRow(9, "torn"))
    columns = ColumnMap(("prompt",), None, "answer", ("A", "B"))
    good, one_choice, no_such_choice, torn = examples("choice", rows, columns)
    assert good == Question(("q",), "B", 2, "t.csv", choices=("x", "y"), names=("A", "B"))
    assert one_choice == BadRow(3, "there is only one choice, A; a question needs two")
    assert no_such_choice == BadRow(4, "the answer 'C' is not one of the choices: A, B")
    assert torn == BadRow(9, "torn")
    third = examples("choice", rows, columns, need_label=False)[2]
    assert isinstance(third, Question)
    assert third.label is None


# --- tagged texts -------------------------------------------------------------------------


def test_texts_with_entities_or_with_tags() -> None:
    assert resolve("ner", "text", "entities") == ColumnMap(("text",), None, "entities")
    assert resolve("ner", "tokens", "ner_tags") == ColumnMap(("tokens",), None, "ner_tags")
    assert resolve("ner", "1", "2") == ColumnMap(("1",), None, "2")
    assert resolve("ner", "body", "marks", mapping="text=body,label=marks") == ColumnMap(("body",), None, "marks")


def test_the_columns_of_the_run_go_first() -> None:
    stored = ColumnMap(("body",), None, "marks")
    assert resolve("ner", "body", "marks", "text", "entities", stored=stored) == stored
    assert resolve("ner", "body", "text", stored=stored, need_label=False) == stored
    assert resolve("ner", "text", "entities", stored=stored) == ColumnMap(("text",), None, "entities")


def test_texts_to_tag_need_no_entities() -> None:
    columns = resolve("ner", "id", "text", need_label=False)
    assert columns.text == ("text",)
    (row,) = examples("ner", table(["id", "text"], ["7", "in Rome"]), columns, need_label=False)
    assert row == TaggedText(("in Rome",), None, 2, "t.csv")


def test_an_entity_that_is_not_in_the_text_is_a_problem_where_problems_are_gathered() -> None:
    rows = table(["text", "entities"], ["in Rome", json.dumps([["Rome", "L"], ["Oslo", "L"]])])
    columns, problems = ColumnMap(("text",), None, "entities"), list[BadRow]()
    (row,) = shape_of("entities", problems=problems).examples(rows, columns, "t.csv")
    assert row == TaggedText(("in Rome",), None, 2, "t.csv", (Entity(3, 7, "L"),))
    assert problems == [BadRow(2, "the entity 'Oslo' is not in the text")]
    assert examples("ner", rows, columns) == problems


def test_class_ids_are_tags_by_their_names() -> None:
    rows = table(["tokens", "ner_tags"], [json.dumps(["in", "Rome"]), "[0, 1]"])
    columns = ColumnMap(("tokens",), None, "ner_tags")
    (row,) = shape_of("entities", tag_names=("O", "B-L")).examples(rows, columns, "t.csv")
    assert row == TaggedText(("in Rome",), None, 2, "t.csv", (Entity(3, 7, "L"),))


# --- what a table is ----------------------------------------------------------------------

QUESTIONS = table(["prompt", "A", "B", "answer"], *[["q", "x", "y", "A"]] * 50)
TAGGED = table(["1", "2"], *[["in Rome", "O L-B"]] * 50)
LABELLED = table(["text", "label"], *[["in Rome", "1"]] * 50)


@pytest.mark.parametrize(
    ("rows", "shape"), [(QUESTIONS, "questions"), (TAGGED, "entities"), (LABELLED, None), ([], None)]
)
def test_the_first_rows_tell_the_shape_and_none_is_lost(rows: list[Row | BadRow], shape: str | None) -> None:
    found, again = guess_shape(iter(rows), None)
    assert found == shape
    assert list(again) == rows


def test_bad_rows_at_the_beginning_do_not_hide_the_task() -> None:
    rows = [BadRow(1, "torn"), *TAGGED]
    found, again = guess_shape(iter(rows), None)
    assert (found, list(again)) == ("entities", rows)
    assert guess_shape(iter([BadRow(1, "torn")]), None)[0] is None


@pytest.mark.parametrize(
    ("choice", "task"),
    [(ColumnChoice(text=("prompt",), choices=("A", "B")), "questions"), (ColumnChoice(text=("prompt",)), None)],
)
def test_columns_that_were_named_decide(choice: ColumnChoice, task: str | None) -> None:
    assert guess_shape(iter(QUESTIONS), choice)[0] == task


@pytest.mark.parametrize(
    ("labels", "task", "note"),
    [
        (["0.5", "1", "2.25"], "regression", "not all are whole"),
        (["0", "1", "2"], "classify", "3 different"),
        (["good", "1.5"], "classify", "2 different"),
        ([], "classify", "0 different"),
    ],
)
def test_labels_decide_between_classes_and_numbers(labels: list[str], task: str, note: str) -> None:
    rows = [Example(("x",), label, 1, "t.csv") for label in labels]
    decided, _, (sentence,) = decide_labels("auto", {"train": rows}, tasks=SHAPE_OF)
    assert decided == SHAPE_OF[task]
    assert note in sentence
    assert decide_labels("entities", {"train": rows}, tasks=SHAPE_OF) == ("entities", {"train": rows}, ())


def test_regression_names_the_label_that_is_no_number() -> None:
    rows = [Example(("x",), label, line, "t.csv") for line, label in enumerate(["1", "high"], start=2)]
    with pytest.raises(DataError, match=r"^t\.csv:3: the label 'high' is not a number, as regression needs\. Fix it, "):
        decide_labels("scores", {"train": rows}, tasks=SHAPE_OF)


def labelled(*labels: str, need_label: bool = True) -> list[object]:
    rows = table(["text", "label"], *(("a text", label) for label in labels))
    shape = shape_of("classes")
    found = shape.examples(rows, ColumnMap(("text",), None, "label"), "t.csv", need_label=need_label)
    return [example.message if isinstance(example, BadRow) else example.label for example in found]


def test_lists_and_objects_are_no_classes() -> None:
    many, inner = labelled('["price", "battery"]', '{"label": 3.7, "real-label": 1}')
    assert many == "the label is a list, and a row has one label (column 'label')"
    assert inner == (
        "the label is an object of 'label', 'real-label' (column 'label'); name the one that counts, "
        "as in --columns label=label.label"
    )
    assert labelled("[0, 1, 0]", '[[0, 4, "PER"]]', need_label=False) == [many, many]


def test_a_list_of_one_label_is_that_label() -> None:
    assert labelled('["pos"]', "[1]", "[]", "[urgent] help", "{x}") == [
        "pos",
        "1",
        "label is empty (column 'label')",
        "[urgent] help",
        "{x}",
    ]


@pytest.mark.parametrize("label", ["{'a': 1}", "(1, 0)", "[1. 0. 1.]", "{'a', 'b'}"])
def test_what_python_and_numpy_write_is_no_class_either(label: str) -> None:
    (found,) = labelled(label)
    assert str(found).startswith("the label is ")


def test_braces_and_brackets_around_a_word_are_part_of_a_class() -> None:
    assert labelled("{pos}", "(B)", "[x]") == ["{pos}", "(B)", "[x]"]


def test_the_key_that_is_proposed_is_the_one_that_counts() -> None:
    (found,) = labelled('{"id": 1, "tags": [], "name": "pos"}')
    assert "--columns label=label.name" in str(found)


def test_texts_that_are_lists_are_joined_and_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"text": ["so", "it", "goes"], "label": 1}\n{"text": {"en": "so"}, "label": 0}\n{"text": [1], "label": 0}\n',
        encoding="utf-8",
    )
    (good,), bad = read_both(path)
    assert good.texts == ("so it goes",)
    assert bad == [
        "the column 'text' holds an object of 'en' and no text; name the one that counts, as in --columns text=text.en",
        "the column 'text' holds a list that is not of texts alone and no text",
    ]


def read_both(path: Path) -> tuple[list[Example], list[str]]:
    found = list(
        shape_of("classes").examples(read_rows(path), ColumnMap(("text",), None, "label"), "t", need_label=True)
    )
    good = [row for row in found if isinstance(row, Example)]
    return good, [row.message for row in found if isinstance(row, BadRow)]
