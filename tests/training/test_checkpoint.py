"""What is on the disk before what: a power cut finds a whole checkpoint, the new one or the old."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from bertkit import bundle
from bertkit.files import write_json
from bertkit.training.checkpoint import Checkpoints
from bertkit.training.loop import LoopState


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is made sure of, named and deleted, in this order."""
    done: list[str] = []
    places: dict[int, Path] = {}
    opened, fsync, rename, replace, unlink = os.open, os.fsync, Path.rename, Path.replace, Path.unlink

    def note(word: str, path: Path) -> None:
        done.append(f"{word} {path.relative_to(tmp_path)}")

    def opening(path: Path, *arguments: int, **options: int) -> int:
        descriptor = opened(path, *arguments, **options)
        places[descriptor] = Path(path)
        return descriptor

    def syncing(descriptor: int) -> None:
        note("sync", places[descriptor])
        fsync(descriptor)

    def renaming(path: Path, target: Path) -> Path:
        note("name", target)
        return rename(path, target)

    def replacing(path: Path, target: Path) -> Path:
        note("name", target)
        return replace(path, target)

    def unlinking(path: Path, missing_ok: bool = False) -> None:
        note("delete", path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "fsync", syncing)
    for name, function in (("rename", renaming), ("replace", replacing), ("unlink", unlinking)):
        monkeypatch.setattr(Path, name, function)
    return done


def test_a_file_has_its_name_when_it_is_there(tmp_path: Path, order: list[str]) -> None:
    write_json(tmp_path / "a.json", {})
    assert order == ["sync .a.json.tmp", "name a.json", "sync ."]


def test_a_checkpoint_is_whole_before_it_replaces_another(tmp_path: Path, order: list[str]) -> None:
    model = torch.nn.Linear(2, 2)
    optimizer, checkpoints = torch.optim.AdamW(model.parameters()), Checkpoints(tmp_path)
    checkpoints.save_step(LoopState(step=1), model, optimizer)
    checkpoints.save_weights("best-000002", model.state_dict())
    order.clear()
    checkpoints.save_step(LoopState(step=2, best_step=2), model, optimizer)
    named = order.index("name checkpoints/step-000002")
    folder = "checkpoints/.step-000002.tmp"
    files = [f"{folder}/{name}" for name in ("model.safetensors", "optimizer.safetensors", "state.json")]
    synced = [order.index(f"sync {path}") for path in (*files, folder)]
    assert all(order.index(f"name {path}") < place < named for path, place in zip(files, synced, strict=False))
    assert synced == sorted(synced)
    assert synced[-1] < named
    sure = order.index("sync checkpoints")
    assert named < sure < min(i for i, line in enumerate(order) if line.startswith("delete checkpoints/step-000001"))
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"step-000002", "best-000002"}


def test_the_newest_step_is_by_number_and_whole(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for name in ("step-000002", "step-999999", "step-1000000", "step-mine"):
        (checkpoints.folder / name).mkdir(parents=True)
        (checkpoints.folder / name / "state.json").touch()
    (checkpoints.folder / "step-2000000").mkdir()
    newest = checkpoints.newest()
    assert newest is not None
    assert newest.name == "step-1000000"


def test_bertkit_json_is_the_last_of_a_run(trained_run: Path, tmp_path: Path, order: list[str]) -> None:
    loaded = bundle.load(trained_run)
    bundle.save(tmp_path / "run", loaded.manifest, loaded.tokenizer, loaded.model)
    named = [line for line in order if line.startswith("name")]
    assert named[-1] == "name run/bertkit.json"
    assert order[-1] == "sync run"
    for line in named:
        folder, _, name = line.removeprefix("name ").rpartition("/")
        assert order.index(f"sync {folder}/.{name}.tmp") < order.index(line)
