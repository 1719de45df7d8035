"""Run folders that are damaged, strange or hostile: one sentence with the file, exit 3, and nothing else."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.compute.device import Placement
from bertkit.data.records import Example
from bertkit.errors import RunError, TokenizerError
from bertkit.evaluation.predict import predict_stream

STRANGE = (None, True, -1, 1.5, 10**12, "x", [], {"a": 1}, float("nan"))


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"sentence1": "the cat sees music", "sentence2": "a dog buys music"}) + "\n")
    return path


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def refused(*words: object) -> str:
    """Run a command that ends with one sentence and exit 3; return it."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 3, done.output
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("bertkit: ")
    assert last.endswith(".")
    return last


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("bertkit.json", lambda v: v.update(blend={"a": 1}), "bertkit.json: blend is"),
        ("bertkit.json", lambda v: v.update(blend=["a"]), "bertkit.json: blend is"),
        ("bertkit.json", lambda v: v.update(family="magic"), "of family 'magic'"),
        ("bertkit.json", lambda v: v.update(task="ner"), 'bertkit.json: task is "ner" and settings.task is "classify"'),
        ("bertkit.json", lambda v: v["data"].pop("request"), "bertkit.json: has no data.request"),
        ("bertkit.json", lambda v: v["data"].update(request={}), "bertkit.json: data.request.names is missing"),
        ("bertkit.json", lambda v: v["settings"].update(columns=True), "settings.columns is true and should be an obj"),
        ("bertkit.json", lambda v: v["settings"].update(task=1.5), "settings.task is 1.5 and should be text"),
        ("bertkit.json", lambda v: v["settings"].update(task="fly"), 'settings.task is "fly" and should be one of'),
        ("bertkit.json", lambda v: v["settings"].update(labels=[["a"]]), "settings.labels[0] is"),
        ("bertkit.json", lambda v: v["settings"].update(labels=["1"]), "settings.labels are 1, and classify has at"),
        ("bertkit.json", lambda v: v["settings"].update(labels=["1", "1"]), "settings.labels names one of them twice"),
        ("bertkit.json", lambda v: v["settings"].update(positive="7"), "which is not one of the labels"),
        ("bertkit.json", lambda v: v["settings"].update(labels=["0", "1", "2"]), "model.safetensors: holds classifier"),
        ("bertkit.json", lambda v: v["settings"].update(pooling="mean"), "model.safetensors: holds bert.pooler"),
        ("bertkit.json", lambda v: v["settings"].update(max_length=600), "a max_length of 600, and the encoder has"),
        ("config.json", lambda v: v.update(num_attention_heads=3), "config.json: hidden_size 32 cannot be shared by 3"),
        ("config.json", lambda v: v.update(hidden_size=64), "model.safetensors: holds bert.embeddings.word_embeddings"),
        ("config.json", lambda v: v.update(num_hidden_layers=10**12), "config.json: num_hidden_layers is 10"),
        ("config.json", lambda v: v.update(num_hidden_layers=2), "model.safetensors: lacks bert.encoder.layer.1."),
        ("config.json", lambda v: v.update(vocab_size=10**7), "by config.json and bertkit.json it is 10,000,000 × 32"),
        ("config.json", lambda v: v.update(layer_norm_eps=float("nan")), "config.json: layer_norm_eps is NaN"),
        ("config.json", lambda v: v.update(classifier_dropout="x"), 'config.json: classifier_dropout is "x"'),
        ("tokenizer.json", lambda v: v["model"]["vocab"].update(rare=900), "tokenizer.json go up to 900, and"),
        ("tokenizer_config.json", lambda v: v.update(pad_token=5), "tokenizer_config.json: pad_token is 5"),
        ("tokenizer_config.json", lambda v: v.update(model_max_length=True), "tokenizer_config.json: model_max_length"),
    ],
)  # fmt: skip
def test_predict_says_what_of_a_run_does_not_go_together(
    run: Path, rows: Path, file: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    edit(run / file, change)
    sentence = refused("predict", run, rows)
    assert said in sentence
    assert str(run) in sentence


def places(values: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a value of JSON; of lists the first entry stands for all."""
    if place:
        yield place
    inner = values.items() if isinstance(values, dict) else enumerate(values[:1]) if isinstance(values, list) else ()
    for key, value in inner:
        yield from places(value, (*place, key))


def replaced(values: Any, place: tuple[Any, ...], value: object) -> Any:
    changed = copy.deepcopy(values)
    at = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return changed


@pytest.mark.parametrize("file", ["bertkit.json", "config.json"])
def test_any_field_of_any_other_kind_is_used_or_refused(run: Path, file: str) -> None:
    path, row = run / file, Example(("the cat sees music", "a dog buys music"), None, 1, "made up")
    values = json.loads(path.read_text())
    fields = [place for place in places(values) if place[0] not in ("training", "versions", "config", "id2label")]
    refusals = 0
    for place in fields:
        for value in STRANGE:
            path.write_text(json.dumps(replaced(values, place, value)))
            try:
                ((record,),) = predict_stream(bundle.load(run), [row], Placement("cpu", "float32", 1))
            except (RunError, TokenizerError) as error:
                refusals += str(run) in str(error)
                continue
            assert 0 <= record["score"] <= 1, (place, value)
    assert refusals > 4 * len(fields)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
@pytest.mark.parametrize("words", [["predict", "RUN", "ROWS"], ["eval", "RUN"], ["eval", "GOOD", "--against", "RUN"]])
def test_weights_that_are_no_numbers_are_refused(
    trained_run: Path, run: Path, rows: Path, wrong: float, words: list[str]
) -> None:
    weights = load_file(run / "model.safetensors")
    weights["classifier.bias"][0] = wrong
    save_file(weights, run / "model.safetensors", {"format": "pt"})
    named = {"RUN": run, "GOOD": trained_run, "ROWS": rows}
    sentence = refused(*(named.get(word, word) for word in words))
    assert (
        f"{run / 'model.safetensors'}: holds 1 weights that are not numbers (NaN or infinity), in classifier.bias"
        in (sentence)
    )


def test_large_weights_are_answered_with(run: Path, rows: Path) -> None:
    weights = load_file(run / "model.safetensors")
    weights["classifier.bias"] += torch.tensor([3e4, 0.0])
    save_file(weights, run / "model.safetensors", {"format": "pt"})
    done = CliRunner().invoke(app, ["predict", str(run), str(rows)])
    assert json.loads(done.stdout)["score"] == 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(labels=["0", "2"]), "baselines.json: does not fit the task or the labels"),
        (lambda v: v.update(labels="01"), 'baselines.json: labels is "01" and should be a list'),
        (lambda v: v.update(bounds=[0, "1"]), 'baselines.json: bounds[1] is "1" and should be a number'),
        (lambda v: v.update(words=[1]), "baselines.json: words is [1] and should be a list of texts"),
        (lambda v: v.update(format=True), "baselines.json: format is true and should be a whole number"),
    ],
)
def test_eval_says_what_of_the_baselines_does_not_go_together(
    run: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    edit(run / "baseline" / "baselines.json", change)
    assert said in refused("eval", run)


def test_baselines_that_are_no_numbers_are_refused(run: Path) -> None:
    path = run / "baseline" / "baselines.safetensors"
    arrays = {name: array.copy() for name, array in load_arrays(path).items()}
    arrays["weights"][0, 0] = float("nan")
    save_arrays(arrays, path)
    assert 'baselines.safetensors: holds values that are not numbers (NaN or infinity), in "weights"' in (
        refused("eval", run)
    )


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'x'"), RuntimeError("can't allocate memory")])
def test_what_the_machine_lacks_is_no_damage(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, bundle.sound(tmp_path):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json", "baseline/baselines.json"])
def test_a_named_pipe_is_not_waited_for(run: Path, rows: Path, file: str) -> None:
    (run / file).unlink()
    os.mkfifo(run / file)
    command = ("eval", run) if file.startswith("baseline") else ("predict", run, rows)
    assert Path(file).name in refused(*command)


def test_a_file_that_is_too_small_for_what_it_says_is_refused(run: Path, rows: Path) -> None:
    path = run / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "model.safetensors: describes its tensor" in refused("predict", run, rows)


@pytest.mark.parametrize("name", ["absent", "x" * 300, "a/" * 3000, "rows.jsonl", "link"])
def test_a_path_that_is_no_run_is_said(tmp_path: Path, rows: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("nowhere")
    assert "run directory" in refused("predict", name, rows)


def test_what_a_run_names_is_told_before_it_is_opened(run: Path) -> None:
    strange = "/nowhere/\x1b]0;mine\x07/rows.tsv"
    edit(run / "bertkit.json", lambda v: v["data"]["request"].update(names=[strange]))
    done = CliRunner().invoke(app, ["eval", str(run)])
    assert done.exit_code == 3
    first, *rest = done.stderr.splitlines()
    assert first == r"the run's own data: /nowhere/\x1b]0;mine\x07/rows.tsv"
    assert "no such file or directory" in rest[-1]


def test_no_flag_is_blamed_for_what_a_run_asks(run: Path) -> None:
    edit(run / "bertkit.json", lambda v: v["data"]["request"].update(validation_fraction=7))
    assert "bertkit.json: data.request cannot be followed" in refused("eval", run)
