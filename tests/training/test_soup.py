"""A soup: several trainings from the same weights, their best weights averaged where that helps."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bertkit.config import TrainConfig
from bertkit.errors import Interrupted, UsageError
from bertkit.models.registry import find_model
from bertkit.run_folder import strangers
from bertkit.training.checkpoint import Checkpoints, mean_weights
from bertkit.training.drive import SoupStep
from bertkit.training.recipe import resolve
from bertkit.training.run import Event, train
from tests.models import zoo
from tests.training import small_runs

TRAININGS, STEPS = 3, 8


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A tiny BERT with random weights that stand for trained ones, and rows it can learn."""
    folder = tmp_path_factory.mktemp("soup")
    zoo.save_tiny("bert", folder / "model", std=0.05)
    draw, words = random.Random(0), zoo.WORDS
    rows = [(" ".join([*draw.choices(words[2:], k=4), words[i % 2]]), "pos" if i % 2 else "neg") for i in range(72)]
    table = folder / "rows.tsv"
    table.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")
    return TrainConfig(
        data=(str(table),), model=str(folder / "model"), epochs=2, batch_size=17, lr=1e-3, threads=1, soup=TRAININGS,
        calibrate=False, tensorboard=False, validation_fraction=0.1,
    )  # fmt: skip


def weights_of(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def test_the_mean_of_what_helps_is_kept_and_said(asked: TrainConfig, tmp_path: Path) -> None:
    heard: list[Event] = []
    run = tmp_path / "run"
    result = train(replace(asked, output=str(run), keep_checkpoints=True), heard.append)
    steps = [event for event in heard if isinstance(event, SoupStep)]
    assert {step.training for step in steps} == {1, 2}
    assert {step.trainings for step in steps} == {TRAININGS}
    (said,) = [event for event in heard if isinstance(event, str) and event.startswith("model soup")]
    assert f"of {TRAININGS} trainings" in said
    assert f"{result.metrics[result.metric]:.4f}, the best" in said
    assert strangers(run) == []
    members = [Checkpoints(run).load_weights(f"soup-{number:03d}") for number in (1, 2)]
    name = next(name for name, weight in members[0].items() if weight.ndim == 2)
    assert not torch.equal(members[0][name], members[1][name]), "they differ by their seeds"
    assert result.config["soup"] == TRAININGS
    assert result.config["seed"] == 1


def test_the_first_of_a_soup_is_the_training_alone(asked: TrainConfig, tmp_path: Path) -> None:
    """With as many joined as help, the last training is what it is without the others."""
    train(replace(asked, output=str(tmp_path / "soup"), keep_checkpoints=True))
    train(replace(asked, output=str(tmp_path / "alone"), keep_checkpoints=True, soup=1))
    best = [sorted((tmp_path / name / "checkpoints").glob("best-*"))[-1] for name in ("soup", "alone")]
    assert best[0].name == best[1].name
    assert len({(folder / "model.safetensors").read_bytes() for folder in best}) == 1


@pytest.mark.parametrize(("training", "step"), [(1, 3), (2, 1), (2, STEPS), (3, 5)])
def test_stopped_anywhere_it_goes_on_with_the_same_bytes(
    asked: TrainConfig, tmp_path: Path, training: int, step: int
) -> None:
    train(replace(asked, output=str(tmp_path / "whole")))

    def stop(event: Event) -> None:
        number = event.training if isinstance(event, SoupStep) else TRAININGS
        if not isinstance(event, str) and getattr(event, "loss", None) is None and not isinstance(event, SoupStep):
            return
        if number == training and getattr(event, "step", 0) == step:
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, Interrupted)):
        train(replace(asked, output=str(tmp_path / "again")), stop)
    small_runs.resume(tmp_path / "again")
    assert weights_of(tmp_path / "again") == weights_of(tmp_path / "whole")
    assert not (tmp_path / "again" / "checkpoints").exists()


def test_weights_that_harm_stay_out(asked: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members whose weights are noise must not join."""
    saved = Checkpoints.save_member

    def spoil(self: Checkpoints, number: int, weights: dict[str, torch.Tensor]) -> None:
        saved(self, number, {name: torch.randn_like(weight) if weight.is_floating_point() else weight
                             for name, weight in weights.items()})  # fmt: skip

    long = replace(asked, epochs=12, lr=5e-3, validation_fraction=0.4)
    assert train(replace(long, output=str(tmp_path / "alone"), soup=1)).metrics["accuracy"] > 0.8
    monkeypatch.setattr(Checkpoints, "save_member", spoil)
    heard: list[Event] = []
    train(replace(long, output=str(tmp_path / "run")), heard.append)
    assert any(isinstance(event, str) and "mean weights of 1 of 3" in event for event in heard)
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "alone")


def test_random_weights_have_nothing_in_common(asked: TrainConfig) -> None:
    with pytest.raises(UsageError, match="--soup 3: averages trainings that begin with the same pretrained weights"):
        resolve(TrainConfig(data=("x.csv",), model="scratch", soup=3), find_model("scratch"), is_pair=True, n_words=0)


def test_who_has_it_by_default() -> None:
    e5, minilm = find_model("multilingual-e5-small"), find_model("minilm")
    pairs = {"is_pair": True, "two_texts": True, "n_words": 0}
    assert resolve(TrainConfig(data=("x",)), e5, task="regression", **pairs).soup == 3
    assert resolve(TrainConfig(data=("x",)), e5, task="classify", **pairs).soup == 1
    assert resolve(TrainConfig(data=("x",)), minilm, task="regression", **pairs).soup == 1


def test_the_mean_is_the_mean() -> None:
    weights = [{"a": torch.tensor([float(i), 2.0 * i])} for i in (1, 2, 6)]
    assert mean_weights(weights)["a"].tolist() == [3.0, 6.0]
