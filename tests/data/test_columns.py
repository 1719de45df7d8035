import unicodedata

import pytest

from bertkit.data import columns as of_tables
from bertkit.data.catalog import DATASETS
from bertkit.data.columns import ColumnChoice, Wanted, parse_columns
from bertkit.data.records import BadRow, ColumnMap, Example, Row
from bertkit.data.shapes.labelled import LabelledTexts
from bertkit.errors import DataError, UsageError


def resolve_columns(names, *, mapping=None, usual=None, stored=None, need_label, need_pair=False):
    return of_tables.resolve_columns(names, Wanted(mapping, usual, stored, need_label), need_pair=need_pair)


@pytest.mark.parametrize(
    ("mapping", "choice"),
    [
        ("text=a", ColumnChoice(("a",))),
        ("text=a,pair=b,label=c", ColumnChoice(("a",), "b", "c")),
        ("text=midterm+final,label=grade", ColumnChoice(("midterm", "final"), None, "grade")),
        ("text=midterm, text=final", ColumnChoice(("midterm", "final"))),
        ("label=a=b", ColumnChoice(label="a=b")),
        (f"text={unicodedata.normalize('NFD', '문서')}", ColumnChoice(("문서",))),
    ],
)
def test_columns_are_parsed(mapping, choice):
    assert parse_columns(mapping) == choice


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("", "not part=column"),
        ("text", "'text' is not part=column"),
        ("text=", "'text=' is not part=column"),
        ("text=a,", "'' is not part=column"),
        ("lable=a", "no part 'lable', did you mean 'label'"),
        ("text=a,label=b,label=c", "label is given twice"),
        ("text=a,pair=a", "column 'a' is used twice"),
        ("text=a+", "names an empty column"),
    ],
)
def test_a_malformed_mapping_is_wrong_usage(mapping, message):
    with pytest.raises(UsageError, match=r"^--columns: ") as caught:
        parse_columns(mapping)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id", "document", "label"], ColumnMap(("document",), None, "label")),
        (["Text", "Label"], ColumnMap(("Text",), None, "Label")),
        (["Quality", "#1 ID", "#1 String", "#2 String"], ColumnMap(("#1 String",), "#2 String", "Quality")),
        (["premise", "hypothesis", "gold_label"], ColumnMap(("premise",), "hypothesis", "gold_label")),
        (["score", "sentence1", "sentence2"], ColumnMap(("sentence1",), "sentence2", "score")),
        (["question", "sentence", "label"], ColumnMap(("question",), "sentence", "label")),
        (["title", "text", "label", "score"], ColumnMap(("text",), None, "label")),
    ],
)
def test_synonyms(names, expected):
    assert resolve_columns(names, need_label=True) == expected


def test_the_order_is_mapping_then_stored_then_synonyms():
    names = ["text", "body", "summary", "label", "grade"]
    stored = ColumnMap(("body",), None, "grade")
    assert resolve_columns(names, need_label=True).text == ("text",)
    assert resolve_columns(names, stored=stored, need_label=True) == stored
    mapped = resolve_columns(names, stored=stored, mapping=parse_columns("text=summary"), need_label=True)
    assert mapped == ColumnMap(("summary",), None, "grade")


def test_a_stored_pair_is_found_by_its_synonyms_and_never_replaced_by_one_text():
    stored = ColumnMap(("sentence1",), "sentence2", "label")
    assert resolve_columns(["text_a", "text_b"], stored=stored, need_label=False) == ColumnMap(("text_a",), "text_b")
    with pytest.raises(DataError, match="'sentence1' and 'sentence2'"):
        resolve_columns(["text"], stored=stored, need_label=False)


def test_a_stored_single_text_is_not_read_from_a_pair():
    with pytest.raises(DataError, match="'text'"):
        resolve_columns(["sentence1", "sentence2"], stored=ColumnMap(("text",)), need_label=False)


def test_several_stored_texts_have_no_synonyms():
    with pytest.raises(DataError, match="'midterm' and 'final'"):
        resolve_columns(["text", "grade"], stored=ColumnMap(("midterm", "final"), None, "grade"), need_label=True)


def test_a_catalog_row_helps_a_run_trained_on_another():
    spec = DATASETS["klue-sts"]
    stored = ColumnMap(("sentence1",), "sentence2", "score")
    names = ["guid", "sentence1", "sentence2", "labels"]
    assert resolve_columns(names, usual=spec.columns, stored=stored, need_label=True).label == "labels.label"


def test_names_that_fit_nothing_are_not_guessed():
    with pytest.raises(DataError) as caught:
        resolve_columns(["id", "midterm", "final", "age", "grade", "label"], need_label=True)
    assert "no column is recognised as the text" in str(caught.value)
    assert "'midterm', 'final', 'age'" in str(caught.value)
    assert "--columns text=midterm,label=label" in str(caught.value)


def test_a_missing_label_is_named_with_its_flag():
    with pytest.raises(DataError, match=r"no column for the label.*'text', 'y'.*--columns text=text,label=COLUMN"):
        resolve_columns(["text", "y"], need_label=True)
    assert resolve_columns(["text", "y"], need_label=False) == ColumnMap(("text",))


