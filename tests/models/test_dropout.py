"""Dropout: as many values as torch's drops, equal under equal seeds, and gone outside training."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bertkit.models.for_training import QuickDropout, drop, use_quick_dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_the_share_of_dropped_values_is_p_and_the_others_keep_the_mean(p: float) -> None:
    torch.manual_seed(1)
    dropped = drop(torch.ones(400_001), p)
    error = (p * (1 - p) / dropped.numel()) ** 0.5
    assert float((dropped == 0).float().mean()) == pytest.approx(p, abs=4 * error)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(2)
    is_dropped = (drop(torch.ones(800_000), 0.5) == 0).double()
    for distance in (1, 2, 3, 4, 8, 64):
        pair = torch.stack([is_dropped[:-distance], is_dropped[distance:]])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.005, distance


def test_equal_seeds_drop_equally_and_draws_go_on() -> None:
    x = torch.ones(3, 7, 5).transpose(0, 1)
    torch.manual_seed(3)
    first, second = drop(x, 0.5), drop(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(drop(x, 0.5), first)
    assert not torch.equal(first, second)


def test_a_gradient_passes_where_a_value_did() -> None:
    x = torch.randn(50, 40, requires_grad=True)
    dropped = drop(x, 0.3)
    dropped.sum().backward()
    assert x.grad is not None
    assert torch.allclose(dropped, x * x.grad)
    assert (x.grad == 0).any()


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_none_or_all(p: float) -> None:
    x = torch.randn(9)
    assert torch.equal(drop(x, p), x * (1 - p))


def test_half_precision_stays_so() -> None:
    assert drop(torch.ones(9, dtype=torch.bfloat16), 0.5).dtype == torch.bfloat16


def test_a_model_drops_in_training_only_and_its_names_and_copies_are_what_they_were() -> None:
    model = nn.Sequential(nn.Linear(4, 200), nn.Sequential(nn.Dropout(0.5)))
    names = list(model.state_dict())
    use_quick_dropout(model)
    twin = copy.deepcopy(model)
    assert list(twin.state_dict()) == names
    assert isinstance(twin[1][0], QuickDropout)
    x = torch.randn(3, 4)
    assert torch.equal(twin.eval()(x), model[0](x))
    assert (twin.train()(x) == 0).any()
