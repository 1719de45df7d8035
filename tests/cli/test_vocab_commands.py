"""`bertkit vocab`: build, show, lookup, coverage, and what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertkit.cli.app import app
from tests import small_sentencepiece as small
from tests.conftest import pair_rows, write_tsv

BERTKIT = [sys.executable, "-m", "bertkit"]
TYPES = ("wordpiece", "bpe", "unigram")


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["vocab", *arguments], input=stdin)


def one_sentence(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    (said,) = result.stderr.strip().splitlines()
    assert said.startswith("bertkit: ")
    assert all(part in said for part in parts), said
    assert result.stdout == ""


@pytest.fixture
def reviews(tmp_path: Path) -> str:
    rows = [(f"9{i}", text, "뷁" if i % 2 else "쀍") for i, text in enumerate(small.sentences(300))]
    return str(write_tsv(tmp_path / "ratings.txt", rows, ("id", "document", "label")))


@pytest.fixture
def built(reviews: str, tmp_path: Path) -> str:
    place = str(tmp_path / "built")
    assert run("build", reviews, "--type", "unigram", "--size", "300", "--output", place).exit_code == 0
    return place


# --- build ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_build_reads_texts_and_no_ids_or_labels(kind: str, reviews: str, tmp_path: Path) -> None:
    place = tmp_path / "new" / "vocabulary"
    done = run("build", reviews, "--type", kind, "--size", "400", "--output", str(place))
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert {"output", "type", "size", "tokens_per_word", "unknown_share"} <= set(summary)
    assert (summary["type"], summary["texts"], summary["columns"]) == (kind, 300, {reviews: ["document"]})
    assert 200 < summary["size"] <= 400
    assert 1 < summary["tokens_per_word"] < 4
    assert summary["unknown_share"] == 0
    assert {path.name for path in place.iterdir()} == {"tokenizer.json", "tokenizer_config.json"}
    assert [path.name for path in place.parent.iterdir()] == ["vocabulary"]
    entries = [json.loads(line)["token"] for line in run("show", str(place)).stdout.splitlines()]
    assert len(entries) == summary["size"]
    assert not any(mark in token for token in entries for mark in ("뷁", "쀍", "label", "document"))


def test_case_is_dropped_unless_kept(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("Apple apple Apple\n" * 5)
    for flag, known in (("--lowercase", False), ("--no-lowercase", True)):
        place = str(tmp_path / flag)
        assert run("build", str(text), "--size", "60", flag, "--output", place).exit_code == 0
        found = run("show", place, "--grep", "^Apple$").stdout
        assert bool(found) == known


def test_columns_and_several_files_and_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("note,body,label\nxx,the cat sat,1\n")
    (tmp_path / "b.csv").write_text("note,body,label\nyy,the dog sat,0\n")
    files = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
    place = str(tmp_path / "place")
    options = ["--columns", "text=body", "--size", "60", "--output", place, "--format", "table"]
    done = run("build", *files, *options)
    assert done.exit_code == 0, done.output
    assert "tokens per word" in done.stdout
    assert "body" in done.stdout
    tokens = run("show", place).stdout
    assert '"x"' not in tokens
    assert '"dog"' in tokens or '"d"' in tokens


def test_force_replaces_a_vocabulary_and_nothing_else(reviews: str, built: str, trained_run: Path) -> None:
    before = (Path(built) / "tokenizer.json").read_bytes()
    again = ["build", reviews, "--type", "bpe", "--size", "300", "--output"]
    one_sentence(run(*again, built), 3, "--output", "--force")
    assert (Path(built) / "tokenizer.json").read_bytes() == before
    assert run(*again, built, "--force").exit_code == 0
    assert (Path(built) / "tokenizer.json").read_bytes() != before
    one_sentence(run(*again, str(trained_run), "--force"), 3, "is a part of the run")
    one_sentence(run(*again, reviews), 3, "is a file")


def test_a_run_is_trained_with_it(built: str, tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "pairs.tsv", pair_rows(60), ("sentence1", "sentence2", "label"))
    place = str(tmp_path / "run")
    small_run = ["--hidden", "32", "--layers", "1", "--epochs", "1", "--threads", "1", "--no-tensorboard"]
    pairs = str(tmp_path / "pairs-vocabulary")
    assert run("build", str(data), "--type", "bpe", "--size", "120", "--output", pairs).exit_code == 0
    trained = CliRunner().invoke(app, ["train", str(data), "--tokenizer", pairs, "--output", place, *small_run])
    assert trained.exit_code == 0, trained.output
    ours, others = (run("show", model).stdout for model in (pairs, place))
    assert ours == others


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["missing.txt", "no such file"]),
        (b"", ["missing.txt", "no text in it"]),
        (bytes(range(256)), ["missing.txt", "binary file"]),
        (b"  \n\t\n\x0c\n", ["no text"]),
        ("한국어 단어".encode(), ["6 pieces are too few", "--size"]),
    ],
)
def test_bad_input_leaves_nothing_behind(content: bytes | None, parts: list[str], tmp_path: Path) -> None:
    file = tmp_path / "missing.txt"
    if content is not None:
        file.write_bytes(content)
    place = tmp_path / "place"
    one_sentence(run("build", str(file), "--size", "6", "--output", str(place)), 3, *parts)
    assert {path.name for path in tmp_path.iterdir()} <= {"missing.txt"}


def test_wrong_usage(reviews: str, tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    assert run("build", reviews).exit_code == 2
    assert run("build", reviews, "--output", place, "--size", "0").exit_code == 2
    assert run("build", reviews, "--output", place, "--type", "char").exit_code == 2
    assert run("build", reviews, "--output", place, "--format", "yaml").exit_code == 2
    one_sentence(run("build", reviews, "--output", place, "--columns", "document"), 2, "--columns")


def test_standard_input_and_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['bertkit', 'vocab', 'build', '-', '--size', '60', '--output', {str(tmp_path / 'place')!r}]\n"
        "from bertkit.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'sklearn'} & set(sys.modules)))\n"
    )
    text = '{"text": "a cat", "label": "q"}\n{"text": "a dog", "label": "q"}\n'
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    summary, heavy = done.stdout.splitlines()
    assert json.loads(summary)["columns"] == {"-": ["text"]}
    assert heavy == "[]"
    assert '"q"' not in run("show", str(tmp_path / "place")).stdout


# --- show, lookup, coverage -------------------------------------------------------------------


def test_show_gives_scores_ranks_and_no_more_than_asked(built: str, reviews: str, tmp_path: Path) -> None:
    entries = [json.loads(line) for line in run("show", built).stdout.splitlines()]
    assert [entry["id"] for entry in entries] == list(range(len(entries)))
    assert list(entries[0]) == ["id", "token", "rank", "score"]
    assert [entry["score"] for entry in entries[:5]] == [None] * 5
    scores = [entry["score"] for entry in entries[5:]]
    assert scores == sorted(scores, reverse=True)
    assert len(run("show", built, "--limit", "7").stdout.splitlines()) == 7
    bpe = str(tmp_path / "bpe")
    assert run("build", reviews, "--type", "bpe", "--size", "300", "--output", bpe).exit_code == 0
    ranks = [json.loads(line)["rank"] for line in run("show", bpe).stdout.splitlines()]
    made = [rank for rank in ranks if rank is not None]
    assert made
    assert made == sorted(made)


def test_show_finds_tokens(built: str) -> None:
    found = [json.loads(line)["token"] for line in run("show", built, "--grep", "^▁영").stdout.splitlines()]
    assert found
    assert all(token.startswith("▁영") for token in found)
    assert run("show", built, "--grep", "qqq").stdout == ""
    one_sentence(run("show", built, "--grep", "("), 2, "--grep")
    table = run("show", built, "--format", "table")
    assert "[UNK]" in table.stdout
    assert "more; --limit" in table.stderr


def test_lookup_from_arguments_and_standard_input(built: str) -> None:
    size = len(run("show", built).stdout.splitlines())
    words = ["책", "", "뷁", "[UNK]"]
    given = run("lookup", built, *words, "--oov-buckets", "9")
    piped = run("lookup", built, "--oov-buckets", "9", stdin="\n".join(words))
    assert given.stdout == piped.stdout
    book, _, unknown, special = map(json.loads, given.stdout.splitlines())
    assert list(book) == ["token", "id", "oov", "bucket"]
    assert (book["oov"], book["bucket"]) == (False, None)
    assert unknown["oov"]
    assert unknown["id"] == size + unknown["bucket"]
    assert special == {"token": "[UNK]", "id": 1, "oov": False, "bucket": None}
    assert json.loads(run("lookup", built, "뷁").stdout) == {"token": "뷁", "id": 1, "oov": True, "bucket": None}
    assert "뷁" in run("lookup", built, "뷁", "--format", "table").stdout


def test_coverage(built: str, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("책을 뷁 책을 뷁\n책을 쀍\n", encoding="utf-8")
    found = json.loads(run("coverage", built, str(text)).stdout)
    assert (found["model"], found["texts"], found["words"]) == (built, 2, 6)
    assert found["unknown_words"] == [{"word": "뷁", "count": 2}, {"word": "쀍", "count": 1}]
    assert 0 < found["unknown_share"] < 1
    assert found["tokens_per_word"] >= 1
    assert json.loads(run("coverage", built, str(text), "--limit", "1").stdout)["unknown_words"] == [
        {"word": "뷁", "count": 2}
    ]
    table = run("coverage", built, str(text), "--format", "table").stdout
    assert "unknown share" in table
    assert "쀍" in table


@pytest.mark.parametrize("command", ["show", "lookup", "coverage"])
def test_an_unknown_model_is_named(command: str, reviews: str) -> None:
    rest = [] if command == "show" else [reviews]
    one_sentence(run(command, "kobret", *rest), 3, "did you mean 'kobert'?")


def test_a_hub_that_does_not_answer_ends_soon_and_names_ways_on(tmp_path: Path) -> None:
    variables = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    command = [*BERTKIT, "vocab", "show", "kobert"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables, timeout=30)
    assert done.returncode == 3
    assert "name a folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1
