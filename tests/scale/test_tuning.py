"""`bertkit tune`: a search that can be killed, joined and gone on with, in which validation rows alone decide."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.config import TrainConfig, from_mapping, read_toml
from bertkit.errors import NonFiniteError
from bertkit.scale.search import Dimension
from bertkit.scale.study import Study
from bertkit.scale.tune import Pair, Versus
from tests.conftest import pair_rows, write_tsv

pytest.importorskip("optuna")

SHAPE = ["--layers", "1", "--hidden", "16", "--heads", "2", "--vocab-size", "120", "--threads", "1"]
SPACE = "lr = {low = 1e-3, high = 1e-2, log = true}\ndropout = [0.0, 0.1]\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_tsv(tmp_path / "pairs.tsv", pair_rows(160), ("sentence1", "sentence2", "label"))


def tune_words(data: Path, *more: str) -> list[str]:
    space = data.parent / "space.toml"
    space.write_text(SPACE)
    fixed = ["--epochs", "2", "--validation-fraction", "0.25", "--space", str(space)]
    return ["tune", str(data), *SHAPE, *fixed, "--output", str(data.parent / "search"), *more]


def states(search: Path) -> list[str]:
    with sqlite3.connect(search / "study.db") as study:
        return [row[0] for row in study.execute("select state from trials order by number")]


def test_a_search_ends_with_a_config_a_table_a_page_and_a_sentence(rows: Path) -> None:
    words = tune_words(rows, "--trials", "3", "--seeds", "2", "--no-prune", "--quiet")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found, folder = json.loads(result.stdout), rows.parent / "search"
    assert found["counts"] == {"done": 3, "pruned": 0, "failed": 0, "running": 0}
    assert found["rows"] == 40
    assert found["trials"][0]["is_default"]
    assert found["best"]["value"] == max(trial["value"] for trial in found["trials"])
    assert all(trial["epochs"] == 2 for trial in found["trials"])
    table = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert list(table[0]) == [
        *("trial", "state", "value", "seconds", "epochs"), *("option.lr", "option.dropout"), *("default", "reason")
    ]  # fmt: skip
    assert [row["value"] for row in table] == [str(trial["value"]) for trial in found["trials"]]
    page = (folder / "tune.html").read_text()
    assert "<svg" in page
    assert found["sentence"][1:] in page
    if found["best"]["trial"] != 0:
        assert len(found["comparison"]["pairs"]) == 2
        assert "beyond noise" in found["sentence"]
    config = from_mapping(read_toml(folder / "best.toml"), source="best.toml", base=TrainConfig())
    assert config.epochs == 2
    if found["best"]["trial"] != 0:
        assert config.lr == found["best"]["options"]["lr"]
    # what is left of the trials is their figures
    assert not (folder / ".trials").exists()


def test_test_rows_that_are_held_out_say_at_the_end_what_the_best_is_worth(rows: Path) -> None:
    words = tune_words(rows, "--trials", "4", "--seeds", "2", "--test-fraction", "0.25", "--metric", "loss", "--quiet")
    (rows.parent / "space.toml").write_text("lr = [1e-3, 1e-2, 3e-2]\n")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found, folder = json.loads(result.stdout), rows.parent / "search"
    assert found["best"]["trial"] != 0
    assert (found["rows"], found["comparison"]["rows"], found["tested"]["rows"]) == (40, 40, 40)
    assert [pair["seed"] for pair in found["tested"]["pairs"]] == [1001, 1002]
    assert found["tested"]["pairs"] != found["comparison"]["pairs"]
    assert "2 seeds each, 40 held-out test rows; 95 % CI" in found["sentence"]
    assert "on the rows that chose it" in (folder / "tune.html").read_text()
    # what is stored is not trained again
    stored = json.loads((folder / "compared.json").read_text())
    stored["test"]["pairs"][0]["best"] = 0.123
    (folder / "compared.json").write_text(json.dumps(stored))
    again = CliRunner().invoke(app, ["tune", "--resume", "--output", str(folder), "--quiet"])
    assert json.loads(again.stdout)["tested"]["pairs"][0]["best"] == 0.123


def test_the_test_split_of_the_data_does_not_change_what_decides(rows: Path) -> None:
    """It is not read: other labels in it change no figure of the search."""
    words = tune_words(rows, "--trials", "2", "--seeds", "0", "--quiet")
    tests = rows.parent / "data"
    tests.mkdir()
    (tests / "train.tsv").write_text(rows.read_text())
    figures = []
    for number, label in enumerate(("0", "1")):
        (tests / "test.tsv").write_text(f"sentence1\tsentence2\tlabel\nthe cat\tsees music\t{label}\n")
        words[1], words[-6] = str(tests), str(rows.parent / f"search-{number}")
        assert words[-7] == "--output"
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        figures.append([trial["value"] for trial in json.loads(result.stdout)["trials"]])
    assert figures[0] == figures[1]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("colour = [1]\n", "no option is called 'colour'"),
        ("seed = [1, 2]\n", "--seed is the same for all trials"),
        ("lr = {low = 1.0, high = 0.1}\n", "low must be below high"),
        ("dropout = [2.0]\n", "--dropout 2"),
        ("epochs = [1, 2]\n", "which is also given"),
        ("lr = [0.1, 0.1]\n", "names a choice twice"),
        ("", "names no option"),
    ],
)
def test_a_space_that_cannot_be_is_refused_before_anything_is_made(rows: Path, space: str, said: str) -> None:
    words = tune_words(rows, "--quiet")
    (rows.parent / "space.toml").write_text(space)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (rows.parent / "search").exists()


def test_a_folder_that_is_no_search_is_not_gone_on_with(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["tune", "--resume", "--output", str(tmp_path)])
    assert result.exit_code == 3
    assert "is not a search" in result.stderr


def test_a_trial_that_fails_is_kept_and_said_and_ends_nothing(rows: Path) -> None:
    words = tune_words(rows, "--trials", "4", "--seeds", "0")
    words[words.index("--heads") : words.index("--heads") + 2] = []
    # of 16 hidden units no three heads can be made
    (rows.parent / "space.toml").write_text("heads = [2, 3]\n")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    failed = [trial for trial in found["trials"] if trial["state"] == "failed"]
    assert {trial["options"]["heads"] for trial in failed} == {3}
    assert all("--heads 3 does not divide" in trial["reason"] for trial in failed)
    assert result.stderr.count("failed: --heads 3") == len(failed) >= 1
    assert found["counts"]["done"] + len(failed) == 4
    table = csv.DictReader((rows.parent / "search/trials.csv").read_text().splitlines())
    assert sum(row["state"] == "failed" for row in table) == len(failed)


def test_where_every_trial_fails_the_reason_is_the_answer(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NonFiniteError("step 3: the loss is nan.")

    monkeypatch.setattr("bertkit.scale.tune.train_trial", fail)
    result = CliRunner().invoke(app, tune_words(rows, "--trials", "2", "--quiet"))
    assert result.exit_code == 3
    assert "none of 2 trials has ended with a score; the first: step 3: the loss is nan." in result.stderr


def test_a_search_that_had_minutes_goes_on_for_as_many_and_none_are_enough_to_end_it(rows: Path) -> None:
    words = tune_words(rows, "--minutes", "0.02", "--seeds", "0", "--quiet")
    begun = CliRunner().invoke(app, words)
    assert begun.exit_code == 0, begun.output
    counts = [json.loads(begun.stdout)["counts"]["done"]]
    resume = ["tune", "--resume", "--output", str(rows.parent / "search"), "--quiet"]
    for more in (["--minutes", "0"], ["--trials", str(counts[0] + 1)], []):
        result = CliRunner().invoke(app, [*resume, *more])
        assert result.exit_code == 0, result.output
        counts.append(json.loads(result.stdout)["counts"]["done"])
    first, ended, one_more, again = counts
    assert 1 <= first == ended == one_more - 1 < one_more < again


def test_what_a_search_has_chosen_is_not_chosen_again(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = tune_words(rows, "--trials", "1", "--seeds", "0", "--quiet")
    assert CliRunner().invoke(app, words).exit_code == 0
    resume = ["tune", "--resume", "--output", str(rows.parent / "search"), "--quiet"]
    other = CliRunner().invoke(app, [*resume, "--epochs", "3"])
    assert other.exit_code == 2
    assert "leave --epochs out" in other.stderr
    # the environment may say again what it said at the beginning
    monkeypatch.setenv("BERTKIT_EPOCHS", "2")
    assert CliRunner().invoke(app, resume).exit_code == 0
    rows.write_text(rows.read_text() + "the cat sees music\ta dog sees music\t1\n")
    changed = CliRunner().invoke(app, resume)
    assert changed.exit_code == 3
    assert "the data has changed" in changed.stderr


@pytest.mark.parametrize("prunes", [True, False])
def test_a_trial_that_lags_behind_ends_early_but_not_in_its_first_epoch(tmp_path: Path, prunes: bool) -> None:
    space = {"lr": Dimension("lr", low=1e-4, high=1e-2, log=True)}
    study = Study(tmp_path, space, {"lr": 1e-3}, is_rising=True, seed=1, prunes=prunes)
    with study.process():
        for _ in range(4):
            claim = study.claim(None)
            assert claim is not None
            assert not any(claim.lags(0.8, epoch) for epoch in (1, 2, 3))
            claim.done(0.8, 1.0)
        lagging = study.claim(None)
        assert lagging is not None
        assert [lagging.lags(0.5, epoch) for epoch in (1, 2)] == [False, prunes]
        lagging.pruned(1.0)
        assert study.claim(5) is None
    found = study.trials()
    assert [trial.state for trial in found] == ["done"] * 4 + ["pruned"]
    assert (found[0].is_default, found[0].options, found[4].epochs, found[4].value) == (True, {"lr": 1e-3}, 2, None)


def test_every_option_is_weighed_where_the_space_does_not_hold_the_default_recipe(tmp_path: Path) -> None:
    space = {"lr": Dimension("lr", low=1e-3, high=1e-1, log=True), "dropout": Dimension("dropout", choices=(0.0, 0.1))}
    study = Study(tmp_path, space, {"lr": 1e-5, "dropout": 0.1}, is_rising=True, seed=1, prunes=True)
    with study.process():
        for number in range(9):
            claim = study.claim(None)
            assert claim is not None
            claim.done(math.log(claim.options.get("lr", 1e-5)), 1.0)
            assert bool(study.importances()) == (number == 8)
    found = study.importances()
    assert found["lr"] > 0.8
    assert set(found) == {"lr", "dropout"}


def test_the_interval_of_the_comparison_holds_rows_and_seeds() -> None:
    same = (Pair(1, 0.8, 0.7, (0.05, 0.15)), Pair(2, 0.8, 0.7, (0.05, 0.15)))
    assert Versus("accuracy", 100, same).interval == pytest.approx((0.05, 0.15))
    varied = (Pair(1, 0.8, 0.7, (0.05, 0.15)), Pair(2, 0.7, 0.7, (-0.05, 0.05)))
    # t of one degree of freedom, times the standard error of two differences 0.1 apart
    reach = math.hypot(0.05, 12.7062 * 0.05)
    assert Versus("accuracy", 100, varied).interval == pytest.approx((0.05 - reach, 0.05 + reach), abs=1e-4)
    assert "does not differ" in Versus("accuracy", 100, varied).sentence
    better = (
        "the best trial is better than the default recipe beyond noise (accuracy 0.8000 against 0.7000, 2 seeds each,"
    )
    assert Versus("accuracy", 100, same).sentence.startswith(f"{better} 100 validation rows;")
    assert "--test-fraction scores both" in Versus("accuracy", 100, same).sentence
    tested = Versus("accuracy", 50, same, is_test=True).sentence
    assert tested.startswith(f"{better} 50 held-out test rows;")
    assert "--test-fraction" not in tested
    assert "is worse than the default recipe" in Versus("loss", 100, same).sentence


def start(words: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bertkit", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def wait_for(search: Path, wanted: str, count: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if (search / "study.db").exists():
            try:
                if states(search).count(wanted) >= count:
                    return
            except sqlite3.Error:  # its tables are not there yet
                pass
        time.sleep(0.05)
    pytest.fail(f"no {count} trials are {wanted}")


@pytest.mark.slow
def test_a_killed_search_goes_on_and_ends_as_one_that_was_not(rows: Path) -> None:
    words = tune_words(rows, "--trials", "5", "--seeds", "0", "--epochs", "6")
    search = rows.parent / "search"
    whole = [*words]
    whole[whole.index("--output") + 1] = str(rows.parent / "whole")
    process = start(words)
    wait_for(search, "COMPLETE", 2, process)
    wait_for(search, "RUNNING", 1, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gone_on = CliRunner().invoke(app, ["tune", "--resume", "--output", str(search), "--quiet"])
    assert gone_on.exit_code == 0, gone_on.output
    found = json.loads(gone_on.stdout)
    assert found["counts"]["running"] == 0
    dead = [trial for trial in found["trials"] if trial["state"] == "failed"]
    assert [trial["reason"] for trial in dead] == ["its process was ended"] * len(dead)
    assert found["counts"]["done"] + found["counts"]["pruned"] == 5
    uncut = json.loads(CliRunner().invoke(app, [*whole, "--quiet"]).stdout)
    assert not [name for name in (".trials", ".processes") if (search / name).exists()]
    # the trials before the kill are the same ones
    assert [t["value"] for t in found["trials"][:2]] == [t["value"] for t in uncut["trials"][:2]]


@pytest.mark.slow
def test_two_processes_share_one_search(rows: Path) -> None:
    words = tune_words(rows, "--trials", "6", "--seeds", "0", "--no-prune")
    search = rows.parent / "search"
    first = start(words)
    wait_for(search, "RUNNING", 1, first)
    second = start(["tune", "--resume", "--output", str(search)])
    ends = [process.communicate(timeout=300) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ends
    assert states(search) == ["COMPLETE"] * 6
    assert (search / "best.toml").exists()
    with sqlite3.connect(search / "study.db") as study:
        takers = study.execute("select distinct value_json from trial_user_attributes where key = 'process'").fetchall()
    assert len(takers) == 2
