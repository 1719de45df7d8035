"""How labels are spelt, and whether they are classes or scores: told from all of a table."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from bertkit.data.label_kinds import (
    are_scores,
    header_like,
    joined_labels,
    like_known,
    placeholders,
    respelt,
    spelling_of,
)
from bertkit.data.splits import DataRequest
from bertkit.errors import DataError
from bertkit.reporting.inspection import InspectRequest, inspect_data
from bertkit.tasks.rows import load_data, load_splits


def csv(folder: Path, labels: list[str], name: str = "t.csv", header: str = "text,label") -> Path:
    path = folder / name
    rows = [f'row number {i},"{label}"' for i, label in enumerate(labels)]
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("labels", "spelling"),
    [
        (["0", "1", "1.0"], "whole"),
        (["0.0", "1.0"], "as written"),  # nothing to confuse them with
        (["1.0", "1.1", "2"], "as written"),
        (["2,5", "5,0", "3"], "comma"),
        (["1,2,3", "1,2"], "as written"),  # lists
        (["46%", "7 %", "12.5%"], "percent"),
        (["46%", "good"], "as written"),
        (["7%", "19%"], "as written"),  # classes
        ([f"{i}%" for i in range(30)], "percent"),
        ([], "as written"),
    ],
)
def test_spellings(labels: list[str], spelling: str) -> None:
    assert spelling_of(labels) == spelling


def test_equal_scores_need_no_note(tmp_path: Path) -> None:
    labels = ["1", "1.0", "2.5", "3", "0.5"] * 4
    path = str(csv(tmp_path, labels))
    notes = {task: inspect_data(InspectRequest((path,), task=task)).audit.notes for task in ("auto", "classify")}
    assert not any("one label" in note for note in notes["auto"])
    assert any("one label" in note for note in notes["classify"])


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        (["0.5", "1"], True),
        (["0.5", "NaN"], True),
        ([*(f"{i}.5" for i in range(10)), "N/A"], True),
        (["0,5", "1,5", "2"], True),
        (["1.0", "1.1", "2.0-beta"], False),
        (["1.5", "none"], False),
        (["1", "2", "3"], False),
    ],
)
def test_scores(labels: list[str], scores: bool) -> None:
    assert are_scores(labels) is scores


def test_respelling() -> None:
    assert [respelt(label, "whole") for label in ("1.0", "1", "1.00", "01", "x")] == ["1", "1", "1", "01", "x"]
    assert [respelt(label, "comma") for label in ("2,5", "3")] == ["2.5", "3"]
    assert [respelt(label, "percent") for label in ("46%", "12,5 %")] == ["46", "12.5"]


def test_numbers_are_spelt_as_a_run_knows_them() -> None:
    assert like_known("1.0", ["0", "1"]) == "1"
    assert like_known("1", ["0.0", "1.0"]) == "1.0"
    assert like_known("2", ["0", "1"]) == "2"
    assert like_known("neg", ["pos"]) == "neg"


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["-", "yes", "no"], ["-"]),
        (["NaN", "yes", "no"], ["NaN"]),
        (["-1", "0", "1", "2"], ["-1"]),
        (["-1", "0", "1"], []),  # negative, neutral, positive
        (["-1", "yes", "no"], ["-1"]),
        (["na", "yes"], []),  # two classes are what there is
        (["none", "yes", "no"], []),  # a class of its own
    ],
)
def test_labels_that_look_like_missing_ones(labels: list[str], found: list[str]) -> None:
    assert placeholders(Counter(labels)) == found


def test_equal_numbers_are_one_label(tmp_path: Path) -> None:
    path = csv(tmp_path, ["0", "1.0", "0", "1"] * 20)
    loaded = load_data([str(path)])
    assert set(loaded.labels("train")) == {"0", "1"}
    assert any("'1.0' are read as '1'" in note for note in loaded.notes)
    audit = inspect_data(InspectRequest((str(path),))).audit
    assert dict(audit.splits["train"].labels) == {"0": 40, "1": 40}
    assert any("'1.0' are read as '1'" in note for note in audit.notes)


def test_splits_agree_on_the_spelling(tmp_path: Path) -> None:
    csv(tmp_path, ["0", "1"] * 10, "train.csv")
    csv(tmp_path, ["0.0", "1.0"] * 5, "test.csv")
    loaded = load_data([str(tmp_path)])
    assert set(loaded.labels("test")) == {"0", "1"}


def test_a_run_of_an_earlier_version_finds_its_labels(tmp_path: Path) -> None:
    path = csv(tmp_path, ["0", "1.0", "0", "1"] * 20)
    now = DataRequest((str(path),))
    stored = {name: value for name, value in now.to_json().items() if name != "label_form"}
    assert set(load_splits(DataRequest.from_json(stored)).labels("train")) == {"0", "1", "1.0"}
    assert set(load_splits(DataRequest.from_json(now.to_json())).labels("train")) == {"0", "1"}


def test_the_labels_of_a_run_decide_the_spelling(tmp_path: Path) -> None:
    path = csv(tmp_path, ["0.0", "1.0"] * 4)
    assert set(load_data([str(path)], task="classify", labels=["0", "1"]).labels("train")) == {"0", "1"}
    assert set(load_data([str(path)], task="classify").labels("train")) == {"0.0", "1.0"}


@pytest.mark.parametrize(("labels", "first"), [(["2,5", "5,0", "3,75"], "2.5"), (["46%", "50%", "7.5%"], "46")])
def test_scores_in_other_spellings(tmp_path: Path, labels: list[str], first: str) -> None:
    path = csv(tmp_path, labels * 10)
    loaded = load_data([str(path)])
    assert loaded.task == "regression"
    assert next(loaded.labels("train")) == first
    inspected = inspect_data(InspectRequest((str(path),)))
    assert inspected.task == "regression"
    assert inspected.audit.splits["train"].numbers is not None
    assert inspected.audit.splits["train"].numbers.count == 30


def test_a_score_that_is_none_is_named(tmp_path: Path) -> None:
    path = csv(tmp_path, [*(f"{i}.5" for i in range(20)), "N/A", "7.25"])
    with pytest.raises(DataError, match=r"t\.csv:22: the label 'N/A' is not a number.*nearly all others"):
        load_data([str(path)])
    found = inspect_data(InspectRequest((str(path),)))
    assert found.task == "regression"
    assert [finding.count for finding in found.audit.findings if finding.kind == "missing_label"] == [1]


def test_a_label_that_is_called_as_its_column() -> None:
    assert header_like(Counter({"pos": 30, "neg": 30, "label": 1})) == ["label"]
    assert header_like(Counter({"pos": 30, "score": 30})) == [], "a class"


def test_a_run_that_learnt_both_spellings_is_asked_for_both(tmp_path: Path) -> None:
    path = csv(tmp_path, ["0", "1.0", "1"] * 4)
    assert set(load_data([str(path)], task="classify", labels=["0", "1", "1.0"]).labels("train")) == {"0", "1", "1.0"}


@pytest.mark.parametrize(
    ("labels", "spelling", "read"),
    [
        (["0.5/5", "3/5", "4.5/5"], "unit", ["0.5", "3", "4.5"]),
        (["$ 4.5", "$ 3.25"], "unit", ["4.5", "3.25"]),
        (["4.5점", "3점"], "unit", ["4.5", "3"]),
        (["1.000,5", "3,5"], "comma", ["1000.5", "3.5"]),
        (["1,000.5", "900", "2,300"], "thousands", ["1000.5", "900", "2300"]),
        (["1점", "2점"], "as written", ["1점", "2점"]),
        (["3/5", "4/5"], "as written", ["3/5", "4/5"]),
        (["v1.0", "v1.5"], "as written", ["v1.0", "v1.5"]),
        (["4.5 out of 5 stars", "3.0 out of 5 stars"], "unit", ["4.5", "3.0"]),
        (["4.5 of 5", "3 of 5"], "unit", ["4.5", "3"]),
        (["3.5 / 5.0", "4.0 / 5.0"], "unit", ["3.5", "4.0"]),
        (["4 out of 5 stars", "3 out of 5 stars"], "as written", ["4 out of 5 stars", "3 out of 5 stars"]),
        ([f"{n},500원" for n in range(1, 12)], "unit", [f"{n}500" for n in range(1, 12)]),
        ([f"{n},250" for n in range(1, 12)] + ["640"], "thousands", [f"{n}250" for n in range(1, 12)] + ["640"]),
        (
            [f"{n},{n}00" for n in range(1, 10)] + ["1,200,000"],
            "thousands",
            [f"{n}{n}00" for n in range(1, 10)] + ["1200000"],
        ),
        (["1,200", "950"], "as written", ["1,200", "950"]),
        (["0,125", "1,375", "2"], "comma", ["0.125", "1.375", "2"]),
        (["1,125", "1,375", "1,250"], "comma", ["1.125", "1.375", "1.250"]),
        (["０．５", "１．５"], "digits", ["0.5", "1.5"]),
        (["−0.5", "0.5"], "digits", ["-0.5", "0.5"]),
        (["１", "２"], "as written", ["１", "２"]),
        (["1 200,5", "12\u202f000,25", "950,5", "3"], "spaced", ["1200.5", "12000.25", "950.5", "3"]),
        (["101 202", "303 404"], "as written", ["101 202", "303 404"]),
        (["1.5 stars", "2.5 points"], "as written", ["1.5 stars", "2.5 points"]),
    ],
)
def test_units_and_thousands(labels: list[str], spelling: str, read: list[str]) -> None:
    assert spelling_of(labels) == spelling
    assert [respelt(label, spelling) for label in labels] == read  # type: ignore[arg-type]
    assert are_scores(labels) == (spelling != "as written")


@pytest.mark.parametrize("label", ["None", "unlabeled", "#VALUE!", "미분류"])
def test_more_words_for_no_label(label: str) -> None:
    assert placeholders(Counter({"ham": 20, "spam": 20, label: 3})) == [label]
    assert placeholders(Counter({"ham": 20, "none": 20, "spam": 3})) == [], "a class may be called none"


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["1", "2", "3", "4", "9"], ["9"]),
        (["0", "1", "99"], ["99"]),
        (["1", "2", "-9", "-99"], ["-9", "-99"]),
        (["1.0", "2.0", "999.0"], ["999.0"]),
        (["1", "2", "3", "98", "99"], ["98", "99"]),
        (["1", "2", "3", "8"], []),
        ([str(number) for number in range(1, 10)], []),
        (["1", "2", "3", "4", "5", "6", "7", "9"], []),
        (["2", "4", "99"], []),
        (["1", "2", "other", "99"], []),
    ],
)
def test_codes_of_surveys_for_no_answer(labels: list[str], found: list[str]) -> None:
    assert sorted(placeholders(Counter(dict.fromkeys(labels, 5)))) == sorted(found)


@pytest.mark.parametrize(
    ("labels", "joined"),
    [
        (["joy", "anger", "joy+anger"], {"joy+anger": ["joy", "anger"]}),
        (["a", "b", "a / b"], {"a / b": ["a", "b"]}),
        (["2", "4", "2 4"], {"2 4": ["2", "4"]}),
        (["2", "4", "2,4"], {"2,4": ["2", "4"]}),
        (["good", "very", "very good"], {}),
        (["R&B", "pop"], {}),
        (["a", "a+a"], {}),
        (["calm", "sad", "calm and sad"], {"calm and sad": ["calm", "sad"]}),
        (["기쁨", "슬픔", "기쁨·슬픔"], {"기쁨·슬픔": ["기쁨", "슬픔"]}),
        (["wet", "cold", "wet#cold"], {"wet#cold": ["wet", "cold"]}),
        (["#wet", "#cold", "#wet #cold"], {"#wet #cold": ["#wet", "#cold"]}),
    ],
)
def test_labels_that_are_several_in_one(labels: list[str], joined: dict[str, list[str]]) -> None:
    assert joined_labels(labels) == joined


@pytest.mark.parametrize("labels", [["1", "+1", "0"], ["1", "１", "0"], ["1", "01", "0"], ["1", "1e0", "0"]])
def test_numbers_that_are_spelt_differently_are_named(tmp_path: Path, labels: list[str]) -> None:
    found = inspect_data(InspectRequest((str(csv(tmp_path, labels * 20)),))).audit.findings
    assert [finding.message for finding in found if finding.kind == "label_variants"]


def test_what_stands_for_a_missing_score_is_no_class(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the label '#DIV/0!' is not a number"):
        load_data([str(csv(tmp_path, ["0.5", "#DIV/0!", "1.5", "2.0", "2.5"] * 4))])


def test_amounts_are_no_sets_of_labels(tmp_path: Path) -> None:
    loaded = load_data([str(csv(tmp_path, [f"{place + 1},{place % 10}00원" for place in range(30)]))])
    assert loaded.task == "regression"
    assert [row.label for row in loaded.splits["train"]][:3] == ["1000", "2100", "3200"]
    assert any("without the unit" in note for note in loaded.notes)


def test_minus_one_is_a_missing_label_with_a_point_too() -> None:
    assert placeholders(Counter({"-1.0": 5, "0.0": 9, "1.0": 9, "2.0": 9})) == ["-1.0"]
    assert placeholders(Counter({"-1.0": 5, "0.0": 9, "1.0": 9})) == [], "negative, neutral and positive"


def test_what_is_not_seen_around_a_label_is_no_part_of_it(tmp_path: Path) -> None:
    path = csv(tmp_path, ["pos", "neg\u200b", "\ufeffpos", "neg\xa0"] * 3)
    assert set(load_data([str(path)]).labels("train")) == {"pos", "neg"}
    empty = csv(tmp_path, ["pos", "neg", "\u200b"], name="e.csv")
    with pytest.raises(DataError, match=r"e\.csv:4: label is empty"):
        load_data([str(empty)])


@pytest.mark.parametrize(
    "labels", [["yes", "yes.", "no"], ["yes", "'yes'", "no"], ["1", "True", "0"], ["예", "“예”", "아니요"]]
)
def test_more_spellings_of_one_label_are_named(tmp_path: Path, labels: list[str]) -> None:
    found = inspect_data(InspectRequest((str(csv(tmp_path, labels * 20)),))).audit.findings
    assert [finding.count for finding in found if finding.kind == "label_variants"] == [20]


def test_true_and_one_are_not_compared_where_only_one_of_them_is_there(tmp_path: Path) -> None:
    found = inspect_data(InspectRequest((str(csv(tmp_path, ["True", "False", "Maybe"] * 20)),))).audit.findings
    assert not [finding for finding in found if finding.kind == "label_variants"]


@pytest.mark.parametrize("listed", [False, True])
def test_an_object_that_names_a_label_is_no_set_of_flags(tmp_path: Path, listed: bool) -> None:
    labels = [{"id": i % 2, "name": "yes" if i % 2 else "no"} for i in range(9)]
    rows = [json.dumps({"text": f"row {i}", "label": [own] if listed else own}) for i, own in enumerate(labels)]
    (tmp_path / "t.jsonl").write_text("\n".join([*rows, ""]), encoding="utf-8")
    with pytest.raises(DataError, match=r"the label is an object of 'id', 'name' .*--columns label=label.name"):
        load_data([str(tmp_path / "t.jsonl")])
    named = load_data([str(tmp_path / "t.jsonl")], columns="label=label.name")
    assert [row.answer for row in named.splits["train"]] == [own["name"] for own in labels]


def test_many_whole_numbers_may_be_scores(tmp_path: Path) -> None:
    many = load_data([str(csv(tmp_path, [str(i) for i in range(30)]))]).notes
    assert any("whole numbers (30 different); if they are scores, --task regression" in note for note in many)
    few = load_data([str(csv(tmp_path, [str(i % 5) for i in range(30)]))]).notes
    assert not any("if they are scores" in note for note in few)


def test_a_rating_of_label_studio_is_its_number(tmp_path: Path) -> None:
    rows = [f'{{"text": "row {i}", "stars": [{{"rating": {i % 5 + 1}}}], "annotation_id": {i}}}' for i in range(9)]
    (tmp_path / "t.jsonl").write_text("\n".join([*rows, ""]), encoding="utf-8")
    assert set(load_data([str(tmp_path / "t.jsonl")]).labels("train")) == {"1", "2", "3", "4", "5"}
