"""TF-IDF rows equal scikit-learn's; overlap features hold for any pair of texts."""

import unicodedata

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from bertkit.baselines import tfidf
from bertkit.baselines.pairs import longest_common_subsequence, overlap_features
from bertkit.baselines.tfidf import fit_tfidf, split_words, tfidf_rows, tokenize_rows

TEXTS = ("a lovely film", "what a lovely story", "a warm and clever play", "clever and lovely", "dull")
KOREAN = ("영화가 정말 재미있어요", "배우의 연기가 훌륭하다")


def test_decomposed_korean_is_the_same_text():
    text = "영화가 재미있다"
    assert split_words(unicodedata.normalize("NFD", text)) == split_words(text) == ["영화가", "재미있다"]


def test_word_rows_equal_scikit_learn(monkeypatch):
    monkeypatch.setattr(tfidf, "MAX_PAIRS", 0)
    texts = [*TEXTS, "lovely lovely lovely film", ""]
    vocabulary, rows = fit_tfidf(tokenize_rows(texts))
    peer = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True)
    expected = peer.fit_transform(texts).toarray()
    assert list(vocabulary.words) == peer.get_feature_names_out().tolist()
    assert rows.toarray()[:, : len(vocabulary.words)] == pytest.approx(expected, abs=1e-6)


def test_n_gram_rows_equal_scikit_learn():
    texts = [*TEXTS, *KOREAN]
    vocabulary, rows = fit_tfidf(tokenize_rows(texts))
    peer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    expected = peer.fit_transform(texts)
    shared = [peer.vocabulary_[gram] for gram in vocabulary.grams]
    assert len(shared) == expected.shape[1]
    assert rows.toarray()[:, -len(shared) :] == pytest.approx(expected.toarray()[:, shared], abs=1e-6)


def test_only_the_most_frequent_features_are_kept(monkeypatch):
    for name, limit in (("MAX_WORDS", 3), ("MAX_PAIRS", 1), ("MAX_GRAMS", 4)):
        monkeypatch.setattr(tfidf, name, limit)
    vocabulary, rows = fit_tfidf(tokenize_rows(["b a b a c", "b a d e", "a"]))
    assert vocabulary.words == ("a", "b", "c")
    assert vocabulary.pairs.tolist() == [1 * 3 + 0]  # "b a"
    assert len(vocabulary.grams) == 4
    assert rows.shape == (3, 8)


def test_common_n_grams_are_dropped_from_many_rows():
    rows = [f"common{i % 7} word{i}" for i in range(200)]
    vocabulary, _ = fit_tfidf(tokenize_rows(rows))
    assert "comm" not in vocabulary.grams
    assert "n3" in vocabulary.grams


def test_new_texts_know_only_the_vocabulary():
    vocabulary, rows = fit_tfidf(tokenize_rows(TEXTS))
    assert tfidf_rows(tokenize_rows(TEXTS), vocabulary).toarray().tolist() == rows.toarray().tolist()
    assert tfidf_rows(tokenize_rows(["ქართული", ""]), vocabulary).nnz == 0


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [("", "", 0), ("abc", "", 0), ("abcbdab", "bdcaba", 4), ("xyz", "xyz", 3), ("ab" * 50, "ba" * 50, 99)],
)
def test_longest_common_subsequence(first, second, length):
    assert longest_common_subsequence(first, second) == length
    assert longest_common_subsequence(second, first) == length


def test_overlap_features_are_finite_and_of_one_length():
    texts = ["", " ", "word", "One 1,000 Two", "영화가 재미있다", "a " * 2000, "!?"]
    found = np.asarray([overlap_features(a, b, {"word": 2.0}, 5.0) for a in texts for b in texts])
    assert np.isfinite(found).all()
