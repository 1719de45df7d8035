"""Figures of every task, drawn from answers that were made by hand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bertkit.bundle import Bundle, Manifest
from bertkit.data.records import ColumnMap, Entity, Example, Question, TaggedText
from bertkit.evaluation.evaluate import Evaluation
from bertkit.evaluation.run import Scored
from bertkit.reporting.figures import FIGURES, draw_figures, figure_names
from bertkit.reporting.page import COLOURS, PALETTE, as_png, as_svg, drawing, new_figure
from bertkit.tasks.base import Task, TaskSettings
from bertkit.tasks.choice import ChoiceTask
from bertkit.tasks.masked_lm import MaskedLMTask, MaskedOutput
from bertkit.tasks.sequence import SequenceTask
from bertkit.tasks.tagging import ScoredEntity, Tagging, TaggingTask
from bertkit.tokenization.base import Tokenizer

TEXTS = ("the cat sees music", "a dog", "the old man paints the tall tree", "my sister buys a letter some bread")
ROWS = 24


def scored(task: Task, examples: Sequence[Example], outputs: Sequence[Any], folder: Path) -> Scored:
    """What an evaluation hands over, without a model: figures need none."""
    scores = task.score(examples, outputs)
    evaluation = Evaluation("data", "test", len(examples), scores.metrics, per_label=scores.per_label)
    manifest = Manifest(task.settings, "scratch", "scratch", {}, {})
    run = Bundle(folder, manifest, task.tokenizer, task, None)  # type: ignore[arg-type]
    return Scored(run, examples, outputs, evaluation)


def drawn(found: Scored) -> dict[str, Any]:
    with drawing():
        return {picture.name: picture for picture in draw_figures(found)}


def classified(tokenizer: Tokenizer, folder: Path, labels: tuple[str, ...]) -> Scored:
    rng = np.random.default_rng(0)
    settings = TaskSettings("classify", ColumnMap(("t",), None, "y"), labels, labels[1] if len(labels) == 2 else None)
    examples = [Example((TEXTS[i % 4],), labels[i % len(labels)], i, "f") for i in range(ROWS)]
    return scored(SequenceTask(settings, tokenizer), examples, list(rng.dirichlet([1.0] * len(labels), ROWS)), folder)


@pytest.mark.parametrize("n_labels", [2, 3, 7, 40])
def test_classify(n_labels: int, tokenizer: Tokenizer, tmp_path: Path) -> None:
    labels = tuple(f"이름 <{i}> $x" for i in range(n_labels))
    pictures = drawn(classified(tokenizer, tmp_path, labels))
    # a run without events has no losses; a label of which there is only one row still has curves
    assert list(pictures) == ["confusion", "precision_recall", "roc", "reliability", "length"]


def test_one_class_in_the_rows_has_no_curves(tokenizer: Tokenizer, tmp_path: Path) -> None:
    found = classified(tokenizer, tmp_path, ("0", "1"))
    same = [Example(e.texts, "0", e.line, "f") for e in found.examples]
    pictures = drawn(scored(found.run.task, same, found.outputs, tmp_path))
    assert "roc" not in pictures
    assert "confusion" in pictures


def test_regression(tokenizer: Tokenizer, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    task = SequenceTask(TaskSettings("regression", ColumnMap(("t",), None, "y")), tokenizer)
    examples = [Example((TEXTS[i % 4],), str(i / 4), i, "f") for i in range(ROWS)]
    found = scored(task, examples, list(rng.random((ROWS, 1))), tmp_path)
    assert list(drawn(found)) == ["predicted", "residuals", "length"]


def test_ner(tokenizer: Tokenizer, tmp_path: Path) -> None:
    task = TaggingTask(TaskSettings("ner", ColumnMap(("t",), None, "e"), ("LOC", "PER")), tokenizer)
    gold = [(Entity(0, 3, "PER"),), (Entity(0, 1, "LOC"),), (), (Entity(0, 2, "PER"),)]
    given = [Tagging((ScoredEntity(0, 3, "LOC", 0.9),)), Tagging((ScoredEntity(0, 1, "LOC", 0.9),)), Tagging()]
    given.append(Tagging((ScoredEntity(3, 9, "PER", 0.5),)))
    examples = [TaggedText((text,), None, i, "f", own) for i, (text, own) in enumerate(zip(TEXTS, gold, strict=True))]
    pictures = drawn(scored(task, examples, given, tmp_path))
    assert list(pictures) == ["kinds", "confusion", "length"]
    texts = [text.get_text() for text in pictures["confusion"].figure.axes[0].texts]
    counts = [int(text.split("\n")[0]) for text in texts]
    # rows and columns LOC, PER, none: one right, one LOC for a PER, one PER missed, one PER invented
    assert counts == [1, 0, 0, 1, 0, 1, 0, 1, 0]


def test_choice(tokenizer: Tokenizer, tmp_path: Path) -> None:
    task = ChoiceTask(TaskSettings("choice", ColumnMap(("q",), None, "y")), tokenizer)
    examples = [
        Question((TEXTS[i % 4],), "A", i, "f", choices=TEXTS[: 2 + i % 3], names=tuple("ABCD")[: 2 + i % 3])
        for i in range(ROWS)
    ]
    rng = np.random.default_rng(0)
    outputs = [rng.dirichlet([1.0] * len(e.choices)) for e in examples]
    pictures = drawn(scored(task, examples, outputs, tmp_path))
    assert list(pictures) == ["ranks", "reliability", "length"]
    heights = [bar.get_height() for bar in pictures["ranks"].figure.axes[0].patches]
    assert sum(heights) == pytest.approx(1)


def test_mlm(tokenizer: Tokenizer, tmp_path: Path) -> None:
    task = MaskedLMTask(TaskSettings("mlm", ColumnMap(("t",))), tokenizer)
    examples = [Example((TEXTS[i % 4],), None, i, "f") for i in range(ROWS)]
    rng = np.random.default_rng(0)
    tokens = [np.column_stack([-rng.random(3), rng.random(3) > 0.5]) for _ in examples]
    outputs = [MaskedOutput(row) for row in tokens]
    assert list(drawn(scored(task, examples, outputs, tmp_path))) == ["length"]


def test_every_name_of_a_figure_is_that_of_its_file() -> None:
    for task, figures in FIGURES.items():
        assert figure_names(task) == tuple(f"{name}.png" for name in figures)
    assert figure_names("a task of tomorrow") == ("loss.png",)


def test_losses_of_a_trained_run(trained_run: Path) -> None:
    from bertkit import bundle
    from bertkit.reporting.pictures import Answers, loss_curves

    run = bundle.load(trained_run)
    with drawing():
        picture = loss_curves(Answers(Scored(run, (), (), Evaluation("d", "test", 0, {}))))
    assert picture is not None
    train, validation = picture.figure.axes[0].lines
    assert len(validation.get_xdata()) == 6  # epochs
    assert len(train.get_xdata()) > 1


def test_a_figure_for_a_page_has_the_colours_of_the_page(tokenizer: Tokenizer, tmp_path: Path) -> None:
    pictures = drawn(classified(tokenizer, tmp_path, ("a <b> & $c", "나")))
    with drawing():
        svg = as_svg(pictures["precision_recall"].figure, 'the "label"')
    assert svg.startswith('<svg class="figure" role="img" aria-label="the &quot;label&quot;"')
    assert "var(--blue)" in svg
    assert not any(colour in svg for colour in COLOURS.values())
    assert "나: AP" in svg, "text stays text"
    for unwanted in ("<style", "<metadata", "<script", "DOCTYPE", "DejaVu", ' id="axes', 'width="3'):
        assert unwanted not in svg


def test_the_same_figure_gives_the_same_bytes() -> None:
    def draw() -> tuple[str, bytes]:
        with drawing():
            figure, axes = new_figure()
            axes.plot([0, 1], [0, 1], "o-")
            return as_svg(figure, "line"), as_png(figure)

    assert draw() == draw()


def test_a_picture_can_be_opened() -> None:
    with drawing():
        figure, _ = new_figure()
        picture = Image.open(io.BytesIO(as_png(figure)))
    assert picture.width > 600


def test_light_colours_can_be_told_apart() -> None:
    assert len(set(COLOURS.values())) == len(PALETTE)


@pytest.mark.parametrize(
    ("n_labels", "says"),
    [
        (2, "Numbers are counts, and shares of the row; the shade is the share of the row."),
        (7, "Numbers are counts; the shade is the share of the row."),
        (20, "The shade is the share of the row."),
    ],
)
def test_the_confusion_says_what_it_shows(n_labels: int, says: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    labels = tuple(f"label {i}" for i in range(n_labels))
    picture = drawn(classified(tokenizer, tmp_path, labels))["confusion"]
    assert says in picture.caption
    shown = [text.get_text() for text in picture.figure.axes[0].texts]
    assert bool(shown) == (n_labels <= 12)
    assert any("%" in text for text in shown) == (n_labels <= 5)


def test_rows_of_few_examples_are_grey(tokenizer: Tokenizer, tmp_path: Path) -> None:
    from matplotlib.colors import to_hex

    # 24 rows: 12 of each of two labels, but 8 of each of three
    for labels, few in ((("a", "b"), False), (("a", "b", "c"), True)):
        picture = drawn(classified(tokenizer, tmp_path, labels))["confusion"]
        colours = {to_hex(patch.get_facecolor()) for patch in picture.figure.axes[0].patches}
        assert (colours == {COLOURS["muted"]}) == few
        assert ("Grey rows have fewer than 10 examples: too few to tell." in picture.caption) == few


@pytest.mark.parametrize(
    ("config", "tags", "says"),
    [
        ({"class_weights": "none"}, (), ""),
        ({"class_weights": "auto"}, ("train/objective",), "Both are without class weights and label smoothing"),
        ({"label_smoothing": 0.1}, (), "the validation loss has not: they differ"),  # stored by an earlier version
    ],
)
def test_losses_of_one_picture_are_of_one_kind_or_said_to_differ(
    config: dict[str, Any], tags: tuple[str, ...], says: str, trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertkit import bundle
    from bertkit.reporting import pictures

    points = ((1, 1.0), (2, 0.5))
    monkeypatch.setattr(
        pictures, "read_curves", lambda run, wanted: dict.fromkeys(("train/loss", "validation/loss", *tags), points)
    )
    run = bundle.load(trained_run)
    run = replace(run, manifest=replace(run.manifest, config=config))
    with drawing():
        picture = pictures.loss_curves(pictures.Answers(Scored(run, (), (), Evaluation("d", "test", 0, {}))))
    assert picture is not None
    assert picture.caption.endswith(says) if not says else says in picture.caption
    assert len(picture.figure.axes[0].lines) == 2
