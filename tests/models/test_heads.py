"""Pooling: what of the hidden states reaches the classifier."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.heads import SequenceModel, differences

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
SIDES = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]])
HIDDEN = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))


def model(pooling: str, **options: int) -> SequenceModel:
    encoder = BertModel(BertConfig(20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16))
    return SequenceModel(encoder, 3, pooling=pooling, dropout=0.0, **options)


def pooled(pooling: str, mask: Tensor | None = MASK, sides: Tensor = SIDES, **options: int) -> Tensor:
    return model(pooling, **options).pool(HIDDEN, mask, sides)


def test_the_first_token_or_the_mean_over_text() -> None:
    assert torch.equal(pooled("cls"), HIDDEN[:, 0])
    expected = torch.stack([HIDDEN[0].mean(dim=0), HIDDEN[1, :3].mean(dim=0)])
    torch.testing.assert_close(pooled("mean"), expected)
    torch.testing.assert_close(pooled("mean", mask=None), HIDDEN.mean(dim=1))


def test_match_compares_the_sides_of_a_pair() -> None:
    a = torch.stack([HIDDEN[0, :2].mean(dim=0), HIDDEN[1, 0]])
    b = torch.stack([HIDDEN[0, 2:].mean(dim=0), HIDDEN[1, 1:3].mean(dim=0)])
    expected = torch.cat([pooled("mean"), HIDDEN[:, 0], (a - b).abs(), a * b], dim=-1)
    torch.testing.assert_close(pooled("match"), expected)


def test_align_adds_how_tokens_differ_from_their_counterparts() -> None:
    unlike = differences(HIDDEN, MASK - SIDES * MASK, SIDES * MASK)
    mean = torch.stack([unlike[0].mean(dim=0), unlike[1, :3].mean(dim=0)])
    expected = torch.cat([pooled("match"), mean, unlike.amax(dim=1)], dim=-1)
    torch.testing.assert_close(pooled("align"), expected)


def test_match_tells_the_sides_by_the_first_segment_of_the_second() -> None:
    torch.testing.assert_close(pooled("match", sides=SIDES * 9, second_segment=9), pooled("match"))


@pytest.mark.parametrize("pooling", ["match", "align"])
def test_a_pair_with_an_empty_side_is_still_a_number(pooling: str) -> None:
    assert torch.isfinite(pooled(pooling, sides=torch.zeros_like(SIDES))).all()


@pytest.mark.parametrize(("pooling", "width"), [("cls", 8), ("mean", 8), ("match", 32), ("align", 48)])
def test_the_classifier_is_as_wide_as_what_it_reads(pooling: str, width: int) -> None:
    mine = model(pooling)
    assert mine.classifier.in_features == width
    assert mine(torch.ones(2, 5, dtype=torch.long), MASK, torch.zeros_like(MASK)).shape == (2, 3)
