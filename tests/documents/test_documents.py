"""The ten documents written for these tests, and real ones where they are at hand."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertkit.documents.rouge import highlight_lines, score_corpus, tokenize
from bertkit.documents.selection import oracle_sentences, select
from bertkit.documents.sentences import split_sentences
from bertkit.documents.textrank import textrank_scores
from bertkit.documents.words import sentence_words
from tests.documents.test_oracle import stepwise

TEXTS = Path(__file__).parent / "texts"
NAMES = sorted(path.name for path in TEXTS.glob("*.txt"))
MAIN_POINTS = json.loads((TEXTS / "main_points.json").read_text(encoding="utf-8"))


def textrank(sentences, count=3):
    words = sentence_words([sentence.text for sentence in sentences])
    return select(textrank_scores(words), words, count)


def test_the_room_needs_neither_torch_nor_the_packages_it_may_call():
    modules = "sentences words textrank rouge selection".split()
    heavy = {"torch", "transformers", "scipy", "rouge_score", "nltk", "kiwipiepy"}
    code = f"import sys; from bertkit.documents import {', '.join(modules)}; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_there_are_ten_documents_with_a_main_point_each():
    assert len(NAMES) == 10
    assert set(NAMES) == set(MAIN_POINTS)


@pytest.mark.parametrize("name", NAMES)
def test_main_points_stand_in_whole_sentences_behind_the_lead(name, texts, without_kiwi):
    sentences = split_sentences(texts[name])
    assert 12 <= len(sentences) <= 32
    for point in MAIN_POINTS[name]:
        (index,) = (i for i, sentence in enumerate(sentences) if point in " ".join(sentence.text.split()))
        assert index >= 5


def test_textrank_does_not_choose_the_lead_by_habit(texts, without_kiwi):
    chosen = {name: textrank(split_sentences(text)) for name, text in texts.items()}
    assert all(picks != [0, 1, 2] for picks in chosen.values())
    found = 0
    for name, picks in chosen.items():
        summary = " ".join(" ".join(split_sentences(texts[name])[i].text.split()) for i in picks)
        found += any(point in summary for point in MAIN_POINTS[name])
    assert found >= 7


def test_the_korean_article_has_thirty_sentences(texts, without_kiwi):
    sentences = split_sentences(texts["korean_article.txt"])
    assert len(sentences) == 30
    assert all(sentence.text.endswith(("다.", "”", '"')) for sentence in sentences)
    assert len(textrank(sentences)) == 3


def test_four_hundred_sentences_and_very_few(texts):
    long = "\n\n".join(texts[name] for name in NAMES if not name.startswith("korean")) * 3
    sentences = split_sentences(long)[:400]
    assert len(sentences) == 400
    assert len(textrank(sentences)) == 3
    assert textrank(split_sentences("Only one sentence.")) == [0]
    assert textrank(split_sentences("One cat. Two cats. Three dogs.")) == [0, 1, 2]
    assert textrank([]) == []


@pytest.fixture(scope="module")
def news():
    """Some CNN/DailyMail documents: (sentences, reference on lines)."""
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    with gzip.open(Path(root) / "cnn_dm/validation.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line, _ in zip(lines, range(100), strict=False)]
    return [([s.text for s in split_sentences(row["article"])], highlight_lines(row["abstract"])) for row in rows]


def test_oracle_picks_on_news_are_those_of_scoring_each_step(news):
    for sentences, reference in news[:6]:
        tokens = [tokenize(sentence, "english").tokens for sentence in sentences]
        wanted = tokenize(reference, "english").tokens
        assert oracle_sentences(tokens, wanted) == stepwise(tokens, wanted)


def test_lead_textrank_and_oracle_on_news(news):
    def oracle(sentences, reference):
        tokens = [tokenize(sentence, "english").tokens for sentence in sentences]
        return oracle_sentences(tokens, tokenize(reference, "english").tokens)

    def by_textrank(sentences, _):
        words = sentence_words(sentences)
        return select(textrank_scores(words), words, 3)

    def rouge1(pick):
        summaries = ["\n".join(sentences[i] for i in pick(sentences, reference)) for sentences, reference in news]
        return 100 * score_corpus([reference for _, reference in news], summaries).scores["rouge1"].mean()

    lead = rouge1(lambda sentences, _: range(min(3, len(sentences))))
    assert 36 < lead < 45
    assert 33 < rouge1(by_textrank) < lead
    assert rouge1(oracle) > 52
