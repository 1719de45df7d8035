"""Encoders of transformers behind our interface, against transformers' own AutoModel."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor, nn

from bertkit.errors import ModelError, UsageError
from bertkit.models.encoder import PretrainedEncoder
from bertkit.models.pretrained import ARCHITECTURES, DROPOUT_NAMES, build, new_config, rebuild
from bertkit.models.registry import BuildOptions, find_model

PAD = 1
LENGTHS = (23, 1, 7, 12)
OPTIONS = BuildOptions(
    vocab_size=60, pad_id=PAD, max_length=48, dropout=0.25, with_pooler=False, layers=2, hidden=32, heads=2
)
NAMES = sorted(ARCHITECTURES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A random model of each architecture, as transformers saves it."""
    made = {}
    for name in NAMES:
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(new_config(name, OPTIONS))
        for parameter in model.parameters():  # zero biases and unit norms would hide what is mixed up
            nn.init.normal_(parameter, std=0.3)
        made[name] = tmp_path_factory.mktemp(name) / "model"
        model.save_pretrained(made[name])
    return made


@pytest.fixture
def longformer(folders: dict[str, Path]) -> PretrainedEncoder:
    return load(folders["longformer"])


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What transformers logs; its root logger keeps it from pytest otherwise."""
    root = logging.getLogger("transformers")
    root.addHandler(caplog.handler)
    yield caplog
    root.removeHandler(caplog.handler)


def load(folder: Path, **changes: object) -> PretrainedEncoder:
    return build(find_model(str(folder)), replace(OPTIONS, **changes)).eval()


def batch(lengths: tuple[int, ...] = LENGTHS, pad: int = PAD) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    width = max(lengths)
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(3, 60, mask.shape, generator=generator) * mask + pad * (1 - mask)
    types = torch.randint(0, 2, mask.shape, generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def published(folder: Path, inputs: dict[str, Tensor]) -> Tensor:
    """What AutoModel gives, with global attention on the first token for Longformer."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    inputs = dict(inputs)
    if getattr(model.config, "type_vocab_size", 0) < 2:
        del inputs["token_type_ids"]
    if model.config.model_type == "longformer":
        inputs["global_attention_mask"] = (torch.arange(inputs["input_ids"].shape[1]) == 0).long().expand(4, -1)
    with torch.inference_mode():
        return model(**inputs).last_hidden_state


def close(ours: Tensor, reference: Tensor, mask: Tensor | None = None) -> None:
    keep = slice(None) if mask is None else mask.bool()
    torch.testing.assert_close(ours[keep], reference[keep], atol=1e-5, rtol=1e-4)


# --- the same numbers ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_hidden_states_are_those_of_transformers(name: str, folders: dict[str, Path]) -> None:
    inputs = batch()
    encoder = load(folders[name])
    with torch.inference_mode():
        ours = encoder(**inputs)
    assert ours.shape == (4, 23, 32)
    close(ours, published(folders[name], inputs), inputs["attention_mask"])


@pytest.mark.parametrize("name", NAMES)
def test_no_mask_is_a_mask_of_ones_and_padding_changes_nothing(name: str, folders: dict[str, Path]) -> None:
    encoder, inputs = load(folders[name]), batch()
    alone = {key: tensor[2:3, :7] for key, tensor in inputs.items()}
    with torch.inference_mode():
        padded, single = encoder(**inputs)[2:3, :7], encoder(**alone)
        close(single, padded)
        close(encoder(**{**alone, "attention_mask": None}), single)


@pytest.mark.parametrize("name", ["roberta", "xlm-roberta", "longformer"])
def test_a_tokenizer_may_pad_with_another_id(name: str, folders: dict[str, Path]) -> None:
    encoder = load(folders[name])
    mask = batch()["attention_mask"]
    with torch.inference_mode():
        close(encoder(**batch(pad=0)), encoder(**batch(pad=PAD)), mask)
    inputs = batch()
    inputs["input_ids"][0, 5] = PAD  # a word, by its mask: those after it keep their places
    with torch.inference_mode():
        before, after = encoder(**batch())[0], encoder(**inputs)[0]
    assert not torch.allclose(before, after)
    positions = encoder._positions(inputs)
    assert positions[0, :7].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert positions[1].tolist() == [2] + [PAD] * 22


@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize("name", ["roberta", "longformer"])
def test_a_new_model_takes_any_padding_id_at_full_length(name: str, pad: int) -> None:
    encoder = build(find_model(name), replace(OPTIONS, pad_id=pad, from_nothing=True)).eval()
    inputs = batch((48, 5), pad)
    with torch.inference_mode():
        hidden = encoder(**inputs)
        close(encoder(**{key: tensor[1:, :5] for key, tensor in inputs.items()}), hidden[1:, :5])
    assert encoder.max_positions == 48


