"""The releases themselves, where they are at hand: set BERTKIT_TEST_DATA to their directory."""

import os
from collections import Counter
from pathlib import Path

import pytest

from bertkit.data.splits import hold_out
from bertkit.tasks.rows import load_data


@pytest.fixture
def real_data():
    root = os.environ.get("BERTKIT_TEST_DATA")
    if root is None:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    return Path(root)


def test_mrpc_loses_no_row_to_quotes(real_data):
    loaded = load_data(["mrpc"], data_dir=real_data / "mrpc")
    train = loaded.splits["train"]
    assert Counter(e.label for e in train) == {"1": 2753, "0": 1323}
    assert [e.line for e in train] == list(range(2, 4078))
    odd = sum(any(text.count('"') % 2 for text in e.texts) for e in train)
    assert odd > 200, "stray quote marks are kept as text"
    if "test" in loaded.splits:
        assert Counter(loaded.labels("test")) == {"1": 1147, "0": 578}


def test_mrpc_carved(real_data):
    loaded = load_data(["mrpc"], data_dir=real_data / "mrpc", splits=("train",))
    held = hold_out(loaded, validation_fraction=0.1, test_fraction=0.0, seed=0)
    assert Counter(held.labels("validation")) == {"1": 276, "0": 132}


@pytest.mark.parametrize("name", ["stsb", "korsts"])
def test_sts(real_data, name):
    loaded = load_data([name], data_dir=real_data / name)
    assert {split: len(rows) for split, rows in loaded.splits.items() if split != "test"} == {
        "train": 5749,
        "validation": 1500,
    }
    assert loaded.task == "regression"
    assert all(0 <= float(e.label) <= 5 for rows in loaded.splits.values() for e in rows)
    assert all(all(e.texts) for e in loaded.splits["train"])


def test_nsmc(real_data):
    loaded = load_data(["nsmc"], data_dir=real_data / "nsmc")
    assert len(loaded.splits["train"]) == 5000 + 20_000 - 318
    assert "train: rows left out because an earlier file has their id: 318" in loaded.notes
    assert set(loaded.labels("train")) == {"0", "1"}


@pytest.mark.parametrize(
    ("name", "folder", "rows"),
    [
        ("newsgroups20", "newsgroups20", {"train": 11_314}),
        ("imdb", "imdb_long", {"train": 1538, "validation": 365}),
        ("codah", "codah", {"train": 1665, "validation": 556, "test": 555}),
        ("llm-science-exam", "llm_science_exam", {"train": 5986, "validation": 500}),
        ("cnn_dailymail", "cnn_dm_cased", {"validation": 500}),
        ("naver-ner", "naver_ner", {"train": 7000}),
    ],
)
def test_row_counts(real_data, monkeypatch, name, folder, rows):
    monkeypatch.setenv("BERTKIT_DATA", str(real_data))
    loaded = load_data([name], data_dir=real_data / folder)
    assert {split: len(examples) for split, examples in loaded.splits.items()} == rows


@pytest.mark.parametrize(("name", "rows"), [("klue-ner", 5000), ("conll2003", 14041), ("naver-ner", 7000)])
def test_tagged_text_is_told_from_tables(real_data, monkeypatch, name, rows):
    monkeypatch.setenv("BERTKIT_DATA", str(real_data))
    loaded = load_data([name], splits=["train"])
    assert (loaded.task, len(loaded.splits["train"])) == ("ner", rows)
    assert any(example.answer for example in loaded.splits["train"])


@pytest.mark.parametrize(("name", "rows"), [("codah", 1665), ("llm-science-exam", 5986)])
def test_questions_are_told_from_texts(real_data, monkeypatch, name, rows):
    monkeypatch.setenv("BERTKIT_DATA", str(real_data))
    loaded = load_data([name], splits=["train"])
    assert (loaded.task, len(loaded.splits["train"])) == ("choice", rows)
    assert all(example.label in example.names for example in loaded.splits["train"])
