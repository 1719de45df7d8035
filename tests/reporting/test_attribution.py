"""Gradient × input: which tokens pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bertkit import bundle
from bertkit.bundle import Bundle, Manifest
from bertkit.compute.device import Placement
from bertkit.data.records import ColumnMap, Entity, Example, Question, TaggedText
from bertkit.evaluation.forward import forward
from bertkit.models.bert import BertConfig, BertModel
from bertkit.reporting.attribution import attribute, can_attribute
from bertkit.tasks.base import Task, TaskSettings
from bertkit.tasks.choice import ChoiceTask
from bertkit.tasks.sequence import SequenceTask
from bertkit.tasks.tagging import TaggingTask
from bertkit.tokenization.base import Tokenizer

CPU = Placement("cpu", "float32", 1)


def make_run(task: Task, tokenizer: Tokenizer) -> Bundle:
    """A run with random weights."""
    torch.manual_seed(0)
    encoder = BertModel(
        BertConfig(tokenizer.vocab_size, 32, 1, 2, 64, type_vocab_size=18, pad_token_id=tokenizer.pad_id)
    )
    model = task.build_model(encoder, dropout=0.0).eval()
    manifest = Manifest(task.settings, "scratch", "scratch", {}, {})
    return Bundle(Path("run"), manifest, tokenizer, task, model)


def answers(run: Bundle, examples: Sequence[Example]) -> list[object]:
    return forward(run.model, run.task, run.task.encode(examples), CPU)


def pair_task(tokenizer: Tokenizer, **changes: object) -> SequenceTask:
    columns = ColumnMap(("a",), "b", "label")
    settings = TaskSettings("classify", columns, ("0", "1"), "1", max_length=32, overlap_segments=True)
    return SequenceTask(replace(settings, **changes), tokenizer)  # type: ignore[arg-type]


def test_the_push_of_a_token_is_the_slope_of_the_logits(tokenizer: Tokenizer) -> None:
    """Scaling one token's embedding by 1 + h moves the difference of the logits by h times its figure."""
    run = make_run(pair_task(tokenizer), tokenizer)
    example = Example(("the cat sees music", "my sister paints music"), None, 1, "f")
    (given,) = answers(run, [example])
    wrong = run.task.settings.labels[int(1 - given.argmax())]  # type: ignore[attr-defined]
    example = replace(example, label=wrong)
    first, second = attribute(run, example, given)
    pushes = [*first.pushes, *second.pushes]
    part = run.task.encode([example])[0].parts[0]
    table = run.model.encoder.embeddings_weight  # type: ignore[union-attr]
    slopes = []
    for place, token in enumerate(part.ids):
        if token in tokenizer.special_ids:
            continue
        slopes.append(_slope(run, part, place, table[token]))
    expected = torch.tensor(slopes) / max(map(abs, slopes))
    torch.testing.assert_close(torch.tensor([p.weight for p in pushes]), expected, atol=2e-2, rtol=0.1)


def _slope(run: Bundle, part: object, place: int, vector: torch.Tensor) -> float:
    batch = run.task.batch([part])  # type: ignore[list-item]
    embeddings = run.model.encoder.embeddings.word_embeddings  # type: ignore[union-attr]

    def difference(scale: float) -> float:
        def stretch(_: object, __: object, output: torch.Tensor) -> torch.Tensor:
            changed = output.clone()
            changed[0, place] *= scale
            return changed

        handle = embeddings.register_forward_hook(stretch)
        with torch.inference_mode():
            logits = run.model(**batch.inputs)[0]
        handle.remove()
        top = logits.argmax()
        return float(logits[top] - logits[1 - top])

    return (difference(1.05) - difference(0.95)) / 0.1


def test_texts_and_places_are_those_of_the_row(tokenizer: Tokenizer) -> None:
    run = make_run(pair_task(tokenizer), tokenizer)
    example = Example(("The cat  sees music.", "a dog"), "1", 1, "f")
    texts = attribute(run, example, answers(run, [example])[0])
    if not texts:  # the model happens to be right: nothing pushes
        example = replace(example, label="0")
        texts = attribute(run, example, answers(run, [example])[0])
    assert [(t.name, t.text) for t in texts] == [("a", example.texts[0]), ("b", example.texts[1])]
    words = [texts[0].text[p.start : p.end] for p in texts[0].pushes]
    assert "".join(words) == "Thecatseesmusic."
    assert max(abs(p.weight) for t in texts for p in t.pushes) == pytest.approx(1)


def test_a_right_answer_has_no_push(tokenizer: Tokenizer) -> None:
    run = make_run(pair_task(tokenizer), tokenizer)
    example = Example(("the cat", "a dog"), None, 1, "f")
    (given,) = answers(run, [example])
    right = replace(example, label=run.task.settings.labels[int(given.argmax())])  # type: ignore[attr-defined]
    assert attribute(run, right, given) == ()


def test_long_rows_are_told_up_to_where_they_were_read(tokenizer: Tokenizer) -> None:
    run = make_run(pair_task(tokenizer, max_length=12), tokenizer)
    example = Example(("the cat sees music " * 20, "a dog"), "7", 1, "f")  # a label never seen
    first, _ = attribute(run, example, answers(run, [example])[0])
    assert 0 < max(p.end for p in first.pushes) < 60


def test_numbers(tokenizer: Tokenizer) -> None:
    settings = TaskSettings("regression", ColumnMap(("t", "u"), None, "y"), max_length=32)
    run = make_run(SequenceTask(settings, tokenizer), tokenizer)
    example = Example(("the cat", "a dog"), "3.5", 1, "f")
    (text,) = attribute(run, example, answers(run, [example])[0])
    assert text.name == "t + u"
    assert text.text == "the cat [SEP] a dog"


def test_choices_taken_and_right(tokenizer: Tokenizer) -> None:
    run = make_run(ChoiceTask(TaskSettings("choice", ColumnMap(("q",)), max_length=32), tokenizer), tokenizer)
    question = Question(
        ("the cat sees",), "A", 1, "f", choices=("music", "a red ball", "the river"), names=tuple("ABC")
    )
    (given,) = answers(run, [question])
    wrong = next(name for name in "ABC" if name != "ABC"[int(given.argmax())])  # type: ignore[attr-defined]
    texts = attribute(run, replace(question, label=wrong), given)
    assert [t.name.partition(" (")[2] for t in texts] == ["", "taken)", "", "right)"]
    assert attribute(run, replace(question, label="ABC"[int(given.argmax())]), given) == ()  # type: ignore[attr-defined]


def test_tags(tokenizer: Tokenizer) -> None:
    columns = ColumnMap(("text",), None, "entities")
    run = make_run(TaggingTask(TaskSettings("ner", columns, ("LOC", "PER"), max_length=32), tokenizer), tokenizer)
    text = "the cat sees the river"
    example = TaggedText((text,), None, 1, "f", (Entity(17, 22, "LOC"),))
    (pushed,) = attribute(run, example, answers(run, [example])[0])
    assert "".join(text[p.start : p.end] for p in pushed.pushes) == text.replace(" ", "")
    unknown = replace(example, entities=(Entity(17, 22, "NEW"),))
    assert attribute(run, unknown, None) == ()


def test_parameters_keep_no_gradient(trained_run: Path) -> None:
    run = bundle.load(trained_run)
    example = Example(("the cat sees music", "a dog finds music"), "0", 1, "f")
    texts = attribute(run, example, answers(run, [example])[0])
    assert len(texts) in (0, 2)
    assert all(parameter.grad is None for parameter in run.model.parameters())
    assert not can_attribute("mlm")
