"""Longformer's attention in blocks: what transformers computes, in pieces that do not grow with the row."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from bertkit.models.local_attention import use_local_attention

VOCABULARY, WIDTH, HEADS, PAD, POSITIONS = 60, 32, 2, 1, 1300
REACHES = {"rising": (15, 75), "falling": (75, 25)}  # of each layer


def models(*reaches: int, dropout: float = 0.0) -> tuple[Any, Any]:
    """Two models of the same weights: as transformers has it, and in blocks."""
    from transformers import LongformerConfig, LongformerModel

    torch.manual_seed(0)
    config = LongformerConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_hidden_layers=len(reaches), num_attention_heads=HEADS,
        intermediate_size=WIDTH, attention_window=[2 * reach for reach in reaches], max_position_embeddings=POSITIONS,
        attention_probs_dropout_prob=dropout, hidden_dropout_prob=0.0, pad_token_id=PAD, type_vocab_size=1,
        initializer_range=0.3,  # so that attention is far from uniform
    )  # fmt: skip
    reference = LongformerModel(config, add_pooling_layer=False)
    ours = deepcopy(reference)
    use_local_attention(ours)
    return reference, ours


def batch(length: int, texts: tuple[int, ...], seen_by_all: tuple[tuple[int, ...], ...]) -> dict[str, Tensor]:
    """Rows of `length` tokens; of each, how many are text, and the places of the global ones."""
    mask = (torch.arange(length) < torch.tensor(texts)[:, None]).long()
    of_all = torch.zeros_like(mask)
    for row, places in zip(of_all, seen_by_all, strict=True):
        row[list(places)] = 1
    ids = torch.randint(PAD + 1, VOCABULARY, mask.shape, generator=torch.Generator().manual_seed(length))
    return {"input_ids": ids * mask + PAD * (1 - mask), "attention_mask": mask, "global_attention_mask": of_all}


BATCHES = {
    "shorter than the reach": batch(8, (8, 5), ((0,), (0, 4))),
    "as long as the reach and itself": batch(76, (76, 76), ((0,), (3, 75))),
    "one more": batch(78, (77, 78), ((0,), (3, 77))),
    "not a multiple": batch(202, (202, 201), ((0,), (0,))),
    "long and padded": batch(560, (560, 300, 1), ((0,), (0,), (0,))),
    "none global": batch(202, (202, 97), ((), ())),
    "other global ones per row": batch(202, (202, 120, 140), ((0, 1, 2, 75, 201), (), (139,))),
    "many global ones": batch(202, (202, 202), (tuple(range(40, 120)), (0,))),
    "a row of padding": batch(202, (202, 0), ((0, 30), ())),
    "a short row of padding": batch(8, (8, 0), ((0,), ())),
    "nothing but padding": batch(202, (0,), ((),)),
}


def hidden(model: Any, rows: dict[str, Tensor]) -> Tensor:
    states: Tensor = model(**rows).last_hidden_state
    return states


def gradients(model: Any, rows: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of a loss over all tokens, padding too."""
    model.zero_grad()
    states = hidden(model, rows)
    directions = torch.randn(states.shape, generator=torch.Generator().manual_seed(2))
    (states * directions).sum(-1).mean().backward()
    return {name: torch.zeros_like(w) if w.grad is None else w.grad.clone() for name, w in model.named_parameters()}


