"""Tables with a token a row, and what annotation tools export, read as they are by every road."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from bertkit.data.formats.readers import read_rows
from bertkit.data.records import BadRow, Row
from bertkit.data.streaming import open_texts
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, stream_data

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


def _spacy(raw: str, **cats: float) -> dict[str, object]:
    tokens = [{"orth": word, "tag": "X", "ner": tag} for word, tag in zip(raw.split(), _BILUO, strict=True)]
    sentences = [] if cats else [{"tokens": tokens}]
    return {"raw": raw, "sentences": sentences, "cats": [{"label": k, "value": v} for k, v in cats.items()]}


_BILUO = ("B-PER", "L-PER", "O", "O", "U-LOC")
_ENTITIES = [{"startOffset": start, "endOffset": end, "label": label} for start, end, label in SPANS]
_JOB = {"job-name": "labeling-job/mood", "human-annotated": "yes"}
_TOOLS: list[tuple[dict[str, object], str, object]] = [
    ({"id": 0, "paragraphs": [_spacy(TEXT)]}, "ner", SPANS),
    ({"id": 0, "paragraphs": [_spacy(TEXT, pos=1.0, neg=0.0)]}, "classify", "pos"),
    (
        {
            "source": TEXT,
            "names": {"annotations": {"entities": _ENTITIES}},
            "names-metadata": _JOB | {"type": "groundtruth/text-span"},
        },
        "ner",
        SPANS,
    ),
    (
        {
            "source": TEXT,
            "mood": 1,
            "mood-metadata": _JOB | {"class-name": "pos", "type": "groundtruth/text-classification"},
        },
        "classify",
        "pos",
    ),
    (
        {
            "source": TEXT,
            "mood": [0, 2],
            "mood-metadata": _JOB
            | {"class-map": {"0": "a", "2": "c"}, "type": "groundtruth/text-classification-multilabel"},
        },
        "multilabel",
        ["a", "c"],
    ),
    (
        {
            "textContent": TEXT,
            "textSegmentAnnotations": [
                {"startOffset": str(start), "endOffset": end, "displayName": label} for start, end, label in SPANS
            ],
        },
        "ner",
        SPANS,
    ),
    (
        {
            "text_snippet": {"content": TEXT},
            "annotations": [
                {"text_extraction": {"text_segment": {"start_offset": s, "end_offset": e}}, "display_name": label}
                for s, e, label in SPANS
            ],
        },
        "ner",
        SPANS,
    ),
    ({"textContent": TEXT, "classificationAnnotation": {"displayName": "pos"}}, "classify", "pos"),
    ({"textContent": TEXT, "sentimentAnnotation": {"sentiment": 1, "sentimentMax": 1}}, "classify", "1"),
    (
        {"textContent": TEXT, "classificationAnnotations": [{"displayName": "a"}, {"displayName": "c"}]},
        "multilabel",
        ["a", "c"],
    ),
]


@pytest.mark.parametrize(("row", "task", "answer"), _TOOLS)
def test_exports_of_services_and_of_spacy_2(tmp_path: Path, row: dict[str, object], task: str, answer: object) -> None:
    path = jsonl(tmp_path / "a.manifest", [row, row])
    loaded = load_data([str(path)])
    assert (loaded.task, [one.texts for one in loaded.splits["train"]]) == (task, [(TEXT,)] * 2)
    assert loaded.splits["train"][1].answer == answer
    assert list(open_texts(str(path)).texts) == [TEXT] * 2
    if "paragraphs" in row:
        (tmp_path / "a.json").write_text(json.dumps([row, row], indent=1))
        assert load_data([str(tmp_path / "a.json")]).splits["train"][1].answer == answer


def test_split_of_a_row_that_vertex_names_is_said(tmp_path: Path) -> None:
    row = {"textContent": TEXT, "classificationAnnotation": {"displayName": "pos"}}
    uses = [{"dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": use}} for use in ("training", "test")]
    notes = load_data([str(jsonl(tmp_path / "a.jsonl", [row | use for use in uses]))]).notes
    assert any("the column 'split' says which split each row is of ('training', 'test')" in note for note in notes)


def test_of_label_studio_order_and_empty_answers_are_no_other_opinions(tmp_path: Path) -> None:
    def made(*classes: str) -> dict[str, object]:
        return {"result": [{"type": "choices", "value": {"choices": list(classes)}}] if classes else []}

    answers = ([made("a", "b"), made("b", "a")], [made("a"), made()], [made(), made("b")])
    tasks = [{"data": {"text": TEXT}, "annotations": own} for own in answers]
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    dataset = load_data([str(tmp_path / "a.json")])
    assert [row.answer for row in dataset.splits["train"]] == [["a", "b"], ["a"], ["b"]]


@pytest.mark.parametrize("more", ["class", "classes", "entities"])
def test_texts_with_their_place_and_language_are_no_annotations_of_azure(tmp_path: Path, more: str) -> None:
    row = {"text": TEXT, "location": "Arl", "language": "ko", "dataset": "Train", more: "a", "label": "b"}
    assert load_data([str(jsonl(tmp_path / "a.jsonl", [row]))]).splits["train"][0].texts == (TEXT,)


@pytest.mark.parametrize("paragraphs", [["cats", "dogs"], [{"text": "a", "orth": 1}], [{"cats": "two"}]])
def test_paragraphs_of_others_are_not_spacys(tmp_path: Path, paragraphs: object) -> None:
    row = {"title": TEXT, "paragraphs": paragraphs, "label": "b"}
    assert load_data([str(jsonl(tmp_path / "a.jsonl", [row]))]).splits["train"][0].texts == (TEXT,)


def test_annotations_of_azure_lack_their_texts(tmp_path: Path) -> None:
    document = {"location": "a.txt", "language": "en", "dataset": "Train", "class": {"category": "pos"}}
    path = tmp_path / "project.json"
    path.write_text(json.dumps({"assets": {"projectKind": "x", "documents": [document, document]}}))
    with pytest.raises(DataError, match=r"project\.json:1: its text is in the file that 'location' names"):
        load_data([str(path)])


@pytest.mark.parametrize(
    ("names", "row"),
    [
        (("Source", "RawText", "Word"), "shop,{} of us came home late,5"),
        (("word", "context", "origin"), "bank,{} of us left,x"),
        (("word", "source", "score"), "bank{},x,0.5"),
    ],
)
def test_a_word_beside_texts_is_no_token(tmp_path: Path, names: Sequence[str], row: str) -> None:
    """A word that is asked for, the number of words, a lexicon: another column is constant, so all rows were one."""
    path = table(tmp_path / "rows.csv", names, [row.format(i).split(",") for i in range(12)])
    assert len(list(read_rows(path))) == 12


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
    assert any("it is not annotated (1)" in note for note in loaded.notes)


def studio(*choices: str, **told: object) -> list[dict[str, object]]:
    """Return what annotators chose, the first of whom took it back, and whatever else is told of the last."""
    made = [{"id": n, "result": [{"value": {"choices": [name]}}]} for n, name in enumerate(choices)]
    return [{"id": 9, "was_cancelled": True, "result": []}, *made[:-1], {**made[-1], **told}]


def test_of_several_annotators_of_label_studio_most_count(tmp_path: Path) -> None:
    given = [
        studio("Good"),
        studio("Good", "Bad"),
        studio("Bad", "Bad", "Good"),
        studio("Good", "Bad", ground_truth=True),
        studio("Bad", "Good"),
    ]
    rows = [{"id": i, "data": {"text": f"text {i}"}, "annotations": own} for i, own in enumerate(given)]
    loaded = load_data([str(jsonl(tmp_path / "export.jsonl", rows))])
    assert [(row.texts[0], row.answer) for row in loaded.splits["train"]] == [
        ("text 0", "Good"), ("text 2", "Bad"), ("text 3", "Bad"),
    ]  # fmt: skip
    assert any("its annotators did not agree (2), the first at" in note for note in loaded.notes)


def test_entities_and_classes_of_label_studio(tmp_path: Path) -> None:
    spans = [{"value": {"start": s, "end": e, "labels": [label]}} for s, e, label in SPANS]
    several = [[spans, spans[::-1]], [spans[:1], spans], [[], []]]
    chosen = {"value": {"choices": ["Good"]}}
    rows = [
        {
            "data": {"text": TEXT},
            "annotations": [{"id": n, "result": [*result, chosen]} for n, result in enumerate(own)],
        }
        for own in several
    ]
    loaded = load_data([str(jsonl(tmp_path / "export.jsonl", rows))])
    assert [row.answer for row in loaded.splits["train"]] == [SPANS, []], "their order tells nothing"
    assert any("its annotators did not agree (1)" in note for note in loaded.notes)
    chosen = [{"value": {"choices": [name]}} for name in ("Good", "Bad")]
    rows = [{"data": {"text": TEXT}, "annotations": [{"id": n, "result": [*spans, chosen[n % 2]]}]} for n in range(20)]
    loaded = load_data([str(jsonl(tmp_path / "export.jsonl", rows))])
    (said,) = [note for note in loaded.notes if "the classes in 'category' are not" in note]
    assert "--columns text=text,label=category" in said
    loaded = load_data([str(jsonl(tmp_path / "export.jsonl", rows))], columns="text=text,label=category")
    assert {row.answer for row in loaded.splits["train"]} == {"Good", "Bad"}


@pytest.mark.parametrize("annotated", [True, False])
def test_many_rows_of_label_studio_that_nobody_annotated(tmp_path: Path, annotated: bool) -> None:
    made = [{"id": 1, "result": [{"value": {"choices": ["Good"]}}]}] if annotated else []
    rows = [{"data": {"text": f"text {n}"}, "annotations": made if n >= 50 else []} for n in range(60)]
    path = jsonl(tmp_path / "export.jsonl", rows)
    if annotated:
        loaded = load_data([str(path)])
        assert (loaded.task, len(loaded.splits["train"])) == ("classify", 10)
        assert any("it is not annotated (50)" in note for note in loaded.notes)
    else:
        with pytest.raises(DataError, match=r"there are no rows in it \(it is not annotated \(60\)\)\."):
            load_data([str(path)])


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
    rows = [{"question": "What?", "text": f"text {i}", "answer": "reject", "label": str(i % 2)} for i in range(4)]
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
    path = jsonl(tmp_path / "t.jsonl", [{"id": "1", "text": text, "abstractive": ["요약"]}])
    joined = "첫 문장이다.\n\n둘째 문장이다."
    assert load_data([str(path)], task="extractive").splits["train"][0].texts == (joined,)
    assert list(open_texts(str(path)).texts) == [joined]


def tagged(path: Path) -> list[object]:
    loaded = load_data([str(path)])
    assert loaded.task == "ner"
    assert tuple(stream_data([str(path)]).splits["train"]) == loaded.splits["train"]
    return [(row.texts, row.answer) for row in loaded.splits["train"]]


DICTS = [{"start": s, "end": e, "label": label} for s, e, label in SPANS]


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "ents": DICTS},
        {"sentence": TEXT, "ne": [{"begin": s, "end": e, "label": label} for s, e, label in SPANS]},
        {"문장": TEXT, "개체명": SPANS},
        {"data": TEXT, "label": SPANS},
        {"text": TEXT, "entities": [[label, s, e] for s, e, label in SPANS]},
        {"text": TEXT, "entities": [[str(s), f"{e}.0", label] for s, e, label in SPANS]},
        {"text": TEXT, "entities": [{"offset": s, "length": e - s, "type": label} for s, e, label in SPANS]},
        {
            "content": TEXT,
            "annotation": [{"label": [label], "points": [{"start": s, "end": e - 1}]} for s, e, label in SPANS],
        },
    ],
)
def test_places_as_tools_write_them(tmp_path: Path, row: dict[str, object]) -> None:
    assert tagged(jsonl(tmp_path / "t.jsonl", [row, row])) == [((TEXT,), SPANS)] * 2


def test_older_exports_of_label_studio(tmp_path: Path) -> None:
    result = [{"value": {"start": s, "end": e, "labels": [label]}} for s, e, label in SPANS]
    row = {"id": 1, "data": {"text": TEXT}, "completions": [{"id": 5, "result": result}]}
    assert tagged(jsonl(tmp_path / "export.jsonl", [row])) == [((TEXT,), SPANS)]


@pytest.mark.parametrize(("kind", "value"), [("rating", 4), ("number", 4)])
def test_ratings_of_label_studio(tmp_path: Path, kind: str, value: int) -> None:
    rows = [{"data": {"text": TEXT}, "annotations": [{"id": 1, "result": [{"value": {kind: value}}]}]}] * 2
    assert list(load_data([str(jsonl(tmp_path / "export.jsonl", rows))]).labels("train")) == ["4", "4"]


def test_sentences_of_documents(tmp_path: Path) -> None:
    sentences = [{"id": "s1", "form": TEXT, "NE": DICTS}, {"id": "s2", "form": "Nobody came .", "NE": []}]
    path = tmp_path / "corpus.json"
    path.write_text(json.dumps({"id": "x", "document": [{"id": "d", "sentence": sentences}]}), encoding="utf-8")
    assert tagged(path) == [((TEXT,), SPANS), (("Nobody came .",), [])]


def test_entities_with_their_texts_are_no_rows(tmp_path: Path) -> None:
    marks = [{**mark, "text": TEXT[mark["start"] : mark["end"]]} for mark in DICTS]  # type: ignore[misc]
    path = jsonl(tmp_path / "t.jsonl", [{"my_text": f"{TEXT} with all that was hers", "ner": marks}] * 3)
    (row, *_) = read_rows(path)
    assert "my_text" in row.fields  # type: ignore[union-attr]


def test_pairs_of_an_annotator_for_spacy(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    pairs = [[TEXT, {"entities": SPANS}], None, [TEXT, {"entities": []}]]
    path.write_text(json.dumps({"classes": ["PER", "LOC"], "annotations": pairs}), encoding="utf-8")
    assert tagged(path) == [((TEXT,), SPANS), ((TEXT,), [])]


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "cats": {"A": 0.0, "B": 1.0}},
        {"text": TEXT, "options": [{"id": "A"}, {"id": "B"}], "accept": ["B"], "_task_hash": 1, "answer": "accept"},
    ],
)
def test_classes_as_tools_write_them(tmp_path: Path, row: dict[str, object]) -> None:
    assert list(load_data([str(jsonl(tmp_path / "t.jsonl", [row, row]))]).labels("train")) == ["B", "B"]


def test_a_right_answer_among_distractors(tmp_path: Path) -> None:
    row = {"question": "?", "distractor1": "wool", "distractor2": "a bone", "correct_answer": "the sun", "support": ""}
    (read,) = load_data([str(jsonl(tmp_path / "t.jsonl", [row]))]).splits["train"]
    assert (read.all_texts, read.label) == (("?", "a bone", "the sun", "wool"), "1")


ARGILLA = {"prediction": None, "annotation_agent": "ana", "status": "Validated", "inputs": {"text": TEXT}}
LIGHT_TAG = {"content": TEXT, "metadata": {}, "example_id": "e"}
RECORD = {"fields": {"text": TEXT}, "metadata": {}, "suggestions": {}}
OBJECTS = [{"start": start, "end": end, "label": label} for start, end, label in SPANS]
SUBMITTED = {"value": "B", "user_id": "u", "status": "submitted"}


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, **ARGILLA, "annotation": "B"},
        {**ARGILLA, "annotation": "B"},
        {**RECORD, "responses": {"mood": [{"value": "A", "status": "discarded"}, SUBMITTED]}},
        {
            "text": TEXT,
            "mood.responses": ["A", "B"],
            "mood.responses.status": ["draft", "submitted"],
            "mood.suggestion": "A",
        },
        {"text": TEXT, "mood": [SUBMITTED], "mood-suggestion": "A", "metadata": "{}"},
        {**LIGHT_TAG, "annotations": [], "classifications": [{"classname": "B", "classification_id": "c"}]},
        {"_id": "1", "_score": 1.0, "_source": {"text": TEXT, "label": "B"}},
        {"data": {"text": TEXT}, "meta": {"label": "B"}},
        {**RECORD, "responses": {"comment": [{"value": "so it is, I think"}], "mood": [SUBMITTED]}},
    ],
)
def test_classes_as_annotators_and_searches_export_them(tmp_path: Path, row: dict[str, object]) -> None:
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", [row, row]))])
    assert (dataset.task, [(row.texts, row.label) for row in dataset.splits["train"]]) == (
        "classify",
        [((TEXT,), "B")] * 2,
    )


def test_what_annotators_wrote_is_not_the_text_of_a_record(tmp_path: Path) -> None:
    asked = {"comment": [{"value": "a very long comment on all of that, with many words"}], "mood": [SUBMITTED]}
    fields = ({"prompt": f"{TEXT} {i}", "response": f"{TEXT} again, {i} times"} for i in range(10))
    path = jsonl(tmp_path / "t.jsonl", [{"fields": own, "responses": asked} for own in fields])
    with pytest.raises(DataError, match="for example --columns text=prompt,pair=response,label=label"):
        load_data([str(path)])
    assert load_data([str(path)], columns="text=responses.comment").columns.text == ("responses.comment",)


def test_of_several_answers_that_of_the_most_annotators_counts(tmp_path: Path) -> None:
    row, tied = ({**RECORD, "responses": {"mood": [{"value": v} for v in votes]}} for votes in ("ABB", "AB"))
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", [row, tied, row]))])
    assert list(dataset.labels("train")) == ["B", "B"]
    assert any("left out: its annotators did not agree (1)" in note for note in dataset.notes)


def test_what_a_reviewer_calls_wrong_is_no_entity(tmp_path: Path) -> None:
    marks = [{"start": a, "end": b, "tag": c, "value": TEXT[a:b], "correct": c == "PER"} for a, b, c in SPANS]
    row = {**LIGHT_TAG, "content": TEXT, "classifications": [], "annotations": marks}
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", [row, row]))])
    assert [row.answer for row in dataset.splits["train"]] == [SPANS[:1]] * 2


@pytest.mark.parametrize(
    "unanswered",
    [
        {"text": TEXT, **ARGILLA, "annotation": None},
        {"text": TEXT, **ARGILLA, "annotation": "A", "status": "Discarded"},
        {**RECORD, "responses": {}},
        {**RECORD, "responses": {"mood": [{"value": "A", "status": "draft"}]}},
    ],
)
def test_what_nobody_has_annotated_is_left_out_and_counted(tmp_path: Path, unanswered: dict[str, object]) -> None:
    done = (
        {"text": TEXT, **ARGILLA, "annotation": "B"}
        if "annotation" in unanswered
        else {**RECORD, "responses": {"mood": [SUBMITTED]}}
    )
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", [unanswered, done, done]))])
    assert list(dataset.labels("train")) == ["B", "B"]
    assert any("left out: it is not annotated (1)" in note for note in dataset.notes)


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "tokens": TEXT.split(), **ARGILLA, "annotation": OBJECTS},
        {**RECORD, "responses": {"who": [{"value": OBJECTS}]}},
        {"documentName": "a.txt", "document": TEXT, "relations": [],
         "tokens": [{"text": TEXT[a:b], "start": a, "end": b, "entityLabel": c} for a, b, c in SPANS]},
        {"text": TEXT, "entities": [{"category": c, "offset": a, "length": b - a} for a, b, c in SPANS]},
        {"tokenized_text": TEXT.split(), "ner": [[0, 1, "PER"], [4, 4, "LOC"]]},
        {"tokens": TEXT.split(),
         "entities": [{"start": 0, "end": 2, "type": "PER"}, {"start": 4, "end": 5, "type": "LOC"}]},
    ],
)  # fmt: skip
def test_entities_of_annotators_and_places_that_count_words(tmp_path: Path, row: dict[str, object]) -> None:
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", [row, row]))])
    assert (dataset.task, [row.answer for row in dataset.splits["train"]]) == ("ner", [SPANS] * 2)


def test_lists_without_any_entity_and_ids_are_never_learnt(tmp_path: Path) -> None:
    rows = [
        {"document": f"{TEXT} {place}", "relations": [], "id": place % 3, "status": "ab"[place % 2]}
        for place in range(24)
    ]
    with pytest.raises(DataError, match=r"--columns text=document,label=COLUMN"):
        load_data([str(jsonl(tmp_path / "t.jsonl", rows))])


@pytest.mark.parametrize("targets", [{"choices": ["wool", "light"], "labels": [0, 1]}, {"wool": 0, "light": 1}])
def test_choices_of_which_one_is_marked(tmp_path: Path, targets: object) -> None:
    row = {"question": "What feeds plants?", "mc1_targets": targets, "mc2_targets": targets}
    (read,) = load_data([str(jsonl(tmp_path / "t.jsonl", [row]))]).splits["train"]
    assert (read.all_texts, read.label) == (("What feeds plants?", "light", "wool"), "0")


def chat(answer: str | None, *, sharegpt: bool = False) -> dict[str, object]:
    who, said = ("from", "value") if sharegpt else ("role", "content")
    turns = [("system", "You rate."), ("human" if sharegpt else "user", f"It was {answer}, or so")]
    turns += [("gpt" if sharegpt else "assistant", answer)] if answer else []
    return {"conversations" if sharegpt else "messages": [{who: speaker, said: text} for speaker, text in turns]}


@pytest.mark.parametrize("sharegpt", [False, True])
def test_the_answer_of_a_model_is_the_label_and_no_part_of_the_text(tmp_path: Path, sharegpt: bool) -> None:
    rows = [chat(("good", "bad")[place % 2], sharegpt=sharegpt) for place in range(12)]
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", rows))])
    assert [(row.texts, row.label) for row in dataset.splits["train"]][:1] == [(("It was good, or so",), "good")]
    assert any("--columns text=user_message,label=assistant_message" in note for note in dataset.notes)
    (asked,) = read_rows(jsonl(tmp_path / "new.jsonl", [chat(None, sharegpt=sharegpt)]))
    assert isinstance(asked, Row)
    assert asked.fields["user_message"] == "It was None, or so"


def test_errors_tell_the_columns_of_a_file_from_those_that_are_made_of_them(tmp_path: Path) -> None:
    answers = [
        f"The answer to question {place} is rather long, and it is another one each time." for place in range(12)
    ]
    rows = [{"id": place, **chat(answer, sharegpt=True)} for place, answer in enumerate(answers)]
    with pytest.raises(DataError) as refused:
        load_data([str(jsonl(tmp_path / "t.jsonl", rows))])
    assert "the columns are 'id', 'conversations', and 'user_message', 'assistant_message' are made of them; " in str(
        refused.value
    )
    with pytest.raises(DataError, match=r"no column 'answer'.*: the columns are 'id', 'conversations', and 'user_mess"):
        load_data([str(tmp_path / "t.jsonl")], columns="label=answer")
    plain = [
        {"user_message": f"Where is parcel {place}?", "assistant_message": f"Near {place}."} for place in range(12)
    ]
    with pytest.raises(DataError, match=r"the columns are 'user_message', 'assistant_message';"):
        load_data([str(jsonl(tmp_path / "plain.jsonl", plain))])


def test_a_conversation_with_a_label_stays_whole(tmp_path: Path) -> None:
    rows = [chat("good") | {"label": label} for label in "ab"]
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", rows))])
    assert dataset.splits["train"][0].texts == ("system: You rate.\nuser: It was good, or so\nassistant: good",)


def test_documents_beside_summaries_and_chosen_sentences_are_no_classes(tmp_path: Path) -> None:
    text = [[{"index": 0, "sentence": "비가 왔다."}], [{"index": 1, "sentence": "강이 불었다."}]]
    rows = [
        {
            "id": str(place),
            "category": "ab"[place % 2],
            "text": text,
            "abstractive": ["강이 불었다."],
            "extractive": [1],
        }
        for place in range(2)
    ]
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", rows))])
    assert (dataset.task, dataset.columns.label) == ("extractive", "abstractive")


def test_places_that_count_words_are_named(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"tokens": TEXT.split(), "entities": [[0, 2, "PER"]]}] * 2)
    with pytest.raises(
        DataError, match=r"characters 0 to 2 are 'Mi', a part of a word: are these positions counted in words"
    ):
        load_data([str(path)])


@pytest.mark.parametrize(
    ("shift", "doubt"), [((0, -1), "is the end the last character"), ((1, 1), "positions start at 1")]
)
def test_places_that_are_counted_otherwise_than_their_strings(
    tmp_path: Path, shift: tuple[int, int], doubt: str
) -> None:
    marks = [{"start": s + shift[0], "end": e + shift[1], "label": label, "text": TEXT[s:e]} for s, e, label in SPANS]
    with pytest.raises(DataError, match=doubt):
        load_data([str(jsonl(tmp_path / "t.jsonl", [{"text": f"{TEXT} .", "spans": marks}] * 2))])


def test_tags_with_commas_between_them(tmp_path: Path) -> None:
    words, tags = " ".join(word for word, _ in WORDS), ",".join(tag for _, tag in WORDS)
    assert tagged(table(tmp_path / "t.csv", ["tokens", "tags"], [[words, tags]] * 2)) == [((TEXT,), SPANS)] * 2


SENTENCES = [WORDS, [("Nobody", "O"), ("came", "O")], WORDS]


def token_rows(names: Sequence[str], write: Callable[[int, int, str, str], Sequence[str]]) -> list[list[str]]:
    return [
        list(write(i, place, word, tag)) for i, words in enumerate(SENTENCES) for place, (word, tag) in enumerate(words)
    ]


@pytest.mark.parametrize(
    ("names", "write"),
    [
        (("id", "text", "label"), lambda i, place, word, tag: (str(i), word, tag)),
        (("text_id", "token", "entity"), lambda i, place, word, tag: (str(i), word, tag)),
        (("문장번호", "단어", "태그"), lambda i, place, word, tag: (str(i), word, tag)),
        (
            ("sentence", "token", "label"),
            lambda i, place, word, tag: (" ".join(w for w, _ in SENTENCES[i]) + str(i), word, tag),
        ),
        (("sentence_id", "words", "labels"), lambda i, place, word, tag: (str(i), word, tag if tag != "O" else "")),
        (("sentence_id", "words", "labels"), lambda i, place, word, tag: (str(i), word, tag[tag.find("-") + 1 :])),
    ],
)  # fmt: skip
def test_tables_of_words_in_other_spellings(
    tmp_path: Path, names: tuple[str, ...], write: Callable[[int, int, str, str], Sequence[str]]
) -> None:
    found = tagged(table(tmp_path / "t.csv", names, token_rows(names, write)))
    assert found == [((TEXT,), SPANS), (("Nobody came",), []), ((TEXT,), SPANS)]


def test_a_word_without_tag_or_a_tag_without_word_is_named(tmp_path: Path) -> None:
    rows = [["1", "Mira", "B-PER"], ["1", "left", "O"], ["2", "", "O"], ["2", "x", "O"], ["3", "Kost", ""]]
    with pytest.raises(DataError) as caught:
        load_data([str(table(tmp_path / "t.csv", ["sentence_id", "words", "labels"], rows))], task="ner")
    assert "line 4 has no word (column 'words')" in str(caught.value)
    assert "the word 'Kost' at line 6 has no tag (column 'labels'); write O where none is" in str(caught.value)


def test_words_whose_sentences_are_scattered_are_refused(tmp_path: Path) -> None:
    rows = [[str(place % 3), word, tag] for place, (word, tag) in enumerate(WORDS * 4)]
    with pytest.raises(DataError, match=r"are not together \(column 'sentence_id'\); sort the table"):
        load_data([str(table(tmp_path / "t.csv", ["sentence_id", "words", "labels"], rows))])


def test_short_texts_with_classes_are_no_words(tmp_path: Path) -> None:
    rows = [["1", "good", "0"], ["2", "bad", "1"], ["3", "fine", "0"]]
    loaded = load_data([str(table(tmp_path / "t.csv", ["id", "text", "label"], rows))])
    assert (loaded.task, len(loaded.splits["train"])) == ("classify", 3)


def test_rows_need_not_all_have_the_same_keys(tmp_path: Path) -> None:
    marks = [{"start": 0, "end": 9, "labels": ["PER"]}]
    rows = [{"text": "Nobody came", "annotation_id": 1}, {"text": TEXT, "label": marks, "annotation_id": 2}]
    assert tagged(jsonl(tmp_path / "min.jsonl", rows)) == [(("Nobody came",), []), ((TEXT,), SPANS[:1])]


def test_a_first_row_without_the_text_is_a_fault_like_others(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"txt": "a", "label": 1}, {"text": "b", "label": 0}])
    with pytest.raises(DataError, match=r"t\.jsonl:1: column 'text' is missing\. Fix it, or leave it out with"):
        load_data([str(path)])
    assert [row.texts for row in stream_data([str(path)]).splits["train"]] == [("b",)]


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_lists_under_a_list_of_names(tmp_path: Path, name: str) -> None:
    rows = [["text", "label"], ["good", "1"], ["bad", "0"]]
    path = tmp_path / name
    path.write_text(
        json.dumps(rows) if name == "t.json" else "".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8"
    )
    assert [(row.texts[0], row.label) for row in load_data([str(path)]).splits["train"]] == [
        ("good", "1"),
        ("bad", "0"),
    ]


@pytest.mark.parametrize(
    ("row", "is_parted"),
    [
        ({"title": "a talk", "turns": [{"text": "so it was", "label": "a"}, {"text": "no", "label": "b"}]}, True),
        ({"id": 1, "label": "complaint", "turns": [{"text": "so it was"}, {"text": "no"}]}, False),
        ({"id": 1, "turns": [{"text": "so it was"}, {"text": "no"}], "summary": "they talked"}, False),
        ({"text": "all of it", "turns": [{"text": "so it was"}, {"text": "no"}]}, False),
    ],
)
def test_parts_are_rows_only_with_answers_of_their_own(tmp_path: Path, row: dict[str, object], is_parted: bool) -> None:
    found = list(read_rows(jsonl(tmp_path / "t.jsonl", [row, row])))
    assert len(found) == (4 if is_parted else 2)


def test_lists_in_the_spelling_of_python_s_tuples(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ["tokens", "ner_tags"], [["('Mira', 'left')", "('B-PER', 'O')"]] * 2)
    assert tagged(path) == [(("Mira left",), [[0, 4, "PER"]])] * 2


def test_turns_of_a_conversation_are_one_text(tmp_path: Path) -> None:
    turns = [{"speaker": "A", "text": "Hello there."}, {"speaker": "B", "text": "The bus leaves at nine."}]
    found = list(read_rows(jsonl(tmp_path / "talks.jsonl", [{"id": i, "dialogue": turns} for i in range(3)])))
    assert [set(row.fields) for row in found if isinstance(row, Row)] == [{"id", "dialogue"}] * 3


def test_a_row_without_the_list_that_others_have_is_named(tmp_path: Path) -> None:
    parts = [{"text": "Hello there."}, {"text": "The bus leaves at nine."}]
    path = jsonl(tmp_path / "mixed.jsonl", [{"id": 1, "parts": parts}, {"id": 2, "parts": "plain"}])
    *texts, bad = read_rows(path)
    assert [row.fields["text"] for row in texts if isinstance(row, Row)] == ["Hello there.", "The bus leaves at nine."]
    assert bad == BadRow(2, "it does not hold a list of texts, as the rows before it do")


_SPAN = {"start": 0, "end": 9, "labels": ["PER"]}


_CLASSES = {"names": ["O", "B-PER"], "_type": "ClassLabel"}


def _viewed(row: Mapping[str, object], types: Mapping[str, object], cut: Sequence[str] = ()) -> dict[str, object]:
    """Write a row as the hub's viewer answers."""
    features = [{"feature_idx": 0, "name": name, "type": types.get(name, {"dtype": "string"})} for name in row]
    rows = [{"row_idx": place, "row": row, "truncated_cells": cut} for place in range(2)]
    return {"dataset": "a/b", "features": features, "rows": rows, "partial": False}


