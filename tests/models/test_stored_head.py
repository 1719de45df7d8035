"""The head for masked words of a checkpoint, against transformers' own masked LM classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from bertkit.models.heads import MaskedLanguageModel
from bertkit.models.pretrained import build
from bertkit.models.registry import BuildOptions, find_model
from bertkit.models.weights import stored_head

BERT = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
DISTILBERT = {"vocab_size": 60, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 40}
MODERNBERT = {**BERT, "pad_token_id": 0, "eos_token_id": 2, "bos_token_id": 1, "cls_token_id": 1, "sep_token_id": 2}
KINDS = {"Bert": BERT, "Roberta": BERT, "DistilBert": DISTILBERT, "ModernBert": MODERNBERT}
OPTIONS = BuildOptions(vocab_size=60, pad_id=0, with_pooler=False)


def saved(folder: Path, kind: str) -> torch.nn.Module:
    """Save a random masked LM of a kind and open it again, its output layer tied."""
    config = getattr(transformers, f"{kind}Config")(**KINDS[kind])
    model_class = getattr(transformers, f"{kind}ForMaskedLM")
    torch.manual_seed(0)
    model = model_class(config)
    for parameter in model.parameters():  # zero biases would hide what is mixed up
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return model_class.from_pretrained(folder).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_s_head_gives_its_logits(kind: str, tmp_path: Path) -> None:
    reference = saved(tmp_path, kind)
    encoder = build(find_model(str(tmp_path)), OPTIONS)
    mine = MaskedLanguageModel(encoder, with_pairs=False, dropout=0.0).eval()
    ids = torch.randint(5, 60, (2, 9), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = reference(input_ids=ids).logits.flatten(0, 1)
        logits, order = mine(ids, None, torch.zeros_like(ids))
    assert mine.has_stored_head
    assert order is None
    torch.testing.assert_close(logits, expected, atol=2e-3, rtol=1e-3)


def test_old_names_of_the_norm_are_read(tmp_path: Path) -> None:
    saved(tmp_path, "Bert")
    from safetensors.torch import load_file, save_file

    weights = load_file(tmp_path / "model.safetensors")
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): tensor for name, tensor in weights.items()}
    assert old.keys() != weights.keys()
    save_file(old, tmp_path / "model.safetensors", metadata={"format": "pt"})
    head = stored_head(str(tmp_path))
    assert head is not None
    assert torch.equal(head["transform.LayerNorm.weight"], weights["cls.predictions.transform.LayerNorm.weight"])


def test_a_checkpoint_without_a_head_has_none(tmp_path: Path) -> None:
    config = transformers.BertConfig(**BERT)
    transformers.BertModel(config).save_pretrained(tmp_path)
    assert stored_head(str(tmp_path)) is None
    encoder = build(find_model(str(tmp_path)), OPTIONS)
    assert not MaskedLanguageModel(encoder, with_pairs=False, dropout=0.0).has_stored_head
