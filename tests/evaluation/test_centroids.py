"""Very many classes: the nearest mean row stands for TF-IDF, is stored, and costs what the rows cost."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from bertkit.baselines.sequence import fit_sequence_baselines, load_sequence_baselines
from bertkit.baselines.tfidf import MANY_CLASSES, CentroidModel, LinearModel, centroids_from, fit_centroids
from bertkit.data.records import Example
from bertkit.errors import RunError

CLASSES = MANY_CLASSES + 20


def rows(each: int, seed: int) -> list[Example]:
    """Texts in which a word of the class's own stands among words of all."""
    rng = random.Random(seed)
    common = [f"common{i}" for i in range(30)]
    names = [f"class {i:04}" for i in range(CLASSES)] * each
    return [
        Example((" ".join([*rng.sample(common, 3), f"own{name[-4:]}"]),), name, line, "f.csv")
        for line, name in enumerate(names, start=1)
    ]


def test_a_class_is_the_direction_of_its_mean_row() -> None:
    features = csr_matrix(np.array([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 5.0]], np.float32))
    model = fit_centroids(features, np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(model.centroids.toarray(), [[0.5**0.5, 0.5**0.5, 0], [0, 0, 1]], atol=1e-6)
    probabilities = model.probabilities(csr_matrix(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], np.float32)))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert probabilities[0, 0] > 0.99
    np.testing.assert_allclose(probabilities[1], 0.5)


def test_many_classes_are_told_apart_and_come_back_from_disk(tmp_path: Path) -> None:
    labels = tuple(f"class {i:04}" for i in range(CLASSES))
    fitted = fit_sequence_baselines(rows(2, seed=1), task="classify", pair=False, labels=labels, seed=1)
    assert isinstance(fitted.model, CentroidModel)
    others = rows(1, seed=2)
    answers = fitted.answers(others)["tfidf"]
    assert np.mean([given == row.label for given, row in zip(answers.labels, others, strict=True)]) > 0.95
    fitted.save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3_000_000
    again = load_sequence_baselines(tmp_path).answers(others)["tfidf"]
    assert again.labels == answers.labels
    assert answers.probabilities is not None
    np.testing.assert_array_equal(again.probabilities, answers.probabilities)


def test_few_classes_keep_logistic_regression() -> None:
    some = [row for row in rows(2, seed=1) if str(row.label) < "class 0010"]
    labels = tuple(sorted({str(row.label) for row in some}))
    fitted = fit_sequence_baselines(some, task="classify", pair=False, labels=labels, seed=1)
    assert isinstance(fitted.model, LinearModel)


def test_centroids_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    labels = tuple(f"class {i:04}" for i in range(CLASSES))
    fit_sequence_baselines(rows(1, seed=1), task="classify", pair=False, labels=labels, seed=1).save(tmp_path)
    path = tmp_path / "baselines.safetensors"
    tensors = load_file(path)
    tensors["centroid_places"] = tensors["centroid_places"] + 10**6
    save_file(tensors, path)
    with pytest.raises(RunError, match="damaged"):
        load_sequence_baselines(tmp_path)
    with pytest.raises(ValueError, match="lists"):
        centroids_from({**tensors, "centroid_starts": np.zeros((2, 2), np.int64)}, 3)
