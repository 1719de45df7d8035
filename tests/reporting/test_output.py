"""Folders of figures are whole or not there, and drawing says nothing of places it cannot write."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertkit import files
from bertkit.errors import OutputError
from bertkit.reporting.page import drawing, legend_above, new_figure, short, write_figures


def test_a_disk_that_gets_full_leaves_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "second" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return usual(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "first.png").touch()
    for folder in (tmp_path / "new", tmp_path / "old"):
        with pytest.raises(OutputError, match=r"--plots .*No space left on device"):
            write_figures(folder, {"first.png": b"1", "second.png": b"2", "third.png": b"3"})
    assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["first.png"]
    assert (tmp_path / "old" / "first.png").read_bytes() == b""


def test_figures_are_all_there(tmp_path: Path) -> None:
    write_figures(tmp_path / "a" / "b", {"first.png": b"1", "second.png": b"2"})
    assert {path.name: path.read_bytes() for path in (tmp_path / "a" / "b").iterdir()} == {
        "first.png": b"1",
        "second.png": b"2",
    }
    assert not files.exists(tmp_path / "a" / ".b.tmp")


def test_nothing_is_said_of_a_home_that_cannot_be_written() -> None:
    code = "from bertkit.reporting.page import drawing, new_figure, as_png\nwith drawing(): as_png(new_figure()[0])\n"
    away = {"HOME": "/dev/null/home", "XDG_CONFIG_HOME": "/dev/null/config", "XDG_CACHE_HOME": "/dev/null/cache"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **away}
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("label", "shown"),
    [("a\x1b[31mb", "a\\x1b[31mb"), ("_a", " _a"), ("  two\n words ", "two words"), ("x" * 10**6, "x" * 21 + "…")],
)
def test_a_label_has_room_on_an_axis(label: str, shown: str) -> None:
    assert short(label) == shown


def test_a_label_with_an_underscore_stands_in_the_legend() -> None:
    with drawing():
        _, axes = new_figure()
        axes.plot([0, 1], [0, 1], label=f"{short('_hidden')}: AUC 1")
        legend_above(axes)
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == [" _hidden: AUC 1"]
