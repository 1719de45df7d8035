"""Run the campaign, or one case of it.

python -m tests.campaign [--inputs 10000] [--kills 60] [--parts fuzz,kills] [--jobs 2] [--report FILE]
python -m tests.campaign --show fuzz 123
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.campaign.count import as_table, count
from tests.campaign.fuzz import fuzz
from tests.campaign.outcome import Outcome
from tests.campaign.parts import PARTS
from tests.campaign.pool import run_cases
from tests.campaign.runs import Runs, made_runs


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, help="damaged inputs (default: 10,000)")
    parser.add_argument("--kills", type=int, help="trainings that are killed (default: 60)")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--report", type=Path, help="JSON file for the count")
    parser.add_argument("--runs", type=Path, help="folder for the runs, kept for the next time")
    parser.add_argument("--show", nargs=2, metavar=("PART", "N"), help="run one case and tell of it")
    parser.add_argument("--keep", type=Path, help="with --show fuzz: folder for the input and what comes of it")
    return parser.parse_args()


def _outcomes(asked: argparse.Namespace, runs: Runs) -> Iterator[tuple[str, int, Outcome]]:
    counts = {"fuzz": asked.inputs, "kills": asked.kills}
    for name in asked.parts.split(","):
        part, began = PARTS[name], time.monotonic()
        total = part.count(runs) if counts.get(name) is None else counts[name]
        numbers = range(asked.first, asked.first + total)
        for number, outcome in run_cases(part, numbers, runs.folder, asked.jobs, _progress(name, total)):
            if outcome.faults:
                print(f"{name} {number}: {'; '.join(outcome.faults)}\n{outcome.story}\n", file=sys.stderr)
            yield name, number, outcome
        print(f"{name}: {total:,} cases in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _progress(name: str, total: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        if done % max(1, total // 10) == 0:
            print(f"{name}: {done:,} of {total:,}", file=sys.stderr)

    return tell


def _show(name: str, number: int, runs: Runs, keep: Path | None) -> None:
    if name != "fuzz":
        print(PARTS[name].case(number, runs))
        return
    if keep is not None:
        keep.mkdir(parents=True)
    found = fuzz(number, runs, keep)
    print(found)
    print(
        f"standard output:\n{found.ran.out[:2000].decode('utf-8', 'replace')}\nstandard error:\n{found.ran.err[-4000:]}"
    )


def main() -> int:
    """Run what is asked for; 1 where anything failed."""
    asked = _arguments()
    folder = asked.runs or Path(tempfile.mkdtemp(prefix="campaign-runs-"))
    try:
        runs = made_runs(folder)
        if asked.show:
            _show(asked.show[0], int(asked.show[1]), runs, asked.keep)
            return 0
        lines = count(_outcomes(asked, runs))
    finally:
        if asked.runs is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(as_table(lines))
    if asked.report is not None:
        asked.report.parent.mkdir(parents=True, exist_ok=True)
        asked.report.write_text(json.dumps([line.to_json() for line in lines], ensure_ascii=False, indent=2) + "\n")
    return int(any(line.failed for line in lines))


if __name__ == "__main__":
    sys.exit(main())
