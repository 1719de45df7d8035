"""AdamW's groups and the rates they are given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.models.heads import TaskModel
from bertkit.training.loop import build_optimizer, learning_rate, set_learning_rate
from bertkit.training.run import train
from tests.training.test_freezing import model_of
from tests.training.test_run import small


def rates(model: TaskModel, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Return the rate of every weight, by its name."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    return {names[id(w)]: group["lr"] for group in optimizer.param_groups for w in group["params"]}


@pytest.mark.parametrize("asked", [None, 1e-4], ids=["no head_lr", "the same"])
def test_head_and_encoder_share_a_rate_where_no_other_is_asked_for(asked: float | None) -> None:
    model = model_of("scratch")
    optimizer = build_optimizer(model, lr=1e-4, weight_decay=0.01, head_lr=asked)
    assert len(optimizer.param_groups) == 2  # as checkpoints without a rate of the head have them
    set_learning_rate(optimizer, 5e-5)
    given = rates(model, optimizer)
    assert given.keys() == dict(model.named_parameters()).keys()
    assert set(given.values()) == {5e-5}


def test_the_head_follows_the_schedule_at_its_own_height() -> None:
    model = model_of("bert")
    optimizer = build_optimizer(model, lr=1e-4, weight_decay=0.01, head_lr=2e-3)
    for step, share in ((1, 0.2), (5, 1.0), (30, 0.444), (50, 0.0)):
        set_learning_rate(optimizer, learning_rate(step, 50, peak=1e-4, warmup=0.1, schedule="linear"))
        for name, rate in rates(model, optimizer).items():
            assert rate == pytest.approx(share * (1e-4 if name.startswith("encoder.") else 2e-3), rel=1e-2), (
                step,
                name,
            )
    decayed = {id(w) for g in optimizer.param_groups if g["weight_decay"] for w in g["params"]}
    assert decayed == {id(w) for w in model.parameters() if w.dim() > 1}


def test_a_run_learns_its_head_faster(pair_file: Path, tmp_path: Path) -> None:
    frozen = small(pair_file, tmp_path / "still", layers=2, epochs=1, lr=1e-30, weight_decay=0.0)
    train(frozen)
    train(small(pair_file, tmp_path / "head", layers=2, epochs=1, lr=1e-30, weight_decay=0.0, head_lr=1e-2))
    still, moved = (load_file(tmp_path / name / "model.safetensors") for name in ("still", "head"))
    changed = {name for name in still if not torch.allclose(still[name], moved[name], rtol=0, atol=1e-9)}
    assert changed == {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("rate", ["0", "-1", "11", "fast"])
def test_a_rate_that_is_none_is_refused(pair_file: Path, tmp_path: Path, rate: str) -> None:
    result = CliRunner().invoke(app, ["train", str(pair_file), "--output", str(tmp_path / "run"), "--head-lr", rate])
    assert result.exit_code == 2
    assert "head-lr" in result.stderr
    assert not (tmp_path / "run").exists()
