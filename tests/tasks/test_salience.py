"""extractive with sentences read one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bertkit.compute.device import Placement
from bertkit.data.records import ColumnMap, Document
from bertkit.documents.selection import FIGURES, SetScorer
from bertkit.documents.textrank import FEATURES, surface_features
from bertkit.errors import DataError
from bertkit.evaluation.answers import forward
from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.extractive import SalienceModel
from bertkit.tasks.base import TaskSettings, TrainingOptions
from bertkit.tasks.extractive import NewswireTask, SalienceTask, SetChoiceTask
from bertkit.tokenization.base import Tokenizer

CPU = Placement("cpu", "float32", 1)
ONE, TWO, THREE = "the cat sees a red ball .", "a dog likes music .", "the shop buys some bread ."
SENTENCES = (ONE, TWO, THREE)


def document(*sentences: str, summary: str | None = TWO) -> Document:
    return Document(("\n".join(sentences),), None, 1, "docs.jsonl", summary, sentences)


@pytest.fixture
def task(tokenizer: Tokenizer) -> SalienceTask:
    columns = ColumnMap(("article",), None, "summary")
    return SalienceTask(TaskSettings("extractive", columns, on_long="window", pooling="siamese"), tokenizer)


@pytest.fixture
def model(task: SalienceTask) -> SalienceModel:
    torch.manual_seed(0)
    config = BertConfig(task.tokenizer.vocab_size, 32, 1, 2, 64, 64, initializer_range=0.1)
    return task.build_model(BertModel(config, with_pooler=False), dropout=0.0).eval()


def test_a_sentence_is_a_part_with_its_features(task):
    (row,) = task.encode([document(*SENTENCES)])
    assert [part.sentences[0].text for part in row.parts] == list(SENTENCES)
    assert np.stack([part.features for part in row.parts]) == pytest.approx(surface_features(SENTENCES))
    assert row.n_tokens == sum(len(part.ids) for part in row.parts)
    assert not row.truncated


def test_a_long_sentence_is_cut_and_counted_or_refused(task):
    short = SalienceTask(replace(task.settings, max_length=6), task.tokenizer)
    (row,) = short.encode([document(ONE, "a dog .")])
    assert [part.truncated for part in row.parts] == [True, False]
    assert row.truncated
    assert len(row.parts[0].ids) == 6
    with pytest.raises(DataError, match=r"docs\.jsonl:1"):
        SalienceTask(replace(short.settings, on_long="error"), task.tokenizer).encode([document(ONE)])


def test_training_scores_what_prediction_scores(task, model):
    """Whole documents of different lengths in one batch, and the same documents sentence by sentence."""
    documents = [document(*SENTENCES), document(THREE, ONE, summary=THREE)]
    rows = task.training_rows(documents, TrainingOptions())
    batch = task.training_batch(rows, TrainingOptions(), np.random.default_rng(0))
    assert batch.features is not None
    assert batch.features.shape == (2, 3, len(FEATURES))
    assert batch.targets is not None
    assert batch.targets.tolist() == [[0, 1, 0], [1, 0, -1]]
    with torch.no_grad():
        logits = model(**batch.inputs)
    together = logits.sigmoid()
    apart = forward(model, task, task.encode(documents), CPU)
    assert apart[0].scores == pytest.approx(together[0].tolist(), abs=1e-6)
    assert apart[1].scores == pytest.approx(together[1, :2].tolist(), abs=1e-6)
    assert task.losses(logits, batch, TrainingOptions()).shape == (2,)


def test_the_model_that_comes_along_reads_all_ways_of_writing_alike(task):
    newswire = NewswireTask(task.settings, task.tokenizer)
    (written,) = newswire.encode([document("The cat sees (a) red ball.", "“A dog doesn't like music.”")])
    (tokens,) = newswire.encode([document("the cat sees ( a ) red ball .", '" a dog does n\'t like music . "')])
    assert [part.ids for part in written.parts] == [part.ids for part in tokens.parts]
    assert all((a.features == b.features).all() for a, b in zip(written.parts, tokens.parts, strict=True))
    assert written.parts[0].sentences[0].text == "The cat sees (a) red ball."


def test_features_and_neighbours_matter(task, model):
    def scores(*sentences: str) -> list[float]:
        (extract,) = forward(model, task, task.encode([document(*sentences)]), CPU)
        return list(extract.scores)

    assert scores(ONE, TWO)[0] != pytest.approx(scores(ONE, THREE)[0], abs=1e-7)
    assert scores(ONE, ONE)[0] != pytest.approx(scores(ONE, ONE)[1], abs=1e-7)  # the place is a feature


def test_a_document_without_sentences(task, model):
    (extract,) = forward(model, task, task.encode([document()]), CPU)
    assert (extract.sentences, extract.chosen) == ((), ())


def short_sets() -> SetScorer:
    """Likes sets the better, the shorter they are."""
    weight = np.zeros((1, FIGURES), np.float32)
    weight[0, 1] = -1
    zeros, ones = np.zeros(FIGURES, np.float32), np.ones(FIGURES, np.float32)
    return SetScorer(zeros, ones, ((weight, np.zeros(1, np.float32)),))


@pytest.mark.parametrize(
    ("sizes", "texts", "chosen"),
    [
        ((3,), (ONE, TWO, THREE, "a dog ."), (1, 2, 3)),
        ((2, 3), (ONE, TWO, THREE, "a dog ."), (1, 3)),
        ((3,), (ONE, TWO), (0, 1)),
        ((2, 3), (ONE,), (0,)),
        ((3,), (), ()),
    ],
)
def test_the_best_set_of_a_size_is_chosen(task, model, sizes, texts, chosen):
    sets = SetChoiceTask(task.settings, task.tokenizer, short_sets(), sizes)
    (extract,) = forward(model, sets, sets.encode([document(*texts)]), CPU)
    assert extract.chosen == chosen
    if len(texts) == 4:
        assert next(found for found in extract.candidates if len(found) == 1) == (3,)
