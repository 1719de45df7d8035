"""What bertkit deletes is what bertkit writes, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bertkit.locks import LOCK
from bertkit.run_folder import is_bare, named, remove, remove_checkpoints, remove_temporaries, strangers

OURS = (
    ".write-test", "README.md", "baseline/overlap/baselines.json", "baseline/.training_rows.safetensors.tmp",
    "checkpoints/request.json", "checkpoints/setup/tokenizer.json", "checkpoints/best-000012/model.safetensors",
    "checkpoints/epoch-0003/model.safetensors", "checkpoints/step-1000000/optimizer.safetensors",
    "checkpoints/.step-000012.tmp/.state.json.tmp", "events/events.out.tfevents.17.host.1.0.gallery",
    "events/00012/validation/tensors.tsv", "events/00012/words/metadata.tsv", ".model.safetensors.tmp",
)  # fmt: skip
FOREIGN = (
    "thesis.txt", "baseline/notes/n.txt", "baseline/README.md", "checkpoints/step-mine/model.safetensors",
    "checkpoints/setup/data.tsv", "checkpoints/step-000012/notes.txt", "events/curves.png", "config.json/mine",
    ".thesis.txt.tmp", "model.safetensors.bak", "checkpoints/나의 것/a",
)  # fmt: skip


def write(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_all_that_a_run_holds_is_known(trained_run: Path) -> None:
    assert strangers(trained_run) == []


def test_all_that_is_anothers_is_found_and_stays(tmp_path: Path) -> None:
    write(tmp_path, (*OURS, *FOREIGN))
    assert strangers(tmp_path) == [
        ".thesis.txt.tmp", "baseline/README.md", "baseline/notes/", "checkpoints/setup/data.tsv",
        "checkpoints/step-000012/notes.txt", "checkpoints/step-mine/", "checkpoints/나의 것/", "config.json/",
        "events/curves.png", "model.safetensors.bak", "thesis.txt",
    ]  # fmt: skip
    remove(tmp_path)
    assert files(tmp_path) == set(FOREIGN)


def test_what_holds_nothing_else_is_gone(tmp_path: Path) -> None:
    run = tmp_path / "r"
    write(run, (*OURS, LOCK))
    assert strangers(run) == []
    remove(run)
    assert not run.exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "mine", ("baselines.json", "model.safetensors"))
    write(tmp_path / "r", ("README.md",))
    (tmp_path / "r" / "baseline").symlink_to(tmp_path / "mine")
    (tmp_path / "r" / "model.safetensors").symlink_to(tmp_path / "mine" / "model.safetensors")
    remove(tmp_path / "r")
    assert not (tmp_path / "r").exists()
    assert files(tmp_path / "mine") == {"baselines.json", "model.safetensors"}


def test_half_a_run_is_marked_as_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "r"
    write(run, (*OURS, LOCK, "bertkit.json"))
    unlink, left = Path.unlink, iter(range(3))

    def until_killed(path: Path, **options: bool) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", until_killed)
    with pytest.raises(KeyboardInterrupt):
        remove(run)
    assert not (run / LOCK).exists()
    assert (run / ".bertkit.gone").exists()
    assert not (run / "bertkit.json").exists()
    monkeypatch.undo()
    remove(run)
    assert not run.exists()


def test_checkpoints_that_are_kept_stay_whole(tmp_path: Path) -> None:
    write(tmp_path, (*(name for name in OURS if name.startswith("checkpoints/")), *FOREIGN))
    remove_checkpoints(tmp_path / "checkpoints", keep=["setup", "best-000012", "request.json"])
    kept = {"request.json", "setup/tokenizer.json", "best-000012/model.safetensors"}
    assert files(tmp_path) == {*(f"checkpoints/{name}" for name in kept), *FOREIGN}


def test_temporaries_alone_are_swept(tmp_path: Path) -> None:
    write(tmp_path, (*OURS, *FOREIGN))
    remove_temporaries(tmp_path)
    assert files(tmp_path) == {name for name in (*OURS, *FOREIGN) if ".tmp" not in name or name in FOREIGN}


@pytest.mark.parametrize(
    ("names", "bare"),
    [
        ((), True),
        ((LOCK,), True),
        ((LOCK, "checkpoints/.request.json.tmp"), True),
        (("checkpoints/.request.json.tmp",), False),
        ((LOCK, "checkpoints/request.json"), False),
        ((LOCK, "thesis.txt"), False),
        ((LOCK, "README.md"), False),
    ],
)
def test_a_folder_in_which_nothing_was_done(tmp_path: Path, names: tuple[str, ...], *, bare: bool) -> None:
    write(tmp_path, names)
    assert is_bare(tmp_path) == bare


def test_an_empty_folder_of_anybody_is_not_bare(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    assert not is_bare(tmp_path)
    shutil.rmtree(tmp_path / "checkpoints")
    assert is_bare(tmp_path)


def test_few_names_are_named() -> None:
    assert named(["a\x1b", "b"]) == "'a\\x1b', 'b'"
    assert named(list("abcde")) == "'a', 'b', 'c' and 2 more"
