"""bertsum and matchsum: the seam between a run of a task and summaries."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bertkit.config import TrainConfig
from bertkit.documents.sentences import Sentence
from bertkit.errors import ModelError, RunError
from bertkit.summarization.methods import find_method, open_summarizer
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.records import Listener, SourceText, Summary, Unreadable
from bertkit.summarization.summarize import summarize
from bertkit.summarization.trained import _chosen
from bertkit.tasks.summary_scores import Extract
from tests.conftest import OBJECTS, SUBJECTS, VERBS

EXTRACT = Extract(
    tuple(Sentence(i, i + 1, text) for i, text in enumerate(["a b c", "a b c d", "e", "f", "g"])),
    (0.9, 0.8, 0.1, 0.7, 0.2),
    (0, 3),
)

TEXT = "the cat sees music. a dog likes the river. the train moves a letter. our teacher buys some bread."


def picks(method: str, **options) -> list[int]:
    return sorted(_chosen(EXTRACT, find_method(method), SummaryOptions(**options)))


def test_how_many_sentences():
    assert picks("bertsum") == picks("matchsum") == [0, 3]  # the run's own choice
    assert picks("bertsum", sentences=1) == [0]
    assert picks("bertsum", sentences=4) == [0, 2, 3, 4]  # sentence 1 repeats sentence 0
    assert picks("bertsum", ratio=0.6) == [0, 3, 4]
    assert picks("matchsum", sentences=4) == [0, 3]
    assert picks("matchsum", sentences=1) == [0]


def trained(folder: Path, task: str) -> Path:
    """A run of a task, trained for an epoch on forty short documents."""
    from bertkit.training.run import train

    rng = random.Random(0)
    rows = []
    for _ in range(40):
        sentences = [f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {rng.choice(OBJECTS)}." for _ in range(6)]
        rows.append({"text": " ".join(sentences), "summary": sentences[2]})
    data = folder / "docs.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = TrainConfig(
        data=(str(data),), task=task, output=str(folder / "run"), layers=1, hidden=16, epochs=1,
        max_length=48, vocab_size=200, threads=1, tensorboard=False,
    )  # fmt: skip
    train(config)
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the task extractive."""
    return trained(tmp_path_factory.mktemp("extractive"), "extractive")


def test_a_run_summarizes(run):
    summary = summarize(TEXT, SummaryOptions(model=str(run)))
    assert summary.method == "bertsum"
    assert len(summary.sentences) == 3
    assert all(TEXT[choice.start : choice.end] == choice.text for choice in summary.sentences)
    assert [choice.index for choice in summary.sentences] == sorted(choice.index for choice in summary.sentences)
    assert len(summarize(TEXT, SummaryOptions("bertsum", str(run), sentences=4)).sentences) == 4


def test_a_run_of_matching_summarizes(tmp_path):
    run = trained(tmp_path, "matching")
    summary = summarize(TEXT, SummaryOptions(model=str(run)))
    assert summary.method == "matchsum"
    assert 2 <= len(summary.sentences) <= 3
    assert all(TEXT[choice.start : choice.end] == choice.text for choice in summary.sentences)
    assert summarize("only one sentence.", SummaryOptions("matchsum", str(run))).summary == "only one sentence."


def test_order_and_errors_among_many(run):
    items = [
        SourceText(f"the cat sees music {i}. a dog calls." if i % 3 else "---", "docs", i, i + 1) for i in range(60)
    ]
    items.insert(5, Unreadable("bad row", "other", 0, 1))
    answers = list(open_summarizer(SummaryOptions("bertsum", str(run)), Listener())(items))
    assert answers[5] is items[5]
    del answers[5], items[5]
    for item, answer in zip(items, answers, strict=True):
        assert isinstance(answer, Summary if item.text != "---" else Unreadable)
        place = answer.document if isinstance(answer, Summary) else answer
        assert (place.source, place.index) == ("docs", item.index)


def test_a_run_of_another_task_or_none(run, trained_run, tmp_path):
    with pytest.raises(ModelError, match=r"task classify; bertsum needs one of extractive"):
        summarize("Some text.", SummaryOptions("bertsum", str(trained_run)))
    with pytest.raises(ModelError, match=r"task extractive; matchsum needs one of matching"):
        summarize("Some text.", SummaryOptions("matchsum", str(run)))
    with pytest.raises(RunError, match="is not a run directory"):
        summarize("Some text.", SummaryOptions("bertsum", str(tmp_path)))
