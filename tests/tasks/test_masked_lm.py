"""mlm: which tokens are masked and how, what is asked of them, pairs of sentences, filling in."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from bertkit.compute.batching import Batch
from bertkit.compute.device import Placement
from bertkit.data.records import ColumnMap, Example
from bertkit.errors import DataError, TokenizerError
from bertkit.evaluation.answers import forward
from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.heads import MaskedLanguageModel, exported_weights
from bertkit.tasks.base import TaskSettings, TrainingOptions, TrainingRow
from bertkit.tasks.masked_lm import MaskedLMTask, MaskedOutput, is_pair
from bertkit.tokenization.base import SpecialTokens, Tokenizer
from bertkit.tokenization.vocab import train_wordpiece

SETTINGS = TaskSettings("mlm", ColumnMap(("text",)), on_long="window")
OPTIONS = TrainingOptions()
SPECIAL = {0, 1, 2, 3, 4}
CPU = Placement("cpu", "float32", 1)


def texts(*given: str) -> list[Example]:
    return [Example((text,), None, line, "a.txt") for line, text in enumerate(given, start=1)]


def task(tokenizer: Tokenizer, **settings: Any) -> MaskedLMTask:
    return MaskedLMTask(replace(SETTINGS, **settings), tokenizer)


def build(mine: MaskedLMTask) -> MaskedLanguageModel:
    torch.manual_seed(0)
    config = BertConfig(mine.tokenizer.vocab_size, hidden_size=16, num_hidden_layers=1, intermediate_size=32)
    return mine.build_model(BertModel(config, with_pooler=False), dropout=0.0).eval()


def words(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    return " ".join(str(tokenizer.backend.id_to_token(i)) for i in ids)


@pytest.fixture(scope="module")
def pieces() -> Tokenizer:
    """A tokenizer so small that most words are several tokens."""
    return train_wordpiece(["abcd efgh ijkl mnop"] * 3, size=64, lowercase=True)


# --- hiding while training ----------------------------------------------------------------


def noisy(mine: MaskedLMTask, rows: Sequence[TrainingRow], options: TrainingOptions, seed: int = 0) -> Batch:
    return mine.training_batch(rows, options, np.random.default_rng(seed))


@pytest.mark.parametrize("share", [0.15, 0.4])
def test_of_the_tokens_asked_for_most_are_hidden_some_replaced_some_left(
    tokenizer: Tokenizer, sentences: list[str], share: float
) -> None:
    mine, options = task(tokenizer), TrainingOptions(token_masking=share)
    rows = mine.training_rows(texts(*(" ".join(sentences[i : i + 10]) for i in range(0, 500, 10))), options)
    plain = mine.batch([row.encoded.parts[0] for row in rows]).input_ids
    is_text = ~torch.isin(plain, torch.tensor(sorted(SPECIAL)))
    counts: Counter[str] = Counter()
    for seed in range(4):
        batch = noisy(mine, rows, options, seed)
        assert batch.positions is not None
        assert batch.targets is not None
        asked = torch.zeros_like(plain, dtype=torch.bool).flatten()
        asked[batch.positions] = True
        asked = asked.reshape(plain.shape)
        assert not (asked & ~is_text).any()
        assert torch.equal(plain[asked], batch.targets)
        assert torch.equal(batch.input_ids[~asked], plain[~asked])
        shown = batch.input_ids[asked]
        assert not (torch.isin(shown, torch.tensor([0, 1, 2, 3]))).any()
        masked = shown == tokenizer.mask_id
        counts += Counter(
            asked=int(asked.sum()), text=int(is_text.sum()), masked=int(masked.sum()),
            left=int((shown == batch.targets).sum()),
        )  # fmt: skip
    assert counts["asked"] / counts["text"] == pytest.approx(share, abs=0.01)
    assert counts["masked"] / counts["asked"] == pytest.approx(0.8, abs=0.03)
    assert counts["left"] / counts["asked"] == pytest.approx(0.1, abs=0.03)


def test_without_a_share_15_percent_are_asked_for(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    batch = noisy(mine, mine.training_rows(texts("the cat " * 50), OPTIONS), OPTIONS)
    assert batch.positions is not None
    assert len(batch.positions) == 15


def test_the_noise_comes_from_the_generator_alone_and_leaves_the_rows(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    rows = mine.training_rows(texts("the cat sees a red ball", "a dog likes the river"), OPTIONS)
    before = [list(row.encoded.parts[0].ids) for row in rows]
    first, second, other = (noisy(mine, rows, OPTIONS, seed) for seed in (1, 1, 2))
    assert torch.equal(first.input_ids, second.input_ids)
    assert first.targets is not None
    assert second.targets is not None
    assert torch.equal(first.targets, second.targets)
    assert not torch.equal(first.input_ids, other.input_ids)
    assert [row.encoded.parts[0].ids for row in rows] == before


@pytest.mark.parametrize("whole", [True, False])
def test_whole_words_are_asked_for_together(pieces: Tokenizer, whole: bool) -> None:
    mine, options = task(pieces), TrainingOptions(token_masking=0.3, whole_words=whole)
    text = "abdc, egfh ilkj [MASK] mpon acbd.efgh"
    (row,) = mine.training_rows(texts(text), options)
    (encoding,) = pieces.encode([text], with_spans=True)
    bounds = [(0, 4), (4, 5), (6, 10), (11, 15), (23, 27), (28, 32), (32, 33), (33, 37)]
    of_word = {
        place: word
        for place, span in enumerate(encoding.spans)
        for word, (start, end) in enumerate(bounds)
        if span.side == 0 and start <= span.start < end
    }
    sizes = Counter(of_word.values())
    assert max(sizes.values()) > 1
    assert row.encoded.parts[0].spans == ()  # they would fill the memory
    torn = 0
    for seed in range(20):
        batch = noisy(mine, [row], options, seed)
        assert batch.positions is not None
        asked = Counter(of_word[place] for place in batch.positions.tolist())
        torn += any(count != sizes[word] for word, count in asked.items())
        # 30 % of the tokens, or the words that fit into them
        share = round(0.3 * len(of_word))
        assert share - max(sizes.values()) < asked.total() <= share
    assert (torn == 0) == whole


def test_a_text_without_tokens_asks_for_nothing(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    rows = mine.training_rows(texts(" ", ""), OPTIONS)
    batch = noisy(mine, rows, OPTIONS)
    assert batch.targets is not None
    assert batch.targets.tolist() == []
    losses = mine.losses(build(mine)(**batch.inputs), batch, OPTIONS)
    assert losses.tolist() == [0.0, 0.0]


def test_long_texts_are_windows_and_every_window_is_a_row(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, max_length=16)
    rows = mine.training_rows(texts("the cat sees a red ball " * 6, "music"), OPTIONS)
    assert [row.place for row in rows] == ["a.txt:1"] * 3 + ["a.txt:2"]
    assert not any(row.encoded.truncated for row in rows)


def test_a_tokenizer_that_cannot_hide_is_refused(tokenizer: Tokenizer) -> None:
    without = Tokenizer(tokenizer.backend, SpecialTokens(mask=None), 512)
    with pytest.raises(TokenizerError, match="has no mask token"):
        MaskedLMTask.fit(SETTINGS, without, [])


# --- losses -------------------------------------------------------------------------------


def test_the_loss_of_a_row_is_the_mean_over_its_hidden_tokens(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    rows = mine.training_rows(texts("the cat sees a red ball " * 4, "a dog likes the river", "music"), OPTIONS)
    batch, model = noisy(mine, rows, OPTIONS), build(mine)
    with torch.inference_mode():
        losses = mine.losses(model(**batch.inputs), batch, OPTIONS)
        everywhere, _ = model(batch.input_ids, batch.attention_mask, batch.token_type_ids)
    assert batch.positions is not None
    assert batch.targets is not None
    each = functional.cross_entropy(everywhere[batch.positions], batch.targets, reduction="none")
    row_of = batch.positions // batch.input_ids.shape[1]
    wanted = torch.stack([each[row_of == row].mean() for row in range(3)])
    torch.testing.assert_close(losses, wanted)


def test_the_output_layer_is_the_table_of_embeddings(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    model = build(mine)
    names = exported_weights(model)
    assert {name for name in names if name.startswith("cls.")} == {
        "cls.predictions.bias",
        "cls.predictions.transform.dense.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.LayerNorm.bias",
    }
    batch = noisy(mine, mine.training_rows(texts("the cat sees a red ball"), OPTIONS), OPTIONS)
    before, _ = model(**batch.inputs)
    with torch.no_grad():
        # the id of no token of the batch: only the output layer can have changed
        model.encoder.embeddings_weight[1] += 1.0
    after, _ = model(**batch.inputs)
    changed = (before != after).any(dim=0)
    assert changed.nonzero().flatten().tolist() == [1]


# --- scoring ------------------------------------------------------------------------------


def test_scoring_hides_15_percent_the_same_ones_every_time(tokenizer: Tokenizer) -> None:
    examples = texts("the cat sees a red ball " * 4, "a dog", "")
    first, again = (task(tokenizer).encode_scored(examples) for _ in range(2))
    assert first == again
    alone = [task(tokenizer).encode_scored([example])[0] for example in examples]
    assert first == alone
    plain = tokenizer.encode([e.texts[0] for e in examples])
    assert [len(row.parts[0].masked) for row in first] == [4, 1, 0]  # 15 % of 24, at least one
    for row, encoding in zip(first, plain, strict=True):
        (part,) = row.parts
        shown = list(part.ids)
        for place, token in part.masked:
            assert shown[place] == tokenizer.mask_id
            shown[place] = token
        assert shown == encoding.ids


def test_perplexity_by_hand(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    examples = texts("the cat sees a red ball " * 4, "a dog likes the river", "")
    model, rows = build(mine), mine.encode_scored(examples)
    outputs = forward(model, mine, rows, CPU)
    losses, hits = [], []
    for row in rows:
        (part,) = row.parts
        logits, _ = model(torch.tensor([part.ids]), None, torch.tensor([part.type_ids]))
        for place, token in part.masked:
            losses.append(-float(logits[place].log_softmax(-1)[token].detach()))
            hits.append(int(logits[place].argmax()) == token)
    metrics = mine.score(examples, outputs).metrics
    assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert metrics["perplexity"] == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)
    assert metrics["accuracy"] == pytest.approx(np.mean(hits))
    assert mine.intervals(examples, outputs).keys() == metrics.keys()
    assert mine.difference(examples, outputs, outputs)["perplexity"] == (0.0, 0.0)
    mistakes = mine.mistakes(examples, outputs)
    assert sorted(row for row, _ in mistakes) == [0, 1]
    assert mistakes[0][1]["perplexity"] >= mistakes[1][1]["perplexity"]


def test_the_windows_of_a_text_are_scored_together(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, max_length=16)
    (row,) = mine.encode_scored(texts("the cat sees a red ball " * 6))
    (output,) = forward(build(mine), mine, [row], CPU)
    assert len(row.parts) == 3
    assert output.tokens.shape == (sum(len(part.masked) for part in row.parts), 2)
    assert output.pair_right is None


@pytest.mark.parametrize("kind", ["nsp", "sop"])
def test_every_other_pair_that_is_scored_is_false(tokenizer: Tokenizer, kind: str) -> None:
    mine = task(tokenizer, sentence_pairs=kind)
    examples = texts("the cat sees", "a dog likes", "music", "my bird eats", "a red ball")
    rows = mine.encode_scored(examples)
    assert [len(row.parts) for row in rows] == [2, 2, 2, 2, 1]
    assert [row.parts[-1].masked for row in rows[:4]] == [((0, 0),), ((0, 1),)] * 2
    true = tokenizer.encode(["the cat sees"], ["a dog likes"])[0]
    assert rows[0].parts[1].ids == true.ids
    first, second = ("music", "a dog likes") if kind == "sop" else ("a dog likes", None)
    text = tokenizer.backend.decode(rows[1].parts[1].ids)
    assert text.startswith(first)
    assert second is None or text.endswith(second)
    assert all(not is_pair(part) for row in rows for part in row.parts[:1])


def test_a_pair_is_right_where_the_head_says_so_whatever_the_batch(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, sentence_pairs="sop")
    model = build(mine)
    examples = texts(*(f"the cat sees {word}" for word in "a red ball and my dog likes music".split()))
    rows = mine.encode_scored(examples)
    outputs = forward(model, mine, rows, CPU)
    assert [output.pair_right for output in outputs] == [
        output.pair_right for row in rows for output in forward(model, mine, [row], CPU)
    ]
    for row, output in zip(rows[:-1], outputs, strict=False):
        pair = row.parts[-1]
        with torch.inference_mode():
            _, order = model(torch.tensor([pair.ids]), None, torch.tensor([pair.type_ids]))
        assert output.pair_right == (int(order.argmax()) == pair.masked[0][1])
        assert len(output.tokens) == len(row.parts[0].masked)
    assert outputs[-1].pair_right is None
    right = sum(bool(output.pair_right) for output in outputs)
    assert mine.score(examples, outputs).metrics["pair_accuracy"] == right / (len(examples) - 1)
    low, high = mine.intervals(examples, outputs)["pair_accuracy"]
    assert 0 <= low <= right / (len(examples) - 1) <= high <= 1
    assert mine.difference(examples, outputs, outputs)["pair_accuracy"] == (0, 0)


def test_lines_that_do_not_follow_have_no_pair_to_score(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, sentence_pairs="nsp")
    apart = [replace(example, line=2 * example.line) for example in texts("the cat", "a dog", "")]
    outputs = forward(build(mine), mine, mine.encode_scored(apart), CPU)
    assert mine.score(apart, outputs).metrics.keys() == {"perplexity", "loss", "accuracy"}
    assert "pair_accuracy" not in mine.intervals(apart, outputs)


# --- filling in ---------------------------------------------------------------------------


def filled(mine: MaskedLMTask, examples: Sequence[Example], top_k: int = 0) -> list[dict[str, Any]]:
    outputs = forward(build(mine), mine, mine.encode(examples), CPU)
    return [mine.record(example, output, top_k) for example, output in zip(examples, outputs, strict=True)]


def test_every_mask_is_filled_at_its_place(tokenizer: Tokenizer) -> None:
    examples = texts("  [MASK] cat\tsees a [MASK] .", "the <mask>", "one [MASK]")
    first, second, third = filled(task(tokenizer), examples, top_k=3)
    assert [mask["start"] for mask in first["masks"]] == [2, 20]
    assert [mask["start"] for mask in second["masks"]] == [4]
    assert [mask["start"] for mask in third["masks"]] == [4]
    for record in (first, second, third):
        assert json.loads(json.dumps(record)) == record
        for mask in record["masks"]:
            scores = [entry["score"] for entry in mask["top"]]
            assert len(scores) == 3
            assert scores == sorted(scores, reverse=True)
            assert all(tokenizer.backend.token_to_id(entry["token"]) is not None for entry in mask["top"])


def test_the_tokens_are_the_models_likeliest(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    (record,) = filled(mine, texts("the cat [MASK] music"), top_k=2)
    (encoding,) = tokenizer.encode(["the cat [MASK] music"])
    with torch.inference_mode():
        logits, _ = build(mine)(torch.tensor([encoding.ids]), None, torch.tensor([encoding.type_ids]))
    best = logits[encoding.ids.index(tokenizer.mask_id)].softmax(-1).topk(2)
    assert record == {
        "masks": [
            {
                "start": 8,
                "top": [
                    {"token": tokenizer.backend.id_to_token(int(i)), "score": pytest.approx(float(p), abs=2e-6)}
                    for i, p in zip(best.indices, best.values, strict=True)
                ],
            }
        ]
    }


def test_ids_that_are_no_token_are_left_out(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    figures = np.array([[tokenizer.vocab_size + 7.0, 5.0, 6.0, 0.5, 0.3, 0.1]])
    (mask,) = mine.record(texts("[MASK]")[0], MaskedOutput(figures), top_k=2)["masks"]
    assert [entry["score"] for entry in mask["top"]] == [0.3, 0.1]


def test_without_top_k_five_are_shown(tokenizer: Tokenizer) -> None:
    (record,) = filled(task(tokenizer), texts("[MASK]"))
    assert len(record["masks"][0]["top"]) == 5
    assert task(tokenizer).record_fields(3) == ["masks"]


def test_of_several_columns_the_one_of_a_mask_is_named(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, columns=ColumnMap(("title", "body")))
    (record,) = filled(mine, [Example(("the cat", "a [MASK]"), None, 1, "a.tsv")], top_k=1)
    assert [(mask["column"], mask["start"]) for mask in record["masks"]] == [("body", 2)]
    (record,) = filled(mine, [Example(("a [MASK]",), None, 1, "a.txt")], top_k=1)
    assert [list(mask) for mask in record["masks"]] == [["start", "top"]]


def test_a_text_without_a_mask_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"^a\.txt:2: the text has no \[MASK\] to fill\.$"):
        task(tokenizer).encode(texts("a [MASK]", "a dog"))


def test_a_mask_that_is_cut_away_is_said_to_be(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, max_length=8)
    with pytest.raises(DataError, match=r"^a\.txt:1: its \[MASK\] is after the 8 tokens read\.$"):
        mine.encode(texts("the cat sees a red ball [MASK]"))
    (row,) = mine.encode(texts("[MASK] cat sees a red ball [MASK]"))
    assert row.truncated
    with pytest.raises(DataError, match=r"^a\.txt:1: the row has 9 tokens and --max-length is 8"):
        task(tokenizer, max_length=8, on_long="error").encode(texts("[MASK] cat sees a red ball [MASK]"))


# --- pairs of sentences -------------------------------------------------------------------

LINES = [*texts("the cat sees", "a red ball", "the old man", "paints the river"), *texts("music", "some bread")]


@pytest.mark.parametrize("kind", ["nsp", "sop"])
def test_rows_are_pairs_of_lines_true_ones_and_false_ones(tokenizer: Tokenizer, kind: str) -> None:
    mine = task(tokenizer, sentence_pairs=kind)
    rows = mine.training_rows(LINES, OPTIONS)
    assert len(rows) == 4
    true = [words(tokenizer, row.encoded.parts[0].ids) for row in rows]
    assert true[0] == "[CLS] the cat sees [SEP] a red ball [SEP]"
    assert true[3] == "[CLS] music [SEP] some bread [SEP]"
    false = [words(tokenizer, row.swapped.parts[0].ids) for row in rows if row.swapped is not None]
    assert len(false) == 4
    if kind == "sop":
        assert false[0] == "[CLS] a red ball [SEP] the cat sees [SEP]"
    else:
        assert false[0].startswith("[CLS] the cat sees [SEP]")
    assert not set(true) & set(false)


def test_a_batch_of_pairs_has_both_kinds_and_says_which_is_which(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, sentence_pairs="sop")
    rows = mine.training_rows(LINES, OPTIONS) * 10
    batch = noisy(mine, rows, OPTIONS)
    assert batch.positions is not None
    assert batch.targets is not None
    asked = len(batch.positions)
    orders = batch.targets[asked:]
    assert len(orders) == 40
    assert 10 < orders.sum() < 30
    restored = batch.input_ids.flatten()
    restored[batch.positions] = batch.targets[:asked]
    for row, ids, order in zip(rows, restored.reshape(40, -1), orders, strict=True):
        assert row.swapped is not None
        encoding = (row.swapped if order else row.encoded).parts[0]  # 0: they follow each other, as in BERT
        assert ids[: len(encoding.ids)].tolist() == encoding.ids


def test_the_loss_of_a_pair_has_a_part_for_its_order(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, sentence_pairs="nsp")
    batch, model = noisy(mine, mine.training_rows(LINES, OPTIONS), OPTIONS), build(mine)
    assert model.order is not None
    with torch.inference_mode():
        logits, order = model(**batch.inputs)
        together = mine.losses((logits, order), batch, OPTIONS)
        words_alone = mine.losses((logits, None), batch, OPTIONS)
    assert batch.positions is not None
    assert batch.targets is not None
    of_order = functional.cross_entropy(order, batch.targets[len(batch.positions) :], reduction="none")
    torch.testing.assert_close(together, words_alone + of_order)
    assert "cls.seq_relationship.weight" in exported_weights(model)
    assert build(task(tokenizer)).order is None


def test_long_pairs_are_cut_and_counted_not_read_in_windows(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, sentence_pairs="sop", max_length=12)
    (row,) = mine.training_rows(texts("the cat " * 10, "a dog " * 10), OPTIONS)
    assert row.encoded.truncated
    assert len(row.encoded.parts[0].ids) == 12
    assert set(row.encoded.parts[0].type_ids) == {0, 1}
    with pytest.raises(DataError, match=r"^a\.txt:1: the row has 43 tokens and --max-length is 12"):
        task(tokenizer, sentence_pairs="sop", max_length=12, on_long="error").training_rows(
            texts("the cat " * 10, "a dog " * 10), OPTIONS
        )


def test_whole_words_of_pairs(pieces: Tokenizer) -> None:
    mine = task(pieces, sentence_pairs="sop")
    options = TrainingOptions(whole_words=True, token_masking=0.5)
    (row,) = mine.training_rows(texts("abdc", "egfh"), options)
    asked = set()
    for seed in range(10):
        batch = noisy(mine, [row], options, seed)
        assert batch.positions is not None
        asked.add(tuple(batch.positions.tolist()))
    # one of the two words, whole, in either order of the pair
    n = len(row.encoded.parts[0].ids)
    assert all(places == tuple(range(places[0], places[-1] + 1)) and len(places) < n - 3 for places in asked)
    assert len(asked) >= 2
