"""bertsum and matchsum: the seam between a run of a task and summaries."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from bertkit.documents.sentences import Sentence
from bertkit.errors import ModelError, RunError
from bertkit.summarization.methods import SummaryOptions, open_summarizer
from bertkit.summarization.records import Listener, SourceText, Summary, Unreadable
from bertkit.summarization.summarize import summarize
from bertkit.summarization.trained import _chosen
from bertkit.tasks.summaries import Extract

EXTRACT = Extract(
    tuple(Sentence(i, i + 1, text) for i, text in enumerate(["a b c", "a b c d", "e", "f", "g"])),
    (0.9, 0.8, 0.1, 0.7, 0.2),
    (0, 3),
)

TEXT = "the cat sees music. a dog likes the river. the train moves a letter. our teacher buys some bread."


def picks(extract: Extract = EXTRACT, **options) -> list[int]:
    return sorted(_chosen(extract, SummaryOptions(**options)))


def test_how_many_sentences():
    assert picks() == [0, 3]  # the run's own choice
    assert picks(sentences=1) == [0]
    assert picks(sentences=4) == [0, 2, 3, 4]  # sentence 1 repeats sentence 0
    assert picks(ratio=0.6) == [0, 3, 4]


def test_matching_takes_the_best_set_of_the_size_asked_for():
    extract = replace(EXTRACT, candidates=((0, 3), (1, 3), (0, 1, 4), (0, 1, 3)))
    assert picks(extract) == picks(extract, sentences=2) == [0, 3]
    assert picks(extract, sentences=3) == picks(extract, ratio=0.6) == [0, 1, 4]
    assert picks(extract, sentences=4) == [0, 2, 3, 4]  # there is none, and sentence 1 repeats sentence 0
    assert picks(extract, sentences=1) == [0]


def test_a_run_summarizes(extractive_run):
    summary = summarize(TEXT, SummaryOptions(model=str(extractive_run)))
    assert summary.method == "bertsum"
    assert len(summary.sentences) == 3
    assert all(TEXT[choice.start : choice.end] == choice.text for choice in summary.sentences)
    assert [choice.index for choice in summary.sentences] == sorted(choice.index for choice in summary.sentences)
    assert len(summarize(TEXT, SummaryOptions("bertsum", str(extractive_run), sentences=4)).sentences) == 4


def test_a_run_that_reads_the_beginning_says_what_it_left_out(extractive_run, tmp_path):
    run = shutil.copytree(extractive_run, tmp_path / "run")
    manifest = json.loads((run / "bertkit.json").read_text())
    limits = {"on_long": "truncate", "max_length": 24}
    manifest |= {"settings": {**manifest["settings"], **limits}}
    (run / "bertkit.json").write_text(json.dumps(manifest))
    said: list[str] = []
    listener = Listener(note=said.append)
    items = [SourceText(text, "docs", i) for i, text in enumerate([TEXT * 3, "the cat sees music."])]
    answers = list(open_summarizer(SummaryOptions("bertsum", str(run)), listener)(items))
    assert all(isinstance(answer, Summary) for answer in answers)
    assert [line for line in said if "24 tokens" in line and line.startswith("warning: 1 text is longer")]
    said.clear()
    list(open_summarizer(SummaryOptions("bertsum", str(run)), listener)(items[1:]))
    assert not said


def test_a_run_of_matching_says_that_it_compared_with_the_beginning(matching_run, tmp_path):
    run = shutil.copytree(matching_run, tmp_path / "run")
    manifest = json.loads((run / "bertkit.json").read_text())
    manifest |= {"settings": {**manifest["settings"], "max_length": 24}}
    (run / "bertkit.json").write_text(json.dumps(manifest))
    said: list[str] = []
    summarizer = open_summarizer(SummaryOptions("matchsum", str(run)), Listener(note=said.append))
    list(summarizer([SourceText(TEXT * 3), SourceText("the cat sees music.")]))
    assert [line for line in said if line.startswith("warning: 1 text is longer than the 24 tokens")]
    said.clear()
    list(summarizer([SourceText("the cat sees music.")]))
    assert not said


def test_a_run_of_matching_summarizes(matching_run):
    summary = summarize(TEXT, SummaryOptions(model=str(matching_run)))
    assert summary.method == "matchsum"
    assert 2 <= len(summary.sentences) <= 3
    assert all(TEXT[choice.start : choice.end] == choice.text for choice in summary.sentences)
    for count in (1, 2, 3):
        assert len(summarize(TEXT, SummaryOptions("matchsum", str(matching_run), sentences=count)).sentences) == count


def test_order_and_errors_among_many(extractive_run):
    items = [
        SourceText(f"the cat sees music {i}. a dog calls." if i % 3 else "---", "docs", i, i + 1) for i in range(60)
    ]
    items.insert(5, Unreadable("bad row", "other", 0, 1))
    answers = list(open_summarizer(SummaryOptions("bertsum", str(extractive_run)), Listener())(items))
    assert answers[5] is items[5]
    del answers[5], items[5]
    for item, answer in zip(items, answers, strict=True):
        assert isinstance(answer, Summary if item.text != "---" else Unreadable)
        place = answer.document if isinstance(answer, Summary) else answer
        assert (place.source, place.index) == ("docs", item.index)


def test_a_run_of_another_task_or_none(extractive_run, trained_run, tmp_path):
    with pytest.raises(ModelError, match=r"task classify; bertsum needs one of extractive"):
        summarize("Some text.", SummaryOptions("bertsum", str(trained_run)))
    with pytest.raises(ModelError, match=r"task extractive; matchsum needs one of matching"):
        summarize("Some text.", SummaryOptions("matchsum", str(extractive_run)))
    with pytest.raises(RunError, match="is not a run directory"):
        summarize("Some text.", SummaryOptions("bertsum", str(tmp_path)))
