"""Where a run lies while it is replaced, and how it gets its name back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit import run_folder
from bertkit.errors import PlaceError, RunError
from bertkit.locks import LOCK, take
from bertkit.run_folder import is_run, is_unfinished, next_of, old_of, put_back, read_steadily, unchanged, why_no_run

MANIFEST = {"format_version": 1, "task": "classify", "settings": {}}


def make_run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "bertkit.json").write_text(json.dumps(MANIFEST))
    (folder / LOCK).touch()
    return folder


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folder, "_PATIENCE_S", 0.05)


@pytest.mark.parametrize("name", ["r", "실행", "r" * 250])
def test_a_run_gets_its_name_back(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    make_run(old_of(place))
    (tmp_path / "link").symlink_to(place)
    put_back(tmp_path / "link")
    assert is_run(place)
    assert not old_of(place).exists()


def test_not_while_a_living_process_swaps(tmp_path: Path) -> None:
    old = make_run(old_of(tmp_path / "r"))
    lock = take(old, Path("r"))
    put_back(tmp_path / "r")
    assert not (tmp_path / "r").exists()
    lock.release()


def test_not_in_the_place_of_something_else_nor_what_is_not_bertkits(tmp_path: Path) -> None:
    make_run(old_of(tmp_path / "r"))
    (tmp_path / "r").mkdir()
    put_back(tmp_path / "r")
    assert old_of(tmp_path / "r").exists()
    own = old_of(tmp_path / "notes")
    own.mkdir()
    (own / "README.md").touch()
    put_back(tmp_path / "notes")
    assert (own / "README.md").exists()


def test_who_may_not_move_it_is_told_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_run(old_of(tmp_path / "r"))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(RunError, match=rf"the run is in {old} \(Permission denied\)"):
        put_back(tmp_path / "r")


def test_a_run_that_may_not_be_read_is_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "r")

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PlaceError, match=r"bertkit\.json: Permission denied; ask its owner"):
        is_run(run)


def test_two_runs_are_not_read_as_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    with unchanged(run):
        (run / "metrics.json").touch()
    make_run(tmp_path / "other")
    with pytest.raises(RunError, match="was replaced by another run"), unchanged(run):
        _swap(run, tmp_path / "other")


def test_a_run_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    run, other = make_run(tmp_path / "r"), make_run(tmp_path / "other")
    (other / "metrics.json").touch()
    tries = iter([True])

    def read() -> list[str]:
        if next(tries, False):
            _swap(run, other)
            raise RunError("half of each")
        return sorted(path.name for path in run.iterdir())

    assert "metrics.json" in read_steadily(run, read)
    with pytest.raises(RunError, match="damaged"):
        read_steadily(run, lambda: _fail("damaged"))


def test_what_is_there_is_known_by_what_it_says(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    for text in ("{}", "[]", "", '{"format_version": 1}', "[" * 100_000):
        (run / "bertkit.json").write_text(text)
        assert not is_run(run), text[:20]
    setup = run / "checkpoints" / "setup" / "setup.json"
    setup.parent.mkdir(parents=True)
    setup.write_text(json.dumps({"config": {}, "fingerprint": "", "placement": {}}))
    assert is_run(run)
    assert not is_unfinished(run)
    (run / "bertkit.json").unlink()
    assert is_unfinished(run)


def test_why_no_run(tmp_path: Path) -> None:
    assert "no such run directory" in why_no_run(tmp_path / "r")
    place = tmp_path / "a run"
    place.mkdir()
    (place / "checkpoints").mkdir()  # anybody's
    assert "is not a run directory" in why_no_run(place)
    lock = take(place, place)
    assert "is being trained by process" in why_no_run(place)
    lock.release()
    make_run(next_of(place))
    assert f"`bertkit train --resume --output '{place}'`" in why_no_run(place)
    assert "is not a run directory" in why_no_run(Path("/"))


def _fail(reason: str) -> None:
    raise RunError(reason)


def _swap(run: Path, other: Path) -> None:
    run.rename(run.with_name("gone"))
    other.rename(run)
