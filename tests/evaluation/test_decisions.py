"""--threshold, --abstain-below, --calibrate and --tune-threshold: which answers are given, and what is said of them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.data.records import ColumnMap
from bertkit.errors import UsageError
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.objectives import Chosen, Classification, likeliest, taken_numbers
from bertkit.training.run import train
from bertkit.training.tuning import check_tuning
from tests.conftest import write_tsv
from tests.training.test_run import small

WORDS = {"good": "fine great lovely", "bad": "poor awful dull", "odd": "strange weird queer"}


def rows(n: int, labels: Sequence[str], seed: int = 0) -> list[tuple[str, str]]:
    """Texts whose words mostly say which label they have."""
    rng, found = random.Random(seed), []
    for _ in range(n):
        label = rng.choice(labels)
        words = [rng.choice(WORDS[label if rng.random() < 0.75 else rng.choice(labels)].split()) for _ in range(3)]
        found.append((" ".join(words), label))
    return found


def made_run(folder: Path, labels: Sequence[str], **changes: object) -> Path:
    data = write_tsv(folder / "rows.tsv", rows(300, labels), ("text", "label"))
    train(small(data, folder / "run", epochs=4, lr=3e-3, validation_fraction=0.3, **changes))
    return folder / "run"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("two"), ("bad", "good"))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run(tmp_path_factory.mktemp("three"), ("bad", "good", "odd"), calibrate=True)


def bertkit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"OMP_WAIT_POLICY": "PASSIVE"})


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def answers(run: Path, *options: object) -> list[dict[str, Any]]:
    text = "\n".join(text for text, _ in rows(40, ("bad", "good"), seed=7)) + "\n"
    (run.parent / "in.txt").write_text(text)
    return records(bertkit("predict", run, run.parent / "in.txt", *options))


# --- thresholds of classes ----------------------------------------------------------------


def test_of_two_labels_one_number_is_the_positive_ones(two: Path) -> None:
    usual = answers(two, "--top-k", "2")
    middle = float(np.median([{t["label"]: t["score"] for t in record["top"]}["good"] for record in usual]))
    moved = answers(two, "--threshold", middle)
    for before, after in zip(usual, moved, strict=True):
        good = {t["label"]: t["score"] for t in before["top"]}["good"]
        if abs(good - middle) > 1e-5:
            assert after["label"] == ("good" if good > middle else "bad")
            assert after["score"] == pytest.approx(good if good > middle else 1 - good, abs=1e-5)
    assert {r["label"] for r in answers(two, "--threshold", "0")} == {"good"}
    assert {r["label"] for r in answers(two, "--threshold", "good=1")} == {"bad"}


def test_of_more_labels_one_number_is_every_labels(three: Path) -> None:
    found = answers(three, "--threshold", "0.5")
    assert {"label", "score", "abstained"} <= max(found, key=len).keys() or all(r["score"] >= 0.5 for r in found)
    for record in found:
        assert ("abstained" in record) == (record["label"] is None) == (record["score"] < 0.5)
    assert {r["label"] for r in answers(three, "--threshold", "odd=0")} == {"odd"}


def test_an_answer_that_is_not_sure_enough_is_not_given(three: Path) -> None:
    usual = answers(three)
    least = float(np.median([record["score"] for record in usual])) + 1e-5
    found = answers(three, "--abstain-below", least)
    for before, after in zip(usual, found, strict=True):
        if before["score"] < least:
            assert (after["label"], after["abstained"], after["score"]) == (None, True, before["score"])
        else:
            assert after == before
    table = bertkit(
        "predict", three, three.parent / "in.txt", "--abstain-below", least, "--output-format", "csv"
    ).stdout
    lines = list(csv.DictReader(io.StringIO(table)))
    assert {line["abstained"] for line in lines} == {"", "true"}
    assert all((line["label"] == "") == (line["abstained"] == "true") for line in lines)


def test_eval_scores_what_is_answered_and_says_how_much_that_is(three: Path) -> None:
    (everything,) = records(bertkit("eval", three, "--format", "json"))
    assert "coverage" not in everything
    (some,) = records(bertkit("eval", three, "--format", "json", "--abstain-below", "0.6"))
    assert some["n"] == round(some["coverage"] * everything["n"])
    assert 0 < some["coverage"] < 1
    assert some["metrics"]["accuracy"] > everything["metrics"]["accuracy"]
    assert some["baselines"].keys() == everything["baselines"].keys()
    (all_of_them,) = records(bertkit("eval", three, "--format", "json", "--abstain-below", "0"))
    assert all_of_them["coverage"] == 1.0
    nothing = bertkit("eval", three, "--abstain-below", "1")
    assert nothing.exit_code == 3
    assert "no row is answered" in nothing.stderr


@pytest.mark.parametrize(
    "options",
    [("--abstain-below", "1.5"), ("--abstain-below", "-1"), ("--threshold", "x"), ("--threshold", "worse=0.5")],
)
def test_what_is_no_probability_is_refused(two: Path, options: tuple[str, str]) -> None:
    for command in (("predict", two, two.parent / "rows.tsv"), ("eval", two)):
        refused = bertkit(*command, *options)
        assert refused.exit_code == 2, refused.output
        assert options[0] in refused.stderr


def test_labels_are_taken_by_their_thresholds() -> None:
    found = [np.array([0.5, 0.3, 0.2])]
    assert taken_numbers(found, ()) == [0]
    assert taken_numbers(found, (0.0, 0.25, 0.0)) == [1]
    assert taken_numbers(found, (0.0, 0.25, 0.1)) == [1]
    assert taken_numbers(found, (0.6, 0.0, 0.0)) == [1]
    assert taken_numbers(found, (0.6, 0.6, 0.6)) == [-1]
    assert taken_numbers([Chosen(found[0], 2)], (0.6, 0.6, 0.6)) == [2]
    many = np.full(600, 0.0001)
    many[7] = 0.9
    assert taken_numbers([likeliest(many, 7)], tuple([0.95] * 600)) == [-1]
    assert taken_numbers([likeliest(many, 7)], tuple([0.5] * 600)) == [7]


def test_a_row_that_gets_no_label_says_so() -> None:
    settings = TaskSettings("classify", ColumnMap(("text",)), ("a", "b"), thresholds=(0.9, 0.9))
    record = Classification(settings).record(np.array([0.6, 0.4]), 0)
    assert record == {"label": None, "score": 0.6, "abstained": True}


# --- what a training chooses --------------------------------------------------------------


def test_a_temperature_changes_probabilities_and_no_answer(three: Path, tmp_path: Path) -> None:
    config = replace(
        TrainConfig(**{**bundle.load_manifest(three).config, "data": (str(three.parent / "rows.tsv"),)}),
        output=str(tmp_path / "run"),
        calibrate=False,
    )
    train(config)
    found = bundle.load_manifest(three).training["calibration"]
    assert found["temperature"] != 1.0
    assert "calibration" not in bundle.load_manifest(tmp_path / "run").training
    mine, others = answers(three, "--precision", "float32"), answers(tmp_path / "run", "--precision", "float32")
    assert [record["label"] for record in mine] == [record["label"] for record in others]
    assert [record["score"] for record in mine] != [record["score"] for record in others]
    (shown,) = records(bertkit("eval", three, "--format", "json", "--precision", "float32"))
    (other,) = records(bertkit("eval", tmp_path / "run", "--format", "json", "--precision", "float32"))
    assert shown["metrics"]["ece"] == pytest.approx(found["ece"], abs=2e-3)
    assert other["metrics"]["ece"] == pytest.approx(found["ece_before"], abs=2e-3)
    assert shown["metrics"]["loss"] <= other["metrics"]["loss"] + 1e-6
    assert shown["metrics"]["accuracy"] == other["metrics"]["accuracy"]


@pytest.mark.parametrize("word", ["f1", "precision=0.9", "recall=0.95"])
def test_the_positive_labels_threshold_is_chosen_on_validation_rows(tmp_path: Path, word: str) -> None:
    run = made_run(tmp_path, ("bad", "good"), tune_threshold=word)
    settings = bundle.load_manifest(run).settings
    assert settings.labels == ("bad", "good")
    assert settings.thresholds[0] == 0.0
    assert 0.0 < settings.thresholds[1] < 1.0
    (shown,) = records(bertkit("eval", run, "--format", "json", "--precision", "float32"))
    (usual,) = records(bertkit("eval", run, "--format", "json", "--precision", "float32", "--threshold", "0.5"))
    name, _, least = word.partition("=")
    assert shown["metrics"][name] >= (float(least) if least else usual["metrics"][name]) - 1e-9
    again = json.loads((run / "metrics.json").read_text())
    assert shown["metrics"]["f1"] == pytest.approx(again["metrics"]["f1"])
    assert shown["baselines"]["tfidf"] == pytest.approx(again["baselines"]["tfidf"])


def test_a_model_without_an_encoder_has_its_threshold_tuned(tmp_path: Path) -> None:
    data, run = write_tsv(tmp_path / "rows.tsv", rows(300, ("bad", "good")), ("text", "label")), tmp_path / "run"
    train(TrainConfig((str(data),), output=str(run), model="tfidf", tune_threshold="recall=1", tensorboard=False))
    settings = bundle.load_manifest(run).settings
    assert 0.0 < settings.thresholds[1] < 1.0
    (shown,) = records(bertkit("eval", run, "--format", "json"))
    again = json.loads((run / "metrics.json").read_text())
    assert shown["metrics"]["recall"] == again["metrics"]["recall"] == 1.0
    assert shown["baselines"]["majority"] == pytest.approx(again["baselines"]["majority"])
    assert {record["label"] for record in answers(run, "--threshold", "0")} == {"good"}


def test_a_threshold_is_tuned_for_two_labels() -> None:
    three = TaskSettings("classify", ColumnMap(("text",)), ("a", "b", "c"))
    with pytest.raises(UsageError, match="--tune-threshold: is for two labels, and there are 3"):
        check_tuning("f1", three)
    for word in ("precision", "precision=2", "recall=x", "rouge"):
        with pytest.raises(UsageError, match="must be one of"):
            check_tuning(word, three)
    check_tuning(None, three)


def test_a_report_says_what_acting_on_scores_gives(three: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert bertkit("eval", three, "--report", page).exit_code == 0
    text = page.read_text()
    assert "Coverage, precision and recall by score" in text
    assert "(every answer)" in text
    assert "≥ 0.95" in text