@pytest.mark.parametrize("name", NAMES)
def test_a_row_without_text_is_a_number(name: str, folders: dict[str, Path]) -> None:
    inputs = batch()
    inputs["attention_mask"][1] = 0
    with torch.inference_mode():
        assert load(folders[name])(**inputs).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_autocast_stays_finite_and_near(name: str, folders: dict[str, Path]) -> None:
    encoder = load(folders[name], from_nothing=True)
    inputs = batch()
    inputs["attention_mask"][1] = 0
    exact = encoder.eval()(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = encoder(**inputs)
        rounded.float().square().mean().backward()
    assert rounded.isfinite().all()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)
    assert (rounded.float() - exact)[0].abs().mean() < 0.05 * exact[0].abs().mean()


# --- Longformer ---------------------------------------------------------------------------


def test_longformer_pads_itself_in_silence(longformer: PretrainedEncoder, log: pytest.LogCaptureFixture) -> None:
    with torch.inference_mode():
        longformer(**batch((40, 3)))
    assert log.records == []
    assert longformer.window == 64
    assert longformer.transformers_config()["attention_window"] == [64, 64]


def test_global_attention_is_where_it_is_asked_for(folders: dict[str, Path], longformer: PretrainedEncoder) -> None:
    inputs = batch()
    mask = torch.zeros_like(inputs["input_ids"])
    mask[:, :3] = 1
    plain = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    reference = transformers.AutoModel.from_pretrained(folders["longformer"]).eval()
    with torch.inference_mode():
        wanted = reference(**plain, global_attention_mask=mask).last_hidden_state
        ours, first_only = longformer(**inputs, global_mask=mask), longformer(**inputs)
    close(ours, wanted, inputs["attention_mask"])
    assert not torch.allclose(ours[0], first_only[0], atol=1e-3)


def test_full_attention_ignores_the_global_mask(folders: dict[str, Path]) -> None:
    encoder, inputs = load(folders["bert"]), batch()
    with torch.inference_mode():
        assert torch.equal(encoder(**inputs, global_mask=torch.ones_like(inputs["input_ids"])), encoder(**inputs))


@pytest.fixture
def wide() -> PretrainedEncoder:
    """A Longformer whose window reaches further than short rows go."""
    torch.manual_seed(0)
    config = new_config("longformer", replace(OPTIONS, max_length=700))
    config.attention_window = [256, 512]
    return PretrainedEncoder(transformers.AutoModel.from_config(config)).eval()


