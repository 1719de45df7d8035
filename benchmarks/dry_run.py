"""Memory of a training: what `bertkit train --dry-run` says against the most that the training holds."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from inputs import load_pairs, write_pairs
from options import run_script, script_parser
from peaks import run_for_peak
from report import Report
from sidebyside import Estimate

SIZES = ("tiny", "mini", "small", "base")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = script_parser(__doc__, repetitions=1)
    parser.add_argument("--rows", type=int, default=400, help="pairs to train on (default: 400)")
    parser.add_argument(
        "--sizes",
        nargs="+",
        choices=SIZES,
        default=["tiny", "mini", "small"],
        help="of encoders (default: all but base)",
    )
    return run_script(parser, measure, argv)


def measure(options: argparse.Namespace) -> Report:
    """Predict and train once for each size."""
    pairs = load_pairs(options.data, options.rows)
    report = Report("dry_run", pairs.source, {"rows": options.rows, "sizes": options.sizes})
    errors = []
    with tempfile.TemporaryDirectory() as place:
        data = write_pairs(pairs, Path(place) / "pairs.tsv")
        for size in options.sizes:
            words = ["train", str(data), "--model", "scratch", "--size", size, "--epochs", "1"]
            words += ["--output", str(Path(place) / size)]
            words += ["--threads", str(options.threads)] if options.threads else []
            predicted = json.loads(run_for_peak([*words, "--dry-run"]).stdout)["memory_bytes"] / 1e6
            measured = run_for_peak(words).peak
            errors.append(100 * abs(predicted / measured - 1))
            for what, found in (("predicted", predicted), ("measured", measured)):
                report.speeds.append((f"{size}, {what}", "MB", Estimate.exactly(found)))
    # The worst of them is held against the claim, and not their median.
    worst = Estimate(max(errors), min(errors), max(errors), len(errors))
    report.add("memory.dry_run", "predicted against measured, how far off", worst, "%")
    return report


if __name__ == "__main__":
    sys.exit(main())
