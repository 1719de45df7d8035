"""Windows, dilated windows and global tokens, against dense attention and against transformers' Longformer."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import transformers

from bertkit.models.longformer import Heads, LongformerConfig, LongformerModel, LongformerSelfAttention, attend, gaps_of

CONFIG = LongformerConfig(
    vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=80, type_vocab_size=4, pad_token_id=1, attention_window=6, sep_token_id=3,
    attention_probs_dropout_prob=0.0, initializer_range=0.2,
)  # fmt: skip
KINDS = {
    "window": dataclasses.replace(CONFIG),
    "dilated": dataclasses.replace(CONFIG, dilation=3),
    "first": dataclasses.replace(CONFIG, global_tokens="first"),
    "question": dataclasses.replace(CONFIG, global_tokens="question"),
    "columns": dataclasses.replace(CONFIG, global_tokens="columns"),
}


def batch(rows: int, length: int, *, padded: bool = True) -> dict[str, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(length)
    lengths = torch.randint(1, length + 1, (rows,), generator=generator)
    lengths[0] = length
    mask = (torch.arange(length) < lengths[:, None]).long() if padded else torch.ones(rows, length).long()
    ids = torch.randint(4, 60, (rows, length), generator=generator)
    ids[torch.rand(rows, length, generator=generator) < 0.1] = 3
    types = torch.randint(0, 4, (rows, length), generator=generator) * mask
    return {
        "input_ids": ids * mask + (1 - mask),
        "attention_mask": mask if padded else None,
        "token_type_ids": types,
    }


def dense(module: LongformerSelfAttention, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mix by the weights themselves: every score of every pair, under the same mask."""
    shares = module.weights(hidden, hidden, mask)
    mixed = shares @ module.split(module.value(hidden))
    if module.has_global:
        by_all = (mask[:, 0] == 2)[..., None]
        mixed = torch.where(by_all, shares @ module.split(module.value_global(hidden)), mixed)
    return mixed.transpose(1, 2).flatten(2)


def dense_model(model: LongformerModel, inputs: dict[str, torch.Tensor | None]) -> torch.Tensor:
    kept = LongformerSelfAttention.forward
    try:
        LongformerSelfAttention.forward = lambda self, query_states, hidden, mask: dense(self, hidden, mask)  # type: ignore[method-assign]
        return model(**inputs)
    finally:
        LongformerSelfAttention.forward = kept  # type: ignore[method-assign]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [2, 6, 34])
