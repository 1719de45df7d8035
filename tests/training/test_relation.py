"""relation from a file to predictions: learnt, saved, loaded, resumed, exported, refused."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.data.records import MARKERS, Example
from bertkit.errors import Interrupted
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, TrainResult, train
from tests.training.test_run import small

PEOPLE, TOWNS = "ada eve ian leo mia noa".split(), "cork bath york rome oslo bonn".split()
LEARNING: Mapping[str, Any] = {"epochs": 14, "lr": 4e-3, "dropout": 0.0, "batch_size": 16}


def relation(rng: random.Random) -> dict[str, Any]:
    """Two people and two towns in one text; which of them are marked says what the relation is."""
    (a, b), (x, y) = rng.sample(PEOPLE, 2), rng.sample(TOWNS, 2)
    text = f"{a} was born in {x} and {b} now works in {y}"
    subject, object_, label = rng.choice(
        [(a, x, "born"), (b, y, "works"), (a, y, "no_relation"), (b, x, "no_relation")]
    )
    return {
        "sentence": text,
        "subject_entity": _entity(text, subject, "PER"),
        "object_entity": _entity(text, object_, "LOC"),
        "label": label,
    }


def _entity(text: str, word: str, kind: str) -> dict[str, Any]:
    start = text.index(word)
    return {"word": word, "start_idx": start, "end_idx": start + len(word) - 1, "type": kind}


def rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [relation(rng) for _ in range(n)]


def write(path: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in records), encoding="utf-8")
    return path


def bertkit(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], input=given, env={"OMP_WAIT_POLICY": "PASSIVE"})


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@dataclass(frozen=True)
class Trained:
    run: Path
    result: TrainResult
    config: TrainConfig


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("relation")
    config = small(write(folder / "klue-re-rows.jsonl", rows(300)), folder / "run", **LEARNING)
    return Trained(folder / "run", train(config), config)


def test_it_is_learnt_and_stands_beside_its_baselines(made: Trained) -> None:
    assert made.result.metric == "micro_f1"
    # What is marked decides: the text itself is the same for all labels.
    assert made.result.metrics["micro_f1"] > 0.9
    assert set(made.result.baselines) == {"majority", "tfidf"}
    names = {"micro_f1", "micro_precision", "micro_recall", "auprc", "accuracy", "macro_f1", "mcc", "loss", "ece"}
    for metrics in (made.result.metrics, *made.result.baselines.values()):
        assert set(metrics) >= names
    manifest = bundle.load_manifest(made.run)
    assert manifest.settings.columns.spans == ("subject_entity", "object_entity")
    assert manifest.settings.labels == ("born", "no_relation", "works")


def test_klues_figures_stand_beside_where_the_data_is_klues(made: Trained) -> None:
    assert made.result.metrics["klue_micro_f1"] == pytest.approx(made.result.metrics["micro_f1"])
    assert made.result.metrics["klue_auprc"] == pytest.approx(made.result.metrics["auprc"])


def test_a_loaded_run_scores_as_the_training_said(made: Trained) -> None:
    (shown,) = records(bertkit("eval", made.run, "--format", "json", "--precision", "float32"))
    assert shown["metrics"] == pytest.approx(made.result.metrics, abs=1e-5)
    for baseline, metrics in made.result.baselines.items():
        assert shown["baselines"][baseline] == pytest.approx(metrics, abs=1e-5)
    assert {"micro_f1", "auprc", "accuracy"} <= shown["intervals"].keys() & shown["difference"]["tfidf"].keys()


def test_markers_are_special_tokens_that_no_text_spells(made: Trained) -> None:
    loaded = bundle.load(made.run)
    ids = [loaded.tokenizer.backend.token_to_id(marker) for marker in MARKERS]
    assert None not in ids
    marked = "<subj> PER | ada </subj> was born in <obj> LOC | cork </obj>"
    (row,) = loaded.task.encode([Example((marked,), None, 1, "x")])
    assert [ids.index(i) for i in row.parts[0].ids if i in ids] == [0, 2, 1, 3]
    others = transformers.AutoTokenizer.from_pretrained(made.run)
    assert others(marked)["input_ids"] == list(row.parts[0].ids)


def test_the_same_text_is_answered_by_what_is_marked(made: Trained) -> None:
    text = "mia was born in rome and leo now works in bath"
    pairs = [("mia", "rome"), ("leo", "bath"), ("mia", "bath")]
    table = "sentence,subject,subject_type,object,object_type,note\n"
    table += "".join(f"{text},{a},PER,{b},LOC,n{i}\n" for i, (a, b) in enumerate(pairs))
    found = records(bertkit("predict", made.run, "-", "--keep", "note", "--top-k", "2", given=table))
    assert [record["label"] for record in found] == ["born", "works", "no_relation"]
    assert [record["note"] for record in found] == ["n0", "n1", "n2"]
    assert all(len(record["top"]) == 2 for record in found)
    lines = [
        json.dumps(row) for row in (rows(1)[0], {"sentence": "<e1>mia</e1> met <e2>leo</e2>"}, {"sentence": "mia"})
    ]
    mixed = bertkit("predict", made.run, "-", given="\n".join(lines))  # each line speaks for itself
    assert ["error" in json.loads(line) for line in mixed.stdout.splitlines()] == [False, False, True]
    marks = {"sentence": "<e1>mia</e1> was born in <e2>rome</e2> and leo now works in bath"}
    (without_kinds,) = records(bertkit("predict", made.run, "-", given=json.dumps(marks)))
    assert without_kinds["label"] in ("born", "works", "no_relation")


def test_a_row_whose_entity_is_elsewhere_becomes_an_error_and_the_rest_goes_on(made: Trained, tmp_path: Path) -> None:
    good, bad = rows(2, seed=4)
    bad["subject_entity"]["start_idx"] += 1
    result = bertkit("predict", made.run, write(tmp_path / "in.jsonl", [good, bad, good]))
    assert result.exit_code == 3
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in answer for answer in answers] == [False, True, False]
    assert "is not at character" in answers[1]["error"]


def test_answers_can_be_held_back(made: Trained, tmp_path: Path) -> None:
    data = write(tmp_path / "in.jsonl", rows(10, seed=5))
    held = records(bertkit("predict", made.run, data, "--abstain-below", "1"))
    assert any(record["label"] is None for record in held)
    named = records(bertkit("predict", made.run, data, "--threshold", "born=0.0"))
    assert {record["label"] for record in named} == {"born"}


def test_a_long_text_keeps_its_entities(made: Trained, tmp_path: Path) -> None:
    row = relation(random.Random(1))
    filler = "and so on " * 400
    for name in ("subject_entity", "object_entity"):
        for place in ("start_idx", "end_idx"):
            row[name][place] += len(filler)
    row["sentence"] = f"{filler}{row['sentence']}"
    data = write(tmp_path / "in.jsonl", [row])
    (record,) = records(bertkit("predict", made.run, data))
    assert record["truncated"]
    assert record["label"] == row["label"]
    assert bertkit("predict", made.run, data, "--on-long", "error").exit_code == 3
    refused = bertkit("predict", made.run, data, "--on-long", "window")
    assert refused.exit_code == 2
    assert "both entities" in refused.stderr


def test_an_interrupted_training_ends_in_the_same_bytes(made: Trained, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, StepFacts) and event.step == event.total_steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(replace(made.config, output=str(tmp_path / "run")), stop)
    train(TrainConfig(output=str(tmp_path / "run"), resume=True))
    for name in ("model.safetensors", "config.json", "tokenizer.json", "baseline/baselines.json"):
        digests = {hashlib.sha256((run / name).read_bytes()).digest() for run in (made.run, tmp_path / "run")}
        assert len(digests) == 1, name


def test_a_pretrained_encoder_grows_rows_for_the_markers(made: Trained, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    words = [json.dumps({"text": row["sentence"], "label": row["label"]}) for row in rows(60, seed=3)]
    (tmp_path / "plain.jsonl").write_text("\n".join(words) + "\n", encoding="utf-8")
    train(small(tmp_path / "plain.jsonl", plain, epochs=1))
    before = len(bundle.load(plain).model.encoder.embeddings_weight)
    data = write(tmp_path / "rows.jsonl", rows(60))
    config = TrainConfig(data=(str(data),), model=str(plain), output=str(tmp_path / "run"), epochs=1, tensorboard=False)
    train(config)
    loaded = bundle.load(tmp_path / "run")
    table = loaded.model.encoder.embeddings_weight
    assert len(table) == before + len(MARKERS) == loaded.tokenizer.vocab_size
    assert torch.isfinite(table).all()
    assert records(bertkit("predict", tmp_path / "run", data))[0]["label"] in ("born", "works", "no_relation")


def test_transformers_has_no_class_and_onnx_gives_the_same_answers(made: Trained, tmp_path: Path) -> None:
    refused = bertkit("export", made.run, "--to", "transformers", "--output", tmp_path / "none")
    assert refused.exit_code == 3
    assert "no class for the task relation" in refused.stderr
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    (shown,) = records(bertkit("export", made.run, "--to", "onnx", "--output", tmp_path / "out", "--format", "json"))
    assert shown["labels_equal"] == 1.0
    data = write(tmp_path / "in.jsonl", rows(10, seed=2))
    answers = [records(bertkit("predict", run, data, "--precision", "float32")) for run in (made.run, tmp_path / "out")]
    assert [r["label"] for r in answers[0]] == [r["label"] for r in answers[1]]


def test_a_report_and_mistakes_are_written(made: Trained, tmp_path: Path) -> None:
    wrong_rows = [{**row, "label": "born"} for row in rows(12, seed=6)]
    data = write(tmp_path / "new.jsonl", wrong_rows)
    page, wrong = tmp_path / "page.html", tmp_path / "wrong.jsonl"
    done = bertkit("eval", made.run, data, "--report", page, "--errors", wrong)
    assert done.exit_code == 0, done.output
    first = json.loads(wrong.read_text().splitlines()[0])
    assert first["label"] == "born" != first["predicted"]
    text = page.read_text()
    assert "Reliability" in text
    assert "subject_entity" in text
    assert "&lt;subj&gt;" in text


def test_inspect_data_counts_relations_and_the_tokens_they_will_have(made: Trained, tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", rows(30))
    (shown,) = records(bertkit("inspect-data", data, "--model", made.run, "--format", "json"))
    split = shown["splits"]["train"]
    assert set(split["labels"]) == {"born", "no_relation", "works"}
    assert split["lengths"]["sentence"]["max"] == 11
    found = records(bertkit("predict", made.run, data))
    assert split["tokens"]["max"] == max(record["n_tokens"] for record in found)


def test_data_without_a_relation_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", [{**row, "label": "no_relation"} for row in rows(20)])
    refused = bertkit("train", data, "--model", "scratch", "--output", tmp_path / "run")
    assert refused.exit_code == 3


@pytest.mark.parametrize("option", [("--pooling", "mean"), ("--positive", "born"), ("--leave-out", "particles")])
def test_options_that_would_do_nothing_are_refused(tmp_path: Path, option: tuple[str, str]) -> None:
    data = write(tmp_path / "rows.jsonl", rows(20))
    refused = bertkit("train", data, "--model", "scratch", "--output", tmp_path / "run", *option)
    assert refused.exit_code == 2, refused.output


@pytest.mark.parametrize("sample", ["relation", "relation-klue"])
def test_the_samples_are_relations(sample: str) -> None:
    (shown,) = records(bertkit("inspect-data", f"sample:{sample}", "--format", "json"))
    counts = [sum(split["labels"].values()) for split in shown["splits"].values()]
    assert sum(counts) == 60
    assert shown["task"] == "relation" if "task" in shown else True
