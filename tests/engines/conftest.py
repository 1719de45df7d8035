"""Small runs that engines compute, with weights large enough to answer rows differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bertkit.export.run import ExportRequest, export_run
from tests.engines.engine_runs import Made, make_run

PACKAGES = ("onnx", "onnxscript", "onnxruntime", "openvino")


@pytest.fixture(scope="session")
def engines() -> None:
    """Skip where the engines are not installed."""
    for package in PACKAGES:
        pytest.importorskip(package)


@pytest.fixture(scope="session")
def run_of(engines: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a run of a model on pairs (scratch, deberta, modernbert), or of scratch on another task."""
    made: Made = {}
    folder = tmp_path_factory.mktemp("engine-runs")
    return lambda name: made.get(name) or made.setdefault(name, make_run(folder, name))


@pytest.fixture(scope="session")
def export_of(run_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the ONNX export of a run; nobody changes it."""
    made: Made = {}
    folder = tmp_path_factory.mktemp("exports")

    def export(name: str) -> Path:
        if name not in made:
            export_run(ExportRequest(run_of(name), "onnx", folder / name))
            made[name] = folder / name
        return made[name]

    return export


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the tests share, for a graph takes seconds."""
    return tmp_path_factory.mktemp("engine-cache")


@pytest.fixture
def shared_cache(cache: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BERTKIT_CACHE", str(cache))
    return cache
