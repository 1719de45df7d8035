"""The metric that decides: what is taken by itself, what was asked for, and what it changes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bertkit.config import TrainConfig
from bertkit.data.records import ColumnMap, Example
from bertkit.errors import DataError, RunError, UsageError
from bertkit.evaluation.run import EvalRequest, evaluate_run
from bertkit.kinds import MisfitError
from bertkit.tasks.base import Scores, TaskSettings
from bertkit.tasks.objectives import Classification
from bertkit.tasks.registry import TASKS, find_task
from bertkit.training import loop
from bertkit.training.loop import LoopState, Plan, StepFacts, train_steps
from bertkit.training.run import train
from bertkit.training.tuning import choose_metric
from tests.conftest import OBJECTS, SUBJECTS, VERBS, write_tsv
from tests.training.test_run import small


def rows(**counts: int) -> list[Example]:
    return [Example((f"{label} {i}",), label, i, "t") for label, count in counts.items() for i in range(count)]


@pytest.mark.parametrize("spec", TASKS, ids=lambda spec: spec.name)
def test_every_task_has_its_own_metric(spec: Any) -> None:
    assert choose_metric(TrainConfig(), spec, rows(a=5, b=5)) == (spec.metrics[0], "")


@pytest.mark.parametrize(("counts", "metric"), [((67, 33), "accuracy"), ((30, 10), "accuracy"), ((31, 10), "macro_f1")])
def test_uneven_classes_are_decided_by_macro_f1(counts: tuple[int, int], metric: str) -> None:
    chosen, sentence = choose_metric(TrainConfig(), find_task("classify"), rows(a=counts[0], b=counts[1]))
    assert chosen == metric
    assert bool(sentence) == (metric != "accuracy")
    if sentence:
        assert "31 training rows have the label 'a' and 10 have 'b', more than 3 to 1 (--metric accuracy" in sentence


def test_so_are_weighted_ones() -> None:
    chosen, sentence = choose_metric(TrainConfig(class_weights="auto"), find_task("classify"), rows(a=5, b=5))
    assert chosen == "macro_f1"
    assert "--class-weights is given" in sentence


def test_what_was_asked_for_goes_before_that() -> None:
    config = TrainConfig(metric="accuracy", class_weights="auto")
    assert choose_metric(config, find_task("classify"), rows(a=95, b=5)) == ("accuracy", "")


@pytest.mark.parametrize(
    ("task", "metric", "others"),
    [
        ("classify", "pearson", "accuracy, macro_f1, f1"),
        ("regression", "macro_f1", "pearson, spearman, mse, mae."),
        ("mlm", "pair_accuracy", "perplexity, loss, accuracy."),
        ("ner", "정확도", "entity_f1"),
    ],
)
def test_a_metric_that_the_task_has_not_is_refused_with_those_it_has(task: str, metric: str, others: str) -> None:
    with pytest.raises(UsageError, match=rf"--metric '{metric}': {task} does not compute it; choose from .*{others}"):
        choose_metric(TrainConfig(metric=metric), find_task(task), rows(a=5, b=5))


def test_pairs_of_sentences_have_an_accuracy() -> None:
    config = TrainConfig(metric="pair_accuracy", sentence_pairs="nsp")
    assert choose_metric(config, find_task("mlm"), [])[0] == "pair_accuracy"


# 95 rows of a and 5 of b; what three epochs answer: always a, three of the b at the cost of four a, and surer a.
GOLD = rows(a=95, b=5)
EPOCHS = (
    [(0.9, 0.1)] * 95 + [(0.6, 0.4)] * 5,
    [(0.9, 0.1)] * 91 + [(0.4, 0.6)] * 7 + [(0.6, 0.4)] * 2,
    [(0.99, 0.01)] * 95 + [(0.6, 0.4)] * 5,
)


def best_step(metric: str, monkeypatch: pytest.MonkeyPatch, *, lacking: bool = False) -> tuple[int, list[bool]]:
    """Go through the loop with these answers, a step an epoch."""
    settings = TaskSettings("classify", ColumnMap(("t",), None, "y"), ("a", "b"), "b", metric=metric)
    answers: Iterator[Any] = iter(EPOCHS)

    def evaluate() -> Scores:
        import numpy as np

        scores = Classification(settings).score(GOLD, np.array(next(answers)))
        return Scores({}) if lacking else scores

    def step(learner: Any, parts: Any, plan: Plan, state: LoopState, per_epoch: int) -> StepFacts:
        state.step += 1
        return StepFacts(state.step, 3, state.epoch + 1, 0.5, 0.1, 1.0, 1, 1, 0.1)

    monkeypatch.setattr(loop, "take_step", step)
    learner = cast("Any", SimpleNamespace(task=SimpleNamespace(settings=settings), options=None))
    plan = Plan(
        epochs=3, batch_size=8, accumulate=1, lr=0.1, warmup=0.0, schedule="linear", clip=1.0, patience=9, seed=1
    )
    state = LoopState()
    facts = list(train_steps(learner, cast("Any", [SimpleNamespace(length=3)]), plan, state, evaluate))
    return state.best_step, [fact.improved for fact in facts]


def test_the_best_epoch_is_another_by_another_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    assert best_step("macro_f1", monkeypatch) == (2, [True, True, False])
    # accuracy: 0.95, 0.94, 0.95; the tie goes to the lower loss
    assert best_step("accuracy", monkeypatch) == (3, [True, False, True])
    assert best_step("", monkeypatch)[0] == 3, "a run that says nothing goes by the task's own"
    assert best_step("loss", monkeypatch)[0] == 3
    assert best_step("recall", monkeypatch)[0] == 2


def test_a_metric_that_the_validation_rows_lack_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="--metric f1: the validation rows do not have it"):
        best_step("f1", monkeypatch, lacking=True)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A run on 180 rows of one label and 20 of another, and what was heard of it."""
    folder = tmp_path_factory.mktemp("uneven")
    texts = [f"{s} {v} {o}" for s in SUBJECTS for v in VERBS for o in OBJECTS]
    labelled = [(text, "rare" if i % 10 == 0 else "usual") for i, text in enumerate(texts[:200])]
    data = write_tsv(folder / "rows.tsv", cast("Any", labelled), ("text", "label"))
    heard: list[Any] = []
    train(small(data, folder / "run", heads=2), heard.append)
    return folder / "run", heard


