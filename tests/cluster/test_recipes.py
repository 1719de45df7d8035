"""The recipes of docs/several_machines.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import pair_rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "several_machines.md"
RECIPE = re.compile(r"<!-- recipe: (\w+) -->\n```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(trained_run: Path, tmp_path: Path) -> Path:
    """A folder as the page has it, with bertkit on the path."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mrpc").symlink_to(trained_run)
    (tmp_path / "rows").mkdir()
    lines = [json.dumps({"id": i, "sentence1": a, "sentence2": b}) for i, (a, b, _) in enumerate(pair_rows(400))]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, part in (("one", lines[:30]), ("with a space", lines[30:50])):
        (tmp_path / "rows" / f"{name}.jsonl").write_text("\n".join(part) + "\n", encoding="utf-8")
    command = tmp_path / "bin" / "bertkit"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bertkit "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(place: Path, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    own = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(PAGE.parents[1]) + os.pathsep + os.environ.get("PYTHONPATH", ""),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=place, env={**own, **more}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def recipe(name: str) -> str:
    return dict(RECIPE.findall(PAGE.read_text(encoding="utf-8")))[name]


def ids_of(path: Path) -> list[int]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_tasks_of_an_array_make_the_whole(place: Path) -> None:
    whole = run(place, "bertkit predict runs/mrpc rows.jsonl --keep id").stdout
    array = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
    for task in ("2", "1"):
        run(place, recipe("slurm"), SLURM_ARRAY_TASK_ID=task, **array)
    assert run(place, "cat answers/*.jsonl").stdout == whole
    assert len(ids_of(place / "answers" / "0001.jsonl")) not in (0, 400)


@pytest.mark.parametrize("name", ["xargs", "parallel"])
def test_a_file_in_is_a_file_out(place: Path, name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    run(place, recipe(name))
    assert ids_of(place / "answers" / "one.jsonl") == list(range(30))
    assert ids_of(place / "answers" / "with a space.jsonl") == list(range(30, 50))


def test_the_page_has_the_recipes() -> None:
    assert [name for name, _ in RECIPE.findall(PAGE.read_text(encoding="utf-8"))] == ["slurm", "xargs", "parallel"]
