"""Which engine `auto` takes: a rule of processor, model and input, and never of what is in a cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.data.records import ColumnMap
from bertkit.engines import opening
from bertkit.engines.opening import LARGE_INPUT, choose_engine, size_of_all
from bertkit.tasks.base import TaskSettings

AVX512 = frozenset({"avx2", "avx512f", "avx512_bf16"})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 384}))
    return tmp_path


def machine(
    monkeypatch: pytest.MonkeyPatch, units: frozenset[str] = AVX512, missing: str = "", tiles: bool = False
) -> None:
    monkeypatch.setattr(opening, "units", lambda: units)
    monkeypatch.setattr(opening, "has_tiles", lambda: tiles)
    monkeypatch.setattr(opening, "is_installed", lambda package: package != missing)
    monkeypatch.setattr(opening, "_GPUS", ())
    monkeypatch.setattr(opening, "sys", SimpleNamespace(platform="linux"))


def asked(run: Path, size: int | None = LARGE_INPUT, device: str = "auto", **changes: Any) -> tuple[str, str]:
    settings = replace(TaskSettings("classify", ColumnMap(text=("text",)), ("a", "b"), max_length=128), **changes)
    found = choose_engine(run, settings, device=device, input_bytes=size)
    return found.engine, found.reason


def test_a_large_input_on_a_processor_without_amx(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    assert asked(run)[0] == "openvino"
    for found, reason in {
        asked(run, LARGE_INPUT - 1): "the input is small",
        asked(run, None): "the input's size is not known",
        asked(run, device="cuda"): "--device cuda",
        asked(run, task="extractive"): "no graph",
        asked(run, max_length=1024): "long",
    }.items():
        assert found[0] == "torch"
        assert reason in found[1]
    (run / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 64}))
    assert asked(run) == ("torch", "the encoder is narrow")
    (run / "config.json").write_text("{")
    assert asked(run)[0] == "torch"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"tiles": True}, "AMX"), ({"missing": "onnx"}, "onnx is not installed"), ({"units": frozenset()}, "AVX2")],
)
def test_other_machines(run: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, reason: str) -> None:
    machine(monkeypatch, **changes)
    engine, said = asked(run)
    assert engine == "torch"
    assert reason in said


def test_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12")
    (tmp_path / "b").write_bytes(b"345")
    assert size_of_all([str(tmp_path / "a"), str(tmp_path / "b")]) == 5
    assert size_of_all([str(tmp_path / "a"), "nowhere"]) is None


@pytest.mark.usefixtures("shared_cache")
def test_one_line_says_which_and_why(
    run_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"sentence1": "the cat", "sentence2": "a dog"}) + "\n")

    def predicted(*more: str) -> Any:
        return CliRunner().invoke(app, ["predict", str(run_of("scratch")), str(path), *more])

    assert predicted().stderr == ""
    small = predicted("--engine", "auto")
    assert small.stderr == "answers are computed by torch, in float32, 1 thread (the input is small)\n"
    assert predicted("--engine", "torch").stderr == ""
    assert predicted("-q", "--engine", "auto").stderr == ""
    machine(monkeypatch)
    monkeypatch.setattr(opening, "LARGE_INPUT", 1)
    monkeypatch.setattr(opening, "NARROW", 1)
    large = predicted()
    assert "answers are computed by OpenVINO" in large.stderr
    assert "(a large input, and a processor without AMX)" in large.stderr
    assert predicted().stdout == large.stdout
    assert json.loads(large.stdout)["label"] == json.loads(small.stdout)["label"]