def test_blocks_equal_dense_attention_in_values_and_gradients(kind: str, window: int) -> None:
    torch.manual_seed(0)
    model = LongformerModel(dataclasses.replace(KINDS[kind], attention_window=window)).double().eval()
    for length in range(1, 71) if window == 6 else (1, 2, 31, 32, 33, 64, 65, 70):
        for padded in (True, False):
            inputs = batch(3, length, padded=padded)
            text = (
                torch.ones_like(inputs["input_ids"]) if inputs["attention_mask"] is None else inputs["attention_mask"]
            )
            weights = torch.randn(3, length, 32, dtype=torch.float64) * text[..., None]
            found = []
            for answer in (model(**inputs), dense_model(model, inputs)):
                model.zero_grad()
                (answer * weights).sum().backward()
                grads = [p.grad.clone() for p in model.parameters() if p.grad is not None]
                found.append((answer[text.bool()], grads))
            torch.testing.assert_close(found[0][0], found[1][0], atol=1e-10, rtol=1e-10)
            for ours, reference in zip(found[0][1], found[1][1], strict=False):
                torch.testing.assert_close(ours, reference, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_a_long_row_are_what_the_whole_is(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, inputs = LongformerModel(KINDS[kind]).double().eval(), batch(3, 79)
    whole, text = model(**inputs), inputs["attention_mask"].bool()
    monkeypatch.setattr("bertkit.models.longformer.PIECE", 21)
    torch.testing.assert_close(model(**inputs)[text], whole[text], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_within_1e_5(kind: str) -> None:
    torch.manual_seed(0)
    model, inputs = LongformerModel(KINDS[kind]).eval(), batch(4, 70)
    text = inputs["attention_mask"].bool()
    torch.testing.assert_close(model(**inputs)[text], dense_model(model, inputs)[text], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_alone_and_padded_is_the_same(kind: str) -> None:
    torch.manual_seed(0)
    model, inputs = LongformerModel(KINDS[kind]).eval(), batch(4, 67)
    whole = model(**inputs)
    for row, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        alone = model(
            inputs["input_ids"][row : row + 1, :length], None, inputs["token_type_ids"][row : row + 1, :length]
        )
        torch.testing.assert_close(whole[row, :length], alone[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["window", "first", "columns"])
def test_equals_transformers_longformer(kind: str) -> None:
    torch.manual_seed(0)
    ours = LongformerModel(KINDS[kind]).eval()
    published = transformers.LongformerModel(transformers.LongformerConfig(**ours.transformers_config())).eval()
    missing, unexpected = published.load_state_dict(ours.state_dict(), strict=False)
    assert not unexpected
    assert all("_global" in name for name in missing)
    inputs = batch(4, 63)
    is_global = (ours.marks(inputs["input_ids"], inputs["attention_mask"]) == 2).long()
    reference = published(**inputs, global_attention_mask=is_global if kind != "window" else None).last_hidden_state
    text = inputs["attention_mask"].bool()
    torch.testing.assert_close(ours(**inputs)[text], reference[text], atol=1e-5, rtol=1e-5)


def test_dilated_heads_see_every_third_neighbour() -> None:
    module = LongformerSelfAttention(KINDS["dilated"], gap=3)
    seen = module.pattern(30, torch.device("cpu"))
    assert seen[0, 15].nonzero().flatten().tolist() == [6, 9, 12, 15, 18, 21, 24]
    assert seen[3, 15].nonzero().flatten().tolist() == list(range(12, 19))
    assert [bool(torch.equal(seen[head], seen[0])) for head in range(4)] == [True, True, False, False]


def test_only_upper_layers_are_dilated_and_gaps_grow() -> None:
    assert gaps_of(12, 4) == [1] * 6 + [2, 2, 3, 3, 4, 4]
    assert gaps_of(2, 2) == [1, 2]
    assert gaps_of(1, 3) == [3]
    assert gaps_of(4, 1) == [1, 1, 1, 1]


def test_which_tokens_are_global() -> None:
    ids, mask = torch.tensor([[2, 9, 3, 8, 3, 1, 1]]), torch.tensor([[1, 1, 1, 1, 1, 0, 0]])
    of = {kind: LongformerModel(KINDS[kind]).marks(ids, mask)[0].tolist() for kind in KINDS}
    assert of["window"] == of["dilated"] == [1, 1, 1, 1, 1, 0, 0]
    assert of["first"] == [2, 1, 1, 1, 1, 0, 0]
    assert of["question"] == [2, 2, 1, 1, 1, 0, 0]
    assert of["columns"] == [2, 1, 1, 2, 1, 0, 0]


def test_scores_are_never_those_of_all_pairs() -> None:
    """Memory is linear: no tensor of a long row has its length twice."""
    torch.manual_seed(0)
    model = LongformerModel(
        dataclasses.replace(KINDS["first"], max_position_embeddings=4096, attention_window=32)
    ).eval()
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return out

    with torch.inference_mode(), Watch():
        model(torch.randint(4, 60, (1, 4096)), None, torch.zeros(1, 4096).long())
    assert largest < 4096 * 32 * 16


def test_attend_with_no_text_is_finite() -> None:
    query = torch.randn(1, 2, 40, 8)
    assert attend(Heads(query, query, query), torch.zeros(1, 40).bool(), 3).isfinite().all()
