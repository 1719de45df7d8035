"""Graphs in the cache: made once, never half a one, gone when nobody asks."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bertkit import bundle
from bertkit.engines import graph as cached
from bertkit.errors import OutputError


def stand_in(model: object, path: Path, *, longest: int) -> None:
    path.write_bytes(b"a graph of %d" % longest)


@pytest.fixture
def own_cache(tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(cached, "write_graph", stand_in)
    return tmp_path / "kept" / "engines"


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained_run, tmp_path / "run")
    return tmp_path / "run"


def ask(run: Path) -> tuple[Path, list[str]]:
    told: list[str] = []
    return cached.cached_graph(bundle.load(run), told.append), told


def test_a_graph_is_made_once(run: Path, own_cache: Path) -> None:
    first, told = ask(run)
    assert first.read_bytes() == b"a graph of 512"
    assert str(own_cache) in told[0]
    again, told = ask(run)
    assert (again, told) == (first, [])
    assert [entry.name for entry in own_cache.iterdir()] == [first.parent.name]


def test_a_run_that_is_trained_again_has_another_graph(run: Path, own_cache: Path) -> None:
    import safetensors.torch

    first, _ = ask(run)
    path = run / "model.safetensors"
    weights = {name: weight + 1 for name, weight in safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file(weights, path, metadata={"format": "pt"})
    second, told = ask(run)
    assert second != first
    assert told


@pytest.mark.parametrize(
    "harm",
    [
        lambda entry: (entry / "model.onnx").write_bytes(b"half"),
        lambda entry: (entry / "model.onnx").unlink(),
        lambda entry: (entry / "sha256").unlink(),
        lambda entry: (entry / "sha256").write_bytes(b"\xff\xfe"),
    ],
    ids=["changed", "lost", "no digest", "no digest in it"],
)
def test_leftovers_are_not_trusted(harm: Callable[[Path], object], run: Path, own_cache: Path) -> None:
    first, _ = ask(run)
    harm(first.parent)
    again, told = ask(run)
    assert again.read_bytes() == b"a graph of 512"
    assert told


def test_a_making_that_fails_leaves_nothing(run: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(model: object, path: Path, *, longest: int) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(cached, "write_graph", fails)
    with pytest.raises(KeyboardInterrupt):
        ask(run)
    assert list(own_cache.iterdir()) == []


def test_two_that_make_one_graph_at_once_both_have_it(
    run: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_another(model: object, path: Path, *, longest: int) -> None:
        stand_in(model, path, longest=longest)
        monkeypatch.setattr(cached, "write_graph", stand_in)
        ask(run)

    monkeypatch.setattr(cached, "write_graph", with_another)
    assert ask(run)[0].read_bytes() == b"a graph of 512"


def test_what_nobody_has_asked_for_in_a_month_goes(run: Path, own_cache: Path) -> None:
    old, new = own_cache / "old", own_cache / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(b"x")
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    ask(run)
    assert not old.exists()
    assert new.exists()


def test_a_cache_that_cannot_be_written_is_one_sentence(
    run: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="BERTKIT_CACHE"):
        ask(run)


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BERTKIT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cached.cache_folder() == tmp_path / "bertkit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cached.cache_folder() == tmp_path / ".cache" / "bertkit"
