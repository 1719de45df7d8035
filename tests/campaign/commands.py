"""The kinds of command that read an input, with the flags an input may be read with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.inputs import Input
from tests.campaign.runs import TINY, Runs

STDIN = "<stdin>"


@dataclass(frozen=True)
class Call:
    """A command line, and how its answers are to be judged.

    Attributes:
        kind: the name it is counted under.
        judge: how its answers are counted: a name in `oracle.JUDGES`.
        arguments: the words after `bertkit`.
        piped: whether the input comes through standard input.
        told: whether the kind of the input is said by a flag.
        output: the file or folder that it may make; None: nothing but standard output.
        is_table: whether standard output is for people.
    """

    kind: str
    judge: str
    arguments: tuple[str, ...]
    piped: bool = False
    told: bool = False
    output: str | None = None
    is_table: bool = False

    def place(self, given: Input) -> str:
        """Name the input as sentences must."""
        return STDIN if self.piped else given.name


Build = Callable[[Input, Runs, random.Random], Call]


def predict_file(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Predict a file: to standard output or a file, as JSON lines or as a table."""
    flags, told = _input_format(given, rng, 0.15)
    written = rng.random() < 0.25
    judge = "records"
    if not written and rng.random() < 0.1:
        flags, judge = (*flags, "--output-format", "csv"), "csv records"
    if rng.random() < 0.1:
        flags += ("--on-error", "stop")
    flags += ("-o", "out.jsonl") if written else ()
    words = ("predict", str(runs.of(given.task)), given.name, *flags)
    return Call("predict, file", judge, words, told=told, output="out.jsonl" if written else None)


def predict_pipe(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Predict standard input."""
    flags, told = _input_format(given, rng, 0.4)
    return Call("predict, pipe", "records", ("predict", str(runs.of(given.task)), "-", *flags), True, told)


def _input_format(given: Input, rng: random.Random, share: float) -> tuple[tuple[str, ...], bool]:
    if rng.random() < share:
        return ("--input-format", given.kind), True
    return (), False


def tokenize(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Tokenize the lines of an input."""
    piped, is_table = rng.random() < 0.5, rng.random() < 0.2
    shape = "table" if is_table else rng.choice(("json", "ids", "tokens"))
    source = ("-",) if piped else ("--file", given.name)
    words = ("tokenize", *source, "--model", str(runs.of(given.task)), "--format", shape)
    judge = "nothing" if is_table else "lines" if shape == "json" else "text lines"
    return Call("tokenize", judge, words, piped, is_table=is_table)


def lookup(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Look the lines of standard input up."""
    is_table = rng.random() < 0.2
    words = ("vocab", "lookup", str(runs.of(given.task)), "-", "--format", "table" if is_table else "json")
    return Call("vocab lookup", "nothing" if is_table else "lines", words, piped=True, is_table=is_table)


def build(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Train a vocabulary."""
    kind = rng.choice(("wordpiece", "wordpiece", "wordpiece", "bpe", "unigram"))
    piped = rng.random() < 0.3
    words = ("vocab", "build", "-" if piped else given.name, "--type", kind, "--size", "200", "-o", "vocabulary")
    return Call("vocab build", "texts", words, piped, output="vocabulary")


def coverage(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Measure how a vocabulary covers the input."""
    piped = rng.random() < 0.4
    words = ("vocab", "coverage", str(runs.of(given.task)), "-" if piped else given.name)
    return Call("vocab coverage", "texts", words, piped)


def inspect(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Look through data; now and then as a table, with a page, with a model's tokens."""
    flags: tuple[str, ...] = ()
    is_table, report = rng.random() < 0.2, rng.random() < 0.06
    flags += ("--format", "table") if is_table else ()
    flags += ("--report", "page.html") if report else ()
    flags += ("--model", str(runs.of(given.task))) if rng.random() < 0.1 else ()
    judge = "nothing" if is_table else "inspected"
    output = "page.html" if report else None
    return Call("inspect-data", judge, ("inspect-data", given.name, *flags), output=output, is_table=is_table)


def dry_run(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Plan a training."""
    is_table = rng.random() < 0.2
    words = ("train", given.name, "--dry-run", *TINY, "--output", "run", "--format", "table" if is_table else "json")
    return Call("train --dry-run", "nothing" if is_table else "planned", words, is_table=is_table)


def train(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Train for one epoch."""
    words = ("train", given.name, *TINY, "--epochs", "1", "--output", "run")
    return Call("train", "trained", words, output="run")


def score(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Evaluate a run on the input; now and then write the wrong rows, or show a table."""
    is_table, errors = rng.random() < 0.2, rng.random() < 0.3
    flags = ("--errors", "errors.jsonl") if errors else ()
    flags += ("--format", "table") if is_table else ()
    words = ("eval", str(runs.of(given.task)), given.name, *flags)
    judge = "nothing" if is_table else "scored"
    return Call("eval", judge, words, output="errors.jsonl" if errors else None, is_table=is_table)


def summarize(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Summarize the documents of an input."""
    method = rng.choice(("lead", "textrank"))
    piped, written = rng.random() < 0.4, rng.random() < 0.2
    flags, told = _input_format(given, rng, 0.3) if given.kind != "conll" else ((), False)
    flags += ("-o", "out.jsonl") if written else ()
    words = ("summarize", "-" if piped else given.name, "--method", method, "--sentences", "1", *flags)
    judge = "documents" if method == "lead" else "json"
    return Call("summarize", judge, words, piped, told, output="out.jsonl" if written else None)


BUILDERS: Mapping[Build, int] = {
    predict_file: 24, predict_pipe: 16, tokenize: 6, lookup: 3, build: 6, coverage: 6, inspect: 14, dry_run: 6,
    train: 2, score: 8, summarize: 9,
}  # fmt: skip


def draw_call(given: Input, runs: Runs, rng: random.Random) -> Call:
    """Draw a command for an input."""
    return rng.choices(list(BUILDERS), list(BUILDERS.values()))[0](given, runs, rng)


def lay_out(given: Input, folder: Path) -> None:
    """Write the input where the command will look for it."""
    (folder / given.name).write_bytes(given.data)
