"""Bad input: one clear sentence, the right exit code, nothing left behind."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from bertkit.cli.app import app
from bertkit.errors import StrictError
from bertkit.evaluation.predict import Done
from tests.conftest import pair_rows, write_tsv

HEADER = ("sentence1", "sentence2", "label")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"OMP_WAIT_POLICY": "PASSIVE"})


def one_sentence(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("bertkit: ")
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in last, last
    assert result.stdout == ""


def empty(folder: Path) -> Path:
    path = folder / "empty.tsv"
    path.touch()
    return path


def header_only(folder: Path) -> Path:
    return write_tsv(folder / "header.tsv", [], HEADER)


def one_class(folder: Path) -> Path:
    return write_tsv(folder / "one.tsv", [(a, b, "1") for a, b, _ in pair_rows(40)], HEADER)


def no_such_column(folder: Path) -> Path:
    return write_tsv(folder / "columns.tsv", pair_rows(40), ("left", "right", "label"))


def label_missing(folder: Path) -> Path:
    rows = pair_rows(40)
    rows[15] = (*rows[15][:2], "")
    return write_tsv(folder / "hole.tsv", rows, HEADER)


def binary(folder: Path) -> Path:
    path = folder / "picture.csv"
    path.write_bytes(bytes(range(256)) * 40)
    return path


def no_splits(folder: Path) -> Path:
    (folder / "data").mkdir()
    (folder / "data" / "notes.md").write_text("nothing here")
    return folder / "data"


def not_there(folder: Path) -> Path:
    return folder / "missing.csv"


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (not_there, ["missing.csv", "no such file"]),
        (empty, ["empty.tsv"]),
        (header_only, ["header.tsv", "no rows"]),
        (one_class, ["one.tsv", "'1'", "at least two labels"]),
        (no_such_column, ["columns.tsv", "'left'", "--columns"]),
        (label_missing, ["hole.tsv:17", "label"]),
        (binary, ["picture.csv"]),
        (no_splits, ["data", "train"]),
    ],
)
def test_bad_data(make: Callable[[Path], Path], parts: list[str], tmp_path: Path) -> None:
    output = tmp_path / "run"
    one_sentence(run("train", str(make(tmp_path)), "--output", str(output)), 3, *parts)
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["--model", "scrach"], 3, ["'scrach'", "did you mean 'scratch'", "bertkit models"]),
        (["--model", "./nowhere"], 3, ["./nowhere", "no such folder"]),
        (["--task", "clasify"], 2, ["--task clasify", "classify"]),
        (["--task", "ner"], 3, ["pairs.tsv:2", "the tag '1' is outside the scheme"]),
        (["--lr", "-1"], 2, ["--lr -1", "greater than 0"]),
        (["--lr", "nan"], 2, ["--lr nan"]),
        (["--epochs", "0"], 2, ["--epochs 0", "at least 1"]),
        (["--dropout", "1"], 2, ["--dropout 1", "less than 1"]),
        (["--hidden", "100", "--heads", "3"], 2, ["--heads 3", "--hidden 100"]),
        (["--max-length", "600"], 2, ["--max-length 600", "512"]),
        (["--device", "gpu"], 2, ["--device gpu", "cuda"]),
        (["--columns", "lable=label"], 2, ["--columns", "lable"]),
        (["--columns", "text=sentence3"], 3, ["sentence3", "sentence1"]),
        (["--class-weights", "7=2"], 2, ["--class-weights", "'7'"]),
        (["--positive", "yes"], 3, ["--positive yes"]),
        (["--tokenizer", "nowhere"], 3, ["nowhere"]),
        (["--task", "regression", "--columns", "label=sentence1"], 3, ["pairs.tsv:2", "number"]),
        (["--config", "missing.toml"], 3, ["missing.toml"]),
    ],
)
def test_bad_options(arguments: list[str], code: int, parts: list[str], pair_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    one_sentence(run("train", str(pair_file), "--output", str(output), *arguments), code, *parts)
    assert not output.exists()


def test_unknown_data_set(tmp_path: Path) -> None:
    one_sentence(run("train", "mrcp", "--output", str(tmp_path / "run")), 3, "'mrcp'", "did you mean 'mrpc'")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none(pair_file: Path, tmp_path: Path) -> None:
    result = run("train", str(pair_file), "--device", "cuda", "--output", str(tmp_path / "run"))
    one_sentence(result, 3, "--device cuda", "--device cpu")
    assert not (tmp_path / "run").exists()


def test_output_that_is_not_empty(pair_file: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    one_sentence(run("train", str(pair_file), "--output", str(tmp_path / "run")), 3, "not empty", "--force", "--resume")
    one_sentence(run("train", str(pair_file), "--output", str(tmp_path / "run"), "--force"), 3, "not a run of bertkit")
    assert (tmp_path / "run" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("place", ["pairs.tsv", "pairs.tsv/run"])
def test_output_that_cannot_be_written(place: str, pair_file: Path) -> None:
    one_sentence(run("train", str(pair_file), "--output", str(pair_file.parent / place)), 3, "--output")


def test_an_unknown_flag_is_a_usage_error(pair_file: Path) -> None:
    result = run("train", str(pair_file), "--learnin-rates", "1")
    assert result.exit_code == 2
    assert "--learnin-rates" in result.stderr


@pytest.fixture
def run_copy(trained_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained_run, tmp_path / "copy")
    return tmp_path / "copy"


def truncate_weights(place: Path) -> None:
    path = place / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def drop_weights(place: Path) -> None:
    (place / "model.safetensors").unlink()


def drop_tokenizer(place: Path) -> None:
    (place / "tokenizer.json").unlink()


def garble_manifest(place: Path) -> None:
    (place / "bertkit.json").write_text("{", encoding="utf-8")


def empty_manifest(place: Path) -> None:
    (place / "bertkit.json").write_text('{"format_version": 1}', encoding="utf-8")


def newer_format(place: Path) -> None:
    values = json.loads((place / "bertkit.json").read_text())
    (place / "bertkit.json").write_text(json.dumps({**values, "format_version": 99}))


def drop_manifest(place: Path) -> None:
    (place / "bertkit.json").unlink()


@pytest.mark.parametrize("command", ["eval", "predict"])
@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (truncate_weights, ["model.safetensors", "damaged"]),
        (drop_weights, ["model.safetensors", "missing"]),
        (drop_tokenizer, ["tokenizer.json"]),
        (garble_manifest, ["bertkit.json", "damaged"]),
        (empty_manifest, ["bertkit.json", "damaged"]),
        (newer_format, ["format 99", "upgrade"]),
        (drop_manifest, ["not a run directory"]),
    ],
)
def test_damaged_runs(
    command: str, damage: Callable[[Path], None], parts: list[str], run_copy: Path, pair_file: Path
) -> None:
    damage(run_copy)
    one_sentence(run(command, str(run_copy), str(pair_file)), 3, *parts)


def test_damaged_baselines_stop_eval(run_copy: Path, pair_file: Path) -> None:
    shutil.rmtree(run_copy / "baseline")
    one_sentence(run("eval", str(run_copy), str(pair_file)), 3, "baseline")


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["no-such-file.tsv"], 3, ["no-such-file.tsv", "no such file"]),
        (["--input-format", "toml"], 2, ["--input-format toml"]),
        (["--on-error", "ignore"], 2, ["--on-error ignore"]),
        (["--device", "tpu"], 2, ["--device tpu"]),
    ],
)
def test_bad_predict_options(arguments: list[str], code: int, parts: list[str], trained_run: Path) -> None:
    one_sentence(run("predict", str(trained_run), *arguments), code, *parts)


def test_predict_asks_for_the_format_of_plain_lines(trained_run: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("one sentence\nanother\n")
    one_sentence(run("predict", str(trained_run), str(lines)), 3, "lines.txt", "sentence1, sentence2", "--input-format")


def test_predict_tells_a_table_in_a_pipe_and_says_so(trained_run: Path) -> None:
    table = gzip.compress(b"sentence1,sentence2,label\nthe cat,a dog,1\n")
    result = CliRunner().invoke(app, ["predict", str(trained_run), "-"], input=table)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["line"] == 2
    (said,) = result.stderr.splitlines()
    assert said == "<stdin> is read as csv: its columns are 'sentence1', 'sentence2', 'label'"


def test_predict_of_nothing_is_nothing_and_a_word(trained_run: Path) -> None:
    result = CliRunner().invoke(app, ["predict", str(trained_run), "-"], input=b"\xef\xbb\xbf")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "<stdin>: there is nothing in it\n"


def test_a_doubt_about_the_input_is_a_problem_where_strict() -> None:
    with pytest.raises(StrictError, match="read as plain text"):
        Done(rows=1, doubts=("<stdin>:1: read as plain text",)).raise_for_status(strict=True)


def test_predict_stops_at_the_first_bad_row_where_asked(trained_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"sentence1": "a", "sentence2": "b"}\n{broken\n', encoding="utf-8")
    output = tmp_path / "out.jsonl"
    result = run("predict", str(trained_run), str(rows), "--on-error", "stop", "-o", str(output))
    one_sentence(result, 3, "rows.jsonl:2")
    assert not output.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_predict_does_not_replace_a_file(trained_run: Path, tmp_path: Path, pair_file: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("precious")
    one_sentence(run("predict", str(trained_run), str(pair_file), "-o", str(output)), 3, "out.jsonl", "--force")
    assert output.read_text() == "precious"
    assert run("predict", str(trained_run), str(pair_file), "-o", str(output), "--force").exit_code == 0
    assert len(output.read_text().splitlines()) == 120


def test_eval_of_a_split_that_is_not_there(trained_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write_tsv(folder / "train.tsv", pair_rows(40), HEADER)
    one_sentence(run("eval", str(trained_run), str(folder)), 3, "test", "train")


def test_eval_leaves_bad_rows_out_where_asked(trained_run: Path, pair_file: Path) -> None:
    with pair_file.open("a", encoding="utf-8") as file:
        file.write("a row\twithout its label\t\n")
    one_sentence(run("eval", str(trained_run), str(pair_file)), 3, ":122: label is empty", "--on-error skip")
    one_sentence(run("eval", str(trained_run), str(pair_file), "--on-error", "record"), 2, "stop, skip")
    scored = run("eval", str(trained_run), str(pair_file), "--on-error", "skip", "--format", "json", "--quiet")
    found = json.loads(scored.stdout)
    assert (scored.exit_code, found["n"]) == (0, 120)
    assert any("left out, 1 in all: label is empty" in warning for warning in found["warnings"])


def test_eval_of_an_unfinished_run(tmp_path: Path) -> None:
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    one_sentence(run("eval", str(tmp_path / "run")), 3, "is not a run directory")  # anybody's folder of that name
    (checkpoints / "request.json").write_text('{"format_version": 1, "config": {}, "lasting": {}}')
    one_sentence(run("eval", str(tmp_path / "run")), 3, "has not finished", "--resume")


def test_resume_refuses_other_options(trained_run: Path, tmp_path: Path, pair_file: Path) -> None:
    place = tmp_path / "run"
    first = run("train", str(pair_file), "--output", str(place), "--hidden", "16", "--layers", "1", "--epochs", "1",
                "--keep-checkpoints", "--vocab-size", "100")  # fmt: skip
    assert first.exit_code == 0, first.output
    (place / "bertkit.json").unlink()
    one_sentence(
        run("train", str(pair_file), "--output", str(place), "--resume", "--lr", "0.1"), 2, "--lr 0.1", "--force"
    )
    write_tsv(pair_file, pair_rows(120, seed=9), HEADER)
    one_sentence(run("train", str(pair_file), "--output", str(place), "--resume"), 3, "data has changed", "--force")


def test_a_run_behind_its_data_is_said_to_come_first(trained_run: Path, tmp_path: Path) -> None:
    table = write_tsv(tmp_path / "my rows.tsv", pair_rows(4), HEADER)
    for command in (["eval"], ["predict", "--quiet"]):
        one_sentence(
            run(command[0], str(table), str(trained_run), *command[1:]),
            3,
            f"The run or model comes first: bertkit {command[0]} {trained_run} '{table}'.",
        )
    one_sentence(run("attention", "a text", str(trained_run)), 3, f"bertkit attention {trained_run} 'a text'.")
    one_sentence(run("vocab", "lookup", "ball", str(trained_run)), 3, f"bertkit vocab lookup {trained_run} ball.")
    nowhere = run("eval", str(tmp_path / "none"), str(table))
    assert "comes first" not in nowhere.stderr
    text = run("predict", str(trained_run), "the ball is red")
    one_sentence(text, 3, "no such file. A text comes through a pipe: echo 'the ball is red' | bertkit predict ")


def test_a_folder_of_runs_is_told_from_one(trained_run: Path) -> None:
    folder = trained_run.parent
    one_sentence(run("eval", str(folder)), 3, f"{folder}: is a folder of runs and not one of them; name one, such as ")


def test_a_file_given_as_a_text_is_said_to_be_one(trained_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("a ball\n")
    result = run("tokenize", "--model", str(trained_run), str(path), "--format", "tokens")
    assert (result.exit_code, f"{path} is read as a text; --file {path} reads the file" in result.stderr) == (0, True)
    assert not run("tokenize", "--model", str(trained_run), "a ball.", "--format", "tokens").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tokenize", "a", "--format", "xml"), "'xml' is not one of 'table', 'json', 'ids',"),
        (("train", "a.csv", "--lr", "abc"), "it is not a number."),
        (("train", "a.csv", "--seed", "1.5"), "it is not a whole number."),
        (("summarize", "a.txt", "--words", "0"), "it must be at least 1."),
    ],
)
def test_what_is_wrong_with_the_value_of_an_option_is_said_in_words(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert f"Invalid value for '{words[2]}': {said}" in " ".join(result.stderr.replace("│", " ").split())


def test_resume_alone_asks_for_the_folder() -> None:
    one_sentence(run("train", "--resume"), 2, "--resume: name the folder of the training with --output RUN.")
