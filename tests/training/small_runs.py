"""Trainings of a second, and what there is on disk after them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bertkit.config import TrainConfig
from bertkit.locks import LOCK
from bertkit.run_folder import next_of, old_of
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, train
from tests.conftest import write_tsv

LAST_STEP = 6


def data_file(folder: Path) -> Path:
    rows = [(f"{'good' if i % 2 else 'bad'} thing {i}", "pos" if i % 2 else "neg") for i in range(40)]
    return write_tsv(folder / "data.tsv", rows, ("text", "label"))


def request(data: Path, output: Path | str, **changes: object) -> TrainConfig:
    """Two epochs of three steps."""
    base = TrainConfig(
        data=(str(data),), output=str(output), layers=1, hidden=16, heads=2, epochs=2, batch_size=12, vocab_size=70,
        threads=1, tensorboard=False,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def stopped_at(step: int) -> Callable[[Event], None]:
    """A listener that is interrupted after a step."""

    def listen(event: Event) -> None:
        if isinstance(event, StepFacts) and event.step == step:
            raise KeyboardInterrupt

    return listen


def resume(output: Path | str, **changes: object) -> None:
    train(replace(TrainConfig(output=str(output), resume=True), **changes))  # type: ignore[arg-type]


def content(folder: Path) -> dict[str, bytes]:
    """What is in a folder at any depth, empty folders too."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def learnt(run: Path) -> dict[str, bytes]:
    """The files of a run that are the same whenever and wherever it is trained."""
    names = ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json")
    baselines = ("baselines.json", "baselines.safetensors", "training_rows.safetensors")
    return {name: (run / name).read_bytes() for name in (*names, *(f"baseline/{name}" for name in baselines))}


def killed_between_the_renames(run: Path, new: Path) -> None:
    """Leave the old run and a finished new one as a process does that is killed in the middle of a swap."""
    shutil.copytree(new, next_of(run))
    for folder in (run, next_of(run)):
        (folder / LOCK).write_text("1 here\n")
    run.rename(old_of(run))