def test_a_run_stores_the_metric_and_goes_by_it(uneven: tuple[Path, list[Any]]) -> None:
    run, heard = uneven
    assert any("macro_f1 chooses the best epoch" in event for event in heard if isinstance(event, str))
    manifest = json.loads((run / "bertkit.json").read_text(encoding="utf-8"))
    assert (
        manifest["settings"]["metric"] == manifest["config"]["metric"] == manifest["training"]["metric"] == "macro_f1"
    )
    found = evaluate_run(EvalRequest(run))
    assert found.metric == "macro_f1"
    verdicts = [warning for warning in found.warnings if "baseline in" in warning]
    assert verdicts
    assert all("in macro F1 (95 % CI" in verdict for verdict in verdicts)


def test_a_run_on_95_to_5_keeps_another_epoch_by_another_metric(tmp_path: Path) -> None:
    texts = [f"{s} {v} {o}" for s in SUBJECTS for v in VERBS for o in OBJECTS]
    random.Random(3).shuffle(texts)

    def some(start: int) -> list[Any]:
        """One row in twenty is rare and says so; a few of the others say it too, which costs accuracy."""
        numbered = enumerate(texts[start : start + 200])
        marked = ((i, text + " tonight" * (i % 20 == 0 or i % 16 == 1)) for i, text in numbered)
        return [(text, "rare" if i % 20 == 0 else "usual") for i, text in marked]

    (tmp_path / "data").mkdir()
    write_tsv(tmp_path / "data" / "train.tsv", some(0), ("text", "label"))
    write_tsv(tmp_path / "data" / "validation.tsv", some(200), ("text", "label"))
    options = {"class_weights": "auto", "epochs": 6, "patience": 6, "average": 1, "lr": 3e-3}
    options |= {"heads": 2, "token_masking": 0.0, "dropout": 0.0}
    by = {m: train(small(tmp_path / "data", tmp_path / m, metric=m, **options)) for m in ("accuracy", "macro_f1")}
    assert by["accuracy"].best_step < by["macro_f1"].best_step
    assert by["accuracy"].metrics["accuracy"] >= by["macro_f1"].metrics["accuracy"]
    assert by["accuracy"].metrics["macro_f1"] < by["macro_f1"].metrics["macro_f1"]
    for metric, words in (("accuracy", "in accuracy (95 % CI"), ("macro_f1", "in macro F1 (95 % CI")):
        verdicts = [warning for warning in by[metric].warnings if " baseline in " in warning]
        assert verdicts
        assert all(words in verdict for verdict in verdicts)


