"""Resident memory of whole commands: `bertkit train` against the tuned Trainer, `bertkit predict` against the pipeline.

Each is a process of its own, and the most memory that it ever held is compared. The peers' processes
import nothing of bertkit but the reader of the rows (a few MB); both trainings see the same rows, in
batches of 32 rows of like length, in the same precision, for one epoch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from folders import MODELS, is_packaged, write_classifier
from inputs import Pairs, load_pairs, write_pairs
from options import run_script, script_parser
from peaks import Done, peak_of_command, run_for_peak
from report import Report
from sidebyside import Contender, Course, Estimate, Turn, alternate

PEERS = ("train", "predict")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script, or do the work of a peer, which the script starts."""
    parser = script_parser(__doc__, repetitions=1)
    parser.add_argument("--rows", type=int, default=4076, help="rows to train on (default: 4076)")
    parser.add_argument("--predicted", type=int, default=1024, help="rows to predict (default: 1024)")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder (default: minilm)")
    parser.add_argument("--peer", nargs=2, metavar=("WORK", "FOLDER"), help=argparse.SUPPRESS)
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Compare the peaks, training first."""
    pairs = load_pairs(options.data, options.rows)
    report = Report("resident", pairs.source, {"rows": len(pairs.examples), "model": options.model})
    if options.peer:
        work, folder = options.peer
        _be_peer(work, Path(folder), pairs)
        return report
    few = Pairs(pairs.examples[: options.predicted], pairs.source)
    with tempfile.TemporaryDirectory() as place:
        plain = Path(place) / "plain"
        report.notes.append(f"model: {write_classifier(plain, few, options.model)}")
        data, rows = write_pairs(pairs, Path(place) / "train.tsv"), write_pairs(few, Path(place) / "rows.tsv")
        model = "minilm" if options.model == "minilm" and is_packaged("minilm") else str(plain)
        words = ["train", str(data), "--model", model, "--epochs", "1", "--force", "--output", f"{place}/run"]
        trained = alternate(
            [
                _ours("bertkit train", words, len(pairs.examples), options),
                _peer("tuned Trainer", "train", plain, options),
            ],
            options.repetitions,
            warm_ups=0,
            budget_s=options.budget,
        )
        words = ["predict", str(plain), str(rows), "--quiet"]
        answered = alternate(
            [
                _ours("bertkit predict", words, len(few.examples), options),
                _peer("pipeline", "predict", plain, options),
            ],
            options.repetitions,
            warm_ups=0,
            budget_s=options.budget,
        )
    _add(report, trained, "train", "training")
    _add(report, answered, "predict", "prediction")
    peak = _peaks(trained["bertkit train"])
    report.add("resident.train_mb", "bertkit train, peak", peak, "MB")
    return report


def _add(report: Report, courses: dict[str, Course], key: str, what: str) -> None:
    ours, other = courses.values()
    report.speeds += [(f"{course.name}, peak", "MB", _peaks(course)) for course in courses.values()]
    ratios = [mine.value / reference.value for mine, reference in zip(ours.turns, other.turns, strict=True)]
    report.add(f"resident.{key}", f"memory of {what}, {ours.name} / {other.name}", Estimate.of(ratios))


def _peaks(course: Course) -> Estimate:
    return Estimate.of(turn.value for turn in course.turns)


def _ours(name: str, words: list[str], rows: int, options: argparse.Namespace) -> Contender:
    threads = ["--threads", str(options.threads)] if options.threads and words[0] == "train" else []

    def take_turn() -> Turn:
        return _turn(run_for_peak([*words, *threads]), rows)

    return Contender(name, take_turn)


def _peer(name: str, work: str, folder: Path, options: argparse.Namespace) -> Contender:
    """Make a contender of this script in another process, where it does a peer's work."""
    words = [sys.executable, str(Path(__file__).resolve()), "--peer", work, str(folder), "--model", options.model]
    words += ["--rows", str(options.rows if work == "train" else options.predicted)]
    for flag in ("data", "threads"):
        if (value := getattr(options, flag)) is not None:
            words += [f"--{flag}", str(value)]

    def take_turn() -> Turn:
        return _turn(peak_of_command(words, name), options.rows)

    return Contender(name, take_turn)


def _turn(done: Done, rows: int) -> Turn:
    return Turn(done.seconds, rows, done.peak)


def _be_peer(work: str, folder: Path, pairs: Pairs) -> None:
    """Train an epoch as the tuned Trainer does, or answer the rows with the pipeline."""
    from bertkit.processor import multiplies_bfloat16

    if work == "predict":
        from engines import pipeline_contender

        pipeline_contender(folder, pairs.examples, 8, "float32").take_turn()
        return
    from trainers import Recipe, train_rows

    train_rows(Recipe(folder, 32, 128, 1e-4, 1, native=bool(multiplies_bfloat16())), pairs.examples)


if __name__ == "__main__":
    sys.exit(main())
