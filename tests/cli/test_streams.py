"""Standard streams that are closed, full or left by their reader: a word and the right exit code, in real processes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import pair_rows, write_tsv

NO_SPACE = "bertkit: standard output cannot be written (No space left on device); send it elsewhere.\n"
CLOSED = "bertkit: standard output cannot be written (it is closed); send it elsewhere.\n"
LIGHT = ("--help", "--version", "vocab show --help", "models --format table", "datasets --format json")
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `bertkit` is this checkout's; PIPESTATUS tells of pipes."""
    prelude = f'bertkit() {{ "{sys.executable}" -m bertkit "$@"; }}; '
    return subprocess.run(["bash", "-c", prelude + line], capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tsv(tmp_path_factory.mktemp("d") / "d.tsv", pair_rows(40), ("sentence1", "sentence2", "label"))


@pytest.mark.parametrize("command", LIGHT)
@pytest.mark.parametrize(
    ("stream", "code", "said"),
    [pytest.param(">/dev/full", 3, NO_SPACE, marks=needs_full), (">&-", 3, CLOSED), ("| true", 0, "")],
)
def test_output_that_goes_nowhere(command: str, stream: str, code: int, said: str) -> None:
    done = shell(f"bertkit {command} {stream}; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


@needs_full
def test_records_that_find_no_room(trained_run: Path, pairs: Path) -> None:
    done = shell(f"bertkit predict {trained_run} {pairs} > /dev/full")
    assert (done.returncode, done.stderr) == (3, NO_SPACE)


def test_a_table_that_is_not_read_to_its_end(trained_run: Path, pairs: Path) -> None:
    done = shell(f"bertkit eval {trained_run} {pairs} --format table | head -1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)


def test_a_command_that_writes_a_file_needs_no_output(pairs: Path, tmp_path: Path) -> None:
    place = tmp_path / "summary.json"
    done = shell(f"bertkit summarize {pairs} --input-format txt --method lead -o {place} <&- >&- 2>&-")
    assert (done.returncode, done.stderr) == (0, "")
    assert place.read_text(encoding="utf-8").startswith("{")


@pytest.mark.parametrize("stream", ["2>&-", pytest.param("2>/dev/full", marks=needs_full)])
def test_what_becomes_of_stderr_changes_nothing(stream: str, pairs: Path) -> None:
    usual = shell(f"bertkit inspect-data {pairs} --model scratch --format json; bertkit tokenize --file {pairs}/none")
    other = shell(
        f"bertkit inspect-data {pairs} --model scratch --format json {stream}; "
        f"bertkit tokenize --file {pairs}/none {stream}"
    )
    assert usual.returncode == other.returncode == 3
    assert usual.stdout == other.stdout != ""
    assert usual.stderr != other.stderr == ""


@pytest.mark.parametrize("command", ["summarize -", "vocab build - --output {place}"])
def test_a_closed_input_is_called_one(command: str, tmp_path: Path) -> None:
    done = shell(f"bertkit {command.format(place=tmp_path / 'v')} <&-")
    said = "bertkit: <stdin>: standard input is closed; name a file, or pipe something in.\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", said)
    assert not list(tmp_path.iterdir())


def test_a_file_does_not_take_the_place_of_a_closed_stream(pairs: Path, tmp_path: Path) -> None:
    """What libraries write to 1 and 2 would land in the first file that is opened."""
    code = (
        "import os\n"
        "from bertkit.cli.streams import guard_standard_streams\n"
        "guard_standard_streams()\n"
        f"print(open({str(tmp_path / 'x')!r}, 'w').fileno() > 2, file=os.fdopen(3, 'w'))\n"
    )
    done = shell(f"'{sys.executable}' -c \"{code}\" 3>&1 <&- >&- 2>&-")
    assert done.stdout == "True\n"


def test_utf_8_in_a_pipe_whatever_the_locale_says(tmp_path: Path) -> None:
    rows = write_tsv(tmp_path / "d.tsv", [("하나 둘", "좋다"), ("셋 넷", "나쁘다")] * 5, ("text", "label"))
    variables = "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
    for kind in ("json", "table"):
        done = shell(f"export {variables}; bertkit inspect-data {rows} --model scratch --format {kind} | cat")
        assert "좋다" in done.stdout, done.stderr


def test_summaries_go_to_a_file_though_the_bar_is_on_a_terminal(pairs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bertkit", "summarize", str(pairs), "--input-format", "txt", "--method", "lead"]
    ours, others = pty.openpty()
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=others, stdin=subprocess.DEVNULL, check=False, timeout=100)
    os.close(others)
    os.close(ours)
    assert done.returncode == 0
    assert (tmp_path / "out").read_text(encoding="utf-8").startswith("{")
