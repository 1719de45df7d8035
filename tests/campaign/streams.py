"""Standard streams that are full, closed, empty, or whose reader has gone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from tests.campaign.outcome import Outcome, Part, one_line
from tests.campaign.processes import Ended, Process, bertkit_after, run_process
from tests.campaign.runs import Runs
from tests.campaign.training import TINY, sentence_faults

FULL = Path("/dev/full")


@lru_cache(maxsize=1)
def commands(runs: Path) -> Sequence[tuple[str, ...]]:
    """List commands that say something on standard output."""
    run, data = str(runs / "classify"), str(runs / "classify.jsonl")
    documents = str(runs / "extractive.jsonl")
    both = [
        ("datasets",),
        ("models",),
        ("tokenize", "the shop opens", "--model", run),
        ("vocab", "show", run),
        ("vocab", "lookup", run, "shop"),
        ("vocab", "coverage", run, data),
        ("inspect-data", data),
        ("eval", run, data),
        ("train", data, *TINY, "--dry-run"),
    ]
    shown = [(*words, "--format", shape) for words in both for shape in ("json", "table")]
    once = [
        ("--help",),
        ("--version",),
        ("train", "--help"),
        ("predict", run, data),
        ("predict", run, data, "--output-format", "csv"),
        ("summarize", documents, "--method", "lead"),
        ("summarize", documents, "--method", "lead", "--format", "text"),
        ("train", data, *TINY, "--output", "run"),
    ]
    return [*once, *shown]


def readers(runs: Path) -> Sequence[tuple[str, ...]]:
    """List commands that read standard input."""
    run = str(runs / "classify")
    return [
        ("predict", run, "-"),
        ("tokenize", "-", "--model", run),
        ("vocab", "lookup", run, "-"),
        ("vocab", "coverage", run, "-"),
        ("vocab", "build", "-", "--output", "words"),
        ("summarize", "-", "--method", "lead"),
    ]


Trial = Callable[[Path], Iterator[str]]


@lru_cache(maxsize=1)
def trials(runs: Path) -> Sequence[tuple[str, str, Trial]]:
    """List (kind, command, trial)."""
    found: list[tuple[str, str, Trial]] = []
    for words in commands(runs):
        said = " ".join(words)
        found += [
            ("stdout is full", said, _full_stdout(words)),
            ("stdout is closed", said, _closed(words, 1)),
            ("stdout's reader has gone", said, _gone_reader(words)),
            ("stderr is closed", said, _closed(words, 2)),
        ]
    wrong = ("predict", str(runs / "classify"), "nowhere.csv")
    found.append(("stderr is full", " ".join(wrong), _full_stderr(wrong)))
    for words in readers(runs):
        found += [
            ("stdin is closed", " ".join(words), _closed(words, 0)),
            ("stdin is empty", " ".join(words), _empty_stdin(words)),
        ]
    return found


def case(number: int, runs: Runs) -> Outcome:
    """Run a command with a stream that is of no use."""
    kind, said, trial = trials(runs.folder)[number]
    if "full" in kind and not FULL.exists():
        return Outcome(kind, story=said, skipped="there is no /dev/full here")
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        return Outcome(kind, one_line(trial(Path(name))), said)


def _full_stdout(words: Sequence[str]) -> Trial:
    def trial(folder: Path) -> Iterator[str]:
        with FULL.open("wb") as full:
            ended = run_process(words, folder, stdout=full)
        yield from sentence_faults(ended, codes=(3,))
        if ended.code == 3 and "standard output" not in ended.last:
            yield "the sentence does not say that it is standard output"

    return trial


def _full_stderr(words: Sequence[str]) -> Trial:
    def trial(folder: Path) -> Iterator[str]:
        with FULL.open("wb") as full:
            ended = run_process(words, folder, stderr=full)
        yield from sentence_faults(Ended(0, ended.out, "", 0, 0) if ended.code == 3 else ended, codes=(0,))

    return trial


def _closed(words: Sequence[str], number: int) -> Trial:
    def trial(folder: Path) -> Iterator[str]:
        usual = run_process(words, folder) if number == 2 else None
        ended = run_process(
            words, folder if usual is None else _fresh(folder), program=bertkit_after(f"os.close({number})")
        )
        if usual is not None:
            if ended.code != usual.code:
                yield f"exit {ended.code} where it is {usual.code} with stderr open"
            return
        # What is not read, and help that nobody can see, may go unnoticed.
        may_not_notice = number == 0 or words[-1] in ("--help", "--version")
        yield from sentence_faults(ended, codes=(0, 3) if may_not_notice else (3,))

    return trial


def _fresh(folder: Path) -> Path:
    fresh = folder / "fresh"
    fresh.mkdir()
    return fresh


def _gone_reader(words: Sequence[str]) -> Trial:
    def trial(folder: Path) -> Iterator[str]:
        reading, writing = os.pipe()
        os.close(reading)
        process = Process(words, folder, stdout=writing)
        os.close(writing)
        ended = process.wait()
        yield from sentence_faults(ended, codes=(0,))
        if "rror" in ended.err or "roken" in ended.err:
            yield "not quiet"

    return trial


def _empty_stdin(words: Sequence[str]) -> Trial:
    def trial(folder: Path) -> Iterator[str]:
        yield from sentence_faults(run_process(words, folder, stdin=b""), codes=(0, 3))

    return trial


PART = Part("streams", lambda runs: len(trials(runs.folder)), case, patience_s=600)
