"""Entities that end inside a unit: what is learnt of it, and what it is worth."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

from bertkit.data.records import Entity
from bertkit.tasks.base import Endings, TaskSettings, learn_endings
from bertkit.tasks.tagging import TaggingTask
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.segments import Span
from tests.tasks.test_tagging import SETTINGS, metaspace, oracle, tagged


def pieces(*texts: str) -> list[Span]:
    """The places of texts that stand one after the other with a space between."""
    found, at = [], 0
    for text in texts:
        found.append(Span(0, at, at + len(text)))
        at += len(text) + 1
    return found


def row(*texts: str, ends: dict[int, int]) -> tuple[str, list[Entity], list[Span]]:
    """A text, entities of single pieces that end this many letters before them, and the pieces."""
    spans = pieces(*texts)
    return (
        " ".join(texts),
        [Entity(spans[i].start, spans[i].end - behind, "X") for i, behind in ends.items()],
        [Span(-1, 0, 0), *spans, Span(-1, 0, 0)],
    )


def test_letters_that_follow_entities_are_learnt_and_exceptions_with_them() -> None:
    rows = [row("개를", "말을", "배를", ends={0: 1, 1: 1, 2: 1}), row("여를", "말을", ends={1: 1})] * 2
    rows += [row("나를", ends={0: 0})] * 2
    endings = learn_endings(rows)
    assert endings.letters == {"를": 1, "을": 1}
    assert endings.units == {"나를": 0}
    assert [endings.behind(unit) for unit in ("새를", "나를", "를", "서울", "")] == [1, 0, 0, 0, 0]


def test_what_was_seen_once_is_no_rule() -> None:
    assert not learn_endings([row("개를", "서울", ends={0: 1, 1: 0})])


def test_equal_counts_leave_the_unit_whole() -> None:
    assert not learn_endings([row("개를", ends={0: 1}), row("개를", ends={0: 0})])


def test_two_letters_behind() -> None:
    endings = learn_endings([row("원에서", ends={0: 2}), row("장에서", ends={0: 2})])
    assert [endings.behind(unit) for unit in ("점에서", "에서", "서")] == [2, 0, 0]


def test_decomposed_letters_are_cut_whole() -> None:
    endings = learn_endings([row("개를", ends={0: 1})] * 2)
    unit = unicodedata.normalize("NFD", "개를")
    assert unit[: len(unit) - endings.behind(unit)] == unicodedata.normalize("NFD", "개")


def test_entities_end_before_particles_that_share_their_piece() -> None:
    tokenizer = metaspace("▁서울은", "▁강릉은", "▁대전은", "▁간다", "▁곳")
    rows = [tagged(f"{city}은 간다", (city, "LOC")) for city in ("서울", "강릉")] * 2
    mine = TaggingTask.fit(SETTINGS, tokenizer, rows)
    unseen = tagged("대전은 간다", ("대전", "LOC"))
    for example in (*rows, unseen):
        assert [e.key for e in oracle(mine, example).entities] == [(0, 2, "LOC")]


def test_data_of_whole_words_learns_none(tokenizer: Tokenizer) -> None:
    rows = [tagged("the cat", ("cat", "PET")), tagged("a dog sees", ("dog", "PET"))] * 3
    assert not TaggingTask.fit(SETTINGS, tokenizer, rows).settings.endings


def test_windows_cut_units_alike() -> None:
    tokenizer = metaspace("▁서울은", "▁간다")
    rows = [tagged("서울은 간다", ("서울", "LOC"))] * 2
    mine = TaggingTask.fit(SETTINGS, tokenizer, rows)
    text = " ".join(["서울은 간다"] * 60)
    long = tagged(text, *[("서울", "LOC")] * 60)
    windowed = TaggingTask(replace(mine.settings, on_long="window", max_length=16), tokenizer)
    assert [e.key for e in oracle(windowed, long).entities] == [(e.start, e.end, "LOC") for e in long.entities or ()]


def test_settings_with_endings_survive_json_and_older_ones_have_none() -> None:
    settings = TaskSettings("ner", SETTINGS.columns, ("LOC",), endings=Endings({"개를": 1}, {"은": 1}))
    stored = json.loads(json.dumps(settings.to_json()))
    assert TaskSettings.from_json(stored) == settings
    del stored["endings"]
    assert TaskSettings.from_json(stored).endings == Endings()
