"""What ends a command is told in one sentence; only defects keep their traceback."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import threading
import time
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from bertkit.cli.app import app
from bertkit.cli.streams import ReaderGone, _guarded
from bertkit.errors import OutputError

EVIL = "\x1b[31m\u202e\x9b[/x]"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe; a test may close one."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def test_what_is_written_arrives(pipe: tuple[int, int]) -> None:
    stream = _guarded(pipe[1], None, must_arrive=True)
    stream.write("한국어 \udcff\n")
    stream.flush()
    assert os.read(pipe[0], 100) == "한국어 \\udcff\n".encode()
    assert not stream.isatty()
    assert stream.fileno() == pipe[1]


def test_a_reader_that_has_gone_is_heard_of_once(pipe: tuple[int, int]) -> None:
    stream = _guarded(pipe[1], None, must_arrive=True)
    os.close(pipe[0])
    stream.write("x")
    with pytest.raises(ReaderGone):
        stream.flush()
    stream.write("y" * 100_000)  # as Python does when it ends
    stream.close()


def test_what_is_said_beside_results_never_fails(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    stream = _guarded(pipe[1], None, must_arrive=False)
    stream.write("x\n" * 10_000)
    stream.close()
    with pytest.raises(OutputError, match="it is closed"):
        _guarded(pipe[1], None, must_arrive=True).write("x" * 100_000)


def test_a_pipe_that_does_not_wait_is_waited_for(pipe: tuple[int, int]) -> None:
    fcntl.fcntl(pipe[1], fcntl.F_SETFL, os.O_NONBLOCK)
    stream, got = _guarded(pipe[1], None, must_arrive=True), io.BytesIO()

    def read() -> None:
        time.sleep(0.05)  # until the pipe is full
        while chunk := os.read(pipe[0], 1 << 16):
            got.write(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    stream.write("x" * 300_000)
    stream.flush()
    os.close(pipe[1])
    reader.join()
    assert got.getvalue() == b"x" * 300_000


def ended_by(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Result:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("bertkit.cli.render.show_rows", fail)
    return CliRunner().invoke(app, ["models"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files", "rows.csv"), "rows.csv: Too many open files."),
        (OSError(errno.EIO, "x"), "the operating system reported an error (x)."),
        (Exception("I/O error (os error 28)"), "the operating system reported an error (No space left on device)."),
        (MemoryError(), "there is not enough memory for this; "),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "there is not enough memory for this; "),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "there is not enough memory for this; "),
        (ValueError("embedded null byte"), "a name cannot contain a NUL byte"),
    ],
)
def test_a_refusal_of_the_machine_is_one_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    result = ended_by(monkeypatch, error)
    assert result.exit_code == 3
    assert said in result.stderr
    assert result.stderr.startswith("bertkit: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("error", [ZeroDivisionError(), ValueError("no"), OSError("a sentence of a library")])
def test_a_defect_is_none_of_them(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    result = ended_by(monkeypatch, error)
    assert result.exception is error


@pytest.mark.parametrize("error", [ReaderGone(), BrokenPipeError()])
def test_a_reader_that_has_gone_ends_quietly(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    result = ended_by(monkeypatch, error)
    assert (result.exit_code, result.output) == (0, "")


LONG = "n" * 120_000


@pytest.mark.parametrize("value", ["n " * 30_000, "./" + "n n/" * 900])
def test_what_is_said_of_a_long_word_is_said_to_its_end(value: str) -> None:
    for arguments in (["eval"], ["inspect-data"], ["tokenize", "x", "--model"], ["summarize", "--method=lead"]):
        said = CliRunner().invoke(app, [*arguments, value]).stderr
        assert "…" in said[:310]
        assert said.endswith(".\n")
        assert len(said) < 500


@pytest.mark.parametrize("value", [EVIL, LONG, "n n " * 30_000, EVIL * 5_000])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["train", "x", "--task"], 2),
        (["train", "x", "--device"], 2),
        (["train", "x", "--epochs"], 2),
        (["train", "x", "--model"], 3),
        (["train", "x", "--config"], 3),
        (["train"], 3),
        (["tokenize", "x", "--format"], 2),
        (["tokenize", "x", "--model"], 3),
        (["tokenize", "--file"], 3),
        (["inspect-data"], 3),
        (["predict"], 3),
        (["eval"], 3),
        (["summarize"], 3),
        (["vocab"], 2),
        ([], 2),
    ],
)
def test_what_somebody_typed_is_quoted_harmlessly_and_in_part(arguments: list[str], code: int, value: str) -> None:
    result = CliRunner().invoke(app, [*arguments, value])
    assert result.exit_code == code, result.exception
    assert all(character.isprintable() or character == "\n" for character in result.output)
    assert len(result.output) < 2_500


def test_an_option_nobody_has_is_quoted_alike() -> None:
    result = CliRunner().invoke(app, ["train", f"--{EVIL}{LONG}"])
    assert result.exit_code == 2
    assert all(character.isprintable() or character == "\n" for character in result.output)
    assert len(result.output) < 2_500
