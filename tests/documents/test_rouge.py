"""ROUGE: named tokenizations, what they ignore, and what is refused."""

import pickle
import unicodedata

import pytest
from rouge_score.rouge_scorer import RougeScorer

from bertkit.documents.rouge import (
    METRICS,
    highlight_lines,
    resolve_mode,
    score_corpus,
    score_pair,
    signature,
    tokenize,
)
from bertkit.errors import DataError, TokenizerError, UnknownNameError

SEOUL, BUSAN = "2024년 서울 GDP 3.1%", "2024년 부산 GDP 3.1%"
ENGLISH_PAIRS = [
    ("The cats were running home.\nThey slept.", "They sleep.\nA cat runs home!"),
    ("3.1 % of GDP", "GDP rose 3.1%"),
    ("Zoë's café isn't open", "zoe's cafe is not open"),
    ("one", ""),
]


@pytest.fixture(params=["eojeol", "morph", "char"])
def korean_mode(request):
    if request.param == "morph":
        pytest.importorskip("kiwipiepy")
    return request.param


@pytest.mark.parametrize(("reference", "summary"), ENGLISH_PAIRS)
def test_english_scores_are_those_of_rouge_score(reference, summary):
    expected = RougeScorer(list(METRICS), use_stemmer=True).score(reference, summary)
    scores = score_pair(reference, summary, "english")
    assert [getattr(scores, metric) for metric in METRICS] == [expected[metric].fmeasure for metric in METRICS]


def test_identical_korean_texts_score_one(korean_mode):
    for text in (SEOUL, f"{SEOUL}\n비가 왔다."):
        scores = score_pair(text, text, korean_mode)
        assert [getattr(scores, metric) for metric in METRICS] == [1.0] * 4


def test_different_korean_texts_score_below_one(korean_mode):
    scores = score_pair(SEOUL, BUSAN, korean_mode)
    assert all(0 < getattr(scores, metric) < 1 for metric in METRICS)


def test_decomposed_text_is_the_same_text(korean_mode):
    assert score_pair(SEOUL, unicodedata.normalize("NFD", SEOUL), korean_mode).rouge2 == 1.0


def test_tokens_of_each_tokenization():
    text = "“날씨가” 좋다! GDP 3.1%"
    assert tokenize(text, "eojeol").tokens == ["날씨가", "좋다", "gdp", "3.1"]
    assert tokenize(text, "char").tokens == [*"날씨가좋다gdp31"]
    assert tokenize(text, "english").tokens == ["gdp", "3", "1"]


def test_tokens_of_morphemes():
    pytest.importorskip("kiwipiepy")
    assert tokenize("날씨가 좋았다. GDP 3.1%", "morph").tokens == ["날씨", "가", "좋", "었", "다", "gdp", "3.1"]
    assert score_pair("한국어를 도와드렸다.", "한국어를 도와드렸다.", "morph").ignored_share == pytest.approx(1 / 10)


def test_sentences_on_lines_count_for_lsum_in_any_order():
    scores = score_pair("비가 왔다\n버스가 늦었다", "버스가 늦었다\n비가 왔다", "eojeol")
    assert scores.rougeLsum == 1.0
    assert scores.rougeL == 0.5


def test_auto_goes_by_language_and_needs_no_analyser(without_kiwi):
    assert resolve_mode("auto", [SEOUL, "비가 왔다"]) == "eojeol"
    assert resolve_mode("auto", ["Seoul (서울) is large"]) == "english"
    assert score_pair(SEOUL, BUSAN).rouge1 < 1


def test_english_tokenization_of_korean_is_refused():
    with pytest.raises(DataError, match=r"does not read Hangul.*choose eojeol, morph or char"):
        score_pair(SEOUL, BUSAN, "english")


def test_text_that_is_mostly_ignored_is_refused():
    with pytest.raises(DataError, match=r"'english' ignores 100% of the characters"):
        score_pair("Сегодня идёт дождь", "Сегодня идёт дождь", "english")
    with pytest.raises(DataError, match="'eojeol' ignores"):
        score_pair("?!?!?! ok", "!!!!", "eojeol")


def test_ignored_share_is_told():
    assert score_pair("ab cd!", "ab cd", "english").ignored_share == pytest.approx(1 / 9)


def test_morphemes_without_the_extra_say_what_to_install(without_kiwi):
    with pytest.raises(TokenizerError, match=r"pip install kiwipiepy"):
        score_pair(SEOUL, BUSAN, "morph")


def test_unknown_tokenization():
    with pytest.raises(UnknownNameError, match="did you mean 'eojeol'"):
        score_pair("a", "b", "eojol")


def test_empty_texts_score_zero():
    scores = score_pair("", "", "english")
    assert (scores.rouge1, scores.rougeLsum, scores.ignored_share) == (0, 0, 0)


def test_signature_names_what_was_used():
    assert signature("english") == "rouge-score-0.1.2|tokenizer=english|stemmer=porter|lsum=newline"
    assert signature("char") == "rouge-score-0.1.2|tokenizer=char|lsum=newline"


def test_corpus_scores_are_those_of_the_pairs():
    references, summaries = ["the cat sat", "a dog ran"], ["the cat ran", "!!!"]
    corpus = score_corpus(references, summaries)
    assert corpus.scores["rouge1"].tolist() == [score_pair(references[0], summaries[0]).rouge1, 0.0]
    assert corpus.signature.startswith("rouge-score-")
    assert corpus.ignored_share == pytest.approx(3 / 28)


def test_corpus_without_documents():
    assert score_corpus([], []).scores["rougeL"].shape == (0,)
    assert score_corpus([], [], metrics=["rouge1"]).scores.keys() == {"rouge1"}


def test_corpus_needs_a_reference_for_each_summary():
    with pytest.raises(DataError, match="1 summaries cannot be compared with 2 references"):
        score_corpus(["a", "b"], ["a"])


def test_scoring_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(score_pair))("a b", "a b").rouge2 == 1.0


def test_highlights_come_on_lines():
    assert highlight_lines("<s> one . </s> <s> two . </s>") == "one .\ntwo ."
    assert highlight_lines("no marks") == "no marks"
