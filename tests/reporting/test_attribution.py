"""What the words of a row do: as leaving them out and answering again tells."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bertkit import bundle
from bertkit.bundle import Bundle, Manifest
from bertkit.cli.app import app
from bertkit.data.records import ColumnMap, Entity, Example, Question, TaggedText
from bertkit.errors import DataError
from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.finding import packaged_model
from bertkit.reporting import attribution
from bertkit.reporting.attribution import Explainer, Explanation, can_attribute
from bertkit.tasks.base import Task, TaskSettings
from bertkit.tasks.choice import ChoiceTask
from bertkit.tasks.sequence import SequenceTask, SiameseTask
from bertkit.tasks.tagging import TaggingTask
from bertkit.tokenization.base import Tokenizer
from tests.conftest import pair_rows, write_tsv
from tests.reporting.deletion import Agreement, agreement

GOOD = "excellent wonderful delightful great superb".split()
BAD = "awful dreadful boring terrible dull".split()
FILL = "the film was with a story and actors in this long evening scene that we saw at home".split()


def cue_rows(n: int, seed: int) -> list[tuple[str, str]]:
    """Texts with cue words of both kinds, and some wrong labels: there must be mistakes to explain."""
    rng, rows = random.Random(seed), []
    for i in range(n):
        mine, other = (GOOD, BAD) if i % 2 else (BAD, GOOD)
        words = [*rng.choices(FILL, k=rng.randint(7, 12)), *rng.choices(mine, k=2), *rng.choices(other, k=1)]
        rng.shuffle(words)
        rows.append((" ".join(words) + ".", "good" if (i % 2) ^ (rng.random() < 0.1) else "bad"))
    return rows


PAIRS = ("sentence1", "sentence2", "label")
TINY = {"layers": 1, "hidden": 32, "batch_size": 16, "lr": 3e-3, "vocab_size": 250}


def trained(folder: Path, *data: object, **options: Any) -> Path:
    """A run, with a test split of its own."""
    from bertkit.config import TrainConfig
    from bertkit.training.run import train

    train(TrainConfig(data=tuple(map(str, data)), output=str(folder / "run"), test_fraction=0.2, **options))
    return folder / "run"


@pytest.fixture(scope="module")
def cue_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cues")
    return trained(folder, write_tsv(folder / "rows.tsv", cue_rows(500, 1), ("text", "label")), epochs=5, **TINY)


@pytest.fixture(scope="module")
def blended_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair run whose answers depend on the overlap of words."""
    folder = tmp_path_factory.mktemp("blended")
    return trained(folder, write_tsv(folder / "rows.tsv", pair_rows(300), PAIRS), epochs=2, blend=True, **TINY)


@pytest.mark.parametrize("name", ["pairs", "texts", "blended texts", "blended pairs"])
def test_colours_say_what_leaving_out_words_does_to_the_answer_of_predict(
    name: str, trained_run: Path, cue_run: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run = trained_run if name == "pairs" else cue_run
    if name == "blended texts":
        run = _with_blend(Path(shutil.copytree(cue_run, tmp_path / "run")), encoder=0.3, tfidf=1.0)
    if name == "blended pairs":
        run = request.getfixturevalue("blended_run")
        assert bundle.load_manifest(run).blend["overlap"] > 0
    if name.endswith("pairs"):
        wrong = [(a, b, "0" if label == "1" else "1") for a, b, label in pair_rows(60, seed=8)]
        data = write_tsv(tmp_path / "wrong.tsv", wrong, PAIRS)
    else:
        wrong_texts = [(text, "bad" if label == "good" else "good") for text, label in cue_rows(60, 2)]
        data = write_tsv(tmp_path / "wrong.tsv", wrong_texts, ("text", "label"))
    agrees(agreement(run, data, rows=12), rows=8)


def agrees(found: Agreement, *, rows: int) -> None:
    assert found.rows >= rows
    assert found.correlation >= 0.7
    assert found.signs >= 0.9


def _with_blend(run: Path, **weights: float) -> Path:
    path = run / "bertkit.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "blend": weights}), encoding="utf-8")
    return run


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["texts", "pairs"])
def test_colours_of_minilm_agree_with_deletion(kind: str, tmp_path: Path) -> None:
    """Pairs as they are trained by default: compared token by token, and blended."""
    if packaged_model("sentence-transformers/all-MiniLM-L6-v2") is None:
        pytest.skip("the extra offline is not installed")
    texts = write_tsv(tmp_path / "rows.tsv", cue_rows(400, 1), ("text", "label"))
    run = trained(tmp_path, texts if kind == "texts" else "sample:paraphrase", model="minilm", epochs=1)
    if kind == "pairs":
        assert bundle.load_manifest(run).blend
    agrees(agreement(run, rows=8), rows=5)


