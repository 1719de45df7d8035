"""Flat memory, and real data."""

import os
import random
import tracemalloc
from pathlib import Path

import pytest

from bertkit.audit import TrainCommand, audit, labels
from bertkit.data.records import ColumnMap, Example
from bertkit.tasks.rows import load_data

VOCABULARY = [f"word{i}" for i in range(5000)]


@pytest.fixture
def mrpc():
    root = os.environ.get("BERTKIT_TEST_DATA")
    if not root or not (Path(root) / "mrpc").is_dir():
        pytest.skip("BERTKIT_TEST_DATA does not hold mrpc")
    data = load_data(["mrpc"], data_dir=Path(root) / "mrpc")
    return audit(data.splits, name="mrpc", task=data.task, columns=data.columns, command=TrainCommand(("mrpc",)))


def stream(count, split):
    rnd = random.Random(split)
    for line in range(count):
        yield Example((" ".join(rnd.choices(VOCABULARY, k=30)),), "01"[line % 2], line + 2, split)


def peak_bytes(count):
    tracemalloc.start()
    try:
        splits = {"train": stream(count, "train"), "test": stream(200, "test")}
        result = audit(
            splits, name="big", task="classify", columns=ColumnMap(("text",)), command=TrainCommand(("big",))
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.splits["train"].rows == count
    return peak


@pytest.mark.slow
def test_a_row_costs_its_hashes_and_not_its_text(monkeypatch):
    """Rows of 270 characters: once the samples are full, one more costs its hashes, joined at the end."""
    monkeypatch.setattr(labels, "SAMPLE", 2000)
    peak_bytes(2000)  # tables that are made once
    assert peak_bytes(20_000) - peak_bytes(8000) < 12_000 * 150


def test_mrpc_has_the_labels_it_is_known_for(mrpc):
    train = mrpc.splits["train"]
    assert train.labels == {"0": 1323, "1": 2753}
    assert train.class_weights["0"] == pytest.approx(4076 / (2 * 1323))
    assert {"label_imbalance", "same_sentence_in_pair", "shared_sentences"} <= {f.kind for f in mrpc.findings}


def test_mrpc_sentences_peak_at_20_to_25_words(mrpc):
    for column in mrpc.splits["train"].lengths.values():
        assert (column.words.peak.low, column.words.peak.high) == (20, 24)
