"""extractive from documents to summaries: sentences, windows, labels, losses, records, scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from bertkit.compute.batching import Batch
from bertkit.compute.device import Placement
from bertkit.data.records import ColumnMap, Document, Example
from bertkit.documents.sentences import Sentence
from bertkit.errors import DataError, UsageError
from bertkit.evaluation.answers import forward
from bertkit.models.bert import BertConfig, BertModel
from bertkit.tasks.base import TaskSettings, TrainingOptions
from bertkit.tasks.extractive import ExtractiveTask
from bertkit.tasks.summaries import SHARED, Extract, SentenceWindow, SummaryScorer, encode_documents, plan_windows
from bertkit.tokenization.base import Tokenizer

CPU = Placement("cpu", "float32", 1)
ONE, TWO, THREE = "the cat sees a red ball .", "a dog likes music .", "the shop buys some bread ."
TEXT = f"{ONE} {TWO} {THREE}"
OPTIONS = TrainingOptions()


def document(text: str = TEXT, summary: str | None = TWO, sentences: tuple[str, ...] = (), line: int = 1) -> Document:
    return Document((text,), None, line, "docs.jsonl", summary, sentences)


@pytest.fixture
def task(tokenizer: Tokenizer) -> ExtractiveTask:
    settings = TaskSettings("extractive", ColumnMap(("article",), None, "summary"), on_long="window")
    return ExtractiveTask(settings, tokenizer)


def narrow(task: ExtractiveTask, max_length: int, on_long: str = "window") -> ExtractiveTask:
    return ExtractiveTask(replace(task.settings, max_length=max_length, on_long=on_long), task.tokenizer)


def small_encoder(tokenizer: Tokenizer, positions: int = 512) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        tokenizer.vocab_size,
        32,
        1,
        2,
        64,
        positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,
    )
    return BertModel(config, with_pooler=False)


def windows(row_parts: Sequence[object]) -> list[SentenceWindow]:
    assert all(isinstance(part, SentenceWindow) for part in row_parts)
    return list(row_parts)  # type: ignore[arg-type]


# --- windows ------------------------------------------------------------------------------


def test_every_sentence_stands_between_cls_and_sep(task: ExtractiveTask, tokenizer: Tokenizer) -> None:
    (row,) = task.encode([document()])
    (part,) = windows(row.parts)
    wanted = [tokenizer.encode([text])[0].ids for text in (ONE, TWO, THREE)]
    assert part.ids == [token for ids in wanted for token in ids]
    assert part.heads == part.answered == (0, len(wanted[0]), len(wanted[0]) + len(wanted[1]))
    assert part.type_ids == [0] * len(wanted[0]) + [1] * len(wanted[1]) + [0] * len(wanted[2])
    assert [TEXT[s.start : s.end] for s in part.sentences] == [ONE, TWO, THREE]
    assert (row.n_tokens, row.truncated) == (len(part.ids), False)


@pytest.mark.parametrize("max_length", [12, 20, 40, 200])
@pytest.mark.parametrize("seed", range(20))
def test_each_sentence_is_answered_once_and_in_order(seed: int, max_length: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 13, size=int(rng.integers(1, 60))).clip(max=max_length).tolist()
    plan = plan_windows(lengths, max_length)
    assert [number for _, own in plan for number in own] == list(range(len(lengths)))
    for reads, own in plan:
        assert len(own) > 0
        assert set(own) <= set(reads)
        assert sum(lengths[number] for number in reads) <= max_length
    for (earlier, _), (later, _) in pairwise(plan):
        assert earlier.start < later.start <= earlier.stop < later.stop
        assert earlier.stop - later.start <= SHARED


def test_windows_share_sentences_and_are_of_like_length() -> None:
    plan = plan_windows([10] * 13, 100)
    assert [(reads.start, reads.stop) for reads, _ in plan] == [(0, 8), (6, 13)]
    assert [(own.start, own.stop) for _, own in plan] == [(0, 7), (7, 13)]
    assert plan_windows([10] * 10, 100) == [(range(10), range(10))]
    assert plan_windows([], 100) == []


def test_a_long_document_is_read_in_windows_not_cut(task: ExtractiveTask) -> None:
    texts = [ONE, TWO, THREE] * 20
    (whole,) = task.encode([document(sentences=tuple(texts))])
    (row,) = narrow(task, 64).encode([document(sentences=tuple(texts))])
    assert (len(whole.parts), row.truncated, row.n_tokens) == (1, False, whole.n_tokens)
    assert len(row.parts) > 5
    assert max(len(part.ids) for part in row.parts) <= 64
    assert [s.text for part in windows(row.parts) for s in part.sentences] == texts


def test_a_sentence_longer_than_a_window_is_cut_and_counted(task: ExtractiveTask) -> None:
    text = "the cat " * 30 + "."
    (row,) = narrow(task, 16).encode([document(f"{ONE} {text} {TWO}")])
    assert row.truncated
    assert max(len(part.ids) for part in row.parts) <= 16
    assert sum(part.n_tokens > len(part.ids) for part in row.parts) >= 1
    assert row.n_tokens > 60


def test_truncate_reads_the_first_window_and_error_refuses(task: ExtractiveTask) -> None:
    given = document(sentences=(ONE, TWO, THREE) * 5)
    (row,) = narrow(task, 24, "truncate").encode([given])
    (part,) = windows(row.parts)
    assert row.truncated
    assert len(part.sentences) == len(part.heads) >= 2
    with pytest.raises(DataError, match=r"docs.jsonl:1: the row has \d+ tokens and --max-length is 24"):
        narrow(task, 24, "error").encode([given])


@pytest.mark.parametrize("text", ["", " \n ", "***"])
def test_a_document_without_sentences(task: ExtractiveTask, text: str) -> None:
    (row,) = task.encode([document(text)])
    model = task.build_model(small_encoder(task.tokenizer), dropout=0.0).eval()
    (output,) = forward(model, task, [row], CPU)
    assert output == Extract((), (), ())
    assert task.record(document(text), output, 0)["summary"] == ""


def test_sentences_that_come_split_stay_as_they_are(task: ExtractiveTask) -> None:
    sentences = ("mr . smith", "goes . out")
    given = document("\n".join(sentences), sentences=sentences)
    (row,) = task.encode([given])
    found = windows(row.parts)[0].sentences
    assert [(s.start, s.end, given.texts[0][s.start : s.end]) for s in found] == [
        (0, 10, "mr . smith"),
        (11, 21, "goes . out"),
    ]


def test_text_that_spells_a_special_token_opens_no_sentence(task: ExtractiveTask) -> None:
    (row,) = task.encode([document("he wrote [CLS] and [SEP] there .")])
    (part,) = windows(row.parts)
    assert len(part.heads) == 1


# --- training -----------------------------------------------------------------------------


def test_targets_are_the_oracles_choice(task: ExtractiveTask) -> None:
    rows = task.training_rows([document(), document("***", line=2), document(summary=f"{ONE} {THREE}")], OPTIONS)
    assert [row.target.tolist() for row in rows] == [[0, 1, 0], [1, 0, 1]]
    assert [row.place for row in rows] == ["docs.jsonl:1", "docs.jsonl:1"]


def test_korean_has_labels(task: ExtractiveTask) -> None:
    text = "서울에 눈이 왔다. 부산은 맑았다. 대전에는 바람이 불었다."
    (row,) = task.training_rows([document(text, "부산은 맑았다.")], OPTIONS)
    assert row.target.tolist() == [0, 1, 0]


def test_documents_that_share_nothing_with_their_summaries_are_refused(task: ExtractiveTask) -> None:
    with pytest.raises(DataError, match=r"docs.jsonl: no document shares a word"):
        task.training_rows([document(summary="quite different")], OPTIONS)


@pytest.fixture
def batch(task: ExtractiveTask) -> Batch:
    narrow_task = narrow(task, 24)
    long = document(sentences=(ONE, TWO, THREE, TWO))
    rows = narrow_task.training_rows([long, document(TWO)], OPTIONS)
    assert [len(row.encoded.parts) for row in rows] == [2, 1]
    return narrow_task.training_batch(rows, OPTIONS, np.random.default_rng(0))


def test_a_training_batch_holds_whole_documents(batch: Batch, task: ExtractiveTask) -> None:
    assert batch.positions is not None
    assert batch.targets is not None
    assert batch.positions.shape == batch.targets.shape == (2, 4)
    assert batch.positions[1].tolist()[1:] == batch.targets[1].tolist()[1:] == [-1, -1, -1]
    asked = batch.input_ids.flatten()[batch.positions[batch.positions >= 0]]
    assert set(asked.tolist()) == {task.tokenizer.id_of("[CLS]", "first")}
    assert batch.global_mask is not None
    assert batch.global_mask.flatten()[batch.positions[batch.positions >= 0]].all()
    # shared sentences attend to all as well
    assert int(batch.global_mask.sum()) >= 5


def test_losses_count_each_sentence_once(batch: Batch, task: ExtractiveTask) -> None:
    logits = torch.zeros(2, 4)
    np.testing.assert_allclose(task.losses(logits, batch, OPTIONS), [4 * np.log(2), np.log(2)], rtol=1e-6)
    surer = torch.where(batch.targets == 1, 20.0, -20.0)
    assert task.losses(surer, batch, OPTIONS).max() < 1e-6


def test_a_sentence_can_be_the_mean_of_its_tokens(task: ExtractiveTask) -> None:
    mean_task = ExtractiveTask(replace(task.settings, pooling="mean"), task.tokenizer)
    model = mean_task.build_model(small_encoder(task.tokenizer), dropout=0.0).eval()
    rows = task.encode([document(f"{ONE} {TWO}"), document(THREE)])
    batch = mean_task.batch([row.parts[0] for row in rows])
    assert batch.attention_mask is not None
    marks = batch.global_mask.clone()
    with torch.inference_mode():
        vectors = model(**batch.inputs)
        states = model.encoder(batch.input_ids, batch.attention_mask, batch.token_type_ids, batch.global_mask)
    second, end = rows[0].parts[0].heads[1], len(rows[0].parts[0].ids)
    of_third = states[1, : len(rows[1].parts[0].ids)]
    wanted = [states[0, :second].mean(0), states[0, second:end].mean(0), of_third.mean(0)]
    torch.testing.assert_close(vectors, torch.stack(wanted))
    torch.testing.assert_close(batch.global_mask, marks)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_training_and_prediction_give_the_same_scores(task: ExtractiveTask, pooling: str) -> None:
    task = ExtractiveTask(replace(task.settings, pooling=pooling), task.tokenizer)
    narrow_task = narrow(task, 24)
    documents = [document(sentences=(ONE, TWO, THREE, TWO, ONE)), document(f"{TWO} {THREE}"), document(THREE)]
    model = task.build_model(small_encoder(task.tokenizer), dropout=0.0).eval()
    outputs = forward(model, narrow_task, narrow_task.encode(documents), CPU)
    rows = narrow_task.training_rows([replace(d, summary=TEXT) for d in documents], OPTIONS)
    with torch.inference_mode():
        batch = narrow_task.training_batch(rows, OPTIONS, np.random.default_rng(0))
        together = model(**batch.inputs).sigmoid()
    for output, row in zip(outputs, together, strict=True):
        np.testing.assert_allclose(output.scores, row[: len(output.scores)], atol=1e-5)
    assert [len(output.scores) for output in outputs] == [5, 2, 1]


def test_sentences_of_all_windows_meet(task: ExtractiveTask) -> None:
    narrow_task = narrow(task, 24)
    model = task.build_model(small_encoder(task.tokenizer), dropout=0.0).eval()
    texts = [ONE, TWO, THREE] * 4
    changed = [*texts[:-1], TWO]
    first, second = (document(sentences=tuple(t)) for t in (texts, changed))
    one, other = forward(model, narrow_task, narrow_task.encode([first, second]), CPU)
    assert one.scores[0] != pytest.approx(other.scores[0], abs=1e-7)


# --- predictions and scores ---------------------------------------------------------------


def extract(task: ExtractiveTask, sentences: tuple[str, ...], scores: Sequence[float]) -> Extract:
    (row,) = task.encode([document("\n".join(sentences), sentences=sentences)])
    found: Extract = task.row_output(row, [np.array(scores)])
    return found


def test_the_best_three_in_document_order_without_repeats(task: ExtractiveTask) -> None:
    copied = "A dog likes music ."
    output = extract(task, (TWO, ONE, THREE, copied, "the river ."), [0.9, 0.3, 0.2, 0.8, 0.5])
    assert output.chosen == (0, 1, 4)
    record = task.record(document(), output, 0)
    assert [list(s) for s in record["sentences"]] == [["index", "start", "end", "text", "score"]] * 3
    assert [(s["index"], s["text"], s["score"]) for s in record["sentences"]] == [
        (0, TWO, 0.9),
        (1, ONE, 0.3),
        (4, "the river .", 0.5),
    ]
    assert record["summary"] == f"{TWO}\n{ONE}\nthe river ."
    assert record["method"] == "bertsum"
    assert list(record) == task.record_fields(0)
    json.dumps(record)


def test_scores_are_rouge(task: ExtractiveTask) -> None:
    good, bad = extract(task, (ONE, TWO, THREE), [0.1, 0.9, 0.2]), extract(task, ("music .",), [0.5])
    given = [document(summary=f"<s> {ONE} </s> <s> {TWO} </s> <s> {THREE} </s>"), document(summary="a dog .")]
    scores = task.score(given, [good, bad])
    assert scores.metrics.keys() == {"rouge1", "rouge2", "rougeLsum"}
    assert scores.metrics["rouge1"] == scores.metrics["rougeLsum"] == 0.5
    assert "tokenizer=english" in scores.signature
    assert task.intervals(given, [good, bad])["rouge1"] == (0.0, 1.0)
    assert task.difference(given, [good, bad], [good, bad])["rouge2"] == (0.0, 0.0)
    mistakes = task.mistakes(given, [good, bad])
    assert [row for row, _ in mistakes] == [1, 0]
    assert mistakes[0][1]["rouge1"] == 0.0


def test_korean_scores(task: ExtractiveTask) -> None:
    text = "부산은 맑았다."
    scores = task.score([document(text, text)], [extract(task, (text,), [0.5])])
    assert scores.metrics["rouge1"] == 1.0
    assert "tokenizer=eojeol" in scores.signature


def test_a_model_that_only_takes_the_lead_is_called_so(task: ExtractiveTask) -> None:
    sentences = (ONE, TWO, THREE, "the river moves .")
    leads, others = extract(task, sentences, [4, 3, 2, 1]), extract(task, sentences, [4, 3, 1, 2])
    assert "no more than lead" in task.score([document()] * 10, [leads] * 10).warnings[0]
    assert not task.score([document()] * 10, [leads] * 9 + [others]).warnings


def test_bad_requests_are_refused(task: ExtractiveTask, tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="--pooling match"):
        ExtractiveTask.fit(replace(task.settings, pooling="match"), tokenizer, [document()])
    with pytest.raises(DataError, match=r"docs.jsonl:1: the document has no reference"):
        ExtractiveTask.fit(task.settings, tokenizer, [document(summary=None)])
    with pytest.raises(DataError, match="no reference"):
        ExtractiveTask.fit(task.settings, tokenizer, [Example((TEXT,), "x", 1, "docs.jsonl")])
    with pytest.raises(DataError, match="ignores"):
        ExtractiveTask.fit(task.settings, tokenizer, [document("猫が好き。", "猫が好き。")])


def test_many_documents_are_split_among_the_library_calls(
    task: ExtractiveTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertkit.tasks.summaries._CHUNK", 2)
    rows = encode_documents(
        [windows(task.encode([document()])[0].parts)[0].sentences] * 3, task.tokenizer, max_length=512
    )
    assert rows == task.encode([document()] * 3)


def test_a_corpus_of_two_languages_is_scored_by_its_references_alone() -> None:
    """What a model chose must not turn the language of the corpus, and with it end a training."""
    korean = "새 다리가 열렸다 .\n사람들이 많이 왔다 .\n날씨가 맑았다 ."
    scorer = SummaryScorer()
    examples = [
        document(summary="the bridge opened and many people came to see it on a bright morning"),
        document(summary="맑음"),
    ]
    sentences = tuple(Sentence(0, len(line), line) for line in korean.splitlines())
    chosen = [Extract(sentences, (0.0,) * 3, (0, 1, 2)), Extract(sentences, (0.0,) * 3, (0, 1, 2))]
    scores = scorer.per_document(examples, chosen)
    assert "english" in scorer.signature(examples)
    assert scores["rouge1"].tolist() == [0.0, 0.0]
