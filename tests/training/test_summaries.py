"""extractive and matching from a file to summaries: learnt, saved, loaded, resumed, refused."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.errors import Interrupted, UsageError
from bertkit.models.heads import exported_weights
from bertkit.models.registry import find_model
from bertkit.training.loop import StepFacts
from bertkit.training.prepare import prepare
from bertkit.training.run import Event, TrainResult, train
from tests.training.test_run import small

MARK = "zebra"


def documents(n: int, seed: int = 0, mark: str = MARK) -> Iterator[dict[str, str]]:
    """Make documents of which the two sentences with a certain word are the summary."""
    rng = random.Random(seed)
    words = [a + b + c for a in "bdgklmnprst" for b in "aeiou" for c in ("n", "r", "sk", "lt")]
    for _ in range(n):
        length = rng.randint(6, 14)
        keys = sorted(rng.sample(range(length), 2))
        sentences = []
        for i in range(length):
            chosen = rng.sample(words, 7)
            if i in keys:
                chosen[1::2] = [mark] * 3
            sentences.append(" ".join(chosen) + " .")
        summary = " ".join(f"<s> {sentences[i]} </s>" for i in keys)
        yield {"article": " ".join(sentences), "abstract": summary}


def write(path: Path, rows: Iterator[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@dataclass(frozen=True)
class Trained:
    """A finished run, what training said of it, and how it was asked for."""

    run: Path
    result: TrainResult
    config: TrainConfig
    said: tuple[str, ...]


def trained(data: Path, run: Path, **changes: object) -> Trained:
    said: list[str] = []
    config = small(data, run, dropout=0.0, batch_size=8, seed=3, **changes)
    result = train(config, lambda event: said.append(event) if isinstance(event, str) else None)
    return Trained(run, result, config, tuple(said))


def bertkit(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=given)


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("summaries") / "docs.jsonl", documents(200))


@pytest.fixture(scope="session")
def extractive(data: Path) -> Trained:
    # most documents are read in two windows or three
    return trained(data, data.parent / "extractive", vocab_size=400, max_length=64, epochs=5, lr=5e-3)


@pytest.fixture(scope="session")
def matching(data: Path, extractive: Trained) -> Trained:
    changes = {"task": "matching", "model": str(extractive.run), "layers": None, "hidden": None, "vocab_size": None}
    return trained(data, data.parent / "matching", epochs=2, lr=3e-3, pooling="mean", **changes)


@pytest.fixture(params=["extractive", "matching"])
def any_run(request: pytest.FixtureRequest) -> Trained:
    found: Trained = request.getfixturevalue(request.param)
    return found


# --- what was learnt ----------------------------------------------------------------------


def test_extractive_finds_the_sentences_that_matter(extractive: Trained, tmp_path: Path) -> None:
    metrics = json.loads((extractive.run / "metrics.json").read_text())
    assert metrics["metrics"]["rouge1"] > metrics["baselines"]["lead"]["rouge1"] + 0.2
    assert metrics["difference"]["lead"]["rouge1"][0] > 0
    assert metrics["baselines"]["oracle"]["rouge1"] == pytest.approx(1.0)
    assert metrics["intervals"].keys() == {"rouge1", "rouge2", "rougeLsum"}
    assert "tokenizer=english" in metrics["signature"]
    new = list(documents(20, seed=9))
    found = records(bertkit("predict", extractive.run, write(tmp_path / "new.jsonl", iter(new))))
    hits = sum(MARK in sentence["text"] for record in found for sentence in record["sentences"])
    assert hits >= 36
    for record, row in zip(found, new, strict=True):
        assert list(record) == ["line", "source", "method", "sentences", "summary", "n_tokens", "truncated"]
        assert len(record["sentences"]) == 3
        assert [s["index"] for s in record["sentences"]] == sorted(s["index"] for s in record["sentences"])
        assert all(row["article"][s["start"] : s["end"]] == s["text"] for s in record["sentences"])
        assert record["summary"] == "\n".join(s["text"] for s in record["sentences"])
        assert not record["truncated"]
    assert max(record["n_tokens"] for record in found) > 128


def test_matching_goes_on_from_an_extractive_run(matching: Trained, extractive: Trained) -> None:
    assert any(str(extractive.run) in said and "candidates" in said for said in matching.said)
    metrics = matching.result.metrics
    assert metrics["rouge1"] > matching.result.baselines["lead"]["rouge1"] + 0.2
    kept, before = bundle.load(matching.run).model.extractor, bundle.load(extractive.run).model
    weights = exported_weights(kept)
    for name, weight in exported_weights(before).items():
        torch.testing.assert_close(weights[name], weight, atol=1e-6, rtol=0)


def test_a_run_is_gone_on_with_as_it_was_begun(extractive: Trained, data: Path, tmp_path: Path) -> None:
    run = shutil.copytree(extractive.run, tmp_path / "begun")
    manifest = json.loads((run / "bertkit.json").read_text())
    manifest |= {"model": "minilm", "settings": {**manifest["settings"], "pooling": "mean"}}
    (run / "bertkit.json").write_text(json.dumps(manifest))
    changes = {"layers": None, "hidden": None, "vocab_size": None, "epochs": None, "lr": None}
    config = replace(small(data, tmp_path / "run", model=str(run), **changes), limit=16, pooling=None)
    prepared = prepare(config)
    assert (prepared.config.on_long, prepared.config.pooling) == ("window", "mean")
    prepared = prepare(replace(config, task="matching"))
    assert prepared.task.settings.candidates == "extractor-mean"
    recipe = find_model("minilm").recipe
    assert (prepared.config.lr, prepared.config.pooling) == (recipe.lr, "mean")
    assert (prepared.config.epochs, prepared.config.freeze) == (1, 4)
    (run / "bertkit.json").write_text(json.dumps(manifest).replace('"pooling": "mean"', '"pooling": "siamese"'))
    with pytest.raises(UsageError, match="--pooling siamese and cannot propose candidates"):
        prepare(replace(config, task="matching"))


def test_matching_from_nothing_takes_textranks_candidates(data: Path, tmp_path: Path) -> None:
    made = trained(data, tmp_path / "run", task="matching", epochs=1, limit=20, max_length=128)
    assert any("TextRank" in said for said in made.said)
    loaded = bundle.load(made.run)
    assert loaded.model.extractor is None
    (record,) = records(bertkit("predict", made.run, write(tmp_path / "new.jsonl", documents(1))))
    assert record["method"] == "matchsum"
    assert len(record["sentences"]) in (2, 3)


def test_a_second_training_goes_on_with_the_scorer(extractive: Trained, data: Path, tmp_path: Path) -> None:
    changes = {"model": str(extractive.run), "layers": None, "hidden": None, "vocab_size": None}
    again = trained(data, tmp_path / "run", epochs=1, lr=1e-9, limit=20, **changes)
    assert again.result.metrics == pytest.approx(extractive.result.metrics, abs=1e-4)


# --- saved, loaded, resumed ---------------------------------------------------------------


def test_a_loaded_run_scores_as_the_training_said(any_run: Trained) -> None:
    (shown,) = records(bertkit("eval", any_run.run, "--format", "json", "--precision", "float32"))
    assert shown["metrics"] == pytest.approx(any_run.result.metrics, abs=1e-4)
    for baseline, metrics in any_run.result.baselines.items():
        assert shown["baselines"][baseline] == pytest.approx(metrics, abs=1e-5)
    assert shown["difference"].keys() == {"lead", "oracle"}


def test_an_interrupted_training_ends_in_the_same_bytes(any_run: Trained, tmp_path: Path) -> None:
    config = replace(any_run.config, output=str(tmp_path / "run"))

    def stop(event: Event) -> None:
        if isinstance(event, StepFacts) and event.step == event.total_steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(config, stop)
    result = train(TrainConfig(output=str(tmp_path / "run"), resume=True))
    assert 0 < result.resumed_from_step < result.steps
    for name in ("model.safetensors", "tokenizer.json", "config.json", "baseline/baselines.json"):
        digests = {hashlib.sha256((run / name).read_bytes()).digest() for run in (any_run.run, tmp_path / "run")}
        assert len(digests) == 1, name


def test_both_tasks_are_compared(extractive: Trained, matching: Trained, tmp_path: Path) -> None:
    test = write(tmp_path / "test.jsonl", documents(12, seed=5))
    (shown,) = records(bertkit("eval", matching.run, test, "--against", extractive.run, "--format", "json",
                               "--errors", tmp_path / "errors.jsonl"))  # fmt: skip
    assert shown["difference"].keys() == {"lead", "oracle", str(extractive.run)}
    errors = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert [row["rouge1"] for row in errors] == sorted(row["rouge1"] for row in errors)
    assert {"article", "label", "rouge2", "chosen", "summary"} <= errors[0].keys()


# --- inputs -------------------------------------------------------------------------------


def test_documents_of_every_kind(any_run: Trained, tmp_path: Path) -> None:
    sentence = "ban der gol kar ."
    rows = [{"text": text} for text in ("", sentence, f"{sentence} {MARK} lan . min nor .", f"{MARK} bar ken " * 200)]
    rows += [{"text": [f"{word} ban der ." for word in ("one", MARK, "three", "four")] * 100}, {"a": 1}]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = bertkit("predict", any_run.run, path)
    assert result.exit_code == 3
    empty, one, three, unstopped, many, bad = map(json.loads, result.stdout.splitlines())
    assert empty["error"] == "there is no text in the row"
    assert [s["text"] for s in one["sentences"]] == [sentence]
    assert 2 <= len(three["sentences"]) <= 3
    assert unstopped["truncated"]
    assert 1 <= len(many["sentences"]) <= 3  # they repeat each other
    assert "error" in bad


def test_plain_text_has_a_document_a_line(extractive: Trained, tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("\n".join(row["article"] for row in documents(3)) + "\n")
    found = records(bertkit("predict", extractive.run, path))
    assert [record["line"] for record in found] == [1, 2, 3]
    tables = bertkit("predict", extractive.run, path, "--output-format", "csv")
    assert tables.stdout.splitlines()[0] == "line,source,method,sentences,summary,n_tokens,truncated,error"


def test_rows_without_summaries_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "docs.jsonl", ({"text": row["article"]} for row in documents(30)))
    result = bertkit("train", tmp_path / "docs.jsonl", "--task", "extractive", "--output", tmp_path / "run")
    assert result.exit_code == 3
    assert "no column is recognised as the summary" in result.stderr.splitlines()[-1]


# --- long encoders, many rows -------------------------------------------------------------


def test_more_positions_where_they_are_asked_for(extractive: Trained, data: Path, tmp_path: Path) -> None:
    changes = {"model": str(extractive.run), "layers": None, "hidden": None, "vocab_size": None}
    made = trained(data, tmp_path / "run", epochs=1, limit=16, max_length=600, **changes)
    assert json.loads((made.run / "config.json").read_text())["max_position_embeddings"] == 600
    loaded = bundle.load(made.run)
    assert loaded.task.settings.max_length == 600
    (record,) = records(bertkit("predict", made.run, write(tmp_path / "new.jsonl", documents(1, seed=4))))
    assert record["n_tokens"] < 600


def test_some_rows_are_scored_after_an_epoch_and_all_at_the_end(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertkit.training import prepare as preparing

    find_task = preparing.find_task
    monkeypatch.setattr(preparing, "find_task", lambda name: replace(find_task(name), rows_an_epoch=8))
    config = small(data, tmp_path / "run", epochs=1, batch_size=8, limit=16, max_length=64)
    prepared = prepare(config)
    assert list(prepared.scored_rows) == [0, 3, 6, 9, 12, 15, 18]
    said: list[Event] = []
    train(config, said.append)
    assert "after each epoch 7 of 20 validation rows are scored, at the end all of them" in said
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["n"] == 20


@pytest.mark.parametrize("model", ["longformer", "roberta", "modernbert", "deberta"])
def test_other_encoders_learn_the_same_way(data: Path, tmp_path: Path, model: str) -> None:
    config = small(data, tmp_path / "run", model=model, init="random", tokenizer=None, epochs=1, limit=16, batch_size=4)
    train(replace(config, max_length=256, lr=1e-4))
    (record,) = records(bertkit("predict", tmp_path / "run", write(tmp_path / "new.jsonl", documents(1))))
    assert len(record["sentences"]) == 3
