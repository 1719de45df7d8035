"""Forms of research corpora and of bots, by file and through a pipe: learnt as what they are, or refused."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bertkit.data.columns import Keep
from bertkit.data.formats.opened import kept_on_disk
from bertkit.data.records import BadRow, ColumnMap, Example
from bertkit.data.streaming import open_texts
from bertkit.errors import DataError
from bertkit.evaluation.inputs import open_inputs
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.rows import load_data, stream_data

Piped = Callable[[str, TaskSettings], list[Example | BadRow]]
QUESTIONS = TaskSettings("qa", ColumnMap(("question",), "context", "answers"))
PLACES = ("subj_start", "subj_end", "obj_start", "obj_end")
TOKENS = TaskSettings("relation", ColumnMap(("tokens",), None, "relation", spans=PLACES))
ENTITIES = TaskSettings("ner", ColumnMap(("text",), None, "entities"))
CLASSES = TaskSettings("classify", ColumnMap(("text",), None, "label"))


def saved(path: Path, value: Any) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def rows_of(path: Path, task: str = "auto") -> tuple[str, list[tuple[tuple[str, ...], object]]]:
    loaded = load_data([str(path)], task=task)
    streamed = stream_data([str(path)], task=task)
    assert streamed.task == loaded.task
    assert [row.texts for row in streamed.splits["train"]] == [row.texts for row in loaded.splits["train"]]
    return loaded.task, [(row.texts, row.answer) for row in loaded.splits["train"]]


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Piped:
    """Read what comes through standard input as `predict` does."""

    def rows(written: str, settings: TaskSettings) -> list[Example | BadRow]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(written.encode())))
        return list(open_inputs("-", settings, input_format="auto", columns=None).rows)

    return rows


def texts_of(rows: list[Example | BadRow]) -> list[tuple[str, ...]]:
    assert all(isinstance(row, Example) for row in rows), rows
    return [row.texts for row in rows if isinstance(row, Example)]


# --- AI Hub, DROP ---------------------------------------------------------------------------------

FELT = {
    "profile": {"persona-id": "P1", "emotion": {"emotion-id": "S1_D1_E18", "type": "E18"}},
    "talk": {"id": {"talk-id": "1"}, "content": {"HS01": "늦었어.", "SS01": "왜요?", "HS02": "비가 왔어.", "HS03": ""}},
}
NAMED = {
    "title": [{"sentence": "아를 소식", "labels": [{"label": "LC", "begin": 0, "end": 2}]}],
    "subtitle": [],
    "content": [
        {"sentence": "비가 왔다", "labels": []},
        {"sentence": "아를은 춥다", "labels": [{"label": "LC", "begin": 0, "end": 2}]},
    ],
}
NAMES = [
    ((text,), answer)
    for text, answer in (("아를 소식", [[0, 2, "LC"]]), ("비가 왔다", []), ("아를은 춥다", [[0, 2, "LC"]]))
]


@pytest.mark.parametrize("indent", [None, 1])
def test_dialogues_with_an_emotion(tmp_path: Path, indent: int | None, piped: Piped) -> None:
    written = json.dumps([FELT, FELT], indent=indent, ensure_ascii=False) + "\n"
    task, rows = rows_of(path := saved(tmp_path / "a.json", written))
    assert (task, rows) == ("classify", [(("늦었어.\n비가 왔어.",), "E18")] * 2)
    assert any("what the system says (SS01, …)" in note for note in load_data([str(path)]).notes)
    assert texts_of(piped(written, CLASSES)) == [("늦었어.\n비가 왔어.",)] * 2


def test_a_file_of_one_dialogue_is_one_row(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.json", json.dumps(FELT, ensure_ascii=False))
    assert rows_of(path) == ("classify", [(("늦었어.\n비가 왔어.",), "E18")])


@pytest.mark.parametrize("indent", [None, 1])
def test_title_and_content_of_a_document_are_sentences(tmp_path: Path, indent: int | None, piped: Piped) -> None:
    written = (
        json.dumps({"data_info": {"title": "t"}, "named_entity": [NAMED]}, indent=indent, ensure_ascii=False) + "\n"
    )
    assert rows_of(saved(tmp_path / "a.json", written)) == ("ner", NAMES)
    assert texts_of(piped(written, ENTITIES)) == [texts for texts, _ in NAMES]


def test_questions_of_drop(tmp_path: Path) -> None:
    answers = [{"spans": ["Arl"]}, {"number": "9", "spans": []}, {"date": {"day": "", "month": "May", "year": "1902"}}]
    asked = [{"question": f"Q{i}?", "query_id": f"{i}", "answer": answer} for i, answer in enumerate(answers)]
    row = {"passage": "Arl won by 9.", "qa_pairs": asked, "wiki_url": "x"}
    path = saved(tmp_path / "drop.json", dict.fromkeys(("h_1", "h_2"), row))
    loaded = load_data([str(path)])
    assert loaded.task == "qa"
    assert [row.texts for row in loaded.splits["train"]] == [(f"Q{i}?", "Arl won by 9.") for i in (0, 1) * 2]
    assert [row.answer for row in loaded.splits["train"]][:2] == [["Arl"], ["9"]]


# --- Relations ------------------------------------------------------------------------------------

FEW = {
    "P17": [
        {"tokens": ["Arl", "lies", "in", "Old", "Quay"], "h": ["arl", "Q1", [[0]]], "t": ["old quay", "Q2", [[3, 4]]]},
        {"tokens": ["Bo", "of", "Arl", "and", "Bo"], "h": ["bo", "Q3", [[0], [4]]], "t": ["arl", "Q1", [[2]]]},
    ],
    "P19": [{"tokens": ["Mira", "from", "Arl"], "h": ["mira", "Q4", [[0]]], "t": ["arl", "Q1", [[2]]]}],
}
FEW_TEXTS = [
    "<subj> Arl </subj> lies in <obj> Old Quay </obj>",
    "<subj> Bo </subj> of <obj> Arl </obj> and Bo",
    "<subj> Mira </subj> from <obj> Arl </obj>",
]


@pytest.mark.parametrize("indent", [None, 1])
def test_rows_listed_by_their_relation(tmp_path: Path, indent: int | None, piped: Piped) -> None:
    written = json.dumps(FEW, indent=indent) + "\n"
    task, rows = rows_of(saved(tmp_path / "few.json", written))
    assert task == "relation"
    assert rows == [((text,), name) for text, name in zip(FEW_TEXTS, ("P17", "P17", "P19"), strict=True)]
    assert texts_of(piped(written, TOKENS)) == [(text,) for text in FEW_TEXTS]
    assert texts_of(piped(json.dumps(FEW["P17"]) + "\n", TOKENS)) == [(text,) for text in FEW_TEXTS[:2]]


def test_a_head_and_a_tail_with_their_places(tmp_path: Path) -> None:
    ends = {"h": {"name": "Arl", "id": "Q1", "pos": [4, 7]}, "t": {"name": "Old Quay", "id": "Q2", "pos": [16, 24]}}
    row = {"text": "The Arl lies in Old Quay.", "relation": "P17", **ends}
    wanted = "The <subj> Arl </subj> lies in <obj> Old Quay </obj>."
    assert rows_of(saved(tmp_path / "a.txt", row)) == ("relation", [((wanted,), "P17")])
    ends = {"h": {"name": "arl", "pos": [1, 2]}, "t": {"name": "old quay", "pos": [4, 6]}}
    row = {"token": ["The", "Arl", "lies", "in", "Old", "Quay"], "relation": "P17", **ends}
    wanted = "The <subj> Arl </subj> lies in <obj> Old Quay </obj>"
    assert rows_of(saved(tmp_path / "b.txt", row)) == ("relation", [((wanted,), "P17")])


def test_rows_of_relations_as_they_stand_on_the_hub(tmp_path: Path) -> None:
    ends = [{"text": end[0], "type": end[1], "indices": end[2]} for end in (FEW["P17"][0]["h"], FEW["P17"][0]["t"])]
    row = {"relation": "P17", "tokens": FEW["P17"][0]["tokens"], "head": ends[0], "tail": ends[1], "names": ["a", "b"]}
    assert rows_of(saved(tmp_path / "a.jsonl", row)) == ("relation", [((FEW_TEXTS[0],), "P17")])


@pytest.mark.parametrize("key", ["h", "t", "tokens"])
def test_a_fault_in_the_first_row_makes_no_other_table_of_it(tmp_path: Path, key: str) -> None:
    faulty = {"P17": [FEW["P17"][0] | {key: None}, FEW["P17"][1]], "P19": FEW["P19"]}
    path = saved(tmp_path / "a.json", faulty)
    with pytest.raises(DataError, match=r"a\.json:1: "):
        load_data([str(path)])
    kept = load_data([str(path)], skip_bad=True)
    assert (kept.task, [row.texts for row in kept.splits["train"]]) == ("relation", [(text,) for text in FEW_TEXTS[1:]])


DOCUMENT = {
    "title": "Arl",
    "sents": [["Arl", "is", "a", "town", "."], ["Bo", "left", "Arl", "in", "May", "."]],
    "vertexSet": [
        [
            {"name": "Arl", "pos": [0, 1], "sent_id": 0, "type": "LOC"},
            {"name": "Arl", "pos": [2, 3], "sent_id": 1, "type": "LOC"},
        ],
        [{"name": "Bo", "pos": [0, 1], "sent_id": 1, "type": "PER"}],
        [{"name": "May", "pos": [4, 5], "sent_id": 1, "type": "TIME"}],
    ],
}
BO_AND_ARL = "Arl is a town . <subj> PER | Bo </subj> left <obj> LOC | Arl </obj> in May ."


def test_related_entities_of_a_document(tmp_path: Path, piped: Piped) -> None:
    labels = [{"h": 1, "t": 0, "r": "P27", "evidence": [1]}, {"h": 0, "t": 2, "r": "P585", "evidence": [1]}]
    path = saved(tmp_path / "train.json", [DOCUMENT | {"labels": labels}])
    task, rows = rows_of(path)
    assert (task, rows[0]) == ("relation", ((BO_AND_ARL,), "P27"))
    assert [label for _, label in rows] == ["P27", "P585"]
    assert "<subj> LOC | Arl </subj> in <obj> TIME | May </obj>" in rows[1][0][0]
    said = load_data([str(path)]).notes
    assert any("left out: pairs of a document's entities of which no relation is told" in note for note in said)
    # Of a document that nobody annotated each pair is asked.
    found = texts_of(piped(json.dumps([DOCUMENT]) + "\n", TOKENS))
    assert len(found) == 6
    assert (BO_AND_ARL,) in found


NUMBERED = """1\t"The <e1>burst</e1> came from <e2>pressure</e2>."
Cause-Effect(e2,e1)
Comment: a remark
that goes on

