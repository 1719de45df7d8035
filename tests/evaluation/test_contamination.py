"""Which rows were trained on, and files of a run that are missing or may not be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bertkit.baselines.tfidf import read_baseline_files, write_baseline_files
from bertkit.data.records import Example
from bertkit.errors import PlaceError, RunError
from bertkit.evaluation.run import HASHES, EvalRequest, count_known, evaluate_run, save_hashes


def rows(*texts: str) -> list[Example]:
    return [Example((text,), None, i, "x") for i, text in enumerate(texts)]


def test_rows_are_known_again_whatever_their_case_and_spaces(tmp_path: Path) -> None:
    save_hashes(rows("The shop", "가게", "old"), "salt", tmp_path, is_pair=False)
    assert count_known(rows("the  SHOP ", "가게", "new"), "salt", tmp_path, is_pair=False) == 2
    assert count_known(rows("the shop"), "other salt", tmp_path, is_pair=False) == 0


def test_hashes_that_are_gone_are_not_none_known(trained_run: Path, tmp_path: Path) -> None:
    assert count_known(rows("a"), "salt", tmp_path, is_pair=False) is None
    copy = tmp_path / "copy"
    shutil.copytree(trained_run, copy)
    (copy / "baseline" / HASHES).unlink()
    warnings = evaluate_run(EvalRequest(copy)).warnings
    assert sum(f"the run has lost {HASHES}" in warning for warning in warnings) == 1
    assert not any(HASHES in warning for warning in evaluate_run(EvalRequest(trained_run)).warnings)


def test_a_right_that_is_missing_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_hashes(rows("a"), "salt", tmp_path, is_pair=False)
    write_baseline_files(tmp_path, {}, {})

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PlaceError, match=f"{HASHES}: Permission denied; ask its owner"):
        count_known(rows("a"), "salt", tmp_path, is_pair=False)
    with pytest.raises(PlaceError, match=r"baselines\.json: Permission denied; ask its owner"):
        read_baseline_files(tmp_path)


def test_damage_is_called_damage(tmp_path: Path) -> None:
    (tmp_path / HASHES).write_bytes(b"no tensors")
    with pytest.raises(RunError, match="the run is damaged"):
        count_known(rows("a"), "salt", tmp_path, is_pair=False)


def test_a_run_that_is_replaced_while_it_is_evaluated(trained_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    shutil.copytree(trained_run, tmp_path / "new")

    def swap(_: str) -> None:
        if (tmp_path / "new").exists():
            run.rename(tmp_path / "old")
            (tmp_path / "new").rename(run)

    with pytest.raises(RunError, match="was replaced by another run while it was read"):
        evaluate_run(EvalRequest(run), swap)
