"""Scratch BERT in the shape its user asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bertkit.errors import UsageError
from bertkit.kinds import MisfitError
from bertkit.models.bert import PRESETS, BertModel
from bertkit.models.registry import BuildOptions, find_model, load_target
from bertkit.models.scratch import build, rebuild

OPTIONS = BuildOptions(vocab_size=50, pad_id=3, type_vocab_size=18, max_length=64, dropout=0.25)
SPEC = find_model("scratch")


def shape(model: BertModel) -> tuple[int, int, int, int]:
    config = model.transformers_config()
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
    return tuple(config[name] for name in names)


def built(**changes: object) -> BertModel:
    with torch.device("meta"):  # shapes only
        return build(SPEC, replace(OPTIONS, **changes))


def test_the_table_leads_here() -> None:
    assert load_target(SPEC.builder) is build


@pytest.mark.parametrize("size", sorted(PRESETS))
def test_presets(size: str) -> None:
    layers, hidden, heads = PRESETS[size]
    assert shape(built(size=size)) == (layers, hidden, heads, 4 * hidden)


def test_nobody_has_to_ask_for_a_shape() -> None:
    layers, hidden, heads, inner = shape(built())
    assert 1 <= layers <= PRESETS["tiny"][0]
    assert 32 <= hidden <= PRESETS["tiny"][1]
    assert (hidden % heads, inner) == (0, 4 * hidden)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"size": "tiny", "layers": 3}, (3, 128, 2, 512)),
        ({"size": "tiny", "heads": 4}, (2, 128, 4, 512)),
        ({"size": "tiny", "hidden": 192}, (2, 192, 3, 768)),
        ({"size": "tiny", "hidden": 32}, (2, 32, 1, 128)),
        ({"size": "tiny", "hidden": 96, "heads": 6}, (2, 96, 6, 384)),
        ({"size": "mini", "layers": 1}, (1, 256, 4, 1024)),
        ({"size": "base", "hidden": 64, "heads": 2, "layers": 2}, (2, 64, 2, 256)),
    ],
)
def test_single_figures_override_the_preset(asked: dict[str, object], wanted: tuple[int, ...]) -> None:
    assert shape(built(**asked)) == wanted


@pytest.mark.parametrize(("hidden", "heads"), [(96, 5), (None, 3), (32, 64)])
def test_heads_that_do_not_divide_the_width_are_refused(hidden: int | None, heads: int) -> None:
    with pytest.raises(UsageError, match=rf"--hidden {hidden or 128} cannot be shared by {heads} heads"):
        built(size="tiny", hidden=hidden, heads=heads)


def test_the_tables_have_the_sizes_of_data_and_tokenizer() -> None:
    embeddings = built(size="tiny").embeddings
    assert embeddings.word_embeddings.weight.shape == (50, 128)
    assert embeddings.position_embeddings.weight.shape == (64, 128)
    assert embeddings.token_type_embeddings.weight.shape == (18, 128)


def test_dropout_and_padding_reach_the_config() -> None:
    config = built().transformers_config()
    assert config["hidden_dropout_prob"] == 0.25
    assert config["pad_token_id"] == 3


def test_narrow_encoders_start_wider_and_published_widths_as_published() -> None:
    stds = [built(hidden=hidden).transformers_config()["initializer_range"] for hidden in (64, 256, 768, 1024)]
    assert stds == sorted(stds, reverse=True)
    assert stds[0] > stds[1] > 0.02
    assert stds[2:] == [0.02, 0.02]


def test_the_spread_is_that_of_the_weights() -> None:
    torch.manual_seed(0)
    model = build(SPEC, replace(OPTIONS, vocab_size=2000))
    wanted = model.transformers_config()["initializer_range"]
    assert model.embeddings.word_embeddings.weight.std().item() == pytest.approx(wanted, rel=0.03)


def test_the_pooler_is_a_choice() -> None:
    assert built(with_pooler=True).pooler is not None
    assert built(with_pooler=False).pooler is None


def test_weights_follow_torchs_seed() -> None:
    def words(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return build(SPEC, OPTIONS).embeddings.word_embeddings.weight

    assert torch.equal(words(1), words(1))
    assert not torch.equal(words(1), words(2))


def test_a_runs_config_makes_the_same_shape_again() -> None:
    model = build(SPEC, OPTIONS)
    again = rebuild(model.transformers_config(), with_pooler=True)
    assert again.transformers_config() == model.transformers_config()
    again.load_state_dict(model.state_dict())


def test_a_config_that_lacks_a_figure_is_said() -> None:
    values = built().transformers_config()
    del values["num_attention_heads"]
    with pytest.raises(MisfitError, match="num_attention_heads is missing"):
        rebuild(values, with_pooler=True)
