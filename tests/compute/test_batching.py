"""Batches: every row once, little padding, the same order for the same seed."""

from __future__ import annotations

import os
import random
from itertools import chain
from pathlib import Path

import pytest
import torch

from bertkit.compute.batching import (
    POOL,
    TOKEN_BUDGET,
    Batch,
    collate,
    padding_share,
    token_budget_batches,
    training_batches,
)
from bertkit.tokenization.base import Encoding


def mrpc_like(n: int = 3600, seed: int = 0) -> list[int]:
    """Lengths as of pairs of news sentences: about 53 tokens, from 20 to 100."""
    rng = random.Random(seed)
    return [min(100, max(20, round(rng.gauss(53, 14)))) for _ in range(n)]


def rows_of(batches: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(batches))


def encoding(ids: list[int], types: list[int] | None = None) -> Encoding:
    return Encoding(ids, types or [0] * len(ids), len(ids))


# --- prediction ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 500])
def test_prediction_takes_every_row_once(n: int) -> None:
    assert sorted(rows_of(token_budget_batches(mrpc_like(n)))) == list(range(n))


@pytest.mark.parametrize("budget", [100, 256, 1000, TOKEN_BUDGET])
def test_the_budget_counts_padding(budget: int) -> None:
    lengths = mrpc_like(400)
    for batch in token_budget_batches(lengths, budget=budget):
        assert len(batch) * max(lengths[row] for row in batch) <= budget


def test_the_budget_is_used() -> None:
    assert token_budget_batches([10] * 10, budget=40) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_row_over_the_budget_stands_alone() -> None:
    assert token_budget_batches([5, 90, 5, 120], budget=20) == [[3], [1], [0, 2]]


def test_longest_rows_come_first_and_ties_keep_their_order() -> None:
    assert rows_of(token_budget_batches([3, 7, 3, 9, 7], budget=14)) == [3, 1, 4, 0, 2]


def test_rows_without_tokens_do_no_harm() -> None:
    assert sorted(rows_of(token_budget_batches([0, 0, 4], budget=4))) == [0, 1, 2]


