"""Layers that see their neighbours only, in blocks: the same states as transformers', linear in the length."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from bertkit.models import sliding_attention
from bertkit.models.encoder import PretrainedEncoder
from bertkit.models.pretrained import build
from bertkit.models.registry import BuildOptions, find_model
from bertkit.models.sliding_attention import BLOCKS, use_sliding_attention
from tests.models import zoo

REACH, LENGTH = 6, 400


@pytest.fixture(scope="module", params=["modernbert", "ultrabert"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = {"layer_types": ["full_attention", "sliding_attention", "sliding_attention"], "num_hidden_layers": 3}
    if request.param == "modernbert":
        changes["local_attention"] = 2 * REACH
    else:
        changes["sliding_window"] = REACH
    made = zoo.save_tiny(
        request.param, tmp_path_factory.mktemp(request.param) / "model", max_position_embeddings=1024, **changes
    )
    config = transformers.AutoConfig.from_pretrained(made)
    assert config.sliding_window == REACH
    return made


def opened(folder: Path) -> PretrainedEncoder:
    return build(
        find_model(str(folder)), BuildOptions(zoo.SIZES["vocab_size"], 0, max_length=1024, with_pooler=False)
    ).eval()


def batch() -> tuple[Tensor, Tensor]:
    ids = torch.randint(5, 30, (3, LENGTH), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 131:] = 0
    mask[2, 3:] = 0
    return ids, mask


@pytest.mark.parametrize("block", [5, 64, 128])
@pytest.mark.parametrize("padded", [False, True])
def test_states_are_those_of_transformers(
    folder: Path, padded: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sliding_attention, "BLOCK", block)
    encoder, (ids, mask) = opened(folder), batch()
    reference = transformers.AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    given = mask if padded else None
    with torch.no_grad():
        own = encoder(ids, given, torch.zeros_like(ids))
        wanted = reference(input_ids=ids, attention_mask=given).last_hidden_state
    assert encoder.model.config._attn_implementation == BLOCKS
    text = mask.bool() if padded else torch.ones_like(mask, dtype=torch.bool)
    assert torch.allclose(own[text], wanted[text], atol=1e-5 * float(wanted.abs().max()))
    assert torch.isfinite(own).all()


def test_gradients_are_those_of_transformers(folder: Path) -> None:
    encoder, (ids, mask) = opened(folder), batch()
    reference = transformers.AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    states = (
        encoder(ids, mask, torch.zeros_like(ids)),
        reference(input_ids=ids, attention_mask=mask).last_hidden_state,
    )
    for found in states:
        (found[mask.bool()] ** 2).sum().backward()
    own, wanted = encoder.embeddings_weight.grad, reference.get_input_embeddings().weight.grad
    assert own is not None
    assert wanted is not None
    assert torch.allclose(own, wanted, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("padded", [False, True])
def test_a_long_row_goes_through_a_layer_in_pieces(folder: Path, padded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, (ids, mask) = opened(folder), batch()
    given = mask if padded else None
    text = mask.bool() if padded else torch.ones_like(mask, dtype=torch.bool)
    with torch.no_grad():
        whole = encoder(ids, given, torch.zeros_like(ids))
        monkeypatch.setattr(sliding_attention, "PIECE", 150)
        assert torch.allclose(encoder(ids, given, torch.zeros_like(ids))[text], whole[text], atol=1e-5)
        copied = copy.deepcopy(encoder)
        for weight in encoder.parameters():
            weight.mul_(2.0)
        # A copy computes with weights of its own.
        assert torch.allclose(copied(ids, given, torch.zeros_like(ids))[text], whole[text], atol=1e-5)


def test_short_rows_keep_transformers_own_kernel(folder: Path) -> None:
    encoder = opened(folder)
    ids = torch.randint(5, 30, (2, 4 * REACH))
    with torch.no_grad():
        encoder(ids, None, torch.zeros_like(ids))
    assert encoder.model.config._attn_implementation == "sdpa"


def test_the_first_token_alone_is_what_it_is_among_all(folder: Path) -> None:
    encoder, (ids, mask) = opened(folder), batch()
    with torch.no_grad():
        whole = encoder(ids, mask, torch.zeros_like(ids))
        first = encoder(ids, mask, torch.zeros_like(ids), first_only=True)
    assert torch.allclose(first, whole[:, :1], atol=1e-5 * float(whole.abs().max()))


def test_what_has_no_windows_is_left_alone(tmp_path: Path) -> None:
    model = transformers.AutoModel.from_pretrained(zoo.save_tiny("bert", tmp_path / "bert"))
    assert use_sliding_attention(model) is None