def test_a_text_that_the_viewer_has_cut_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(_viewed({"text": TEXT, "label": "a"}, {}, ["text"])), encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.json:1: the hub's viewer has cut 'text'"):
        load_data([str(tmp_path / "t.json")])


def _task(value: Mapping[str, object], kind: str = "labels") -> dict[str, object]:
    return {"data": {"text": TEXT}, "annotations": [{"id": 1, "result": [{"type": kind, "value": value}]}]}


@pytest.mark.parametrize(
    ("name", "content", "task", "answer"),
    [
        # Label Studio: a taxonomy is a class; a csv that pandas wrote with tabs
        ("t.json", [_task({"taxonomy": [["A", "B"]]}, "taxonomy")], "classify", "A/B"),
        ("t.tsv", f'text\tlabel\n{TEXT}\t"{json.dumps([_SPAN]).replace(chr(34), chr(34) * 2)}"\n', "ner", [SPANS[0]]),
        # doccano's former exports: labels are numbers, or of the whole text
        ("t.jsonl", [{"text": TEXT, "annotations": [{"label": 3, "user": 1}]}], "classify", "3"),
        ("t.jsonl", [{"text": TEXT, "annotations": [{"label": 3, "start_offset": 0, "end_offset": 9}]}], "ner",
         [[0, 9, "3"]]),
        # places with their string; spaCy's object in a cell; its pairs in Python's spelling
        ("t.jsonl", [{"text": TEXT, "entities": [[0, 9, "Mira Kost", "PER"]]}], "ner", [SPANS[0]]),
        ("t.csv", f"text,entities\n{TEXT},\"{{'entities': [(0, 9, 'PER')]}}\"\n", "ner", [SPANS[0]]),
        ("t.txt", f'("{TEXT}", {{"entities": [(0, 9, "PER")]}}),\n' * 2, "ner", [SPANS[0]]),
        # arrays of numpy in cells
        ("t.csv", "tokens,ner_tags\n\"array(['Mira', 'left'], dtype=object)\",\"array(['B-PER', 'O'])\"\n", "ner",
         [[0, 4, "PER"]]),
        # rows within objects, and objects within rows
        ("t.json", {"header": {"v": 1}, "body": {"items": [{"text": TEXT, "label": "a"}] * 2}}, "classify", "a"),
        ("t.json", {"took": 1, "hits": {"total": 2, "hits": [{"_id": 1, "_source": {"text": TEXT, "label": "a"}}] * 2}},
         "classify", "a"),
        ("t.json", {"rows": [{"row_idx": 0, "row": {"text": TEXT, "label": "a"}}]}, "classify", "a"),
        # the answer of the hub's viewer, with the names of its classes
        ("t.json", _viewed({"text": TEXT, "label": 1}, {"label": _CLASSES}), "classify", "B-PER"),
        ("t.json", _viewed({"text": TEXT, "label": 1}, {"label": {"dtype": "int64"}}), "classify", "1"),
        ("t.json", _viewed({"tokens": ["Mira", "left"], "ner_tags": [1, 0]}, {"ner_tags": {"feature": _CLASSES}}),
         "ner", [[0, 4, "PER"]]),
        ("t.jsonl", _viewed({"text": TEXT, "label": "a"}, {})["rows"], "classify", "a"),
        ("t.jsonl", f'{{"text": "{TEXT}", "label": "a"}}{{"text": "{TEXT}", "label": "a"}}\n', "classify", "a"),
        # what is told of each word, beside the text
        ("t.json", {"document": [{"id": "d", "sentence": [
            {"form": "미라 간다", "word": [{"form": "미라"}], "NE": [{"begin": 0, "end": 2, "label": "PS"}]}]}]},
         "ner", [[0, 2, "PS"]]),
        ("t.jsonl", [{"text": "Mira left", "tokens": [{"text": "Mira", "id": 0}], "label": [[0, 4, "PER"]]}], "ner",
         [[0, 4, "PER"]]),
        # MultiRC as published and as it stands on the hub
        ("t.jsonl", [{"idx": 0, "passage": {"text": TEXT, "questions": [
            {"question": "Who moved?", "answers": [{"text": "Mira", "label": 1}, {"text": "Aldby", "label": 0}]}]}}],
         "classify", "1"),
        ("t.jsonl", [{"paragraph": TEXT, "question": "Who moved?", "answer": "Ann", "label": 0,
                      "idx": {"paragraph": 0, "question": 0, "answer": 0}}], "classify", "0"),
        # turns of a conversation are one text
        ("t.jsonl", [{"text": [{"speaker": "A", "text": "hi"}], "label": "a"}], "classify", "a"),
    ],
)  # fmt: skip
def test_other_spellings_of_known_forms(tmp_path: Path, name: str, content: object, task: str, answer: object) -> None:
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    elif name.endswith("l"):
        assert isinstance(content, list)
        jsonl(path, content)
    else:
        path.write_text(json.dumps(content), encoding="utf-8")
    loaded = load_data([str(path)])
    assert (loaded.task, loaded.splits["train"][0].answer) == (task, answer)
    assert not loaded.splits["train"][0].texts[0].startswith("[")
    assert tuple(stream_data([str(path)]).splits["train"]) == loaded.splits["train"]


