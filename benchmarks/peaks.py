"""The most memory that a command holds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from options import Missing


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
    if not hasattr(os, "wait4"):
        raise Missing("this system does not tell how much memory another process took (os.wait4).")
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        began = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "bertkit", *words], stdout=out, stderr=subprocess.DEVNULL)
        # Not process.wait(): only wait4 tells what this one child took.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise Missing(f"bertkit {' '.join(words)} ended with {process.returncode}.")
        out.seek(0)
        printed = out.read()
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return Done(printed, seconds, usage.ru_maxrss * unit / 1e6)
