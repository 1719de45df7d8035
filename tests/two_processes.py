"""Start bertkit in two processes, as its users do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# Nothing may hang: what takes longer than this is ended, and the test fails.
TIMEOUT_S = 600
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "BERTKIT_DEVICE": "cpu"}


@contextmanager
def launched(*arguments: str, options: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """Start a command of bertkit in two processes; give the launcher, and leave no process behind.

    `options` are the launcher's own.
    """
    pipe = subprocess.PIPE
    command = [*LAUNCHER, *options, "-m", "bertkit", *arguments]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT) as launcher:
        try:
            yield launcher
        finally:
            launcher.terminate()  # it ends the processes, which are not in its group
            try:
                launcher.wait(60)
            finally:
                launcher.kill()


def torchrun(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of bertkit in two processes."""
    with launched(*arguments) as launcher:
        out, err = launcher.communicate(stdin, timeout=TIMEOUT_S)
    return subprocess.CompletedProcess(launcher.args, launcher.returncode, out, err)


def sentences(stderr: str) -> list[str]:
    """Return what bertkit itself said of an error, without the launcher's lines."""
    # Three processes write there, and a line of one may begin behind what another has not ended.
    return [line[line.index("bertkit: ") :] for line in stderr.splitlines() if "bertkit: " in line]
