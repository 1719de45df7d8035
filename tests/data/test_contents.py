"""What columns hold where their names do not say it: told from the rows where it is sure, else proposed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bertkit.data.columns import parse_columns
from bertkit.data.contents import tell_columns
from bertkit.data.records import ColumnMap, Row
from bertkit.data.streaming import open_texts
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data, stream_data

TEXTS = [f"the parcel number {i} came late and was torn" for i in range(30)]
LABELS = ["ham" if i % 3 else "spam" for i in range(30)]
PLACES = ['[[4, 10, "THING"]]' if i % 2 else "[]" for i in range(30)]


def rows(**columns: Sequence[object]) -> list[Row]:
    return [
        Row(line, dict(zip(columns, map(str, values), strict=True)))
        for line, values in enumerate(zip(*columns.values(), strict=True), start=2)
    ]


def told(table: list[Row], shape: str = "auto", columns: str | None = None) -> tuple[str, bool, str]:
    found = tell_columns(table, list(table[0].fields), shape, None if columns is None else parse_columns(columns))
    assert found is not None
    return found.option.removeprefix("--columns "), bool(found.why), found.shape


def test_one_text_and_one_label_are_sure() -> None:
    table = rows(v1=LABELS, v2=TEXTS, v3=range(30), v4=["2024-05-06"] * 30)
    assert told(table) == ("text=v2,label=v1", True, "auto")
    found = tell_columns(table, list(table[0].fields), "auto", None)
    assert found is not None
    assert found.why == "'v2' holds texts and 'v1' has 2 values ('spam', 'ham')"


def test_the_only_column_of_scores_is_proposed(tmp_path: Path) -> None:
    path = tmp_path / "sts.tsv"
    lines = [f"captions\t2012\t{i:04}\t{i % 7 / 2}\t{text}\t{text} again" for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"for example --columns text=5,pair=6,label=4\."):
        load_data([str(path)])


def test_a_column_of_splits_is_no_label() -> None:
    uses = ["TRAIN"] * 20 + ["VALIDATION"] * 5 + ["TEST"] * 5
    assert told(rows(**{"1": uses, "2": TEXTS, "3": LABELS})) == ("text=2,label=3", True, "auto")


def test_a_question_beside_a_text_is_named_however_short_it_is(tmp_path: Path) -> None:
    path = tmp_path / "boolq.tsv"
    lines = [f"{text}\tWas it late {i}?\t{i % 2}" for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(["Text\tQuestion\tAnswer (TRUE = 1)", *lines]) + "\n")
    assert any("'Question' holds texts, too, and is not read" in note for note in load_data([str(path)]).notes)


def test_a_target_is_no_label_beside_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "wic.tsv"
    lines = [f"late\t{text}\t{text} again\t{'TRUE' if i % 2 else 'FALSE'}" for i, text in enumerate(TEXTS)]
    path.write_text("\n".join(["Target\tSENTENCE1\tSENTENCE2\tANSWER", *lines]) + "\n")
    assert load_data([str(path)]).columns == ColumnMap(("SENTENCE1",), "SENTENCE2", "ANSWER")


def test_headerless_tables_and_korean() -> None:
    assert told(rows(**{"1": TEXTS, "2": [i % 2 for i in range(30)]})) == ("text=1,label=2", True, "auto")
    korean = rows(
        번호=range(30), 민원=[f"{i}번 길에 불이 나갔습니다" for i in range(30)], 부서=["교통", "환경", "복지"] * 10
    )
    assert told(korean) == ("'text=민원,label=부서'", True, "auto")


def test_what_names_and_options_say_stays() -> None:
    table = rows(text=TEXTS, other=[f"{text}, and more" for text in TEXTS], v1=LABELS, v2=LABELS)
    assert told(table)[:2] == ("text=text,label=v1", False), "two could be the label"
    assert told(rows(a=TEXTS, v1=LABELS, v2=LABELS), columns="label=v2")[:2] == ("text=a,label=v2", True)
    assert told(rows(text=TEXTS, v1=LABELS))[:2] == ("text=text,label=v1", True)


def test_what_is_not_sure_is_proposed_the_likeliest_first() -> None:
    longer = [f"{text} and {text}, and {text} again" for text in TEXTS]
    assert told(rows(a=TEXTS, b=longer, c=LABELS))[:2] == ("text=b,label=c", False)
    assert told(rows(a=TEXTS, b=TEXTS, c=LABELS))[:2] == ("text=a,pair=b,label=c", False)
    assert told(rows(a=TEXTS, shop=LABELS, shop_rating=LABELS))[:2] == ("text=a,label=shop_rating", False)
    assert told(rows(a=TEXTS, b=range(30)))[:2] == ("text=a,label=COLUMN", False)
    assert told(rows(a=TEXTS, b=LABELS)[:9])[1] is False, "of few rows nothing is told"


@pytest.mark.parametrize(
    "values",
    [range(30), ["same"] * 30, [f"https://a.b/{i}" for i in range(30)], [i / 7 for i in range(30)], [""] * 30],
)
def test_ids_constants_links_and_fractions_are_no_labels(values: Sequence[object]) -> None:
    assert told(rows(a=TEXTS, b=values))[0] == "text=a,label=COLUMN"


def test_places_are_entities() -> None:
    assert told(rows(a=TEXTS, b=PLACES, c=LABELS)) == ("text=a,label=b", True, "entities")


def test_plain_texts_need_no_label() -> None:
    assert told(rows(a=TEXTS, b=LABELS, c=LABELS), "texts") == ("text=a", True, "texts")
    assert tell_columns(rows(a=TEXTS), ["a"], "questions", None) is None


def spam(folder: Path, header: str = "v1,v2,,,") -> str:
    path = folder / "spam.csv"
    lines = [f'{label},"{text}",,,' for label, text in zip(LABELS, TEXTS, strict=True)]
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return str(path)


def test_a_table_without_usual_names_is_read_and_said(tmp_path: Path) -> None:
    path = spam(tmp_path)
    loaded = load_data([path])
    assert (loaded.task, loaded.columns.text, loaded.columns.label) == ("classify", ("v2",), "v1")
    (said,) = [note for note in loaded.notes if "recognised by their contents" in note]
    assert said.startswith(f"{path}: columns were recognised")
    assert said.endswith("read as --columns text=v2,label=v1")
    streamed = stream_data([path])
    assert tuple(streamed.splits["train"]) == loaded.splits["train"]
    assert said in streamed.notes
    assert load_data([path], columns="text=v2,label=v1").splits == loaded.splits


def test_a_table_that_could_be_read_in_two_ways_is_refused_with_a_proposal(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{text},{label},{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    path.write_text("\n".join(["what,kind,shop class", *rows]), encoding="utf-8")
    with pytest.raises(DataError, match=r"say which is which, for example --columns 'text=what,label=shop class'\.$"):
        load_data([str(path)])
    assert load_data([str(path)], columns="label=kind").columns.text == ("what",)


def test_a_refusal_names_the_columns_that_look_like_labels(tmp_path: Path) -> None:
    table = tmp_path / "notes.csv"
    cells = [f"{text},{i % 3},{label},{i}" for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))]
    table.write_text("\n".join(["note,mood,status,number", *cells]), encoding="utf-8")
    loaded = load_data([str(table)])
    assert loaded.columns.label == "mood", "a status is told of a row, and one column is left"
    table.write_text("\n".join(["note,plan,status,number", *cells[:9]]), encoding="utf-8")
    with pytest.raises(DataError) as refused:
        load_data([str(table)])
    assert str(refused.value) == (
        f"{table}: no column is recognised as the text: the columns are 'note', 'plan', 'status', 'number'; the label "
        "may be 'plan' (3), 'status' (2), with so many different values for 9 rows; say which is which, for example "
        "--columns text=note,label=plan."
    )
    bare = [f"{text},{label},{i}" for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))]
    table.write_text("\n".join(["text,status,number", *bare]), encoding="utf-8")
    with pytest.raises(
        DataError,
        match=r"the label may be 'status' \(2\), with so many different values for 30 rows; .*=text,label=COLUMN\.$",
    ):
        load_data([str(table)])


def test_a_refusal_names_likely_labels_beside_the_texts_of_a_run(tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    cells = [f"{text},{label},{i}" for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))]
    table.write_text("\n".join(["text,verdict_of_clerk,number", *cells]), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"no column for the label: .*; the label may be 'verdict_of_clerk' \(2\), with"
    ):
        load_data([str(table)], stored=ColumnMap(("text",), None, "label"))


def test_a_run_reads_its_own_columns_only(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the text column 'text' \(or a synonym\) is missing"):
        load_data([spam(tmp_path)], stored=ColumnMap(("text",), None, "label"))


def test_places_under_another_name_are_entities(tmp_path: Path) -> None:
    path = tmp_path / "min.jsonl"
    rows = [{"my_text": text, "marks": json.loads(places)} for text, places in zip(TEXTS, PLACES, strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    loaded = load_data([str(path)])
    assert (loaded.task, loaded.columns.label) == ("ner", "marks")


@pytest.mark.parametrize("label_first", [True, False])
@pytest.mark.parametrize("name", ["t.txt", "t.tsv", "t"])
def test_tables_without_a_header_lose_no_row(tmp_path: Path, name: str, label_first: bool) -> None:
    path = tmp_path / name
    rows = [(label, text) if label_first else (text, label) for label, text in zip(LABELS, TEXTS, strict=True)]
    path.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    loaded = load_data([str(path)])
    assert [(row.label, row.texts[0]) for row in loaded.splits["train"]] == list(zip(LABELS, TEXTS, strict=True))


def test_lines_of_fast_text(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("".join(f"__label__{a} {b}\n" for a, b in zip(LABELS, TEXTS, strict=True)), encoding="utf-8")
    loaded = load_data([str(path)])
    assert [(row.label, row.texts[0]) for row in loaded.splits["train"]] == list(zip(LABELS, TEXTS, strict=True))
    path.write_text("__label__a __label__b both\n__label__a one\nnone\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.txt:3: label is missing"):
        load_data([str(path)])


def test_longer_texts_beside_a_title_are_named(tmp_path: Path) -> None:
    path = tmp_path / "news.csv"
    rows = [f"Parcel {i},{text},{label}" for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))]
    path.write_text("\n".join(["title,lead paragraph,label", *rows]), encoding="utf-8")
    (said,) = [note for note in load_data([str(path)]).notes if "is not read" in note]
    assert said.endswith("(--columns 'text=title+lead paragraph' reads both)")
    notes = load_data([str(path)], columns="text=title").notes
    assert not [note for note in notes if "is not read" in note], "it was asked for"


def test_a_second_text_beside_the_one_that_is_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    rows = [f"{text},{text} again,{text.split()[0]},{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    path.write_text("\n".join(["text,other text,word,label", *rows]), encoding="utf-8")
    (said,) = [note for note in load_data([str(path)]).notes if "is not read" in note]
    assert "'other text' holds texts, too" in said
    assert said.endswith("--columns 'text=text,pair=other text' reads pairs)")
    notes = load_data([str(path)], columns="text=text").notes
    assert not [note for note in notes if "is not read" in note], "it was asked for"


def test_a_column_called_pair_is_the_second_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    rows = [f"{text},{text} again,{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
    path.write_text("\n".join(["text,pair,label", *rows]), encoding="utf-8")
    assert load_data([str(path)]).splits["train"][0].texts == (TEXTS[0], f"{TEXTS[0]} again")


def test_texts_for_a_vocabulary_are_told_too(tmp_path: Path) -> None:
    opened = open_texts(spam(tmp_path))
    assert (list(opened.texts), opened.columns) == (TEXTS, ("v2",))
    assert "--columns text=v2" in opened.notes[-1]


def test_another_split_is_not_told_by_itself(tmp_path: Path) -> None:
    for name, header in (("train", "text,label"), ("test", "text,language")):
        rows = [f"{text},{label}" for text, label in zip(TEXTS, LABELS, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.csv: no column for the label"):
        load_data([str(tmp_path)])
    assert set(load_data([str(tmp_path)], splits=["train"]).splits) == {"train"}


def test_test_rows_of_a_competition_have_no_labels(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("id,text,target\n" + "".join(f"{i},{t},{i % 2}\n" for i, t in enumerate(TEXTS)))
    (tmp_path / "test.csv").write_text("test_id,text\n" + "".join(f"{i},new {t}\n" for i, t in enumerate(TEXTS)))
    (tmp_path / "sample_submission.csv").write_text("id,target\n0,0\n")
    dataset = load_data([str(tmp_path)])
    assert set(dataset.splits) == {"train"}
    assert "test is left out: its labels are withheld" in dataset.notes
    assert set(stream_data([str(tmp_path)]).splits) == {"train", "test"}


def test_texts_and_labels_in_two_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "train_labels.txt").write_text("0\n1\n")
    (tmp_path / "train_text.txt").write_text("a\nb\n")
    with pytest.raises(
        DataError, match=r"join them line by line: paste train_text\.txt train_labels\.txt > train\.tsv"
    ):
        load_data([str(tmp_path)])


def said_of(path: Path, *table: dict[str, object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    return " ".join(load_data([str(path)]).notes)


def test_what_is_not_read_and_may_be_meant_is_said(tmp_path: Path) -> None:
    path, splits = tmp_path / "a.jsonl", ["train", "test"] * 15
    rows = list(zip(TEXTS, LABELS, splits, strict=True))
    said = said_of(path, *({"text": text, "label": label, "split": split} for text, label, split in rows))
    assert "the column 'split' says which split each row is of ('train', 'test'), and it is not read" in said
    said = said_of(path, *({"text": text, "intent": label, "entities": [[4, 10, "X"]]} for text, label, _ in rows))
    assert "entities are read, and the classes in 'intent' are not (--columns text=text,label=intent)" in said
    pairs = (
        {"question": f"why, {i}?", "paragraph": text, "reply": f"for {text}", "label": i % 2}
        for i, text in enumerate(TEXTS)
    )
    assert "the texts are 'question' and 'paragraph'; 'reply' holds texts, too, and is not read" in said_of(
        path, *pairs
    )
    said = said_of(path, *({"text": text, "label": label, "split": "train"} for text, label, _ in rows))
    assert "not read" not in said
    twice = [(text, aspect, label) for text in TEXTS for aspect, label in (("price", "bad"), ("taste", "good"))]
    said = said_of(path, *({"text": text, "aspect": aspect, "label": label} for text, aspect, label in twice))
    assert "'aspect', which is not read, tells them apart (--columns text=text+aspect reads both)" in said
    said = said_of(path, *({"text": text, "label1": label, "label2": ""} for text, label, _ in rows))
    assert "the label is 'label1'; 'label2' may hold labels, too, and no other is read (choose with " in said


def test_a_second_column_called_like_labels_is_named_unless_it_says_the_same(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    two = [{"text": t, "category": "ab"[i % 2], "stars": i % 5 + 1} for i, t in enumerate(TEXTS)]
    assert (
        "the label is 'category'; 'stars' may hold labels, too, and no other is read (choose with --columns "
        "label=stars)"
    ) in said_of(path, *two)
    assert load_data([str(path)], columns="label=stars").columns.label == "stars"
    same = [{"text": t, "label": i % 3, "label_text": ["neg", "neu", "pos"][i % 3]} for i, t in enumerate(TEXTS)]
    assert "may hold labels" not in said_of(path, *same)
    target = [{"text": t, "target": ["tax", "school"][i % 2], "stance": "ab"[i % 3 // 2]} for i, t in enumerate(TEXTS)]
    assert "may hold labels" not in said_of(path, *target)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (lambda word: {"span1_text": word, "span2_text": word, "span1_index": 1}, "'span1_text' and 'span2_text'"),
        (lambda word: {"target": {"span1_text": word, "span1_index": 1}}, "'target.span1_text'"),
        (lambda word: {"word": word, "start1": 4}, "'word'"),
        (lambda word: {"aspect": word.title(), "lang": "en"}, "'aspect'"),
        (lambda word: {"kind": "shop" if word == "torn" else "van", "lang": "en"}, ""),
    ],
)
def test_words_of_the_text_that_are_not_read_are_named(
    tmp_path: Path, more: Callable[[str], dict[str, object]], said: str
) -> None:
    """As in WSC, WiC and tables of aspects."""
    rows = [{"text": t, **more(["parcel", "torn"][i % 2]), "label": i % 2} for i, t in enumerate(TEXTS)]
    found = said_of(tmp_path / "a.jsonl", *rows)
    assert (f"{said} may say what words of the text the label is of, which is not read" in found) == bool(said)


def test_an_answer_beside_question_and_text_is_named_however_short_it_is(tmp_path: Path) -> None:
    rows = ({"paragraph": t, "question": f"why, {i}?", "answer": ["Yes", "1999"][i % 2], "label": i % 2}
            for i, t in enumerate(TEXTS))  # fmt: skip
    found = said_of(tmp_path / "a.jsonl", *rows)
    assert "'answer' holds texts, too, and is not read (--columns text=question+paragraph+answer reads all)" in found


def test_tags_that_are_not_read_are_named(tmp_path: Path) -> None:
    rows = ({"text": f"to boston {i}", "slots": "O B-to O", "intent": "ab"[i % 2]} for i in range(12))
    found = said_of(tmp_path / "a.jsonl", *rows)
    assert "'slots' has a tag for each word, and is not read (--task ner --columns text=text,label=slots does)" in found
    rows = ({"tokens": ["Mira", "left"], "ner_tags": ["B-PER", "O"], "fine_ner_tags": ["B-king", "O"]} for _ in TEXTS)
    found = said_of(tmp_path / "a.jsonl", *rows)
    assert (
        "the tags in 'ner_tags' are read, and those in 'fine_ner_tags' are not (--columns text=tokens,label=" in found
    )


def test_relations_beside_entities_are_named(tmp_path: Path) -> None:
    told = {"tokens": ["Mira", "left", "Aldby"], "entities": [{"type": "PER", "start": 0, "end": 1}]}
    path = tmp_path / "a.jsonl"
    assert "the relations in 'relations' are not" in said_of(path, *[{**told, "relations": [{"head": 0}]}] * 12)
    assert "relations" not in said_of(path, *[{**told, "relations": []}] * 12)


def test_labels_in_a_table_of_their_own_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("id,text\n" + "".join(f"{i},{text}\n" for i, text in enumerate(TEXTS)))
    (tmp_path / "train_labels.csv").write_text("id,label\n" + "".join(f"{i},{i % 2}\n" for i in range(30)))
    said = r"train_labels\.csv beside it may hold the labels, so join both by the column they share: python -c \"import"
    for data in (tmp_path, tmp_path / "train.csv"):
        with pytest.raises(DataError, match=said):
            load_data([str(data)])


def test_choices_and_letters_without_names_are_questions(tmp_path: Path) -> None:
    path = tmp_path / "quiz.csv"
    path.write_text("".join(f"what is {i} and why?,one {i},two,three,four,{'ABCD'[i % 4]}\n" for i in range(30)))
    dataset = load_data((str(path),))
    assert (dataset.task, dataset.columns.choices) == ("choice", ("2", "3", "4", "5"))
    assert "'6' holds letters of the choices '2' to '5'; read as --columns " in dataset.notes[0]
    path.write_text("".join(f"he wrote {i} pages,{'ABC'[i % 3]}\n" for i in range(30)))
    assert load_data((str(path),)).task == "classify", "grades, and no choices beside them"


def test_columns_of_0_and_1_that_exclude_each_other_are_said_to_be_classes(tmp_path: Path) -> None:
    path = tmp_path / "hot.csv"
    path.write_text(
        "text,good,bad,fair\n" + "".join(f"a b {i},{i % 3 // 2},{i % 3 % 2},{int(i % 3 == 0)}\n" for i in range(30))
    )
    assert "each row has exactly one" in load_data((str(path),)).notes[-1]


@pytest.mark.parametrize(("text", "other"), [("query", "positive"), ("원문", "번역문"), ("text", "reply")])
def test_texts_beside_the_one_that_is_read_are_named(tmp_path: Path, text: str, other: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(
        f"{text},{other},score\n" + "".join(f"where is {i} now?,it is {i} again,{i / 8}\n" for i in range(30))
    )
    notes = load_data((str(path),)).notes
    assert any(f"{other!r} holds texts, too, and is not read (--columns " in note for note in notes)


def test_a_target_is_no_label_beside_what_is_said_of_it(tmp_path: Path) -> None:
    path = tmp_path / "stance.csv"
    lines = (f"it is {i} again,{'tax' if i % 2 else 'school'},{'pro' if i % 3 else 'con'}\n" for i in range(30))
    path.write_text("tweet,target,stance\n" + "".join(lines))
    assert load_data((str(path),)).columns.label == "stance"
    assert load_data((str(path),), columns="label=target").columns.label == "target"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("dataset", ["train", "dev", "test"], True),
        ("구분", ["학습", "검증", "평가"], True),
        ("is_test", ["0", "1", "0"], True),
        ("fold", ["1", "2", "3"], True),
        ("k_fold", ["fold_1", "fold_2", "fold_3"], True),
        ("fold", ["paper", "skin", "paper"], False),
        ("kind", ["public", "private", "public"], False),
        ("state", ["open", "test", "closed"], False),
    ],
)
def test_columns_that_say_which_split_a_row_is_of(tmp_path: Path, name: str, values: list[str], *, said: bool) -> None:
    rows = [f"a text of number {i},{'yes' if i % 2 else 'no'},{values[i // 40]}" for i in range(120)]
    (tmp_path / "t.csv").write_text("\n".join([f"text,label,{name}", *rows, ""]), encoding="utf-8")
    notes = load_data([str(tmp_path / "t.csv")]).notes
    assert any(f"the column '{name}' says which split each row is of" in note for note in notes) == said


@pytest.mark.parametrize(
    ("time", "name"),
    [
        ("2026/05/{day} 10:02:09 AM GMT+9", "Timestamp"),
        ("2026. 5. {day} 오전 10:02:09", "타임스탬프"),
        ("5/{day}/2026 3:04 PM", "When"),
    ],
)
def test_times_of_forms_are_no_texts(tmp_path: Path, time: str, name: str) -> None:
    rows = [f"{time.format(day=i + 1)},it rained on day {i},{'good' if i % 2 else 'bad'}" for i in range(20)]
    header = f"{name},What happened to you?,How was that?"
    (tmp_path / "t.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    loaded = load_data([str(tmp_path / "t.csv")])
    assert (loaded.columns.text, loaded.columns.label) == (("What happened to you?",), "How was that?")


@pytest.mark.parametrize(("target", "label"), [("Target", "Stance"), ("aspect", "sentiment"), ("대상", "polarity")])
def test_what_a_stance_is_about_is_said(tmp_path: Path, target: str, label: str) -> None:
    rows = [f"a remark of number {i},{'tax' if i % 2 else 'war'},{'for' if i % 3 else 'against'}" for i in range(20)]
    (tmp_path / "t.csv").write_text("\n".join([f"text,{target},{label}", *rows, ""]), encoding="utf-8")
    loaded = load_data([str(tmp_path / "t.csv")])
    assert loaded.columns == ColumnMap(("text",), None, label)
    said = f"'{label}' may be about what '{target}' holds, which is not read (--columns "
    assert any(said in note for note in loaded.notes)
    both = load_data([str(tmp_path / "t.csv")], columns=f"text=text+{target},label={label}")
    assert not any("may be about" in note for note in both.notes)


@pytest.mark.parametrize("label", ["target", "answer"])
def test_of_a_target_and_an_answer_the_one_with_few_values_is_the_label(tmp_path: Path, label: str) -> None:
    other = "answer" if label == "target" else "target"
    rows = "".join(
        f"this is the text of number {i},what is said of it at {i} is long,{'ab'[i % 2]}\n" for i in range(12)
    )
    path = tmp_path / "t.csv"
    path.write_text(f"text,{other},{label}\n{rows}")
    loaded = load_data([str(path)])
    assert (loaded.columns.text, loaded.columns.label) == (("text",), label)
    path.write_text(
        "text,target,answer\n" + "".join(f"a text {i},{'xy'[i % 2]},{'ab'[i // 2 % 2]}\n" for i in range(12))
    )
    with pytest.raises(DataError, match="may be"):
        load_data([str(path)])
