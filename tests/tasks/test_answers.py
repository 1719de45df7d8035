"""Gold answers beside what a task has learnt: what cannot be scored is said, or refused."""

from __future__ import annotations

import unicodedata

import pytest

from bertkit.data.records import ColumnMap, Entity, Example, TaggedText
from bertkit.errors import DataError
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.rows import check_answers


def settings(task: str, *labels: str) -> TaskSettings:
    return TaskSettings(task, ColumnMap(("t",), None, "y"), labels)


def labelled(*labels: str) -> list[Example]:
    return [Example((f"row {i}",), label, i, "test.tsv") for i, label in enumerate(labels, start=2)]


def tagged(*kinds: str) -> list[TaggedText]:
    return [TaggedText(("Ana",), None, i, "t", (Entity(0, 3, k),) if k else ()) for i, k in enumerate(kinds, start=1)]


def test_labels_never_seen_are_counted_and_named_with_the_nearest() -> None:
    rows = labelled(*["pos"] * 10, *["neg"] * 6, *["Pos"] * 20, *["neutral"] * 4)
    (found,) = check_answers(settings("classify", "neg", "pos"), rows)
    assert found == (
        "24 of 40 rows have labels the run never saw: 'Pos' (did you mean 'pos'?), 'neutral'; they count as wrong"
    )


def test_where_none_is_known_nothing_is_scored() -> None:
    with pytest.raises(
        DataError, match=r"^test\.tsv: no row has a label that the run knows: '1'.*it knows 'neg', 'pos'"
    ):
        check_answers(settings("classify", "neg", "pos"), labelled("1", "1", "0"))


def test_korean_labels_and_their_decomposed_forms() -> None:
    known = settings("classify", "긍정", "부정")
    rows = labelled("긍정", "부정", "긍정적", unicodedata.normalize("NFD", "긍정"))
    (found,) = check_answers(known, rows)
    assert found.startswith("2 of 4 rows have labels the run never saw: ")
    assert found.count("(did you mean '긍정'?)") == 2


def test_a_label_that_would_steer_a_terminal_is_escaped() -> None:
    (found,) = check_answers(settings("classify", "a"), labelled("a", "\x1b[31mb"))
    assert "'\\x1b[31mb'" in found


def test_many_labels_are_not_all_listed() -> None:
    (found,) = check_answers(settings("classify", "a", "b"), labelled("a", "b", *(f"zz{i}" for i in range(9))))
    assert "and 4 more" in found


def test_one_answer_in_every_row_is_said() -> None:
    (found,) = check_answers(settings("classify", "neg", "pos"), labelled("pos", "pos"))
    assert found.startswith("all 2 rows have the label 'pos'")
    (found,) = check_answers(settings("regression"), labelled("3", "3"))
    assert "no correlation" in found
    for fine in (labelled("pos", "neg"), labelled("pos"), []):
        assert check_answers(settings("classify", "neg", "pos"), fine) == ()


def test_rows_without_entities_are_said_and_types_never_seen_named() -> None:
    ner = settings("ner", "LOC", "PER")
    assert check_answers(ner, tagged("", "")) == ("none of the 2 rows has an entity: there is nothing to find in them",)
    assert check_answers(ner, tagged("PER", "")) == ()
    (found,) = check_answers(ner, tagged("PER", "per", "ORG"))
    assert "2 of 3 entities are of types the run never saw: 'per' (did you mean 'PER'?), 'ORG'" in found
    with pytest.raises(DataError, match="no entity is of a type that the run knows: 'PS'"):
        check_answers(ner, tagged("PS"))


def test_other_tasks_have_answers_of_their_own() -> None:
    assert check_answers(settings("choice"), labelled("A", "A")) == ()