2\t"A <e1>cup</e1> near the <e2>lamp</e2>"
Other
Comment:
"""


def test_numbered_sentences_with_their_relation_below(tmp_path: Path, piped: Piped) -> None:
    path = saved(tmp_path / "TRAIN_FILE.TXT", NUMBERED)
    marked = (
        "The <subj> burst </subj> came from <obj> pressure </obj>.",
        "A <subj> cup </subj> near the <obj> lamp </obj>",
    )
    assert rows_of(path) == ("relation", [((marked[0],), "Cause-Effect(e2,e1)"), ((marked[1],), "Other")])
    assert rows_of(path, "relation") == rows_of(path)
    bare = "\n".join(line for line in NUMBERED.splitlines() if line[:1].isdigit()) + "\n"
    settings = TaskSettings("relation", ColumnMap(("sentence",), None, "relation"))
    assert texts_of(piped(NUMBERED, settings)) == [(text,) for text in marked]
    assert texts_of(piped(bare, settings)) == [(text,) for text in marked]
    assert list(open_texts(str(path)).texts)[1] == "A <e1>cup</e1> near the <e2>lamp</e2>"


def test_a_sentence_without_its_marks_is_a_fault_of_its_line(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.txt", NUMBERED + '\n3\t"No marks here."\nOther\nComment:\n')
    with pytest.raises(
        DataError, match=r"a\.txt:10: .* is neither a numbered sentence with <e1> and <e2> nor a relation"
    ):
        load_data([str(path)])
    assert len(load_data([str(path)], skip_bad=True).splits["train"]) == 2
    first = saved(tmp_path / "b.txt", '3\t"No marks here."\nOther\nComment:\n\n' + NUMBERED)
    assert [row.line for row in load_data([str(first)], skip_bad=True).splits["train"]] == [5, 10]


# --- Questions about a text -----------------------------------------------------------------------

STORY = "Ana has a North wind. She is nine, and her hat is Blue."
TALK = {
    "id": "s1",
    "source": "invented",
    "story": STORY,
    "questions": [
        {"input_text": text, "turn_id": n}
        for n, text in enumerate(("Which hat?", "Is she old?", "How many years?", "Who else?"), start=1)
    ],
    "answers": [
        {"input_text": "blue", "span_text": "her hat is Blue", "span_start": 39, "span_end": 54, "turn_id": 1},
        {"input_text": "No", "span_text": "Ana has a North", "span_start": 0, "span_end": 15, "turn_id": 2},
        {"input_text": "9", "span_text": "She is nine", "span_start": 22, "span_end": 33, "turn_id": 3},
        {"input_text": "unknown", "span_text": "unknown", "span_start": -1, "span_end": -1, "turn_id": 4},
    ],
}


def test_questions_of_a_conversation_about_a_story(tmp_path: Path, piped: Piped) -> None:
    whole = {"version": "1.0", "data": [TALK]}
    path = saved(tmp_path / "coqa.json", whole)
    assert rows_of(path) == ("qa", [(("Which hat?", STORY), ["Blue"]), (("Who else?", STORY), [])])
    (first, _) = load_data([str(path)]).splits["train"]
    assert STORY[slice(*first.places[0])] == "Blue"  # type: ignore[attr-defined]
    notes = " ".join(load_data([str(path)]).notes)
    assert "its answer is not a stretch of the text, as yes and no are not (2)" in notes
    assert "what was asked and answered before each question" in notes
    assert [question for question, _ in texts_of(piped(json.dumps(whole) + "\n", QUESTIONS))] == [
        question["input_text"]
        for question in TALK["questions"]  # type: ignore[index]
    ]


def test_a_conversation_as_it_stands_on_the_hub(tmp_path: Path) -> None:
    answers = {"input_text": ["blue", "no"], "answer_start": [39, 0], "answer_end": [54, 15]}
    row = {"source": "x", "story": STORY, "questions": ["Which hat?", "Is she old?"], "answers": answers}
    assert rows_of(saved(tmp_path / "a.jsonl", row)) == ("qa", [(("Which hat?", STORY), ["Blue"])])


def test_other_answers_to_the_same_question_count(tmp_path: Path) -> None:
    more = {"0": [{**TALK["answers"][0], "input_text": "hat"}, *TALK["answers"][1:]]}  # type: ignore[index,dict-item]
    assert rows_of(saved(tmp_path / "a.json", [TALK | {"additional_answers": more}]))[1][0][1] == ["Blue", "hat"]


def hop(question: str, answer: str | None, **more: Any) -> dict[str, Any]:
    context = [
        ["Arl", ["Arl is a town.", " It opened in 1902."]],
        ["Bo", ["Bo left in 1902.", " Bo came to the north."]],
    ]
    own = {} if answer is None else {"answer": answer}
    return {"_id": question, **own, "question": question, "supporting_facts": [["Bo", 0]], "context": context, **more}


HOPS = "Arl\nArl is a town. It opened in 1902.\nBo\nBo left in 1902. Bo came to the north."


def test_a_question_of_several_paragraphs(tmp_path: Path, piped: Piped) -> None:
    path = saved(tmp_path / "hotpot.json", [hop("When did Bo leave?", "1902"), hop("Is Arl south?", "no")])
    loaded = load_data([str(path)])
    (row,) = loaded.splits["train"]
    assert (loaded.task, row.texts, row.answer) == ("qa", ("When did Bo leave?", HOPS), ["1902"])
    # Of two places that in the sentence which the answer follows from.
    assert row.places == ((HOPS.rindex("1902"), HOPS.rindex("1902") + 4),)  # type: ignore[attr-defined]
    assert any("not a stretch of the text, as yes and no are not (1)" in note for note in loaded.notes)
    asked = json.dumps([hop("Is Arl south?", "no"), hop("Who?", None)]) + "\n"
    assert texts_of(piped(asked, QUESTIONS)) == [("Is Arl south?", HOPS), ("Who?", HOPS)]


def test_paragraphs_as_they_stand_on_the_hub(tmp_path: Path) -> None:
    titles, sentences = ["Arl", "Bo"], [["Arl is a town.", " It opened in 1902."], ["Bo left in 1902."]]
    of_hub = {
        "context": {"title": titles, "sentences": sentences},
        "supporting_facts": {"title": ["Bo"], "sent_id": [0]},
    }
    text = "Arl\nArl is a town. It opened in 1902.\nBo\nBo left in 1902."
    assert rows_of(saved(tmp_path / "a.jsonl", hop("When?", "1902", **of_hub))) == ("qa", [(("When?", text), ["1902"])])


def test_paragraphs_that_say_what_follows_from_them(tmp_path: Path, piped: Piped) -> None:
    texts = {"Arl": "Arl is a town. It opened in 1902.", "Bo": "Bo left in 1902. Bo came to the north."}
    paragraphs = [
        {"idx": n, "title": title, "paragraph_text": text, "is_supporting": title == "Bo"}
        for n, (title, text) in enumerate(texts.items())
    ]
    row = {"id": "1", "paragraphs": paragraphs, "question": "When?", "answer": "1902", "answerable": True}
    rows = [row, row | {"question": "Who else?", "answer": "Ana", "answerable": False}]
    path = saved(tmp_path / "a.jsonl", "".join(json.dumps(own) + "\n" for own in rows))
    (first, second) = load_data([str(path)]).splits["train"]
    assert (first.texts, first.answer) == (("When?", HOPS), ["1902"])
    assert first.places == ((HOPS.rindex("1902"), HOPS.rindex("1902") + 4),)  # type: ignore[attr-defined]
    assert (second.texts, second.answer) == (("Who else?", HOPS), [])
    assert texts_of(piped(json.dumps(row) + "\n", QUESTIONS)) == [("When?", HOPS)]


def test_a_context_that_is_a_list_is_read_as_its_texts(tmp_path: Path) -> None:
    row = {"question": "When?", "context": ["Arl opened.", "It was 1902."], "answer": "1902"}
    assert rows_of(saved(tmp_path / "a.jsonl", row)) == ("qa", [(("When?", "Arl opened. It was 1902."), ["1902"])])


# --- Entities, and intents ------------------------------------------------------------------------

TITLE, ABSTRACT = "Of arin.", "It eased pain."


def noted(kind: str, text: str, offset: int) -> dict[str, Any]:
    return {"id": "1", "infons": {"type": kind}, "text": text, "locations": [{"offset": offset, "length": len(text)}]}


PASSAGES = [
    {"offset": 0, "infons": {"type": "title"}, "text": TITLE, "annotations": [noted("Chemical", "arin", 3)]},
    {"offset": 9, "infons": {}, "text": ABSTRACT, "annotations": [noted("Disease", "pain", 18)]},
]
BIOC = {"source": "invented", "documents": [{"id": "7", "infons": {}, "passages": PASSAGES}]}
BIOC_XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>invented</source><date>2026</date><key>k</key>
<document><id>7</id>
<passage><infon key="type">title</infon><offset>0</offset><text>{TITLE}</text>
<annotation id="1"><infon key="type">Chemical</infon><infon key="identifier">x</infon><location offset="3" length="4"/>
<text>arin</text></annotation></passage>
<passage><offset>9</offset><text>{ABSTRACT}</text>
<annotation id="2"><infon key="type">Disease</infon><location offset="18" length="4"/><text>pain</text></annotation>
</passage>
</document>
</collection>
"""


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(BIOC) + "\n",
        json.dumps(BIOC, indent=2),
        json.dumps([BIOC]) + "\n",
        json.dumps({"Found": BIOC["documents"]}) + "\n",
        BIOC_XML,
    ],
)
def test_passages_with_annotations(tmp_path: Path, written: str, piped: Piped) -> None:
    wanted = [((TITLE,), [[3, 7, "Chemical"]]), ((ABSTRACT,), [[9, 13, "Disease"]])]
    path = saved(tmp_path / ("a.xml" if written.startswith("<") else "a.json"), written)
    assert rows_of(path) == ("ner", wanted)
    assert rows_of(path, "ner") == ("ner", wanted)
    assert texts_of(piped(written, ENTITIES)) == [(TITLE,), (ABSTRACT,)]


