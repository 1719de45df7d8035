"""Prediction in several processes: all rows, in order, written once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import pair_rows
from tests.two_processes import ENVIRONMENT, TIMEOUT_S, sentences, torchrun


def test_rows_of_a_pipe_are_shared_and_come_back_in_order(trained_run: Path) -> None:
    rows = [json.dumps({"sentence1": a, "sentence2": b}) for a, b, _ in pair_rows(333)]
    rows[100] = '{"sentence1": "only one"}'
    text = "".join(row + "\n" for row in rows)
    alone = subprocess.run(
        [sys.executable, "-m", "bertkit", "predict", str(trained_run), "-"],
        input=text, capture_output=True, text=True, env=ENVIRONMENT, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    together = torchrun("predict", str(trained_run), "-", stdin=text)
    assert alone.returncode == 3
    one, two = ([json.loads(line) for line in done.stdout.splitlines()] for done in (alone, together))
    assert [record["line"] for record in two] == list(range(1, 334))
    assert [record for record in two if "error" in record] == [one[100]]
    for mine, others in zip(two, one, strict=True):
        assert mine.pop("score", 0) == pytest.approx(others.pop("score", 0), abs=2e-5)
        assert mine == others
    assert sentences(together.stderr) == alone.stderr.splitlines()
