"""What a run stores of DATA must name the same rows later, from any directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertkit import plain
from bertkit.config import TrainConfig
from bertkit.data.splits import DataRequest
from bertkit.errors import DataError
from bertkit.run_folder import resume_command
from bertkit.tasks.rows import load_splits

HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"


def write_mrpc(folder: Path, *, rows: int = 20) -> None:
    folder.mkdir(parents=True)
    lines = [f"{i % 2}\t{2 * i}\t{2 * i + 1}\tThe shop {i} opens.\tShop {i} is open.\n" for i in range(rows)]
    (folder / "msr_paraphrase_train.txt").write_text(HEADER + "".join(lines), encoding="utf-8")


def stored(request: DataRequest) -> DataRequest:
    return DataRequest.from_json(request.to_json())


def test_a_data_set_stays_one_where_a_directory_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mrpc(tmp_path / "data" / "mrpc")
    (tmp_path / "mrpc").mkdir()  # such as a run that somebody calls after its data
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BERTKIT_DATA", str(tmp_path / "data"))
    request = DataRequest(("mrpc",))
    assert stored(request).names == ("mrpc",)
    assert load_splits(stored(request)).fingerprint == load_splits(request).fingerprint


@pytest.mark.parametrize("name", ["sample:paraphrase", "hf:someone/pairs"])
def test_names_of_samples_and_hubs_are_kept(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir(parents=True)
    assert stored(DataRequest((name,))).names == (name,)


def test_paths_mean_the_same_from_another_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, rows in (("tables", 20), ("here", 30)):
        write_mrpc(tmp_path / folder, rows=rows)
    monkeypatch.chdir(tmp_path / "here")
    name = "msr_paraphrase_train.txt"
    here, below = DataRequest((name,)), DataRequest((name,), data_dir="../tables")
    assert [len(load_splits(r).splits["train"]) for r in (here, below)] == [27, 18]
    kept = stored(here), stored(below)
    monkeypatch.chdir(tmp_path)
    assert [len(load_splits(r).splits["train"]) for r in kept] == [27, 18]


def test_a_file_that_is_gone_is_still_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert stored(DataRequest(("rows.tsv",))).names == (str(tmp_path / "rows.tsv"),)


def test_standard_input_is_stored_as_such_and_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = str(tmp_path / "stdin")
    plain.keeps_stdin(kept)
    assert stored(DataRequest((kept,))).names == ("-",)
    assert TrainConfig(data=(kept,)).saved()["data"] == ("-",)
    assert resume_command(Path("runs/a")) == "`cat ROWS | bertkit train - --resume --output runs/a`"
    with pytest.raises(DataError, match="came from standard input and was not kept; name DATA again"):
        load_splits(stored(DataRequest((kept,))))
