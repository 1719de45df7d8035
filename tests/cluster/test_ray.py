"""Prediction on a local Ray of two workers: what `predict` answers, whatever dies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import pair_rows

pytest.importorskip("ray", reason="the extra ray is not installed: pip install 'bertkit[ray]'")
from ray.exceptions import AuthenticationError

from bertkit.cluster.session import joined_cluster
from bertkit.errors import ProcessLostError

BERTKIT = [sys.executable, "-m", "bertkit", "predict"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
TIMEOUT_S = 300


def write_rows(folder: Path, n: int) -> Path:
    """Write rows as JSON lines and as csv, one of them broken."""
    folder.mkdir()
    lines = [json.dumps({"id": i, "sentence1": a, "sentence2": b}) for i, (a, b, _) in enumerate(pair_rows(n, seed=6))]
    lines[n // 2] = "{broken"
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [f'{i},"{a}\nagain",{b}' for i, (a, b, _) in enumerate(pair_rows(n, seed=7))]
    (folder / "b.csv").write_text("\n".join(["id,sentence1,sentence2", *rows]) + "\n", encoding="utf-8")
    return folder


def words(run: Path, inputs: Path, output: Path, *more: str) -> list[str]:
    cluster = ["--ray", "--ray-actors", "2", "--ray-rows", "40", "--output", str(output)]
    return [*BERTKIT, str(run), str(inputs), "--keep", "id", *cluster, *more]


@contextmanager
def begun(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT) as process:
        try:
            yield process
        finally:
            children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.kill()
            for child in children:
                child.kill()


def done(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=TIMEOUT_S, check=False)


def shards_of(output: Path) -> list[Path]:
    return sorted(output.glob("part-*.jsonl"))


def records_of(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for shard in shards_of(output) for line in shard.read_text(encoding="utf-8").splitlines()]


def check_same(output: Path, plain: str) -> None:
    wanted = [json.loads(line) for line in plain.splitlines()]
    found = records_of(output)
    assert len(found) == len(wanted)
    for mine, others in zip(found, wanted, strict=True):
        assert mine.pop("score", 0) == pytest.approx(others.pop("score", 0), abs=1e-5)
        assert mine == others
    assert not list(output.glob(".part*"))


def plain_of(run: Path, inputs: Path) -> str:
    found = done([*BERTKIT, str(run), str(inputs), "--keep", "id"])
    assert found.returncode == 3
    return found.stdout


def test_the_cluster_answers_as_one_process_does_and_goes_on(trained_run: Path, tmp_path: Path) -> None:
    inputs, output = write_rows(tmp_path / "in", 130), tmp_path / "out"
    plain = plain_of(trained_run, inputs)
    first = done(words(trained_run, inputs, output))
    assert first.returncode == 3, first.stderr  # one row is broken, and all others are answered
    assert f"1 of 260 rows could not be read; the first: {inputs}/a.jsonl:66" in first.stderr
    check_same(output, plain)
    assert len(shards_of(output)) == 8
    before = {shard.name: shard.stat().st_mtime_ns for shard in shards_of(output)}
    lost = shards_of(output)[3]
    lost.unlink()
    again = done(words(trained_run, inputs, output, "--resume"))
    assert again.returncode == 3, again.stderr
    assert "7 of them there already" in again.stderr
    check_same(output, plain)
    after = {shard.name: shard.stat().st_mtime_ns for shard in shards_of(output)}
    assert {name for name in after if after[name] != before[name]} == {lost.name}


@pytest.mark.slow
def test_an_actor_and_a_worker_are_killed_and_nothing_is_missing(trained_run: Path, tmp_path: Path) -> None:
    inputs, output = write_rows(tmp_path / "in", 2000), tmp_path / "out"
    plain = plain_of(trained_run, inputs)
    command = words(trained_run, inputs, output, "--batch-size", "1")
    with begun(command) as process:
        until = time.monotonic() + TIMEOUT_S
        while len(shards_of(output)) < 3:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.01)
        workers = {child.pid: " ".join(child.cmdline()) for child in psutil.Process(process.pid).children(True)}
        ours = {pid: name for pid, name in workers.items() if name.startswith("ray::")}
        actor = next(pid for pid, name in ours.items() if "MapWorker" in name)
        os.kill(actor, signal.SIGKILL)
        for pid in [pid for pid, name in ours.items() if name.startswith("ray::IDLE")][:1]:
            os.kill(pid, signal.SIGKILL)
        assert len(shards_of(output)) < 100
        _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 3, said
    assert "1 of 4,000 rows could not be read" in said
    check_same(output, plain)


@pytest.mark.slow
def test_a_command_that_was_killed_goes_on_and_a_changed_input_is_refused(trained_run: Path, tmp_path: Path) -> None:
    inputs, output = write_rows(tmp_path / "in", 2000), tmp_path / "out"
    plain = plain_of(trained_run, inputs)
    command = words(trained_run, inputs, output, "--batch-size", "1")
    with begun(command) as process:
        until = time.monotonic() + TIMEOUT_S
        while len(shards_of(output)) < 3:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.01)
    there = len(shards_of(output))
    assert 3 <= there < 100
    table = (inputs / "b.csv").read_text(encoding="utf-8")
    (inputs / "b.csv").write_text(table.replace("cat", "car"), encoding="utf-8")
    refused = done([*command, "--resume"])
    assert refused.returncode == 3
    assert "was started with other inputs" in refused.stderr
    (inputs / "b.csv").write_text(table, encoding="utf-8")
    with begun([*command, "--resume"]) as process:
        while len(shards_of(output)) < there + 2:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.01)
        process.terminate()
        _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130, said
    assert "shards are written; the same command with --resume continues" in said
    assert "SIGTERM received" not in said
    again = done([*command, "--resume"])
    assert again.returncode == 3, again.stderr
    check_same(output, plain)


def test_what_a_cluster_cannot_do_is_said_before_it_is_begun(trained_run: Path, tmp_path: Path) -> None:
    run, rows = str(trained_run), str(write_rows(tmp_path / "in", 9))
    for options, said in (
        (["--ray"], "--output DIR"),
        (["--ray", "-o", str(tmp_path / "o"), "--output-format", "csv"], "--output-format does not apply"),
        (["--ray", "-o", str(tmp_path / "o"), "--ray-gpus", "1.5"], "--ray-gpus 1.5"),
        (["--ray", "-o", "s3://bucket/o"], "--output s3:/bucket/o: is an address"),
    ):
        found = done([*BERTKIT, run, rows, *options])
        assert (found.returncode, found.stdout) == (2, "")
        assert said in found.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (AuthenticationError("no token"), "--ray-address head:1: a cluster with a token wants RAY_AUTH_MODE=token"),
        (ConnectionError("no way"), "no Ray cluster answers there (no way); a cluster with a token wants"),
    ],
)
def test_a_cluster_that_lets_nobody_in_is_a_sentence(
    failure: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise failure

    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(ProcessLostError, match=re.escape(said)), joined_cluster("head:1"):
        pass
