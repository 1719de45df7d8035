"""The unigram baseline: how frequent a token is, over the tokens that the task hides."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bertkit.baselines.table import fit_unigram, load_unigram
from bertkit.data.records import ColumnMap, Example
from bertkit.errors import RunError
from bertkit.tasks.base import TaskSettings
from bertkit.tasks.masked_lm import MaskedLMTask
from bertkit.tokenization.base import Tokenizer
from bertkit.tokenization.vocab import train_wordpiece

TEXTS = ("the cat sees a red ball", "the cat likes the river", "music [MASK]")


def examples(*texts: str) -> list[Example]:
    return [Example((text,), None, line, "a.txt") for line, text in enumerate(texts, start=1)]


@pytest.fixture
def task(tokenizer: Tokenizer) -> MaskedLMTask:
    return MaskedLMTask(TaskSettings("mlm", ColumnMap(("text",)), on_long="window", max_length=16), tokenizer)


def test_probabilities_are_counts_with_one_added(task: MaskedLMTask) -> None:
    probabilities = np.exp(fit_unigram(task, examples(*TEXTS)).logs)
    tokens = task.tokenizer
    ids = [
        i
        for row in tokens.encode([tokens.plain(text) for text in TEXTS])
        for i in row.ids
        if i not in tokens.special_ids
    ]
    counts, total = Counter(ids), len(ids) + tokens.vocab_size
    assert probabilities.sum() == pytest.approx(1)
    for i in range(tokens.vocab_size):
        assert probabilities[i] == pytest.approx((1 + counts[i]) / total)


def test_it_judges_the_tokens_that_the_task_masks(task: MaskedLMTask) -> None:
    baseline = fit_unigram(task, examples(*TEXTS))
    held = examples("the cat " * 30, "a dog", "")
    outputs = baseline.predict(held)["unigram"]
    the = task.tokenizer.id_of("the", "")
    assert baseline.logs.argmax() == the
    for row, output in zip(task.encode_scored(held), outputs, strict=True):
        masked = [token for part in row.parts for _, token in part.masked]
        assert output.tokens.tolist() == [[baseline.logs[token], float(token == the)] for token in masked]
    assert [len(output.tokens) > 3 for output in outputs] == [True, False, False]  # windows, one token, none
    scores = task.score(held, outputs)
    assert 1 < scores.metrics["perplexity"] < task.tokenizer.vocab_size
    assert scores.metrics["loss"] == pytest.approx(math.log(scores.metrics["perplexity"]))


def test_many_rows_are_counted_as_few_are(task: MaskedLMTask) -> None:
    few, many = (fit_unigram(task, examples(*TEXTS * n)) for n in (1, 800))
    order = np.argsort(few.logs, kind="stable")
    assert (np.diff(many.logs[order]) >= 0).all()
    assert np.exp(many.logs).sum() == pytest.approx(1)


def test_save_and_load(task: MaskedLMTask, tmp_path: Path) -> None:
    baseline = fit_unigram(task, examples(*TEXTS))
    baseline.save(tmp_path)
    loaded = load_unigram(tmp_path, task)
    assert loaded.logs.tolist() == baseline.logs.tolist()


def test_files_of_another_vocabulary_or_none_are_refused(task: MaskedLMTask, tmp_path: Path) -> None:
    fit_unigram(task, examples(*TEXTS)).save(tmp_path)
    other = MaskedLMTask(task.settings, train_wordpiece(TEXTS, size=64, lowercase=True))
    with pytest.raises(RunError, match="damaged"):
        load_unigram(tmp_path, other)
    with pytest.raises(RunError):
        load_unigram(tmp_path / "nowhere", task)
