"""matching: candidates, their order, losses, and the choice of the nearest."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer

from bertkit.compute.batching import Batch, collate
from bertkit.compute.device import Placement
from bertkit.data.records import ColumnMap, Document
from bertkit.documents.rouge import tokenize
from bertkit.errors import DataError, UsageError
from bertkit.evaluation.answers import forward
from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.extractive import MatchingModel
from bertkit.tasks.base import EXTRACTORS, EncodedRow, TaskSettings, TrainingOptions
from bertkit.tasks.extractive import ExtractiveTask
from bertkit.tasks.matching import (
    DocumentPart,
    Extractor,
    MatchingTask,
    by_merit,
    candidate_sets,
    extractor_kind,
    extractor_settings,
    merit,
)
from bertkit.tokenization.base import Tokenizer

CPU = Placement("cpu", "float32", 1)
OPTIONS = TrainingOptions()
SENTENCES = (
    "the cat sees a red ball .",
    "a dog likes music .",
    "the shop buys some bread .",
    "my sister paints the river .",
    "the train moves an apple .",
    "a small bird finds the tall tree .",
)


def document(count: int, summary: str = "a dog likes music .") -> Document:
    return Document(("\n".join(SENTENCES[:count]),), None, 1, "docs.jsonl", summary, SENTENCES[:count])


@pytest.fixture
def task(tokenizer: Tokenizer) -> MatchingTask:
    return MatchingTask(TaskSettings("matching", ColumnMap(("article",), None, "summary")), tokenizer)


def small_encoder(tokenizer: Tokenizer, *, with_pooler: bool = False) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(tokenizer.vocab_size, 32, 1, 2, 64, hidden_dropout_prob=0.0, initializer_range=0.1)
    return BertModel(config, with_pooler=with_pooler)


# --- candidates ---------------------------------------------------------------------------


def test_all_pairs_and_triples_of_the_best_five() -> None:
    sets = candidate_sets([0.5, 0.9, 0.1, 0.8, 0.7, 0.6])
    assert len(sets) == len(set(sets)) == 20
    assert {i for chosen in sets for i in chosen} == {0, 1, 3, 4, 5}
    assert sets[0] == (0, 1)
    assert all(list(chosen) == sorted(chosen) for chosen in sets)


@pytest.mark.parametrize(
    ("count", "wanted"), [(0, []), (1, [(0,)]), (2, [(0, 1)]), (3, [(0, 1), (0, 2), (1, 2), (0, 1, 2)])]
)
def test_short_documents_have_the_sets_that_exist(count: int, wanted: list[tuple[int, ...]]) -> None:
    assert candidate_sets([0.5] * count) == wanted


def candidates_by_trying_all(scores: np.ndarray) -> set[tuple[int, ...]]:
    """Of all pairs and triples those whose sentences are outranked by at most four; of equal ones the earlier ranks."""
    places = range(len(scores))
    outranked = [sum((-scores[j], j) < (-scores[i], i) for j in places) for i in places]
    sets = (chosen for size in (2, 3) for chosen in combinations(places, size))
    return {chosen for chosen in sets if all(outranked[i] < 5 for i in chosen)}


def test_candidates_are_those_of_trying_all_sets() -> None:
    """500 random documents of up to twelve sentences; scores of few values, so that many are equal."""
    for seed in range(500):
        rng = np.random.default_rng(seed)
        scores = rng.integers(0, 6, size=rng.integers(2, 13)) / 5
        sets = candidate_sets(scores.tolist())
        assert len(sets) == len(set(sets))
        assert set(sets) == candidates_by_trying_all(scores)


class Split:
    """Hands words to rouge-score as they are."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


def test_the_best_candidate_is_rouge_scores() -> None:
    """500 random documents: every candidate's merit, and so the order, is what rouge-score computes."""
    scorer = RougeScorer(["rouge1", "rouge2"], tokenizer=Split())
    for seed in range(500):
        rng = np.random.default_rng(seed)
        tokens = [list(rng.choice(list("abcdef"), size=rng.integers(0, 5))) for _ in range(rng.integers(2, 6))]
        reference = list(rng.choice(list("abcdef"), size=rng.integers(1, 9)))
        sets = candidate_sets(rng.random(len(tokens)).tolist())
        figures = {}
        for chosen in sets:
            found = scorer.score(" ".join(reference), " ".join(word for i in chosen for word in tokens[i]))
            figures[chosen] = found["rouge1"].fmeasure + found["rouge2"].fmeasure
            assert merit(chosen, tokens, reference) == pytest.approx(figures[chosen], abs=1e-12)
        ordered = [figures[chosen] for chosen in by_merit(sets, tokens, reference)]
        assert ordered == pytest.approx(sorted(figures.values(), reverse=True), abs=1e-12)


