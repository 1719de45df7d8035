"""What grows with the input may not grow with its square: time and memory of large inputs."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.outcome import Outcome, Part, one_line
from tests.campaign.processes import run_process
from tests.campaign.runs import Runs
from tests.campaign.training import sentence_faults

MEGABYTE = 10**6
CPU_SECONDS, PEAK_BYTES = 60.0, 1000 * MEGABYTE
# What a row of 5 MB may take beside what a short row takes.
ROW_BYTES = 100 * MEGABYTE


@dataclass(frozen=True)
class Trial:
    """A large input: how it is written, and the command that reads it."""

    kind: str
    name: str
    write: Callable[[Path], None]
    arguments: Callable[[Runs], Sequence[str]]


def _open_quotes(path: Path) -> None:
    path.write_text("text,label\n" + ',x","\n' * 100_000, encoding="utf-8")


def _columns(path: Path) -> None:
    names = ["text", "label", *(f"c{i}" for i in range(200_000))]
    rows = [",".join(f"w{(i + j) % 7}" for i in range(len(names))) for j in range(6)]
    path.write_text("\n".join([",".join(names), *rows]) + "\n", encoding="utf-8")


def _long_line(path: Path) -> None:
    path.write_text("word " * 10_000 + "\n", encoding="utf-8")


def _long_row(path: Path) -> None:
    text = "the shop opens at nine " * (5 * MEGABYTE // 23)
    rows = [{"text": "the shop opens"}, {"text": text}, {"text": "the river"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _blank_lines(path: Path) -> None:
    path.write_text("\n" * 10_000 + '{"text": "the shop opens"}\n' * 50, encoding="utf-8")


def _many_rows(path: Path) -> None:
    rng = random.Random("rows")
    words = ("shop", "train", "river", "opens", "likes", "문을", "천천히", "파란")
    path.write_text("".join(f"{' '.join(rng.choices(words, k=5))}\n" for _ in range(30_000)), encoding="utf-8")


def _nested(path: Path) -> None:
    path.write_text(('{"text": ' + "[" * 20_000 + "]" * 20_000 + "}\n") * 20, encoding="utf-8")


def _predict(runs: Runs) -> Sequence[str]:
    return ("predict", str(runs.of("classify")), "rows.csv")


TRIALS = (
    Trial(
        "100,000 lines that open quotes, inspect-data", "rows.csv", _open_quotes, lambda _: ("inspect-data", "rows.csv")
    ),
    Trial("100,000 lines that open quotes, predict", "rows.csv", _open_quotes, _predict),
    Trial("200,000 columns, inspect-data", "rows.csv", _columns, lambda _: ("inspect-data", "rows.csv")),
    Trial("200,000 columns, predict", "rows.csv", _columns, _predict),
    Trial(
        "a table of 10,000 tokens",
        "line.txt",
        _long_line,
        lambda runs: ("tokenize", "--file", "line.txt", "--model", str(runs.of("classify")), "--format", "table"),
    ),
    Trial("JSON nested 20,000 deep", "rows.csv", _nested, _predict),
    Trial("10,000 blank lines before the rows", "rows.jsonl", _blank_lines, lambda r: (*_predict(r)[:2], "rows.jsonl")),
    Trial("30,000 short rows", "rows.txt", _many_rows, lambda runs: (*_predict(runs)[:2], "rows.txt")),
)
LONG_ROW = "a row of 5 MB beside a short one"


def case(number: int, runs: Runs) -> Outcome:
    """Run a command on a large input."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        folder = Path(name)
        if number == len(TRIALS):
            return Outcome(LONG_ROW, one_line(_row_faults(folder, runs)))
        trial = TRIALS[number]
        trial.write(folder / trial.name)
        ended = run_process(trial.arguments(runs), folder)
        faults = list(sentence_faults(ended, codes=(0, 3)))
        faults += ["more than 60 s of CPU"] * (ended.cpu_s > CPU_SECONDS)
        faults += ["more than 1 GB"] * (ended.peak_bytes > PEAK_BYTES)
        return Outcome(
            trial.kind, tuple(faults), f"{ended.cpu_s:.1f} s, {ended.peak_bytes / MEGABYTE:.0f} MB; {ended.last}"
        )


def _row_faults(folder: Path, runs: Runs) -> Iterator[str]:
    (folder / "short.jsonl").write_text('{"text": "the shop opens"}\n' * 3, encoding="utf-8")
    _long_row(folder / "long.jsonl")
    short, long = (run_process((*_predict(runs)[:2], name), folder) for name in ("short.jsonl", "long.jsonl"))
    for ended in (short, long):
        yield from sentence_faults(ended, codes=(0, 3))
    if long.out.count(b"\n") != 3:
        yield "records: not one for each row"
    if long.peak_bytes - short.peak_bytes > ROW_BYTES:
        yield "more than 100 MB for a row of 5 MB"


PART = Part("cost", lambda _: len(TRIALS) + 1, case, patience_s=600)
