"""The most memory that a command holds."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from options import Missing

_MMAP_THRESHOLD = -3  # of mallopt
# Linux counts what a process held before it became a command, and that is what its parent holds, who may have
# torch and a model. So a small process stands between; it tells the peak where it is told to.
_BETWEEN = """
import os, sys
process = os.fork() or os.execvp(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(process, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""


@dataclass(frozen=True)
class Done:
    """A command that has ended: what it printed, how long it took, and its peak in MB."""

    stdout: str
    seconds: float
    peak: float


def run_for_peak(words: Sequence[str]) -> Done:
    """Run bertkit with these words as a process of its own.

    Raises:
        Missing: the system does not tell another process's memory, or the command failed.
    """
    return peak_of_command([sys.executable, "-m", "bertkit", *words], f"bertkit {' '.join(words)}")


def peak_of_command(words: Sequence[str], name: str) -> Done:
    """Run a command as a process of its own.

    Args:
        words: the command.
        name: what it is called where it fails.

    Raises:
        Missing: the system does not tell another process's memory, or the command failed.
    """
    if not hasattr(os, "wait4"):
        raise Missing("this system does not tell how much memory another process took (os.wait4).")
    with tempfile.TemporaryDirectory() as place:
        told = Path(place) / "peak"
        command = [sys.executable, "-S", "-c", _BETWEEN, str(told), *words]
        began = time.perf_counter()
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8", check=False
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            raise Missing(f"{name} ended with {done.returncode}.")
        peak = int(told.read_text(encoding="ascii"))
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return Done(done.stdout, seconds, peak * unit / 1e6)


def peak_of(work: Callable[[], object]) -> float:
    """Return what this process holds at most while it does something, beyond what it held before, in MB.

    0.0 where the system does not tell (Linux does). From here on the process takes and gives back
    memory more slowly: times are measured before.
    """
    gc.collect()
    try:
        # What is freed goes back at once: kept for later, it would hide what is taken again.
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 2**16)
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        before = _kilobytes("VmRSS")
        work()
        return (_kilobytes("VmHWM") - before) / 1e3
    except (OSError, AttributeError):
        return 0.0


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
