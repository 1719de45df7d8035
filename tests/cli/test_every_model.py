"""Every kind of model on every task: trained from the hub, saved, loaded, asked again.

The hub is the stand-in on loopback; it holds tiny random encoders under the real ids, each
with a tokenizer in the form the real repository has.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from bertkit.models.pretrained import new_config
from bertkit.models.registry import BuildOptions, find_model
from bertkit.tokenization.base import Tokenizer
from tests.cli.test_hub_models import commands
from tests.conftest import OBJECTS, SUBJECTS, VERBS, pair_rows, write_tsv
from tests.small_sentencepiece import train as train_sentencepiece
from tests.small_sentencepiece import write_deberta, write_kobert
from tests.stand_in_hub import StandInHub

# Those built as BERT is take a quarter of a minute each for what the others show, too.
MODELS = (
    *("bert", "kobert", "deberta", "longformer", "modernbert"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("roberta", "electra", "distilbert")),
)
TASKS = ("classify", "regression", "ner", "choice", "mlm")
FEW_STEPS = ("--epochs", "1", "--batch-size", "8", "--max-length", "40", "--no-tensorboard", "--threads", "1")


def repository(folder: Path, name: str, tokenizer: Tokenizer, sentences: list[str]) -> Path:
    """A tiny random encoder of a row of the table, with its tokenizer's files."""
    folder.mkdir()
    architecture = find_model(name).architecture
    if name == "kobert":
        write_kobert(folder, train_sentencepiece(sentences, vocab_size=50))
    elif name == "deberta":
        write_deberta(folder, sentences, vocab_size=50)
    else:
        tokenizer.save(folder)
    torch.manual_seed(0)
    options = BuildOptions(
        vocab_size=300, pad_id=1 if name == "kobert" else 0, max_length=64, layers=1, hidden=16, heads=2
    )
    config = new_config(architecture, options)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def data(folder: Path) -> dict[str, tuple[Path, str]]:
    """For each task a training file, and a line for predict with what it is."""
    rng = random.Random(1)
    pairs = write_tsv(folder / "pairs.tsv", pair_rows(40), ("sentence1", "sentence2", "label"))
    # Around 0: float32 rounds predictions that differ by thousandths to less than their correlation shows.
    scores = write_tsv(
        folder / "scores.tsv",
        [(f"{s} {v} music", f"{len(s) - 9.6 + rng.random():.2f}") for s in SUBJECTS for v in VERBS[:4]],
        ("text", "score"),
    )
    tagged = folder / "tagged.jsonl"
    texts = [(f"{s} {v} {o}", [[0, len(s), "WHO"]]) for s in SUBJECTS for v in VERBS[:3] for o in OBJECTS[:2]]
    tagged.write_text("".join(json.dumps({"text": t, "entities": e}) + "\n" for t, e in texts))
    questions = folder / "questions.csv"
    rows = [f"who {v}?,{','.join(rng.sample(SUBJECTS, 3))},{rng.choice('ABC')}" for v in VERBS for _ in range(4)]
    questions.write_text("prompt,A,B,C,answer\n" + "\n".join(rows) + "\n")
    lines = folder / "lines.txt"
    lines.write_text("\n".join(f"{s} {v} {o}." for s in SUBJECTS for v in VERBS[:2] for o in OBJECTS[:3]) + "\n")
    asked: dict[str, dict[str, Any]] = {
        "classify": {"sentence1": "the cat sees music", "sentence2": "a dog likes music"},
        "regression": {"text": "the old man likes music"},
        "ner": {"text": "the old man likes music"},
        "choice": {"prompt": "who sees?", "A": "the cat", "B": "music"},
        "mlm": {"text": "the cat [MASK] music."},
    }
    files = dict(zip(TASKS, (pairs, scores, tagged, questions, lines), strict=True))
    found = {}
    for task, path in files.items():
        (folder / f"{task}.jsonl").write_text(json.dumps(asked[task]) + "\n")
        found[task] = (path, str(folder / f"{task}.jsonl"))
    return found


KEYS = {"classify": "label", "regression": "score", "ner": "entities", "choice": "label", "mlm": "masks"}


CLASSES = {"deberta": "DebertaV2", "longformer": "Longformer", "roberta": "Roberta", "electra": "Electra",
           "distilbert": "DistilBert", "modernbert": "ModernBert"}  # fmt: skip


def is_expressed(name: str, task: str) -> bool:
    """Whether classes of transformers have the head."""
    return name in ("bert", "kobert") or (name != "modernbert" and task in ("classify", "regression", "ner"))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_learns_every_task_and_answers_as_it_did(
    name: str, tokenizer: Tokenizer, sentences: list[str], tmp_path: Path
) -> None:
    hub_id = find_model(name).hub_id
    assert hub_id is not None
    files, lines = data(tmp_path), []
    for task in TASKS:
        train_file, asked = files[task]
        run = str(tmp_path / task)
        lines += [
            ["train", str(train_file), "--task", task, "--model", name, "--output", run, *FEW_STEPS],
            ["eval", run, "--split", "validation"],
            ["predict", run, asked],
            ["export", run, "--to", "transformers"],
            ["predict", f"{run}-transformers", asked],
        ]
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model(hub_id, repository(tmp_path / "repository", name, tokenizer, sentences))
        answers = commands(hub.url, tmp_path / "home", *lines)
    for task, (trained, scored, predicted, exported, again) in zip(
        TASKS, zip(*(answers[first::5] for first in range(5)), strict=True), strict=True
    ):
        assert (trained[0], scored[0], predicted[0]) == (0, 0, 0), (task, trained[2], scored[2], predicted[2])
        before, after = json.loads(trained[1])["metrics"], json.loads(scored[1])["metrics"]
        assert before == pytest.approx(after, rel=1e-4, abs=1e-5), task
        if is_expressed(name, task):
            assert (exported[0], again[0]) == (0, 0), (task, exported[2])
            assert json.loads(exported[1])["max_difference"] < 1e-5
            assert json.loads(again[1]) == json.loads(predicted[1])  # an export is read as a run is
        else:
            assert exported[0] == 3, exported
            assert f"class of {CLASSES[name]} has another head for {task}" in exported[2]
        record = json.loads(predicted[1])
        assert record["line"] == 1
        assert KEYS[task] in record
