"""Tagged text from the rows of tables: every way to list entities, and every fault at its row."""

import json
import os
from pathlib import Path

import pytest

from bertkit.data.formats.readers import read_rows
from bertkit.data.formats.telling import TableFormat
from bertkit.data.records import BadRow, ColumnMap, Row, TaggedText
from bertkit.data.shapes.tagged import TaggedTexts, find_tag_columns, looks_tagged
from bertkit.errors import DataError
from bertkit.tasks.rows import load_data

TEXT_AND_ENTITIES = ColumnMap(("text",), label="entities")
TOKENS_AND_TAGS = ColumnMap(("tokens",), label="ner_tags")


@pytest.fixture
def real_data():
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    return Path(root)


def found(example):
    assert isinstance(example, TaggedText), example
    (text,) = example.texts
    return [(text[e.start : e.end], e.label) for e in example.entities]


def tagged_row(row, columns, source, *, need_tags=True, **options):
    (found,) = TaggedTexts(**options).examples([row], columns, source, need_label=need_tags)
    return found


def row_of(text, entities, columns=TEXT_AND_ENTITIES, **options):
    as_text = [value if isinstance(value, str) else json.dumps(value) for value in (text, entities)]
    fields = dict(zip((*columns.text, columns.label), as_text, strict=True))
    return tagged_row(Row(5, fields), columns, "rows.jsonl", **options)


class TestTagsInARow:
    columns = ColumnMap(("1",), label="2")

    def test_suffix_tags_of_words(self):
        example = row_of("그건  엘레나 대행 궐녀를", "O PER-B PER-I CVL-B", self.columns)
        assert example.texts == ("그건  엘레나 대행 궐녀를",), "the text is as given"
        assert found(example) == [("엘레나 대행", "PER"), ("궐녀를", "CVL")]
        assert example.line == 5

    @pytest.mark.parametrize(
        ("text", "tags", "message"),
        [
            ("가 나", "O PER-B O", "more tags (3) than words (2)"),
            ("가 나 다", "O PER-B", "fewer tags (2) than words (3)"),
            ("가 나 다 라", "PER-B PER-B PER-B PER-X", "'PER-X' is outside the scheme IOB2 (LABEL-B, LABEL-I, O)"),
            ("가", " ", "the entities are empty (column '2')"),
        ],
    )
    def test_faults(self, text, tags, message):
        bad = row_of(text, tags, self.columns)
        assert isinstance(bad, BadRow)
        assert bad.line == 5
        assert message in bad.message

    def test_the_scheme_is_the_tables(self):
        rows = [Row(1, {"1": "가 나", "2": "PER-B O"}), BadRow(2, "odd"), Row(3, {"1": "가 나", "2": "PER-I PER-I"})]
        first, bad, last = TaggedTexts().examples(rows, self.columns, "file")
        assert bad == BadRow(2, "odd")
        assert (first.repaired, last.repaired) == (False, True)
        assert found(last) == [("가 나", "PER")]


class TestTokensAndTags:
    def test_words(self):
        example = row_of(["EU", "rejects", "German"], ["B-ORG", "O", "B-MISC"], TOKENS_AND_TAGS)
        assert example.texts == ("EU rejects German",)
        assert found(example) == [("EU", "ORG"), ("German", "MISC")]

    def test_class_ids_with_their_names(self):
        names = ("O", "B-PER", "I-PER")
        example = row_of(["a", "b", "c"], [0, 1, 2], TOKENS_AND_TAGS, tag_names=names)
        assert found(example) == [("b c", "PER")]
        assert "names are not known" in row_of(["a"], [0], TOKENS_AND_TAGS).message
        assert "class id 3" in row_of(["a"], [3], TOKENS_AND_TAGS, tag_names=names).message

    @pytest.mark.parametrize("need_tags", [True, False])
    def test_characters_are_told_from_the_table(self, need_tags):
        rows = [
            Row(n, {"tokens": json.dumps(list(text)), "ner_tags": json.dumps(["O"] * len(text))})
            for n, text in enumerate(["봄은", "서울 안"], start=1)
        ]
        examples = list(TaggedTexts().examples(rows, TOKENS_AND_TAGS, "file", need_label=need_tags))
        assert [e.texts for e in examples] == [("봄은",), ("서울 안",)]
        assert {e.entities for e in examples} == {() if need_tags else None}

    def test_empty_lists(self):
        assert row_of([], [], TOKENS_AND_TAGS).texts == ("",)
        assert "fewer tags (0) than words (1)" in row_of(["a"], [], TOKENS_AND_TAGS).message