@pytest.mark.slow
@pytest.mark.parametrize(("data", "limit"), [("mrpc", None), ("nsmc", 6000)])
def test_colours_agree_with_deletion_on_real_data(data: str, limit: int | None, tmp_path: Path) -> None:
    """The default recipe of scratch."""
    root = os.environ.get("BERTKIT_TEST_DATA")
    if not root:
        pytest.skip("BERTKIT_TEST_DATA is not set")
    run = trained(tmp_path, data, data_dir=str(Path(root) / data), limit=limit)
    agrees(agreement(run, rows=60), rows=10)


@pytest.mark.parametrize("text", ["it was not bad at all", "not a film that was so bad"])
def test_nothing_is_coloured_where_words_together_do_otherwise(
    text: str, cue_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two words that each hold the other up: without one the answer falls, without both it rises."""
    explainer = Explainer(bundle.load(cue_run))
    scores = {(True, True): 0.6, (True, False): 0.2, (False, True): 0.3, (False, False): 0.9}

    def answers(examples: Sequence[Example]) -> list[Any]:
        kept = [{"not", "bad"} & set(e.texts[0].split()) for e in examples]
        return [np.array([1 - p, p]) for p in (scores["not" in words, "bad" in words] for words in kept)]

    monkeypatch.setattr(explainer, "answers", answers)
    example = Example((text,), "bad", 1, "f")
    found = explainer.explain(example, np.array([0.4, 0.6]), characters=1500)
    assert found == Explanation((attribution.PushedText("text", example.texts[0]),), attribution.TOGETHER)
    scores[False, False] = 0.05
    (told,) = explainer.explain(example, np.array([0.4, 0.6]), characters=1500).texts
    done = {text[p.start : p.end]: (round(p.change, 6), round(p.weight, 6)) for p in told.pushes if p.change}
    assert done == {"not": (-0.3, 0.75), "bad": (-0.4, 1.0)}


@pytest.mark.parametrize(
    ("text", "note"),
    [("excellent", attribution.WORDLESS), ("", attribution.WORDLESS), ("qqqqq " * 70 + "great", attribution.ALONE)],
)
def test_what_cannot_be_told_is_said(text: str, note: str, cue_run: Path) -> None:
    run = bundle.load(cue_run)
    run.task.settings = replace(run.task.settings, max_length=3)
    found = Explainer(run).explain(Example((text,), "bad", 1, "f"), np.array([0.1, 0.9]), characters=1500)
    assert found.note == note
    assert [(t.name, t.text, t.pushes) for t in found.texts] == [("text", text, ())]


def test_a_row_that_cannot_be_read_without_a_word_is_not_coloured(
    cue_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer = Explainer(bundle.load(cue_run))

    def refuse(_: object) -> list[Any]:
        raise DataError("f:1: the row has 9 tokens and --max-length is 8.")

    monkeypatch.setattr(explainer, "answers", refuse)
    found = explainer.explain(Example(("two words",), "bad", 1, "f"), np.array([0.1, 0.9]), characters=1500)
    assert found.note == attribution.UNREADABLE


def make_run(task: Task, tokenizer: Tokenizer) -> Bundle:
    """A run with random weights, large enough for words to matter."""
    torch.manual_seed(0)
    config = BertConfig(tokenizer.vocab_size, 32, 1, 2, 64, type_vocab_size=18, pad_token_id=tokenizer.pad_id)
    model = task.build_model(BertModel(config), dropout=0.0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    manifest = Manifest(task.settings, "scratch", "scratch", {}, {})
    return Bundle(Path("run"), manifest, tokenizer, task, model)


def classifier(tokenizer: Tokenizer, **changes: object) -> SequenceTask:
    settings = TaskSettings("classify", ColumnMap(("a",), "b", "label"), ("0", "1"), "1", max_length=32)
    settings = replace(settings, **changes)  # type: ignore[arg-type]
    return (SiameseTask if settings.pooling == "siamese" else SequenceTask)(settings, tokenizer)


def without_word(text: str, start: int, end: int) -> str:
    """Leave a word out of a text without punctuation, the plainest way."""
    return " ".join((text[:start] + text[end:]).split())


PAIR = ("the cat sees  music", "my sister paints music and the river")
KINDS: dict[str, Callable[[Tokenizer], tuple[Task, Example]]] = {
    "overlap segments": lambda t: (classifier(t, overlap_segments=True), Example(PAIR, "1", 1, "f")),
    "siamese": lambda t: (classifier(t, pooling="siamese"), Example(PAIR, "1", 1, "f")),
    "several columns": lambda t: (
        classifier(t, columns=ColumnMap(("t", "u", "v"), None, "y")),
        Example((*PAIR, "a dog"), "1", 1, "f"),
    ),
    "words left out": lambda t: (
        classifier(t, columns=ColumnMap(("t",)), leave_out="stop-words"),
        Example(("the cat sees all of the music and a river",), "1", 1, "f"),
    ),
    "cut": lambda t: (
        classifier(t, columns=ColumnMap(("t",)), max_length=8),
        Example(("the cat sees music " * 4,), "1", 1, "f"),
    ),
    "windows": lambda t: (
        classifier(t, columns=ColumnMap(("t",)), max_length=8, on_long="window"),
        Example(("the cat sees music and the river",), "1", 1, "f"),
    ),
    "too long": lambda t: (
        classifier(t, columns=ColumnMap(("t",)), on_long="error"),
        Example(("the cat sees music",), "1", 1, "f"),
    ),
    "number": lambda t: (
        SequenceTask(TaskSettings("regression", ColumnMap(("t",), "u", "y"), max_length=32), t),
        Example(PAIR, "99", 1, "f"),
    ),
    "choice": lambda t: (
        ChoiceTask(TaskSettings("choice", ColumnMap(("q", "r")), max_length=32), t),
        Question(PAIR, "A", 1, "f", choices=("music", "a red ball", "the river"), names=tuple("ABC")),
    ),
}


@pytest.fixture
def undoubted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights make words that do otherwise together; what each does alone is told all the same."""
    monkeypatch.setattr(attribution, "_doubts", lambda *_: "")


@pytest.mark.usefixtures("undoubted")
@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_that_of_the_answer_to_the_shorter_text(kind: str, tokenizer: Tokenizer) -> None:
    task, example = KINDS[kind](tokenizer)
    explainer = Explainer(make_run(task, tokenizer))
    (output,) = explainer.answers([example])
    given = int(np.argmax(output)) if len(output) > 1 else 0
    found = explainer.explain(example, output, characters=1500)
    assert found.note == ""
    tried = 0
    for text in found.texts:
        i = example.all_texts.index(text.text)
        for push in text.pushes:
            texts = list(example.all_texts)
            texts[i] = without_word(text.text, push.start, push.end)
            shorter = replace(example, texts=tuple(texts[: len(example.texts)]))
            if isinstance(shorter, Question):
                shorter = replace(shorter, choices=tuple(texts[len(example.texts) :]))
            (answer,) = explainer.answers([shorter])
            assert push.change == pytest.approx(float(answer[given] - output[given]), abs=1e-5)
            assert push.weight * push.change * (-1 if kind == "number" else 1) <= 0  # 99 is more than was answered
            tried += 1
        assert [text.text[p.start : p.end] for p in text.pushes] == (text.text.split() if " " in text.text else [])
    assert tried >= 4
    assert max(abs(p.weight) for t in found.texts for p in t.pushes) == pytest.approx(1)


@pytest.mark.usefixtures("undoubted")
def test_choices_taken_and_right(tokenizer: Tokenizer) -> None:
    task, question = KINDS["choice"](tokenizer)
    explainer = Explainer(make_run(task, tokenizer))
    found = explainer.explain(question, np.array([0.1, 0.7, 0.2]), characters=1500)
    assert [t.name for t in found.texts] == ["q", "r", "B (taken)", "A (gold)"]
    assert [len(t.pushes) for t in found.texts] == [4, 7, 3, 0]


@pytest.mark.usefixtures("undoubted")
def test_of_a_long_row_several_words_are_left_out_at_a_time(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "_MOST_TOKENS", 320)
    task = classifier(tokenizer, columns=ColumnMap(("t",)))
    explainer = Explainer(make_run(task, tokenizer))
    example = Example(("the cat sees music " * 20,), "1", 1, "f")
    (text,) = explainer.explain(example, explainer.answers([example])[0], characters=200).texts
    assert 8 <= len(text.pushes) <= 10
    assert max(p.end for p in text.pushes) <= 200


def tagging(tokenizer: Tokenizer, **changes: object) -> TaggingTask:
    settings = TaskSettings("ner", ColumnMap(("text",), None, "entities"), ("LOC", "PER"), max_length=32)
    return TaggingTask(replace(settings, **changes), tokenizer)  # type: ignore[arg-type]


@pytest.mark.usefixtures("undoubted")
@pytest.mark.parametrize(("unit", "max_length"), [("word", 32), ("token", 32), ("word", 8)])
def test_of_tags_the_wrong_ones_are_followed(unit: str, max_length: int, tokenizer: Tokenizer) -> None:
    """The probability of the kinds that were wrongly given, over the words that are left."""
    on_long = "window" if max_length < 32 else "truncate"
    task = tagging(tokenizer, unit=unit, max_length=max_length, on_long=on_long)
    run = make_run(task, tokenizer)
    text = "the cat sees  the river and music"
    example = TaggedText((text,), None, 1, "f", (Entity(18, 23, "LOC"), Entity(28, 33, "NEW")))
    explainer = Explainer(run)
    (output,) = explainer.answers([example])
    found = explainer.explain(example, output, characters=1500)
    assert found.note == ""
    (pushed,) = found.texts
    assert [text[p.start : p.end] for p in pushed.pushes] == text.split()
    kinds = {"O": ("O",), "LOC": ("B-LOC", "I-LOC"), "PER": ("B-PER", "I-PER")}

    def units_of(tagged: TaggedText) -> dict[tuple[int, int], Any]:
        (row,) = task.encode([tagged])
        parts = [run.model(**task.batch([part]).inputs).detach() for part in row.parts]
        outputs = [
            task.part_outputs(logits, task.batch([part]))[0] for logits, part in zip(parts, row.parts, strict=True)
        ]
        return task.unit_probabilities(row, outputs)

    def kind_of(place: tuple[int, int], entities: Sequence[Any]) -> str:
        return next((e.label for e in entities if e.start < place[1] and place[0] < e.end), "O")

    def figure(tags: Any, kind: str) -> float:
        return float(sum(tags[task.tags.index(tag)] for tag in kinds[kind]))

    own = units_of(example)
    for push in pushed.pushes:
        shorter = without_word(text, push.start, push.end)
        left = units_of(replace(example, texts=(shorter,)))
        kept = [p for p in own if not (push.start <= p[0] < push.end)]
        assert len(kept) == len(left)
        change = 0.0
        for before, now in zip(kept, left, strict=True):
            given = kind_of(before, output.entities)
            if given != kind_of(before, example.entities or ()):
                change += figure(left[now], given) - figure(own[before], given)
        assert push.change == pytest.approx(change, abs=1e-5)
        assert push.weight * push.change <= 0


def test_what_can_be_explained() -> None:
    assert [
        task for task in ("classify", "regression", "choice", "ner", "mlm", "extractive") if can_attribute(task)
    ] == [
        "classify",
        "regression",
        "choice",
        "ner",
    ]


def test_the_page_says_what_its_colours_mean(cue_run: Path, tmp_path: Path) -> None:
    rows = [(text, "bad" if label == "good" else "good") for text, label in cue_rows(12, 3)]
    data = write_tsv(tmp_path / "rows.tsv", [*rows, ("excellent", "bad")], ("text", "label"))  # type: ignore[list-item]
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["eval", str(cue_run), str(data), "--report", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    assert "leaving the word out lowers the score of the predicted label" in text
    assert "gradient" not in text
    marks = re.findall(r'<mark class="(for|against)" style="[^"]*" title="([+-])[\d.e-]+ without it">', text)
    assert len(marks) > 12
    assert set(marks) <= {("for", "-"), ("against", "+")}
    assert "no text of the row has two words" in text
