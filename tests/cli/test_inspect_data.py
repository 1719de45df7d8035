"""`bertkit inspect-data` as a user meets it."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertkit.cli.app import app
from bertkit.tokenization.base import Tokenizer
from tests.conftest import OBJECTS, SUBJECTS, VERBS, pair_rows, write_tsv

HEADER = ("sentence1", "sentence2", "label")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["inspect-data", *arguments])


def found(result: Result) -> dict[str, tuple[int, list[int]]]:
    """Kind → count and lines of the findings."""
    assert result.exit_code == 0, result.output
    findings = json.loads(result.stdout)["findings"]
    return {f["kind"]: (f["count"], [place["line"] for place in f["lines"]]) for f in findings}


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Labelled texts, each different, with nothing wrong."""
    texts = [f"{s} {v} {o}." for s in SUBJECTS for v in VERBS for o in OBJECTS]
    random.Random(0).shuffle(texts)
    folder = tmp_path / "clean"
    folder.mkdir()
    labels = random.Random(1)
    rows = [(text, labels.choice("01")) for text in texts]
    write_tsv(folder / "train.tsv", rows[:400], ("text", "label"))
    return folder


@pytest.fixture
def model(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    """A folder with a tokenizer."""
    folder = tmp_path / "model"
    folder.mkdir()
    tokenizer.save(folder)
    return folder


def test_nothing_is_invented_on_clean_data(clean: Path, model: Path) -> None:
    result = run(str(clean), "--model", str(model), "--strict")
    assert found(result) == {}
    values = json.loads(result.stdout)
    assert list(values)[:5] == ["data", "splits", "findings", "verdict", "suggested_command"]
    train = values["splits"]["train"]
    assert train["rows"] == 400
    assert sum(train["labels"].values()) == 400
    assert train["over_max_length"] == 0
    assert train["lengths"]["text"]["p50"] == pytest.approx(6, abs=1)
    assert values["verdict"].startswith("Ready to train")
    assert values["suggested_command"].startswith(f"bertkit train {clean} --model {model} --max-length ")


def test_faults_are_found_where_they_stand(tmp_path: Path) -> None:
    rows = [*pair_rows(60, seed=1)]
    rows[10] = rows[9]
    rows[20] = ("same thing here", "same thing here", "1")
    rows[30] = (rows[30][0], rows[30][1], "")
    rows[40] = ("", "", "0")
    table = write_tsv(tmp_path / "rows.tsv", rows, HEADER)
    text = table.read_text(encoding="utf-8").splitlines()
    text[52] = "just one field"
    text[53] = text[53].replace("the ", "thÃ© ").replace("a ", "Ã© ")
    table.write_text("\n".join(text) + "\n", encoding="utf-8")
    kinds = found(run(str(table)))
    assert kinds["unusable_row"] == (1, [53])
    assert kinds["missing_label"] == (1, [32])
    assert kinds["duplicate_rows"][1][-1] == 12
    assert kinds["same_sentence_in_pair"] == (1, [22])
    assert kinds["empty_row"] == (1, [42])
    assert kinds["mojibake"] == (1, [54])


def test_tokens_are_counted_as_training_reads_them(model: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = pair_rows(40)
    table = write_tsv(tmp_path / "rows.tsv", rows, HEADER)
    result = run(str(table), "--model", str(model), "--max-length", "12")
    train = json.loads(result.stdout)["splits"]["train"]
    lengths = [e.n_tokens for e in tokenizer.encode([a for a, _, _ in rows], [b for _, b, _ in rows])]
    assert train["tokens"]["max"] == max(lengths)
    assert train["over_max_length"] == pytest.approx(sum(n > 12 for n in lengths) / 40)
    assert "over_max_length" in found(result)


def test_choices_are_as_long_as_the_longest(model: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    rows = [("the cat sees", "music", "a red ball and the river", "A")] * 3
    table = write_tsv(tmp_path / "rows.tsv", rows, ("prompt", "A", "B", "answer"))
    values = json.loads(run(str(table), "--model", str(model)).stdout)
    (longest,) = tokenizer.encode(["the cat sees"], ["a red ball and the river"])
    assert values["splits"]["train"]["tokens"]["p50"] == longest.n_tokens


def test_scratch_has_words_only_and_says_so(pair_file: Path) -> None:
    values = json.loads(run(str(pair_file), "--max-length", "64").stdout)
    assert values["splits"]["train"]["tokens"] is None
    assert any("tokens are not counted" in note for note in values["notes"])
    assert values["suggested_command"] == f"bertkit train {pair_file} --max-length 64 --model scratch"


def test_a_tokenizer_that_does_not_fit(model: Path, tmp_path: Path) -> None:
    rows = [(f"한국어 문장 {i}번", str(i % 2)) for i in range(40)]
    table = write_tsv(tmp_path / "rows.tsv", rows, ("text", "label"))
    result = run(str(table), "--model", str(model))
    kinds = found(result)
    assert kinds["tokenizer_misfit"][1], "places are told"
    assert "Fix before training: tokenizer misfit" in json.loads(result.stdout)["verdict"]


def test_splits_are_counted_as_they_stand(tmp_path: Path) -> None:
    write_tsv(tmp_path / "train.tsv", pair_rows(30), HEADER)
    write_tsv(tmp_path / "dev.tsv", pair_rows(30)[:10], HEADER)
    result = run(str(tmp_path))
    splits = json.loads(result.stdout)["splits"]
    assert {name: split["rows"] for name, split in splits.items()} == {"train": 30, "validation": 10}
    assert found(result)["rows_in_two_splits"][0] == 10


def test_a_task_that_the_first_rows_belie(tmp_path: Path) -> None:
    rows = [(f"text number {i}", str(i % 5)) for i in range(1500)]
    rows[1400] = ("the odd one", "2.5")
    values = json.loads(run(str(write_tsv(tmp_path / "rows.tsv", rows, ("text", "label")))).stdout)
    assert values["splits"]["train"]["label_numbers"]["max"] == 4
    assert values["splits"]["train"]["labels"] == {}
    assert any("task: regression" in note for note in values["notes"])


def test_the_table_for_people(tmp_path: Path) -> None:
    rows = [(a, b, "[bold]yes" if label == "1" else "no") for a, b, label in pair_rows(40)]
    table = write_tsv(tmp_path / "rows.tsv", [*rows, rows[3]], HEADER)
    result = run(str(table), "--format", "table")
    assert result.exit_code == 0
    for part in (
        "train",
        "41 rows",
        "[bold]yes",
        "█",
        "sentence1, words",
        "duplicate_rows",
        f"{table}:",
        "bertkit train",
    ):
        assert part in result.stdout


@pytest.mark.parametrize("names", [["labels.png"], ["page.html"]])
def test_nothing_is_replaced_unasked(pair_file: Path, tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("mine", encoding="utf-8")
    arguments = [str(pair_file), "--plots", str(tmp_path), "--report", str(tmp_path / "page.html")]
    result = run(*arguments)
    assert result.exit_code == 3
    assert "--force" in result.stderr
    assert result.stdout == ""
    assert all((tmp_path / name).read_text(encoding="utf-8") == "mine" for name in names)
    assert run(*arguments, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["mrpx"], 3, "mrpc"),
        ([], 2, "DATA"),
        (["no/such/file.tsv"], 3, "no such file"),
        (["{data}", "--task", "classfy"], 2, "--task classfy"),
        (["{data}", "--max-length", "3"], 2, "--max-length"),
        (["{data}", "--columns", "text=nothing"], 3, "nothing"),
        (["{data}", "--model", "minilmm"], 3, "minilm"),
        (["{data}", "--model", "./nowhere"], 3, "nowhere"),
        (["{data}", "--plots", "{data}"], 3, "--plots"),
    ],
)
def test_bad_input_is_one_sentence(pair_file: Path, arguments: list[str], code: int, part: str) -> None:
    result = run(*(argument.format(data=pair_file) for argument in arguments))
    assert result.exit_code == code, result.output
    assert part in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_strict_ends_with_4_after_all_is_said(tmp_path: Path) -> None:
    rows = pair_rows(30)
    table = write_tsv(tmp_path / "rows.tsv", [*rows, rows[0]], HEADER)
    result = run(str(table), "--strict", "--report", str(tmp_path / "page.html"))
    assert result.exit_code == 4
    assert result.stderr.splitlines()[-1].startswith("bertkit: --strict: train: ")
    assert json.loads(result.stdout)["findings"]
    assert (tmp_path / "page.html").is_file()


def test_no_torch_and_no_pictures_where_none_are_asked_for(pair_file: Path) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['bertkit', 'inspect-data', {str(pair_file)!r}, '--model', 'scratch']\n"
        "from bertkit.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'transformers', 'datasets', 'sklearn', 'matplotlib')\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("packed", [False, True])
def test_data_may_come_on_standard_input(packed: bool) -> None:
    rows = "text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(20))
    written = gzip.compress(rows.encode()) if packed else rows.encode()
    result = CliRunner().invoke(app, ["inspect-data", "-", "--format", "json"], input=written)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["splits"]["train"]["labels"] == {"a": 10, "b": 10}
    beside = CliRunner().invoke(app, ["inspect-data", "-", "t.csv"], input=written)
    assert beside.exit_code == 2


@pytest.mark.parametrize(
    ("header", "cells", "given", "labels"),
    [
        ("sentence_id,words,labels", "{number},word{number},{tag}", (), {"LOC": 10}),
        ("v1,v2,,,", "{label},row {number},,,", ("--columns", "text=v2,label=v1"), {"a": 10, "b": 10}),
        (
            '"a"," the first row of these "',
            '"{label}"," this is row {number} "',
            ("--columns", "text=2,label=1"),
            {"a": 11, "b": 10},
        ),
        (
            "a,the first row of these",
            "{label},this is row {number}",
            ("--columns", "text=2,label=1"),
            {"a": 11, "b": 10},
        ),
    ],
)
def test_a_csv_on_standard_input_needs_no_names_we_know(
    header: str, cells: str, given: tuple[str, ...], labels: dict[str, int]
) -> None:
    rows = (cells.format(number=i // 2, tag=("O", "B-LOC")[i % 2], label="ab"[i % 2]) for i in range(20))
    written = "\n".join((header, *rows, ""))
    result = CliRunner().invoke(app, ["inspect-data", "-", "--format", "json", *given], input=written)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["splits"]["train"]["labels"] == labels


def test_a_suggestion_for_rows_from_a_pipe_says_that_they_are_gone_or_names_what_was_kept(tmp_path: Path) -> None:
    written = "text,label\n" + "".join(f"row {i} of it,{'ab'[i % 2]}\n" for i in range(20))
    piped = CliRunner().invoke(app, ["inspect-data", "-", "--format", "json", "--model", "scratch"], input=written)
    found = json.loads(piped.stdout)
    assert found["suggested_command"] == "bertkit train - --model scratch"
    said = "pipe the same rows into the suggested command, or keep them with --write FILE."
    assert any(note.endswith(said) for note in found["notes"])
    kept = tmp_path / "kept.csv"
    words = ("--model", "scratch", "--write", str(kept))
    result = CliRunner().invoke(app, ["inspect-data", "-", "--format", "json", *words], input=written)
    found = json.loads(result.stdout)
    assert found["suggested_command"] == f"bertkit train {kept} --model scratch"
    assert "Standard input" not in result.stdout
    again = CliRunner().invoke(app, ["inspect-data", str(kept), "--format", "json", "--model", "scratch"])
    assert json.loads(again.stdout)["splits"]["train"]["labels"] == found["splits"]["train"]["labels"]
    assert "Standard input" not in again.stdout
    shown = CliRunner().invoke(app, ["inspect-data", "-", "--format", "table"], input=written).stdout.splitlines()
    assert "Standard input has been read" in shown[-2]
    assert shown[-1].startswith("  bertkit train - ")


def test_standard_input_is_never_called_by_the_file_that_keeps_it() -> None:
    written = "text,label\n" + "the same,a\n" * 20 + "another one,b\n" * 20
    result = CliRunner().invoke(app, ["inspect-data", "-", "--format", "json"], input=written)
    values = json.loads(result.stdout)
    assert values["suggested_command"].startswith("bertkit train - ")
    assert {place["file"] for finding in values["findings"] for place in finding["lines"]} == {"<stdin>"}
    cut = "".join(json.dumps({"text": f"Ada came to town {i}", "label": [[0, 2, "PER"]]}) + "\n" for i in range(40))
    said = CliRunner().invoke(app, ["inspect-data", "-", "--format", "json"], input=cut).stdout
    assert "('Ad', <stdin>:1)" in said
    unnamed = "v1,v2\n" + "".join(f"{'ab'[i % 2]},this is row {i} of it\n" for i in range(20))
    noted = CliRunner().invoke(app, ["inspect-data", "-", "--format", "json"], input=unnamed).stdout
    assert json.loads(noted)["notes"][0].startswith("<stdin>: columns were recognised by their contents")
    refused = CliRunner().invoke(app, ["inspect-data", "-"], input="a text\nanother\n")
    assert refused.exit_code == 3
    assert refused.stderr.startswith("bertkit: <stdin>: no column for the label")
