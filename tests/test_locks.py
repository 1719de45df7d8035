"""One process at a time in a folder, and none for ever."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bertkit import locks
from bertkit.locks import LOCK, Occupied, held, holder_of, take

_HOLD = (
    "import sys; from pathlib import Path; from bertkit.locks import take; "
    "take(Path(sys.argv[1]), Path('r')); print('held', flush=True); sys.stdin.read()"
)


@contextmanager
def another(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of a folder until it is told or killed."""
    command = [sys.executable, "-c", _HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_process_is_told_of_the_first_and_a_dead_one_keeps_nobody_out(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        assert holder_of(tmp_path) == f"process {first.pid}"
        with pytest.raises(Occupied, match=rf"^runs/r: is being trained by process {first.pid}; wait"):
            take(tmp_path, Path("runs/r"))
        assert (tmp_path / LOCK).is_file()
        first.send_signal(signal.SIGKILL)
    assert (tmp_path / LOCK).is_file()
    assert holder_of(tmp_path) is None
    take(tmp_path, Path("r")).release()
    assert list(tmp_path.iterdir()) == []


def test_another_machine_is_named(tmp_path: Path) -> None:
    lock = take(tmp_path, Path("r"))
    os.pwrite(lock.descriptor, b"12 elsewhere\n", 0)
    os.ftruncate(lock.descriptor, len("12 elsewhere\n"))
    assert holder_of(tmp_path) == "process 12 on elsewhere"
    os.ftruncate(lock.descriptor, 0)  # a full disk
    assert holder_of(tmp_path) == "another process"
    lock.release()


def test_who_asks_for_the_holder_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / LOCK).touch()
    reader = os.open(tmp_path / LOCK, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    monkeypatch.setattr(locks.time, "sleep", lambda _: os.close(reader))  # the request has ended
    take(tmp_path, Path("r")).release()


def test_the_file_that_is_locked_is_the_one_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holder removes it at the end; whoever had opened it just before holds nothing."""
    opened = locks._opened
    gone = iter([True])

    def slow(path: Path, **options: bool) -> int:
        descriptor = opened(path, **options)
        if next(gone, False):
            path.unlink()
        return descriptor

    monkeypatch.setattr(locks, "_opened", slow)
    lock = take(tmp_path, Path("r"))
    assert os.fstat(lock.descriptor).st_ino == (tmp_path / LOCK).stat().st_ino
    lock.release()


def test_a_lock_goes_where_its_folder_goes(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    lock = take(tmp_path / "new", Path("r"))
    (tmp_path / "new").rename(tmp_path / "r")
    assert holder_of(tmp_path / "r") is not None
    lock.release(tmp_path / "r")
    assert list((tmp_path / "r").iterdir()) == []


def test_the_file_of_another_is_not_removed(tmp_path: Path) -> None:
    lock = take(tmp_path, Path("r"))
    (tmp_path / LOCK).unlink()
    (tmp_path / LOCK).touch()
    lock.release()
    assert (tmp_path / LOCK).exists()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    first, second = take(tmp_path, Path("r")), take(tmp_path, Path("r"))
    first.release()
    second.release()


def test_folders_that_were_made_and_left_empty_go_again(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with held(tmp_path / "own" / "a" / "b", Path("r")):
        pass
    assert list((tmp_path / "own").iterdir()) == []
    with held(tmp_path / "own", Path("r")):
        pass
    with held(tmp_path / "a" / "b", Path("r")):
        (tmp_path / "a" / "kept").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["own", "a", "kept"]


def test_a_link_in_the_place_of_the_lock_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / LOCK).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic links"):
        take(tmp_path, Path("r"))
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_folder_of_a_colleague_is_no_folder_that_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def not_to_be_made(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", not_to_be_made)
    with pytest.raises(PermissionError), held(tmp_path, tmp_path):
        pass
    (tmp_path / LOCK).write_text("")  # of a colleague's process that has died
    with held(tmp_path, tmp_path):
        assert holder_of(tmp_path) is not None
