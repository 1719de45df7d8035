"""`bertkit runs`, `bertkit runs diff`, and `eval --against` several runs, through the commands."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bertkit.cli.app import app
from bertkit.metrics.intervals import classification_difference
from bertkit.scale.found_runs import find_runs
from tests.conftest import pair_rows, write_tsv

SHAPE = ["--layers", "1", "--hidden", "16", "--heads", "2", "--vocab-size", "120", "--threads", "1", "--quiet"]


def bertkit(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs on the same rows: TF-IDF, and scratch with two learning rates, one of them deeper down."""
    folder = tmp_path_factory.mktemp("three")
    data = write_tsv(folder / "pairs.tsv", pair_rows(160), ("sentence1", "sentence2", "label"))
    train = ["train", data, "--validation-fraction", "0.25", "--quiet"]
    assert bertkit(*train, "--model", "tfidf", "--output", folder / "runs/plain").exit_code == 0
    for rate, place in (("0.001", "runs/low"), ("0.004", "runs/deep/high")):
        made = bertkit(*train, *SHAPE, "--epochs", "2", "--lr", rate, "--output", folder / place)
        assert made.exit_code == 0, made.output
        assert json.loads(made.stdout)["config"]["lr"] == float(rate)
    return folder / "runs"


def test_runs_are_found_at_any_depth_with_figures_and_what_differs(three: Path) -> None:
    found = {Path(str(run["run"])).name: run for run in lines(bertkit("runs", three))}
    assert set(found) == {"plain", "low", "high"}
    high = found["high"]
    assert high["model"] == "scratch"
    assert high["differing"]["lr"] == 0.004  # type: ignore[index]
    assert "epochs" in high["differing"]  # type: ignore[operator]
    assert "validation_fraction" not in high["differing"]  # type: ignore[operator]
    manifest = json.loads((three / "deep/high/metrics.json").read_text())
    assert high["value"] == manifest["metrics"]["accuracy"]
    assert high["interval"] == manifest["intervals"]["accuracy"]
    assert high["bytes"] == sum(p.stat().st_size for p in (three / "deep/high").rglob("*") if p.is_file())
    assert isinstance(high["seconds"], float)


def test_every_option_that_is_resolved_is_in_what_train_prints(three: Path) -> None:
    again = bertkit("train", "--resume", "--output", three / "low", "--quiet")
    stored = json.loads((three / "low/bertkit.json").read_text())
    printed = json.loads(again.stdout)
    assert printed["config"] == stored["config"]
    assert "config" not in stored["training"]
    assert {"run", "steps", "metrics", "baselines", "warnings"} <= printed.keys()


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        (["model=scratch"], {"low", "high"}),
        (["model=scr*", "lr>0.002"], {"high"}),
        (["model!=scratch"], {"plain"}),
        (["run~DEEP"], {"high"}),
        (["value>=0", "validation-fraction=0.25"], {"low", "high", "plain"}),
        (["accuracy>1"], set()),
    ],
)
def test_all_conditions_must_hold(three: Path, conditions: list[str], names: set[str]) -> None:
    flags = [word for one in conditions for word in ("--filter", one)]
    found = {Path(str(run["run"])).name for run in lines(bertkit("runs", three, *flags))}
    assert found == names


def test_runs_are_sorted_and_those_without_the_value_come_last(three: Path) -> None:
    def order(by: str) -> list[str]:
        return [Path(str(run["run"])).name for run in lines(bertkit("runs", three, "--sort", by))]

    sizes = {Path(str(run["run"])).name: run["bytes"] for run in lines(bertkit("runs", three))}
    assert order("bytes") == sorted(sizes, key=lambda name: sizes[name])  # type: ignore[arg-type,return-value]
    assert order("bytes") == order("-bytes")[::-1]
    assert order("-lr")[:2] == ["high", "low"]


def test_a_table_for_spreadsheets_has_a_column_for_each_option_that_differs(three: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(bertkit("runs", three, "--format", "csv").stdout)))
    assert len(rows) == 3
    assert {row["option.lr"] for row in rows} >= {"0.001", "0.004"}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--filter", "accuracy"], "is not a condition"),
        (["--filter", "model>minilm"], "compares numbers"),
        (["--filter", "colour=red"], "nothing called 'colour'"),
        (["--sort", "colour"], "nothing called 'colour'"),
    ],
)
def test_a_wrong_condition_is_a_wrong_value_of_its_flag(three: Path, words: list[str], said: str) -> None:
    result = bertkit("runs", three, *words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_options_by_other_tools_names_filter_and_sort(three: Path) -> None:
    own = lines(bertkit("runs", three, "--filter", "lr>0.002", "--sort", "-lr"))
    assert own == lines(bertkit("runs", three, "--filter", "learning_rate>0.002", "--sort", "-learning-rate"))
    assert own


def test_folders_that_are_no_run_are_named_and_end_nothing(three: Path, tmp_path: Path) -> None:
    shutil.copytree(three / "plain", tmp_path / "good")
    shutil.copytree(three / "plain", tmp_path / "broken")
    (tmp_path / "broken/bertkit.json").write_text("{")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("a")
    result = bertkit("runs", tmp_path)
    assert [Path(str(run["run"])).name for run in lines(result)] == ["good"]
    assert any("broken" in line for line in result.stderr.splitlines())
    assert any("notes: is not a run directory" in line for line in result.stderr.splitlines())


def test_a_vocabulary_among_the_runs_is_called_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "words" / name).write_text("{}")
    said: list[str] = []
    assert find_runs(tmp_path, said.append) == []
    assert said == [f"left out: {tmp_path / 'words'}: is a vocabulary of `bertkit vocab build`."]