def test_an_annotation_in_pieces_is_a_fault_that_prediction_does_not_ask_about(tmp_path: Path, piped: Piped) -> None:
    broken = json.loads(json.dumps(BIOC))
    broken["documents"][0]["passages"][1]["annotations"][0]["locations"] = [
        {"offset": 12, "length": 2}, {"offset": 18, "length": 4},
    ]  # fmt: skip
    path = saved(tmp_path / "a.json", broken)
    with pytest.raises(DataError, match=r"a\.json:1: entity 1 \(Disease\) is in several pieces, and an entity has one"):
        load_data([str(path)])
    assert [row.texts for row in load_data([str(path)], skip_bad=True).splits["train"]] == [(TITLE,)]
    assert texts_of(piped(json.dumps(broken) + "\n", ENTITIES)) == [(TITLE,), (ABSTRACT,)]


def test_annotations_of_sentences_count_in_the_document(tmp_path: Path) -> None:
    sentences = [
        {"offset": 20, "text": "Arin works.", "annotations": [
            {"infons": {"type": "Chemical"}, "text": "Arin", "locations": [{"offset": 20, "length": 4}]}]},
        {"offset": 32, "text": "No harm.", "annotations": []},
    ]  # fmt: skip
    row = {"id": "7", "passages": [{"offset": 20, "infons": {}, "sentences": sentences}]}
    wanted = [(("Arin works.",), [[0, 4, "Chemical"]]), (("No harm.",), [])]
    assert rows_of(saved(tmp_path / "a.jsonl", row)) == ("ner", wanted)


