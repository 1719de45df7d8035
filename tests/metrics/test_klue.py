"""KLUE's own figures on cases worked out by hand, and beside the libraries that its code calls."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn import metrics

from bertkit.metrics.spans import character_tags, klue_entities, klue_macro_f1, klue_relations, klue_similarity


def test_similarity_is_scored_as_a_number_and_as_yes_or_no() -> None:
    gold, given = [0.0, 2.9, 3.0, 4.5, 5.0], [0.5, 3.1, 2.9, 4.0, 3.0]
    found = klue_similarity(gold, given)
    assert found["klue_pearson"] == pytest.approx(pearsonr(given, gold)[0])
    # 3 or more: gold has three, given has three, two of them both
    assert found["klue_f1"] == pytest.approx(2 * 2 / 6)
    assert klue_similarity([1.0, 2.0], [1.0, 2.5])["klue_f1"] == 0.0


def test_topics_have_the_mean_f1_of_labels_that_occur() -> None:
    gold, given = list("aabbc"), list("abbbd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = metrics.f1_score(gold, given, average="macro")
    assert klue_macro_f1(gold, given) == pytest.approx(wanted)


def test_characters_are_one_list_with_marks_around_each_sentence_and_no_blanks() -> None:
    tags = character_tags(["홍 길동 서울", "끝"], [[(0, 4, "PS"), (5, 7, "LC")], []])
    assert tags == ["O", "B-PS", "I-PS", "I-PS", "B-LC", "I-LC", "O", "O", "O", "O"]


def test_entities_are_scored_strictly_and_by_type() -> None:
    texts = ["홍길동은 서울에", "이순신과 부산"]
    gold = [[(0, 3, "PS"), (5, 7, "LC")], [(0, 3, "PS"), (5, 7, "LC")]]
    given = [[(0, 3, "PS"), (5, 8, "LC")], [(0, 3, "OG"), (5, 7, "LC")]]
    found = klue_entities(texts, gold, given, ("PS", "LC", "OG", "DT", "TI", "QT"))
    # PS: one of two, one given; LC: one of two, two given; OG: one given that is none
    assert found["klue_entity_f1"] == pytest.approx(np.mean([2 / 3, 2 / 4, 0.0]))
    mine = [character_tags(texts, places) for places in (gold, given)]
    labels = ["O", *(f"{mark}-{kind}" for kind in ("PS", "LC", "OG", "DT", "TI", "QT") for mark in "BI")]
    wanted = metrics.f1_score(*mine, labels=labels, average="macro", zero_division=1)
    assert len(labels) == 13
    assert found["klue_char_f1"] == pytest.approx(wanted)


def test_relations_leave_no_relation_out_of_f1_and_keep_it_in_the_area() -> None:
    rng = np.random.default_rng(0)
    labels = ("no_relation", "org:member_of", "per:title", "per:origin")
    gold = [labels[i] for i in rng.integers(0, 4, 60)]
    scores = np.round(rng.random((60, 4)) + 0.4 * (np.array(gold)[:, None] == np.array(labels)), 2)
    given = [labels[i] for i in scores.argmax(axis=1)]
    found = klue_relations(gold, given, scores.tolist(), labels)
    wanted = metrics.f1_score(gold, given, labels=list(labels[1:]), average="micro", zero_division=0)
    assert found["klue_micro_f1"] == pytest.approx(wanted)
    areas = []
    for i, label in enumerate(labels):
        precision, recall, _ = metrics.precision_recall_curve([own == label for own in gold], scores[:, i])
        areas.append(metrics.auc(recall, precision))
    assert found["klue_auprc"] == pytest.approx(np.mean(areas))
    # of a label that no row has, scikit-learn says recall 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, _ = metrics.precision_recall_curve([False] * 60, scores[:, 0])
    alone = klue_relations(["x"] * 60, ["x"] * 60, scores[:, :1].tolist(), ("no_relation",))
    assert alone["klue_auprc"] == pytest.approx(metrics.auc(recall, precision))
