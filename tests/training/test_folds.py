"""train --folds: every row is answered by a model without it; inspect-data --run lists probable label errors."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.audit.labels import doubts_of, surest_first
from bertkit.cli import train as training_view
from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.errors import Interrupted, UsageError
from bertkit.training.finish import ROWS, SCORES, FoldStep
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, TrainResult, train
from tests.conftest import write_tsv
from tests.training.test_multilabel import rows as label_sets
from tests.training.test_multilabel import write
from tests.training.test_run import small

WORDS = {"good": "fine great lovely", "bad": "poor awful dull"}
TURNED = 10
Made = tuple[Path, TrainResult, TrainConfig, list[int]]
"""The run, what was said of it, how it was asked for, and the lines whose labels were turned."""


def table(path: Path, n: int = 160) -> tuple[Path, list[int]]:
    """Texts whose words say the label; of some it is turned. Returns their lines."""
    rng = random.Random(0)
    labels = [rng.choice(sorted(WORDS)) for _ in range(n)]
    texts = [" ".join(rng.choice(WORDS[label].split()) for _ in range(4)) + f" {i}" for i, label in enumerate(labels)]
    turned = sorted(rng.sample(range(n), TURNED))
    for i in turned:
        labels[i] = "bad" if labels[i] == "good" else "good"
    return write_tsv(path, list(zip(texts, labels, strict=True)), ("text", "label")), [i + 2 for i in turned]


def bertkit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"OMP_WAIT_POLICY": "PASSIVE"})


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / ROWS).read_text().splitlines()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("folds")
    data, turned = table(folder / "rows.tsv")
    config = small(data, folder / "run", folds=4, epochs=3, lr=3e-3, dropout=0.0)
    return folder / "run", train(config), config, turned


def test_every_row_is_answered_once_by_a_model_without_it(made: Made) -> None:
    run, result, _, _ = made
    found = lines(run)
    assert sorted(row["line"] for row in found) == list(range(2, 162))
    assert {row["fold"] for row in found} == {1, 2, 3, 4}
    for row in found:
        assert row["file"] == "rows.tsv"
        assert row["predicted"] == max(row["probabilities"], key=row["probabilities"].get)
        assert sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
    accuracy = np.mean([row["gold"] == row["predicted"] for row in found])
    assert result.out_of_fold["accuracy"] == pytest.approx(accuracy)
    assert len(result.folds) == 4
    each = [own["accuracy"] for own in result.folds]
    low, high = result.out_of_fold_intervals["accuracy"]
    assert low < np.mean(each) < high
    bounded = [own for name, own in result.out_of_fold_intervals.items() if name not in ("loss", "mcc")]
    assert all(0.0 <= low <= high <= 1.0 for low, high in bounded)
    stored = bundle.load_manifest(run).training
    assert stored["folds"] == [dict(own) for own in result.folds]
    assert not (run / "folds").exists()


def test_labels_are_shared_out_evenly(made: Made) -> None:
    found = lines(made[0])
    for fold in (1, 2, 3, 4):
        own = [row["gold"] for row in found if row["fold"] == fold]
        assert 30 <= len(own) <= 50
        assert 0.3 < own.count("good") / len(own) < 0.7


def test_labels_that_are_probably_wrong_are_listed_the_surest_first(made: Made) -> None:
    run, _, config, turned = made
    done = bertkit("inspect-data", config.data[0], "--run", run, "--format", "json")
    assert done.exit_code == 0, done.output
    (found,) = [f for f in json.loads(done.stdout)["findings"] if f["kind"] == "label_error"]
    assert found["count"] == len(found["lines"])
    suspected = [place["line"] for place in found["lines"]]
    assert len(set(turned) & set(suspected[: 2 * TURNED])) >= TURNED // 2
    assert {place["file"] for place in found["lines"]} == {config.data[0]}


def test_a_training_that_was_stopped_behind_its_folds_does_not_train_them_again(tmp_path: Path) -> None:
    data, _ = table(tmp_path / "rows.tsv", 80)
    config = small(data, tmp_path / "run", folds=2, epochs=2)
    whole = train(replace(config, output=str(tmp_path / "whole")))

    def stop(event: Event) -> None:
        if isinstance(event, StepFacts) and event.step == 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(config, stop)
    before = (tmp_path / "run" / SCORES).stat().st_mtime_ns
    said: list[str] = []
    result = train(
        TrainConfig(output=str(tmp_path / "run"), resume=True), lambda e: said.append(e) if isinstance(e, str) else None
    )
    assert (tmp_path / "run" / SCORES).stat().st_mtime_ns == before
    assert not any(sentence.startswith("fold 1 of") for sentence in said)
    assert result.folds == whole.folds
    assert (tmp_path / "run" / ROWS).read_bytes() == (tmp_path / "whole" / ROWS).read_bytes()
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "whole")]
    assert weights[0] == weights[1]


def test_it_is_said_how_far_the_folds_are(tmp_path: Path) -> None:
    data, _ = table(tmp_path / "rows.tsv", 80)
    heard: list[Event] = []
    train(small(data, tmp_path / "run", folds=2, epochs=1), heard.append)
    steps = [event for event in heard if isinstance(event, FoldStep)]
    assert [(event.fold, event.folds) for event in steps if event.step == event.total_steps] == [(1, 2), (2, 2)]
    shown = io.StringIO()
    view = training_view._TimedLines(Console(file=shown, width=200))
    view.timer.stop()
    view(steps[0])
    view.said_at -= 60
    view.tick()
    assert f"fold 1 of 2, step 1 of {steps[0].total_steps}, " in shown.getvalue()


def test_groups_stay_together(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [(f"{rng.choice(['fine', 'poor'])} {i}", rng.choice(["a", "b"]), f"g{i // 8}") for i in range(96)]
    data = write_tsv(tmp_path / "rows.tsv", rows, ("text", "label", "author"))
    train(small(data, tmp_path / "run", folds=3, epochs=1, group="author"))
    folds: dict[str, set[int]] = {}
    for row in lines(tmp_path / "run"):
        folds.setdefault(rows[row["line"] - 2][2], set()).add(row["fold"])
    assert all(len(own) == 1 for own in folds.values())


def test_sets_of_labels_and_scores_have_folds(tmp_path: Path) -> None:
    sets = train(small(write(tmp_path / "sets.csv", label_sets(80)), tmp_path / "sets", folds=2, epochs=1))
    assert len(sets.folds) == 2
    assert isinstance(lines(tmp_path / "sets")[0]["predicted"], list)
    scores = write_tsv(tmp_path / "scores.tsv", [(f"a {i}", str(i % 7 / 2)) for i in range(60)], ("text", "label"))
    train(small(scores, tmp_path / "scores", folds=2, epochs=1))
    assert isinstance(lines(tmp_path / "scores")[0]["predicted"], float)
    refused = bertkit("inspect-data", scores, "--run", tmp_path / "scores")
    assert refused.exit_code == 3
    assert "its folds have scores" in refused.stderr


def test_sets_of_labels_that_are_probably_wrong_are_listed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    data = write_tsv(
        tmp_path / "sets.tsv", [(f"text {i}", "a|b" if i % 2 else "a") for i in range(8)], ("text", "labels")
    )
    answers = []
    for i in range(8):
        gold, b = ["a", "b"] if i % 2 else ["a"], 0.9 if i % 2 else 0.1
        b = {3: 0.05, 4: 0.99}.get(i, b)  # line 5 has b, line 6 lacks it
        place = {"file": "sets.tsv", "line": i + 2, "fold": 1}
        answers.append({**place, "gold": gold, "predicted": ["a"], "probabilities": {"a": 0.95, "b": b}})
    (tmp_path / "run" / ROWS).write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    done = bertkit("inspect-data", data, "--run", tmp_path / "run", "--format", "json")
    assert done.exit_code == 0, done.output
    (found,) = [f for f in json.loads(done.stdout)["findings"] if f["kind"] == "label_error"]
    assert [place["line"] for place in found["lines"]] == [6, 5]
    assert found["message"].startswith("labels of 2 rows are probably wrong or lacking, the most certain first")
    assert "(line 6 lacks 'b', and they would give it)" in found["message"]


def test_what_several_runs_say_is_averaged(tmp_path: Path) -> None:
    data, _ = table(tmp_path / "rows.tsv", 12)
    gold = [line.split("\t")[1] for line in data.read_text().splitlines()[1:]]
    runs: list[object] = []
    for name, bad in (("one", 0.9), ("two", 0.7)):
        (tmp_path / name).mkdir()
        answers = []
        for line, label in enumerate(gold, start=2):
            p = bad if (line == 5) != (label == "bad") else 1 - bad
            place = {"file": "rows.tsv", "line": line, "fold": 1, "gold": label, "predicted": label}
            answers.append({**place, "probabilities": {"bad": p, "good": 1 - p}})
        (tmp_path / name / ROWS).write_text("".join(json.dumps(answer) + "\n" for answer in answers))
        runs += ["--run", tmp_path / name]
    done = bertkit("inspect-data", data, *runs, "--format", "json")
    (found,) = [f for f in json.loads(done.stdout)["findings"] if f["kind"] == "label_error"]
    assert [place["line"] for place in found["lines"]] == [5]
    assert "says little" not in found["message"]
    first = tmp_path / "one" / ROWS
    first.write_text(first.read_text().replace('"gold": "bad"', '"gold": "odd"'))
    refused = bertkit("inspect-data", data, *runs)
    assert refused.exit_code == 3
    assert "has another label for" in refused.stderr


def test_models_that_know_nothing_are_not_believed(tmp_path: Path) -> None:
    data = write_tsv(
        tmp_path / "rows.tsv", [(f"text {i}", "bad" if i % 2 else "good") for i in range(8)], ("text", "label")
    )
    place = {"file": "rows.tsv", "fold": 1, "predicted": "bad", "probabilities": {"bad": 0.6, "good": 0.4}}
    lines = [{**place, "line": i + 2, "gold": "bad" if i % 2 else "good"} for i in range(8)]
    (tmp_path / ROWS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = bertkit("inspect-data", data, "--run", tmp_path, "--format", "json")
    (found,) = [f for f in json.loads(done.stdout)["findings"] if f["kind"] == "label_error"]
    assert found["message"].endswith("the list means little.")


def test_rows_of_files_with_one_name_are_told_apart(tmp_path: Path) -> None:
    for name, word in (("pos", "fine great"), ("neg", "poor awful")):
        (tmp_path / "texts" / name).mkdir(parents=True)
        for i in range(20):
            (tmp_path / "texts" / name / f"{i}.txt").write_text(f"{word} {i}\n")
    (tmp_path / "texts" / "pos" / "7.txt").write_text("poor awful indeed\n")
    run = tmp_path / "run"
    train(TrainConfig(data=(str(tmp_path / "texts"),), output=str(run), model="tfidf", folds=4, tensorboard=False))
    assert len({row["file"] for row in lines(run)}) == 40
    done = bertkit("inspect-data", tmp_path / "texts", "--run", run, "--format", "json")
    (found,) = [f for f in json.loads(done.stdout)["findings"] if f["kind"] == "label_error"]
    assert found["lines"][0] == {"file": str(tmp_path / "texts" / "pos" / "7.txt"), "line": 1}


def test_folds_are_refused_where_rows_have_no_figures(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("".join(f"a line {i}\n" for i in range(30)))
    with pytest.raises(UsageError, match="--folds: is for classify, multilabel, relation, regression, and this is mlm"):
        train(small(tmp_path / "rows.txt", tmp_path / "run", task="mlm", folds=2))
    data = write_tsv(tmp_path / "x.tsv", [("a", "b")] * 3, ("text", "label"))
    refused = bertkit("inspect-data", data, "--run", tmp_path)
    assert refused.exit_code == 3
    assert "has no predictions of folds" in refused.stderr


def test_a_row_is_suspected_where_another_label_is_as_likely_as_it_usually_is() -> None:
    gold = np.array([0, 0, 0, 1, 1, 1])
    given = np.array([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.1, 0.9], [0.2, 0.8], [0.45, 0.55]])
    # the mean probability of label 1 among its rows is .75: the third row reaches it
    assert surest_first(doubts_of(gold, given, given)) == [2]
    sure = np.array([[0.1, 0.9], [0.3, 0.7], [0.9, 0.1], [0.6, 0.4]])
    assert surest_first(doubts_of(np.array([0, 0, 0, 1]), sure, sure))[0] == 0


def test_what_models_say_that_saw_the_row_orders_the_suspects() -> None:
    gold = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    given = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.1, 0.9], [0.2, 0.8], [0.1, 0.9], [0.4, 0.6]])
    assert surest_first(doubts_of(gold, given, given)) == [3, 2]
    both = given.copy()
    both[3] = 0.6, 0.4  # shown the row, models give its label
    assert surest_first(doubts_of(gold, given, both)) == [2]


def test_folds_keep_what_models_say_of_rows_they_have_seen(tmp_path: Path) -> None:
    data, _ = table(tmp_path / "rows.tsv")
    run = tmp_path / "run"
    train(TrainConfig(data=(str(data),), output=str(run), model="tfidf", folds=3, tensorboard=False))
    rows = lines(run)
    assert all(abs(sum(row["seen"].values()) - 1.0) < 1e-4 for row in rows)
    own = [(row["seen"][row["gold"]], row["probabilities"][row["gold"]]) for row in rows]
    assert sum(seen for seen, _ in own) > sum(unseen for _, unseen in own), "a row's own label is likelier once seen"
    old = [{name: value for name, value in row.items() if name != "seen"} for row in rows]  # as earlier versions wrote
    (run / ROWS).write_text("".join(json.dumps(row) + "\n" for row in old), encoding="utf-8")
    assert bertkit("inspect-data", data, "--run", run, "--format", "json").exit_code == 0


def test_a_model_without_an_encoder_has_folds(tmp_path: Path) -> None:
    data, turned = table(tmp_path / "rows.tsv")
    result = train(
        TrainConfig(data=(str(data),), output=str(tmp_path / "run"), model="tfidf", folds=4, tensorboard=False)
    )
    assert len(result.folds) == 4
    assert result.out_of_fold["accuracy"] > 0.8
    done = bertkit("inspect-data", data, "--run", tmp_path / "run", "--format", "json")
    (found,) = [f for f in json.loads(done.stdout)["findings"] if f["kind"] == "label_error"]
    assert {place["line"] for place in found["lines"][:TURNED]} == set(turned)
