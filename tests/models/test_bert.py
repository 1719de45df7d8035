"""Scratch BERT against transformers' BertModel, weights copied in both directions."""

from __future__ import annotations

import pytest
import torch
import transformers

from bertkit.errors import UsageError
from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.heads import SequenceModel, exported_weights, imported_weights

CONFIG = BertConfig(
    vocab_size=97, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
    max_position_embeddings=40, type_vocab_size=4, pad_token_id=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def ours() -> BertModel:
    torch.manual_seed(0)
    return BertModel(CONFIG).eval()


@pytest.fixture(scope="module")
def published(ours: BertModel) -> transformers.BertModel:
    model = transformers.BertModel(transformers.BertConfig(**ours.transformers_config()))
    model.load_state_dict(ours.state_dict())
    return model.eval()


def batch(rows: int = 5, length: int = 23) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([length, 1, 7, 12, length - 1])[:rows]
    mask = (torch.arange(length) < lengths[:, None]).long()
    ids = torch.randint(2, 97, (rows, length), generator=generator) * mask + (1 - mask)
    types = torch.randint(0, 4, (rows, length), generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def test_same_hidden_states_with_padding_and_segments(ours: BertModel, published: transformers.BertModel) -> None:
    inputs = batch()
    with torch.inference_mode():
        hidden, reference = ours(**inputs), published(**inputs).last_hidden_state
    text = inputs["attention_mask"].bool()
    torch.testing.assert_close(hidden[text], reference[text], atol=1e-5, rtol=1e-5)


def test_same_pooled_vector(ours: BertModel, published: transformers.BertModel) -> None:
    inputs = batch()
    with torch.inference_mode():
        assert ours.pooler is not None
        pooled = ours.pooler(ours(**inputs))
        torch.testing.assert_close(pooled, published(**inputs).pooler_output, atol=1e-5, rtol=1e-5)


def test_predicting_holds_the_wide_states_once_and_changes_no_bit(ours: BertModel) -> None:
    inputs, block = batch(), ours.encoder.layer[0].intermediate
    with torch.no_grad():
        expected = ours(**inputs)
    wide: list[torch.Tensor] = []
    handle = block.dense.register_forward_hook(lambda _, __, out: wide.append(out))
    with torch.inference_mode():
        assert torch.equal(ours(**inputs), expected)
        narrow = torch.randn(2, 3, CONFIG.hidden_size)
        assert block(narrow).data_ptr() == wide[-1].data_ptr()
    handle.remove()


def test_no_mask_equals_a_mask_of_ones(ours: BertModel) -> None:
    inputs = batch(rows=1)
    with torch.inference_mode():
        masked = ours(**inputs)
        torch.testing.assert_close(ours(**{**inputs, "attention_mask": None}), masked, atol=1e-6, rtol=1e-5)


def test_padding_does_not_change_text(ours: BertModel) -> None:
    inputs = batch(rows=3)
    short = {name: tensor[2:3, :7] for name, tensor in inputs.items()}
    with torch.inference_mode():
        torch.testing.assert_close(ours(**inputs)[2, :7], ours(**short)[0], atol=1e-5, rtol=1e-5)


def test_weights_load_from_transformers(published: transformers.BertModel) -> None:
    fresh = BertModel(CONFIG)
    fresh.load_state_dict(published.state_dict())
    inputs = batch()
    text = inputs["attention_mask"].bool()
    with torch.inference_mode():
        hidden, reference = fresh.eval()(**inputs), published(**inputs).last_hidden_state
    torch.testing.assert_close(hidden[text], reference[text], atol=1e-5, rtol=1e-5)


def test_initial_weights_have_the_papers_spread() -> None:
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=5000, hidden_size=64))
    words = model.embeddings.word_embeddings.weight
    assert words[1:].std().item() == pytest.approx(0.02, rel=0.02)
    assert words[0].abs().sum().item() == 0
    assert all(p.abs().sum() == 0 for name, p in model.named_parameters() if name.endswith("dense.bias"))


def test_gradient_reaches_every_weight() -> None:
    model = SequenceModel(BertModel(CONFIG), 3, pooling="pooler", dropout=0.0)
    model(**batch()).square().sum().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


@pytest.mark.parametrize("pooling", ["cls", "pooler", "mean"])
def test_pooling_ignores_padding(pooling: str) -> None:
    torch.manual_seed(0)
    encoder = BertModel(CONFIG, with_pooler=pooling == "pooler")
    model = SequenceModel(encoder, 2, pooling=pooling, dropout=0.0).eval()
    inputs = batch(rows=3)
    short = {name: tensor[2:3, :7] for name, tensor in inputs.items()}
    with torch.inference_mode():
        torch.testing.assert_close(model(**inputs)[2], model(**short)[0], atol=1e-5, rtol=1e-5)


def test_exported_names_come_back() -> None:
    model = SequenceModel(BertModel(CONFIG), 2, pooling="pooler", dropout=0.0)
    exported = exported_weights(model)
    assert {
        "bert.embeddings.word_embeddings.weight",
        "bert.pooler.dense.bias",
        "classifier.weight",
    } <= exported.keys()
    assert imported_weights(model, exported).keys() == model.state_dict().keys()


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match="--hidden 30 cannot be shared by 4 heads"):
        BertConfig(vocab_size=10, hidden_size=30, num_attention_heads=4)
