"""Files are whole or absent, readable, and what refuses them is said in one sentence."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import numpy as np
import pytest
import torch

from bertkit import files
from bertkit.errors import OutputError, UsageError


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), files.writing(path, "--output") as stream:
        stream.write(f"new {1 // 0}")
    assert path.read_text() == "old"
    assert left_over(tmp_path) == ["out.txt"]


def test_every_kind_of_file_is_as_readable_as_others(tmp_path: Path) -> None:
    files.save_tensors(tmp_path / "t.safetensors", {"a": torch.zeros(2)})
    files.save_arrays(tmp_path / "n.safetensors", {"a": np.zeros(2)})
    files.write_json(tmp_path / "j.json", {})
    files.write_text(tmp_path / "x.txt", "x\udc00")
    (tmp_path / "usual").touch()
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {usual}
    assert left_over(tmp_path) == ["j.json", "n.safetensors", "t.safetensors", "usual", "x.txt"]


@pytest.mark.parametrize("length", [240, 252, 255])
def test_a_long_name_can_be_written(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("n" * length)
    with files.writing(path, "--output") as stream:
        stream.write("whole")
    assert path.read_text() == "whole"


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 300)
    assert not files.exists(path)
    assert not files.is_file(path)
    assert not files.is_dir(Path("a\0b"))
    said = r"--output .*…n+: cannot be written \(File name too long\)"
    with pytest.raises(OutputError, match=said), files.writing(path, "--output"):
        pass


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EFBIG, "File too large"),
        Exception("No space left on device (os error 28)"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_refusal_of_the_system_is_one_sentence(tmp_path: Path, error: Exception) -> None:
    said = r"run: cannot be written \((No space|File too)[^)]*\); check disk space"
    with pytest.raises(OutputError, match=said), files.write_errors(tmp_path / "run"):
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), UsageError("no"), BrokenPipeError(), Exception("(os error 9999)")])
def test_what_is_no_refusal_passes(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, files.write_errors(tmp_path):
        raise error
    assert caught.value is error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is full")
def test_a_full_device_is_written_to_as_it_is() -> None:
    with pytest.raises(OutputError, match="No space left"), files.writing(Path("/dev/full"), "--output") as stream:
        stream.write("x" * 100_000)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