def test_an_annotation_of_an_unknown_type_is_no_text_without_entities(tmp_path: Path) -> None:
    rows = [_task({"start": 0, "end": 9, "labels": ["PER"]}), _task({"video": 1}, "videorectangle")]
    (tmp_path / "t.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(DataError, match="an annotation of the type 'videorectangle' cannot be read"):
        load_data([str(tmp_path / "t.json")])


def test_prodigy_without_its_hashes(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": "pn"[i // 2 % 2], "answer": ("accept", "reject")[i % 2]} for i in range(4)]
    assert [row.line for row in load_data([str(jsonl(tmp_path / "t.jsonl", rows))]).splits["train"]] == [1, 3]


def test_accepted_and_rejected_rows_of_one_label_are_yes_and_no(tmp_path: Path) -> None:
    answers = ("accept", "reject", "ignore")
    rows = [{"text": f"text {i}", "label": "LATE", "answer": answers[i % 3]} for i in range(9)]
    path = jsonl(tmp_path / "t.jsonl", rows)
    with pytest.raises(DataError, match=r"has the label 'LATE', and 3 rows were rejected .* --columns label=answer "):
        load_data([str(path)])
    loaded = load_data([str(path)], columns="label=answer")
    assert [row.answer for row in loaded.splits["train"]] == ["accept", "reject"] * 3
    assert any("the answer is ignore (Prodigy) (3)" in note for note in loaded.notes)
    jsonl(path, [row for row in rows if row["answer"] != "reject"])
    assert len(load_data([str(path)]).splits["train"]) == 3, "what has one label is refused by who learns it"


def test_turns_of_a_conversation_with_a_summary(tmp_path: Path) -> None:
    turns = [{"participantID": "P1", "utterance": "내일 와"}, {"participantID": "P2", "utterance": "그래"}]
    row = {"header": {"id": 1}, "body": {"dialogue": turns, "summary": "내일 간다."}}
    (tmp_path / "t.json").write_text(json.dumps({"data": [row]}), encoding="utf-8")
    (document,) = load_data([str(tmp_path / "t.json")], task="extractive").splits["train"]
    assert document.texts == ("P1: 내일 와\nP2: 그래",)


def test_objects_without_a_text_are_no_document(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [{"article": [{"x": 1}], "highlights": "a"}])
    with pytest.raises(DataError, match="the column 'article' holds objects without a text"):
        load_data([str(path)], task="extractive")


@pytest.mark.parametrize("names", [("text", "start", "end", "label"), ("문장", "begin", "end_offset", "태그")])
def test_an_entity_a_row_is_joined_by_its_text(tmp_path: Path, names: tuple[str, ...]) -> None:
    rows = [[TEXT, str(start), str(end), label] for start, end, label in SPANS]
    path = table(tmp_path / "long.csv", names, [*rows, ["Nobody came", "", "", ""], *rows])
    dataset = load_data([str(path)])
    assert (dataset.task, [row.answer for row in dataset.splits["train"]]) == ("ner", [SPANS, [], SPANS])
    assert [row.line for row in dataset.splits["train"]] == [2, 4, 5]


def test_times_beside_texts_are_no_places_of_entities(tmp_path: Path) -> None:
    rows = [[f"it rained {place}", str(place), str(place + 9000), "ab"[place % 2]] for place in range(12)]
    assert load_data([str(table(tmp_path / "a.csv", ("text", "start", "end", "label"), rows))]).task == "classify"


@pytest.mark.parametrize("keys", [("text", "ner"), ("word", "tag")])
def test_words_that_are_objects_with_their_tags(tmp_path: Path, keys: tuple[str, str]) -> None:
    rows = [{"id": place, "tokens": [dict(zip(keys, word, strict=True)) for word in WORDS]} for place in range(2)]
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", rows))])
    assert (dataset.task, [row.answer for row in dataset.splits["train"]]) == ("ner", [SPANS, SPANS])


def test_answers_of_which_the_place_is_told_are_choices(tmp_path: Path) -> None:
    row = {"context": "It rained.", "question": "What?", "answers": ["rain", "sun", "rained"], "correct_answer_id": 2}
    (read,) = load_data([str(jsonl(tmp_path / "t.jsonl", [row]))]).splits["train"]
    assert (read.all_texts, read.label) == (("It rained.", "What?", "rain", "sun", "rained"), "2")


def test_labels_on_lines_of_a_cell_are_several(tmp_path: Path) -> None:
    path = table(
        tmp_path / "t.csv", ("text", "labels"), [[f"{TEXT} {i}", "\n".join("ab"[: 1 + i % 2])] for i in range(8)]
    )
    dataset = load_data([str(path)])
    assert (dataset.task, dataset.splits["train"][1].answer) == ("multilabel", ["a", "b"])


CLUENER = {"text": TEXT, "label": {c: {TEXT[a:b]: [[a, b - 1]]} for a, b, c in SPANS}}
PAIRS = [list(word) for word in WORDS]
SCIERC = {
    "doc_key": "d",
    "sentences": [["It", "rained", "."], TEXT.split()],
    "ner": [[], [[3, 4, "PER"], [7, 7, "LOC"]]],
    "relations": [[], []],
}


@pytest.mark.parametrize("rows", [[CLUENER] * 2, [PAIRS] * 2, [{"id": 1, "text": "x", "words": PAIRS}] * 2])
@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_entities_by_label_and_pairs_of_word_and_tag(tmp_path: Path, rows: list[object], name: str) -> None:
    path = tmp_path / name
    path.write_text("".join(f"{json.dumps(r)}\n" for r in rows) if name == "t.jsonl" else json.dumps(rows))
    dataset = load_data([str(path)])
    assert [(row.texts, row.answer) for row in dataset.splits["train"]] == [((TEXT,), SPANS)] * 2
    assert tuple(stream_data([str(path)]).splits["train"]) == dataset.splits["train"]


def test_pairs_on_a_single_line_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(PAIRS) + "\n")
    (row,) = load_data([str(path)]).splits["train"]
    assert (row.texts, row.answer) == ((TEXT,), SPANS)


def test_entities_that_count_the_words_of_a_document(tmp_path: Path) -> None:
    rows = load_data([str(jsonl(tmp_path / "t.jsonl", [SCIERC, SCIERC]))]).splits["train"]
    assert [(row.texts[0], row.answer) for row in rows] == [("It rained .", []), (TEXT, SPANS)] * 2


def test_bytes_that_python_wrote_are_read_as_their_texts_and_it_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    rows = [f"{i}\tb'A caf\\xc3\\xa9 {i}'\tb\"It's {i}\"\t{i % 2}" for i in range(4)]
    path.write_text("\n".join(["id\tsentence1\tsentence2\tlabel", *rows, "9\tb'\\xff'\tb''\t0", ""]))
    dataset = load_data([str(path)], skip_bad=True)
    assert [row.texts for row in dataset.splits["train"]] == [(f"A café {i}", f"It's {i}") for i in range(4)]
    assert "left out: b'…' around texts, which Python writes around bytes (1), the first at " in dataset.notes[0]
    assert "a text in b'…' cannot be read as Python's bytes (1)" in dataset.warnings[0]


@pytest.mark.parametrize("names", [("tag", "patterns"), ("intent", "examples")])
def test_examples_listed_by_their_intent(tmp_path: Path, names: tuple[str, str]) -> None:
    label, texts = names
    intents = [{label: "greet", texts: ["hi there", "hello"]}, {label: "bye", texts: ["see you"], "responses": ["x"]}]
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"data": intents}))
    rows = load_data([str(path)]).splits["train"]
    assert [(row.texts[0], row.answer) for row in rows] == [
        ("hi there", "greet"),
        ("hello", "greet"),
        ("see you", "bye"),
    ]


