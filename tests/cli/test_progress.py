"""Long work shows itself on stderr, in lines off a terminal, and not at all where it is told to be quiet."""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertkit.cli import progress
from bertkit.cli import train as training_view
from bertkit.cli.app import app
from bertkit.cli.progress import progress_line
from bertkit.config import TrainConfig
from bertkit.data.formats.opened import metered, open_input
from bertkit.plain import span
from bertkit.summarization.methods import SummaryOptions
from bertkit.summarization.records import Listener
from bertkit.summarization.summarize import SummarizeRequest, summarize_inputs
from bertkit.training.run import train
from tests.conftest import pair_rows, write_tsv

_OF = r"(rows|texts|documents)"
LINE = re.compile(
    rf"[\d,]+ of (?:about )?[\d,]+ {_OF}, [\d.,]+ {_OF}/s, about .+ left|all .+ read, .+|no {_OF} yet, .+"
)


def bertkit(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("progress")
    return write_tsv(folder / "rows.tsv", pair_rows(400), ("sentence1", "sentence2", "label"))


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    path = data.with_name("run")
    train(
        TrainConfig(
            data=(str(data),), output=str(path), layers=1, hidden=16, heads=2, epochs=1, threads=1, tensorboard=False
        )
    )
    return path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousandths of a second instead of ten seconds."""
    monkeypatch.setattr(progress, "EVERY_S", 0.002)
    monkeypatch.setattr(training_view, "EVERY_S", 0.002)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (40.4, "40 s"), (98, "98 s"), (180, "3 min"), (5000, "83 min"), (7500, "2 h 5 min"), (86400, "24 h"),
     (4e5, "5 days")],
)  # fmt: skip
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_lines() -> None:
    assert progress_line("rows", 0, None, 12) == "no rows yet, after 12 s"
    assert progress_line("rows", 12_300, None, 10) == "12,300 rows, 1,230 rows/s"
    assert progress_line("rows", 50, 200.4, 10) == "50 of about 200 rows, 5.0 rows/s, about 30 s left"
    assert progress_line("rows", 50, 200, 10) == "50 of 200 rows, 5.0 rows/s, about 30 s left"
    assert progress_line("rows", 200, 200, 10) == "all 200 rows read, at work for 10 s"


@pytest.mark.parametrize("packed", [False, True])
def test_a_meter_knows_how_much_of_a_file_was_read(tmp_path: Path, packed: bool) -> None:
    content = "".join(f"{i * 7919 % 1000003} a line of text that is its own\n" for i in range(40_000)).encode()
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    for path in (first, second):
        path.write_bytes(gzip.compress(content, 1) if packed else content)
    with metered() as meter:
        assert meter.share() is None
        meter.expect([first, second])
        assert meter.share() == 0
        open_input(first).telling_bytes()  # looking at it is not reading
        with open_input(first).stream() as stream:
            stream.read(len(content) // 2)
            assert meter.share() == pytest.approx(0.25, abs=0.15)
            stream.read()
        with open_input(second).stream() as stream:
            assert meter.share() == pytest.approx(0.5, abs=0.15)
            stream.read(len(content) // 2)
            assert meter.expected(30_000) == pytest.approx(40_000, rel=0.3)
    open_input(first).stream().close()


def test_nobody_knows_how_much_a_pipe_holds() -> None:
    with metered() as meter:
        meter.expect(["-", "nowhere.txt"])
        assert meter.share() is None
        assert meter.expected(5) is None


@pytest.mark.usefixtures("impatient")
def test_commands_say_how_far_they_are(data: Path, run: Path, tmp_path: Path) -> None:
    commands = [
        ("predict", run, data, "-o", tmp_path / "out.jsonl"),
        ("eval", run, data, "--format", "json"),
        ("inspect-data", data, "--format", "json"),
        ("vocab", "build", data, "-o", tmp_path / "vocab", "--size", 200),
    ]
    for command in commands:
        done = bertkit(*command)
        assert done.exit_code == 0, done.output
        assert any(LINE.fullmatch(line) for line in done.stderr.splitlines()), (command, done.stderr)
        quiet = bertkit(*command, "--quiet", *(["--force"] if "-o" in command else []))
        assert quiet.exit_code == 0, quiet.output
        assert not [line for line in quiet.stderr.splitlines() if "warning" not in line], quiet.stderr


@pytest.mark.usefixtures("impatient")
def test_summaries_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    text = "The shop opens at nine. A man buys bread. The river is high. Nobody knows why. "
    path.write_text("".join(json.dumps({"text": text * 20}) + "\n" for _ in range(60)))
    done = bertkit("summarize", path, "--method", "textrank", "--format", "json")
    assert any(LINE.fullmatch(line) for line in done.stderr.splitlines()), done.stderr
    assert not bertkit("summarize", path, "--method", "textrank", "-q").stderr


def test_of_files_that_are_one_document_each_it_is_known_how_many_there_are(tmp_path: Path) -> None:
    heard: dict[str, list[tuple[float, float | None]]] = {}
    (tmp_path / "texts").mkdir()
    for number in range(6):
        name = f"{number}.{'md' if number % 2 else 'txt'}"
        (tmp_path / "texts" / name).write_text("The shop opens at nine. " * (1 + 40 * number))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": "The shop opens at nine. " * n}) + "\n" for n in range(1, 9)))
    for what, names in {"files": (tmp_path / "texts",), "table": (rows,), "both": (rows, tmp_path / "texts")}.items():
        told = heard.setdefault(what, [])
        listener = Listener(documents=lambda done, total, told=told: told.append((done, total)))
        request = SummarizeRequest(tuple(map(str, names)), SummaryOptions("lead"))
        assert len(list(summarize_inputs(request, listener))) == len(told)
    assert heard["files"] == [(done, 6) for done in range(1, 7)]
    assert all(type(total) is int for _, total in heard["files"])
    assert not any(type(total) is int for what in ("table", "both") for _, total in heard[what])


@pytest.mark.usefixtures("impatient")
def test_a_training_says_how_far_it_is(data: Path, tmp_path: Path) -> None:
    words = ("--layers", 1, "--hidden", 16, "--heads", 2, "--epochs", 3, "--output", tmp_path / "run")
    done = bertkit("train", data, *words, "--log-every", 1000)
    assert done.exit_code == 0, done.output
    assert re.search(r"^step \d+/\d+ epoch \d loss .* tokens/s, about \d+ s left$", done.stderr, re.MULTILINE)
    quiet = bertkit("train", data, *words, "--force", "--quiet")
    assert not [line for line in quiet.stderr.splitlines() if not line.startswith("warning")], quiet.stderr


def test_a_plan_says_what_people_ask(data: Path, tmp_path: Path) -> None:
    words = ("train", data, "--heads", 2, "--dry-run", "--output", tmp_path / "run")
    said = bertkit(*words, "--format", "table").stdout
    assert re.search(
        r"^model: [\d,]+ parameters \(2 layers, \d+ hidden, 2 heads\), [\d,]+ words, [\d,]+ positions$", said, re.M
    )
    assert re.search(r"^time: about .+ \(from two measured batches", said, re.M)
    assert ": classify with scratch" in said
    for strange in ("None", "True", "False", "{", "'", "whole-words", "sentence-pairs", "--loss"):
        assert strange not in said, said
    values = json.loads(bertkit(*words, "--format", "json").stdout)
    assert values["seconds"] > 0
    assert values["task"] == "classify"
    assert values["shape"]["layers"] == 2


def test_a_plan_is_about_right(data: Path, tmp_path: Path) -> None:
    words = ("train", data, "--layers", 2, "--hidden", 64, "--heads", 2, "--epochs", 6, "--no-tensorboard")
    values = json.loads(bertkit(*words, "--dry-run", "--output", tmp_path / "run").stdout)
    began = time.process_time()
    done = bertkit(*words, "--output", tmp_path / "run")
    took = time.process_time() - began
    assert done.exit_code == 0
    assert values["seconds"] < 3 * took  # of the whole command, on a machine with other work
    assert values["seconds"] > took / 20
