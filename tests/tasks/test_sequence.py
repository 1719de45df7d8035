"""classify and regression from rows to batches: texts, segments, orders, noise, limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bertkit.compute.batching import Batch
from bertkit.data.records import ColumnMap, Example
from bertkit.errors import DataError, UnknownNameError
from bertkit.models.bert import BertConfig, BertModel
from bertkit.tasks.base import EncodedRow, TaskSettings, TrainingOptions
from bertkit.tasks.registry import TASKS, find_task
from bertkit.tasks.sequence import SequenceTask
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.segments import KINDS, OVERLAP_SEGMENTS, overlap_segments

SINGLE = ColumnMap(("text",), label="label")
PAIR = ColumnMap(("a",), "b", "label")
SPECIAL = (0, 2, 3)  # padding, [CLS], [SEP]


def rows(*texts: tuple[str, ...], labels: Sequence[str] = ("0", "1")) -> list[Example]:
    return [Example(text, labels[i % len(labels)], i + 2, "data.tsv") for i, text in enumerate(texts)]


PAIRS = rows(
    ("the cat sees a red ball", "a dog sees the cat"),
    ("music", "the old man likes music"),
    ("my sister paints", "the blue car"),
)


def parts(encoded: Sequence[EncodedRow]) -> list[Encoding]:
    """The encodings of rows that have one part each."""
    assert all(len(row.parts) == 1 for row in encoded)
    return [row.parts[0] for row in encoded]


def task(tokenizer: Tokenizer, columns: ColumnMap = PAIR, **settings: Any) -> SequenceTask:
    return SequenceTask(TaskSettings("classify", columns, ("0", "1"), "1", **settings), tokenizer)


# --- what training rows decide ------------------------------------------------------------


def test_fitting_learns_labels_and_the_positive_one(tokenizer: Tokenizer) -> None:
    settings = TaskSettings("classify", SINGLE)
    fitted = SequenceTask.fit(settings, tokenizer, rows(("x",), ("y",), labels=("10", "9")))
    assert (fitted.settings.labels, fitted.settings.positive) == (("9", "10"), "10")
    assert fitted.objective.n_outputs == 2


def test_the_positive_label_can_be_given(tokenizer: Tokenizer) -> None:
    settings = TaskSettings("classify", SINGLE, positive="no")
    assert SequenceTask.fit(settings, tokenizer, rows(("x",), ("y",), labels=("no", "yes"))).settings.positive == "no"


def test_of_three_labels_none_is_positive(tokenizer: Tokenizer) -> None:
    examples = rows(("x",), ("y",), ("z",), labels=("a", "b", "c"))
    assert SequenceTask.fit(TaskSettings("classify", SINGLE), tokenizer, examples).settings.positive is None


def test_a_positive_label_that_no_row_has_is_refused(tokenizer: Tokenizer) -> None:
    settings = TaskSettings("classify", SINGLE, positive="maybe")
    with pytest.raises(DataError, match=r"^--positive maybe: no row has that label; there are no, yes\.$"):
        SequenceTask.fit(settings, tokenizer, rows(("x",), ("y",), labels=("no", "yes")))


def test_one_class_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"^data\.tsv: every row has the one label '1'"):
        SequenceTask.fit(TaskSettings("classify", SINGLE), tokenizer, rows(("x",), ("y",), labels=("1",)))


def test_regression_targets_have_mean_0_and_deviation_1(tokenizer: Tokenizer) -> None:
    examples = rows(("x",), ("y",), ("z",), labels=("1", "2", "4.5"))
    fitted = SequenceTask.fit(TaskSettings("regression", SINGLE), tokenizer, examples)
    targets = [row.target for row in fitted.training_rows(examples, TrainingOptions())]
    assert np.mean(targets) == pytest.approx(0)
    assert np.std(targets) == pytest.approx(1)
    assert (fitted.objective.n_outputs, fitted.settings.deciding_metric) == (1, "pearson")


def test_regression_on_a_constant_divides_by_nothing(tokenizer: Tokenizer) -> None:
    examples = rows(("x",), ("y",), labels=("2",))
    fitted = SequenceTask.fit(TaskSettings("regression", SINGLE), tokenizer, examples)
    assert [row.target for row in fitted.training_rows(examples, TrainingOptions())] == [0.0, 0.0]


def test_settling_is_done_once(tokenizer: Tokenizer) -> None:
    examples = rows(("x",), ("y",), labels=("100", "300"))
    fitted = SequenceTask.fit(TaskSettings("regression", SINGLE), tokenizer, examples)
    encoder = BertModel(BertConfig(tokenizer.vocab_size, hidden_size=8, num_hidden_layers=1, intermediate_size=16))
    model = fitted.build_model(encoder, dropout=0.0).eval()
    batch = fitted.batch(parts(fitted.encode(examples)))

    def outputs() -> np.ndarray:
        with torch.inference_mode():
            return np.stack(fitted.part_outputs(model(**batch.inputs), batch))

    before = outputs()
    fitted.settle(model)
    np.testing.assert_allclose(outputs(), before, rtol=1e-6)
    fitted.settle(model)
    np.testing.assert_allclose(outputs(), before, rtol=1e-6)
    assert before.mean() == pytest.approx(200, abs=50)


# --- texts --------------------------------------------------------------------------------


def test_a_single_text_and_a_pair_are_encoded_as_the_tokenizer_does(tokenizer: Tokenizer) -> None:
    single = task(tokenizer, SINGLE).encode(rows(("the cat",)))
    assert parts(single) == tokenizer.encode(["the cat"])
    assert parts(task(tokenizer).encode(PAIRS)) == tokenizer.encode(
        *map(list, zip(*(e.texts for e in PAIRS), strict=True))
    )


def test_several_columns_are_joined_by_the_separator_token(tokenizer: Tokenizer) -> None:
    columns = ColumnMap(("title", "body"), label="label")
    (row,) = parts(task(tokenizer, columns).encode(rows(("the cat", "a red ball"))))
    tokens = [tokenizer.backend.id_to_token(i) for i in row.ids]
    assert tokens == ["[CLS]", "the", "cat", "[SEP]", "a", "red", "ball", "[SEP]"]
    assert set(row.type_ids) == {0}


def test_several_columns_and_a_pair(tokenizer: Tokenizer) -> None:
    columns = ColumnMap(("title", "body"), "other", "label")
    (row,) = parts(task(tokenizer, columns).encode(rows(("the cat", "a red ball", "music"))))
    tokens = [tokenizer.backend.id_to_token(i) for i in row.ids]
    assert tokens == ["[CLS]", "the", "cat", "[SEP]", "a", "red", "ball", "[SEP]", "music", "[SEP]"]
    assert row.type_ids == [0] * 8 + [1] * 2


def test_words_are_left_out_of_every_column(tokenizer: Tokenizer) -> None:
    without = task(tokenizer, leave_out="stop-words").encode(rows(("the cat", "a red ball")))
    assert without == task(tokenizer).encode(rows(("cat", "red ball")))


# --- segments and orders ------------------------------------------------------------------


def test_overlap_segments_are_off_unless_asked_for(tokenizer: Tokenizer) -> None:
    for row in parts(task(tokenizer).encode(PAIRS)):
        assert set(row.type_ids) == {0, 1}


def test_overlap_segments_replace_the_segment_ids_alone(tokenizer: Tokenizer) -> None:
    plain, marked = (parts(task(tokenizer, overlap_segments=on).encode(PAIRS)) for on in (False, True))
    for before, after, example in zip(plain, marked, PAIRS, strict=True):
        assert (after.ids, after.n_tokens) == (before.ids, before.n_tokens)
        (placed,) = tokenizer.encode([example.texts[0]], [example.texts[1]], with_spans=True)
        assert after.type_ids == overlap_segments(placed.spans, *example.texts)
    # "the cat" stands on both sides, "the" and "a" too; "red ball" and "dog" do not.
    assert max(marked[0].type_ids) >= KINDS
    assert max(max(row.type_ids) for row in marked) < OVERLAP_SEGMENTS


def test_overlap_segments_of_many_pairs_are_those_of_each(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, overlap_segments=True, max_length=8)
    some = rows(("the cat", "the dog and the cat"), ("e\u0301te\u0301 " * 8, "the e\u0301 red ball"), ("a", "[SEP] b"))
    many = mine.encode(some * 200)
    assert [
        [(list(part.ids), list(part.type_ids), part.n_tokens) for part in row.parts] for row in many
    ] == [
        [(list(part.ids), list(part.type_ids), part.n_tokens) for part in row.parts] for row in mine.encode(some)
    ] * 200  # fmt: skip


def test_many_long_pairs_can_be_refused(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, overlap_segments=True, max_length=8, on_long="error")
    many = [*rows(("the cat", "the dog")) * 600, *rows(("the cat " * 9, "music"))]
    with pytest.raises(DataError, match=r"^data\.tsv:2: the row has 22 tokens and --max-length is 8"):
        mine.encode(many)


def test_overlap_segments_of_a_single_text_change_nothing(tokenizer: Tokenizer) -> None:
    example = rows(("the cat",))
    assert task(tokenizer, SINGLE, overlap_segments=True).encode(example) == task(tokenizer, SINGLE).encode(example)


@pytest.mark.parametrize("overlap", [False, True])
def test_both_orders_are_kept_where_pairs_are_swapped(tokenizer: Tokenizer, overlap: bool) -> None:
    mine = task(tokenizer, overlap_segments=overlap)
    turned = [replace(e, texts=e.texts[::-1]) for e in PAIRS]
    training = mine.training_rows(PAIRS, TrainingOptions(swap_pairs=True))
    assert [row.encoded for row in training] == mine.encode(PAIRS)
    assert [row.swapped for row in training] == mine.encode(turned)


def test_nothing_is_swapped_unless_asked_for_or_without_pairs(tokenizer: Tokenizer) -> None:
    assert {row.swapped for row in task(tokenizer).training_rows(PAIRS, TrainingOptions())} == {None}
    single = task(tokenizer, SINGLE).training_rows(rows(("the cat",)), TrainingOptions(swap_pairs=True))
    assert single[0].swapped is None


def test_training_rows_carry_target_and_place(tokenizer: Tokenizer) -> None:
    training = task(tokenizer).training_rows(PAIRS, TrainingOptions())
    assert [(row.target, row.place) for row in training] == [
        (0.0, "data.tsv:2"),
        (1.0, "data.tsv:3"),
        (0.0, "data.tsv:4"),
    ]


def test_a_label_never_seen_stops_training_with_its_place(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"^data\.tsv:4: label '7' is not in the training rows; they have 0, 1\.$"):
        task(tokenizer).training_rows([*PAIRS[:2], replace(PAIRS[2], label="7")], TrainingOptions())


# --- batches of training ------------------------------------------------------------------


def batches(mine: SequenceTask, examples: list[Example], options: TrainingOptions, n: int = 40) -> list[Batch]:
    training = mine.training_rows(examples, options)
    rng = np.random.default_rng(0)
    return [mine.training_batch(training, options, rng) for _ in range(n)]


def test_a_batch_of_training_has_its_targets(tokenizer: Tokenizer) -> None:
    (batch,) = batches(task(tokenizer), PAIRS, TrainingOptions(), n=1)
    assert batch.targets is not None
    assert (batch.targets.dtype, batch.targets.tolist()) == (torch.float32, [0.0, 1.0, 0.0])


def test_about_half_of_the_pairs_are_swapped(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    straight = parts(mine.encode(PAIRS[:1]))[0].ids
    seen = [
        b.input_ids[0].tolist() == straight for b in batches(mine, PAIRS[:1], TrainingOptions(swap_pairs=True), 200)
    ]
    assert 70 < sum(seen) < 130


def test_the_noise_comes_from_the_generator_alone(tokenizer: Tokenizer) -> None:
    options = TrainingOptions(swap_pairs=True, token_masking=0.3)
    first, second = (batches(task(tokenizer), PAIRS, options) for _ in range(2))
    assert all(torch.equal(a.input_ids, b.input_ids) for a, b in zip(first, second, strict=True))
    assert len({tuple(b.input_ids.flatten().tolist()) for b in first}) > 1


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_masking_hides_its_share_and_leaves_special_tokens_and_segments(tokenizer: Tokenizer, share: float) -> None:
    mine = task(tokenizer, overlap_segments=True)
    plain = mine.batch(parts(mine.encode(PAIRS)))
    is_special = torch.isin(plain.input_ids, torch.tensor(SPECIAL))
    masked = total = 0
    for batch in batches(mine, PAIRS, TrainingOptions(token_masking=share)):
        changed = batch.input_ids != plain.input_ids
        assert not (changed & is_special).any()
        assert (batch.input_ids[changed] == tokenizer.mask_id).all()
        assert torch.equal(batch.token_type_ids, plain.token_type_ids)
        assert plain.attention_mask is not None
        assert batch.attention_mask is not None
        assert torch.equal(batch.attention_mask, plain.attention_mask)
        masked, total = masked + int(changed.sum()), total + int((~is_special).sum())
    assert masked / total == pytest.approx(share, abs=0.05)


def test_nothing_is_masked_unless_asked_for(tokenizer: Tokenizer) -> None:
    for batch in batches(task(tokenizer), PAIRS, TrainingOptions(), n=5):
        assert tokenizer.mask_id not in batch.input_ids


def test_masking_leaves_the_rows_as_they_were(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    options = TrainingOptions(token_masking=0.9)
    training = mine.training_rows(PAIRS, options)
    before = [list(row.encoded.parts[0].ids) for row in training]
    mine.training_batch(training, options, np.random.default_rng(0))
    assert [row.encoded.parts[0].ids for row in training] == before


# --- rows that are too long ---------------------------------------------------------------


def test_long_rows_are_cut(tokenizer: Tokenizer) -> None:
    encodings = parts(task(tokenizer, max_length=8).encode(PAIRS))
    assert [len(e.ids) for e in encodings] == [8, 8, 8]
    assert [e.truncated for e in encodings] == [True, True, True]


@pytest.mark.parametrize("encode", ["encode", "training_rows"])
def test_long_rows_can_be_refused(tokenizer: Tokenizer, encode: str) -> None:
    mine = task(tokenizer, on_long="error", max_length=12)
    examples = [PAIRS[1], PAIRS[0]]
    examples = [replace(e, line=10 + i, source="my/rows.csv") for i, e in enumerate(examples)]
    with pytest.raises(DataError) as caught:
        mine.encode(examples) if encode == "encode" else mine.training_rows(examples, TrainingOptions())
    assert str(caught.value) == (
        "my/rows.csv:11: the row has 14 tokens and --max-length is 12; raise it where the model reads more, or let "
        "--on-long truncate cut it or --on-long window read it in parts."
    )


def test_rows_that_fit_are_not_refused(tokenizer: Tokenizer) -> None:
    assert len(task(tokenizer, on_long="error", max_length=14).encode(PAIRS)) == 3


# --- settings and the table ---------------------------------------------------------------


@pytest.mark.parametrize("columns", [SINGLE, PAIR, ColumnMap(("title", "body"), "other")])
def test_settings_survive_json(columns: ColumnMap) -> None:
    settings = TaskSettings("classify", columns, ("부정", "긍정"), "긍정", 128, "error", "both", True, "mean")
    assert TaskSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_tasks_are_found_by_name() -> None:
    assert [find_task(spec.name) for spec in TASKS] == list(TASKS)
    with pytest.raises(UnknownNameError, match=r"unknown task 'clasify'.*did you mean 'classify'\?.*regression"):
        find_task("clasify")
