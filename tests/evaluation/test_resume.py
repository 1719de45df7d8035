"""predict --resume, --skip and --shard: parts of an output are the bytes of the whole."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.data.records import BadRow, Example
from bertkit.errors import UsageError
from bertkit.evaluation import predict
from bertkit.evaluation.records_out import Shard, Span, parse_shard
from bertkit.files import temporary
from bertkit.training.run import train
from tests.conftest import OBJECTS, SUBJECTS, VERBS, pair_rows, write_tsv

ROWS = 700


def bertkit(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), input=text)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    data = write_tsv(folder / "rows.tsv", pair_rows(120), ("sentence1", "sentence2", "label"))
    train(
        TrainConfig(
            data=(str(data),), output=str(folder / "run"), layers=1, hidden=32, heads=2, epochs=1, threads=1,
            tensorboard=False,
        )
    )  # fmt: skip
    return folder / "run"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of all lengths, some of them no rows."""
    rng = random.Random(3)
    path = tmp_path_factory.mktemp("asked") / "asked.jsonl"
    with path.open("w") as stream:
        for i in range(ROWS):
            sides = [" ".join(rng.choices([*SUBJECTS, *VERBS, *OBJECTS], k=rng.randint(1, 12))) for _ in "ab"]
            row = {"id": f'say "{i}"', "sentence1": sides[0], "sentence2": sides[1]}
            stream.write("{no row}\n" if i % 97 == 50 else json.dumps(row) + "\n")
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "LARGEST_CHUNK", 128)


def whole(run: Path, asked: Path, tmp_path: Path, *options: str) -> bytes:
    path = tmp_path / "whole"
    done = bertkit("predict", run, asked, "-o", path, "--force", *options)
    assert done.exit_code == 3  # some rows are none
    return path.read_bytes()


FORMATS = {"jsonl": (), "csv": ("--keep", "id"), "tsv": ("--keep", "id")}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("is_beside", [True, False])
def test_going_on_after_any_byte(run: Path, asked: Path, tmp_path: Path, kind: str, is_beside: bool) -> None:
    options = ("--output-format", kind, *FORMATS[kind])
    expected = whole(run, asked, tmp_path, *options)
    output = tmp_path / "out"
    rng = random.Random(5)
    cuts = [
        0,
        1,
        7,
        len(expected) // 2,
        len(expected) - 1,
        len(expected),
        *(rng.randrange(len(expected)) for _ in range(2)),
    ]
    for cut in cuts:
        output.unlink(missing_ok=True)
        (temporary(output) if is_beside else output).write_bytes(expected[:cut])
        done = bertkit("predict", run, asked, "-o", output, "--resume", *options)
        assert done.exit_code == 3, done.output
        assert "of 700 rows could not be read; the first: " in done.stderr
        assert output.read_bytes() == expected, cut
        assert not temporary(output).exists()


def test_nothing_is_there(run: Path, asked: Path, tmp_path: Path) -> None:
    output = tmp_path / "new"
    assert bertkit("predict", run, asked, "-o", output, "--resume").exit_code == 3
    assert output.read_bytes() == whole(run, asked, tmp_path)


@pytest.mark.parametrize("step", [0, 1, 16, 17, 144, 300, 699, 700, 5000])
def test_skipping(run: Path, asked: Path, tmp_path: Path, step: int) -> None:
    lines = whole(run, asked, tmp_path).splitlines(keepends=True)
    done = bertkit("predict", run, asked, "--skip", step)
    assert done.stdout.encode() == b"".join(lines[step:])


@pytest.mark.parametrize(
    ("kind", "count"), [*((kind, count) for kind in FORMATS for count in (1, 2, 3, 7)), ("jsonl", 40)]
)
def test_shards_make_the_whole(run: Path, asked: Path, tmp_path: Path, kind: str, count: int) -> None:
    options = ("--output-format", kind, *FORMATS[kind])
    parts = [bertkit("predict", run, asked, "--shard", f"{i}/{count}", *options) for i in range(1, count + 1)]
    assert "".join(part.stdout for part in parts).encode() == whole(run, asked, tmp_path, *options)
    assert {part.exit_code for part in parts} <= {0, 3}