def test_a_list_of_two_texts_with_a_score_is_a_pair(tmp_path: Path) -> None:
    rows = [{"texts": [TEXT, f"{TEXT} {i}"], "label": i / 4} for i in range(4)]
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", [*rows, {"texts": [TEXT], "label": 1}]))], skip_bad=True)
    assert [row.texts for row in dataset.splits["train"]] == [(TEXT, f"{TEXT} {i}") for i in range(4)]
    assert "it does not hold two texts, as the rows before it do (1)" in dataset.warnings[0]


@pytest.mark.parametrize(
    "odd", [{"text": TEXT, "label": {"PER": 5}}, {"text": TEXT, "label": {"PER": {"Mira": [["x", 1]]}}}]
)
def test_a_value_of_another_kind_is_a_fault_of_its_row(tmp_path: Path, odd: dict[str, object]) -> None:
    dataset = load_data([str(jsonl(tmp_path / "t.jsonl", [CLUENER, odd, CLUENER]))], skip_bad=True)
    assert len(dataset.splits["train"]) == 2
    assert "left out, 1 in all: " in dataset.warnings[0]


def test_a_first_row_without_a_column_is_no_defect(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"anchor": "a", "positive": "b"}, {"anchor": "a", "positive": "b", "tag": "O"}]
    with pytest.raises(DataError, match="no column is recognised"):
        load_data([str(jsonl(tmp_path / "t.jsonl", rows))])