def test_annotations_of_a_document_go_to_their_passages(tmp_path: Path) -> None:
    bare = [{**passage, "annotations": []} for passage in PASSAGES]
    row = {"id": "7", "passages": bare, "annotations": [noted("Disease", "pain", 18), noted("Chemical", "arin", 3)]}
    row["relations"] = [{"id": "R1", "nodes": [{"refid": "1", "role": "x"}]}]
    wanted = [((TITLE,), [[3, 7, "Chemical"]]), ((ABSTRACT,), [[9, 13, "Disease"]])]
    assert rows_of(saved(tmp_path / "a.jsonl", row)) == ("ner", wanted)
    notes = load_data([str(tmp_path / "a.jsonl")]).notes
    assert any("entities are read, and the relations in 'relations' are not" in note for note in notes)


SAID = [
    {"text": "fly to arl", "intent": "Book", "entities": [{"entity": "Place::To", "startPos": 7, "endPos": 9}]},
    {"text": "hello", "intent": "Greet", "entities": []},
]
LUIS = {
    "luis_schema_version": "7.0.0", "name": "bot", "culture": "en-us", "intents": [{"name": "Book"}, {"name": "Greet"}],
    "entities": [{"name": "Place", "roles": ["To"]}], "patterns": [{"pattern": "fly to {Place}", "intent": "Book"}],
    "utterances": SAID,
}  # fmt: skip
CLU = {
    "projectFileVersion": "2022-05-01",
    "assets": {
        "projectKind": "Conversation",
        "intents": [{"category": "Book"}, {"category": "Greet"}],
        "entities": [{"category": "Place::To"}],
        "utterances": [
            {"text": "fly to arl", "intent": "Book", "entities": [{"category": "Place::To", "offset": 7, "length": 3}]},
            {"text": "hello", "intent": "Greet", "entities": []},
        ],
    },
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("export", [LUIS, CLU, SAID])
def test_utterances_have_intents_and_entities_where_they_are_asked_for(
    tmp_path: Path, export: Any, indent: int | None, piped: Piped
) -> None:
    written = json.dumps(export, indent=indent) + "\n"
    path = saved(tmp_path / "bot.json", written)
    assert rows_of(path) == ("classify", [(("fly to arl",), "Book"), (("hello",), "Greet")])
    assert any(
        "the entities in 'entities' are not read (--task ner does)" in note for note in load_data([str(path)]).notes
    )
    assert rows_of(path, "ner") == ("ner", [(("fly to arl",), [[7, 10, "Place::To"]]), (("hello",), [])])
    assert texts_of(piped(written, CLASSES)) == [("fly to arl",), ("hello",)]


def test_older_names_of_luis(tmp_path: Path) -> None:
    labels = [{"entityName": "Place", "startCharIndex": 7, "endCharIndex": 9}]
    path = saved(tmp_path / "a.jsonl", {"text": "fly to arl", "intentName": "Book", "entityLabels": labels})
    assert rows_of(path) == ("classify", [(("fly to arl",), "Book")])
    assert rows_of(path, "ner")[1] == [(("fly to arl",), [[7, 10, "Place"]])]


def test_words_that_nobody_can_count_are_no_places(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.json", LUIS | {"luis_schema_version": "1.3.0"})
    assert rows_of(path)[0] == "classify"
    with pytest.raises(DataError, match=r"a\.json:1: entity 1 has neither a place nor a string"):
        load_data([str(path)], task="ner")


def test_annotations_whose_text_is_elsewhere_are_refused(tmp_path: Path) -> None:
    row = {"annotatable": {"parts": ["s1p1"]}, "anncomplete": True, "entities": [
        {"classId": "e_1", "part": "s1p1", "offsets": [{"start": 0, "text": "Mira"}]}]}  # fmt: skip
    with pytest.raises(DataError, match=r"a\.ann\.json:1: annotations of tagtog lack their text, which is in a"):
        load_data([str(saved(tmp_path / "a.ann.json", row))])


# --- Lines with labels, and lines of numbers ------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "1 |text good film\n-1 |text a dull one\n",
        "1 | good film\n-1 | a dull one\n",
        "1 2.0 'r1|text good film\n-1 'r2|text a dull one\n",
        "1 |text:0.5 good film\n-1 |text:0.5 a dull one\n",
        "1 'r1|text good film\n-1 'r2|text a dull one\n",
    ],
)
def test_a_label_a_bar_and_words(tmp_path: Path, written: str, piped: Piped) -> None:
    wanted = [(("good film",), "1"), (("a dull one",), "-1")]
    assert rows_of(saved(tmp_path / "train.vw", written)) == ("classify", wanted)
    assert texts_of(piped(written, CLASSES)) == [("good film",), ("a dull one",)]


