"""Tiny runs, one for each task, and what they answer to every row of our own."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.campaign.inprocess import run_here
from tests.campaign.rows import TASKS, pool

TINY = ("--layers", "1", "--hidden", "32", "--heads", "2", "--vocab-size", "300", "--threads", "1", "--no-tensorboard")
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Runs:
    """A folder with a run for each task."""

    folder: Path

    def of(self, task: str) -> Path:
        """Return the run of a task."""
        return self.folder / task

    @cached_property
    def answers(self) -> Mapping[str, Mapping[tuple[str, ...], Answer]]:
        """By task and texts, the record that `predict` gives, without its line."""
        return {task: self._answers(task) for task in TASKS}

    def _answers(self, task: str) -> dict[tuple[str, ...], Answer]:
        out = (self.folder / f"{task}.answers.jsonl").read_text(encoding="utf-8")
        records = [json.loads(line) for line in out.splitlines()]
        return {row.texts: record for row, record in zip(pool(task), records, strict=True)}


def made_runs(folder: Path) -> Runs:
    """Train the runs, or wait for the process that does, and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for task in TASKS:
            if not (folder / f"{task}.answers.jsonl").is_file():
                _train(folder, task)
    return Runs(folder)


def write_pool(path: Path, task: str) -> Path:
    """Write all rows of a task as JSON lines; of ner's the texts with their entities."""
    rows = [{k: v for k, v in row.fields.items() if k not in ("tokens", "tags")} for row in pool(task)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _train(folder: Path, task: str) -> None:
    data = write_pool(folder / f"{task}.jsonl", task)
    shutil.rmtree(folder / task, ignore_errors=True)
    words = ["train", data.name, "--output", task, *TINY, "--epochs", "2", "--lr", "3e-3"]
    ran = run_here(words, folder)
    assert ran.code == 0, ran.err
    ran = run_here(["predict", task, data.name], folder)
    assert ran.code == 0, ran.err
    (folder / f"{task}.answers.jsonl").write_bytes(ran.out)
