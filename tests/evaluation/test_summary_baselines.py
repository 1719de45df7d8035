"""lead and oracle: what they choose, and that they come back from disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.baselines.table import SummaryBaselines, fit_baselines, load_baselines, load_summary_baselines
from bertkit.data.records import ColumnMap, Document, Example
from bertkit.errors import DataError, RunError
from bertkit.evaluation.evaluate import About, evaluate
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.extractive import ExtractiveTask
from bertkit.tokenization.base import Tokenizer

SENTENCES = ("one red ball .", "two blue birds sing .", "three .", "four trains leave the town .", "five .")


def document(summary: str | None, sentences: tuple[str, ...] = SENTENCES) -> Document:
    return Document(("\n".join(sentences),), None, 1, "x", summary, sentences)


@pytest.fixture
def task(tokenizer: Tokenizer) -> ExtractiveTask:
    return ExtractiveTask(TaskSettings("extractive", ColumnMap(("text",), None, "summary")), tokenizer)


def test_what_they_choose() -> None:
    given = [document("birds sing and trains leave the town ."), document("one", SENTENCES[:2]), document("one", ())]
    answers = SummaryBaselines().predict(given)
    assert list(answers) == ["lead", "oracle"]
    assert [extract.chosen for extract in answers["lead"]] == [(0, 1, 2), (0, 1), ()]
    assert [extract.chosen for extract in answers["oracle"]] == [(1, 3), (0,), ()]
    assert answers["oracle"][0].scores == (0.0, 1.0, 0.0, 1.0, 0.0)


def test_no_reference_is_an_error() -> None:
    with pytest.raises(DataError, match="x:1: the document has no reference"):
        SummaryBaselines().predict([document(None)])
    with pytest.raises(DataError, match="no reference"):
        SummaryBaselines().predict([Example(("text",), None, 1, "x")])


def test_they_come_back_from_disk(tmp_path: Path, task: ExtractiveTask) -> None:
    fit_baselines(task, [document("one")], seed=1).save(tmp_path)
    assert isinstance(load_baselines(tmp_path, task), SummaryBaselines)
    path = tmp_path / "baselines.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "task": "ner"}))
    with pytest.raises(RunError, match="damaged"):
        load_summary_baselines(tmp_path)


def test_the_oracle_is_a_bound_and_the_lead_is_to_be_beaten(task: ExtractiveTask) -> None:
    given = [document("four trains leave the town . five .")] * 12
    answers = SummaryBaselines().predict(given)
    better = evaluate(task, given, answers["oracle"], answers, about=About("x", "test"))
    assert not better.warnings
    assert better.difference["lead"]["rouge1"][0] > 0
    assert better.difference["oracle"]["rouge1"] == (0.0, 0.0)
    assert "tokenizer=english" in better.to_json()["signature"]
    same = evaluate(task, given, answers["lead"], answers, about=About("x", "test"))
    assert any("lead baseline" in warning for warning in same.warnings)
    assert not any("oracle" in warning for warning in same.warnings)
