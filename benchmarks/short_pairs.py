"""Many short pairs through a small model from nothing: the working tree against an earlier build of bertkit.

The model is small enough for reading, tokenizing, overlap segments and writing to be most of the work. The
earlier build is taken out of git; it trains the run that both answer with. Whole commands are compared.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from inputs import load_pairs
from options import Missing, compile_as_pip_does, run_script, script_parser
from report import Report
from sidebyside import Contender, Estimate, Turn, alternate, equal_share, speed_ratios

ROOT = Path(__file__).resolve().parent.parent
BUILD = "cdea103"
WORDS = (4, 10)  # least and most, of a text
SEED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=2)
    parser.add_argument("--rows", type=int, default=60_000, help="pairs to predict (default: 60000)")
    parser.add_argument("--build", default=BUILD, help=f"the earlier build (default: {BUILD})")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Let both builds answer the same file."""
    report = Report("short_pairs", f"{options.rows:,} GENERATED pairs of {WORDS[0]} to {WORDS[1]} words")
    report.settings = {"rows": options.rows, "build": options.build}
    with tempfile.TemporaryDirectory() as place:
        before, run, data = Path(place) / "before", Path(place) / "run", Path(place) / "rows.tsv"
        _take_out(options.build, before)
        _write_rows(data, options.rows)
        shape = [
            "--layers",
            "2",
            "--hidden",
            "64",
            "--heads",
            "2",
            "--epochs",
            "1",
            "--limit",
            "300",
            "--no-tensorboard",
        ]
        words = ["train", "sample:paraphrase", "--model", "scratch", *shape, "--output", str(run)]
        _run(before, words, f"the build {options.build}, train")
        commands = [(f"build {options.build}", before), ("bertkit", ROOT)]
        answer = ["predict", str(run), str(data)]
        contenders = [_contender(name, tree, answer, options.rows) for name, tree in commands]
        courses = alternate(contenders, options.repetitions, warm_ups=0, budget_s=options.budget)
    report.add_speeds(courses.values(), "rows/s")
    earlier, ours = courses.values()
    report.add("short_pairs.before", f"bertkit / the build {options.build}", speed_ratios(ours, earlier))
    cpu = [other.value[1] / mine.value[1] for mine, other in zip(ours.turns, earlier.turns, strict=True)]
    report.add("short_pairs.cpu", "the same in processor time", Estimate.of(cpu))
    labels = equal_share(ours.value[0], earlier.value[0])
    report.add("short_pairs.labels", "labels equal", Estimate.exactly(100 * labels), "%")
    return report


def _take_out(build: str, folder: Path) -> None:
    """Unpack a build's package.

    Raises:
        Missing: git or the history is not here.
    """
    try:
        done = subprocess.run(["git", "-C", str(ROOT), "archive", build, "bertkit"], capture_output=True, check=False)
    except OSError as error:
        raise Missing(f"git is not here, which has the earlier build ({error}).") from error
    if done.returncode:
        raise Missing(f"git has no build {build} here: the whole history is needed (git fetch --unshallow).")
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    compile_as_pip_does(folder)


def _write_rows(path: Path, count: int) -> None:
    draw = random.Random(SEED)
    words = sorted({word for row in load_pairs(None, 400).examples for text in row.texts for word in text.split()})
    with path.open("w", encoding="utf-8") as stream:
        stream.write("sentence1\tsentence2\n")
        for _ in range(count):
            first = draw.choices(words, k=draw.randint(*WORDS))
            second = [word if draw.random() < 0.7 else draw.choice(words) for word in first]
            stream.write(f"{' '.join(first)}\t{' '.join(second)}\n")


def _run(tree: Path, words: Sequence[str], name: str) -> str:
    """Run the bertkit of a source tree, and return what it prints.

    Raises:
        Missing: it failed.
    """
    known = {**os.environ, "PYTHONPATH": str(tree), "BERTKIT_LANG": "en"}
    command = [sys.executable, "-m", "bertkit", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=known, cwd=tree)
    if done.returncode:
        raise Missing(f"{name} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def _contender(name: str, tree: Path, words: Sequence[str], rows: int) -> Contender:
    """Make a contender of a command; what comes out are its labels, and the processor time it took."""

    def take_turn() -> Turn:
        began, spent = time.perf_counter(), _of_children()
        out = _run(tree, words, name)
        seconds, spent = time.perf_counter() - began, _of_children() - spent
        return Turn(seconds, rows, ([line.partition('"label"')[2][:6] for line in out.splitlines()], spent))

    return Contender(name, take_turn)


def _of_children() -> float:
    """Return the seconds of processor time of all commands that have ended."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    sys.exit(main())