def test_a_tsv_in_quotes_is_freed_of_them(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('"text"\t"label"\n' + "".join(f'"it is ""{i}"" now"\t"{i % 2}"\n' for i in range(4)))
    assert [(row.texts[0], row.answer) for row in load_data([str(path)]).splits["train"]] == [
        (f'it is "{i}" now', str(i % 2)) for i in range(4)
    ]
    path.write_text('text\tlabel\n"it is so\t1\nit is "so"\t0\n')
    assert [row.texts[0] for row in load_data([str(path)]).splits["train"]] == ['"it is so', 'it is "so"']


@pytest.mark.parametrize(("names", "last"), [(("tokenized_text", "ner"), 1), (("tokens", "entities"), 2)])
@pytest.mark.parametrize("fault", [[0, 90, "PER"], [0, 1], "Mira", [0, 1, ["PER", "LOC"]]])
def test_a_fault_does_not_change_what_the_places_of_other_rows_count(
    tmp_path: Path, names: tuple[str, str], last: int, fault: object
) -> None:
    rows = [{names[0]: ["Mira", "Kost", "left", "Aldby"], names[1]: [[0, last, "PER"], [3, last + 2, "LOC"]]}] * 6
    path = jsonl(tmp_path / "a.jsonl", [*rows, {names[0]: ["Mira", "left"], names[1]: [fault]}])
    with pytest.raises(DataError, match=r"a\.jsonl:7: "):
        load_data([str(path)], task="ner")
    kept = load_data([str(path)], task="ner", skip_bad=True).splits["train"]
    assert [row.answer for row in kept] == [[[0, 9, "PER"], [15, 20, "LOC"]]] * 6


@pytest.mark.parametrize("name", ["t.tsv", "t.txt"])
@pytest.mark.parametrize("header", ["text\tlabel\n", '"text"\t"label"\n', ""])
def test_quotes_around_all_cells_of_a_column_are_no_part_of_them(tmp_path: Path, name: str, header: str) -> None:
    texts = [f'{i} "nice", said the owl' if i % 2 else f"{i} nights in May" for i in range(12)]
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    path = tmp_path / name
    path.write_text(header + "".join(f"{text}\t{i % 3}\n" for i, text in enumerate(quoted)), encoding="utf-8")
    loaded = load_data([str(path)])
    assert [row.texts[0] for row in loaded.splits["train"]] == texts
    assert any("are in double quotes" in note for note in loaded.notes) == (not header.startswith('"'))
    assert tuple(stream_data([str(path)]).splits["train"]) == loaded.splits["train"]


@pytest.mark.parametrize("odd", ["a plain one", '"half" of it', '"no end', '"one" and "two"'])
def test_quotes_around_some_cells_are_their_own(tmp_path: Path, odd: str) -> None:
    texts = [*(f'"{i} nights in May"' for i in range(12)), odd]
    path = tmp_path / "t.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{i % 3}\n" for i, text in enumerate(texts)), encoding="utf-8")
    assert [row.texts[0] for row in load_data([str(path)]).splits["train"]] == texts
