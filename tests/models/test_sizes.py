"""A model's folder is refused before anything is built of it, where its files do not go together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from bertkit.errors import ModelError
from bertkit.models.pretrained import build, new_config
from bertkit.models.registry import BuildOptions, find_model

OPTIONS = BuildOptions(vocab_size=60, pad_id=1, max_length=48, with_pooler=False, layers=2, hidden=32, heads=2)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    return transformers.AutoModel.from_config(new_config("bert", OPTIONS))


@pytest.fixture
def folder(model: Any, tmp_path: Path) -> Path:
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def opened(folder: Path) -> Any:
    return build(find_model(str(folder)), replace(OPTIONS, layers=None, hidden=None, heads=None))


def refused(folder: Path, said: str) -> None:
    began = time.process_time()
    with pytest.raises(ModelError) as caught:
        opened(folder)
    assert said in str(caught.value)
    assert str(folder) in str(caught.value)
    assert time.process_time() - began < 5


def describe(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def reweigh(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"num_hidden_layers": 10**12},
            "config.json: num_hidden_layers is 1000000000000, and encoders have from 1 to 1,000",
        ),
        ({"max_position_embeddings": 10**12}, "config.json: max_position_embeddings is 1000000000000"),
        ({"vocab_size": 16_000_000, "hidden_size": 1024}, "16,394,034,432 weights and its files have 30,"),
        ({"num_attention_heads": -2}, "num_attention_heads is -2, and encoders have from 1"),
        ({"layer_norm_eps": float("nan")}, "give vectors that are not numbers"),
        ({"hidden_act": "wishful"}, "holds no encoder"),
        ({"attn_implementation": 3}, "holds no encoder"),
    ],
)
def test_a_config_that_lies_costs_neither_time_nor_memory(folder: Path, changes: dict[str, Any], said: str) -> None:
    describe(folder, **changes)
    refused(folder, said)


def test_weights_that_are_no_numbers_are_refused(folder: Path) -> None:
    reweigh(folder, lambda weights: weights["encoder.layer.1.output.dense.bias"].fill_(float("nan")))
    refused(folder, "in encoder.layer.1.output.dense.bias")


def test_shards_are_counted_together(model: Any, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="30KB")
    index = folder / "model.safetensors.index.json"
    assert index.is_file()
    assert opened(folder).hidden_size == 32
    describe(folder, vocab_size=16_000_000, hidden_size=1024)
    refused(folder, "weights and its files have")
    for named, said in (
        ({}, "names no file"),
        ({"w": "../other.safetensors"}, "names '../other"),
        ([], "weight_map is"),
    ):
        index.write_text(json.dumps({"weight_map": named}))
        refused(folder, said)


def test_torchs_own_files_are_bounded_by_their_size(model: Any, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    assert opened(folder).hidden_size == 32
    describe(folder, vocab_size=16_000_000, hidden_size=1024)
    refused(folder, "weights and its files have")


def test_chunks_do_not_bound_the_length_of_rows(folder: Path) -> None:
    describe(folder, chunk_size_feed_forward=3)
    ids = torch.arange(7).unsqueeze(0)
    assert opened(folder)(ids, None, torch.zeros_like(ids)).shape == (1, 7, 32)
