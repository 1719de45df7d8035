"""Dialogues, minutes, reports and Korean news with references by hand: what is taken unasked is not below lead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.documents.rouge import resolve_mode, score_table
from bertkit.models import finding
from bertkit.summarization.methods import ENCODER, SummaryOptions, open_summarizer
from bertkit.summarization.records import Listener, SourceText, Summary

KINDS = Path(__file__).parent / "kinds"
ENGLISH = ("dialogues", "minutes", "reports")


def rows(kind: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (KINDS / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()]


def rouge1(kind: str, method: str | None) -> float:
    documents = rows(kind)
    summarize = open_summarizer(SummaryOptions(method), Listener())
    answers = list(summarize([SourceText(row["text"]) for row in documents]))
    found = [answer.summary for answer in answers if isinstance(answer, Summary)]
    references = [row["summary"] for row in documents]
    table = score_table(list(zip(references, found, strict=True)), resolve_mode("auto", references), ("rouge1",))
    return float(table.mean())


@pytest.mark.parametrize("kind", [*ENGLISH, "korean_news"])
def test_twenty_documents_with_a_reference_in_other_words(kind):
    found = rows(kind)
    assert len({row["text"] for row in found}) == 20
    assert not any(row["summary"] in row["text"] for row in found)


@pytest.mark.parametrize("kind", ENGLISH)
def test_the_default_is_above_the_first_sentences(kind):
    if finding.packaged_model(ENCODER) is None:
        pytest.skip("the extra offline is not installed")
    assert rouge1(kind, None) > rouge1(kind, "lead") + 0.05


def test_what_korean_texts_get_is_not_below_the_first_sentences():
    assert rouge1("korean_news", None) >= rouge1("korean_news", "lead")
