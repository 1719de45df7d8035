"""`bertkit tokenize`: what is shown, what is piped, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner, Result

from bertkit.cli.app import app
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.vocab import train_vocabulary
from tests import small_sentencepiece as small

BERTKIT = [sys.executable, "-m", "bertkit"]
EXAMPLE = "한국어 모델을 공유합니다."


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["tokenize", *arguments], input=stdin)


def one_sentence(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    (said,) = result.stderr.strip().splitlines()
    assert said.startswith("bertkit: ")
    assert all(part in said for part in parts), said
    assert result.stdout == ""


@pytest.fixture(scope="module")
def kobert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small.write_kobert(tmp_path_factory.mktemp("kobert"), small.train(small.sentences())))


@pytest.fixture
def english(tokenizer: Tokenizer, tmp_path: Path) -> str:
    folder = tmp_path / "english"
    folder.mkdir()
    tokenizer.save(folder)
    return str(folder)


# --- lines ------------------------------------------------------------------------------------


def test_json_is_the_default_in_a_pipe(english: str) -> None:
    result = run("The river.", "a dog", "--model", english)
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["tokens"] == ["[CLS]", "the", "river", ".", "[SEP]"]
    assert first["offsets"] == [[0, 0], [0, 3], [4, 9], [9, 10], [0, 0]]
    assert (first["valid_length"], first["unknown"]) == (5, 0)
    assert second["tokens"] == ["[CLS]", "a", "dog", "[SEP]"]


def test_every_line_has_one_line_blank_ones_too(english: str, tmp_path: Path) -> None:
    lines = ["the river", "", "  ", "a dog\r", "뷁"]
    file = tmp_path / "lines.txt"
    file.write_bytes("\n".join(lines).encode())
    piped = run("-", "--model", english, "--format", "ids", stdin="\n".join(lines))
    assert run("--model", english, "--format", "ids", stdin="\n".join(lines)).stdout == piped.stdout
    assert run("--file", str(file), "--model", english, "--format", "ids").stdout == piped.stdout
    ids = piped.stdout.splitlines()
    assert len(ids) == 5
    assert ids[1] == ids[2] == "2 3"
    tokens = run("--file", str(file), "--model", english, "--format", "tokens").stdout.splitlines()
    assert tokens[3:] == ["[CLS] a dog [SEP]", "[CLS] [UNK] [SEP]"]


def test_nothing_in_nothing_out(english: str) -> None:
    result = run("-", "--model", english, stdin="")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_pair_length_and_padding(english: str) -> None:
    result = run("the river", "--pair", "a dog sees", "--model", english, "--max-length", "8", "--pad")
    found = json.loads(result.stdout)
    assert found["tokens"] == ["[CLS]", "the", "river", "[SEP]", "a", "dog", "sees", "[SEP]"]
    assert found["type_ids"] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_comparison_in_a_pipe_stays_one_line_for_each_text(english: str, kobert: str) -> None:
    found = json.loads(run("the 책", "--model", english, "--compare", kobert).stdout)
    assert found["tokens"] == ["[CLS]", "the", "[UNK]", "[SEP]"]
    assert found["compare"]["tokens"][0] == "[CLS]"
    assert found["compare"]["ids"][0] == 2
    line = run("the 책", "--model", english, "--compare", kobert, "--format", "ids").stdout.splitlines()[0]
    left, right = line.split("\t")
    assert left.split() == [str(i) for i in found["ids"]]
    assert right.split() == [str(i) for i in found["compare"]["ids"]]


def test_order_is_kept_and_a_closed_pipe_is_silent(english: str, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("".join("the " * (i % 7 + 1) + "\n" for i in range(20_000)))
    command = f'"{sys.executable}" -m bertkit tokenize --format ids --model {english}'
    shell = f"set -o pipefail; {command} < {file}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert [len(line.split()) for line in done.stdout.splitlines()] == [i % 7 + 3 for i in range(20_000)]
    done = subprocess.run(["bash", "-c", f"{shell} | head -1"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)


def test_the_first_line_comes_before_the_input_ends(english: str) -> None:
    command = [*BERTKIT, "tokenize", "--model", english, "--format", "tokens"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("a dog\n")
        process.stdin.flush()
        assert process.stdout.readline() == "[CLS] a dog [SEP]\n"
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_korean_is_written_whatever_the_locale(kobert: str) -> None:
    variables = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [*BERTKIT, "tokenize", "-", "--model", kobert, "--format", "tokens"]
    done = subprocess.run(command, input="영화를".encode(), capture_output=True, env=variables, check=True)
    assert "영" in done.stdout.decode("utf-8")


@pytest.mark.parametrize("shape", ["kobert", "english"])
def test_torch_stays_away(shape: str, request: pytest.FixtureRequest) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['bertkit', 'tokenize', 'a', '--model', {request.getfixturevalue(shape)!r}]\n"
        "from bertkit.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'sklearn'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_directory_is_a_model(trained_run: Path) -> None:
    assert json.loads(run("the cat", "--model", str(trained_run)).stdout)["tokens"][1:3] == ["the", "cat"]


# --- tables -----------------------------------------------------------------------------------


def rows_of(output: str) -> list[str]:
    return output.partition("\n\n")[0].splitlines()


def test_columns_of_korean_are_aligned_by_cells(kobert: str) -> None:
    text = "영화를 추천합니다 AB ㅋㅋ"
    result = run(text, "--model", kobert, "--format", "table")
    head, *rows = rows_of(result.stdout)[:-1]
    assert head.split() == ["token", "id", "segment", "mask", "offsets", "text"]
    assert len({cell_len(row) for row in (head, *rows)}) == 1
    for row in rows[1:-1]:
        start, end = (int(n) for n in next(word for word in row.split() if "–" in word).split("–"))
        covered = text[start:end]
        before = row[: row.rindex(covered)] if covered else row
        assert not covered or cell_len(before) == head.index("text")


def test_the_summary_says_what_the_model_would_not_read(tmp_path: Path) -> None:
    tokenizer = train_vocabulary(["a b c"] * 5, kind="wordpiece", size=40, lowercase=True, max_length=4)
    tokenizer.save(tmp_path)
    result = run("a b c a", "--model", str(tmp_path), "--format", "table")
    assert "6 tokens, valid length 6, 0 unknown; the model reads the first 4" in result.stdout


def test_special_and_unknown_tokens_have_colours(english: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    output = run("the 뷁", "--model", english, "--format", "table").stdout
    assert "\x1b[36m[CLS]" in output
    assert "\x1b[1;31m[UNK]" in output


def test_long_padding_is_folded(english: str) -> None:
    output = run("the", "--model", english, "--format", "table", "--max-length", "50", "--pad").stdout
    assert output.count("[PAD]") == 3
    assert "… and 44 more of padding" in output
    assert "50 tokens, valid length 3" in output


def test_the_table_of_a_long_text_has_its_ends(english: str, kobert: str) -> None:
    text = "the river a dog " * 20_000
    for more in ([], ["--compare", kobert]):
        started = time.process_time()
        output = run("--model", english, "--format", "table", *more, "-", stdin=text).stdout
        assert time.process_time() - started < 10
        assert "more rows; --format json shows all" in output
        assert 220 < len(output.splitlines()) < 240
    assert len(json.loads(run("--model", english, "-", stdin=text).stdout)["ids"]) == 80_002


def test_a_text_cannot_move_the_cursor(english: str) -> None:
    output = run("the \x1b[2J [/] [bold] \u200b", "--model", english, "--format", "table").stdout
    assert "\x1b" not in output


def test_two_models_side_by_side(english: str, kobert: str) -> None:
    output = run("the river 책", "--model", english, "--compare", kobert, "--format", "table").stdout
    head, *rows = rows_of(output)
    assert head.split() == ["text", "english", "ids", Path(kobert).name, "ids"]
    (book,) = (row.split() for row in rows if row.startswith("책"))
    assert book[1:3] == ["[UNK]", "1"]
    assert book[3] == "▁책"
    assert f"{english}: 5 tokens" in "".join(output.split("\n"))


# --- what is refused --------------------------------------------------------------------------


def test_wrong_usage(english: str, tmp_path: Path) -> None:
    assert run("a", "--model", english, "--format", "yaml").exit_code == 2
    assert run("a", "--model", english, "--max-length", "0").exit_code == 2
    one_sentence(run("a", "--model", english, "--max-length", "2"), 2, "--max-length 2", "too short")
    one_sentence(run("a", "--file", str(tmp_path / "x.txt"), "--model", english), 2, "not both")


def test_models_that_are_not_there(tmp_path: Path) -> None:
    one_sentence(run("a", "--model", "kobret"), 3, "did you mean 'kobert'?")
    one_sentence(run("a", "--model", "./nowhere"), 3, "no such folder")
    one_sentence(run("a", "--model", str(tmp_path)), 3, "no tokenizer")
    one_sentence(run("a", "--model", "scratch"), 3, "vocab build")


def test_without_a_model_and_without_minilm_ways_on_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bertkit.models.finding.PACKAGES", {})
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    one_sentence(run("a"), 3, "--model", "hf:org/name")


def test_files_that_cannot_be_read(english: str, tmp_path: Path) -> None:
    one_sentence(run("--file", str(tmp_path / "no.txt"), "--model", english), 3, "no.txt: no such file")
    (tmp_path / "picture.txt").write_bytes(bytes(range(256)))
    one_sentence(run("--file", str(tmp_path / "picture.txt"), "--model", english), 3, "binary file")
    one_sentence(run("-", "--model", english, stdin=b"a\xff\n"), 3, "<stdin>:1: not valid UTF-8")
    packed = run("-", "--model", english, "--format", "tokens", stdin=gzip.compress(b"\xef\xbb\xbfa dog\n"))
    assert packed.stdout == run("a dog", "--model", english, "--format", "tokens").stdout


# --- the real KoBERT --------------------------------------------------------------------------


def test_kobert_as_published() -> None:
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    model = str(Path(root) / "kobert_tokenizer")
    found = json.loads(run(EXAMPLE, "--model", model).stdout)
    assert found["ids"] == [2, 4958, 6855, 2046, 7088, 1050, 7843, 54, 3]
    assert found["tokens"][1:-1] == ["▁한국", "어", "▁모델", "을", "▁공유", "합니다", "."]
    covered = [EXAMPLE[start:end] for start, end in found["offsets"]]
    assert covered == ["", "한국", "어", "모델", "을", "공유", "합니다", ".", ""]
    decomposed = json.loads(run(unicodedata.normalize("NFD", EXAMPLE), "--model", model).stdout)
    assert decomposed["ids"] == found["ids"]
