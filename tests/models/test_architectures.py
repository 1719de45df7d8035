"""Encoders from nothing: every row of the table at a size of one's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers

from bertkit.errors import ModelError, UsageError
from bertkit.models.bert import PRESETS
from bertkit.models.encoder import PretrainedEncoder
from bertkit.models.pretrained import ARCHITECTURES, adapted_config, build, new_config, with_dropout
from bertkit.models.registry import BuildOptions, find_model
from bertkit.models.table import MODELS

OPTIONS = BuildOptions(
    vocab_size=90, pad_id=3, type_vocab_size=2, max_length=64, dropout=0.2, with_pooler=False, from_nothing=True
)
ROWS = [spec.name for spec in MODELS if not (spec.is_scratch or spec.is_linear)]
NAMES = sorted(ARCHITECTURES)


def shape(encoder: PretrainedEncoder) -> tuple[int, int, int]:
    config = encoder.model.config
    return config.num_hidden_layers, config.hidden_size, config.num_attention_heads


def built(name: str, **changes: object) -> PretrainedEncoder:
    return build(find_model(name), replace(OPTIONS, **changes))


@pytest.mark.parametrize("name", ROWS)
def test_every_row_starts_from_nothing_without_a_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    encoder = built(name)
    assert shape(encoder) == PRESETS["tiny"]
    assert encoder.model.config.model_type == find_model(name).architecture
    ids = torch.randint(4, 90, (2, 64))
    assert encoder(ids, None, torch.zeros_like(ids)).shape == (2, 64, 128)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_and_single_figures(name: str) -> None:
    for asked, wanted in (
        ({"size": "mini"}, PRESETS["mini"]),
        ({"size": "mini", "layers": 3}, (3, 256, 4)),
        ({"hidden": 96}, (2, 96, 1)),
        ({"size": "base", "layers": 2, "hidden": 48, "heads": 4}, (2, 48, 4)),
    ):
        config = new_config(name, replace(OPTIONS, **asked))
        assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_configs_have_the_figures_of_tokenizer_and_task(name: str) -> None:
    config = new_config(name, OPTIONS)
    assert (config.vocab_size, config.pad_token_id) == (90, 3)
    assert config.initializer_range > 0.02
    assert new_config(name, replace(OPTIONS, size="base")).initializer_range == 0.02
    again = transformers.AutoConfig.for_model(**json.loads(config.to_json_string(use_diff=False)))
    assert again.to_dict() == config.to_dict()


def test_weights_follow_torchs_seed() -> None:
    def words(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return built("electra").embeddings_weight

    assert torch.equal(words(1), words(1))
    assert not torch.equal(words(1), words(2))


@pytest.mark.parametrize("name", ["bert", "electra"])
def test_segments_are_as_many_as_the_task_has(name: str) -> None:
    encoder = built(name, type_vocab_size=18).eval()
    ids = torch.randint(4, 90, (1, 9))
    with torch.inference_mode():
        first, last = (encoder(ids, None, torch.full_like(ids, segment)) for segment in (0, 17))
    assert not torch.allclose(first, last)


def test_deberta_has_the_settings_of_v3() -> None:
    config = built("deberta", size="small").model.config
    assert (config.relative_attention, config.position_biased_input, config.share_att_key) == (True, False, True)
    assert (config.pos_att_type, config.norm_rel_ebd, config.type_vocab_size) == (["p2c", "c2p"], "layer_norm", 0)
    assert config.position_buckets == 256
    assert built("deberta").model.config.position_buckets < 256
    assert not [name for name in built("deberta").state_dict() if "pos_key_proj" in name]


def test_deberta_tells_near_positions_apart_and_reads_beyond_its_length() -> None:
    encoder = built("deberta").eval()
    ids = torch.tensor([[5, 6, 7, 8], [6, 5, 7, 8]])
    with torch.inference_mode():
        hidden = encoder(ids, None, torch.zeros_like(ids))
        assert not torch.allclose(hidden[0, 0], hidden[1, 1])
        assert encoder(torch.full((1, 700), 9), None, torch.zeros(1, 700, dtype=torch.long)).isfinite().all()


@pytest.mark.parametrize(("size", "window"), [("tiny", 64), ("mini", 128), ("small", 256), ("base", 512)])
def test_longformers_window_grows_with_its_size(size: str, window: int) -> None:
    options = replace(OPTIONS, size=size, max_length=4096)
    config = new_config("longformer", options)
    assert config.attention_window == [window] * PRESETS[size][0]
    assert config.max_position_embeddings == 4096 + OPTIONS.pad_id + 1


def test_a_tiny_longformer_reads_4096_tokens() -> None:
    encoder = built("longformer", max_length=4096).eval()
    ids = torch.randint(4, 90, (1, 4096))
    with torch.inference_mode():
        assert encoder(ids, None, torch.zeros_like(ids)).shape == (1, 4096, 128)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match=r"--hidden 128 cannot be shared by 3 heads"):
        built("roberta", heads=3)
    with pytest.raises(UsageError, match=r"--hidden 36 with 4 heads: rotary .* choose an even number per head"):
        built("modernbert", hidden=36, heads=4)


def test_dropout_reaches_what_a_config_has_and_nothing_else() -> None:
    config = with_dropout(transformers.DistilBertConfig(), 0.3)
    assert (config.dropout, config.attention_dropout) == (0.3, 0.0)
    assert not hasattr(config, "hidden_dropout_prob")


# --- folders ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A config.json of an encoder's own shape, without weights."""
    config = transformers.RobertaConfig(
        vocab_size=7, hidden_size=24, num_hidden_layers=1, num_attention_heads=3, intermediate_size=40,
        max_position_embeddings=20, type_vocab_size=1, dtype="float16",
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_keeps_its_own_shape(folder: Path) -> None:
    encoder = built(str(folder))
    assert shape(encoder) == (1, 24, 3)
    assert encoder.vocab_size == 90
    assert encoder.max_positions == 64
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    assert encoder.model.embeddings.dropout.p == 0.2


def test_a_folder_takes_a_size_too(folder: Path) -> None:
    assert shape(built(str(folder), size="tiny")) == PRESETS["tiny"]


def test_a_folder_that_is_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json, so it holds no model"):
        built(str(tmp_path))
    with pytest.raises(ModelError, match=r"has no config\.json, so it holds no model"):
        built(str(tmp_path), size="tiny")


def test_an_architecture_without_sizes_keeps_its_own_shape_only(tmp_path: Path) -> None:
    config = transformers.AlbertConfig(
        vocab_size=7, embedding_size=8, hidden_size=24, num_hidden_layers=1, num_attention_heads=3, intermediate_size=40
    )
    config.save_pretrained(tmp_path)
    assert shape(built(str(tmp_path))) == (1, 24, 3)
    with pytest.raises(UsageError, match=r"no sizes are known for the architecture 'albert'; leave --size"):
        built(str(tmp_path), size="tiny")


def test_an_own_shape_gets_room_for_segments_and_positions() -> None:
    config = adapted_config(transformers.BertConfig(max_position_embeddings=20), replace(OPTIONS, type_vocab_size=18))
    assert (config.type_vocab_size, config.max_position_embeddings, config.pad_token_id) == (18, 64, 3)
    longer = adapted_config(transformers.BertConfig(max_position_embeddings=512), OPTIONS)
    assert (longer.type_vocab_size, longer.max_position_embeddings) == (2, 512)