# --- training -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 31, 32, 33, 32 * POOL + 5])
def test_training_takes_every_row_once(n: int) -> None:
    batches = training_batches(mrpc_like(n), batch_size=32, seed=1, epoch=0)
    assert sorted(rows_of(batches)) == list(range(n))
    assert sorted(map(len, batches), reverse=True) == [32] * (n // 32) + [n % 32] * (n % 32 > 0)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    lengths = mrpc_like(700)
    orders = {
        (seed, epoch): list(training_batches(lengths, batch_size=16, seed=seed, epoch=epoch))
        for seed in (1, 2)
        for epoch in (0, 1)
    }
    for (seed, epoch), batches in orders.items():
        assert list(training_batches(lengths, batch_size=16, seed=seed, epoch=epoch)) == batches
    distinct = {tuple(map(tuple, batches)) for batches in orders.values()}
    assert len(distinct) == 4


def test_two_epochs_group_the_rows_differently() -> None:
    first, second = (
        {frozenset(batch) for batch in training_batches(mrpc_like(700), batch_size=16, seed=1, epoch=epoch)}
        for epoch in (0, 1)
    )
    assert not first & second


def test_batches_are_not_in_order_of_length() -> None:
    lengths = mrpc_like(700)
    longest = [
        max(lengths[row] for row in batch) for batch in training_batches(lengths, batch_size=16, seed=1, epoch=0)
    ]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


def test_global_random_state_plays_no_part() -> None:
    lengths = mrpc_like(100)
    torch.manual_seed(1)
    random.seed(1)
    first = training_batches(lengths, batch_size=8, seed=5, epoch=2)
    torch.manual_seed(2)
    random.seed(2)
    assert list(training_batches(lengths, batch_size=8, seed=5, epoch=2)) == list(first)


# --- padding ------------------------------------------------------------------------------


def test_padding_share_is_padding_by_all_tokens() -> None:
    assert padding_share([1, 3, 2], [[0, 1], [2]]) == pytest.approx(2 / 8)
    assert padding_share([4, 4], [[0, 1]]) == 0.0
    assert padding_share([], []) == 0.0


@pytest.mark.parametrize("batch_size", [8, 16, 32, 64])
def test_training_pads_little(batch_size: int) -> None:
    lengths = mrpc_like()
    batches = training_batches(lengths, batch_size=batch_size, seed=1, epoch=0)
    assert padding_share(lengths, batches) < 0.05
    in_order = [list(range(i, min(i + batch_size, len(lengths)))) for i in range(0, len(lengths), batch_size)]
    assert padding_share(lengths, in_order) > 0.2


@pytest.mark.parametrize("n", [1725, 3600])
def test_prediction_pads_little(n: int) -> None:
    lengths = mrpc_like(n)
    assert padding_share(lengths, token_budget_batches(lengths)) < 0.03


def test_a_stream_of_ten_thousand_rows_pads_little() -> None:
    from bertkit.data.records import BadRow
    from bertkit.evaluation.predict import blocks

    rng = random.Random(7)
    for lengths in (mrpc_like(10_000), [min(512, 4 + int(rng.expovariate(1 / 60))) for _ in range(30_000)]):
        parts = blocks(BadRow(line, "") for line in range(len(lengths)))
        batches = [
            [part[i].line for i in batch]
            for part in parts
            for batch in token_budget_batches([lengths[row.line] for row in part])
        ]
        assert sorted(rows_of(batches)) == list(range(len(lengths)))
        assert padding_share(lengths, batches) < 0.03


def test_mrpc_pads_little() -> None:
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    from bertkit.tasks.rows import load_data
    from bertkit.tokenization.vocab import train_wordpiece

    rows = load_data(["mrpc"], data_dir=Path(root) / "mrpc", splits=("train",)).splits["train"]
    tokenizer = train_wordpiece((text for e in rows for text in e.texts), size=4000, lowercase=True)
    encodings = tokenizer.encode([e.texts[0] for e in rows], [e.texts[1] for e in rows], max_length=512)
    lengths = [len(e.ids) for e in encodings]
    assert padding_share(lengths, training_batches(lengths, batch_size=32, seed=1, epoch=0)) < 0.05
    assert padding_share(lengths, token_budget_batches(lengths)) < 0.05


# --- tensors ------------------------------------------------------------------------------


def test_rows_are_padded_with_the_pad_id_and_masked() -> None:
    batch = collate([encoding([5, 6, 7], [0, 1, 1]), encoding([8])], pad_id=1)
    assert batch.input_ids.tolist() == [[5, 6, 7], [8, 1, 1]]
    assert batch.token_type_ids.tolist() == [[0, 1, 1], [0, 0, 0]]
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.tokens == 4


def test_a_token_that_has_the_pad_id_is_still_text() -> None:
    batch = collate([encoding([1, 1, 1]), encoding([1, 1])], pad_id=1)
    assert batch.attention_mask is not None
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 1, 0]]


@pytest.mark.parametrize("rows", [1, 3])
def test_nothing_padded_means_no_mask(rows: int) -> None:
    batch = collate([encoding([4, 0, 6])] * rows, pad_id=0)
    assert batch.attention_mask is None
    assert batch.tokens == 3 * rows


def test_tensors_are_whole_numbers_and_targets_are_kept() -> None:
    targets = torch.tensor([1.0, 0.0])
    batch = collate([encoding([5, 6]), encoding([8])], pad_id=0, targets=targets)
    assert batch.input_ids.dtype == batch.token_type_ids.dtype == torch.int64
    assert batch.targets is targets
    assert collate([encoding([5])], pad_id=0).targets is None


def test_moving_a_batch_keeps_what_is_missing_missing() -> None:
    batch = Batch(torch.tensor([[1, 2]]), torch.tensor([[0, 0]]), None, targets=torch.tensor([1.0]))
    moved = batch.to("meta")
    assert moved.attention_mask is None
    assert moved.targets is not None
    assert {t.device.type for t in (moved.input_ids, moved.token_type_ids, moved.targets)} == {"meta"}