class TestSpans:
    text = "Kim met 김철수 in New York"

    @pytest.mark.parametrize(
        "entities",
        [
            [[15, 23, "LOC"], [8, 11, "PER"]],
            [{"start": 8, "end": 11, "label": "PER"}, {"start": 15, "end": 23, "type": "LOC", "text": "New York"}],
            [{"start_offset": 8, "end_offset": 11, "entity": "PER"}, [14, 23, "LOC"]],
            [["New York", "LOC"], ["김철수", "PER"]],
            [{"string": "김철수", "label": "PER"}, {"word": "New York", "label": "LOC"}],
        ],
    )
    def test_every_way_to_list_entities(self, entities):
        example = row_of(self.text, entities)
        assert example.texts == (self.text,)
        assert found(example) == [("김철수", "PER"), ("New York", "LOC")]
        assert example.trimmed == ([14, 23, "LOC"] in entities), "a space around an entity is cut off and said"

    @pytest.mark.parametrize(
        ("entities", "message"),
        [
            ([[15, 24, "LOC"]], "outside the text of 23"),
            ([[-1, 3, "PER"]], "outside the text"),
            ([[3, 3, "PER"]], "is empty"),
            ([[3, 4, "PER"]], "only spaces"),
            ([[0, 7, "PER"], [4, 11, "LOC"]], "'Kim met' (PER) and 'met 김철수' (LOC) overlap"),
            ([[0, 3, "PER"], [0, 3, "LOC"]], "overlap"),
            ([[0, "3.5", "PER"]], "whole numbers"),
            ([[0, 3, ""]], "entity 1 has no label"),
            ([[0, 3, "PER"], [4, 5, 6, 7]], "entity 2 is neither"),
            ([{"label": "PER"}], "neither a place nor a string"),
            ([{"start": 0, "end": 3, "text": "Lee", "label": "PER"}], "are 'Kim', not 'Lee'"),
            ({"PER": ["Kim"]}, "not a JSON list"),
            ("[[0, 3, 'PER'", "not a JSON list"),
            ([{"start": 0, "end": 3, "labels": ["PER", "ORG"]}], "several labels"),
            (["B-PER", 3], "not all tags, nor all entities"),
        ],
    )
    def test_faults(self, entities, message):
        bad = row_of(self.text, entities)
        assert isinstance(bad, BadRow)
        assert bad.line == 5
        assert message in bad.message

    def test_what_is_listed_twice_is_one(self):
        assert found(row_of(self.text, [[0, 3, "PER"], [0, 3, "PER"]])) == [("Kim", "PER")]

    def test_no_entities(self):
        assert row_of(self.text, []).entities == ()

    def test_missing_columns(self):
        assert "'text' is missing" in tagged_row(Row(1, {"entities": "[]"}), TEXT_AND_ENTITIES, "f").message
        assert "missing (column 'entities')" in tagged_row(Row(1, {"text": "a"}), TEXT_AND_ENTITIES, "f").message
        with pytest.raises(DataError, match="one column of text"):
            tagged_row(Row(1, {"a": "a", "b": "b"}), ColumnMap(("a", "b"), label="c"), "f")

    def test_text_alone_will_do_without_tags(self):
        example = tagged_row(Row(1, {"text": "[sic] a"}), TEXT_AND_ENTITIES, "f", need_tags=False)
        assert (example.texts, example.entities) == (("[sic] a",), None)


class TestStrings:
    def places(self, text, pairs):
        return [(e.start, e.end, e.label) for e in row_of(text, pairs).entities]

    def test_equal_strings_take_one_place_each_in_order(self):
        pairs = [["Paris", "PER"], ["Paris", "LOC"]]
        assert self.places("Paris went to Paris", pairs) == [(0, 5, "PER"), (14, 19, "LOC")]

    def test_a_string_is_not_found_within_a_longer_one(self):
        pairs = [["York", "ORG"], ["New York", "LOC"]]
        assert self.places("New York met York", pairs) == [(0, 8, "LOC"), (13, 17, "ORG")]

    def test_whole_words_go_before_parts_of_words(self):
        assert self.places("Kimchi by Kim", [["Kim", "PER"]]) == [(10, 13, "PER")]
        assert self.places("이서울은 서울은", [["서울", "LC"]]) == [(5, 7, "LC")]

    def test_particles_do_not_hide_an_entity(self):
        assert self.places("그는 서울에서 왔다", [["서울", "LC"]]) == [(3, 5, "LC")]

    def test_given_places_are_kept_free(self):
        assert self.places("Bonn or Bonn", [["Bonn", "LOC"], [0, 4, "ORG"]]) == [(0, 4, "ORG"), (8, 12, "LOC")]

    def test_a_string_that_is_not_there_is_a_problem_of_its_row(self):
        pairs = [["Anna", "PER"], ["Rome", "LOC"], ["Anna", "PER"]]
        problems = []
        example = row_of("Anna sang", pairs, problems=problems)
        assert found(example) == [("Anna", "PER")]
        assert problems == [
            BadRow(5, "the entity 'Rome' is not in the text"),
            BadRow(5, "the entity 'Anna' is listed more often than it occurs in the text"),
        ]
        bad = row_of("Anna sang", pairs)
        assert isinstance(bad, BadRow), "where nobody gathers problems the row is one"


