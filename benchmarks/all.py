"""All benchmarks: run every script, then show each claim with its target and what was measured.

`all.py` runs the short forms and `all.py --long` the long ones. `--save` writes what was found
to results/<date>-<processor>-<units>.json, `--write-readme` puts it into the README, beside the tables of
processors with other units, and `--from FILE` does so with saved results, running nothing; of
several files the later ones replace what they ran again (`--only`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claims import JOBS, TARGETS, Job, Target
from machine import machine_line
from report import number, open_console, span
from sidebyside import Estimate

if TYPE_CHECKING:
    from rich.table import Table

HERE = Path(__file__).resolve().parent
RESULTS, README = HERE / "results", HERE / "README.md"
BEGIN, END = "<!-- results: written by all.py --write-readme -->", "<!-- end of results -->"
# As machine.py names them, the quickest first.
UNITS = ("AMX-BF16", "AVX512-BF16", "AVX512", "AVX2")
COLUMNS = ("claim", "target", "measured", "min .. max", "")
# Seconds after which a script is given up.
SHORT_LIMIT, LONG_LIMIT = 900, 4 * 3600


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    claim: str
    target: str
    measured: str
    interval: str
    verdict: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row, in the order of `COLUMNS`."""
        return (self.claim, self.target, self.measured, self.interval, self.verdict)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 where a script failed, else 0: a target that is missed is a result."""
    options = _parser().parse_args(argv)
    if options.saved:
        results = joined([json.loads(path.read_text(encoding="utf-8")) for path in options.saved])
    else:
        results = run_jobs([job for job in JOBS if not options.only or job.name in options.only], options)
    lines = list(table_lines(results, only=options.only))
    _show(lines, results)
    if options.save:
        print(f"saved as {_save(results)}")
    if options.write_readme:
        write_readme(README, lines, results)
    return 1 if results["failed"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--long", action="store_true", help="the long forms: hours")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[job.name for job in JOBS], help="some scripts")
    parser.add_argument("--data", type=Path, metavar="DIR", help="handed to the scripts")
    parser.add_argument("--threads", type=int, help="handed to the scripts")
    parser.add_argument("--save", action="store_true", help="write results/<date>-<processor>-<units>.json")
    parser.add_argument("--write-readme", action="store_true", help="fill the table of README.md")
    parser.add_argument(
        "--from", dest="saved", nargs="+", type=Path, metavar="FILE",
        help="run nothing, take these results; a later file replaces the scripts that it holds",
    )  # fmt: skip
    return parser


def joined(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Put results of scripts that ran again in the place of their earlier ones; `again` says which and when."""
    first, *later = runs
    reports = {report["job"]: report for report in first["reports"]}
    results = {**first, "again": [*first.get("again", [])]}
    for run in later:
        new = {report["job"]: report for report in run["reports"]}
        reports |= new
        results["again"].append({"date": run["date"], "jobs": list(new)})
        for kind in ("skipped", "failed"):
            results[kind] = {job: why for job, why in results[kind].items() if job not in new} | run[kind]
    return {**results, "reports": list(reports.values())}


def run_jobs(jobs: Sequence[Job], options: argparse.Namespace) -> dict[str, Any]:
    """Run scripts one after another, each as a process of its own, and gather what they print."""
    began = time.perf_counter()
    reports: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    failed: dict[str, str] = {}
    for job in jobs:
        words = job.long if options.long else job.short
        if words is None:
            continue
        print(f"{job.name}: {job.script} {' '.join(words)}", file=sys.stderr, flush=True)
        done = _run(job, words, options)
        if done.returncode == 0:
            reports.append({"job": job.name, **json.loads(done.stdout.splitlines()[-1])})
        else:
            reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
            (skipped if done.returncode == 3 else failed)[job.name] = reason
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "form": "long" if options.long else "short",
        "seconds": round(time.perf_counter() - began),
        "reports": reports,
        "skipped": skipped,
        "failed": failed,
    }