def test_a_line_without_a_bar_is_a_fault_of_its_own(tmp_path: Path) -> None:
    written = "".join(f"{(-1) ** n} |text a film {n}\n" for n in range(30))
    path = saved(tmp_path / "a.vw", f"{written}no bar here\n")
    with pytest.raises(DataError, match=r"a\.vw:31: the line is not a label, a bar and words"):
        load_data([str(path)])
    assert len(load_data([str(path)], skip_bad=True).splits["train"]) == 30


@pytest.mark.parametrize("line", ["{label} | a film {n}\n", "{label}|text a film {n}\n", "{n}.5 | a film {label}\n"])
def test_labels_that_come_again_or_have_fractions(tmp_path: Path, line: str) -> None:
    rows = [line.format(label=(-1) ** n, n=7 * n % 12) for n in range(12)]
    found = rows_of(saved(tmp_path / "a.txt", "".join(rows)), "regression")[1]
    assert [float(label) for _, label in found] == [float(row.split("|")[0]) for row in rows]


def test_several_namespaces_are_columns(tmp_path: Path) -> None:
    written = "1 |title good film |body we laughed a lot\n-1 |title dull |body nobody laughed\n"
    path = saved(tmp_path / "a.vw", written)
    loaded = load_data([str(path)], columns="text=title+body,label=label")
    assert [row.texts for row in loaded.splits["train"]] == [
        ("good film", "we laughed a lot"), ("dull", "nobody laughed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("1 3:0.5 7:1.2\n-1 2:1 9:0.25\n", "libsvm"),
        ("2 qid:1 1:0.5 2:3 # d\n1 qid:1 1:0.25 2:1\n", "libsvm"),
        ("1 |f price:0.23 sqft:0.25 age:.05\n0 |f price:0.18 sqft:0.15\n", "Vowpal Wabbit"),
    ],
)
def test_numbers_of_features_are_no_texts(tmp_path: Path, written: str, what: str, piped: Piped) -> None:
    said = rf"these are numbers of features \({what}\) and no texts"
    with pytest.raises(DataError, match=rf"a\.txt:1: {said}"):
        load_data([str(saved(tmp_path / "a.txt", written))])
    with pytest.raises(DataError, match=said):
        stream_data([str(tmp_path / "a.txt")])
    with pytest.raises(DataError, match=said):
        piped(written, CLASSES)


