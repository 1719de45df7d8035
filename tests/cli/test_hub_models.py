"""Models and data of the hub through the whole command line, against the stand-in hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from bertkit.models.pretrained import new_config
from bertkit.models.registry import BuildOptions
from bertkit.models.table import MODERNBERT
from bertkit.tokenization.base import Tokenizer
from tests.conftest import pair_rows, write_tsv
from tests.stand_in_hub import StandInHub, refused, run_client

BERT = "google-bert/bert-base-uncased"
CARD = """\
---
configs:
- config_name: mrpc
  data_files:
  - {split: train, path: mrpc/train.parquet}
  - {split: validation, path: mrpc/validation.parquet}
  - {split: test, path: mrpc/test.parquet}
dataset_info:
- config_name: mrpc
  features:
  - {name: sentence1, dtype: string}
  - {name: sentence2, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': not_equivalent, '1': equivalent}}}
---
"""
CLI = """
import json, sys
from typer.testing import CliRunner
from bertkit.cli.app import app
answers = []
for arguments in json.loads({arguments!r}):
    result = CliRunner().invoke(app, arguments)
    answers.append([result.exit_code, result.stdout, result.stderr])
print(json.dumps(answers))
"""


def commands(hub: str, home: Path, *lines: list[str]) -> list[tuple[int, str, str]]:
    """Run commands one after the other in a process that knows only this hub."""
    answer = run_client(CLI.format(arguments=json.dumps(lines)), hub, home, OMP_NUM_THREADS="1").answer
    return [tuple(one) for one in answer]


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A tiny random BERT with its tokenizer, as a hub repository holds one."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    transformers.BertModel(config).half().save_pretrained(folder)
    tokenizer.save(folder)
    return folder


@pytest.fixture(scope="module")
def mrpc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set repository in the shape of GLUE's MRPC."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("glue")
    (folder / "mrpc").mkdir()
    (folder / "README.md").write_text(CARD)
    for split, n in (("train", 200), ("validation", 40), ("test", 60)):
        rows = pair_rows(n, seed=n)
        columns = {
            "sentence1": [r[0] for r in rows],
            "sentence2": [r[1] for r in rows],
            "label": [int(r[2]) for r in rows],
        }
        pq.write_table(pa.table(columns), folder / "mrpc" / f"{split}.parquet")
    return folder


def test_from_the_hub_to_offline_use(tiny_bert: Path, mrpc: Path, tmp_path: Path) -> None:
    home, run = tmp_path / "home", str(tmp_path / "run")
    pairs = write_tsv(tmp_path / "rows.tsv", [r[:2] for r in pair_rows(5)], ("sentence1", "sentence2"))
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model(BERT, tiny_bert)
        hub.add_dataset("nyu-mll/glue", mrpc)
        trained, evaluated, missing = commands(
            hub.url,
            home,
            [
                "train",
                "mrpc",
                "--model",
                "bert",
                "--epochs",
                "2",
                "--lr",
                "1e-3",
                "--output",
                run,
                "--no-tensorboard",
            ],
            ["eval", run],
            ["train", "mrpc", "--model", "hf:nobody/nothing", "--output", str(tmp_path / "none")],
        )
    assert trained[0] == 0, trained
    assert json.loads(evaluated[1])["n"] == 60
    assert json.loads(evaluated[1])["split"] == "test"
    assert missing[0] == 3
    assert "nobody/nothing" in missing[2]
    assert not (tmp_path / "none").exists()

    predicted, cached = commands(
        refused(),
        home,
        ["predict", run, str(pairs)],
        [
            "train",
            "mrpc",
            "--model",
            "bert",
            "--epochs",
            "1",
            "--output",
            str(tmp_path / "again"),
            "--no-tensorboard",
        ],
    )
    assert predicted[0] == 0, predicted
    assert len(predicted[1].splitlines()) == 5
    assert cached[0] == 0, cached

    weights = transformers.AutoModelForSequenceClassification.from_pretrained(run)
    assert weights.dtype == torch.float32


def test_a_model_that_no_network_reaches(tmp_path: Path, pair_file: Path) -> None:
    ((code, out, err),) = commands(
        refused(), tmp_path / "home", ["train", str(pair_file), "--model", "kobert", "--output", str(tmp_path / "run")]
    )
    assert code == 3
    assert out == ""
    assert "monologg/kobert" in err.splitlines()[-1]
    assert "--model scratch" in err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_local_folder_is_a_model(tiny_bert: Path, tmp_path: Path, pair_file: Path) -> None:
    copy = tmp_path / "encoder"
    shutil.copytree(tiny_bert, copy)
    broken = tmp_path / "broken"
    shutil.copytree(tiny_bert, broken)
    (broken / "model.safetensors").unlink()
    run = str(tmp_path / "run")
    trained, without_weights = commands(
        refused(),
        tmp_path / "home",
        ["train", str(pair_file), "--model", str(copy), "--epochs", "1", "--output", run, "--no-tensorboard"],
        ["train", str(pair_file), "--model", str(broken), "--output", str(tmp_path / "none")],
    )
    assert trained[0] == 0, trained
    shutil.rmtree(copy)  # a run stands on its own
    (predicted,) = commands(refused(), tmp_path / "home", ["predict", run, str(pair_file)])
    assert predicted[0] == 0, predicted
    assert without_weights[0] == 3
    assert str(broken) in without_weights[2].splitlines()[-1]


def test_a_hub_encoder_of_no_row_is_read_by_its_own_config(
    tokenizer: Tokenizer, pair_file: Path, tmp_path: Path
) -> None:
    folder, home = tmp_path / "modern", tmp_path / "home"
    torch.manual_seed(0)
    options = BuildOptions(vocab_size=tokenizer.vocab_size, pad_id=0, max_length=2048, layers=1, hidden=32, heads=2)
    transformers.AutoModel.from_config(new_config("modernbert", options)).save_pretrained(folder)
    tokenizer.save(folder)
    train = ["train", str(pair_file), "--model", "hf:somebody/modern-tiny", "--dry-run", "--format", "json"]
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model("somebody/modern-tiny", folder)
        (code, out, err), longer = commands(
            hub.url, home, [*train, "--max-length", "2048"], [*train, "--max-length", "2049"]
        )
    assert code == 0, err
    values = json.loads(out)["config"]
    assert (values["max_length"], values["lr"], values["dropout"]) == (2048, MODERNBERT.lr, MODERNBERT.dropout)
    assert longer[0] == 2
    assert "reads at most 2,048 tokens" in longer[2] or "reads at most 2048 tokens" in longer[2]
