"""The kernel of attention: a function of the shape, and the same numbers whichever it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bertkit.models import encoder as encoder_module
from bertkit.models.encoder import FUSED, PLAIN, SHORT_ROW, SMALL_BATCH, PretrainedEncoder, attention_kernel
from bertkit.models.pretrained import build
from bertkit.models.registry import BuildOptions, find_model

OPTIONS = BuildOptions(
    vocab_size=60, pad_id=1, max_length=256, dropout=0.0, with_pooler=False, from_nothing=True, layers=2, hidden=32,
    heads=2,
)  # fmt: skip
BOTH = ("bert", "electra", "roberta", "distilbert", "modernbert")
ONE = ("deberta", "deberta-base", "longformer")


@pytest.fixture
def fused_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every call of torch's fused kernel."""
    calls: list[int] = []
    honest = functional.scaled_dot_product_attention

    def counting(*arguments: object, **named: object) -> Tensor:
        calls.append(1)
        return honest(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counting)
    return calls


def encoder_of(model: str, **changes: object) -> PretrainedEncoder:
    torch.manual_seed(0)
    return build(find_model(model), replace(OPTIONS, **changes))


def rows(count: int = 3, tokens: int = 20) -> dict[str, Tensor]:
    """Rows of which all but the first are padded."""
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(count, tokens, dtype=torch.long)
    mask[1:, tokens - 5 :] = 0
    ids = torch.randint(3, 60, mask.shape, generator=generator) * mask + (1 - mask)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


@pytest.mark.parametrize(
    ("count", "tokens", "kernel"),
    [
        (32, 56, PLAIN),
        (1, SHORT_ROW - 1, PLAIN),
        (1, SHORT_ROW, FUSED),
        (32, 512, FUSED),
        (SMALL_BATCH // 64, 64, PLAIN),
        (SMALL_BATCH // 64 + 1, 64, FUSED),
    ],
)
def test_short_rows_in_training_on_a_cpu_are_computed_plainly(count: int, tokens: int, kernel: str) -> None:
    assert attention_kernel(count, tokens, training=True, device="cpu") == kernel
    assert attention_kernel(count, tokens, training=False, device="cpu") == FUSED
    assert attention_kernel(count, tokens, training=True, device="cuda") == FUSED


@pytest.mark.parametrize("model", BOTH)
def test_both_kernels_give_the_same_numbers_and_gradients(
    model: str, monkeypatch: pytest.MonkeyPatch, fused_calls: list[int]
) -> None:
    found: dict[str, tuple[Tensor, list[Tensor]]] = {}
    for kernel in (PLAIN, FUSED):
        encoder, batch = encoder_of(model).train(), rows()
        monkeypatch.setattr(encoder_module, "attention_kernel", lambda *_, kernel=kernel, **__: kernel)
        fused_calls.clear()
        hidden = encoder(**batch)[batch["attention_mask"].bool()]
        hidden.square().sum().backward()
        assert len(fused_calls) == (2 if kernel == FUSED else 0)
        found[kernel] = hidden, [w.grad for w in encoder.parameters() if w.grad is not None]
    torch.testing.assert_close(found[PLAIN][0], found[FUSED][0], atol=1e-5, rtol=1e-5)
    assert len(found[PLAIN][1]) == len(found[FUSED][1]) > 10
    for plain, fused in zip(found[PLAIN][1], found[FUSED][1], strict=True):
        torch.testing.assert_close(plain, fused, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("model", BOTH)
def test_the_kernel_follows_each_batch(model: str, fused_calls: list[int]) -> None:
    encoder = encoder_of(model).train()

    def calls(run: Callable[[], object]) -> int:
        fused_calls.clear()
        run()
        return len(fused_calls)

    assert calls(lambda: encoder(**rows())) == 0
    assert calls(lambda: encoder(**rows(tokens=SHORT_ROW))) == 2
    assert calls(lambda: encoder(**rows())) == 0
    with torch.inference_mode():
        assert calls(lambda: encoder(**rows())) == 2
        encoder.eval()
        assert calls(lambda: encoder(**rows())) == 2


@pytest.mark.parametrize("model", ONE)
def test_architectures_with_attention_of_their_own_keep_it(model: str) -> None:
    encoder = encoder_of(model).train()
    kernel = encoder.model.config._attn_implementation
    for tokens in (20, SHORT_ROW):
        encoder(**rows(tokens=tokens))
        assert encoder.model.config._attn_implementation == kernel
    assert encoder._kernel is None


@pytest.mark.parametrize("model", [*BOTH, *ONE])
def test_dropout_never_reaches_attention(model: str) -> None:
    encoder = encoder_of(model, dropout=0.5)
    config = encoder.model.config
    assert max(getattr(config, name, 0.0) for name in ("attention_probs_dropout_prob", "attention_dropout")) == 0.0
    assert 0.5 in [getattr(config, name, None) for name in ("hidden_dropout_prob", "dropout", "mlp_dropout")]


def test_a_saved_config_says_nothing_of_the_kernel() -> None:
    encoder = encoder_of("bert").train()
    before = encoder.transformers_config()
    encoder(**rows())
    assert encoder.transformers_config() == before
    assert not any("attn_implementation" in name for name in before)