@pytest.mark.parametrize(
    "written",
    [
        "see you at 5 10:30\nat noon\n",
        "5 10:30\n6 11:15\n",
        "5 10:30 12:45\n6 9:00 11:15\n",
        "1 3:2 1:0\n2 0:0 4:1\n",
        "| a | b |\n| c | d |\n",
        "1 | the river rose\n",
        "1 | the river rose\n2 | the bridge fell\n",
        "1 |Page of the river\n2 |Page of the bridge\n3 |Page of the mill\n",
        "1.1 | the river\n1.2 | the bridge\n2.1 | the mill\n",
        "".join(f"1.{n} | the river\n" for n in range(1, 13)),
        "1931 | the river rose\n1911 | the bridge fell\n1964 | the mill burnt\n1950 | the inn closed\n",
        "|the river rose\n|the bridge fell\n",
        "-1 | the river rose\n-2 | the bridge fell\n",
        "'1|the river rose\n'2|the bridge fell\n",
        "555 1 | the river rose\n555 2 | the bridge fell\n",
        "| the river rose\n| the bridge fell\n",
        "1|the river rose\n0|a bridge fell\n1|the mill burnt\n0|an inn closed\n",
    ],
)
def test_other_lines_stay_texts(tmp_path: Path, written: str) -> None:
    assert list(open_texts(str(saved(tmp_path / "a.txt", written))).texts) == written.splitlines()


