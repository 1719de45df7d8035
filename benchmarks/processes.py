"""Several processes: two that share the cores beside one that has them all, in training.

Both train the same model on the same rows with the same seed and without noise; the final
metrics are compared in the same run. Speeds are those of the steps alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inputs import load_pairs, write_pairs
from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Contender, Course, Estimate, Turn, alternate, speed_ratios

PROCESSES = 2
# Each process draws noise of its own: without it the same steps are taken, but for rounding.
NO_NOISE = ("--dropout", "0", "--token-masking", "0", "--no-swap-pairs")


@dataclass(frozen=True)
class Job:
    """What is trained on, where it goes, and the words that say how large and how long."""

    data: Path
    output: Path
    words: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=3)
    parser.add_argument("--rows", type=int, default=1200, help="pairs to train on (default: 1200)")
    parser.add_argument("--size", default="mini", help="of the encoder (default: mini)")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Let one process and two take turns."""
    pairs, cores = load_pairs(options.data, options.rows), options.threads or os.cpu_count() or 1
    if cores < PROCESSES:
        raise Missing("one core is nothing that two processes could share.")
    report = Report("processes", pairs.source, {"rows": options.rows, "size": options.size})
    with tempfile.TemporaryDirectory() as place:
        data = write_pairs(pairs, Path(place) / "pairs.tsv")
        words = ("--size", options.size, *NO_NOISE, "--epochs", "1", "--no-tensorboard")
        together = ("torch.distributed.run", "--nproc-per-node", str(PROCESSES), "-m", "bertkit")
        jobs = {
            f"1 process of {cores} threads": (("bertkit",), cores),
            f"{PROCESSES} processes of {cores // PROCESSES}": (together, cores // PROCESSES),
        }
        contenders = []
        for name, (launcher, threads) in jobs.items():
            job = Job(data, Path(place) / str(threads), (*words, "--threads", str(threads)))
            contenders.append(Contender(name, lambda launcher=launcher, job=job: _train(launcher, job)))  # type: ignore[misc]
        courses = alternate(contenders, options.repetitions, warm_ups=0, budget_s=options.budget)
    report.add_speeds(courses.values(), "rows/s")
    one, two = courses.values()
    report.add("processes.train", f"{PROCESSES} processes / 1, training", speed_ratios(two, one))
    report.add("processes.metrics", "largest difference of their final metrics", _apart(one, two), "")
    return report


def _train(launcher: Sequence[str], job: Job) -> Turn:
    """Run the command; the turn's units are the rows it learnt from, its value the final metrics."""
    command = [sys.executable, "-m", *launcher, "train", str(job.data), "--model", "scratch", *job.words]
    command += ["--output", str(job.output), "--force"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(launcher)} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    result = json.loads(done.stdout)
    return Turn(1.0, result["rows_per_second"], result["metrics"])


def _apart(one: Course, two: Course) -> Estimate:
    return Estimate.exactly(max(abs(value - two.value[name]) for name, value in one.value.items()))


if __name__ == "__main__":
    sys.exit(main())
