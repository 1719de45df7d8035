"""Pairs whose texts are read apart: encoding, figures, training, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertkit import bundle
from bertkit.compute.device import Placement
from bertkit.data.records import ColumnMap, Example
from bertkit.errors import DataError, UsageError
from bertkit.evaluation.answers import forward
from bertkit.models.bert import BertConfig, BertModel
from bertkit.tasks.base import TaskSettings, TrainingOptions
from bertkit.tasks.registry import find_task
from bertkit.tasks.sequence import SiameseTask
from bertkit.tokenization.base import Tokenizer
from bertkit.training.run import train
from tests.conftest import OBJECTS, write_tsv
from tests.training.test_run import small

CPU = Placement("cpu", "float32", 1)
PAIR = ColumnMap(("a",), "b", "label")
ROWS = [
    Example(("the cat sees a red ball", "a dog"), "1.0", 2, "data.tsv"),
    Example(("music", "the old man likes music and the river"), "3.0", 3, "data.tsv"),
    Example(("the tall tree", "the tall tree"), "5.0", 4, "data.tsv"),
]


def task(tokenizer: Tokenizer, word: str = "regression", **settings: Any) -> SiameseTask:
    labels = ("1.0", "3.0", "5.0") if word == "classify" else ()
    return SiameseTask(TaskSettings(word, PAIR, labels, pooling="siamese", **settings), tokenizer)


def model_of(mine: SiameseTask) -> Any:
    torch.manual_seed(0)
    encoder = BertModel(
        BertConfig(
            mine.tokenizer.vocab_size,
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            initializer_range=0.5,
        )
    )
    return mine.build_model(encoder, dropout=0.0).eval()


def test_the_texts_of_a_pair_are_parts_of_a_row(tokenizer: Tokenizer) -> None:
    rows = task(tokenizer, max_length=6).encode(ROWS)
    first, second = rows[0].parts
    assert [first.ids, second.ids] == [e.ids for e in tokenizer.encode(list(ROWS[0].texts), max_length=6)]
    assert [row.truncated for row in rows] == [True, True, False]
    assert rows[1].n_tokens == 3 + 11


@pytest.mark.parametrize("word", ["regression", "classify"])
def test_prediction_row_by_row_is_what_training_sees(word: str, tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, word)
    model = model_of(mine)
    outputs = np.stack(forward(model, mine, mine.encode(ROWS), CPU))
    options = TrainingOptions()
    batch = mine.training_batch(mine.training_rows(ROWS, options), options, np.random.default_rng(0))
    with torch.inference_mode():
        expected = mine.objective.outputs(model(**batch.inputs))
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    assert outputs.shape == (3, 1 if word == "regression" else 3)


def test_the_same_text_twice_has_the_greatest_similarity(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    values = [float(output[0]) for output in forward(model_of(mine), mine, mine.encode(ROWS), CPU)]
    assert max(values) == values[2] == pytest.approx(4.0 - 2.4, abs=1e-5)


def test_long_texts_are_refused_with_their_place(tokenizer: Tokenizer) -> None:
    with pytest.raises(
        DataError,
        match=r"^data\.tsv:2: the row has 8 tokens and --max-length is 7; raise it where the model reads more, or let",
    ):
        task(tokenizer, on_long="error", max_length=7).encode(ROWS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"columns": ColumnMap(("a",), label="label")}, "needs rows of two texts"),
        ({"columns": PAIR, "on_long": "window"}, "--on-long window"),
        ({"columns": PAIR, "overlap_segments": True}, "--overlap-segments"),
    ],
)
def test_what_reads_both_texts_at_once_is_refused(settings: dict[str, Any], words: str, tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match=words):
        SiameseTask.fit(TaskSettings("regression", pooling="siamese", **settings), tokenizer, ROWS)


@pytest.mark.parametrize("name", ["ner", "choice", "mlm"])
def test_other_tasks_have_no_pair_to_compare(name: str) -> None:
    with pytest.raises(UsageError, match=f"which {name} does not have"):
        find_task(name).target_for("siamese")


def test_a_run_learns_is_stored_and_answers_the_same(tmp_path: Path) -> None:
    rows = [(a, b, f"{5.0 if a == b else 0.5}") for a in OBJECTS for b in OBJECTS] + [
        (a, a, "5.0") for a in OBJECTS
    ] * 4
    data = write_tsv(tmp_path / "pairs.tsv", rows, ("sentence1", "sentence2", "score"))
    config = small(data, tmp_path / "run", pooling="siamese", task="regression", epochs=6, lr=3e-3, dropout=0.0)
    result = train(config)
    assert result.metrics["pearson"] > 0.8
    loaded = bundle.load(tmp_path / "run")
    assert isinstance(loaded.task, SiameseTask)
    same, other = (Example((OBJECTS[0], b), None, 1, "x") for b in OBJECTS[:2])
    values = [float(v[0]) for v in forward(loaded.model, loaded.task, loaded.task.encode([same, other]), CPU)]
    assert values[0] > 4 > values[1]