# --- Documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sentences", [["It rained.", "The river rose."], ["It rained."]])
def test_sentences_go_before_a_title(tmp_path: Path, sentences: list[str]) -> None:
    row = {"source": sentences, "source_labels": [0, 1], "rouge_scores": [0.1, 0.9], "target": ["The river rose."]}
    rows = [{**row, "paper_id": str(n), "title": f"On the rain of the year {n}"} for n in range(12)]
    path = saved(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert rows_of(path) == ("extractive", [(("\n".join(sentences),), "The river rose.")] * 12)
    assert rows_of(path, "extractive") == rows_of(path)


def test_a_document_and_its_summary(tmp_path: Path) -> None:
    rows = [
        {"document": f"It rained. The river rose {n} feet.", "summary": f"A flood of {n} feet.", "id": str(n)}
        for n in range(3)
    ]
    path = saved(tmp_path / "xsum.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    wanted = (("It rained. The river rose 0 feet.",), "A flood of 0 feet.")
    assert rows_of(path, "extractive") == rows_of(path)
    assert rows_of(path)[1][0] == wanted


def test_a_text_that_is_not_an_article_may_have_a_title_for_a_summary(tmp_path: Path) -> None:
    row = {"text": "It rained. The river rose.", "summary": "Wet"}
    with pytest.raises(
        DataError, match=r"no column for the label \(--task extractive reads texts with summaries\): the columns"
    ):
        load_data([str(saved(tmp_path / "a.jsonl", row))])
    assert rows_of(tmp_path / "a.jsonl", "extractive")[1] == [(("It rained. The river rose.",), "Wet")]


def test_training_reads_standard_input_in_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(FEW).encode())))
    (name,) = kept_on_disk(["-"])
    assert load_data([name]).task == "relation"


def test_entities_that_lines_carry_are_kept_as_lists(tmp_path: Path) -> None:
    written = "7|t|Of arin.\n7|a|It eased pain.\n7\t3\t7\tarin\tChemical\tD1\n"
    path = saved(tmp_path / "a.txt", written)
    (row,) = open_inputs(str(path), ENTITIES, input_format="auto", columns=None, keep=Keep()).rows
    assert dict(row.kept)["entities"] == [{"start": 3, "end": 7, "text": "arin", "label": "Chemical"}]
