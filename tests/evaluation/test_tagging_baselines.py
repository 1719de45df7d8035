"""The baselines of ner: nothing, and what was an entity before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.baselines.table import fit_tagging_baselines, load_tagging_baselines
from bertkit.data.records import Entity, Example, TaggedText
from bertkit.errors import RunError
from bertkit.tasks.tagging import Tagging


def tagged(text: str, *entities: tuple[str, str]) -> TaggedText:
    found = [Entity(text.index(string), text.index(string) + len(string), label) for string, label in entities]
    return TaggedText((text,), None, 1, "t.conll", tuple(found))


TRAIN = [
    tagged("Boris lives in New York", ("Boris", "PER"), ("New York", "LOC")),
    tagged("in York , May and Boris met", ("York", "LOC"), ("May", "PER")),
    tagged("York may win", ("York", "ORG")),
    tagged("it rains in May and in May only"),
    tagged("York and New Haven", ("York", "LOC"), ("New Haven", "LOC")),
]


def keys(output: Tagging) -> list[tuple[int, int, str]]:
    return [entity.key for entity in output.entities]


def looked_up(text: str, train: list[TaggedText] = TRAIN) -> list[tuple[str, str]]:
    (found,) = fit_tagging_baselines(train).predict([tagged(text)])["lexicon"]
    assert found.raw == found.entities
    assert not found.repaired
    return [(text[e.start : e.end], e.label) for e in found.entities]


def test_nothing_is_an_entity() -> None:
    assert fit_tagging_baselines(TRAIN).predict(TRAIN)["all-O"] == [Tagging()] * len(TRAIN)


def test_the_longest_known_entity_is_taken_at_its_place() -> None:
    assert looked_up("York, New York; New Haven's Boris") == [
        ("York", "LOC"),
        ("New York", "LOC"),
        ("New Haven", "LOC"),
    ]


def test_a_word_that_was_no_entity_as_often_as_one_is_none() -> None:
    # Boris was one in 1 of 2 places, May in 1 of 3; York in 3 of 4, two of them LOC
    assert looked_up("York") == [("York", "LOC")]
    assert looked_up("Boris in May") == []
    assert looked_up("Boris", [*TRAIN, tagged("Boris", ("Boris", "PER"))]) == [("Boris", "PER")]


def test_a_kind_is_the_most_frequent_one_and_its_share_the_score() -> None:
    # with one more, York stands in 5 places: 3 LOC, 1 ORG, 1 within another entity
    train = [*TRAIN, tagged("York", ("York", "LOC"))]
    (found,) = fit_tagging_baselines(train).predict([tagged("York")])["lexicon"]
    assert keys(found) == [(0, 4, "LOC")]
    assert found.entities[0].score == pytest.approx(3 / 5)


def test_of_two_kinds_as_frequent_the_choice_does_not_follow_the_order_of_rows() -> None:
    train = [tagged("Mars", ("Mars", kind)) for kind in ("ORG", "LOC", "LOC", "ORG")]
    assert fit_tagging_baselines(train).lexicon == fit_tagging_baselines(train[::-1]).lexicon


def test_words_match_as_written_and_spaces_do_not_count() -> None:
    assert looked_up("NEW YORK new york") == []
    assert looked_up("in New  York") == [("New  York", "LOC")]
    assert looked_up("Newark, Yorkshire") == []


def test_rows_without_entities_or_words() -> None:
    baselines = fit_tagging_baselines(
        [tagged("nothing"), TaggedText(("x",), None, 1, "t"), Example(("y",), None, 1, "t")]
    )
    found = baselines.predict([tagged(""), tagged("nothing")])
    assert found["lexicon"] == [Tagging(), Tagging()]


def test_a_very_long_entity_is_not_remembered() -> None:
    words = " ".join("abcdefghij")
    assert looked_up(words, [tagged(words, (words, "X"))]) == []


def test_save_and_load(tmp_path: Path) -> None:
    fitted = fit_tagging_baselines([*TRAIN, tagged("서울 \ud800", ("서울", "LOC"), ("\ud800", "ODD"))])
    for name in ("one", "two"):
        fitted.save(tmp_path / name)
    assert load_tagging_baselines(tmp_path / "one") == fitted
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


@pytest.mark.parametrize("lexicon", [None, [["York", "LOC"]], "York", [[["York"], "LOC"]]])
def test_damaged_files(tmp_path: Path, lexicon: object) -> None:
    fit_tagging_baselines(TRAIN).save(tmp_path)
    path = tmp_path / "baselines.json"
    facts = json.loads(path.read_text())
    path.write_text(
        json.dumps({name: value for name, value in {**facts, "lexicon": lexicon}.items() if value is not None})
    )
    with pytest.raises(RunError, match="damaged"):
        load_tagging_baselines(tmp_path)
    with pytest.raises(RunError):
        load_tagging_baselines(tmp_path / "nowhere")