def test_what_is_suggested_asks_for_no_label_where_none_is_needed():
    stored = ColumnMap(("text",), None, "label")
    with pytest.raises(DataError, match=r"the text column 'text' \(or a synonym\) is missing: .*--columns text=a\.$"):
        resolve_columns(["a", "b"], stored=stored, need_label=False)
    with pytest.raises(DataError, match=r"--columns text=a,label=COLUMN\.$"):
        resolve_columns(["a", "b"], stored=stored, need_label=True)


def test_a_table_of_nothing_but_texts_needs_another_table():
    with pytest.raises(DataError, match="the column is 'text'; give a table that has one"):
        resolve_columns(["text"], need_label=True)


def test_a_misspelt_column_is_suggested():
    with pytest.raises(DataError, match="no column 'midtrem', did you mean 'midterm'"):
        resolve_columns(["midterm", "grade"], mapping=parse_columns("text=midtrem"), need_label=False)


def test_a_pair_can_be_demanded():
    with pytest.raises(DataError, match="pair=COLUMN"):
        resolve_columns(["a", "b"], mapping=ColumnChoice(("a",)), need_label=False, need_pair=True)


def test_what_looks_like_no_header_is_said_so():
    with pytest.raises(DataError, match="is the first line a header"):
        resolve_columns(["This is a whole sentence, not a name.", "O O B-PER"], need_label=True)
    with pytest.raises(DataError, match="there is no header line, so the columns are '1', '2'"):
        resolve_columns(["1", "2"], need_label=True)


# --- rows to examples ---

COLUMNS = ColumnMap(("a", "b"), None, "label")


def examples(*fields, need_label=True, columns=COLUMNS, spec=None):
    rows = [Row(line, each) for line, each in enumerate(fields, start=2)]
    return list(LabelledTexts().examples(rows, columns, "t.csv", need_label=need_label, spec=spec))


def test_examples_hold_the_chosen_columns_only():
    assert examples({"id": "7", "a": " x ", "b": "y", "label": " 1 "}) == [Example((" x ", "y"), "1", 2, "t.csv")]


def test_a_missing_text_or_label_is_a_bad_row():
    assert examples({"a": "x", "label": "1"}) == [BadRow(2, "column 'b' is missing")]
    assert examples({"a": "x", "b": "", "label": " "}) == [BadRow(2, "label is empty (column 'label')")]
    assert examples({"a": "x", "b": ""}) == [BadRow(2, "label is missing (column 'label')")]
    assert examples({"a": "x", "b": ""}, need_label=False) == [Example(("x", ""), None, 2, "t.csv")]


def test_bad_rows_pass_through():
    bad = BadRow(9, "broken")
    assert list(LabelledTexts().examples([bad], COLUMNS, "t.csv", need_label=True)) == [bad]


def test_labels_are_canonical_and_withheld_ones_are_none():
    columns = ColumnMap(("sentence1",), "sentence2", "label")
    spec = DATASETS["mrpc"]
    rows = [{"sentence1": "x", "sentence2": "y", "label": label} for label in ("equivalent", "0", "-1", "maybe")]
    got = examples(*rows, columns=columns, spec=spec)
    assert [example.label for example in got[:3]] == ["1", "0", None]
    assert got[3] == BadRow(5, "label 'maybe' is not one of mrpc's: 0, 1")


def test_scores_are_equal_from_files_and_from_the_hub():
    spec = DATASETS["stsb"]
    assert spec.canonical_label("3.600") == spec.canonical_label("3.5999999046325684") == "3.6"
    assert spec.canonical_label("high") is None


def test_a_value_inside_a_json_object():
    columns = ColumnMap(("s",), None, "labels.label")
    got = examples({"s": "x", "labels": '{"label": 3.7}'}, {"s": "x", "labels": "3"}, columns=columns)
    assert got[0].label == "3.7"
    assert got[1] == BadRow(3, "label is missing (column 'labels.label')")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["번호", "문장", "레이블"], ColumnMap(("문장",), None, "레이블")),
        (["리뷰", "감정"], ColumnMap(("리뷰",), None, "감정")),
        (["제목", "본문", "분류"], ColumnMap(("본문",), None, "분류")),
        (["문장1", "문장2", "점수"], ColumnMap(("문장1",), "문장2", "점수")),
        (["text", "문장", "label", "라벨"], ColumnMap(("text",), None, "label")),
    ],
)
def test_korean_names_are_synonyms(names: list[str], expected: ColumnMap) -> None:
    assert resolve_columns(names, need_label=True) == expected


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["Ticket ID", "Created At", "Customer message", "Team"], "--columns 'text=Customer message,label=COLUMN'"),
        (["answerKey", "id", "body"], "--columns text=body,label=COLUMN"),
        (["answerKey", "id"], "--columns text=COLUMN,label=COLUMN"),
    ],
)
def test_the_way_on_names_no_id_and_no_answer_as_the_text(names: list[str], shown: str) -> None:
    with pytest.raises(DataError) as caught:
        resolve_columns(names, need_label=True)
    assert shown in str(caught.value)
