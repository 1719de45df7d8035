"""The layers between sentences: against torch's own, masks, positions, and what a run brings along."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from transformers import BertConfig as TheirConfig
from transformers import BertModel as TheirModel

from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.encoder import extend_positions
from bertkit.models.extractive import ExtractiveModel, InterSentenceLayer, InterSentenceScorer, sinusoids
from bertkit.models.heads import exported_weights


@pytest.fixture
def sentences() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 7, 24)


def reference(layer: InterSentenceLayer) -> nn.TransformerEncoderLayer:
    """The same layer made of torch's parts."""
    width, inner = layer.query.in_features, layer.widen.out_features

    def gelu(x: torch.Tensor) -> torch.Tensor:
        return functional.gelu(x, approximate="tanh")

    other = nn.TransformerEncoderLayer(
        width, layer.heads, inner, dropout=0.0, activation=gelu, batch_first=True, norm_first=True, layer_norm_eps=1e-6
    )
    with torch.no_grad():
        projections = [layer.query, layer.key, layer.value]
        other.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        other.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
        for ours, its in [
            (layer.output, other.self_attn.out_proj),
            (layer.widen, other.linear1),
            (layer.narrow, other.linear2),
        ]:
            its.load_state_dict(ours.state_dict())
    return other


@pytest.mark.parametrize("padded", [False, True])
def test_a_layer_computes_what_torchs_does(sentences: torch.Tensor, padded: bool) -> None:
    layer = InterSentenceLayer(24, 4, 48, dropout=0.0, norm_first=True)
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3]) if padded else None
    mine = layer(sentences, None if mask is None else mask[:, None, None, :])
    other = reference(layer)(sentences, src_key_padding_mask=None if mask is None else ~mask)
    there = slice(None) if mask is None else mask
    torch.testing.assert_close(mine[there], other[there], atol=1e-5, rtol=1e-4)


def test_the_first_layer_does_not_normalise_what_comes_in(sentences: torch.Tensor) -> None:
    first, second = InterSentenceScorer(24, dropout=0.0).layers
    assert isinstance(first.attention_norm, nn.Identity)
    assert isinstance(second.attention_norm, nn.LayerNorm)
    assert second.attention_norm.eps == 1e-6


def test_sentences_that_are_not_there_change_nothing(sentences: torch.Tensor) -> None:
    scorer = InterSentenceScorer(24, dropout=0.1).eval()
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    together = scorer(sentences, mask)
    assert together.shape == (2, 7)
    torch.testing.assert_close(together[1, :4], scorer(sentences[1:, :4])[0], atol=1e-5, rtol=1e-4)
    changed = sentences.clone()
    changed[1, 5] = 100.0
    torch.testing.assert_close(scorer(changed, mask)[1, :4], together[1, :4])


def test_the_order_of_sentences_counts(sentences: torch.Tensor) -> None:
    scorer = InterSentenceScorer(24, dropout=0.0).eval()
    turned = scorer(sentences.flip(1)).flip(1)
    assert not torch.allclose(turned, scorer(sentences), atol=1e-3)


@pytest.mark.parametrize("width", [6, 7])
def test_sinusoids(width: int) -> None:
    table = sinusoids(50, width)
    assert table.shape == (50, width)
    assert table[0, ::2].tolist() == [0.0] * math.ceil(width / 2)
    assert table[9, 2].item() == pytest.approx(math.sin(9 / 10_000 ** (2 / width)), abs=1e-6)
    assert table[9, 3].item() == pytest.approx(math.cos(9 / 10_000 ** (2 / width)), abs=1e-6)


def test_first_weights_are_xaviers() -> None:
    torch.manual_seed(0)
    scorer = InterSentenceScorer(64, dropout=0.0)
    bound = math.sqrt(6 / (64 + 256))
    widen = scorer.layers[0].widen.weight
    assert bound * 0.95 < widen.abs().max() <= bound


@pytest.mark.parametrize(("width", "heads", "inner"), [(768, 8, 2048), (384, 8, 1536), (30, 6, 120), (7, 7, 28)])
def test_the_shape_follows_the_width(width: int, heads: int, inner: int) -> None:
    (layer, *_) = InterSentenceScorer(width, dropout=0.0).layers
    assert (layer.heads, layer.widen.out_features) == (heads, inner)


# --- the model ----------------------------------------------------------------------------


def encoder() -> BertModel:
    torch.manual_seed(1)
    return BertModel(BertConfig(50, 24, 1, 2, 48, hidden_dropout_prob=0.0), with_pooler=False)


def test_vectors_of_windows_make_the_scores_of_the_whole() -> None:
    model = ExtractiveModel(encoder(), dropout=0.0).eval()
    ids = torch.randint(5, 50, (3, 9))
    with torch.inference_mode():
        places = torch.tensor([[0, 4, 9], [18, -1, -1]])
        logits = model(ids, None, torch.zeros_like(ids), positions=places)
        vectors = model(ids, None, torch.zeros_like(ids), positions=torch.tensor([0, 4, 9, 18]))
        (scores,) = model.finish_row([vectors[:2].double().numpy(), vectors[2:3].double().numpy()])
        (alone,) = model.finish_row([vectors[3:].double().numpy()])
    np.testing.assert_allclose(scores, logits[0].double().sigmoid(), atol=1e-6)
    np.testing.assert_allclose(alone, logits[1, :1].double().sigmoid(), atol=1e-6)
    assert model.finish_row([np.zeros((0, 24))])[0].shape == (0,)


def test_an_extractive_run_brings_its_scorer_along(tmp_path: Path) -> None:
    torch.manual_seed(2)
    trained = ExtractiveModel(encoder(), dropout=0.0)
    save_file(exported_weights(trained), tmp_path / "model.safetensors")
    fresh = encoder()
    fresh.source = str(tmp_path)
    again = ExtractiveModel(fresh, dropout=0.0)
    for name, weight in trained.inter_sentence.state_dict().items():
        torch.testing.assert_close(again.inter_sentence.state_dict()[name], weight)
    fresh.source = str(tmp_path / "nowhere")
    other = ExtractiveModel(fresh, dropout=0.0)
    assert not torch.equal(other.inter_sentence.scorer.weight, trained.inter_sentence.scorer.weight)


def test_more_positions_begin_as_copies_of_the_last_one() -> None:
    config = TheirConfig(vocab_size=50, hidden_size=24, num_hidden_layers=1, num_attention_heads=2,
                         intermediate_size=48, max_position_embeddings=16)  # fmt: skip
    model = TheirModel(config).eval()
    ids = torch.randint(5, 50, (1, 16))
    before = model(input_ids=ids).last_hidden_state
    last = model.embeddings.position_embeddings.weight[-1].clone()
    extend_positions(model, 40)
    table = model.embeddings.position_embeddings.weight
    assert table.shape == (40, 24)
    assert table.requires_grad
    torch.testing.assert_close(table[16:], last.expand(24, -1))
    torch.testing.assert_close(model(input_ids=ids).last_hidden_state, before)
    assert model(input_ids=torch.randint(5, 50, (1, 40))).last_hidden_state.shape == (1, 40, 24)
    assert model.config.max_position_embeddings == 40
    extend_positions(model, 20)
    assert len(model.embeddings.position_embeddings.weight) == 40
