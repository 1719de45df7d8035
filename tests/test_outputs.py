"""What --force must not replace: what is read, a run's own files; what cannot be written is said at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.errors import OutputError
from bertkit.run_folder import check_outputs, run_around

SENTENCES = "The shop opens at nine. It sells bread. People like it very much. The street is quiet.\n"


def _bertkit(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stderr


def _a_run(folder: Path) -> Path:
    (folder / "events" / "1").mkdir(parents=True)
    (folder / "bertkit.json").write_text('{"format_version": 1, "task": 1, "settings": {}}')
    (folder / "model.safetensors").write_text("weights")
    return folder


@pytest.mark.parametrize("way", ["same", "link", "other"])
def test_what_is_read_is_not_replaced(tmp_path: Path, way: str) -> None:
    text, link = tmp_path / "text.txt", tmp_path / "link.txt"
    text.write_text(SENTENCES)
    link.symlink_to(text)
    output = {"same": text, "link": link, "other": tmp_path / "other.txt"}[way]
    arguments = ("summarize", text, "--method", "lead", "-o", output, "--force")
    code, said = _bertkit(*arguments)
    assert text.read_text() == SENTENCES
    if way == "other":
        assert (code, _bertkit(*arguments)[0]) == (0, 0), said
    else:
        assert code == 3
        assert f"the command reads {text}" in said


def test_references_and_standard_input_are_read_too(tmp_path: Path) -> None:
    text, reference = tmp_path / "text.txt", tmp_path / "reference.txt"
    text.write_text(SENTENCES)
    reference.write_text("It sells bread.\n")
    code, said = _bertkit(
        "summarize", text, "--reference", reference, "--method", "lead", "-o", reference, "--force"
    )  # fmt: skip
    assert (code, reference.read_text()) == (3, "It sells bread.\n"), said
    with text.open() as stream:
        done = subprocess.run(
            [sys.executable, "-m", "bertkit", "summarize", "-", "--method", "lead", "-o", str(text), "--force"],
            stdin=stream, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, text.read_text()) == (3, SENTENCES)
    assert "the command reads standard input" in done.stderr


@pytest.mark.parametrize("name", ["train.jsonl", "../rows/train.jsonl"])
def test_a_file_of_a_folder_of_data_is_not_replaced(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    rows = "".join(json.dumps({"text": f"row {i}", "label": "ab"[i % 2]}) + "\n" for i in range(20))
    (folder / "train.jsonl").write_text(rows)
    page = folder / "report.html"
    for code in (0, 0):  # what is beside the data may be
        assert _bertkit("inspect-data", folder, "--report", page, "--force")[0] == code
    code, said = _bertkit("inspect-data", folder, "--report", folder / name, "--force")
    assert (code, (folder / "train.jsonl").read_text()) == (3, rows), said


def test_a_vocabulary_is_not_written_over_the_text_it_is_trained_on(tmp_path: Path) -> None:
    folder, text = tmp_path / "vocabulary", tmp_path / "text.txt"
    text.write_text(SENTENCES * 20)
    assert _bertkit("vocab", "build", text, "--size", "60", "-o", folder)[0] == 0
    before = (folder / "tokenizer.json").read_bytes()
    code, said = _bertkit("vocab", "build", folder / "tokenizer.json", "--size", "60", "-o", folder, "--force")
    assert (code, (folder / "tokenizer.json").read_bytes()) == (3, before), said


@pytest.mark.parametrize("name", ["bertkit.json", "model.safetensors", "events/1/../../model.safetensors"])
def test_a_part_of_any_run_is_not_replaced(tmp_path: Path, name: str) -> None:
    run = _a_run(tmp_path / "run")
    with pytest.raises(OutputError, match="is a part of the run"):
        check_outputs({"--output": run / name}, [], force=True)


def test_a_run_is_told_from_a_folder_that_is_none(tmp_path: Path) -> None:
    run = _a_run(tmp_path / "run")
    (run / "page.html").write_text("mine")
    check_outputs({"--report": run / "page.html"}, [run], force=True)
    other = tmp_path / "model.safetensors"
    other.write_text("x")
    check_outputs({"--output": other}, [], force=True)
    assert run_around(run / "events" / "events.out.tfevents.1") == run
    assert run_around(run / "events" / "notes") is None
    shutil.copytree(run, tmp_path / "model")
    (tmp_path / "model" / "bertkit.json").unlink()
    with pytest.raises(OutputError, match="which the command reads"):
        check_outputs({"--output": tmp_path / "model" / "page.html"}, [tmp_path / "model"], force=True)


def test_two_flags_do_not_share_a_place(tmp_path: Path) -> None:
    page = tmp_path / "page"
    with pytest.raises(OutputError, match="is what --errors names, too"):
        check_outputs({"--errors": page, "--report": tmp_path / "." / "page"}, [], force=True)
    with pytest.raises(OutputError, match="is what --report names, too"):
        check_outputs({"--report": page}, [], force=True, folders={"--plots": page})
    check_outputs({"--errors": Path(os.devnull), "--report": Path(os.devnull)}, [], force=False)


def test_what_cannot_be_written_is_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        check_outputs({"--errors": tmp_path}, [], force=True)
    with pytest.raises(OutputError, match=r"the folder .* is not there; make it"):
        check_outputs({"--errors": tmp_path / "no" / "page"}, [], force=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"the folder .* is not a folder"):
        check_outputs({"--errors": tmp_path / "file" / "page"}, [], force=True)
    with pytest.raises(OutputError, match="exists; add --force"):
        check_outputs({"--errors": tmp_path / "file"}, [], force=False)


@pytest.mark.parametrize("source", ["text.txt", "-"])
def test_what_is_written_is_not_read_back(tmp_path: Path, source: str) -> None:
    text = tmp_path / "text.txt"
    text.write_text(SENTENCES)
    with text.open() as stdin, text.open("a") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "bertkit", "summarize", source, "--method", "lead"],
            stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path, timeout=60,
        )  # fmt: skip
    assert (done.returncode, text.read_text()) == (3, SENTENCES)
    assert "standard output goes to this file" in done.stderr


@pytest.mark.parametrize("mode", ["w", "a"])
def test_standard_output_may_be_named_as_a_file(tmp_path: Path, mode: str) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "out.jsonl"
    text.write_text(SENTENCES)
    out.write_text("mine\n")
    with out.open(mode) as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "bertkit", "summarize", str(text), "--method", "lead", "-o", "/dev/stdout"],
            stdout=stdout, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *before, record = out.read_text().splitlines()
    assert before == (["mine"] if mode == "a" else [])
    assert json.loads(record)["method"] == "lead"