def test_a_shard_is_gone_on_with(run: Path, asked: Path, tmp_path: Path) -> None:
    output = tmp_path / "shard"
    words = ("predict", run, asked, "--shard", "2/3", "-o", output)
    bertkit(*words)
    expected = output.read_bytes()
    assert 50 < expected.count(b"\n") < 500
    for cut in (len(expected) // 3, len(expected) - 3, 10):
        output.write_bytes(expected[:cut])
        bertkit(*words, "--resume")
        assert output.read_bytes() == expected


@pytest.mark.parametrize("what", ["run", "rows", "option", "more"])
def test_another_output_is_not_gone_on_with(run: Path, asked: Path, tmp_path: Path, what: str) -> None:
    expected = whole(run, asked, tmp_path)
    output, rows, options = tmp_path / "out", tmp_path / "rows.jsonl", ()
    rows.write_text(asked.read_text())
    kept = expected[: len(expected) // 2]
    if what == "run":
        kept = kept.replace(b'"score": 0.', b'"score": 1.')
    elif what == "rows":
        rows.write_text("".join(asked.read_text().splitlines(keepends=True)[1:]))
    elif what == "option":
        options = ("--top-k", "2")
    else:
        rows.write_text("".join(asked.read_text().splitlines(keepends=True)[:20]))
    output.write_bytes(kept)
    done = bertkit("predict", run, rows, "-o", output, "--resume", *options)
    assert done.exit_code == 3
    assert "--resume: " in done.stderr
    assert "Start over with --force" in done.stderr
    assert output.read_bytes() == kept
    assert not temporary(output).exists()


def test_words_that_do_not_go_together(run: Path, asked: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for words, said in {
        ("--resume",): "--output FILE",
        ("--resume", "-o", str(output), "--output-format", "doccano"): "needs --output-format",
        ("--resume", "-o", str(output), "--output-format", "csv", "--skip", "3"): "take jsonl",
        ("--shard", "0/3"): "must be I/N",
        ("--shard", "4/3"): "must be I/N",
        ("--shard", "1-3"): "must be I/N",
        ("--shard", "1/3", "--skip", "2"): "give one of them",
        ("--skip", "2", "--output-format", "labelstudio"): "is one list",
    }.items():
        done = bertkit("predict", run, asked, *words)
        assert done.exit_code == 2, (words, done.output)
        assert said in done.stderr
    done = bertkit("predict", run, "-", "--shard", "1/2", text="a")
    assert done.exit_code == 2
    assert "twice" in done.stderr
    output.write_text("no record\n")
    done = bertkit("predict", run, asked, "-o", output, "--resume")
    assert done.exit_code == 3
    assert output.read_text() == "no record\n"


def test_a_killed_command_is_gone_on_with(run: Path, asked: Path, tmp_path: Path) -> None:
    many = tmp_path / "many.jsonl"
    many.write_text(asked.read_text() * 12)
    output = tmp_path / "out"
    command = [sys.executable, "-m", "bertkit", "predict", str(run), str(many), "-o", str(output)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    beside = temporary(output)
    while child.poll() is None and not (beside.exists() and beside.stat().st_size):
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    again = subprocess.run([*command, "--resume"], stderr=subprocess.PIPE, check=False)
    assert again.returncode == 3, again.stderr
    found = output.read_bytes()
    subprocess.run([*command, "--force"], stderr=subprocess.DEVNULL, check=False)
    assert output.read_bytes() == found


def test_an_interrupted_command_keeps_what_it_wrote(
    run: Path, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertkit.evaluation import predict as session

    expected = whole(run, asked, tmp_path)
    output, count = tmp_path / "out", session._count

    def interrupted(done: session.Done, *rest: object) -> None:
        count(done, *rest)  # type: ignore[arg-type]
        if done.rows > 100:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "_count", interrupted)
        done = bertkit("predict", run, asked, "-o", output)
    assert done.exit_code == 130
    assert "--resume continues after them" in done.stderr
    assert not output.exists()
    bertkit("predict", run, asked, "-o", output, "--resume")
    assert output.read_bytes() == expected


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_shards_part_the_blocks(count: int) -> None:
    sizes = [1, 8, 64, 64, 64, 64, 13]
    blocks = [[0] * size for size in sizes]
    spans = [Shard(i, count).span(blocks) for i in range(1, count + 1)]
    starts = {sum(sizes[:i]) for i in range(len(sizes) + 1)}
    covered = [row for span in spans for row in range(span.first, span.end or 0)]
    assert covered == list(range(sum(sizes)))
    assert all(span.first in starts and span.end in starts for span in spans)


def test_a_span_takes_whole_blocks() -> None:
    items: list[Example | BadRow] = [BadRow(i, "") for i in range(10)]
    blocks = [items[:2], items[2:5], items[5:9], items[9:]]
    for first, looks_back, begins in (
        (0, False, 0),
        (2, False, 2),
        (2, True, 0),
        (4, False, 2),
        (9, True, 5),
        (10, True, 9),
    ):
        span = Span(first, looks_back=looks_back)
        found = [item for block in span.of(blocks) for item in block]
        assert (span.begins, found) == (begins, items[begins:])
        assert span.head is items[0]
    span = Span(2, 5)
    assert [item.line for block in span.of(blocks) for item in block] == [2, 3, 4]
    assert list(Span(10).of(blocks)) == []


@pytest.mark.parametrize("word", ["", "1", "1/", "/2", "0/2", "3/2", "a/b", "1/2/3", "-1/2", "1/9999999"])
def test_no_shards(word: str) -> None:
    with pytest.raises(UsageError, match="I-th of N"):
        parse_shard(word)
