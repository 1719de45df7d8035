"""ner, choice and mlm from a file to predictions: learnt, saved, loaded, resumed, refused."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.compute.device import Placement
from bertkit.config import TrainConfig
from bertkit.data.records import Example, Question
from bertkit.errors import Interrupted
from bertkit.evaluation.answers import forward
from bertkit.training.loop import StepFacts
from bertkit.training.run import Event, TrainResult, train
from tests.training.task_data import (
    conll_lines,
    naver_line,
    plain_lines,
    question_rows,
    sentences,
    spans_line,
    write_csv,
)
from tests.training.test_run import small

CPU = Placement("cpu", "float32", 1)


@dataclass(frozen=True)
class Trained:
    """A finished run, what training said of it, and how it was asked for."""

    run: Path
    result: TrainResult
    config: TrainConfig


def trained(data: Path, **changes: object) -> Trained:
    config = small(data, data.parent / "run", **changes)
    return Trained(data.parent / "run", train(config), config)


def bertkit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"OMP_WAIT_POLICY": "PASSIVE"})


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


NER = {"epochs": 4, "lr": 1e-2, "batch_size": 8}


@pytest.fixture(scope="session")
def ner_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    data = tmp_path_factory.mktemp("ner") / "people.conll"
    data.write_text("\n".join(map(conll_lines, sentences(160))))
    return trained(data, **NER)


@pytest.fixture(scope="session")
def choice_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    data = tmp_path_factory.mktemp("choice") / "questions.csv"
    write_csv(data, [("prompt", *"ABCDE", "answer"), *question_rows(120)])
    return trained(data, epochs=3, lr=1e-2, batch_size=8, pooling="pooler")


@pytest.fixture(scope="session")
def mlm_run(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    data = tmp_path_factory.mktemp("mlm") / "lines.txt"
    data.write_text("\n".join(plain_lines(160)) + "\n")
    return trained(data, task="mlm", epochs=4, lr=1e-2, batch_size=8)


@pytest.fixture(params=["ner", "choice", "mlm"])
def any_run(request: pytest.FixtureRequest) -> Trained:
    found: Trained = request.getfixturevalue(f"{request.param}_run")
    return found


def one_sentence(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("bertkit: ")
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in last, last


# --- what was learnt ----------------------------------------------------------------------


def test_ner_from_conll(ner_run: Trained) -> None:
    metrics = json.loads((ner_run.run / "metrics.json").read_text())
    assert metrics["metrics"]["entity_f1"] > 0.8
    assert metrics["baselines"]["all-O"]["entity_f1"] == 0.0
    assert {"entity_f1", "entity_f1_lenient"} <= metrics["intervals"].keys()
    assert metrics["difference"]["all-O"]["entity_f1"][0] > 0
    settings = bundle.load_manifest(ner_run.run).settings
    assert (settings.task, settings.labels, settings.unit) == ("ner", ("LOC", "PER"), "word")


def test_ner_from_character_spans(tmp_path: Path) -> None:
    data = tmp_path / "people.jsonl"
    data.write_text("".join(map(spans_line, sentences(160))))
    assert trained(data, **NER).result.metrics["entity_f1"] > 0.8


def test_ner_from_korean_suffix_tags(tmp_path: Path) -> None:
    data, rng = tmp_path / "korean.tsv", random.Random(0)
    data.write_text("".join(naver_line(rng) for _ in range(120)), encoding="utf-8")
    made = trained(data, **NER)
    assert made.result.metrics["entity_f1"] > 0.8
    (tmp_path / "new.txt").write_text("이순신 장군이 제 대전에서 일했다\n", encoding="utf-8")
    (record,) = records(bertkit("predict", made.run, tmp_path / "new.txt"))
    found = [(e["text"], e["label"]) for e in record["entities"]]
    assert found == [("이순신 장군이", "PER"), ("대전에서", "LOC")]


def test_choice_from_columns(choice_run: Trained) -> None:
    metrics = choice_run.result.metrics
    chance = choice_run.result.baselines["chance"]
    assert metrics["map@3"] > 0.9 > chance["map@3"] + 0.2
    assert {"accuracy", "hit@1", "map@3", "mrr", "loss", "ece"} == metrics.keys()
    assert {"chance", "tfidf", "choices_only"} == choice_run.result.baselines.keys()


def test_mlm_from_plain_text(mlm_run: Trained) -> None:
    metrics, unigram = mlm_run.result.metrics, mlm_run.result.baselines["unigram"]
    assert metrics["perplexity"] < 0.5 * unigram["perplexity"]
    assert metrics["accuracy"] > unigram["accuracy"]


@pytest.mark.parametrize("kind", ["nsp", "sop"])
def test_mlm_with_pairs_of_sentences(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "lines.txt"
    data.write_text("\n".join(plain_lines(60)) + "\n")
    made = trained(data, task="mlm", sentence_pairs=kind, whole_words=True, epochs=1)
    assert made.result.metrics["perplexity"] > 1
    assert 0 <= made.result.metrics["pair_accuracy"] <= 1
    (shown,) = records(bertkit("eval", made.run, "--format", "json", "--precision", "float32"))
    assert shown["metrics"]["pair_accuracy"] == pytest.approx(made.result.metrics["pair_accuracy"])
    assert "pair_accuracy" in shown["intervals"]
    assert "pair_accuracy" not in shown["baselines"]["unigram"]
    loaded = bundle.load(made.run)
    assert loaded.task.settings.sentence_pairs == kind
    assert loaded.model.order is not None
    (row,) = loaded.task.encode([Example(("the [MASK] likes milk",), None, 1, "x")])
    assert len(forward(loaded.model, loaded.task, [row], CPU)[0].tokens) == 1


# --- saved, loaded, resumed ---------------------------------------------------------------


def test_a_loaded_run_scores_as_the_training_said(any_run: Trained) -> None:
    result = bertkit("eval", any_run.run, "--format", "json", "--precision", "float32")
    (shown,) = records(result)
    assert shown["split"] == "validation"
    for name, value in any_run.result.metrics.items():
        assert shown["metrics"][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    for baseline, metrics in any_run.result.baselines.items():
        assert shown["baselines"][baseline] == pytest.approx(metrics, abs=1e-5)
    assert shown["intervals"].keys() == shown["metrics"].keys() - {"repaired_sequences"}


def test_an_interrupted_training_ends_in_the_same_bytes(any_run: Trained, tmp_path: Path) -> None:
    config = replace(any_run.config, output=str(tmp_path / "run"))

    def stop(event: Event) -> None:
        if isinstance(event, StepFacts) and event.step == event.total_steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        train(config, stop)
    assert not (tmp_path / "run" / "bertkit.json").exists()
    result = train(TrainConfig(output=str(tmp_path / "run"), resume=True))
    assert 0 < result.resumed_from_step < result.steps
    files = ["model.safetensors", "tokenizer.json", "config.json", "baseline/baselines.json"]
    for name in files:
        digests = {hashlib.sha256((run / name).read_bytes()).digest() for run in (any_run.run, tmp_path / "run")}
        assert len(digests) == 1, name


def test_transformers_finds_the_same_tags(ner_run: Trained) -> None:
    loaded = bundle.load(ner_run.run)
    others = transformers.AutoModelForTokenClassification.from_pretrained(ner_run.run).eval()
    assert others.config.id2label == {0: "O", 1: "B-LOC", 2: "I-LOC", 3: "B-PER", 4: "I-PER"}
    rows = loaded.task.encode(
        [Example(("Anna Kim lives in New York",), None, 1, "x"), Example(("Seoul",), None, 2, "x")]
    )
    batch = loaded.task.batch([row.parts[0] for row in rows])
    with torch.inference_mode():
        mine = loaded.model(**batch.inputs)
        logits = others(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, token_type_ids=batch.token_type_ids
        ).logits
    is_text = batch.attention_mask.bool()
    torch.testing.assert_close(logits[is_text], mine[is_text], atol=1e-5, rtol=1e-4)


def test_transformers_ranks_choices_the_same(choice_run: Trained) -> None:
    loaded = bundle.load(choice_run.run)
    others = transformers.AutoModelForMultipleChoice.from_pretrained(choice_run.run).eval()
    question = Question(
        ("which is it",), None, 1, "x", choices=("not red", "very blue", "not green"), names=tuple("ABC")
    )
    rows = loaded.task.encode([question])
    (mine,) = forward(loaded.model, loaded.task, rows, CPU)
    batch = loaded.task.batch(rows[0].parts)
    with torch.inference_mode():
        logits = others(input_ids=batch.input_ids[None], token_type_ids=batch.token_type_ids[None]).logits
    np.testing.assert_allclose(logits[0].double().softmax(-1).numpy(), mine, atol=1e-5)
    assert mine.argmax() == 1


def test_transformers_fills_in_the_same(mlm_run: Trained) -> None:
    loaded = bundle.load(mlm_run.run)
    others = transformers.AutoModelForMaskedLM.from_pretrained(mlm_run.run).eval()
    encoding = loaded.tokenizer.encode(["the cat likes [MASK] and milk only"])[0]
    ids, types = torch.tensor([encoding.ids]), torch.tensor([encoding.type_ids])
    with torch.inference_mode():
        logits = others(input_ids=ids, token_type_ids=types).logits[0]
        mine, order = loaded.model(ids, None, types)
    assert order is None
    torch.testing.assert_close(logits, mine, atol=1e-5, rtol=1e-4)


# --- predict ------------------------------------------------------------------------------


def test_predicted_entities(ner_run: Trained, tmp_path: Path) -> None:
    texts = ["Anna Kim lives in  New York", "", "nothing happened today ."]
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n")
    found = records(bertkit("predict", ner_run.run, tmp_path / "in.txt"))
    assert [list(record) for record in found] == [["line", "entities", "n_tokens", "truncated"]] * 3
    assert [record["line"] for record in found] == [1, 2, 3]
    assert [(e["start"], e["end"], e["text"], e["label"]) for e in found[0]["entities"]] == [
        (0, 8, "Anna Kim", "PER"),
        (19, 27, "New York", "LOC"),
    ]
    assert all(0.2 < e["score"] <= 1 for e in found[0]["entities"])
    assert found[1]["entities"] == found[2]["entities"] == []


@pytest.mark.parametrize("suffix", ["jsonl", "conll", "tsv"])
def test_entities_are_the_same_whatever_the_input(ner_run: Trained, tmp_path: Path, suffix: str) -> None:
    path, rows = tmp_path / f"in.{suffix}", sentences(5, seed=3)
    texts = [" ".join(words for _, words in row) for row in rows]
    written = {
        "jsonl": "".join(map(spans_line, rows)),
        "conll": "\n".join(map(conll_lines, rows)),
        "tsv": "text\n" + "".join(text + "\n" for text in texts),
    }
    path.write_text(written[suffix])
    (tmp_path / "in.txt").write_text("".join(text + "\n" for text in texts))
    found, plain = (records(bertkit("predict", ner_run.run, p)) for p in (path, tmp_path / "in.txt"))
    assert [r["entities"] for r in found] == [r["entities"] for r in plain]
    assert [bool(r["entities"]) for r in plain] == [len(row) > 1 for row in rows]


def test_entities_of_a_long_text_in_windows(ner_run: Trained, tmp_path: Path) -> None:
    text = " ".join(" ".join(words for _, words in sentence) for sentence in sentences(120, seed=5))
    (tmp_path / "in.txt").write_text(text + "\n")
    (cut,) = records(bertkit("predict", ner_run.run, tmp_path / "in.txt", "--on-long", "truncate"))
    (whole,) = records(bertkit("predict", ner_run.run, tmp_path / "in.txt", "--on-long", "window"))
    assert (cut["truncated"], whole["truncated"]) == (True, False)
    assert cut["n_tokens"] == whole["n_tokens"] > 512
    assert whole["entities"][-1]["end"] > cut["entities"][-1]["end"]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in whole["entities"])


def test_predicted_choices(choice_run: Trained, tmp_path: Path) -> None:
    rows = question_rows(20, seed=9)
    path = write_csv(
        tmp_path / "in.csv", [("id", "prompt", *"ABCDE"), *((str(i), *row[:-1]) for i, row in enumerate(rows))]
    )
    found = records(bertkit("predict", choice_run.run, path, "--top-k", 3))
    assert [list(record) for record in found] == [["line", "label", "score", "top", "n_tokens", "truncated"]] * 20
    assert [record["line"] for record in found] == list(range(2, 22))
    assert sum(record["label"] == row[-1] for record, row in zip(found, rows, strict=True)) >= 18
    for record, row in zip(found, rows, strict=True):
        assert len(record["top"]) == min(3, sum(map(bool, row[1:-1])))
        assert record["top"][0] == {"label": record["label"], "score": record["score"]}


def test_predicted_masks(mlm_run: Trained, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("bana bana the cat likes milk and [MASK] only\n[MASK] [MASK]\n")
    one, two = records(bertkit("predict", mlm_run.run, tmp_path / "in.txt", "--top-k", 2))
    assert list(one) == ["line", "masks", "n_tokens", "truncated"]
    assert [mask["start"] for mask in one["masks"]] == [33]
    assert [list(entry) for entry in one["masks"][0]["top"]] == [["token", "score"]] * 2
    assert one["masks"][0]["top"][0]["token"] == "milk"
    assert [mask["start"] for mask in two["masks"]] == [0, 7]


INPUTS = {
    "ner": ("in.txt", "Anna Kim lives in Seoul\n\n", "entities"),
    "choice": ("in.csv", "prompt,A,B\nwhich is it,very red,not blue\nwhich is it,,not blue\n", "label"),
    "mlm": ("in.txt", "the [MASK] likes milk\nno mask here\n", "masks"),
}


@pytest.mark.parametrize("output_format", ["csv", "tsv"])
def test_tables_out(any_run: Trained, tmp_path: Path, output_format: str) -> None:
    task = bundle.load_manifest(any_run.run).settings.task
    name, text, key = INPUTS[task]
    (tmp_path / name).write_text(text)
    result = bertkit("predict", any_run.run, tmp_path / name, "--output-format", output_format, "--top-k", 2)
    delimiter = "\t" if output_format == "tsv" else ","
    good, other = csv.DictReader(io.StringIO(result.stdout), delimiter=delimiter)
    assert good["truncated"] == "false"
    assert good["error"] == ""
    if task == "choice":
        assert (good["label"], good["top1_label"], good["top2_label"]) == ("A", "A", "B")
    else:
        assert json.loads(good[key])
    # ner answers an empty text; the others have a row that cannot be read
    assert (result.exit_code, bool(other["error"])) == ((0, False) if task == "ner" else (3, True))


@pytest.mark.parametrize(
    ("task", "top_k", "warning"),
    [
        ("ner", 3, "--top-k 3: the task ner has no ranked answers, so the flag has no effect"),
        ("mlm", 101, "--top-k 101: of the task mlm only the 100 most probable answers are kept"),
        ("mlm", 100, None),
        ("choice", 101, None),
    ],
)
def test_a_ranking_that_cannot_be_given_is_said(
    task: str, top_k: int, warning: str | None, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    row = {"text": "[MASK]"} if task != "choice" else dict(zip(["prompt", *"ABCDE"], "pabcde", strict=True))
    rows.write_text(json.dumps(row) + "\n")
    run = request.getfixturevalue(f"{task}_run").run
    result = bertkit("predict", run, rows, "--top-k", top_k)
    assert len(records(result)) == 1
    assert [line for line in result.stderr.splitlines() if "--top-k" in line] == [
        f"bertkit: warning: {warning}"
    ] * bool(warning)
    assert bertkit("predict", run, rows, "--top-k", top_k, "--strict").exit_code == (4 if warning else 0)


def test_a_row_that_cannot_be_predicted_is_an_error_record(any_run: Trained, tmp_path: Path) -> None:
    name, text, key = INPUTS[bundle.load_manifest(any_run.run).settings.task]
    if key == "entities":
        name, text = "in.jsonl", '{"text": "Anna"}\n{"sentence": "Boris"}\n'
    (tmp_path / name).write_text(text)
    result = bertkit("predict", any_run.run, tmp_path / name)
    good, bad = map(json.loads, result.stdout.splitlines())
    assert key in good
    assert list(bad) == ["line", "error"]
    place = f"{tmp_path / name}:{bad['line']}"
    one_sentence(result, 3, f"1 of 2 rows could not be read; the first: {place}: {bad['error']}.")
    assert not bad["error"].startswith(str(tmp_path))


# --- bad input ----------------------------------------------------------------------------


def questions_with(row: tuple[str, ...]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        rows = [("prompt", *"ABCDE", "answer"), *question_rows(30)]
        return write_csv(folder / "q.csv", [*rows[:12], row, *rows[12:]])

    return make


def strange_tag(folder: Path) -> Path:
    lines = "\n".join(map(conll_lines, sentences(40)))
    (folder / "tags.conll").write_text("Anna B-PER\nKim E-PER\n\n" + lines)
    return folder / "tags.conll"


def too_many_tags(folder: Path) -> Path:
    rng = random.Random(0)
    rows = [naver_line(rng) for _ in range(40)]
    rows[7] = rows[7].rstrip("\n") + " O\n"
    (folder / "tags.tsv").write_text("".join(rows), encoding="utf-8")
    return folder / "tags.tsv"


def no_entity(folder: Path) -> Path:
    (folder / "none.conll").write_text("".join(f"the O\ncat{i} O\n\n" for i in range(30)))
    return folder / "none.conll"


@pytest.mark.parametrize(
    ("make", "arguments", "parts"),
    [
        (questions_with(("q", "only one", "", "", "", "", "A")), [], ["q.csv:13", "only one choice, A"]),
        (
            questions_with(("q", "this", "that", "", "", "", "C")),
            [],
            ["q.csv:13", "the answer 'C' is not one of the choices", "A, B"],
        ),
        (questions_with(("q", "this", "that", "", "", "", "")), [], ["q.csv:13", "label is empty"]),
        (strange_tag, [], ["tags.conll:2", "'E-PER' is outside the scheme IOB2"]),
        (too_many_tags, ["--task", "ner"], ["tags.tsv:8", "more tags", "than words"]),
        (no_entity, [], ["none.conll", "no row has an entity"]),
        (questions_with(("q", "a", "b", "", "", "", "A")), ["--on-long", "window"], ["--on-long window", "truncate"]),
    ],
)
def test_bad_data(make: Callable[[Path], Path], arguments: list[str], parts: list[str], tmp_path: Path) -> None:
    one_sentence(bertkit("train", make(tmp_path), "--output", tmp_path / "run", *arguments), 3, *parts)
    assert not (tmp_path / "run").exists()


def test_an_entity_that_is_not_in_its_text_is_counted_and_strict_stops(tmp_path: Path) -> None:
    rows = [spans_line(sentence) for sentence in sentences(30)]
    rows[3] = json.dumps({"text": "in Rome", "entities": [["Rome", "LOC"], ["Oslo", "LOC"]]}) + "\n"
    (tmp_path / "named.jsonl").write_text("".join(rows))
    command = ["train", tmp_path / "named.jsonl", "--output", tmp_path / "run", "--no-tensorboard"]
    small_model = ["--layers", 1, "--hidden", 16, "--epochs", 1, "--threads", 1]
    sentence = f"1 entity was left out: {tmp_path / 'named.jsonl'}:4: the entity 'Oslo' is not in the text"
    one_sentence(bertkit(*command, *small_model, "--strict"), 4, f"--strict: {sentence}")
    assert not (tmp_path / "run").exists()
    (result,) = records(bertkit(*command, *small_model))
    assert result["warnings"][0] == sentence


def test_tagged_text_is_no_input_of_another_task(choice_run: Trained, mlm_run: Trained, tmp_path: Path) -> None:
    (tmp_path / "in.conll").write_text(conll_lines(sentences(1)[0]) + "\n")
    for run in (choice_run.run, mlm_run.run):
        one_sentence(bertkit("predict", run, tmp_path / "in.conll"), 3, "in.conll", "tagged text")


def test_plain_text_has_no_choices(choice_run: Trained, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("which is it\n")
    one_sentence(bertkit("predict", choice_run.run, tmp_path / "in.txt"), 3, "plain text has none", "--input-format")


# --- going on -----------------------------------------------------------------------------


def test_the_encoder_of_masked_lm_goes_on_into_another_task(mlm_run: Trained, tmp_path: Path) -> None:
    rows = [f"{text}\t{int('cat' in text)}" for text in plain_lines(60)]
    (tmp_path / "cats.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    request = small(tmp_path / "cats.tsv", tmp_path / "run", epochs=1, lr=1e-7, model=str(mlm_run.run))
    train(replace(request, layers=None, hidden=None, vocab_size=None))
    loaded, before = bundle.load(tmp_path / "run"), bundle.load(mlm_run.run)
    assert loaded.tokenizer.backend.get_vocab() == before.tokenizer.backend.get_vocab()
    hidden = []
    for run in (loaded, before):
        (encoding,) = run.tokenizer.encode(["the cat likes milk"])
        with torch.inference_mode():
            hidden.append(run.model.encoder(torch.tensor([encoding.ids]), None, torch.tensor([encoding.type_ids])))
    torch.testing.assert_close(*hidden, atol=1e-3, rtol=0)
