"""The command line in a real shell: start-up, pipes, signals, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from tests.conftest import pair_rows, write_tsv

HEAVY = ("torch", "transformers", "datasets", "sklearn", "sentencepiece", "accelerate", "matplotlib", "scipy")
BERTKIT = [sys.executable, "-m", "bertkit"]


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `bertkit` is this checkout's."""
    prelude = f'set -o pipefail; bertkit() {{ "{sys.executable}" -m bertkit "$@"; }}; '
    variables = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", prelude + line], capture_output=True, text=True, env=variables, check=False)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["train", "--help"], ["models"], ["datasets"], ["train", "sample:paraphrase", "--model", "kobart"]],
)
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['bertkit', *{arguments!r}]\n"
        "from bertkit.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print(sorted(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_compiles_no_reader_of_documents() -> None:
    """Their patterns took a third of its time."""
    code = (
        "import sys\n"
        "from bertkit.cli.app import main\n"
        "sys.argv = ['bertkit', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "rooms = ('bertkit.documents', 'bertkit.summarization', 'bertkit.data', 'bertkit.metrics', 'bertkit.tasks')\n"
        "print(sorted(m for m in sys.modules if m.startswith(rooms)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_first_row_comes_before_the_input_ends(trained_run: Path) -> None:
    process = subprocess.Popen(
        [*BERTKIT, "predict", str(trained_run), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write('{"sentence1": "the cat sees music", "sentence2": "a dog likes music"}\n')
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["line"] == 1
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()


def test_a_closed_pipe_ends_quietly(trained_run: Path, tmp_path: Path) -> None:
    table = write_tsv(tmp_path / "many.tsv", pair_rows(6000), ("sentence1", "sentence2", "label"))
    done = shell(f"bertkit predict {trained_run} - --input-format tsv < {table} | head -1")
    assert json.loads(done.stdout)["line"] == 2
    assert done.stderr == ""
    assert done.returncode == 0


def test_one_record_per_row_and_a_broken_one_among_them(trained_run: Path, tmp_path: Path) -> None:
    rows = [f"{a}\t{b}\t{label}" for a, b, label in pair_rows(1000)]
    rows[499] = "only one field"
    table = tmp_path / "pairs.tsv"
    table.write_text("\n".join(["sentence1\tsentence2\tlabel", *rows]) + "\n", encoding="utf-8")
    done = shell(f"cat {table} | bertkit predict {trained_run} - --input-format tsv")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["line"] for r in records] == list(range(2, 1002))
    assert [r["line"] for r in records if "error" in r] == [501]
    assert done.returncode == 3
    assert "1 of 1,000 rows" in done.stderr
    assert "<stdin>:501" in done.stderr


def test_a_bad_first_row_does_not_end_a_stream_of_json_lines(trained_run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"문장": "하나"}\n{"sentence1": "the cat", "sentence2": "a dog"}\n', encoding="utf-8")
    done = shell(f"bertkit predict {trained_run} < {rows}", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    first, second = map(json.loads, done.stdout.splitlines())
    assert "문장" in first["error"]
    assert second["label"] in ("0", "1")
    assert done.returncode == 3


SMALL = [
    "--hidden",
    "32",
    "--layers",
    "1",
    "--epochs",
    "3",
    "--batch-size",
    "16",
    "--vocab-size",
    "120",
    "--log-every",
    "1",
]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data file, and a run trained on it without a stop, in this process."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    data = write_tsv(folder / "pairs.tsv", pair_rows(120), ("sentence1", "sentence2", "label"))
    arguments = ["train", str(data), *SMALL, "--threads", "1", "--no-tensorboard", "--output", str(folder / "run")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    return data, folder / "run"


@pytest.mark.parametrize("kill_after", [1, 5, 13])
def test_a_killed_run_resumes_to_the_same_bytes(
    uninterrupted: tuple[Path, Path], tmp_path: Path, kill_after: int
) -> None:
    data, whole = uninterrupted
    run = tmp_path / "killed"
    command = ["train", str(data), *SMALL, "--threads", "1", "--no-tensorboard", "--output", str(run)]
    with subprocess.Popen(
        [*BERTKIT, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:  # the log speaks after every step
            if line.startswith(f"step {kill_after}/"):
                process.send_signal(signal.SIGKILL)
                break
    assert not (run / "bertkit.json").exists()
    result = json.loads(CliRunner().invoke(app, [*command, "--resume"]).stdout)
    assert 0 < result["resumed_from_step"] < result["steps"]
    for name in ("model.safetensors", "tokenizer.json", "config.json", "baseline/baselines.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert not (run / "checkpoints").exists()


def test_ctrl_c_saves_and_says_how_to_go_on(pair_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [*BERTKIT, "train", str(pair_file), *SMALL, "--epochs", "400", "--patience", "400", "--output", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 5/"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert f"`bertkit train --resume --output {run}`" in rest
    assert "Traceback" not in rest
    assert list((run / "checkpoints").glob("step-*"))


def test_a_dead_hub_ends_within_five_seconds(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [*BERTKIT, "train", "mrpc", "--output", str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hf")},
    )
    assert time.monotonic() - began < 5
    assert done.returncode == 3
    assert "--data-dir" in done.stderr
    assert "sample:paraphrase" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
