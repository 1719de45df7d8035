"""ROUGE of many summaries on several processors.

The workers are programs of their own, not processes of the module multiprocessing: those
would copy this process in the middle of what its threads do (fork), or run the caller's
script a second time, with all that it imports (spawn, forkserver). A worker imports what
counts, and no torch. Its part of the work is fixed beforehand, so that the order is, and
where a worker fails its part is done here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from tempfile import TemporaryFile
from typing import IO

from bertkit.processor import usable_cores, usual_threads

Pair = tuple[str, str]
"""A reference and a summary."""
Figures = list[list[float]]
"""F1 by metric for each pair."""
Count = Callable[[Sequence[Pair], str, Sequence[str]], Figures]
"""Scores pairs under a tokenization by some metrics."""

# Pairs that are scored here while the workers start, and the fewest that one is started for:
# a worker needs half a second to start, and one and a half milliseconds for a pair of news summaries.
HEAD_START, FEWEST = 400, 200
_PROGRAM = "from bertkit.documents.rouge_workers import work; work()"
# Packages that nltk imports where it finds them, for a second and a half, and that ROUGE has no use for.
_NOT_NEEDED = ("scipy", "sklearn", "pandas", "matplotlib")


def in_processes(pairs: Sequence[Pair], mode: str, metrics: Sequence[str], count: Count) -> Figures:
    """Return `count(pairs, mode, metrics)`, computed on all cores this process may use where there is enough to do.

    OMP_NUM_THREADS limits their number, as it does elsewhere.
    """
    own, *others = _parts(len(pairs), _processors())
    with ExitStack() as stack:
        answers = [stack.enter_context(_worker(pairs[part], mode, metrics)) for part in others]
        figures = count(pairs[own], mode, metrics)
        for part, answer in zip(others, answers, strict=True):
            found = answer()
            figures += count(pairs[part], mode, metrics) if found is None else found
    return figures


def work() -> None:
    """Be a worker: read pairs, tokenization and metrics from standard input, and write the figures."""
    for name in _NOT_NEEDED:
        sys.modules[name] = None  # type: ignore[assignment] # as if it were not installed
    from bertkit.documents.rouge import f_measures

    json.dump(f_measures(*json.load(sys.stdin)), sys.stdout)


def _parts(size: int, processors: int) -> list[slice]:
    """Divide pairs among processes; the first part is longer, for its process runs already."""
    head = min(size, HEAD_START)
    processes = max(1, min(processors, (size - head) // FEWEST))
    cuts = [0, *(head + (size - head) * i // processes for i in range(1, processes + 1))]
    return [slice(start, end) for start, end in pairwise(cuts)]


def _processors() -> int:
    """Return how many processes compute: no more than there are cores for, whatever OMP_NUM_THREADS says."""
    return min(usable_cores(), usual_threads())


@contextmanager
def _worker(pairs: Sequence[Pair], mode: str, metrics: Sequence[str]) -> Iterator[Callable[[], Figures | None]]:
    """Start a worker; gives a function that waits for its figures, None where it failed."""
    with ExitStack() as stack:
        # Files, not pipes: nobody has to read while the other writes.
        asked = stack.enter_context(TemporaryFile("w+", encoding="utf-8"))
        answered = stack.enter_context(TemporaryFile("w+", encoding="utf-8"))
        json.dump((pairs, mode, metrics), asked)
        asked.seek(0)
        process = _started(asked, answered)
        if process is None:
            yield lambda: None
            return
        stack.enter_context(process)
        stack.callback(process.kill)  # where it is no longer waited for
        yield lambda: _figures(process, answered, len(pairs))


def _started(asked: IO[str], answered: IO[str]) -> subprocess.Popen[bytes] | None:
    if not sys.executable or getattr(sys, "frozen", False):  # the program that runs is no interpreter
        return None
    places = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", _PROGRAM]
    try:
        return subprocess.Popen(
            command, stdin=asked, stdout=answered, stderr=subprocess.DEVNULL, env={**os.environ, **places}
        )
    except OSError:
        return None


def _figures(process: subprocess.Popen[bytes], answered: IO[str], size: int) -> Figures | None:
    if process.wait() != 0:
        return None
    answered.seek(0)
    try:
        figures: Figures = json.load(answered)
    except ValueError:
        return None
    return figures if len(figures) == size else None