def test_candidates_are_sorted_as_rouge_sorts_them() -> None:
    reference = "a dog likes the red ball and the cat buys bread"
    tokens = [tokenize(sentence, "english").tokens for sentence in SENTENCES]
    sets = candidate_sets([0.5, 0.9, 0.1, 0.8, 0.7, 0.6])
    ordered = by_merit(sets, tokens, tokenize(reference, "english").tokens)
    scorer = RougeScorer(["rouge1", "rouge2"], use_stemmer=True)
    figures = []
    for chosen in ordered:
        found = scorer.score(reference, " ".join(SENTENCES[i] for i in chosen))
        figures.append(found["rouge1"].fmeasure + found["rouge2"].fmeasure)
    assert figures == sorted(figures, reverse=True)
    assert figures[0] > figures[-1]


def test_a_row_is_a_document_and_its_candidates(task: MatchingTask, tokenizer: Tokenizer) -> None:
    (row,) = task.encode([document(3)])
    first, *rest = row.parts
    assert isinstance(first, DocumentPart)
    assert first.ids == tokenizer.encode([" ".join(SENTENCES[:3])])[0].ids
    assert [part.ids for part in rest] == [
        tokenizer.encode([" ".join(SENTENCES[i] for i in chosen)])[0].ids for chosen in first.sets
    ]
    assert (row.n_tokens, row.truncated) == (len(first.ids), False)


def test_what_is_too_long_is_cut_or_refused(task: MatchingTask) -> None:
    short = MatchingTask(replace(task.settings, max_length=20), task.tokenizer)
    (row,) = short.encode([document(6)])
    assert row.truncated
    assert row.n_tokens > 20
    assert max(len(part.ids) for part in row.parts) == 20
    with pytest.raises(DataError, match=r"docs.jsonl:1: the row has .* let --on-long truncate cut it\."):
        MatchingTask(replace(short.settings, on_long="error"), task.tokenizer).encode([document(6)])
    with pytest.raises(DataError, match="--on-long window"):
        MatchingTask(replace(short.settings, on_long="window"), task.tokenizer).encode([document(6)])


# --- training -----------------------------------------------------------------------------


def test_a_training_row_has_reference_and_candidates_in_order(task: MatchingTask, tokenizer: Tokenizer) -> None:
    empty = Document(("",), None, 2, "docs.jsonl", "music")
    rows = task.training_rows([document(3, "<s> a dog likes music . </s> <s> some bread </s>"), empty], OPTIONS)
    assert len(rows) == 1
    batch = task.training_batch(rows, OPTIONS, np.random.default_rng(0))
    assert batch.sizes == (6,)
    texts = [[i for i in ids if i != tokenizer.pad_id] for ids in batch.input_ids.tolist()]
    assert texts[0] == tokenizer.encode([" ".join(SENTENCES[:3])])[0].ids
    assert texts[1] == tokenizer.encode(["a dog likes music . some bread"])[0].ids
    assert texts[2] == tokenizer.encode([" ".join(SENTENCES[1:3])])[0].ids


def test_losses_are_those_of_the_paper(task: MatchingTask) -> None:
    rows = task.training_rows([document(4), document(1)], OPTIONS)
    batch = task.training_batch(rows, OPTIONS, np.random.default_rng(0))
    assert batch.sizes == (12, 3)
    torch.manual_seed(0)
    vectors = torch.randn(15, 8)
    wanted = []
    for texts in torch.split(vectors, [12, 3]):
        unit = texts / texts.norm(dim=1, keepdim=True)
        gold, *scores = (unit[1:] @ unit[0]).tolist()
        loss = np.mean([max(0.0, score - gold) for score in scores])
        for apart in range(1, len(scores)):
            pairs = [
                max(0.0, scores[j] - scores[i] + 0.01 * apart)
                for i, j in zip(range(len(scores)), range(apart, len(scores)), strict=False)
            ]
            loss += np.mean(pairs)
        wanted.append(loss)
    np.testing.assert_allclose(task.losses(vectors, batch, OPTIONS), wanted, rtol=1e-5)


