"""Labels, columns and files with strange names: shown as they are on terminals, pages, cards and in figures."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import bertkit
from bertkit.cli.app import app

LABELS = (
    "\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "\u202eevil", "[/x]", "[bold]b[/bold]", "[link=http://e]", ":smile:",
    "`tick` | <b>", "$x_{1}$", "_under", "긍정",
)  # fmt: skip
# What a terminal may be steered by; pages keep their line ends.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SMALL = ["--layers", "1", "--hidden", "32", "--heads", "2", "--epochs", "1", "--threads", "1", "--no-tensorboard"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with such labels, and a run that was trained on it."""
    place = tmp_path_factory.mktemp("strange")
    rows = [{"text": f"w{i % len(LABELS)} the river {i}", "label": LABELS[i % len(LABELS)]} for i in range(120)]
    (place / "data.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    result = run("train", str(place / "data.jsonl"), *SMALL, "--output", str(place / "run"), "--format", "table")
    assert result.exit_code == 0, result.output
    is_harmless(result.output)
    return place


def is_harmless(text: str) -> None:
    assert STEERING.findall(text) == []


def shows_labels(text: str) -> None:
    for label in LABELS:
        shown = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda c: f"\\x{ord(c[0]):02x}", label).replace("\u202e", "\\u202e")
        assert shown in text


def test_tables(folder: Path) -> None:
    data = str(folder / "data.jsonl")
    for arguments in (
        ["eval", str(folder / "run"), data],
        ["inspect-data", data],
        ["train", data, *SMALL, "--dry-run"],
    ):
        result = run(*arguments, "--format", "table")
        assert result.exit_code == 0, result.output
        is_harmless(result.output)
        if arguments[0] != "train":
            shows_labels(result.stdout)


def test_records(folder: Path) -> None:
    result = run("predict", str(folder / "run"), str(folder / "data.jsonl"), "--top-k", str(len(LABELS)))
    assert result.exit_code == 0, result.output
    is_harmless(result.stdout)
    record = json.loads(result.stdout.splitlines()[0])
    assert {best["label"] for best in record["top"]} == set(LABELS)


def test_the_card(folder: Path) -> None:
    card = (folder / "run" / "README.md").read_text(encoding="utf-8")
    is_harmless(card)
    shows_labels(card)
    assert "`` `tick` | <b> ``" in card
    outside = re.sub(r"``.*?``|`[^`]*`", "", card)
    assert not re.search(r"(?<!\\)<b>", outside)


def test_pages_and_figures(folder: Path) -> None:
    place = folder / "places"
    place.mkdir()
    old = os.umask(0o027)
    try:
        for arguments in (["eval", str(folder / "run")], ["inspect-data"]):
            page, plots = place / f"{arguments[0]}.html", place / arguments[0]
            result = run(*arguments, str(folder / "data.jsonl"), "--report", str(page), "--plots", str(plots))
            assert (result.exit_code, "Warning" in result.stderr) == (0, False), result.output
            text = page.read_text(encoding="utf-8")
            is_harmless(text)
            assert "`tick` | &lt;b&gt;" in text
            assert "`tick` | <b>" not in text
    finally:
        os.umask(old)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in place.rglob("*") if path.is_file()}
    assert modes == {0o640}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (place / "eval", place / "inspect-data")} == {0o750}


def test_columns_and_files(tmp_path: Path) -> None:
    table = tmp_path / "o\x1b[31m[bold]\u202e.tsv"
    table.write_text("te\x1b[2Jxt\tla[/b]el\n" + "one two\ta\nthree four\tb\n" * 20, encoding="utf-8")
    result = run("inspect-data", str(table), "--format", "table")
    assert result.exit_code == 3
    is_harmless(result.output)
    choice = "text=te\x1b[2Jxt,label=la[/b]el"
    result = run("inspect-data", str(table), "--columns", choice, "--format", "table", "--plots", str(tmp_path / "p"))
    assert result.exit_code == 0, result.output
    is_harmless(result.output)
    assert "$'text=te\\x1b[2Jxt,label=la[/b]el'" in result.stdout
    assert (tmp_path / "p" / "labels.png").exists()


def test_a_long_name_of_a_column_has_a_picture(tmp_path: Path) -> None:
    name = "설명" * 200
    rows = [{name: f"one two {i}", "label": "ab"[i % 2]} for i in range(20)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = f"text={name},label=label"
    result = run("inspect-data", str(tmp_path / "d.jsonl"), "--columns", columns, "--plots", str(tmp_path / "p"))
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "p").iterdir())) == 2


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of odd places, in which the test works."""
    shutil.copytree(Path(bertkit.__file__).with_name("data") / "samples" / "paraphrase", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file.txt").write_text("hello\n", encoding="utf-8")
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nowhere/x")
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        yield tmp_path


NAMES = (
    "", "loop", "dangling", "fifo", "a\0b", os.fsdecode(b"./\xff\xfe\n/x"), "./\ud800/\x1b[/x]",
    "n" * 5_000, "d/" * 3_000,
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_an_odd_place_to_read_is_one_sentence(odd: Path, trained_run: Path, name: str) -> None:
    for arguments in (
        ["inspect-data", "--", name],
        ["train", "--dry-run", "--", name],
        ["train", "data", "--dry-run", "--model", name],
        ["train", "data", "--dry-run", "--model", "scratch", "--tokenizer", name],
        ["train", "data", "--dry-run", "--config", name],
        ["train", "nsmc", "--dry-run", "--data-dir", name],
        ["tokenize", "x", "--model", name],
        ["tokenize", "--file", name],
        ["vocab", "show", "--", name],
        ["vocab", "coverage", str(trained_run), "--", name],
        ["summarize", "--method", "lead", "--", name],
        ["summarize", "file.txt", "--method", "lead", "--reference", name],
        ["predict", "--", name, "file.txt"],
        ["predict", "--", str(trained_run), name],
        ["eval", "--", name],
    ):
        is_one_sentence(run(*arguments))


def test_an_odd_place_to_write_is_one_sentence(odd: Path) -> None:
    for name in ("folder", "file.txt/x", "socket", *NAMES):
        if name != "fifo":  # somebody may come and read it
            is_one_sentence(run("inspect-data", "data", "--report", name))
            is_one_sentence(run("summarize", "file.txt", "--method", "lead", "-o", name))
    assert {path.name for path in odd.iterdir()} == {"data", "folder", "file.txt", "loop", "dangling", "fifo", "socket"}


def is_one_sentence(result: Result) -> None:
    assert result.exit_code in (2, 3), (result.output, result.exception)
    said = result.stderr.strip().splitlines()
    assert len(said) == 1 or result.exit_code == 2
    assert len(said[-1]) < 1_100
    is_harmless(result.output)


def test_what_a_link_points_to_is_written(odd: Path) -> None:
    Path("later").symlink_to("folder/summary.txt")
    for force in ([], ["--force"]):
        result = run("summarize", "file.txt", "--method", "lead", "-o", "later", *force)
        assert result.exit_code == 0, result.output
    assert Path("later").is_symlink()
    assert Path("folder/summary.txt").is_file()
