"""Entity scores: the known examples, and intervals that equal scoring each draw."""

from functools import partial

import numpy as np
import pytest

from bertkit.data.tagged.schemes import detect_scheme, read_tags
from bertkit.metrics.intervals import bootstrap, bootstrap_difference
from bertkit.metrics.spans import tag_metrics, tagging_difference, tagging_intervals, tagging_metrics


def strict_spans(tags, scheme):
    return [span[:3] for span in read_tags(tags, scheme) if span.well_formed]


def lenient_spans(tags, scheme):
    return [span[:3] for span in read_tags(tags, scheme)]


def score_tags(gold, predicted):
    scheme = detect_scheme([gold.split()])
    return tag_metrics(
        [gold.split()],
        [predicted.split()],
        strict=partial(strict_spans, scheme=scheme),
        lenient=partial(lenient_spans, scheme=scheme),
    )


def random_spans(rng, sentences, *, like=None):
    """Sentences of one-token entities; `like` is copied with some mistakes."""
    rows = []
    for number in range(sentences):
        row = [(place, place + 1, str(rng.choice(["PER", "LOC"]))) for place in range(rng.integers(0, 4))]
        if like is not None:
            row = [entity for entity in like[number] if rng.random() < 0.7] + row[:1]
        rows.append(row)
    return rows


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [("PER-B PER-I O LOC-B", "PER-B PER-I O ORG-B"), ("B-PER I-PER O B-LOC", "B-PER I-PER O B-ORG")],
)
def test_one_of_two_entities_right_is_a_half_whatever_the_notation(gold, predicted):
    scores = score_tags(gold, predicted)
    assert scores == dict.fromkeys(("entity_precision", "entity_recall", "entity_f1", "entity_f1_lenient"), 0.5)


def test_an_entity_that_begins_with_i_counts_leniently_only():
    scores = score_tags("B-PER I-PER", "I-PER I-PER")
    assert (scores["entity_f1"], scores["entity_f1_lenient"]) == (0.0, 1.0)


def test_precision_recall_and_labels():
    gold = [[(0, 2, "PER"), (3, 4, "LOC"), (6, 7, "LOC")], [(0, 1, "LOC")], []]
    predicted = [[(0, 2, "PER"), (3, 5, "LOC")], [], [(0, 1, "ORG"), (0, 1, "ORG")]]
    metrics, by_label = tagging_metrics(gold, predicted)
    assert metrics == {
        "entity_precision": pytest.approx(1 / 3),
        "entity_recall": pytest.approx(1 / 4),
        "entity_f1": pytest.approx(2 / 7),
    }
    assert list(by_label) == ["LOC", "ORG", "PER"]
    assert by_label["PER"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1, "predicted": 1}
    assert by_label["LOC"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 3, "predicted": 1}
    assert by_label["ORG"]["support"] == 0


def test_nothing_there_and_nothing_found_is_zero():
    for sentences in ([[], []], []):
        metrics, by_label = tagging_metrics(sentences, sentences)
        assert (set(metrics.values()), by_label) == ({0.0}, {})
    assert tagging_intervals([], []) == {}


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="2 gold sentences and 1 predicted"):
        tagging_metrics([[], []], [[]])
    with pytest.raises(ValueError, match="2 gold tags and 1 predicted"):
        tag_metrics([["O", "O"]], [["O"]], strict=lambda tags: [], lenient=lambda tags: [])


@pytest.mark.parametrize("sentences", [3, 40])
def test_fast_intervals_equal_scoring_each_draw(sentences):
    rng = np.random.default_rng(1)
    gold = random_spans(rng, sentences)
    model, baseline = (random_spans(rng, sentences, like=gold) for _ in range(2))

    def plain(predicted):
        return lambda draw: tagging_metrics([gold[i] for i in draw], [predicted[i] for i in draw])[0]

    found, expected = tagging_intervals(gold, model), bootstrap(plain(model), sentences)
    assert found.keys() == expected.keys() == tagging_metrics(gold, model)[0].keys()
    for name, interval in expected.items():
        assert found[name] == pytest.approx(interval, abs=1e-12)
    difference = tagging_difference(gold, model, baseline)
    expected = bootstrap_difference(plain(model), plain(baseline), sentences)
    assert difference.keys() == expected.keys()
    for name, interval in expected.items():
        assert difference[name] == pytest.approx(interval, abs=1e-12)


def test_seeds_decide_the_draws():
    rng = np.random.default_rng(2)
    gold = random_spans(rng, 30)
    model = random_spans(rng, 30, like=gold)
    assert tagging_intervals(gold, model, seed=4) == tagging_intervals(gold, model, seed=4)
    assert tagging_intervals(gold, model, seed=4) != tagging_intervals(gold, model, seed=5)
    assert set(tagging_difference(gold, model, model).values()) == {(0.0, 0.0)}
