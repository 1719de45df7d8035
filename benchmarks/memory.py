"""Memory: does prediction take more of it for a hundred times as many rows?

`bertkit predict` runs as a process of its own over a small file and over a large one; what
is compared is the most memory that either ever held.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from folders import write_text_classifier
from inputs import load_pairs
from options import run_script, script_parser
from peaks import run_for_peak
from report import Report
from sidebyside import Contender, Course, Estimate, Turn, alternate

# Rows by which the stream's chunks have grown to their full size: fewer say nothing.
FEWEST_ROWS = 5_000
WORDS = 6  # of a row, so that there is time for many


@dataclass(frozen=True)
class Job:
    """A prediction: the run, its input, and how many rows that has."""

    run: Path
    rows: Path
    n: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=2)
    parser.add_argument(
        "--rows",
        type=int,
        default=50_000,
        help="rows of the large file; the small one has a hundredth, 5,000 at least (default: 50000; claim: 1000000)",
    )
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare the peaks of both predictions."""
    few = max(FEWEST_ROWS if options.rows > FEWEST_ROWS else 1, options.rows // 100)
    report = Report("memory", f"{few:,} and {options.rows:,} generated rows of {WORDS} words", {"rows": options.rows})
    with tempfile.TemporaryDirectory() as place:
        texts = [text for example in load_pairs(None, 200).examples for text in example.texts]
        run = Path(place) / "run"
        report.notes.append(f"model: {write_text_classifier(run, texts)}")
        jobs = [Job(run, _write_rows(Path(place) / f"{n}.txt", texts, n), n) for n in (few, options.rows)]
        contenders = [Contender(f"{job.n:,} rows", lambda job=job: _predict(job)) for job in jobs]  # type: ignore[misc]
        courses = alternate(contenders, options.repetitions, warm_ups=0, budget_s=options.budget)
    report.add_speeds(courses.values(), "rows/s")
    small, large = courses.values()
    report.speeds += [(f"{course.name}, peak", "MB", _peaks(course)) for course in courses.values()]
    growth = [more.value - less.value for less, more in zip(small.turns, large.turns, strict=True)]
    report.add("memory.predict", f"predict, {options.rows:,} rows over {few:,}", Estimate.of(growth), "MB")
    return report


def _write_rows(path: Path, texts: Sequence[str], n: int) -> Path:
    words = " ".join(texts).split()
    starts = itertools.islice(itertools.cycle(range(len(words) - WORDS)), n)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(" ".join(words[start : start + WORDS]) + "\n" for start in starts)
    return path


def _predict(job: Job) -> Turn:
    """Run the command; the turn's value is its peak in MB."""
    done = run_for_peak(["predict", str(job.run), str(job.rows), "--input-format", "txt"])
    return Turn(done.seconds, job.n, done.peak)


def _peaks(course: Course) -> Estimate:
    return Estimate.of(turn.value for turn in course.turns)


if __name__ == "__main__":
    sys.exit(main())
