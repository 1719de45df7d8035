"""Large tables: training, eval and inspect-data of many rows, beside datasets with transformers' Trainer.

Each contender is a process of its own. What is compared is the most anonymous memory that it
and its children hold (RssAnon: pages of mapped files, which the system can drop, do not count),
for many rows and for a hundred thousand, and the time until every row is read, checked and
encoded: the clock of either stops there, before a model is built. Of `datasets` it is told twice, for
`map` as it comes (one process, whose tokenizer uses all cores) and in as many processes as there are cores.
Training ends after some steps; eval and inspect-data read all rows.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from inputs import _made_texts, load_pairs
from options import Missing, run_script, script_parser
from report import Report
from sidebyside import Contender, Course, Estimate, Turn, alternate, time_ratios

FEW = 100_000
STEPS, BATCH_SIZE, LENGTH, VOCABULARY = 200, 32, 64, 8_000
WORDS = (8, 16)  # of a row: some 85 characters
# Seconds between two looks at a process.
TICK = 0.05


@dataclass(frozen=True)
class Place:
    """Where the files of a measurement are."""

    folder: Path

    def table(self, rows: int) -> Path:
        """Return the table of so many rows, which is written first where it is missing."""
        path = self.folder / f"{rows}.csv"
        if not path.exists():
            with path.open("w", encoding="utf-8") as file:
                file.write("text,label\n")
                file.writelines(itertools.islice(_lines(rows), rows))
        return path

    @property
    def vocabulary(self) -> Path:
        """The folder of the tokenizer that all contenders read with."""
        return self.folder / "tokenizer"

    @property
    def run(self) -> Path:
        """The run that is evaluated."""
        return self.folder / "run"


@dataclass(frozen=True)
class Peak:
    """What a process took: MB of anonymous memory and in all, and seconds until its rows were ready."""

    anonymous: float
    resident: float
    ready: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script, or one contender of it."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--contender"]:
        _CONTENDERS[words[1]](Place(Path(words[2])), Path(words[3]))
        return 0
    parser = script_parser(__doc__ or "", repetitions=2)
    parser.add_argument("--rows", type=int, default=300_000, help="rows of the large table (default: 300000)")
    parser.add_argument("--documents", type=int, default=0, help="train on so many long documents, too (default: none)")
    return run_script(parser, measure, words)


def measure(options: argparse.Namespace) -> Report:
    """Compare memory and time."""
    if not Path("/proc/self/status").exists():
        raise Missing("this system does not tell how much anonymous memory a process holds (/proc).")
    rows = options.rows
    fewer = FEW if rows > FEW else max(1, rows // 3)
    report = Report("large tables", f"{fewer:,} and {rows:,} GENERATED rows of {WORDS[0]} to {WORDS[1]} words")
    report.settings = {"rows": rows, "steps": STEPS, "max_length": LENGTH}
    with tempfile.TemporaryDirectory(prefix="large-tables-") as folder:
        place = Place(Path(folder))
        few, many = place.table(fewer), place.table(rows)
        _bertkit("vocab", "build", few, "--size", VOCABULARY, "--output", place.vocabulary)
        _bertkit(
            "train", few, "--limit", 2_000, "--epochs", 1, "--output", place.run, "--no-tensorboard", *_shape(place)
        )
        _compare_training(report, place, few, many, options)
        for work in ("eval", "inspect-data"):
            small, large = _run(work, place, few), _run(work, place, many)
            _add_growth(report, work, small, large, (fewer, rows))
        if options.documents:
            _add_documents(report, place, options.documents)
    return report


def _compare_training(report: Report, place: Place, few: Path, many: Path, options: argparse.Namespace) -> None:
    contenders = [
        Contender(name, lambda work=work: _turn(work, place, many, options.rows))  # type: ignore[misc]
        for name, work in (
            ("bertkit", "train"),
            ("datasets and Trainer", "trainer"),
            ("datasets, map in processes", "processes"),
        )
    ]
    courses = alternate(contenders, options.repetitions, warm_ups=0, budget_s=options.budget)
    report.add_speeds(courses.values(), "rows/s")
    ours, published, in_processes = courses.values()
    key, what = "large.ready", "time until rows are read, checked and encoded: datasets / bertkit"
    report.add(key, what, time_ratios(published, ours))
    report.add(f"{key}_processes", f"{what}, map in {os.cpu_count()} processes", time_ratios(in_processes, ours))
    report.add("large.train_peers", "training, memory: bertkit / Trainer", _memory_ratio(ours, published))
    _add_growth(report, "train", _run("train", place, few), ours.value, (int(few.stem), options.rows))


def _add_growth(report: Report, work: str, small: Peak, large: Peak, rows: tuple[int, int]) -> None:
    ratio = Estimate.exactly(large.anonymous / small.anonymous)
    report.add(f"large.{work}", f"{work}, memory: {rows[1]:,} rows / {rows[0]:,}", ratio)
    for name, peak in ((f"{rows[0]:,}", small), (f"{rows[1]:,}", large)):
        report.speeds.append((f"{work}, {name} rows, RssAnon", "MB", Estimate.exactly(peak.anonymous)))
        report.speeds.append((f"{work}, {name} rows, VmHWM", "MB", Estimate.exactly(peak.resident)))


def _add_documents(report: Report, place: Place, count: int) -> None:
    path = place.folder / "documents.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(itertools.islice(_documents(), count))
    peak = _run("documents", place, path)
    what = f"{count:,} documents of CNN/DailyMail's lengths, memory until the first step"
    report.add("large.documents", what, Estimate.exactly(peak.anonymous), "MB")


def _memory_ratio(ours: Course, published: Course) -> Estimate:
    pairs = zip(ours.turns, published.turns, strict=True)
    return Estimate.of(mine.value.anonymous / other.value.anonymous for mine, other in pairs)


def _turn(work: str, place: Place, table: Path, rows: int) -> Turn:
    peak = _run(work, place, table)
    return Turn(peak.ready, rows, peak)


def _run(work: str, place: Place, table: Path) -> Peak:
    """Run a contender with an empty cache, and watch its memory."""
    with tempfile.TemporaryDirectory(dir=place.folder, prefix="cache-") as cache:
        own = {"BERTKIT_CACHE": cache, "HF_HOME": cache, "HF_DATASETS_CACHE": cache, "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, __file__, "--contender", work, str(place.folder), str(table)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **own}
        )
        watch = _Watch(process.pid)
        printed, said = process.communicate()
        watch.stop()
    if process.returncode:
        raise Missing(f"{work} ended with {process.returncode}: {said.strip()[-300:]}")
    return Peak(watch.anonymous, watch.resident, json.loads(printed.splitlines()[-1])["ready"])


class _Watch:
    """Looks at the memory of a process and its children until it is stopped."""

    def __init__(self, pid: int) -> None:
        self.anonymous = self.resident = 0.0
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(TICK):
            every = [_status(pid) for pid in _family(self._pid)]
            self.anonymous = max(self.anonymous, sum(one.get("RssAnon", 0.0) for one in every))
            self.resident = max(self.resident, sum(one.get("VmHWM", 0.0) for one in every))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _status(pid: int) -> dict[str, float]:
    """Return what the system says of a process's memory, in MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    fields = (line.partition(":") for line in lines)
    return {name: int(value.split()[0]) / 1000 for name, _, value in fields if value.rstrip().endswith("kB")}


