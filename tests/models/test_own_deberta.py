"""DeBERTa from scratch against transformers' DebertaV2Model, and against sums pair by pair."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import transformers

from bertkit.models.deberta import DebertaConfig, DebertaModel, DisentangledSelfAttention, rows_of_distances

CONFIG = DebertaConfig(
    vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=80, type_vocab_size=4, pad_token_id=1, max_relative_positions=9,
    attention_probs_dropout_prob=0.0, initializer_range=0.2,
)  # fmt: skip
KINDS = {
    "clipped": CONFIG,
    "wide": dataclasses.replace(CONFIG, max_relative_positions=80),
    "buckets": dataclasses.replace(CONFIG, max_relative_positions=80, position_buckets=8),
}


def batch(rows: int, length: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    lengths = torch.randint(1, length + 1, (rows,), generator=generator)
    lengths[0] = length
    mask = (torch.arange(length) < lengths[:, None]).long()
    ids = torch.randint(4, 60, (rows, length), generator=generator) * mask + (1 - mask)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": torch.randint(0, 4, (rows, length), generator=generator) * mask,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_equals_transformers_for_all_lengths_in_values_and_gradients(kind: str) -> None:
    torch.manual_seed(0)
    ours = DebertaModel(KINDS[kind], with_pooler=False).double().eval()
    published = transformers.DebertaV2Model(transformers.DebertaV2Config(**ours.transformers_config())).double().eval()
    published.load_state_dict(ours.state_dict())
    for length in range(1, 71):
        inputs = batch(3, length)
        text = inputs["attention_mask"].bool()
        weights = torch.randn(3, length, 32, dtype=torch.float64) * text[..., None]
        hidden, reference = ours(**inputs), published(**inputs).last_hidden_state
        # transformers rounds its scale to float32; the sums of the paper below are exact
        torch.testing.assert_close(hidden[text], reference[text], atol=1e-7, rtol=1e-7)
        if length % 7 == 0:
            for model, answer in ((ours, hidden), (published, reference)):
                model.zero_grad()
                (answer * weights).sum().backward()
            for (name, mine), other in zip(ours.named_parameters(), published.parameters(), strict=True):
                torch.testing.assert_close(mine.grad, other.grad, atol=1e-6, rtol=1e-6, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_within_1e_5_and_opens_from_names(kind: str) -> None:
    torch.manual_seed(0)
    ours = DebertaModel(KINDS[kind], with_pooler=False).eval()
    published = transformers.DebertaV2Model(transformers.DebertaV2Config(**ours.transformers_config())).eval()
    published.load_state_dict(ours.state_dict())
    inputs = batch(4, 66)
    text = inputs["attention_mask"].bool()
    torch.testing.assert_close(ours(**inputs)[text], published(**inputs).last_hidden_state[text], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 9, 40])
def test_scores_are_the_three_sums_of_the_paper(length: int) -> None:
    torch.manual_seed(0)
    table = torch.nn.Embedding(18, 32)
    module = DisentangledSelfAttention(CONFIG, table).double().eval()
    table.double()
    hidden = torch.randn(1, length, 32, dtype=torch.float64)
    parts = module.parts(hidden, hidden)
    query, key = module.split(module.query_proj(hidden))[0], module.split(module.key_proj(hidden))[0]
    keys, queries = (p(table.weight).view(18, 4, 8) for p in (module.pos_key_proj, module.pos_query_proj))
    for i in range(0, length, 3):
        for j in range(0, length, 2):
            row = min(max(i - j + 9, 0), 17)
            sums = (
                (query[:, i] * key[:, j]).sum(-1),
                (query[:, i] * keys[row]).sum(-1),
                (key[:, j] * queries[row]).sum(-1),
            )
            torch.testing.assert_close(parts[:, 0, :, i, j], torch.stack(sums) / math.sqrt(3 * 8))


def test_distances_share_rows_beyond_half_of_the_buckets() -> None:
    rows = rows_of_distances(KINDS["buckets"], 60, torch.device("cpu"))[:-1] - 8
    assert rows[59 - 4 : 59 + 5].tolist() == list(range(-4, 5))
    assert rows.diff().min() >= 0
    assert rows.max() == 7


def test_the_first_token_alone_is_the_first_of_all() -> None:
    torch.manual_seed(0)
    model, inputs = DebertaModel(CONFIG).eval(), batch(4, 31)
    torch.testing.assert_close(model(**inputs, first_only=True), model(**inputs)[:, :1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_what_forward_mixes_with(kind: str) -> None:
    torch.manual_seed(0)
    model = DebertaModel(KINDS[kind]).double().eval()
    module = model.encoder.layer[0].attention.self
    for length in range(1, 71, 3):
        hidden = torch.randn(2, length, 32, dtype=torch.float64, requires_grad=True)
        for mask in (None, (torch.arange(length) < torch.tensor([[length], [1 + length // 2]]))[:, None, None]):
            mixed = module.weights(hidden, hidden, mask) @ module.split(module.value_proj(hidden))
            found = [mixed.transpose(1, 2).flatten(2), module(hidden, hidden, mask)]
            torch.testing.assert_close(*found, atol=1e-10, rtol=1e-10)
            grads = [torch.autograd.grad(answer.square().sum(), hidden)[0] for answer in found]
            torch.testing.assert_close(*grads, atol=1e-8, rtol=1e-8)
