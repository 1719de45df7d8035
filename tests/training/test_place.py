"""Which folder a training takes, what it refuses to touch, and what it leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bertkit import bundle
from bertkit.config import TrainConfig
from bertkit.errors import BertkitError, DataError, Interrupted, OutputError, RunError, StrictError, UsageError
from bertkit.locks import LOCK, Occupied, take
from bertkit.models.registry import find_model
from bertkit.run_folder import REQUEST, next_of, old_of
from bertkit.training.place import opened
from bertkit.training.run import plan_training, train
from tests.training.small_runs import (
    LAST_STEP,
    content,
    data_file,
    killed_between_the_renames,
    learnt,
    request,
    resume,
    stopped_at,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs on one file: old (seed 9) and new (seed 1)."""
    folder = tmp_path_factory.mktemp("place")
    data = data_file(folder)
    train(request(data, folder / "old", seed=9))
    train(request(data, folder / "new"))
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the data and a run r."""
    shutil.copy(trained / "data.tsv", tmp_path)
    shutil.copytree(trained / "old", tmp_path / "r")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def again() -> TrainConfig:
    """A training that is to replace r."""
    return request(Path("data.tsv"), "r", force=True)


# What --force must not delete


def _thesis(here: Path) -> TrainConfig:
    shutil.rmtree(here / "r")
    (here / "r" / "checkpoints").mkdir(parents=True)
    (here / "r" / "thesis.txt").write_text("years")
    return request(here / "data.tsv", "r", force=True)


def _a_model_of_anybody(here: Path) -> TrainConfig:
    (here / "r" / "bertkit.json").write_text("{}")
    return request(here / "data.tsv", "r", force=True)


def _notes(here: Path) -> TrainConfig:
    (here / "r" / "baseline" / "notes").mkdir()
    return request(here / "data.tsv", "r", force=True)


def _data_inside(here: Path) -> TrainConfig:
    (here / "data.tsv").rename(here / "r" / "metrics.json")
    return request(Path("r", "metrics.json"), "r", force=True)


def _data_through_links(here: Path) -> TrainConfig:
    (here / "data.tsv").rename(here / "r" / "metrics.json")
    (here / "other").symlink_to("r")
    return request(Path("metrics.json"), "r", data_dir="other", force=True)


def _model_inside(here: Path) -> TrainConfig:
    return request(here / "data.tsv", "r", model=str(here / "r"), force=True)


def _tokenizer_inside(here: Path) -> TrainConfig:
    return request(here / "data.tsv", "r", tokenizer="r", vocab_size=None, force=True)


def _working_directory(here: Path) -> TrainConfig:
    os.chdir(here / "r")
    return request(here / "data.tsv", ".", force=True)


def _below_it(here: Path) -> TrainConfig:
    os.chdir(here / "r" / "baseline")
    return request(here / "data.tsv", here / "r", force=True)


def _in_the_unfinished_one(here: Path) -> TrainConfig:
    shutil.copytree(here / "r", next_of(here / "r"))
    (next_of(here / "r") / "mine").touch()
    return request(here / "data.tsv", "r", force=True)


def _in_the_way(here: Path) -> TrainConfig:
    old_of(here / "r").mkdir()
    (old_of(here / "r") / "README.md").touch()
    return request(here / "data.tsv", "r", force=True)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (
            _thesis,
            r"--output r: holds files that are not a run of bertkit \('thesis.txt'\); --force does not replace them",
        ),
        (_a_model_of_anybody, "--output r: holds files that are not a run of bertkit; --force does not replace them"),
        (_notes, "--output r: holds 'baseline/notes/' that bertkit has not written"),
        (_data_inside, "--output r: DATA 'r/metrics.json' is there"),
        (_data_through_links, "--output r: --data-dir 'other' is there"),
        (_model_inside, "--output r: --model '.*r' is there"),
        (_tokenizer_inside, "--output r: --tokenizer 'r' is there"),
        (_working_directory, r"--output \.: the working directory is there"),
        (_below_it, "--output .*r: the working directory is there"),
        (_in_the_unfinished_one, "holds 'mine' that bertkit has not written"),
        (_in_the_way, "is where the old run would be put aside; rename what is there"),
    ],
)
def test_force_deletes_nothing_of_others(here: Path, prepare: Callable[[Path], TrainConfig], said: str) -> None:
    config = prepare(here)
    before = content(here)
    with pytest.raises(OutputError, match=said):
        train(config)
    assert content(here) == before


def test_a_mount_point_cannot_be_replaced(here: Path, again: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "r")
    with pytest.raises(OutputError, match="--output r: is a mount point"):
        train(again)


def test_resume_writes_into_no_folder_of_others(here: Path) -> None:
    _a_model_of_anybody(here)
    before = content(here)
    with pytest.raises(OutputError, match="--resume does not replace them"):
        train(request(here / "data.tsv", "r", resume=True))
    assert content(here) == before


# What a training that fails leaves behind


def bad_data(here: Path) -> Path:
    (here / "bad.tsv").write_text("text\tlabel\nonly one field\n")
    return here / "bad.tsv"


@pytest.mark.parametrize("output", ["r", "new", "a/b/new", "empty"])
def test_nothing_is_left_where_nothing_was_trained(here: Path, output: str) -> None:
    (here / "empty").mkdir()
    data, before = bad_data(here), content(here)
    before["bad.tsv"] = data.read_bytes()
    with pytest.raises(DataError):
        train(request(data, output, force=output == "r"))
    with pytest.raises(BertkitError):
        train(request(here / "data.tsv", output, force=output == "r", class_weights="nonsense"))
    with pytest.raises(UsageError, match=r"no training was started in .*; name DATA"):
        train(TrainConfig(output="nowhere", resume=True))
    assert content(here) == before


def test_strict_leaves_nothing_where_it_trains_nothing(here: Path) -> None:
    (here / "data.tsv").write_text(
        (here / "data.tsv").read_text() + "good thing and another good thing and one more\tpos\n" * 2
    )
    before = content(here)
    with pytest.raises(StrictError, match="Nothing was trained"):
        train(request(here / "data.tsv", "r", force=True, strict=True, max_length=8))
    assert content(here) == before


# Replacing a run


def test_a_replaced_run_is_as_one_trained_there(here: Path, again: TrainConfig, trained: Path) -> None:
    (here / "link").symlink_to("r")
    heard: list[object] = []
    result = train(replace(again, output="link"), heard.append)
    assert result.run == "link"
    assert learnt(here / "r") == learnt(trained / "new")
    assert {path.name for path in here.iterdir()} == {"data.tsv", "r", "link"}
    assert content(here / "r").keys() == content(trained / "new").keys()
    said = " ".join(map(str, heard)) + "".join((here / "r" / n).read_text() for n in ("bertkit.json", "README.md"))
    assert ".next" not in said


@pytest.mark.parametrize("step", [2, LAST_STEP])
def test_an_interrupted_replacement_loses_nothing_and_goes_on_from_anywhere(
    here: Path, again: TrainConfig, trained: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    with pytest.raises(Interrupted, match="`bertkit train --resume --output r`"):
        train(again, stopped_at(step))
    assert content(here / "r") == content(trained / "old")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    resume("../r")
    assert learnt(here / "r") == learnt(trained / "new")
    assert {path.name for path in here.iterdir()} == {"data.tsv", "r", "elsewhere"}


def test_what_waits_beside_a_run_is_begun_anew_with_force_only(here: Path, again: TrainConfig, trained: Path) -> None:
    with pytest.raises(Interrupted):
        train(replace(again, seed=3), stopped_at(3))
    shutil.rmtree(here / "r")
    with pytest.raises(OutputError, match="a training that is to replace it has not finished"):
        train(replace(again, force=False))
    train(again)
    assert learnt(here / "r") == learnt(trained / "new")
    assert {path.name for path in here.iterdir()} == {"data.tsv", "r"}


def test_notes_that_come_while_it_trains_are_not_deleted(here: Path, again: TrainConfig, trained: Path) -> None:
    def take_notes(event: object) -> None:
        (here / "r" / "notes.txt").write_text("mine")

    with pytest.raises(OutputError, match=r"r: holds 'notes.txt' .*the new run, which is whole, stays in .*\.r\.next"):
        train(again, take_notes)
    (here / "r" / "notes.txt").rename(here / "notes.txt")
    assert content(here / "r") == content(trained / "old")
    resume("r")
    assert learnt(here / "r") == learnt(trained / "new")
    assert {path.name for path in here.iterdir()} == {"data.tsv", "r", "notes.txt"}


@pytest.mark.parametrize("command", ["eval", "tokenize", "train"])
def test_a_kill_between_the_renames_is_made_good(here: Path, trained: Path, command: str) -> None:
    killed_between_the_renames(here / "r", trained / "new")
    match command:
        case "eval":
            assert bundle.load(Path("r")).manifest.training["steps"] == LAST_STEP
        case "tokenize":
            assert find_model("r").name == "r"
        case _:
            with pytest.raises(OutputError, match="not empty"):
                train(request(here / "data.tsv", "r"))
    assert learnt(here / "r") == learnt(trained / "old")
    resume("r")
    assert content(here / "r") == content(trained / "new")
    assert {path.name for path in here.iterdir()} == {"data.tsv", "r"}


def test_a_new_folder_does_not_hide_the_run_that_lost_its_name(here: Path, trained: Path) -> None:
    killed_between_the_renames(here / "r", trained / "new")
    (here / "r").mkdir()
    with pytest.raises(OutputError, match="not empty"):
        train(request(here / "data.tsv", "r"))
    assert learnt(here / "r") == learnt(trained / "old")


def test_a_swap_that_fails_changes_nothing(
    here: Path, again: TrainConfig, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def second_fails(path: Path, target: Path) -> Path:
        if path == next_of(here / "r"):
            raise OSError(16, "Device or resource busy")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(OutputError, match=r"^r: cannot be written .*busy.*; continue with `bertkit train --resume"):
        train(again)
    assert content(here / "r") == content(trained / "old")
    monkeypatch.undo()
    monkeypatch.chdir(here)
    resume("r")
    assert learnt(here / "r") == learnt(trained / "new")


# Going on


def test_the_request_is_there_before_anything_is_read(here: Path, trained: Path) -> None:
    with pytest.raises(Interrupted, match=r"^interrupted; continue with `bertkit train --resume --output 'a run'`\.$"):
        train(request(Path("data.tsv"), "a run"), lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert content(here / "a run").keys() == {"checkpoints", str(REQUEST)}
    with pytest.raises(RunError, match="its training has not finished; continue with `bertkit train --resume --output"):
        bundle.load_manifest(here / "a run")
    with pytest.raises(OutputError, match="not empty"):
        train(request(Path("data.tsv"), "a run"))
    (here / "elsewhere").mkdir()
    os.chdir(here / "elsewhere")
    resume("../a run")
    assert learnt(here / "a run") == learnt(trained / "new")
    assert content(here / "a run").keys() == content(trained / "new").keys()


def test_no_way_on_is_promised_where_nothing_is_stored(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(here)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bertkit.training.place.write_json", interrupted)
    with pytest.raises(Interrupted, match="nothing is left behind"):
        train(request(here / "data.tsv", "new"))
    assert content(here) == before


def test_what_is_asked_when_nothing_was_learnt_goes_before_what_was_asked_first(here: Path, trained: Path) -> None:
    with pytest.raises(Interrupted):
        train(request(here / "data.tsv", "new", seed=4), lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    resume("new", seed=9, given=frozenset({"seed"}))
    assert learnt(here / "new") == learnt(trained / "old")


def test_a_file_of_a_user_among_the_checkpoints_outlives_them(here: Path, trained: Path) -> None:
    with pytest.raises(Interrupted):
        train(request(here / "data.tsv", "new"), stopped_at(4))
    (newest,) = (here / "new" / "checkpoints").glob("step-*")
    mine = ["checkpoints/step-notes/n.txt", "checkpoints/mine.txt", f"checkpoints/{newest.name}/n.txt"]
    for name in mine:
        (here / "new" / name).parent.mkdir(exist_ok=True)
        (here / "new" / name).write_text("mine")
    resume("new")
    assert learnt(here / "new") == learnt(trained / "new")
    left = [name for name in content(here / "new").keys() - content(trained / "new").keys() if name.endswith(".txt")]
    assert sorted(left) == sorted(mine)


@pytest.mark.parametrize(("kept_then", "kept_now"), [(False, False), (True, False), (False, True)])
def test_a_run_that_was_killed_when_it_was_whole_is_cleaned(
    here: Path, trained: Path, *, kept_then: bool, kept_now: bool
) -> None:
    with pytest.raises(Interrupted):
        train(request(here / "data.tsv", "new", keep_checkpoints=kept_then), stopped_at(4))
    shutil.copytree(trained / "new", here / "new", dirs_exist_ok=True)
    (here / "new" / "checkpoints" / ".step-000005.tmp").mkdir()
    for left in (LOCK, ".model.safetensors.tmp"):
        (here / "new" / left).touch()
    resume("new", keep_checkpoints=kept_now)
    steps = {name for name in content(here / "new") if name.startswith("checkpoints")}
    assert content(here / "new").keys() - steps == content(trained / "new").keys()
    assert any("/step-" in name for name in steps) == (kept_then or kept_now)
    assert not any(".tmp" in name or name == str(REQUEST) for name in steps)
    resume("new")  # and now that it is clean, what is kept stays
    assert steps == {name for name in content(here / "new") if name.startswith("checkpoints")}


# One at a time


@pytest.mark.parametrize("changes", [{"resume": True}, {"force": True}, {}])
@pytest.mark.parametrize("held", ["r", ".r.old"])
def test_who_trains_there_is_left_alone(here: Path, changes: dict[str, bool], held: str) -> None:
    if held != "r":  # the holder is in the middle of a swap
        (here / "r").rename(here / held)
    lock = take(here / held, Path("r"))
    before = content(here)
    with pytest.raises(Occupied, match=f"^r: is being trained by process {os.getpid()}; wait"):
        train(request(here / "data.tsv", "r", **changes))
    assert content(here) == before
    lock.release()


def test_of_two_without_a_name_the_second_takes_the_next(here: Path) -> None:
    config = request(Path("data.tsv"), "")
    with opened(config) as first, opened(config) as second:
        assert (first.shown, second.shown) == (Path("runs/data.tsv-auto"), Path("runs/data.tsv-auto-2"))
    for place in (first, second):
        assert [path.name for path in place.shown.iterdir()] == ["checkpoints"]


def test_an_unfinished_run_is_found_without_its_name(here: Path, trained: Path) -> None:
    config = request(Path("data.tsv"), "", force=True)
    shutil.copytree(here / "r", here / "runs" / "data.tsv-auto")
    with pytest.raises(Interrupted):
        train(config, stopped_at(2))
    train(replace(config, resume=True, force=False))
    assert learnt(here / "runs" / "data.tsv-auto") == learnt(trained / "new")


def test_a_plan_touches_nothing(here: Path, again: TrainConfig, trained: Path) -> None:
    before = content(here)
    assert plan_training(again).total_steps == LAST_STEP
    killed_between_the_renames(here / "r", trained / "new")
    plan_training(again)
    assert not (here / "r").exists()
    before.pop("data.tsv")


# What colleagues see


@pytest.fixture
def usual_mask() -> Iterator[None]:
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@pytest.mark.usefixtures("usual_mask")
def test_colleagues_can_read_a_run_and_its_checkpoints(here: Path) -> None:
    train(request(here / "data.tsv", "new", keep_checkpoints=True, tensorboard=True, epochs=1))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (here / "new").rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (here / "new").rglob("*") if path.is_dir()} == {0o755}


def test_the_request_says_what_was_asked(here: Path) -> None:
    with opened(request(Path("data.tsv"), "new", model="r", tokenizer="r")) as place:
        stored = json.loads((place.work / REQUEST).read_text())
    assert stored["config"]["data"] == ["data.tsv"]
    assert stored["lasting"] == {
        "data": [str(here / "data.tsv")], "data_dir": None, "model": str(here / "r"), "tokenizer": str(here / "r"),
    }  # fmt: skip
