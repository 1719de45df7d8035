"""Runs in transformers' hands: the same answers for the same texts, or a refusal that says what to do."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import pipeline
from typer.testing import CliRunner, Result

from bertkit import bundle
from bertkit.cli.app import app
from bertkit.config import TrainConfig
from bertkit.errors import UsageError
from bertkit.models.pretrained import new_config
from bertkit.models.registry import BuildOptions
from bertkit.run_folder import OWN_MODEL_TYPE
from bertkit.tasks import published
from bertkit.tokenization.base import Tokenizer
from bertkit.training.run import train
from tests.conftest import OBJECTS, SUBJECTS, VERBS, pair_rows, write_tsv
from tests.training.task_data import conll_lines, plain_lines, question_rows, sentences, write_csv

SAME = 2e-6
# Texts that tokenizers are known to read in different ways.
STRANGE = (
    "a [SEP] b [MASK] c",
    "[CLS] the cat",
    "Caf\u00e9 M\u00dcNCHEN",
    "Cafe\u0301 Mu\u0308nchen",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab",
    "  two  spaces\tand\na line ",
    "\u200bzero\u00a0width\ufeff",
    "THE CAT SEES MUSIC.",
    "a_b don't 3.5",
)


def small(data: Path, output: Path, **changes: object) -> TrainConfig:
    base = TrainConfig(
        data=(str(data),), output=str(output), layers=1, hidden=32, epochs=2, vocab_size=150, threads=1,
        tensorboard=False, lr=3e-3, max_length=40,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def bertkit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"OMP_WAIT_POLICY": "PASSIVE"})


def refused(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("bertkit: ")
    for part in parts:
        assert part in last, last


def predicted(run: Path, rows: Sequence[dict[str, str]], *options: str) -> list[dict[str, Any]]:
    """What `bertkit predict` answers."""
    asked = run.with_name("asked.jsonl")
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = bertkit("predict", run, asked, "--precision", "float32", *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def exported(run: Path, *options: object) -> tuple[Path, dict[str, Any]]:
    result = bertkit("export", run, "--to", "transformers", *options)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    return Path(report["output"]), report


def assert_same_classes(folder: Path, run: Path, rows: Sequence[dict[str, str]], names: Sequence[str]) -> None:
    """Ask the pipeline, and `bertkit predict`, for the probability of every class."""
    ask = pipeline("text-classification", model=str(folder), device="cpu")
    for row, record in zip(rows, predicted(run, rows, "--top-k", "9"), strict=True):
        texts = [row[name] for name in names]
        call = {"text": texts[0], "text_pair": texts[1]} if len(texts) > 1 else texts[0]
        found = ask(call, truncation=True, top_k=None)
        reference = {each["label"]: each["score"] for each in found}
        ours = {each["label"]: each["score"] for each in record["top"]}
        assert reference == pytest.approx(ours, abs=SAME), row
        assert found[0]["label"] == record["label"], row


PAIRS = [{"sentence1": a, "sentence2": b} for a, b, _ in pair_rows(40, seed=3)]
STRANGE_PAIRS = [{"sentence1": a, "sentence2": b} for a in STRANGE[:4] for b in STRANGE]
LONG = " ".join(f"{s} {v} {o}" for s in SUBJECTS for v in VERBS for o in OBJECTS[:1])
LONG_PAIRS = [
    {"sentence1": a, "sentence2": b}
    for a, b in ((LONG, "a dog"), ("the cat", LONG), (LONG, LONG[40:]), (LONG[:300], LONG[:250]))
]
TEXTS = [{"text": f"{s} {v} {o}"} for s in SUBJECTS[:4] for v in VERBS[:3] for o in OBJECTS[:2]]


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tsv(tmp_path_factory.mktemp("pairs") / "pairs.tsv", pair_rows(80), ("sentence1", "sentence2", "label"))


@pytest.fixture(scope="module")
def portable_run(pairs_file: Path) -> Path:
    train(small(pairs_file, pairs_file.parent / "portable", portable=True))
    return pairs_file.parent / "portable"


# --- what opens answers alike -------------------------------------------------------------


def test_a_portable_run_of_pairs_and_its_export(portable_run: Path) -> None:
    folder, report = exported(portable_run)
    assert report["checked_rows"] == 64
    assert report["max_difference"] < 1e-5
    assert report["labels_equal"] == 1.0
    for place in (portable_run, folder):
        assert_same_classes(place, portable_run, [*PAIRS, *STRANGE_PAIRS, *LONG_PAIRS], ("sentence1", "sentence2"))


def test_what_a_run_cuts_transformers_does_not_read_on(portable_run: Path) -> None:
    folder, _ = exported(portable_run, "--force")
    for place in (portable_run, folder):
        ask = pipeline("text-classification", model=str(place), device="cpu")
        with pytest.raises(RuntimeError):  # unless it is told to cut
            ask({"text": LONG, "text_pair": "a dog"})


@pytest.mark.parametrize("lowercase", [True, False])
def test_single_texts(lowercase: bool, tmp_path: Path) -> None:
    rows = [(f"{s} {v} {o}", o) for s in SUBJECTS for v in VERBS[:3] for o in ("music", "an apple", "some \u00e9clair")]
    data = write_tsv(tmp_path / "texts.tsv", rows, ("text", "label"))
    train(small(data, tmp_path / "run", portable=True, lowercase=lowercase, vocab_size=200))
    folder, _ = exported(tmp_path / "run")
    for place in (tmp_path / "run", folder):
        assert_same_classes(
            place, tmp_path / "run", [*TEXTS, *({"text": text} for text in (*STRANGE, LONG))], ("text",)
        )


def test_numbers(tmp_path: Path) -> None:
    rng = random.Random(1)
    rows = [(f"{s} {v} music", f"{1000 + 40 * len(v) + rng.random():.2f}") for s in SUBJECTS for v in VERBS]
    data = write_tsv(tmp_path / "scores.tsv", rows, ("text", "score"))
    train(small(data, tmp_path / "run", epochs=4, portable=True))
    folder, _ = exported(tmp_path / "run")
    texts = [text for text, _ in rows[::5]]
    ours = [record["score"] for record in predicted(tmp_path / "run", [{"text": text} for text in texts])]
    for place in (tmp_path / "run", folder):
        ask = pipeline("text-classification", model=str(place), device="cpu")
        assert [ask(text)[0]["score"] for text in texts] == pytest.approx(ours, rel=1e-5)


@pytest.fixture(scope="module")
def ner_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("ner") / "people.conll"
    data.write_text("\n".join(map(conll_lines, sentences(200))))
    train(small(data, data.parent / "run", epochs=5, lr=1e-2, batch_size=8, portable=True))
    return data.parent / "run"


def test_entities(ner_run: Path) -> None:
    folder, _ = exported(ner_run)
    texts = [" ".join(words for _, words in sentence) for sentence in sentences(60, seed=9)]
    ours = predicted(ner_run, [{"text": text} for text in texts])
    assert sum(len(record["entities"]) for record in ours) > 40
    for place in (ner_run, folder):
        ask = pipeline("token-classification", model=str(place), aggregation_strategy="first", device="cpu")
        for text, record in zip(texts, ours, strict=True):
            reference = [(e["start"], e["end"], e["entity_group"], e["score"].item()) for e in ask(text)]
            expected = [(e["start"], e["end"], e["label"], e["score"]) for e in record["entities"]]
            assert [entity[:3] for entity in reference] == [entity[:3] for entity in expected], text
            assert [entity[3] for entity in reference] == pytest.approx([entity[3] for entity in expected], abs=SAME)


def test_hidden_words(tmp_path: Path) -> None:
    data = tmp_path / "lines.txt"
    data.write_text("\n".join(plain_lines(120)) + "\n")
    train(small(data, tmp_path / "run", task="mlm", batch_size=8, portable=True))
    folder, _ = exported(tmp_path / "run")
    texts = [line.replace(line.split()[1], "[MASK]", 1) for line in plain_lines(20)]
    ours = predicted(tmp_path / "run", [{"text": text} for text in texts], "--top-k", "3")
    for place in (tmp_path / "run", folder):
        ask = pipeline("fill-mask", model=str(place), device="cpu")
        for text, record in zip(texts, ours, strict=True):
            reference = {found["token_str"]: found["score"] for found in ask(text, top_k=3)}
            assert reference == pytest.approx({t["token"]: t["score"] for t in record["masks"][0]["top"]}, abs=SAME)


def test_choices(tmp_path: Path) -> None:
    write_csv(tmp_path / "questions.csv", [("prompt", *"ABCDE", "answer"), *question_rows(60)])
    train(small(tmp_path / "questions.csv", tmp_path / "run", batch_size=8, portable=True))
    folder, _ = exported(tmp_path / "run")
    rows = [dict(zip(("prompt", *"ABCDE"), row, strict=False)) for row in question_rows(70)[60:]]
    ours = predicted(tmp_path / "run", rows, "--top-k", "5")
    for place in (tmp_path / "run", folder):
        tokenizer = transformers.AutoTokenizer.from_pretrained(place)
        model = transformers.AutoModelForMultipleChoice.from_pretrained(place).eval()
        for row, record in zip(rows, ours, strict=True):
            names = [name for name in "ABCDE" if row[name]]
            inputs = tokenizer(
                [row["prompt"]] * len(names), [row[name] for name in names], padding=True, return_tensors="pt"
            )
            with torch.inference_mode():
                logits = model(**{name: tensor.unsqueeze(0) for name, tensor in inputs.items()}).logits[0]
            reference = dict(zip(names, logits.softmax(-1).tolist(), strict=True))
            assert reference == pytest.approx({t["label"]: t["score"] for t in record["top"]}, abs=SAME)


FIRST_TOKEN = (
    "bert", "roberta", "xlm-roberta", "camembert", "mpnet", "electra", "distilbert", "albert", "deberta", "deberta-v2",
    "longformer",
)  # fmt: skip


@pytest.mark.parametrize(("name", "pooling"), [*((name, "cls") for name in FIRST_TOKEN), ("roberta", "pooler")])
def test_a_head_over_the_first_token_of_any_encoder(
    name: str, pooling: str, tokenizer: Tokenizer, pairs_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "encoder"
    torch.manual_seed(0)
    if name in ("albert", "mpnet", "camembert"):  # bertkit makes none of these from nothing
        shape = {"hidden_size": 16, "embedding_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        sizes = {"vocab_size": 300, "intermediate_size": 32, "max_position_embeddings": 66}
        config = transformers.AutoConfig.for_model(name, **shape, **sizes, pad_token_id=0)
    else:
        config = new_config(name, BuildOptions(300, pad_id=0, max_length=64, layers=1, hidden=16, heads=2))
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save(folder)
    changes = {"layers": None, "hidden": None, "vocab_size": None, "pooling": pooling}
    train(small(pairs_file, tmp_path / "run", model=str(folder), **changes))
    with pytest.raises(ValueError, match="bertkit export RUN --to transformers` writes it"):
        transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run")
    made, report = exported(tmp_path / "run")
    assert report["max_difference"] < 1e-5
    assert_same_classes(made, tmp_path / "run", [*PAIRS[:10], *LONG_PAIRS], ("sentence1", "sentence2"))
    again = [{**record, "score": pytest.approx(record["score"], abs=SAME)} for record in predicted(made, PAIRS)]
    assert predicted(tmp_path / "run", PAIRS) == again  # an export is read as a run is


# --- what does not, says so ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "way_on"),
    [
        ({}, "--no-overlap-segments"),
        ({"overlap_segments": False, "pooling": "mean"}, "--pooling pooler"),
        ({"overlap_segments": False, "pooling": "match"}, "--portable"),
        ({"portable": True, "leave_out": "stop-words"}, "--leave-out"),
    ],
)
def test_a_run_that_cannot_be_expressed(
    changes: dict[str, object], way_on: str, pairs_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    if changes.get("portable"):
        with pytest.raises(UsageError, match=way_on):
            train(small(pairs_file, run, **changes))
        changes = {"overlap_segments": False, "leave_out": "stop-words"}
    train(small(pairs_file, run, epochs=1, **changes))
    for opened in (
        transformers.AutoConfig.from_pretrained,
        transformers.AutoModel.from_pretrained,
        transformers.AutoModelForSequenceClassification.from_pretrained,
        lambda path: pipeline("text-classification", model=str(path)),
    ):
        with pytest.raises(ValueError, match=r"(?s)bertkit export.*" + way_on):
            opened(run)
    refused(bertkit("export", run, "--to", "transformers"), 3, "cannot be exported to transformers", way_on)
    assert not (tmp_path / "run-transformers").exists()
    card = (run / "README.md").read_text()
    assert "pipeline_tag" not in card
    assert way_on in card


def test_a_blend_stays_behind_and_export_says_so(pairs_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(small(pairs_file, run, overlap_segments=False, blend=True))
    with pytest.raises(ValueError, match="without the baseline's part"):
        transformers.AutoModelForSequenceClassification.from_pretrained(run)
    result = bertkit("export", run, "--to", "transformers")
    assert result.exit_code == 0, result.output
    assert "encoder alone is exported" in result.stderr
    assert "on the validation rows: " in result.stderr
    folder = tmp_path / "run-transformers"
    assert bundle.load_manifest(folder).blend == {}
    ask = pipeline("text-classification", model=str(folder), device="cpu")
    alone = predicted(run, PAIRS, "--no-blend")
    for row, record in zip(PAIRS, alone, strict=True):
        found = ask({"text": row["sentence1"], "text_pair": row["sentence2"]})
        assert (found["label"], found["score"]) == (record["label"], pytest.approx(record["score"], abs=SAME))


def test_a_run_that_is_refused_is_still_bertkits(pairs_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(small(pairs_file, run, epochs=1))
    before = predicted(run, PAIRS)
    config = json.loads((run / "config.json").read_text())
    assert config["model_type"].startswith("a run of bertkit; ")
    ours = bundle.load(run).tokenizer.encode(["the cat"], ["a dog"])[0].ids
    assert transformers.AutoTokenizer.from_pretrained(run)("the cat", "a dog")["input_ids"] == ours
    train(small(pairs_file, tmp_path / "next", model=str(run), layers=None, hidden=None, vocab_size=None, epochs=1))
    # Runs of earlier versions have their architecture in its usual place.
    config["model_type"] = config.pop(OWN_MODEL_TYPE)
    (run / "config.json").write_text(json.dumps(config))
    assert predicted(run, PAIRS) == before


def test_no_place_on_this_machine_is_passed_on(pairs_file: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    options = BuildOptions(vocab_size=300, pad_id=0, max_length=64, layers=1, hidden=16, heads=2)
    transformers.AutoModel.from_config(new_config("bert", options)).save_pretrained(encoder)
    tokenizer.save(encoder)
    changes = {"layers": None, "hidden": None, "vocab_size": None, "portable": True, "tokenizer": str(encoder)}
    train(small(pairs_file, tmp_path / "run", model=str(encoder), **changes))
    folder, _ = exported(tmp_path / "run")
    said = [tmp_path / "run" / name for name in ("config.json", "README.md", "tokenizer_config.json", "metrics.json")]
    for path in (*said, *(path for path in folder.rglob("*") if path.is_file())):
        content = path.read_bytes()
        assert str(tmp_path).encode() not in content, path
        assert str(pairs_file.parent).encode() not in content, path
        assert b"_name_or_path" not in content, path


# --- the check, and the place -------------------------------------------------------------


def test_an_export_that_answers_otherwise_is_taken_back(
    portable_run: Path, pairs_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(small(pairs_file, run, overlap_segments=False, pooling="cls", lr=1e-2, epochs=3))
    monkeypatch.setitem(published._MIDDLE, "tanh", (1.0, 0.0))
    result = bertkit("export", run, "--to", "transformers")
    refused(result, 3, "the export's answers differ from the run's", "pairs.tsv:", "nothing was written")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_rows_to_check_on(portable_run: Path, pairs_file: Path, tmp_path: Path) -> None:
    own = write_tsv(tmp_path / "own.tsv", pair_rows(5, seed=8), ("sentence1", "sentence2", "label"))
    _, report = exported(portable_run, "--data", own, "--output", tmp_path / "a")
    assert (report["checked_rows"], report["data"]) == (5, "own")
    manifest = json.loads((portable_run / "bertkit.json").read_text())
    manifest["data"]["request"]["names"] = [str(tmp_path / "gone.tsv")]
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in portable_run.iterdir():
        if path.is_file():
            (moved / path.name).write_bytes(path.read_bytes())
    (moved / "bertkit.json").write_text(json.dumps(manifest))
    result = bertkit("export", moved, "--to", "transformers", "--output", tmp_path / "b")
    assert result.exit_code == 0, result.output
    assert f"the run's own data: {tmp_path / 'gone.tsv'}" in result.stderr
    assert "made-up texts" in result.stderr
    assert json.loads(result.stdout)["data"] == "made-up texts"
    refused(
        bertkit("export", moved, "--to", "transformers", "--data", tmp_path / "no.tsv", "--output", "c"), 3, "no.tsv"
    )


def test_what_is_there_stays(portable_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder, _ = exported(portable_run, "--output", out)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    refused(bertkit("export", portable_run, "--to", "transformers", "--output", out), 3, "add --force")
    (out / "notes.txt").write_text("mine")
    refused(bertkit("export", portable_run, "--to", "transformers", "--output", out, "--force"), 3, "notes.txt")
    (out / "notes.txt").unlink()
    exported(portable_run, "--output", out, "--force")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    refused(bertkit("export", portable_run, "--to", "transformers", "--output", portable_run, "--force"), 3, "exported")
    (tmp_path / "file").write_text("mine")
    refused(
        bertkit("export", portable_run, "--to", "transformers", "--output", tmp_path / "file", "--force"), 3, "file"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]


def test_an_export_of_an_export(portable_run: Path, tmp_path: Path) -> None:
    first, _ = exported(portable_run, "--output", tmp_path / "first")
    second, report = exported(first, "--data", portable_run.parent / "pairs.tsv", "--output", tmp_path / "second")
    assert report["max_difference"] < 1e-5
    assert predicted(second, PAIRS[:5]) == predicted(portable_run, PAIRS[:5])


def test_wrong_words(portable_run: Path, tmp_path: Path) -> None:
    refused(bertkit("export", portable_run, "--to", "tensorflow"), 2, "--to tensorflow")
    refused(bertkit("export", portable_run, "--to", "transformers", "--int8"), 2, "--int8")
    refused(bertkit("export", tmp_path / "none", "--to", "transformers"), 3, "no such run directory")


@pytest.mark.parametrize(
    ("option", "value"), [("overlap_segments", True), ("blend", True), ("pooling", "mean"), ("pooling", "match")]
)
def test_portable_refuses_what_is_not(option: str, value: object, pairs_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')}.*--portable"):
        train(small(pairs_file, tmp_path / "run", portable=True, **{option: value}))
    assert not (tmp_path / "run").exists()
