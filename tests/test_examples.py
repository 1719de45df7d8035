"""Every example runs to its end, from an empty folder, and prints what it promises."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bertkit.models.finding import is_packaged

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
DATA_FILES = {"grades.csv"}
# Needs an encoder and a corpus: tests/summarization/test_shipped.py runs it with small ones.
ELSEWHERE = {"train_extractor.py"}
RUN = {"demo.sh": ["bash"], "grades.sh": ["bash"], "paraphrase.sh": ["bash"], "library.py": [sys.executable]}


def commands_folder(tmp_path: Path) -> str:
    """The folder in which `bertkit` is found, made here where the package is not installed."""
    beside_python = Path(sys.executable).parent
    if (beside_python / "bertkit").is_file():
        return str(beside_python)
    wrapper = tmp_path / "bin" / "bertkit"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m bertkit "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    return str(wrapper.parent)


def environment(tmp_path: Path) -> dict[str, str]:
    """The caller's environment with this checkout's bertkit first, one thread and one epoch."""
    path = os.pathsep.join([commands_folder(tmp_path), os.environ.get("PATH", os.defpath)])
    modules = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PATH": path, "PYTHONPATH": modules, "OMP_NUM_THREADS": "1", "EPOCHS": "1"}


def run_example(name: str, tmp_path: Path) -> tuple[list[str], Path]:
    """Run an example in an empty folder; its lines on stdout, and the run it made."""
    work, run = tmp_path / "work", tmp_path / "out" / "run"
    work.mkdir()
    done = subprocess.run(
        [*RUN[name], str(EXAMPLES / name), str(run)],
        cwd=work,
        env=environment(tmp_path),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert any((folder / "bertkit.json").is_file() for folder in (run, run / "scratch"))
    assert list(work.iterdir()) == [], "it wrote outside the folder it was given"
    return done.stdout.splitlines(), run


def json_records(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_every_example_has_a_test() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert files - DATA_FILES - ELSEWHERE == set(RUN)


@pytest.mark.slow
@pytest.mark.skipif(not is_packaged(MINILM), reason="MiniLM comes with the extra offline")
def test_the_demo_ends_with_right_answers_and_with_what_comes_next(tmp_path: Path) -> None:
    lines, run = run_example("demo.sh", tmp_path)
    assert [record["label"] for record in json_records(lines)] == ["delivery", "fault", "hours", "1", "0"]
    assert (run / "minilm" / "bertkit.json").is_file()
    assert (run / "scratch.html").is_file()
    (start,) = [i for i, line in enumerate(lines) if line.startswith("next: bertkit ")]
    assert len(lines[start:]) == 3


def test_grades(tmp_path: Path) -> None:
    lines, _ = run_example("grades.sh", tmp_path)

    assert any(line.startswith("grades, test, 48 rows") for line in lines)
    assert any(line.split()[:1] == ["accuracy"] for line in lines)
    top_marks, failed_final = json_records(lines)
    assert (top_marks["line"], failed_final["line"]) == (1, 2)
    assert top_marks["label"] == "distinction"
    assert failed_final["label"] == "fail"


def test_paraphrase(tmp_path: Path) -> None:
    lines, run = run_example("paraphrase.sh", tmp_path)

    assert any(line.startswith("sample:paraphrase, test, 154 rows") for line in lines)
    *mistakes, prediction = json_records(lines)
    assert len(mistakes) == 2
    assert all(row["label"] != row["predicted"] for row in mistakes)
    assert mistakes[0]["score"] >= mistakes[1]["score"]
    assert json_records(Path(f"{run}-errors.jsonl").read_text(encoding="utf-8").splitlines())[:2] == mistakes
    assert prediction["line"] == 2  # the header is line 1
    assert prediction["top"][0]["label"] == prediction["label"]
    assert sum(each["score"] for each in prediction["top"]) == pytest.approx(1, abs=1e-5)


def test_library(tmp_path: Path) -> None:
    lines, _ = run_example("library.py", tmp_path)

    scores = [line for line in lines if line.startswith(("validation: ", "test: "))]
    assert [line.partition(":")[0] for line in scores] == ["validation", "test"]
    accuracy = float(scores[1].split()[1].rstrip(","))
    low, high = ast.literal_eval(scores[1].partition("interval ")[2])
    assert low <= accuracy <= high
    (record,) = ast.literal_eval(lines[-1])
    assert record["line"] == 1
    assert {each["label"] for each in record["top"]} == {"0", "1"}
