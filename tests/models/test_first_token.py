"""Last layers that compute the first token only: the same vector, the same gradients, less work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bertkit.models.bert import BertConfig, BertModel
from bertkit.models.encoder import make_first_token_layer
from bertkit.models.extractive import MatchingModel
from bertkit.models.heads import OF_FIRST_TOKEN, POOLINGS, Encoder, SequenceModel
from bertkit.models.pretrained import build
from bertkit.models.registry import BuildOptions, find_model
from bertkit.tasks.base import SIDED_POOLINGS

VOCABULARY, WIDTH, HEADS, LAYERS = 60, 32, 2, 2
OPTIONS = BuildOptions(
    vocab_size=VOCABULARY, pad_id=1, max_length=256, dropout=0.0, with_pooler=False, from_nothing=True, layers=LAYERS,
    hidden=WIDTH, heads=HEADS,
)  # fmt: skip
SAVING = ["scratch", "bert", "roberta", "electra", "distilbert", "deberta", "modernbert"]
ALL = [*SAVING, "deberta-base", "longformer"]


def encoder_of(name: str) -> Encoder:
    torch.manual_seed(0)
    if name == "scratch":
        config = BertConfig(VOCABULARY, WIDTH, LAYERS, HEADS, 4 * WIDTH, attention_probs_dropout_prob=0.0,
                            hidden_dropout_prob=0.0)  # fmt: skip
        return BertModel(config, with_pooler=False)
    return build(find_model(name), OPTIONS)


def rows(count: int = 3, tokens: int = 20) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.ones(count, tokens, dtype=torch.long)
    mask[1:, tokens - 5 :] = 0
    ids = torch.randint(3, VOCABULARY, mask.shape, generator=generator) * mask + (1 - mask)
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


@contextmanager
def counting_products() -> Iterator[list[int]]:
    """Grows by the rows of what every linear layer multiplies."""
    counts: list[int] = []
    honest = functional.linear

    def counted(x: Tensor, *rest: object) -> Tensor:
        counts.append(x.shape[:-1].numel())
        return honest(x, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "linear", counted)
        yield counts


def products(encoder: Encoder, *, first_only: bool) -> int:
    with counting_products() as counts, torch.inference_mode():
        encoder(**rows(), first_only=first_only)
    return sum(counts)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ALL)
def test_the_first_vector_is_the_one_of_the_whole_layer(name: str, training: bool) -> None:
    encoder = encoder_of(name)
    encoder.train(training)  # type: ignore[attr-defined]
    for batch in (rows(), rows(tokens=150), {**rows(), "attention_mask": None}):
        whole = encoder(**batch)
        first = encoder(**batch, first_only=True)
        assert first.shape == (3, 1, WIDTH)
        torch.testing.assert_close(first, whole[:, :1], atol=1e-5, rtol=1e-4)
        assert torch.equal(encoder(**batch), whole)  # what was asked for once does not stay


@pytest.mark.parametrize("name", SAVING)
def test_gradients_are_those_of_the_whole_layer(name: str) -> None:
    encoder = encoder_of(name)
    encoder.double()  # type: ignore[attr-defined]  # some are sums of large figures that cancel

    def gradients(first_only: bool) -> dict[str, Tensor]:
        encoder.zero_grad()  # type: ignore[attr-defined]
        encoder(**rows(), first_only=first_only)[:, 0].square().sum().backward()  # type: ignore[no-untyped-call]
        return {n: w.grad.clone() for n, w in encoder.named_parameters() if w.grad is not None}  # type: ignore[attr-defined]

    whole, first = gradients(False), gradients(True)
    assert whole.keys() == first.keys()
    assert len(whole) > 10
    # ModernBERT turns by positions in float32, whatever the rest is computed in.
    exact = {"atol": 1e-5, "rtol": 1e-4} if name == "modernbert" else {"atol": 1e-11, "rtol": 1e-9}
    for name_, gradient in whole.items():
        torch.testing.assert_close(first[name_], gradient, **exact, msg=name_)


@pytest.mark.parametrize("name", SAVING)
def test_the_rest_of_the_last_layer_is_not_computed(name: str) -> None:
    encoder = encoder_of(name)
    tokens = rows()["input_ids"].numel()
    saved = products(encoder, first_only=False) - products(encoder, first_only=True)
    if name == "modernbert":  # one product for query, key and value becomes two
        assert saved == 3 * tokens - 4 * 3
        return
    # Four of the six products: query, output and both of the feed-forward block.
    assert saved == 4 * (tokens - 3)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_heads_ask_for_what_they_read(pooling: str) -> None:
    encoder = encoder_of("bert")
    asked: list[bool] = []

    def watched(*inputs: Tensor, first_only: bool = False) -> Tensor:
        asked.append(first_only)
        vectors: Tensor = honest(*inputs, first_only=first_only)
        return vectors

    models: list[nn.Module] = [SequenceModel(encoder, 2, pooling=pooling, dropout=0.0)]
    if pooling not in SIDED_POOLINGS:
        models.append(MatchingModel(encoder, pooling=pooling, dropout=0.0))
    honest, encoder.forward = encoder.forward, watched  # type: ignore[attr-defined]
    for model in models:
        model(**rows())
    assert set(asked) == {pooling in OF_FIRST_TOKEN}


def test_a_copy_computes_with_its_own_weights() -> None:
    encoder = encoder_of("bert")
    copy = deepcopy(encoder)
    before = encoder(**rows(), first_only=True)
    assert copy.state_dict().keys() == encoder.state_dict().keys()  # type: ignore[attr-defined]
    with torch.no_grad():
        for weight in copy.parameters():  # type: ignore[attr-defined]
            weight.zero_()
    assert torch.equal(encoder(**rows(), first_only=True), before)
    assert not copy(**rows(), first_only=True).any()


def test_a_decoder_keeps_its_layer() -> None:
    model = encoder_of("bert").model  # type: ignore[attr-defined]
    model.config.is_decoder = True
    assert not make_first_token_layer(model, model.encoder.layer[-1])
