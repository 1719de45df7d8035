from collections import Counter
from itertools import pairwise

import pytest

from bertkit.data.records import ColumnMap, DataSet, Example
from bertkit.data.splits import MAX_BLOCK, follows, hold_out, passage_blocks
from bertkit.errors import DataError, UsageError


def dataset(rows, *, pair=None, **others):
    splits = {"train": tuple(Example(texts, label, line, "t") for line, (texts, label) in enumerate(rows, start=1))}
    columns = ColumnMap(("a",), pair, "label")
    return DataSet("toy", "classify", columns, {**splits, **others}, fingerprint="f")


def labelled(**counts):
    return [((f"{label} {i}",), label) for label, count in counts.items() for i in range(count)]


def split(data, validation=0.1, test=0.0, seed=0, **options):
    return hold_out(data, validation_fraction=validation, test_fraction=test, seed=seed, **options)


def test_labels_keep_their_shares_and_no_row_is_lost():
    data = dataset(labelled(a=300, b=90, c=10))
    held = split(data, 0.1, 0.2)
    assert list(held.splits) == ["train", "validation", "test"]
    assert Counter(held.labels("validation")) == {"a": 30, "b": 9, "c": 1}
    assert Counter(held.labels("test")) == {"a": 60, "b": 18, "c": 2}
    together = sorted((e for rows in held.splits.values() for e in rows), key=lambda e: e.line)
    assert together == list(data.splits["train"])
    assert all([e.line for e in rows] == sorted(e.line for e in rows) for rows in held.splits.values()), (
        "rows keep their order"
    )
    assert held.fingerprint == "f"
    assert held.notes[-1] == "validation: 40 of 400 training rows held out (seed 0), stratified by label"


def test_the_choice_depends_on_the_seed_only():
    data = dataset(labelled(a=50, b=50))
    assert split(data).splits == split(data).splits
    assert split(data).splits != split(data, seed=1).splits
    reversed_rows = dataset(list(reversed(labelled(a=50, b=50))))
    assert {e.texts for e in split(data).splits["validation"]} == {
        e.texts for e in split(reversed_rows).splits["validation"]
    }


def test_the_choice_is_the_same_on_every_machine():
    chosen = [e.texts[0] for e in split(dataset(labelled(a=20, b=20))).splits["validation"]]
    assert chosen == ["a 6", "a 11", "b 6", "b 12"]


def test_the_test_rows_do_not_depend_on_the_validation_fraction():
    data = dataset(labelled(a=60, b=40))
    assert split(data, 0.1, 0.2).splits["test"] == split(data, 0.3, 0.2).splits["test"]


def test_equal_texts_stay_together():
    rows = [((f"text {i % 40}",), "ab"[i % 2]) for i in range(200)]
    held = split(dataset(rows), 0.2, 0.2)
    sides = [{e.texts for e in examples} for examples in held.splits.values()]
    assert all(sides)
    assert sum(map(len, sides)) == len(set().union(*sides))


def test_a_swapped_pair_is_the_same_pair():
    rows = [((f"x{i}", f"y{i}"), "1") for i in range(50)] + [((f"y{i}", f"x{i}"), "0") for i in range(50)]
    held = split(dataset(rows, pair="b"), 0.3)
    sides = [{frozenset(e.texts) for e in held.splits[name]} for name in ("train", "validation")]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_official_splits_are_not_touched():
    official = (Example(("v",), "a", 1, "v"),)
    data = dataset(labelled(a=10, b=10), validation=official)
    assert split(data) is data
    held = split(data, 0.1, 0.1)
    assert held.splits["validation"] is official
    assert len(held.splits["test"]) == 2


def test_scores_are_not_strata():
    rows = [((f"t{i}",), f"{i / 10}") for i in range(100)]
    held = split(dataset(rows), 0.2)
    assert len(held.splits["validation"]) == 20
    assert "stratified" not in held.notes[-1]


def test_a_label_with_one_row_stays_in_training():
    held = split(dataset(labelled(a=20, rare=1)), 0.5)
    assert "rare" in set(held.labels("train"))
    assert "rare" not in set(held.labels("validation"))


def test_two_rows_are_enough_for_one_each():
    held = split(dataset(labelled(a=2)))
    assert [len(rows) for rows in held.splits.values()] == [1, 1]


@pytest.mark.parametrize("rows", [labelled(a=1), [(("same",), "a")] * 10, labelled(a=1, b=1, c=1)])
def test_too_few_rows_are_named(rows):
    with pytest.raises(DataError, match=r"training rows .* are too few to hold out validation rows from"):
        split(dataset(rows))


@pytest.mark.parametrize(("validation", "test"), [(1.0, 0.0), (-0.1, 0.0), (0.1, 1.5), (0.5, 0.5)])
def test_fractions_that_leave_nothing_are_wrong_usage(validation, test):
    with pytest.raises(UsageError, match="-fraction"):
        split(dataset(labelled(a=10)), validation, test)


def test_without_a_train_split_nothing_can_be_carved():
    data = DataSet("toy", "classify", ColumnMap(("a",)), {"test": ()}, fingerprint="f")
    with pytest.raises(DataError, match="no train split to hold validation out of"):
        split(data)


@pytest.mark.parametrize("rows", [40, 400])
def test_passages_stay_together(rows):
    data = dataset([((f"line {i}",), None) for i in range(rows)])
    held = split(data, 0.1, 0.1, stratify=False, passages=True)
    assert sorted(e.line for part in held.splits.values() for e in part) == list(range(1, rows + 1))
    for name in ("validation", "test"):
        part = held.splits[name]
        assert rows / 20 <= len(part) <= rows / 10
        neighbours = sum(follows(*pair) for pair in pairwise(part))
        assert neighbours >= len(part) / 2
    assert held.notes[-1].endswith("held out (seed 0), lines that follow each other together")
    assert split(data, passages=True).splits == split(data, passages=True).splits
    assert split(data, passages=True).splits != split(data, passages=True, seed=1).splits


def test_a_block_ends_where_the_passage_does():
    numbers = [*range(1, 26), 27, 28, 30]
    examples = [Example(("x",), None, n, "a.txt") for n in numbers] + [Example(("x",), None, 31, "b.txt")]
    blocks = passage_blocks(examples)
    assert [len(block) for block in blocks] == [MAX_BLOCK, MAX_BLOCK, 5, 2, 1, 1]
    assert [i for block in blocks for i in block] == list(range(len(examples)))
