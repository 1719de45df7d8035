"""lead and TextRank, as a library."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bertkit.errors import BertkitError, DataError
from bertkit.summarization.methods import SummaryOptions
from bertkit.summarization.summarize import summarize

LEAD, TEXTRANK = SummaryOptions("lead"), SummaryOptions("textrank")
MAIN_POINTS = json.loads((Path(__file__).parent.parent / "documents/texts/main_points.json").read_text("utf-8"))


def exact(summary):
    text = summary.document.text
    assert all(text[choice.start : choice.end] == choice.text for choice in summary.sentences)
    assert [choice.index for choice in summary.sentences] == sorted(choice.index for choice in summary.sentences)
    assert summary.summary.count("\n") == len(summary.sentences) - 1
    return summary


@pytest.mark.parametrize("name", sorted(MAIN_POINTS))
def test_the_ten_texts(texts, name):
    lead, chosen = exact(summarize(texts[name], LEAD)), exact(summarize(texts[name], TEXTRANK))
    assert [choice.index for choice in lead.sentences] == [0, 1, 2]
    assert len(chosen.sentences) == 3
    assert chosen.sentences != lead.sentences
    assert chosen.method == "textrank"


def test_textrank_finds_most_main_points_of_the_ten_texts(texts):
    found = sum(any(point in summarize(texts[name], TEXTRANK).summary for point in MAIN_POINTS[name]) for name in texts)
    assert found >= 7


@pytest.mark.parametrize("options", [LEAD, TEXTRANK])
def test_a_korean_article_gives_three_whole_sentences(texts, options):
    summary = exact(summarize(texts["korean_article.txt"], options))
    assert len(summary.sentences) == 3
    assert all(line.endswith(("다.", "”", '"')) for line in summary.summary.splitlines())


@pytest.mark.parametrize("options", [LEAD, TEXTRANK])
def test_few_sentences_are_all_chosen(options):
    assert summarize("Only one sentence.", options).summary == "Only one sentence."
    assert summarize("One cat. Two cats. Three dogs.", options).summary == "One cat.\nTwo cats.\nThree dogs."
    assert summarize("no full stop at all", options).summary == "no full stop at all"


def test_a_sentence_over_two_lines_is_one_line_of_the_summary(texts):
    wrapped = "Push one lever under the edge of the tyre, and lift it over the\nrim. Put the second lever in."
    summary = exact(summarize(wrapped, LEAD))
    assert "the\nrim." in summary.sentences[0].text
    assert summary.summary.splitlines()[0].endswith("over the rim.")


def test_four_hundred_sentences_and_a_megabyte(texts):
    long = "\n\n".join(texts[name] for name in sorted(texts) if not name.startswith("korean"))
    assert len(exact(summarize(long * 3, TEXTRANK)).sentences) == 7  # 0.3 times the square root of 495
    assert len(exact(summarize(long * 3, replace(TEXTRANK, sentences=3))).sentences) == 3
    megabyte = long * (1_000_000 // len(long) + 1)
    assert exact(summarize(megabyte, LEAD)).sentences[0].index == 0
    assert exact(summarize(megabyte, TEXTRANK)).sentences


def test_markup_is_not_summarized():
    page = "<html><body><script>var x = 1;</script><p>The mill burned down.</p>\n<p>Nobody was hurt.</p></body></html>"
    assert exact(summarize(page, LEAD)).summary == "The mill burned down.\nNobody was hurt."
    assert summarize("# Title\n\n---\n\n* first point\n* second point\n", LEAD).summary.splitlines()[0] == "first point"


def test_how_many_sentences():
    text = " ".join(f"Sentence number {word} stands here." for word in "one two three four five six seven".split())
    assert len(summarize(text, SummaryOptions("lead", sentences=5)).sentences) == 5
    assert len(summarize(text, SummaryOptions("lead", ratio=0.5)).sentences) == 4
    assert len(summarize(text, SummaryOptions("lead", ratio=0.01)).sentences) == 1
    assert len(summarize(text, SummaryOptions("lead", sentences=50)).sentences) == 7


def test_textrank_does_not_repeat_itself():
    text = "The red fox jumps over the dog. The red fox jumps over the cat. A bird sings in the old tree."
    assert [choice.index for choice in summarize(text, TEXTRANK).sentences] in ([0, 2], [1, 2])


@pytest.mark.parametrize(("text", "word"), [("", "empty"), (" \n\t", "empty"), ("---\n***\n<br>", "no sentence")])
def test_nothing_to_summarize(text, word):
    with pytest.raises(DataError, match=word):
        summarize(text, TEXTRANK)


def test_language_is_checked():
    with pytest.raises(BertkitError, match="--language fr"):
        SummaryOptions("lead", language="fr")
