"""A large table is trained on from the cache: the same bytes as from memory, through a stop and a resume too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bertkit.baselines import sequence
from bertkit.baselines import table as baselines
from bertkit.config import TrainConfig
from bertkit.data import loading, store
from bertkit.data.store import StoredRows
from bertkit.evaluation import blend
from bertkit.evaluation import run as evaluation_run
from bertkit.evaluation.run import EvalRequest, evaluate_run
from bertkit.tasks import encoded, masked_lm, objectives
from bertkit.tasks.encoded import ScoredRows, StoredTraining
from bertkit.tokenization import base
from bertkit.training.loop import StepFacts
from bertkit.training.prepare import prepare
from bertkit.training.run import train

ROWS = 300


class StoppedError(Exception):
    """The training was stopped."""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    rows = (
        f"the {i % 37} cats of {i} {'like' if i % 3 else 'hate'} it,{'good' if i % 3 else 'bad'}\n" for i in range(ROWS)
    )
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def in_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path / "cache"))

    def switch() -> None:
        for module in (loading, store, objectives, objectives, sequence):
            monkeypatch.setattr(module, "MANY", 20)
        monkeypatch.setattr(loading, "_SMALL_BYTES", 1)
        monkeypatch.setattr(blend, "_BLOCK", 20)
        monkeypatch.setattr(store, "_ROWS", 64)
        monkeypatch.setattr(base, "FEWEST", 10)

    return switch


def config_of(table: Path, output: Path, **more: Any) -> TrainConfig:
    given: dict[str, Any] = {"model": "scratch", "size": "tiny", "epochs": 2, "tensorboard": False, "max_length": 24}
    return TrainConfig(data=(str(table),), output=str(output), **{**given, **more})


def result_of(run: Path) -> dict[str, Any]:
    manifest = json.loads((run / "bertkit.json").read_text(encoding="utf-8"))
    files = (
        "model.safetensors",
        "tokenizer.json",
        "baseline/baselines.safetensors",
        "baseline/training_rows.safetensors",
    )
    return {**{name: (run / name).read_bytes() for name in files}, "data": manifest["data"], "blend": manifest["blend"]}


def said(rows: Sequence[object]) -> list[str]:
    return [re.sub("at 0x[0-9a-f]+", "", repr(row)) for row in rows]


def test_training_and_eval_from_the_cache(table, tmp_path, in_cache):
    train(config_of(table, tmp_path / "held"))
    scored = [evaluate_run(EvalRequest(run=tmp_path / "held", data=data)) for data in ((), (str(table),))]
    in_cache()
    prepared = prepare(config_of(table, tmp_path / "none"))
    assert isinstance(prepared.dataset.splits["train"], StoredRows)
    assert isinstance(prepared.rows, StoredTraining)
    assert isinstance(prepared.validation, ScoredRows)
    train(config_of(table, tmp_path / "stored"))
    assert result_of(tmp_path / "stored") == result_of(tmp_path / "held")
    again = [evaluate_run(EvalRequest(run=tmp_path / "held", data=data)) for data in ((), (str(table),))]
    for one, other in zip(scored, again, strict=True):
        assert other.metrics == pytest.approx(one.metrics, abs=1e-12)
        assert other.baselines == {name: pytest.approx(figures, abs=1e-12) for name, figures in one.baselines.items()}
        assert other.intervals.keys() == one.intervals.keys()
        assert (other.n, other.warnings) == (one.n, one.warnings)


def test_a_stopped_training_goes_on_from_the_cache(table, tmp_path, in_cache):
    train(config_of(table, tmp_path / "held"))
    in_cache()

    def stop(event: object) -> None:
        if isinstance(event, StepFacts) and event.step == 9:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(config_of(table, tmp_path / "run"), stop)
    train(config_of(table, tmp_path / "run", resume=True))
    assert result_of(tmp_path / "run") == result_of(tmp_path / "held")


@pytest.mark.parametrize("task", ["classify", "ner", "choice", "mlm", "regression", "extractive", "qa", "multilabel"])
def test_every_task_reads_its_training_rows_back(task, tmp_path, in_cache):
    path = tmp_path / "rows.jsonl"
    rows: dict[str, Callable[[int], dict[str, Any]]] = {
        "classify": lambda i: {"text": f"the cat of {i} " * (i % 9), "label": f"kind {i % 3}"},
        "ner": lambda i: {"text": f"Seoul and {i} cats", "entities": [[0, 5, "LOC"]]},
        "choice": lambda i: {"question": f"what is {i}?", "choices": ["a cat", f"number {i}"], "answer": i % 2},
        "qa": lambda i: {
            "context": f"The cat of {i} sat on a mat.",
            "question": "who sat?",
            "answers": {"text": [f"cat of {i}"], "answer_start": [4]},
        },
        "mlm": lambda i: {"text": f"the cat sees {i} birds and a dog"},
        "regression": lambda i: {"text": f"text {i}", "label": str(i / 8)},
        "multilabel": lambda i: {"text": f"text {i}", "labels": "|".join(["red", "green", "blue"][: i % 4])},
        "extractive": lambda i: {
            "article": f"A cat sat here. Number {i} came. Dogs ran.",
            "highlights": f"Number {i} came.",
        },
    }
    path.write_text("".join(json.dumps(rows[task](i)) + "\n" for i in range(200)), encoding="utf-8")
    config = config_of(path, tmp_path / "none", task=task)
    held = prepare(config)
    in_cache()
    stored = prepare(config)
    assert isinstance(stored.rows, StoredTraining)
    assert said(stored.rows) == said(held.rows)
    assert said(stored.validation) == said(held.validation)
    assert stored.rows.lengths.tolist() == [row.length for row in held.rows]
    assert stored.warnings == held.warnings


def test_pairs_and_their_swapped_forms_come_back(tmp_path, in_cache):
    path = tmp_path / "pairs.csv"
    path.write_text(
        "sentence1,sentence2,label\n" + "".join(f"cat {i},dog {i % 7} and more,{i % 2}\n" for i in range(200)),
        encoding="utf-8",
    )
    held = prepare(config_of(path, tmp_path / "none", swap_pairs=True))
    in_cache()
    stored = prepare(config_of(path, tmp_path / "none", swap_pairs=True))
    assert [row.encoded for row in stored.rows] == [row.encoded for row in held.rows]
    assert [row.swapped for row in stored.rows] == [row.swapped for row in held.rows]
    assert stored.rows[3] == held.rows[3]


@pytest.mark.parametrize("kind", ["nsp", "sop"])
def test_sentences_that_follow_each_other_are_paired_from_the_cache(kind, tmp_path, in_cache, monkeypatch):
    path = tmp_path / "passages.txt"
    path.write_text("".join(f"the cat of {i} sat here\n" + "\n" * (i % 5 == 4) for i in range(200)), encoding="utf-8")
    config = config_of(path, tmp_path / "none", task="mlm", sentence_pairs=kind)
    held = prepare(config)
    in_cache()
    monkeypatch.setattr(masked_lm, "_PAIRS_AT_ONCE", 16)
    stored = prepare(config)
    assert isinstance(stored.rows, StoredTraining)
    assert len(stored.rows) == len(held.rows) > 100
    assert said(stored.rows) == said(held.rows)
    assert said(stored.validation) == said(held.validation)


def test_rows_of_classes_that_have_moved_since_are_written_again(table, tmp_path, in_cache):
    in_cache()
    config = config_of(table, tmp_path / "none")
    rows = said(prepare(config).rows)
    (facts,) = (tmp_path / "cache" / encoded.ROOM).glob("*/facts.json")
    for moved in ("bertkit.nowhere:Row", "bertkit.tasks.encoded:Gone"):
        facts.write_text(json.dumps({**json.loads(facts.read_text()), "records": [moved]}), encoding="utf-8")
        assert said(prepare(config).rows) == rows


def test_other_options_are_other_rows(table, tmp_path, in_cache):
    in_cache()
    room = tmp_path / "cache" / encoded.ROOM
    prepare(config_of(table, tmp_path / "none"))
    prepare(config_of(table, tmp_path / "none", lr=1e-3))
    assert len(list(room.iterdir())) == 1
    prepare(config_of(table, tmp_path / "none", max_length=12))
    assert len(list(room.iterdir())) == 2


def test_baselines_of_very_many_rows_are_fitted_on_some(table, tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "MOST_FITTED", 100)
    said: list[object] = []
    train(config_of(table, tmp_path / "run", epochs=1), said.append)
    assert "baselines are fitted on 100 of the 270 training rows, drawn by --seed" in said


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_other_answers_of_many_rows_are_scored_alike(task, tmp_path, in_cache):
    path = tmp_path / "rows.jsonl"
    labels = {
        "regression": lambda i: {"label": str(i % 9 / 8)},
        "multilabel": lambda i: {"labels": ["a", "b"][: i % 3]},
    }
    rows = ({"text": f"the {i % 9} cats of {i}", **labels[task](i)} for i in range(200))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    train(config_of(path, tmp_path / "held", task=task, epochs=1))
    in_cache()
    train(config_of(path, tmp_path / "stored", task=task, epochs=1))
    held, stored = (json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("held", "stored"))
    assert stored["metrics"] == pytest.approx(held["metrics"], abs=1e-6)
    assert (tmp_path / "held/model.safetensors").read_bytes() == (tmp_path / "stored/model.safetensors").read_bytes()


def test_what_is_no_longer_used_goes_back_before_and_while_baselines_answer(table, tmp_path, in_cache, monkeypatch):
    train(config_of(table, tmp_path / "run", epochs=1))
    in_cache()
    given: list[str] = []
    monkeypatch.setattr(evaluation_run, "MANY", 20)
    monkeypatch.setattr(evaluation_run, "give_back", lambda: given.append("before"))
    monkeypatch.setattr(sequence, "give_back_growth", lambda: given.append("while"))
    evaluate_run(EvalRequest(run=tmp_path / "run", data=(str(table),)))
    assert given[0] == "before"
    assert given[1:] == ["while"] * (len(given) - 1) != []
