"""Entities as annotation tools and programs write them, by file and by every way of reading."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bertkit.data.values import parse_list
from bertkit.errors import DataError
from bertkit.reporting.inspection import InspectRequest, inspect_data
from bertkit.tasks.rows import load_data, stream_data

TEXT = "Mira Kost moved to Aldby"
SPANS = [[0, 9, "PER"], [19, 24, "LOC"]]


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path: Path, names: list[str], rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def test_texts_without_entities_may_come_first(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"nothing here {i}", "label": []} for i in range(150)]
    path = jsonl(tmp_path / "doccano.jsonl", [*rows, {"text": TEXT, "label": SPANS}])
    loaded = load_data([str(path)])
    assert (loaded.task, loaded.splits["train"][-1].answer) == ("ner", SPANS)
    assert stream_data([str(path)]).task == "ner"


def test_lists_that_stay_empty_are_no_class(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"text": f"nothing here {i}", "label": []} for i in range(50)])
    with pytest.raises(DataError, match="label is"):
        load_data([str(path)])


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_label_studio_json_min(tmp_path: Path, form: str) -> None:
    spans = [{"start": s, "end": e, "text": TEXT[s:e], "labels": [label]} for s, e, label in SPANS]
    if form == "jsonl":
        rows = [{"text": TEXT, "label": spans, "annotation_id": 1}, {"text": "nothing here", "annotation_id": 2}]
        path = jsonl(tmp_path / "ls.jsonl", rows)
    else:
        path = table(
            tmp_path / "ls.csv",
            ["text", "label", "annotation_id"],
            [[TEXT, json.dumps(spans), "1"], ["nothing here", "", "2"]],
        )
    loaded = load_data([str(path)], task="ner")
    assert [row.answer for row in loaded.splits["train"]] == [SPANS, []]


def test_several_labels_of_one_entity_are_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"text": TEXT, "entities": [{"start": 0, "end": 4, "labels": ["A", "B"]}]}])
    with pytest.raises(DataError, match=r"t\.jsonl:1: entity 1 has several labels"):
        load_data([str(path)])


@pytest.mark.parametrize(
    ("tokens", "tags"),
    [
        ("['Mira', 'Kost', 'moved', \"Aldby's\"]", "['B-PER', 'I-PER', 'O', 'B-LOC']"),
        ("['Mira' 'Kost' 'moved' \"Aldby's\"]", "['B-PER' 'I-PER' 'O'\n 'B-LOC']"),
        ('["Mira", "Kost", "moved", "Aldby\'s"]', '["B-PER", "I-PER", "O", "B-LOC"]'),
    ],
)
def test_lists_in_the_spelling_of_python_and_numpy(tmp_path: Path, tokens: str, tags: str) -> None:
    path = table(tmp_path / "ner.csv", ["id", "tokens", "ner_tags"], [["0", tokens, tags]])
    loaded = load_data([str(path)])
    assert loaded.task == "ner"
    (row,) = loaded.splits["train"]
    assert row.texts == ("Mira Kost moved Aldby's",)
    assert row.answer == [[0, 9, "PER"], [16, 23, "LOC"]]


@pytest.mark.parametrize("spans", ["[(0, 9, 'PER'), (19, 24, 'LOC')]", "[{'start': 0, 'end': 9, 'label': 'PER'}]"])
def test_spans_in_the_spelling_of_python(tmp_path: Path, spans: str) -> None:
    path = table(tmp_path / "ner.csv", ["text", "entities"], [[TEXT, spans]])
    (row,) = load_data([str(path)]).splits["train"]
    assert SPANS[0] in (row.answer or [])  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["[urgent] call", "['a", "[a, b]", "[open('x')]", "['a' for x in y]", "[1 2 x]", "x ['a']", "[" * 500]
)
def test_texts_that_are_no_lists(text: str) -> None:
    assert parse_list(text) is None


def sentences(count: int, shift: tuple[int, int]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for i in range(count):
        spans = [[start + shift[0], end + shift[1], label] for start, end, label in SPANS]
        rows.append({"text": f"{TEXT} in {1900 + i} .", "entities": spans})
    return rows


@pytest.mark.parametrize(
    ("shift", "said"),
    [
        ((0, -1), "is their end the last character?"),
        ((1, 1), "positions start at 1?"),
        ((1, 0), "positions start at 1?"),
    ],
)
def test_places_that_are_counted_otherwise_are_named(tmp_path: Path, shift: tuple[int, int], said: str) -> None:
    path = jsonl(tmp_path / "t.jsonl", sentences(30, shift))
    warning = next(warning for warning in load_data([str(path)]).warnings if "letter of a word" in warning)
    assert said in warning
    assert f"{path}:1" in warning
    (finding,) = [f for f in inspect_data(InspectRequest((str(path),))).audit.findings if f.kind == "cut_entities"]
    assert finding.severity == "error"
    assert said in finding.message


EMOJI, KOREAN, ACCENTS = (
    f"\U0001f600\U0001f389 {TEXT} \U0001f680",
    "\U0001f600 가람은 도담시를 떠났다",
    f"Señor José: {TEXT}",
)


def counted_in(units: str, text: str, strings: list[str], *, shown: bool = False) -> dict[str, object]:
    """Write a row whose places count units of an encoding."""
    size = {"utf-16-le": 2, "utf-32-le": 4}.get(units, 1)
    spans = []
    for string in strings:
        start = text.index(string)
        places = [len(text[:place].encode(units)) // size for place in (start, start + len(string))]
        spans.append({"start": places[0], "end": places[1], "label": "X"} | ({"word": string} if shown else {}))
    return {"text": text, "entities": spans}


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize(
    ("units", "text", "strings", "said"),
    [
        ("utf-16-le", EMOJI, ["Mira Kost", "Aldby"], "UTF-16"),
        ("utf-16-le", KOREAN, ["가람", "도담시"], "UTF-16"),
        ("utf-16-le", TEXT, ["Mira Kost", "Aldby"], ""),
        ("utf-8", EMOJI, ["Mira Kost", "Aldby"], "bytes"),
        ("utf-8", KOREAN, ["가람", "도담시"], "bytes"),
        ("utf-8", ACCENTS, ["José", "Aldby"], "bytes"),
        ("utf-32-le", EMOJI, ["Mira Kost", "Aldby"], ""),
        ("utf-32-le", KOREAN, ["가람", "도담시"], ""),
        ("utf-32-le", ACCENTS, ["José", "ldby"], ""),
    ],
)
def test_places_that_count_units_of_an_encoding(
    tmp_path: Path, units: str, text: str, strings: list[str], said: str, *, shown: bool
) -> None:
    plain = counted_in(units, f"{TEXT}.", ["Mira Kost", "Aldby"], shown=shown)
    rows = [plain] * 20 + [counted_in(units, text, strings, shown=shown)] * 4
    path = jsonl(tmp_path / "t.jsonl", rows)
    loaded = load_data([str(path)], task="ner")
    row = loaded.splits["train"][-1]
    assert [row.texts[0][start:end] for start, end, _ in row.answer or ()] == strings  # type: ignore[attr-defined]
    warnings = [warning for warning in loaded.warnings if "entity positions" in warning]
    assert len(warnings) == bool(said)
    assert all(said in warning and f"4 rows count {said}" in warning for warning in warnings)
    assert all(f"{path}:21" in warning for warning in warnings)


def test_a_few_entities_that_cut_words_are_not_recounted(tmp_path: Path) -> None:
    rows = [counted_in("utf-32-le", EMOJI, ["ira", "ldb"])] * 20 + [counted_in("utf-32-le", EMOJI, ["Mira", "Aldby"])]
    path = jsonl(tmp_path / "t.jsonl", rows)
    loaded = load_data([str(path)], task="ner")
    assert loaded.splits["train"][0].answer == [[4, 7, "X"], [23, 26, "X"]]


def test_entities_of_whole_words_and_korean_particles_are_no_fault(tmp_path: Path) -> None:
    korean = [{"text": f"가람은 {i}월에 도담시를 떠났다", "entities": [[0, 2, "PER"]]} for i in range(30)]
    for rows in (sentences(30, (0, 0)), korean):
        path = jsonl(tmp_path / "t.jsonl", rows)  # type: ignore[arg-type]
        assert not [w for w in load_data([str(path)]).warnings if "letter of a word" in w]


def test_spaces_at_the_edges_are_called_so(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"text": TEXT, "entities": [[0, 10, "PER"]]}] * 3)
    assert any("spaces at their edges" in warning for warning in load_data([str(path)]).warnings)
    (finding,) = [f for f in inspect_data(InspectRequest((str(path),))).audit.findings if f.kind == "bad_tags"]
    assert "spaces at their edges" in finding.message
