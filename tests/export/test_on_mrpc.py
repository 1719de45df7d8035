"""Default and portable runs on MRPC: what transformers opens agrees with `bertkit predict`, the rest is refused."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from transformers import pipeline

from bertkit.models.finding import packaged_model
from tests.export.test_to_transformers import bertkit

DATA = Path(os.environ.get("BERTKIT_TEST_DATA", "")) / "mrpc"
PAIRS = 400
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA.is_dir(), reason="BERTKIT_TEST_DATA has no mrpc")]
FEW = ("--limit", "150", "--epochs", "1", "--no-tensorboard", "--threads", "1")


@dataclass(frozen=True)
class Pair:
    first: str
    second: str


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    (source,) = DATA.glob("*train*")
    lines = source.read_text(encoding="utf-8-sig").splitlines()[-PAIRS:]
    return [Pair(*line.split("\t")[3:5]) for line in lines]


@pytest.fixture(params=["scratch", "minilm"])
def model(request: pytest.FixtureRequest) -> str:
    if request.param == "minilm" and packaged_model("sentence-transformers/all-MiniLM-L6-v2") is None:
        pytest.skip("the extra `offline` is not installed")
    found: str = request.param
    return found


def agreement(folder: Path, run: Path, pairs: list[Pair], *options: str) -> float:
    """The share of pairs that the pipeline answers with the label that `bertkit predict` gives."""
    asked = run.with_name("asked.jsonl")
    asked.write_text("".join(json.dumps({"sentence1": p.first, "sentence2": p.second}) + "\n" for p in pairs))
    result = bertkit("predict", run, asked, "--precision", "float32", *options)
    assert result.exit_code == 0, result.output
    ours = [json.loads(line)["label"] for line in result.stdout.splitlines()]
    ask = pipeline("text-classification", model=str(folder), device="cpu")
    reference = [found["label"] for found in ask([{"text": p.first, "text_pair": p.second} for p in pairs])]
    return sum(a == b for a, b in zip(ours, reference, strict=True)) / len(pairs)


def test_a_default_run_is_refused(model: str, pairs: list[Pair], tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = bertkit("train", "mrpc", "--data-dir", DATA, "--model", model, "--output", run, *FEW)
    assert trained.exit_code == 0, trained.output
    with pytest.raises(ValueError, match=r"(?s)bertkit export.*--portable"):
        pipeline("text-classification", model=str(run))
    exported = bertkit("export", run, "--to", "transformers")
    assert exported.exit_code == 3
    assert "--portable" in exported.stderr.splitlines()[-1]


def test_a_portable_run_and_its_export_agree(model: str, pairs: list[Pair], tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = bertkit("train", "mrpc", "--data-dir", DATA, "--model", model, "--portable", "--output", run, *FEW)
    assert trained.exit_code == 0, trained.output
    exported = bertkit("export", run, "--to", "transformers")
    assert exported.exit_code == 0, exported.output
    assert json.loads(exported.stdout)["checked_rows"] == 64
    for folder in (run, tmp_path / "run-transformers"):
        assert agreement(folder, run, pairs) == 1.0
