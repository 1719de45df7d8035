"""`bertkit export --to onnx`: a folder that answers alike without bertkit, checked, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bertkit.data.records import Example
from bertkit.engines.opening import Way, open_run
from bertkit.evaluation.answers import forward
from bertkit.export import check
from tests.engines.test_opening_by_engine import Runs, command, data_of, refused

pytestmark = pytest.mark.usefixtures("shared_cache")

FILES = {"README.md", "baseline", "bertkit.json", "config.json", "model.onnx", "onnx.json", "tokenizer.json",
         "tokenizer_config.json"}  # fmt: skip


@pytest.fixture(scope="module")
def exported(run_of: Runs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object], str]:
    """A blended run's export, what was printed of it, and what was said."""
    folder = tmp_path_factory.mktemp("onnx") / "export"
    done = command("export", run_of("align"), "--to", "onnx", "--output", folder)
    assert done.exit_code == 0, done.output
    return folder, json.loads(done.stdout), done.stderr


def test_an_export_says_what_was_compared_and_what_stays_behind(
    exported: tuple[Path, dict[str, object], str],
) -> None:
    folder, printed, said = exported
    assert {path.name for path in folder.iterdir()} == FILES
    assert printed["output"] == str(folder)
    assert (printed["to"], printed["precision"], printed["labels_equal"]) == ("onnx", "float32", 1.0)
    assert printed["checked_rows"] == 64
    assert 0 <= float(str(printed["max_difference"])) < 1e-5
    assert "its encoder alone is exported" in said
    assert "predict --no-blend" in said


def test_the_readme_runs_as_it_stands_and_answers_as_predict_does(
    exported: tuple[Path, dict[str, object], str],
) -> None:
    folder, *_ = exported
    readme = (folder / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.+?)```", readme, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    logits = np.array([float(figure) for figure in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", done.stdout)])
    texts = re.search(r'encode\("(.+?)", "(.+?)"\)', code)
    assert texts is not None
    run, placement = open_run(folder, Way("onnx"))
    (output,) = forward(run.model, run.task, run.task.encode([Example(texts.groups(), None, 1, "made")]), placement)
    shares = np.exp(logits) / np.exp(logits).sum()
    assert shares == pytest.approx(output, abs=1e-5)


def test_no_place_of_this_machine_is_passed_on(exported: tuple[Path, dict[str, object], str], run_of: Runs) -> None:
    folder, *_ = exported
    for path in (folder / name for name in ("README.md", "bertkit.json", "config.json", "onnx.json")):
        assert str(run_of("align").parent) not in path.read_text(), path.name
    graph = (folder / "model.onnx").read_bytes()
    assert b".py" not in graph  # the exporter notes which line of code each part is from
    assert str(run_of("align").parent).encode() not in graph


REFUSED = {
    "overlap": "--no-overlap-segments",
    "no stop words": "--leave-out",
    "longformer": "Longformer",
    "siamese": "--pooling siamese",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_plain_tokenizer_call_or_the_exporter_does_not_take_is_refused(
    name: str, run_of: Runs, tmp_path: Path
) -> None:
    refused(
        command("export", run_of(name), "--to", "onnx", "-o", tmp_path / "out"),
        "cannot be exported to ONNX: ",
        REFUSED[name],
    )
    assert not (tmp_path / "out").exists()


def test_an_export_that_answers_otherwise_is_a_failure_and_leaves_nothing(
    run_of: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "TOLERANCE", 0.0)
    monkeypatch.setattr("bertkit.export.to_onnx.write_graph", other_model)
    done = command("export", run_of("scratch"), "--to", "onnx", "-o", tmp_path / "deep" / "out")
    refused(done, "the export's answers differ from the run's")
    assert list(tmp_path.iterdir()) == []


def other_model(model: object, path: Path, *, longest: int) -> None:
    """Write a graph of a model that is not the run's."""
    from copy import deepcopy

    import torch

    from bertkit.engines import graph

    other = deepcopy(model)
    with torch.no_grad():
        other.classifier.bias += torch.tensor([0.1, -0.1])  # type: ignore[attr-defined]
    graph.write_graph(other, path, longest=longest)  # type: ignore[arg-type]


def test_eight_bits_are_measured_on_labelled_rows(run_of: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    done = command("export", run_of("scratch"), "--to", "onnx", "--int8", "-o", folder)
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    cost, size = printed["cost"], (folder / "model.onnx").stat().st_size
    assert printed["precision"] == "int8"
    assert json.loads((folder / "onnx.json").read_text())["precision"] == "int8"
    assert size < 0.8 * (run_of("scratch") / "model.safetensors").stat().st_size
    assert cost["rows"] == 8
    assert cost["difference"][0] <= cost["int8"] - cost["float32"] <= cost["difference"][1]
    assert 0 <= cost["answers_changed"] <= 8
    assert f"accuracy is {cost['int8']:.4f} instead of {cost['float32']:.4f}" in done.stderr
    assert "95 % CI" in done.stderr
    assert "Its weights have 8 bits" in (folder / "README.md").read_text()
    for engine in ("onnx", "openvino"):
        asked = command("eval", folder, data_of(run_of("scratch")), "--split", "validation", "--engine", engine)
        assert asked.exit_code == 0, asked.stderr
        assert "in int8" in asked.stderr
        assert json.loads(asked.stdout)["n"] == 80


@pytest.mark.slow
@pytest.mark.parametrize(("task", "counted"), [("regression", False), ("ner", True), ("mlm", True), ("choice", True)])
def test_eight_bits_of_every_task(task: str, counted: bool, run_of: Runs, tmp_path: Path) -> None:
    done = command("export", run_of(task), "--to", "onnx", "--int8", "-o", tmp_path / "small")
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["cost"]["answers_changed"] is not None) == counted


def test_eight_bits_need_rows_with_labels(run_of: Runs, tmp_path: Path) -> None:
    shutil.copytree(run_of("scratch"), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "bertkit.json").read_text())
    manifest["data"]["request"]["names"] = [str(tmp_path / "gone.tsv")]
    (tmp_path / "run" / "bertkit.json").write_text(json.dumps(manifest))
    unlabelled = tmp_path / "unlabelled.tsv"
    unlabelled.write_text("sentence1\tsentence2\nthe cat\ta dog\n")
    words = ("export", tmp_path / "run", "--to", "onnx", "--int8", "-o", tmp_path / "out")
    refused(command(*words), "cannot be read", "--data")
    refused(command(*words, "--data", unlabelled), "label")
    assert not (tmp_path / "out").exists()
    refused(command("export", tmp_path / "run", "--to", "transformers", "--int8"), "--int8", code=2)


def test_an_export_is_not_exported_again(exported: tuple[Path, dict[str, object], str], tmp_path: Path) -> None:
    folder, *_ = exported
    for form in ("onnx", "transformers"):
        refused(command("export", folder, "--to", form, "-o", tmp_path / "out"), str(folder))
