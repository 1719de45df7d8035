"""What train and eval say of a model and of its data: once, of the metric that decides, and possible to follow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bertkit.cli.app import app
from tests.conftest import OBJECTS, SUBJECTS, VERBS, write_tsv

TEXTS = [f"{s} {v} {o}" for s in SUBJECTS for v in VERBS for o in OBJECTS]
SMALL = ("--layers", "1", "--hidden", "32", "--heads", "2", "--epochs", "1", "--vocab-size", "150", "--threads", "1")


def bertkit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(labels: list[str], start: int = 0) -> list[tuple[str, ...]]:
    return [(TEXTS[start + i], label) for i, label in enumerate(labels)]


@pytest.fixture(scope="module")
def of_three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run on three uneven classes, with a row that is longer than the model reads, and what training printed."""
    folder = tmp_path_factory.mktemp("three")
    labelled = rows(["화남"] * 10 + ["glad"] * 60 + ["sad"] * 30)
    labelled.append((" ".join(TEXTS[:200]), "glad"))
    data = write_tsv(folder / "rows.tsv", labelled, ("text", "label"))
    trained = bertkit("train", data, *SMALL, "--output", folder / "run", "--format", "table", "--no-tensorboard")
    assert trained.exit_code == 0, trained.output
    return folder / "run", trained.output


def test_training_names_the_metric_and_shows_each_number_once(of_three: tuple[Path, str]) -> None:
    _, said = of_three
    assert "macro_f1 chooses the best epoch and decides the verdict" in said
    assert "(best so far by macro_f1)" in said
    assert "best at step 3 by macro_f1:" in said
    names = [line.split()[0] for line in said.splitlines() if line[:1].isalpha() and line.count("0.") >= 2]
    assert [name for name in names if name.startswith(("macro", "precision", "recall", "f1"))] == [
        "macro_f1",
        "macro_precision",
        "macro_recall",
    ]
    assert " f1 " not in said


def test_advice_is_possible_and_given_once(of_three: tuple[Path, str]) -> None:
    _, said = of_three
    assert said.count("are longer than 512 tokens and were cut") == 1
    assert "read them in parts with --on-long window" in said
    assert "raise --max-length" not in said


@pytest.mark.parametrize(
    ("arguments", "way_on"),
    [
        (["--max-length", "32"], "raise --max-length, or read them in parts with --on-long window"),
        (["--on-long", "window", "--max-length", "512"], None),
    ],
)
def test_what_can_be_done_about_long_rows(arguments: list[str], way_on: str | None, tmp_path: Path) -> None:
    labelled = [*rows(["a", "b"] * 10), (" ".join(TEXTS[:200]), "a")]
    data = write_tsv(tmp_path / "rows.tsv", labelled, ("text", "label"))
    said = bertkit("train", data, *SMALL, *arguments, "--dry-run", "--output", tmp_path / "run").output
    assert ("were cut" in said) == (way_on is not None)
    assert way_on is None or way_on in said


def test_eval_has_the_same_metric_in_table_json_and_page(of_three: tuple[Path, str], tmp_path: Path) -> None:
    run, _ = of_three
    data = write_tsv(tmp_path / "test.tsv", rows(["화남", "glad", "sad"] * 5, start=200), ("text", "label"))
    found = json.loads(bertkit("eval", run, data, "--report", tmp_path / "page.html").stdout)
    assert (found["metric"], found["positive"]) == ("macro_f1", None)
    assert {"f1", "precision", "recall"} <= found["metrics"].keys(), "programs find what they always found"
    assert any("baseline in macro F1 (95 % CI" in warning for warning in found["warnings"])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "macro_precision" in page
    assert "<td>f1</td>" not in page
    assert "macro_f1 decides" in page
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "| f1 |" not in card
    assert "chose the best epoch (by macro_f1), so" in card, "and fitted no blend"
    assert "rows, seed 1)" in card


def test_labels_that_the_run_never_saw(of_three: tuple[Path, str], tmp_path: Path) -> None:
    run, _ = of_three
    some = write_tsv(tmp_path / "some.tsv", rows(["Glad", "sad", "화", "glad"] * 3, start=300), ("text", "label"))
    said = bertkit("eval", run, some, "--format", "table").output
    assert "6 of 12 rows have labels the run never saw: 'Glad' (did you mean 'glad'?), '화'" in said
    none = write_tsv(tmp_path / "none.tsv", rows(["yes", "no"] * 3, start=300), ("text", "label"))
    refused = bertkit("eval", run, none)
    assert refused.exit_code == 3
    assert "no row has a label that the run knows: 'yes', 'no'; it knows 'glad', 'sad', '화남'" in refused.output
    one = write_tsv(tmp_path / "one.tsv", rows(["glad"] * 12, start=300), ("text", "label"))
    assert "all 12 rows have the label 'glad'" in bertkit("eval", run, one).output


def test_a_validation_file_of_other_labels_is_refused_before_training(tmp_path: Path) -> None:
    write_tsv(tmp_path / "train.tsv", rows(["a", "b"] * 10), ("text", "label"))
    write_tsv(tmp_path / "validation.tsv", rows(["1", "0"] * 5, start=50), ("text", "label"))
    refused = bertkit("train", tmp_path, *SMALL, "--output", tmp_path / "run")
    assert refused.exit_code == 3
    assert "no row has a label that the run knows" in refused.output
    assert not (tmp_path / "run").exists()
    write_tsv(tmp_path / "validation.tsv", rows(["A", "a", "b"] * 5, start=50), ("text", "label"))
    planned = bertkit("train", tmp_path, *SMALL, "--dry-run", "--output", tmp_path / "run")
    assert "validation: 5 of 15 rows have labels the run never saw: 'A' (did you mean 'a'?)" in planned.output


def test_a_metric_of_another_task_is_wrong_usage(tmp_path: Path) -> None:
    data = write_tsv(tmp_path / "rows.tsv", rows(["a", "b"] * 10), ("text", "label"))
    refused = bertkit("train", data, "--metric", "rouge1", "--output", tmp_path / "run")
    assert refused.exit_code == 2
    assert "choose from accuracy, macro_f1, f1, mcc, precision, recall, loss" in refused.output


def test_groups_of_a_run_are_found_again_by_eval(tmp_path: Path) -> None:
    table = [(text, "ab"[i % 2], f"author {i // 4}") for i, text in enumerate(TEXTS[:120])]
    data = write_tsv(tmp_path / "rows.tsv", table, ("text", "label", "author"))
    trained = bertkit(
        "train", data, *SMALL, "--group", "author", "--test-fraction", "0.2", "--output", tmp_path / "run"
    )
    assert trained.exit_code == 0, trained.output
    found = bertkit("eval", tmp_path / "run")
    assert json.loads(found.stdout)["n"] == 24
    assert "were also trained on" not in found.output
    data.write_text(data.read_text(encoding="utf-8").replace("author\n", "who\n", 1), encoding="utf-8")
    assert bertkit("eval", tmp_path / "run").exit_code == 3
