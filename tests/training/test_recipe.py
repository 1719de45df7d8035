"""From a request and a model's recipe to figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.config import TrainConfig
from bertkit.errors import UsageError
from bertkit.models.registry import find_model
from bertkit.models.table import SCRATCH
from bertkit.tasks.registry import TASKS, find_task
from bertkit.training.prepare import _for_task
from bertkit.training.recipe import recipe_for, refuse_idle, resolve


def resolved(model: str, *, is_pair: bool = True, n_words: int = 50_000, **asked: object) -> TrainConfig:
    return resolve(TrainConfig(model=model, **asked), find_model(model), is_pair=is_pair, n_words=n_words)


@pytest.mark.parametrize("model", ["scratch", "minilm", "deberta", "longformer"])
def test_a_recipe_fills_what_was_left_open(model: str) -> None:
    config, recipe = resolved(model), find_model(model).recipe
    assert all(getattr(config, name) == value for name, value in recipe.options("classify", two_texts=True).items())
    assert config.init == ("random" if model == "scratch" else "pretrained")
    assert config.max_length == find_model(model).max_length


def test_pairs_may_be_pooled_otherwise_than_single_texts() -> None:
    assert (resolved("minilm").pooling, resolved("minilm", is_pair=False).pooling) == ("align", "mean")


@pytest.mark.parametrize(("task", "epochs"), [("choice", 2), ("classify", 2), ("regression", 4), ("ner", 4)])
def test_what_is_learnt_decides_how_long_minilm_learns(task: str, epochs: int) -> None:
    config = resolve(TrainConfig(), find_model("minilm"), is_pair=False, two_texts=True, n_words=9, task=task)
    assert config.epochs == epochs
    asked = resolve(TrainConfig(epochs=7), find_model("minilm"), is_pair=False, n_words=9, task=task)
    assert asked.epochs == 7


@pytest.mark.parametrize(("n_rows", "epochs"), [(5_000, 1), (1_200, 1), (400, 3), (8, 20)])
def test_minilm_reads_documents_once_where_they_are_many(n_rows: int, epochs: int) -> None:
    asked, spec = TrainConfig(batch_size=8), find_model("minilm")
    config = resolve(asked, spec, is_pair=False, n_words=9, n_rows=n_rows, task="extractive")
    assert (config.epochs, config.freeze, config.pooling, config.head_lr) == (epochs, 4, "mean", 1e-3)


@pytest.mark.parametrize(
    ("model", "on_long", "pooling"),
    [("minilm", "truncate", "mean"), ("bert", "truncate", "cls"), ("scratch", "window", "cls")],
)
def test_documents_are_read_as_suits_the_model(model: str, on_long: str, pooling: str) -> None:
    spec = find_model(model)
    config = _for_task(TrainConfig(model=model), find_task("extractive"), spec, from_nothing=spec.is_scratch)
    assert (config.on_long, config.pooling, config.batch_size) == (on_long, pooling, 8)
    asked = _for_task(
        TrainConfig(model=model, on_long="error", pooling="cls"), find_task("extractive"), spec, from_nothing=False
    )
    assert (asked.on_long, asked.pooling) == ("error", "cls")


@pytest.mark.parametrize(
    ("n_rows", "asked", "epochs"),
    [
        (0, {}, 3),  # not known
        (1, {}, 20),
        (100, {}, 20),
        (300, {}, 15),
        (1_600, {}, 3),
        (100_000, {}, 3),
        (300, {"batch_size": 8}, 4),
        (300, {"batch_size": 8, "accumulate": 4}, 15),
        (300, {"epochs": 2}, 2),
        (300, {"init": "random"}, 40),
        (2_000, {"init": "random"}, 10),
        (20_000, {"init": "random"}, SCRATCH.epochs),
    ],
)
def test_few_single_texts_are_read_more_often(n_rows: int, asked: dict[str, int], epochs: int) -> None:
    config = resolve(TrainConfig(**asked), find_model("bert"), is_pair=False, n_words=9, n_rows=n_rows)
    assert config.epochs == epochs


@pytest.mark.parametrize(("task", "is_pair", "epochs"), [
    ("ner", False, 15), ("regression", False, 15), ("relation", False, 15), ("qa", True, 15),
    ("classify", True, 3), ("choice", False, 3), ("mlm", False, 3),
])  # fmt: skip
def test_few_pairs_choices_and_lines_are_read_no_more_often(task: str, is_pair: bool, epochs: int) -> None:
    two_texts = is_pair or task == "choice"
    spec = find_model("bert")
    config = resolve(TrainConfig(), spec, is_pair=is_pair, two_texts=two_texts, n_words=9, n_rows=300, task=task)
    assert config.epochs == epochs


def test_only_minilms_classifier_learns_faster_unasked() -> None:
    assert resolved("minilm").head_lr == 2e-3
    assert resolved("minilm", head_lr=1e-3).head_lr == 1e-3
    assert resolved("minilm", is_pair=False).head_lr == 2e-3
    others = (
        resolve(TrainConfig(), find_model("minilm"), is_pair=False, n_words=9, task="ner"),
        resolved("minilm", init="random"),
        resolved("scratch"),
        resolved("bert"),
    )
    assert {config.head_lr for config in others} == {None}


def test_few_recipes_blend_unasked() -> None:
    assert resolved("minilm").blend
    e5 = find_model("multilingual-e5-small")
    assert resolve(TrainConfig(), e5, is_pair=True, n_words=9, task="regression").blend
    assert not resolve(TrainConfig(), e5, is_pair=False, n_words=9, task="ner").blend
    for is_pair in (False, True):
        assert resolve(TrainConfig(), find_model("minilm"), is_pair=is_pair, n_words=9, task="multilabel").blend
    assert not any(
        config.blend
        for config in (
            resolved("minilm", is_pair=False),
            resolved("minilm", init="random"),
            resolved("minilm", blend=False),
            resolved("minilm", class_weights="auto"),
            resolve(TrainConfig(), find_model("minilm"), is_pair=True, n_words=9, task="choice"),
            resolved("scratch"),
            resolved("bert"),
        )
    )


@pytest.mark.parametrize(("n_rows", "hidden"), [(9_999, None), (10_000, 128)])
def test_scratch_is_wider_where_there_are_many_rows(n_rows: int, hidden: int | None) -> None:
    spec = find_model("scratch")
    config = resolve(TrainConfig(), spec, is_pair=False, n_words=50_000, n_rows=n_rows)
    assert config.hidden == hidden
    asked = resolve(TrainConfig(layers=3), spec, is_pair=False, n_words=50_000, n_rows=n_rows)
    assert (asked.layers, asked.hidden) == (3, None)


def test_what_was_asked_for_stays() -> None:
    config = resolved("longformer", init="random", lr=1e-3, epochs=2, dropout=0.0, overlap_segments=False)
    assert (config.lr, config.epochs, config.dropout, config.overlap_segments) == (1e-3, 2, 0.0, False)


@pytest.mark.parametrize("model", ["deberta", "longformer", "roberta", "distilbert", "modernbert"])
def test_from_nothing_learns_as_scratch_does_without_segments(model: str) -> None:
    config, own = resolved(model, init="random"), find_model(model).recipe
    assert (config.lr, config.epochs, config.average, config.swap_pairs) == (
        SCRATCH.lr, SCRATCH.epochs, SCRATCH.average, True,
    )  # fmt: skip
    assert not config.overlap_segments
    assert config.pooling == own.pooling != "pooler"
    assert config.batch_size == min(32, own.batch_size)


@pytest.mark.parametrize("model", ["bert", "kobert", "electra", "minilm", "koelectra"])
def test_segments_stay_where_the_architecture_has_them(model: str) -> None:
    assert resolved(model, init="random").overlap_segments
    assert not resolved(model, init="random", is_pair=False).overlap_segments
    assert not resolved(model).overlap_segments


def test_scratch_is_its_own_recipe() -> None:
    spec = find_model("scratch")
    assert recipe_for(spec, from_nothing=True) is spec.recipe is SCRATCH


def test_segments_that_an_architecture_lacks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--overlap-segments: longformer has no embeddings of segments"):
        resolved("longformer", init="random", overlap_segments=True)
    assert resolved("hf:some/encoder", init="random", overlap_segments=True).overlap_segments
    assert not resolved("hf:some/encoder", init="random").overlap_segments


@pytest.mark.parametrize(
    ("model", "asked", "sentence"),
    [
        ("scratch", {"init": "pretrained"}, "--init pretrained: scratch has no weights"),
        ("bert", {"size": "tiny"}, "--size: a pretrained model has its shape; add --init random"),
        ("bert", {"max_length": 513}, "--max-length 513: bert reads at most 512 tokens"),
        ("bert", {"is_pair": False, "swap_pairs": True}, "--swap-pairs: needs rows of two sentences"),
        ("bert", {"is_pair": False, "pooling": "match"}, "--pooling match: is for pairs of texts, and a row here"),
        ("bert", {"is_pair": False, "pooling": "align"}, "--pooling align: is for pairs of texts, and a row here"),
        ("bert", {"vocab_size": 500}, "--vocab-size: bert has its vocabulary already; .* add --init random"),
        ("kobert", {"lowercase": False}, "--lowercase: kobert has its vocabulary already"),
        (
            "scratch",
            {"tokenizer": "kobert", "vocab_size": 500},
            "--vocab-size: --tokenizer kobert has its voc",
        ),
    ],
)
def test_misfits_are_refused(model: str, asked: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        resolved(model, **asked)


def test_a_new_vocabulary_follows_the_data() -> None:
    sizes = [resolved("scratch", n_words=n).vocab_size for n in (10, 100_000, 10**9)]
    assert sizes == [1_000, 5_000, 32_000]
    assert resolved("scratch", vocab_size=77).vocab_size == 77
    assert resolved("bert", init="random", vocab_size=77, lowercase=False).lowercase is False


@pytest.mark.parametrize(("model", "asked"), [("minilm", {}), ("scratch", {"tokenizer": "kobert"})])
def test_a_finished_vocabulary_is_given_no_figures(model: str, asked: dict[str, str]) -> None:
    config = resolved(model, **asked)
    assert (config.vocab_size, config.lowercase) == (None, None)


@pytest.mark.parametrize(
    ("task", "asked", "sentence"),
    [
        ("classify", {"loss": "mae"}, "--loss: is for regression, and this is classify"),
        (
            "regression",
            {"class_weights": "auto"},
            "--class-weights: is for classify and multilabel and relation, and this is regression",
        ),
        (
            "regression",
            {"label_smoothing": 0.1},
            "--label-smoothing: is for classify and multilabel and relation and ner",
        ),
        ("ner", {"pooling": "mean"}, "--pooling: is for .* and this is ner; leave it out"),
        ("choice", {"positive": "A"}, "--positive: is for classify"),
        ("classify", {"whole_words": True}, "--whole-words: is for mlm"),
        ("classify", {"sentence_pairs": "nsp"}, "--sentence-pairs: is for mlm"),
        ("extractive", {"leave_out": "both"}, "--leave-out: is for classify"),
    ],
)
def test_an_option_that_the_task_would_not_read_is_refused(task: str, asked: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        refuse_idle(TrainConfig(**asked), find_task(task))


@pytest.mark.parametrize("task", [spec.name for spec in TASKS])
def test_what_is_the_case_anyway_may_be_said(task: str) -> None:
    said = {"loss": "mse", "class_weights": "none", "label_smoothing": 0.0, "sentence_pairs": "none"}
    refuse_idle(TrainConfig(**said), find_task(task))
    refuse_idle(TrainConfig(pooling=find_task(task).recipe.get("pooling")), find_task(task))


def test_portable_pairs_are_read_as_often_as_a_pooler_needs() -> None:
    asked = TrainConfig(data=("x",), portable=True)
    spec = find_model("minilm")
    pairs = resolve(asked, spec, is_pair=True, n_words=1000, n_rows=3000)
    assert (pairs.pooling, pairs.epochs, pairs.lr, pairs.blend) == ("pooler", 4, 1e-4, False)
    assert resolve(replace(asked, epochs=1), spec, is_pair=True, n_words=1000, n_rows=3000).epochs == 1
    assert resolve(asked, spec, is_pair=False, n_words=1000, n_rows=30_000).lr == spec.recipe.lr
