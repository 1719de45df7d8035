"""Oracle labels: the picks of scoring every step with rouge-score, faster."""

import random
import time

import pytest
from rouge_score.rouge_scorer import RougeScorer

from bertkit.documents.oracle import oracle_sentences


class Split:
    def tokenize(self, text):
        return text.split()


def stepwise(sentences, reference, size=3):
    """Score every possible next selection with rouge-score."""
    scorer = RougeScorer(["rouge1", "rouge2"], tokenizer=Split())
    chosen, best = [], 0.0
    while len(chosen) < size:
        found = None
        for index in set(range(len(sentences))) - set(chosen):
            text = "\n".join(" ".join(sentences[i]) for i in sorted([*chosen, index]))
            scores = scorer.score(" ".join(reference), text)
            total = scores["rouge1"].fmeasure + scores["rouge2"].fmeasure
            if total > best:
                best, found = total, index
        if found is None:
            break
        chosen.append(found)
    return sorted(chosen)


def random_words(rng, count, letters):
    return [rng.choice(letters) for _ in range(count)]


@pytest.mark.parametrize("letters", ["abcdefgh", "가나다라마바사아자차카타파하"])
def test_picks_are_those_of_scoring_each_step(letters):
    rng = random.Random(11)
    for _ in range(150):
        sentences = [random_words(rng, rng.choice([0, 1, 2, 4, 7]), letters) for _ in range(rng.randint(0, 9))]
        reference = random_words(rng, rng.choice([0, 1, 3, 8, 12]), letters)
        size = rng.choice([1, 3, 5])
        assert oracle_sentences(sentences, reference, size) == stepwise(sentences, reference, size)


def test_repeated_words_count_once_for_each_in_the_reference():
    sentences = [["a", "a", "a", "b"], ["a", "b"], ["c"]]
    assert oracle_sentences(sentences, ["a", "b", "c"]) == [1, 2]


def test_korean_sentences_get_labels():
    sentences = [["오늘", "비가", "왔다"], ["버스", "조합을", "만들기로", "했다"], ["끝"]]
    assert oracle_sentences(sentences, ["주민들은", "버스", "조합을", "만들었다"]) == [1]


@pytest.mark.parametrize(("sentences", "reference"), [([], ["a"]), ([["a"]], []), ([[], []], ["a"]), ([["b"]], ["a"])])
def test_nothing_in_common_gives_no_labels(sentences, reference):
    assert oracle_sentences(sentences, reference) == []


def test_it_stops_where_one_more_sentence_lowers_the_score():
    assert oracle_sentences([["a", "b", "c"], ["c", "x", "y", "z"]], ["a", "b", "c"], size=3) == [0]


def test_it_is_ten_times_faster_than_scoring_each_step():
    rng = random.Random(2)
    words = [f"w{i}" for i in range(400)]
    documents = [([random_words(rng, 22, words) for _ in range(29)], random_words(rng, 50, words)) for _ in range(4)]

    def seconds(label):
        began = time.process_time()
        picks = [label(*document) for document in documents]
        return time.process_time() - began, picks

    fast, picks = min(seconds(oracle_sentences) for _ in range(3))
    slow, expected = seconds(stepwise)
    assert picks == expected
    assert slow > 10 * fast