@pytest.mark.parametrize("rows", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("reaches", REACHES.values(), ids=REACHES)
def test_hidden_states_and_gradients_are_those_of_transformers(
    reaches: tuple[int, ...], rows: dict[str, Tensor]
) -> None:
    reference, ours = models(*reaches)
    expected, expected_gradients = hidden(reference, rows), gradients(reference, rows)
    torch.testing.assert_close(hidden(ours, rows), expected, atol=1e-5, rtol=1e-5)
    for name, gradient in gradients(ours, rows).items():
        torch.testing.assert_close(gradient, expected_gradients[name], atol=1e-4, rtol=1e-4, msg=name)


def test_every_weight_learns() -> None:
    _, ours = models(16, 16)
    of_attention = {n: g for n, g in gradients(ours, BATCHES["not a multiple"]).items() if ".attention.self." in n}
    # The bias of keys moves all scores of a query alike, and so no share.
    still = {name for name, gradient in of_attention.items() if gradient.abs().max() < 1e-5}
    assert len(of_attention) == 24
    assert {name.split(".", 5)[5] for name in still} == {"key.bias", "key_global.bias"}


def test_a_token_sees_as_far_as_the_reach_and_no_farther() -> None:
    _, ours = models(16)
    rows = batch(400, (400,), ((),))
    moved = {**rows, "input_ids": rows["input_ids"].clone()}
    moved["input_ids"][0, 200] = PAD + 1 + (moved["input_ids"][0, 200] - PAD) % (VOCABULARY - PAD - 1)
    with torch.inference_mode():
        changed = (hidden(ours, rows) - hidden(ours, moved)).abs().amax(-1)[0].nonzero().flatten()
    assert changed.tolist() == list(range(184, 217))


@pytest.mark.parametrize("name", ["not a multiple", "other global ones per row", "a row of padding"])
def test_half_precision_is_as_close_as_that_of_transformers(name: str) -> None:
    reference, ours = models(16, 16)
    exact = hidden(reference, BATCHES[name]).detach()
    with torch.autocast("cpu", torch.bfloat16):
        errors = [(hidden(model, BATCHES[name]).float() - exact).abs().mean() for model in (ours, reference)]
        found = gradients(ours, BATCHES[name])
    assert errors[0] < 1.2 * errors[1]
    assert all(gradient.isfinite().all() for gradient in found.values())


def test_dropout_is_for_training_only() -> None:
    reference, ours = models(16, 16, dropout=0.5)
    rows = BATCHES["not a multiple"]
    ours.train()
    assert not torch.allclose(hidden(ours, rows), hidden(ours, rows))
    torch.testing.assert_close(hidden(ours.eval(), rows), hidden(reference.eval(), rows), atol=1e-5, rtol=1e-5)


def test_a_copy_computes_with_its_own_weights() -> None:
    reference, ours = models(16, 16)
    use_local_attention(ours)  # once more changes nothing
    copy, rows = deepcopy(ours), BATCHES["not a multiple"]
    assert copy.state_dict().keys() == reference.state_dict().keys()
    kinds = {type(model.encoder.layer[layer].attention.self) for model in (ours, copy) for layer in (0, 1)}
    assert len(kinds) == 1
    before = hidden(ours, rows)
    with torch.no_grad():
        for weight in copy.encoder.layer[1].parameters():
            weight.zero_()
    assert torch.equal(hidden(ours, rows), before)
    assert not hidden(copy, rows).any()


@pytest.mark.parametrize("asked", [{"output_attentions": True}, {"output_hidden_states": True}, {"return_dict": False}])
def test_who_asks_for_more_gets_all_that_transformers_gives(asked: dict[str, bool]) -> None:
    reference, ours = models(16, 16)
    expected, found = (model(**BATCHES["not a multiple"], **asked) for model in (reference, ours))
    assert len(found) == len(expected)
    for ours_, reference_ in zip(
        *(x if isinstance(x, tuple) else x.to_tuple() for x in (found, expected)), strict=True
    ):
        torch.testing.assert_close(ours_, reference_, atol=1e-5, rtol=1e-5)


def test_masks_may_be_left_out_and_the_pooler_stays() -> None:
    from transformers import LongformerModel

    reference, _ = models(16)
    reference = LongformerModel(reference.config)
    ours, ids = deepcopy(reference), BATCHES["not a multiple"]["input_ids"]
    use_local_attention(ours)
    for name in ("last_hidden_state", "pooler_output"):
        torch.testing.assert_close(ours(ids)[name], reference(ids)[name], atol=1e-5, rtol=1e-5)
    assert type(ours).__name__ == "LongformerModel"


def scores(model: Any, length: int) -> list[int]:
    """How many each call of the kernel computes, for every head."""
    counts: list[int] = []
    honest = functional.scaled_dot_product_attention

    def counted(query: Tensor, key: Tensor, *rest: Any, **named: Any) -> Tensor:
        counts.append(query.shape[2] * key.shape[2])
        return honest(query, key, *rest, **named)

    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(functional, "scaled_dot_product_attention", counted)
        hidden(model, batch(length, (length,), ((0,),)))
    return counts


def test_the_largest_block_of_scores_does_not_grow_with_the_row() -> None:
    _, ours = models(16)
    few, many = scores(ours, 320), scores(ours, 1280)
    assert max(few) == max(many)
    assert sum(many) < 4.5 * sum(few)


class Sizes(TorchDispatchMode):
    """Sees how many numbers the largest tensor holds that is written."""

    largest = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, Tensor):
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // tensor.itemsize)
        return made


def largest_tensor(model: Any, length: int) -> int:
    with torch.inference_mode(), Sizes() as sizes:
        hidden(model, batch(length, (length,), ((0,),)))
    return sizes.largest


def test_no_tensor_grows_faster_than_the_row() -> None:
    reference, ours = models(16)
    assert largest_tensor(reference, 1280) > 3 * largest_tensor(reference, 640)  # so that the test can fail
    assert largest_tensor(ours, 1280) <= 2 * largest_tensor(ours, 640)
