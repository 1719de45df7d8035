"""Averaging the weights of the last epochs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from bertkit.training.checkpoint import Checkpoints, EpochAverage


def set_to(model: nn.Linear, value: float) -> None:
    with torch.no_grad():
        model.weight.fill_(value)


def seen(average: EpochAverage, model: nn.Linear, epoch: int) -> float:
    with average.weights_of(model, epoch=epoch):
        return model.weight.mean().item()


def test_the_last_epochs_are_averaged_and_the_model_gets_its_own_weights_back(tmp_path: Path) -> None:
    model, average = nn.Linear(2, 2), EpochAverage(Checkpoints(tmp_path), 3, epoch=0)
    means = []
    for epoch, value in enumerate((1.0, 2.0, 6.0, 10.0), start=1):
        set_to(model, value)
        means.append(seen(average, model, epoch))
        assert model.weight.unique().tolist() == [value]
    assert means == [1.0, 1.5, 3.0, 6.0]
    assert average.names == {"epoch-0002", "epoch-0003", "epoch-0004"}
    assert average.best_of(model)["weight"].unique().tolist() == [6.0]


def test_a_resumed_run_averages_the_same(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    whole = EpochAverage(Checkpoints(tmp_path), 3, epoch=0)
    for epoch, value in enumerate((1.0, 2.0, 6.0), start=1):
        set_to(model, value)
        seen(whole, model, epoch)
    resumed = EpochAverage(Checkpoints(tmp_path), 3, epoch=3)
    set_to(model, 10.0)
    assert seen(resumed, model, 4) == seen(whole, model, 4) == 6.0


def test_one_epoch_is_no_average(tmp_path: Path) -> None:
    model, average = nn.Linear(2, 2), EpochAverage(Checkpoints(tmp_path), 1, epoch=5)
    set_to(model, 4.0)
    assert seen(average, model, 6) == 4.0
    assert average.names == set()
    assert not any(tmp_path.iterdir())
