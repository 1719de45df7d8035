"""Every type of encoder that transformers has a classifier for, tiny, beside its own AutoModel."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from bertkit.errors import ModelError
from bertkit.models.encoder import PretrainedEncoder
from bertkit.models.pretrained import build, rebuild
from bertkit.models.registry import BuildOptions, find_model
from tests.models import zoo

# Kinds of attention, of positions and of padding that differ; `make slow` tries the others.
ALWAYS = (
    "bert",
    "xlm-roberta",
    "deberta-v2",
    "modernbert",
    "xlm",
    "fnet",
    "convbert",
    "big_bird",
    "squeezebert",
    "gte",
)
KINDS = [pytest.param(kind, marks=() if kind in ALWAYS else pytest.mark.slow) for kind in zoo.encoders()]
REFUSED = {
    "mra": "its first token does not see the last one",
    "reformer": "its states are 64 wide and its config.json says 32",
}
LEAKING = {"convbert", "fnet", "funnel", "mobilebert", "nystromformer", "yoso"}


def opened(folder: Path) -> PretrainedEncoder:
    spec = find_model(str(folder))
    vocab_size = zoo.SIZES["vocab_size"]
    return build(spec, BuildOptions(vocab_size, 0, max_length=spec.max_length, with_pooler=False)).eval()


def rows(length: int) -> Tensor:
    return torch.tensor([[2, *(5 + (i * step) % 20 for i in range(length - 2)), 3] for step in (1, 3)])


def reference(folder: Path, encoder: PretrainedEncoder, ids: Tensor, types: Tensor) -> Tensor:
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = {"input_ids": ids}
    if encoder.segments > 1 and "token_type_ids" in inspect.signature(model.forward).parameters:
        inputs["token_type_ids"] = types
    if model.config.model_type == "longformer":
        inputs["global_attention_mask"] = torch.zeros_like(ids)
        inputs["global_attention_mask"][:, 0] = 1
    if model.config.model_type == "big_bird":
        model.set_attention_type("original_full")
    with torch.no_grad():
        found: Tensor = model(**inputs).last_hidden_state
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_those_of_transformers_and_no_row_depends_on_another(kind: str, tmp_path: Path) -> None:
    folder = zoo.save_tiny(kind, tmp_path / "model")
    if kind in REFUSED:
        with pytest.raises(ModelError, match=REFUSED[kind]):
            opened(folder)
        return
    encoder = opened(folder)
    assert encoder.keeps_padding_out == (kind not in LEAKING)
    limit = min(find_model(str(folder)).max_length, zoo.LENGTH)
    for length in (7, 22, limit):  # a row at the limit of length too
        ids = rows(length)
        types = torch.zeros_like(ids)
        types[:, length // 2 :] = 1
        with torch.no_grad():
            states = encoder(ids, None, types)
        scale = float(states.abs().max())
        assert torch.allclose(states, reference(folder, encoder, ids, types), atol=1e-5 * scale)
    short = torch.tensor([[2, 9, 8, 7, 3]])
    both = torch.cat([rows(22)[:1], torch.nn.functional.pad(short, (0, 17))])
    mask = (both != 0).long()
    with torch.no_grad():
        alone = encoder(short, None, torch.zeros_like(short))
        beside = encoder(both, mask, torch.zeros_like(both))
    assert torch.allclose(alone[0], beside[1, :5], atol=1e-5 * float(alone.abs().max()))


def test_what_leaks_is_stored_in_a_run(tmp_path: Path) -> None:
    encoder = opened(zoo.save_tiny("fnet", tmp_path / "model"))
    again = rebuild(json.loads(json.dumps(encoder.transformers_config())), with_pooler=False)
    assert not again.keeps_padding_out
    assert rebuild(
        opened(zoo.save_tiny("bert", tmp_path / "b")).transformers_config(), with_pooler=False
    ).keeps_padding_out


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen3", "modernbert-decoder", "t5", "bart"])
def test_what_writes_is_refused_before_its_weights_are_looked_at(kind: str, tmp_path: Path) -> None:
    config = transformers.AutoConfig.for_model(kind)
    config.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"never opened")
    with pytest.raises(ModelError, match=f"is a {kind}.*bertkit needs an encoder"):
        opened(tmp_path)


@pytest.mark.parametrize("kind", ["perceiver", "canine"])
def test_what_has_no_vocabulary_of_tokens_is_refused(kind: str, tmp_path: Path) -> None:
    transformers.AutoConfig.for_model(kind).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"never opened")
    with pytest.raises(ModelError):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("kind", "auto_map", "said"),
    [
        ("neobert", True, "neobert, comes as Python code of its own"),
        ("lfm2", True, "lfm2, comes as Python code of its own"),  # transformers has a decoder of that name
        ("neobert", False, "is a neobert, and transformers .* has no such model"),
    ],
)
def test_what_comes_as_code_or_is_unknown_is_refused_in_a_sentence(
    kind: str, auto_map: bool, said: str, tmp_path: Path
) -> None:
    values: dict[str, object] = {"model_type": kind, "hidden_size": 32}
    if auto_map:
        values["auto_map"] = {"AutoConfig": "configuration_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    (tmp_path / "config.json").write_text(json.dumps(values))
    (tmp_path / "model.safetensors").write_bytes(b"never opened")
    with pytest.raises(ModelError, match=said):
        opened(tmp_path)


def test_positions_that_a_long_batch_turns_are_read_in_rows_of_equal_length(tmp_path: Path) -> None:
    turned = {"rope_type": "longrope", "long_factor": [2.0] * 4, "short_factor": [1.0] * 4, "rope_theta": 100.0,
              "original_max_position_embeddings": 16, "factor": 4.0}  # fmt: skip
    encoder = opened(zoo.save_tiny("eurobert", tmp_path / "model", rope_parameters=turned))
    assert not encoder.keeps_padding_out
    short, long = torch.tensor([[2, 9, 8, 7, 3]]), rows(40)[:1]
    both = torch.cat([long, torch.nn.functional.pad(short, (0, 35))])
    with torch.no_grad():
        alone = encoder(short, None, torch.zeros_like(short))
        beside = encoder(both, (both != 0).long(), torch.zeros_like(both))
    assert torch.allclose(alone[0], beside[1, :5], atol=1e-5)


def test_a_config_that_leaves_its_length_out_has_that_of_its_type(tmp_path: Path) -> None:
    for kind, length in (("modernbert", 8192), ("xlnet", 512)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "config.json").write_text(json.dumps({"model_type": kind}))
        assert find_model(str(tmp_path / kind)).max_length == length


def test_layers_that_see_no_further_than_a_narrow_window_are_no_decoder(tmp_path: Path) -> None:
    narrow = {"local_attention": 4, "layer_types": ["sliding_attention"] * 2}
    assert opened(zoo.save_tiny("modernbert", tmp_path / "model", **narrow)).keeps_padding_out
