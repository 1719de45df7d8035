"""Loss curves read back from a run's events."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertkit.reporting.pictures import read_curves


def write(folder: Path, points: dict[int, float], *, purge_step: int) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=purge_step) as writer:
        for step, value in points.items():
            writer.add_scalar("train/loss", value, step)
            writer.add_scalar("train/lr", 1.0, step)


def test_a_resumed_training_goes_on_where_it_left_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000_000, 2_000_000))  # event files are named by the second
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    write(tmp_path / "events", {1: 1.0, 2: 0.5, 3: 9.0}, purge_step=1)
    write(tmp_path / "events", {3: 0.25, 4: 0.125}, purge_step=3)
    curves = read_curves(tmp_path, ["train/loss", "validation/loss"])
    assert curves == {"train/loss": ((1, 1.0), (2, 0.5), (3, 0.25), (4, 0.125))}


def test_a_run_without_events(tmp_path: Path) -> None:
    assert read_curves(tmp_path, ["train/loss", "validation/loss"]) == {}