class TestFindingColumns:
    @pytest.mark.parametrize(
        ("names", "text", "label"),
        [
            (["id", "Text", "entities"], "Text", "entities"),
            (["sentence", "tokens", "ner_tags"], "tokens", "ner_tags"),
            (["tokens", "pos_tags", "tags"], "tokens", "tags"),
            (["text", "label"], "text", "label"),
            (["1", "2"], "1", "2"),
        ],
    )
    def test_by_name(self, names, text, label):
        assert find_tag_columns(names) == ColumnMap((text,), label=label)

    def test_what_is_not_there(self):
        assert find_tag_columns(["sentence1", "sentence2", "label"]) is None
        assert find_tag_columns(["text"]) is None
        assert find_tag_columns(["text"], need_tags=False) == ColumnMap(("text",))
        assert find_tag_columns(["tokens"], need_tags=False) == ColumnMap(("tokens",))
        assert find_tag_columns(["1"], need_tags=False) == ColumnMap(("1",))

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"text": "a b", "entities": '[[0, 1, "X"]]'}, True),
            ({"1": "a b", "2": "O PER-B"}, True),
            ({"tokens": '["a", "b"]', "ner_tags": "[0, 1]"}, True),
            ({"text": "a b", "label": "1"}, False),
            ({"text": "O", "label": "O"}, False),
            ({"text": "a b", "label": "good film"}, False),
            ({"text": "a b", "labels": "[0, 1]"}, False),
            ({"text": "a b", "labels": "{}"}, False),
            ({"text": "a b"}, False),
        ],
    )
    def test_looks_tagged(self, fields, expected):
        assert looks_tagged([Row(1, fields)]) is expected
        assert not looks_tagged([])

    def test_one_row_that_is_not_tagged_decides(self):
        rows = [Row(1, {"1": "a b", "2": "O PER-B"}), Row(2, {"1": "a b", "2": "good"})]
        assert not looks_tagged(rows)

    def test_a_list_that_is_too_short_is_a_fault_of_its_row(self):
        rows = [Row(line, {"tokens": "['a', 'b']", "ner_tags": "['B-X', 'O']"}) for line in range(1, 20)]
        assert looks_tagged([*rows, Row(20, {"tokens": "['a', 'b']", "ner_tags": "['O']"})])
        assert not looks_tagged([*rows, Row(20, {"tokens": "['a', 'b']", "ner_tags": "good"})])


@pytest.mark.parametrize("name", ["word_labels", "token_tags", "bio_tags"])
def test_tags_with_commas_under_other_names(tmp_path, name):
    rows = [f'Mira left {place} times,"B-PER,O,O,O"' for place in ("two", "three", "four")]
    (tmp_path / "t.csv").write_text("\n".join([f"sentence,{name}", *rows, ""]), encoding="utf-8")
    loaded = load_data([str(tmp_path / "t.csv")])
    assert loaded.task == "ner"
    assert [row.answer for row in loaded.splits["train"]] == [[[0, 4, "PER"]]] * 3


def test_real_naver(real_data):
    table_format = TableFormat("tsv", has_header=False)
    rows = list(read_rows(real_data / "naver_ner" / "train.tsv", table_format=table_format))
    assert looks_tagged(rows)
    columns = find_tag_columns(list(rows[0].fields))
    examples = list(TaggedTexts().examples(rows, columns, "train.tsv"))
    assert len(examples) == 7000
    assert all(words and words == words.strip() for example in examples for words, _ in found(example))
    assert [e.texts[0] for e in examples] == [row.fields["1"] for row in rows]
    assert 0 < sum(e.repaired for e in examples) < 50


def spans_file(path, sentences, cut):
    """Write sentences of a name and what follows it, the end of each name moved by `cut`."""
    rows = [{"text": f"{name}{behind}", "entities": [[0, len(name) + cut, "PS"]]} for name, behind in sentences]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return load_data([str(path)]).warnings


def test_korean_ends_that_are_the_last_character_are_said(tmp_path):
    names = ["김미라", "박두호", "한결제약", "서운시", "바른은행", "동해군"] * 3
    spaced = [(name, " 측이 말했다") for name in names]
    assert any(
        "end before the last letter of a word ('김미', " in said for said in spans_file(tmp_path / "a", spaced, -1)
    )
    assert not spans_file(tmp_path / "b", spaced, 0)
    particles = [(name, f"{'은이를에의'[place % 5]} 말했다") for place, name in enumerate(names)]
    assert not spans_file(tmp_path / "c", particles, 0), "a particle follows its word without a space"


def test_lists_of_tags_under_any_name_are_entities(tmp_path):
    rows = [f"Mira left town {place} days ago,B-PER O O O O O" for place in range(12)]
    (tmp_path / "t.csv").write_text("\n".join(["sentence,annot", *rows, ""]), encoding="utf-8")
    loaded = load_data([str(tmp_path / "t.csv")])
    assert (loaded.task, loaded.splits["train"][0].answer) == ("ner", [[0, 4, "PER"]])
