"""Texts with two marked entities as users have them: where the marks come from, and what is refused with its line."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from bertkit.data.records import MarkedSpan, around, bare, mark, unmark
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data

TEXT = "Blue Mill founded Arl in 1902."
MARKED = "<subj> ORG | Blue Mill </subj> founded <obj> ORG | Arl </obj> in 1902."
UNTYPED = "<subj> Blue Mill </subj> founded <obj> Arl </obj> in 1902."


def entity(word: str, start: int, kind: str = "") -> dict[str, Any]:
    """An entity as KLUE-RE has it, its end inclusive."""
    return {"word": word, "start_idx": start, "end_idx": start + len(word) - 1, **({"type": kind} if kind else {})}


def klue(text: str = TEXT, **more: Any) -> dict[str, Any]:
    return {
        "guid": "x", "sentence": text, "subject_entity": entity("Blue Mill", 0, "ORG"),
        "object_entity": entity("Arl", 18, "ORG"), "label": "org:founded_by", "source": "s", **more,
    }  # fmt: skip


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def marked(path: Path, task: str = "auto", **more: Any) -> list[str]:
    loaded = load_data([str(path)], task=task, **more)
    assert loaded.task == "relation"
    return [row.texts[0] for row in loaded.splits["train"]]


FORMS: dict[str, tuple[str, str]] = {
    "words and places": (
        "text,subject,subject_start,subject_type,object,object_start,object_type,relation\n"
        f"{TEXT},Blue Mill,0,ORG,Arl,18,ORG,a\n",
        MARKED,
    ),
    "words alone": (f"sentence,head,tail,label\n{TEXT},Blue Mill,Arl,a\n", UNTYPED),
    "places alone": (f'sentence,e1,e2,label\n{TEXT},"[0, 9]","[18, 21]",a\n', UNTYPED),
    "places in columns": (
        f"sentence,subject,subject_start,subject_end,object,object_start,object_end,label\n{TEXT},,0,9,,18,21,a\n",
        UNTYPED,
    ),
    "marks": ("sentence,label\n<e1>Blue Mill</e1> founded <e2>Arl</e2> in 1902.,a\n", UNTYPED),
    "other marks": ("sentence,label\n[subj]Blue Mill[/subj] founded [obj]Arl[/obj] in 1902.,a\n", UNTYPED),
}  # fmt: skip


def test_klue_re_is_read_and_told(tmp_path: Path) -> None:
    path = written(tmp_path / "klue-re-v1.1_train.json", [klue(), klue(label="no_relation")])
    assert marked(path) == [MARKED, MARKED]


@pytest.mark.parametrize("form", FORMS)
def test_plain_tables_are_read(tmp_path: Path, form: str) -> None:
    content, wanted = FORMS[form]
    (tmp_path / "rows.csv").write_text(content, encoding="utf-8")
    assert marked(tmp_path / "rows.csv", "relation") == [wanted]
    assert marked(tmp_path / "rows.csv") == [wanted]


def test_tokens_of_tacred_are_read(tmp_path: Path) -> None:
    row = {
        "token": TEXT[:-1].split(), "subj_start": 0, "subj_end": 1, "obj_start": 3, "obj_end": 3, "subj_type": "ORG",
        "obj_type": "ORG", "relation": "org:founded_by",
    }  # fmt: skip
    assert marked(written(tmp_path / "train.json", [row, row])) == [MARKED[:-1]] * 2


def test_columns_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(f"a,b,c,d\n{TEXT},Blue Mill,Arl,x\n", encoding="utf-8")
    assert marked(tmp_path / "rows.csv", columns="text=a,spans=b+c,label=d") == [UNTYPED]
    with pytest.raises(DataError, match="no column 'q'"):
        marked(tmp_path / "rows.csv", columns="text=a,spans=b+q,label=d")


def test_decomposed_korean_has_its_places_either_way(tmp_path: Path) -> None:
    text = "한결제약은 수원에 있다."
    composed = {
        "sentence": text,
        "subject_entity": entity("한결제약", 0),
        "object_entity": entity("수원", 6),
        "label": "a",
    }
    nfd = unicodedata.normalize("NFD", text)
    as_written = {
        "sentence": nfd, "subject_entity": entity(unicodedata.normalize("NFD", "한결제약"), 0),
        "object_entity": entity(unicodedata.normalize("NFD", "수원"), nfd.index(unicodedata.normalize("NFD", "수원"))),
        "label": "a",
    }  # fmt: skip
    counted_composed = {**composed, "sentence": nfd}
    rows = marked(written(tmp_path / "a.json", [composed, as_written, counted_composed]))
    assert {unicodedata.normalize("NFC", row) for row in rows} == {
        "<subj> 한결제약 </subj>은 <obj> 수원 </obj>에 있다."
    }
    assert bare(rows[1]) == nfd


FAULTS = [
    ({"subject_entity": entity("Blue Mill", 3)}, "is not at character 3 of the text, where 'e Mill fo' stands"),
    ({"object_entity": entity("Bren", 18)}, "'Bren' is not in the text"),
    ({"object_entity": {"start_idx": 18, "end_idx": 90}}, "characters 18 to 91 are outside the text, or hold only sp"),
    ({"object_entity": {"type": "ORG"}}, "there is neither a word nor a place"),
    ({"label": ""}, "label is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), FAULTS)
def test_an_entity_that_is_not_where_it_should_be_is_named_with_its_line(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in (klue(), klue(), klue(**change)))
    (tmp_path / "rows.jsonl").write_text(lines, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        marked(tmp_path / "rows.jsonl")
    assert "rows.jsonl:3" in str(caught.value)
    assert said in str(caught.value)


def test_text_without_marks_is_told_how_to_mark(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(f"text,label\n{TEXT},a\n", encoding="utf-8")
    with pytest.raises(DataError, match="<e1>"):
        marked(tmp_path / "rows.csv", "relation")


def test_other_tables_are_not_taken_for_relations(tmp_path: Path) -> None:
    (tmp_path / "mail.csv").write_text(
        "subject,object,text,label\nHello,x,see you,a\nBye,y,never,b\n", encoding="utf-8"
    )
    assert load_data([str(tmp_path / "mail.csv")]).task == "classify"


def test_markers_that_a_text_spells_are_text() -> None:
    found = mark("<subj> a <obj> b", MarkedSpan(7, 8), MarkedSpan(15, 16))
    assert found == "(subj> <subj> a </subj> (obj> <obj> b </obj>"
    assert unmark(found).words == ("a", "b")


@pytest.mark.parametrize(
    ("subject", "object_"), [((0, 9), (5, 9)), ((5, 9), (0, 9)), ((0, 6), (5, 9)), ((0, 4), (0, 4))]
)
def test_entities_may_overlap(subject: tuple[int, int], object_: tuple[int, int]) -> None:
    found = mark(TEXT, MarkedSpan(*subject), MarkedSpan(*object_))
    assert bare(found) == TEXT
    assert sorted(found.count(name) for name in ("<subj>", "</subj>", "<obj>", "</obj>")) == [1, 1, 1, 1]


def test_a_long_text_is_cut_around_its_entities() -> None:
    long = mark(f"{'x ' * 50}{TEXT}{' y' * 50}", MarkedSpan(100, 109), MarkedSpan(118, 121))
    assert around(long, 2) == "x <subj> Blue Mill </subj> founded <obj> Arl </obj> i"


def test_whatever_stands_there_is_read_or_named(tmp_path: Path) -> None:
    """Damaged objects, places and texts give rows or sentences, never a defect."""
    rng = random.Random(0)
    strange: list[Any] = [
        None, "", " ", "Arl", "<subj>", "\u1112", -1, 0, 3, 10**30, 1.5, True, [], [0, 3], [3, 0], [0, "x"], {},
        {"word": None},
        {"word": 3, "start_idx": 0}, {"word": "Arl", "start_idx": -4}, {"start_idx": 0, "end_idx": 10**25},
        {"start": "0", "end": "3"}, {"text": "Arl", "start": 18.0}, {"type": "<obj> |", "word": "Arl"}, [[0, 3]],
    ]  # fmt: skip
    for number in range(60):
        rows = [klue()]
        for _ in range(6):
            row = klue()
            for name in rng.sample(sorted(row), 2):
                row[name] = rng.choice(strange)
            rows.append(row)
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        try:
            found = load_data([str(path)], task="relation", need_label=False, skip_bad=True).splits["train"]
        except DataError:
            continue
        for example in found:
            assert example.texts[0]
            unmark(example.texts[0])