def _bertkit(*words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bertkit", *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Missing(f"bertkit {words[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")


def _shape(place: Place) -> tuple[object, ...]:
    return ("--model", "scratch", "--size", "tiny", "--tokenizer", place.vocabulary, "--max-length", LENGTH)


def _lines(rows: int) -> Iterator[str]:
    """Make rows of a table; every seventh has quotes and commas."""
    draw, sample = random.Random(rows), " ".join(t for e in load_pairs(None, 200).examples for t in e.texts)
    parts = [word[:3] for word in sample.split() if word.isalpha() and len(word) > 2]
    made = {"".join(draw.choices(parts, k=draw.randint(1, 3))) for _ in range(20_000)}
    words = sorted(set(sample.replace(",", " ").replace('"', " ").split()) | made)
    weights = list(itertools.accumulate(1 / (place + 5) for place in range(len(words))))
    for number in itertools.count():
        text = " ".join(draw.choices(words, cum_weights=weights, k=draw.randint(*WORDS)))
        text = f'"{text.capitalize()}, {text[:5]}."' if number % 7 == 0 else text
        yield f"{text},{draw.choice(('good', 'bad'))}\n"


def _documents() -> Iterator[str]:
    """Repeat some documents, each time with another word changed, so that no two are the same."""
    draw, texts = random.Random(1), list(itertools.islice(_made_texts(), 500))
    for number, made in enumerate(itertools.cycle(texts)):
        sentences = list(made.sentences)
        place = draw.randrange(len(sentences))
        sentences[place] = f"changed{number} {sentences[place].partition(' ')[2]}"
        yield json.dumps({"article": "\n".join(sentences), "highlights": made.reference}) + "\n"


class _EnoughError(Exception):
    """Enough steps were taken."""


def _train(place: Place, table: Path, **more: Any) -> None:
    from bertkit.config import TrainConfig
    from bertkit.training import prepare, run
    from bertkit.training.loop import StepFacts

    began, ready = time.perf_counter(), []

    def timed(*words: Any) -> Any:
        prepared = prepare.prepare(*words)
        ready.append(time.perf_counter() - began)
        return prepared

    def listen(event: object) -> None:
        if isinstance(event, StepFacts) and event.step >= more.get("steps", STEPS):
            raise _EnoughError

    config = TrainConfig(
        data=(str(table),), model="scratch", size="tiny", tokenizer=str(place.vocabulary), max_length=LENGTH,
        batch_size=BATCH_SIZE, output=tempfile.mkdtemp(dir=place.folder), tensorboard=False, force=True,
        **more.get("options", {}),
    )  # fmt: skip
    with suppress(_EnoughError), patch.object(run, "prepare", timed):
        run.train(config, listen)
    print(json.dumps({"ready": ready[0]}))


def _train_documents(place: Place, table: Path) -> None:
    _train(place, table, steps=1, options={"task": "extractive", "columns": "text=article,label=highlights"})


def _evaluate(place: Place, table: Path) -> None:
    from bertkit.evaluation.run import EvalRequest, evaluate_run

    began = time.perf_counter()
    evaluate_run(EvalRequest(run=place.run, data=(str(table),)))
    print(json.dumps({"ready": time.perf_counter() - began}))


def _inspect(place: Place, table: Path) -> None:
    from bertkit.reporting.inspection import InspectRequest, inspect_data

    began = time.perf_counter()
    inspect_data(InspectRequest((str(table),), model=str(place.run), max_length=LENGTH))
    print(json.dumps({"ready": time.perf_counter() - began}))


def _trainer(place: Place, table: Path, processes: int | None = None) -> None:
    from datasets import load_dataset, utils
    from transformers import (
        AutoTokenizer,
        BertConfig,
        BertForSequenceClassification,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    utils.disable_progress_bars()
    began = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(str(place.vocabulary))
    rows = load_dataset("csv", data_files=str(table), split="train")
    names = sorted(set(rows.unique("label")))
    numbers = {name: number for number, name in enumerate(names)}

    def encode(batch: dict[str, list[str]]) -> dict[str, Any]:
        encoded = tokenizer(batch["text"], truncation=True, max_length=LENGTH)
        return {**encoded, "labels": [numbers[label] for label in batch["label"]]}

    rows = rows.map(encode, batched=True, remove_columns=rows.column_names, num_proc=processes)
    ready = time.perf_counter() - began
    if processes is not None:
        print(json.dumps({"ready": ready}))
        return
    shape = BertConfig(
        vocab_size=len(tokenizer), hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
    )
    told = TrainingArguments(
        output_dir=tempfile.mkdtemp(dir=place.folder), max_steps=STEPS, per_device_train_batch_size=BATCH_SIZE,
        report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True, logging_strategy="no",
    )  # fmt: skip
    collate = DataCollatorWithPadding(tokenizer)
    Trainer(BertForSequenceClassification(shape), told, train_dataset=rows, data_collator=collate).train()
    print(json.dumps({"ready": ready}))


_CONTENDERS = {
    "train": _train,
    "trainer": _trainer,
    "processes": lambda place, table: _trainer(place, table, os.cpu_count()),
    "eval": _evaluate,
    "inspect-data": _inspect,
    "documents": _train_documents,
}


if __name__ == "__main__":
    sys.exit(main())
