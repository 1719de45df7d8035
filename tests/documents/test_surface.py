"""What is seen of sentences without a model."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.documents.textrank import FEATURES, surface_features

DOCUMENT = [
    "The mill burned down at night.",
    "Why did the mill burn?",
    'The miller said: "I saw 3 men (strangers), and they ran."',
    "Nobody was hurt",
]


def column(name: str, sentences: list[str] = DOCUMENT, language: str = "auto") -> list[float]:
    return surface_features(sentences, language)[:, FEATURES.index(name)].tolist()


def test_every_sentence_has_every_feature():
    table = surface_features(DOCUMENT)
    assert table.shape == (4, len(FEATURES))
    assert table.dtype == np.float32
    assert np.isfinite(table).all()
    assert len(set(FEATURES)) == len(FEATURES)


@pytest.mark.parametrize("sentences", [[], ["one"], ["..."], ["", "  "], ["\x00", "ㅋㅋㅋ"]])
def test_documents_with_little_in_them(sentences):
    table = surface_features(sentences)
    assert table.shape == (len(sentences), len(FEATURES))
    assert np.isfinite(table).all()


def test_places_and_lengths():
    assert column("place") == pytest.approx(np.log1p([0, 1, 2, 3]).tolist())
    assert column("places_left") == pytest.approx(np.log1p([4, 3, 2, 1]).tolist())
    assert column("words_before") == pytest.approx(np.log1p([0, 6, 11, 22]).tolist())
    assert column("length") == pytest.approx(np.log1p([6, 5, 11, 3]).tolist())
    assert column("place_inverse") == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])


def test_what_repeats():
    assert np.expm1(column("recurring")) == pytest.approx([1, 1, 0, 0])  # mill
    assert column("shared_with_first")[1] > column("shared_with_first")[3] == 0
    assert column("said_before")[0] == 0 < column("said_before")[1]
    assert np.argmax(column("textrank")) in (0, 1)
    assert sum(column("textrank_best")) == 3


def test_marks():
    assert column("question") == [0, 1, 0, 0]
    assert column("digit") == column("quote") == column("colon") == column("bracket") == [0, 0, 1, 0]
    assert column("stopped") == [1, 1, 1, 0]


def test_korean_words_are_compared_without_their_particles():
    korean = ["공장이 불탔다.", "공장을 다시 짓는다.", "비가 왔다."]
    assert column("shared_with_first", korean)[1] > 0 == column("shared_with_first", korean)[2]
    assert column("recurring", korean)[2] == 0
