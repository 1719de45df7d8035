"""The weights that are shown are those a model uses: times the values they give what its attention gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bertkit.errors import ModelError
from bertkit.models import encoder as encoder_module
from bertkit.models.attention_weights import attention_of
from bertkit.models.heads import Encoder
from bertkit.models.registry import BuildOptions, find_model, load_target
from tests.models import zoo

OPTIONS = BuildOptions(60, pad_id=1, max_length=64, from_nothing=True, layers=2, hidden=32, heads=4, with_pooler=False)
OWN = {
    "full": {},
    "window": {"window": 4},
    "dilated": {"window": 4, "dilation": 3},
    "first": {"attention": "global", "window": 4, "global_tokens": "first"},
    "columns": {"attention": "global", "window": 4, "global_tokens": "columns"},
    "disentangled": {"distances": 5},
    "buckets": {"attention": "disentangled", "buckets": 6},
}
REFERENCE = ("bert", "roberta", "deberta", "deberta-base", "longformer", "modernbert", "eurobert", "distilbert")
# What the modules that make values are called.
VALUES = ("value", "value_proj", "v_proj", "v_lin")


def built(name: str, **changes: Any) -> Encoder:
    torch.manual_seed(0)
    spec = find_model(name)
    encoder = load_target(spec.builder)(spec, replace(OPTIONS, **changes))
    for weight in encoder.parameters():  # first weights look at all alike
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)
    return encoder.eval()


def text(length: int = 23) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 60, (1, length), generator=torch.Generator().manual_seed(length))
    ids[0, ::7] = 0  # the separator of scratch's options
    return ids, torch.zeros_like(ids)


def mixed_and_values(encoder: Encoder, inputs: tuple[torch.Tensor, torch.Tensor]) -> list[tuple[torch.Tensor, Any]]:
    """What each attention gives out before its last projection, and its values by head."""
    found: list[tuple[torch.Tensor, Any]] = []
    values: list[torch.Tensor] = []
    hooks = []
    for layer in encoder.layers:
        for name, part in layer.named_modules():
            last = name.rpartition(".")[2]
            if last in VALUES:
                hooks.append(part.register_forward_hook(lambda _, __, out: values.append(out)))
            if name in ("attention.output.dense", "self_attn.o_proj", "attention.out_lin"):
                hooks.append(part.register_forward_hook(lambda _, given, __: found.append((given[0], values.pop()))))
    with torch.no_grad():
        encoder(inputs[0], None, inputs[1])
    for hook in hooks:
        hook.remove()
    return found


def by_head(x: torch.Tensor) -> torch.Tensor:
    return x.view(x.shape[1], 4, -1).transpose(0, 1)


@pytest.mark.parametrize("kind", OWN)
def test_own_encoders(kind: str) -> None:
    encoder = built("scratch", **{"attention": kind, **OWN[kind]})
    inputs = text()
    shown = attention_of(encoder, *inputs, "scratch")
    for layer, (mixed, values) in zip(shown, mixed_and_values(encoder, inputs), strict=True):
        expected = (layer.weights @ by_head(values)).transpose(0, 1).flatten(1)
        own = torch.ones(23, dtype=torch.bool)
        if kind in ("first", "columns"):  # what global tokens mix has values of its own
            own = ~(encoder.marks(inputs[0], None)[0] == 2)  # type: ignore[attr-defined]
        torch.testing.assert_close(expected[own], mixed[0][own], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(layer.weights.sum(-1), torch.ones(4, 23))
        assert not layer.weights[~layer.allowed].any()
        assert (layer.parts is not None) == (kind in ("disentangled", "buckets"))
        if layer.parts is not None:
            torch.testing.assert_close(layer.parts.sum(0).softmax(-1), layer.weights, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta", "longformer", "distilbert"])
def test_encoders_of_transformers(name: str) -> None:
    encoder, inputs = built(name, pad_id=1), text()
    shown = attention_of(encoder, *inputs, name)
    found = mixed_and_values(encoder, inputs)
    assert len(found) == len(shown) == 2
    for layer, (mixed, values) in zip(shown, found, strict=True):
        expected = (layer.weights @ by_head(values)).transpose(0, 1).flatten(1)
        first = 1 if name == "longformer" else 0  # its global token has values of its own
        torch.testing.assert_close(expected[first:], mixed[0][first:], atol=1e-5, rtol=1e-5)
        assert (layer.parts is not None) == (name == "deberta")
        if layer.parts is not None:
            torch.testing.assert_close(layer.parts.sum(0).softmax(-1), layer.weights, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", REFERENCE)
def test_looking_changes_nothing(name: str) -> None:
    encoder, inputs = built(name), text()
    with torch.no_grad():
        before = encoder(inputs[0], None, inputs[1])
        shown = attention_of(encoder, *inputs, name)
        torch.testing.assert_close(encoder(inputs[0], None, inputs[1]), before, atol=0, rtol=0)
    assert all(layer.weights.shape == (4, 23, 23) for layer in shown)
    assert all(not layer.weights[~layer.allowed].any() for layer in shown)


def test_windows_of_modernbert_are_its_pattern() -> None:
    spec = find_model("modernbert")
    torch.manual_seed(0)
    encoder = load_target(spec.builder)(spec, replace(OPTIONS, layers=4, max_length=300)).eval()
    shown = attention_of(encoder, *text(200), "modernbert")
    patterns = {bool(layer.allowed.all()) for layer in shown}
    assert patterns == {True, False}
    for layer in shown:
        torch.testing.assert_close(layer.weights.sum(-1), torch.ones(4, 200))
        assert not layer.weights[~layer.allowed].any()


def test_what_cannot_be_looked_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = built("bert")
    monkeypatch.setattr("bertkit.models.attention_weights._shown", lambda *_: ())
    assert isinstance(encoder, encoder_module.PretrainedEncoder)
    with pytest.raises(ModelError, match="x: transformers does not return the attention of a bert; take another model"):
        attention_of(encoder, *text(), "x")
    with pytest.raises(ModelError, match="computed by another engine"):
        attention_of(torch.nn.Linear(1, 1), *text(), "x")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["fnet", "squeezebert", "xlnet", "albert"])
def test_other_architectures_show_shares_or_say_that_they_do_not(kind: str, tmp_path: Path) -> None:
    spec = find_model(str(zoo.save_tiny(kind, tmp_path / "model")))
    encoder = load_target(spec.builder)(spec, BuildOptions(zoo.SIZES["vocab_size"], 0, with_pooler=False)).eval()
    ids = torch.arange(5, 16)[None]
    with torch.no_grad():
        before = encoder(ids, None, torch.zeros_like(ids))
    if kind in ("fnet", "squeezebert"):  # no attention at all; scores instead of shares
        with pytest.raises(ModelError, match=f"transformers does not return the attention of a {kind}"):
            attention_of(encoder, ids, torch.zeros_like(ids), "x")
    else:
        for layer in attention_of(encoder, ids, torch.zeros_like(ids), "x"):
            torch.testing.assert_close(layer.weights.sum(-1), torch.ones(4, 11))
    with torch.no_grad():
        torch.testing.assert_close(encoder(ids, None, torch.zeros_like(ids)), before, atol=0, rtol=0)


def test_no_weights_are_computed_when_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("weights were computed")

    monkeypatch.setattr(torch.Tensor, "softmax", fail)
    monkeypatch.setattr(torch.nn.functional, "softmax", fail)
    for kind, changes in OWN.items():
        encoder = built("scratch", **{"attention": kind, **changes})
        with torch.no_grad():
            encoder(text()[0], None, text()[1])