def test_the_loss_of_numbers_made_by_hand(task: MatchingTask) -> None:
    # Cosines to the document: reference 0.8; candidates, the best first, 0.6, 0.96, 0.
    vectors = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.96, 0.28], [0.0, 1.0]])
    batch = Batch(*[torch.zeros(5, 1, dtype=torch.long)] * 3, sizes=(5,))
    # A candidate before the reference: (0 + 0.16 + 0) / 3.
    # One place apart, margin 0.01: (0.96 - 0.6 + 0.01, none) / 2. Two places, 0.02: none.
    assert task.losses(vectors, batch, OPTIONS).tolist() == pytest.approx([0.16 / 3 + 0.37 / 2])
    # The better one nearer by exactly the margin costs nothing, and half of it the other half.
    near = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6], [0.795, (1 - 0.795**2) ** 0.5]])
    pair = Batch(*[torch.zeros(4, 1, dtype=torch.long)] * 3, sizes=(4,))
    assert task.losses(near, pair, OPTIONS).tolist() == pytest.approx([0.005], abs=1e-6)


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
def test_short_texts_read_beside_long_ones_keep_their_vectors(tokenizer: Tokenizer, pooling: str) -> None:
    model = MatchingModel(small_encoder(tokenizer, with_pooler=True), pooling=pooling, dropout=0.0).eval()
    texts = ["a dog", " ".join(SENTENCES * 10), SENTENCES[0], " ".join(SENTENCES * 6), "music"] * 6
    encodings = tokenizer.encode(texts)
    with torch.inference_mode():
        batch = collate(encodings, pad_id=tokenizer.pad_id)
        together = model(**batch.inputs)
        alone = [model(**collate([e], pad_id=tokenizer.pad_id).inputs)[0] for e in encodings]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=1e-4)


# --- prediction ---------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(7))
def test_documents_of_any_length(task: MatchingTask, count: int) -> None:
    model = task.build_model(small_encoder(task.tokenizer), dropout=0.0).eval()
    given = document(count)
    (output,) = forward(model, task, task.encode([given]), CPU)
    assert len(output.chosen) == min(count, len(output.chosen))
    assert (len(output.chosen) in (2, 3)) == (count >= 2)
    record = task.record(given, output, 0)
    assert record["summary"].splitlines() == [SENTENCES[i] for i in output.chosen]
    assert record["method"] == "matchsum"


def test_the_nearest_candidate_is_chosen(task: MatchingTask) -> None:
    (row,) = task.encode([document(3)])
    vectors = [np.array([1.0, 0.0]), np.array([0.5, 1.0]), np.array([0.1, 0.01]), np.array([9.0, 2.0]), np.zeros(2)]
    assert task.row_output(row, vectors).chosen == row.parts[0].sets[1]


@pytest.mark.parametrize("kind", EXTRACTORS)
def test_an_extractor_proposes_the_candidates_and_is_kept(task: MatchingTask, tokenizer: Tokenizer, kind: str) -> None:
    settings = replace(task.settings, candidates=kind, max_length=32)
    lent = ExtractiveTask(extractor_settings(settings), tokenizer)
    assert extractor_kind(lent.settings) == kind
    extractor = Extractor(lent.build_model(small_encoder(tokenizer), dropout=0.0).eval(), lent)
    own = MatchingTask(settings, tokenizer)
    own.borrow(extractor)
    model = own.build_model(small_encoder(tokenizer, with_pooler=True), dropout=0.0)
    for name, weight in extractor.model.state_dict().items():
        torch.testing.assert_close(model.extractor.state_dict()[name], weight)
    assert not any(weight.requires_grad for weight in model.extractor.parameters())
    assert all(weight.requires_grad for weight in model.encoder.parameters())
    rows = own.encode([document(6), document(0), document(2)])
    (wanted,) = forward(extractor.model, lent, lent.encode([document(6)]), CPU)
    assert (len(wanted.scores) < 6) == kind.endswith("-start")
    np.testing.assert_allclose(rows[0].parts[0].scores[: len(wanted.scores)], wanted.scores, atol=1e-6)
    assert not any(rows[0].parts[0].scores[len(wanted.scores) :])
    again = MatchingTask(settings, tokenizer)
    loaded = again.build_model(small_encoder(tokenizer, with_pooler=True), dropout=0.0)
    loaded.load_state_dict(model.state_dict())
    assert [row.parts[0] for row in again.encode([document(6)])] == [rows[0].parts[0]]


def test_bad_requests_are_refused(task: MatchingTask, tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="--pooling match"):
        MatchingTask.fit(replace(task.settings, pooling="match"), tokenizer, [document(3)])
    with pytest.raises(DataError, match="--on-long window"):
        MatchingTask.fit(replace(task.settings, on_long="window"), tokenizer, [document(3)])
    with pytest.raises(DataError, match="no document has sentences"):
        task.training_rows([document(0)], OPTIONS)


def test_an_empty_row_has_an_empty_answer(task: MatchingTask) -> None:
    (row,) = task.encode([document(0)])
    assert isinstance(row, EncodedRow)
    assert task.row_output(row, [np.ones(2)]).chosen == ()
