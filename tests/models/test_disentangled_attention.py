"""DeBERTa's attention computed our way: transformers' results, gradients, weights and options."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from bertkit.models import disentangled_attention
from bertkit.models.disentangled_attention import use_disentangled_attention

BOTH = ["c2p", "p2c"]


def model_of(**options: Any) -> Any:
    from transformers import DebertaV2Config, DebertaV2Model

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
    usual = {"relative_attention": True, "position_buckets": 8, "pos_att_type": BOTH, "share_att_key": True}
    rest = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.2}
    rest |= {
        "vocab_size": 50,
        "max_position_embeddings": 32,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
    }
    return DebertaV2Model(DebertaV2Config(**{**shape, **usual, **rest, **options})).eval()


def pair_of(**options: Any) -> tuple[Any, Any]:
    reference = model_of(**options)
    ours = deepcopy(reference)
    use_disentangled_attention(ours)
    return reference, ours


def batch(tokens: int, rows: int = 3) -> dict[str, Tensor]:
    ids = torch.randint(1, 50, (rows, tokens), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, tokens - tokens // 3 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def text_of(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    hidden: Tensor = model(**inputs).last_hidden_state
    assert hidden.isfinite().all()
    return hidden[inputs["attention_mask"].bool()]


@pytest.mark.parametrize("terms", [BOTH, ["c2p"], ["p2c"]], ids="+".join)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("block", [128, 7])
def test_states_and_gradients_are_those_of_transformers(
    monkeypatch: pytest.MonkeyPatch, terms: list[str], shared: bool, block: int
) -> None:
    monkeypatch.setattr(disentangled_attention, "BLOCK", block)
    reference, ours = pair_of(pos_att_type=terms, share_att_key=shared)
    assert list(ours.state_dict()) == list(reference.state_dict())
    for tokens in (1, 2, 5, 64):
        inputs = batch(tokens)
        with torch.inference_mode():
            torch.testing.assert_close(text_of(ours, inputs), text_of(reference, inputs), atol=1e-4, rtol=1e-4)
        for model in (reference, ours):
            model.zero_grad()
            text_of(model, inputs).pow(3).mean().backward()
        for (name, own), other in zip(ours.named_parameters(), reference.parameters(), strict=True):
            assert (own.grad is None) == (other.grad is None), name
            if own.grad is not None:
                torch.testing.assert_close(own.grad, other.grad, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize(("buckets", "furthest"), [(8, 32), (256, 512), (32, 100)])
def test_each_distance_takes_the_row_that_transformers_gathers(buckets: int, furthest: int) -> None:
    from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

    length = 600
    some = torch.empty(length, 1)
    expected = build_relative_position(some, some, buckets, furthest)[0].add(buckets).clamp(0, 2 * buckets - 1)
    first, stop, index = disentangled_attention._rows_of_distances(length, buckets, furthest, some.device)
    rows = index + first
    assert torch.equal(rows[length:-1], expected[:, 0])
    assert torch.equal(rows[1 : length + 1].flip(0), expected[0])
    assert (first, stop) == (int(rows.min()), int(rows.max()) + 1)


def test_a_large_batch_is_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, ours = pair_of()
    inputs = batch(20, rows=5)
    monkeypatch.setattr(disentangled_attention, "AT_A_TIME", 40)
    torch.testing.assert_close(text_of(ours, inputs), text_of(reference, inputs), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_under_autocast_results_are_close_and_finite(training: bool) -> None:
    reference, ours = pair_of()
    inputs = batch(40)
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(training):
        found = text_of(ours, inputs)
    assert (found.float() - text_of(reference, inputs)).abs().mean() < 0.05


def test_dropout_of_attention_is_honoured() -> None:
    _, ours = pair_of(attention_probs_dropout_prob=0.5)
    still = text_of(ours, batch(9))
    assert torch.equal(still, text_of(ours, batch(9)))
    assert not torch.allclose(still, text_of(ours.train(), batch(9)))


def test_copies_have_weights_of_their_own() -> None:
    _, ours = pair_of()
    before = text_of(ours, batch(9))
    copied = deepcopy(ours)
    for weight in copied.parameters():
        weight.data.zero_()
    assert torch.equal(text_of(ours, batch(9)), before)
    assert not torch.allclose(text_of(copied, batch(9)), before)


def test_asking_twice_changes_nothing_more() -> None:
    _, ours = pair_of()
    kinds = [type(module) for module in ours.modules()]
    use_disentangled_attention(ours)
    assert [type(module) for module in ours.modules()] == kinds


def test_probabilities_and_given_positions_go_to_transformers() -> None:
    reference, ours = pair_of()
    own, other = (model(**batch(9), output_attentions=True) for model in (ours, reference))
    torch.testing.assert_close(own.attentions, other.attentions)
    states, mask = torch.randn(3, 9, 32), torch.ones(3, 9)
    for given in ({"relative_pos": torch.zeros(1, 9, 9, dtype=torch.long)}, {"query_states": torch.randn(3, 9, 32)}):
        results = [model.encoder(states, mask, **given).last_hidden_state for model in (ours, reference)]
        torch.testing.assert_close(*results)


@pytest.mark.parametrize("options", [{"relative_attention": False}, {"position_buckets": -1}, {"pos_att_type": []}])
def test_models_of_other_kinds_keep_their_classes(options: dict[str, Any]) -> None:
    reference, ours = pair_of(**options)
    assert [type(module) for module in ours.modules()] == [type(module) for module in reference.modules()]


def test_deberta_v1_keeps_its_classes() -> None:
    from transformers import DebertaConfig, DebertaModel

    shape = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = DebertaModel(DebertaConfig(**shape, relative_attention=True, pos_att_type=BOTH))
    kinds = [type(module) for module in model.modules()]
    use_disentangled_attention(model)
    assert [type(module) for module in model.modules()] == kinds