def test_a_figure_that_is_not_finite_does_not_break_a_run(three: Path, tmp_path: Path) -> None:
    shutil.copytree(three / "plain", tmp_path / "odd")
    scores = json.loads((tmp_path / "odd/metrics.json").read_text())
    scores["metrics"]["loss"], scores["intervals"]["accuracy"] = None, [None, None]
    (tmp_path / "odd/metrics.json").write_text(json.dumps(scores))
    (found,) = lines(bertkit("runs", tmp_path))
    assert found["interval"] is None
    assert "loss" not in found["metrics"]  # type: ignore[operator]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    result = bertkit("runs", tmp_path / "none")
    assert result.exit_code == 3
    assert "no such folder" in result.stderr


def test_two_runs_differ_row_by_row_as_their_stored_answers_do(three: Path) -> None:
    found = json.loads(bertkit("runs", "diff", three / "deep/high", three / "plain").stdout)
    assert found["data"]["same"]
    assert found["options"]["model"] == ["scratch", "tfidf"]
    assert "validation_fraction" not in found["options"]
    ours, compared = (
        [json.loads(line) for line in (three / place / "validation.jsonl").read_text().splitlines()]
        for place in ("deep/high", "plain")
    )
    gold = [row["gold"] for row in ours]
    mine, other = [row["predicted"] for row in ours], [row["predicted"] for row in compared]
    expected = classification_difference(gold, mine, other, ("0", "1"), "1")["accuracy"]
    shown = found["held_out"]["metrics"]["accuracy"]
    assert found["held_out"]["rows"] == len(gold) == 40
    assert shown["interval"] == pytest.approx(list(expected), abs=1e-6)
    right = [sum(a == b for a, b in zip(gold, given, strict=True)) for given in (mine, other)]
    assert shown["difference"] == pytest.approx((right[0] - right[1]) / 40, abs=1e-6)


def test_rows_of_one_table_by_another_name_are_the_same_rows(three: Path, tmp_path: Path) -> None:
    """As where one run read it from standard input, or from another folder."""
    shutil.copytree(three / "plain", tmp_path / "other")
    answers = tmp_path / "other/validation.jsonl"
    rows = [json.loads(line) | {"file": "stdin"} for line in answers.read_text().splitlines()]
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = json.loads(bertkit("runs", "diff", three / "plain", tmp_path / "other").stdout)
    assert found["held_out"]["rows"] == len(rows)
    manifest = tmp_path / "other/bertkit.json"
    mine = json.loads((three / "plain/bertkit.json").read_text())["data"]["fingerprint"]
    manifest.write_text(manifest.read_text().replace(mine, mine[::-1]))
    found = json.loads(bertkit("runs", "diff", three / "plain", tmp_path / "other").stdout)
    assert "different rows" in found["reason"], "other data"


def test_two_runs_with_other_held_out_rows_are_not_compared_row_by_row(three: Path, tmp_path: Path) -> None:
    shutil.copytree(three / "plain", tmp_path / "other")
    answers = tmp_path / "other/validation.jsonl"
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[1:]))
    found = json.loads(bertkit("runs", "diff", three / "plain", tmp_path / "other").stdout)
    assert found["held_out"] is None
    assert "different rows" in found["reason"]
    answers.write_text('{"file": 1}\n')
    broken = bertkit("runs", "diff", three / "plain", tmp_path / "other")
    assert broken.exit_code == 3
    assert "validation.jsonl:1: is not a record of an answer" in broken.stderr


def test_eval_compares_with_any_number_of_runs_as_it_does_with_each(three: Path) -> None:
    run, others = three / "plain", [three / "low", three / "deep/high"]
    both = json.loads(bertkit("eval", run, "--against", others[0], "--against", others[1], "--quiet").stdout)
    for other in others:
        alone = json.loads(bertkit("eval", run, "--against", other, "--quiet").stdout)
        assert alone["baselines"][str(other)] == both["baselines"][str(other)]
        assert alone["difference"][str(other)] == both["difference"][str(other)]
        assert alone.keys() == both.keys()


def test_a_table_leaves_out_what_comes_with_the_model(three: Path) -> None:
    shown = bertkit("runs", three, "--format", "table").stdout
    assert "lr=0.004" in "".join(shown.split())
    assert "pooling" not in shown
