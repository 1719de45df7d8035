"""multilabel from a file to predictions: learnt, saved, loaded, resumed, exported, refused."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.data.records import ColumnMap, LabelSet
from bertkit.errors import Interrupted, UsageError
from bertkit.kinds import MisfitError
from bertkit.tasks.base import TaskSettings, TrainingOptions
from bertkit.tasks.multilabel import LabelSetObjective, best_thresholds, parse_thresholds
from bertkit.tasks.rows import positive_weights
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, TrainResult, train
from tests.training.test_run import small

WORDS = {"food": "bread soup cook lemon", "money": "bank price tax market", "sport": "ball goal match team"}


def rows(n: int, seed: int = 0) -> list[tuple[str, list[str]]]:
    """Texts whose words say what they are about: nothing, or one to three things."""
    rng, found = random.Random(seed), []
    for _ in range(n):
        own = [label for label in WORDS if rng.random() < 0.4]
        words = [rng.choice(WORDS[label].split()) for label in own for _ in range(3)]
        rng.shuffle(words)
        found.append((" ".join([*words, "today we", rng.choice(("see", "hear", "know"))]), own))
    return found


def write(path: Path, table: Sequence[tuple[str, list[str]]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "labels"), *((text, "|".join(own)) for text, own in table)])
    return path


def bertkit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"OMP_WAIT_POLICY": "PASSIVE"})


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@dataclass(frozen=True)
class Trained:
    run: Path
    result: TrainResult
    config: TrainConfig
    said: tuple[str, ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("sets")
    config = small(
        write(folder / "rows.csv", rows(240)), folder / "run", epochs=24, lr=5e-3, dropout=0.0, token_masking=0.0
    )
    said: list[str] = []
    result = train(config, lambda event: said.append(event) if isinstance(event, str) else None)
    return Trained(folder / "run", result, config, tuple(said))


def test_it_is_learnt_and_stands_beside_its_baselines(made: Trained) -> None:
    assert made.result.metric == "micro_f1"
    assert made.result.metrics["micro_f1"] > 0.9
    assert set(made.result.baselines) == {"frequency", "tfidf"}
    names = {"micro_f1", "macro_f1", "exact_match", "lrap", "hamming_loss", "micro_precision", "micro_recall"}
    names |= {"loss", "ece"}
    for metrics in (made.result.metrics, *made.result.baselines.values()):
        assert set(metrics) == names
    assert any("task: multilabel, because rows have several labels" in sentence for sentence in made.said)
    assert any(sentence.startswith("thresholds: one for each label") for sentence in made.said)


def test_the_run_stores_a_threshold_for_each_label(made: Trained) -> None:
    settings = bundle.load_manifest(made.run).settings
    assert settings.labels == tuple(WORDS)
    assert len(settings.thresholds) == 3
    assert all(0 < threshold < 1 for threshold in settings.thresholds)
    config = json.loads((made.run / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"


def test_a_loaded_run_scores_as_the_training_said(made: Trained) -> None:
    (shown,) = records(bertkit("eval", made.run, "--format", "json", "--precision", "float32"))
    for name, value in made.result.metrics.items():
        assert shown["metrics"][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    for baseline, metrics in made.result.baselines.items():
        assert shown["baselines"][baseline] == pytest.approx(metrics, abs=1e-5)
    assert shown["intervals"].keys() == shown["metrics"].keys()
    assert shown["difference"]["tfidf"].keys() == shown["metrics"].keys() - {"ece"}
    assert set(shown["per_label"]["food"]) == {"precision", "recall", "f1", "support", "predicted", "threshold"}


def test_predicted_sets_of_labels(made: Trained, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("bread soup lemon today we see\ntoday we know\nball goal bank tax we see\n")
    found = records(bertkit("predict", made.run, tmp_path / "in.txt", "--top-k", "2"))
    assert [set(record["labels"]) for record in found] == [{"food"}, set(), {"sport", "money"}]
    assert list(found[0]) == ["line", "labels", "scores", "top", "n_tokens", "truncated"]
    assert list(found[0]["scores"]) == list(WORDS)
    assert found[0]["top"][0] == {"label": "food", "score": found[0]["scores"]["food"]}
    assert len(found[0]["top"]) == 2
    table = bertkit("predict", made.run, tmp_path / "in.txt", "--output-format", "csv")
    (first, *_) = csv.DictReader(io.StringIO(table.stdout))
    assert json.loads(first["labels"]) == ["food"]


def test_thresholds_can_be_named(made: Trained, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("bread soup lemon today we see\n")

    def labels(word: str) -> set[str]:
        (record,) = records(bertkit("predict", made.run, tmp_path / "in.txt", "--threshold", word))
        return set(record["labels"])

    assert labels("0") == set(WORDS)
    assert labels("1") == set()
    assert labels("money=0") == {"food", "money"}
    assert labels("food=1,sport=0") == {"sport"}
    (all_of_them,) = records(bertkit("eval", made.run, "--threshold", "0", "--format", "json"))
    assert all_of_them["metrics"]["micro_recall"] == 1.0
    for word in ("2", "food", "food=x", "nothing=0.5", "food=.5,food=.4", "nan"):
        refused = bertkit("predict", made.run, tmp_path / "in.txt", "--threshold", word)
        assert refused.exit_code == 2, refused.output
        assert "--threshold" in refused.stderr


def test_a_set_of_labels_is_always_an_answer(made: Trained, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("bread\n")
    refused = bertkit("predict", made.run, tmp_path / "in.txt", "--abstain-below", "0.5")
    assert refused.exit_code == 2, refused.output
    assert "--abstain-below: is for answers with one probability, which multilabel does not have" in refused.stderr


def test_an_interrupted_training_ends_in_the_same_bytes(made: Trained, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, StepFacts) and event.step == event.total_steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(replace(made.config, output=str(tmp_path / "run")), stop)
    train(TrainConfig(output=str(tmp_path / "run"), resume=True))
    for name in ("model.safetensors", "config.json", "baseline/baselines.safetensors"):
        digests = {hashlib.sha256((run / name).read_bytes()).digest() for run in (made.run, tmp_path / "run")}
        assert len(digests) == 1, name
    assert bundle.load_manifest(tmp_path / "run").settings == bundle.load_manifest(made.run).settings


def test_transformers_gives_the_same_probabilities(made: Trained, tmp_path: Path) -> None:
    result = bertkit("export", made.run, "--to", "transformers", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    ask = transformers.pipeline("text-classification", model=str(tmp_path / "out"), top_k=None)
    text = "ball goal bank tax we see"
    others = {found["label"]: found["score"] for found in ask([text])[0]}
    (tmp_path / "in.txt").write_text(text + "\n")
    for run in (made.run, tmp_path / "out"):
        (mine,) = records(bertkit("predict", run, tmp_path / "in.txt", "--precision", "float32"))
        assert mine["scores"] == pytest.approx(others, abs=1e-4)
        assert set(mine["labels"]) == {"sport", "money"}


def test_onnx_gives_the_same_sets(made: Trained, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    result = bertkit("export", made.run, "--to", "onnx", "--output", tmp_path / "out", "--format", "json")
    (shown,) = records(result)
    assert shown["labels_equal"] == 1.0
    write(tmp_path / "in.csv", rows(20, seed=5))
    mine, others = (records(bertkit("predict", run, tmp_path / "in.csv")) for run in (made.run, tmp_path / "out"))
    assert [record["labels"] for record in mine] == [record["labels"] for record in others]


def test_a_report_mistakes_and_figures_are_written(made: Trained, tmp_path: Path) -> None:
    data = write(tmp_path / "new.csv", [*rows(60, seed=9), ("bread we see", ["money"])])
    page, wrong = tmp_path / "page.html", tmp_path / "wrong.jsonl"
    done = bertkit("eval", made.run, data, "--report", page, "--errors", wrong, "--plots", tmp_path / "plots")
    assert done.exit_code == 0, done.output
    mistakes = [json.loads(line) for line in wrong.read_text().splitlines()]
    assert {"label", "predicted", "lacking", "extra", "probabilities"} <= mistakes[0].keys()
    assert mistakes[-1]["label"] is not None
    assert any(row["lacking"] == ["money"] for row in mistakes)
    assert "Precision and recall" in page.read_text()
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"precision_recall.png", "roc.png", "reliability.png"} <= names


def test_labels_that_training_never_saw_count_as_missed(made: Trained, tmp_path: Path) -> None:
    data = write(tmp_path / "new.csv", [("bread soup lemon", ["food", "cooking"]), ("ball goal", ["sport"])])
    result = bertkit("eval", made.run, data, "--format", "json")
    (shown,) = records(result)
    assert shown["metrics"]["exact_match"] == 0.5
    assert shown["per_label"]["cooking"]["support"] == 1
    assert any("1 of 3 labels are ones the run never saw: 'cooking'" in warning for warning in shown["warnings"])
    strange = write(tmp_path / "strange.csv", [("bread", ["x"]), ("ball", ["x", "y"])])
    assert bertkit("eval", made.run, strange).exit_code == 3


def test_rows_without_any_label_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.csv", [(text, []) for text, _ in rows(20)])
    refused = bertkit("train", data, "--task", "multilabel", "--output", tmp_path / "run")
    assert refused.exit_code == 3
    assert "no row has a label" in refused.stderr
    assert not (tmp_path / "run").exists()


def test_inspect_data_counts_labels_and_sets(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.csv", rows(60))
    (shown,) = records(bertkit("inspect-data", data, "--format", "json"))
    counts = {label: sum(label in own for _, own in rows(60)) for label in WORDS}
    assert shown["splits"]["train"]["labels"] == counts
    (found,) = [finding for finding in shown["findings"] if finding["kind"] == "label_sets"]
    assert found["count"] == sum(len(own) > 1 for _, own in rows(60))
    assert any("split at '|'" in note for note in shown["notes"])
    single = write(tmp_path / "single.csv", [(text, own[:1]) for text, own in rows(60)])
    (shown,) = records(bertkit("inspect-data", single, "--task", "multilabel", "--format", "json"))
    assert "no_several_labels" in {finding["kind"] for finding in shown["findings"]}


# --- the parts ----------------------------------------------------------------------------


def objective(*thresholds: float) -> LabelSetObjective:
    return LabelSetObjective(TaskSettings("multilabel", ColumnMap(("text",)), ("a", "b"), thresholds=thresholds))


def row(*labels: str) -> LabelSet:
    return LabelSet(("text",), None, 1, "rows.csv", labels=labels)


def test_the_loss_is_torchs_with_the_weights_of_positive_rows() -> None:
    logits, targets = torch.tensor([[0.3, -1.2], [2.0, 0.1]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    wanted = torch.nn.BCEWithLogitsLoss(reduction="none", pos_weight=torch.tensor([3.0, 0.5]))(logits, targets)
    found = objective().losses(logits, targets, TrainingOptions(class_weights=(3.0, 0.5)))
    torch.testing.assert_close(found, wanted.mean(dim=1))
    assert objective().target(row("b")) == (0.0, 1.0)
    assert objective().target(row()) == (0.0, 0.0)


def test_weights_say_how_many_more_rows_lack_a_label() -> None:
    sets = [("a",), ("a", "b"), (), ("a",)]
    assert positive_weights("auto", ("a", "b"), sets) == (pytest.approx(1 / 3), 3.0)
    assert positive_weights("b=2", ("a", "b"), sets) == (1.0, 2.0)
    assert positive_weights("none", ("a", "b"), sets) is None


def test_a_threshold_has_the_best_f1_of_its_label() -> None:
    scores = np.array([[0.9], [0.8], [0.3], [0.2], *[[0.1]] * 20, *[[0.85]] * 10])
    gold = np.array([[True], [True], [True], [False], *[[False]] * 20, *[[True]] * 10])
    assert best_thresholds(gold, scores) == (pytest.approx(0.25),)
    few = np.concatenate([scores, scores], axis=1)
    rare = np.concatenate([gold, np.arange(len(gold))[:, None] == 0], axis=1)
    own, shared = best_thresholds(rare, few)
    assert shared != own or shared == pytest.approx(0.25)
    assert best_thresholds(gold & False, scores) == (0.5,)
    with pytest.raises(UsageError, match="no label is called 'c'"):
        parse_thresholds("c=0.5", ("a", "b"))


@pytest.mark.parametrize("thresholds", [[0.5], [0.5, 0.5, 0.5]])
def test_a_run_with_other_thresholds_than_labels_is_damaged(thresholds: list[float]) -> None:
    values = TaskSettings("multilabel", ColumnMap(("text",)), ("a", "b")).to_json()
    with pytest.raises(MisfitError, match="thresholds are"):
        TaskSettings.from_json({**values, "thresholds": thresholds})
