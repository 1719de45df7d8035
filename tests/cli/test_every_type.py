"""Every type of encoder of transformers on every task, by the command line: trained, and asked in two batch sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from tests.models import zoo

ALWAYS = ("nomic_bert", "fnet")
KINDS = [
    pytest.param(kind, marks=() if kind in ALWAYS else pytest.mark.slow)
    for kind in zoo.encoders()
    if kind not in ("mra", "reformer")  # refused: tests/models/test_zoo.py
]
TASKS = ("classify", "pairs", "ner", "choice", "mlm")
FEW_STEPS = (
    "--epochs",
    "1",
    "--batch-size",
    "8",
    "--max-length",
    "24",
    "--no-tensorboard",
    "--device",
    "cpu",
    "--precision",
    "float32",
)


def lines(task: str) -> list[dict[str, object]]:
    """Rows of single letters, of many lengths."""
    found = []
    for i in range(24):
        letters = [zoo.WORDS[(i * 7 + j * (i % 5 + 1)) % 26] for j in range(3 + i % 12)]
        text, label = " ".join(letters), "even" if i % 2 else "odd"
        row: dict[str, object] = {
            "classify": {"text": text, "label": label},
            "pairs": {"sentence1": text, "sentence2": " ".join(letters[::-1][: 1 + i % 4]), "label": label},
            "ner": {"text": text, "entities": [[0, 1, "X"]]},
            "choice": {"question": text, "choices": ["a b", "c d e"], "label": i % 2},
            "mlm": {"text": text.replace(letters[1], "[MASK]", 1)},
        }[task]
        found.append(row)
    return found


def run(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, (words, done.stderr or done.output)
    return done.stdout


def figures(record: object) -> list[float]:
    """All numbers of a record, in order."""
    if isinstance(record, dict):
        return [n for value in record.values() for n in figures(value)]
    if isinstance(record, list):
        return [n for value in record for n in figures(value)]
    return [float(record)] if isinstance(record, int | float) else []


@pytest.mark.parametrize("kind", KINDS)
def test_a_type_learns_every_task_and_answers_alike_in_every_batch(kind: str, tmp_path: Path) -> None:
    model = zoo.save_tiny(kind, tmp_path / "model", std=0.1)
    for task in TASKS:
        rows = lines(task)
        data = tmp_path / f"{task}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        name = "classify" if task == "pairs" else task
        out = tmp_path / task
        run("train", str(data), "--task", name, "--model", str(model), "--output", str(out), *FEW_STEPS)
        answers = [
            run("predict", str(out), str(data), "--batch-size", size, "--device", "cpu", "--precision", "float32")
            for size in ("1", "64")
        ]
        alone, together = ([json.loads(line) for line in answer.splitlines()] for answer in answers)
        assert len(alone) == len(together) == len(rows)
        for one, other in zip(alone, together, strict=True):
            assert "error" not in one, (task, one)
            assert figures(one) == pytest.approx(figures(other), abs=1e-5), (task, one, other)
