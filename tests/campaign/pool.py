"""Several worker processes; one that dies or says nothing is a result, and is replaced."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.campaign.outcome import Outcome, Part
from tests.campaign.processes import ROOT, environment


class _Worker:
    """One process, asked for one case after the other."""

    def __init__(self, part: Part, runs: Path) -> None:
        self.part = part
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign.worker", part.name, str(runs)],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,
        )

    def answer(self, number: int) -> Outcome:
        """Run a case."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{number}\n".encode())
            self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], self.part.patience_s)[0]:
            self.end()
            return Outcome(self.part.name, ("hang",), f"no answer after {self.part.patience_s:.0f} s", spent=True)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            said = self.errors.read()[-2000:].decode("utf-8", "replace")
            self.end()
            return Outcome(self.part.name, (f"the process ended: {self.process.returncode}",), said, spent=True)
        values = json.loads(line)
        return Outcome(**{**values, "faults": tuple(values["faults"])})

    def end(self) -> None:
        """End the process and whatever it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()


def run_cases(
    part: Part, numbers: Iterable[int], runs: Path, jobs: int, heard: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[int, Outcome]]:
    """Run cases in `jobs` processes; outcomes come in the order of their numbers."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in numbers:
        waiting.put(number)
    found: dict[int, Outcome] = {}

    def work() -> None:
        worker = None
        while not waiting.empty():
            with contextlib.suppress(queue.Empty):
                number = waiting.get_nowait()
                worker = worker or _Worker(part, runs)
                outcome = found[number] = worker.answer(number)
                heard(len(found))
                if outcome.spent:
                    worker.end()
                    worker = None
        if worker is not None:
            worker.end()

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield from sorted(found.items())
