"""The best tags that keep the scheme: against all sequences there are, one by one."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from bertkit.tasks.tagging import best_path, entity_runs, tag_names


def keeps_scheme(tags: tuple[int, ...]) -> bool:
    """No I- (even and not 0) without a B- or I- of its kind before it."""
    return all(tag == 0 or tag % 2 == 1 or before in (tag - 1, tag) for before, tag in itertools.pairwise((0, *tags)))


def test_tags_are_o_and_two_for_each_kind() -> None:
    assert tag_names(("LOC", "PER")) == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


@functools.cache
def sequences_that_keep_the_scheme(units: int, n_tags: int) -> np.ndarray:
    """All of them, (S, U)."""
    return np.array([tags for tags in itertools.product(range(n_tags), repeat=units) if keeps_scheme(tags)])


@pytest.mark.parametrize("units", [1, 2, 3, 4, 5])
def test_the_best_of_all_sequences_that_keep_the_scheme(units: int) -> None:
    """100 random cases of each length, 500 in all: the very sequence that trying them all finds."""
    repaired = 0
    for seed in range(100):
        rng = np.random.default_rng([units, seed])
        n_tags = 1 + 2 * int(rng.integers(1, 4 if units < 5 else 3))  # of one to three kinds
        rows = rng.dirichlet(np.full(n_tags, rng.choice([0.3, 1.0, 5.0])), size=units)  # from sure to unsure
        found = best_path(rows)
        all_there_are = sequences_that_keep_the_scheme(units, n_tags)
        scores = np.log(np.maximum(rows, 1e-12))[np.arange(units), all_there_are].sum(axis=1)
        assert found.tags.tolist() == all_there_are[scores.argmax()].tolist()
        assert found.raw.tolist() == rows.argmax(axis=1).tolist()
        assert found.repaired == (not keeps_scheme(tuple(found.raw.tolist())))
        repaired += found.repaired
    assert 0 < repaired < 100


def test_what_keeps_the_scheme_is_left_as_it_is() -> None:
    rows = np.eye(5)[[0, 1, 2, 2, 3, 4, 0, 1, 1]]
    found = best_path(rows)
    assert found.tags.tolist() == [0, 1, 2, 2, 3, 4, 0, 1, 1]
    assert not found.repaired


def test_an_inside_tag_that_stands_alone_becomes_what_is_next_likely() -> None:
    sure_of_inside = np.array([[0.1, 0.3, 0.6], [0.2, 0.1, 0.7]])
    found = best_path(sure_of_inside)
    assert found.tags.tolist() == [1, 2]
    assert found.raw.tolist() == [2, 2]


def test_probabilities_of_zero_do_not_break_the_scheme() -> None:
    certain = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert best_path(certain).tags.tolist() in ([1, 2], [0, 1])
    assert keeps_scheme(tuple(best_path(np.eye(5)[[0, 2, 4, 4]]).tags.tolist()))


@pytest.mark.parametrize(
    ("tags", "runs"),
    [
        ([], []),
        ([0, 0], []),
        ([1, 2, 2], [(0, 3, 0)]),
        ([1, 1, 2], [(0, 1, 0), (1, 3, 0)]),
        ([1, 2, 0, 3], [(0, 2, 0), (3, 4, 1)]),
        ([1, 4], [(0, 1, 0), (1, 2, 1)]),
        ([2, 2], [(0, 2, 0)]),
        ([0, 4, 2, 2], [(1, 2, 1), (2, 4, 0)]),
        ([4, 3, 4], [(0, 1, 1), (1, 3, 1)]),
    ],
)
def test_runs_of_tags_are_entities_as_conlleval_reads_them(tags: list[int], runs: list[tuple[int, int, int]]) -> None:
    assert list(entity_runs(np.array(tags, dtype=np.int64))) == runs