@pytest.mark.parametrize("length", [2, 33, 98, 300])
def test_rows_are_not_filled_up_to_the_window(wide: PretrainedEncoder, length: int) -> None:
    reference = transformers.LongformerModel(transformers.LongformerConfig(**wide.transformers_config())).eval()
    reference.load_state_dict(wide.model.state_dict())
    inputs = batch((length, length // 2))
    plain = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    seen: list[int] = []
    hook = wide.model.encoder.layer[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    with torch.inference_mode():
        ours = wide(**inputs)
        hook.remove()
        published = reference(**plain, global_attention_mask=(torch.arange(length) == 0).long().expand(2, -1))
    assert seen == [length]
    close(ours, published.last_hidden_state, inputs["attention_mask"])


def test_short_rows_change_nothing_for_long_ones(wide: PretrainedEncoder) -> None:
    long = batch((600,))
    with torch.inference_mode():
        before = wide(**long)
        wide(**batch((20,)))
        assert torch.equal(wide(**long), before)
    assert wide.transformers_config()["attention_window"] == [256, 512]


# --- what is read from a checkpoint -------------------------------------------------------


def test_half_precision_weights_are_read_as_float32(tmp_path: Path) -> None:
    torch.manual_seed(0)
    transformers.AutoModel.from_config(new_config("deberta-v2", OPTIONS)).half().save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    assert {p.dtype for p in load(tmp_path).parameters()} == {torch.float32}
    random = load(tmp_path, from_nothing=True, layers=None, hidden=None, heads=None)
    assert {p.dtype for p in random.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", NAMES)
def test_dropout_is_as_asked_and_that_of_attention_is_off(name: str, folders: dict[str, Path]) -> None:
    encoder = load(folders[name])
    found = {
        (
            "attention" if "self" in place or "attention.dropout" in place else "hidden",
            module.p,
        )
        for place, module in encoder.named_modules()
        if isinstance(module, nn.Dropout) and "pos_dropout" not in place
    }
    assert found <= {("attention", 0.0), ("hidden", 0.25)}
    has_hidden = any(hasattr(encoder.model.config, name) for name in DROPOUT_NAMES)
    assert (("hidden", 0.25) in found) == has_hidden
    floats = {
        vars(module)[key]
        for module in encoder.modules()
        for key in ("dropout", "attention_dropout")
        if key in vars(module)
    }
    assert floats <= {0.0}


def test_the_pooler_is_kept_only_where_it_is_used(folders: dict[str, Path]) -> None:
    with_it, without = load(folders["bert"], with_pooler=True), load(folders["bert"])
    assert with_it.pooler is not None
    assert without.pooler is None
    assert not [name for name in without.state_dict() if "pooler" in name]
    with pytest.raises(UsageError, match=r"--pooling pooler: .* has no pooler; take cls or mean"):
        load(folders["distilbert"], with_pooler=True)


def test_the_table_of_words_is_at_hand(folders: dict[str, Path]) -> None:
    encoder = load(folders["electra"])
    assert encoder.embeddings_weight is encoder.model.embeddings.word_embeddings.weight


@pytest.mark.parametrize("name", NAMES)
def test_a_runs_config_makes_the_encoder_again(name: str, folders: dict[str, Path]) -> None:
    encoder, inputs = load(folders[name]), batch()
    values = json.loads(json.dumps(encoder.transformers_config()))
    again = rebuild(values, with_pooler=False)
    again.load_state_dict(encoder.state_dict())
    with torch.inference_mode():
        assert torch.equal(again.eval()(**inputs), encoder(**inputs))
    assert again.transformers_config() == encoder.transformers_config()


@pytest.mark.parametrize("values", [{}, {"model_type": "no-such-type"}, {"model_type": "bert", "hidden_size": 5}])
def test_a_config_that_transformers_cannot_build_is_said(values: dict[str, object]) -> None:
    with pytest.raises(ModelError, match=r"^config\.json: transformers cannot build it \("):
        rebuild(values, with_pooler=False)


def test_loading_is_silent(folders: dict[str, Path], tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    model = transformers.BertForMaskedLM.from_pretrained(folders["bert"])
    model.save_pretrained(tmp_path)
    log.clear()
    assert load(tmp_path, with_pooler=True).pooler is not None  # new: the file has none
    assert log.records == []


# --- bad input ----------------------------------------------------------------------------


def copied(folder: Path, place: Path) -> Path:
    place.mkdir()
    for path in folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    return place


def saved_with(folder: Path, place: Path, change: object) -> Path:
    """Copy a model and change its weights with a function of the state dict."""
    from safetensors.torch import load_file, save_file

    place = copied(folder, place)
    weights = load_file(place / "model.safetensors")
    change(weights)  # type: ignore[operator]
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    return place


def test_missing_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    lacking = saved_with(
        folders["bert"], tmp_path / "bert", lambda w: w.pop("encoder.layer.1.attention.self.query.weight")
    )
    with pytest.raises(ModelError, match=r"weights lack 1 tensors of the encoder, encoder\.layer\.1\.attention"):
        load(lacking)


def test_weights_of_another_shape_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    other = saved_with(
        folders["bert"],
        tmp_path / "bert",
        lambda w: w.update({"embeddings.word_embeddings.weight": torch.zeros(61, 32)}),
    )
    with pytest.raises(ModelError, match=r"word_embeddings\.weight is \(61, 32\) in the weights and \(60, 32\) by"):
        load(other)


def test_weights_of_something_else_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    place = copied(folders["bert"], tmp_path / "bert")
    (place / "model.safetensors").write_bytes((folders["deberta-v2"] / "model.safetensors").read_bytes())
    with pytest.raises(ModelError, match=r"its weights lack \d+ tensors of the encoder"):
        load(place)


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, r"has no config\.json, so it holds no model"),
        ({"config.json": '{"model_type": "bert"}'}, r"has a config\.json and no weights .*--init random"),
        ({"config.json": "{", "model.safetensors": ""}, r"holds no encoder \(.*config\.json.*\); check the folder"),
        ({"config.json": "{}", "model.safetensors": ""}, r"holds no encoder \(.*\); check the folder"),
        ({"config.json": '{"model_type": "bert"}', "model.safetensors": "abc"}, r"holds no encoder \(.*\)"),
        ({"config.json": '{"model_type": "bert"}', "pytorch_model.bin": "abc"}, r"holds no encoder \(.*\)"),
        ({"config.json": '{"model_type": "t5"}', "model.safetensors": ""}, r"is a t5, and bertkit needs an encoder"),
        ({"config.json": '{"model_type": "clip"}', "model.safetensors": ""}, r"is a clip, and bertkit needs"),
        ({"config.json": '{"model_type": "bert", "hidden_size": "x"}', "model.safetensors": ""}, r"holds no encoder"),
    ],
)  # fmt: skip
def test_a_folder_that_holds_no_encoder_is_said(files: dict[str, str], sentence: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=sentence) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"--model {tmp_path}: ")
    assert "\n" not in str(caught.value)


def test_a_row_longer_than_the_positions_is_said(folders: dict[str, Path]) -> None:
    for name in ("bert", "roberta", "longformer"):
        with pytest.raises(ModelError, match=r"a row of 49 tokens: the encoder has 48 positions; add --max-length 48"):
            load(folders[name])(**batch((49,)))


def test_more_segments_than_the_encoder_has_are_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match=r"--overlap-segments: .* knows 2 segment ids"):
        load(folders["bert"], type_vocab_size=18)
    with pytest.raises(UsageError, match=r"--overlap-segments: deberta knows 0 segment ids"):
        build(find_model("deberta"), replace(OPTIONS, type_vocab_size=18, from_nothing=True))