def _run(job: Job, words: Sequence[str], options: argparse.Namespace) -> subprocess.CompletedProcess[str]:
    shared = []
    for name in ("data", "threads"):
        if (value := getattr(options, name)) is not None:
            shared += [f"--{name}", str(value)]
    command = [sys.executable, str(HERE / job.script), *words, *shared, "--json"]
    limit = LONG_LIMIT if options.long else SHORT_LIMIT
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"it took longer than {limit} s")


def table_lines(results: dict[str, Any], *, only: Sequence[str] | None = None) -> Iterator[Line]:
    """Put targets and results side by side; a claim that could not be measured says why."""
    figures = {figure["key"]: figure for report in results["reports"] for figure in report["figures"]}
    left_out = {key: reason for report in results["reports"] for key, reason in report["left_out"].items()}
    not_run = {**results["skipped"], **results["failed"]}
    for target in TARGETS:
        if only and target.job not in only:
            continue
        figure = figures.get(target.key)
        if figure is not None:
            yield _measured(target, figure)
            continue
        reason = left_out.get(target.key) or not_run.get(target.job) or "not part of this form"
        yield Line(target.claim, target.words, "not measured", "", reason)


def _measured(target: Target, figure: dict[str, Any]) -> Line:
    unit = figure["unit"]
    interval = span(Estimate(*(figure[name] for name in ("median", "low", "high", "n"))))
    verdict = {True: "met", False: "missed", None: ""}[target.is_met(figure)]
    if target.remark and verdict != "met":
        verdict = f"{verdict}: {target.remark}".removeprefix(": ")
    return Line(target.claim, target.words, f"{number(figure['median'])} {unit}".strip(), interval, verdict)


def _show(lines: Sequence[Line], results: dict[str, Any]) -> None:
    console = open_console()
    console.print(_rich_table(lines))
    for name, reason in results["failed"].items():
        console.print(f"{name} failed: {reason}", soft_wrap=True)
    for place in _places(results):
        console.print(place, soft_wrap=True)


def _rich_table(lines: Sequence[Line]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(*COLUMNS, box=box.SIMPLE)
    for line in lines:
        table.add_row(*line.cells)
    return table


def _places(results: dict[str, Any]) -> list[str]:
    """Say when and on which machine, and where rows were generated."""
    reports = results["reports"]
    machines = dict.fromkeys(machine_line(report["machine"]) for report in reports)
    form = f"{results['form']} forms, {results['date']}, {results['seconds'] / 60:.0f} minutes"
    made = [report["job"] for report in reports if "GENERATED" in report["data"]]
    again = [f"again on {run['date']}: {', '.join(run['jobs'])}" for run in results.get("again", [])]
    return [form, *again, *machines, *([f"on generated rows: {', '.join(made)}"] if made else [])]


def _save(results: dict[str, Any]) -> Path:
    """Write results under the day, the processor and its units: machines of one name and one day may have others."""
    processors = [report["machine"]["processor"] for report in results["reports"]] or ["nothing"]
    name = "-".join("".join(c if c.isalnum() else " " for c in processors[0].lower()).split())
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{results['date']}-{name}-{units_of(results).lower().replace(' ', '-')}.json"
    path.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path


def units_of(results: dict[str, Any]) -> str:
    """Name what multiplies matrices on the machine of some results: one table is kept for each."""
    flags = {flag for report in results["reports"] for flag in report["machine"]["flags"]}
    return next((name for name in UNITS if name in flags), "other processors")


def write_readme(path: Path, lines: Sequence[Line], results: dict[str, Any]) -> None:
    """Replace the table of a processor's kind between the marks of the README; those of other kinds stay.

    Raises:
        ValueError: the marks are not there.
    """
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path}: has no place for results ({BEGIN} … {END}).")
    before, _, rest = text.partition(BEGIN)
    found, _, after = rest.partition(END)
    tables = dict(part.split("\n", 1) for part in found.strip().split("### ")[1:])
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(line.cells for line in lines)]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    places = "\n".join(f"- {place}" for place in _places(results))
    own = units_of(results)
    others = {name: text.strip() for name, text in tables.items() if name != own}
    newest_first = {own: f"{table}\n\n{places}", **others}
    shown = "\n\n".join(f"### {name}\n\n{text}" for name, text in newest_first.items())
    path.write_text(f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
