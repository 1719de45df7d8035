"""Real processes: one training in a folder, and a signal before its first step."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bertkit import bundle
from bertkit.errors import RunError
from bertkit.locks import Occupied
from bertkit.run_folder import REQUEST
from bertkit.training.run import train
from tests.training.small_runs import content, data_file, learnt, request, resume

FLAGS = "--layers 1 --hidden 16 --heads 2 --epochs 2 --batch-size 12 --vocab-size 70 --threads 1 --no-tensorboard"
TIMEOUT_S = 120


def _hear_ctrl_c() -> None:
    """What is started in the background of a shell does not hear it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_trains_and_when_it_is_stopped_another_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    data, run = data_file(tmp_path), tmp_path / "run"
    command = [sys.executable, "-m", "bertkit", "train", str(data), *FLAGS.split(), "--output", str(run)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, preexec_fn=_hear_ctrl_c) as first:  # noqa: PLW1509
        until = time.monotonic() + TIMEOUT_S
        while not (run / REQUEST).exists():
            assert time.monotonic() < until
            assert first.poll() is None
            time.sleep(0.001)
        for changes in ({}, {"force": True}, {"resume": True}):
            with pytest.raises(Occupied, match=f"{run}: is being trained by process {first.pid}; wait for it to end"):
                train(request(data, run, **changes))
        with pytest.raises(RunError, match=f"is being trained by process {first.pid} and has not finished"):
            bundle.load_manifest(run)
        first.send_signal(number)
        out, err = first.communicate(timeout=TIMEOUT_S)
    assert (first.returncode, out) == (130, "")
    assert err.splitlines()[-1] == f"bertkit: interrupted; continue with `bertkit train --resume --output {run}`."
    assert content(run).keys() == {"checkpoints", str(REQUEST)}
    resume(run)
    train(request(data, tmp_path / "whole"))
    assert learnt(run) == learnt(tmp_path / "whole")
