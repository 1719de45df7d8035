"""choice from questions to ranked answers: parts, what is cut, losses, records, scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import processors
from torch.nn import functional

from bertkit.data.records import ColumnMap, Example, Question
from bertkit.errors import DataError
from bertkit.tasks.base import TaskSettings, TrainingOptions
from bertkit.tasks.choice import ChoiceTask
from bertkit.tokenization.base import Encoding, Tokenizer
from bertkit.tokenization.vocab import train_wordpiece

SETTINGS = TaskSettings("choice", ColumnMap(("prompt",), None, "answer", ("A", "B", "C")))
OPTIONS = TrainingOptions()


def question(text: str | tuple[str, ...], *choices: str, right: int | None = 0, line: int = 2) -> Question:
    texts, names = (text,) if isinstance(text, str) else text, tuple("ABCDEFG"[: len(choices)])
    label = None if right is None else names[right]
    return Question(texts, label, line, "q.csv", choices=choices, names=names)


QUESTIONS = [
    question("the cat sees", "music", "a red ball", right=1),
    question("a dog likes some", "bread", "the river", "apple", "car", "letter", right=3, line=3),
    question("my sister", "paints", "moves", "the tall tree", right=2, line=4),
]


def task(tokenizer: Tokenizer, **settings: Any) -> ChoiceTask:
    return ChoiceTask(replace(SETTINGS, **settings), tokenizer)


def words(tokenizer: Tokenizer, encoding: Encoding) -> str:
    return " ".join(str(tokenizer.backend.id_to_token(i)) for i in encoding.ids)


# --- from questions to parts --------------------------------------------------------------


def test_every_choice_is_read_with_the_question(tokenizer: Tokenizer) -> None:
    rows = task(tokenizer).encode(QUESTIONS)
    assert [len(row.parts) for row in rows] == [2, 5, 3]
    assert [words(tokenizer, part) for part in rows[0].parts] == [
        "[CLS] the cat sees [SEP] music [SEP]",
        "[CLS] the cat sees [SEP] a red ball [SEP]",
    ]
    assert rows[0].parts[0].type_ids == [0] * 5 + [1] * 2
    assert [row.n_tokens for row in rows] == [9, 9, 8]  # those of the longest choice
    assert not any(row.truncated for row in rows)


def test_a_context_is_another_text_before_the_question(tokenizer: Tokenizer) -> None:
    (row,) = task(tokenizer).encode([question(("the cat sees", "a dog"), "music", "bread")])
    assert words(tokenizer, row.parts[0]) == "[CLS] the cat sees [SEP] a dog [SEP] music [SEP]"


def test_words_are_left_out_of_question_and_choices(tokenizer: Tokenizer) -> None:
    (row,) = task(tokenizer, leave_out="stop-words").encode([question("the cat sees", "a red ball", "the river")])
    assert words(tokenizer, row.parts[0]) == "[CLS] cat sees [SEP] red ball [SEP]"


def test_a_row_without_choices_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(DataError, match=r"^a\.csv:7: the row is not a question with choices\.$"):
        task(tokenizer).encode([Example(("x",), None, 7, "a.csv")])


# --- what is cut --------------------------------------------------------------------------

LONG = "the cat sees a red ball the dog likes the river my sister paints the tall tree"


def test_a_long_question_loses_its_beginning_and_its_choices_stay_whole(tokenizer: Tokenizer) -> None:
    (row,) = task(tokenizer, max_length=12).encode([question(LONG, "a letter", "the blue car moves")])
    assert [words(tokenizer, part) for part in row.parts] == [
        "[CLS] river my sister paints the tall tree [SEP] a letter [SEP]",
        "[CLS] sister paints the tall tree [SEP] the blue car moves [SEP]",
    ]
    assert row.truncated
    assert row.n_tokens == 17 + 4 + 3


def test_of_context_and_question_the_context_is_cut(tokenizer: Tokenizer) -> None:
    (row,) = task(tokenizer, max_length=12).encode([question((LONG, "a dog likes"), "music", "bread")])
    assert words(tokenizer, row.parts[0]) == "[CLS] paints the tall tree [SEP] a dog likes [SEP] music [SEP]"


def test_a_choice_is_cut_where_it_is_longer_than_the_question(tokenizer: Tokenizer) -> None:
    (row,) = task(tokenizer, max_length=12).encode([question("a dog", LONG, "music")])
    assert words(tokenizer, row.parts[0]) == "[CLS] a dog [SEP] the cat sees a red ball the [SEP]"
    assert not row.parts[1].truncated
    assert row.truncated


def test_long_rows_can_be_refused(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer, max_length=8, on_long="error")
    assert len(mine.encode([question("the cat", "music", "a ball")])) == 1
    with pytest.raises(
        DataError,
        match=r"^q\.csv:3: the row has 9 tokens and --max-length is 8; raise it where the model reads more, "
        r"or let --on-long truncate cut it\.$",
    ):
        mine.encode([question("the cat", "music", "a ball"), QUESTIONS[1]])


def test_windows_are_refused_in_training_and_later(tokenizer: Tokenizer) -> None:
    settings = replace(SETTINGS, on_long="window")
    with pytest.raises(DataError, match="--on-long window: a question is read whole with each choice"):
        ChoiceTask.fit(settings, tokenizer, QUESTIONS)
    with pytest.raises(DataError, match="--on-long window: a question is read whole with each choice"):
        ChoiceTask(settings, tokenizer).encode(QUESTIONS)


# --- batches and losses -------------------------------------------------------------------


def marked(tokenizer: Tokenizer, mine: ChoiceTask, *questions: Question) -> list[str]:
    """The tokens that attend to all, for each part."""
    parts = [part for row in mine.encode(questions) for part in row.parts]
    mask = mine.batch(parts).global_mask
    assert mask is not None
    return [
        " ".join(str(tokenizer.backend.id_to_token(i)) for i, on in zip(part.ids, row.tolist(), strict=False) if on)
        for part, row in zip(parts, mask, strict=True)
    ]


def test_the_question_attends_to_all_and_neither_choice_nor_padding_nor_context(tokenizer: Tokenizer) -> None:
    with_context = question(("the cat sees", "a dog"), "music", "the tall tree")
    found = marked(tokenizer, task(tokenizer), with_context, QUESTIONS[0])
    assert found == ["[CLS] a dog [SEP]"] * 2 + ["[CLS] the cat sees [SEP]"] * 2
    cut = question((LONG, "a dog likes"), "music", "bread")
    assert marked(tokenizer, task(tokenizer, max_length=12), cut) == ["[CLS] a dog likes [SEP]"] * 2
    all_question = question(("music", LONG), "bread", "the river")
    assert marked(tokenizer, task(tokenizer, max_length=12), all_question)[0].endswith("the tall tree [SEP]")


def test_two_separators_between_question_and_choice(sentences: Sequence[str]) -> None:
    doubled = train_wordpiece(sentences, size=200, lowercase=True)
    doubled.backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] [SEP] $B [SEP]",
        special_tokens=[("[CLS]", doubled.id_of("[CLS]", "")), ("[SEP]", doubled.id_of("[SEP]", ""))],
    )
    found = marked(doubled, task(doubled), QUESTIONS[0], question(("the cat", "a dog"), "music", "bread"))
    assert found == ["[CLS] the cat sees [SEP]"] * 2 + ["[CLS] a dog [SEP]"] * 2


def test_rows_of_different_numbers_of_choices_share_a_batch(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    rows = mine.training_rows(QUESTIONS, OPTIONS)
    batch = mine.training_batch(rows, OPTIONS, np.random.default_rng(0))
    assert batch.sizes == (2, 5, 3)
    assert batch.input_ids.shape == (10, 9)
    assert batch.targets is not None
    assert batch.targets.tolist() == [1, 3, 2]
    assert [row.place for row in rows] == ["q.csv:2", "q.csv:3", "q.csv:4"]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_equal_those_of_one_row_at_a_time(tokenizer: Tokenizer, smoothing: float) -> None:
    mine = task(tokenizer)
    batch = mine.training_batch(mine.training_rows(QUESTIONS, OPTIONS), OPTIONS, np.random.default_rng(0))
    torch.manual_seed(0)
    logits = torch.randn(10, 1)
    losses = mine.losses(logits.bfloat16(), batch, TrainingOptions(label_smoothing=smoothing))
    wanted, start = [], 0
    for size, target in ((2, 1), (5, 3), (3, 2)):
        figures = logits.bfloat16().float()[start : start + size].T  # (1, choices)
        wanted.append(functional.cross_entropy(figures, torch.tensor([target]), label_smoothing=smoothing))
        start += size
    torch.testing.assert_close(losses, torch.stack(wanted))


def test_tokens_are_masked_as_asked(tokenizer: Tokenizer) -> None:
    mine, options = task(tokenizer), TrainingOptions(token_masking=0.5)
    rows = mine.training_rows(QUESTIONS * 5, options)
    batch = mine.training_batch(rows, options, np.random.default_rng(0))
    masked = (batch.input_ids == tokenizer.mask_id).sum() / (batch.input_ids > 3).sum()
    assert 0.3 < masked < 0.7
    assert tokenizer.mask_id not in mine.training_batch(rows, OPTIONS, np.random.default_rng(0)).input_ids


@pytest.mark.parametrize(("label", "said"), [(None, "the row has no answer"), ("E", "the answer 'E' is not a choice")])
def test_an_answer_that_names_no_choice_is_named_with_its_place(
    tokenizer: Tokenizer, label: str | None, said: str
) -> None:
    example = replace(QUESTIONS[2], label=label)
    with pytest.raises(DataError, match=rf"^q\.csv:4: {said} \(A, B, C\)\.$"):
        task(tokenizer).training_rows([example], OPTIONS)


# --- from figures to answers --------------------------------------------------------------


def outputs(mine: ChoiceTask, *figures: Sequence[float]) -> list[np.ndarray]:
    rows = mine.encode([question("the cat", *["music"] * len(row)) for row in figures])
    return [
        mine.row_output(row, [np.array([figure]) for figure in given]) for row, given in zip(rows, figures, strict=True)
    ]


def test_figures_become_probabilities_of_a_row(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    batch = mine.batch([part for row in mine.encode(QUESTIONS) for part in row.parts])
    logits = torch.arange(10).reshape(10, 1).bfloat16()
    parts = mine.part_outputs(logits, batch)
    assert [part.tolist() for part in parts] == [[float(i)] for i in range(10)]
    (row,) = outputs(mine, [1000.0, 1001.0, 999.0])
    torch.testing.assert_close(torch.from_numpy(row), torch.tensor([1.0, 2.0, 0.0]).double().softmax(0))


def test_a_record_ranks_the_choices_by_the_names_of_the_file(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    example = replace(QUESTIONS[2], names=("1", "2", "3"))
    (row,) = outputs(mine, [0.0, 2.0, 1.0])
    plain, top = mine.record(example, row, 0), mine.record(example, row, 5)
    assert plain == {"label": "2", "score": round(float(row[1]), 6)}
    assert [entry["label"] for entry in top["top"]] == ["2", "3", "1"]
    assert sum(entry["score"] for entry in top["top"]) == pytest.approx(1, abs=1e-5)
    assert [entry["label"] for entry in mine.record(example, row, 2)["top"]] == ["2", "3"]
    assert json.loads(json.dumps(top)) == top
    assert mine.record_fields(2) == ["label", "score", "top1_label", "top1_score", "top2_label", "top2_score"]


def test_scores_intervals_differences_and_mistakes(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    right = outputs(mine, [0, 3], [0, 0, 0, 3, 0], [0, 0, 3])
    wrong = outputs(mine, [3, 0], [1, 0, 0, 0.5, 0], [0, 0, 3])
    scores = mine.score(QUESTIONS, wrong)
    assert scores.metrics["accuracy"] == scores.metrics["hit@1"] == pytest.approx(1 / 3)
    assert scores.metrics["map@3"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert mine.score(QUESTIONS, right).metrics["map@3"] == 1.0
    assert mine.intervals(QUESTIONS, wrong).keys() == scores.metrics.keys()
    low, high = mine.difference(QUESTIONS, right, wrong)["map@3"]
    assert 0 <= low < high
    mistakes = mine.mistakes(QUESTIONS, wrong)
    assert [row for row, _ in mistakes] == [0, 1]  # the surest first
    assert mistakes[0][1]["predicted"] == "A"
    assert mistakes[0][1]["choices"] == {"A": "music", "B": "a red ball"}


def test_a_model_that_always_takes_one_place_is_called_so(tokenizer: Tokenizer) -> None:
    mine = task(tokenizer)
    examples = [question("the cat", "music", "bread", right=i % 2) for i in range(12)]
    (warning,) = mine.score(examples, outputs(mine, *[[0.0, 1.0]] * 12)).warnings
    assert warning.startswith("the model always takes choice number 2")
    assert mine.score(examples, outputs(mine, *[[0.0, 1.0], [1.0, 0.0]] * 6)).warnings == ()
    assert mine.score(examples[:5], outputs(mine, *[[0.0, 1.0]] * 5)).warnings == ()
    rightly = [question("the cat", "music", "bread", right=1)] * 12
    assert mine.score(rightly, outputs(mine, *[[0.0, 1.0]] * 12)).warnings == ()
