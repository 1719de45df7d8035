"""Oracle labels: the picks of scoring every step with rouge-score, faster."""

import random
import time

import pytest
from rouge_score.rouge_scorer import RougeScorer

from bertkit.documents.selection import _Search, oracle_sentences


class Split:
    def tokenize(self, text):
        return text.split()


def totals(sentences, reference, chosen):
    """ROUGE-1 + ROUGE-2 F1 of the selection with each other sentence added, by rouge-score."""
    scorer = RougeScorer(["rouge1", "rouge2"], tokenizer=Split())
    found = {}
    for index in sorted(set(range(len(sentences))) - set(chosen)):
        text = "\n".join(" ".join(sentences[i]) for i in sorted([*chosen, index]))
        scores = scorer.score(" ".join(reference), text)
        found[index] = scores["rouge1"].fmeasure + scores["rouge2"].fmeasure
    return found


def steps(sentences, reference, size=3):
    """The sentences in the order in which scoring every possible next selection with rouge-score adds them."""
    chosen, best = [], 0.0
    while len(chosen) < size:
        found = totals(sentences, reference, chosen)
        index = max(found, key=found.get, default=None)  # of equal ones the earliest
        if index is None or found[index] <= best:
            break
        best = found[index]
        chosen.append(index)
    return chosen


def stepwise(sentences, reference, size=3):
    return sorted(steps(sentences, reference, size))


def random_words(rng, count, letters):
    return [rng.choice(letters) for _ in range(count)]


def random_case(rng, letters):
    sentences = [random_words(rng, rng.choice([0, 1, 2, 4, 7]), letters) for _ in range(rng.randint(0, 9))]
    return sentences, random_words(rng, rng.choice([0, 1, 3, 8, 12]), letters)


@pytest.mark.parametrize("letters", ["abcdefgh", "가나다라마바사아자차카타파하"])
def test_each_step_is_that_of_scoring_all_with_rouge_score(letters):
    """250 random documents of each alphabet, 500 in all: the same sentence at every step."""
    for seed in range(250):
        sentences, reference = random_case(random.Random(seed), letters)
        added = steps(sentences, reference, 4)
        for size in range(1, 5):
            assert oracle_sentences(sentences, reference, size) == sorted(added[:size])


def test_each_step_has_rouge_scores_figures():
    """500 random documents: with each sentence that shares a word, at every step, the sum that rouge-score gives."""
    for seed in range(500):
        sentences, reference = random_case(random.Random(seed), "abcdefgh")
        search, added = _Search(sentences, reference), oracle_sentences(sentences, reference)
        for index in added:
            wanted = totals(sentences, reference, search.chosen)
            found = {-minus: score for score, minus in search.scores()}
            shares = {i for i in wanted if set(sentences[i]) & set(reference)}
            assert found == pytest.approx({i: wanted[i] for i in shares}, abs=1e-12)
            search.choose(index)


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
