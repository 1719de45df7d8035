"""A pipe that stays open: how long `bertkit predict RUN -` takes to answer a row when one comes each second.

The clock runs from the row's last byte to the answer's. The first answer, which is that of the start, does
not count (start.py measures it).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bertkit.data.records import Example
from bertkit.plain import to_json
from folders import MODELS, default_config, is_packaged, write_classifier
from inputs import Pairs, load_pairs, write_pairs
from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Estimate

FITTED_ROWS = 300


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=15)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between rows (default: 1)")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="encoder of the runs (default: minilm)")
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Ask a run with a plain head, and the model's default run."""
    pairs = load_pairs(options.data, max(FITTED_ROWS, options.repetitions + 1))
    report = Report("piped", pairs.source, {"rows": options.repetitions, "pause": options.pause})
    few = Pairs(pairs.examples[:FITTED_ROWS], pairs.source)
    with tempfile.TemporaryDirectory() as place:
        plain, default = Path(place) / "plain", Path(place) / "default"
        report.notes.append(f"model: {write_classifier(plain, few, options.model)}")
        named = options.model == "minilm" and is_packaged("minilm")
        _train(few, Path(place) / "few.tsv", "minilm" if named else str(plain), default)
        for key, run in (("plain", plain), ("default", default)):
            waited = Estimate.of(_waits(run, pairs.examples[: options.repetitions + 1], options.pause))
            report.add(f"piped.{key}", f"an answer, {key} run", waited, "ms")
    return report


def _train(few: Pairs, data: Path, model: str, run: Path) -> None:
    """Train the default run; what answers rows are processes of their own."""
    from bertkit.training.run import train

    train(default_config(write_pairs(few, data), model, run))


def _waits(run: Path, rows: Sequence[Example], pause: float) -> Iterator[float]:
    """Write rows to one process, and yield the milliseconds of each answer but the first."""
    words = [sys.executable, "-m", "bertkit", "predict", str(run), "-", "--input-format", "jsonl", "--quiet"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number, row in enumerate(rows):
            time.sleep(pause)
            line = to_json(dict(zip(("sentence1", "sentence2"), row.texts, strict=True))) + "\n"
            began = time.perf_counter()
            process.stdin.write(line)
            process.stdin.flush()
            if not process.stdout.readline():
                raise Missing("bertkit predict ended before it had answered.")
            if number:
                yield 1000 * (time.perf_counter() - began)
        process.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
