"""Fixtures all rooms share: small rows, a small tokenizer, a clean environment, a trained run."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bertkit import plain
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.vocab import train_wordpiece

# Torch's threads would fight over the two cores with pytest-xdist's workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SUBJECTS = (
    "the cat",
    "a dog",
    "the old man",
    "my sister",
    "the shop",
    "a small bird",
    "the train",
    "our teacher",
)
VERBS = ("sees", "likes", "finds", "follows", "paints", "calls", "buys", "moves")
OBJECTS = (
    "a red ball",
    "the river",
    "some bread",
    "the tall tree",
    "a letter",
    "the blue car",
    "an apple",
    "music",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No variable of the caller's, no hub, no cache outside the test, no standard input of a test before it."""
    monkeypatch.setattr(plain, "_keeping", [])
    for name in list(os.environ):
        if name.startswith("BERTKIT_") and name != "BERTKIT_TEST_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path_factory.getbasetemp() / "bertkit-cache"))
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name, "").lower().startswith("ko"):  # the messages that tests compare are English
            monkeypatch.setenv(name, "C.UTF-8")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("BERTKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """Some hundred short English sentences."""
    return [f"{s} {v} {o}." for s in SUBJECTS for v in VERBS for o in OBJECTS]


@pytest.fixture(scope="session")
def tokenizer(sentences: list[str]) -> Tokenizer:
    """A WordPiece tokenizer trained on the sentences."""
    return train_wordpiece(sentences, size=200, lowercase=True)


@pytest.fixture(scope="session", autouse=True)
def nothing_to_choose_from() -> Iterator[None]:
    """Let `--model auto` find no encoder, whatever packages are installed where the tests run.

    Commands in processes of their own name a model, or a shape, which is scratch's.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bertkit.models.finding.is_here", lambda _: False)
        yield


def pair_rows(n: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Pairs that share their object ("1") or not ("0"): learnable in seconds."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        first_object, other = rng.sample(OBJECTS, 2)
        same = i % 2 == 0
        first = f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {first_object}"
        second = f"{rng.choice(SUBJECTS)} {rng.choice(VERBS)} {first_object if same else other}"
        rows.append((first, second, "1" if same else "0"))
    return rows


def write_tsv(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...]) -> Path:
    """Write rows as TSV with a header."""
    lines = ["\t".join(header), *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def pair_file(tmp_path: Path) -> Path:
    """120 labelled pairs as TSV."""
    return write_tsv(tmp_path / "pairs.tsv", pair_rows(120), ("sentence1", "sentence2", "label"))


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory: scratch BERT trained on 400 easy pairs."""
    from bertkit.config import TrainConfig
    from bertkit.training.run import train

    folder = tmp_path_factory.mktemp("trained")
    data = write_tsv(folder / "pairs.tsv", pair_rows(400), ("sentence1", "sentence2", "label"))
    config = TrainConfig(
        data=(str(data),),
        output=str(folder / "run"),
        layers=1,
        hidden=32,
        epochs=6,
        batch_size=16,
        lr=3e-3,
        dropout=0.1,
        vocab_size=200,
        test_fraction=0.2,
        threads=1,
    )
    train(config)
    return folder / "run"