def test_a_run_of_before_goes_by_the_metric_of_its_task(uneven: tuple[Path, list[Any]], tmp_path: Path) -> None:
    import shutil

    old = tmp_path / "old"
    shutil.copytree(uneven[0], old)
    manifest = json.loads((old / "bertkit.json").read_text(encoding="utf-8"))
    del manifest["settings"]["metric"]
    (old / "bertkit.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert evaluate_run(EvalRequest(old)).metric == "accuracy"


def test_a_resumed_run_keeps_its_metric(
    uneven: tuple[Path, list[Any]],
) -> None:
    from bertkit.training import checkpoint

    manifest = json.loads((uneven[0] / "bertkit.json").read_text(encoding="utf-8"))
    placement = {"device": "cpu", "precision": "float32", "threads": 1}
    setup = {"config": manifest["config"], "fingerprint": "f", "placement": placement}
    again = TrainConfig(resume=True, given=frozenset({"resume"}))
    assert checkpoint.resumed_config(again, setup).metric == "macro_f1"
    other = TrainConfig(resume=True, metric="accuracy", given=frozenset({"resume", "metric"}))
    with pytest.raises(UsageError, match="--metric accuracy: the run began with macro_f1"):
        checkpoint.resumed_config(other, setup)


def test_the_loss_can_decide_and_has_a_verdict(tmp_path: Path, uneven: tuple[Path, list[Any]]) -> None:
    data = json.loads((uneven[0] / "bertkit.json").read_text(encoding="utf-8"))["data"]["request"]["names"][0]
    result = train(small(Path(data), tmp_path / "run", heads=2, metric="loss", epochs=1))
    assert result.metric == "loss"
    found = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    low, high = found["difference"]["majority"]["loss"]
    mine, compared = found["metrics"]["loss"], found["baselines"]["majority"]["loss"]
    assert low <= mine - compared <= high
    assert any("significantly worse than the majority baseline in loss" in warning for warning in found["warnings"])


def test_the_loss_that_is_shown_is_of_one_kind_with_that_of_validation(
    tmp_path: Path, uneven: tuple[Path, list[Any]]
) -> None:
    data = Path(json.loads((uneven[0] / "bertkit.json").read_text(encoding="utf-8"))["data"]["request"]["names"][0])
    losses: dict[str, list[StepFacts]] = {}
    for word in ("none", "auto"):
        heard: list[Any] = []
        config = small(data, tmp_path / word, heads=2, epochs=1, batch_size=200, class_weights=word, token_masking=0.0)
        train(config, heard.append)
        losses[word] = [event for event in heard if isinstance(event, StepFacts)]
    (plain,), (weighted,) = losses["none"], losses["auto"]
    assert plain.objective is None
    assert weighted.loss == pytest.approx(plain.loss, rel=1e-6), "the first step is the same for both"
    assert weighted.objective is not None
    assert abs(weighted.objective - weighted.loss) > 1e-3


def test_a_run_that_held_out_other_rows_is_not_gone_on_with(uneven: tuple[Path, list[Any]]) -> None:
    from bertkit.data.splits import DataRequest
    from bertkit.tasks.rows import load_splits
    from bertkit.training import checkpoint

    data = json.loads((uneven[0] / "bertkit.json").read_text(encoding="utf-8"))["data"]
    dataset = load_splits(DataRequest.from_json(data["request"]))
    prepared = cast("Any", SimpleNamespace(dataset=dataset, config=TrainConfig()))
    setup = {"fingerprint": data["fingerprint"], "data": data}
    checkpoint.check_same_data(prepared, setup)
    del data["request"]["split_form"]
    with pytest.raises(RunError, match="another version of bertkit, which holds out other validation rows"):
        checkpoint.check_same_data(prepared, setup)


def test_settings_that_name_a_metric_of_another_task_are_damaged() -> None:
    settings = TaskSettings("regression", ColumnMap(("t",), None, "y"), metric="spearman")
    assert TaskSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    with pytest.raises(MisfitError, match=r"settings.metric is .map@3. and should be one of pearson"):
        TaskSettings.from_json({**settings.to_json(), "metric": "map@3"}, "settings")
