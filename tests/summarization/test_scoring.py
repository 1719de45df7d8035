"""Summaries beside references."""

from __future__ import annotations

import pytest

from bertkit.errors import DataError
from bertkit.summarization.methods import SummaryOptions
from bertkit.summarization.records import Listener, Summary, Unreadable
from bertkit.summarization.summarize import (
    FIGURES,
    SummarizeRequest,
    mean_sentence,
    read_references,
    score_summary,
    summarize_inputs,
)

TEXT = "The mill burned down at night. Nobody was hurt. The miller wants to build it again."


@pytest.mark.parametrize("mode", ["auto", "english", "char"])
def test_a_text_beside_itself(mode):
    rouge = score_summary(TEXT, TEXT, mode)
    assert (rouge.rouge1, rouge.rouge2, rouge.rougeLsum) == (1.0, 1.0, 1.0)
    assert ("char" if mode == "char" else "english") in rouge.signature


def test_lines_are_sentences_however_the_reference_is_written():
    turned = "Nobody was hurt.\nThe mill burned down at night.\nThe miller wants to build it again."
    marked = "<s> The mill burned down at night . </s> <s> Nobody was hurt . </s>"
    assert score_summary(turned, TEXT).rougeLsum == pytest.approx(1.0)
    assert score_summary("Nobody was hurt.\nThe mill burned down at night.", marked).rougeLsum == pytest.approx(1.0)


@pytest.mark.parametrize("mode", ["auto", "eojeol", "morph", "char"])
def test_korean(mode):
    if mode == "morph":
        pytest.importorskip("kiwipiepy")
    same, other = "2024년 서울 GDP 3.1%", "2024년 부산 GDP 3.1%"
    for name in FIGURES:
        assert getattr(score_summary(same, same, mode), name) == 1.0
        assert 0 < getattr(score_summary(same, other, mode), name) < 1.0


def test_a_score_that_would_say_nothing_is_refused():
    with pytest.raises(DataError, match="ignores"):
        score_summary("朝が来た。鳥が鳴く。", "朝が来た。鳥が鳴く。", "english")


def test_references_of_text_files_and_tables(tmp_path):
    plain, table = tmp_path / "one.txt", tmp_path / "more.jsonl"
    plain.write_text("First.")
    table.write_text('{"text": "long", "highlights": "Second."}\n{"text": "Third."}\n')
    assert list(read_references([str(plain), str(table)])) == ["First.", "Second.", "Third."]
    table.write_text('{"summary": ""}\n')
    with pytest.raises(DataError, match=r"more\.jsonl:1: the reference is empty"):
        list(read_references([str(table)]))


def answers(tmp_path, documents: list[str], references: list[str], mode: str = "auto"):
    names = []
    for kind, found in (("doc", documents), ("ref", references)):
        for i, text in enumerate(found):
            (tmp_path / f"{kind}{i}.txt").write_text(text)
        names.append(tuple(str(tmp_path / f"{kind}{i}.txt") for i in range(len(found))))
    request = SummarizeRequest(names[0], SummaryOptions("lead"), references=names[1], rouge=mode)
    return list(summarize_inputs(request, Listener()))


def test_one_reference_for_each_document(tmp_path):
    first, second, third = answers(tmp_path, [TEXT, "", TEXT], [TEXT, "lost", "Nobody was hurt."])
    assert isinstance(first, Summary)
    assert first.rouge is not None
    assert first.rouge.rouge1 == 1.0
    assert list(first.to_json()["rouge"]) == ["rouge1", "rouge2", "rougeLsum", "signature", "ignored_share"]
    assert isinstance(second, Unreadable)
    assert isinstance(third, Summary)
    assert third.rouge is not None
    assert "mean of 2 documents: rouge1" in mean_sentence([first.rouge, third.rouge])


def test_references_that_do_not_go_with_the_documents(tmp_path):
    with pytest.raises(DataError, match="no reference is left"):
        answers(tmp_path, [TEXT, TEXT], [TEXT])
    with pytest.raises(DataError, match="more references"):
        answers(tmp_path, [TEXT], [TEXT, TEXT])


def test_a_refused_score_is_an_error_of_its_document(tmp_path):
    (answer,) = answers(tmp_path, ["朝が来た。鳥が鳴く。"], ["朝が来た。鳥が鳴く。"], "english")
    assert isinstance(answer, Unreadable)
    assert "ignores" in answer.message
