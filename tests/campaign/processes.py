"""Real processes of bertkit: killed, limited, with streams that are closed or full."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
BERTKIT = (sys.executable, "-m", "bertkit")
STOPPING = (sys.executable, "-m", "tests.campaign.stopping")
# Nothing that a process of the campaign does may take longer.
TIMEOUT_S = 240.0


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process: one thread, no variable of the caller's options."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BERTKIT_")}
    return {**own, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "120", **more}


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code (negative: the signal), outputs, CPU, most memory."""

    code: int
    out: bytes
    err: str
    cpu_s: float
    peak_bytes: int
    timed_out: bool = False

    @property
    def last(self) -> str:
        """The last line of stderr."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1] if lines else ""


class Process:
    """A command that has been started."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        program: Sequence[str] = BERTKIT,
        stdin: bytes | None = b"",
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> None:
        given: Any = subprocess.DEVNULL
        if stdin is not None:
            given = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
            given.write(stdin)
            given.seek(0)
        self.began = time.monotonic()
        self.popen = subprocess.Popen(
            [*program, *arguments],
            cwd=folder,
            stdin=given,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE if stderr is None else stderr,
            env=environment(),
            start_new_session=True,
        )
        if stdin is not None:
            given.close()
        # Pipes, not files, for a limit of file sizes is not meant for these.
        self._read = [_Reader(stream) for stream in (self.popen.stdout, self.popen.stderr)]

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet; what it leaves is asked for by `wait`."""
        return os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    @property
    def cpu_s(self) -> float:
        """The seconds that it has computed, which a busy machine does not change."""
        import psutil

        times = psutil.Process(self.popen.pid).cpu_times()
        return float(times.user + times.system)

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.is_running:
            os.kill(self.popen.pid, number)

    def wait(self, timeout_s: float = TIMEOUT_S) -> Ended:
        """Wait for its end; one that takes too long is killed."""
        timed_out = False
        while self.is_running:
            if time.monotonic() - self.began > timeout_s:
                timed_out = True
                self.popen.kill()
            time.sleep(0.01)
        _, status, usage = os.wait4(self.popen.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.popen.returncode = code
        out, err = (reader.content() for reader in self._read)
        seconds = usage.ru_utime + usage.ru_stime
        return Ended(code, out, err.decode("utf-8", "replace"), seconds, usage.ru_maxrss * 1024, timed_out)


class _Reader:
    """Reads a pipe to its end, beside the process that fills it."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._content = b""
        self._thread = threading.Thread(target=self._work, args=(stream,), daemon=True)
        self._thread.start()

    def _work(self, stream: IO[bytes] | None) -> None:
        if stream is not None:
            with stream:
                self._content = stream.read()

    def content(self) -> bytes:
        """Return all there was."""
        self._thread.join()
        return self._content


def run_process(arguments: Sequence[str], folder: Path, **more: Any) -> Ended:
    """Run a command to its end."""
    return Process(arguments, folder, **more).wait()


def bertkit_after(statement: str) -> tuple[str, ...]:
    """Return the program that is bertkit, after a statement of Python in its own process."""
    become = "os.execv(sys.executable, [sys.executable, '-m', 'bertkit', *sys.argv[1:]])"
    return (sys.executable, "-c", f"import os, resource, sys; {statement}; {become}")


def with_file_size(size: int) -> tuple[str, ...]:
    """Return bertkit with a largest file size, in bytes, as `ulimit -f` sets it."""
    return bertkit_after(f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))")
