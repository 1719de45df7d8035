"""What another engine computes needs no torch: a second of CPU time that nobody pays for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.compute import device
from tests.models.test_plain_bert import modules_of

ROWS = {
    "scratch": {"sentence1": "the cat sees music", "sentence2": "a dog"},
    "align": {"sentence1": "the cat sees music", "sentence2": "a dog"},
    "overlap": {"sentence1": "the cat sees music", "sentence2": "a dog"},
    "regression": {"text": "my sister calls"},
    "ner": {"text": "the old man moves"},
    "choice": {"prompt": "who calls?", "A": "a dog", "B": "the shop", "C": "my sister"},
}
HEAVY = {"torch", "transformers"}


@pytest.fixture(autouse=True)
def shared(shared_cache: Path) -> None:
    """Graphs are made once."""


@pytest.mark.parametrize("name", ROWS)
def test_a_run_whose_graph_is_made(name: str, run_of: Callable[[str], Path]) -> None:
    run, row = run_of(name), json.dumps(ROWS[name])
    asked = ["predict", str(run), "-", "--engine", "onnx"]
    first = CliRunner().invoke(app, asked, input=row)  # makes the graph, with torch
    assert first.exit_code == 0, first.output
    again = CliRunner().invoke(app, asked, input=row)
    assert again.stdout == first.stdout
    assert not modules_of(*asked, text=row) & HEAVY
    # In one process with torch the same batches are tensors.
    plain = json.loads(CliRunner().invoke(app, [*asked[:3], "--precision", "float32"], input=row).stdout)
    found = json.loads(again.stdout)
    assert found.keys() == plain.keys()
    if "score" in plain:
        assert found["score"] == pytest.approx(plain["score"], abs=2e-5)


def test_an_export(export_of: Callable[[str], Path]) -> None:
    folder = export_of("scratch")
    assert not modules_of("predict", str(folder), "-", text=json.dumps(ROWS["scratch"])) & HEAVY


def test_eval(run_of: Callable[[str], Path]) -> None:
    run = run_of("align")
    done = CliRunner().invoke(app, ["eval", str(run), "--engine", "onnx"])
    assert done.exit_code == 0, done.output
    assert not modules_of("eval", str(run), "--engine", "onnx") & HEAVY


def test_a_run_that_is_damaged_beside_its_weights(run_of: Callable[[str], Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_of("regression"), run)
    asked = ["predict", str(run), "-", "--engine", "onnx"]
    assert CliRunner().invoke(app, asked, input="a b").exit_code == 0
    tokenizer = json.loads((run / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["zzz"] = 4000
    (run / "tokenizer.json").write_text(json.dumps(tokenizer))
    done = CliRunner().invoke(app, asked, input="a b")
    assert done.exit_code == 3
    assert "the ids of tokenizer.json go up to 4,000" in done.stderr


def test_figures_are_the_same_with_and_without_torch() -> None:
    logits = torch.randn(3, 5, 4, dtype=torch.float32) * 9
    assert (device.to_figures(logits) == device.to_figures(logits.numpy())).all()
    assert abs(device.each_by_itself(logits * 99) - device.each_by_itself((logits * 99).numpy())).max() < 1e-12
    for kind in (np.float64, np.float32):
        ours, others = device.probabilities(logits.numpy(), kind), device.probabilities(logits, kind)
        assert ours.dtype == others.dtype == kind
        assert abs(ours - others).max() < 1e-6
